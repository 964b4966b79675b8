//! What an earlier process left of a training: the newest checkpoint that is whole, and the states
//! that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::checkpoint::{Checkpoint, Checkpoints, Healthy, healthy_word};
use crate::error::{Error, ErrorKind, Result};
use crate::formats::read_snapshot;
use crate::params::Snapshot;

/// A state to go on from.
pub(super) struct Found {
    pub(super) snapshot: Snapshot,
    pub(super) iteration: i64,
    /// Whether the training was finished.
    pub(super) done: bool,
    path: PathBuf,
}

impl Checkpoints<'_> {
    /// The newest whole state of this training that an earlier process left; damaged ones are
    /// passed over and told of.
    pub(super) fn find(&mut self) -> Result<Option<Found>> {
        if !self.writes() || !self.context.run.resumes() {
            return Ok(None);
        }
        let mut all: Vec<(i64, PathBuf)> = Vec::new();
        for (word, path) in self.context.run.checkpoints(&self.folder(), &self.prefix) {
            match word.parse() {
                Ok(number) => all.push((number, path)),
                Err(_) if word == "end" => all.push((i64::MAX, path)),
                Err(_) if word.starts_with("healthy_") || word.starts_with("best_") => {
                    self.named.insert(word);
                }
                Err(_) => {}
            }
        }
        all.sort();
        if !self.world.is_one() {
            all = self.listed_by_first(&all)?;
        }
        while let Some((number, path)) = all.pop() {
            let usable = self.usable(&path, number == i64::MAX);
            if !self.all_have(usable.is_ok())? {
                if let Err(error) = usable
                    && error.kind() == ErrorKind::Damaged
                {
                    self.pass_over(&path, error, "a checkpoint")?;
                }
                continue;
            }
            match usable {
                Ok(found) => {
                    self.files = all
                        .into_iter()
                        .map(|(iteration, path)| self.older(iteration, path))
                        .collect();
                    if !found.done {
                        let names = Some(names(&found.snapshot));
                        self.files.push(Checkpoint {
                            iteration: number,
                            path,
                            names,
                        });
                    }
                    return Ok(Some(found));
                }
                // Ranks that were killed together may be one apart: the one before is common.
                Err(_) if self.world.is_one() && self.is_of_several() => {}
                Err(error) => self.pass_over(&path, error, "a checkpoint")?,
            }
        }
        Ok(None)
    }

    fn usable(&self, path: &Path, done: bool) -> Result<Found> {
        let snapshot = self.read(path)?;
        let iteration = snapshot.int("loop.iteration")?;
        let logged = snapshot.int("loop.logged")? as u64;
        if self.context.run.follows() || self.context.run.cut_log(logged) {
            return Ok(Found {
                snapshot,
                iteration,
                done,
                path: path.to_owned(),
            });
        }
        let text = format!(
            "{}: the log (metrics.jsonl) is shorter than when it was written",
            path.display()
        );
        Err(Error::data(text).with_hint(
            "put the whole log back, or move this checkpoint away to go on from an older one",
        ))
    }

    /// The checkpoints that rank 0 has, as this rank would name them: of several ranks all look at
    /// the same ones, and each must have its share.
    fn listed_by_first(&self, own: &[(i64, PathBuf)]) -> Result<Vec<(i64, PathBuf)>> {
        let words: Vec<String> = own.iter().map(|(number, _)| number.to_string()).collect();
        let first = self.world.texts("the checkpoints", &words.join(" "))?;
        let numbers = first[0].split_whitespace().filter_map(|w| w.parse().ok());
        numbers
            .map(|number: i64| {
                let word = match number {
                    i64::MAX => "end".to_owned(),
                    _ => format!("{number:08}"),
                };
                Ok((number, self.path(&word)?))
            })
            .collect()
    }

    /// Whether all ranks could read what they were after; alone, each looks at its own outcome.
    fn all_have(&self, own: bool) -> Result<bool> {
        if self.world.is_one() {
            return Ok(true);
        }
        let all = self
            .world
            .numbers("whether a checkpoint is whole", &[f64::from(u8::from(own))])?;
        Ok(all.iter().all(|one| one[0] > 0.0))
    }

    /// Only what is proved damaged is passed over, and kept under another name. Too little memory,
    /// a disk that does not answer, a format of another version: the file may be as good as ever.
    fn pass_over(&mut self, path: &Path, error: Error, what: &str) -> Result<()> {
        if error.kind() != ErrorKind::Damaged {
            return Err(error
                .context(format!("train: cannot go on with `{}`", path.display()))
                .with_hint("the checkpoint was left as it is; resume again once this is mended"));
        }
        let aside = path.with_extension("damaged");
        let kept = match std::fs::rename(path, &aside) {
            Ok(()) => format!("; it is kept as {}", aside.display()),
            Err(_) => String::new(),
        };
        self.damaged.push(format!(
            "{what} is damaged and not used: {}{kept}",
            error.message()
        ));
        Ok(())
    }

    /// A checkpoint before the one that is gone on from. Where it cannot be read, what it names is
    /// not known.
    fn older(&self, iteration: i64, path: PathBuf) -> Checkpoint {
        let names = self.read(&path).ok().map(|snapshot| names(&snapshot));
        Checkpoint {
            iteration,
            path,
            names,
        }
    }

    /// What was found damaged since the last call.
    pub(super) fn damaged(&mut self) -> Vec<String> {
        std::mem::take(&mut self.damaged)
    }

    /// A state that a checkpoint names; `None`, and told of, where its file is damaged or gone.
    pub(super) fn state(&mut self, word: &str) -> Result<Option<Snapshot>> {
        let path = self.path(word)?;
        if !self.world.is_one() {
            // All go back to it, or none.
            let state = self.read(&path);
            if self.all_have(state.is_ok())? {
                return state.map(Some);
            }
            let text = format!("a state to go back to is not whole on all ranks: {word}");
            self.damaged.push(text);
            return Ok(None);
        }
        if !path.exists() {
            self.damaged.push(format!(
                "a state to go back to is gone and not used: {}",
                path.display()
            ));
            return Ok(None);
        }
        match read_snapshot(&path) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) => self
                .pass_over(&path, error, "a state to go back to")
                .map(|()| None),
        }
    }

    /// A healthy state that a checkpoint names.
    pub(super) fn healthy(
        &mut self,
        iteration: i64,
        attempt: usize,
        found: &Found,
    ) -> Result<Option<Healthy>> {
        let of = (Some(iteration), Some(attempt as u64));
        let own = |key: &str| {
            found
                .snapshot
                .values
                .get("loop.record")
                .map(|record| record[key].clone())
        };
        let attempts = own("rollbacks").and_then(|all| all.as_array().map(|all| all.len() as u64));
        if of == (Some(found.iteration), attempts) {
            let twin = Some(found.path.clone());
            return Ok(Some(Healthy {
                twin,
                ..Healthy::new(iteration, attempt, found.snapshot.clone())
            }));
        }
        let state = self.state(&healthy_word(iteration, attempt))?;
        Ok(state.map(|snapshot| Healthy {
            on_disk: true,
            ..Healthy::new(iteration, attempt, snapshot)
        }))
    }
}

/// The words of the files that a checkpoint names.
fn names(snapshot: &Snapshot) -> BTreeSet<String> {
    let value = |key: &str| snapshot.values.get(key).cloned().unwrap_or_default();
    let healthy = value("loop.guard")["states"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let word = |entry: &Json| {
        Some(healthy_word(
            entry[0].as_i64()?,
            entry[1].as_u64()? as usize,
        ))
    };
    let best = value("loop.best").as_str().map(str::to_owned);
    healthy.iter().filter_map(word).chain(best).collect()
}
