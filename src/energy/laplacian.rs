//! The Laplacian of an energy, `ΔE(x) = Σ_i ∂²E/∂x_i²`: the trace of its Hessian, which score
//! matching needs (Hyvärinen, 2005).

use super::Energy;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, differentiable, gradient_or_zeros};
use crate::{choice, options};

choice! {
    /// How the directions of Hutchinson's estimate are drawn; both have the identity as covariance.
    pub enum Direction {
        /// −1 or 1, each with probability one half: the least variance.
        Rademacher = "rademacher",
        /// Standard normal, as in sliced score matching (Song et al., 2019).
        Gaussian = "gaussian",
    }
}

options! {
    /// Options of [`Energy::laplacian`].
    pub struct LaplacianOptions for "laplacian" {
        /// random directions of Hutchinson's estimate `mean vᵀ ∇²E(x) v`; 0 is exact, with one pass
        /// back for each dimension of x
        samples: i64 = 0,
        /// how the directions are drawn
        distribution: Direction = Direction::Rademacher,
        /// whether it can be differentiated again: a loss needs that
        create_graph: bool = true,
    }
    check |o| {
        if o.samples < 0 {
            let text = format!("laplacian: `samples` cannot be negative, got {}", o.samples);
            return Err(Error::argument(text));
        }
        Ok(())
    }
}

impl Energy {
    /// `ΔE(x)`, `[B]`, for a batch `[B, …]`: exact, or estimated.
    pub fn laplacian(&self, x: &Tensor, options: &LaplacianOptions) -> Result<Tensor> {
        let found = tch::with_grad(|| {
            let x = differentiable(x)?;
            let gradient = self.differentiable_score(&x)?.1.neg()?;
            match options.samples {
                0 => exact(&gradient, &x),
                samples => hutchinson(&gradient, &x, samples, options.distribution),
            }
        })?;
        Ok(if options.create_graph {
            found
        } else {
            found.detach()
        })
    }
}

/// One pass back for each dimension: the i-th entry of each row's gradient, by the i-th of x.
fn exact(gradient: &Tensor, x: &Tensor) -> Result<Tensor> {
    let flat = gradient.reshape(&[x.len(), -1])?;
    let mut trace: Option<Tensor> = None;
    for i in 0..flat.shape()[1] {
        let entry = flat.narrow(1, i, 1)?;
        let second = gradient_or_zeros(&entry.sum()?, x)?
            .reshape(&[x.len(), -1])?
            .narrow(1, i, 1)?;
        trace = Some(match trace {
            Some(sum) => sum.add(second)?,
            None => second,
        });
    }
    let trace = trace.ok_or_else(|| Error::shape("laplacian: x has no dimensions"))?;
    trace.reshape(&[-1])
}

/// The mean of `vᵀ ∇²E(x) v` over random directions, which for all that have the identity as
/// covariance is the trace in expectation.
fn hutchinson(gradient: &Tensor, x: &Tensor, samples: i64, of: Direction) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for _ in 0..samples {
        let v = match of {
            Direction::Gaussian => x.detach().randn_like()?,
            Direction::Rademacher => x.detach().rand_like()?.sub(0.5)?.sign()?,
        };
        let product = gradient_or_zeros(&gradient.mul(&v)?.sum()?, x)?;
        let one = product
            .mul(&v)?
            .reshape(&[x.len(), -1])?
            .sum_dims(&[1], false)?;
        sum = Some(match sum {
            Some(sum) => sum.add(one)?,
            None => one,
        });
    }
    let sum = sum.ok_or_else(|| Error::argument("laplacian: no samples"))?;
    sum.mul(1.0 / samples as f64)
}
