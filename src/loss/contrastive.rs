//! The loss of an unconditional energy (JEM, equations 2, 8, 9 and 10): `mean E(x) − mean E(fake)`.
//!
//! With samples of p held fixed its gradient is an estimate of `−∂ log p(x)/∂θ = ∂E(x)/∂θ −
//! E_{x'~p} ∂E(x')/∂θ`; its value is not the likelihood's.

use super::Loss;
use super::jem::{check_fake, energy_terms};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::Tensor;

crate::options! {
    /// Options of the contrastive loss.
    pub struct ContrastiveOptions for "loss::contrastive" {
        /// weight of mean E(x)² + mean E(fake)², which keeps energies near 0
        energy_l2: f64 = 0.0,
    }
    check |o| {
        if !(o.energy_l2 >= 0.0 && o.energy_l2.is_finite()) {
            let text = format!("loss::contrastive: `energy_l2` must be at least 0, got {}", o.energy_l2);
            return Err(Error::argument(text));
        }
        Ok(())
    }
}

/// `mean E(x) − mean E(fake) + energy_l2 (mean E(x)² + mean E(fake)²)` for data `x` and samples
/// `fake`.
///
/// Terms: `gap` = mean E(fake) − mean E(x), `e_data`, `e_fake`, and `energy_l2` where it has a
/// weight.
pub fn contrastive(
    model: &Energy,
    x: &Tensor,
    fake: &Tensor,
    options: &ContrastiveOptions,
) -> Result<Loss> {
    options.check()?;
    check_fake("loss::contrastive", "fake", fake, x)?;
    let energies = if model.rowwise() && fake.kind() == x.kind() && fake.device() == x.device() {
        let both = model.energy(&Tensor::cat(&[x.clone(), fake.detach()], 0)?)?;
        (
            both.narrow(0, 0, x.len())?,
            both.narrow(0, x.len(), fake.len())?,
        )
    } else {
        (model.energy(x)?, model.energy(&fake.detach())?)
    };
    let (data, fake) = (&energies.0, &energies.1);
    let (e_data, e_fake) = (data.mean()?, fake.mean()?);
    let gap = e_fake.sub(&e_data)?;
    let mut total = gap.neg()?;
    let mut terms = vec![("gap", gap), ("e_data", e_data), ("e_fake", e_fake)];
    if options.energy_l2 > 0.0 {
        let l2 = energy_terms(data, Some(fake))?;
        total = total.add(l2.mul(options.energy_l2)?)?;
        terms.push(("energy_l2", l2));
    }
    Ok(Loss::of(
        total,
        &terms.iter().map(|(name, t)| (*name, t)).collect::<Vec<_>>(),
    ))
}
