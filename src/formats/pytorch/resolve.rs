//! From the machine's nodes to values: the tree is followed to a limited depth and size, tensors
//! become views of storages.

use std::collections::HashMap;
use std::rc::Rc;

use super::names::{Machine, Node, Tensor as Written, Torch};
use super::{Storage, Unread, broken, refused};
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
    Ok(tch::Tensor::f_from_data_size(
        bytes,
        &[numbers_in(bytes, kind)],
        kind,
    )?)
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
    pub(super) fn new(
        machine: &'a Machine<'a>,
        length: u64,
        fetch: &'a mut Fetch<'a>,
    ) -> Resolver<'a> {
        Resolver {
            machine,
            fetch,
            length,
            storages: HashMap::new(),
            made: 0,
        }
    }

    /// The value of a node.
    pub(super) fn value(&mut self, id: Id) -> Result<Value> {
        self.at_depth(id, 0)
    }

    fn at_depth(&mut self, id: Id, depth: usize) -> Result<Value> {
        self.made += 1;
        if depth > MAX_DEPTH {
            return Err(refused(format!(
                "things that lie more than {MAX_DEPTH} deep inside each other"
            )));
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
            Node::Long(_) => unread("a whole number of more than 64 bits"),
            Node::Opaque(what) => unread(what),
            Node::Known(Known::Unknown(name)) => unread(name),
            Node::Known(Known::Of(Torch::Dtype(kind))) => Value::Str(kind_name(*kind).to_owned()),
            Node::Known(known) => Value::Str(format!("{known:?}")),
            Node::Array(_) => self.array(id)?,
            Node::Made(Torch::Tensor(written)) if !readable(written.storage.kind) => {
                unread(&format!("a tensor of {:?}", written.storage.kind))
            }
            Node::Made(Torch::Tensor(written)) => Value::object("tensor", self.tensor(written)?),
            Node::Made(_) => unread("a storage outside of a tensor"),
            Node::List(items) | Node::Tuple(items) => Value::List(
                items
                    .iter()
                    .map(|i| self.at_depth(*i, depth + 1))
                    .collect::<Result<_>>()?,
            ),
            Node::Dict { entries, .. } => {
                let mut found: Vec<(String, Value)> = Vec::with_capacity(entries.len());
                let mut places: HashMap<String, usize> = HashMap::new();
                for (key, value) in entries {
                    let (key, value) = (self.key(*key, depth)?, self.at_depth(*value, depth + 1)?);
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

    fn key(&mut self, id: Id, depth: usize) -> Result<String> {
        self.made += 1;
        let machine = self.machine;
        match machine.node(id) {
            Node::Str(text) => self.text(text),
            Node::Int(i) => Ok(i.to_string()),
            Node::Bool(b) => Ok(b.to_string()),
            Node::Float(x) => Ok(x.to_string()),
            Node::None => Ok("None".to_owned()),
            Node::Bytes(bytes) => self.text(&String::from_utf8_lossy(bytes)),
            Node::Tuple(items) if depth < MAX_DEPTH => {
                let parts = items
                    .iter()
                    .map(|i| self.key(*i, depth + 1))
                    .collect::<Result<Vec<_>>>()?;
                Ok(format!("({})", parts.join(", ")))
            }
            // Objects of one class are different keys.
            _ => Ok(format!("key {id}")),
        }
    }

    /// An array of numpy as a tensor: of the type next to its own.
    fn array(&mut self, id: Id) -> Result<Value> {
        let Some((number, shape, fortran, bytes)) = self.machine.array(id) else {
            return Ok(unread("an empty array of numpy"));
        };
        let (kind, last) = match number.parts() {
            ('f', 8) => (Kind::Double, Kind::Double),
            ('f', 4) => (Kind::Float, Kind::Float),
            ('f', 2) => (Kind::Half, Kind::Half),
            ('i', 8) => (Kind::Int64, Kind::Int64),
            ('i', 4) => (Kind::Int, Kind::Int),
            ('i', 2) => (Kind::Int16, Kind::Int),
            ('i', 1) => (Kind::Int8, Kind::Int8),
            ('u', 1) => (Kind::Uint8, Kind::Uint8),
            ('b', 1) => (Kind::Bool, Kind::Bool),
            // Read as signed numbers of the same size, of which the bits below make the number that
            // was meant.
            ('u', 2) => (Kind::Int16, Kind::Int64),
            ('u', 4) => (Kind::Int, Kind::Int64),
            (letter, size) => return Ok(unread(&format!("an array of numpy of {letter}{size}"))),
        };
        // An array may be named often, and is copied each time.
        self.made += bytes.len() / 64;
        let mut found = tch::Tensor::f_from_data_size(bytes, &[numbers_in(bytes, kind)], kind)?
            .f_to_kind(last)?;
        if let ('u', size @ (2 | 4)) = number.parts() {
            found = found.f_bitwise_and((1i64 << (8 * size)) - 1)?;
        }
        let found = if fortran {
            let turned: Vec<i64> = shape.iter().rev().copied().collect();
            let order: Vec<i64> = (0..shape.len() as i64).rev().collect();
            found
                .f_reshape(&turned)?
                .f_permute(&order)?
                .f_contiguous()?
        } else {
            found.f_reshape(shape)?
        };
        Ok(Value::object("tensor", Tensor::from(found)))
    }

    /// A view of its storage, which is read once.
    fn tensor(&mut self, written: &Written) -> Result<Tensor> {
        let Written {
            storage,
            offset,
            size,
            stride,
        } = written;
        let (bytes, kind) = (storage.kind.elt_size_in_bytes() as u64, storage.kind);
        let numel = check(size, stride, *offset, storage.numel)?;
        let limit = self.length.max(SMALL);
        if numel.checked_mul(bytes).is_none_or(|n| n > limit) {
            return Err(refused(format!(
                "a tensor {size:?}, more than the file has numbers for"
            )));
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
        let view = whole.f_as_strided(
            size.as_slice(),
            stride.as_slice(),
            storage.start as i64 + *offset,
        )?;
        // Of PyTorch's types of numbers the language lacks this one alone: all of them are int32's
        // too.
        Ok(if kind == Kind::Int16 {
            view.f_to_kind(Kind::Int)?
        } else {
            view
        }
        .into())
    }
}

fn numbers_in(bytes: &[u8], kind: Kind) -> i64 {
    (bytes.len() / kind.elt_size_in_bytes()) as i64
}

fn unread(what: &str) -> Value {
    Value::object(
        "unread",
        Unread {
            what: what.to_owned(),
        },
    )
}

fn readable(kind: Kind) -> bool {
    use Kind::{ComplexDouble, ComplexFloat, QInt8, QInt32, QUInt8};
    !matches!(kind, ComplexFloat | ComplexDouble | QInt8 | QUInt8 | QInt32)
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
        size.iter()
            .try_fold(1u64, |n, s| n.checked_mul(*s as u64))
            .ok_or_else(outside)?
    };
    let last = size
        .iter()
        .zip(stride)
        .try_fold(offset as u64, |at, (n, s)| {
            at.checked_add(((*n - 1).max(0) as u64).checked_mul(*s as u64)?)
        });
    match last {
        Some(last) if last < available || (numel == 0 && offset as u64 <= available) => Ok(numel),
        _ => Err(outside()),
    }
}
