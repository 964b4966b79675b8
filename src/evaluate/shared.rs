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
    let world = World::current();
    let (n, ranks) = (x.len(), world.size() as i64);
    if world.is_one() || !same(&world, what, x)? || n < ranks {
        return compute(x);
    }
    let each = (n + ranks - 1) / ranks;
    let start = (world.rank() as i64 * each).min(n - 1);
    // The last ranks may have fewer, or only one that nobody needs.
    let own = compute(&x.narrow(0, start, each.min(n - start))?)?;
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

/// Whether all ranks have these rows.
fn same(world: &World, what: &str, x: &Tensor) -> Result<bool> {
    let sum = f64::from(x.to_kind(Kind::Float)?.checksum(0)?);
    let sums = world.numbers(what, &[sum])?;
    Ok(sums.iter().all(|s| s == &sums[0]))
}
