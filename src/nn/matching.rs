//! Names of weights in files that other code wrote, matched to a network's.
//!
//! The official JEM code has the network as `f` with the heads `class_output` and `energy_output`,
//! and a `f.linear` that it does not use; elsewhere a wide residual network has `conv1`, …,
//! `linear`. PyTorch has two ways to write weight and spectral norm.

use std::collections::{BTreeMap, BTreeSet};

use crate::params::Named;
use crate::tensor::Tensor;

/// What a file holds, by the network's names.
pub(super) struct Matched {
    /// Tensors for the network's weights.
    pub(super) found: BTreeMap<String, Tensor>,
    /// Names in the file that belong to no weight.
    pub(super) extra: Vec<String>,
    /// How many weights have another name in the file than in the network.
    pub(super) renamed: usize,
    /// Whether the network has the official layout.
    official: bool,
}

impl Matched {
    /// Whether a name that belongs to no weight is one that the official code is known to leave
    /// unused.
    pub(super) fn known_extra(&self, name: &str) -> bool {
        self.official
            && ["energy_output.", "f.linear."]
                .iter()
                .any(|head| name.starts_with(head))
    }
}

/// Finds for each weight its tensor.
pub(super) fn matched(network: &Named, file: BTreeMap<String, Tensor>) -> Matched {
    let exact: BTreeSet<&str> = network
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|n| file.contains_key(*n))
        .collect();
    let mut found = BTreeMap::new();
    let (mut used, mut renamed) = (BTreeSet::new(), 0);
    for (name, _) in network {
        let other = || {
            others(name)
                .into_iter()
                .find(|n| file.contains_key(n) && !exact.contains(n.as_str()))
        };
        let source = if exact.contains(name.as_str()) {
            Some(name.clone())
        } else {
            other()
        };
        if let Some((source, tensor)) = source.and_then(|s| file.get_key_value(&s)) {
            found.insert(name.clone(), tensor.clone());
            used.insert(source.clone());
            renamed += usize::from(source != name);
        }
    }
    let official = network
        .iter()
        .any(|(name, _)| name.starts_with("class_output."));
    let extra = file
        .into_keys()
        .filter(|name| !used.contains(name))
        .collect();
    Matched {
        found,
        extra,
        renamed,
        official,
    }
}

/// What a weight may be called elsewhere.
fn others(name: &str) -> Vec<String> {
    let layout = |name: &str| match (name.strip_prefix("f."), name.strip_prefix("class_output.")) {
        (Some(rest), _) => Some(rest.to_owned()),
        (_, Some(rest)) => Some(format!("linear.{rest}")),
        _ => None,
    };
    let written = |name: &str| -> Vec<String> {
        let (place, last) = name
            .rsplit_once('.')
            .map_or((String::new(), name), |(p, l)| (format!("{p}."), l));
        let new: &[&str] = match last {
            "weight_g" => &["original0"],
            "weight_v" => &["original1", "0._v"],
            "weight_u" => &["0._u"],
            "weight_orig" => &["original"],
            _ => &[],
        };
        new.iter()
            .map(|n| format!("{place}parametrizations.weight.{n}"))
            .collect()
    };
    let mut all = written(name);
    if let Some(plain) = layout(name) {
        all.extend(written(&plain));
        all.push(plain);
    }
    all
}
