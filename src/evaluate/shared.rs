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
    let world = World::current();
    let (n, ranks) = (x.len(), world.size() as i64);
    if world.is_one() || !same(&world, what, x)? || n < ranks {
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
    /// Nobody else has these rows where there is none.
    world: Option<World>,
    from: i64,
    to: i64,
}

impl Share {
    pub(super) fn of(what: &'static str, x: &Tensor) -> Result<Share> {
        let world = World::current();
        let n = x.len();
        if world.is_one() || !same(&world, what, x)? {
            return Ok(Share {
                what,
                world: None,
                from: 0,
                to: n,
            });
        }
        let (rank, ranks) = (world.rank() as i64, world.size() as i64);
        Ok(Share {
            what,
            from: n * rank / ranks,
            to: n * (rank + 1) / ranks,
            world: Some(world),
        })
    }

    pub(super) fn rows(&self) -> std::ops::Range<i64> {
        self.from..self.to
    }

    /// What was done for these rows, if all ranks did theirs.
    pub(super) fn agreed<T>(&self, own: Result<T>) -> Result<T> {
        agreed(self.world.as_ref(), self.what, own)
    }

    /// Fills in what the other ranks found of their rows.
    pub(super) fn join(&self, found: &mut [Option<f64>]) -> Result<()> {
        let Some(world) = &self.world else {
            return Ok(());
        };
        // No size is negative.
        let own: Vec<f64> = found.iter().map(|f| f.unwrap_or(-1.0)).collect();
        let all = world.numbers(self.what, &own)?;
        for (rank, theirs) in all.iter().enumerate() {
            let (n, ranks) = (found.len(), world.size());
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
    world: Option<World>,
}

impl Deal {
    pub(super) fn of(what: &'static str, x: &Tensor) -> Result<Deal> {
        let world = World::current();
        let shared = !world.is_one() && same(&world, what, x)?;
        Ok(Deal {
            what,
            world: shared.then_some(world),
        })
    }

    /// Whether this batch is this rank's.
    pub(super) fn has(&self, batch: usize) -> bool {
        let world = self.world.as_ref();
        world.is_none_or(|w| batch % w.size() == w.rank())
    }

    /// What was done for these batches, if all ranks did theirs.
    pub(super) fn agreed<T>(&self, own: Result<T>) -> Result<T> {
        agreed(self.world.as_ref(), self.what, own)
    }

    /// The sums over all batches, from those over this rank's.
    pub(super) fn sum(&self, own: Vec<f64>) -> Result<Vec<f64>> {
        let Some(world) = &self.world else {
            return Ok(own);
        };
        let all = world.numbers(self.what, &own)?;
        let sum = |i: usize| all.iter().map(|theirs| theirs[i]).sum();
        Ok((0..own.len()).map(sum).collect())
    }
}

/// A rank's own work where it is alone with its rows; else the work of all or an error of all.
fn agreed<T>(world: Option<&World>, what: &str, own: Result<T>) -> Result<T> {
    match world {
        Some(world) => world.agreed(what, own),
        None => own,
    }
}

/// Whether all ranks have these rows.
fn same(world: &World, what: &str, x: &Tensor) -> Result<bool> {
    let sum = f64::from(x.to_kind(Kind::Float)?.checksum(0)?);
    let sums = world.numbers(what, &[sum])?;
    Ok(sums.iter().all(|s| s == &sums[0]))
}
