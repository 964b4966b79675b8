//! Files that a source publishes as one .tar.gz: read from the archive as it is, or from the folder
//! it was unpacked to.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::places::read_file;
use crate::error::{Error, Result};

/// No file of these sets is near this size.
const MOST_BYTES: u64 = 1 << 28;

/// One form in which a set is published.
pub(super) struct Form {
    /// The archive's name.
    pub(super) archive: &'static str,
    /// The folder inside it.
    pub(super) folder: &'static str,
    /// The training files.
    pub(super) train: &'static [&'static str],
    /// The test file.
    pub(super) test: &'static str,
}

/// The bytes of a form's files by name, from `folder`: unpacked there or in the form's own
/// sub-folder, or packed. `None` where there is no trace of it.
pub(super) fn collect(
    folder: &Path,
    form: &Form,
) -> Result<Option<BTreeMap<&'static str, Vec<u8>>>> {
    let wanted: Vec<&'static str> = form.train.iter().copied().chain([form.test]).collect();
    for place in [folder.to_path_buf(), folder.join(form.folder)] {
        let there: Vec<&str> = wanted
            .iter()
            .copied()
            .filter(|f| place.join(f).is_file())
            .collect();
        if there.is_empty() {
            continue;
        }
        if let Some(lacking) = wanted.iter().find(|f| !there.contains(f)) {
            return Err(
                Error::data(format!("{}: lacks the file {lacking}", place.display()))
                    .with_hint(format!("unpack {} again", form.archive)),
            );
        }
        let read = |f: &&'static str| Ok((*f, read_file(&place.join(f), MOST_BYTES)?));
        return wanted.iter().map(read).collect::<Result<_>>().map(Some);
    }
    let archive = folder.join(form.archive);
    if archive.is_file() {
        unpack(&archive, form, &wanted).map(Some)
    } else {
        Ok(None)
    }
}

fn unpack(
    path: &Path,
    form: &Form,
    wanted: &[&'static str],
) -> Result<BTreeMap<&'static str, Vec<u8>>> {
    let broken = |e: &dyn std::fmt::Display| {
        Error::data(format!(
            "{}: not a whole .tar.gz archive ({e})",
            path.display()
        ))
        .with_hint("it may be cut short: fetch it again")
    };
    if let Some(error) = crate::formats::foreign(path) {
        return Err(error);
    }
    let file = File::open(path).map_err(|e| Error::io(path, &e))?;
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)));
    let mut found = BTreeMap::new();
    for entry in archive.entries().map_err(|e| broken(&e))? {
        let entry = entry.map_err(|e| broken(&e))?;
        let inside = entry.path().map_err(|e| broken(&e))?.into_owned();
        let name = wanted
            .iter()
            .find(|f| inside.ends_with(Path::new(form.folder).join(f)));
        let Some(name) = name.filter(|_| entry.header().entry_type().is_file()) else {
            continue;
        };
        let size = entry.size();
        if size > MOST_BYTES {
            return Err(broken(&format!("{name} has {size} bytes")));
        }
        let mut bytes = Vec::new();
        entry
            .take(MOST_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| broken(&e))?;
        if bytes.len() as u64 != size {
            return Err(broken(&format!(
                "it ends in {name}, after {} of {size} bytes",
                bytes.len()
            )));
        }
        found.insert(*name, bytes);
    }
    match wanted.iter().find(|f| !found.contains_key(*f)) {
        Some(lacking) => Err(broken(&format!("it lacks {}/{lacking}", form.folder))),
        None => Ok(found),
    }
}
