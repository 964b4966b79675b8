//! Samplers: Markov chains that walk towards low energy.
//!
//! An algorithm is a [`Kernel`]: `init` makes the chains' state, `step` moves it. The chain loop is
//! written once, in `chain.rs`; what a run records is in `run.rs`.
//!
//! | file | what |
//! |---|---|
//! | `kernel.rs` | what an algorithm is |
//! | `chain.rs` | the chain loop |
//! | `sgld.rs` | stochastic gradient Langevin dynamics (equation 4, and step and noise apart) |
//! | `mala.rs` | Metropolis-adjusted Langevin (equation 3) |
//! | `hmc.rs`, `leapfrog.rs` | Hamiltonian Monte Carlo, and how its particles move |
//! | `adapted.rs` | step sizes that keep a target while a model trains |
//! | `custom.rs` | a step written by the user |
//! | `run.rs` | runs with trace, thinning and diagnostics |
//! | `diagnostics.rs` | effective sample size, R-hat, gradient-to-noise ratio |
//! | `replay.rs`, `class_gaussian.rs` | the replay buffer, and what its chains may start from |

mod adapted;
mod chain;
mod class_gaussian;
mod custom;
pub mod diagnostics;
mod hmc;
mod kernel;
mod leapfrog;
mod mala;
mod replay;
mod run;
mod sgld;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

pub use custom::{Custom, CustomOptions};
pub use hmc::{Hmc, HmcOptions};
pub use kernel::{Chains, Info, Kernel};
pub(crate) use leapfrog::{Walls, kinetic, leapfrog};
pub use mala::{Mala, MalaOptions};
pub use replay::{Init, Replay, ReplayOptions};
pub use run::{ChainRun, RunOptions};
pub use sgld::{Annealing, Sgld, SgldOptions};

use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::Function;
use crate::params::{Cautious, Factors, Snapshot, State};
use crate::tensor::Tensor;
use kernel::Erased;

/// A handle to a sampler; clones share it.
#[derive(Clone)]
pub struct Sampler(Rc<Inner>);

crate::object_option!(Sampler, "sampler", "sampler::sgld(…) makes one");

struct Inner {
    /// As it was made.
    kernel: Rc<dyn Erased>,
    /// As it is used: with other steps in a training that has gone back to an earlier state.
    used: RefCell<Rc<dyn Erased>>,
    /// What the number and the size of the steps are multiplied by then.
    factors: Cell<(f64, f64)>,
}

impl Sampler {
    /// Wraps an algorithm.
    pub fn of(kernel: impl Kernel + 'static) -> Sampler {
        let kernel: Rc<dyn Erased> = Rc::new(kernel);
        let used = RefCell::new(kernel.clone());
        Sampler(Rc::new(Inner {
            kernel,
            used,
            factors: Cell::new((1.0, 1.0)),
        }))
    }

    /// Stochastic gradient Langevin dynamics (equation 4).
    pub fn sgld(options: &SgldOptions) -> Result<Sampler> {
        Ok(Sampler::of(Sgld::new(options)?))
    }

    /// Metropolis-adjusted Langevin (equation 3).
    pub fn mala(options: &MalaOptions) -> Result<Sampler> {
        Ok(Sampler::of(Mala::new(options)?))
    }

    /// Hamiltonian Monte Carlo.
    pub fn hmc(options: &HmcOptions) -> Result<Sampler> {
        Ok(Sampler::of(Hmc::new(options)?))
    }

    /// A step written by the user, called with the energy and x, repeated `steps` times.
    pub fn custom(steps: i64, function: &Function, options: &CustomOptions) -> Result<Sampler> {
        Ok(Sampler::of(Custom::new(steps, function, options)?))
    }

    /// A step written in Rust, repeated `steps` times.
    pub fn from_fn(
        steps: i64,
        step: impl Fn(&Energy, &Tensor) -> Result<Tensor> + 'static,
    ) -> Result<Sampler> {
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

    /// Whether samples keep their gradient history through all steps.
    pub fn differentiable(&self) -> bool {
        self.kernel().differentiable()
    }

    /// The algorithm, as it is used now.
    fn kernel(&self) -> Rc<dyn Erased> {
        self.0.used.borrow().clone()
    }

    /// Learns from how a walk of a training has ended, where the algorithm adapts.
    pub fn follow(&self, info: &Info) -> Result<()> {
        self.kernel().follow(info)
    }

    /// Whether it has learned something.
    fn adapts(&self) -> bool {
        self.kernel().learned().is_some()
    }

    /// Multiplies the number and the size of the steps.
    fn set_factors(&self, steps: f64, step_size: f64) -> Result<()> {
        let shrunk = if step_size == 1.0 {
            None
        } else {
            self.0.kernel.shrunk(step_size)?
        };
        *self.0.used.borrow_mut() = shrunk.unwrap_or_else(|| self.0.kernel.clone());
        self.0.factors.set((steps, step_size));
        Ok(())
    }

    /// The algorithm's name: `sgld`.
    pub fn name(&self) -> String {
        self.kernel().name()
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
        into.values
            .insert(format!("{path}.factors"), vec![steps, step_size].into());
        if let Some(learned) = self.0.kernel.learned() {
            into.values
                .insert(format!("{path}.learned"), learned.into());
        }
        Ok(())
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        let key = format!("{path}.factors");
        let number = |i: usize| from.values.get(&key).and_then(|v| v[i].as_f64());
        let wrong = || Error::data(format!("checkpoint: no numbers `{key}`"));
        self.0.kernel.relearn(
            from.values
                .get(&format!("{path}.learned"))
                .and_then(serde_json::Value::as_f64),
        );
        self.set_factors(number(0).ok_or_else(wrong)?, number(1).ok_or_else(wrong)?)
    }

    fn cautious(&self) -> Option<&dyn Cautious> {
        Some(self)
    }
}

impl Cautious for Sampler {
    fn ease(&self, factors: &Factors) -> Result<()> {
        let (steps, step_size) = self.0.factors.get();
        self.set_factors(steps * factors.steps, step_size * factors.step_size)
    }

    fn settle(&self) {
        *self.0.used.borrow_mut() = self.0.kernel.clone();
        self.0.factors.set((1.0, 1.0));
    }
}

crate::choice! {
    /// The mode of a network while chains walk.
    pub enum NetworkMode {
        /// Batch norm by its running means, no dropout.
        Eval = "eval",
        /// Batch norm by the batch, dropout.
        Train = "train",
    }
}

/// Bounds that leave room between them; not-a-number does not.
fn is_range((low, high): (f64, f64)) -> bool {
    low < high
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel().describe())?;
        if self.steps() == self.kernel().steps() {
            Ok(())
        } else {
            write!(f, ", now {} steps", self.steps())
        }
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
