//! Tensors in files: safetensors written and read, files of PyTorch's `torch.save` and of numpy
//! read.

use rhai::Map;
use rhai::plugin::*;

use super::super::edge::Outcome;
use super::super::host::Host;
use super::super::value::{data, to_dynamic};
use crate::error::{Error, Result};
use crate::formats::{read_tensors, tensors_in, write_safetensors};
use crate::options::Value;

/// How many values lie in a value, at any depth, that are no maps or arrays.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Map(entries) => entries.iter().map(|(_, v)| leaves(v)).sum(),
        Value::List(items) => items.iter().map(leaves).sum(),
        _ => 1,
    }
}

/// The tensors of a script's map, which must hold nothing else.
fn only_tensors(map: Map) -> Result<std::collections::BTreeMap<String, crate::Tensor>> {
    let value = data(&Dynamic::from_map(map)).map_err(|e| e.context("tensor::save"))?;
    let found = tensors_in(&value);
    if found.is_empty() || found.len() != leaves(&value) {
        return Err(Error::argument(format!(
            "tensor::save: needs a map of tensors, got one with {} tensors among {} values",
            found.len(),
            leaves(&value)
        ))
        .with_hint("numbers and arrays of numbers become tensors with `tensor::of`"));
    }
    Ok(found)
}

#[export_module(manifest)]
pub mod functions {
    /// What a file of tensors holds, on the CPU: of safetensors and of numpy's .npz a map of tensors
    /// by name; of .npy the tensor; of PyTorch's `torch.save` what was saved, mostly a map with
    /// tensors, maps, arrays, numbers and texts. The file may be of any version of PyTorch; nothing in it is executed. Of objects of
    /// other kinds only the class is kept: they print it, and using one is an error that names it.
    ///
    /// ```rhai
    /// tensor::save(#{ mean: tensor::of([1, 2]) }, "statistics.safetensors");
    /// print(tensor::load("statistics.safetensors").mean);
    /// //= tensor [2] float32 on cpu
    /// //= [1, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn load(ctx: NativeCallContext, path: &str) -> Outcome<Dynamic> {
        let file = Host::of(&ctx).access().readable("tensor::load", path)?;
        Ok(to_dynamic(&read_tensors(&file)?))
    }

    /// Writes a map of tensors into a safetensors file in the run folder. Maps inside it are
    /// written with joined names (`model.weight`).
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// tensor::save(#{ net: net.state_dict(), x: tensor::zeros([3]) }, "all.safetensors");
    /// print(tensor::load("all.safetensors").keys());       //= ["net.bias", "net.weight", "x"]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn save(ctx: NativeCallContext, tensors: Map, path: &str) -> Outcome<()> {
        let found = only_tensors(tensors)?;
        match Host::of(&ctx).access().must_write("tensor::save", path)? {
            Some(file) => Ok(write_safetensors(&file, &found)?),
            None => Ok(()),
        }
    }
}
