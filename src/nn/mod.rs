//! Networks: fallible layers with PyTorch's names, defaults and initialisation.
//!
//! A [`Layer`] is one file; a [`Network`] is the handle that everything else holds. A layer owns its parameters, knows the
//! shape it makes, and says what it is in the words of the language.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::params::{Named, Snapshot, State, deduplicated, load_named, save_named};
use crate::tensor::{Device, Kind, Tensor};

/// One layer, or a composition of layers.
pub trait Layer {
    /// The layer applied to a batch: `x` has the batch as its first dimension.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// The shape made from an input shape (both with the batch first); wrong shapes are errors that say what is expected.
    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>>;

    /// Trained parameters and buffers, with their names.
    fn parameters(&self) -> Named {
        Vec::new()
    }

    /// Layers inside, with their names.
    fn children(&self) -> Vec<(String, Network)> {
        Vec::new()
    }

    /// Chooses between training and evaluation behaviour (dropout, batch norm).
    fn set_training(&self, training: bool) {
        for (_, child) in self.children() {
            child.set_training(training);
        }
    }

    /// Whether this layer is in training mode; `None` for layers that behave alike in both (and for compositions, whose
    /// layers inside answer for themselves).
    fn training(&self) -> Option<bool> {
        None
    }

    /// Whether the output of a row depends on that row alone; batch norm in training mode is the usual exception. Two
    /// batches may then pass as one.
    fn rowwise(&self) -> bool {
        self.children().iter().all(|(_, child)| child.rowwise())
    }

    /// The layer as written in a script: `conv2d(1, 32, 3, #{ padding: 1 })`.
    fn describe(&self) -> String;
}

/// A handle to a layer; clones share parameters.
#[derive(Clone)]
pub struct Network(Rc<dyn Layer>);

impl Network {
    /// Wraps a layer.
    pub fn of(layer: impl Layer + 'static) -> Network {
        Network(Rc::new(layer))
    }

    /// The network applied to a batch.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }

    /// The shape made from an input shape, both with the batch first.
    pub fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        self.0.output_shape(input)
    }

    /// Parameters and buffers, each once, with their names (`0.weight`, `2.bias`).
    pub fn parameters(&self) -> Named {
        deduplicated(self.0.parameters())
    }

    /// Layers inside, with their names.
    pub fn children(&self) -> Vec<(String, Network)> {
        self.0.children()
    }

    /// Chooses between training and evaluation behaviour.
    pub fn set_training(&self, training: bool) {
        self.0.set_training(training);
    }

    /// Every layer inside that has a mode, with its present one (true: training): what restores them after a change.
    pub fn modes(&self) -> Vec<(Network, bool)> {
        let mut found: Vec<(Network, bool)> = self.0.training().map(|mode| (self.clone(), mode)).into_iter().collect();
        for (_, child) in self.children() {
            found.extend(child.modes());
        }
        found
    }

    /// Whether the output of a row depends on that row alone.
    pub fn rowwise(&self) -> bool {
        self.0.rowwise()
    }

    /// The network as written in a script.
    pub fn describe(&self) -> String {
        self.0.describe()
    }

    /// Moves all parameters to a device and element type.
    pub fn convert(&self, device: Device, kind: Kind) -> Result<()> {
        self.parameters().iter().try_for_each(|(_, p)| p.convert(device, kind))
    }

    /// How many numbers are trained.
    pub fn parameter_count(&self) -> i64 {
        self.parameters().iter().filter(|(_, p)| p.trainable()).map(|(_, p)| p.shape().iter().product::<i64>()).sum()
    }

    /// Writes the weights as safetensors.
    pub fn save_weights(&self, path: &Path) -> Result<()> {
        let mut snapshot = Snapshot::default();
        for (name, p) in self.parameters() {
            snapshot.put(name, &p.get())?;
        }
        crate::run::write_safetensors(path, &snapshot.tensors)
    }

    /// Reads weights from safetensors; names and shapes must be those of the network.
    pub fn load_weights(&self, path: &Path) -> Result<()> {
        let mut found = crate::run::read_safetensors(path)?;
        let named = self.parameters();
        let known: HashSet<&str> = named.iter().map(|(n, _)| n.as_str()).collect();
        let missing: Vec<&str> = named.iter().map(|(n, _)| n.as_str()).filter(|n| !found.contains_key(*n)).collect();
        let extra: Vec<String> = found.keys().filter(|n| !known.contains(n.as_str())).cloned().collect();
        if !missing.is_empty() || !extra.is_empty() {
            return Err(Error::data(format!("{}: weights of another network", path.display())).with_hint(format!(
                "missing: [{}]; unexpected: [{}]",
                missing.join(", "),
                extra.join(", ")
            )));
        }
        for (name, p) in &named {
            if let Some(value) = found.remove(name) {
                p.assign(&value.like(&p.get())?).map_err(|e| e.context(format!("{}: `{name}`", path.display())))?;
            }
        }
        Ok(())
    }
}

impl State for Network {
    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        save_named(&self.parameters(), path, into)
    }
    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        load_named(&self.parameters(), path, from)
    }
}

impl fmt::Display for Network {
    /// A table of layers with their parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0.describe())?;
        write!(f, "{} parameters", self.parameter_count())
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
