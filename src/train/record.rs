//! What a training leaves in memory: every logged number by name, the validations, the best one.

use std::fmt;

use super::progress::{clock, short};
use crate::error::{Error, Result};
use crate::params::Factors;

/// One logged quantity.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// At which iterations it was logged.
    pub iterations: Vec<i64>,
    /// Its values there.
    pub values: Vec<f64>,
}

/// The best validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// The name of the number.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// When it was reached.
    pub iteration: i64,
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
    /// What the numbers point to: "sampler behind", "samples beat the data", "energies drift",
    /// "out of bounds", "not finite".
    pub cause: String,
    /// What rate and sampler steps were multiplied by.
    pub factors: Factors,
}

impl Rollback {
    /// The keys of the maps in which scripts see it: a policy's event, and `record.rollbacks`.
    pub const KEYS: [&str; 9] = [
        "iteration",
        "to",
        "attempt",
        "reason",
        "cause",
        "lr",
        "steps",
        "step_size",
        "restart",
    ];
}

/// The history of a training.
#[derive(Clone)]
pub struct Record {
    /// The training's name.
    pub name: String,
    /// What the step logged.
    pub columns: Vec<Column>,
    /// What `validate` gave.
    pub validation: Vec<Column>,
    /// The best validation.
    pub best: Option<Best>,
    /// How many iterations were done.
    pub iterations: i64,
    /// How long they took.
    pub seconds: f64,
    /// The iteration at which the training counted as diverged.
    pub diverged: Option<i64>,
    /// The times that the guard went back to a healthy state. What was logged in the iterations
    /// that were done again is not in the columns.
    pub rollbacks: Vec<Rollback>,
    /// Why it ended before its last iteration, where the script said so.
    pub stopped: Option<String>,
}

crate::object_option!(Record, "record", "`train` gives one");

impl Record {
    pub(super) fn new(name: &str) -> Record {
        Record {
            name: name.to_owned(),
            columns: Vec::new(),
            validation: Vec::new(),
            best: None,
            iterations: 0,
            seconds: 0.0,
            diverged: None,
            rollbacks: Vec::new(),
            stopped: None,
        }
    }

    pub(super) fn add(&mut self, iteration: i64, values: &[(String, f64)]) {
        add(&mut self.columns, iteration, values);
    }

    pub(super) fn add_validation(&mut self, iteration: i64, values: &[(String, f64)]) {
        add(&mut self.validation, iteration, values);
    }

    /// Forgets what comes after an iteration. The best validation stays: its state is kept.
    pub(super) fn cut(&mut self, iteration: i64) {
        for column in self.columns.iter_mut().chain(&mut self.validation) {
            let n = column.iterations.partition_point(|i| *i <= iteration);
            column.iterations.truncate(n);
            column.values.truncate(n);
        }
        // A column without numbers would be one that an unbroken record does not have.
        self.columns.retain(|c| !c.values.is_empty());
        self.validation.retain(|c| !c.values.is_empty());
        (self.iterations, self.diverged) = (iteration, None);
    }

    /// How many iterations were done again.
    pub fn repeated(&self) -> i64 {
        self.rollbacks.iter().map(|r| r.iteration - r.to).sum()
    }

    /// The names of all logged quantities, then of those validated.
    pub fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .chain(&self.validation)
            .map(|c| c.name.clone())
            .collect()
    }

    /// A logged or validated quantity by name.
    pub fn column(&self, name: &str) -> Result<Column> {
        let all = || self.columns.iter().chain(&self.validation);
        all().find(|c| c.name == name).cloned().ok_or_else(|| {
            Error::unknown(
                &format!("record: nothing was logged as `{name}`"),
                name,
                all().map(|c| c.name.as_str()),
            )
        })
    }
}

fn add(columns: &mut Vec<Column>, iteration: i64, values: &[(String, f64)]) {
    for (position, (name, value)) in values.iter().enumerate() {
        // Steps return the same names in the same order: the place is nearly always right.
        let place = match columns.get(position) {
            Some(c) if c.name == *name => Some(position),
            _ => columns.iter().position(|c| c.name == *name),
        };
        let place = place.unwrap_or_else(|| {
            columns.push(Column {
                name: name.clone(),
                ..Column::default()
            });
            columns.len() - 1
        });
        columns[place].iterations.push(iteration);
        columns[place].values.push(*value);
    }
}

impl fmt::Display for Record {
    /// A line on the whole, then each quantity at the start and at the end (means over a tenth),
    /// with its extremes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} iterations in {}",
            self.name,
            self.iterations,
            clock(self.seconds)
        )?;
        if let Some(best) = &self.best {
            write!(
                f,
                ", best {} {} at {}",
                best.name,
                short(best.value),
                best.iteration
            )?;
        }
        if let Some(iteration) = self.diverged {
            write!(f, ", diverged at {iteration}")?;
        }
        if !self.rollbacks.is_empty() {
            let times = self.rollbacks.len();
            let word = if times == 1 { "time" } else { "times" };
            write!(
                f,
                ", rolled back {times} {word} ({} iterations again)",
                self.repeated()
            )?;
        }
        let all: Vec<&Column> = self.columns.iter().chain(&self.validation).collect();
        let width = all
            .iter()
            .map(|c| c.name.chars().count())
            .max()
            .unwrap_or(0);
        if !all.is_empty() {
            write!(
                f,
                "\n{:width$} {:>10} {:>10} {:>10} {:>10}",
                "", "start", "end", "lowest", "highest"
            )?;
        }
        for column in all {
            let v = &column.values;
            let tenth = v.len().div_ceil(10);
            let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
            let low = v.iter().copied().fold(f64::INFINITY, f64::min);
            let high = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            write!(f, "\n{:width$}", column.name)?;
            for number in [mean(&v[..tenth]), mean(&v[v.len() - tenth..]), low, high] {
                write!(f, " {:>10}", short(number))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
