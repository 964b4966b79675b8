//! Which states of a training are kept on disk, and which files stay.
//!
//! ```text
//! checkpoints/<name>-00000100.safetensors             the last `keep` states, to go on from
//! checkpoints/<name>-healthy_00000050_0.safetensors   a state to which the guard may go back, and the attempt it is of
//! checkpoints/<name>-best_00000080_0.safetensors      the best state, where the training puts it back at its end
//! checkpoints/<name>-best.safetensors                 the best one by `validate`
//! checkpoints/<name>-end.safetensors                  a finished training; kept until the run ends, and after
//! checkpoints/<name>-stopped.safetensors              where a value was not finite
//! ```
//! The one training of a plain script has no `<name>-`. No two trainings share a name, and what
//! follows it has no `-`.
//!
//! Of several ranks each writes under these names: rank 0 the whole state, another one in
//! `checkpoints/rank-<n>/` what is its own (its chains, its running statistics, the script's
//! variables).
//!
//! A checkpoint names the healthy states and the best one that it needs. They are written before
//! it, when they are new, and removed when no checkpoint names them any more: a training that is
//! killed at any moment finds all of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::writer::{Job, Writer};
use super::{Context, state};
use crate::error::{Error, Result};
use crate::params::Snapshot;
use crate::world::World;

/// The best state goes to disk at most so often, and with each checkpoint.
const BETWEEN_BESTS: Duration = Duration::from_secs(20);
/// Iterations may be slow, and `every` large: a killed program loses at most so much, and one
/// iteration.
const LONGEST: Duration = Duration::from_secs(120);

pub(super) struct Checkpoints<'a> {
    pub(super) context: &'a Context,
    pub(super) world: World,
    writes: bool,
    highest: bool,
    restore: bool,
    keep: usize,
    pub(super) prefix: String,
    best: Option<Best>,
    best_written: Instant,
    written: Instant,
    /// The numbered files, oldest first.
    pub(super) files: Vec<Checkpoint>,
    /// The words of all files that hold a state which a checkpoint names.
    pub(super) named: BTreeSet<String>,
    /// Files that are needed no more once the next checkpoint is safe.
    gone: Vec<PathBuf>,
    /// What was found damaged, in words.
    pub(super) damaged: Vec<String>,
    writer: Option<Writer>,
}

/// A numbered file.
pub(super) struct Checkpoint {
    pub(super) iteration: i64,
    pub(super) path: PathBuf,
    /// The words of the files that it names; `None` where that is not known.
    pub(super) names: Option<BTreeSet<String>>,
}

/// A state to which the guard may go back.
pub(super) struct Healthy {
    pub(super) iteration: i64,
    /// How often the training had gone back when it was made.
    pub(super) attempt: usize,
    pub(super) snapshot: Snapshot,
    /// Whether its own file is written, or on its way.
    pub(super) on_disk: bool,
    /// A checkpoint that holds the same state.
    pub(super) twin: Option<PathBuf>,
}

impl Healthy {
    pub(super) fn new(iteration: i64, attempt: usize, snapshot: Snapshot) -> Healthy {
        Healthy {
            iteration,
            attempt,
            snapshot,
            on_disk: false,
            twin: None,
        }
    }

    pub(super) fn is_of(&self, iteration: i64, attempt: usize) -> bool {
        (self.iteration, self.attempt) == (iteration, attempt)
    }

    fn word(&self) -> String {
        healthy_word(self.iteration, self.attempt)
    }
}

/// What stands for a healthy state in the name of its file.
pub(super) fn healthy_word(iteration: i64, attempt: usize) -> String {
    format!("healthy_{iteration:08}_{attempt}")
}

/// The best state so far.
struct Best {
    iteration: i64,
    name: String,
    value: f64,
    /// What its own file is called, where a checkpoint has to name it.
    word: String,
    state: Option<Snapshot>,
    on_disk: bool,
}

/// What a training wants kept.
pub(super) struct Keeping {
    /// Whether states go to the disk, where the run has one.
    pub writes: bool,
    /// Whether the highest number is the best one.
    pub highest: bool,
    /// Whether the best state comes back at the end.
    pub restore: bool,
    /// How many checkpoints stay.
    pub keep: i64,
}

impl<'a> Checkpoints<'a> {
    pub(super) fn new(context: &'a Context, keeping: Keeping, prefix: &str) -> Checkpoints<'a> {
        let world = World::current();
        // A rank may be one checkpoint behind another when all are killed: one must be common.
        let least = if world.is_one() { 1 } else { 2 };
        Checkpoints {
            context,
            world,
            writes: keeping.writes && context.run.writes(),
            highest: keeping.highest,
            restore: keeping.restore,
            keep: keeping.keep.max(least) as usize,
            prefix: prefix.to_owned(),
            best: None,
            best_written: Instant::now(),
            written: Instant::now(),
            files: Vec::new(),
            named: BTreeSet::new(),
            gone: Vec::new(),
            damaged: Vec::new(),
            writer: None,
        }
    }

    /// Whether states are kept on disk.
    pub(super) fn writes(&self) -> bool {
        self.writes
    }

    /// Takes up the best state that a checkpoint speaks of. False where its file is damaged and it
    /// is to be put back.
    pub(super) fn take_up_best(
        &mut self,
        best: Option<&super::Best>,
        from: &Snapshot,
    ) -> Result<bool> {
        let Some(best) = best else { return Ok(true) };
        let word = from
            .values
            .get("loop.best")
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned();
        let state = if self.restore && self.writes {
            self.state(&word)?
        } else {
            None
        };
        if self.restore && self.writes && state.is_none() {
            return Ok(false);
        }
        let super::Best {
            name,
            value,
            iteration,
        } = best.clone();
        // Its file was written before the checkpoint.
        self.best = Some(Best {
            iteration,
            name,
            value,
            word,
            state,
            on_disk: true,
        });
        Ok(true)
    }

    /// Offers the present state as the best one; says whether it is. A value that is not a number
    /// never is.
    pub(super) fn offer(
        &mut self,
        iteration: i64,
        attempt: usize,
        name: &str,
        value: f64,
    ) -> Result<bool> {
        let better = |old: f64| {
            if self.highest {
                value > old
            } else {
                value < old
            }
        };
        if value.is_nan() || !self.best.as_ref().is_none_or(|b| better(b.value)) {
            return Ok(false);
        }
        let state = if self.writes || self.restore {
            Some(self.snapshot(iteration)?)
        } else {
            None
        };
        let word = format!("best_{iteration:08}_{attempt}");
        self.best = Some(Best {
            iteration,
            name: name.to_owned(),
            value,
            word,
            state,
            on_disk: false,
        });
        // Several ranks write it with their checkpoints alone: their clocks differ.
        if self.world.is_one() && self.best_written.elapsed() >= BETWEEN_BESTS {
            self.flush_best()?;
        }
        Ok(true)
    }

    /// Writes the best state if it is not on disk yet.
    pub(super) fn flush_best(&mut self) -> Result<()> {
        let Some(best) = self.best.as_mut().filter(|b| self.writes && !b.on_disk) else {
            return Ok(());
        };
        best.on_disk = true;
        let about = json!({ "iteration": best.iteration, "validation": { best.name.as_str(): best.value } });
        let (snapshot, word) = (best.state.clone(), best.word.clone());
        if !self.restore {
            best.state = None;
        }
        self.best_written = Instant::now();
        let Some(snapshot) = snapshot else {
            return Ok(());
        };
        let same = if self.restore {
            // The next best one must not overwrite what a checkpoint names.
            self.named.insert(word.clone());
            self.send(Job::new(self.path(&word)?, snapshot.clone()))?;
            Some(self.path(&word)?)
        } else {
            None
        };
        self.send(Job {
            same,
            about: Some(text(&about)),
            ..Job::new(self.path("best")?, snapshot)
        })
    }

    /// An error of what was written since the last call.
    pub(super) fn check(&mut self) -> Result<()> {
        self.writer
            .as_mut()
            .map_or(Ok(()), |w| w.busy().map(|_| ()))
            .map_err(unsaved)
    }

    /// Whether it is time for a checkpoint, `regular` where the options want one here. While the
    /// one before is still on its way to the disk, the disk is too slow for so many.
    pub(super) fn due(&mut self, regular: bool) -> Result<bool> {
        if !self.writes || !(regular || self.written.elapsed() >= LONGEST) {
            return Ok(false);
        }
        Ok(!self
            .writer
            .as_mut()
            .map_or(Ok(false), Writer::busy)
            .map_err(unsaved)?)
    }

    /// Whether the time since the last checkpoint asks for one, and whether that one is still on its
    /// way to the disk.
    pub(super) fn pressed(&mut self) -> Result<(bool, bool)> {
        let busy = self.writer.as_mut().map_or(Ok(false), Writer::busy);
        let busy = busy.map_err(unsaved)?;
        Ok((self.writes && self.written.elapsed() >= LONGEST, busy))
    }

    /// Whether the state of this iteration is on disk, or on its way.
    pub(super) fn has(&self, iteration: i64) -> bool {
        self.files
            .last()
            .is_some_and(|file| file.iteration == iteration)
    }

    /// Keeps a state as that of an iteration, and the last few before it; with it the healthy
    /// states that it names.
    pub(super) fn keep(
        &mut self,
        iteration: i64,
        attempt: usize,
        mut snapshot: Snapshot,
        healthy: &mut [Healthy],
    ) -> Result<()> {
        self.flush_best()?;
        let path = self.path(&format!("{iteration:08}"))?;
        let mut names = BTreeSet::new();
        for one in healthy {
            if one.is_of(iteration, attempt) {
                // It is this very state: it needs a file of its own only where a later checkpoint
                // names it.
                one.twin = Some(path.clone());
                continue;
            }
            if !std::mem::replace(&mut one.on_disk, true) {
                self.send(Job {
                    same: one.twin.take(),
                    ..Job::new(self.path(&one.word())?, one.snapshot.clone())
                })?;
            }
            names.insert(one.word());
        }
        if let Some(best) = self.best.as_ref().filter(|_| self.restore) {
            names.insert(best.word.clone());
            snapshot
                .values
                .insert("loop.best".to_owned(), json!(best.word));
        }
        self.named.extend(names.iter().cloned());
        self.files.push(Checkpoint {
            iteration,
            path: path.clone(),
            names: Some(names),
        });
        let old = self.files.len().saturating_sub(self.keep);
        self.gone
            .extend(self.files.drain(..old).map(|file| file.path));
        self.written = Instant::now();
        self.finish(path, snapshot, None)
    }

    /// The training has gone back to an iteration: the files of later ones go with the next
    /// checkpoint, which is the first to be safe without them.
    pub(super) fn go_back(&mut self, iteration: i64) {
        let after = self
            .files
            .iter()
            .position(|file| file.iteration >= iteration)
            .unwrap_or(self.files.len());
        // A file of this very iteration is overwritten.
        let later = self
            .files
            .drain(after..)
            .filter(|file| file.iteration > iteration);
        self.gone.extend(later.map(|file| file.path));
    }

    /// Keeps the state of a finished training, in place of those on the way to it.
    pub(super) fn end(&mut self, iteration: i64, snapshot: Snapshot) -> Result<()> {
        self.flush_best()?;
        self.best = None;
        let about = Some(text(&json!({ "iteration": iteration })));
        if !self.world.is_one() {
            // What came before it goes once it is safe on all ranks.
            self.send(Job {
                about: about.clone(),
                ..Job::new(self.path("end")?, snapshot.clone())
            })?;
            self.wait()?;
            self.world.barrier("the checkpoint at the end")?;
        }
        self.gone.extend(self.files.drain(..).map(|file| file.path));
        self.finish(self.path("end")?, snapshot, about)?;
        self.wait()
    }

    /// Removes what a finished training no longer needs: the process that wrote its end may have been
    /// killed before it came to that.
    pub(super) fn tidy(&mut self) -> Result<()> {
        let states = std::mem::take(&mut self.named);
        let mut gone: Vec<PathBuf> = self.files.drain(..).map(|file| file.path).collect();
        // Behind the checkpoints that name them, should this end half-way too.
        for word in states {
            gone.push(self.path(&word)?);
        }
        for file in gone {
            let _ = std::fs::remove_file(file);
        }
        Ok(())
    }

    /// Sends a checkpoint; once it is safe, files are removed that are needed no more, and states
    /// that none names.
    fn finish(&mut self, path: PathBuf, snapshot: Snapshot, about: Option<String>) -> Result<()> {
        let mut gone = std::mem::take(&mut self.gone);
        if self.files.iter().all(|file| file.names.is_some()) {
            let needed = |word: &String| {
                self.best.as_ref().is_some_and(|best| best.word == *word)
                    || self.files.iter().any(|file| {
                        file.names
                            .as_ref()
                            .is_some_and(|names| names.contains(word))
                    })
            };
            let unnamed: Vec<String> = self
                .named
                .iter()
                .filter(|word| !needed(word))
                .cloned()
                .collect();
            for word in unnamed {
                // Behind the checkpoints that named it.
                gone.push(self.path(&word)?);
                self.named.remove(&word);
            }
        }
        self.send(Job {
            about,
            remove: gone,
            ..Job::new(path, snapshot)
        })
    }

    /// Waits until all is on disk.
    pub(super) fn wait(&mut self) -> Result<()> {
        self.writer
            .as_mut()
            .map_or(Ok(()), Writer::wait)
            .map_err(unsaved)
    }

    /// Writes the state in which a value was not finite, apart from the good ones; gives the last
    /// good file.
    pub(super) fn stopped(&mut self, iteration: i64) -> Result<Option<PathBuf>> {
        self.flush_best()?;
        if self.writes {
            let about = json!({ "iteration": iteration, "note": "a value was not finite here" });
            let snapshot = self.snapshot(iteration)?;
            self.send(Job {
                about: Some(text(&about)),
                ..Job::new(self.path("stopped")?, snapshot)
            })?;
        }
        self.wait()?;
        Ok(self.last())
    }

    /// The last good file.
    pub(super) fn last(&self) -> Option<PathBuf> {
        self.files.last().map(|file| file.path.clone())
    }

    /// Puts the best state back.
    pub(super) fn restore_best(&self) -> Result<()> {
        let Some(state) = self.best.as_ref().and_then(|b| b.state.as_ref()) else {
            return Ok(());
        };
        state::restore_learned(&self.context.state, state)
    }

    fn snapshot(&self, iteration: i64) -> Result<Snapshot> {
        let mut snapshot = Snapshot::of(&self.context.state)?;
        snapshot
            .values
            .insert("loop.iteration".to_owned(), json!(iteration));
        Ok(snapshot)
    }

    /// The file of a state, by what stands for it in the name.
    pub(super) fn path(&self, word: &str) -> Result<PathBuf> {
        let name = format!("{}/{}{word}.safetensors", self.folder(), self.prefix);
        let path = self.context.run.place(&name)?;
        path.ok_or_else(|| Error::state("train: a checkpoint of a run that writes nothing"))
    }

    fn send(&mut self, mut job: Job) -> Result<()> {
        let log = self.context.run.log_file().filter(|_| self.world.speaks());
        self.share(&mut job);
        self.writer
            .get_or_insert_with(Writer::new)
            .send(Job { log, ..job })
    }
}

fn text(about: &Json) -> String {
    format!("{about:#}\n")
}

/// An error of a checkpoint, with what it means.
fn unsaved(error: Error) -> Error {
    error
        .context("train: a checkpoint could not be written")
        .with_hint("the checkpoints before it are safe")
}
