//! From the machine's nodes to values: the tree is followed to a limited depth and size, tensors become views of storages.

use std::collections::HashMap;
use std::rc::Rc;

use super::names::{Machine, Node, Tensor as Written, Torch};
use super::{Storage, broken, refused};
use crate::error::Result;
use crate::options::Value;
use crate::pickle::{Id, Known};
use crate::tensor::{Kind, Tensor, kind_name};

const MAX_DEPTH: usize = 100;
const MAX_VALUES: usize = 1_000_000;
/// Tensors that repeat their numbers (stride 0) may be as large as the file, or this many bytes.
const SMALL: u64 = 64 << 20;

/// Gives the numbers of a whole storage.
pub(super) type Fetch<'a> = dyn FnMut(&Storage) -> Result<tch::Tensor> + 'a;

/// Bytes of a file as numbers.
pub(super) fn numbers(bytes: &[u8], kind: Kind) -> Result<tch::Tensor> {
    let count = (bytes.len() / kind.elt_size_in_bytes()) as i64;
    Ok(tch::Tensor::f_from_data_size(bytes, &[count], kind)?)
}

/// Turns nodes into values.
pub(super) struct Resolver<'a> {
    machine: &'a Machine<'a>,
    fetch: &'a mut Fetch<'a>,
    length: u64,
    storages: HashMap<Rc<str>, tch::Tensor>,
    made: usize,
}

impl<'a> Resolver<'a> {
    /// `length`: that of the file.
    pub(super) fn new(machine: &'a Machine<'a>, length: u64, fetch: &'a mut Fetch<'a>) -> Resolver<'a> {
        Resolver { machine, fetch, length, storages: HashMap::new(), made: 0 }
    }

    /// The value of a node.
    pub(super) fn value(&mut self, id: Id) -> Result<Value> {
        self.at_depth(id, 0)
    }

    fn at_depth(&mut self, id: Id, depth: usize) -> Result<Value> {
        self.made += 1;
        if depth > MAX_DEPTH {
            return Err(refused(format!("things that lie more than {MAX_DEPTH} deep inside each other")));
        }
        if self.made > MAX_VALUES {
            return Err(refused(format!("more than {MAX_VALUES} values")));
        }
        let machine = self.machine;
        Ok(match machine.node(id) {
            Node::None => Value::None,
            Node::Bool(b) => Value::Bool(*b),
            Node::Int(i) => Value::Int(*i),
            Node::Float(x) => Value::Float(*x),
            Node::Str(text) => Value::Str(self.text(text)?),
            Node::Bytes(bytes) => Value::Str(format!("{} bytes", bytes.len())),
            Node::Long(_) => return Err(refused("a whole number of more than 64 bits")),
            Node::Known(Known::Of(Torch::Dtype(kind))) => Value::Str(kind_name(*kind).to_owned()),
            Node::Known(known) => Value::Str(format!("{known:?}")),
            Node::Array(_) => return Err(refused("an array of numpy")),
            Node::Made(Torch::Tensor(written)) => Value::object("tensor", self.tensor(written)?),
            Node::Made(_) => return Err(refused("a storage outside of a tensor")),
            Node::List(items) | Node::Tuple(items) => {
                Value::List(items.iter().map(|i| self.at_depth(*i, depth + 1)).collect::<Result<_>>()?)
            }
            Node::Dict { entries, .. } => {
                let mut found: Vec<(String, Value)> = Vec::with_capacity(entries.len());
                let mut places: HashMap<String, usize> = HashMap::new();
                for (key, value) in entries {
                    let (key, value) = (self.key(*key)?, self.at_depth(*value, depth + 1)?);
                    match places.get(&key) {
                        // As in Python, the last one counts.
                        Some(place) => found[*place].1 = value,
                        None => {
                            places.insert(key.clone(), found.len());
                            found.push((key, value));
                        }
                    }
                }
                Value::Map(found)
            }
        })
    }

    /// A copy of a text; a long one counts as many values.
    fn text(&mut self, text: &str) -> Result<String> {
        self.made += text.len() / 16;
        if self.made > MAX_VALUES {
            Err(refused(format!("more than {MAX_VALUES} values")))
        } else {
            Ok(text.to_owned())
        }
    }

    fn key(&mut self, id: Id) -> Result<String> {
        let machine = self.machine;
        match machine.node(id) {
            Node::Str(text) => self.text(text),
            Node::Int(i) => Ok(i.to_string()),
            Node::Bool(b) => Ok(b.to_string()),
            Node::Float(x) => Ok(x.to_string()),
            _ => Err(refused("a dictionary whose keys are neither texts nor numbers")),
        }
    }

    /// A view of its storage, which is read once.
    fn tensor(&mut self, written: &Written) -> Result<Tensor> {
        let Written { storage, offset, size, stride } = written;
        let (bytes, kind) = (storage.kind.elt_size_in_bytes() as u64, storage.kind);
        let numel = check(size, stride, *offset, storage.numel)?;
        let limit = self.length.max(SMALL);
        if numel.checked_mul(bytes).is_none_or(|n| n > limit) {
            return Err(refused(format!("a tensor {size:?}, more than the file has numbers for")));
        }
        if !self.storages.contains_key(&storage.key) {
            let found = (self.fetch)(storage)?;
            self.storages.insert(storage.key.clone(), found);
        }
        let whole = &self.storages[&storage.key];
        let end = storage.start.checked_add(storage.numel);
        if whole.kind() != kind || end.is_none_or(|end| end > whole.numel() as u64) {
            return Err(broken("a storage that two tensors describe differently"));
        }
        Ok(whole.f_as_strided(size.as_slice(), stride.as_slice(), storage.start as i64 + *offset)?.into())
    }
}

/// How many numbers a view has; an error if it reaches out of its storage.
fn check(size: &[i64], stride: &[i64], offset: i64, available: u64) -> Result<u64> {
    let outside = || broken("a tensor that reaches out of its storage");
    if size.len() != stride.len() || offset < 0 || size.iter().chain(stride).any(|n| *n < 0) {
        return Err(outside());
    }
    let numel = if size.contains(&0) {
        0
    } else {
        size.iter().try_fold(1u64, |n, s| n.checked_mul(*s as u64)).ok_or_else(outside)?
    };
    let last = size
        .iter()
        .zip(stride)
        .try_fold(offset as u64, |at, (n, s)| at.checked_add(((*n - 1).max(0) as u64).checked_mul(*s as u64)?));
    match last {
        Some(last) if last < available || (numel == 0 && offset as u64 <= available) => Ok(numel),
        _ => Err(outside()),
    }
}
