//! The guard: keeps the last healthy states in memory, and goes back to one of them when a training
//! diverges.
//!
//! A state is kept every `every` iterations while nothing is out of bounds. It counts as healthy
//! when as many iterations after it were calm too: what leads to a divergence begins before
//! anything is out of bounds. The older ones are thinned ([`Kept`]), so that there is a way back
//! also from what has crept for long ([`Trend`]). Going back changes the noise of all later
//! iterations, lowers the rate and gives the sampler more steps. A training that never diverges is
//! the same to the bit with the guard and without it.

mod kept;
mod options;
mod trend;

use std::rc::Rc;

use serde_json::json;

use super::checkpoint::{Checkpoints, Healthy};
use super::found::Found;
use super::watch::Watch;
use super::{Rollback, Training, state};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::params::{Cautious, Factors, Snapshot, State};
use kept::Kept;
pub use options::GuardOptions;
pub(super) use trend::Cause;
use trend::{Sign, Trend};

/// A reason to go back.
pub(super) struct Alarm {
    pub(super) reason: String,
    pub(super) cause: Cause,
    /// The last iteration at which all was as ever, where that can be told.
    since: Option<i64>,
}

impl Alarm {
    /// One without a history.
    pub(super) fn now(reason: impl Into<String>, cause: Cause) -> Alarm {
        Alarm {
            reason: reason.into(),
            cause,
            since: None,
        }
    }
}

pub(super) struct Guard {
    options: GuardOptions,
    watch: Watch,
    trend: Trend,
    kept: Kept,
    /// What is to be told of, but no reason to go back.
    told: Option<String>,
}

impl Guard {
    /// The guard that the option of this name asks for.
    pub(super) fn new(guard: &Value) -> Result<Option<Guard>> {
        let Some(options) = GuardOptions::of(guard)? else {
            return Ok(None);
        };
        let watch = Watch::new(options.limits()?);
        let trend = Trend::new(options.every, options.gap, options.energy);
        let kept = Kept::new(options.every, options.keep as usize);
        Ok(Some(Guard {
            options,
            watch,
            trend,
            kept,
            told: None,
        }))
    }

    /// Looks at one iteration's numbers; gives the reason to go back, if there is one.
    pub(super) fn look(&mut self, iteration: i64, values: &[(String, f64)]) -> Option<Alarm> {
        let reason = self.watch.look(values);
        if !self.watch.calm() {
            self.kept.suspect(iteration);
        }
        let sign = match self.options.trend {
            true => self.trend.look(iteration, values),
            false => None,
        };
        if let Some(reason) = reason {
            let gap = values
                .iter()
                .find(|(name, _)| name == "gap")
                .map(|(_, v)| *v);
            let cause = gap
                .filter(|gap| gap.abs() > self.options.gap)
                .map_or(Cause::Bounds, Cause::of_gap);
            return Some(Alarm {
                since: self.trend.usual_until(),
                ..Alarm::now(reason, cause)
            });
        }
        match sign? {
            Sign::Collapsed(text) => {
                self.told = Some(text);
                None
            }
            Sign::Creeps {
                cause,
                reason,
                since,
            } => Some(Alarm {
                since: Some(since),
                ..Alarm::now(reason, cause)
            }),
        }
    }

    /// With what to go on: the script's policy is asked, if there is one.
    fn ask(&self, iteration: i64, to: i64, attempt: usize, alarm: &Alarm) -> Result<Factors> {
        let answer = match &self.options.policy {
            None => Value::None,
            Some(policy) => {
                let event = [
                    ("iteration", Value::Int(iteration)),
                    ("to", Value::Int(to)),
                    ("attempt", Value::Int(attempt as i64)),
                    ("reason", Value::Str(alarm.reason.clone())),
                    ("cause", Value::Str(alarm.cause.words().to_owned())),
                ];
                let event = event.map(|(name, value)| (name.to_owned(), value));
                policy.call(&[Value::Map(event.into())])?
            }
        };
        options::factors(&self.options, alarm.cause, &answer)
    }

    /// Whether nothing is out of bounds now.
    pub(super) fn calm(&self) -> bool {
        self.watch.calm()
    }

    /// The most states that it keeps in a training of so many iterations; the newest is one more than it is
    /// asked to keep.
    pub(super) fn most(&self, iterations: i64) -> i64 {
        (self.options.keep + 1).min(iterations / self.options.every)
    }

    fn due(&self, iteration: i64) -> bool {
        iteration % self.options.every == 0 && self.watch.calm()
    }

    /// The states are needed no more.
    pub(super) fn finish(&mut self) {
        self.kept.clear();
    }

    /// The state of this iteration and attempt, if it is kept.
    pub(super) fn state_of(&self, iteration: i64, attempt: usize) -> Option<&Snapshot> {
        self.kept
            .last()
            .filter(|k| k.is_of(iteration, attempt))
            .map(|k| &k.snapshot)
    }

    /// The states to which it may go back; a checkpoint names them.
    pub(super) fn states(&mut self) -> &mut [Healthy] {
        self.kept.all()
    }

    /// Adds all that it remembers, but for the states, to a checkpoint: a resumed training goes
    /// back to the same ones.
    pub(super) fn save(&self, into: &mut Snapshot) {
        into.values.insert(
            "loop.guard".to_owned(),
            json!({ "watch": self.watch.save(), "trend": self.trend.save(), "states": self.kept.save() }),
        );
    }

    /// Takes up what [`Guard::save`] kept. A checkpoint of a training without a guard has nothing.
    /// A state that is damaged is done without, and said to be.
    pub(super) fn load(&mut self, found: &Found, checkpoints: &mut Checkpoints) -> Result<()> {
        let Some(value) = found.snapshot.values.get("loop.guard") else {
            return Ok(());
        };
        let wrong = || Error::data("checkpoint: its guard cannot be read");
        self.watch.load(&value["watch"]).ok_or_else(wrong)?;
        self.trend.load(&value["trend"]).ok_or_else(wrong)?;
        self.kept.clear();
        for entry in value["states"].as_array().ok_or_else(wrong)? {
            let iteration = entry[0].as_i64().ok_or_else(wrong)?;
            let attempt = entry[1].as_u64().ok_or_else(wrong)? as usize;
            if let Some(state) = checkpoints.healthy(iteration, attempt, found)? {
                self.kept.take_up(state);
            }
        }
        Ok(())
    }
}

impl Training<'_> {
    /// Keeps the present state in memory, where one is due.
    pub(super) fn keep_healthy(&mut self, iteration: i64) {
        let Some(guard) = self.guard.as_mut().filter(|g| g.due(iteration)) else {
            return;
        };
        match Snapshot::of(&self.context.state) {
            Ok(snapshot) => guard.kept.keep(Healthy::new(
                iteration,
                self.record.rollbacks.len(),
                snapshot,
            )),
            Err(error) => {
                self.guard = None;
                self.context
                    .progress
                    .message(&format!("goes on without its guard: {}", error.message()));
            }
        }
    }

    /// Tells of what the guard saw that is no reason to go back.
    pub(super) fn tell_signs(&mut self, iteration: i64) -> Result<()> {
        let Some(text) = self.guard.as_mut().and_then(|guard| guard.told.take()) else {
            return Ok(());
        };
        let details = [("iteration", json!(iteration)), ("reason", json!(text))];
        self.event("collapsed", &details)?;
        let help =
            "chains that start anew more often, more noise on the data or a lower rate may help";
        let text = format!("iteration {iteration}: collapsed: {text}; {help}");
        self.context.progress.message(&text);
        Ok(())
    }

    /// Goes back to a healthy state, if the guard may; says whether it did.
    pub(super) fn roll_back(&mut self, iteration: i64, alarm: &Alarm) -> Result<bool> {
        let attempt = self.record.rollbacks.len() + 1;
        let Some(guard) = self
            .guard
            .as_mut()
            .filter(|g| attempt as i64 <= g.options.attempts)
        else {
            return Ok(false);
        };
        guard.kept.suspect(iteration);
        if let Some(since) = alarm.since {
            guard.kept.drop_after(since);
        }
        // Not much further than the last time: its state was no good either.
        let stuck = self
            .record
            .rollbacks
            .last()
            .filter(|r| iteration <= r.iteration + guard.options.every);
        if let Some(last) = stuck {
            guard.kept.drop_after(last.to - 1);
        }
        let Some(kept) = guard.kept.last() else {
            return Ok(false);
        };
        let (to, before) = (kept.iteration, kept.attempt);
        state::restore(&self.context.state, &kept.snapshot)?;
        guard.watch.reset();
        guard.trend.cut(to);
        let rollback = Rollback {
            iteration,
            to,
            reason: alarm.reason.clone(),
            cause: alarm.cause.words().to_owned(),
            factors: guard.ask(iteration, to, attempt, alarm)?,
        };
        self.record.rollbacks.push(rollback);
        // The state may be older than earlier times, whose factors hold still.
        for rollback in self.record.rollbacks.iter().skip(before) {
            cautious(&self.context.state).try_for_each(|one| one.ease(&rollback.factors))?;
        }
        self.record.cut(to);
        self.watch.reset();
        self.tell_rollback(attempt)?;
        self.context.progress.skip(to);
        if self.checkpoints.writes() {
            self.checkpoints.go_back(to);
            self.keep(to)?;
        }
        Ok(true)
    }

    fn tell_rollback(&mut self, attempt: usize) -> Result<()> {
        let Some(rollback) = self.record.rollbacks.last().cloned() else {
            return Ok(());
        };
        let Rollback {
            iteration,
            to,
            reason,
            cause,
            factors,
        } = rollback;
        let Factors {
            lr,
            steps,
            step_size,
            restart,
        } = factors;
        let details = [
            ("iteration", json!(iteration)),
            ("to", json!(to)),
            ("attempt", json!(attempt)),
            ("reason", json!(reason)),
            ("cause", json!(cause)),
            ("lr", json!(lr)),
            ("steps", json!(steps)),
            ("step_size", json!(step_size)),
            ("restart", json!(restart)),
        ];
        self.event("rolled back", &details)?;
        let attempts = self.guard.as_ref().map_or(0, |g| g.options.attempts);
        let restarts = match restart == 1.0 {
            true => String::new(),
            false => format!(", restarts × {restart}"),
        };
        self.context.progress.message(&format!(
            "iteration {iteration}: {reason}; rolled back to {to}, rate × {lr}, sampler steps × {steps}, their size × {step_size}{restarts}, \
             new noise ({attempt} of {attempts})",
        ));
        Ok(())
    }

    /// What was tried, for the hint of an error.
    pub(super) fn tried(&self) -> String {
        let mut all: Vec<(String, usize)> = Vec::new();
        for rollback in &self.record.rollbacks {
            let text = format!("from {} to {}", rollback.iteration, rollback.to);
            match all.last_mut().filter(|(last, _)| *last == text) {
                Some((_, times)) => *times += 1,
                None => all.push((text, 1)),
            }
        }
        let one = |(text, times): &(String, usize)| {
            if *times == 1 {
                text.clone()
            } else {
                format!("{text} ({times} times)")
            }
        };
        let all: Vec<String> = all.iter().map(one).collect();
        if all.is_empty() {
            String::new()
        } else {
            format!("; the guard rolled back before: {}", all.join(", "))
        }
    }
}

/// What can go on more carefully.
pub(super) fn cautious(states: &[(String, Rc<dyn State>)]) -> impl Iterator<Item = &dyn Cautious> {
    states.iter().filter_map(|(_, state)| state.cautious())
}
