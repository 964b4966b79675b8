//! A training in a rehearsal: two iterations of two rows, and then a few steps with more rows to see what a real one costs.

use std::fs;

use super::{Batches, Context, Dataset, Record, Step, TrainOptions, Training, batch_options, observe};
use crate::data::Batch;
use crate::error::Result;
use crate::rehearsal::{self, Span, timed};
use crate::tensor::{self, Stream};

/// Seconds for measuring: of one training, and of all.
const ONE: f64 = 1.0;
const ALL: f64 = 4.0;
const ROWS: i64 = 2;

/// Rehearses a training of `total` iterations.
pub(super) fn train(
    data: &Dataset,
    options: &TrainOptions,
    context: &Context,
    step: &mut Step,
    total: i64,
) -> Result<Record> {
    let light = TrainOptions {
        epochs: None,
        iterations: Some(total.min(2)),
        batch_size: options.batch_size.min(ROWS),
        every: total.min(2),
        checkpoint: false,
        ..options.clone()
    };
    let batches = Batches::new(&data.train, &batch_options(&light, context))?;
    let mut training = Training::new(data, &light, context, total.min(2));
    training.looks = (total + options.every - 1) / options.every;
    training.run(&batches, step)?;
    let record = training.record;
    let (seconds, memory) = measure(data, options, context, step)?;
    let left = (total - light.iterations.unwrap_or(0)) as f64;
    rehearsal::add(Span { low: left * seconds.low, high: left * seconds.high });
    let state = context.state.iter().map(|(name, state)| (name.clone(), state.about())).collect();
    rehearsal::note_training(rehearsal::Training {
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
fn measure(data: &Dataset, options: &TrainOptions, context: &Context, step: &mut Step) -> Result<(Span, Option<f64>)> {
    let wanted = options.batch_size.min(data.train.len());
    let mut rows = ROWS.min(wanted);
    let mut spent = 0.0;
    loop {
        tensor::seed(context.seed, Stream::Train, 3);
        let batch = Batch { x: data.train.x.slice(0, rows)?, y: data.train.y.slice(0, rows)? };
        let before = memory_now(true);
        let (outcome, wall, real) = timed(|| observe::step(step, &batch));
        outcome?;
        let memory = before.zip(memory_now(false)).map(|(before, peak)| (peak - before).max(0.0));
        spent += wall;
        let all = rehearsal::probed(wall);
        let next = (rows * 4).min(wanted);
        let expected = wall * next as f64 / rows as f64;
        if rows == wanted || spent + expected > ONE || all + expected > ALL {
            let factor = options.batch_size as f64 / rows as f64;
            // More rows at a time cost less each.
            let low = if factor > 1.0 { (0.5 * factor).max(1.0) } else { 1.0 };
            let seconds = Span { low: real.low * low, high: real.high * factor };
            return Ok((seconds, memory.map(|m| m * factor)));
        }
        rows = next;
    }
}

/// Bytes of this process: at its peak since the last reset, or now, with a reset.
fn memory_now(reset: bool) -> Option<f64> {
    if reset {
        // "5" sets the peak to what is there now.
        fs::write("/proc/self/clear_refs", "5").ok()?;
    }
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
}
