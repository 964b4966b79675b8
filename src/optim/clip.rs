//! Bounds on the gradient: by its norm first, then entry by entry.

use crate::error::Result;
use crate::tensor::Tensor;

/// Keeps a norm of 0 from dividing; PyTorch's constant.
const SMALL: f64 = 1e-6;

/// The bounds that are on.
pub(super) struct Clip {
    norm: Option<f64>,
    value: Option<f64>,
}

impl Clip {
    /// Bounds of 0 are off, as `None` is.
    pub(super) fn new(norm: Option<f64>, value: Option<f64>) -> Clip {
        Clip {
            norm: norm.filter(|b| *b > 0.0),
            value: value.filter(|b| *b > 0.0),
        }
    }

    /// Whether [`Clip::by_norm`] does anything.
    pub(super) fn needs_norm(&self) -> bool {
        self.norm.is_some()
    }

    /// `g ← g · min(1, bound / (‖g‖ + 10⁻⁶))`, without a look at the norm's value.
    pub(super) fn by_norm(&self, gradient: &mut tch::Tensor, norm: &Tensor) -> Result<()> {
        if let Some(bound) = self.norm {
            let mut factor = norm.raw().f_add_scalar(SMALL)?.f_reciprocal_()?;
            let factor = factor.f_mul_scalar_(bound)?.f_clamp_max_(1.0)?;
            let _ = gradient.f_mul_(&factor)?;
        }
        Ok(())
    }

    /// Every entry into [−bound, bound].
    pub(super) fn by_value(&self, gradient: &mut tch::Tensor) -> Result<()> {
        if let Some(bound) = self.value {
            let _ = gradient.f_clamp_(-bound, bound)?;
        }
        Ok(())
    }
}
