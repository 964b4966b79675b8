//! What a checkpoint keeps of an optimiser.

use serde_json::Value as Json;

use super::lbfgs::History;
use super::{Method, Optimizer};
use crate::error::{Error, Result};
use crate::params::{Cautious, Gradient, Named, Snapshot, State};
use crate::tensor::{Tensor, no_grad};

impl State for Optimizer {
    fn cautious(&self) -> Option<&dyn Cautious> {
        Some(self)
    }

    fn about(&self) -> String {
        format!(
            "{} of {} parameters",
            self.inner.name,
            crate::nn::thousands(self.inner.flat.len())
        )
    }

    fn named(&self) -> Named {
        self.inner.flat.params().clone()
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        let moving = self.inner.moving.borrow();
        into.share(format!("{path}.weights"), self.inner.flat.params());
        for (name, tensor) in &moving.memory {
            into.put_common(format!("{path}.{name}"), tensor)?;
        }
        let mut value =
            |name: &str, value: Json| into.values.insert(format!("{path}.{name}"), value);
        value("steps", moving.steps.into());
        value("lr_scale", moving.lr_scale.into());
        if let Some(lr) = moving.lr {
            value("lr", lr.into());
        }
        if moving.counts.iter().any(|count| *count != moving.steps) {
            value("counts", moving.counts.clone().into());
        }
        if let Some(Gradient { flat, present }) = &moving.pending {
            value("gradient_of", present.clone().into());
            into.put(
                format!("{path}.gradient"),
                &Tensor::from(flat.shallow_clone()),
            )?;
        }
        if let Some(held) = &moving.held {
            into.put(format!("{path}.held"), held)?;
        }
        moving.history.save(path, into)
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        let flat = &self.inner.flat;
        let mut moving = self.inner.moving.borrow_mut();
        let steps = from.int(&format!("{path}.steps"))?;
        let value = |name: &str| from.values.get(&format!("{path}.{name}"));
        let lr_scale = value("lr_scale").and_then(Json::as_f64);
        let lr_scale = lr_scale
            .ok_or_else(|| Error::data(format!("checkpoint: no number `{path}.lr_scale`")))?;
        // All are looked up and compared before the first is changed.
        let weights = flat.params().iter().map(|(_, p)| p.get());
        let now: Vec<Tensor> = weights
            .chain(moving.memory.iter().map(|(_, tensor)| tensor.clone()))
            .collect();
        let mut saved = from.shared(&format!("{path}.weights"))?;
        for (name, _) in &moving.memory {
            saved.push(from.tensor(&format!("{path}.{name}"))?);
        }
        let other = |now: &Tensor, saved: &Tensor| now.shape() != saved.shape();
        if now.len() != saved.len() || now.iter().zip(&saved).any(|(now, saved)| other(now, saved))
        {
            return Err(self.of_others(path, from)?);
        }
        let listed = |name: &str| value(name).and_then(Json::as_array);
        let counts: Vec<i64> = match listed("counts") {
            Some(all) => all.iter().filter_map(Json::as_i64).collect(),
            None => vec![steps; flat.params().len()],
        };
        let own = |name: &str| -> Result<Option<Tensor>> {
            let Some(saved) = from.tensors.get(&format!("{path}.{name}")) else {
                return Ok(None);
            };
            if other(&flat.values, saved) {
                return Err(self.of_others(path, from)?);
            }
            Ok(Some(saved.like(&flat.values)?.copy()?))
        };
        let present: Vec<bool> = listed("gradient_of")
            .into_iter()
            .flatten()
            .filter_map(Json::as_bool)
            .collect();
        let (pending, held) = (own("gradient")?, own("held")?);
        let wrong = pending.is_some() && present.len() != flat.params().len();
        if wrong || counts.len() != flat.params().len() {
            return Err(self.of_others(path, from)?);
        }
        if matches!(self.inner.method, Method::Lbfgs(_)) {
            moving.history = History::load(path, from, &flat.values)?;
        }
        let _guard = no_grad();
        for (now, saved) in now.iter().zip(saved) {
            now.raw().shallow_clone().f_copy_(saved.raw())?;
        }
        (moving.steps, moving.lr_scale, moving.counts) = (steps, lr_scale, counts);
        moving.lr = value("lr").and_then(Json::as_f64);
        moving.held = held;
        moving.pending = pending.map(|gradient| Gradient {
            flat: gradient.into(),
            present,
        });
        Ok(())
    }
}

impl Optimizer {
    /// The error for a state of other parameters.
    fn of_others(&self, path: &str, from: &Snapshot) -> Result<Error> {
        let (name, now) = (self.inner.name, self.inner.flat.values.numel());
        let saved = from.shared(&format!("{path}.weights"))?;
        let then: usize = saved.into_iter().map(Tensor::numel).sum();
        let text = if now == then {
            format!("it is of parameters of other shapes than those of this {name}")
        } else {
            format!("it is of {then} parameters, this {name} has {now}")
        };
        Ok(Error::data(format!("checkpoint `{path}`: {text}"))
            .with_hint("the network or its options have changed since"))
    }
}
