//! Rows shared out over the ranks: each computes some, and all get the whole.

use crate::error::Result;
use crate::tensor::{Kind, Tensor};
use crate::world::World;

/// What a function makes of rows, `[N, …]` to `[N, …]`: where all ranks have the same rows, each
/// computes its part of them. Where they do not (inside a training step each has its own), every
/// rank computes what it has.
pub(super) fn by_rows(
    what: &str,
    x: &Tensor,
    compute: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    by_range(what, x, |rows| compute(&rows.of(x)?))
}

/// Some rows of all.
#[derive(Clone, Copy)]
pub(super) struct Range {
    start: i64,
    /// How many.
    pub len: i64,
    /// Whether other ranks have the other rows.
    part: bool,
}

impl Range {
    /// These rows of a tensor that has all.
    pub(super) fn of(self, all: &Tensor) -> Result<Tensor> {
        all.narrow(0, self.start, self.len)
    }

    /// What is made of them at random: rows of other ranks have noise of their own.
    pub(super) fn at_random<T>(self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.part {
            World::current().with_own_noise(make)
        } else {
            make()
        }
    }
}

/// The same for what needs more than `x`: labels, or noise that was drawn for all rows.
pub(super) fn by_range(
    what: &str,
    x: &Tensor,
    compute: impl Fn(Range) -> Result<Tensor>,
) -> Result<Tensor> {
    let world = sharing(what, x)?;
    let (n, ranks) = (x.len(), world.size() as i64);
    if world.is_one() || n < ranks {
        return compute(Range {
            start: 0,
            len: n,
            part: false,
        });
    }
    let each = (n + ranks - 1) / ranks;
    let start = (world.rank() as i64 * each).min(n - 1);
    // The last ranks may have fewer, or only one that nobody needs.
    let own = compute(Range {
        start,
        len: each.min(n - start),
        part: true,
    });
    let own = world.agreed(what, own)?;
    let mut shape = own.shape();
    shape[0] = each;
    let mut padded = Tensor::zeros(&shape)?.like(&own)?;
    let rows = Tensor::of_ints(&(0..own.len()).collect::<Vec<_>>())?.to_device(own.device())?;
    padded = padded.with_rows(&rows, &own)?;
    shape[0] = each * ranks;
    world
        .all_gather(what, &padded)?
        .reshape(&shape)?
        .narrow(0, 0, n)
}

/// The rows of this rank: a range of them where all ranks have the same, else all.
pub(super) struct Share {
    what: &'static str,
    world: World,
    from: i64,
    to: i64,
}

impl Share {
    pub(super) fn of(what: &'static str, x: &Tensor) -> Result<Share> {
        let world = sharing(what, x)?;
        let (n, rank, ranks) = (x.len(), world.rank() as i64, world.size() as i64);
        Ok(Share {
            what,
            from: n * rank / ranks,
            to: n * (rank + 1) / ranks,
            world,
        })
    }

    pub(super) fn rows(&self) -> std::ops::Range<i64> {
        self.from..self.to
    }

    /// What was done for these rows, if all ranks did theirs.
    pub(super) fn agreed<T>(&self, own: Result<T>) -> Result<T> {
        self.world.agreed(self.what, own)
    }

    /// Fills in what the other ranks found of their rows.
    pub(super) fn join(&self, found: &mut [Option<f64>]) -> Result<()> {
        // No size is negative.
        let own: Vec<f64> = found.iter().map(|f| f.unwrap_or(-1.0)).collect();
        let all = self.world.numbers(self.what, &own)?;
        for (rank, theirs) in all.iter().enumerate() {
            let (n, ranks) = (found.len(), self.world.size());
            for row in n * rank / ranks..n * (rank + 1) / ranks {
                found[row] = Some(theirs[row]).filter(|at| *at >= 0.0);
            }
        }
        Ok(())
    }
}

/// Batches with noise of their own, dealt out over the ranks where all of them have the same rows: what they come to
/// is the same however many there are.
pub(super) struct Deal {
    what: &'static str,
    world: World,
}

impl Deal {
    pub(super) fn of(what: &'static str, x: &Tensor) -> Result<Deal> {
        let world = sharing(what, x)?;
        Ok(Deal { what, world })
    }

    /// Whether this batch is this rank's.
    pub(super) fn has(&self, batch: usize) -> bool {
        batch % self.world.size() == self.world.rank()
    }

    /// What was done for these batches, if all ranks did theirs.
    pub(super) fn agreed<T>(&self, own: Result<T>) -> Result<T> {
        self.world.agreed(self.what, own)
    }

    /// The sums over all batches, from those over this rank's.
    pub(super) fn sum(&self, own: Vec<f64>) -> Result<Vec<f64>> {
        let all = self.world.numbers(self.what, &own)?;
        let sum = |i: usize| all.iter().map(|theirs| theirs[i]).sum();
        Ok((0..own.len()).map(sum).collect())
    }
}

/// The ranks that have these rows: all of them, or each is alone with its own.
fn sharing(what: &str, x: &Tensor) -> Result<World> {
    let world = World::current();
    if world.is_one() {
        return Ok(world);
    }
    let sum = f64::from(x.to_kind(Kind::Float)?.checksum(0)?);
    let sums = world.numbers(what, &[sum])?;
    let same = sums.iter().all(|s| s == &sums[0]);
    Ok(if same { world } else { World::one() })
}
