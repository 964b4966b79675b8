//! `log Z` by annealed importance sampling (Neal 2001), and with it the likelihood of models of few dimensions.
//!
//! Chains start from a density with a known `Z₀` and walk through `E_β = (1 − β) E₀ + β E`, β from 0 to 1. Each collects the
//! weight `log w = Σ (β_k − β_{k−1}) (E₀(x_{k−1}) − E(x_{k−1}))`; then `Z = Z₀ · mean w`, without bias for any number of steps.
//! A step is Hamiltonian Monte Carlo, which leaves `exp(−E_β)` as it is; its lengths are found by a pilot run, then fixed.

use std::fmt;

use super::logits::{EvaluationMode, placed};
use super::table::{WIDTH, digits, wrapped};
use crate::energy::Energy;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::rehearsal;
use crate::tensor::{Kind, Stream, Tensor, default_device, no_grad, seed};

const OWNER: &str = "evaluate::log_z";
/// Chains of the pilot run that finds the lengths of the steps.
const PILOT_CHAINS: i64 = 64;
/// Acceptance that the pilot run aims at: near the best for Hamiltonian Monte Carlo.
const WANTED: f64 = 0.8;
/// Each temperature has a length of step of its own: more than this is a slip.
const MOST_STEPS: i64 = 1_000_000;
/// Fewer effective chains than this and the standard error is not to be believed.
const ENOUGH: f64 = 20.0;

crate::options! {
    /// Options of [`log_z`].
    pub struct LogZOptions for "evaluate::log_z" {
        /// shape of one x, as [2]
        shape: Vec<i64> = Vec::new(),
        /// temperatures between the base and the model
        steps: i64 = 500,
        /// chains
        chains: i64 = 512,
        /// gradient steps of one transition
        leapfrog: i64 = 5,
        /// where chains start: "gaussian", or "uniform" on `range`, which then is all of space: Z is that of the box
        base: String = "gaussian".to_owned(),
        /// mean of the Gaussian base
        mean: f64 = 0.0,
        /// standard deviation of the Gaussian base: wider than the model
        std: f64 = 2.0,
        /// the box of the uniform base
        range: (f64, f64) = (-1.0, 1.0),
        /// seed of all chains
        seed: i64 = 0,
    }
    check |o| {
        let bad = |what: String| Err(Error::argument(format!("{OWNER}: {what}")));
        if o.shape.is_empty() || o.shape.iter().any(|n| *n < 1) {
            return bad(format!("`shape` must be the shape of one x, got {:?}", o.shape))
                .map_err(|e: Error| e.with_hint("#{ shape: [2] } for points of the plane"));
        }
        if !(1..=MOST_STEPS).contains(&o.steps) || o.chains < 2 || o.leapfrog < 1 {
            return bad(format!(
                "needs 1 or more `steps` (a million at most), 2 or more `chains`, 1 or more `leapfrog`, got {}, {} and {}",
                o.steps, o.chains, o.leapfrog
            ));
        }
        if o.base != "gaussian" && o.base != "uniform" {
            return Err(Error::unknown(&format!("{OWNER}: no base `{}`", o.base), &o.base, ["gaussian", "uniform"]));
        }
        if !(o.std > 0.0 && o.std.is_finite() && o.mean.is_finite()) {
            return bad(format!("`std` must be above 0 and `mean` finite, got {} and {}", o.std, o.mean));
        }
        if !(o.range.0.is_finite() && o.range.1.is_finite() && o.range.0 < o.range.1) {
            return bad(format!("`range` must be [low, high], got [{}, {}]", o.range.0, o.range.1));
        }
        Ok(())
    }
}

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
        let mut found: Vec<f64> = self.energy.energy(&x)?.to_vec()?.into_iter().map(|e| -e - self.value).collect();
        if let Some((low, high)) = self.domain {
            let inside = x.flatten(1)?;
            let (least, most) = (inside.min_dim(1, false)?.to_vec()?, inside.max_dim(1, false)?.to_vec()?);
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
    let _mode = EvaluationMode::of(&energy.networks());
    let steps = rehearsal::cut(options.steps, 2);
    let walk = Walk { energy, options, steps };
    let (log_weights, samples, acceptance) = rehearsal::repeated("log Z", steps, options.steps, || -> Result<_> {
        seed(options.seed as u64, Stream::Evaluate, 20);
        let mut sizes = vec![0.0; steps as usize];
        walk.run(options.chains.min(PILOT_CHAINS), &mut sizes, true)?;
        seed(options.seed as u64, Stream::Evaluate, 21);
        walk.run(options.chains, &mut sizes, false)
    })?;
    let n = log_weights.len() as f64;
    let top = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() || log_weights.iter().any(|w| w.is_nan()) {
        return Err(Error::new(ErrorKind::NonFinite, format!("{OWNER}: the weights are not finite")).with_hint(
            "is the energy finite everywhere? An energy that falls without end has no Z: base: \"uniform\"",
        ));
    }
    let weights: Vec<f64> = log_weights.iter().map(|w| (w - top).exp()).collect();
    let (sum, squares) = weights.iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    let mean = sum / n;
    let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let o = options;
    let (base, domain) = match o.base.as_str() {
        "uniform" => (format!("uniform on [{}, {}]", o.range.0, o.range.1), Some(o.range)),
        _ => (format!("N({}, {}²)", o.mean, o.std), None),
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

struct Walk<'a> {
    energy: &'a Energy,
    options: &'a LogZOptions,
    steps: i64,
}

/// A batch of chains with what a transition needs: E and the score of the model at x.
struct Chains {
    x: tch::Tensor,
    e: tch::Tensor,
    score: tch::Tensor,
}

impl Walk<'_> {
    /// β after `k` of all steps: a sigmoid, which goes slowly at both ends.
    fn beta(&self, k: i64) -> f64 {
        let s = |t: f64| 1.0 / (1.0 + (-t).exp());
        let at = |k: i64| s(4.0 * (2.0 * k as f64 / self.steps as f64 - 1.0));
        (at(k) - at(0)) / (at(self.steps) - at(0))
    }

    fn dims(&self) -> Vec<i64> {
        (1..=self.options.shape.len() as i64).collect()
    }

    fn row_sums(&self, t: &tch::Tensor) -> Result<tch::Tensor> {
        Ok(t.f_sum_dim_intlist(&self.dims()[..], false, Kind::Double)?)
    }

    /// Rows of numbers as a column that multiplies x.
    fn column(&self, t: &tch::Tensor, like: &tch::Tensor) -> Result<tch::Tensor> {
        let mut shape = vec![1; self.options.shape.len() + 1];
        shape[0] = t.size()[0];
        Ok(t.f_to_kind(like.kind())?.f_view(&shape[..])?)
    }

    /// Start of `n` chains, and log Z₀.
    fn start(&self, n: i64) -> Result<(tch::Tensor, f64)> {
        let o = self.options;
        let shape: Vec<i64> = std::iter::once(n).chain(o.shape.iter().copied()).collect();
        crate::tensor::check_shape(OWNER, &shape)?;
        let d = o.shape.iter().product::<i64>() as f64;
        // In float64 where no parameter says otherwise.
        let fresh = tch::Tensor::f_zeros(&shape[..], (Kind::Double, default_device()))?;
        let x = placed(&Tensor::from(fresh), &self.energy.parameters())?;
        let x = x.raw();
        Ok(if o.base == "uniform" {
            let (low, high) = o.range;
            (x.f_rand_like()?.f_mul_scalar(high - low)?.f_add_scalar(low)?, d * (high - low).ln())
        } else {
            let z = d * (o.std.ln() + 0.5 * std::f64::consts::TAU.ln());
            (x.f_randn_like()?.f_mul_scalar(o.std)?.f_add_scalar(o.mean)?, z)
        })
    }

    /// E₀ `[n]` and its gradient.
    fn base(&self, x: &tch::Tensor) -> Result<(tch::Tensor, tch::Tensor)> {
        let o = self.options;
        if o.base == "uniform" {
            return Ok((tch::Tensor::f_zeros([x.size()[0]], (Kind::Double, x.device()))?, x.f_zeros_like()?));
        }
        let centred = x.f_sub_scalar(o.mean)?;
        let variance = o.std * o.std;
        Ok((self.row_sums(&centred.f_square()?)?.f_mul_scalar(0.5 / variance)?, centred.f_mul_scalar(1.0 / variance)?))
    }

    fn evaluated(&self, x: tch::Tensor) -> Result<Chains> {
        let (e, score) =
            self.energy.energy_and_score(&Tensor::from(x.shallow_clone())).map_err(|e| e.context(OWNER))?;
        Ok(Chains { x, e: e.raw().f_to_kind(Kind::Double)?, score: score.raw().shallow_clone() })
    }

    /// All temperatures; a pilot run also finds the lengths of the steps, one for each temperature.
    fn run(&self, n: i64, sizes: &mut [f64], pilot: bool) -> Result<(Vec<f64>, Tensor, f64)> {
        let (x, log_z0) = self.start(n)?;
        let scale =
            if self.options.base == "uniform" { self.options.range.1 - self.options.range.0 } else { self.options.std };
        let mut size = 0.2 * scale;
        let mut chains = self.evaluated(x)?;
        let mut log_w = tch::Tensor::f_full([n], log_z0, (Kind::Double, chains.x.device()))?;
        let mut accepted = 0.0;
        for k in 1..=self.steps {
            crate::interrupt::poll()?;
            let (before, beta) = (self.beta(k - 1), self.beta(k));
            let (e0, _) = self.base(&chains.x)?;
            log_w = log_w.f_add(&e0.f_sub(&chains.e)?.f_mul_scalar(beta - before)?)?;
            let at = (k - 1) as usize;
            if !pilot {
                size = sizes[at];
            }
            let share;
            (chains, share) = self.transition(chains, beta, size)?;
            accepted += share;
            if pilot {
                sizes[at] = size;
                size *= (0.5 * (share - WANTED)).exp();
            }
        }
        let x = Tensor::from(chains.x);
        Ok((Tensor::from(log_w).to_vec()?, x, accepted / self.steps as f64))
    }

    /// One Hamiltonian transition at β; gives the share of chains that moved.
    fn transition(&self, from: Chains, beta: f64, size: f64) -> Result<(Chains, f64)> {
        let force = |c: &Chains| -> Result<(tch::Tensor, tch::Tensor)> {
            let (e0, g0) = self.base(&c.x)?;
            let e = e0.f_mul_scalar(1.0 - beta)?.f_add(&c.e.f_mul_scalar(beta)?)?;
            Ok((e, c.score.f_mul_scalar(beta)?.f_sub(&g0.f_mul_scalar(1.0 - beta)?)?))
        };
        let kinetic =
            |p: &tch::Tensor| -> Result<tch::Tensor> { Ok(self.row_sums(&p.f_square()?)?.f_mul_scalar(0.5)?) };
        let mut p = from.x.f_randn_like()?;
        let (e, mut push) = force(&from)?;
        let start = e.f_add(&kinetic(&p)?)?;
        let mut at = Chains { x: from.x.shallow_clone(), e: from.e.shallow_clone(), score: from.score.shallow_clone() };
        let mut end = start.shallow_clone();
        for _ in 0..self.options.leapfrog {
            crate::interrupt::poll()?;
            p = p.f_add(&push.f_mul_scalar(0.5 * size)?)?;
            let (x, turned) = self.moved(&at.x.f_add(&p.f_mul_scalar(size)?)?, &p)?;
            (at, p) = (self.evaluated(x)?, turned);
            let e;
            (e, push) = force(&at)?;
            p = p.f_add(&push.f_mul_scalar(0.5 * size)?)?;
            end = e.f_add(&kinetic(&p)?)?;
        }
        // Where the end is not a number, the comparison is false: rejected.
        let yes = start.f_rand_like()?.f_log()?.f_lt_tensor(&start.f_sub(&end)?)?;
        let wide = self.column(&yes, &from.x)?.f_to_kind(Kind::Bool)?;
        let share = yes.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?.f_double_value(&[])?;
        let next = Chains {
            x: at.x.f_where_self(&wide, &from.x)?,
            e: at.e.f_where_self(&yes, &from.e)?,
            score: at.score.f_where_self(&wide, &from.score)?,
        };
        Ok((next, share))
    }

    /// In a box, points that left it come back from the wall and the momentum turns: volumes stay as they are.
    fn moved(&self, x: &tch::Tensor, p: &tch::Tensor) -> Result<(tch::Tensor, tch::Tensor)> {
        if self.options.base != "uniform" {
            return Ok((x.shallow_clone(), p.shallow_clone()));
        }
        let (low, high) = self.options.range;
        let width = high - low;
        let folded = x.f_sub_scalar(low)?.f_remainder(2.0 * width)?;
        let back = folded.f_gt(width)?;
        let place = folded.f_neg()?.f_add_scalar(2.0 * width)?.f_where_self(&back, &folded)?;
        Ok((place.f_add_scalar(low)?.f_clamp(low, high)?, p.f_neg()?.f_where_self(&back, p)?))
    }
}

impl fmt::Display for LogZ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "log Z = {} ± {} (standard error)", digits(self.value), digits(self.standard_error))?;
        let n = self.log_weights.len();
        writeln!(f, "effective chains {:.0} of {n}, acceptance {:.2}", self.ess, self.acceptance)?;
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
