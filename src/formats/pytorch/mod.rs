//! Files of PyTorch's `torch.save`, read without Python and without executing anything.
//!
//! Such a file is a pickle, which is a small program, and the numbers of the tensors. PyTorch since
//! 1.6 writes a zip archive (`data.pkl`, `data/0`, `data/1`, …), before that five things in a row
//! ([`legacy`]). The program runs on the machine of [`crate::pickle`], to which [`names`] adds
//! PyTorch's: of whatever else a file names only the name is kept. Sizes are checked against the
//! file before memory is asked for.

mod archive;
mod legacy;
mod names;
mod resolve;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::options::Value;
use crate::tensor::Kind;

/// The most that the program in a file may be; the tensors' numbers lie outside of it.
const MAX_PROGRAM: u64 = 16 << 20;

/// An object that a file holds and that is not read. Nothing of it is known but its class, or what
/// it is.
#[derive(Clone, Debug)]
pub struct Unread {
    /// The class, or what it is in words.
    pub what: String,
}

impl Unread {
    /// The error where something wants to use the object.
    pub fn used(&self) -> Error {
        // Names of classes stand in quotes, words do not.
        refused(if self.what.contains(' ') {
            self.what.clone()
        } else {
            format!("`{}`", self.what)
        })
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}: not read>", self.what)
    }
}

/// What a file of `torch.save` holds: maps, arrays, numbers, texts, tensors on the CPU. Objects of
/// other classes are [`Unread`]; a file that is nothing but one is an error.
pub fn read_pytorch(path: &Path) -> Result<Value> {
    let read = || -> Result<Value> {
        let mut file = File::open(path).map_err(|e| Error::io(path, &e))?;
        let length = file.metadata().map_err(|e| Error::io(path, &e))?.len();
        let mut start = [0u8; 4];
        let seen = file.read(&mut start).map_err(|e| Error::io(path, &e))?;
        if is_archive(&start[..seen]) {
            archive::read(File::open(path).map_err(|e| Error::io(path, &e))?, length)
        } else {
            legacy::read(&std::fs::read(path).map_err(|e| Error::io(path, &e))?)
        }
    };
    let found = read().and_then(|value| match value.downcast::<Unread>() {
        Some(alone) => Err(alone.used()),
        None => Ok(value),
    });
    found.map_err(|e| {
        if e.kind() == crate::error::ErrorKind::Io {
            e
        } else {
            e.context(path.display())
        }
    })
}

/// Whether a file that starts with these bytes is one of `torch.save`.
pub(super) fn looks_like_one(start: &[u8]) -> bool {
    // 0x80 starts a pickle of protocol 2 or later, whose first thing is PyTorch's magic number.
    is_archive(start) || matches!(start, [0x80, 2..=5, ..])
}

fn is_archive(start: &[u8]) -> bool {
    start.starts_with(b"PK")
}

/// Memory with numbers of one type that tensors are views of.
#[derive(Clone, Debug)]
struct Storage {
    key: Rc<str>,
    kind: Kind,
    /// How many numbers.
    numel: u64,
    /// The first one, where the storage is a part of another (old files only).
    start: u64,
}

/// A file that is not what it should be.
fn broken(what: impl std::fmt::Display) -> Error {
    Error::data(format!("not a whole file of torch.save: {what}"))
        .with_hint("was it cut short while it was copied?")
}

/// What such a file may hold but is not read.
fn refused(what: impl std::fmt::Display) -> Error {
    names::Machine::refused(what)
}
