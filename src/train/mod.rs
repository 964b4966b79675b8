//! The training loop: the step is the recipe, the loop is ours.
//!
//! A step takes a batch, changes its models, and returns named numbers. The loop gives it batches in a seeded order, seeds
//! libtorch's generator before it, logs what it returns and what was noted on the way ([`crate::record`]), validates, draws
//! samples, keeps checkpoints, stops at a value that is not finite and at Ctrl-C, and says when training diverges.

#[cfg(feature = "cli")]
mod bar;
mod guard;
mod keeper;
mod observe;
mod progress;
mod record;
mod rehearse;

use std::rc::Rc;
use std::time::Instant;

use serde_json::json;

#[cfg(feature = "cli")]
pub use bar::Bar;
pub use progress::{Lines, Progress, Silent};
#[cfg(feature = "kernel")]
pub(crate) use progress::{clock, summary};
pub use record::{Best, Column, Record};

use crate::data::{Batch, BatchOptions, Batches, Dataset};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Function, Options, Value};
use crate::params::State;
use crate::plot::{self, GridOptions, Picture};
use crate::rehearsal;
use crate::run::Run;
use crate::tensor::{self, Stream, Tensor};
use guard::Watch;
use keeper::Keeper;

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
        /// iterations between validations, sample grids and checkpoints; all of them come at the end too
        every: i64 = 100,
        /// iterations between two lines of metrics
        log_every: i64 = 1,
        /// what to measure: called with the validation part, gives a number or a map of numbers
        validate: Option<Function> = None,
        /// the number of `validate` by which the best state is kept; needed where it gives several
        best: Option<String> = None,
        /// whether "max" or "min" of it is best
        mode: String = "max".to_owned(),
        /// whether the best state is put back at the end
        restore_best: bool = false,
        /// what to draw: called without arguments, gives images for a grid, or a picture
        samples: Option<Function> = None,
        /// whether checkpoints are written to the run folder
        checkpoint: bool = true,
        /// whether a diverged training ends with an error; else it is marked and goes on
        stop_on_divergence: bool = false,
        /// tells several trainings of one run apart; stands in metrics and file names
        name: String = "train".to_owned(),
    }
    check |o| {
        for (name, value) in [("epochs", o.epochs), ("iterations", o.iterations), ("batch_size", Some(o.batch_size)),
            ("every", Some(o.every)), ("log_every", Some(o.log_every))] {
            if let Some(value) = value.filter(|v| *v < 1) {
                return Err(Error::argument(format!("train: `{name}` must be at least 1, got {value}")));
            }
        }
        if o.epochs.is_some() && o.iterations.is_some() {
            return Err(Error::argument("train: give `epochs` or `iterations`, not both"));
        }
        if !["max", "min"].contains(&o.mode.as_str()) {
            return Err(Error::argument(format!("train: `mode` must be \"max\" or \"min\", got {:?}", o.mode)));
        }
        if o.validate.is_none() && (o.best.is_some() || o.restore_best) {
            return Err(Error::argument("train: `best` and `restore_best` need `validate`")
                .with_hint("as in validate: |part| evaluate::accuracy(model, part)"));
        }
        if o.name.is_empty() || !o.name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c)) {
            return Err(Error::argument(format!("train: `name` must be letters, digits, - and _, got {:?}", o.name)));
        }
        Ok(())
    }
}

/// What a training needs from its surroundings.
#[derive(Clone)]
pub struct Context {
    /// Where metrics, pictures and checkpoints go.
    pub run: Run,
    /// The seed that decides everything.
    pub seed: u64,
    /// What the step changes, by name: what checkpoints hold.
    pub state: Vec<(String, Rc<dyn State>)>,
    /// Who is told how far it is.
    pub progress: Rc<dyn Progress>,
}

impl Context {
    /// A context that writes and says nothing.
    pub fn quiet(seed: u64) -> Context {
        Context { run: Run::none(), seed, state: Vec::new(), progress: Rc::new(Silent) }
    }

    /// The same context with one more thing that the step changes.
    #[must_use]
    pub fn with_state(mut self, name: &str, state: Rc<dyn State>) -> Context {
        self.state.push((name.to_owned(), state));
        self
    }
}

/// A training step: takes a batch, changes its models, returns single numbers by name.
pub type Step<'a> = dyn FnMut(&Batch) -> Result<Vec<(String, Tensor)>> + 'a;

/// Trains: calls `step` with batches of the training part until all epochs or iterations are done.
pub fn train(data: &Dataset, options: &TrainOptions, context: &Context, step: &mut Step) -> Result<Record> {
    options.check()?;
    let batches = Batches::new(&data.train, &batch_options(options, context)).map_err(|e| e.context("train"))?;
    let per_epoch = batches.per_epoch();
    let total = match options.iterations {
        Some(n) => Some(n),
        None => options.epochs.unwrap_or(1).checked_mul(per_epoch),
    };
    let total = total.ok_or_else(|| Error::argument("train: more iterations than can be counted"))?;
    if rehearsal::on() {
        return rehearse::train(data, options, context, step, total);
    }
    let mut training = Training::new(data, options, context, total);
    training.run(&batches, step)?;
    Ok(training.record)
}

fn batch_options(options: &TrainOptions, context: &Context) -> BatchOptions {
    BatchOptions {
        batch_size: options.batch_size,
        shuffle: options.shuffle,
        drop_last: options.drop_last,
        seed: context.seed as i64,
    }
}

/// A training on its way.
struct Training<'a> {
    data: &'a Dataset,
    options: &'a TrainOptions,
    context: &'a Context,
    keeper: Keeper<'a>,
    watch: Watch,
    record: Record,
    prefix: String,
    total: i64,
    /// How many looks of the real run stand behind each one here; more than 1 only in a rehearsal.
    looks: i64,
}

impl<'a> Training<'a> {
    fn new(data: &'a Dataset, options: &'a TrainOptions, context: &'a Context, total: i64) -> Training<'a> {
        let name = context.run.name_training(&options.name);
        // The one training of a plain script has plain file names.
        let prefix = if name == "train" { String::new() } else { format!("{name}-") };
        Training {
            data,
            options,
            context,
            keeper: Keeper::new(context, options, &prefix),
            watch: Watch::default(),
            record: Record::new(&name),
            prefix,
            total,
            looks: 1,
        }
    }

    fn run(&mut self, batches: &Batches, step: &mut Step) -> Result<()> {
        let started = Instant::now();
        self.context.progress.start(&self.record.name, self.total);
        let outcome = self.iterate(batches, step);
        self.context.progress.finish();
        self.record.seconds = started.elapsed().as_secs_f64();
        outcome
    }

    fn iterate(&mut self, batches: &Batches, step: &mut Step) -> Result<()> {
        self.event("train", &[("iterations", json!(self.total)), ("options", json!(self.options.show()))])?;
        for iteration in 1..=self.total {
            if crate::interrupt::requested() {
                return Err(self.interrupted(true)?);
            }
            let batch = batches.at(iteration - 1)?;
            tensor::seed(self.context.seed, Stream::Train, iteration as u64);
            let values = match observe::step(step, &batch) {
                Ok(values) => values,
                Err(error) => return Err(self.failed(error)?),
            };
            self.record.iterations = iteration;
            self.note(iteration, &values)?;
            self.context.progress.update(iteration, &values);
            if (iteration % self.options.every == 0 || iteration == self.total)
                && let Err(error) = rehearsal::repeated(1, self.looks, || self.look(iteration))
            {
                return Err(self.failed(error)?);
            }
        }
        self.keeper.finish(self.total)?;
        if self.options.restore_best {
            self.keeper.restore_best()?;
        }
        self.event("trained", &[("iterations", json!(self.total))])
    }

    /// Logs one iteration; stops at what is not finite; watches for divergence.
    fn note(&mut self, iteration: i64, values: &[(String, f64)]) -> Result<()> {
        let wrong = values.iter().find(|(_, v)| !v.is_finite());
        if iteration % self.options.log_every == 0 || iteration == self.total || wrong.is_some() {
            self.record.add(iteration, values);
            self.context.run.log(&self.record.name, iteration, values)?;
        }
        if let Some((name, value)) = wrong {
            return Err(self.not_finite(iteration, name, *value)?);
        }
        if let Some(reason) = self.watch.look(values) {
            self.record.diverged = Some(iteration);
            self.event("diverged", &[("iteration", json!(iteration)), ("reason", json!(reason))])?;
            let text = format!("diverged at iteration {iteration}: {reason}");
            if self.options.stop_on_divergence {
                self.keeper.flush_best()?;
                return Err(Error::state(format!("train: {text}")).with_hint(guard::REMEDIES));
            }
            self.context.progress.message(&text);
        }
        Ok(())
    }

    /// Validates, draws samples, keeps checkpoints; all under the evaluation stream of the seed.
    fn look(&mut self, iteration: i64) -> Result<()> {
        tensor::seed(self.context.seed, Stream::Evaluate, iteration as u64);
        if let Some(validate) = &self.options.validate {
            let part = Value::object("part", self.data.validation.clone());
            let found = observe::numbers(&validate.call(&[part])?)?;
            self.record.add_validation(iteration, &found);
            self.context.run.log(&self.record.name, iteration, &observe::prefixed("validation", &found))?;
            let (key, value) = observe::chosen(&found, self.options.best.as_deref())?;
            let better = self.keeper.offer(iteration, &key, value)?;
            if better {
                self.record.best = Some(Best { name: key, value, iteration });
            }
            let shown: Vec<String> = found.iter().map(|(n, v)| format!("{n} {}", progress::short(*v))).collect();
            let mark = if better { "  (best so far)" } else { "" };
            self.context.progress.message(&format!("iteration {iteration}: {}{mark}", shown.join("  ")));
        }
        if let Some(samples) = &self.options.samples {
            let drawn = self.picture(&samples.call(&[])?)?;
            if self.context.run.writes() {
                let name = format!("{}samples-{iteration:06}.png", self.prefix);
                self.context.run.write(&name, &drawn.png_bytes()?)?;
            }
        }
        self.keeper.last(iteration)
    }

    /// What `samples` gave, as a picture.
    fn picture(&self, value: &Value) -> Result<Picture> {
        if let Some(picture) = value.downcast::<Picture>() {
            return Ok(picture);
        }
        let images = value.downcast::<Tensor>().ok_or_else(|| {
            Error::argument(format!("train: `samples` must give images or a picture, got {}", value.type_name()))
        })?;
        plot::grid(&images, &GridOptions { range: self.data.range, ..GridOptions::default() })
    }

    fn event(&self, what: &str, details: &[(&str, serde_json::Value)]) -> Result<()> {
        let mut all = vec![("train", json!(self.record.name))];
        all.extend_from_slice(details);
        self.context.run.event(what, &all)
    }

    /// Keeps the state and tells how far it came. It is whole unless the interrupt broke into a step.
    fn interrupted(&mut self, whole: bool) -> Result<Error> {
        let done = self.record.iterations;
        self.keeper.finish(done)?;
        self.event("interrupted", &[("iteration", json!(done)), ("whole", json!(whole))])?;
        let place = self.context.run.folder().map(|f| format!("; what there is lies in {}", f.display()));
        let text = format!("train: interrupted after {done} of {} iterations{}", self.total, place.unwrap_or_default());
        Ok(Error::new(ErrorKind::Interrupted, text))
    }

    /// An error from the step, the validation or the samples; Ctrl-C may come as one.
    fn failed(&mut self, error: Error) -> Result<Error> {
        if error.kind() == ErrorKind::Interrupted || crate::interrupt::requested() {
            return self.interrupted(false);
        }
        self.keeper.flush_best()?;
        self.event("failed", &[("iteration", json!(self.record.iterations)), ("error", json!(error.message()))])?;
        Ok(error)
    }

    /// A value that is not finite: the state is kept apart for study, the last good checkpoint stays.
    fn not_finite(&mut self, iteration: i64, name: &str, value: f64) -> Result<Error> {
        let value = if value.is_nan() { "NaN".to_owned() } else { value.to_string() };
        let last = self.keeper.stopped(iteration)?;
        self.event("stopped", &[("iteration", json!(iteration)), ("quantity", json!(name)), ("value", json!(value))])?;
        let mut hint = guard::REMEDIES.to_owned();
        if let Some(last) = last {
            hint += &format!("; the last checkpoint is {}", last.display());
        }
        let text = format!("train: stopped at iteration {iteration}: `{name}` is {value}");
        Ok(Error::new(ErrorKind::NonFinite, text).with_hint(hint))
    }
}

#[cfg(test)]
mod tests;
