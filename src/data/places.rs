//! Where data sets lie: the user's data folder, and the one where Debian puts data sets.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The user's data folder: `$JEMSCRIPT_DATA`, else `jemscript/data` in the user's folder for data
/// (`~/.local/share`).
pub fn home() -> Option<PathBuf> {
    let named = |variable: &str| {
        std::env::var_os(variable)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    named("JEMSCRIPT_DATA").or_else(|| {
        let share =
            named("XDG_DATA_HOME").or_else(|| named("HOME").map(|home| home.join(".local/share")));
        share.map(|folder| folder.join("jemscript/data"))
    })
}

/// The data folders: the user's own, and the one where Debian puts data sets. Each data set has a
/// folder of its name in them.
pub fn folders() -> Vec<PathBuf> {
    home()
        .into_iter()
        .chain([PathBuf::from("/usr/share/datasets")])
        .collect()
}

/// The folder that the user named, or the first usual place that exists. `files` says what it must
/// hold.
pub(super) fn find_folder(
    function: &str,
    name: &str,
    given: Option<&str>,
    files: &str,
) -> Result<PathBuf> {
    if let Some(folder) = given {
        let folder = PathBuf::from(folder);
        return if folder.is_dir() {
            Ok(folder)
        } else {
            Err(
                Error::data(format!("{function}: no folder {}", folder.display()))
                    .with_hint(format!("`folder` must be the one that holds {files}")),
            )
        };
    }
    let places: Vec<PathBuf> = folders().into_iter().map(|d| d.join(name)).collect();
    // An empty folder is what a download leaves that never began.
    let holds_something =
        |p: &&PathBuf| std::fs::read_dir(p).is_ok_and(|mut entries| entries.next().is_some());
    if let Some(found) = places.iter().find(holds_something) {
        return Ok(found.clone());
    }
    let shown: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
    Err(Error::data(format!(
        "{function}: the data is not on this machine (looked in {})",
        shown.join(" and ")
    ))
    .with_hint(format!(
        "`jemscript fetch {name}` downloads it; or name its folder: #{{ folder: \"…\" }}"
    )))
}

/// A file's bytes; a file larger than `most` is not what it should be.
pub(super) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>> {
    let size = std::fs::metadata(path)
        .map_err(|e| Error::io(path, &e))?
        .len();
    if size > most {
        return Err(Error::data(format!(
            "{}: has {size} bytes, more than any such file",
            path.display()
        )));
    }
    std::fs::read(path).map_err(|e| Error::io(path, &e))
}
