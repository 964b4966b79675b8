//! L-BFGS (Liu and Nocedal, 1989), as PyTorch has it without a line search: several evaluations of
//! the loss in a step, and a direction that the last changes of weights and gradient suggest.

use super::{LbfgsOptions, Optimizer};
use crate::error::{Error, Result};
use crate::params::{Gradient, Snapshot, StepOptions};
use crate::tensor::{Tensor, no_grad};
use crate::world::Reduce;

/// Changes of the gradient along a step below this say nothing of the curvature.
const SMALL: f64 = 1e-10;

/// What is remembered from step to step.
#[derive(Default)]
pub(super) struct History {
    /// Changes of gradient and of weights, the oldest first.
    changes: Vec<(tch::Tensor, tch::Tensor)>,
    /// The last direction and how far it was followed, and the gradient where it began.
    last: Option<(tch::Tensor, f64, tch::Tensor)>,
    /// The scale of the first guess at the inverse curvature.
    scale: f64,
}

impl History {
    /// Where to go from a gradient.
    fn direction(&mut self, gradient: &tch::Tensor, size: usize) -> Result<tch::Tensor> {
        let Some((direction, t, before)) = &self.last else {
            self.scale = 1.0;
            return Ok(gradient.f_neg()?);
        };
        let y = gradient.f_sub(before)?;
        let s = direction.f_mul_scalar(*t)?;
        let curvature = dot(&y, &s)?;
        if curvature > SMALL {
            if self.changes.len() == size {
                drop(self.changes.remove(0));
            }
            self.scale = curvature / dot(&y, &y)?;
            self.changes.push((y, s));
        }
        let mut q = gradient.f_neg()?;
        let mut alphas = Vec::new();
        for (y, s) in self.changes.iter().rev() {
            let ro = 1.0 / dot(y, s)?;
            let alpha = dot(s, &q)? * ro;
            let _ = q.f_sub_(&y.f_mul_scalar(alpha)?)?;
            alphas.push((alpha, ro));
        }
        let mut r = q.f_mul_scalar_(self.scale)?;
        for ((y, s), (alpha, ro)) in self.changes.iter().zip(alphas.into_iter().rev()) {
            let beta = dot(y, &r)? * ro;
            let _ = r.f_add_(&s.f_mul_scalar(alpha - beta)?)?;
        }
        Ok(r)
    }

    pub(super) fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        let Some((direction, t, before)) = &self.last else {
            return Ok(());
        };
        let kept = |t: &tch::Tensor| Tensor::from(t.shallow_clone());
        into.put(format!("{path}.direction"), &kept(direction))?;
        into.put(format!("{path}.gradient_before"), &kept(before))?;
        for (i, (y, s)) in self.changes.iter().enumerate() {
            into.put(format!("{path}.y.{i}"), &kept(y))?;
            into.put(format!("{path}.s.{i}"), &kept(s))?;
        }
        let numbers = [("t", *t), ("scale", self.scale)];
        for (name, x) in numbers {
            // Bits, so that it comes back as it was.
            into.values
                .insert(format!("{path}.{name}"), x.to_bits().into());
        }
        Ok(())
    }

    pub(super) fn load(path: &str, from: &Snapshot, like: &Tensor) -> Result<History> {
        if !from.tensors.contains_key(&format!("{path}.direction")) {
            return Ok(History::default());
        }
        let own = |name: String| -> Result<tch::Tensor> {
            let saved = from.tensor(&format!("{path}.{name}"))?;
            if saved.shape() != like.shape() {
                return Err(Error::data(format!(
                    "checkpoint `{path}.{name}`: it is of {} parameters, this lbfgs has {}",
                    saved.numel(),
                    like.numel()
                )));
            }
            Ok(saved.like(like)?.copy()?.into())
        };
        let number = |name: &str| -> Result<f64> {
            let key = format!("{path}.{name}");
            let bits = from.values.get(&key).and_then(serde_json::Value::as_u64);
            bits.map(f64::from_bits)
                .ok_or_else(|| Error::data(format!("checkpoint: no number `{key}`")))
        };
        let mut changes = Vec::new();
        while from
            .tensors
            .contains_key(&format!("{path}.y.{}", changes.len()))
        {
            let i = changes.len();
            changes.push((own(format!("y.{i}"))?, own(format!("s.{i}"))?));
        }
        Ok(History {
            changes,
            last: Some((
                own("direction".to_owned())?,
                number("t")?,
                own("gradient_before".to_owned())?,
            )),
            scale: number("scale")?,
        })
    }
}

impl Optimizer {
    pub(super) fn step_lbfgs(
        &self,
        options: &LbfgsOptions,
        loss: &mut dyn FnMut() -> Result<Tensor>,
        how: &StepOptions,
    ) -> Result<()> {
        // The loss is the user's function, which may look at the optimiser.
        let mut history = std::mem::take(&mut self.inner.moving.borrow_mut().history);
        let outcome = self.descend(&mut history, options, loss, how);
        let mut moving = self.inner.moving.borrow_mut();
        moving.history = history;
        outcome?;
        moving.steps += 1;
        Ok(())
    }

    fn descend(
        &self,
        history: &mut History,
        options: &LbfgsOptions,
        loss: &mut dyn FnMut() -> Result<Tensor>,
        how: &StepOptions,
    ) -> Result<()> {
        let (call, flat) = (self.call("step"), &self.inner.flat);
        let mut evaluate = || -> Result<(f64, Gradient)> {
            let loss = loss()?;
            let gradient = self.averaged(flat.gradient(&call, &loss, how)?)?;
            let level = self
                .inner
                .world
                .all_reduce("the loss", &loss.detach(), Reduce::Mean)?;
            Ok((level.item()?, gradient))
        };
        let lr = self.lr()?;
        let most = options.max_eval.unwrap_or(options.max_iter * 5 / 4);
        let (mut level, mut gradient) = evaluate()?;
        self.noted(&gradient.flat, lr)?;
        let mut evaluations = 1;
        if largest(&gradient.flat)? <= options.tolerance_grad {
            return Ok(());
        }
        for i in 1..=options.max_iter {
            let guard = no_grad();
            let first = history.last.is_none();
            let size = usize::try_from(options.history_size).unwrap_or(usize::MAX);
            let direction = history.direction(&gradient.flat, size)?;
            // A parameter that was frozen since is still part of old changes.
            for (k, _) in gradient.present.iter().enumerate().filter(|(_, p)| !**p) {
                let _ = direction
                    .f_narrow(0, flat.start(k), flat.size(k))?
                    .f_zero_()?;
            }
            let total = gradient.flat.f_abs()?.f_sum(None)?.f_double_value(&[])?;
            let t = if first {
                (1.0 / total).min(1.0) * lr
            } else {
                lr
            };
            let slope = dot(&gradient.flat, &direction)?;
            let before = gradient.flat.f_mul_scalar(1.0)?;
            history.last = Some((direction.shallow_clone(), t, before));
            if slope > -options.tolerance_change {
                break;
            }
            let step = direction.f_mul_scalar(t)?;
            let _ = flat.values.raw().shallow_clone().f_add_(&step)?;
            if i == options.max_iter {
                break;
            }
            drop(guard);
            let (level_before, change) = (level, largest(&step)?);
            (level, gradient) = evaluate()?;
            evaluations += 1;
            if evaluations >= most
                || largest(&gradient.flat)? <= options.tolerance_grad
                || change <= options.tolerance_change
                || (level - level_before).abs() < options.tolerance_change
            {
                break;
            }
        }
        Ok(())
    }
}

fn dot(a: &tch::Tensor, b: &tch::Tensor) -> Result<f64> {
    Ok(a.f_dot(b)?.f_double_value(&[])?)
}

fn largest(a: &tch::Tensor) -> Result<f64> {
    Ok(a.f_abs()?.f_max()?.f_double_value(&[])?)
}
