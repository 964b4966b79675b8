//! Which run folders this user made on this machine. A folder can be handed on, and says whatever a
//! stranger wrote into it: so what a run may read, write and run when it goes on is believed only
//! where the user's own record says the same.
//!
//! The record lies in the user's state folder (`$XDG_STATE_HOME`, or `~/.local/state`), one small
//! file for each run folder.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

/// Notes that this user's program made a run folder, with what it keeps for going on. Without a
/// home nothing is noted; going on then asks for the permissions again.
pub(super) fn remember(folder: &Path, resume: &Json) {
    let Some((place, real)) = place(folder) else {
        return;
    };
    let entry = json!({ "folder": real.display().to_string(), "resume": resume });
    if let Some(parent) = place.parent()
        && std::fs::create_dir_all(parent).is_ok()
    {
        // A record that cannot be written costs a question later, not this run.
        let _ = crate::formats::write_atomically(&place, entry.to_string().as_bytes());
    }
}

/// Whether this user's program made a run folder, and what it keeps for going on is as it was.
pub(super) fn is_own(folder: &Path, resume: &Json) -> bool {
    let Some((place, real)) = place(folder) else {
        return false;
    };
    let Ok(entry) = super::json_file(&place) else {
        return false;
    };
    entry["folder"].as_str() == real.to_str() && entry["resume"] == *resume
}

/// The file of the record for a folder, and the folder's real path.
fn place(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    let real = folder.canonicalize().ok()?;
    let named = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
    let name = format!("{:016x}.json", super::hash(&real.display().to_string()));
    Some((state.join("jemscript/runs").join(name), real))
}
