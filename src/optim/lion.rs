//! Lion (Chen et al., 2023): steps of one size, by the sign of a momentum.
//!
//! `c = β₁ m + (1 − β₁) g`, `θ ← θ − lr · (sign c + λ θ)`, `m ← β₂ m + (1 − β₂) g`.

use super::{LionOptions, Rule};
use crate::error::{Error, Result};

impl Rule for LionOptions {
    fn memory(&self) -> Vec<&'static str> {
        vec!["m"]
    }

    fn update(
        &self,
        values: &mut tch::Tensor,
        gradient: tch::Tensor,
        memory: &mut [tch::Tensor],
        lr: f64,
        _t: i64,
    ) -> Result<()> {
        let [m] = memory else {
            return Err(Error::state("lion: no momentum"));
        };
        let [b1, b2] = self.betas;
        let mut step = m
            .f_lerp(&gradient, 1.0 - b1)?
            .f_sign_()?
            .f_mul_scalar_(lr)?;
        let _ = m.f_lerp_(&gradient, 1.0 - b2)?;
        if self.weight_decay != 0.0 {
            step = step.f_add_(&values.f_mul_scalar(lr * self.weight_decay)?)?;
        }
        *values = values.f_sub_(&step)?;
        Ok(())
    }
}
