//! Files of tensors, whatever their format: safetensors, or those of PyTorch's `torch.save`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::options::Value;
use crate::tensor::Tensor;

/// What a file holds, on the CPU: a map of tensors, or for `torch.save` whatever was saved. The content decides the format.
pub fn read_tensors(path: &Path) -> Result<Value> {
    let mut start = [0u8; 8];
    let seen = File::open(path).and_then(|mut file| file.read(&mut start)).map_err(|e| Error::io(path, &e))?;
    // A safetensors file starts with the length of a header, which is less than 100 MB: its last bytes are 0.
    if super::pytorch::looks_like_one(&start[..seen]) && !(seen == 8 && start[4..] == [0; 4]) {
        return super::read_pytorch(path);
    }
    let found = super::read_safetensors(path).map_err(|e| {
        let hint = "files of tensors are safetensors, and those of PyTorch's torch.save";
        Error::new(e.kind(), e.message()).with_hint(e.hint().unwrap_or(hint))
    })?;
    Ok(Value::Map(found.into_iter().map(|(name, t)| (name, Value::object("tensor", t))).collect()))
}

/// The tensors of a map, maps inside maps joined by a point (`model.0.weight`); arrays count as maps by position.
pub fn tensors_in(value: &Value) -> BTreeMap<String, Tensor> {
    let mut found = BTreeMap::new();
    collect("", value, &mut found);
    found
}

fn collect(path: &str, value: &Value, found: &mut BTreeMap<String, Tensor>) {
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Map(entries) => entries.iter().for_each(|(name, v)| collect(&inner(name), v, found)),
        Value::List(items) => items.iter().enumerate().for_each(|(i, v)| collect(&inner(&i.to_string()), v, found)),
        other => {
            if let Some(tensor) = other.downcast::<Tensor>() {
                found.insert(path.to_owned(), tensor);
            }
        }
    }
}
