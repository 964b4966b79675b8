//! Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019), with PyTorch's constants:
//!
//! `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
//! `θ ← θ − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + eps)`.
//!
//! IGEBM (Du and Mordatch, 2019) cuts each entry of the gradient before: at `a √(v / (1 − β₂ᵗ)) + b`,
//! with the `v` of the steps before.

use super::{AdamOptions, AdamWOptions, Rule};
use crate::error::{Error, Result};

/// What weight decay acts on.
#[derive(Clone, Copy)]
enum Decay {
    /// `g ← g + λ θ`: it passes through the moments (Adam).
    Gradient(f64),
    /// `θ ← (1 − lr · λ) θ`: it does not (AdamW).
    Weights(f64),
}

/// The rule of both.
pub(super) struct Adam {
    betas: [f64; 2],
    eps: f64,
    decay: Decay,
    clip: Option<[f64; 2]>,
}

impl From<&AdamOptions> for Adam {
    fn from(o: &AdamOptions) -> Adam {
        Adam {
            betas: o.betas,
            eps: o.eps,
            decay: Decay::Gradient(o.weight_decay),
            clip: o.clip_adaptive,
        }
    }
}

impl From<&AdamWOptions> for Adam {
    fn from(o: &AdamWOptions) -> Adam {
        Adam {
            betas: o.betas,
            eps: o.eps,
            decay: Decay::Weights(o.weight_decay),
            clip: None,
        }
    }
}

impl Rule for Adam {
    fn memory(&self) -> Vec<&'static str> {
        vec!["m", "v"]
    }

    fn update(
        &self,
        values: &mut tch::Tensor,
        mut gradient: tch::Tensor,
        memory: &mut [tch::Tensor],
        lr: f64,
        t: i64,
    ) -> Result<()> {
        let [b1, b2] = self.betas;
        let [m, v] = memory else {
            return Err(Error::state("adam: no moments"));
        };
        if let Some([factor, summand]) = self.clip {
            // The mean before this gradient, with the correction of this step.
            let mean = v.f_div_scalar(1.0 - b2.powf(t as f64))?;
            let bound = mean
                .f_sqrt()?
                .f_mul_scalar_(factor)?
                .f_add_scalar_(summand)?;
            gradient = gradient.f_minimum(&bound)?.f_maximum(&bound.f_neg()?)?;
        }
        match self.decay {
            Decay::Gradient(rate) if rate != 0.0 => {
                gradient = gradient.f_add_(&values.f_mul_scalar(rate)?)?
            }
            Decay::Weights(rate) if rate != 0.0 => {
                *values = values.f_mul_scalar_(1.0 - lr * rate)?
            }
            _ => {}
        }
        let _ = m.f_lerp_(&gradient, 1.0 - b1)?;
        let mut buffer = gradient.f_square_()?;
        let _ = v.f_lerp_(&buffer, 1.0 - b2)?;
        // The two corrections are numbers, so they move out of the tensors: with r = √(1 − β₂ᵗ),
        // lr/(1 − β₁ᵗ) · m / (√v/r + eps) = m / ((√v + eps · r) / (lr · r/(1 − β₁ᵗ))).
        let root = (1.0 - b2.powf(t as f64)).sqrt();
        let rate = lr * root / (1.0 - b1.powf(t as f64));
        if rate > 0.0 {
            let _ = v.f_sqrt_out(&buffer)?;
            buffer = buffer
                .f_add_scalar_(self.eps * root)?
                .f_mul_scalar_(-1.0 / rate)?;
            *values = values.f_addcdiv_(m, &buffer)?;
        }
        Ok(())
    }
}
