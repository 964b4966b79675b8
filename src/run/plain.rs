//! Plain files of a run folder, which may be a stranger's: what is none is refused, and so is what
//! has no end.

use std::path::Path;

use serde_json::Value as Json;

use crate::error::{Error, Result};

/// No log of a run is near this size.
const MOST_BYTES: u64 = 1 << 31;

/// Opens a plain file. A folder may be a stranger's: a pipe in it would keep the program waiting, a
/// device has no end.
pub(crate) fn open_plain(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(super::folder::NO_WAIT)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(std::io::Error::other("not a plain file"))
    }
}

/// Reads a plain file of a run folder.
pub fn read_plain(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    open_plain(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        Err(std::io::Error::other("too large to be a file of a run"))
    } else {
        Ok(bytes)
    }
}

/// A file of JSON; one that is cut or of another kind is an error with its name.
pub(crate) fn json_file(path: &Path) -> Result<Json> {
    let bytes = read_plain(path).map_err(|e| Error::io(path, &e))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::data(format!("{}: not whole JSON ({e})", path.display()))
            .with_hint("it was cut or changed; the run's other files are untouched")
    })
}
