//! Samplers: Markov chains that walk towards low energy.
//!
//! An algorithm is a [`Kernel`]: `init` makes a chain's state, `step` moves it. The chain loop, thinning, traces and
//! interrupts are written once, here.

use std::fmt;
use std::rc::Rc;

use crate::energy::Energy;
use crate::error::Result;
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

/// What one step tells, all on the chains' device.
#[derive(Clone, Default)]
pub struct Info {
    /// Which proposals were accepted, `[B]` of 0 and 1; `None` for algorithms that accept all.
    pub accepted: Option<Tensor>,
    /// Mean over the batch of ‖∇E‖₂ at the step's start, a number.
    pub score_norm: Option<Tensor>,
}

/// One sampling algorithm.
pub trait Kernel {
    /// The state of chains that start at `x`.
    fn init(&self, energy: &Energy, x: &Tensor) -> Result<ChainState>;
    /// One step; `t` counts from 0 within a run (schedules depend on it).
    fn step(&self, energy: &Energy, state: ChainState, t: usize) -> Result<(ChainState, Info)>;
    /// How many steps a run has unless told otherwise.
    fn steps(&self) -> usize;
    /// The sampler with all of its settings, as written in a script.
    fn describe(&self) -> String;
}

/// A handle to a sampler.
#[derive(Clone)]
pub struct Sampler(Rc<dyn Kernel>);

impl Sampler {
    /// Wraps an algorithm.
    pub fn of(kernel: impl Kernel + 'static) -> Sampler {
        Sampler(Rc::new(kernel))
    }

    /// How many steps a run has.
    pub fn steps(&self) -> usize {
        self.0.steps()
    }

    /// The algorithm.
    pub fn kernel(&self) -> &dyn Kernel {
        self.0.as_ref()
    }

    /// Where chains from `x0` end after all steps, detached. The hot path of training: no trace, no host synchronisation.
    pub fn sample(&self, energy: &Energy, x0: &Tensor) -> Result<Tensor> {
        let mut state = self.0.init(energy, &x0.detach())?;
        for t in 0..self.steps() {
            crate::interrupt::poll()?;
            state = self.0.step(energy, state, t)?.0;
        }
        Ok(state.x.detach())
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.describe())
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
