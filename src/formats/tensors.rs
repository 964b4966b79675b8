//! Files of tensors, whatever their format: safetensors, or those of PyTorch's `torch.save`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::blobs::{Contents, read_with_header};
use super::{Unread, foreign};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::tensor::Tensor;

/// What a file holds, on the CPU: a map of tensors, or for `torch.save` whatever was saved. The
/// content decides the format.
pub fn read_tensors(path: &Path) -> Result<Value> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut start))
        .map_err(|e| Error::io(path, &e))?;
    // A safetensors file starts with the length of its header in eight bytes, and the header is a
    // map of JSON.
    if !matches!(start.as_slice(), [_, _, _, _, 0, 0, 0, 0, b'{', ..]) {
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
        let hint = "files of tensors are safetensors, and those of PyTorch's torch.save";
        Error::new(e.kind(), e.message()).with_hint(e.hint().unwrap_or(hint))
    })?;
    let unread = unread.into_iter().map(|(name, kind)| {
        (
            name,
            Value::object(
                "unread",
                Unread {
                    what: format!("a tensor of {kind}"),
                },
            ),
        )
    });
    Ok(Value::Map(
        tensors
            .into_iter()
            .map(|(name, t)| (name, Value::object("tensor", t)))
            .chain(unread)
            .collect(),
    ))
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
