//! `jemscript reproduce`: the whole chain in small on files of the exact formats, interrupted and
//! taken up again; what is missing is said before anything long starts.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use jemscript::evaluate::Report;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::common::images::write_all;
use crate::common::program::{command, stdout, text};

/// Small enough for seconds; what is left is a chain of all steps.
const TINY: &[&str] = &[
    "--small",
    "--quiet",
    "--threads",
    "1",
    "epochs=30",
    "limit=48",
    "validation=20",
    "size=100",
    "sgld_steps=2",
    "judged=12",
    "attacked=2",
    "pgd_steps=1",
    "queries=2",
    "fresh=0",
];

fn reproduce(folder: &Path, args: &[&str]) -> Command {
    let mut command = command(folder, &[&["reproduce"], args].concat());
    command.env("JEMSCRIPT_DATA", folder.join("data"));
    command
}

fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

fn json(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The rows of all tables of a page: their cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        let line = line.trim_matches('|').replace("\\|", "\u{1}");
        let cell = |c: &str| c.trim().replace('\u{1}', "|").replace('\\', "");
        line.split('|').map(cell).collect()
    };
    let table = |l: &&str| l.starts_with('|') && !l.starts_with("| ---");
    page.lines().filter(table).map(cells).collect()
}

#[test]
fn the_chain_is_interrupted_goes_on_and_ends_with_a_page_of_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_all(&at.join("data"), 200);
    let args = [&["cifar10"], TINY, &["--out", "run"]].concat();
    let run = at.join("run");

    // Ctrl-C in the middle of the training.
    let child = reproduce(at, &args).spawn().unwrap();
    let metrics = run.join("train/metrics.jsonl");
    let started = std::time::Instant::now();
    while fs::read_to_string(&metrics).map_or(0, |m| m.lines().count()) < 2 {
        assert!(started.elapsed() < Duration::from_secs(120), "no training");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("the same command goes on from here"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(json(&run.join("train/run.json"))["state"], "interrupted");
    assert!(!run.join("evaluate").exists());
    let logged = fs::read_to_string(&metrics).unwrap();

    // Other values would be another reproduction.
    let other = reproduce(at, &[&args[..], &["epochs=1"]].concat());
    assert!(error(&{ other }.output().unwrap()).contains("was begun with"));

    // The same command goes on: the training from its checkpoint, then the rest.
    let said = stdout(&reproduce(at, &args).output().unwrap());
    assert!(
        said.contains("CIFAR-10 is there") && said.contains("jemscript resume"),
        "{said}"
    );
    let whole = fs::read_to_string(&metrics).unwrap();
    assert!(
        whole.starts_with(&logged),
        "what was trained was trained again"
    );
    let steps = whole.lines().filter(|l| l.contains("\"gap\"")).count();
    assert_eq!(steps, 90, "30 epochs of 48 images, 16 a batch");

    // Every number on the page is one of the evaluation's.
    let page = fs::read_to_string(run.join("reproduce.md")).unwrap();
    let report = fs::read_to_string(run.join("evaluate/reports/1.json")).unwrap();
    let report = Report::from_json(&report).unwrap();
    let numbers: BTreeMap<String, f64> = report
        .values()
        .into_iter()
        .filter(|(model, _, _)| model == "model")
        .map(|(_, path, value)| (path, value))
        .collect();
    let mut found = 0;
    let rows = rows(&page);
    for row in rows.iter().filter(|r| r.len() == 2 && r[0] != "number") {
        assert_eq!(row[1], format!("{:.4}", numbers[&row[0]]), "{row:?}");
        found += 1;
    }
    for path in [
        "accuracy",
        "calibration.ece",
        "ood.svhn.log_p_x",
        "ood.cifar100.mass",
        "robust.l2.1",
    ] {
        assert!(rows.iter().any(|r| r[0] == path), "no {path} in\n{page}");
    }
    assert!(found > 40, "{found} numbers");
    let beside = rows.iter().find(|r| r[0] == "accuracy, %").unwrap();
    assert_eq!(beside[1], format!("{:.2}", 100.0 * numbers["accuracy"]));
    assert_eq!(beside[2], "92.9");
    let beside = rows
        .iter()
        .find(|r| r[0] == "AUROC, SVHN, log p(x)")
        .unwrap();
    assert_eq!(beside[1], format!("{:.3}", numbers["ood.svhn.log_p_x"]));
    let score = rows.iter().find(|r| r[0] == "FID").unwrap();
    assert!(score[1].contains("needs --inception"), "{score:?}");
    assert!(page.contains("This is not the paper's setting"), "{page}");
    // One file that needs nothing else.
    let html = fs::read_to_string(run.join("reproduce.html")).unwrap();
    assert!(html.matches("data:image/png;base64,").count() >= 4 && !html.contains("src=\"train/"));

    // Once more: nothing is repeated.
    let before = [
        json(&run.join("train/run.json")),
        json(&run.join("evaluate/run.json")),
    ];
    let said = stdout(&reproduce(at, &args).output().unwrap());
    assert_eq!(said.matches("is done").count(), 2, "{said}");
    assert_eq!(
        before,
        [
            json(&run.join("train/run.json")),
            json(&run.join("evaluate/run.json"))
        ]
    );
    assert_eq!(fs::read_to_string(run.join("reproduce.md")).unwrap(), page);
}

/// Ranks that follow write nothing, and do not fail for it.
#[test]
fn several_processes_train_it_and_the_evaluation_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_all(&at.join("data"), 200);
    let args = [
        &["cifar10"],
        TINY,
        &["--nproc", "2", "epochs=1", "--out", "run"],
    ]
    .concat();
    let run = at.join("run");
    let mut child = reproduce(at, &args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|l| l.unwrap() == "3 of 4: evaluation"));
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest:?}");
    for file in ["weights.safetensors", "buffer.safetensors", "buffer.png"] {
        assert!(run.join("train").join(file).exists(), "{file}");
    }
    let trained = json(&run.join("train/run.json"));
    assert!(run.join("train/ranks").exists() && !run.join("reproduce.md").exists());
    let said = stdout(&reproduce(at, &args).output().unwrap());
    assert_eq!(said.matches("is done").count(), 1, "{said}");
    assert_eq!(json(&run.join("train/run.json")), trained);
    assert!(run.join("reproduce.html").exists());
}

#[test]
fn what_is_missing_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir_all(at.join("mirror")).unwrap();
    let said = |args: &[&str]| error(&reproduce(at, args).output().unwrap());
    if !tch::Cuda::is_available() {
        let text = said(&["cifar10"]);
        assert!(
            text.contains("no usable GPU") && text.contains("--small"),
            "{text}"
        );
        let text = said(&["svhn", "--device", "cuda"]);
        assert!(text.contains("no usable CUDA device"), "{text}");
    }
    let text = said(&["cifar10", "--small", "depht=10"]);
    assert!(text.contains("did you mean `depth`"), "{text}");
    let text = said(&["cifar10", "--small", "recipe=jem++"]);
    assert!(text.contains("set by the command itself"), "{text}");
    let text = said(&["cifar10", "--small", "--inception", "no.pt"]);
    assert!(text.contains("no file no.pt"), "{text}");
    assert!(!at.join("runs").exists());
    // No network, and a mirror with a file that is cut.
    let text = said(&["cifar10", "--small", "--from", "http://127.0.0.1:9"]);
    assert!(
        text.contains("127.0.0.1:9") && text.contains("this step failed"),
        "{text}"
    );
    fs::write(at.join("mirror/cifar-10-binary.tar.gz"), b"cut").unwrap();
    let mirror = at.join("mirror").display().to_string();
    let text = said(&["cifar10", "--small", "--from", &mirror]);
    assert!(text.contains("wrong checksum"), "{text}");
    assert!(!at.join("runs/reproduce-jem-cifar10-small/train").exists());
}

#[test]
fn the_cost_is_told_with_what_it_rests_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let output = reproduce(at, &["cifar100", "--recipe", "sada-jem", "--dry-run"]).output();
    let said = stdout(&output.unwrap());
    for part in [
        "an estimate, nothing was measured",
        "WRN-28-10",
        "640 passes: 5 steps, 64 chains",
        // 128 labelled, 64 for p(x) and 64 samples, three passes, two gradients.
        "1,536 passes: 256 images",
        "70,200: 200 epochs of 45,000 images in batches of 128",
        "TFLOP/s sustained",
        "jemscript fetch cifar100",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    write_all(&at.join("data"), 200);
    let small = ["svhn", "--small", "limit=48", "validation=20", "--dry-run"];
    let said = stdout(&reproduce(at, &small).output().unwrap());
    assert!(
        said.contains("WRN-10-1") && said.contains("jem: 3 iterations, batches of 16"),
        "{said}"
    );
    assert!(!at.join("runs").exists(), "a dry run keeps nothing");
}
