//! The training loop: the step is the recipe, the loop is ours.
//!
//! A step takes a batch, changes its models, and returns named numbers. The loop gives it batches
//! in a seeded order, seeds libtorch's generator before it, logs what it returns and what was noted
//! on the way ([`crate::record`]), validates, draws samples (neither moves the statistics of a
//! layer, whatever mode it is in), keeps checkpoints, stops at Ctrl-C, and goes back to a healthy
//! state where training diverges ([`guard`]).

#[cfg(feature = "cli")]
mod bar;
mod checkpoint;
mod dry;
mod ends;
mod found;
mod guard;
mod kept;
mod look;
mod observe;
mod options;
mod progress;
mod ranks;
mod record;
mod resume;
mod shares;
mod state;
mod watch;
mod writer;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread::LocalKey;
use std::time::Instant;

use serde_json::json;

#[cfg(feature = "cli")]
pub use bar::Bar;
pub use guard::GuardOptions;
pub use kept::{CHECKPOINTS, best_of};
pub use options::{Extreme, TrainOptions};
pub use progress::{Lines, Progress, Silent};
#[cfg(feature = "kernel")]
pub(crate) use progress::{Pace, clock, summary};
pub use record::{Best, Column, Record, Rollback};

use crate::data::{Batch, BatchOptions, Batches, Dataset};
use crate::dry_run;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::params::{Cautious, FROZEN, Snapshot, State};
use crate::run::Run;
use crate::tensor::{self, Stream, Tensor};
use crate::world::World;
use checkpoint::{Checkpoints, Keeping};
use guard::{Alarm, Cause, Guard};
use ranks::Agreed;
use watch::Watch;

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
        Context {
            run: Run::none(),
            seed,
            state: Vec::new(),
            progress: Rc::new(Silent),
        }
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

thread_local! {
    /// Why the training under way is to end, where someone has said so.
    static STOP: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Ends the training under way after its present iteration, which is then its last: it validates,
/// keeps its record and puts the best state back as at any end.
pub fn stop(reason: &str) -> Result<()> {
    if UNDER_WAY.get() == 0 {
        return Err(Error::state("stop: no training is under way")
            .with_hint("call it in the step of `train`, or in its `validate`"));
    }
    STOP.set(Some(reason.to_owned()));
    Ok(())
}

/// An error inside a training step: what is made there would be lost with a checkpoint.
pub fn outside_of_steps(function: &str) -> Result<()> {
    if STEPPING.get() {
        return Err(
            Error::state(format!("{function}: cannot be made inside a training step")).with_hint(
                "make it before `train`, and use it in the step: then checkpoints keep it",
            ),
        );
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
/// Where the run goes on from an earlier process, the training goes on from its newest whole
/// checkpoint; a finished one gives its record at once.
pub fn train(
    data: &Dataset,
    options: &TrainOptions,
    context: &Context,
    step: &mut Step,
) -> Result<Record> {
    options.check()?;
    // One that a look begins is a training like any other.
    let _gathering = During::set(&FROZEN, false);
    let mut batches = Batches::new(&data.train, &batch_options(options, context))
        .map_err(|e| e.context("train"))?;
    // What stands for data where there is none cannot be shared out.
    if !data.is_nothing() {
        batches
            .share_out(&World::current())
            .map_err(|e| e.context("train"))?;
    }
    let per_epoch = batches.per_epoch();
    let total = match options.iterations {
        Some(n) => Some(n),
        None => options.epochs.unwrap_or(1).checked_mul(per_epoch),
    };
    let total =
        total.ok_or_else(|| Error::argument("train: more iterations than can be counted"))?;
    if dry_run::on() {
        return dry::train(data, options, context, step, total);
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
    checkpoints: Checkpoints<'a>,
    /// What marks it as diverged.
    watch: Watch,
    guard: Option<Guard>,
    record: Record,
    prefix: String,
    total: i64,
    /// How many looks of the real run stand behind each one here; more than 1 only in a dry run.
    looks: i64,
    /// How scores of chains are computed, as last noted.
    chain: Option<String>,
    started: Instant,
    /// Seconds that earlier processes worked on it.
    before: f64,
    /// What it has agreed on with the other ranks.
    agreed: Agreed,
    /// What tells its data from other data, computed once.
    fingerprint: std::cell::OnceCell<String>,
}

impl<'a> Training<'a> {
    fn new(
        data: &'a Dataset,
        options: &'a TrainOptions,
        context: &'a Context,
        total: i64,
    ) -> Result<Training<'a>> {
        let name = context.run.name_training(&options.name);
        // The one training of a plain script has plain file names.
        let prefix = if name == "train" {
            String::new()
        } else {
            format!("{name}-")
        };
        // One inside another's step or validation is a part of that.
        let nested = UNDER_WAY.get() > 0;
        let keeping = Keeping {
            writes: options.checkpoint && !nested,
            highest: options.mode == Extreme::Max,
            restore: options.restore_best,
            keep: options.keep,
        };
        Ok(Training {
            data,
            options,
            context,
            checkpoints: Checkpoints::new(context, keeping, &prefix),
            watch: Watch::default(),
            guard: Guard::new(&options.guard)?,
            record: Record::new(&name),
            prefix,
            total,
            looks: 1,
            chain: None,
            started: Instant::now(),
            before: 0.0,
            agreed: Agreed {
                world: World::current(),
                ..Agreed::default()
            },
            fingerprint: std::cell::OnceCell::new(),
        })
    }

    fn run(&mut self, batches: &Batches, step: &mut Step) -> Result<()> {
        let _one_more = During::set(&UNDER_WAY, UNDER_WAY.get() + 1);
        crate::out::go_on_unread();
        STOP.set(None);
        self.context.progress.start(&self.record.name, self.total);
        let outcome = self.iterate(batches, step);
        self.context.progress.finish();
        self.settle();
        self.record.seconds = self.seconds();
        // What comes next finds the generator the same, whether this training ran or was done
        // before.
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
        if self.record.iterations == 0 {
            self.begin_together()?;
        }
        self.agreed.spent = self.agreed.world.spent().1;
        let first = self.record.iterations + 1;
        if first == 1 && self.record.rollbacks.is_empty() {
            self.keep_healthy(0);
        }
        while self.record.iterations < self.total {
            let iteration = self.record.iterations + 1;
            if self.is_to_stop() {
                return Err(self.interrupted()?);
            }
            self.agreed.asked = crate::interrupt::requested();
            self.checkpoints.check()?;
            // A step ends whole, or its state could not be kept.
            let deferred = crate::interrupt::defer();
            let batch = batches.at(iteration - 1)?;
            tensor::seed(self.noise(), Stream::Train, iteration as u64);
            let outcome = {
                let _stepping = During::set(&STEPPING, true);
                observe::step(step, &batch)
            };
            let values = match self.together("the end of a training step", outcome) {
                Ok(values) => values,
                Err(error) => {
                    self.recover(iteration, error)?;
                    continue;
                }
            };
            self.record.iterations = iteration;
            self.note_chain()?;
            if self.note(iteration, &values)? {
                continue;
            }
            self.context.progress.update(iteration, &values);
            self.heed_stop(iteration)?;
            let regular = iteration % self.options.every == 0 || iteration == self.total;
            if regular
                && let Err(error) = self.outside_step(|t| {
                    dry_run::repeated("training", 1, t.looks, || t.look(iteration))
                })
            {
                self.recover(iteration, error)?;
                continue;
            }
            self.heed_stop(iteration)?;
            drop(deferred);
            if iteration < self.total {
                self.keep_healthy(iteration);
            }
            if iteration == first && self.checkpoints.writes() {
                // What the step has put into a variable may be nothing that can be kept: better now
                // than in the night.
                Snapshot::of(&self.context.state)?;
            }
            if iteration < self.total && self.due(regular)? {
                self.keep(iteration)?;
            }
        }
        if self.options.restore_best {
            self.checkpoints.restore_best()?;
        }
        self.settle();
        if let Some(guard) = &mut self.guard {
            guard.finish();
        }
        let mut details = vec![("iterations", json!(self.total))];
        if !self.agreed.world.is_one() {
            let exchanges = self.agreed.world.spent().1 - self.agreed.spent;
            details.push(("exchanges", json!(exchanges)));
        }
        self.event("trained", &details)?;
        if self.checkpoints.writes() {
            self.checkpoints.end(self.total, self.snapshot()?)?;
        }
        Ok(())
    }

    /// Says how scores of chains are computed, once and when it changes: whoever wonders why an
    /// iteration is slow finds it there.
    fn note_chain(&mut self) -> Result<()> {
        let Some(path) = crate::record::take_chain().filter(|p| self.chain.as_ref() != Some(p))
        else {
            return Ok(());
        };
        self.event("chain", &[("scores", json!(path))])?;
        self.chain = Some(path);
        Ok(())
    }

    /// Makes this iteration the last one, where the script has said so.
    fn heed_stop(&mut self, iteration: i64) -> Result<()> {
        let Some(reason) = STOP.take() else {
            return Ok(());
        };
        self.total = iteration;
        self.event(
            "ended early",
            &[("iteration", json!(iteration)), ("reason", json!(reason))],
        )?;
        self.context
            .progress
            .message(&format!("iteration {iteration}: stops here: {reason}"));
        self.record.stopped = Some(reason);
        Ok(())
    }

    /// The seed of the present noise: another one on each rank, and each time that the training has
    /// gone back.
    fn noise(&self) -> u64 {
        let attempt = (self.record.rollbacks.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.context.seed ^ attempt ^ self.agreed.world.noise()
    }

    /// Whether an interrupt ends the training here: of several ranks all, once one of them has said
    /// so.
    fn is_to_stop(&self) -> bool {
        match self.agreed.world.is_one() {
            true => crate::interrupt::requested(),
            false => self.agreed.halt,
        }
    }

    /// Whether it is time for a checkpoint: of several ranks for all.
    fn due(&mut self, regular: bool) -> Result<bool> {
        match self.agreed.world.is_one() {
            true => self.checkpoints.due(regular),
            false => {
                Ok(self.checkpoints.writes() && (regular || self.agreed.late) && !self.agreed.busy)
            }
        }
    }

    /// Samplers have their own number of steps again.
    fn settle(&self) {
        if !self.record.rollbacks.is_empty() {
            guard::cautious(&self.context.state).for_each(Cautious::settle);
        }
    }

    /// Writes a checkpoint of the present state, with the states to which the guard may go back.
    fn keep(&mut self, iteration: i64) -> Result<()> {
        let snapshot = self.snapshot()?;
        let healthy = self.guard.as_mut().map_or(&mut [][..], Guard::states);
        self.checkpoints
            .keep(iteration, self.record.rollbacks.len(), snapshot, healthy)
    }

    fn outside_step<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let _outside = During::set(&STEPPING, false);
        f(self)
    }

    /// Logs one iteration and watches for divergence; stops at what is not finite, unless the
    /// training could go back: it says whether it did.
    fn note(&mut self, iteration: i64, values: &[(String, f64)]) -> Result<bool> {
        let wrong = values.iter().find(|(_, v)| !v.is_finite());
        if iteration % self.options.log_every == 0 || iteration == self.total || wrong.is_some() {
            self.record.add(iteration, values);
            self.log(iteration, values)?;
        }
        if let Some((name, value)) = wrong {
            let value = if value.is_nan() {
                "NaN".to_owned()
            } else {
                value.to_string()
            };
            let alarm = Alarm::now(format!("`{name}` is {value}"), Cause::NotFinite);
            if self.roll_back(iteration, &alarm)? {
                return Ok(true);
            }
            return Err(self.not_finite(iteration, name, &value)?);
        }
        let last = iteration == self.total;
        let alarm = self
            .guard
            .as_mut()
            .and_then(|guard| guard.look(iteration, values));
        // What is out of bounds at the very end has no more time to come back.
        let late = self
            .guard
            .as_ref()
            .filter(|guard| last && !guard.calm())
            .map(|_| Alarm::now("out of bounds at the end", Cause::Bounds));
        self.tell_signs(iteration)?;
        if let Some(alarm) = alarm.as_ref().or(late.as_ref())
            && self.roll_back(iteration, alarm)?
        {
            return Ok(true);
        }
        let marked = self.watch.look(values);
        // What creeps counts as diverged when it has passed the bounds, not before.
        let beyond = alarm.filter(|_| self.guard.as_ref().is_some_and(|g| !g.calm()));
        if let Some(reason) = beyond
            .map(|alarm| alarm.reason)
            .or(marked)
            .filter(|_| self.record.diverged.is_none())
        {
            self.record.diverged = Some(iteration);
            self.event(
                "diverged",
                &[("iteration", json!(iteration)), ("reason", json!(reason))],
            )?;
            let text = format!("diverged at iteration {iteration}: {reason}");
            if self.options.stop_on_divergence {
                self.checkpoints.flush_best()?;
                let hint = format!("{}{}", watch::REMEDIES, self.tried());
                return Err(
                    Error::new(ErrorKind::Diverged, format!("train: {text}")).with_hint(hint)
                );
            }
            self.context
                .progress
                .message(&format!("{text}{}", self.tried()));
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

    fn event(&self, what: &str, details: &[(&str, serde_json::Value)]) -> Result<()> {
        let mut all = vec![("train", json!(self.record.name))];
        all.extend_from_slice(details);
        self.context.run.event(what, &all)
    }
}

#[cfg(test)]
mod tests;
