//! The training loop: the step is the recipe, the loop is ours.
//!
//! A step takes a batch, changes its models, and returns named numbers. The loop gives it batches in a seeded order, seeds
//! libtorch's generator before it, logs what it returns and what was noted on the way ([`crate::record`]), validates, draws
//! samples, keeps checkpoints, stops at Ctrl-C, and goes back to a healthy state where training diverges ([`guard`]).

#[cfg(feature = "cli")]
mod bar;
mod guard;
mod keeper;
mod observe;
mod progress;
mod record;
mod rehearse;
mod state;
mod watch;
mod writer;

use std::cell::Cell;
use std::rc::Rc;
use std::thread::LocalKey;
use std::time::Instant;

use serde_json::json;

#[cfg(feature = "cli")]
pub use bar::Bar;
pub use guard::{GuardOptions, Rollback};
pub use progress::{Lines, Progress, Silent};
#[cfg(feature = "kernel")]
pub(crate) use progress::{clock, summary};
pub use record::{Best, Column, Record};

use crate::data::{Batch, BatchOptions, Batches, Dataset};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Function, Options, Value};
use crate::params::{Snapshot, State};
use crate::plot::{self, GridOptions, Picture};
use crate::rehearsal;
use crate::run::Run;
use crate::tensor::{self, Stream, Tensor};
use guard::Guard;
use keeper::{Found, Keeper};
use watch::Watch;

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
        /// whether checkpoints are written to the run folder; without them the training cannot be resumed
        checkpoint: bool = true,
        /// how many checkpoints are kept, the best one not counted
        keep: i64 = 2,
        /// what to do when it diverges: true goes back to a healthy state (options in a map: see below), false does not
        guard: Value = Value::Bool(true),
        /// whether a training that diverged, and cannot go back any more, ends with an error; else it is marked and goes on
        stop_on_divergence: bool = false,
        /// tells several trainings of one run apart; stands in metrics and file names
        name: String = "train".to_owned(),
    }
    check |o| {
        for (name, value) in [("epochs", o.epochs), ("iterations", o.iterations), ("batch_size", Some(o.batch_size)),
            ("every", Some(o.every)), ("log_every", Some(o.log_every)), ("keep", Some(o.keep))] {
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
        guard::GuardOptions::of(&o.guard)?;
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

thread_local! {
    /// How many trainings are under way inside each other, and whether one is inside its step.
    static UNDER_WAY: Cell<u32> = const { Cell::new(0) };
    static STEPPING: Cell<bool> = const { Cell::new(false) };
}

/// An error inside a training step: what is made there would be lost with a checkpoint.
pub fn outside_of_steps(function: &str) -> Result<()> {
    if STEPPING.get() {
        return Err(Error::state(format!("{function}: cannot be made inside a training step"))
            .with_hint("make it before `train`, and use it in the step: then checkpoints keep it"));
    }
    Ok(())
}

/// A value of a cell while this lives, the one before after it.
struct During<T: Copy + 'static>(&'static LocalKey<Cell<T>>, T);

impl<T: Copy> During<T> {
    fn set(cell: &'static LocalKey<Cell<T>>, value: T) -> During<T> {
        During(cell, cell.replace(value))
    }
}

impl<T: Copy + 'static> Drop for During<T> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// Trains: calls `step` with batches of the training part until all epochs or iterations are done.
///
/// Where the run goes on from an earlier process, the training goes on from its newest whole checkpoint; a finished one
/// gives its record at once.
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
    let mut training = Training::new(data, options, context, total)?;
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
    /// What marks it as diverged.
    watch: Watch,
    guard: Option<Guard>,
    record: Record,
    prefix: String,
    total: i64,
    /// How many looks of the real run stand behind each one here; more than 1 only in a rehearsal.
    looks: i64,
    started: Instant,
    /// Seconds that earlier processes worked on it.
    before: f64,
}

impl<'a> Training<'a> {
    fn new(data: &'a Dataset, options: &'a TrainOptions, context: &'a Context, total: i64) -> Result<Training<'a>> {
        let name = context.run.name_training(&options.name);
        // The one training of a plain script has plain file names.
        let prefix = if name == "train" { String::new() } else { format!("{name}-") };
        // One inside another's step or validation is a part of that.
        let nested = UNDER_WAY.get() > 0;
        Ok(Training {
            data,
            options,
            context,
            keeper: Keeper::new(context, options, &prefix, nested),
            watch: Watch::default(),
            guard: Guard::new(options)?,
            record: Record::new(&name),
            prefix,
            total,
            looks: 1,
            started: Instant::now(),
            before: 0.0,
        })
    }

    fn run(&mut self, batches: &Batches, step: &mut Step) -> Result<()> {
        let _one_more = During::set(&UNDER_WAY, UNDER_WAY.get() + 1);
        self.context.progress.start(&self.record.name, self.total);
        let outcome = self.iterate(batches, step);
        self.context.progress.finish();
        self.settle();
        self.record.seconds = self.seconds();
        // What comes next finds the generator the same, whether this training ran or was done before.
        tensor::seed(self.context.seed, Stream::Train, 0);
        outcome
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    fn iterate(&mut self, batches: &Batches, step: &mut Step) -> Result<()> {
        if self.go_on()? {
            return Ok(());
        }
        let first = self.record.iterations + 1;
        if first == 1 && self.record.rollbacks.is_empty() {
            self.keep_healthy(0);
        }
        while self.record.iterations < self.total {
            let iteration = self.record.iterations + 1;
            if crate::interrupt::requested() {
                return Err(self.interrupted()?);
            }
            self.keeper.check()?;
            // A step ends whole, or its state could not be kept.
            let deferred = crate::interrupt::defer();
            let batch = batches.at(iteration - 1)?;
            tensor::seed(self.noise(), Stream::Train, iteration as u64);
            let outcome = {
                let _stepping = During::set(&STEPPING, true);
                observe::step(step, &batch)
            };
            let values = match outcome {
                Ok(values) => values,
                Err(error) => {
                    self.recover(iteration, error)?;
                    continue;
                }
            };
            self.record.iterations = iteration;
            if self.note(iteration, &values)? {
                continue;
            }
            self.context.progress.update(iteration, &values);
            let regular = iteration % self.options.every == 0 || iteration == self.total;
            if regular
                && let Err(error) =
                    self.outside_step(|t| rehearsal::repeated("training", 1, t.looks, || t.look(iteration)))
            {
                self.recover(iteration, error)?;
                continue;
            }
            drop(deferred);
            if iteration < self.total {
                self.keep_healthy(iteration);
            }
            if iteration == first && self.keeper.writes() {
                // What the step has put into a variable may be nothing that can be kept: better now than in the night.
                state::collect(&self.context.state)?;
            }
            if iteration < self.total && self.keeper.due(regular)? {
                self.keeper.keep(iteration, self.snapshot()?)?;
            }
        }
        if self.options.restore_best {
            self.keeper.restore_best()?;
        }
        self.settle();
        if let Some(guard) = &mut self.guard {
            guard.finish();
        }
        self.event("trained", &[("iterations", json!(self.total))])?;
        if self.keeper.writes() {
            self.keeper.end(self.total, self.snapshot()?)?;
        }
        Ok(())
    }

    /// The seed of the present noise: another one each time that the training has gone back.
    fn noise(&self) -> u64 {
        self.context.seed ^ (self.record.rollbacks.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Samplers have their own number of steps again.
    fn settle(&self) {
        if !self.record.rollbacks.is_empty() {
            self.context.state.iter().for_each(|(_, state)| state.settle());
        }
    }

    fn outside_step<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let _outside = During::set(&STEPPING, false);
        f(self)
    }

    /// Goes on from an earlier process's state, if there is one; says whether the training was finished there.
    fn go_on(&mut self) -> Result<bool> {
        let (found, damaged) = self.keeper.find()?;
        for text in damaged {
            self.event("damaged", &[("reason", json!(text))])?;
            self.context.progress.message(&format!("a checkpoint is damaged and not used: {text}"));
        }
        let Some(found) = found else {
            if self.keeper.writes() {
                // What cannot be kept is an error before the first step.
                state::collect(&self.context.state)?;
            }
            self.event("train", &[("iterations", json!(self.total)), ("options", json!(self.options.show()))])?;
            return Ok(false);
        };
        self.load(&found).map_err(|e| e.context(format!("train: cannot go on with `{}`", self.record.name)))?;
        self.event("resumed", &[("iteration", json!(found.iteration)), ("done", json!(found.done))])?;
        self.context.progress.skip(found.iteration);
        let text = if found.done {
            format!("done before: {} iterations", found.iteration)
        } else {
            format!("goes on after iteration {}", found.iteration)
        };
        self.context.progress.message(&text);
        Ok(found.done)
    }

    /// The whole state after the present iteration.
    fn snapshot(&self) -> Result<Snapshot> {
        let mut snapshot = state::collect(&self.context.state)?;
        state::put_record(&Record { seconds: self.seconds(), ..self.record.clone() }, &mut snapshot)?;
        let trainings = self.context.run.trainings();
        for (key, value) in [
            ("iteration", json!(self.record.iterations)),
            ("total", json!(self.total)),
            ("seed", json!(self.context.seed)),
            ("data", json!(self.fingerprint())),
            ("logged", json!(self.context.run.logged())),
            ("order", json!(trainings.iter().position(|n| *n == self.record.name))),
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
        let value = |key: &str| found.snapshot.values.get(&format!("loop.{key}")).cloned().unwrap_or_default();
        let differs = |what: &str, then: &serde_json::Value, now: &serde_json::Value| {
            Err(Error::data(format!("{what}: {then} when the checkpoint was written, {now} now"))
                .with_hint("start a new run, or put back what was changed"))
        };
        let now = self.context.run.trainings().iter().position(|n| *n == self.record.name);
        for (what, key, now) in [
            ("the data is not the same", "data", json!(self.fingerprint())),
            ("the trainings come in another order", "order", json!(now)),
            ("the seed is not the same", "seed", json!(self.context.seed)),
        ] {
            if value(key) != now {
                return differs(what, &value(key), &now);
            }
        }
        // With --force a training may be made longer or shorter, but not beyond what is done.
        if found.iteration > self.total || (found.done && found.iteration != self.total) {
            return differs("the number of iterations is not the same", &json!(found.iteration), &json!(self.total));
        }
        state::restore(&self.context.state, &found.snapshot)?;
        let record = state::take_record(&found.snapshot)?;
        self.watch.load(&value("watch")).ok_or_else(|| Error::data("checkpoint: no `loop.watch`"))?;
        if let Some(guard) = &mut self.guard {
            guard.load(&found.snapshot)?;
        }
        if let Some(best) = &record.best {
            self.keeper.set_best(&best.name, best.value, best.iteration, state::take_best(&found.snapshot));
        }
        self.before = record.seconds;
        self.record = record;
        let names = value("trainings").as_array().cloned().unwrap_or_default();
        self.context.run.set_trainings(names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect());
        Ok(())
    }

    /// What tells other data from the one that was trained on.
    fn fingerprint(&self) -> String {
        let d = self.data;
        let parts = [&d.train, &d.validation, &d.test].map(|p| format!("{}×{:?}", p.len(), p.shape()));
        format!("{} {} of {} classes", d.name, parts.join(" "), d.classes)
    }

    /// Logs one iteration and watches for divergence; stops at what is not finite, unless the training could go back: it
    /// says whether it did.
    fn note(&mut self, iteration: i64, values: &[(String, f64)]) -> Result<bool> {
        let wrong = values.iter().find(|(_, v)| !v.is_finite());
        if iteration % self.options.log_every == 0 || iteration == self.total || wrong.is_some() {
            self.record.add(iteration, values);
            self.log(iteration, values)?;
        }
        if let Some((name, value)) = wrong {
            let value = if value.is_nan() { "NaN".to_owned() } else { value.to_string() };
            if self.roll_back(iteration, &format!("`{name}` is {value}"))? {
                return Ok(true);
            }
            return Err(self.not_finite(iteration, name, &value)?);
        }
        let last = iteration == self.total;
        let alarm = self.guard.as_mut().and_then(|guard| guard.look(iteration, values));
        // What is out of bounds at the very end has no more time to come back.
        let late = self.guard.as_ref().filter(|guard| last && !guard.calm()).map(|_| "out of bounds at the end");
        if let Some(reason) = alarm.as_deref().or(late)
            && self.roll_back(iteration, reason)?
        {
            return Ok(true);
        }
        let marked = self.watch.look(values);
        if let Some(reason) = alarm.or(marked).filter(|_| self.record.diverged.is_none()) {
            self.record.diverged = Some(iteration);
            self.event("diverged", &[("iteration", json!(iteration)), ("reason", json!(reason))])?;
            let text = format!("diverged at iteration {iteration}: {reason}");
            if self.options.stop_on_divergence {
                self.keeper.flush_best()?;
                let hint = format!("{}{}", watch::REMEDIES, self.tried());
                return Err(Error::state(format!("train: {text}")).with_hint(hint));
            }
            self.context.progress.message(&format!("{text}{}", self.tried()));
        }
        Ok(false)
    }

    /// One line of metrics; it says at which attempt, once there was more than one.
    fn log(&self, iteration: i64, values: &[(String, f64)]) -> Result<()> {
        let name = &self.record.name;
        match self.record.rollbacks.len() {
            0 => self.context.run.log(name, iteration, values),
            n => {
                let mut all = values.to_vec();
                all.push(("attempt".to_owned(), n as f64));
                self.context.run.log(name, iteration, &all)
            }
        }
    }

    /// Goes back after an error of a value that is not finite; any other error ends the training.
    fn recover(&mut self, iteration: i64, error: Error) -> Result<()> {
        if error.kind() == ErrorKind::NonFinite && self.roll_back(iteration, error.message())? {
            return Ok(());
        }
        Err(self.failed(error)?)
    }

    /// Validates, draws samples, keeps checkpoints; all under the evaluation stream of the seed.
    fn look(&mut self, iteration: i64) -> Result<()> {
        tensor::seed(self.context.seed, Stream::Evaluate, iteration as u64);
        if let Some(validate) = &self.options.validate {
            let part = Value::object("part", self.data.validation.clone());
            let found = observe::numbers(&validate.call(&[part])?)?;
            self.record.add_validation(iteration, &found);
            self.log(iteration, &observe::prefixed("validation", &found))?;
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
        Ok(())
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

    /// Keeps the state and tells how far it came.
    fn interrupted(&mut self) -> Result<Error> {
        let done = self.record.iterations;
        self.keeper.flush_best()?;
        if self.keeper.writes() && !self.keeper.has(done) && done > 0 {
            self.keeper.keep(done, self.snapshot()?)?;
        }
        self.keeper.wait()?;
        self.event("interrupted", &[("iteration", json!(done)), ("whole", json!(true))])?;
        let place = self.context.run.folder().map(|f| format!("; what there is lies in {}", f.display()));
        let text = format!("train: interrupted after {done} of {} iterations{}", self.total, place.unwrap_or_default());
        Ok(Error::new(ErrorKind::Interrupted, text))
    }

    /// An error from the step, the validation or the samples; a second Ctrl-C may come as one. The state is not whole then:
    /// the last checkpoint stays the last.
    fn failed(&mut self, error: Error) -> Result<Error> {
        let done = self.record.iterations;
        self.keeper.flush_best()?;
        self.keeper.wait()?;
        if error.kind() == ErrorKind::Interrupted || crate::interrupt::requested() {
            self.event("interrupted", &[("iteration", json!(done)), ("whole", json!(false))])?;
            let text = format!("train: interrupted inside a step, after {done} of {} iterations", self.total);
            let kept = self.keeper.last().map(|p| format!("; the last checkpoint is {}", p.display()));
            return Ok(Error::new(ErrorKind::Interrupted, format!("{text}{}", kept.unwrap_or_default())));
        }
        self.event("failed", &[("iteration", json!(done)), ("error", json!(error.message()))])?;
        Ok(error)
    }

    /// A value that is not finite: the state is kept apart for study, the last good checkpoint stays.
    fn not_finite(&mut self, iteration: i64, name: &str, value: &str) -> Result<Error> {
        let last = self.keeper.stopped(iteration)?;
        self.event("stopped", &[("iteration", json!(iteration)), ("quantity", json!(name)), ("value", json!(value))])?;
        let mut hint = format!("{}{}", watch::REMEDIES, self.tried());
        if let Some(last) = last {
            hint += &format!("; the last checkpoint is {}", last.display());
        }
        let text = format!("train: stopped at iteration {iteration}: `{name}` is {value}");
        Ok(Error::new(ErrorKind::NonFinite, text).with_hint(hint))
    }
}

#[cfg(test)]
mod tests;
