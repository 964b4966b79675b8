//! Stochastic gradient descent with momentum, in PyTorch's form:
//!
//! `d ← g + λ θ`, `b ← μ b + d`, `θ ← θ − lr · b` (Nesterov: `θ ← θ − lr · (d + μ b)`).

use super::{Rule, SgdOptions};
use crate::error::Result;

impl Rule for SgdOptions {
    fn memory(&self) -> Vec<&'static str> {
        let wanted = self.momentum != 0.0;
        wanted.then_some("momentum").into_iter().collect()
    }

    fn update(
        &self,
        values: &mut tch::Tensor,
        mut gradient: tch::Tensor,
        memory: &mut [tch::Tensor],
        lr: f64,
        _t: i64,
    ) -> Result<()> {
        let (mu, decay) = (self.momentum, self.weight_decay);
        if decay != 0.0 {
            gradient = gradient.f_add_(&values.f_mul_scalar(decay)?)?;
        }
        let step = match memory {
            [kept] => {
                let kept = kept.f_mul_scalar_(mu)?.f_add_(&gradient)?;
                if self.nesterov {
                    gradient
                        .f_add_(&kept.f_mul_scalar(mu)?)?
                        .f_mul_scalar_(lr)?
                } else {
                    kept.f_mul_scalar(lr)?
                }
            }
            _ => gradient.f_mul_scalar_(lr)?,
        };
        *values = values.f_sub_(&step)?;
        Ok(())
    }
}
