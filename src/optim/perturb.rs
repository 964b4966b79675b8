//! Other weights for a while, and what is built on it: SAM (Foret et al., 2021) and ASAM (Kwon et
//! al., 2021).
//!
//! `e = ρ · g / (‖g‖ + 10⁻¹²)`; adaptive `e = ρ · w² g / (‖|w| g‖ + 10⁻¹²)`; the step goes by the
//! gradient at `w + e`, from `w`.

use super::{Optimizer, SamOptions};
use crate::error::{Error, Result};
use crate::params::{Given, StatisticsFrozen, StepOptions};
use crate::tensor::{Tensor, no_grad};

/// Keeps a norm of 0 from dividing; the constant of SAM's code.
const SMALL: f64 = 1e-12;

/// Gives the weights back, also where a computation ends in a panic.
struct Back<'a>(&'a Optimizer);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        // Where it ended well, they are back already.
        let _ = self.0.put_back();
    }
}

impl Optimizer {
    /// Moves the weights by `scale` times a direction, until [`Optimizer::restore`] gives them
    /// back to the bit. Frozen ones stay.
    pub fn perturb(&self, direction: Given, scale: f64) -> Result<()> {
        let call = self.call("perturb");
        if !scale.is_finite() {
            return Err(Error::argument(format!(
                "{call}: `scale` must be a finite number, got {scale}"
            )));
        }
        let direction = self.inner.flat.direction(&call, direction)?;
        let _guard = no_grad();
        self.displace(direction.raw().f_mul_scalar(scale)?)
    }

    /// Gives the weights from before [`Optimizer::perturb`] back.
    pub fn restore(&self) -> Result<()> {
        if self.put_back()? {
            return Ok(());
        }
        let call = self.call("restore");
        Err(
            Error::state(format!("{call}: the weights are not perturbed"))
                .with_hint("opt.perturb(direction) comes before it"),
        )
    }

    fn displace(&self, by: tch::Tensor) -> Result<()> {
        let _guard = no_grad();
        let values = &self.inner.flat.values;
        let mut moving = self.inner.moving.borrow_mut();
        if moving.held.is_none() {
            moving.held = Some(values.copy()?);
        }
        let _ = values.raw().shallow_clone().f_add_(&by)?;
        Ok(())
    }

    /// Whether there were weights to give back.
    fn put_back(&self) -> Result<bool> {
        let Some(held) = self.inner.moving.borrow_mut().held.take() else {
            return Ok(false);
        };
        let _guard = no_grad();
        let values = &self.inner.flat.values;
        values.raw().shallow_clone().f_copy_(held.raw())?;
        Ok(true)
    }

    /// A step of SAM.
    pub(super) fn step_above(
        &self,
        sam: &SamOptions,
        loss: &mut dyn FnMut() -> Result<Tensor>,
        options: &StepOptions,
    ) -> Result<()> {
        let call = self.call("step");
        let flat = &self.inner.flat;
        let gradient = self
            .averaged(flat.gradient(&call, &loss()?, options)?)?
            .flat;
        let up = {
            let _guard = no_grad();
            let (up, norm) = if sam.adaptive {
                let size = flat.values.raw().f_abs()?;
                let scaled = gradient.f_mul(&size)?;
                let norm = scaled.f_norm()?;
                (scaled.f_mul(&size)?, norm)
            } else {
                let norm = gradient.f_norm()?;
                (gradient, norm)
            };
            up.f_mul(
                &norm
                    .f_add_scalar(SMALL)?
                    .f_reciprocal()?
                    .f_mul_scalar(sam.rho)?,
            )?
        };
        let back = Back(self);
        self.displace(up)?;
        let above = {
            let _frozen = StatisticsFrozen::begin();
            flat.gradient(&call, &loss()?, options)?
        };
        self.put_back()?;
        drop(back);
        self.apply(above)
    }
}
