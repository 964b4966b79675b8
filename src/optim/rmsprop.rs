//! RMSprop (Hinton, 2012), in PyTorch's form:
//!
//! `v ← α v + (1 − α) g²`, centred `a ← α a + (1 − α) g` and `d = √(v − a²) + eps`, else `d = √v +
//! eps`; `θ ← θ − lr · g / d`, with momentum `b ← μ b + g / d`, `θ ← θ − lr · b`.

use super::{RmsPropOptions, Rule};
use crate::error::{Error, Result};

impl Rule for RmsPropOptions {
    fn memory(&self) -> Vec<&'static str> {
        let mut names = vec!["square"];
        names.extend(self.centered.then_some("mean"));
        names.extend((self.momentum != 0.0).then_some("momentum"));
        names
    }

    fn update(
        &self,
        values: &mut tch::Tensor,
        mut gradient: tch::Tensor,
        memory: &mut [tch::Tensor],
        lr: f64,
        _t: i64,
    ) -> Result<()> {
        if self.weight_decay != 0.0 {
            gradient = gradient.f_add_(&values.f_mul_scalar(self.weight_decay)?)?;
        }
        let [square, rest @ ..] = memory else {
            return Err(Error::state("rmsprop: no mean square"));
        };
        let _ = square.f_lerp_(&gradient.f_square()?, 1.0 - self.alpha)?;
        let (mean, momentum) = if self.centered {
            let (mean, rest) = rest.split_at_mut(1);
            (mean.first_mut(), rest.first_mut())
        } else {
            (None, rest.first_mut())
        };
        let mut variance = match mean {
            Some(mean) => {
                let _ = mean.f_lerp_(&gradient, 1.0 - self.alpha)?;
                square.f_addcmul(mean, &mean.f_neg()?)?
            }
            None => square.f_mul_scalar(1.0)?,
        };
        let deviation = variance.f_sqrt_()?.f_add_scalar_(self.eps)?;
        let mut step = gradient.f_div_(&deviation)?;
        if let Some(kept) = momentum {
            step = kept
                .f_mul_scalar_(self.momentum)?
                .f_add_(&step)?
                .f_mul_scalar(lr)?;
        } else {
            step = step.f_mul_scalar_(lr)?;
        }
        *values = values.f_sub_(&step)?;
        Ok(())
    }
}
