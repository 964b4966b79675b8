//! Checkpoints of past runs, as scripts name them: a run's folder, or the file.

use std::path::PathBuf;

use rhai::NativeCallContext;

use super::host::Host;
use crate::error::Result;
use crate::train::{CHECKPOINTS, best_of};

/// The file to load from: of a run's folder its best state, and a line says which. Inside the folder
/// the same rules hold for what may be read.
pub fn checkpoint(context: &NativeCallContext, function: &str, path: &str) -> Result<PathBuf> {
    let host = Host::of(context);
    let found = host.access().readable(function, path)?;
    if !found.is_dir() {
        return Ok(found);
    }
    let within = format!("{}/{CHECKPOINTS}", path.trim_end_matches('/'));
    // A link must not tell what lies where the script may not read.
    if found.join(CHECKPOINTS).symlink_metadata().is_ok() {
        host.access().readable(function, &within)?;
    }
    let name = best_of(&found).map_err(|e| e.context(function))?;
    host.print(&format!("{path}: from {CHECKPOINTS}/{name}"));
    host.access()
        .readable(function, &format!("{within}/{name}"))
}
