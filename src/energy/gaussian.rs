//! A normal density: `E(x) = ½ (x − μ)ᵀ Σ⁻¹ (x − μ)`, score `−Σ⁻¹ (x − μ)`.
//!
//! Its normaliser is known, `log Z = ½ d log 2π + ½ log |Σ|`, and left out: E is 0 at the mean.

use super::EnergyFunction;
use super::analytic::{Constants, check_points, exact};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A normal density with a full covariance.
pub(super) struct Gaussian {
    mean: Tensor,
    covariance: Tensor,
    /// μ and Σ⁻¹.
    constants: Constants,
}

impl Gaussian {
    pub(super) fn new(mean: &Tensor, covariance: &Tensor) -> Result<Gaussian> {
        let (mean, covariance) = (exact(mean)?, exact(covariance)?);
        let d = mean.len();
        if mean.ndim() != 1 || covariance.shape() != [d, d] || d == 0 {
            return Err(Error::shape(format!(
                "energy::gaussian: needs a mean [d] and a covariance [d, d], got {:?} and {:?}",
                mean.shape(),
                covariance.shape()
            )));
        }
        let (precision, _) = precision_and_log_det("energy::gaussian", &covariance)?;
        Ok(Gaussian {
            constants: Constants::new(vec![mean.clone(), precision]),
            mean,
            covariance,
        })
    }

    /// x − μ and Σ⁻¹ (x − μ), row by row.
    fn parts(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        check_points("gaussian", x, Some(self.mean.len()))?;
        let constants = self.constants.like(x)?;
        let centred = x.sub(&constants[0])?;
        let pulled = centred.matmul(&constants[1])?;
        Ok((centred, pulled))
    }
}

fn half_product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.mul(b)?.sum_dims(&[1], false)?.mul(0.5)
}

impl EnergyFunction for Gaussian {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        let (centred, pulled) = self.parts(x)?;
        half_product(&centred, &pulled)
    }

    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (centred, pulled) = self.parts(&x.detach())?;
        Ok((half_product(&centred, &pulled)?, pulled.neg()?))
    }

    fn rowwise(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        if self.mean.len() > 3 {
            return format!("gaussian({} dimensions)", self.mean.len());
        }
        let row = |t: &Tensor| t.to_vec().map(|v| format!("{v:?}")).unwrap_or_default();
        let rows: Vec<String> = (0..self.mean.len())
            .filter_map(|i| self.covariance.get(i).ok())
            .map(|r| row(&r))
            .collect();
        format!("gaussian({}, [{}])", row(&self.mean), rows.join(", "))
    }
}

/// Σ⁻¹ and log |Σ| of a covariance in float64; one that is not symmetric and positive definite is
/// an error.
pub(super) fn precision_and_log_det(name: &str, covariance: &Tensor) -> Result<(Tensor, f64)> {
    let asymmetry = covariance.sub(covariance.t()?)?.abs()?.max()?.item()?;
    let size = covariance.abs()?.max()?.item()?;
    // float32 input carries rounding of about 1e-7.
    if !(size.is_finite() && asymmetry <= 1e-6 * size) {
        return Err(Error::argument(format!(
            "{name}: the covariance must be symmetric and finite"
        )));
    }
    let factor = covariance.cholesky().map_err(|_| {
        Error::argument(format!("{name}: the covariance must be positive definite"))
            .with_hint("variances above 0 on the diagonal, correlations between −1 and 1")
    })?;
    let log_det = 2.0 * factor.diag()?.log()?.sum()?.item()?;
    Ok((
        Tensor::from(factor.raw().f_cholesky_inverse(false)?),
        log_det,
    ))
}
