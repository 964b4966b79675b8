//! Optimisers: how a gradient moves the parameters.
//!
//! An update rule is one file ([`adam`], [`sgd`]) over the flat tensor of all parameters; the
//! [`Optimizer`] around it does what all share: the gradient, clipping, the rate's schedule, the
//! count of steps, and the state that a checkpoint keeps.

mod adam;
mod clip;
mod ema;
mod kept;
mod schedule;
mod settings;
mod sgd;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

pub use ema::Ema;
pub use schedule::Schedule;
pub use settings::{AdamOptions, AdamWOptions, SgdOptions};

use crate::error::{Error, Result};
use crate::options::Options;
use crate::params::{Cautious, Factors, Flat, Named, Snapshot, State};
use crate::record;
use crate::tensor::{Tensor, no_grad};
use clip::Clip;

/// One update rule.
trait Rule {
    /// Moves the values in place by their gradient, which the rule may use up. `t` counts from 1.
    fn update(
        &mut self,
        values: &mut tch::Tensor,
        gradient: tch::Tensor,
        lr: f64,
        t: i64,
    ) -> Result<()>;
    /// What the rule remembers between steps, by name; each has the shape of the values.
    fn memory(&self) -> Vec<(&'static str, &Tensor)>;
}

/// What every optimiser is told.
struct Common {
    lr: f64,
    schedule: Schedule,
    clip: Clip,
}

/// An optimiser over the parameters of a model; clones share its state.
#[derive(Clone)]
pub struct Optimizer(Rc<Inner>);

struct Inner {
    name: &'static str,
    /// The optimiser as written in a script, with all of its options.
    shown: String,
    common: Common,
    flat: Flat,
    moving: RefCell<Moving>,
}

/// What changes with the steps.
struct Moving {
    rule: Box<dyn Rule>,
    steps: i64,
    lr_scale: f64,
}

impl Optimizer {
    /// Adam over the trained parameters among these.
    pub fn adam(named: Named, options: &AdamOptions) -> Result<Optimizer> {
        Optimizer::build("adam", named, options, options.common(), |values| {
            let decay = adam::Decay::Gradient(options.weight_decay);
            Ok(Box::new(adam::Adam::new(
                values,
                options.betas,
                options.eps,
                decay,
            )?))
        })
    }

    /// AdamW over the trained parameters among these: the decay acts on the weights and not through
    /// the moments.
    pub fn adamw(named: Named, options: &AdamWOptions) -> Result<Optimizer> {
        Optimizer::build("adamw", named, options, options.common(), |values| {
            let decay = adam::Decay::Weights(options.weight_decay);
            Ok(Box::new(adam::Adam::new(
                values,
                options.betas,
                options.eps,
                decay,
            )?))
        })
    }

    /// Stochastic gradient descent over the trained parameters among these.
    pub fn sgd(named: Named, options: &SgdOptions) -> Result<Optimizer> {
        Optimizer::build("sgd", named, options, options.common(), |values| {
            Ok(Box::new(sgd::Sgd::new(values, options)?))
        })
    }

    fn build<O: Options>(
        name: &'static str,
        named: Named,
        options: &O,
        common: Common,
        rule: impl FnOnce(&Tensor) -> Result<Box<dyn Rule>>,
    ) -> Result<Optimizer> {
        options.check()?;
        let flat = Flat::gather(O::OWNER, named)?;
        let moving = RefCell::new(Moving {
            rule: rule(&flat.values)?,
            steps: 0,
            lr_scale: 1.0,
        });
        let shown = format!("{name}({})", options.show());
        Ok(Optimizer(Rc::new(Inner {
            name,
            shown,
            common,
            flat,
            moving,
        })))
    }

    /// One step down the gradient of a loss (a single number). Nothing is read back from the
    /// device.
    pub fn step(&self, loss: &Tensor) -> Result<()> {
        let Inner {
            name,
            common,
            flat,
            moving,
            ..
        } = &*self.0;
        let mut gradient: tch::Tensor = flat.gradient(name, loss)?.into();
        let _guard = no_grad();
        let lr = self.lr();
        if common.clip.needs_norm() || record::listening() {
            let norm = Tensor::from(gradient.f_norm()?);
            record::note("grad_norm", &norm);
            if record::listening() {
                let on = (norm.kind(), norm.device());
                record::note("lr", &Tensor::from(tch::Tensor::f_full([0i64; 0], lr, on)?));
            }
            common.clip.by_norm(&mut gradient, &norm)?;
        }
        common.clip.by_value(&mut gradient)?;
        let mut moving = moving.borrow_mut();
        let t = moving.steps + 1;
        let mut values = flat.values.raw().shallow_clone();
        moving.rule.update(&mut values, gradient, lr, t)?;
        moving.steps = t;
        Ok(())
    }

    /// The rate of the next step.
    pub fn lr(&self) -> f64 {
        let moving = self.0.moving.borrow();
        self.0.common.lr * moving.lr_scale * self.0.common.schedule.factor(moving.steps)
    }

    /// Multiplies the rate from now on by a factor of its own, beside the schedule's (1 at the
    /// start).
    pub fn set_lr_scale(&self, scale: f64) -> Result<()> {
        if !scale.is_finite() || scale < 0.0 {
            return Err(Error::argument(format!(
                "{}: the rate's scale must not be negative, got {scale}",
                self.0.name
            )));
        }
        self.0.moving.borrow_mut().lr_scale = scale;
        Ok(())
    }

    /// The factor set by [`Optimizer::set_lr_scale`].
    pub fn lr_scale(&self) -> f64 {
        self.0.moving.borrow().lr_scale
    }

    /// What tells this optimiser from all others.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }

    /// The kind of optimiser: `adam`.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// What it remembers between steps, by name.
    pub fn memory(&self) -> Vec<&'static str> {
        let moving = self.0.moving.borrow();
        moving.rule.memory().iter().map(|(name, _)| *name).collect()
    }

    /// How many steps were made.
    pub fn steps(&self) -> i64 {
        self.0.moving.borrow().steps
    }

    /// What is trained.
    pub fn parameters(&self) -> &Named {
        self.0.flat.params()
    }
}

impl Cautious for Optimizer {
    fn ease(&self, factors: &Factors) -> Result<()> {
        self.set_lr_scale(self.lr_scale() * factors.lr)
    }
}

impl State for Optimizer {
    fn cautious(&self) -> Option<&dyn Cautious> {
        Some(self)
    }

    fn about(&self) -> String {
        format!(
            "{} of {} parameters",
            self.0.name,
            crate::nn::thousands(self.0.flat.values.numel() as i64)
        )
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        let moving = self.0.moving.borrow();
        into.share(format!("{path}.weights"), self.0.flat.params());
        for (name, tensor) in moving.rule.memory() {
            into.put(format!("{path}.{name}"), tensor)?;
        }
        into.values
            .insert(format!("{path}.steps"), moving.steps.into());
        into.values
            .insert(format!("{path}.lr_scale"), moving.lr_scale.into());
        Ok(())
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        let mut moving = self.0.moving.borrow_mut();
        let steps = from.int(&format!("{path}.steps"))?;
        let key = format!("{path}.lr_scale");
        let lr_scale = from.values.get(&key).and_then(serde_json::Value::as_f64);
        let lr_scale =
            lr_scale.ok_or_else(|| Error::data(format!("checkpoint: no number `{key}`")))?;
        // All are looked up and compared before the first is changed.
        let weights = self.0.flat.params().iter().map(|(_, p)| p.get());
        let memory = moving.rule.memory();
        let now: Vec<Tensor> = weights
            .chain(memory.iter().map(|(_, tensor)| (*tensor).clone()))
            .collect();
        let mut saved = from.shared(&format!("{path}.weights"))?;
        for (name, _) in &memory {
            saved.push(from.tensor(&format!("{path}.{name}"))?);
        }
        if now.len() != saved.len()
            || now
                .iter()
                .zip(&saved)
                .any(|(now, saved)| now.shape() != saved.shape())
        {
            let then: usize = from
                .shared(&format!("{path}.weights"))?
                .into_iter()
                .map(Tensor::numel)
                .sum();
            let text = match self.0.flat.values.numel() {
                n if n == then => format!(
                    "it is of parameters of other shapes than those of this {}",
                    self.0.name
                ),
                n => format!("it is of {then} parameters, this {} has {n}", self.0.name),
            };
            return Err(Error::data(format!("checkpoint `{path}`: {text}"))
                .with_hint("the network or its options have changed since"));
        }
        let _guard = no_grad();
        for (now, saved) in now.iter().zip(saved) {
            now.raw().shallow_clone().f_copy_(saved.raw())?;
        }
        (moving.steps, moving.lr_scale) = (steps, lr_scale);
        Ok(())
    }
}

impl fmt::Display for Optimizer {
    /// All settings, and where the optimiser stands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters = crate::nn::thousands(self.0.flat.values.numel() as i64);
        let (steps, lr) = (self.steps(), self.lr());
        write!(
            f,
            "{}\n{parameters} parameters, {steps} steps made, next rate {lr}",
            self.0.shown
        )
    }
}

impl fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
