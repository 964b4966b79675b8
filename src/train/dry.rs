//! A training in a dry run: two iterations of two rows, and then a few steps with more rows to see
//! what a real one costs.

use std::fs;

use super::{
    Batches, Context, Dataset, Record, STOP, Step, TrainOptions, Training, batch_options, observe,
};
use crate::dry_run::{self, Growth, Span, timed};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::tensor::{self, Stream};

/// Seconds for measuring: of one training, and of all.
const ONE: f64 = 2.0;
const ALL: f64 = 6.0;
const ROWS: i64 = 2;
/// Tries of a step: the first one with a new number of rows warms up, and so is no rate.
const TRIES: i64 = 3;
/// A step that alone takes so many seconds is tried once.
const SLOW: f64 = 0.7;
/// What a step costs at most beside its fastest try.
const SPREAD: f64 = 1.1;

/// Runs dry a training of `total` iterations.
pub(super) fn train(
    data: &Dataset,
    options: &TrainOptions,
    context: &Context,
    step: &mut Step,
    total: i64,
) -> Result<Record> {
    let light = TrainOptions {
        epochs: None,
        iterations: Some(dry_run::cut(total, 2)),
        batch_size: dry_run::cut(options.batch_size, ROWS),
        every: total.min(2),
        checkpoint: false,
        guard: Value::Bool(false),
        ..options.clone()
    };
    let batches = Batches::new(&data.train, &batch_options(&light, context))?;
    let mut training = Training::new(data, &light, context, total.min(2))?;
    training.looks = (total + options.every - 1) / options.every;
    training.run(&batches, step)?;
    let record = training.record;
    let (seconds, memory) = measure(data, options, context, step)?;
    STOP.set(None);
    let left = (total - light.iterations.unwrap_or(0)) as f64;
    dry_run::add("training", seconds.by(left));
    let known = context
        .state
        .iter()
        .map(|(name, state)| (name.clone(), state.about()));
    let state = known.filter(|(_, about)| !about.is_empty()).collect();
    dry_run::note_training(dry_run::Training {
        name: record.name.clone(),
        iterations: total,
        batch_size: options.batch_size,
        step: seconds,
        memory,
        state,
    });
    Ok(record)
}

/// Seconds and memory of one real step, from steps with as many rows as there is time for.
fn measure(
    data: &Dataset,
    options: &TrainOptions,
    context: &Context,
    step: &mut Step,
) -> Result<(Span, Option<f64>)> {
    let wanted = options.batch_size.min(data.train.len());
    let mut probe = |rows: i64| probe(data, rows, context, step);
    let small = probe(ROWS.min(wanted))?;
    let known = context
        .state
        .iter()
        .map(|(name, state)| format!("{name}: {}; ", state.about()))
        .collect::<String>();
    let known = format!("{known}{wanted} rows");
    let growth = match dry_run::growth(&known) {
        Some(growth) => growth,
        None => {
            let (mut rows, mut last, mut spent) = (ROWS.min(wanted), small, small.wall);
            let mut next = (rows * 4).min(wanted);
            while rows < wanted {
                let expected = 1.5 * last.wall * next as f64 / rows as f64;
                let late = spent + expected > ONE || dry_run::probed(0.0) + expected > ALL;
                // One number of rows alone does not tell what grows with them: weights and
                // gradients would count once a row. So a second one is tried, however long it
                // takes.
                if late && rows > ROWS {
                    break;
                }
                let before = dry_run::probed(0.0);
                (rows, last) = (next, probe(next)?);
                spent += dry_run::probed(0.0) - before;
                next = (rows * 4).min(wanted);
            }
            // More rows at a time cost less each.
            let (left, seen) = (
                wanted as f64 / rows as f64,
                last.real.high / small.real.high,
            );
            // A single try was a cold one.
            let cold = if last.tries > 1 { 1.0 } else { 0.4 };
            let time = Span {
                low: cold * seen * left.powf(0.7),
                high: seen * left * SPREAD,
            };
            // Weights and their gradients take the same with any number of rows.
            let memory = match (small.memory, last.memory) {
                (Some(few), Some(many)) if rows > ROWS => {
                    let each = ((many - few) / (rows - ROWS) as f64).max(0.0);
                    Some(many + each * (wanted - rows) as f64)
                }
                (_, many) => many.map(|m| m * left),
            };
            let growth = Growth { time, memory };
            dry_run::note_growth(&known, growth);
            growth
        }
    };
    Ok((small.real.times(growth.time), growth.memory))
}

/// What one step took.
#[derive(Clone, Copy)]
struct Cost {
    tries: i64,
    wall: f64,
    real: Span,
    memory: Option<f64>,
}

/// One step with so many rows; the quickest of a few, where they are quick.
fn probe(data: &Dataset, rows: i64, context: &Context, step: &mut Step) -> Result<Cost> {
    let mut best: Option<Cost> = None;
    for tries in 1..=TRIES {
        tensor::seed(context.seed, Stream::Train, 3);
        let batch = data.train.slice(0, rows.min(data.train.len()))?;
        let before = memory_now(true);
        let (outcome, wall, real) = timed(|| observe::step(step, &batch));
        outcome?;
        dry_run::probed(wall);
        // What the first step took from the system stays with the process: later ones seem to need
        // nothing.
        let memory = before
            .zip(memory_now(false))
            .map(|(before, peak)| (peak - before).max(0.0));
        let memory = best.map_or(memory, |b| b.memory.zip(memory).map(|(a, b)| a.max(b)));
        let cost = Cost {
            tries,
            wall,
            real,
            memory,
        };
        best = Some(match best {
            Some(b) if b.real.high <= real.high => Cost { tries, memory, ..b },
            _ => cost,
        });
        if wall > SLOW || tries > 1 && wall > 0.5 * SLOW {
            break;
        }
    }
    best.ok_or_else(|| Error::state("train: no step was tried"))
}

/// Bytes of this process: at its peak since the last reset, or now, with a reset.
fn memory_now(reset: bool) -> Option<f64> {
    if reset {
        // "5" sets the peak to what is there now.
        fs::write("/proc/self/clear_refs", "5").ok()?;
    }
    crate::proc::status_bytes("VmHWM").map(|bytes| bytes as f64)
}
