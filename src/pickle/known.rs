//! What every pickle may name, and what calling it makes. Nothing here runs code of the file.

use super::machine::{Id, Machine, Node};
use super::numpy::{self, Number};
use super::{Thing, broken};
use crate::error::Result;

/// A name that is allowed; `Of` is one of the format's own.
#[derive(Clone, Debug)]
pub(crate) enum Known<T> {
    OrderedDict,
    Namespace,
    Set,
    Encode,
    /// numpy's `ndarray`, which is named but never called.
    NumpyArray,
    /// numpy's `dtype`, which makes a [`Known::Number`].
    NumpyType,
    /// A number of a type and its bytes.
    NumpyScalar,
    /// An array that is empty until it gets its state.
    NumpyEmpty,
    /// An array of bytes, a type and a shape.
    NumpyBuffer,
    /// A type of numpy's numbers.
    Number(Number),
    Of(T),
}

/// The thing of a name, if it is allowed.
pub(super) fn find<T: Thing>(module: &str, name: &str) -> Result<Known<T>> {
    let found = match (module, name) {
        ("collections", "OrderedDict") => Some(Known::OrderedDict),
        ("argparse", "Namespace") => Some(Known::Namespace),
        ("builtins" | "__builtin__", "set" | "frozenset") => Some(Known::Set),
        ("_codecs", "encode") => Some(Known::Encode),
        ("numpy", "dtype") => Some(Known::NumpyType),
        ("numpy", "ndarray") => Some(Known::NumpyArray),
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Some(Known::NumpyScalar),
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Some(Known::NumpyEmpty),
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Some(Known::NumpyBuffer),
        _ => T::find(module, name).map(Known::Of),
    };
    found.ok_or_else(|| {
        let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(60).collect::<String>();
        Machine::<T>::refused(format!("`{}.{}`", short(module), short(name)))
    })
}

/// What a call of a known thing makes.
pub(super) fn call<T: Thing>(machine: &mut Machine<T>, what: &Known<T>, arguments: &[Id]) -> Result<Id> {
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
        // Protocol 2 writes bytes as a text of characters below 256.
        (Known::Encode, Some(text)) => {
            let text = machine.copied_text(text)?;
            let bytes = text.chars().map(|c| u8::try_from(u32::from(c)));
            let bytes = bytes.collect::<std::result::Result<Vec<u8>, _>>().map_err(|_| broken("a text for bytes"))?;
            machine.add(Node::Bytes(bytes.into()))
        }
        (Known::NumpyType, Some(name)) => {
            let number = Number::parse(machine.text(name)?);
            let number = number.ok_or_else(|| Machine::<T>::refused("a number of numpy of an unusual type"))?;
            machine.add(Node::Known(Known::Number(number)))
        }
        (Known::NumpyScalar, Some(_)) => numpy::scalar(machine, arguments),
        (Known::NumpyEmpty, Some(_)) => machine.add(Node::Array(numpy::Array::default())),
        (Known::NumpyBuffer, Some(_)) => numpy::of_buffer(machine, arguments),
        (Known::Of(thing), _) => T::call(machine, thing, arguments),
        (what, _) => Err(broken(format!("a call of {what:?} with {} arguments", arguments.len()))),
    }
}
