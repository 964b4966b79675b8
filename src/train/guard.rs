//! The guard: keeps the last healthy states in memory, and goes back to one of them when a training
//! diverges.
//!
//! A state is kept every `every` iterations while nothing is out of bounds. It counts as healthy
//! when as many iterations after it were calm too: what leads to a divergence begins before
//! anything is out of bounds. Going back changes the noise of all later iterations, lowers the rate
//! and gives the sampler more steps. A training that never diverges is the same to the bit with the
//! guard and without it.

use std::rc::Rc;
use std::sync::OnceLock;

use serde_json::json;

use super::checkpoint::{Checkpoints, Healthy};
use super::found::Found;
use super::watch::{Limits, Watch};
use super::{TrainOptions, Training, state};
use crate::error::{Error, Result};
use crate::options::{Field, Function, Options, Value};
use crate::params::{Cautious, Factors, Snapshot, State};

crate::options! {
    /// Options of the guard.
    pub struct GuardOptions for "train.guard" {
        /// iterations between two states kept in memory
        every: i64 = 50,
        /// how many healthy states are kept; when going back to one fails, the one before it is
        /// next
        keep: i64 = 2,
        /// the most times that it goes back
        attempts: i64 = 5,
        /// what the rate of the optimisers is multiplied by each time
        lr: f64 = 0.5,
        /// what the number of steps of the samplers is multiplied by each time, until the training
        /// ends
        steps: f64 = 1.5,
        /// what the size of their steps is multiplied by each time, until the training ends; noise
        /// changes with its root, so that the temperature stays
        step_size: f64 = 0.5,
        /// how many iterations on end something must be out of bounds
        patience: i64 = 100,
        /// bound of the absolute gap
        gap: f64 = 50.0,
        /// bound of the absolute mean energies, all that is logged as `e_…`
        energy: f64 = 1e4,
        /// bound of the absolute `total` of a loss; beyond it there is no patience
        loss: f64 = 1e8,
        /// bounds of other logged quantities: #{ grad_norm: 1_000 }
        limits: Value = Value::Map(Vec::new()),
        /// called each time with #{ iteration, to, attempt, reason }; may change what it has
        /// captured, and may give
        /// #{ lr: …, steps: …, step_size: … }, factors in place of those above
        policy: Option<Function> = None,
    }
    check |o| { o.check_all() }
}

impl GuardOptions {
    /// The guard as `train` is told it: `true`, `false`, or a map of its options.
    pub(super) fn of(value: &Value) -> Result<Option<GuardOptions>> {
        match value {
            Value::Bool(false) => Ok(None),
            Value::Bool(true) => Ok(Some(GuardOptions::default())),
            Value::Map(map) => {
                GuardOptions::from_map(map.iter().map(|(k, v)| (k.as_str(), v))).map(Some)
            }
            other => Err(Error::argument(format!(
                "train: `guard` must be true, false or a map, got {}",
                other.type_name()
            ))
            .with_hint("as in guard: #{ attempts: 3, lr: 0.3 }")),
        }
    }

    /// The table as part of that of `train`: `guard.every` and so on.
    pub fn rows() -> Vec<Field> {
        static NAMES: OnceLock<Vec<String>> = OnceLock::new();
        let fields = GuardOptions::fields();
        let names =
            NAMES.get_or_init(|| fields.iter().map(|f| format!("guard.{}", f.name)).collect());
        fields
            .into_iter()
            .zip(names)
            .map(|(f, name)| Field { name, ..f })
            .collect()
    }

    fn check_all(&self) -> Result<()> {
        for (name, value) in [
            ("every", self.every),
            ("keep", self.keep),
            ("patience", self.patience),
        ] {
            if value < 1 {
                return Err(Error::argument(format!(
                    "train: `guard.{name}` must be at least 1, got {value}"
                )));
            }
        }
        if self.attempts < 0 {
            return Err(Error::argument(format!(
                "train: `guard.attempts` cannot be negative, got {}",
                self.attempts
            )));
        }
        let positive = [
            ("gap", self.gap),
            ("energy", self.energy),
            ("loss", self.loss),
        ];
        let others = self.others()?;
        let all = positive
            .into_iter()
            .chain(others.iter().map(|(n, v)| (n.as_str(), *v)));
        for (name, value) in all.chain([
            ("lr", self.lr),
            ("steps", self.steps),
            ("step_size", self.step_size),
        ]) {
            factor(name, value)?;
        }
        Ok(())
    }

    fn others(&self) -> Result<Vec<(String, f64)>> {
        let wrong = |what: &str| {
            Error::argument(format!(
                "train: `guard.limits` must be a map of numbers, got {what}"
            ))
            .with_hint("as in limits: #{ grad_norm: 1_000 }")
        };
        let Value::Map(map) = &self.limits else {
            return Err(wrong(self.limits.type_name()));
        };
        let one = |(name, value): &(String, Value)| match value.as_f64() {
            Some(limit) => Ok((name.clone(), limit)),
            None => Err(wrong(&format!("{} as `{name}`", value.type_name()))),
        };
        map.iter().map(one).collect()
    }

    fn limits(&self) -> Result<Limits> {
        let GuardOptions {
            gap,
            energy,
            loss,
            patience,
            ..
        } = *self;
        Ok(Limits {
            gap,
            energy,
            loss,
            patience,
            others: self.others()?,
        })
    }
}

fn factor(name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::argument(format!(
        "train: `guard.{name}` must be a number above 0, got {value}"
    )))
}

/// One time that a training went back.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    /// The last iteration before it.
    pub iteration: i64,
    /// After which iteration the training goes on.
    pub to: i64,
    /// Why.
    pub reason: String,
    /// What rate and sampler steps were multiplied by.
    pub factors: Factors,
}

impl Rollback {
    /// The keys of the maps in which scripts see it: a policy's event, and `record.rollbacks`.
    pub const KEYS: [&str; 7] = [
        "iteration",
        "to",
        "attempt",
        "reason",
        "lr",
        "steps",
        "step_size",
    ];
}

pub(super) struct Guard {
    options: GuardOptions,
    watch: Watch,
    /// The states, oldest first; the newest one is not proved yet.
    kept: Vec<Healthy>,
}

impl Guard {
    pub(super) fn new(options: &TrainOptions) -> Result<Option<Guard>> {
        let Some(options) = GuardOptions::of(&options.guard)? else {
            return Ok(None);
        };
        let watch = Watch::new(options.limits()?);
        Ok(Some(Guard {
            options,
            watch,
            kept: Vec::new(),
        }))
    }

    /// Looks at one iteration's numbers; gives the reason to go back, if there is one.
    pub(super) fn look(&mut self, iteration: i64, values: &[(String, f64)]) -> Option<String> {
        let reason = self.watch.look(values);
        if !self.watch.calm() {
            self.suspect(iteration);
        }
        reason
    }

    /// Whether nothing is out of bounds now.
    pub(super) fn calm(&self) -> bool {
        self.watch.calm()
    }

    /// States that were not calm for long enough afterwards are not healthy. One always stays.
    fn suspect(&mut self, iteration: i64) {
        while self.kept.len() > 1
            && self
                .kept
                .last()
                .is_some_and(|k| k.iteration + self.options.every > iteration)
        {
            self.kept.pop();
        }
    }

    fn due(&self, iteration: i64) -> bool {
        iteration % self.options.every == 0 && self.watch.calm()
    }

    fn keep(&mut self, healthy: Healthy) {
        // After going back the same iteration comes again.
        self.kept.retain(|k| k.iteration < healthy.iteration);
        self.kept.push(healthy);
        // The newest one is not proved yet.
        let old = self
            .kept
            .len()
            .saturating_sub(self.options.keep as usize + 1);
        self.kept.drain(..old);
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
        &mut self.kept
    }

    /// Adds all that it remembers, but for the states, to a checkpoint: a resumed training goes
    /// back to the same ones.
    pub(super) fn save(&self, into: &mut Snapshot) {
        let states: Vec<_> = self
            .kept
            .iter()
            .map(|k| json!([k.iteration, k.attempt]))
            .collect();
        into.values.insert(
            "loop.guard".to_owned(),
            json!({ "watch": self.watch.save(), "states": states }),
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
        self.kept.clear();
        for entry in value["states"].as_array().ok_or_else(wrong)? {
            let iteration = entry[0].as_i64().ok_or_else(wrong)?;
            let attempt = entry[1].as_u64().ok_or_else(wrong)? as usize;
            self.kept
                .extend(checkpoints.healthy(iteration, attempt, found)?);
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
            Ok(snapshot) => guard.keep(Healthy::new(
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

    /// Goes back to the last healthy state, if the guard may; says whether it did.
    pub(super) fn roll_back(&mut self, iteration: i64, reason: &str) -> Result<bool> {
        let attempt = self.record.rollbacks.len() + 1;
        let Some(guard) = self
            .guard
            .as_mut()
            .filter(|g| attempt as i64 <= g.options.attempts)
        else {
            return Ok(false);
        };
        guard.suspect(iteration);
        // Not much further than the last time: its state was no good either.
        let stuck = self
            .record
            .rollbacks
            .last()
            .filter(|r| iteration <= r.iteration + guard.options.every);
        if let Some(last) = stuck {
            while guard.kept.len() > 1 && guard.kept.last().is_some_and(|k| k.iteration >= last.to)
            {
                guard.kept.pop();
            }
        }
        let Some(kept) = guard.kept.last() else {
            return Ok(false);
        };
        let (to, before) = (kept.iteration, kept.attempt);
        state::restore(&self.context.state, &kept.snapshot)?;
        guard.watch.reset();
        let options = guard.options.clone();
        let event = Value::Map(vec![
            ("iteration".to_owned(), Value::Int(iteration)),
            ("to".to_owned(), Value::Int(to)),
            ("attempt".to_owned(), Value::Int(attempt as i64)),
            ("reason".to_owned(), Value::Str(reason.to_owned())),
        ]);
        let answer = options
            .policy
            .as_ref()
            .map_or(Ok(Value::None), |policy| policy.call(&[event]))?;
        let factors = factors(&options, &answer)?;
        self.record.rollbacks.push(Rollback {
            iteration,
            to,
            reason: reason.to_owned(),
            factors,
        });
        // The state may be older than earlier times, whose factors hold still.
        for rollback in self.record.rollbacks.iter().skip(before) {
            cautious(&self.context.state).try_for_each(|one| one.ease(&rollback.factors))?;
        }
        self.record.cut(to);
        self.watch.reset();
        let Factors {
            lr,
            steps,
            step_size,
        } = factors;
        let details = [
            ("iteration", json!(iteration)),
            ("to", json!(to)),
            ("attempt", json!(attempt)),
            ("reason", json!(reason)),
            ("lr", json!(lr)),
            ("steps", json!(steps)),
            ("step_size", json!(step_size)),
        ];
        self.event("rolled back", &details)?;
        self.context.progress.message(&format!(
            "iteration {iteration}: {reason}; rolled back to {to}, rate × {lr}, sampler steps × {steps}, their size × {step_size}, new noise \
             ({attempt} of {})",
            options.attempts
        ));
        self.context.progress.skip(to);
        if self.checkpoints.writes() {
            self.checkpoints.go_back(to);
            self.keep(to)?;
        }
        Ok(true)
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

/// What a policy answered: nothing, or factors.
fn factors(options: &GuardOptions, answer: &Value) -> Result<Factors> {
    let GuardOptions {
        lr,
        steps,
        step_size,
        ..
    } = *options;
    let mut factors = Factors {
        lr,
        steps,
        step_size,
    };
    let wrong = |what: String| {
        Error::argument(format!(
            "train: the guard's policy must give nothing or #{{ lr: …, steps: …, step_size: … }}, got {what}"
        ))
    };
    match answer {
        Value::Map(map) => {
            for (key, value) in map {
                let value = value
                    .as_f64()
                    .ok_or_else(|| wrong(format!("{} as `{key}`", value.type_name())))?;
                factor(key, value)?;
                match key.as_str() {
                    "lr" => factors.lr = value,
                    "steps" => factors.steps = value,
                    "step_size" => factors.step_size = value,
                    _ => return Err(wrong(format!("`{key}`"))),
                }
            }
        }
        // What a closure's last line happens to be is no answer.
        Value::None | Value::Bool(_) => {}
        other => return Err(wrong(other.type_name().to_owned())),
    }
    Ok(factors)
}
