//! Stochastic gradient descent with momentum, in PyTorch's form:
//!
//! `d ← g + λ θ`, `b ← μ b + d`, `θ ← θ − lr · b` (Nesterov: `θ ← θ − lr · (d + μ b)`).

use super::{Rule, SgdOptions};
use crate::error::Result;
use crate::tensor::Tensor;

/// The direction that momentum keeps.
pub(super) struct Sgd {
    momentum: Option<Tensor>,
    options: SgdOptions,
}

impl Sgd {
    pub(super) fn new(values: &Tensor, options: &SgdOptions) -> Result<Sgd> {
        let wanted = options.momentum != 0.0;
        let momentum = if wanted {
            Some(Tensor::from(values.raw().f_zeros_like()?))
        } else {
            None
        };
        Ok(Sgd {
            momentum,
            options: options.clone(),
        })
    }
}

impl Rule for Sgd {
    fn update(
        &mut self,
        values: &mut tch::Tensor,
        mut gradient: tch::Tensor,
        lr: f64,
        _t: i64,
    ) -> Result<()> {
        let SgdOptions {
            momentum: mu,
            nesterov,
            weight_decay,
            ..
        } = self.options;
        if weight_decay != 0.0 {
            gradient = gradient.f_add_(&values.f_mul_scalar(weight_decay)?)?;
        }
        let step = match &self.momentum {
            None => gradient.f_mul_scalar_(lr)?,
            Some(kept) => {
                let kept = kept
                    .raw()
                    .shallow_clone()
                    .f_mul_scalar_(mu)?
                    .f_add_(&gradient)?;
                if nesterov {
                    gradient
                        .f_add_(&kept.f_mul_scalar(mu)?)?
                        .f_mul_scalar_(lr)?
                } else {
                    kept.f_mul_scalar(lr)?
                }
            }
        };
        *values = values.f_sub_(&step)?;
        Ok(())
    }

    fn memory(&self) -> Vec<(&'static str, &Tensor)> {
        self.momentum.iter().map(|m| ("momentum", m)).collect()
    }
}
