//! What checkpoints keep: everything that a training step changes is a [`State`], and a
//! [`Snapshot`] holds all of it at one moment, each tensor once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::Named;
use crate::error::{Error, Result};
use crate::tensor::{Device, Tensor};
use crate::world::World;

/// A picture of state at one moment: named tensors and named small values, ready for disk.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// Tensors by path, detached copies in the host's memory: a device has little.
    pub tensors: BTreeMap<String, Tensor>,
    /// Counters and settings by path.
    pub values: BTreeMap<String, serde_json::Value>,
    /// The paths of tensors that are the same on all ranks: one of them keeps those.
    common: BTreeSet<String>,
    /// Under which path the value of a parameter is kept, by [`super::Param::id`].
    kept: HashMap<usize, String>,
    /// Parameters that somebody works on and that others may keep: asked for by a path, which then
    /// holds their paths.
    asked: Vec<(String, Vec<Asked>)>,
}

/// A parameter that has to be somewhere in a snapshot.
#[derive(Clone)]
struct Asked {
    id: usize,
    name: String,
    value: Tensor,
}

impl Snapshot {
    /// All that these things hold, under their names. What several of them share is kept once.
    pub fn of(states: &[(String, Rc<dyn State>)]) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        for (name, state) in states {
            state.save(name, &mut snapshot)?;
        }
        snapshot.settle_asked()?;
        Ok(snapshot)
    }

    /// What was read back.
    pub fn from_parts(
        tensors: BTreeMap<String, Tensor>,
        values: BTreeMap<String, serde_json::Value>,
    ) -> Snapshot {
        Snapshot {
            tensors,
            values,
            ..Snapshot::default()
        }
    }

    /// Keeps a copy of a tensor.
    pub fn put(&mut self, path: impl Into<String>, tensor: &Tensor) -> Result<()> {
        let tensor = tensor.detach();
        // On its way from a device it is copied once, and not on the device.
        let held = if tensor.device() == Device::Cpu {
            tensor.copy()?
        } else {
            tensor.to_device(Device::Cpu)?
        };
        self.tensors.insert(path.into(), held);
        Ok(())
    }

    /// Keeps a copy of a tensor that is the same on all ranks.
    pub fn put_common(&mut self, path: impl Into<String>, tensor: &Tensor) -> Result<()> {
        let path = path.into();
        self.put(path.clone(), tensor)?;
        self.common.insert(path);
        Ok(())
    }

    /// Only what a rank keeps beside rank 0: not what all of them share, and nothing of the
    /// training loop's own (`loop.…`), but for the session's random numbers.
    #[must_use]
    pub fn own_share(mut self) -> Snapshot {
        let own = |path: &String| path == "loop.random" || !path.starts_with("loop.");
        self.tensors
            .retain(|path, _| own(path) && !self.common.contains(path));
        self.values.retain(|path, _| own(path));
        self
    }

    /// What rank 0 kept, and over it what this rank kept beside it.
    #[must_use]
    pub fn with_share(mut self, share: Snapshot) -> Snapshot {
        self.tensors.extend(share.tensors);
        self.values.extend(share.values);
        self
    }

    /// Makes sure that parameters are kept: by the model that owns them, or else under this path.
    /// It finds them again by [`Snapshot::shared`]. For those who work on weights and do not own
    /// them: optimisers.
    pub fn share(&mut self, path: impl Into<String>, named: &Named) {
        let one = |(name, p): &(String, super::Param)| Asked {
            id: p.id(),
            name: name.clone(),
            value: p.get(),
        };
        self.asked
            .push((path.into(), named.iter().map(one).collect()));
    }

    /// Who owns weights may be saved after who shares them, so this comes last.
    fn settle_asked(&mut self) -> Result<()> {
        for (path, all) in std::mem::take(&mut self.asked) {
            let mut places = Vec::with_capacity(all.len());
            for Asked { id, name, value } in all {
                let own = format!("{path}.{name}");
                let place = match self.kept.get(&id) {
                    Some(place) => place.clone(),
                    None => {
                        self.put_common(own.clone(), &value)?;
                        self.kept.insert(id, own.clone());
                        own
                    }
                };
                places.push(place);
            }
            self.values.insert(path, places.into());
        }
        self.kept.clear();
        Ok(())
    }

    /// A tensor that must be there.
    pub fn tensor(&self, path: &str) -> Result<&Tensor> {
        self.tensors
            .get(path)
            .ok_or_else(|| Error::data(format!("checkpoint: no tensor `{path}`")))
    }

    /// The tensors that [`Snapshot::share`] asked for, in its order.
    pub fn shared(&self, path: &str) -> Result<Vec<&Tensor>> {
        let wrong = || Error::data(format!("checkpoint: no list of parameters `{path}`"));
        let places = self
            .values
            .get(path)
            .and_then(|v| v.as_array())
            .ok_or_else(wrong)?;
        places
            .iter()
            .map(|place| self.tensor(place.as_str().ok_or_else(wrong)?))
            .collect()
    }

    /// A whole number that must be there.
    pub fn int(&self, path: &str) -> Result<i64> {
        let found = self.values.get(path).and_then(serde_json::Value::as_i64);
        found.ok_or_else(|| Error::data(format!("checkpoint: no number `{path}`")))
    }
}

/// What rates, samplers and replay buffers are multiplied by after a divergence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// The rate of an optimiser.
    pub lr: f64,
    /// The number of steps of a sampler.
    pub steps: f64,
    /// Their size; the noise changes with its root, so that the temperature stays.
    pub step_size: f64,
    /// The share of a replay buffer's chains that start anew.
    pub restart: f64,
}

/// What a checkpoint asks of everything that a training step changes.
pub trait State {
    /// Adds all state under a path: `opt` gives `opt.m`, `opt.v`.
    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()>;
    /// Restores what [`State::save`] kept under that path.
    fn load(&self, path: &str, from: &Snapshot) -> Result<()>;
    /// The weights and buffers that it holds.
    fn named(&self) -> Named {
        Named::new()
    }
    /// Becomes the same on all ranks where it has gathered from each rank's own rows, but for its
    /// buffers. All ranks call it together.
    fn meet(&self, _world: &World) -> Result<()> {
        Ok(())
    }
    /// What it is and how large, in a few words.
    fn about(&self) -> String;
    /// Bytes that it has beyond those of now in the real run, where a dry run made it small.
    fn left_out(&self) -> f64 {
        0.0
    }
    /// Whether it belongs to what is learned: this comes back with the best state. A script's own
    /// variables and counters go on.
    fn learned(&self) -> bool {
        true
    }
    /// The same thing as one that can go on more carefully, if it has a rate or steps.
    fn cautious(&self) -> Option<&dyn Cautious> {
        None
    }
}

/// What can go on more carefully after a divergence: an optimiser, a sampler, a replay buffer.
pub trait Cautious {
    /// Multiplies its rate, its steps and their size, or its restarts, from now on.
    fn ease(&self, factors: &Factors) -> Result<()>;
    /// The training is over: what was changed for it alone is as before.
    fn settle(&self) {}
}

/// Saves parameters and buffers under a path, and which of them are frozen.
pub fn save_named(named: &Named, path: &str, into: &mut Snapshot) -> Result<()> {
    let frozen = named.iter().filter(|(_, p)| p.frozen());
    let frozen: Vec<String> = frozen.map(|(name, _)| name.clone()).collect();
    if !frozen.is_empty() {
        into.values.insert(format!("{path}.frozen"), frozen.into());
    }
    for (name, p) in named {
        let place = format!("{path}.{name}");
        match p.trainable() {
            true => into.put_common(place.clone(), &p.get())?,
            false => into.put(place.clone(), &p.get())?,
        }
        into.kept.insert(p.id(), place);
    }
    Ok(())
}

/// Restores parameters and buffers from under a path.
pub fn load_named(named: &Named, path: &str, from: &Snapshot) -> Result<()> {
    let frozen = from.values.get(&format!("{path}.frozen"));
    let frozen: Vec<&str> = frozen
        .and_then(|names| names.as_array())
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str())
        .collect();
    named.iter().try_for_each(|(name, p)| {
        p.freeze(frozen.contains(&name.as_str()))?;
        let full = format!("{path}.{name}");
        p.assign(from.tensor(&full)?)
            .map_err(|e| e.context(format!("checkpoint `{full}`")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{AdamOptions, Optimizer};
    use crate::params::Param;

    struct Weights(Named);

    impl State for Weights {
        fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
            save_named(&self.0, path, into)
        }
        fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
            load_named(&self.0, path, from)
        }
        fn about(&self) -> String {
            String::new()
        }
    }

    fn model() -> Result<(Rc<Weights>, Rc<Optimizer>)> {
        let p = |n: i64| Param::new(&Tensor::ones(&[n])?);
        let named: Named = vec![("a".to_owned(), p(3)?), ("b".to_owned(), p(5)?)];
        let opt = Optimizer::adam(named.clone(), &AdamOptions::default())?;
        Ok((Rc::new(Weights(named)), Rc::new(opt)))
    }

    fn step(weights: &Weights, opt: &Optimizer) -> Result<Vec<f64>> {
        let squared = weights.0[0]
            .1
            .get()
            .square()?
            .sum()?
            .add(&weights.0[1].1.get().square()?.sum()?)?;
        opt.step(&squared)?;
        let mut all = weights.0[0].1.get().to_vec()?;
        all.extend(weights.0[1].1.get().to_vec()?);
        Ok(all)
    }

    /// A model's weights are kept once with their optimiser, whichever comes first; and an
    /// optimiser alone keeps them itself.
    #[test]
    fn weights_are_kept_once_and_come_back() -> Result<()> {
        for (order, numbers) in [
            (vec!["m", "o"], 3 * 8),
            (vec!["o", "m"], 3 * 8),
            (vec!["o"], 3 * 8),
            (vec!["m"], 8),
        ] {
            let all = |m: &Rc<Weights>, o: &Rc<Optimizer>| -> Vec<(String, Rc<dyn State>)> {
                let one =
                    |n: &&str| -> Rc<dyn State> { if *n == "m" { m.clone() } else { o.clone() } };
                order.iter().map(|n| ((*n).to_owned(), one(n))).collect()
            };
            let (m, o) = model()?;
            step(&m, &o)?;
            let snapshot = Snapshot::of(&all(&m, &o))?;
            let held: usize = snapshot.tensors.values().map(Tensor::numel).sum();
            assert_eq!(held, numbers, "{order:?}");
            let next = step(&m, &o)?;
            let (m, o) = model()?;
            all(&m, &o)
                .iter()
                .try_for_each(|(name, s)| s.load(name, &snapshot))?;
            if order.contains(&"o") {
                assert_eq!(step(&m, &o)?, next, "{order:?}");
            }
        }
        Ok(())
    }
}
