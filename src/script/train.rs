//! Training in the language: `train(data, options, step)` and the record it gives.

use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};

use super::arguments::options;
use super::captures;
use super::closure;
use super::edge::Outcome;
use super::host::Host;
use super::types::type_name;
use crate::data::{Batch, Dataset};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::options::{Function, Value};
use crate::tensor::Tensor;
use crate::train::{Context, Record, Rollback, TrainOptions, train as run_training};

/// What a step returned, as named numbers: a loss with its terms, a map, a single number, or
/// nothing.
fn named(value: &Value, whole: &str) -> Result<Vec<(String, Tensor)>> {
    if let Some(loss) = value.downcast::<Loss>() {
        let names: Vec<String> = loss.names().into_iter().map(str::to_owned).collect();
        return Ok(names
            .into_iter()
            .filter_map(|n| loss.term(&n).map(|t| (n, t)))
            .collect());
    }
    match value {
        Value::None => Ok(Vec::new()),
        Value::Map(map) => {
            let parts: Result<Vec<Vec<(String, Tensor)>>> =
                map.iter().map(|(k, v)| named(v, k)).collect();
            Ok(parts?.into_iter().flatten().collect())
        }
        other => {
            let number = other.as_f64().map(Tensor::scalar).transpose()?;
            let found = other.downcast::<Tensor>().or(number).ok_or_else(|| {
                Error::argument(format!(
                    "train: the step returned {}, which cannot be logged",
                    other.type_name()
                ))
                .with_hint(
                    "return a loss, a number, a tensor of one element, a map of those, or nothing",
                )
            })?;
            Ok(vec![(whole.to_owned(), found)])
        }
    }
}

/// What a training needs from its surroundings, and its step.
fn ready(ctx: &NativeCallContext, options: &Map, step: FnPtr) -> (Context, Function) {
    let callbacks = closure::inside(options);
    let functions: Vec<&FnPtr> = std::iter::once(&step).chain(&callbacks).collect();
    let context = Host::of(ctx).training(captures::states(ctx, &functions));
    (context, closure::function(ctx, step))
}

#[export_module(manifest)]
pub mod functions {
    /// Trains: calls `step` with one batch after the other and logs what it returns: a loss with
    /// its terms, a map of numbers, or a number. The step does the work (`opt.step(…)`); the loop
    /// shuffles, seeds, shows progress, validates, draws samples, keeps the best and the last
    /// state, writes the run folder, and stops at a value that is not finite and at Ctrl-C. It sees
    /// the training and the validation part of the data, never the test part.
    ///
    /// A guard watches what is logged. When a value is not finite, or gap or energies stay out of
    /// bounds, it goes back to the last healthy state (weights, optimiser, buffers, variables), and
    /// goes on with other noise, a lower rate, and more and smaller sampler steps. A training that
    /// does not diverge is the same to the bit with `guard: false`.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let opt    = optim::adam(model, #{ lr: 0.01 });
    /// let record = train(digits, #{ epochs: 1, validate: |part| evaluate::accuracy(model, part) }, |batch| {
    ///     let loss = loss::cross_entropy(model.logits(batch.x), batch.y);
    ///     opt.step(loss);
    ///     loss
    /// });
    /// print(record.iterations);                //= 16
    /// print(record.best > 0.5);                //= true
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn train(
        ctx: NativeCallContext,
        data: Dataset,
        options: Map,
        step: FnPtr,
    ) -> Outcome<Record> {
        let o: TrainOptions = super::options(&ctx, &options)?;
        let (context, step) = ready(&ctx, &options, step);
        let mut one = |batch: &Batch| {
            named(
                &step.call(&[Value::object("batch", batch.clone())])?,
                "loss",
            )
        };
        Ok(run_training(&data, &o, &context, &mut one)?)
    }

    /// Trains without data: the step is called without arguments, `iterations` times, and `validate`
    /// too. For energies in closed form, generators and flows, or data of your own.
    ///
    /// ```rhai
    /// let mean = tensor::parameter([3, -2]);
    /// let opt  = optim::sgd(mean, #{ lr: 0.1 });
    /// let record = train(#{ iterations: 100 }, || {
    ///     let loss = mean.pow(2).sum();
    ///     opt.step(loss);
    ///     if loss.item() < 1e-6 { return stop("it is there"); }
    ///     loss
    /// });
    /// print(record.stopped);           //= it is there
    /// print(record.iterations < 50);   //= true
    /// ```
    #[rhai_fn(global, return_raw, name = "train")]
    pub fn train_alone(ctx: NativeCallContext, options: Map, step: FnPtr) -> Outcome<Record> {
        let mut o: TrainOptions = super::options(&ctx, &options)?;
        if o.iterations.is_none() {
            let error = Error::argument("train: without data it needs `iterations`");
            return Err(error
                .with_hint("as in train(#{ iterations: 1_000 }, || …)")
                .into());
        }
        // One row of nothing stands for the data; no function sees it.
        o.batch_size = 1;
        o.validate = o
            .validate
            .map(|f| Function(Rc::new(move |_: &[Value]| f.call(&[]))));
        let (context, step) = ready(&ctx, &options, step);
        let mut one = |_: &Batch| named(&step.call(&[])?, "loss");
        Ok(run_training(&Dataset::nothing()?, &o, &context, &mut one)?)
    }

    /// Ends the training under way after this iteration, for a reason: from its step or from
    /// `validate`. It validates, keeps its record and puts the best state back as at any end.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 50 }, |batch| { stop("enough"); });
    /// print(`${record.iterations}: ${record.stopped}`);      //= 1: enough
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn stop(reason: &str) -> Outcome<()> {
        Ok(crate::train::stop(reason)?)
    }

    /// Why the training ended before its last iteration: what `stop` or `patience` said; `()` where
    /// it did not.
    ///
    /// ```rhai
    /// let how = #{ iterations: 50, every: 1, patience: 3, validate: |part| 0.5 };
    /// let record = train(data::digits(), how, |batch| batch.x.mean());
    /// print(record.stopped);                   //= `validation` is no better than at iteration 1
    /// ```
    #[rhai_fn(global, get = "stopped", pure)]
    pub fn stopped(record: &mut Record) -> Dynamic {
        record.stopped.clone().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Logs a number, from anywhere in a training's step, beside what the step returns.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 2 }, |batch| {
    ///     log("level", batch.x.mean());
    ///     #{ loss: 1.0 }
    /// });
    /// print(record.names);                     //= ["loss", "level"]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn log(name: &str, value: Dynamic) -> Outcome<()> {
        let value = value.flatten_clone();
        let number = value
            .as_float()
            .or_else(|_| value.as_int().map(|n| n as f64))
            .ok();
        let found = type_name(value.type_name());
        let tensor = match (number, value.try_cast::<Tensor>()) {
            (Some(number), _) => Tensor::scalar(number)?,
            (_, Some(tensor)) if tensor.numel() == 1 => tensor,
            _ => {
                let text = format!("log: `{name}` must be a single number, got {found}");
                return Err(Error::argument(text).into());
            }
        };
        if !crate::record::listening() {
            return Err(Error::state("log: no training step is under way")
                .with_hint("outside of a step, `print` a number or put it into a map")
                .into());
        }
        crate::record::note(name, &tensor);
        Ok(())
    }

    /// The number of iterations done.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 3 }, |batch| batch.x.mean());
    /// print(record.iterations);                //= 3
    /// ```
    #[rhai_fn(global, get = "iterations", pure)]
    pub fn iterations(record: &mut Record) -> i64 {
        record.iterations
    }

    /// The seconds that the training took.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 3 }, |batch| batch.x.mean());
    /// print(record.seconds > 0);               //= true
    /// ```
    #[rhai_fn(global, get = "seconds", pure)]
    pub fn seconds(record: &mut Record) -> f64 {
        record.seconds
    }

    /// Whether the training diverged: a gap beyond ±50 or a mean energy beyond ±10,000 for 100
    /// iterations on end, and the guard could not go back any more.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 3 }, |batch| batch.x.mean());
    /// print(record.diverged);                  //= false
    /// ```
    #[rhai_fn(global, get = "diverged", pure)]
    pub fn diverged(record: &mut Record) -> bool {
        record.diverged.is_some()
    }

    /// The times that the guard went back to a healthy state, as maps `#{ iteration, to, reason,
    /// cause, lr, steps, step_size, restart }`: the iteration at which the training had diverged, the
    /// one after which it went on, what the numbers pointed to ("sampler behind", "samples beat the
    /// data", "energies drift", "out of bounds", "not finite"), and the factors of the rate, of the
    /// sampler's steps and of the buffer's restarts.
    ///
    /// ```rhai
    /// let broken = true;
    /// let how    = #{ iterations: 5, guard: #{ lr: 0.3, policy: |event| { broken = false; } } };
    /// let record = train(data::digits(), how, |batch| if broken { 0.0 / 0.0 } else { 1.0 });
    /// let back   = record.rollbacks[0];
    /// print(`${back.iteration} ${back.to} ${back.reason}`);     //= 1 0 `loss` is NaN
    /// print([back.lr, back.steps, back.step_size, back.restart]);     //= [0.3, 1.5, 0.5, 1.0]
    /// print(back.cause);                                              //= not finite
    /// ```
    #[rhai_fn(global, get = "rollbacks", pure)]
    pub fn rollbacks(record: &mut Record) -> Array {
        let one = |r: &Rollback| {
            let mut map = Map::new();
            map.insert("iteration".into(), r.iteration.into());
            map.insert("to".into(), r.to.into());
            map.insert("reason".into(), r.reason.clone().into());
            map.insert("cause".into(), r.cause.clone().into());
            map.insert("lr".into(), r.factors.lr.into());
            map.insert("steps".into(), r.factors.steps.into());
            map.insert("step_size".into(), r.factors.step_size.into());
            map.insert("restart".into(), r.factors.restart.into());
            Dynamic::from_map(map)
        };
        record.rollbacks.iter().map(one).collect()
    }

    /// The best value of what `validate` measured; `()` without one.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 3, validate: |part| part.len() }, |batch| batch.x.mean());
    /// print(record.best);                      //= 360.0
    /// ```
    #[rhai_fn(global, get = "best", pure)]
    pub fn best(record: &mut Record) -> Dynamic {
        record
            .best
            .as_ref()
            .map_or(Dynamic::UNIT, |b| Dynamic::from_float(b.value))
    }

    /// The names of all that was logged.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 3 }, |batch| #{ level: batch.x.mean() });
    /// print(record.names);                     //= ["level"]
    /// ```
    #[rhai_fn(global, get = "names", pure)]
    pub fn names(record: &mut Record) -> Array {
        record.names().into_iter().map(Dynamic::from).collect()
    }

    /// All logged values of a quantity, as an array.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 3 }, |batch| #{ level: 1.5 });
    /// print(record.column("level"));           //= [1.5, 1.5, 1.5]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn column(record: &mut Record, name: &str) -> Outcome<Array> {
        Ok(record
            .column(name)?
            .values
            .into_iter()
            .map(Dynamic::from_float)
            .collect())
    }

    /// The rows of a batch, `[B, …]`.
    ///
    /// ```rhai
    /// train(data::digits(), #{ iterations: 1 }, |batch| { print(batch.x.shape); });     //= [64, 1, 8, 8]
    /// ```
    #[rhai_fn(global, get = "x", pure)]
    pub fn batch_x(batch: &mut Batch) -> Tensor {
        batch.x.clone()
    }

    /// The labels of a batch, `[B]`, int64.
    ///
    /// ```rhai
    /// train(data::digits(), #{ iterations: 1 }, |batch| { print(batch.y.shape); });     //= [64]
    /// ```
    #[rhai_fn(global, get = "y", pure)]
    pub fn batch_y(batch: &mut Batch) -> Tensor {
        batch.y.clone()
    }

    /// The number of rows of a batch.
    ///
    /// ```rhai
    /// train(data::digits(), #{ iterations: 1, batch_size: 8 }, |batch| { print(batch.len()); });     //= 8
    /// ```
    #[rhai_fn(global, pure)]
    pub fn len(batch: &mut Batch) -> i64 {
        batch.x.len()
    }
}
