//! What a checkpoint of a training holds, and how a later process goes on from it.

use serde_json::json;

use super::found::Found;
use super::shares::DEALT;
use super::{Training, state};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::params::Snapshot;
use crate::train::Record;

impl Training<'_> {
    /// Goes on from an earlier process's state, if there is one; says whether the training was
    /// finished there.
    pub(super) fn go_on(&mut self) -> Result<bool> {
        let found = self.checkpoints.find()?;
        self.say_damaged()?;
        let Some(found) = found else {
            if self.checkpoints.writes() {
                // What cannot be kept is an error before the first step.
                Snapshot::of(&self.context.state)?;
            }
            self.event(
                "train",
                &[
                    ("iterations", json!(self.total)),
                    ("options", json!(self.options.show())),
                ],
            )?;
            return Ok(false);
        };
        self.load(&found)
            .map_err(|e| e.context(format!("train: cannot go on with `{}`", self.record.name)))?;
        self.say_damaged()?;
        if found.done {
            self.checkpoints.tidy()?;
        }
        self.event(
            "resumed",
            &[
                ("iteration", json!(found.iteration)),
                ("done", json!(found.done)),
            ],
        )?;
        self.context.progress.skip(found.iteration);
        let text = if found.done {
            format!("done before: {} iterations", found.iteration)
        } else {
            format!("goes on after iteration {}", found.iteration)
        };
        self.context.progress.message(&text);
        if let Some(then) = found.snapshot.values.get(DEALT) {
            let now = self.agreed.world.size();
            self.event("dealt", &[("ranks", json!(now)), ("before", then.clone())])?;
            self.context.progress.message(&format!(
                "{now} ranks where there were {then}: replay buffers are dealt out anew, and noise is other noise"
            ));
        }
        Ok(found.done)
    }

    fn say_damaged(&mut self) -> Result<()> {
        for text in self.checkpoints.damaged() {
            self.event("damaged", &[("reason", json!(text))])?;
            self.context.progress.message(&text);
        }
        Ok(())
    }

    /// The whole state after the present iteration.
    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        // Where the guard has just kept the state of this iteration, it is the same one.
        let attempt = self.record.rollbacks.len();
        let kept = self
            .guard
            .as_ref()
            .and_then(|guard| guard.state_of(self.record.iterations, attempt));
        let mut snapshot = kept.map_or_else(
            || Snapshot::of(&self.context.state),
            |kept| Ok(kept.clone()),
        )?;
        state::put_record(
            &Record {
                seconds: self.seconds(),
                ..self.record.clone()
            },
            &mut snapshot,
        )?;
        let trainings = self.context.run.trainings();
        for (key, value) in [
            ("iteration", json!(self.record.iterations)),
            ("total", json!(self.total)),
            ("seed", json!(self.context.seed)),
            ("data", json!(self.fingerprint()?)),
            ("logged", json!(self.context.run.logged())),
            (
                "order",
                json!(trainings.iter().position(|n| *n == self.record.name)),
            ),
            ("trainings", json!(trainings)),
            ("watch", self.watch.save()),
        ] {
            snapshot.values.insert(format!("loop.{key}"), value);
        }
        if let Some(guard) = &self.guard {
            guard.save(&mut snapshot);
        }
        Ok(snapshot)
    }

    fn load(&mut self, found: &Found) -> Result<()> {
        let value = |key: &str| {
            found
                .snapshot
                .values
                .get(&format!("loop.{key}"))
                .cloned()
                .unwrap_or_default()
        };
        let differs = |what: &str, then: &serde_json::Value, now: &serde_json::Value| {
            Err(Error::data(format!(
                "{what}: {then} when the checkpoint was written, {now} now"
            ))
            .with_hint("start a new run, or put back what was changed"))
        };
        let now = self
            .context
            .run
            .trainings()
            .iter()
            .position(|n| *n == self.record.name);
        for (what, key, now) in [
            (
                "the data is not the same",
                "data",
                json!(self.fingerprint()?),
            ),
            ("the trainings come in another order", "order", json!(now)),
            ("the seed is not the same", "seed", json!(self.context.seed)),
        ] {
            if value(key) != now {
                return differs(what, &value(key), &now);
            }
        }
        // With --force a training may be made longer or shorter, but not beyond what is done; one
        // that stopped by itself is done.
        let record = state::take_record(&found.snapshot)?;
        let stopped = found.done && record.stopped.is_some() && found.iteration <= self.total;
        if stopped {
            self.total = found.iteration;
        }
        if found.iteration > self.total || (found.done && found.iteration != self.total) {
            return differs(
                "the number of iterations is not the same",
                &json!(found.iteration),
                &json!(self.total),
            );
        }
        state::restore(&self.context.state, &found.snapshot)?;
        self.watch
            .load(&value("watch"))
            .ok_or_else(|| Error::data("checkpoint: no `loop.watch`"))?;
        if let Some(guard) = &mut self.guard {
            guard.load(found, &mut self.checkpoints)?;
        }
        self.before = record.seconds;
        self.record = record;
        if !found.done
            && !self
                .checkpoints
                .take_up_best(self.record.best.as_ref(), &found.snapshot)?
        {
            // The one that is put back at the end is then the best one from here on.
            self.record.best = None;
        }
        let names = value("trainings").as_array().cloned().unwrap_or_default();
        self.context.run.set_trainings(
            names
                .iter()
                .filter_map(|n| n.as_str().map(str::to_owned))
                .collect(),
        );
        Ok(())
    }

    /// What tells other data from the one that was trained on.
    fn fingerprint(&self) -> Result<String> {
        if let Some(known) = self.fingerprint.get() {
            return Ok(known.clone());
        }
        let d = self.data;
        let parts = [
            ("train", &d.train),
            ("validation", &d.validation),
            ("test", &d.test),
        ];
        let one = |(name, p): (&str, &Part)| {
            Ok(format!(
                "{name} {}×{:?} (checksum {:08x})",
                p.len(),
                p.shape(),
                p.checksum()?
            ))
        };
        let parts = parts.into_iter().map(one).collect::<Result<Vec<_>>>()?;
        let text = format!("{} of {} classes, {}", d.name, d.classes, parts.join(", "));
        Ok(self.fingerprint.get_or_init(|| text).clone())
    }
}
