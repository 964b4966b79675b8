//! A replay buffer in checkpoints, and after a divergence.

use super::{Init, Inner, Replay};
use crate::error::{Error, Result};
use crate::params::{Cautious, Snapshot, State};
use crate::sampler::class_gaussian::ClassGaussians;
use crate::tensor::{Tensor, default_device};

impl Inner {
    /// The size of so many entries.
    fn bytes(&self, entries: i64) -> f64 {
        self.shape.iter().product::<i64>() as f64 * entries as f64 * 4.0
    }
}

impl State for Replay {
    fn about(&self) -> String {
        let inner = self.0.borrow();
        let mib = inner.bytes(inner.asked) / f64::from(1 << 20);
        format!(
            "replay buffer of {} × {:?}, {mib:.1} MiB",
            crate::nn::thousands(inner.asked),
            inner.shape
        )
    }

    fn left_out(&self) -> f64 {
        let inner = self.0.borrow();
        inner.bytes(inner.asked - inner.options.size)
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        let inner = self.0.borrow();
        into.values
            .insert(format!("{path}.init"), inner.options.init.word().into());
        into.values
            .insert(format!("{path}.restarts"), inner.restarts.into());
        if let Some(entries) = &inner.entries {
            into.put(format!("{path}.entries"), entries)?;
        }
        inner
            .gaussians
            .as_ref()
            .map_or(Ok(()), |g| g.save(path, into))
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        let init = from
            .values
            .get(&format!("{path}.init"))
            .and_then(serde_json::Value::as_str)
            .and_then(Init::of);
        if init.is_none() && !from.tensors.contains_key(&format!("{path}.entries")) {
            return Err(Error::data(format!(
                "checkpoint: no replay buffer `{path}`"
            )));
        }
        let mut inner = self.0.borrow_mut();
        let device = inner
            .entries
            .as_ref()
            .map_or(default_device(), Tensor::device);
        let mut shape = vec![inner.options.size];
        shape.extend(&inner.shape);
        let entries = inner.dealt(path, from)?;
        if let Some(found) = entries.as_ref().filter(|e| e.shape() != shape) {
            return Err(Error::data(format!(
                "checkpoint `{path}`: a replay buffer of {:?}, this one is {shape:?}",
                found.shape()
            )));
        }
        let gaussians = ClassGaussians::load(path, from, inner.options.range, device)?;
        inner.entries = entries
            .map(|e| e.detach().to_device(device)?.copy())
            .transpose()?;
        inner.gaussians = gaussians;
        if let Some(init) = init {
            inner.options.init = init;
        }
        let restarts = from.values.get(&format!("{path}.restarts"));
        inner.restarts = restarts.and_then(serde_json::Value::as_f64).unwrap_or(1.0);
        Ok(())
    }

    fn cautious(&self) -> Option<&dyn Cautious> {
        Some(self)
    }
}

impl Cautious for Replay {
    fn ease(&self, factors: &crate::params::Factors) -> Result<()> {
        self.0.borrow_mut().restarts *= factors.restart;
        Ok(())
    }

    fn settle(&self) {
        self.0.borrow_mut().restarts = 1.0;
    }
}
