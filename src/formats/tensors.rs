//! Files of tensors, whatever their format: safetensors, those of PyTorch's `torch.save`, and those
//! of numpy.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::blobs::{Contents, read_with_header};
use super::{Unread, foreign, npy};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::tensor::Tensor;

/// What a file holds, on the CPU: a map of tensors; of an .npy file the one tensor; for `torch.save`
/// whatever was saved. The content decides the format.
pub fn read_tensors(path: &Path) -> Result<Value> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut start))
        .map_err(|e| Error::io(path, &e))?;
    // A safetensors file starts with the length of its header in eight bytes, and the header is a
    // map of JSON.
    if !matches!(start.as_slice(), [_, _, _, _, 0, 0, 0, 0, b'{', ..]) {
        if npy::is_array(&start) {
            return Ok(Value::object("tensor", npy::read_npy(path)?));
        }
        if npy::is_archive(&start) {
            return arrays(path);
        }
        if let Some(error) = foreign::named(&start) {
            return Err(error.context(path.display()));
        }
        if super::pytorch::looks_like_one(&start) {
            return super::read_pytorch(path);
        }
    }
    let Contents {
        tensors, unread, ..
    } = read_with_header(path).map_err(|e| {
        let hint = "files of tensors are safetensors, those of PyTorch's torch.save, .npy and .npz";
        Error::new(e.kind(), e.message()).with_hint(e.hint().unwrap_or(hint))
    })?;
    let unread = unread
        .into_iter()
        .map(|(name, kind)| (name, format!("a tensor of {kind}")));
    Ok(map(tensors, unread))
}

/// The same for who looks for weights: of a checkpoint of ours, where names join many things by
/// points, maps inside maps.
pub fn read_weights(path: &Path) -> Result<Value> {
    match read_tensors(path)? {
        Value::Map(flat) if super::snapshot::is_one(path) => Ok(nested(flat)),
        other => Ok(other),
    }
}

/// `model.weight` as `weight` in the map `model`.
fn nested(flat: Vec<(String, Value)>) -> Value {
    let mut groups: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    let mut plain = Vec::new();
    for (name, value) in flat {
        match name.split_once('.') {
            Some((first, rest)) => {
                let group = groups.entry(first.to_owned()).or_default();
                group.push((rest.to_owned(), value));
            }
            None => plain.push((name, value)),
        }
    }
    let inner = groups
        .into_iter()
        .map(|(name, group)| (name, nested(group)));
    Value::Map(plain.into_iter().chain(inner).collect())
}

/// The arrays of an .npz file; using one that is not of numbers is an error that names it.
fn arrays(path: &Path) -> Result<Value> {
    let npy::Arrays { tensors, refused } = npy::read_npz(path)?;
    let unread = refused
        .into_iter()
        .map(|(name, why)| (name, format!("an array ({why})")));
    Ok(map(tensors, unread))
}

fn map(tensors: BTreeMap<String, Tensor>, unread: impl Iterator<Item = (String, String)>) -> Value {
    let tensors = tensors.into_iter();
    let unread = unread.map(|(name, what)| (name, Value::object("unread", Unread { what })));
    Value::Map(
        tensors
            .map(|(name, t)| (name, Value::object("tensor", t)))
            .chain(unread)
            .collect(),
    )
}

/// The tensors of a map, maps inside maps joined by a point (`model.0.weight`); arrays count as
/// maps by position.
pub fn tensors_in(value: &Value) -> BTreeMap<String, Tensor> {
    let mut found = BTreeMap::new();
    collect("", value, &mut found);
    found
}

fn collect(path: &str, value: &Value, found: &mut BTreeMap<String, Tensor>) {
    let inner = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Map(entries) => entries
            .iter()
            .for_each(|(name, v)| collect(&inner(name), v, found)),
        Value::List(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, v)| collect(&inner(&i.to_string()), v, found)),
        other => {
            if let Some(tensor) = other.downcast::<Tensor>() {
                found.insert(path.to_owned(), tensor);
            }
        }
    }
}
