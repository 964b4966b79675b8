//! `log Z` by annealed importance sampling (Neal 2001), and with it the likelihood of models of few
//! dimensions.
//!
//! Chains start from a density with a known `Z₀` and walk through `E_β = (1 − β) E₀ + β E`, β from
//! 0 to 1. Each collects the weight `log w = Σ (β_k − β_{k−1}) (E₀(x_{k−1}) − E(x_{k−1}))`; then `Z
//! = Z₀ · mean w`, without bias for any number of steps. A step is Hamiltonian Monte Carlo, which
//! leaves `exp(−E_β)` as it is; its lengths are found by a pilot run, then fixed.

use std::fmt;

use super::annealed::{Base, Ended, LogZOptions, OWNER, Path};
use super::table::{WIDTH, digits, wrapped};
use crate::dry_run;
use crate::energy::Energy;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::InMode;
use crate::options::Options;
use crate::tensor::{Stream, Tensor, no_grad, seed};

/// Chains of the pilot run that finds the lengths of the steps.
const PILOT_CHAINS: i64 = 64;
/// Fewer effective chains than this and the standard error is not to be believed.
const ENOUGH: f64 = 20.0;

/// An estimate of `log Z`, and what it rests on.
#[derive(Clone)]
pub struct LogZ {
    /// The estimate: the logarithm of the mean weight.
    pub value: f64,
    /// Its standard error, from the spread of the weights.
    pub standard_error: f64,
    /// How many chains of equal weight would tell as much: `(Σw)² / Σw²`.
    pub ess: f64,
    /// Mean share of accepted transitions.
    pub acceptance: f64,
    /// Each chain's log weight, `log Z₀` included.
    pub log_weights: Vec<f64>,
    /// Where the chains ended: weighted by the weights, samples of p(x).
    pub samples: Tensor,
    /// What was done.
    pub protocol: String,
    energy: Energy,
    /// The box that Z is of, where the base was uniform.
    domain: Option<(f64, f64)>,
}

impl LogZ {
    /// `log p(x) = −E(x) − log Z` of rows, in float64; −∞ outside the box of a uniform base.
    pub fn log_p(&self, x: &Tensor) -> Result<Vec<f64>> {
        let _guard = no_grad();
        let (x, _mode) = super::logits::prepare("log_p", &self.energy, x)?;
        let mut found: Vec<f64> = self
            .energy
            .energy(&x)?
            .to_vec()?
            .into_iter()
            .map(|e| -e - self.value)
            .collect();
        if found.iter().any(|v| v.is_nan()) {
            return Err(Error::new(
                ErrorKind::NonFinite,
                "log_p: some energies are not a number",
            ));
        }
        if let Some((low, high)) = self.domain {
            let inside = x.flatten(1)?;
            let (least, most) = (
                inside.min_dim(1, false)?.to_vec()?,
                inside.max_dim(1, false)?.to_vec()?,
            );
            for (i, v) in found.iter_mut().enumerate() {
                if least[i] < low || most[i] > high {
                    *v = f64::NEG_INFINITY;
                }
            }
        }
        Ok(found)
    }
}

/// Estimates `log Z = log ∫ exp(−E(x)) dx`.
pub fn log_z(energy: &Energy, options: &LogZOptions) -> Result<LogZ> {
    options.check()?;
    let _guard = no_grad();
    let _mode = InMode::enter(&energy.networks(), false);
    let steps = dry_run::cut(options.steps, 2);
    let path = Path::new(energy, options, steps);
    let ended = dry_run::repeated("log Z", steps, options.steps, || -> Result<Ended> {
        seed(options.seed as u64, Stream::Evaluate, 20);
        let sizes = path.walk(options.chains.min(PILOT_CHAINS), None)?.sizes;
        seed(options.seed as u64, Stream::Evaluate, 21);
        path.shared(options.chains, &sizes)
    })?;
    let Ended {
        log_weights,
        x: samples,
        acceptance,
        ..
    } = ended;
    let n = log_weights.len() as f64;
    let top = log_weights
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() || log_weights.iter().any(|w| w.is_nan()) {
        return Err(Error::new(ErrorKind::NonFinite, format!("{OWNER}: the weights are not finite")).with_hint(
            "is the energy finite everywhere? An energy that falls without end has no Z: base: \"uniform\"",
        ));
    }
    let weights: Vec<f64> = log_weights.iter().map(|w| (w - top).exp()).collect();
    let (sum, squares) = weights
        .iter()
        .fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    let mean = sum / n;
    let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let o = options;
    let (base, domain) = match o.base {
        Base::Uniform => (
            format!("uniform on [{}, {}]", o.range.0, o.range.1),
            Some(o.range),
        ),
        Base::Gaussian => (format!("N({}, {}²)", o.mean, o.std), None),
    };
    let protocol = format!(
        "annealed importance sampling: {} chains from {base}, {} temperatures, one Hamiltonian transition of {} gradient \
         steps each, lengths from a pilot run; standard error from the spread of the weights; on average the estimate of Z \
         is right, that of log Z is too low",
        o.chains, o.steps, o.leapfrog
    );
    Ok(LogZ {
        value: top + mean.ln(),
        standard_error: (variance / n).sqrt() / mean,
        ess: sum * sum / squares,
        acceptance,
        log_weights,
        samples,
        protocol,
        energy: energy.clone(),
        domain,
    })
}

impl fmt::Display for LogZ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "log Z = {} ± {} (standard error)",
            digits(self.value),
            digits(self.standard_error)
        )?;
        let n = self.log_weights.len();
        writeln!(
            f,
            "effective chains {:.0} of {n}, acceptance {:.2}",
            self.ess, self.acceptance
        )?;
        f.write_str(&wrapped(&self.protocol, WIDTH, ""))?;
        if self.ess < ENOUGH {
            f.write_str("\nnote: so few effective chains do not support a standard error; more `steps` give more")?;
        }
        Ok(())
    }
}

impl fmt::Debug for LogZ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
