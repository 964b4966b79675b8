//! Runs that are killed, interrupted or out of disk, and go on: the end is the same to the bit.

use crate::common::program;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use jemscript::formats::read_safetensors;
use program::{command, jemscript, stdout, text};

/// Two trainings with everything that a step can change: weights, batch norm, dropout, a replay
/// buffer, an average, an optimiser that only an energy's function knows, the script's own
/// variables, random numbers between and in validations.
const SCRIPT: &str = r#"
import "lib/part" as part;
let iterations = param("iterations", 150, "of each training");
let digits = data::digits();
let net    = nn::sequential([nn::flatten(), nn::linear(64, 16), nn::silu(), nn::dropout(0.1), nn::linear(16, 10)]);
let model  = energy::joint(net);
let chains = sampler::replay(digits.shape, #{ size: 100 });
let sgld   = sampler::sgld(#{ steps: 2, clamp: [-1, 1] });
let opt    = optim::adam(model, #{ lr: 0.01, warmup: 20, cosine: iterations });
let smooth = optim::ema(model, 0.9);
let change = data::augment(#{ noise: 0.03 });
let kit    = #{ more: [data::augment(#{ noise: 0.01 })] };
let count  = 0;
let losses = [];
let seen   = #{ sum: tensor::zeros([]), text: "", deep: [1, [2.5]] };
let first  = train(digits, #{
    name: "first", iterations: iterations, every: 2, batch_size: 16, restore_best: true, best: "accuracy",
    validate: |p| #{ accuracy: evaluate::accuracy(model, p), chance: tensor::uniform([1], 0, 1).item() },
}, |batch| {
    let x    = kit.more[0].apply(change.apply(batch)).x;
    let loss = loss::jem(model, x, batch.y, chains.sample(sgld, model, x.len()));
    opt.step(loss);
    smooth.update();
    count += 1;
    losses.push(loss.total.item());
    if count == 7 { net.set_training(false); }
    if count == 90 { net.set_training(true); chains.init_class_gaussians(digits.train); }
    seen.sum = seen.sum + batch.x.mean();
    seen.text = `${count}`;
    seen.deep[1][0] += 0.5;
    loss
});
print(`${count} ${losses.len()} ${losses[-1]} ${seen}`);
print(first.column("total").len() + first.best);
print(tensor::randn([3]));
let small  = nn::mlp([64, 4, 1]);
let factor = 1.0;
let other  = energy::of(|x| factor * small.forward(x.flatten(1)).pow(2).sum(1));
let sgd    = optim::sgd(small, #{ lr: 0.01, momentum: 0.9 });
let step   = |batch| { let l = other.energy(batch.x).mean() + part::of(batch.x); sgd.step(l); factor *= 1.001; #{ l: l, n: count, factor: factor } };
train(digits, #{ name: "second", iterations: iterations, every: 1, batch_size: 16, keep: 1 }, step);
print(`${factor} ${tensor::randn([3])}`);
print(model.energy(digits.test.images(4)));
"#;

const LIB: &str = "fn of(x) { 0.5 * x.abs().mean() }\n";

fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rhai"), SCRIPT).unwrap();
    std::fs::create_dir(folder.path().join("lib")).unwrap();
    std::fs::write(folder.path().join("lib/part.rhai"), LIB).unwrap();
    folder
}

fn refused(output: &Output, message: &str) {
    let error = text(&output.stderr);
    assert!(
        !output.status.success() && error.contains(message),
        "no `{message}` in {error}"
    );
}

/// What a run came to: the log, the states at the end of each training to the bit, and what was
/// printed.
#[derive(PartialEq)]
struct Outcome {
    metrics: String,
    tensors: BTreeMap<String, Vec<u64>>,
    printed: String,
}

fn outcome(run: &Path, printed: &str) -> Outcome {
    let mut tensors = BTreeMap::new();
    for name in ["first-end", "second-end", "first-best"] {
        for (key, tensor) in
            read_safetensors(&run.join(format!("checkpoints/{name}.safetensors"))).unwrap()
        {
            let bits = tensor
                .to_vec()
                .unwrap()
                .into_iter()
                .map(f64::to_bits)
                .collect();
            tensors.insert(format!("{name}: {key}"), bits);
        }
    }
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    Outcome {
        metrics,
        tensors,
        printed: printed.to_owned(),
    }
}

fn same(found: &Outcome, wanted: &Outcome) {
    for (a, b) in found.metrics.lines().zip(wanted.metrics.lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(found.metrics.len(), wanted.metrics.len());
    for (name, bits) in &wanted.tensors {
        assert!(found.tensors.get(name) == Some(bits), "{name} differs");
    }
    assert_eq!(found.tensors.len(), wanted.tensors.len());
    assert_eq!(found.printed, wanted.printed);
}

const BEGIN: [&str; 7] = ["main.rhai", "--out", "run", "--threads", "1", "--seed", "3"];

fn unbroken(folder: &Path) -> Outcome {
    let printed = stdout(&jemscript(
        folder,
        &[
            "main.rhai",
            "--out",
            "whole",
            "--threads",
            "1",
            "--seed",
            "3",
            "--quiet",
        ],
    ));
    outcome(&folder.join("whole"), &printed)
}

/// Kills at random moments (50, or as many as `JEMSCRIPT_KILLS` says), checkpoints being written
/// all the time.
#[test]
fn a_run_that_is_killed_at_any_time_ends_the_same() {
    let folder = place();
    let started = Instant::now();
    let wanted = unbroken(folder.path());
    let unbroken = started.elapsed();
    let kills = std::env::var("JEMSCRIPT_KILLS")
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(50);
    let seed = std::env::var("JEMSCRIPT_SEED")
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(7);
    fastrand::seed(seed);
    let mut done = 0;
    // A run that ends too soon for all kills is begun again.
    let mut rounds = 0;
    while done < kills {
        let run = folder.path().join("run");
        let _ = std::fs::remove_dir_all(&run);
        rounds += 1;
        let printed = loop {
            let begun = run.join("run.json").exists();
            // It may be killed in the moment between its last word and its end.
            let state = std::fs::read_to_string(run.join("run.json")).unwrap_or_default();
            let force = state.contains("\"finished\"");
            let args = if begun {
                [
                    &["resume", "run", "--quiet"][..],
                    if force { &["--force"] } else { &[] },
                ]
                .concat()
            } else {
                [&BEGIN[..], &["--quiet"]].concat()
            };
            let mut child = command(folder.path(), &args).spawn().unwrap();
            assert!(
                started.elapsed() < Duration::from_secs(300),
                "it does not come to an end"
            );
            if done == kills {
                break stdout(&child.wait_with_output().unwrap());
            }
            // A third of the time is the start of the program: most kills come later.
            let moment = Instant::now() + unbroken.mul_f64(fastrand::f64() * 0.45);
            let ended = loop {
                match child.try_wait().unwrap() {
                    Some(_) => break true,
                    None if Instant::now() >= moment => break false,
                    None => std::thread::sleep(Duration::from_millis(1)),
                }
            };
            if ended {
                break stdout(&child.wait_with_output().unwrap());
            }
            child.kill().unwrap();
            let _ = child.wait().unwrap();
            done += 1;
        };
        same(&outcome(&run, &printed), &wanted);
        let names: Vec<String> = std::fs::read_dir(run.join("checkpoints"))
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert!(
            names
                .iter()
                .all(|n| !n.starts_with(".partial") && !n.contains("0000")),
            "{names:?}"
        );
    }
    println!("{done} kills in {rounds} runs");
}

/// Starts a run, and sends it a signal once the first training is on its way.
fn interrupted(folder: &Path, signal: &str, args: &[&str]) -> Output {
    let child = command(folder, args).spawn().unwrap();
    let log = folder.join("run/metrics.jsonl");
    let began = Instant::now();
    while std::fs::metadata(&log).map_or(0, |m| m.len()) < 3000 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it does not start"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    if !signal.is_empty() {
        assert!(
            Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }
    child.wait_with_output().unwrap()
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_does() {
    let folder = place();
    let wanted = unbroken(folder.path());
    for signal in ["-INT", "-TERM"] {
        let _ = std::fs::remove_dir_all(folder.path().join("run"));
        let output = interrupted(folder.path(), signal, &BEGIN);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{error}");
        assert!(
            error.contains("stopping after this step") && error.contains("interrupted after"),
            "{error}"
        );
        assert!(
            error.contains("go on with it: jemscript resume run\n"),
            "{error}"
        );
        let state = std::fs::read_to_string(folder.path().join("run/run.json")).unwrap();
        assert!(state.contains("\"interrupted\""), "{state}");
        let printed = stdout(&jemscript(
            folder.path(),
            &["main.rhai", "--resume", "run", "--quiet"],
        ));
        same(&outcome(&folder.path().join("run"), &printed), &wanted);
    }
    refused(
        &jemscript(folder.path(), &["resume", "run"]),
        "has finished",
    );
}

/// A kill may fall between the state at the end and the removal of those on the way to it.
#[test]
fn what_a_kill_left_beside_the_end_is_removed() {
    let folder = place();
    interrupted(folder.path(), "-INT", &BEGIN);
    let checkpoints = folder.path().join("run/checkpoints");
    let names = || -> BTreeSet<String> {
        let entries = std::fs::read_dir(&checkpoints).unwrap();
        entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    };
    let on_the_way = names();
    let saved = folder.path().join("saved");
    std::fs::create_dir(&saved).unwrap();
    for name in &on_the_way {
        std::fs::copy(checkpoints.join(name), saved.join(name)).unwrap();
    }
    stdout(&jemscript(folder.path(), &["resume", "run", "--quiet"]));
    let at_the_end = names();
    let left: BTreeSet<String> = on_the_way.difference(&at_the_end).cloned().collect();
    assert!(left.iter().any(|n| n.contains("best_")), "{left:?}");
    for name in &left {
        std::fs::copy(saved.join(name), checkpoints.join(name)).unwrap();
    }
    stdout(&jemscript(
        folder.path(),
        &["resume", "run", "--quiet", "--force"],
    ));
    assert_eq!(names(), at_the_end);
}

#[test]
fn time_that_is_over_is_an_interrupt() {
    let folder = place();
    let args = [
        "main.rhai",
        "iterations=1_000_000",
        "--out",
        "run",
        "--threads",
        "1",
        "--max-time",
        "2s",
    ];
    let output = jemscript(folder.path(), &args);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(
        error.contains("go on with it: jemscript resume run"),
        "{error}"
    );
    let output = jemscript(folder.path(), &["resume", "run", "--max-time", "2s"]);
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("first: goes on after iteration "),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn a_checkpoint_that_is_damaged_is_passed_over() {
    let folder = place();
    let wanted = unbroken(folder.path());
    interrupted(folder.path(), "-INT", &BEGIN);
    let run = folder.path().join("run");
    let mut numbered: Vec<_> = std::fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| {
            p.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("first-0")
        })
        .collect();
    numbered.sort();
    assert_eq!(numbered.len(), 2);
    let bytes = std::fs::read(&numbered[1]).unwrap();
    std::fs::write(&numbered[1], &bytes[..bytes.len() - 1]).unwrap();
    let output = jemscript(folder.path(), &["resume", "run"]);
    assert!(
        text(&output.stdout).contains("a checkpoint is damaged and not used"),
        "{}",
        text(&output.stdout)
    );
    same(&outcome(&run, &wanted.printed), &wanted);
}

/// A state that the guard could go back to, or that is put back at the end, is damaged or gone: the
/// training goes on without it and says so.
#[test]
fn a_state_to_go_back_to_that_is_damaged_is_done_without_and_named() {
    let folder = place();
    interrupted(folder.path(), "-INT", &BEGIN);
    let files = |word: &str| -> Vec<std::path::PathBuf> {
        let all = std::fs::read_dir(folder.path().join("run/checkpoints"))
            .unwrap()
            .map(|e| e.unwrap().path());
        let mut all: Vec<_> = all.filter(|p| p.to_string_lossy().contains(word)).collect();
        all.sort();
        all
    };
    let (healthy, best) = (files("first-healthy_"), files("first-best_"));
    let cut = std::fs::read(&healthy[0]).unwrap();
    std::fs::write(&healthy[0], &cut[..cut.len() - 1]).unwrap();
    best.iter()
        .for_each(|path| std::fs::remove_file(path).unwrap());
    let output = jemscript(folder.path(), &["resume", "run"]);
    let said = stdout(&output);
    assert!(
        said.contains("a state to go back to is damaged and not used"),
        "{said}"
    );
    assert!(
        said.contains("a state to go back to is gone and not used"),
        "{said}"
    );
    assert!(healthy[0].with_extension("damaged").exists());
    // Nothing stays of what is needed no more.
    assert!(
        files("healthy_")
            .iter()
            .all(|p| p.extension().unwrap() == "damaged"),
        "{:?}",
        files("healthy_")
    );
    assert!(files("best_").is_empty());
}

/// Weights, what the optimiser remembers and the chains are on disk once a checkpoint; states that
/// several checkpoints need are once on disk, whatever their names.
#[cfg(unix)]
#[test]
fn a_checkpoint_is_as_large_as_what_it_holds() {
    use std::os::unix::fs::MetadataExt;

    const SIZES: &str = r#"
        let d = data::digits(); let net = nn::mlp([64, 200, 10]); let model = energy::joint(net);
        let opt = optim::adam(model, #{ lr: 1e-3 }); let chains = sampler::replay([1, 8, 8], #{ size: 100 });
        let sgld = sampler::sgld(#{ steps: 1 }); let n = 0;
        train(d, #{ iterations: 400, batch_size: 8, restore_best: true, validate: |p| n }, |b| {
            n += 1; if n == 230 { throw "enough"; }
            let l = loss::jem(model, b.x, b.y, chains.sample(sgld, model, 8)); opt.step(l); l
        });
    "#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rhai"), SIZES).unwrap();
    assert!(
        !jemscript(folder.path(), &["main.rhai", "--out", "run", "--quiet"])
            .status
            .success()
    );
    let weights = 4 * (64 * 200 + 200 + 200 * 10 + 10);
    let state = 3 * weights + 4 * 100 * 64;
    // Names, counters, and ten numbers for each iteration so far.
    let slack = 40_000;
    let mut by_place = BTreeMap::new();
    let mut words = Vec::new();
    for entry in std::fs::read_dir(folder.path().join("run/checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().unwrap() == "safetensors" {
            let about = path.metadata().unwrap();
            assert!(
                (state..state + slack).contains(&about.len()),
                "{}: {} of {state}",
                path.display(),
                about.len()
            );
            by_place.insert(about.ino(), about.len());
            words.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    words.sort();
    let wanted = "00000100 00000200 best best_00000100_0 best_00000200_0 healthy_00000000_0 healthy_00000050_0 healthy_00000100_0 \
                  healthy_00000150_0";
    assert_eq!(words.join(" "), wanted);
    // `best` is the newest best one, and the healthy state of iteration 100 that checkpoint.
    assert_eq!(by_place.len(), 7);
}

#[test]
fn a_checkpoint_of_an_older_format_is_refused_and_says_why() {
    let folder = place();
    interrupted(folder.path(), "-INT", &BEGIN);
    for entry in std::fs::read_dir(folder.path().join("run/checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let (new, old) = (&b"\\\"version\\\":4"[..], &b"\\\"version\\\":3"[..]);
        if let Some(at) = bytes.windows(new.len()).position(|w| w == new) {
            bytes[at..at + new.len()].copy_from_slice(old);
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let output = jemscript(folder.path(), &["resume", "run"]);
    refused(&output, "a checkpoint of the older format 3");
    refused(
        &output,
        "finish the run with the version of jemscript that wrote it",
    );
}

#[test]
fn what_has_changed_is_refused_and_shown() {
    let folder = place();
    let at = |name: &str| folder.path().join(name);
    interrupted(folder.path(), "-INT", &BEGIN);
    let run = |args: &[&str]| jemscript(folder.path(), args);
    // The script.
    std::fs::write(
        at("main.rhai"),
        SCRIPT.replace("lr: 0.01, momentum", "lr: 0.02, momentum"),
    )
    .unwrap();
    let output = run(&["resume", "run"]);
    refused(&output, "main.rhai has changed since the run began");
    refused(&output, "- let sgd    = optim::sgd(small, #{ lr: 0.01");
    refused(&output, "+ let sgd    = optim::sgd(small, #{ lr: 0.02");
    refused(&output, "--force");
    std::fs::write(at("main.rhai"), SCRIPT).unwrap();
    // What it imports.
    std::fs::write(at("lib/part.rhai"), LIB.replace("0.5", "0.25")).unwrap();
    refused(&run(&["resume", "run"]), "lib/part.rhai has changed");
    std::fs::write(at("lib/part.rhai"), LIB).unwrap();
    // Parameters.
    let output = run(&["main.rhai", "iterations=40", "--resume", "run"]);
    refused(
        &output,
        "the parameters are not those that the run began with",
    );
    refused(&output, "+ iterations=40");
    // Other things than a run.
    refused(&run(&["resume", "nowhere"]), "not a folder");
    refused(&run(&["resume", "lib"]), "holds no run");
    // A checkpoint of a network that has another shape now.
    std::fs::write(
        at("main.rhai"),
        SCRIPT
            .replace("nn::linear(64, 16)", "nn::linear(64, 20)")
            .replace("nn::linear(16, 10)", "nn::linear(20, 10)"),
    )
    .unwrap();
    refused(
        &run(&["resume", "run", "--force"]),
        "cannot go on with `first`",
    );
    // Other data.
    std::fs::write(
        at("main.rhai"),
        SCRIPT.replace("data::digits()", "data::digits(#{ validation: 300 })"),
    )
    .unwrap();
    refused(
        &run(&["resume", "run", "--force"]),
        "the data is not the same",
    );
    // Nothing was lost by all that; a change of what comes later is accepted on demand.
    std::fs::write(
        at("main.rhai"),
        SCRIPT.replace("lr: 0.01, momentum", "lr: 0.02, momentum"),
    )
    .unwrap();
    let output = run(&["resume", "run", "--force"]);
    assert!(stdout(&output).contains("first: goes on after iteration"));
    // The script is gone: its copy serves.
    std::fs::remove_file(at("main.rhai")).unwrap();
    std::fs::remove_dir_all(at("lib")).unwrap();
    let output = run(&["resume", "run", "--force", "--threads", "2"]);
    stdout(&output);
    assert!(
        text(&output.stderr).contains("its copy in the run folder is used"),
        "{}",
        text(&output.stderr)
    );
    assert!(
        text(&output.stderr).contains("threads was 1, is 2"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn one_process_at_a_time_works_in_a_run_folder() {
    let folder = place();
    let mut child = command(
        folder.path(),
        &["main.rhai", "iterations=1_000_000", "--out", "run"],
    )
    .spawn()
    .unwrap();
    let began = Instant::now();
    while !folder.path().join("run/metrics.jsonl").exists() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it does not start"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = jemscript(folder.path(), &["resume", "run"]);
    child.kill().unwrap();
    let _ = child.wait().unwrap();
    refused(&output, "another process is at work");
}

#[test]
fn a_disk_that_is_full_costs_no_state() {
    let folder = place();
    let wanted = unbroken(folder.path());
    // No file may grow beyond this: the log does, before the end.
    let limited = "trap '' XFSZ; ulimit -f 30; exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", limited, env!("CARGO_BIN_EXE_jemscript")])
        .args(BEGIN)
        .current_dir(folder.path());
    let output = shell.output().unwrap();
    refused(&output, "File too large");
    let run = folder.path().join("run");
    let printed = stdout(&jemscript(folder.path(), &["resume", "run", "--quiet"]));
    same(&outcome(&run, &printed), &wanted);
}

#[test]
fn a_folder_that_cannot_be_written_is_a_clear_error() {
    let folder = place();
    std::fs::create_dir(folder.path().join("run")).unwrap();
    // A file in the place of the folder: the super-user, too, meets this.
    std::fs::write(folder.path().join("run/checkpoints"), "").unwrap();
    let output = jemscript(folder.path(), &BEGIN);
    refused(&output, "run/checkpoints");
    let state = std::fs::read_to_string(folder.path().join("run/run.json")).unwrap();
    assert!(state.contains("\"failed\""), "{state}");
}

#[test]
fn what_cannot_be_kept_is_named_before_the_night() {
    let folder = tempfile::tempdir().unwrap();
    let data = "let digits = data::digits(); let net = nn::linear(64, 10); let model = energy::joint(nn::sequential([nn::flatten(), net]));";
    let attempt = |script: &str, message: &str| {
        std::fs::write(folder.path().join("a.rhai"), format!("{data}\n{script}")).unwrap();
        let output = jemscript(folder.path(), &["a.rhai", "--quiet"]);
        match message {
            "" => drop(stdout(&output)),
            _ => refused(&output, message),
        }
    };
    let step = |body: &str| {
        format!(
            "train(digits, #{{ iterations: 30, every: 5 }}, |batch| {{ {body}; batch.x.mean() }});"
        )
    };
    // Values, and objects that stay or change places.
    let fine = "let a = (); let b = [1, 'c', -0.0, [true]]; let nets = [nn::linear(2, 2), nn::linear(2, 2)]; let t = timestamp();";
    let body = "a = batch.x; b[0] = #{ x: a.mean() }; let n = nets[0]; nets[0] = nets[1]; nets[1] = n; let c = t.elapsed";
    attempt(&format!("{fine} {}", step(body)), "");
    attempt(
        &format!(
            "let last = (); {}",
            step("last = loss::jem(model, batch.x, batch.y, #{ p_x: 0 })")
        ),
        "the variable `last` holds a value of type loss, which a checkpoint cannot keep",
    );
    attempt(
        &format!(
            "let sgld = sampler::sgld(); {}",
            step("sgld = sampler::sgld(#{ steps: 3 })")
        ),
        "the variable `sgld` holds another sampler than before",
    );
    attempt(
        &format!(
            "let all = #{{ nets: [] }}; {}",
            step("all.nets.push(nn::linear(2, 2))")
        ),
        "the variable `all` holds a value of type network at `all.nets.0`",
    );
}

/// All that optimisers keep: gradients that wait for a step, groups, a rate that is a function of
/// the script's variables, one that was set, weights that are frozen for a while.
const OPTIMISERS: &str = r#"
fn body() { nn::sequential([nn::flatten(), nn::linear(64, 16), nn::batch_norm2d(16), nn::silu(), nn::linear(16, 10)]) }
let digits = data::digits();
let nets   = [body(), body(), body(), body()];
let rate   = 0.01;
let sam    = optim::sam(optim::sgd(nets[0], #{ lr: 0.05, momentum: 0.9 }), #{ rho: 0.5, adaptive: true });
let lion   = optim::lion(nets[1], #{ lr: 1e-3, weight_decay: 0.1, warmup: 50 });
let groups = [#{ params: nets[2].weights, weight_decay: 1e-3 }, #{ params: nets[2].biases, lr: 1e-3 }];
let rms    = optim::rmsprop(groups, #{ lr: |t| rate * 0.99 ** t, momentum: 0.5, centered: true });
let lbfgs  = optim::lbfgs(nets[3], #{ max_iter: 3, history_size: 3, lr: 0.1 });
let means  = nets.map(|net| optim::ema(net, 0.9));
let n      = 0;
train(digits, #{ iterations: 120, every: 1, batch_size: 16 }, |batch| {
    let loss = |i| loss::cross_entropy(nets[i].forward(batch.x), batch.y);
    n += 1;
    if n % 10 == 0 { rate *= 0.99; }
    if n == 20 { nets[2].freeze("1"); }
    if n == 90 { nets[2].unfreeze(); }
    if n == 25 { lion.lr = 5e-4; }
    let first = sam.step(|| loss.call(0));
    lion.step(loss.call(1));
    if n % 3 == 0 { rms.step(loss.call(2)); } else { rms.accumulate(loss.call(2)); }
    let last = lbfgs.step(|| loss.call(3));
    for mean in means { mean.update(); }
    #{ first: first, last: last, rate: rms.lr }
});
print(`${n} ${lion.lr} ${rms.lr} ${nets[2].frozen}`);
"#;

#[test]
fn what_optimisers_keep_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rhai"), OPTIMISERS).unwrap();
    let end = |run: &str, printed: String| -> (String, BTreeMap<String, Vec<u64>>, String) {
        let run = folder.path().join(run);
        let file = run.join("checkpoints/end.safetensors");
        let bits =
            |t: jemscript::Tensor| t.to_vec().unwrap().into_iter().map(f64::to_bits).collect();
        let all = read_safetensors(&file).unwrap().into_iter();
        let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        (
            metrics,
            all.map(|(name, t)| (name, bits(t))).collect(),
            printed,
        )
    };
    let whole = [
        "main.rhai",
        "--out",
        "whole",
        "--threads",
        "1",
        "--seed",
        "3",
        "--quiet",
    ];
    let wanted = end("whole", stdout(&jemscript(folder.path(), &whole)));
    assert!(
        wanted.1.len() > 40 && wanted.2.starts_with("120 0.0005 "),
        "{}",
        wanted.2
    );
    let output = interrupted(folder.path(), "-INT", &BEGIN);
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let output = jemscript(folder.path(), &["resume", "run", "--quiet"]);
    let found = end("run", stdout(&output));
    for (name, bits) in &wanted.1 {
        assert!(found.1.get(name) == Some(bits), "{name} differs");
    }
    assert!(found == wanted);
}
