//! What a script may read and write, so that a stranger's recipe can be run without fear.
//!
//! It reads beside itself, in its run folder, in the data folders and in what the command line names; it writes in its run
//! folder. A path that leads elsewhere, by `..`, as an absolute name or through a link, is an error.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::run::{Run, write_atomically};

/// Data sets have their files at most this deep in their folder: folder/train/class/file.
const DEEPEST: usize = 2;

/// Files of a run folder that `resume` and `rerun` go by, the folders that are open to the script among them.
const TRUSTED: [&str; 3] = ["run.json", "resume.json", "params.json"];

/// The folders open to one session's scripts.
#[derive(Clone)]
pub struct Access {
    /// The script's own folder.
    pub script: PathBuf,
    /// Files and folders that the command line names.
    pub read: Vec<PathBuf>,
    /// Folders that `--allow-write` opens.
    pub write: Vec<PathBuf>,
    /// Whether files that are programs may be run.
    pub trust: bool,
    /// The run folder.
    pub run: Run,
}

impl Access {
    /// The file or folder that a script's `path` means, if it may be read. Relative paths are looked for in the run folder,
    /// beside the script, in the data folders and in the current folder, in this order.
    pub fn readable(&self, function: &str, path: &str) -> Result<PathBuf> {
        let mut bases: Vec<PathBuf> = self.run.folder().into_iter().collect();
        bases.push(self.script.clone());
        bases.extend(crate::data::folders());
        bases.retain(|b| b.exists());
        let open: Vec<PathBuf> =
            bases.iter().chain(&self.read).chain(&self.write).filter_map(|p| p.canonicalize().ok()).collect();
        bases.push(PathBuf::from("."));
        let mut forbidden = false;
        for base in &bases {
            let place = base.join(path);
            let allowed = plain(&place).is_some_and(|p| within(&p, &open));
            forbidden |= !allowed && base != Path::new(".");
            if let Ok(found) = place.canonicalize() {
                if allowed && within(&found, &open) {
                    ordinary(function, path, &found)?;
                    return Ok(if base == Path::new(".") { PathBuf::from(path) } else { place });
                }
                // Only what lies at an open place tells that it exists.
                forbidden |= allowed;
            }
        }
        let hint = "name it on the command line (file=PATH for a `param`), or open its folder with --allow-read DIR";
        if forbidden {
            let text = format!("{function}: {path:?} lies where this script may not read");
            return Err(Error::new(ErrorKind::Io, text).with_hint(hint));
        }
        let text = format!("{function}: no file {path:?} beside the script, in its run folder or in a data folder");
        Err(Error::new(ErrorKind::Io, text).with_hint(format!("if it lies elsewhere, {hint}")))
    }

    /// The same for a file that is a program: it is run only where the user said that it is trusted.
    pub fn program(&self, function: &str, path: &str) -> Result<PathBuf> {
        if !self.trust {
            return Err(Error::state(format!(
                "{function}: {path:?} is a program, and no foreign program is run unasked"
            ))
            .with_hint("it could do all that you can do; if you trust where it comes from, run with --trust"));
        }
        self.readable(function, path)
    }

    /// The same for a folder of files and of folders: none of them may be a link that leads elsewhere.
    pub fn readable_folder(&self, function: &str, path: &str) -> Result<PathBuf> {
        let folder = self.readable(function, path)?;
        if folder.is_dir() {
            self.without_links(function, &folder, 0)?;
        }
        Ok(folder)
    }

    fn without_links(&self, function: &str, folder: &Path, depth: usize) -> Result<()> {
        for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, &e))?.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if !kind.is_dir() {
                self.readable(function, &path.to_string_lossy())?;
            }
            if (kind.is_dir() || kind.is_symlink() && path.is_dir()) && depth < DEEPEST {
                self.without_links(function, &path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Whether a file is one that the program itself reads later, and trusts: a script may not write it.
    fn of_the_run(target: &Path) -> bool {
        let name = target.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        TRUSTED.contains(&name.as_str())
    }

    /// Where a script's file of this name goes; its folders are made. A plain name lies in the run folder; an absolute one
    /// must lie in a folder that `--allow-write` opened. `None` where the session has no run folder.
    pub fn writable(&self, function: &str, name: &str) -> Result<Option<PathBuf>> {
        let (target, open) = if Path::new(name).is_absolute() {
            let open: Vec<PathBuf> = self.write.iter().filter_map(|p| p.canonicalize().ok()).collect();
            let target = plain(Path::new(name)).filter(|p| within(p, &open) && p.file_name().is_some());
            let target = target.ok_or_else(|| {
                Error::new(ErrorKind::Io, format!("{function}: {name:?} lies where this script may not write"))
                    .with_hint("a plain name is written into the run folder; --allow-write DIR opens another folder")
            })?;
            if let Some(folder) = target.parent() {
                std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
            }
            (target, open)
        } else {
            let Some(target) = self.run.path(name).map_err(|e| e.context(function))? else { return Ok(None) };
            (target, self.run.folder().iter().filter_map(|p| p.canonicalize().ok()).collect())
        };
        if Self::of_the_run(&target) {
            return Err(Error::argument(format!("{function}: {name:?} is a file of the run itself"))
                .with_hint("what a run is, and what it may do when it goes on, stands there; take another name"));
        }
        let folder = target.parent().and_then(|p| p.canonicalize().ok());
        if folder.is_some_and(|f| within(&f, &open)) {
            return Ok(Some(target));
        }
        Err(Error::new(ErrorKind::Io, format!("{function}: {name:?} leads out of its folder through a link")))
    }

    /// Writes a script's file, whole or not at all.
    pub fn write(&self, function: &str, name: &str, bytes: &[u8]) -> Result<()> {
        match self.writable(function, name)? {
            Some(path) => write_atomically(&path, bytes),
            None => Ok(()),
        }
    }
}

/// A script reads files and folders. A pipe would keep it waiting for ever, and a device has no end.
pub(super) fn ordinary(function: &str, path: &str, found: &Path) -> Result<()> {
    match found.metadata() {
        Ok(about) if about.is_file() || about.is_dir() => Ok(()),
        Ok(_) => Err(Error::new(ErrorKind::Io, format!("{function}: {path:?} is neither a file nor a folder"))),
        Err(e) => Err(Error::io(found, &e)),
    }
}

/// An absolute path without `.` and `..`, as it reads, links not followed; the longest part of it that exists has its links
/// resolved, so that it compares with resolved folders.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut clean = std::env::current_dir().ok()?;
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    let mut exists = clean.clone();
    let mut rest = Vec::new();
    loop {
        // The last part is not resolved here: it may be a link, which is judged by where it leads.
        if !rest.is_empty()
            && let Ok(real) = exists.canonicalize()
        {
            return Some(rest.iter().rev().fold(real, |p, part| p.join(part)));
        }
        rest.push(exists.file_name()?.to_owned());
        exists.pop();
    }
}

fn within(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|f| path.starts_with(f))
}
