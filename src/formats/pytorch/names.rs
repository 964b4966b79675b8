//! What a file of `torch.save` may name beside what every pickle may, and the tensors that it
//! makes.

use super::Storage;
use crate::error::Result;
use crate::pickle::{Id, Known, Machine as Any, Node as Kept, Thing, broken};
use crate::tensor::Kind;

/// The machine for such files, and what it makes.
pub(super) type Machine<'a> = Any<'a, Torch>;
pub(super) type Node<'a> = Kept<'a, Torch>;

/// A name of PyTorch's, or what it made.
#[derive(Clone, Debug)]
pub(super) enum Torch {
    Size,
    Device,
    Dtype(Kind),
    StorageType(Kind),
    RebuildTensor,
    RebuildParameter,
    Storage(Storage),
    Tensor(Tensor),
}

/// A tensor as written: a view of a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) offset: i64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

const STORAGES: [(&str, Kind); 15] = [
    ("FloatStorage", Kind::Float),
    ("DoubleStorage", Kind::Double),
    ("HalfStorage", Kind::Half),
    ("BFloat16Storage", Kind::BFloat16),
    ("LongStorage", Kind::Int64),
    ("IntStorage", Kind::Int),
    ("ByteStorage", Kind::Uint8),
    ("CharStorage", Kind::Int8),
    ("BoolStorage", Kind::Bool),
    ("ShortStorage", Kind::Int16),
    // These are known by their sizes, and are not read.
    ("ComplexFloatStorage", Kind::ComplexFloat),
    ("ComplexDoubleStorage", Kind::ComplexDouble),
    ("QInt8Storage", Kind::QInt8),
    ("QUInt8Storage", Kind::QUInt8),
    ("QInt32Storage", Kind::QInt32),
];

impl Thing for Torch {
    const HINT: &'static str = "nothing in it was executed; in Python, `torch.save(model.state_dict(), file)` writes weights and nothing else";
    const KEEPS_UNKNOWN: bool = true;

    fn find(module: &str, name: &str) -> Option<Torch> {
        match (module, name) {
            ("torch", "Size") => Some(Torch::Size),
            ("torch", "device") => Some(Torch::Device),
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => {
                Some(Torch::RebuildTensor)
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Some(Torch::RebuildParameter)
            }
            ("torch", name) => STORAGES
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, kind)| Torch::StorageType(*kind))
                .or_else(|| crate::tensor::parse_kind(name).ok().map(Torch::Dtype)),
            _ => None,
        }
    }

    fn call(machine: &mut Machine, what: &Torch, arguments: &[Id]) -> Result<Id> {
        match (what, arguments) {
            (Torch::Size, &[sizes, ..]) => {
                let sizes = machine.sequence(sizes)?;
                machine.add(Node::Tuple(sizes))
            }
            (Torch::Device, &[name, ..]) => {
                let name = machine.copied_text(name)?;
                machine.add(Node::Str(name.into()))
            }
            (Torch::RebuildParameter, &[tensor, ..])
                if matches!(machine.node(tensor), Node::Made(Torch::Tensor(_))) =>
            {
                Ok(tensor)
            }
            // storage, offset, size, stride, requires_grad, hooks
            (Torch::RebuildTensor, &[storage, offset, size, stride, ..]) => {
                let Node::Made(Torch::Storage(storage)) = machine.node(storage) else {
                    return Err(broken("a tensor without a storage"));
                };
                let made = Tensor {
                    storage: storage.clone(),
                    offset: machine.int(offset)?,
                    size: machine.ints(size)?,
                    stride: machine.ints(stride)?,
                };
                machine.add(Node::Made(Torch::Tensor(made)))
            }
            (what, _) => Err(broken(format!(
                "a call of {what:?} with {} arguments",
                arguments.len()
            ))),
        }
    }

    /// `("storage", type, key, location, numel)`, in old files with the part of another storage.
    fn outside(machine: &mut Machine, id: Id) -> Result<Id> {
        let parts = machine.sequence(id)?;
        // Old files keep the source text of a module's class beside the class.
        if let &[tag, class, ..] = parts.as_slice()
            && machine.text(tag).is_ok_and(|tag| tag == "module")
        {
            return Ok(class);
        }
        let &[tag, kind, key, _location, numel, ref rest @ ..] = parts.as_slice() else {
            return Err(broken("a storage with fewer than five parts"));
        };
        let kind = match machine.node(kind) {
            Node::Known(Known::Of(Torch::StorageType(kind))) => *kind,
            // Numbers of a type that PyTorch has and we do not.
            Node::Known(Known::Unknown(name)) | Node::Opaque(name) => {
                let name = name.clone();
                return machine.opaque(&name);
            }
            _ => return Err(broken("a storage without a type")),
        };
        if machine.text(tag)? != "storage" {
            return Err(broken("something kept outside that is no storage"));
        }
        let count = |n: i64| u64::try_from(n).map_err(|_| broken("a storage of a negative size"));
        let mut made = Storage {
            key: machine.copied_text(key)?.into(),
            kind,
            numel: count(machine.int(numel)?)?,
            start: 0,
        };
        if let Some(&view) = rest.first()
            && !matches!(machine.node(view), Node::None)
        {
            let &[_, offset, size] = machine.sequence(view)?.as_slice() else {
                return Err(broken("a part of a storage"));
            };
            made.start = count(machine.int(offset)?)?;
            // `numel` is that of the whole one.
            made.numel = count(machine.int(size)?)?;
        }
        machine.add(Node::Made(Torch::Storage(made)))
    }

    fn ignores_state(&self) -> bool {
        matches!(self, Torch::Tensor(_))
    }
}
