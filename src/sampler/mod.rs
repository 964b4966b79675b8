//! Samplers: Markov chains that walk towards low energy.
//!
//! An algorithm is a [`Kernel`]: `init` makes a chain's state, `step` moves it. The chain loop is written once, here;
//! what a run records is in `run.rs`.
//!
//! | file | what |
//! |---|---|
//! | `sgld.rs` | stochastic gradient Langevin dynamics (equation 4, and step and noise apart) |
//! | `mala.rs` | Metropolis-adjusted Langevin (equation 3) |
//! | `custom.rs` | a step written by the user |
//! | `run.rs` | runs with trace, thinning and diagnostics |
//! | `diagnostics.rs` | effective sample size, R-hat, gradient-to-noise ratio |
//! | `replay.rs`, `class_gaussian.rs` | the replay buffer, and what its chains may start from |

mod class_gaussian;
mod custom;
pub mod diagnostics;
mod mala;
mod replay;
mod run;
mod sgld;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

pub use custom::{Custom, CustomOptions};
pub use mala::{Mala, MalaOptions};
pub use replay::{Replay, ReplayOptions};
pub use run::{ChainRun, RunOptions};
pub use sgld::{Sgld, SgldOptions};

use crate::energy::Energy;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::Network;
use crate::options::Function;
use crate::params::{Factors, Snapshot, State};
use crate::rehearsal;
use crate::tensor::Tensor;

/// Where a batch of chains stands.
#[derive(Clone)]
pub struct ChainState {
    /// The samples, `[B, …]`.
    pub x: Tensor,
    /// `E(x)`, `[B]`, where the algorithm keeps it.
    pub energy: Option<Tensor>,
    /// `−∇E(x)` at `x`, where the algorithm keeps it.
    pub score: Option<Tensor>,
}

/// What one step tells, all on the chains' device. Tensors are handles to what the step computed anyway.
#[derive(Clone, Default)]
pub struct Info {
    /// Which proposals were accepted, `[B]` of 0 and 1; `None` for algorithms that accept all.
    pub accepted: Option<Tensor>,
    /// `E` where the step took its gradient, `[B]`.
    pub energy: Option<Tensor>,
    /// `−∇E` where the step took its gradient, before any clamp.
    pub score: Option<Tensor>,
    /// What the gradient was multiplied by and the noise's standard deviation.
    pub scales: Option<(f64, f64)>,
}

/// One sampling algorithm.
pub trait Kernel {
    /// The state of chains that start at `x`.
    fn init(&self, energy: &Energy, x: &Tensor) -> Result<ChainState>;
    /// One step; `t` counts from 0 within a run (schedules depend on it). Leaves the tensors of `state` as they are.
    fn step(&self, energy: &Energy, state: ChainState, t: usize) -> Result<(ChainState, Info)>;
    /// How many steps a run has unless told otherwise.
    fn steps(&self) -> usize;
    /// The mode that networks are in while sampling, true for training; `None` leaves them as they are.
    fn training(&self) -> Option<bool> {
        Some(false)
    }
    /// Whether the result keeps its gradient history through all steps.
    fn differentiable(&self) -> bool {
        false
    }
    /// The user's functions inside: a checkpoint keeps what they have captured.
    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }
    /// The same algorithm with smaller steps, at the same temperature; `None` where the size of a step is not ours.
    fn shrunk(&self, _factor: f64) -> Result<Option<Rc<dyn Kernel>>> {
        Ok(None)
    }
    /// The sampler with all of its settings, as written in a script.
    fn describe(&self) -> String;
}

/// A handle to a sampler; clones share it.
#[derive(Clone)]
pub struct Sampler(Rc<Inner>);

struct Inner {
    /// As it was made.
    kernel: Rc<dyn Kernel>,
    /// As it is used: with other steps in a training that has gone back to an earlier state.
    used: RefCell<Rc<dyn Kernel>>,
    /// What the number and the size of the steps are multiplied by then.
    factors: Cell<(f64, f64)>,
}

impl Sampler {
    /// Wraps an algorithm.
    pub fn of(kernel: impl Kernel + 'static) -> Sampler {
        let kernel: Rc<dyn Kernel> = Rc::new(kernel);
        let used = RefCell::new(kernel.clone());
        Sampler(Rc::new(Inner { kernel, used, factors: Cell::new((1.0, 1.0)) }))
    }

    /// Stochastic gradient Langevin dynamics (equation 4).
    pub fn sgld(options: &SgldOptions) -> Result<Sampler> {
        Ok(Sampler::of(Sgld::new(options)?))
    }

    /// Metropolis-adjusted Langevin (equation 3).
    pub fn mala(options: &MalaOptions) -> Result<Sampler> {
        Ok(Sampler::of(Mala::new(options)?))
    }

    /// A step written by the user, called with the energy and x, repeated `steps` times.
    pub fn custom(steps: i64, function: &Function, options: &CustomOptions) -> Result<Sampler> {
        Ok(Sampler::of(Custom::new(steps, function, options)?))
    }

    /// A step written in Rust, repeated `steps` times.
    pub fn from_fn(steps: i64, step: impl Fn(&Energy, &Tensor) -> Result<Tensor> + 'static) -> Result<Sampler> {
        Sampler::custom(steps, &custom::wrapped(step), &CustomOptions::default())
    }

    /// How many steps a run has.
    pub fn steps(&self) -> usize {
        (self.kernel().steps() as f64 * self.0.factors.get().0).round() as usize
    }

    /// The user's functions inside.
    pub fn functions(&self) -> Vec<Function> {
        self.kernel().functions()
    }

    /// What tells this sampler from all others.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }

    /// The algorithm.
    pub fn kernel(&self) -> Rc<dyn Kernel> {
        self.0.used.borrow().clone()
    }

    /// Multiplies the number and the size of the steps.
    fn set_factors(&self, steps: f64, step_size: f64) -> Result<()> {
        let shrunk = if step_size == 1.0 { None } else { self.0.kernel.shrunk(step_size)? };
        *self.0.used.borrow_mut() = shrunk.unwrap_or_else(|| self.0.kernel.clone());
        self.0.factors.set((steps, step_size));
        Ok(())
    }

    /// Where chains from `x0` end after all steps; detached unless the sampler is differentiable. The hot path of
    /// training: no trace, and the device is waited for once, at the end, to see that all is finite.
    pub fn sample(&self, energy: &Energy, x0: &Tensor) -> Result<Tensor> {
        Ok(self.sample_with_info(energy, x0)?.0)
    }

    /// Where chains end, and what their last step told.
    pub fn sample_with_info(&self, energy: &Energy, x0: &Tensor) -> Result<(Tensor, Info)> {
        let mut last = Info::default();
        let state = self.walk(energy, x0, self.steps(), |_, _, info| {
            last = info;
            Ok(())
        })?;
        let seen = state.energy.as_ref().or(last.energy.as_ref());
        check_finite(&self.name(), &state.x, seen, self.steps())?;
        Ok((if self.kernel().differentiable() { state.x } else { state.x.detach() }, last))
    }

    /// The one chain loop: `each` sees the state after every step, and what the step told.
    fn walk(
        &self,
        energy: &Energy,
        x0: &Tensor,
        steps: usize,
        mut each: impl FnMut(usize, &ChainState, Info) -> Result<()>,
    ) -> Result<ChainState> {
        if x0.ndim() < 1 || x0.is_empty() || !x0.is_float() {
            return Err(Error::shape(format!(
                "{}: chains start at a batch of real numbers [B, …], got {}",
                self.name(),
                x0.brief()
            )));
        }
        let _mode = self.kernel().training().map(|training| Mode::enter(energy, training));
        let start = if self.kernel().differentiable() { x0.clone() } else { x0.detach() };
        let start = self.kernel().init(energy, &start)?;
        let mut now = Some(start);
        let lost = || Error::state("the state of the chains was lost");
        rehearsal::turns("sampling", steps as i64, 2, |t| -> Result<()> {
            crate::interrupt::poll()?;
            let before = now.take().ok_or_else(lost)?;
            let (next, info) = self.kernel().step(energy, before, t as usize)?;
            each(t as usize, &next, info)?;
            now = Some(next);
            Ok(())
        })?;
        now.ok_or_else(lost)
    }

    /// The name without the settings: `sgld`.
    fn name(&self) -> String {
        let text = self.kernel().describe();
        text.split('(').next().unwrap_or_default().to_owned()
    }
}

impl State for Sampler {
    /// Nothing: a dry run lists what is large.
    fn about(&self) -> String {
        String::new()
    }

    fn learned(&self) -> bool {
        false
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        let (steps, step_size) = self.0.factors.get();
        into.values.insert(format!("{path}.factors"), vec![steps, step_size].into());
        Ok(())
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        let key = format!("{path}.factors");
        let number = |i: usize| from.values.get(&key).and_then(|v| v[i].as_f64());
        let wrong = || Error::data(format!("checkpoint: no numbers `{key}`"));
        self.set_factors(number(0).ok_or_else(wrong)?, number(1).ok_or_else(wrong)?)
    }

    fn ease(&self, factors: &Factors) -> Result<()> {
        let (steps, step_size) = self.0.factors.get();
        self.set_factors(steps * factors.steps, step_size * factors.step_size)
    }

    fn settle(&self) {
        *self.0.used.borrow_mut() = self.0.kernel.clone();
        self.0.factors.set((1.0, 1.0));
    }
}

/// Networks in a mode, until dropped: then each layer is as it was.
struct Mode(Vec<(Network, bool)>);

impl Mode {
    fn enter(energy: &Energy, training: bool) -> Mode {
        let mut before: Vec<(Network, bool)> = energy.networks().iter().flat_map(Network::modes).collect();
        before.retain(|(_, mode)| *mode != training);
        before.iter().for_each(|(layer, _)| layer.set_training(training));
        Mode(before)
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        self.0.iter().for_each(|(layer, mode)| layer.set_training(*mode));
    }
}

/// `"eval"` or `"train"` as a network's mode.
fn parse_mode(owner: &str, mode: &str) -> Result<bool> {
    match mode {
        "eval" => Ok(false),
        "train" => Ok(true),
        _ => Err(Error::unknown(&format!("{owner}: unknown mode `{mode}`"), mode, ["eval", "train"])),
    }
}

/// Bounds that leave room between them; not-a-number does not.
fn is_range((low, high): (f64, f64)) -> bool {
    low < high
}

/// Samples and energies without infinities and without not-a-number. One look at the device: both sums at once.
fn check_finite(sampler: &str, x: &Tensor, energy: Option<&Tensor>, steps: usize) -> Result<()> {
    let mut probe = x.raw().f_detach()?.f_sum(None::<tch::Kind>)?;
    if let Some(e) = energy {
        probe = probe.f_add(&e.raw().f_detach()?.f_sum(None::<tch::Kind>)?)?;
    }
    if probe.f_double_value(&[])?.is_finite() {
        return Ok(());
    }
    // A sum of finite numbers may overflow: count what is really not finite.
    let wrong = |t: &Tensor| -> Result<i64> {
        let rows = t.detach().reshape(&[t.len(), -1])?.isfinite()?;
        Ok(rows.raw().f_all_dim(1, false)?.f_logical_not()?.f_sum(tch::Kind::Int64)?.f_int64_value(&[])?)
    };
    let chains = x.len();
    let energies = energy.map(wrong).transpose()?.unwrap_or(0);
    let samples = wrong(x)?;
    let (what, count) = match (samples, energies) {
        (0, 0) => return Ok(()),
        (0, n) => ("energy", n),
        (n, _) => ("samples", n),
    };
    Err(Error::new(
        ErrorKind::NonFinite,
        format!(
            "{sampler}: the {what} became infinite or not a number in steps 1 to {steps}, in {count} of {chains} chains"
        ),
    )
    .with_hint("smaller steps, `clamp`, `clamp_grad`, or a smaller learning rate keep chains finite"))
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel().describe())?;
        if self.steps() == self.kernel().steps() { Ok(()) } else { write!(f, ", now {} steps", self.steps()) }
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
