//! The guard of `train`: a healthy training does not notice it, a sick one goes back and comes to
//! its end.

use crate::common::program;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jemscript::data::{Dataset, Part};
use jemscript::energy::{DoubleWellOptions, Energy};
use jemscript::formats::read_safetensors;
use jemscript::options::{Function, Options, Value};
use jemscript::params::{Cautious, Factors, Snapshot, State};
use jemscript::sampler::{MalaOptions, Sampler, SgldOptions};
use jemscript::tensor::{Device, Kind, Tensor};
use jemscript::train::{Context, Record, TrainOptions, train};
use jemscript::{Error, Result};
use program::{command, stdout};

/// A weight that a step may change.
struct Weight(Cell<f64>);

impl State for Weight {
    fn about(&self) -> String {
        "a weight".to_owned()
    }
    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        into.put(
            format!("{path}.w"),
            &Tensor::from_f64(&[self.0.get()], &[], Kind::Double, Device::Cpu)?,
        )
    }
    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        self.0.set(from.tensor(&format!("{path}.w"))?.item()?);
        Ok(())
    }
}

fn toy() -> Result<Dataset> {
    let part = |name: &str| -> Result<Part> {
        let y = Tensor::of_ints(&(0..12).collect::<Vec<_>>())?;
        Part::new(name, &y.to_kind(Kind::Float)?.unsqueeze(1)?, &y)
    };
    Ok(Dataset {
        name: "toy".to_owned(),
        train: part("train")?,
        validation: part("validation")?,
        test: part("test")?,
        classes: 12,
        held_out: None,
        notes: Vec::new(),
        unlabelled: None,
        range: (-1.0, 1.0),
        about: String::new(),
    })
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
    )
}

/// Forty iterations of a random walk; `value` is what is logged as `gap`, told how many steps were
/// made in all and which iteration this is. Gives the record, what was walked, and each pair of
/// iteration and place at a step's beginning.
type Walked = (Result<Record>, f64, Vec<(i64, f64)>);

fn walk(guard: Value, value: impl Fn(i64, i64) -> f64) -> Walked {
    let weight = Rc::new(Weight(Cell::new(0.0)));
    let at = Rc::new(Weight(Cell::new(0.0)));
    let context = Context::quiet(3)
        .with_state("weight", weight.clone())
        .with_state("at", at.clone());
    let pairs = [
        ("iterations", Value::Int(40)),
        ("batch_size", Value::Int(4)),
        ("guard", guard),
    ];
    let options = TrainOptions::from_map(pairs.iter().map(|(k, v)| (*k, v))).unwrap();
    let mut calls = 0;
    let mut seen = Vec::new();
    let outcome = train(&toy().unwrap(), &options, &context, &mut |_| {
        calls += 1;
        at.0.set(at.0.get() + 1.0);
        let iteration = at.0.get() as i64;
        seen.push((iteration, weight.0.get()));
        weight.0.set(weight.0.get() + Tensor::randn(&[])?.item()?);
        Ok(vec![(
            "gap".to_owned(),
            Tensor::scalar(value(calls, iteration))?,
        )])
    });
    (outcome, weight.0.get(), seen)
}

#[test]
fn a_value_that_is_not_finite_once_is_gone_back_from() {
    let guard = map(&[("every", Value::Int(5))]);
    let (healthy, walked, seen) = walk(guard.clone(), |_, _| 0.5);
    assert!(healthy.unwrap().rollbacks.is_empty());
    let (unguarded, same, _) = walk(Value::Bool(false), |_, _| 0.5);
    assert_eq!(walked.to_bits(), same.to_bits());
    assert_eq!(unguarded.unwrap().iterations, 40);

    let (record, other, again) = walk(guard, |calls, _| if calls == 23 { f64::NAN } else { 0.5 });
    let record = record.unwrap();
    // The state of 20 has not proved healthy, that of 15 has.
    let back: Vec<(i64, i64)> = record
        .rollbacks
        .iter()
        .map(|r| (r.iteration, r.to))
        .collect();
    assert_eq!(back, [(23, 15)]);
    assert_eq!(record.rollbacks[0].reason, "`gap` is NaN");
    assert_eq!(
        (record.iterations, record.repeated(), record.diverged),
        (40, 8, None)
    );
    assert_eq!(
        record.column("gap").unwrap().iterations,
        (1..=40).collect::<Vec<_>>()
    );
    assert!(
        record
            .column("gap")
            .unwrap()
            .values
            .iter()
            .all(|v| *v == 0.5)
    );
    // The weight is what it was after iteration 15; from there on the noise is another.
    assert_eq!(again[..23], seen[..23]);
    assert_eq!(again[23], seen[15]);
    assert_ne!(again[24], seen[16]);
    assert_ne!(walked, other);
}

#[test]
fn it_goes_further_back_and_gives_up_in_the_end() {
    let guard = map(&[("every", Value::Int(5)), ("attempts", Value::Int(3))]);
    let (outcome, _, seen) = walk(
        guard,
        |_, iteration| if iteration == 23 { f64::INFINITY } else { 0.5 },
    );
    let error = outcome.unwrap_err();
    assert_eq!(
        error.message(),
        "train: stopped at iteration 23: `gap` is inf"
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.ends_with(
            "; the guard rolled back before: from 23 to 15, from 23 to 10, from 23 to 0"
        ),
        "{hint}"
    );
    assert_eq!(seen.len(), 23 + 8 + 13 + 23);
}

#[test]
fn what_stays_out_of_bounds_is_gone_back_from_to_before_it_began() {
    let guard = map(&[
        ("every", Value::Int(5)),
        ("patience", Value::Int(8)),
        ("gap", Value::Int(3)),
    ]);
    let (record, ..) = walk(guard, |calls, iteration| {
        if calls <= 25 && iteration > 17 {
            -4.0
        } else {
            0.5
        }
    });
    let record = record.unwrap();
    let back: Vec<(i64, i64)> = record
        .rollbacks
        .iter()
        .map(|r| (r.iteration, r.to))
        .collect();
    // Eight iterations from 18 on; the state of 15 was followed by too few calm ones.
    assert_eq!(back, [(25, 10)]);
    assert_eq!(
        record.rollbacks[0].reason,
        "`gap` was beyond ±3 for 8 iterations on end"
    );
    // One that comes back in time is no reason.
    let guard = map(&[
        ("every", Value::Int(5)),
        ("patience", Value::Int(8)),
        ("gap", Value::Int(3)),
    ]);
    let (record, ..) = walk(guard, |_, iteration| {
        if (18..25).contains(&iteration) {
            -4.0
        } else {
            0.5
        }
    });
    assert!(record.unwrap().rollbacks.is_empty());
}

#[test]
fn what_creeps_is_gone_back_from_before_it_is_out_of_bounds() {
    let guard = |trend: bool| {
        map(&[
            ("every", Value::Int(4)),
            ("gap", Value::Int(20)),
            ("trend", Value::Bool(trend)),
        ])
    };
    for (sign, cause) in [(1.0, "sampler behind"), (-1.0, "samples beat the data")] {
        // Beyond ±20 only from iteration 37 on; well again once it went back.
        let creeping = |calls: i64, iteration: i64| {
            let away = if calls <= 36 {
                (iteration - 16).max(0)
            } else {
                0
            };
            sign * (0.1 * (iteration % 3) as f64 + away as f64)
        };
        let (record, ..) = walk(guard(true), creeping);
        let record = record.unwrap();
        assert_eq!(record.rollbacks.len(), 1);
        let back = &record.rollbacks[0];
        assert_eq!((back.iteration, back.cause.as_str()), (28, cause));
        assert!((8..=16).contains(&back.to), "{}", back.to);
        assert!(
            back.reason.contains("runs away since 16"),
            "{}",
            back.reason
        );
        let restart = if sign > 0.0 { 1.0 } else { 2.0 };
        assert_eq!(back.factors.restart, restart);
        assert_eq!(record.diverged, None);
        let (record, ..) = walk(guard(false), creeping);
        assert!(record.unwrap().rollbacks.is_empty());
    }
}

#[test]
fn a_policy_is_asked_and_wrong_options_are_named() {
    let asked: Rc<Cell<i64>> = Rc::default();
    let inside = asked.clone();
    let policy = Value::Function(Function(Rc::new(move |given: &[Value]| {
        let Value::Map(event) = &given[0] else {
            return Err(Error::argument("no map"));
        };
        let shown: Vec<String> = event.iter().map(|(k, v)| format!("{k} {v}")).collect();
        assert_eq!(shown[..3], ["iteration 23", "to 0", "attempt 1"]);
        assert_eq!(shown[4], "cause \"not finite\"");
        inside.set(inside.get() + 1);
        Ok(map(&[("lr", Value::Float(0.1))]))
    })));
    let (record, ..) = walk(map(&[("policy", policy)]), |calls, _| {
        if calls == 23 { f64::NAN } else { 0.5 }
    });
    let rollback = record.unwrap().rollbacks[0].clone();
    assert_eq!(
        (asked.get(), rollback.factors),
        (
            1,
            Factors {
                lr: 0.1,
                steps: 1.5,
                step_size: 0.5,
                restart: 1.0,
            }
        )
    );

    let refused = |guard: Value| {
        let pairs = [("guard", guard)];
        TrainOptions::from_map(pairs.iter().map(|(k, v)| (*k, v)))
            .err()
            .unwrap()
            .to_string()
    };
    assert!(refused(Value::Int(3)).contains("`guard` must be true, false or a map, got int"));
    assert!(
        refused(map(&[("every", Value::Int(0))]))
            .contains("`guard.every` must be at least 1, got 0")
    );
    assert!(
        refused(map(&[("lr", Value::Float(0.0))]))
            .contains("`guard.lr` must be a number above 0, got 0")
    );
    assert!(refused(map(&[("patients", Value::Int(5))])).contains("did you mean `patience`"));
    assert!(
        refused(map(&[("limits", Value::Int(5))]))
            .contains("`guard.limits` must be a map of numbers")
    );
}

#[test]
fn samplers_and_optimisers_go_on_more_carefully() {
    let factors = Factors {
        lr: 0.5,
        steps: 1.5,
        step_size: 0.25,
        restart: 2.0,
    };
    let options = SgldOptions {
        step_size: Some(2.0),
        noise: Some(0.1),
        noise_end: Some(0.05),
        ..SgldOptions::default()
    };
    for (sampler, after) in [
        (
            Sampler::sgld(&options).unwrap(),
            "step_size: 0.5, noise: 0.05 to 0.025",
        ),
        (
            Sampler::sgld(&SgldOptions {
                alpha: Some(0.4),
                ..SgldOptions::default()
            })
            .unwrap(),
            "alpha: 0.1,",
        ),
        (
            Sampler::mala(&MalaOptions {
                alpha: Some(0.4),
                steps: 20,
                ..MalaOptions::default()
            })
            .unwrap(),
            "alpha: 0.1,",
        ),
    ] {
        let before = sampler.to_string();
        let temperature = before.rsplit("T = ").next().unwrap();
        sampler.ease(&factors).unwrap();
        assert_eq!(sampler.steps(), 30);
        let shown = sampler.to_string();
        assert!(
            shown.contains(after) && shown.ends_with(&format!("T = {temperature}, now 30 steps")),
            "{shown}"
        );
        // As in a checkpoint.
        let mut kept = Snapshot::default();
        sampler.save("s", &mut kept).unwrap();
        sampler.settle();
        assert_eq!(sampler.to_string(), before);
        sampler.load("s", &kept).unwrap();
        assert_eq!(sampler.to_string(), shown);
    }
    // The chain that it walks is that of a sampler with those settings.
    let eased = Sampler::sgld(&SgldOptions {
        alpha: Some(0.4),
        ..SgldOptions::default()
    })
    .unwrap();
    eased
        .ease(&Factors {
            steps: 1.0,
            ..factors
        })
        .unwrap();
    let made = Sampler::sgld(&SgldOptions {
        alpha: Some(0.1),
        ..SgldOptions::default()
    })
    .unwrap();
    let bowl = Energy::double_well(&DoubleWellOptions::default()).unwrap();
    let [a, b] = [eased, made].map(|sampler| {
        jemscript::tensor::seed(1, jemscript::tensor::Stream::Train, 0);
        sampler
            .sample(&bowl, &Tensor::zeros(&[4, 2]).unwrap())
            .unwrap()
            .to_vec()
            .unwrap()
    });
    assert_eq!(a, b);
}

#[test]
fn a_training_does_not_end_out_of_bounds() {
    let guard = map(&[("every", Value::Int(5))]);
    let (record, ..) = walk(guard, |calls, iteration| {
        if calls <= 40 && iteration > 36 {
            60.0
        } else {
            0.5
        }
    });
    let record = record.unwrap();
    let back: Vec<(i64, i64)> = record
        .rollbacks
        .iter()
        .map(|r| (r.iteration, r.to))
        .collect();
    assert_eq!(back, [(40, 30)]);
    assert_eq!(
        (record.rollbacks[0].reason.as_str(), record.iterations),
        ("out of bounds at the end", 40)
    );
}

/// A JEM training that counts as sick at its 40th iteration and again at its 90th.
const SCRIPT: &str = r#"
let guard  = param("guard", true, "");
let sick   = param("sick", [40, 90], "");
let digits = data::digits();
let net    = nn::sequential([nn::flatten(), nn::linear(64, 16), nn::silu(), nn::dropout(0.1), nn::linear(16, 10)]);
let model  = energy::joint(net);
let chains = sampler::replay(digits.shape, #{ size: 100 });
let sgld   = sampler::sgld(#{ steps: 2, clamp: [-1, 1] });
let opt    = optim::adam(model, #{ lr: 0.01 });
let count  = 0;
let policy = |event| { sick.remove(0); if event.attempt == 2 { #{ lr: 0.1 } } };
let how    = #{ iterations: 150, every: 2, batch_size: 16, guard: guard };
if guard { how.guard = #{ every: 8, patience: 6, limits: #{ illness: 1 }, steps: 2, policy: policy }; }
let numbers = [];
for i in 1..=150 { numbers.push(i + 0.0); }
let record = train(digits, how, |batch| {
    count += 1;
    let loss = loss::jem(model, batch.x, batch.y, chains.sample(sgld, model, batch.x.len()));
    opt.step(loss);
    #{ loss: loss, illness: if sick.len() > 0 && count >= sick[0] { 2 } else { 0 }, steps: sgld.steps, n: count }
});
print(record.rollbacks.map(|r| `${r.iteration} ${r.to} ${r.lr} ${r.steps}`));
print(`${count} ${sick} ${opt.lr} ${opt.steps} ${sgld.steps}`);
let steps = record.column("steps");
print(`${steps[31]} ${steps[32]} ${steps[79]} ${steps[80]} ${steps[149]}`);
print(record.column("n") == numbers);
"#;

fn begin(folder: &Path, script: &str) {
    std::fs::write(folder.join("main.rhai"), script).unwrap();
}

/// What a run came to: the log, the final state to the bit.
fn outcome(run: &Path) -> (String, BTreeMap<String, Vec<u64>>) {
    let end = read_safetensors(&run.join("checkpoints/end.safetensors")).unwrap();
    let bits = |t: &Tensor| t.to_vec().unwrap().into_iter().map(f64::to_bits).collect();
    let tensors = end
        .iter()
        .map(|(key, tensor)| (key.clone(), bits(tensor)))
        .collect();
    (
        std::fs::read_to_string(run.join("metrics.jsonl")).unwrap(),
        tensors,
    )
}

#[test]
fn a_healthy_training_is_the_same_to_the_bit_with_and_without() {
    let folder = tempfile::tempdir().unwrap();
    begin(folder.path(), SCRIPT);
    for (guard, out) in [("guard=true", "a"), ("guard=false", "b")] {
        let args = [
            "main.rhai",
            "--threads",
            "1",
            "--quiet",
            "--out",
            out,
            "sick=[]",
            guard,
        ];
        stdout(&command(folder.path(), &args).output().unwrap());
    }
    let (a, b) = (
        outcome(&folder.path().join("a")),
        outcome(&folder.path().join("b")),
    );
    assert_eq!(a.0, b.0);
    assert_eq!(
        a.1.keys().collect::<Vec<_>>(),
        b.1.keys().collect::<Vec<_>>()
    );
    a.1.iter()
        .for_each(|(key, bits)| assert!(b.1[key] == *bits, "{key} differs"));
}

/// Everything comes back, and a run that was killed between or after two roll-backs ends like one
/// that was not.
#[test]
fn a_run_that_went_back_and_is_killed_ends_the_same() {
    let folder = tempfile::tempdir().unwrap();
    begin(folder.path(), SCRIPT);
    let whole = ["main.rhai", "--threads", "1", "--quiet", "--out", "whole"];
    let began = Instant::now();
    let printed = stdout(&command(folder.path(), &whole).output().unwrap());
    let unbroken = began.elapsed();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], r#"["45 32 0.5 2.0", "95 80 0.1 2.0"]"#);
    assert_eq!(lines[1], "150 [] 0.0005 150 2");
    assert_eq!(lines[2], "2.0 4.0 4.0 8.0 8.0");
    assert_eq!(lines[3], "true");
    let wanted = outcome(&folder.path().join("whole"));
    assert_eq!(wanted.0.lines().count(), 150 + 13 + 15);
    assert_eq!(
        wanted
            .0
            .lines()
            .filter(|l| l.contains("\"attempt\":2"))
            .count(),
        70
    );
    let events = std::fs::read_to_string(folder.path().join("whole/events.jsonl")).unwrap();
    assert_eq!(
        events
            .lines()
            .filter(|l| l.contains("\"event\":\"rolled back\""))
            .count(),
        2
    );

    let run = folder.path().join("run");
    fastrand::seed(5);
    let mut kills = 0;
    let mut at_rest = [0; 3];
    while kills < 8 {
        let _ = std::fs::remove_dir_all(&run);
        let last = loop {
            let begun = run.join("run.json").exists();
            let state = std::fs::read_to_string(run.join("run.json")).unwrap_or_default();
            let mut args = vec!["main.rhai", "--threads", "1", "--quiet", "--out", "run"];
            if begun {
                args = vec!["resume", "run", "--quiet"];
            }
            if state.contains("\"finished\"") {
                args.push("--force");
            }
            let mut child = command(folder.path(), &args).spawn().unwrap();
            let moment = Instant::now() + unbroken.mul_f64(0.3 + fastrand::f64() * 0.4);
            while child.try_wait().unwrap().is_none() && (kills >= 8 || Instant::now() < moment) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if child.try_wait().unwrap().is_some() {
                break stdout(&child.wait_with_output().unwrap());
            }
            child.kill().unwrap();
            let _ = child.wait().unwrap();
            kills += 1;
            let log = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
            at_rest[(1..3)
                .filter(|n| log.contains(&format!("\"attempt\":{n}")))
                .count()] += 1;
        };
        assert_eq!(last, printed);
        let found = outcome(&run);
        assert_eq!(found.0, wanted.0);
        wanted
            .1
            .iter()
            .for_each(|(key, bits)| assert!(found.1[key] == *bits, "{key} differs"));
    }
    println!("kills before, between and after: {at_rest:?}");
}

#[test]
fn chains_that_explode_are_gone_back_from_and_a_dry_run_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        let broken = true;
        let sgld   = sampler::sgld(#{ steps: 3 });
        let how    = #{ iterations: 30, guard: #{ policy: |event| { broken = false; } } };
        let energy = energy::of(|x| x.flatten(1).pow(2).sum(1) * (if broken { 1e30 } else { 0.1 }));
        let record = train(data::digits(), how, |batch| sgld.sample(energy, batch.x).mean());
        print(record.rollbacks);
        print(record);
    "#;
    std::fs::write(folder.path().join("main.rhai"), script).unwrap();
    let printed = stdout(&command(folder.path(), &["main.rhai"]).output().unwrap());
    assert!(
        printed.contains(
            "\"reason\": \"sgld: the samples became infinite or not a number in steps 1 to 3"
        ),
        "{printed}"
    );
    assert!(
        printed.contains("rolled back to 0, rate × 0.5, sampler steps × 1.5, their size × 0.5, new noise (1 of 5)"),
        "{printed}"
    );
    assert!(
        printed.contains("rolled back 1 time (1 iterations again)"),
        "{printed}"
    );
    let dry = script.replace("let broken = true", "let broken = false");
    std::fs::write(folder.path().join("dry.rhai"), dry).unwrap();
    let printed = stdout(
        &command(folder.path(), &["dry.rhai", "--dry-run"])
            .output()
            .unwrap(),
    );
    assert!(printed.contains("no error"), "{printed}");
    // Without the policy all attempts are in vain: the error stands at its place in the script.
    let vain = script.replace(
        "guard: #{ policy: |event| { broken = false; } }",
        "guard: true",
    );
    std::fs::write(folder.path().join("vain.rhai"), vain).unwrap();
    let output = command(folder.path(), &["vain.rhai"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        error.contains("became infinite or not a number") && error.contains("vain.rhai:6:"),
        "{error}"
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("(5 of 5)"));
}

/// Only a training that diverged makes a run a diverged one, whatever words a script throws.
#[test]
fn words_of_a_script_are_no_divergence() {
    let folder = tempfile::tempdir().unwrap();
    let how = "iterations: 120, batch_size: 8, guard: false, stop_on_divergence: true";
    for (gap, after, wanted) in [
        ("1.0", "throw \"train: diverged at iteration 3\";", "failed"),
        (
            "if batch.y.len() > 0 { throw \"train: diverged at iteration 3\" } else { 1.0 }",
            "",
            "failed",
        ),
        ("99.0", "", "diverged"),
        ("0.0 / 0.0", "", "diverged"),
    ] {
        begin(
            folder.path(),
            &format!(
                "train(data::digits(), #{{ {how} }}, |batch| #{{ gap: tensor::full([], {gap}) }});\n{after}"
            ),
        );
        let _ = std::fs::remove_dir_all(folder.path().join("run"));
        let output = command(folder.path(), &["main.rhai", "--quiet", "--out", "run"])
            .output()
            .unwrap();
        assert!(!output.status.success());
        let run = std::fs::read_to_string(folder.path().join("run/run.json")).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            run.contains(&format!("\"state\": \"{wanted}\"")),
            "{gap} {after}: {error}\n{run}"
        );
        assert!(error.contains("main.rhai:"), "the place is shown: {error}");
    }
}
