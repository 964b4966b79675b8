//! A training in a dry run: two iterations of two rows, and then a few steps with more rows to see
//! what a real one costs.

use std::fs;

use super::{
    Batches, Context, Dataset, Guard, Record, STOP, Step, TrainOptions, Training, batch_options,
    observe,
};
use crate::dry_run::{self, Growth, Span, timed};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::params::Snapshot;
use crate::tensor::{self, Stream};

/// Seconds for measuring: of one training, and of all.
const ONE: f64 = 2.0;
const ALL: f64 = 6.0;
const ROWS: i64 = 2;
/// Numbers of rows that are tried, however long it takes.
const ENOUGH: usize = 3;
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
        copies: copies(options, context, total)?,
        state,
    });
    Ok(record)
}

/// Bytes of state that a real run has beyond those of now: what is small here, and the copies that it holds at
/// its end, those to which the guard may go back and the one that is being written as a checkpoint.
fn copies(options: &TrainOptions, context: &Context, total: i64) -> Result<f64> {
    let here: usize = Snapshot::of(&context.state)?
        .tensors
        .values()
        .map(|t| t.raw().numel() * t.raw().kind().elt_size_in_bytes())
        .sum();
    let guard = Guard::new(&options.guard)?.map_or(0, |guard| guard.most(total));
    let copies = (guard + i64::from(options.checkpoint)) as f64;
    let small: f64 = context.state.iter().map(|(_, s)| s.left_out()).sum();
    Ok(copies * (here as f64 + small) + small)
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
            let mut at = vec![(ROWS.min(wanted), small)];
            let mut spent = small.wall;
            while let Some(rows) = next(at[at.len() - 1].0, wanted) {
                let (before, last) = at[at.len() - 1];
                let expected = 1.5 * last.wall * rows as f64 / before as f64;
                let late = spent + expected > ONE || dry_run::probed(0.0) + expected > ALL;
                // What memory grows by with every row is seen from two numbers of rows beside the
                // first, so those are tried, however long they take.
                if late && at.len() >= ENOUGH {
                    break;
                }
                let before = dry_run::probed(0.0);
                at.push((rows, probe(rows)?));
                spent += dry_run::probed(0.0) - before;
            }
            let (rows, last) = at[at.len() - 1];
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
            let memory = memory(&at, wanted);
            let growth = Growth { time, memory };
            dry_run::note_growth(&known, growth);
            growth
        }
    };
    Ok((small.real.times(growth.time), growth.memory))
}

/// The number of rows to try after `rows`: with few, memory does not yet grow evenly, so it is doubled.
fn next(rows: i64, wanted: i64) -> Option<i64> {
    let more = if rows < 4 * ROWS { 2 } else { 4 };
    (rows < wanted).then(|| (rows * more).min(wanted))
}

/// The memory of a step with `wanted` rows, from those that were tried: weights, their gradients and what
/// each thread works in take the same with any number of rows, and the rest grows evenly. With two rows
/// threads have not all got work, so the last two tries tell.
fn memory(at: &[(i64, Cost)], wanted: i64) -> Option<f64> {
    match at {
        [.., (fewer, few), (rows, many)] => {
            let (few, many) = (few.memory?, many.memory?);
            let each = ((many - few) / (rows - fewer) as f64).max(0.0);
            Some(many + each * (wanted - rows) as f64)
        }
        [(rows, one)] => Some(one.memory? * wanted as f64 / *rows as f64),
        [] => None,
    }
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
        let mut tried = || (memory_now(true), timed(|| observe::step(step, &batch)));
        // What earlier steps freed stays with the process: a step that finds it would seem to need nothing,
        // and one with more rows to need all of it for the added ones. So the first try has to ask for all.
        let (before, (outcome, wall, real)) = match tries {
            1 => crate::heap::keeping_nothing(tried),
            _ => tried(),
        };
        outcome?;
        dry_run::probed(wall);
        // Only the first try tells: later ones find what it took.
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
