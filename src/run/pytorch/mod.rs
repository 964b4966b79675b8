//! Files of PyTorch's `torch.save`, read without Python and without executing anything.
//!
//! Such a file is a pickle, which is a small program, and the numbers of the tensors. PyTorch since 1.6 writes a zip archive
//! (`data.pkl`, `data/0`, `data/1`, …), before that five things in a row ([`legacy`]). The program runs on the machine of
//! [`crate::pickle`], to which [`names`] adds PyTorch's: whatever else a file names is refused. Sizes are checked against the file
//! before memory is asked for.

mod archive;
mod legacy;
mod names;
mod resolve;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::options::Value;
use crate::tensor::Kind;

/// The most that the program in a file may be; the tensors' numbers lie outside of it.
const MAX_PROGRAM: u64 = 16 << 20;

/// What a file of `torch.save` holds: maps, arrays, numbers, texts, tensors on the CPU.
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
    read().map_err(|e| if e.kind() == crate::error::ErrorKind::Io { e } else { e.context(path.display()) })
}

/// Whether a file that starts with these bytes is one of `torch.save`.
pub(super) fn looks_like_one(start: &[u8]) -> bool {
    is_archive(start) || start.starts_with(&[0x80, 2])
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
    Error::data(format!("not a whole file of torch.save: {what}")).with_hint("was it cut short while it was copied?")
}

/// What such a file may hold but is not read.
fn refused(what: impl std::fmt::Display) -> Error {
    names::Machine::refused(what)
}
