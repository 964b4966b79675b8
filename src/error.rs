//! The one error type of the library: what went wrong in the user's terms, and a hint that mends
//! it.
//!
//! Positions in scripts are added by the script layer; the core knows none. `Debug` prints what
//! `Display` prints, so that an error that reaches a test, a notebook cell or a terminal reads the
//! same.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What the library returns.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of thing went wrong; callers branch on it, users read [`Error::message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes, sizes or indices that do not fit.
    Shape,
    /// An argument or an option with an impossible value or type.
    Argument,
    /// A name that does not exist.
    Name,
    /// A value became infinite or not a number.
    NonFinite,
    /// A file or folder.
    Io,
    /// Data in a wrong format.
    Data,
    /// A file of our own that is proved to be damaged: it is cut short, or its checksum is wrong.
    Damaged,
    /// A device that is not there, or out of memory.
    Device,
    /// State that does not allow the call: an optimiser over parameters that belong to another one,
    /// say.
    State,
    /// What a dry run has made small is too small for a line; the real run goes on there.
    DryRun,
    /// A training that diverged and cannot go back.
    Diverged,
    /// The user asked to stop.
    Interrupted,
    /// A function given by the user failed: [`Error::source`] holds what its own layer knows of it.
    Callback,
    /// libtorch said no, in words we do not know.
    Torch,
}

/// An error with a message and, where there is one, a hint.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    /// The place of a layer, and the message without it.
    layer: Option<(String, String)>,
    source: Option<Arc<dyn Any + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with a message that starts with the name of what failed.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            layer: None,
            source: None,
        }))
    }

    /// Shapes that do not fit.
    pub fn shape(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Shape, message)
    }

    /// An argument that cannot be.
    pub fn argument(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Argument, message)
    }

    /// Data in a wrong format.
    pub fn data(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Data, message)
    }

    /// No memory is left; `asked` says how much more was wanted.
    pub(crate) fn out_of_memory(asked: Option<&str>) -> Error {
        let asked = asked.map_or_else(String::new, |a| format!(" ({a} more were asked for)"));
        Error::new(ErrorKind::Device, format!("out of memory{asked}"))
            .with_hint("a smaller batch, fewer chains or a smaller network needs less")
    }

    /// A call that the present state does not allow.
    pub fn state(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::State, message)
    }

    /// A file operation that failed: the message names the file.
    pub fn io(path: &Path, error: &std::io::Error) -> Error {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => Some("check the spelling and the folder"),
            std::io::ErrorKind::PermissionDenied => {
                Some("check the permissions of the file and its folder")
            }
            std::io::ErrorKind::StorageFull => Some("free some disk space, then run again"),
            _ => None,
        };
        let mut made = Error::new(ErrorKind::Io, format!("{}: {error}", path.display()));
        made.0.hint = hint.map(str::to_owned);
        made
    }

    /// An unknown name, with the nearest known one as hint.
    pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
        let known: Vec<&str> = known.into_iter().collect();
        let made = Error::new(ErrorKind::Name, what.to_owned());
        match nearest(name, known.iter().copied()) {
            Some(near) => made.with_hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => made,
            None => made.with_hint(format!("there are: {}", known.join(", "))),
        }
    }

    /// The same error with a hint (the first hint given stays: it was nearest to the cause).
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The same error with words put before its message: `while: message`.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Error {
        self.0.message = format!("{what}: {}", self.0.message);
        self.0.layer = None;
        self
    }

    /// The same error with the place of the layer where it happened. Nested places join to a path,
    /// as in the names of parameters: `layer 1.body.0: …`.
    #[must_use]
    pub(crate) fn in_layer(mut self, place: &str) -> Error {
        let (path, message) = match self.0.layer.take() {
            Some((inner, message)) => (format!("{place}.{inner}"), message),
            None => (place.to_owned(), std::mem::take(&mut self.0.message)),
        };
        self.0.message = format!("layer {path}: {message}");
        self.0.layer = Some((path, message));
        self
    }

    /// The same error, with another message.
    #[must_use]
    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Error {
        (self.0.message, self.0.layer) = (message.into(), None);
        self
    }

    /// The same error, with what the layer above knows of it: where in a script it happened.
    #[must_use]
    pub fn with_source(mut self, source: Arc<dyn Any + Send + Sync>) -> Error {
        self.0.source = Some(source);
        self
    }

    /// What the layer above knows of it.
    pub fn source<T: Any>(&self) -> Option<&T> {
        self.0
            .source
            .as_ref()
            .and_then(|source| source.downcast_ref())
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What went wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message)?;
        match &self.0.hint {
            Some(hint) => write!(f, "\n  = hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<tch::TchError> for Error {
    /// libtorch's message without its C++ backtrace, with the usual ones in the user's words.
    fn from(error: tch::TchError) -> Error {
        let text = error.to_string();
        let text = text.strip_prefix("Internal torch error: ").unwrap_or(&text);
        let first = text
            .lines()
            .next()
            .unwrap_or("libtorch failed without a message")
            .trim();
        reword(first)
    }
}

fn gib(bytes: f64) -> String {
    format!("{:.2} GiB", bytes / f64::from(1u32 << 30))
}

/// An empty vector with room for `n` values. Where there is no memory for them it is an error: a
/// vector that grows into none ends the process.
pub(crate) fn room<T>(n: usize) -> Result<Vec<T>> {
    let mut all: Vec<T> = Vec::new();
    all.try_reserve_exact(n)
        .map_err(|_| Error::out_of_memory(Some(&gib(n as f64 * size_of::<T>() as f64))))?;
    Ok(all)
}

/// `n` values of a type, all of them the default one; an error where there is no memory for them.
pub(crate) fn defaults<T: Clone + Default>(n: usize) -> Result<Vec<T>> {
    let mut all = room(n)?;
    all.resize(n, T::default());
    Ok(all)
}

/// The usual messages of libtorch in the words of the language; unknown ones as they are.
fn reword(line: &str) -> Error {
    let made = |kind, message: &str, hint: &str| {
        Error::new(kind, message.to_owned()).with_hint(hint.to_owned())
    };
    // oneDNN has one text for whatever keeps it from starting; libtorch has checked everything else.
    let of_onednn = [
        "could not create a primitive",
        "could not execute a primitive",
        "could not create a memory",
        "could not initialize a memory",
    ];
    let starved = of_onednn.iter().any(|text| line.contains(text)) && !line.contains("descriptor");
    if starved || line.contains("out of memory") || line.contains("DefaultCPUAllocator") {
        // "… you tried to allocate 8000000000 bytes.", "… Tried to allocate 20.00 GiB. …"
        let asked = line
            .split("ried to allocate ")
            .nth(1)
            .and_then(|rest| rest.split(". ").next());
        let bytes = |a: &str| {
            a.trim_end_matches('.')
                .strip_suffix(" bytes")
                .and_then(|b| b.parse::<f64>().ok())
        };
        Error::out_of_memory(
            asked
                .map(|a| bytes(a).map_or_else(|| a.to_owned(), gib))
                .as_deref(),
        )
    } else if line.contains("must match the size of tensor") || line.contains("not broadcastable") {
        made(
            ErrorKind::Shape,
            "these shapes do not broadcast",
            "sizes must be equal or 1, counted from the last one",
        )
    } else if line.contains("does not require grad") {
        made(
            ErrorKind::State,
            "no gradient flows here",
            "the result must depend on what is differentiated; was it detached?",
        )
    } else if line.contains("backward through the graph a second time") {
        made(
            ErrorKind::State,
            "this graph was differentiated before and is gone",
            "compute the loss again before the next step",
        )
    } else if line.contains("Expected all tensors to be on the same device") {
        made(
            ErrorKind::Device,
            "tensors on different devices",
            "move one with `.to(device)`",
        )
    } else if line.contains("expected scalar type")
        || line.contains("expected m1 and m2 to have the same dtype")
        || line.contains("same dtype")
    {
        made(
            ErrorKind::Argument,
            "tensors of different types",
            "convert one with `.to(\"float32\")`",
        )
    } else if line.contains("leaf Variable that requires grad") {
        made(
            ErrorKind::State,
            "a parameter may not be changed in place",
            "use an optimiser, or `.detach()` first",
        )
    } else {
        Error::new(ErrorKind::Torch, line.to_owned())
    }
}

/// The known name that is nearest to a wrong one, if any is near (edit distance of at most a third
/// of its length).
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| {
            (
                strsim::osa_distance(&name.to_lowercase(), &k.to_lowercase()),
                k,
            )
        })
        .filter(|(d, k)| *d <= (k.chars().count().max(name.chars().count()) / 3).max(1))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_found_only_when_near() {
        assert_eq!(nearest("stpes", ["steps", "noise"]), Some("steps"));
        assert_eq!(nearest("step", ["steps", "step_size"]), Some("steps"));
        assert_eq!(nearest("banana", ["steps", "noise"]), None);
    }

    #[test]
    fn too_many_values_are_an_error() {
        let error = defaults::<f64>(usize::MAX / 16).unwrap_err();
        assert!(
            error.message().starts_with("out of memory") && error.message().contains("GiB"),
            "{error}"
        );
        assert_eq!(defaults::<u8>(3).unwrap(), [0, 0, 0]);
    }

    #[test]
    fn every_word_for_no_memory_is_one() {
        for line in [
            "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes.",
            "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 1 GiB free.",
            "could not create a primitive",
            "could not execute a primitive",
        ] {
            let error = reword(line);
            assert_eq!(error.kind(), ErrorKind::Device, "{line}");
            assert!(error.message().starts_with("out of memory"), "{error}");
        }
        let other = "could not create a primitive descriptor for a convolution forward propagation primitive";
        assert_eq!(reword(other).kind(), ErrorKind::Torch);
    }

    #[test]
    fn torch_errors_lose_their_backtrace() {
        let a = tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu));
        let b = tch::Tensor::zeros([4, 5], (tch::Kind::Float, tch::Device::Cpu));
        let error = Error::from(a.f_add(&b).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Shape);
        assert!(!error.to_string().contains("frame #"), "{error}");
    }
}
