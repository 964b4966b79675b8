//! Which states of a training are kept: the last one, the best one, and the one at which it stopped.
//!
//! Writing costs time, so `best` and `last` go to disk at most every so many seconds and always at the end; what is
//! restored comes from memory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Context, TrainOptions};
use crate::error::Result;
use crate::params::Snapshot;

/// A killed program loses at most so much.
const BETWEEN_WRITES: Duration = Duration::from_secs(20);

pub(super) struct Keeper<'a> {
    context: &'a Context,
    writes: bool,
    highest: bool,
    restore: bool,
    prefix: String,
    best: Option<Kept>,
    /// When each was written last, and the last file of `last`.
    best_written: Instant,
    last_written: Instant,
    last: Option<(i64, PathBuf)>,
}

struct Kept {
    iteration: i64,
    name: String,
    value: f64,
    state: Option<Snapshot>,
    on_disk: bool,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(context: &'a Context, options: &TrainOptions, prefix: &str) -> Keeper<'a> {
        Keeper {
            context,
            writes: options.checkpoint && context.run.writes() && !context.state.is_empty(),
            highest: options.mode == "max",
            restore: options.restore_best,
            prefix: prefix.to_owned(),
            best: None,
            best_written: Instant::now(),
            last_written: Instant::now(),
            last: None,
        }
    }

    /// Offers the present state as the best one; says whether it is. A value that is not a number never is.
    pub(super) fn offer(&mut self, iteration: i64, name: &str, value: f64) -> Result<bool> {
        let better = |old: f64| if self.highest { value > old } else { value < old };
        if value.is_nan() || !self.best.as_ref().is_none_or(|b| better(b.value)) {
            return Ok(false);
        }
        let state = if self.writes || self.restore { Some(self.snapshot(iteration)?) } else { None };
        self.best = Some(Kept { iteration, name: name.to_owned(), value, state, on_disk: false });
        if self.best_written.elapsed() >= BETWEEN_WRITES {
            self.flush_best()?;
        }
        Ok(true)
    }

    /// Writes the best state if it is not on disk yet.
    pub(super) fn flush_best(&mut self) -> Result<()> {
        let Some(best) = self.best.as_mut().filter(|b| self.writes && !b.on_disk) else { return Ok(()) };
        if let Some(state) = &best.state {
            let about = json!({ "iteration": best.iteration, "validation": { best.name.as_str(): best.value } });
            self.context.run.checkpoint(&format!("{}best", self.prefix), state, &about)?;
            best.on_disk = true;
            self.best_written = Instant::now();
        }
        Ok(())
    }

    /// Keeps the present state as the last one, if it is time to.
    pub(super) fn last(&mut self, iteration: i64) -> Result<()> {
        if self.writes && self.last_written.elapsed() >= BETWEEN_WRITES { self.write_last(iteration) } else { Ok(()) }
    }

    /// Writes what is not on disk yet.
    pub(super) fn finish(&mut self, iteration: i64) -> Result<()> {
        self.flush_best()?;
        if self.writes && self.last.as_ref().is_none_or(|(i, _)| *i != iteration) {
            self.write_last(iteration)?;
        }
        Ok(())
    }

    /// Writes the state in which a value was not finite, apart from the good ones; gives the last good file.
    pub(super) fn stopped(&mut self, iteration: i64) -> Result<Option<PathBuf>> {
        self.flush_best()?;
        if self.writes {
            let about = json!({ "iteration": iteration, "note": "a value was not finite here" });
            self.context.run.checkpoint(&format!("{}stopped", self.prefix), &self.snapshot(iteration)?, &about)?;
        }
        Ok(self.last.as_ref().map(|(_, path)| path.clone()))
    }

    /// Puts the best state back.
    pub(super) fn restore_best(&self) -> Result<()> {
        let Some(state) = self.best.as_ref().and_then(|b| b.state.as_ref()) else { return Ok(()) };
        self.context.state.iter().try_for_each(|(name, s)| s.load(name, state))
    }

    fn write_last(&mut self, iteration: i64) -> Result<()> {
        let about = json!({ "iteration": iteration });
        let state = self.snapshot(iteration)?;
        let path = self.context.run.checkpoint(&format!("{}last", self.prefix), &state, &about)?;
        self.last = path.map(|p| (iteration, p));
        self.last_written = Instant::now();
        Ok(())
    }

    fn snapshot(&self, iteration: i64) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        for (name, state) in &self.context.state {
            state.save(name, &mut snapshot)?;
        }
        snapshot.values.insert("train.iteration".to_owned(), json!(iteration));
        snapshot.values.insert("train.seed".to_owned(), json!(self.context.seed));
        Ok(snapshot)
    }
}
