//! Optimisers: how a gradient moves the parameters.
//!
//! An update rule is one file ([`adam`], [`sgd`], …) over the flat tensor of all parameters; the
//! [`Optimizer`] around it does what all share: the gradient, clipping, the rate's schedule, the
//! count of steps, and the state that a checkpoint keeps.

mod adam;
mod clip;
mod ema;
mod kept;
mod lbfgs;
mod lion;
mod make;
mod perturb;
mod rate;
mod rmsprop;
mod schedule;
mod settings;
mod sgd;
mod state;
mod step;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

pub use ema::Ema;
pub use make::Recipe;
pub use rate::Rate;
pub use schedule::Schedule;
pub use settings::{
    AdamOptions, AdamWOptions, LbfgsOptions, LionOptions, RmsPropOptions, SamOptions, SgdOptions,
};

use crate::error::{Error, Result};
use crate::options::Function;
use crate::params::{Cautious, Factors, Flat, Gradient, Named};
use crate::tensor::Tensor;
use crate::world::World;
use clip::Clip;
use lbfgs::History;

/// One update rule, with its options.
pub trait Rule {
    /// The names of what the rule remembers between steps; each has the shape of the values.
    fn memory(&self) -> Vec<&'static str>;
    /// Moves the values in place by their gradient, which the rule may use up; `memory` is what it
    /// names, in that order. `t` counts from 1.
    fn update(
        &self,
        values: &mut tch::Tensor,
        gradient: tch::Tensor,
        memory: &mut [tch::Tensor],
        lr: f64,
        t: i64,
    ) -> Result<()>;
}

/// What every optimiser is told.
pub struct Common {
    lr: Rate,
    schedule: Schedule,
    clip: Clip,
}

/// An optimiser over the parameters of a model; clones share its state.
#[derive(Clone)]
pub struct Optimizer {
    inner: Rc<Inner>,
    /// Where the gradient is taken: not at the weights, but above them.
    sam: Option<Rc<SamOptions>>,
}

struct Inner {
    name: &'static str,
    /// The optimiser as written in a script, with all of its options.
    shown: String,
    method: Method,
    /// The rate of each group.
    rates: Vec<(Rate, Schedule)>,
    clip: Clip,
    flat: Flat,
    /// Which group each parameter is of; a group's parameters stand side by side.
    group_of: Vec<usize>,
    moving: RefCell<Moving>,
    /// Who computes the gradient with this process.
    world: World,
}

/// What makes a step of gradients.
enum Method {
    /// One gradient and a rule; a rule for each group.
    Rules(Vec<Box<dyn Rule>>),
    /// As many as it wants.
    Lbfgs(LbfgsOptions),
}

/// What changes with the steps.
struct Moving {
    /// What the rules remember, by name, `[n]` each.
    memory: Vec<(&'static str, Tensor)>,
    history: History,
    steps: i64,
    /// The steps of each parameter: it makes none while it is frozen or has no gradient.
    counts: Vec<i64>,
    lr_scale: f64,
    /// The rate that was set by hand: it stands in place of options and schedule.
    lr: Option<f64>,
    /// What was accumulated for the next step.
    pending: Option<Gradient>,
    /// The weights while perturbed ones stand in their place.
    held: Option<Tensor>,
}

impl Optimizer {
    /// The rate of the next step; of several groups that of the first one.
    pub fn lr(&self) -> Result<f64> {
        self.lr_of(0)
    }

    fn lr_of(&self, group: usize) -> Result<f64> {
        // A function of the user's may look at the optimiser.
        let (set, scale, steps) = {
            let moving = self.inner.moving.borrow();
            (moving.lr, moving.lr_scale, moving.steps)
        };
        let (rate, schedule) = &self.inner.rates[group];
        match set {
            Some(lr) => Ok(lr * scale),
            None => Ok(rate.at(self.inner.name, steps)? * scale * schedule.factor(steps)),
        }
    }

    /// Sets the rate of all steps to come, of all groups: it stands in place of the option `lr`,
    /// the schedule and the scale.
    pub fn set_lr(&self, lr: f64) -> Result<()> {
        if !lr.is_finite() || lr < 0.0 {
            return Err(Error::argument(format!(
                "{}: `lr` must not be negative, got {lr}",
                self.inner.name
            )));
        }
        let mut moving = self.inner.moving.borrow_mut();
        (moving.lr, moving.lr_scale) = (Some(lr), 1.0);
        Ok(())
    }

    /// Multiplies the rate from now on by a factor of its own, beside the schedule's (1 at the
    /// start).
    pub fn set_lr_scale(&self, scale: f64) -> Result<()> {
        if !scale.is_finite() || scale < 0.0 {
            return Err(Error::argument(format!(
                "{}: the rate's scale must not be negative, got {scale}",
                self.inner.name
            )));
        }
        self.inner.moving.borrow_mut().lr_scale = scale;
        Ok(())
    }

    /// The factor set by [`Optimizer::set_lr_scale`].
    pub fn lr_scale(&self) -> f64 {
        self.inner.moving.borrow().lr_scale
    }

    /// What tells this optimiser from all others.
    pub fn id(&self) -> usize {
        self.sam
            .as_ref()
            .map_or(self.state_id(), |sam| Rc::as_ptr(sam) as usize)
    }

    /// What tells its state from that of all others: SAM has that of its base.
    pub fn state_id(&self) -> usize {
        Rc::as_ptr(&self.inner) as usize
    }

    /// The kind of optimiser: `adam`.
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// What it remembers between steps, by name.
    pub fn memory(&self) -> Vec<&'static str> {
        let moving = self.inner.moving.borrow();
        moving.memory.iter().map(|(name, _)| *name).collect()
    }

    /// How many steps were made.
    pub fn steps(&self) -> i64 {
        self.inner.moving.borrow().steps
    }

    /// What it trains, in the order in which gradients are given to it.
    pub fn parameters(&self) -> &Named {
        self.inner.flat.params()
    }

    /// The user's functions inside: a checkpoint keeps what they have captured.
    pub fn functions(&self) -> Vec<Function> {
        let of = |(rate, _): &(Rate, Schedule)| match rate {
            Rate::Function(function) => Some(function.clone()),
            Rate::Fixed(_) => None,
        };
        self.inner.rates.iter().filter_map(of).collect()
    }

    /// Whom errors name: `adam.step`.
    fn call(&self, method: &str) -> String {
        match self.sam {
            Some(_) => format!("sam.{method}"),
            None => format!("{}.{method}", self.inner.name),
        }
    }
}

impl Cautious for Optimizer {
    fn ease(&self, factors: &Factors) -> Result<()> {
        self.set_lr_scale(self.lr_scale() * factors.lr)
    }
}

impl fmt::Display for Optimizer {
    /// All settings, and where the optimiser stands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::options::Options as _;
        let parameters = crate::nn::thousands(self.inner.flat.len());
        let shown = &self.inner.shown;
        match &self.sam {
            Some(sam) => writeln!(f, "sam({}) over {shown}", sam.show())?,
            None => writeln!(f, "{shown}")?,
        }
        write!(f, "{parameters} parameters, {} steps made", self.steps())?;
        match self.lr() {
            Ok(lr) => write!(f, ", next rate {lr}"),
            Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
