//! Checkpoints: a [`Snapshot`] as one safetensors file, its small values as text in the file's
//! header.
//!
//! One file, so that tensors and counters always belong together. The header says how long the file
//! is, and holds a checksum: a file that was cut anywhere, or that has holes, is recognised.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::blobs::{Contents, has_header, read_with_header, write_with_header};
use crate::error::{Error, ErrorKind, Result};
use crate::params::Snapshot;

/// The version of the format; a later program may refuse or convert an older file.
const VERSION: i64 = 4;

/// Writes a state whole or not at all.
pub fn write_snapshot(path: &Path, snapshot: &Snapshot) -> Result<()> {
    let values: Json = snapshot
        .values
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    write_with_header(path, &snapshot.tensors, |sum| {
        Some(json!({ "version": VERSION, "sum": sum, "values": values }).to_string())
    })
}

/// Whether a file is a state that [`write_snapshot`] wrote.
pub(super) fn is_one(path: &Path) -> bool {
    has_header(path)
}

/// Reads a state that [`write_snapshot`] wrote; tensors come to the CPU.
pub fn read_snapshot(path: &Path) -> Result<Snapshot> {
    let Contents {
        tensors,
        header,
        sum,
        ..
    } = read_with_header(path)?;
    let foreign = || {
        Error::data(format!("{}: not a checkpoint of jemscript", path.display()))
            .with_hint("weights alone are read with `load`")
    };
    let header: Json = serde_json::from_str(&header.ok_or_else(foreign)?).map_err(|_| foreign())?;
    if header["version"]
        .as_i64()
        .is_some_and(|version| version < VERSION)
    {
        return Err(Error::data(format!(
            "{}: a checkpoint of the older format {}; this program reads format {VERSION}, whose guard remembers how its \
             numbers moved, and where each state is a file of its own",
            path.display(),
            header["version"]
        ))
        .with_hint("finish the run with the version of jemscript that wrote it; weights alone are read with `load`"));
    }
    if header["version"] != VERSION {
        return Err(Error::data(format!(
            "{}: a checkpoint of format {}, this program reads {VERSION}",
            path.display(),
            header["version"]
        ))
        .with_hint("go on with the version of jemscript that wrote it"));
    }
    if header["sum"] != sum {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("{}: damaged, its checksum is wrong", path.display()),
        )
        .with_hint("take an older checkpoint"));
    }
    let values = header["values"].as_object().ok_or_else(foreign)?;
    let values = values.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(Snapshot::from_parts(tensors, values))
}
