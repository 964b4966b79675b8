//! Going on with a run that an earlier process left: its folder is opened again, under a lock, and
//! what it ran is compared.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};

use super::folder::Folder;
use super::{About, Run, write_json};
use crate::error::{Error, Result};
use crate::formats::PARTIAL;

/// What a run keeps so that it can go on.
pub(super) const FILE: &str = "resume.json";
/// Where checkpoints lie.
const CHECKPOINTS: &str = "checkpoints";
/// Lines of a difference that are shown.
const SHOWN: usize = 40;

/// A run that goes on.
pub(super) struct Again {
    /// Whether changed scripts are accepted.
    force: bool,
}

/// What a run folder says of the run.
pub struct Earlier {
    /// What [`About::resume`] held.
    pub resume: Json,
    /// `running`, `interrupted`, `failed`, `finished`.
    pub state: String,
    /// When it started.
    pub started: String,
    /// The name of the script's copy in the folder.
    pub script: String,
    /// Whether this user made the folder here, and `resume` is as it was: only then is believed
    /// what it asks for.
    pub own: bool,
}

/// Reads what is needed to go on with a run.
pub fn earlier(folder: &Path) -> Result<Earlier> {
    let hint = "a run folder is named at the end of each run, as in runs/train-20260131-174205";
    if !folder.is_dir() {
        return Err(
            Error::argument(format!("resume: {} is not a folder", folder.display()))
                .with_hint(hint),
        );
    }
    let run = folder.join("run.json");
    if !run.exists() {
        return Err(
            Error::argument(format!("resume: {} holds no run", folder.display())).with_hint(hint),
        );
    }
    let read = |path: &Path| -> Result<Json> {
        let bytes = super::read_plain(path).map_err(|e| Error::io(path, &e))?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Error::data(format!("{}: not valid JSON ({e})", path.display())))
    };
    let run = read(&run)?;
    let path = folder.join(FILE);
    if !path.exists() {
        return Err(Error::data(format!("resume: {} has no {FILE}", folder.display()))
            .with_hint("the run ended before it had anything to go on with, or the folder is of an older version or not the program's: start a new run"));
    }
    let text = |key: &str| run[key].as_str().unwrap_or_default().to_owned();
    let resume = read(&path)?;
    let own = super::own::is_own(folder, &resume);
    let script = super::folder::inside(&text("script"));
    Ok(Earlier {
        resume,
        own,
        script,
        state: text("state"),
        started: text("started"),
    })
}

/// Holds a run folder for this process; the lock goes with it, however it ends.
pub(super) fn lock(folder: &Path) -> Result<Option<File>> {
    let Ok(file) = File::open(folder) else {
        return Ok(None);
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::state(format!(
            "{}: another process is at work in this run folder",
            folder.display()
        ))
        .with_hint("wait for it, or stop it first")),
        // Not every file system has locks.
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// The lines that differ between two texts, with a line of context; `None` where none does.
pub fn difference(before: &str, now: &str) -> Option<String> {
    if before == now {
        return None;
    }
    let diff = TextDiff::from_lines(before, now);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(1) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, line) = match change.tag() {
                ChangeTag::Delete => ("-", change.old_index()),
                ChangeTag::Insert => ("+", change.new_index()),
                ChangeTag::Equal => (" ", change.new_index()),
            };
            lines.push(format!(
                "  {:>4} {sign} {}",
                line.map_or(0, |n| n + 1),
                change.value().trim_end()
            ));
        }
    }
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("       … and {more} more"));
    }
    Some(lines.join("\n"))
}

impl Run {
    /// Goes on with the run in a folder. Half-written files of the process before are removed.
    pub fn again(folder: &Path, about: About, force: bool) -> Result<Run> {
        let earlier = earlier(folder)?;
        let lock = lock(folder)?;
        for place in [folder.to_owned(), folder.join(CHECKPOINTS)] {
            if place.is_symlink() && place != folder {
                continue;
            }
            for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        let script = Path::new(&about.script)
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let source = about.source.clone();
        let run = Run::with(about, Some(Folder::existing(folder.to_owned())));
        {
            let mut inner = run.0.borrow_mut();
            inner.lock = lock;
            inner.again = Some(Again { force });
            inner.started.0 = earlier.started;
            // The first loop says how much of the log counts.
            inner.metrics.seek(0);
            inner.compare(&script, &source)?;
            super::folder::write_under(folder, &script, source.as_bytes())?;
            write_json(folder, "run.json", &inner.run_json("running", None, false))?;
        }
        Ok(run)
    }

    /// The run in a folder that rank 0 writes. Whatever this process would write besides its share
    /// of checkpoints is nothing.
    pub fn beside(folder: &Path, about: About, resumes: bool) -> Run {
        let run = Run::with(about, Some(Folder::existing(folder.to_owned())));
        {
            let mut inner = run.0.borrow_mut();
            inner.follows = true;
            inner.again = resumes.then_some(Again { force: true });
        }
        run
    }

    /// Whether the run goes on where an earlier process left it.
    pub fn resumes(&self) -> bool {
        self.0.borrow().again.is_some()
    }

    /// The names of all trainings so far, in order.
    pub fn trainings(&self) -> Vec<String> {
        self.0.borrow().trainings.clone()
    }

    /// Puts the names of trainings back.
    pub fn set_trainings(&self, names: Vec<String>) {
        self.0.borrow_mut().trainings = names;
    }

    /// The length of the log in bytes, as far as it counts.
    pub fn logged(&self) -> u64 {
        self.0.borrow().metrics.length()
    }

    /// The file of the log, once there is one.
    pub fn log_file(&self) -> Option<PathBuf> {
        self.folder()
            .map(|f| f.join("metrics.jsonl"))
            .filter(|p| p.exists())
    }

    /// Goes back in the log: what is behind this length is dropped at the next line. False where
    /// the file is shorter.
    pub fn cut_log(&self, length: u64) -> bool {
        let there = self
            .log_file()
            .and_then(|p| fs::metadata(p).ok())
            .map_or(0, |m| m.len());
        if there >= length {
            self.0.borrow_mut().metrics.seek(length);
        }
        there >= length
    }

    /// The checkpoints in a folder of the run's whose names are this prefix and one more word
    /// without `-`: the word, and the file.
    pub fn checkpoints(&self, within: &str, prefix: &str) -> Vec<(String, PathBuf)> {
        let Some(folder) = self.folder() else {
            return Vec::new();
        };
        let files = fs::read_dir(folder.join(within))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path());
        let named = files.filter_map(|path| {
            let word = path
                .file_name()?
                .to_str()?
                .strip_suffix(".safetensors")?
                .strip_prefix(prefix)?
                .to_owned();
            (!word.contains('-') && !word.is_empty()).then_some((word, path))
        });
        let mut all: Vec<_> = named.collect();
        all.sort();
        all
    }
}

impl super::Inner {
    /// An error if a script differs from what the run began with.
    pub(super) fn compare(&self, name: &str, text: &str) -> Result<()> {
        let (Some(again), Some(folder)) =
            (&self.again, self.folder.as_ref().and_then(Folder::made))
        else {
            return Ok(());
        };
        // An import that the process before did not reach is new.
        let read = super::read_plain(&folder.join(name))
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(before) = read else { return Ok(()) };
        match difference(&before, text).filter(|_| !again.force) {
            Some(lines) => Err(Error::argument(format!(
                "resume: {name} has changed since the run began\n{lines}"
            ))
            .with_hint(
                "undo the change, start a new run, or go on with the new text with --force",
            )),
            None => Ok(()),
        }
    }
}
