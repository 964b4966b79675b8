//! Batch normalisation over the rows of all ranks: two sums between them, of the values and of the
//! squares of what is left, each with its gradient.

use super::BatchNorm2d;
use crate::error::Result;
use crate::tensor::{Tensor, no_grad};
use crate::world::World;

/// Whether there is but one rank.
pub(super) fn alone() -> bool {
    World::current().is_one()
}

impl BatchNorm2d {
    /// In training mode, over the rows of all ranks; each has as many.
    pub(super) fn of_all_ranks(
        &self,
        x: &Tensor,
        affine: Option<[Tensor; 2]>,
        running: Option<[Tensor; 2]>,
    ) -> Result<Tensor> {
        let world = World::current();
        let c = self.channels;
        let mut shape = vec![1; x.ndim()];
        shape[1] = c;
        let n = (x.numel() as i64 / c * world.size() as i64) as f64;
        let mean = |of: &Tensor| -> Result<Tensor> {
            // [B, C, …] to one number a channel.
            let sum = of
                .transpose(0, 1)?
                .reshape(&[c, -1])?
                .raw()
                .f_sum_dim_intlist(1i64, false, of.kind())?;
            world.sum_with_gradient(&Tensor::from(sum))?.div(n)
        };
        let centre = mean(x)?;
        let apart = x.sub(&centre.reshape(&shape)?)?;
        let variance = mean(&apart.square()?)?;
        if let Some([kept_mean, kept_variance]) = running {
            let _guard = no_grad();
            let m = self.options.momentum;
            let follow = |kept: &Tensor, new: &Tensor| -> Result<()> {
                let new = new.detach().like(kept)?;
                let _ = kept.raw().shallow_clone().f_lerp_(new.raw(), m)?;
                Ok(())
            };
            follow(&kept_mean, &centre)?;
            follow(&kept_variance, &variance.mul(n / (n - 1.0))?)?;
        }
        let scale = variance.add(self.options.eps)?.rsqrt()?;
        let y = apart.mul(&scale.reshape(&shape)?)?;
        match affine {
            Some([weight, bias]) => y.mul(&weight.reshape(&shape)?)?.add(&bias.reshape(&shape)?),
            None => Ok(y),
        }
    }
}
