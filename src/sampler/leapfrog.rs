//! The leapfrog integrator of Hamiltonian dynamics (Neal 2011, section 2.3), for batches of
//! particles of mass 1:
//!
//! `p ← p + (ε/2) F(x)`, `x ← x + ε p`, `p ← p + (ε/2) F(x)`, with the force `F = −∇E`.
//!
//! It is reversible and keeps volumes, also where particles bounce off the walls of a box: so a
//! Metropolis step on `E(x) + ½ ‖p‖²` makes its end a draw from `exp(−E)`.

use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// The box that particles stay in, by bouncing off its walls: `[low, high]` in every coordinate.
pub(crate) type Walls = Option<(f64, f64)>;

/// Moves particles for some steps of size `size`. `evaluate` gives whatever the caller wants to
/// know of a place, and the force there; `push` is the force at the start. Gives the end, what was
/// known of it, and the momentum there.
pub(crate) fn leapfrog<P>(
    x: &Tensor,
    push: &Tensor,
    p: &Tensor,
    (size, steps): (f64, i64),
    walls: Walls,
    mut evaluate: impl FnMut(&Tensor) -> Result<(P, Tensor)>,
) -> Result<(Tensor, Option<P>, Tensor)> {
    let (mut x, mut p, mut push, mut place) = (x.clone(), p.clone(), push.clone(), None);
    for _ in 0..steps {
        crate::interrupt::poll()?;
        p = p.add(push.mul(0.5 * size)?)?;
        (x, p) = moved(&x.add(p.mul(size)?)?, &p, walls)?;
        let (found, force) = evaluate(&x)?;
        (place, push) = (Some(found), force);
        p = p.add(push.mul(0.5 * size)?)?;
    }
    Ok((x, place, p))
}

/// Particles that left the box come back from the wall, and their momentum turns.
fn moved(x: &Tensor, p: &Tensor, walls: Walls) -> Result<(Tensor, Tensor)> {
    let Some((low, high)) = walls else {
        return Ok((x.clone(), p.clone()));
    };
    let width = high - low;
    let folded = x.raw().f_sub_scalar(low)?.f_remainder(2.0 * width)?;
    let back = folded.f_gt(width)?;
    let place = folded
        .f_neg()?
        .f_add_scalar(2.0 * width)?
        .f_where_self(&back, &folded)?;
    let turned = p.raw().f_neg()?.f_where_self(&back, p.raw())?;
    Ok((
        place.f_add_scalar(low)?.f_clamp(low, high)?.into(),
        turned.into(),
    ))
}

/// `½ ‖p‖²` of each particle, `[B]`, in float64: energies are compared by small differences of
/// large numbers.
pub(crate) fn kinetic(p: &Tensor) -> Result<Tensor> {
    let dims: Vec<i64> = (1..p.ndim() as i64).collect();
    let squares = p.raw().f_square()?;
    let sums = if dims.is_empty() {
        squares.f_to_kind(Kind::Double)?
    } else {
        squares.f_sum_dim_intlist(&dims[..], false, Kind::Double)?
    };
    Tensor::from(sums).mul(0.5)
}
