//! The state of a training as one [`Snapshot`]: what its surroundings gave it, and what the loop
//! itself remembers.
//!
//! All that a step depends on is here, so that a training continues from a snapshot exactly: a
//! checkpoint on disk, or one in memory to which a guard rolls back. The loop's own things stand
//! under `loop.`, a word that no variable can have.

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::record::Record;
use super::{Best, Column, Rollback};
use crate::error::{Error, Result};
use crate::params::{Factors, Snapshot, State};
use crate::tensor::{Device, Kind, Tensor};

/// Puts all of it back.
pub(super) fn restore(states: &[(String, Rc<dyn State>)], from: &Snapshot) -> Result<()> {
    states
        .iter()
        .try_for_each(|(name, state)| state.load(name, from))
}

/// Puts back what was learned, and leaves the script's own variables as they are.
pub(super) fn restore_learned(states: &[(String, Rc<dyn State>)], from: &Snapshot) -> Result<()> {
    states
        .iter()
        .filter(|(_, s)| s.learned())
        .try_for_each(|(name, state)| state.load(name, from))
}

/// Keeps a record, its numbers to the bit.
pub(super) fn put_record(record: &Record, into: &mut Snapshot) -> Result<()> {
    // Most columns were logged at the same iterations, which are kept once.
    let mut times: Vec<&[i64]> = Vec::new();
    let mut lists = Vec::new();
    for (list, columns) in [
        ("columns", &record.columns),
        ("validation", &record.validation),
    ] {
        let mut names = Vec::new();
        for (i, column) in columns.iter().enumerate() {
            let place = times
                .iter()
                .position(|t| *t == column.iterations)
                .unwrap_or_else(|| {
                    times.push(&column.iterations);
                    times.len() - 1
                });
            names.push(json!([column.name, place]));
            into.tensors
                .insert(format!("loop.{list}.{i}"), numbers(&column.values)?);
        }
        lists.push(Json::from(names));
    }
    for (i, time) in times.iter().enumerate() {
        into.tensors.insert(
            format!("loop.times.{i}"),
            Tensor::from(tch::Tensor::f_from_slice(time)?),
        );
    }
    let best = record
        .best
        .as_ref()
        .map(|b| json!([b.name, bits(b.value), b.iteration]));
    let rollbacks: Vec<Json> = record
        .rollbacks
        .iter()
        .map(|r| json!([r.iteration, r.to, r.reason, r.cause, factors(&r.factors)]))
        .collect();
    into.values.insert(
        "loop.record".to_owned(),
        json!({
            "name": record.name, "iterations": record.iterations, "seconds": record.seconds,
            "diverged": record.diverged, "stopped": record.stopped, "best": best, "rollbacks": rollbacks, "columns": lists[0], "validation": lists[1],
        }),
    );
    Ok(())
}

fn factors(f: &Factors) -> Json {
    json!([f.lr, f.steps, f.step_size, f.restart])
}

/// A record as it was kept.
pub(super) fn take_record(from: &Snapshot) -> Result<Record> {
    let wrong = || Error::data("checkpoint: its record cannot be read");
    let kept = from.values.get("loop.record").ok_or_else(wrong)?;
    let mut record = Record::new(kept["name"].as_str().ok_or_else(wrong)?);
    record.iterations = kept["iterations"].as_i64().ok_or_else(wrong)?;
    record.seconds = kept["seconds"].as_f64().ok_or_else(wrong)?;
    record.diverged = kept["diverged"].as_i64();
    record.stopped = kept["stopped"].as_str().map(str::to_owned);
    for entry in kept["rollbacks"].as_array().ok_or_else(wrong)? {
        record.rollbacks.push(Rollback {
            iteration: entry[0].as_i64().ok_or_else(wrong)?,
            to: entry[1].as_i64().ok_or_else(wrong)?,
            reason: entry[2].as_str().ok_or_else(wrong)?.to_owned(),
            cause: entry[3].as_str().ok_or_else(wrong)?.to_owned(),
            factors: Factors {
                lr: entry[4][0].as_f64().ok_or_else(wrong)?,
                steps: entry[4][1].as_f64().ok_or_else(wrong)?,
                step_size: entry[4][2].as_f64().ok_or_else(wrong)?,
                restart: entry[4][3].as_f64().ok_or_else(wrong)?,
            },
        });
    }
    if let Some(best) = kept["best"].as_array() {
        let value = best.get(1).and_then(unbits).ok_or_else(wrong)?;
        let name = best[0].as_str().ok_or_else(wrong)?.to_owned();
        record.best = Some(Best {
            name,
            value,
            iteration: best.get(2).and_then(Json::as_i64).ok_or_else(wrong)?,
        });
    }
    for (list, columns) in [
        ("columns", &mut record.columns),
        ("validation", &mut record.validation),
    ] {
        for (i, entry) in kept[list].as_array().ok_or_else(wrong)?.iter().enumerate() {
            let place = entry[1].as_u64().ok_or_else(wrong)?;
            columns.push(Column {
                name: entry[0].as_str().ok_or_else(wrong)?.to_owned(),
                iterations: from.tensor(&format!("loop.times.{place}"))?.to_ints()?,
                values: from.tensor(&format!("loop.{list}.{i}"))?.to_vec()?,
            });
        }
    }
    Ok(record)
}

/// Numbers as a tensor that gives them back to the bit, in half the room where they allow it.
fn numbers(values: &[f64]) -> Result<Tensor> {
    let single = values
        .iter()
        .all(|v| f64::from(*v as f32).to_bits() == v.to_bits());
    let kind = if single { Kind::Float } else { Kind::Double };
    Tensor::from_f64(values, &[values.len() as i64], kind, Device::Cpu)
}

/// A number as JSON that also takes what is not finite.
pub(super) fn bits(value: f64) -> Json {
    if value.is_finite() {
        json!(value)
    } else {
        json!(value.to_string())
    }
}

/// The number back.
pub(super) fn unbits(value: &Json) -> Option<f64> {
    value
        .as_f64()
        .or_else(|| value.as_str().and_then(|t| t.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_to_the_bit() -> Result<()> {
        let mut record = Record::new("a");
        for i in 1..40 {
            let named = |n: &str, v: f64| (n.to_owned(), v);
            record.add(
                i,
                &[
                    named("x", 0.1 * i as f64),
                    named("y", f64::from(0.1f32)),
                    named("z", f64::NAN),
                ],
            );
            if i % 7 == 0 {
                record.add(i, &[named("late", f64::NEG_INFINITY)]);
                record.add_validation(i, &[named("v", -0.0)]);
            }
        }
        record.best = Some(Best {
            name: "v".to_owned(),
            value: f64::INFINITY,
            iteration: 7,
        });
        (record.iterations, record.seconds, record.diverged) = (39, 1.5, Some(3));
        let factors = Factors {
            lr: 0.1,
            steps: 1.5,
            step_size: 1.0 / 3.0,
            restart: 2.0,
        };
        let reason = "`gap` is NaN".to_owned();
        record.rollbacks.push(Rollback {
            iteration: 9,
            to: 5,
            reason,
            cause: "not finite".to_owned(),
            factors,
        });
        let mut snapshot = Snapshot::default();
        put_record(&record, &mut snapshot)?;
        let back = take_record(&snapshot)?;
        let plain = |c: &[Column]| {
            let one = |c: &Column| {
                (
                    c.name.clone(),
                    c.iterations.clone(),
                    c.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
                )
            };
            c.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(plain(&back.columns), plain(&record.columns));
        assert_eq!(plain(&back.validation), plain(&record.validation));
        assert_eq!(back.rollbacks, record.rollbacks);
        assert_eq!(
            (&back.best, back.iterations, back.diverged),
            (&record.best, 39, Some(3))
        );
        // `late` and `v` share their iterations; x, y and z share theirs.
        assert_eq!(
            snapshot
                .tensors
                .keys()
                .filter(|k| k.starts_with("loop.times"))
                .count(),
            2
        );
        assert_eq!(snapshot.tensor("loop.columns.1")?.kind(), Kind::Float);
        assert_eq!(snapshot.tensor("loop.columns.0")?.kind(), Kind::Double);
        Ok(())
    }
}
