//! The options of the guard, and what a policy may answer.

use std::sync::OnceLock;

use super::super::watch::Limits;
use super::trend::Cause;
use crate::error::{Error, Result};
use crate::options::{Field, Function, Options, Value};
use crate::params::Factors;

crate::options! {
    /// Options of the guard.
    pub struct GuardOptions for "train.guard" {
        /// iterations between two states kept in memory
        every: i64 = 50,
        /// how many healthy states are kept, thinned: about 1, 2, 4, 8, … times `every` old; when
        /// going back to one fails, the one before it is next
        keep: i64 = 4,
        /// whether it also acts on what creeps: medians over `every` iterations that run away from
        /// where they lay, before anything is out of bounds
        trend: bool = true,
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
        /// what the share of the chains of replay buffers that start anew is multiplied by where
        /// samples have beaten the data, until the training ends
        restart: f64 = 2.0,
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
        /// called each time with #{ iteration, to, attempt, reason, cause }; may change what it has
        /// captured, and may give
        /// #{ lr: …, steps: …, step_size: …, restart: … }, factors in place of those above
        policy: Option<Function> = None,
    }
    check |o| { o.check_all() }
}

impl GuardOptions {
    /// The guard as `train` is told it: `true`, `false`, or a map of its options.
    pub(in crate::train) fn of(value: &Value) -> Result<Option<GuardOptions>> {
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
            ("restart", self.restart),
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

    pub(super) fn limits(&self) -> Result<Limits> {
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

/// What to go on with: what the options say for this cause, or what a policy answered.
pub(super) fn factors(options: &GuardOptions, cause: Cause, answer: &Value) -> Result<Factors> {
    let GuardOptions {
        lr,
        steps,
        step_size,
        ..
    } = *options;
    // More of the same chains would climb the same wrong maxima: new ones lead away from them.
    let restart = match cause {
        Cause::Beaten => options.restart,
        _ => 1.0,
    };
    let mut factors = Factors {
        lr,
        steps,
        step_size,
        restart,
    };
    let wrong = |what: String| {
        Error::argument(format!(
            "train: the guard's policy must give nothing or #{{ lr: …, steps: …, step_size: …, restart: … }}, got {what}"
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
                    "restart" => factors.restart = value,
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
