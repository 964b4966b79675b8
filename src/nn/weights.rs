//! Weights taken from elsewhere: from a file, or from another network with the same layers.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::Network;
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor, parse_device, parse_kind};

impl Network {
    /// Takes over the weights and buffers of another network with the same layers.
    pub fn copy_weights_from(&self, other: &Network) -> Result<()> {
        let found = other.parameters().into_iter().map(|(name, p)| (name, p.get().detach())).collect();
        self.assign("copy_weights_from", &found)
    }

    /// Copies of all weights and buffers, by name.
    pub fn state_dict(&self) -> Result<BTreeMap<String, Tensor>> {
        self.parameters().into_iter().map(|(name, p)| Ok((name, p.get().detach().copy()?))).collect()
    }

    /// Sets all weights and buffers; names and shapes must be those of the network.
    pub fn load_state_dict(&self, weights: &BTreeMap<String, Tensor>) -> Result<()> {
        self.assign("load_state_dict", weights)
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

    /// Reads weights from safetensors; names and shapes must be those of the network.
    pub fn load_weights(&self, path: &Path) -> Result<()> {
        self.assign(&path.display().to_string(), &crate::run::read_safetensors(path)?)
    }

    /// Sets all weights, or none and says why not.
    fn assign(&self, source: &str, found: &BTreeMap<String, Tensor>) -> Result<()> {
        let named = self.parameters();
        let known: HashSet<&str> = named.iter().map(|(n, _)| n.as_str()).collect();
        let missing: Vec<&str> = named.iter().map(|(n, _)| n.as_str()).filter(|n| !found.contains_key(*n)).collect();
        let extra: Vec<&str> = found.keys().map(String::as_str).filter(|n| !known.contains(n)).collect();
        if !missing.is_empty() || !extra.is_empty() {
            return Err(Error::data(format!("{source}: weights of another network")).with_hint(format!(
                "missing: [{}]; unexpected: [{}]",
                shortened(&missing),
                shortened(&extra)
            )));
        }
        let pairs = || named.iter().filter_map(|(name, p)| found.get(name).map(|value| (name, p, value)));
        if let Some((name, p, value)) = pairs().find(|(_, p, value)| p.shape() != value.shape()) {
            return Err(Error::shape(format!(
                "{source}: `{name}` is {:?}, the network's is {:?}",
                value.shape(),
                p.shape()
            )));
        }
        pairs().try_for_each(|(_, p, value)| p.assign(&value.like(&p.get())?))
    }
}

/// A list of names, cut where it is long.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown}, … {} in all", names.len()) } else { shown }
}
