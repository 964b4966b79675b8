//! A captured variable of a script as state: read from its shared cell into a checkpoint, and
//! written back into the same cell, where closures and the script see it.
//!
//! Numbers, texts, arrays, maps and tensors are kept as values. Everything else is kept as "the
//! same as at the start" (the script that is run again makes it anew), or as the name of an object
//! that is kept elsewhere. A variable that holds anything else cannot be kept.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rhai::{Array, Dynamic, FnPtr, Map};
use serde_json::{Map as JsonMap, Value as Json, json};

use super::TYPES;
use super::types::type_name;
use crate::data::{Batch, Dataset, Part};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::optim::{Ema, Optimizer};
use crate::params::{Snapshot, State};
use crate::sampler::{Replay, Sampler};
use crate::tensor::{Device, Kind, Tensor, default_device};

/// The objects that are kept, with their identities and names.
pub type Registry = Rc<RefCell<Vec<(usize, String, Dynamic)>>>;

/// Longer arrays of numbers are kept as tensors.
const LONG: usize = 16;
/// Values inside each other.
const DEEP: usize = 64;

/// What tells the cell of a captured variable from all others; `None` for a value that is not
/// captured.
pub fn cell(value: &Dynamic) -> Option<usize> {
    if !value.is_shared() {
        return None;
    }
    value
        .read_lock::<Dynamic>()
        .map(|inner| std::ptr::from_ref(&*inner) as usize)
}

/// The identity of an object that clones share.
pub fn handle(value: &Dynamic) -> Option<usize> {
    fn of<T: Clone + 'static>(value: &Dynamic, id: impl Fn(&T) -> usize) -> Option<usize> {
        value.read_lock::<T>().map(|v| id(&v))
    }
    of::<Energy>(value, Energy::id)
        .or_else(|| of::<Network>(value, Network::id))
        .or_else(|| of::<Optimizer>(value, Optimizer::id))
        .or_else(|| of::<Ema>(value, Ema::id))
        .or_else(|| of::<Replay>(value, Replay::id))
        .or_else(|| of::<Sampler>(value, Sampler::id))
}

/// What changes when a variable is given another value of the same type.
fn identity(value: &Dynamic) -> Option<usize> {
    let of_set = |d: &Dataset| {
        d.parts()
            .map(Part::identity)
            .iter()
            .fold(0usize, |a, b| a.rotate_left(7) ^ *b as usize)
    };
    let of_data = value
        .read_lock::<Tensor>()
        .map(|t| t.address() as usize)
        .or_else(|| value.read_lock::<Dataset>().map(|d| of_set(&d)))
        .or_else(|| value.read_lock::<Part>().map(|p| p.identity() as usize))
        .or_else(|| {
            value
                .read_lock::<Batch>()
                .map(|b| b.x.address().rotate_left(7) as usize ^ b.y.address() as usize)
        });
    handle(value)
        .or(of_data)
        .or_else(|| TYPES.iter().find_map(|t| (t.address)(value)))
        .or_else(|| {
            value
                .read_lock::<FnPtr>()
                .map(|function| function_id(&function))
        })
}

/// What tells a function from others: its name, and the variables that it has captured.
pub fn function_id(function: &FnPtr) -> usize {
    let name = function.fn_name().bytes().fold(0usize, |hash, b| {
        hash.wrapping_mul(31).wrapping_add(usize::from(b))
    });
    function
        .curry()
        .iter()
        .filter_map(cell)
        .fold(name, |a, b| a.rotate_left(7) ^ b)
}

/// One captured variable.
pub struct Variable {
    name: String,
    cell: Dynamic,
    /// A copy of the value at the start: it keeps alive what identities are compared with.
    start: Dynamic,
    /// The identities in it, by path.
    marks: RefCell<HashMap<String, usize>>,
    registry: Registry,
}

impl Variable {
    /// A variable by its cell.
    pub fn new(name: &str, cell: &Dynamic, registry: &Registry) -> Variable {
        let mut marks = HashMap::new();
        let start = match cell.read_lock::<Dynamic>() {
            Some(value) => {
                mark(&value, name, &mut marks, 0);
                value.flatten_clone()
            }
            None => Dynamic::UNIT,
        };
        Variable {
            name: name.to_owned(),
            cell: cell.clone(),
            start,
            marks: RefCell::new(marks),
            registry: registry.clone(),
        }
    }

    fn cannot(&self, path: &str, what: &str) -> Error {
        let place = if path == self.name {
            String::new()
        } else {
            format!(" at `{path}`")
        };
        Error::state(format!("train: the variable `{}` holds {what}{place}, which a checkpoint cannot keep", self.name))
            .with_hint(
                "keep numbers, texts, arrays, maps or tensors in it; make objects before `train` and leave them in place; \
                 or train with `checkpoint: false`",
            )
    }

    fn encode(
        &self,
        value: &Dynamic,
        start: Option<&Dynamic>,
        path: &str,
        into: &mut Snapshot,
        depth: usize,
    ) -> Result<Json> {
        if depth > DEEP {
            return Err(self.cannot(path, "values too deep inside each other"));
        }
        if value.is_shared() {
            let inner = value.read_lock::<Dynamic>();
            let inner = inner.ok_or_else(|| Error::state(format!("train: `{path}` is in use")))?;
            return self.encode(&inner, start, path, into, depth + 1);
        }
        if value.is_unit() {
            return Ok(Json::Null);
        }
        if let Ok(b) = value.as_bool() {
            return Ok(json!(b));
        }
        if let Ok(i) = value.as_int() {
            return Ok(json!(i));
        }
        if let Ok(f) = value.as_float() {
            return Ok(if f.is_finite() {
                json!(f)
            } else {
                json!({ "float": f.to_string() })
            });
        }
        if let Ok(c) = value.as_char() {
            return Ok(json!({ "char": c.to_string() }));
        }
        if let Ok(text) = value.as_immutable_string_ref() {
            return Ok(json!(text.as_str()));
        }
        if let Some(array) = value.read_lock::<Array>() {
            if let Some(numbers) = numbers(&array)? {
                into.tensors.insert(key(path), numbers);
                return Ok(json!({ "numbers": key(path) }));
            }
            let start = start.and_then(|s| s.read_lock::<Array>());
            let one = |(i, v): (usize, &Dynamic)| {
                let before = start.as_ref().and_then(|s| s.get(i));
                self.encode(v, before, &format!("{path}.{i}"), into, depth + 1)
            };
            return Ok(Json::Array(
                array.iter().enumerate().map(one).collect::<Result<_>>()?,
            ));
        }
        if let Some(map) = value.read_lock::<Map>() {
            let start = start.and_then(|s| s.read_lock::<Map>());
            let mut made = JsonMap::new();
            for (name, v) in map.iter() {
                let before = start.as_ref().and_then(|s| s.get(name));
                made.insert(
                    name.to_string(),
                    self.encode(v, before, &format!("{path}.{name}"), into, depth + 1)?,
                );
            }
            return Ok(json!({ "map": made }));
        }
        if let Some(range) = value.read_lock::<std::ops::Range<i64>>() {
            return Ok(json!({ "range": [range.start, range.end] }));
        }
        if let Some(range) = value.read_lock::<std::ops::RangeInclusive<i64>>() {
            return Ok(json!({ "range=": [range.start(), range.end()] }));
        }
        if let Some(blob) = value.read_lock::<rhai::Blob>() {
            into.tensors
                .insert(key(path), tch::Tensor::f_from_slice(&blob)?.into());
            return Ok(json!({ "blob": key(path) }));
        }
        let found = identity(value);
        let same_type = start.is_some_and(|s| s.type_id() == value.type_id());
        // A moment has no identity but itself.
        let moment = |v: &Dynamic| v.read_lock::<std::time::Instant>().map(|t| *t);
        let same = match found {
            Some(_) => self.marks.borrow().get(path).copied() == found,
            None => moment(value).is_some() && moment(value) == start.and_then(moment),
        };
        if same_type && same {
            return Ok(json!({ "start": value.type_name() }));
        }
        if let Some(tensor) = value.read_lock::<Tensor>() {
            if let Some(weight) = self.weight_of(&tensor) {
                // A copy would stand still where this one follows the training.
                let what = format!("a view of the weight `{weight}`, taken during the training");
                return Err(self.cannot(path, &what));
            }
            into.put(key(path), &tensor)?;
            let leaf = tensor.requires_grad() && tensor.raw().is_leaf();
            return Ok(
                json!({ "tensor": key(path), "cpu": tensor.device() == Device::Cpu, "leaf": leaf }),
            );
        }
        let function = || {
            value
                .read_lock::<FnPtr>()
                .map(|function| function_id(&function))
        };
        if let Some(id) = handle(value).or_else(function)
            && let Some((_, name, _)) = self.registry.borrow().iter().find(|(i, ..)| *i == id)
        {
            return Ok(json!({ "object": name }));
        }
        let what = type_name(value.type_name());
        Err(self.cannot(
            path,
            &if same_type {
                format!("another {what} than before")
            } else {
                format!("a value of type {what}")
            },
        ))
    }

    /// The weight whose memory a tensor looks at.
    fn weight_of(&self, tensor: &Tensor) -> Option<String> {
        let at = tensor.raw().data_ptr() as usize;
        for (_, name, value) in self.registry.borrow().iter() {
            let named = match (value.read_lock::<Energy>(), value.read_lock::<Network>()) {
                (Some(energy), _) => energy.parameters(),
                (_, Some(network)) => network.parameters(),
                _ => continue,
            };
            let holds = |p: &Tensor| {
                let from = p.raw().data_ptr() as usize;
                (from..from + p.numel().max(1) * p.kind().elt_size_in_bytes()).contains(&at)
            };
            if let Some((own, _)) = named.iter().find(|(_, p)| holds(&p.get())) {
                return Some(format!("{name}.{own}"));
            }
        }
        None
    }

    fn decode(
        &self,
        kept: &Json,
        start: Option<&Dynamic>,
        path: &str,
        from: &Snapshot,
    ) -> Result<Dynamic> {
        let wrong = || Error::data(format!("checkpoint: the variable `{path}` cannot be read"));
        Ok(match kept {
            Json::Null => Dynamic::UNIT,
            Json::Bool(b) => Dynamic::from_bool(*b),
            Json::Number(n) => match n.as_i64() {
                Some(i) => Dynamic::from_int(i),
                None => Dynamic::from_float(n.as_f64().ok_or_else(wrong)?),
            },
            Json::String(text) => Dynamic::from(text.clone()),
            Json::Array(list) => {
                let start = start.and_then(|s| s.read_lock::<Array>());
                let one = |(i, v)| {
                    let before = start.as_ref().and_then(|s| s.get(i));
                    self.decode(v, before, &format!("{path}.{i}"), from)
                };
                Dynamic::from_array(list.iter().enumerate().map(one).collect::<Result<_>>()?)
            }
            Json::Object(entry) => {
                let (kind, value) = entry.iter().next().ok_or_else(wrong)?;
                let text = || value.as_str().ok_or_else(wrong);
                match kind.as_str() {
                    "float" => Dynamic::from_float(text()?.parse().map_err(|_| wrong())?),
                    "char" => Dynamic::from_char(text()?.chars().next().ok_or_else(wrong)?),
                    "numbers" => {
                        let tensor = from.tensor(text()?)?;
                        let float = tensor.is_float();
                        let whole = if float { Vec::new() } else { ints(tensor)? };
                        let list = if float {
                            tensor
                                .to_vec()?
                                .into_iter()
                                .map(Dynamic::from_float)
                                .collect()
                        } else {
                            whole.into_iter().map(Dynamic::from_int).collect()
                        };
                        Dynamic::from_array(list)
                    }
                    "range" | "range=" => {
                        let (low, high) = (
                            value[0].as_i64().ok_or_else(wrong)?,
                            value[1].as_i64().ok_or_else(wrong)?,
                        );
                        if kind == "range" {
                            Dynamic::from(low..high)
                        } else {
                            Dynamic::from(low..=high)
                        }
                    }
                    "blob" => {
                        let bytes = from.tensor(text()?)?;
                        let mut blob: rhai::Blob = crate::error::defaults(bytes.numel())?;
                        bytes.raw().f_copy_data_u8(&mut blob, bytes.numel())?;
                        Dynamic::from_blob(blob)
                    }
                    "map" => {
                        let start = start.and_then(|s| s.read_lock::<Map>());
                        let mut made = Map::new();
                        for (name, v) in value.as_object().ok_or_else(wrong)? {
                            let before = start.as_ref().and_then(|s| s.get(name.as_str()));
                            made.insert(
                                name.into(),
                                self.decode(v, before, &format!("{path}.{name}"), from)?,
                            );
                        }
                        Dynamic::from_map(made)
                    }
                    "start" => {
                        let same =
                            start.filter(|s| s.type_name() == value.as_str().unwrap_or_default());
                        let hint = "the script makes another thing here than when the checkpoint was written";
                        let same = same.cloned().ok_or_else(|| wrong().with_hint(hint))?;
                        // What has no identity but its address has another one now, and is still
                        // the same.
                        if let Some(id) = identity(&same) {
                            self.marks.borrow_mut().insert(path.to_owned(), id);
                        }
                        same
                    }
                    "tensor" => {
                        let device = if entry["cpu"] == json!(true) {
                            Device::Cpu
                        } else {
                            default_device()
                        };
                        let tensor = from.tensor(text()?)?.to_device(device)?.copy()?;
                        Dynamic::from(if entry["leaf"] == json!(true) {
                            tensor.leaf()?
                        } else {
                            tensor
                        })
                    }
                    "object" => {
                        let registry = self.registry.borrow();
                        let name = text()?;
                        registry
                            .iter()
                            .find(|(_, n, _)| n == name)
                            .map(|(.., v)| v.clone())
                            .ok_or_else(wrong)?
                    }
                    _ => return Err(wrong()),
                }
            }
        })
    }
}

impl State for Variable {
    /// Nothing: a dry run lists what is large.
    fn about(&self) -> String {
        String::new()
    }

    fn learned(&self) -> bool {
        false
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        let kept = self.encode(&self.cell, Some(&self.start), path, into, 0)?;
        into.values.insert(key(path), kept);
        Ok(())
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        let kept = from.values.get(&key(path)).ok_or_else(|| {
            Error::data(format!("checkpoint: it has no variable `{path}`")).with_hint(
                "the script captures other variables than when the checkpoint was written",
            )
        })?;
        let value = self.decode(kept, Some(&self.start), path, from)?;
        let mut cell = self.cell.clone();
        let mut place = cell
            .write_lock::<Dynamic>()
            .ok_or_else(|| Error::state(format!("train: `{path}` is in use")))?;
        if !place.is_read_only() {
            *place = value;
        }
        Ok(())
    }
}

/// Where a variable stands in a checkpoint: apart from objects, whose names may look the same.
fn key(path: &str) -> String {
    format!("={path}")
}

/// Notes the identities of what is not kept as a value.
fn mark(value: &Dynamic, path: &str, marks: &mut HashMap<String, usize>, depth: usize) {
    if depth > DEEP {
    } else if value.is_shared() {
        if let Some(inner) = value.read_lock::<Dynamic>() {
            mark(&inner, path, marks, depth + 1);
        }
    } else if let Some(array) = value.read_lock::<Array>() {
        array
            .iter()
            .enumerate()
            .for_each(|(i, v)| mark(v, &format!("{path}.{i}"), marks, depth + 1));
    } else if let Some(map) = value.read_lock::<Map>() {
        map.iter()
            .for_each(|(k, v)| mark(v, &format!("{path}.{k}"), marks, depth + 1));
    } else if let Some(id) = identity(value) {
        marks.insert(path.to_owned(), id);
    }
}

/// A long array of floats, or of whole numbers, as a tensor.
fn numbers(array: &Array) -> Result<Option<Tensor>> {
    if array.len() <= LONG {
        return Ok(None);
    }
    if array.iter().all(Dynamic::is_float) {
        let all: Vec<f64> = array.iter().filter_map(|v| v.as_float().ok()).collect();
        return Tensor::from_f64(&all, &[all.len() as i64], Kind::Double, Device::Cpu).map(Some);
    }
    if array.iter().all(Dynamic::is_int) {
        let all: Vec<i64> = array.iter().filter_map(|v| v.as_int().ok()).collect();
        return Ok(Some(tch::Tensor::f_from_slice(&all)?.into()));
    }
    Ok(None)
}

/// Whole numbers to the bit: beyond 2⁵³ a float would lose some.
fn ints(tensor: &Tensor) -> Result<Vec<i64>> {
    let mut all = crate::error::defaults(tensor.numel())?;
    tensor.raw().f_copy_data(&mut all, tensor.numel())?;
    Ok(all)
}
