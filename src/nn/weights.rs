//! Weights taken from elsewhere: from a file, or from another network with the same layers.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::{Network, matching};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Value;
use crate::tensor::{Kind, Tensor, parse_device, parse_kind};

options! {
    /// Options of [`Network::load_weights`].
    pub struct LoadOptions for "load" {
        /// whether what the file holds beyond the network's weights is an error
        strict: bool = true,
    }
}

impl Network {
    /// Takes over the weights and buffers of another network with the same layers.
    pub fn copy_weights_from(&self, other: &Network) -> Result<()> {
        let found = other.parameters().into_iter().map(|(name, p)| (name, p.get().detach())).collect();
        self.exactly("copy_weights_from", &found)
    }

    /// Sets all weights from a map with exactly their names.
    fn exactly(&self, source: &str, found: &BTreeMap<String, Tensor>) -> Result<()> {
        let known: HashSet<String> = self.parameters().into_iter().map(|(name, _)| name).collect();
        let extra: Vec<String> = found.keys().filter(|name| !known.contains(*name)).cloned().collect();
        self.assign(source, found, &extra)
    }

    /// Copies of all weights and buffers, by name.
    pub fn state_dict(&self) -> Result<BTreeMap<String, Tensor>> {
        self.parameters().into_iter().map(|(name, p)| Ok((name, p.get().detach().copy()?))).collect()
    }

    /// Sets all weights and buffers; names and shapes must be those of the network.
    pub fn load_state_dict(&self, weights: &BTreeMap<String, Tensor>) -> Result<()> {
        self.exactly("load_state_dict", weights)
    }

    /// Moves the weights to a device (`cuda`) or converts them to a type (`float64`), by its name.
    pub fn to(&self, target: &str) -> Result<()> {
        if target == "auto" || target == "cpu" || target.starts_with("cuda") {
            let device = parse_device(target)?;
            return self.parameters().iter().try_for_each(|(_, p)| p.convert(device, p.get().kind()));
        }
        let kind = parse_kind(target)?;
        if !matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
            return Err(Error::argument(format!("to: weights cannot be {target}"))
                .with_hint("they can be float32, float64, float16 or bfloat16"));
        }
        self.parameters().iter().try_for_each(|(_, p)| p.convert(p.get().device(), kind))
    }

    /// Writes weights and buffers as safetensors.
    pub fn save_weights(&self, path: &Path) -> Result<()> {
        crate::run::write_safetensors(path, &self.state_dict()?)
    }

    /// Reads weights from a safetensors file or one of PyTorch's `torch.save` (a state dict, or a checkpoint that holds one);
    /// names and shapes must be those of the network. Gives the names of what the file holds besides.
    pub fn load_weights(&self, path: &Path, options: &LoadOptions) -> Result<Vec<String>> {
        let source = path.display().to_string();
        let found = state_dict_in(&crate::run::read_tensors(path)?);
        let matched = matching::matched(&self.parameters(), found);
        let accepted = |name: &String| !options.strict || matched.known_extra(name);
        let (left_out, extra): (Vec<String>, Vec<String>) = matched.extra.iter().cloned().partition(accepted);
        self.assign(&source, &matched.found, &extra)?;
        Ok(left_out)
    }

    /// Sets all weights, or none and says why not. `extra` names what belongs to no weight.
    fn assign(&self, source: &str, found: &BTreeMap<String, Tensor>, extra: &[String]) -> Result<()> {
        let named = self.parameters();
        let missing: Vec<&str> = named.iter().map(|(n, _)| n.as_str()).filter(|n| !found.contains_key(*n)).collect();
        let pairs = || named.iter().filter_map(|(name, p)| found.get(name).map(|value| (name, p, value)));
        let wrong = || pairs().filter(|(_, p, value)| p.shape() != value.shape());
        let shapes: Vec<String> =
            wrong().map(|(name, p, value)| format!("{name} {:?} for {:?}", value.shape(), p.shape())).collect();
        if !missing.is_empty() || !extra.is_empty() {
            let mut hint = format!("missing: [{}]; unexpected: [{}]", shortened(&missing), shortened(extra));
            if !shapes.is_empty() {
                hint += &format!("; of another shape: [{}]", shortened(&shapes));
            }
            return Err(Error::data(format!("{source}: weights of another network")).with_hint(hint));
        }
        if let Some((name, p, value)) = wrong().next() {
            let error =
                Error::shape(format!("{source}: `{name}` is {:?}, the network's is {:?}", value.shape(), p.shape()));
            return Err(if shapes.len() > 1 {
                error.with_hint(format!("of another shape: [{}]", shortened(&shapes)))
            } else {
                error
            });
        }
        pairs().try_for_each(|(_, p, value)| p.assign(&value.like(&p.get())?))
    }
}

/// The state dict in what a file holds: the map itself, or where training code usually puts it; without the `module.` that
/// PyTorch's DataParallel adds.
fn state_dict_in(file: &Value) -> BTreeMap<String, Tensor> {
    const PLACES: [&str; 7] = ["model_state_dict", "state_dict", "model_state", "model", "net", "network", "weights"];
    let inner = match file {
        Value::Map(entries) => PLACES.iter().find_map(|place| {
            entries.iter().find(|(name, v)| name == place && matches!(v, Value::Map(_))).map(|(_, v)| v)
        }),
        _ => None,
    };
    let found = crate::run::tensors_in(inner.unwrap_or(file));
    const WRAPPED: &str = "module.";
    if !found.is_empty() && found.keys().all(|name| name.starts_with(WRAPPED)) {
        return found.into_iter().map(|(name, t)| (name[WRAPPED.len()..].to_owned(), t)).collect();
    }
    found
}

/// A list of names, cut where it is long.
fn shortened<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    if names.len() > SHOWN { format!("{shown}, … {} in all", names.len()) } else { shown }
}
