//! Metropolis-adjusted Langevin (JEM, equation 3): a Langevin step is a proposal, accepted or not
//! so that the chain's stationary density is exactly `exp(−E(x)) / Z` whatever the step size.
//!
//! `x' = x + (α/2) g(x) + √α ε`, with `g` the score (clamped, if asked), accepted with probability
//! `min(1, [p(x') q(x|x')] / [p(x) q(x'|x)])`, for `q(b|a) = N(b; a + (α/2) g(a), α I)`. Each chain
//! decides for itself.

use super::adapted::Adapted;
use super::{Chains, Info, Kernel, NetworkMode, is_range};
use crate::energy::Ready;
use crate::error::{Error, Result};
use crate::options::{OptionValue, Options};
use crate::tensor::Tensor;

const OWNER: &str = "sampler::mala";

crate::options! {
    /// Options of Metropolis-adjusted Langevin.
    pub struct MalaOptions for "sampler::mala" {
        /// number of proposals
        steps: i64 = 100,
        /// variance of a proposal's noise; half of it multiplies the gradient. 0.1 where step_size
        /// is not given
        alpha: Option<f64> = None,
        /// alpha/2, as `sampler::sgld` names it; not together with alpha
        step_size: Option<f64> = None,
        /// √alpha and nothing else: the rule holds for noise that is tied to the step
        noise: Option<f64> = None,
        /// the domain: proposals outside [low, high] are rejected
        bounds: Option<(f64, f64)> = None,
        /// refused here, since moving a proposal to an edge breaks the acceptance rule: use bounds
        clamp: Option<(f64, f64)> = None,
        /// bound on the absolute value of each entry of the gradient, in the proposal both ways
        clamp_grad: Option<f64> = None,
        /// whether each `sample` lets steps grow or shrink a little towards the acceptance below; runs
        /// and evaluations use what was learned
        adapt: bool = false,
        /// share of accepted proposals that adapt keeps, at a chain's last step (0.574 is best for
        /// many coordinates: Roberts and Rosenthal 1998)
        acceptance: f64 = 0.574,
        /// mode of the network while sampling; restored afterwards
        mode: NetworkMode = NetworkMode::Eval,
    }
    check |o| { o.check_all() }
}

impl MalaOptions {
    fn check_all(&self) -> Result<()> {
        let wrong = |text: String| Error::argument(format!("{OWNER}: {text}"));
        if self.steps < 0 {
            return Err(wrong(format!(
                "`steps` must be at least 0, got {}",
                self.steps
            )));
        }
        if self.clamp.is_some() {
            return Err(wrong(
                "`clamp` would move proposals to the edge, for which the acceptance rule has no density".to_owned(),
            )
            .with_hint("`bounds: [low, high]` rejects proposals outside, which is exact"));
        }
        if self.alpha.is_some() && self.step_size.is_some() {
            return Err(wrong(
                "give `alpha` or `step_size`, which is alpha/2".to_owned(),
            ));
        }
        for (name, value) in [
            ("alpha", self.alpha),
            ("step_size", self.step_size),
            ("clamp_grad", self.clamp_grad),
        ] {
            if value.is_some_and(|v| !(v > 0.0 && v.is_finite())) {
                return Err(wrong(format!(
                    "`{name}` must be a number above 0, got {}",
                    value.show()
                )));
            }
        }
        let tied = self.alpha().sqrt();
        if self
            .noise
            .is_some_and(|noise| noise.is_nan() || (noise - tied).abs() > 1e-6 * tied)
        {
            return Err(wrong(format!(
                "`noise` is tied to the step, √alpha = {tied}, got {}",
                self.noise.show()
            ))
            .with_hint("for exp(−E/T) sample `energy.tempered(T)`"));
        }
        if !(self.acceptance > 0.0 && self.acceptance < 1.0) {
            return Err(wrong(format!(
                "`acceptance` must be between 0 and 1, got {}",
                self.acceptance
            )));
        }
        if let Some((low, high)) = self.bounds
            && !is_range((low, high))
        {
            return Err(wrong(format!(
                "`bounds` must be [low, high] with low < high, got [{low}, {high}]"
            )));
        }
        Ok(())
    }

    /// The variance of a proposal's noise.
    pub fn alpha(&self) -> f64 {
        self.alpha
            .or(self.step_size.map(|s| 2.0 * s))
            .unwrap_or(0.1)
    }
}

/// Where chains stand, with what the next proposal needs there.
pub struct MalaState {
    x: Tensor,
    energy: Tensor,
    score: Tensor,
}

impl Chains for MalaState {
    fn x(&self) -> &Tensor {
        &self.x
    }

    fn energy(&self) -> Option<&Tensor> {
        Some(&self.energy)
    }
}

/// Metropolis-adjusted Langevin.
pub struct Mala {
    options: MalaOptions,
    training: bool,
    /// Shared with the same sampler with smaller steps.
    adapted: Adapted,
}

impl Mala {
    /// The sampler with these options.
    pub fn new(options: &MalaOptions) -> Result<Mala> {
        options.check()?;
        Ok(Mala {
            training: options.mode == NetworkMode::Train,
            options: options.clone(),
            adapted: Adapted::default(),
        })
    }

    /// The variance of a proposal's noise, as it is used now.
    fn alpha(&self) -> f64 {
        self.options.alpha() * self.adapted.factor()
    }

    /// g(x): the score, clamped if asked.
    fn drift(&self, score: &Tensor) -> Result<Tensor> {
        match self.options.clamp_grad {
            Some(bound) => score.clamp(Some(-bound), Some(bound)),
            None => Ok(score.clone()),
        }
    }

    /// Which rows have an entry outside the domain, `[B]` bool.
    fn outside(&self, x: &Tensor) -> Result<Option<Tensor>> {
        let Some((low, high)) = self.options.bounds else {
            return Ok(None);
        };
        let entries = x
            .lt(low)?
            .logical_or(&x.gt(high)?)?
            .reshape(&[x.len(), -1])?;
        Ok(Some(Tensor::from(entries.raw().f_any_dim(1, false)?)))
    }

    /// `log [p(x') q(x|x')] − log [p(x) q(x'|x)]` for the proposal `x' = x + (α/2) g(x) + √α ε`.
    ///
    /// With s = g(x) + g(x'), `x − x' − (α/2) g(x') = −((α/2) s + √α ε)`: the squares of ε cancel,
    /// and what is left of `log q(x|x') − log q(x'|x)` is `−(α/8) ‖s‖² − (√α/2) ε·s`, without the
    /// rounding of large squares.
    fn log_ratio(
        &self,
        energies: (&Tensor, &Tensor),
        drifts: (&Tensor, &Tensor),
        noise: &Tensor,
    ) -> Result<Tensor> {
        let alpha = self.alpha();
        let s = drifts.0.add(drifts.1)?;
        // −(s/2) · ((α/4) s + √α ε), summed over each row.
        let product = s.mul(s.mul(alpha / 4.0)?.add(noise.mul(alpha.sqrt())?)?)?;
        let moved = product
            .reshape(&[s.len(), -1])?
            .sum_dims(&[1], false)?
            .mul(-0.5)?;
        energies.0.sub(energies.1)?.add(moved)
    }
}

impl Kernel for Mala {
    type State = MalaState;

    fn init(&self, energy: &Ready, x: &Tensor) -> Result<MalaState> {
        if let Some(outside) = self.outside(x)?
            && outside.any()?
        {
            return Err(
                Error::argument(format!("{OWNER}: chains start outside `bounds`"))
                    .with_hint("clamp the start: `x.clamp(low, high)`"),
            );
        }
        let (e, score) = energy.energy_and_score(x)?;
        Ok(MalaState {
            x: x.clone(),
            energy: e,
            score,
        })
    }

    fn step(&self, energy: &Ready, state: &mut MalaState, _t: usize) -> Result<Info> {
        let alpha = self.alpha();
        let MalaState {
            x,
            energy: e,
            score,
        } = state;
        let drift = self.drift(score)?;
        let noise = x.randn_like()?;
        let proposal = x
            .add(drift.mul(alpha / 2.0)?)?
            .add(noise.mul(alpha.sqrt())?)?;
        let (mut new_e, new_score) = energy.energy_and_score(&proposal)?;
        if let Some(outside) = self.outside(&proposal)? {
            new_e = new_e.masked_fill(&outside, f64::INFINITY)?;
        }
        let ratio = self.log_ratio((e, &new_e), (&drift, &self.drift(&new_score)?), &noise)?;
        // Not-a-number compares false: such proposals are rejected.
        let accepted = e.rand_like()?.log()?.lt(&ratio)?;
        // An infinite energy is a density of 0. Any other ratio that is not a number is a broken
        // energy: mark the chain, so that the run's last look finds it.
        let broken = ratio.isnan()?.logical_and(&new_e.ne(f64::INFINITY)?)?;
        let mut rows = vec![1i64; x.ndim()];
        rows[0] = x.len();
        let mask = accepted.reshape(&rows)?;
        let next = MalaState {
            x: proposal.where_mask(&mask, x)?,
            energy: new_e
                .where_mask(&accepted, e)?
                .masked_fill(&broken, f64::NAN)?,
            score: new_score.where_mask(&mask, score)?,
        };
        let before = std::mem::replace(state, next);
        Ok(Info {
            accepted: Some(accepted.to_kind(before.energy.kind())?),
            energy: Some(before.energy),
            score: Some(before.score),
            scales: Some((alpha / 2.0, alpha.sqrt())),
            ..Info::default()
        })
    }

    fn follow(&self, info: &Info) -> Result<()> {
        if let Some(accepted) = info.accepted.as_ref().filter(|_| self.options.adapt) {
            let lack = accepted.mean()?.item()? - self.options.acceptance;
            self.adapted.follow(lack);
        }
        Ok(())
    }

    fn learned(&self) -> Option<f64> {
        self.adapted.learned()
    }

    fn relearn(&self, learned: Option<f64>) {
        self.adapted.relearn(learned);
    }

    fn steps(&self) -> usize {
        self.options.steps as usize
    }

    fn training(&self) -> Option<bool> {
        Some(self.training)
    }

    fn shrunk(&self, factor: f64) -> Result<Option<Mala>> {
        let alpha = Some(self.options.alpha() * factor);
        let options = MalaOptions {
            alpha,
            step_size: None,
            noise: None,
            ..self.options.clone()
        };
        Ok(Some(Mala {
            adapted: self.adapted.clone(),
            ..Mala::new(&options)?
        }))
    }

    fn name(&self) -> String {
        "mala".to_owned()
    }

    fn describe(&self) -> String {
        let o = &self.options;
        let adapt = if o.adapt {
            format!(", adapt: to {}", o.acceptance)
        } else {
            String::new()
        };
        format!(
            "mala(#{{ steps: {}, alpha: {}{}, bounds: {}, clamp_grad: {}{adapt}, mode: {} }}), T = 1",
            o.steps,
            self.alpha(),
            self.adapted.note(),
            o.bounds.show(),
            o.clamp_grad.show(),
            o.mode.show()
        )
    }
}
