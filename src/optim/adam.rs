//! Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019), with PyTorch's constants:
//!
//! `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
//! `θ ← θ − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + eps)`.

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
}

impl From<&AdamOptions> for Adam {
    fn from(o: &AdamOptions) -> Adam {
        Adam {
            betas: o.betas,
            eps: o.eps,
            decay: Decay::Gradient(o.weight_decay),
        }
    }
}

impl From<&AdamWOptions> for Adam {
    fn from(o: &AdamWOptions) -> Adam {
        Adam {
            betas: o.betas,
            eps: o.eps,
            decay: Decay::Weights(o.weight_decay),
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
        match self.decay {
            Decay::Gradient(rate) if rate != 0.0 => {
                gradient = gradient.f_add_(&values.f_mul_scalar(rate)?)?
            }
            Decay::Weights(rate) if rate != 0.0 => {
                *values = values.f_mul_scalar_(1.0 - lr * rate)?
            }
            _ => {}
        }
        let [b1, b2] = self.betas;
        let [m, v] = memory else {
            return Err(Error::state("adam: no moments"));
        };
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
