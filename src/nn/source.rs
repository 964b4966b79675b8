//! Where in a file the weights of a network lie.
//!
//! Training code puts them into maps (`model_state_dict`, Lightning's `state_dict`), and wraps
//! networks in others, each of which puts a word before all names: `module.` (DataParallel,
//! averages of weights), `_orig_mod.` (torch.compile), `model.`, `ema.`. So the file's names are
//! tried behind each prefix that it has: where all weights of the network are found, they are. A
//! file may hold them under several names (the official code of JEM++ does); where those differ,
//! the user chooses.

use std::collections::{BTreeMap, BTreeSet};

use super::matching::{Matched, matched};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::params::Named;
use crate::tensor::Tensor;

/// What training code puts before a wrapped network's names, anywhere in them.
const WRAPPERS: [&str; 2] = ["_orig_mod.", "module."];
/// Beside the weights in averages of them: how often they were averaged.
const COUNTERS: [&str; 4] = ["n_averaged", "initted", "num_updates", "step"];

/// The weights found.
pub(super) struct Source {
    /// What stands before their names in the file, with its last point; may be empty.
    pub(super) prefix: String,
    pub(super) matched: Matched,
    /// What was taken off names besides the maps that they lie in.
    pub(super) taken: Vec<String>,
    /// All that lies behind the prefix.
    inner: BTreeMap<String, Tensor>,
}

/// Finds the network's weights in a file; with `chosen` behind that prefix alone.
pub(super) fn find(network: &Named, file: &Value, chosen: &str) -> Result<Source> {
    let mut all = crate::formats::tensors_in(file);
    // How many batches a batch norm has seen matters for a momentum that is not given, which ours
    // always is.
    all.retain(|name, _| !name.ends_with("num_batches_tracked"));
    let prefixes = match chosen {
        "" => prefixes(&all),
        chosen => BTreeSet::from([format!("{}.", chosen.trim_end_matches('.'))]),
    };
    let mut parts: Vec<Source> = prefixes
        .into_iter()
        .map(|p| source(network, &all, p))
        .collect();
    let rank = |p: &Source| {
        (
            missing(network, p),
            p.matched.renamed > 0,
            !fits(network, p),
        )
    };
    parts.sort_by_key(|p| (rank(p), p.prefix.len()));
    let Some(best) = parts.first().map(rank) else {
        return Ok(source(network, &all, String::new()));
    };
    let mut rest = parts.into_iter().filter(|p| rank(p) == best);
    let Some(mut first) = rest.next() else {
        return Err(Error::data("no weights"));
    };
    let whole = best.0 == 0 && !best.2;
    let others: Vec<String> = rest
        .filter(|p| whole && !same(&first, p))
        .map(|p| shown(&p.prefix))
        .collect();
    if others.is_empty() {
        left_over(&mut first, file, &all);
        return Ok(first);
    }
    let choices = std::iter::once(shown(&first.prefix))
        .chain(others)
        .collect::<Vec<_>>();
    Err(Error::data(format!(
        "holds {} sets of weights that fit the network",
        choices.len()
    ))
    .with_hint(format!(
        "choose one with the option `prefix`: {}",
        choices.join(", ")
    )))
}

/// A prefix as the option names it.
fn shown(prefix: &str) -> String {
    format!("{:?}", prefix.trim_end_matches('.'))
}

/// All that stands before a point in some name, and nothing.
fn prefixes(all: &BTreeMap<String, Tensor>) -> BTreeSet<String> {
    let before = |name: &String| {
        name.match_indices('.')
            .map(|(i, _)| name[..=i].to_owned())
            .collect::<Vec<_>>()
    };
    all.keys().flat_map(before).chain([String::new()]).collect()
}

/// What the file holds behind a prefix, for the network.
fn source(network: &Named, all: &BTreeMap<String, Tensor>, prefix: String) -> Source {
    let own = |name: &str| {
        WRAPPERS
            .iter()
            .any(|w| name.starts_with(w) || name.contains(&format!(".{w}")))
    };
    let wrapped = !network.iter().any(|(name, _)| own(name));
    let mut found: BTreeMap<String, Tensor> = BTreeMap::new();
    let behind = || {
        all.range(prefix.clone()..)
            .take_while(|(name, _)| name.starts_with(&prefix))
    };
    for (name, tensor) in behind() {
        let name = &name[prefix.len()..];
        let plain = unwrapped(name);
        // Where both names are there, they are two weights.
        let free = !found.contains_key(&plain) && !all.contains_key(&format!("{prefix}{plain}"));
        found.insert(
            if wrapped && free {
                plain
            } else {
                name.to_owned()
            },
            tensor.clone(),
        );
    }
    let taken = WRAPPERS
        .iter()
        .filter(|w| behind().any(|(name, _)| own(name) && name.contains(**w)));
    let taken = if wrapped {
        taken.map(|w| (*w).to_owned()).collect()
    } else {
        Vec::new()
    };
    // The official code's `f` has a last layer of its own, which it does not use: that of the
    // classes lies beside it.
    if let Some(outer) = prefix.strip_suffix("f.") {
        for last in ["weight", "bias"] {
            if let Some(head) = all.get(&format!("{outer}class_output.{last}")) {
                found.insert(format!("linear.{last}"), head.clone());
            }
        }
    }
    Source {
        matched: matched(network, found.clone()),
        prefix,
        taken,
        inner: found,
    }
}

/// What is left over once the part is chosen: neither other names of the same weights nor counters
/// of their averages.
fn left_over(part: &mut Source, file: &Value, all: &BTreeMap<String, Tensor>) {
    let Source {
        prefix,
        matched,
        taken,
        inner,
    } = part;
    let used: Vec<&Tensor> = matched.found.values().collect();
    let alias = |tensor: &Tensor| used.iter().any(|u| equal(u, tensor));
    let counter = |name: &str| COUNTERS.contains(&name.rsplit('.').next().unwrap_or(name));
    matched
        .extra
        .retain(|name| !counter(name) && !inner.get(name).is_some_and(alias));
    // What lies beside the prefix, in the same map of the file, belongs to the same network.
    let place = place(file, prefix);
    for (name, tensor) in all
        .range(place.clone()..)
        .take_while(|(name, _)| name.starts_with(&place))
    {
        if !name.starts_with(prefix.as_str()) && !counter(name) && !alias(tensor) {
            matched.extra.push(name[place.len()..].to_owned());
        }
    }
    let before = prefix[place.len()..].to_owned();
    if !before.is_empty() {
        taken.insert(0, before);
    }
}

/// The part of a prefix that is maps inside maps of the file, not points in names.
fn place(file: &Value, prefix: &str) -> String {
    let (mut place, mut at) = (String::new(), file);
    for word in prefix.split_terminator('.') {
        let Value::Map(entries) = at else { break };
        let Some((_, inner @ Value::Map(_))) = entries.iter().find(|(name, _)| name == word) else {
            break;
        };
        place += word;
        place.push('.');
        at = inner;
    }
    place
}

fn unwrapped(name: &str) -> String {
    name.split_inclusive('.')
        .filter(|word| !WRAPPERS.contains(word))
        .collect()
}

fn missing(network: &Named, part: &Source) -> usize {
    network
        .iter()
        .filter(|(name, _)| !part.matched.found.contains_key(name))
        .count()
}

fn fits(network: &Named, part: &Source) -> bool {
    network.iter().all(|(name, p)| {
        part.matched
            .found
            .get(name)
            .is_none_or(|t| t.shape() == p.shape())
    })
}

/// Whether two parts hold the same weights.
fn same(one: &Source, other: &Source) -> bool {
    one.matched
        .found
        .iter()
        .all(|(name, t)| other.matched.found.get(name).is_some_and(|o| equal(t, o)))
}

fn equal(one: &Tensor, other: &Tensor) -> bool {
    one.kind() == other.kind()
        && one.shape() == other.shape()
        && one.raw().f_equal(other.raw()).unwrap_or(false)
}
