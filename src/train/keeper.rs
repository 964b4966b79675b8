//! Which states of a training are kept on disk, and which one it goes on from.
//!
//! ```text
//! checkpoints/<name>-00000100.safetensors     the last `keep` states
//! checkpoints/<name>-best.safetensors         the best one by `validate`
//! checkpoints/<name>-end.safetensors          a finished training; kept until the run ends, and after
//! checkpoints/<name>-stopped.safetensors      where a value was not finite
//! ```
//! The one training of a plain script has no `<name>-`. No two trainings share a name, and what follows it has no `-`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::writer::{Job, Writer};
use super::{Context, TrainOptions, state};
use crate::error::{Error, ErrorKind, Result};
use crate::params::Snapshot;
use crate::run::read_snapshot;

/// The best state goes to disk at most so often, and with each checkpoint.
const BETWEEN_BESTS: Duration = Duration::from_secs(20);
/// Iterations may be slow, and `every` large: a killed program loses at most so much, and one iteration.
const LONGEST: Duration = Duration::from_secs(120);

pub(super) struct Keeper<'a> {
    context: &'a Context,
    writes: bool,
    highest: bool,
    restore: bool,
    keep: usize,
    prefix: String,
    best: Option<Kept>,
    best_written: Instant,
    written: Instant,
    /// The numbered files, oldest first.
    files: Vec<(i64, PathBuf)>,
    writer: Option<Writer>,
}

struct Kept {
    iteration: i64,
    name: String,
    value: f64,
    state: Option<Snapshot>,
    on_disk: bool,
}

/// A state to go on from.
pub(super) struct Found {
    pub(super) snapshot: Snapshot,
    pub(super) iteration: i64,
    /// Whether the training was finished.
    pub(super) done: bool,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(context: &'a Context, options: &TrainOptions, prefix: &str, nested: bool) -> Keeper<'a> {
        Keeper {
            context,
            writes: options.checkpoint && context.run.writes() && !nested,
            highest: options.mode == "max",
            restore: options.restore_best,
            keep: options.keep.max(1) as usize,
            prefix: prefix.to_owned(),
            best: None,
            best_written: Instant::now(),
            written: Instant::now(),
            files: Vec::new(),
            writer: None,
        }
    }

    /// Whether states are kept on disk.
    pub(super) fn writes(&self) -> bool {
        self.writes
    }

    /// The newest whole state of this training that an earlier process left; damaged ones are named and passed over.
    pub(super) fn find(&mut self) -> Result<(Option<Found>, Vec<String>)> {
        let mut damaged = Vec::new();
        if !self.writes || !self.context.run.resumes() {
            return Ok((None, damaged));
        }
        let files = self.context.run.checkpoints(&self.prefix);
        let mut all: Vec<(i64, PathBuf)> = files
            .into_iter()
            .filter_map(|(word, path)| match word.as_str() {
                "end" => Some((i64::MAX, path)),
                number => number.parse().ok().map(|n: i64| (n, path)),
            })
            .collect();
        all.sort();
        while let Some((number, path)) = all.pop() {
            let usable = read_snapshot(&path).and_then(|snapshot| {
                let iteration = snapshot.int("loop.iteration")?;
                let logged = snapshot.int("loop.logged")? as u64;
                if self.context.run.cut_log(logged) {
                    return Ok(Found { snapshot, iteration, done: number == i64::MAX });
                }
                Err(Error::data(format!(
                    "{}: the log (metrics.jsonl) is shorter than when it was written",
                    path.display()
                ))
                .with_hint("put the whole log back, or move this checkpoint away to go on from an older one"))
            });
            match usable {
                Ok(found) => {
                    self.files = all;
                    if !found.done {
                        self.files.push((number, path));
                    }
                    return Ok((Some(found), damaged));
                }
                // Only what is proved damaged is passed over, and kept under another name. Too little memory, a disk that
                // does not answer, a format of a newer version: the file may be as good as ever.
                Err(error) if error.kind() == ErrorKind::Damaged => {
                    let aside = path.with_extension("damaged");
                    let kept = match std::fs::rename(&path, &aside) {
                        Ok(()) => format!("; it is kept as {}", aside.display()),
                        Err(_) => String::new(),
                    };
                    damaged.push(format!("{}{kept}", error.message()));
                }
                Err(error) => {
                    return Err(error
                        .context(format!("train: cannot go on with `{}`", path.display()))
                        .with_hint("the checkpoint was left as it is; resume again once this is mended"));
                }
            }
        }
        Ok((None, damaged))
    }

    /// Takes up the best state that a checkpoint speaks of.
    pub(super) fn set_best(&mut self, name: &str, value: f64, iteration: i64, state: Option<Snapshot>) {
        // Its file was written before the checkpoint.
        self.best = Some(Kept { iteration, name: name.to_owned(), value, state, on_disk: true });
    }

    /// Offers the present state as the best one; says whether it is. A value that is not a number never is.
    pub(super) fn offer(&mut self, iteration: i64, name: &str, value: f64) -> Result<bool> {
        let better = |old: f64| if self.highest { value > old } else { value < old };
        if value.is_nan() || !self.best.as_ref().is_none_or(|b| better(b.value)) {
            return Ok(false);
        }
        let state = if self.writes || self.restore { Some(self.snapshot(iteration)?) } else { None };
        self.best = Some(Kept { iteration, name: name.to_owned(), value, state, on_disk: false });
        if self.best_written.elapsed() >= BETWEEN_BESTS {
            self.flush_best()?;
        }
        Ok(true)
    }

    /// Writes the best state if it is not on disk yet.
    pub(super) fn flush_best(&mut self) -> Result<()> {
        let Some(best) = self.best.as_mut().filter(|b| self.writes && !b.on_disk) else { return Ok(()) };
        best.on_disk = true;
        let about = json!({ "iteration": best.iteration, "validation": { best.name.as_str(): best.value } });
        let snapshot = best.state.clone();
        if !self.restore {
            best.state = None;
        }
        self.best_written = Instant::now();
        match snapshot {
            Some(snapshot) => self.send("best", snapshot, Some(&about), Vec::new()),
            None => Ok(()),
        }
    }

    /// An error of what was written since the last call.
    pub(super) fn check(&mut self) -> Result<()> {
        self.writer.as_mut().map_or(Ok(()), |w| w.busy().map(|_| ())).map_err(unsaved)
    }

    /// Whether it is time for a checkpoint, `regular` where the options want one here. While the one before is still on its
    /// way to the disk, the disk is too slow for so many.
    pub(super) fn due(&mut self, regular: bool) -> Result<bool> {
        if !self.writes || !(regular || self.written.elapsed() >= LONGEST) {
            return Ok(false);
        }
        Ok(!self.writer.as_mut().map_or(Ok(false), Writer::busy).map_err(unsaved)?)
    }

    /// Whether the state of this iteration is on disk, or on its way.
    pub(super) fn has(&self, iteration: i64) -> bool {
        self.files.last().is_some_and(|(i, _)| *i == iteration)
    }

    /// Keeps a state as that of an iteration, and the last few before it.
    pub(super) fn keep(&mut self, iteration: i64, snapshot: Snapshot) -> Result<()> {
        self.keep_in_place_of(Vec::new(), iteration, snapshot)
    }

    fn keep_in_place_of(&mut self, mut gone: Vec<PathBuf>, iteration: i64, mut snapshot: Snapshot) -> Result<()> {
        self.flush_best()?;
        if let Some(best) = self.best.as_ref().and_then(|b| b.state.as_ref()).filter(|_| self.restore) {
            state::put_best(best, &mut snapshot);
        }
        let path = self.context.run.path(&format!("checkpoints/{}{iteration:08}.safetensors", self.prefix))?;
        let Some(path) = path else { return Ok(()) };
        self.files.push((iteration, path));
        let old = self.files.len().saturating_sub(self.keep);
        gone.extend(self.files.drain(..old).map(|(_, path)| path));
        self.written = Instant::now();
        self.send(&format!("{iteration:08}"), snapshot, None, gone)
    }

    /// Keeps a state to which the training went back, in place of all that came after it.
    pub(super) fn replace_after(&mut self, iteration: i64, snapshot: Snapshot) -> Result<()> {
        let after = self.files.iter().position(|(i, _)| *i >= iteration).unwrap_or(self.files.len());
        // A file of this very iteration is overwritten.
        let gone: Vec<PathBuf> = self.files.drain(after..).filter(|(i, _)| *i > iteration).map(|(_, p)| p).collect();
        self.keep_in_place_of(gone, iteration, snapshot)
    }

    /// Keeps the state of a finished training, in place of those on the way to it.
    pub(super) fn end(&mut self, iteration: i64, snapshot: Snapshot) -> Result<()> {
        self.flush_best()?;
        let remove = self.files.drain(..).map(|(_, path)| path).collect();
        self.send("end", snapshot, Some(&json!({ "iteration": iteration })), remove)?;
        self.wait()
    }

    /// Waits until all is on disk.
    pub(super) fn wait(&mut self) -> Result<()> {
        self.writer.as_mut().map_or(Ok(()), Writer::wait).map_err(unsaved)
    }

    /// Writes the state in which a value was not finite, apart from the good ones; gives the last good file.
    pub(super) fn stopped(&mut self, iteration: i64) -> Result<Option<PathBuf>> {
        self.flush_best()?;
        if self.writes {
            let about = json!({ "iteration": iteration, "note": "a value was not finite here" });
            let snapshot = self.snapshot(iteration)?;
            self.send("stopped", snapshot, Some(&about), Vec::new())?;
        }
        self.wait()?;
        Ok(self.last())
    }

    /// The last good file.
    pub(super) fn last(&self) -> Option<PathBuf> {
        self.files.last().map(|(_, path)| path.clone())
    }

    /// Puts the best state back.
    pub(super) fn restore_best(&self) -> Result<()> {
        let Some(state) = self.best.as_ref().and_then(|b| b.state.as_ref()) else { return Ok(()) };
        state::restore_learned(&self.context.state, state)
    }

    fn snapshot(&self, iteration: i64) -> Result<Snapshot> {
        let mut snapshot = state::collect(&self.context.state)?;
        snapshot.values.insert("loop.iteration".to_owned(), json!(iteration));
        Ok(snapshot)
    }

    fn send(&mut self, word: &str, snapshot: Snapshot, about: Option<&Json>, remove: Vec<PathBuf>) -> Result<()> {
        let path = self.context.run.path(&format!("checkpoints/{}{word}.safetensors", self.prefix))?;
        let Some(path) = path else { return Ok(()) };
        let log = self.context.run.log_file();
        let about = about.map(|a| format!("{a:#}\n"));
        self.writer.get_or_insert_with(Writer::new).send(Job { path, snapshot, about, log, remove })
    }
}

/// An error of a checkpoint, with what it means.
fn unsaved(error: Error) -> Error {
    error.context("train: a checkpoint could not be written").with_hint("the checkpoints before it are safe")
}
