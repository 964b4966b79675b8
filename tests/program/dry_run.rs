//! `--dry-run`: whole scripts with tiny numbers: what it says, what it finds, that it keeps
//! nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::common;

fn dry_run(folder: &Path, script: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jemscript"))
        .args([script, "--dry-run"])
        .args(more)
        .current_dir(folder)
        .env("JEMSCRIPT_DATA", folder.with_extension("data"))
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_shipped_script_is_run_dry() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().with_extension("data");
    common::images::write_all(&data, 200);
    let mut count = 0;
    for file in fs::read_dir(scripts).unwrap().map(|f| f.unwrap().path()) {
        if file.extension().is_some_and(|e| e == "rhai") {
            // What reads files of the exact format has few of them here, and a small network:
            // tests/program/recipes.rs has the full one.
            let name = file.file_stem().unwrap().to_str().unwrap();
            let more: &[&str] = match name {
                "jem_cifar10" | "jem_cifar100" | "jem_svhn" | "reproduce" => {
                    &["validation=50", "depth=10", "width=1"]
                }
                "jem_fashion_mnist" => &["validation=50"],
                "methods" => &["data=digits", "seeds=[0]", "iterations=200"],
                "evaluate" => &["depth=10", "width=1"],
                _ => &[],
            };
            let said = text(&dry_run(folder.path(), file.to_str().unwrap(), more));
            let all = [
                "no error, in",
                "the real run takes about",
                "of memory",
                "iterations, batches of",
                "parameters",
            ];
            for part in &all[..if name == "evaluate" { 3 } else { 5 }] {
                assert!(said.contains(part), "no `{part}` in\n{said}");
            }
            count += 1;
        }
    }
    assert!(count >= 12);
    fs::remove_dir_all(data).unwrap();
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "a dry run keeps nothing"
    );
}

const SCRIPT: &str = r#"
let model  = energy::joint(nn::sequential([nn::flatten(), nn::mlp([64, 32, 10])]));
let digits = data::digits();
let chains = sampler::replay(digits.shape, #{ size: 5_000 });
let opt    = optim::adam(model);
let sgld   = sampler::sgld(#{ steps: 1_000_000 });
let rows   = [];
train(digits, #{ iterations: 1_000_000, batch_size: 128, every: 1_000 }, |batch| {
    rows.push(batch.x.len());
    let loss = loss::jem(model, batch.x, batch.y, chains.sample(sgld, model, batch.x.len()));
    opt.step(loss);
    loss
});
save_image("samples.png", plot::grid(chains.images(64)));
print(`rows ${rows}`);
"#;

#[test]
fn loops_are_cut_and_told_in_full() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("long.rhai"), SCRIPT).unwrap();
    let said = text(&dry_run(folder.path(), "long.rhai", &[]));
    assert!(
        said.contains("train: 1,000,000 iterations, batches of 128"),
        "{said}"
    );
    assert!(
        said.contains("replay buffer of 5,000 × [1, 8, 8]") && said.contains("2,410 parameters"),
        "{said}"
    );
    // A million iterations of a million steps each.
    let estimate = said
        .lines()
        .find(|l| l.starts_with("the real run"))
        .unwrap();
    assert!(estimate.contains(" days"), "{estimate}");
    // Two iterations of two rows; the others only measure.
    assert!(said.contains("  | rows [2, 2, "), "{said}");
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(left, ["long.rhai"]);
}

/// The two ends of the estimate, in seconds.
fn estimate(said: &str) -> (f64, f64) {
    let line = said
        .lines()
        .find(|l| l.starts_with("the real run"))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let units = [
        ("ms", 1e-3),
        ("s", 1.0),
        ("min", 60.0),
        ("h", 3600.0),
        ("days", 86400.0),
    ];
    let times: Vec<f64> = words
        .windows(2)
        .filter_map(|w| Some(w[0].parse::<f64>().ok()? * units.iter().find(|u| u.0 == w[1])?.1))
        .collect();
    (times[0], times[times.len() - 1])
}

#[test]
fn an_estimate_is_no_sum_of_worst_cases() {
    let folder = tempfile::tempdir().unwrap();
    // Rows are counted once: the attack and the logits that it starts with are inside each other.
    let script = SCRIPT.replace("1_000_000", "200").replace(
        "print(`rows ${rows}`);",
        "evaluate::pgd(model, digits.test, #{ steps: 40, starts: 10 });",
    );
    fs::write(folder.path().join("attacked.rhai"), script).unwrap();
    let said = text(&dry_run(
        folder.path(),
        "attacked.rhai",
        &["--threads", "1"],
    ));
    let (low, high) = estimate(&said);
    assert!(high < 6.0 * low && low > 0.0, "{said}");
    assert!(
        said.contains("training ") && said.contains("attacks "),
        "{said}"
    );
}

#[test]
fn a_mistake_behind_the_training_shows() {
    let folder = tempfile::tempdir().unwrap();
    let script = SCRIPT.replace(
        "print(`rows ${rows}`);",
        "evaluate::accuracy(model, digits.tset);",
    );
    fs::write(folder.path().join("wrong.rhai"), script).unwrap();
    let output = dry_run(folder.path(), "wrong.rhai", &[]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("wrong.rhai:15:") && error.contains("tset"),
        "{error}"
    );
    let refused = dry_run(folder.path(), "wrong.rhai", &["iterations=3"]);
    assert!(
        !refused.status.success(),
        "parameters are checked as in a real run"
    );
}

/// What a dry run has made small is no mistake of the script.
#[test]
fn what_is_short_only_here_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| {
        fs::write(folder.path().join("short.rhai"), text).unwrap();
        dry_run(folder.path(), "short.rhai", &[])
    };
    let chains = "let target = energy::gaussian([1, -1], [[1, 0.5], [0.5, 1]]);\n\
        let run = sampler::mala(#{ alpha: 0.3, steps: 500 }).run(target, tensor::randn([16, 2]));\n";
    // Diagnostics are numbers, an index wraps, an assertion about numbers is no error.
    let said = text(&write(&format!(
        "{chains}print(run.ess.isfinite().all());\nprint(run.trace[400].shape);\n\
         assert((run.ess > 1e9).all(), \"enough\");\nprint(run.trace[100..200, 0].shape);"
    )));
    for part in [
        "| true",
        "| [16, 2]",
        "| assertion failed: enough (no failure",
        "no error, in",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    // An array that is short here ends the dry run without a failure.
    let said = text(&write(&format!(
        "{chains}let rows = run.trace[.., 0, 0].to_array();\nprint(rows[300]);"
    )));
    for part in [
        "the dry run has cut to 8 entries",
        "short.rhai:4:",
        "That is no failure",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    // What would fail in the real run fails here.
    for wrong in [
        "print(run.trace[900].shape);",
        "print(run.trace[.., .., 2].shape);",
        "assert(1 == 2, \"no\");",
    ] {
        let script = if wrong.starts_with("assert") {
            wrong.to_owned()
        } else {
            format!("{chains}{wrong}")
        };
        assert!(!write(&script).status.success(), "{wrong}");
    }
}
