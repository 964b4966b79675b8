//! The loop on toy problems: what it records, keeps, refuses and stops at.

use std::cell::{Cell, RefCell};
use std::path::Path;

use super::*;
use crate::data::Part;
use crate::error::ErrorKind;
use crate::formats::read_snapshot;
use crate::options::{Function, Value};
use crate::params::Snapshot;
use crate::run::About;

/// Rows 0 … n−1 with their number as value and label.
fn part(name: &str, n: i64) -> Result<Part> {
    let y = Tensor::of_ints(&(0..n).collect::<Vec<_>>())?;
    Part::new(name, &y.to_kind(tensor::Kind::Float)?.unsqueeze(1)?, &y)
}

fn data() -> Result<Dataset> {
    Ok(Dataset {
        name: "toy".to_owned(),
        train: part("toy.train", 20)?,
        validation: part("toy.validation", 7)?,
        test: part("toy.test", 5)?,
        classes: 20,
        held_out: None,
        notes: Vec::new(),
        unlabelled: None,
        range: (-1.0, 1.0),
        about: String::new(),
    })
}

/// A weight that a step may change.
struct Weight(Cell<f64>);

impl State for Weight {
    fn about(&self) -> String {
        "a weight".to_owned()
    }
    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        into.put(
            format!("{path}.w"),
            &Tensor::from_f64(
                &[self.0.get()],
                &[],
                tensor::Kind::Double,
                tensor::Device::Cpu,
            )?,
        )
    }
    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        self.0.set(from.tensor(&format!("{path}.w"))?.item()?);
        Ok(())
    }
}

fn options(pairs: &[(&str, Value)]) -> Result<TrainOptions> {
    TrainOptions::from_map(pairs.iter().map(|(k, v)| (*k, v)))
}

fn number(value: f64) -> Result<Tensor> {
    Tensor::scalar(value)
}

fn function(f: impl Fn(&[Value]) -> Result<Value> + 'static) -> Value {
    Value::Function(Function(Rc::new(f)))
}

/// Gradient descent on ½ (w − 3)² with noise of the training stream.
fn descend(seed: u64, run: &Run, changes: &[(&str, Value)]) -> Result<(Record, Rc<Weight>)> {
    let weight = Rc::new(Weight(Cell::new(0.0)));
    let context = Context {
        run: run.clone(),
        ..Context::quiet(seed)
    }
    .with_state("weight", weight.clone());
    let measured = weight.clone();
    let validate = function(move |given| {
        let part = given[0]
            .downcast::<Part>()
            .ok_or_else(|| Error::argument("no part"))?;
        assert_eq!((part.name.as_str(), part.len()), ("toy.validation", 7));
        Ok(Value::Float((measured.0.get() - 3.0).abs()))
    });
    let mut all = vec![
        ("batch_size", Value::Int(8)),
        ("every", Value::Int(10)),
        ("mode", Value::Str("min".to_owned())),
        ("validate", validate),
    ];
    all.extend_from_slice(changes);
    let record = train(&data()?, &options(&all)?, &context, &mut |batch: &Batch| {
        let w = weight.0.get();
        weight
            .0
            .set(w - 0.1 * (w - 3.0) + 0.02 * Tensor::randn(&[])?.item()?);
        crate::record::note("seen", &batch.x.sum()?);
        Ok(vec![(
            "total".to_owned(),
            number(0.5 * (w - 3.0) * (w - 3.0))?,
        )])
    })?;
    Ok((record, weight))
}

#[test]
fn a_quadratic_is_learnt_and_recorded() -> Result<()> {
    let (record, weight) = descend(1, &Run::none(), &[("iterations", Value::Int(105))])?;
    assert!((weight.0.get() - 3.0).abs() < 0.2, "{}", weight.0.get());
    assert_eq!(record.iterations, 105);
    let total = record.column("total")?;
    assert_eq!(total.iterations, (1..=105).collect::<Vec<_>>());
    assert_eq!(total.values[0], 4.5);
    assert_eq!(record.column("seen")?.values.len(), 105);
    let validation = record.column("validation")?;
    assert_eq!(
        validation.iterations,
        [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 105]
    );
    let best = record.best.clone().ok_or_else(|| Error::state("no best"))?;
    let lowest = validation
        .values
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min);
    assert_eq!(best.value, lowest);
    assert_eq!(
        validation.values[validation
            .iterations
            .iter()
            .position(|i| *i == best.iteration)
            .unwrap_or(99)],
        lowest
    );
    assert!(
        record
            .column("totl")
            .is_err_and(|e| e.hint() == Some("did you mean `total`?"))
    );
    let shown = record.to_string();
    assert!(
        shown.contains("105 iterations") && shown.contains("validation"),
        "{shown}"
    );
    Ok(())
}

#[test]
fn one_seed_decides_everything() -> Result<()> {
    let history = |seed| -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
        let (record, _) = descend(seed, &Run::none(), &[("epochs", Value::Int(20))])?;
        Ok((
            record.column("total")?.values,
            record.column("seen")?.values,
            record.column("validation")?.values,
        ))
    };
    tensor::seed(99, Stream::Init, 0);
    let first = history(5)?;
    Tensor::randn(&[7])?;
    assert_eq!(first, history(5)?);
    let other = history(6)?;
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
    Ok(())
}

#[test]
fn an_epoch_shows_each_row_at_most_once_in_a_new_order() -> Result<()> {
    let seen = RefCell::new(Vec::new());
    let gather = |pairs: &[(&str, Value)]| -> Result<Vec<Vec<i64>>> {
        seen.borrow_mut().clear();
        train(
            &data()?,
            &options(pairs)?,
            &Context::quiet(2),
            &mut |batch| {
                assert_eq!(batch.x.squeeze(1)?.to_ints()?, batch.y.to_ints()?);
                seen.borrow_mut().push(batch.y.to_ints()?);
                Ok(Vec::new())
            },
        )?;
        Ok(seen.borrow().clone())
    };
    let two = gather(&[("batch_size", Value::Int(6)), ("epochs", Value::Int(2))])?;
    assert_eq!(two.iter().map(Vec::len).collect::<Vec<_>>(), [6; 6]);
    for epoch in [&two[..3], &two[3..]] {
        let mut rows = epoch.concat();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 18);
    }
    assert_ne!(two[..3].concat(), two[3..].concat());
    let all = gather(&[
        ("batch_size", Value::Int(6)),
        ("drop_last", Value::Bool(false)),
    ])?;
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6, 6, 2]);
    let plain = gather(&[
        ("batch_size", Value::Int(10)),
        ("shuffle", Value::Bool(false)),
    ])?;
    assert_eq!(plain.concat(), (0..20).collect::<Vec<_>>());
    Ok(())
}

fn folder() -> std::result::Result<tempfile::TempDir, std::io::Error> {
    tempfile::tempdir()
}

fn about() -> About {
    About {
        script: "toy.rhai".to_owned(),
        source: "train();".to_owned(),
        seed: 1,
        ..About::default()
    }
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::io(path, &e))
}

#[test]
fn the_run_folder_holds_metrics_checkpoints_and_samples()
-> std::result::Result<(), Box<dyn std::error::Error>> {
    let place = folder()?;
    let run = Run::exactly(&place.path().join("run"), about())?;
    let samples = function(|_| Ok(Value::object("tensor", Tensor::zeros(&[4, 1, 8, 8])?)));
    let changes = [
        ("iterations", Value::Int(25)),
        ("samples", samples),
        ("log_every", Value::Int(5)),
    ];
    let (record, weight) = descend(1, &run, &changes)?;
    let made = run.folder().ok_or("no folder")?;
    let lines: Vec<serde_json::Value> = text(&made.join("metrics.jsonl"))?
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()?;
    // Numbers are written with the digits of a 32-bit float.
    let totals: Vec<f32> = lines
        .iter()
        .filter_map(|l| l["total"].as_f64())
        .map(|v| v as f32)
        .collect();
    assert_eq!(
        totals,
        record
            .column("total")?
            .values
            .iter()
            .map(|v| *v as f32)
            .collect::<Vec<_>>()
    );
    assert_eq!(
        lines.iter().filter(|l| !l["validation"].is_null()).count(),
        3
    );
    for name in [
        "samples-000010.png",
        "samples-000020.png",
        "samples-000025.png",
        "toy.rhai",
        "run.json",
    ] {
        assert!(made.join(name).exists(), "{name}");
    }
    let last = read_snapshot(&made.join("checkpoints/end.safetensors"))?;
    assert_eq!(last.int("loop.iteration")?, 25);
    assert_eq!(last.tensor("weight.w")?.item()?, weight.0.get());
    let best = read_snapshot(&made.join("checkpoints/best.safetensors"))?;
    let wanted = record.best.ok_or("no best")?;
    assert_eq!(best.int("loop.iteration")?, wanted.iteration);
    assert_eq!((best.tensor("weight.w")?.item()? - 3.0).abs(), wanted.value);
    // A second training of the same run keeps its files apart.
    descend(1, &run, &[("iterations", Value::Int(10))])?;
    assert!(made.join("checkpoints/train-2-end.safetensors").exists());
    Ok(())
}

#[test]
fn the_best_state_comes_back() -> Result<()> {
    // The weight grows by one in each iteration and is best at 20.
    let weight = Rc::new(Weight(Cell::new(0.0)));
    let measured = weight.clone();
    let distance = function(move |_| {
        let found = Value::Float((measured.0.get() - 20.0).abs());
        Ok(Value::Map(vec![
            ("distance".into(), found),
            ("other".into(), Value::Int(0)),
        ]))
    });
    let options = options(&[
        ("iterations", Value::Int(60)),
        ("batch_size", Value::Int(4)),
        ("every", Value::Int(10)),
        ("mode", Value::Str("min".into())),
        ("best", Value::Str("distance".into())),
        ("validate", distance),
        ("restore_best", Value::Bool(true)),
    ])?;
    let context = Context::quiet(0).with_state("weight", weight.clone());
    let record = train(&data()?, &options, &context, &mut |_| {
        weight.0.set(weight.0.get() + 1.0);
        Ok(Vec::new())
    })?;
    assert_eq!(
        record.best,
        Some(Best {
            name: "distance".to_owned(),
            value: 0.0,
            iteration: 20
        })
    );
    assert_eq!(
        (weight.0.get(), record.column("other")?.values.len()),
        (20.0, 6)
    );
    Ok(())
}

#[test]
fn a_value_that_is_not_finite_stops_training_by_name()
-> std::result::Result<(), Box<dyn std::error::Error>> {
    let place = folder()?;
    let run = Run::exactly(&place.path().join("run"), about())?;
    let weight = Rc::new(Weight(Cell::new(1.0)));
    let context = Context {
        run: run.clone(),
        ..Context::quiet(0)
    }
    .with_state("weight", weight);
    let few = [
        ("iterations", Value::Int(50)),
        ("batch_size", Value::Int(4)),
        ("guard", Value::Bool(false)),
    ];
    let options = options(&few)?;
    let mut count = 0;
    let outcome = train(&data()?, &options, &context, &mut |_| {
        count += 1;
        crate::record::note("e_data", &number(1.0)?);
        crate::record::note("gap", &number(if count == 23 { f64::NAN } else { 0.1 })?);
        Ok(vec![("total".to_owned(), number(1.0)?)])
    });
    let error = outcome.err().ok_or("must fail")?;
    assert_eq!(error.kind(), ErrorKind::NonFinite);
    assert_eq!(
        error.message(),
        "train: stopped at iteration 23: `gap` is NaN"
    );
    assert!(
        error.hint().is_some_and(|h| h.contains("energy_l2")),
        "{error}"
    );
    assert!(!crate::record::listening());
    let made = run.folder().ok_or("no folder")?;
    assert!(
        text(&made.join("metrics.jsonl"))?
            .lines()
            .last()
            .is_some_and(|l| l.contains("\"gap\":\"NaN\""))
    );
    assert!(text(&made.join("events.jsonl"))?.contains("\"event\":\"stopped\""));
    assert!(made.join("checkpoints/stopped.safetensors").exists());
    assert!(!made.join("checkpoints/end.safetensors").exists());
    Ok(())
}

#[test]
fn an_interrupt_finishes_the_step_and_keeps_the_state()
-> std::result::Result<(), Box<dyn std::error::Error>> {
    let place = folder()?;
    let run = Run::exactly(&place.path().join("run"), about())?;
    let weight = Rc::new(Weight(Cell::new(0.0)));
    let context = Context {
        run: run.clone(),
        ..Context::quiet(0)
    }
    .with_state("weight", weight.clone());
    let options = options(&[
        ("iterations", Value::Int(50)),
        ("batch_size", Value::Int(4)),
    ])?;
    crate::interrupt::clear();
    let outcome = train(&data()?, &options, &context, &mut |_| {
        weight.0.set(weight.0.get() + 1.0);
        if weight.0.get() == 7.0 {
            crate::interrupt::request();
        }
        Ok(Vec::new())
    });
    crate::interrupt::clear();
    let error = outcome.err().ok_or("must be interrupted")?;
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(
        error
            .message()
            .starts_with("train: interrupted after 7 of 50 iterations; "),
        "{error}"
    );
    let last = read_snapshot(
        &run.folder()
            .ok_or("no folder")?
            .join("checkpoints/00000007.safetensors"),
    )?;
    assert_eq!(
        (
            last.int("loop.iteration")?,
            last.tensor("weight.w")?.item()?
        ),
        (7, 7.0)
    );
    Ok(())
}

#[test]
fn divergence_is_marked_and_stops_only_on_demand() -> Result<()> {
    let diverge = |changes: &[(&str, Value)]| {
        let mut all = vec![
            ("iterations", Value::Int(150)),
            ("batch_size", Value::Int(4)),
        ];
        all.extend_from_slice(changes);
        train(&data()?, &options(&all)?, &Context::quiet(0), &mut |_| {
            Ok(vec![("gap".to_owned(), number(-70.0)?)])
        })
    };
    let record = diverge(&[])?;
    assert_eq!((record.diverged, record.iterations), (Some(100), 150));
    let error = diverge(&[("stop_on_divergence", Value::Bool(true))]).err();
    assert!(error.is_some_and(|e| {
        e.message()
            .starts_with("train: diverged at iteration 100: `gap`")
    }));
    Ok(())
}

#[test]
fn wrong_steps_and_options_are_named() -> Result<()> {
    let refused = |pairs: &[(&str, Value)]| -> Result<String> {
        let outcome = options(pairs)
            .and_then(|o| train(&data()?, &o, &Context::quiet(0), &mut |_| Ok(Vec::new())));
        outcome
            .err()
            .map(|e| e.to_string())
            .ok_or_else(|| Error::state(format!("{:?} was accepted", pairs[0].0)))
    };
    assert!(refused(&[("epochs", Value::Int(0))])?.contains("`epochs` must be at least 1, got 0"));
    assert!(
        refused(&[("epochs", Value::Int(1)), ("iterations", Value::Int(1))])?.contains("not both")
    );
    assert!(
        refused(&[("batch_size", Value::Int(64))])?.contains("larger than toy.train, which has 20")
    );
    assert!(refused(&[("mode", Value::Str("top".to_owned()))])?.contains("\"max\" or \"min\""));
    assert!(refused(&[("restore_best", Value::Bool(true))])?.contains("need `validate`"));
    assert!(refused(&[("epoch", Value::Int(3))])?.contains("did you mean `epochs`"));
    let two = || {
        function(|_| {
            Ok(Value::Map(vec![
                ("a".into(), Value::Int(1)),
                ("b".into(), Value::Float(2.0)),
            ]))
        })
    };
    let small = ("batch_size", Value::Int(4));
    assert!(refused(&[small.clone(), ("validate", two())])?.contains("which one is best"));
    let named = [
        small.clone(),
        ("validate", two()),
        ("best", Value::Str("c".into())),
    ];
    assert!(refused(&named)?.contains("\"c\", which `validate` does not give"));
    let text = ("validate", function(|_| Ok(Value::Str("good".into()))));
    assert!(refused(&[small, text])?.contains("a number or a map of numbers, got string"));
    let outcome = train(
        &data()?,
        &options(&[("batch_size", Value::Int(4))])?,
        &Context::quiet(0),
        &mut |batch| Ok(vec![("x".to_owned(), batch.x.clone())]),
    );
    assert!(outcome.is_err_and(|e| e.message().contains("`x` of shape [4, 1]")));
    Ok(())
}

#[test]
fn plain_lines_tell_start_messages_and_end() -> Result<()> {
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Shared::default();
    let progress = Rc::new(Lines::to(
        Box::new(out.clone()),
        std::time::Duration::from_secs(3600),
    ));
    let context = Context {
        progress,
        ..Context::quiet(0)
    };
    let accuracy = function(|_| Ok(Value::Float(0.75)));
    let options = options(&[
        ("iterations", Value::Int(30)),
        ("batch_size", Value::Int(4)),
        ("every", Value::Int(15)),
        ("validate", accuracy),
    ])?;
    train(&data()?, &options, &context, &mut |_| {
        Ok(vec![("total".to_owned(), number(0.5)?)])
    })?;
    let said = String::from_utf8_lossy(&out.0.borrow()).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "train: 30 iterations");
    assert_eq!(
        lines[1],
        "train: iteration 15: validation 0.7500  (best so far)"
    );
    assert_eq!(lines[2], "train: 30/30  loss 0.5000  0:00 left");
    assert_eq!(lines[3], "train: iteration 30: validation 0.7500");
    assert_eq!(lines.len(), 4, "{said}");
    Ok(())
}
