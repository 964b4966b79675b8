//! What an algorithm is to the chain loop: a [`Kernel`], with a state of its own type. [`Erased`]
//! hides that type, so that a [`super::Sampler`] holds any algorithm.

use std::any::Any;
use std::ops::Range;
use std::rc::Rc;

use crate::energy::Ready;
use crate::error::{Error, Result};
use crate::options::Function;
use crate::plan::Precision;
use crate::tensor::Tensor;

/// Where a batch of chains stands, whatever else an algorithm keeps beside.
pub trait Chains: Any {
    /// The samples, `[B, …]`.
    fn x(&self) -> &Tensor;

    /// `E(x)`, `[B]`, where the algorithm keeps it.
    fn energy(&self) -> Option<&Tensor> {
        None
    }
}

/// Chains of which the algorithm keeps nothing but where they are.
impl Chains for Tensor {
    fn x(&self) -> &Tensor {
        self
    }
}

/// What one step tells, all on the chains' device. Tensors are handles to what the step computed
/// anyway.
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
    /// What samples were clamped to.
    pub clamp: Option<(f64, f64)>,
    /// How likely the proposals were to be accepted, `[B]`: what a step size is adapted by.
    pub acceptance: Option<Tensor>,
}

/// One sampling algorithm.
pub trait Kernel: 'static {
    /// What it keeps of a batch of chains from step to step.
    type State: Chains;

    /// The state of chains that start at `x`.
    fn init(&self, energy: &Ready, x: &Tensor) -> Result<Self::State>;

    /// One step; `t` counts from 0 within a run (schedules depend on it). Tensors of the state are
    /// replaced, not written to.
    fn step(&self, energy: &Ready, state: &mut Self::State, t: usize) -> Result<Info>;

    /// Many steps at once, from `t.start` to `t.end`, where the energy takes them so and nobody
    /// looks at each: what the last one tells. `None`, with the state as it was, where they have to
    /// be taken one by one.
    fn leap(
        &self,
        _energy: &Ready,
        _state: &mut Self::State,
        _t: Range<usize>,
    ) -> Result<Option<Info>> {
        Ok(None)
    }

    /// Learns from a step of a run's burn-in; `last` is true at its end. Most algorithms learn
    /// nothing.
    fn adapt(&self, _state: &mut Self::State, _info: &Info, _last: bool) -> Result<()> {
        Ok(())
    }

    /// Learns from the last step of a walk in a training: the next one's steps may be of another
    /// size.
    fn follow(&self, _info: &Info) -> Result<()> {
        Ok(())
    }

    /// How many steps a run has unless told otherwise.
    fn steps(&self) -> usize;

    /// The mode that networks are in while sampling, true for training; `None` leaves them as they
    /// are.
    fn training(&self) -> Option<bool> {
        Some(false)
    }

    /// Whether samples keep their gradient history through all steps.
    fn differentiable(&self) -> bool {
        false
    }

    /// In which numbers networks may compute scores.
    fn precision(&self) -> Precision {
        Precision::Full
    }

    /// Whether a step asks for scores alone, so that an energy may be readied for them.
    fn wants_scores_only(&self) -> bool {
        true
    }

    /// The user's functions inside: a checkpoint keeps what they have captured.
    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    /// The same algorithm with smaller steps, at the same temperature; `None` where the size of a
    /// step is not ours.
    fn shrunk(&self, _factor: f64) -> Result<Option<Self>>
    where
        Self: Sized,
    {
        Ok(None)
    }

    /// What was learned from earlier runs, for a checkpoint.
    fn learned(&self) -> Option<f64> {
        None
    }

    /// Takes back what a checkpoint kept.
    fn relearn(&self, _learned: Option<f64>) {}

    /// The algorithm's name: `sgld`.
    fn name(&self) -> String;

    /// The sampler with all of its settings, as written in a script.
    fn describe(&self) -> String;
}

/// A kernel without the type of its state.
pub(super) trait Erased {
    fn init(&self, energy: &Ready, x: &Tensor) -> Result<Box<dyn Chains>>;
    fn step(&self, energy: &Ready, state: &mut dyn Chains, t: usize) -> Result<Info>;
    fn leap(&self, energy: &Ready, state: &mut dyn Chains, t: Range<usize>)
    -> Result<Option<Info>>;
    fn adapt(&self, state: &mut dyn Chains, info: &Info, last: bool) -> Result<()>;
    fn follow(&self, info: &Info) -> Result<()>;
    fn steps(&self) -> usize;
    fn training(&self) -> Option<bool>;
    fn differentiable(&self) -> bool;
    fn wants_scores_only(&self) -> bool;
    fn precision(&self) -> Precision;
    fn functions(&self) -> Vec<Function>;
    fn shrunk(&self, factor: f64) -> Result<Option<Rc<dyn Erased>>>;
    fn learned(&self) -> Option<f64>;
    fn relearn(&self, learned: Option<f64>);
    fn name(&self) -> String;
    fn describe(&self) -> String;
}

/// The state as the kernel's own type.
fn own<S: Chains>(state: &mut dyn Chains) -> Result<&mut S> {
    let state: &mut dyn Any = state;
    state
        .downcast_mut()
        .ok_or_else(|| Error::state("the chains are those of another sampler"))
}

impl<K: Kernel> Erased for K {
    fn init(&self, energy: &Ready, x: &Tensor) -> Result<Box<dyn Chains>> {
        Ok(Box::new(Kernel::init(self, energy, x)?))
    }

    fn step(&self, energy: &Ready, state: &mut dyn Chains, t: usize) -> Result<Info> {
        Kernel::step(self, energy, own(state)?, t)
    }

    fn leap(
        &self,
        energy: &Ready,
        state: &mut dyn Chains,
        t: Range<usize>,
    ) -> Result<Option<Info>> {
        Kernel::leap(self, energy, own(state)?, t)
    }

    fn adapt(&self, state: &mut dyn Chains, info: &Info, last: bool) -> Result<()> {
        Kernel::adapt(self, own(state)?, info, last)
    }

    fn follow(&self, info: &Info) -> Result<()> {
        Kernel::follow(self, info)
    }

    fn steps(&self) -> usize {
        Kernel::steps(self)
    }

    fn training(&self) -> Option<bool> {
        Kernel::training(self)
    }

    fn differentiable(&self) -> bool {
        Kernel::differentiable(self)
    }

    fn wants_scores_only(&self) -> bool {
        Kernel::wants_scores_only(self)
    }

    fn precision(&self) -> Precision {
        Kernel::precision(self)
    }

    fn functions(&self) -> Vec<Function> {
        Kernel::functions(self)
    }

    fn shrunk(&self, factor: f64) -> Result<Option<Rc<dyn Erased>>> {
        Ok(Kernel::shrunk(self, factor)?.map(|kernel| Rc::new(kernel) as Rc<dyn Erased>))
    }

    fn learned(&self) -> Option<f64> {
        Kernel::learned(self)
    }

    fn relearn(&self, learned: Option<f64>) {
        Kernel::relearn(self, learned);
    }

    fn name(&self) -> String {
        Kernel::name(self)
    }

    fn describe(&self) -> String {
        Kernel::describe(self)
    }
}
