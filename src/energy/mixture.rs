//! A mixture of normal densities: `E(x) = −log Σ_k w_k |Σ_k|^{−½} exp(−½ (x − μ_k)ᵀ Σ_k⁻¹ (x −
//! μ_k))`, with weights that sum to 1. Only the constant `½ d log 2π` is left out: adding it gives
//! the exact `−log p(x)`.
//!
//! Score: `−Σ_k r_k(x) Σ_k⁻¹ (x − μ_k)`, with the responsibilities `r = softmax` of the terms'
//! logarithms.

use super::EnergyFunction;
use super::analytic::{Constants, check_points, exact};
use super::gaussian::precision_and_log_det;
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

crate::options! {
    /// Options of a mixture of normal densities.
    pub struct MixtureOptions for "energy::mixture" {
        /// one weight per component, scaled to sum to 1; equal unless given
        weights: Option<Vec<f64>> = None,
        /// standard deviation of every component, where no covariances are given
        std: f64 = 1.0,
        /// covariances [K, d, d], one per component
        covs: Option<Tensor> = None,
    }
    check |o| {
        if !(o.std > 0.0 && o.std.is_finite()) {
            return Err(Error::argument(format!("energy::mixture: `std` must be above 0, got {}", o.std)));
        }
        if o.weights.as_ref().is_some_and(|w| w.is_empty() || w.iter().any(|w| !(*w > 0.0 && w.is_finite()))) {
            return Err(Error::argument("energy::mixture: `weights` must be numbers above 0"));
        }
        Ok(())
    }
}

/// K normal densities with weights.
pub(super) struct Mixture {
    components: i64,
    dimensions: i64,
    /// Means `[K, d]`, precisions `[K, d, d]`, log weights less half the log determinants `[K]`.
    constants: Constants,
}

impl Mixture {
    pub(super) fn new(means: &Tensor, options: &MixtureOptions) -> Result<Mixture> {
        use crate::options::Options;
        options.check()?;
        let means = exact(means)?;
        let [k, d] = means.shape()[..] else {
            return Err(Error::shape(format!(
                "energy::mixture: needs means [K, d], got {:?}",
                means.shape()
            )));
        };
        if k == 0 || d == 0 {
            return Err(Error::shape(format!(
                "energy::mixture: needs means [K, d], got {:?}",
                means.shape()
            )));
        }
        let weights = options
            .weights
            .clone()
            .unwrap_or_else(|| vec![1.0; k as usize]);
        if weights.len() as i64 != k {
            return Err(Error::argument(format!(
                "energy::mixture: {} weights for {k} means",
                weights.len()
            )));
        }
        let covariances = match &options.covs {
            Some(covs) => exact(covs)?,
            None => exact(&Tensor::eye(d)?)?
                .mul(options.std * options.std)?
                .unsqueeze(0)?
                .expand(&[k, d, d])?,
        };
        if covariances.shape() != [k, d, d] {
            return Err(Error::shape(format!(
                "energy::mixture: `covs` must be [{k}, {d}, {d}] for means {:?}, got {:?}",
                means.shape(),
                covariances.shape()
            )));
        }
        let total: f64 = weights.iter().sum();
        let (mut precisions, mut logs) = (Vec::new(), Vec::new());
        for (i, weight) in weights.iter().enumerate() {
            let (precision, log_det) =
                precision_and_log_det("energy::mixture", &covariances.get(i as i64)?)?;
            precisions.push(precision);
            logs.push((weight / total).ln() - 0.5 * log_det);
        }
        let logs = Tensor::from_f64(&logs, &[k], Kind::Double, Device::Cpu)?;
        let constants = Constants::new(vec![means, Tensor::stack(&precisions, 0)?, logs]);
        Ok(Mixture {
            components: k,
            dimensions: d,
            constants,
        })
    }

    /// `Σ_k⁻¹ (x − μ_k)`, `[B, K, d]`, and the logarithm of each component's term, `[B, K]`.
    fn parts(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        check_points("mixture", x, Some(self.dimensions))?;
        let constants = self.constants.like(x)?;
        let centred = x.unsqueeze(1)?.sub(&constants[0])?;
        let pulled = centred.unsqueeze(2)?.matmul(&constants[1])?.squeeze(2)?;
        let logs = centred
            .mul(&pulled)?
            .sum_dims(&[2], false)?
            .mul(-0.5)?
            .add(&constants[2])?;
        Ok((pulled, logs))
    }
}

impl EnergyFunction for Mixture {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.parts(x)?.1.logsumexp(1)?.neg()
    }

    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (pulled, logs) = self.parts(&x.detach())?;
        let responsibilities = logs.softmax(1)?.unsqueeze(2)?;
        let score = responsibilities.mul(pulled)?.sum_dims(&[1], false)?.neg()?;
        Ok((logs.logsumexp(1)?.neg()?, score))
    }

    fn rowwise(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!(
            "mixture({} components, {} dimensions)",
            self.components, self.dimensions
        )
    }
}
