//! Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011): particles with a momentum move along the
//! energy by leapfrog steps; where they end is accepted with probability `min(1, exp(H − H'))`, `H
//! = E(x) + ½ ‖p‖²`.
//!
//! With `momentum: a` above 0 the momentum is not drawn anew at each step but turned a little, `p ←
//! a p + √(1 − a²) ξ`, and reversed where a proposal is rejected (Horowitz 1991): with few leapfrog
//! steps, chains then keep their direction.
//!
//! During a run's `burn_in` the step size is adapted to the acceptance that is wanted, by dual
//! averaging (Hoffman and Gelman 2014, section 3.2). The sampler keeps what it learned, and a
//! checkpoint does, too.

use std::cell::Cell;
use std::rc::Rc;

use super::leapfrog::{kinetic, leapfrog};
use super::{Chains, Info, Kernel, NetworkMode, is_range};
use crate::energy::Ready;
use crate::error::{Error, Result};
use crate::options::{OptionValue, Options};
use crate::tensor::{Kind, Tensor};

const OWNER: &str = "sampler::hmc";

crate::options! {
    /// Options of Hamiltonian Monte Carlo.
    pub struct HmcOptions for "sampler::hmc" {
        /// number of proposals
        steps: i64 = 50,
        /// leapfrog steps of a proposal, one gradient each
        leapfrog: i64 = 10,
        /// size of a leapfrog step; where a run has a burn_in, only what the search starts from
        step_size: f64 = 0.1,
        /// how much of its momentum a particle keeps from step to step, from 0 (none) to below 1
        momentum: f64 = 0.0,
        /// whether a run's burn-in finds the step size; the sampler then keeps it
        adapt: bool = true,
        /// share of accepted proposals that the burn-in aims at
        acceptance: f64 = 0.8,
        /// the domain: particles bounce off its walls, which is exact
        bounds: Option<(f64, f64)> = None,
        /// mode of the network while sampling; restored afterwards
        mode: NetworkMode = NetworkMode::Eval,
    }
    check |o| { o.check_all() }
}

impl HmcOptions {
    fn check_all(&self) -> Result<()> {
        let wrong = |text: String| Err(Error::argument(format!("{OWNER}: {text}")));
        if self.steps < 0 || self.leapfrog < 1 {
            return wrong(format!(
                "`steps` must be at least 0 and `leapfrog` at least 1, got {} and {}",
                self.steps, self.leapfrog
            ));
        }
        if !(self.step_size > 0.0 && self.step_size.is_finite()) {
            return wrong(format!(
                "`step_size` must be a number above 0, got {}",
                self.step_size
            ));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return wrong(format!(
                "`momentum` must be at least 0 and below 1, got {}",
                self.momentum
            ));
        }
        if !(self.acceptance > 0.0 && self.acceptance < 1.0) {
            return wrong(format!(
                "`acceptance` must be between 0 and 1, got {}",
                self.acceptance
            ));
        }
        if let Some((low, high)) = self.bounds
            && !(is_range((low, high)) && low.is_finite() && high.is_finite())
        {
            return wrong(format!(
                "`bounds` must be [low, high] with low < high, got [{low}, {high}]"
            ));
        }
        Ok(())
    }
}

/// Hamiltonian Monte Carlo.
pub struct Hmc {
    options: HmcOptions,
    training: bool,
    /// The step size that burn-ins have found; shared with the same sampler with smaller steps.
    learned: Rc<Cell<Option<f64>>>,
    /// What the step size is multiplied by.
    factor: f64,
}

/// Where chains stand.
pub struct HmcState {
    x: Tensor,
    /// `E(x)`, `[B]`, in float64.
    energy: Tensor,
    score: Tensor,
    momentum: Tensor,
    step_size: f64,
    search: Option<DualAveraging>,
}

impl Chains for HmcState {
    fn x(&self) -> &Tensor {
        &self.x
    }

    fn energy(&self) -> Option<&Tensor> {
        Some(&self.energy)
    }
}

/// The search for a step size by dual averaging; its constants are those of Hoffman and Gelman.
struct DualAveraging {
    /// ln of the size that steps are drawn towards: ten times the first one, so that long steps are
    /// tried first.
    towards: f64,
    /// Mean of what acceptance lacked.
    lack: f64,
    /// ln of the averaged step size.
    average: f64,
    t: f64,
}

impl DualAveraging {
    fn new(step_size: f64) -> DualAveraging {
        DualAveraging {
            towards: (10.0 * step_size).ln(),
            lack: 0.0,
            average: 0.0,
            t: 0.0,
        }
    }

    /// The step size to try next, after one with this mean acceptance.
    fn next(&mut self, acceptance: f64, wanted: f64) -> f64 {
        const GAMMA: f64 = 0.05;
        const T0: f64 = 10.0;
        const KAPPA: f64 = 0.75;
        self.t += 1.0;
        let share = 1.0 / (self.t + T0);
        self.lack = (1.0 - share) * self.lack + share * (wanted - acceptance);
        let tried = self.towards - self.t.sqrt() / GAMMA * self.lack;
        let share = self.t.powf(-KAPPA);
        self.average = share * tried + (1.0 - share) * self.average;
        tried.exp()
    }
}

impl Hmc {
    /// The sampler with these options.
    pub fn new(options: &HmcOptions) -> Result<Hmc> {
        options.check()?;
        let training = options.mode == NetworkMode::Train;
        Ok(Hmc {
            training,
            options: options.clone(),
            learned: Rc::default(),
            factor: 1.0,
        })
    }

    fn step_size(&self) -> f64 {
        self.learned.get().unwrap_or(self.options.step_size) * self.factor
    }
}

impl Kernel for Hmc {
    type State = HmcState;

    fn init(&self, energy: &Ready, x: &Tensor) -> Result<HmcState> {
        if let Some((low, high)) = self.options.bounds
            && x.lt(low)?.logical_or(&x.gt(high)?)?.any()?
        {
            return Err(
                Error::argument(format!("{OWNER}: chains start outside `bounds`"))
                    .with_hint("clamp the start: `x.clamp(low, high)`"),
            );
        }
        let (e, score) = energy.energy_and_score(x)?;
        Ok(HmcState {
            x: x.clone(),
            energy: e.to_kind(Kind::Double)?,
            score,
            momentum: x.randn_like()?,
            step_size: self.step_size(),
            search: None,
        })
    }

    fn step(&self, energy: &Ready, state: &mut HmcState, t: usize) -> Result<Info> {
        let o = &self.options;
        let keep = o.momentum;
        // The start's momentum is fresh already; so is each one where nothing is kept.
        let p = match t {
            0 => state.momentum.clone(),
            _ => state
                .momentum
                .mul(keep)?
                .add(state.x.randn_like()?.mul((1.0 - keep * keep).sqrt())?)?,
        };
        let (x, place, end) = leapfrog(
            &state.x,
            &state.score,
            &p,
            (state.step_size, o.leapfrog),
            o.bounds,
            |x| {
                let (e, score) = energy.energy_and_score(x)?;
                Ok(((e.to_kind(Kind::Double)?, score.clone()), score))
            },
        )?;
        let (new_energy, new_score) = place.ok_or_else(|| Error::state("hmc: no leapfrog step"))?;
        let log_ratio = state
            .energy
            .add(kinetic(&p)?)?
            .sub(new_energy.add(kinetic(&end)?)?)?;
        // Not-a-number compares false: such proposals are rejected, as they are where the energy is
        // infinite.
        let accepted = log_ratio.rand_like()?.log()?.lt(&log_ratio)?;
        let mut rows = vec![1i64; x.ndim()];
        rows[0] = x.len();
        let mask = accepted.reshape(&rows)?;
        let next = HmcState {
            x: x.where_mask(&mask, &state.x)?,
            energy: new_energy.where_mask(&accepted, &state.energy)?,
            score: new_score.where_mask(&mask, &state.score)?,
            // Turned round where it was rejected: that is what leaves exp(−H) as it is.
            momentum: end.where_mask(&mask, &p.neg()?)?,
            step_size: state.step_size,
            search: state.search.take(),
        };
        let before = std::mem::replace(state, next);
        // A ratio that is not a number is an acceptance of 0.
        let chance = log_ratio
            .masked_fill(&log_ratio.isnan()?, f64::NEG_INFINITY)?
            .clamp(None, Some(0.0))?
            .exp()?;
        Ok(Info {
            accepted: Some(accepted.to_kind(before.x.kind())?),
            energy: Some(before.energy),
            score: Some(before.score),
            acceptance: Some(chance),
            ..Info::default()
        })
    }

    fn adapt(&self, state: &mut HmcState, info: &Info, last: bool) -> Result<()> {
        let Some(chance) = info.acceptance.as_ref().filter(|_| self.options.adapt) else {
            return Ok(());
        };
        let search = state
            .search
            .get_or_insert_with(|| DualAveraging::new(state.step_size));
        state.step_size = search.next(chance.mean()?.item()?, self.options.acceptance);
        if last {
            state.step_size = search.average.exp();
            state.search = None;
            self.learned.set(Some(state.step_size / self.factor));
        }
        Ok(())
    }

    fn steps(&self) -> usize {
        self.options.steps as usize
    }

    fn training(&self) -> Option<bool> {
        Some(self.training)
    }

    fn shrunk(&self, factor: f64) -> Result<Option<Hmc>> {
        let (options, learned) = (self.options.clone(), self.learned.clone());
        Ok(Some(Hmc {
            options,
            training: self.training,
            learned,
            factor: self.factor * factor,
        }))
    }

    fn learned(&self) -> Option<f64> {
        self.learned.get()
    }

    fn relearn(&self, learned: Option<f64>) {
        self.learned.set(learned);
    }

    fn name(&self) -> String {
        "hmc".to_owned()
    }

    fn describe(&self) -> String {
        let o = &self.options;
        let learned = if self.learned.get().is_some() {
            " (adapted)"
        } else {
            ""
        };
        format!(
            "hmc(#{{ steps: {}, leapfrog: {}, step_size: {}{learned}, momentum: {}, bounds: {}, mode: {} }}), T = 1",
            o.steps,
            o.leapfrog,
            super::sgld::short(self.step_size()),
            o.momentum,
            o.bounds.show(),
            o.mode.show()
        )
    }
}
