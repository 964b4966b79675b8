//! What a script may read and write, so that a stranger's recipe can be run without fear.
//!
//! It reads beside itself, in its run folder, in the data folders and in what the command line
//! names; it writes in its run folder. A path that leads elsewhere, by `..`, as an absolute name or
//! through a link, is an error.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::formats::write_atomically;
use crate::run::Run;

/// Data sets have their files at most this deep in their folder: folder/train/class/file.
const DEEPEST: usize = 2;

/// Files of a run folder that `resume` and `rerun` go by, the folders that are open to the script
/// among them.
const TRUSTED: [&str; 3] = ["run.json", "resume.json", "params.json"];

/// What else the program itself writes into a run folder, and reads or shows later: files, and
/// beginnings of names.
const WRITTEN: [&str; 6] = [
    "metrics.jsonl",
    "events.jsonl",
    "output.txt",
    "report.md",
    "report.html",
    "events.out.tfevents",
];
const FOLDERS: [&str; 2] = ["checkpoints", "reports"];

/// The kinds of files that scripts write: texts, tables, pictures, tensors. Other endings mean
/// something to other programs (`.rhai`, `.py`, `.html`, `.so`), which would run or show what a
/// stranger's script wrote.
const KINDS: [&str; 17] = [
    "txt",
    "md",
    "csv",
    "tsv",
    "json",
    "jsonl",
    "tex",
    "bib",
    "log",
    "dat",
    "png",
    "gif",
    "jpg",
    "jpeg",
    "safetensors",
    "npy",
    "npz",
];

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
    /// The file or folder that a script's `path` means, if it may be read. Relative paths are
    /// looked for in the run folder, beside the script, in the data folders and in the current
    /// folder, in this order.
    pub fn readable(&self, function: &str, path: &str) -> Result<PathBuf> {
        let mut bases: Vec<PathBuf> = self.run.folder().into_iter().collect();
        bases.push(self.script.clone());
        bases.extend(crate::data::folders());
        bases.retain(|b| b.exists());
        let open: Vec<PathBuf> = bases
            .iter()
            .chain(&self.read)
            .chain(&self.write)
            .filter_map(|p| p.canonicalize().ok())
            .collect();
        bases.push(PathBuf::from("."));
        let mut forbidden = false;
        // A plain name that is not in the current folder is not there; one that leads out of it is
        // not for this script.
        let leads_out = Path::new(path)
            .components()
            .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
        for base in &bases {
            let place = base.join(path);
            let allowed = plain(&place).is_some_and(|p| within(&p, &open));
            forbidden |= !allowed && (base != Path::new(".") || leads_out);
            if let Ok(found) = place.canonicalize() {
                if allowed && within(&found, &open) {
                    ordinary(function, path, &found)?;
                    return Ok(if base == Path::new(".") {
                        PathBuf::from(path)
                    } else {
                        place
                    });
                }
                // Only what lies at an open place tells that it exists.
                forbidden |= allowed;
            } else {
                // A link that leads nowhere is answered as one that leads outside: else it would
                // tell what is there.
                forbidden |= allowed && place.is_symlink();
            }
        }
        let hint = "name it on the command line (file=PATH for a `param`), or open its folder with --allow-read DIR";
        if forbidden {
            let text = format!("{function}: {path:?} lies where this script may not read");
            return Err(Error::new(ErrorKind::Io, text).with_hint(hint));
        }
        let text = format!(
            "{function}: no file {path:?} beside the script, in its run folder or in a data folder"
        );
        Err(Error::new(ErrorKind::Io, text).with_hint(format!("if it lies elsewhere, {hint}")))
    }

    /// The same for a file that is a program: it is run only where the user said that it is
    /// trusted.
    pub fn program(&self, function: &str, path: &str) -> Result<PathBuf> {
        if !self.trust {
            return Err(Error::state(format!(
                "{function}: {path:?} is a program, and no foreign program is run unasked"
            ))
            .with_hint("it could do all that you can do; if you trust where it comes from, run with --trust"));
        }
        self.readable(function, path)
    }

    /// The same for a folder of files and of folders: none of them may be a link that leads
    /// elsewhere.
    pub fn readable_folder(&self, function: &str, path: &str) -> Result<PathBuf> {
        let folder = self.readable(function, path)?;
        if folder.is_dir() {
            let mut open: Vec<PathBuf> = self
                .run
                .folder()
                .into_iter()
                .chain([self.script.clone()])
                .collect();
            open.extend(
                crate::data::folders()
                    .into_iter()
                    .chain(self.read.clone())
                    .chain(self.write.clone()),
            );
            let open: Vec<PathBuf> = open.iter().filter_map(|p| p.canonicalize().ok()).collect();
            Self::without_links(function, &folder, &open, 0)?;
        }
        Ok(folder)
    }

    /// Each entry is judged by where it leads itself: a name that is looked for anew may be found
    /// elsewhere.
    fn without_links(function: &str, folder: &Path, open: &[PathBuf], depth: usize) -> Result<()> {
        for entry in std::fs::read_dir(folder)
            .map_err(|e| Error::io(folder, &e))?
            .flatten()
        {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = entry.path();
            if kind.is_symlink() && !path.canonicalize().is_ok_and(|real| within(&real, open)) {
                let text = format!(
                    "{function}: {:?} lies where this script may not read",
                    path.to_string_lossy()
                );
                return Err(Error::new(ErrorKind::Io, text)
                    .with_hint("it is a link; open what it leads to with --allow-read"));
            }
            if !kind.is_dir() && !path.is_dir() {
                ordinary(function, &path.to_string_lossy(), &path)?;
            }
            if path.is_dir() && depth < DEEPEST {
                Self::without_links(function, &path, open, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Whether a name is that of a file which the program itself writes and reads: a script may not
    /// write it.
    fn of_the_run(name: &str) -> bool {
        let path = Path::new(name);
        let lower = |part: &std::ffi::OsStr| part.to_string_lossy().to_lowercase();
        let file = path.file_name().map(lower).unwrap_or_default();
        let first = path
            .components()
            .next()
            .map(|part| lower(part.as_os_str()))
            .unwrap_or_default();
        let top = path.components().count() == 1 && WRITTEN.iter().any(|own| file.starts_with(own));
        TRUSTED.contains(&file.as_str())
            || top
            || !path.is_absolute() && FOLDERS.contains(&first.as_str())
    }

    /// An error for a name that means something to other programs.
    fn check_name(function: &str, name: &str) -> Result<()> {
        if Path::new(name)
            .components()
            .any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
            && !name.split('/').any(|part| part == "..")
        {
            return Err(Error::argument(format!(
                "{function}: {name:?}: no part of a name may begin with a dot"
            ))
            .with_hint("such files are the settings of other programs"));
        }
        let ending = Path::new(name)
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        if KINDS.contains(&ending.as_str()) {
            return Ok(());
        }
        Err(Error::argument(format!(
            "{function}: {name:?}: a script writes no files ending in {:?}",
            format!(".{ending}")
        ))
        .with_hint(format!(
            "texts, tables, pictures and tensors: {}",
            KINDS.join(", ")
        )))
    }

    /// The same for what makes no sense unwritten: without a run folder it is an error. `None` on
    /// ranks that follow, since the first one writes.
    pub fn must_write(&self, function: &str, name: &str) -> Result<Option<PathBuf>> {
        let target = self.writable(function, name)?;
        if target.is_none() && !self.run.follows() {
            return Err(Error::state(format!(
                "{function}: this session has no run folder to write to"
            )));
        }
        Ok(target)
    }

    /// Where a script's file of this name goes; its folders are made. A plain name lies in the run
    /// folder; an absolute one must lie in a folder that `--allow-write` opened. `None` where the
    /// session has no run folder, and on ranks that follow.
    pub fn writable(&self, function: &str, name: &str) -> Result<Option<PathBuf>> {
        // A name that leads out is refused below, for that.
        if !name.is_empty()
            && Path::new(name)
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
        {
            Self::check_name(function, name)?;
        }
        let (target, open) = if Path::new(name).is_absolute() {
            let open: Vec<PathBuf> = self
                .write
                .iter()
                .filter_map(|p| p.canonicalize().ok())
                .collect();
            let target =
                plain(Path::new(name)).filter(|p| within(p, &open) && p.file_name().is_some());
            let target = target.ok_or_else(|| {
                Error::new(ErrorKind::Io, format!("{function}: {name:?} lies where this script may not write"))
                    .with_hint("a plain name is written into the run folder; --allow-write DIR opens another folder")
            })?;
            // The folder that was opened may have any name; what is made in it may not.
            let inside = open
                .iter()
                .filter_map(|folder| target.strip_prefix(folder).ok())
                .min_by_key(|p| p.as_os_str().len());
            Self::check_name(function, &inside.unwrap_or(&target).to_string_lossy())?;
            if let Some(folder) = target.parent() {
                std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
            }
            (target, open)
        } else {
            let Some(target) = self.run.path(name).map_err(|e| e.context(function))? else {
                return Ok(None);
            };
            (
                target,
                self.run
                    .folder()
                    .iter()
                    .filter_map(|p| p.canonicalize().ok())
                    .collect(),
            )
        };
        if Self::of_the_run(name) {
            return Err(Error::argument(format!("{function}: {name:?} is a file of the run itself"))
                .with_hint("what a run is, and what it may do when it goes on, stands there; take another name"));
        }
        if self.run.follows() {
            return Ok(None);
        }
        let folder = target.parent().and_then(|p| p.canonicalize().ok());
        if folder.is_some_and(|f| within(&f, &open)) {
            return Ok(Some(target));
        }
        Err(Error::new(
            ErrorKind::Io,
            format!("{function}: {name:?} leads out of its folder through a link"),
        ))
    }

    /// Writes a script's file, whole or not at all.
    pub fn write(&self, function: &str, name: &str, bytes: &[u8]) -> Result<()> {
        match self.writable(function, name)? {
            Some(path) => write_atomically(&path, bytes),
            None => Ok(()),
        }
    }
}

/// A script reads files and folders. A pipe would keep it waiting for ever, and a device has no
/// end.
pub(super) fn ordinary(function: &str, path: &str, found: &Path) -> Result<()> {
    match found.metadata() {
        Ok(about) if about.is_file() || about.is_dir() => Ok(()),
        Ok(_) => Err(Error::new(
            ErrorKind::Io,
            format!("{function}: {path:?} is neither a file nor a folder"),
        )),
        Err(e) => Err(Error::io(found, &e)),
    }
}

/// An absolute path without `.` and `..`, as it reads, links not followed; the longest part of it
/// that exists has its links resolved, so that it compares with resolved folders.
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
