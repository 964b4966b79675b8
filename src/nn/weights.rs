//! Weights taken from elsewhere: from a file, or from another network with the same layers.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::{Network, source};
use crate::error::{Error, Result};
use crate::options;
use crate::tensor::{Kind, Tensor, parse_device, parse_kind};

options! {
    /// Options of [`Network::load_weights`].
    pub struct LoadOptions for "load" {
        /// whether what the file holds beyond the network's weights is an error
        strict: bool = true,
        /// whether weights that the file lacks are an error; else they stay as they are
        complete: bool = true,
        /// what stands before the weights' names in the file (`model`, `ema`, `state_dict.model`);
        /// found by itself where one fits
        prefix: String = String::new(),
    }
}

/// What [`Network::load_weights`] did.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was taken off the names in the file: what wrappers put before them.
    pub taken: Vec<String>,
    /// What the file holds beyond the network's weights.
    pub left_out: Vec<String>,
    /// Weights of the network that the file lacks.
    pub missing: Vec<String>,
}

impl Network {
    /// Takes over the weights and buffers of another network with the same layers.
    pub fn copy_weights_from(&self, other: &Network) -> Result<()> {
        let found = other
            .parameters()
            .into_iter()
            .map(|(name, p)| (name, p.get().detach()))
            .collect();
        self.exactly("copy_weights_from", &found)
    }

    /// Sets all weights from a map with exactly their names.
    fn exactly(&self, source: &str, found: &BTreeMap<String, Tensor>) -> Result<()> {
        let known: HashSet<String> = self
            .parameters()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let extra: Vec<String> = found
            .keys()
            .filter(|name| !known.contains(*name))
            .cloned()
            .collect();
        self.assign(source, found, &extra, &HashSet::new())
    }

    /// Copies of all weights and buffers, by name.
    pub fn state_dict(&self) -> Result<BTreeMap<String, Tensor>> {
        self.parameters()
            .into_iter()
            .map(|(name, p)| Ok((name, p.get().detach().copy()?)))
            .collect()
    }

    /// Sets all weights and buffers; names and shapes must be those of the network.
    pub fn load_state_dict(&self, weights: &BTreeMap<String, Tensor>) -> Result<()> {
        self.exactly("load_state_dict", weights)
    }

    /// Moves the weights to a device (`cuda`) or converts them to a type (`float64`), by its name.
    pub fn to(&self, target: &str) -> Result<()> {
        if target == "auto" || target == "cpu" || target.starts_with("cuda") {
            let device = parse_device(target)?;
            return self
                .parameters()
                .iter()
                .try_for_each(|(_, p)| p.convert(device, p.get().kind()));
        }
        let kind = parse_kind(target)?;
        if !matches!(
            kind,
            Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16
        ) {
            return Err(Error::argument(format!("to: weights cannot be {target}"))
                .with_hint("they can be float32, float64, float16 or bfloat16"));
        }
        self.parameters()
            .iter()
            .try_for_each(|(_, p)| p.convert(p.get().device(), kind))
    }

    /// Writes weights and buffers as safetensors.
    pub fn save_weights(&self, path: &Path) -> Result<()> {
        crate::formats::write_safetensors(path, &self.state_dict()?)
    }

    /// Reads weights from a safetensors file, a checkpoint of a training, or a file of PyTorch's
    /// `torch.save` (a state dict, or a checkpoint that holds one); names and shapes must be those of the network. What wrappers put
    /// before the names is taken off.
    pub fn load_weights(&self, path: &Path, options: &LoadOptions) -> Result<Loaded> {
        let file = crate::formats::read_weights(path)?;
        if file.downcast::<Tensor>().is_some() {
            let text = format!("{}: one array, not named weights", path.display());
            return Err(Error::data(text).with_hint(
                "in Python, `torch.save(model.state_dict(), file)` writes weights that are read here",
            ));
        }
        let named = self.parameters();
        let found =
            source::find(&named, &file, &options.prefix).map_err(|e| e.context(path.display()))?;
        let matched = found.matched;
        let accepted = |name: &String| !options.strict || matched.known_extra(name);
        let (left_out, extra): (Vec<String>, Vec<String>) =
            matched.extra.iter().cloned().partition(accepted);
        let absent = named
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !matched.found.contains_key(*name));
        let missing: Vec<String> = absent.cloned().collect();
        // A file without any of the weights is another file, not an incomplete one.
        let may_lack = !options.complete && missing.len() < named.len();
        let lacking = if may_lack {
            missing.iter().map(String::as_str).collect()
        } else {
            HashSet::new()
        };
        self.assign(
            &path.display().to_string(),
            &matched.found,
            &extra,
            &lacking,
        )?;
        Ok(Loaded {
            taken: found.taken,
            left_out,
            missing,
        })
    }

    /// Sets all weights, or none and says why not. `extra` names what belongs to no weight,
    /// `lacking` weights that may be missing.
    fn assign(
        &self,
        source: &str,
        found: &BTreeMap<String, Tensor>,
        extra: &[String],
        lacking: &HashSet<&str>,
    ) -> Result<()> {
        let named = self.parameters();
        let absent = |n: &&str| !found.contains_key(*n) && !lacking.contains(*n);
        let missing: Vec<&str> = named
            .iter()
            .map(|(n, _)| n.as_str())
            .filter(absent)
            .collect();
        let pairs = || {
            named
                .iter()
                .filter_map(|(name, p)| found.get(name).map(|value| (name, p, value)))
        };
        let wrong = || pairs().filter(|(_, p, value)| p.shape() != value.shape());
        let shapes: Vec<String> = wrong()
            .map(|(name, p, value)| format!("{name} {:?} for {:?}", value.shape(), p.shape()))
            .collect();
        if !missing.is_empty() || !extra.is_empty() {
            let mut hint = format!(
                "missing: [{}]; unexpected: [{}]",
                shortened(&missing),
                shortened(extra)
            );
            if !shapes.is_empty() {
                hint += &format!("; of another shape: [{}]", shortened(&shapes));
            }
            return Err(
                Error::data(format!("{source}: weights of another network")).with_hint(hint)
            );
        }
        if let Some((name, p, value)) = wrong().next() {
            let error = Error::shape(format!(
                "{source}: `{name}` is {:?}, the network's is {:?}",
                value.shape(),
                p.shape()
            ));
            return Err(if shapes.len() > 1 {
                error.with_hint(format!("of another shape: [{}]", shortened(&shapes)))
            } else {
                error
            });
        }
        pairs().try_for_each(|(_, p, value)| p.assign(&value.like(&p.get())?))
    }
}

/// A list of names, cut where it is long.
fn shortened<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    if names.len() > SHOWN {
        format!("{shown}, … {} in all", names.len())
    } else {
        shown
    }
}
