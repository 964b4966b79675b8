//! What every pickle may name, and what calling it makes. Nothing here runs code of the file.

use super::machine::Machine;
use super::nodes::{Array, Id, Known, Node, Number};
use super::{Thing, broken, numpy};
use crate::error::Result;

/// The thing of a name, if it is allowed.
pub(super) fn find<T: Thing>(module: &str, name: &str) -> Result<Known<T>> {
    let found = match (module, name) {
        ("collections", "OrderedDict" | "Counter") | ("builtins" | "__builtin__", "dict") => {
            Some(Known::Dict)
        }
        ("collections", "defaultdict") => Some(Known::DefaultDict),
        ("collections", "deque") | ("builtins" | "__builtin__", "list" | "tuple") => {
            Some(Known::List)
        }
        ("copyreg" | "copy_reg", "_reconstructor") => Some(Known::Object),
        ("pathlib" | "pathlib._local", kind) if PATHS.contains(&kind) => Some(Known::Path),
        ("argparse", "Namespace") => Some(Known::Namespace),
        ("builtins" | "__builtin__", "set" | "frozenset") => Some(Known::Set),
        ("_codecs", "encode") => Some(Known::Encode),
        ("numpy", "dtype") => Some(Known::NumpyType),
        ("numpy", "ndarray") => Some(Known::NumpyArray),
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Some(Known::NumpyScalar),
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
            Some(Known::NumpyEmpty)
        }
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Some(Known::NumpyBuffer),
        _ => T::find(module, name).map(Known::Of),
    };
    let short = |text: &str| {
        text.chars()
            .filter(|c| !c.is_control())
            .take(60)
            .collect::<String>()
    };
    let name = || format!("{}.{}", short(module), short(name));
    match found {
        Some(known) => Ok(known),
        None if T::KEEPS_UNKNOWN => Ok(Known::Unknown(name().into())),
        None => Err(Machine::<T>::refused(format!("`{}`", name()))),
    }
}

const PATHS: [&str; 6] = [
    "Path",
    "PosixPath",
    "WindowsPath",
    "PurePath",
    "PurePosixPath",
    "PureWindowsPath",
];

/// What a call of a known thing makes.
pub(super) fn call<T: Thing>(
    machine: &mut Machine<T>,
    what: &Known<T>,
    arguments: &[Id],
) -> Result<Id> {
    let first = arguments.first().copied();
    match (what, first) {
        (Known::Unknown(name), _) => machine.add(Node::Opaque(name.clone())),
        (Known::Object, Some(class)) => {
            let name = machine.class(class);
            machine.opaque(&name)
        }
        (Known::Dict | Known::DefaultDict, None) => machine.add(Node::Dict {
            entries: Vec::new(),
            attributes: false,
        }),
        (Known::DefaultDict, Some(_)) if arguments.len() == 1 => machine.add(Node::Dict {
            entries: Vec::new(),
            attributes: false,
        }),
        (Known::List, None) => machine.add(Node::List(Vec::new())),
        (Known::Path, None) => machine.add(Node::Str(".".into())),
        (Known::Path, Some(_)) => {
            let parts = arguments
                .iter()
                .map(|part| machine.copied_text(*part))
                .collect::<Result<Vec<_>>>()?;
            // The first part of an absolute path is its root.
            let path = parts.join("/");
            machine.add(Node::Str(
                path.strip_prefix("//")
                    .map_or(path.clone(), |rest| format!("/{rest}"))
                    .into(),
            ))
        }
        (Known::Namespace, None) => machine.add(Node::Dict {
            entries: Vec::new(),
            attributes: true,
        }),
        (Known::Dict | Known::DefaultDict, Some(pairs)) => {
            let pairs = if let Known::DefaultDict = what {
                arguments[1]
            } else {
                pairs
            };
            if let Some(entries) = machine.copied_entries(pairs)? {
                return machine.add(Node::Dict {
                    entries,
                    attributes: false,
                });
            }
            let mut entries = Vec::new();
            for pair in machine.sequence(pairs)? {
                match machine.sequence(pair)?.as_slice() {
                    &[key, value] => entries.push((key, value)),
                    _ => return Err(broken("a pair with other than two parts")),
                }
            }
            machine.add(Node::Dict {
                entries,
                attributes: false,
            })
        }
        (Known::Set | Known::List, Some(items)) => {
            let items = machine.sequence(items)?;
            machine.add(Node::List(items))
        }
        // Protocol 2 writes bytes as a text of characters below 256.
        (Known::Encode, Some(text)) => {
            let text = machine.copied_text(text)?;
            let bytes = text.chars().map(|c| u8::try_from(u32::from(c)));
            let bytes = bytes
                .collect::<std::result::Result<Vec<u8>, _>>()
                .map_err(|_| broken("a text for bytes"))?;
            machine.add(Node::Bytes(bytes.into()))
        }
        (Known::NumpyType, Some(name)) => match Number::parse(machine.text(name)?) {
            Some(number) => machine.add(Node::Known(Known::Number(number))),
            None => machine.unread("a number of numpy of an unusual type"),
        },
        (Known::NumpyScalar, Some(_)) => numpy::scalar(machine, arguments),
        (Known::NumpyEmpty, Some(_)) => machine.add(Node::Array(Array::default())),
        (Known::NumpyBuffer, Some(_)) => numpy::of_buffer(machine, arguments),
        (Known::Of(thing), _) => T::call(machine, thing, arguments),
        (what, _) => Err(broken(format!(
            "a call of {what:?} with {} arguments",
            arguments.len()
        ))),
    }
}
