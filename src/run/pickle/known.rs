//! All that a pickle may name, and what calling it makes. Nothing here runs code of the file.

use super::machine::{Id, Machine, Node, Tensor};
use super::{Storage, broken, refused};
use crate::error::Result;
use crate::tensor::Kind;

/// A name that is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    OrderedDict,
    Namespace,
    Set,
    Size,
    Device,
    Encode,
    Dtype(Kind),
    StorageType(Kind),
    Tensor,
    Parameter,
    /// numpy's `dtype`, which makes a [`Known::Number`], and `scalar`, which makes a number of one and bytes.
    NumpyType,
    NumpyScalar,
    /// A type of numpy's numbers: `f8`, `i4`, `u1`, `b1`.
    Number(u8, u8),
}

const STORAGES: [(&str, Kind); 9] = [
    ("FloatStorage", Kind::Float),
    ("DoubleStorage", Kind::Double),
    ("HalfStorage", Kind::Half),
    ("BFloat16Storage", Kind::BFloat16),
    ("LongStorage", Kind::Int64),
    ("IntStorage", Kind::Int),
    ("ByteStorage", Kind::Uint8),
    ("CharStorage", Kind::Int8),
    ("BoolStorage", Kind::Bool),
];

/// The thing of a name, if it is allowed.
pub(super) fn find(module: &str, name: &str) -> Result<Known> {
    let found = match (module, name) {
        ("collections", "OrderedDict") => Some(Known::OrderedDict),
        ("argparse", "Namespace") => Some(Known::Namespace),
        ("builtins" | "__builtin__", "set" | "frozenset") => Some(Known::Set),
        ("_codecs", "encode") => Some(Known::Encode),
        ("numpy", "dtype") => Some(Known::NumpyType),
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Some(Known::NumpyScalar),
        ("torch", "Size") => Some(Known::Size),
        ("torch", "device") => Some(Known::Device),
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Some(Known::Tensor),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Known::Parameter),
        ("torch", name) => STORAGES
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, kind)| Known::StorageType(*kind))
            .or_else(|| crate::tensor::parse_kind(name).ok().map(Known::Dtype)),
        _ => None,
    };
    found.ok_or_else(|| {
        let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(60).collect::<String>();
        refused(format!("`{}.{}`", short(module), short(name)))
    })
}

/// What a call of a known thing makes.
pub(super) fn call(machine: &mut Machine, what: Known, arguments: &[Id]) -> Result<Id> {
    let first = arguments.first().copied();
    match (what, first) {
        (Known::OrderedDict, None) => machine.add(Node::Dict { entries: Vec::new(), attributes: false }),
        (Known::Namespace, None) => machine.add(Node::Dict { entries: Vec::new(), attributes: true }),
        (Known::OrderedDict, Some(pairs)) => {
            let mut entries = Vec::new();
            for pair in machine.sequence(pairs)? {
                match machine.sequence(pair)?.as_slice() {
                    &[key, value] => entries.push((key, value)),
                    _ => return Err(broken("a pair with other than two parts")),
                }
            }
            machine.add(Node::Dict { entries, attributes: false })
        }
        (Known::Set, Some(items)) => {
            let items = machine.sequence(items)?;
            machine.add(Node::List(items))
        }
        (Known::Size, Some(sizes)) => {
            let sizes = machine.sequence(sizes)?;
            machine.add(Node::Tuple(sizes))
        }
        (Known::Device, Some(name)) => {
            let name = machine.copied_text(name)?;
            machine.add(Node::Str(name))
        }
        // Protocol 2 writes bytes as a text of characters below 256.
        (Known::Encode, Some(text)) => {
            let text = machine.copied_text(text)?;
            let bytes = text.chars().map(|c| u8::try_from(u32::from(c)));
            let bytes = bytes.collect::<std::result::Result<Vec<u8>, _>>().map_err(|_| broken("a text for bytes"))?;
            machine.add(Node::Bytes(bytes))
        }
        (Known::Parameter, Some(tensor)) if matches!(machine.node(tensor), Node::Tensor(_)) => Ok(tensor),
        (Known::NumpyType, Some(name)) => {
            let made = match machine.text(name)?.as_bytes() {
                &[letter @ (b'f' | b'i' | b'u' | b'b'), size @ b'1'..=b'8'] => Known::Number(letter, size - b'0'),
                _ => return Err(refused("a number of numpy of an unusual type")),
            };
            machine.add(Node::Known(made))
        }
        (Known::NumpyScalar, Some(kind)) => {
            let (Node::Known(Known::Number(letter, size)), Some(Node::Bytes(bytes))) =
                (machine.node(kind), arguments.get(1).map(|id| machine.node(*id)))
            else {
                return Err(broken("a number of numpy"));
            };
            let made = number(*letter, usize::from(*size), bytes).ok_or_else(|| broken("a number of numpy"))?;
            machine.add(made)
        }
        (Known::Tensor, Some(storage)) => tensor(machine, storage, arguments),
        (what, _) => Err(broken(format!("a call of {what:?} with {} arguments", arguments.len()))),
    }
}

/// A number of numpy's, lowest byte first.
fn number(letter: u8, size: usize, bytes: &[u8]) -> Option<Node> {
    if bytes.len() != size {
        return None;
    }
    let whole = bytes.iter().rev().fold(0u64, |sum, b| sum << 8 | u64::from(*b));
    Some(match (letter, size) {
        (b'f', 8) => Node::Float(f64::from_bits(whole)),
        (b'f', 4) => Node::Float(f64::from(f32::from_bits(whole as u32))),
        (b'b', 1) => Node::Bool(whole != 0),
        (b'i', _) => {
            let unused = 64 - 8 * size as u32;
            Node::Int((whole << unused) as i64 >> unused)
        }
        (b'u', _) => Node::Int(i64::try_from(whole).ok()?),
        _ => return None,
    })
}

/// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`.
fn tensor(machine: &mut Machine, storage: Id, arguments: &[Id]) -> Result<Id> {
    let &[_, offset, size, stride, ..] = arguments else {
        return Err(broken("a tensor without offset, size and stride"));
    };
    let Node::Storage(storage) = machine.node(storage) else { return Err(broken("a tensor without a storage")) };
    let storage: Storage = storage.clone();
    let made =
        Tensor { offset: machine.int(offset)?, size: machine.ints(size)?, stride: machine.ints(stride)?, storage };
    machine.add(Node::Tensor(made))
}

/// What a persistent name means: `("storage", type, key, location, numel)`, in old files with the part of another storage.
pub(super) fn persistent(machine: &mut Machine, id: Id) -> Result<Id> {
    let parts = machine.sequence(id)?;
    let &[tag, kind, key, _location, numel, ref rest @ ..] = parts.as_slice() else {
        return Err(broken("a storage with fewer than five parts"));
    };
    let Node::Known(Known::StorageType(kind)) = *machine.node(kind) else {
        return Err(broken("a storage without a type"));
    };
    if machine.text(tag)? != "storage" {
        return Err(broken("something kept outside that is no storage"));
    }
    let count = |n: i64| u64::try_from(n).map_err(|_| broken("a storage of a negative size"));
    let mut made =
        Storage { key: machine.copied_text(key)?.into(), kind, numel: count(machine.int(numel)?)?, start: 0 };
    if let Some(&view) = rest.first()
        && !matches!(machine.node(view), Node::None)
    {
        let &[_, offset, size] = machine.sequence(view)?.as_slice() else { return Err(broken("a part of a storage")) };
        made.start = count(machine.int(offset)?)?;
        // `numel` is that of the whole one.
        made.numel = count(machine.int(size)?)?;
    }
    machine.add(Node::Storage(made))
}
