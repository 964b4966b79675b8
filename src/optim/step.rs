//! Steps: from a loss, from its function, from gradients that were given or accumulated.

use super::{Method, Optimizer};
use crate::error::{Error, Result};
use crate::params::{Given, Gradient, StepOptions};
use crate::record;
use crate::tensor::{Tensor, no_grad};

/// Entries that a rule updates alike: side by side, of one group, with as many steps behind them.
struct Span {
    group: usize,
    start: i64,
    size: i64,
    t: i64,
}

impl Optimizer {
    /// One step down the gradient of a loss (a single number), and of what was accumulated before.
    /// Nothing is read back from the device.
    pub fn step(&self, loss: &Tensor) -> Result<()> {
        self.step_with(loss, &StepOptions::default())
    }

    /// The same, with options for the gradient.
    pub fn step_with(&self, loss: &Tensor, options: &StepOptions) -> Result<()> {
        let call = self.call("step");
        self.takes_one(&call)?;
        self.unperturbed(&call)?;
        let gradient = self.inner.flat.gradient(&call, loss, options)?;
        self.add(gradient)?;
        self.apply_pending(&call)
    }

    /// One step by a gradient that was computed elsewhere.
    pub fn step_given(&self, gradient: Given, options: &StepOptions) -> Result<()> {
        let call = self.call("step");
        self.takes_one(&call)?;
        self.unperturbed(&call)?;
        let gradient = self
            .inner
            .flat
            .given(&call, gradient, options.allow_unused)?;
        self.add(gradient)?;
        self.apply_pending(&call)
    }

    /// Adds the gradient of a loss to that of the next step.
    pub fn accumulate(&self, loss: &Tensor, options: &StepOptions) -> Result<()> {
        let call = self.call("accumulate");
        self.takes_one(&call)?;
        self.add(self.inner.flat.gradient(&call, loss, options)?)
    }

    /// Adds a gradient that was computed elsewhere to that of the next step.
    pub fn accumulate_given(&self, gradient: Given, options: &StepOptions) -> Result<()> {
        let call = self.call("accumulate");
        self.takes_one(&call)?;
        let flat = &self.inner.flat;
        self.add(flat.given(&call, gradient, options.allow_unused)?)
    }

    /// One step by what was accumulated.
    pub fn step_accumulated(&self) -> Result<()> {
        let call = self.call("step");
        self.takes_one(&call)?;
        self.unperturbed(&call)?;
        self.apply_pending(&call)
    }

    fn apply_pending(&self, call: &str) -> Result<()> {
        let gradient = self.inner.moving.borrow_mut().pending.take();
        let gradient = gradient.ok_or_else(|| {
            Error::state(format!("{call}: no gradient was accumulated"))
                .with_hint("opt.accumulate(loss) before it, or opt.step(loss)")
        })?;
        self.apply(gradient)
    }

    /// One step with a function that computes the loss: called once, or as often as the method
    /// wants (SAM: twice).
    pub fn step_by(
        &self,
        loss: &mut dyn FnMut() -> Result<Tensor>,
        options: &StepOptions,
    ) -> Result<()> {
        let call = self.call("step");
        self.unperturbed(&call)?;
        if let Some(sam) = &self.sam {
            return self.step_above(sam, loss, options);
        }
        match &self.inner.method {
            Method::Rules(_) => self.step_with(&loss()?, options),
            Method::Lbfgs(lbfgs) => self.step_lbfgs(lbfgs, loss, options),
        }
    }

    /// An error where one gradient is not enough.
    fn takes_one(&self, call: &str) -> Result<()> {
        if self.sam.is_none() && matches!(self.inner.method, Method::Rules(_)) {
            return Ok(());
        }
        Err(Error::state(format!(
            "{call}: takes the loss as a function, since it computes it more than once in a step"
        ))
        .with_hint("as in opt.step(|| loss::cross_entropy(net.forward(x), y))"))
    }

    /// An error while other weights stand in place of the optimiser's.
    fn unperturbed(&self, call: &str) -> Result<()> {
        if self.inner.moving.borrow().held.is_none() {
            return Ok(());
        }
        Err(
            Error::state(format!("{call}: the weights are perturbed")).with_hint(
                "opt.restore() gives them back: take the gradient before it, and step after it",
            ),
        )
    }

    fn add(&self, new: Gradient) -> Result<()> {
        let _guard = no_grad();
        let mut moving = self.inner.moving.borrow_mut();
        match &mut moving.pending {
            None => moving.pending = Some(new),
            Some(all) => {
                let _ = all.flat.f_add_(&new.flat)?;
                for (present, new) in all.present.iter_mut().zip(&new.present) {
                    *present |= new;
                }
            }
        }
        Ok(())
    }

    /// Notes norm and rate, where somebody listens; gives the norm where it is needed.
    pub(super) fn noted(&self, gradient: &tch::Tensor, lr: f64) -> Result<Option<Tensor>> {
        if !self.inner.clip.needs_norm() && !record::listening() {
            return Ok(None);
        }
        let norm = Tensor::from(gradient.f_norm()?);
        record::note("grad_norm", &norm);
        if record::listening() {
            let on = (norm.kind(), norm.device());
            record::note("lr", &Tensor::from(tch::Tensor::f_full([0i64; 0], lr, on)?));
        }
        Ok(Some(norm))
    }

    /// The mean of a gradient over all ranks: that of the whole batch, since each has as many rows.
    pub(super) fn averaged(&self, mut gradient: Gradient) -> Result<Gradient> {
        let inner = &*self.inner;
        if inner.world.is_one() {
            return Ok(gradient);
        }
        let there = gradient.present.iter().filter(|p| **p).count();
        let what = format!("the gradient of {}, of {there} parameters", inner.name);
        inner.world.mean_in_place(&what, &mut gradient.flat)?;
        Ok(gradient)
    }

    /// Moves the weights by a gradient.
    pub(super) fn apply(&self, gradient: Gradient) -> Result<()> {
        let inner = &*self.inner;
        let Method::Rules(rules) = &inner.method else {
            return Err(Error::state(format!("{}: not by one gradient", inner.name)));
        };
        let rates = (0..rules.len()).map(|group| self.lr_of(group));
        let rates = rates.collect::<Result<Vec<f64>>>()?;
        let _guard = no_grad();
        let Gradient { mut flat, present } = self.averaged(gradient)?;
        if let Some(norm) = self.noted(&flat, rates[0])? {
            inner.clip.by_norm(&mut flat, &norm)?;
        }
        inner.clip.by_value(&mut flat)?;
        let mut moving = inner.moving.borrow_mut();
        for span in self.spans(&present, &moving.counts) {
            let rule = &rules[span.group];
            let part = |all: &tch::Tensor| -> Result<tch::Tensor> {
                Ok(match span.size == inner.flat.len() {
                    true => all.shallow_clone(),
                    false => all.f_narrow(0, span.start, span.size)?,
                })
            };
            let names = rule.memory();
            let all = names
                .iter()
                .filter_map(|name| moving.memory.iter().find(|(n, _)| n == name));
            let memory: Result<Vec<_>> = all.map(|(_, tensor)| part(tensor.raw())).collect();
            let mut values = part(inner.flat.values.raw())?;
            let lr = rates[span.group];
            rule.update(&mut values, part(&flat)?, &mut memory?, lr, span.t)?;
        }
        moving.steps += 1;
        for (count, present) in moving.counts.iter_mut().zip(&present) {
            *count += i64::from(*present);
        }
        Ok(())
    }

    /// What is to be updated, in as few pieces as possible: usually one for each group.
    fn spans(&self, present: &[bool], counts: &[i64]) -> Vec<Span> {
        let flat = &self.inner.flat;
        let mut spans: Vec<Span> = Vec::new();
        for i in (0..present.len()).filter(|i| present[*i]) {
            let (group, t) = (self.inner.group_of[i], counts[i] + 1);
            let (start, size) = (flat.start(i), flat.size(i));
            match spans.last_mut() {
                Some(last) if (last.group, last.t, last.start + last.size) == (group, t, start) => {
                    last.size += size;
                }
                _ => spans.push(Span {
                    group,
                    start,
                    size,
                    t,
                }),
            }
        }
        spans
    }
}
