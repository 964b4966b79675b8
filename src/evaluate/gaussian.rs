//! The baseline that a density model must beat: one Gaussian of the pixels per class.
//!
//! `log p(x) = log Σ_k π_k N(x; μ_k, Σ_k + 10⁻⁴ I)`, fitted on the training part, in float64.

use std::f64::consts::TAU;
use std::fmt;

use crate::data::Part;
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor, no_grad};

/// Keeps the covariance of pixels that never change invertible, as in JEM++'s initialisation of the
/// replay buffer.
const RIDGE: f64 = 1e-4;

crate::options! {
    /// Options of [`PixelGaussian`].
    pub struct PixelGaussianOptions for "evaluate::pixel_gaussian" {
        /// one covariance for all classes, instead of one each
        shared: bool = false,
    }
}

/// A Gaussian of all pixels for each class.
#[derive(Clone)]
pub struct PixelGaussian {
    components: Vec<Component>,
    shape: Vec<i64>,
    shared: bool,
}

#[derive(Clone)]
struct Component {
    class: i64,
    log_prior: f64,
    /// `[d]`.
    mean: Tensor,
    /// Lower Cholesky factor of the covariance, `[d, d]`.
    factor: Tensor,
    /// `Σ log diag(factor)`.
    log_diagonal: f64,
}

impl PixelGaussian {
    /// Fits to a part; `shared` gives all classes one covariance.
    pub fn fit(part: &Part, shared: bool) -> Result<PixelGaussian> {
        let _guard = no_grad();
        let part = &part.head(crate::dry_run::cut(part.len(), 256))?;
        if part.len() < 2 {
            return Err(Error::shape(format!(
                "pixel_gaussian: needs two rows or more, {} has {}",
                part.name,
                part.len()
            )));
        }
        super::sound::finite("pixel_gaussian", "values", &part.x()?)?;
        let counts = part.counts()?;
        let labelled: i64 = counts.iter().sum();
        let classes: Vec<i64> = (0..counts.len() as i64)
            .filter(|k| counts[*k as usize] > 0)
            .collect();
        let mut centred = Vec::new();
        let mut means = Vec::new();
        for class in &classes {
            let rows = flat(&part.class(*class)?.x()?)?;
            let mean = rows.mean_dims(&[0], false)?;
            centred.push(rows.sub(&mean)?);
            means.push(mean);
        }
        if classes.is_empty() {
            return Err(Error::argument(format!(
                "pixel_gaussian: {} has no labelled rows",
                part.name
            )));
        }
        let pooled = if shared {
            let spare = (labelled - classes.len() as i64).max(1);
            Some(factor(&Tensor::cat(&centred, 0)?, spare)?)
        } else {
            None
        };
        let mut components = Vec::with_capacity(classes.len());
        for ((class, mean), rows) in classes.iter().zip(means).zip(&centred) {
            let factor = match &pooled {
                Some(f) => f.clone(),
                None => factor(rows, (rows.len() - 1).max(1))?,
            };
            let log_diagonal = factor.diag()?.log()?.sum()?.item()?;
            let log_prior = (rows.len() as f64 / labelled as f64).ln();
            components.push(Component {
                class: *class,
                log_prior,
                mean,
                factor,
                log_diagonal,
            });
        }
        Ok(PixelGaussian {
            components,
            shape: part.shape(),
            shared,
        })
    }

    /// `log p(x)`, normalised, of rows.
    pub fn log_p(&self, x: &Tensor) -> Result<Vec<f64>> {
        let _guard = no_grad();
        if x.ndim() < 2 || x.shape()[1..] != self.shape {
            return Err(Error::shape(format!(
                "pixel_gaussian: rows are {:?}, got {:?}",
                self.shape,
                x.shape()
            )));
        }
        super::sound::finite("pixel_gaussian", "values", x)?;
        let rows = flat(x)?;
        let half_log_tau = 0.5 * rows.shape()[1] as f64 * TAU.ln();
        let mut terms = Vec::with_capacity(self.components.len());
        for c in &self.components {
            let centred = rows.sub(&c.mean)?.t()?;
            let white = Tensor::from(c.factor.raw().f_linalg_solve_triangular(
                centred.raw(),
                false,
                true,
                false,
            )?);
            let distance = white.square()?.sum_dims(&[0], false)?;
            terms.push(
                distance
                    .mul(-0.5)?
                    .add(c.log_prior - c.log_diagonal - half_log_tau)?,
            );
        }
        Tensor::stack(&terms, 1)?.logsumexp(1)?.to_vec()
    }

    /// `n` draws, clamped to the range of the data, with their classes; from libtorch's generator
    /// as it stands.
    pub fn sample(&self, n: i64, range: (f64, f64)) -> Result<Part> {
        let _guard = no_grad();
        if n < 1 {
            return Err(Error::argument(format!(
                "pixel_gaussian: needs at least one draw, got {n}"
            )));
        }
        let priors: Vec<f64> = self.components.iter().map(|c| c.log_prior.exp()).collect();
        let weights = Tensor::from_f64(&priors, &[priors.len() as i64], Kind::Double, Device::Cpu)?;
        let chosen = weights.multinomial(n, true)?.to_ints()?;
        let d: i64 = self.shape.iter().product();
        let noise = tch::Tensor::f_randn([n, d], (Kind::Double, Device::Cpu))?;
        let mut rows = Vec::with_capacity(n as usize);
        let mut labels = Vec::with_capacity(n as usize);
        for (i, k) in chosen.iter().enumerate() {
            let c = &self.components[*k as usize];
            rows.push(
                c.factor
                    .matmul(&Tensor::from(noise.f_select(0, i as i64)?))?
                    .add(&c.mean)?,
            );
            labels.push(c.class);
        }
        let shape: Vec<i64> = std::iter::once(n)
            .chain(self.shape.iter().copied())
            .collect();
        let x = Tensor::stack(&rows, 0)?
            .clamp(Some(range.0), Some(range.1))?
            .reshape(&shape)?
            .to_kind(Kind::Float)?;
        Part::new(
            "one Gaussian per class",
            &x,
            &Tensor::from(tch::Tensor::f_from_slice(&labels)?),
        )
    }

    /// The mean of each class, `[C, …]`.
    pub fn means(&self) -> Result<Tensor> {
        let means: Vec<Tensor> = self.components.iter().map(|c| c.mean.clone()).collect();
        let shape: Vec<i64> = std::iter::once(means.len() as i64)
            .chain(self.shape.iter().copied())
            .collect();
        Tensor::stack(&means, 0)?
            .to_kind(Kind::Float)?
            .reshape(&shape)
    }

    /// What it is, for a protocol.
    pub fn describe(&self) -> String {
        let covariance = if self.shared {
            "one shared full covariance"
        } else {
            "full covariance each"
        };
        format!(
            "{} class Gaussians of the pixels, {covariance} + {RIDGE:e} I",
            self.components.len()
        )
    }
}

impl fmt::Display for PixelGaussian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl fmt::Debug for PixelGaussian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Rows as `[N, d]` float64 on the host.
fn flat(x: &Tensor) -> Result<Tensor> {
    x.detach()
        .to_device(Device::Cpu)?
        .to_kind(Kind::Double)?
        .flatten(1)
}

/// Cholesky factor of the covariance of centred rows, with the ridge.
fn factor(centred: &Tensor, spare: i64) -> Result<Tensor> {
    let d = centred.shape()[1];
    let ridge = Tensor::from(tch::Tensor::f_eye(d, (Kind::Double, Device::Cpu))?).mul(RIDGE)?;
    centred
        .t()?
        .matmul(centred)?
        .div(spare as f64)?
        .add(&ridge)?
        .cholesky()
}
