//! What attacks share: norms, balls round images, and what is climbed.

use crate::data::Part;
use crate::energy::{Climbed, Ready, Slope};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

/// Sizes that are not negative, a range that rises.
pub(crate) fn check_ball(owner: &str, eps: &[f64], range: Option<(f64, f64)>) -> Result<()> {
    if let Some(e) = eps.iter().find(|e| !(e.is_finite() && **e >= 0.0)) {
        return Err(Error::argument(format!(
            "{owner}: eps must be 0 or more, got {e}"
        )));
    }
    match range {
        Some((low, high)) if !(low.is_finite() && high.is_finite() && low < high) => {
            Err(Error::argument(format!(
                "{owner}: range must be [low, high], got [{low}, {high}]"
            )))
        }
        _ => Ok(()),
    }
}

/// The range of the pixels: the one that is given, else that of the part's data set, else [−1, 1].
pub(crate) fn pixel_range(part: &Part, given: Option<(f64, f64)>) -> (f64, f64) {
    given.or(part.range()).unwrap_or((-1.0, 1.0))
}

crate::choice! {
    /// How the size of a change is measured.
    pub enum Norm {
        /// The largest change of a pixel.
        Linf = "linf",
        /// The length of the change.
        L2 = "l2",
    }
}

impl Norm {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Norm::Linf => "L∞",
            Norm::L2 => "L2",
        }
    }
}

crate::choice! {
    /// What an attack climbs.
    pub enum Objective {
        /// −log p(y|x), by its log-odds `log Σ_{k≠y} exp f(x)[k] − f(x)[y]`: the cross-entropy is
        /// `log(1 + exp(·))` of them, so both rise together and their gradients have one direction. But
        /// those of the cross-entropy are 0 in the machine's numbers once the model is sure, and an
        /// attack along them would stand still.
        CrossEntropy = "cross_entropy",
        /// The best other logit minus that of the class.
        Margin = "margin",
    }
}

impl Objective {
    /// Some of them as a protocol tells them.
    pub(crate) fn told(some: &[Objective]) -> String {
        let words = some.iter().map(|o| o.word().replace('_', "-"));
        words.collect::<Vec<_>>().join(" and ")
    }

    /// Logits at x, what is climbed there, and its gradient.
    pub(crate) fn slope(self, ready: &Ready, x: &Tensor, y: &tch::Tensor) -> Result<Slope> {
        let what = match self {
            Objective::CrossEntropy => Climbed::LogOdds,
            Objective::Margin => Climbed::Margin,
        };
        if let Some(found) = ready.climb(x, &Tensor::from(y.shallow_clone()), what)? {
            return Ok(found);
        }
        let leaf = x.raw().f_detach()?.f_requires_grad_(true)?;
        let logits = ready.energy().logits(&Tensor::from(leaf.shallow_clone()))?;
        let value = self.rows(logits.raw(), y)?;
        let gradient = slope_at(&value, &leaf)?;
        Ok(Slope {
            logits: logits.detach(),
            value: Tensor::from(value).detach(),
            gradient: gradient.into(),
        })
    }

    /// What is climbed, of each row.
    pub(crate) fn rows(self, logits: &tch::Tensor, y: &tch::Tensor) -> Result<tch::Tensor> {
        let others = others(logits, y)?;
        let against = match self {
            Objective::CrossEntropy => others.f_logsumexp(&[1i64][..], false)?,
            Objective::Margin => others.f_amax([1], false)?,
        };
        Ok(against.f_sub(&at(logits, y)?)?)
    }
}

/// Each row's logit at a class of its own, `[B]`.
pub(crate) fn at(logits: &tch::Tensor, class: &tch::Tensor) -> Result<tch::Tensor> {
    Ok(logits
        .f_gather(1, &class.f_unsqueeze(1)?, false)?
        .f_squeeze_dim(1)?)
}

/// The logits `[B, K]` without those of the labels: −∞ in their place.
pub(crate) fn others(logits: &tch::Tensor, y: &tch::Tensor) -> Result<tch::Tensor> {
    let own = y.f_one_hot(logits.size()[1])?.f_to_kind(Kind::Bool)?;
    Ok(logits.f_masked_fill(&own, f64::NEG_INFINITY)?)
}

/// The sum of rows' values differentiated with respect to x.
pub(crate) fn slope_at(values: &tch::Tensor, x: &tch::Tensor) -> Result<tch::Tensor> {
    let sum = values.f_sum(None::<tch::Kind>)?;
    let found = crate::tensor::backward(&sum, &[x], false)?;
    found.into_iter().next().flatten().ok_or_else(no_gradient)
}

/// Logits that no gradient reaches x from cannot be climbed.
fn no_gradient() -> Error {
    Error::state("an attack needs logits that depend on x through something that can be differentiated").with_hint(
        "is there a `detach`, a rounding or a constant inside the network? evaluate::square needs no gradient",
    )
}

/// A ball round images, cut off at the range of the pixels.
#[derive(Clone, Copy)]
pub(crate) struct Ball {
    pub norm: Norm,
    pub range: (f64, f64),
}

impl Ball {
    /// Points of the unit ball for all rows, uniform in its volume.
    pub(crate) fn start(self, x: &Tensor) -> Result<Tensor> {
        match self.norm {
            Norm::Linf => x.rand_like()?.mul(2.0)?.sub(1.0),
            Norm::L2 => {
                let direction = unit_rows(x.randn_like()?.raw())?;
                let d = (x.numel() as f64 / x.len() as f64).max(1.0);
                let shape: Vec<i64> = (0..x.ndim())
                    .map(|i| if i == 0 { x.len() } else { 1 })
                    .collect();
                let radius = Tensor::from(tch::Tensor::f_rand(&shape[..], (x.kind(), x.device()))?)
                    .pow(1.0 / d)?;
                Tensor::from(direction).mul(&radius)
            }
        }
    }

    /// A step along the gradient's direction, back inside the ball.
    pub(crate) fn stepped(
        self,
        x0: &tch::Tensor,
        x: &tch::Tensor,
        gradient: &tch::Tensor,
        step: f64,
        eps: f64,
    ) -> Result<tch::Tensor> {
        let direction = match self.norm {
            Norm::Linf => gradient.f_sign()?,
            Norm::L2 => unit_rows(gradient)?,
        };
        self.project(
            x0,
            &x.f_add(&direction.f_mul_scalar(step)?)?.f_sub(x0)?,
            eps,
        )
    }

    /// `x0 + delta` inside the ball and the pixel range. A pixel that lies outside of the range may
    /// stay where it is: being pulled in would move it further than the ball allows.
    pub(crate) fn project(
        self,
        x0: &tch::Tensor,
        delta: &tch::Tensor,
        eps: f64,
    ) -> Result<tch::Tensor> {
        let inside = match self.norm {
            Norm::Linf => delta.f_clamp(-eps, eps)?,
            Norm::L2 => {
                let length = row_norms(delta)?;
                delta.f_mul(&length.f_clamp_min(eps)?.f_reciprocal()?.f_mul_scalar(eps)?)?
            }
        };
        within(&x0.f_add(&inside)?, x0, self.range)
    }
}

/// x clamped to the range, which is widened to hold each pixel of x0.
pub(crate) fn within(
    x: &tch::Tensor,
    x0: &tch::Tensor,
    (low, high): (f64, f64),
) -> Result<tch::Tensor> {
    Ok(x.f_maximum(&x0.f_clamp_max(low)?)?
        .f_minimum(&x0.f_clamp_min(high)?)?)
}

/// ‖row‖₂ with the row's dimensions kept as 1.
pub(crate) fn row_norms(t: &tch::Tensor) -> Result<tch::Tensor> {
    let dims: Vec<i64> = (1..t.dim() as i64).collect();
    // Of numbers near 1: squares of very large or very small ones are infinite or 0.
    let largest = t.f_abs()?.f_amax(&dims[..], true)?;
    let scale = largest
        .f_ones_like()?
        .f_where_self(&largest.f_eq(0.0)?, &largest)?;
    let length = t
        .f_div(&scale)?
        .f_square()?
        .f_sum_dim_intlist(&dims[..], true, None::<Kind>)?
        .f_sqrt()?;
    Ok(length.f_mul(&scale)?)
}

/// Each row divided by its length; rows of zeros stay.
pub(crate) fn unit_rows(t: &tch::Tensor) -> Result<tch::Tensor> {
    let length = row_norms(t)?;
    Ok(t.f_div(
        &length
            .f_ones_like()?
            .f_where_self(&length.f_eq(0.0)?, &length)?,
    )?)
}
