//! The user's own folders, by the variables that name them or at their usual places.

use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};

/// The path that a variable names; what is empty names nothing.
pub fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
}

fn folder(variable: &str, usual: &str) -> Result<PathBuf> {
    named(variable)
        .or_else(|| Some(named("HOME")?.join(usual)))
        .ok_or_else(|| {
            Error::new(ErrorKind::Io, "there is no home folder (HOME is not set)")
                .with_hint("export HOME=…")
        })
}

/// What programs keep for the user: `~/.local/share`.
pub fn data() -> Result<PathBuf> {
    folder("XDG_DATA_HOME", ".local/share")
}

/// What programs can make anew: `~/.cache`.
pub fn cache() -> Result<PathBuf> {
    folder("XDG_CACHE_HOME", ".cache")
}

/// Where jemscript keeps histories: `~/.local/share/jemscript`, made if it is missing.
pub fn histories() -> Option<PathBuf> {
    let folder = data().ok()?.join("jemscript");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder)
}
