//! The options of the training loop.

use super::guard::GuardOptions;
use crate::error::Error;
use crate::options::{Function, Value};

/// Bytes of a training's name: a checkpoint's file has an iteration, an ending and a temporary mark
/// beside it, 255 in all.
const LONGEST_NAME: usize = 128;

crate::choice! {
    /// Which value of a number is best.
    pub enum Extreme {
        /// The largest.
        Max = "max",
        /// The smallest.
        Min = "min",
    }
}

crate::options! {
    /// Options of the training loop.
    pub struct TrainOptions for "train" {
        /// passes over the training part; 1 unless `iterations` is given
        epochs: Option<i64> = None,
        /// number of iterations, in place of `epochs`
        iterations: Option<i64> = None,
        /// rows in a batch
        batch_size: i64 = 64,
        /// whether each epoch has its own random order
        shuffle: bool = true,
        /// whether a last, smaller batch of an epoch is left out
        drop_last: bool = true,
        /// iterations between validations, sample grids and checkpoints; all of them come at the
        /// end too
        every: i64 = 100,
        /// iterations between two lines of metrics
        log_every: i64 = 1,
        /// what to measure: called with the validation part, gives a number or a map of numbers
        validate: Option<Function> = None,
        /// the number of `validate` by which the best state is kept; needed where it gives several
        best: Option<String> = None,
        /// which of its values is best
        mode: Extreme = Extreme::Max,
        /// validations on end without a better one after which the training stops; off unless given
        patience: Option<i64> = None,
        /// whether the best state is put back at the end
        restore_best: bool = false,
        /// what to draw: called without arguments, gives images for a grid, or a picture
        samples: Option<Function> = None,
        /// whether checkpoints are written to the run folder; without them the training cannot be
        /// resumed
        checkpoint: bool = true,
        /// how many checkpoints are kept, the best one not counted
        keep: i64 = 2,
        /// what to do when it diverges: true goes back to a healthy state (options in a map: see
        /// below), false does not
        guard: Value = Value::Bool(true),
        /// whether a training that diverged, and cannot go back any more, ends with an error; else
        /// it is marked and goes on
        stop_on_divergence: bool = false,
        /// tells several trainings of one run apart; stands in metrics and file names
        name: String = "train".to_owned(),
    }
    check |o| {
        for (name, value) in [("epochs", o.epochs), ("iterations", o.iterations), ("batch_size", Some(o.batch_size)),
            ("every", Some(o.every)), ("log_every", Some(o.log_every)), ("keep", Some(o.keep)), ("patience", o.patience)] {
            if let Some(value) = value.filter(|v| *v < 1) {
                return Err(Error::argument(format!("train: `{name}` must be at least 1, got {value}")));
            }
        }
        if o.epochs.is_some() && o.iterations.is_some() {
            return Err(Error::argument("train: give `epochs` or `iterations`, not both"));
        }
        if o.validate.is_none() && (o.best.is_some() || o.restore_best || o.patience.is_some()) {
            return Err(Error::argument("train: `best`, `restore_best` and `patience` need `validate`")
                .with_hint("as in validate: |part| evaluate::accuracy(model, part)"));
        }
        GuardOptions::of(&o.guard)?;
        if o.name.len() > LONGEST_NAME {
            let text = format!("train: `name` has {} bytes, more than the {LONGEST_NAME} that file names leave it", o.name.len());
            return Err(Error::argument(text));
        }
        if o.name.is_empty() || !o.name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c)) {
            return Err(Error::argument(format!("train: `name` must be letters, digits, - and _, got {:?}", o.name)));
        }
        Ok(())
    }
}
