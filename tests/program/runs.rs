//! Runs as users meet them: what a folder holds, how runs are listed, compared, swept and repeated.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// A classifier of digits, small enough to be trained many times; some of its seeds fail, some
/// diverge, if they are told to.
const SMALL: &str = r#"
import "lib/shared" as lib;
let iterations = param("iterations", 4, "how many");
let lr    = param("lr", 1e-2, "rate");
let bad   = param("bad", -1, "the seed that fails");
let wild  = param("wild", -1, "the seed that diverges");
let sizes = param("sizes", [1, 2], "unused");
let opts  = param("opts", #{ steps: 3, noise: 0.1 }, "unused");
let model = lib::model();
let opt   = optim::adam(model, #{ lr: lr });
if seed() == bad { throw "this seed was told to fail"; }
let diverges = seed() == wild;
train(data::digits(), #{ iterations: iterations, every: 2, checkpoint: false, validate: |part| evaluate::accuracy(model, part) }, |batch| {
    let loss = loss::cross_entropy(model.logits(batch.x), batch.y);
    if diverges { loss = loss * tensor::of([0.0]).log().sum(); }
    opt.step(loss);
    loss
});
"#;

const SHARED: &str =
    "fn model() { energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)])) }\n";

fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lib")).unwrap();
    std::fs::write(folder.path().join("lib/shared.rhai"), SHARED).unwrap();
    std::fs::write(folder.path().join("small.rhai"), SMALL).unwrap();
    folder
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jemscript"));
    command.args(args).current_dir(folder);
    command
}

fn jemscript(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The output of a program that must end with this code.
fn ends(code: i32, folder: &Path, args: &[&str]) -> String {
    let output = jemscript(folder, args);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}: {}",
        text(&output)
    );
    text(&output)
}

fn json_at(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn listed(folder: &Path, runs: &str) -> Vec<Json> {
    let output = jemscript(folder, &["runs", runs, "--json"]);
    serde_json::from_slice::<Vec<Json>>(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
}

fn states(folder: &Path, runs: &str) -> BTreeMap<String, String> {
    let name = |r: &Json| {
        Path::new(r["folder"].as_str().unwrap())
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    listed(folder, runs)
        .iter()
        .map(|r| (name(r), r["state"].as_str().unwrap().to_owned()))
        .collect()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "waited in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_folder_says_all_of_its_run() {
    let folder = place();
    let at = folder.path();
    let git = |args: &[&str]| {
        let identity = [
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "-c",
            "init.defaultBranch=main",
        ];
        Command::new("git")
            .args(identity)
            .args(args)
            .current_dir(at)
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let committed = git(&["init", "-q"]) && git(&["add", "."]) && git(&["commit", "-qm", "x"]);
    std::fs::write(
        at.join("more.toml"),
        "lr = 3e-3\nsizes = [4, 5]\n[opts]\nsteps = 7\n",
    )
    .unwrap();
    ends(
        0,
        at,
        &[
            "small.rhai",
            "lr=2e-3",
            "--params",
            "more.toml",
            "--seed",
            "5",
            "--out",
            "a",
            "--threads",
            "1",
        ],
    );
    let run = json_at(&at.join("a/run.json"));
    assert_eq!(
        (&run["seed"], &run["threads"], &run["state"]),
        (&json!(5), &json!(1), &json!("finished"))
    );
    assert_eq!(run["files"], json!(["lib/shared.rhai"]));
    assert!(run["machine"]["cores"].as_u64().unwrap() >= 1 && run["process"]["pid"].is_u64());
    assert!(
        run["command"]
            .as_array()
            .unwrap()
            .contains(&json!("lr=2e-3")),
        "{run}"
    );
    if committed {
        assert_eq!(
            (
                run["git"]["commit"].as_str().unwrap().len(),
                &run["git"]["dirty"]
            ),
            (40, &json!(false))
        );
        std::fs::write(at.join("lib/shared.rhai"), format!("{SHARED}// changed\n")).unwrap();
        ends(0, at, &["small.rhai", "iterations=1", "--out", "b"]);
        assert_eq!(
            json_at(&at.join("b/run.json"))["git"]["dirty"],
            true,
            "an import counts too"
        );
    } else {
        assert_eq!(run["git"], Json::Null);
    }
    let params: BTreeMap<String, (Json, String)> = json_at(&at.join("a/params.json"))
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            (
                p["name"].as_str().unwrap().into(),
                (p["value"].clone(), p["source"].as_str().unwrap().into()),
            )
        })
        .collect();
    let found = |name: &str| params[name].clone();
    assert_eq!(
        found("lr"),
        (json!(2e-3), "command line".into()),
        "the command line goes before the file"
    );
    assert_eq!(found("sizes"), (json!([4, 5]), "params file".into()));
    assert_eq!(
        found("opts"),
        (json!({ "noise": 0.1, "steps": 7 }), "params file".into())
    );
    assert_eq!(found("iterations"), (json!(4), "default".into()));
    let page = std::fs::read_to_string(at.join("a/report.html")).unwrap();
    for part in [
        "<h1>small.rhai, seed 5</h1>",
        "finished",
        "data:image/png;base64,",
        "params file",
        "trained",
    ] {
        assert!(page.contains(part), "no {part:?} in the report");
    }
    assert!(
        !page.contains("src=\"report/") && !page.contains("href="),
        "the report is one file"
    );
    assert!(
        std::fs::read_to_string(at.join("a/report.md"))
            .unwrap()
            .contains("](<report/")
    );
}

#[test]
fn tensorboard_events_hold_the_metrics() {
    let folder = place();
    let at = folder.path();
    ends(0, at, &["small.rhai", "--out", "a"]);
    let mut logged: BTreeMap<(String, i64), f32> = BTreeMap::new();
    for line in std::fs::read_to_string(at.join("a/metrics.jsonl"))
        .unwrap()
        .lines()
    {
        let line: BTreeMap<String, Json> = serde_json::from_str(line).unwrap();
        for (name, value) in line
            .iter()
            .filter(|(k, _)| !["train", "iteration"].contains(&k.as_str()))
        {
            logged.insert(
                (format!("train/{name}"), line["iteration"].as_i64().unwrap()),
                value.as_f64().unwrap() as f32,
            );
        }
    }
    let file = std::fs::read_dir(at.join("a"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| {
            p.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("events.out.tfevents.")
        });
    assert_eq!(scalars(&std::fs::read(file.unwrap()).unwrap()), logged);
}

/// The scalars of an event file, read after the format's description; checksums with the bitwise
/// definition of CRC-32C.
fn scalars(mut file: &[u8]) -> BTreeMap<(String, i64), f32> {
    let crc = |data: &[u8]| {
        let all = data.iter().fold(u32::MAX, |c, b| {
            (0..8).fold(c ^ u32::from(*b), |c, _| {
                if c & 1 == 1 {
                    (c >> 1) ^ 0x82f6_3b78
                } else {
                    c >> 1
                }
            })
        });
        let crc = !all;
        crc.rotate_right(15).wrapping_add(0xa282_ead8)
    };
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
    let mut found = BTreeMap::new();
    let mut first = true;
    while !file.is_empty() {
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        assert_eq!(word(&file[8..]), crc(&file[..8]));
        let data = &file[12..12 + length];
        assert_eq!(word(&file[12 + length..]), crc(data));
        file = &file[16 + length..];
        let event = fields(data);
        if std::mem::take(&mut first) {
            assert!(event.iter().any(|(n, b)| *n == 3 && b == b"brain.Event:2"));
            continue;
        }
        let of = |fields: &[(u64, Vec<u8>)], n: u64| {
            fields.iter().find(|(f, _)| *f == n).unwrap().1.clone()
        };
        let step = i64::from_le_bytes(of(&event, 2).try_into().unwrap());
        for (_, value) in fields(&of(&event, 5)) {
            let value = fields(&value);
            let number = f32::from_le_bytes(of(&value, 2).try_into().unwrap());
            found.insert((String::from_utf8(of(&value, 1)).unwrap(), step), number);
        }
    }
    found
}

/// The fields of a protobuf message: number and bytes; varints as eight bytes.
fn fields(mut data: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(data: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = data[0];
            *data = &data[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    let mut all = Vec::new();
    while !data.is_empty() {
        let key = varint(&mut data);
        let length = match key & 7 {
            0 => {
                all.push((key >> 3, varint(&mut data).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            5 => 4,
            2 => varint(&mut data) as usize,
            other => panic!("wire type {other}"),
        };
        all.push((key >> 3, data[..length].to_vec()));
        data = &data[length..];
    }
    all
}

#[test]
fn a_sweep_reports_failures_and_goes_on_where_it_stopped() {
    let folder = place();
    let at = folder.path();
    let sweep = [
        "sweep",
        "small.rhai",
        "lr=1e-4,1e-2",
        "seed=0..3",
        "bad=1",
        "wild=2",
        "--jobs",
        "2",
        "--out",
        "s",
    ];
    let first = ends(1, at, &sweep);
    assert!(
        first.contains("2 finished, 2 diverged, 2 failed"),
        "{first}"
    );
    assert!(first.contains("this seed was told to fail"), "{first}");
    assert!(
        first.contains("lr=1e-4,seed=1,bad=1,wild=2 and 1 more"),
        "{first}"
    );
    let found = states(at, "s");
    assert_eq!(found["lr=1e-2,seed=0,bad=1,wild=2"], "finished");
    assert_eq!(found["lr=1e-2,seed=1,bad=1,wild=2"], "failed");
    assert_eq!(found["lr=1e-2,seed=2,bad=1,wild=2"], "diverged");
    let one = at.join("s/lr=1e-2,seed=0,bad=1,wild=2");
    let params = json_at(&one.join("params.json"));
    assert_eq!(
        (&params[1]["value"], &params[1]["source"]),
        (&json!(0.01), &json!("sweep"))
    );
    let before = std::fs::read(one.join("run.json")).unwrap();
    let second = ends(1, at, &sweep);
    assert!(
        second.contains("2 finished before, 2 diverged before"),
        "{second}"
    );
    assert_eq!(
        second.matches("started").count(),
        2,
        "only the failed ones run again: {second}"
    );
    assert_eq!(std::fs::read(one.join("run.json")).unwrap(), before);
    assert!(
        at.join("s/.earlier/lr=1e-2,seed=1,bad=1,wild=2-1/run.json")
            .exists(),
        "what was there is kept"
    );
    assert_eq!(listed(at, "s").len(), 6);
    // Another script must not be mixed with the old runs.
    std::fs::write(at.join("lib/shared.rhai"), format!("{SHARED}// changed\n")).unwrap();
    let refused = ends(1, at, &sweep);
    assert!(
        refused.contains("another version of lib/shared.rhai") && refused.contains("--again"),
        "{refused}"
    );
}

#[test]
fn a_job_file_makes_the_same_runs() {
    let folder = place();
    let at = folder.path();
    let axes = [
        "small.rhai",
        "lr=1e-3..1e-1:log",
        "seed=0..2",
        "--random",
        "1",
        "--threads",
        "1",
    ];
    ends(
        0,
        at,
        &[&["sweep"], &axes[..], &["--out", "plain"]].concat(),
    );
    let told = ends(
        0,
        at,
        &[
            &["sweep"],
            &axes[..],
            &["--out", "with blank", "--emit", "shell"],
        ]
        .concat(),
    );
    assert!(told.contains("2 runs"), "{told}");
    let file = at.join("with blank/sweep.sh");
    let shell = |arg: &[&str]| {
        Command::new("sh")
            .arg(&file)
            .args(arg)
            .current_dir("/")
            .output()
            .unwrap()
    };
    let output = shell(&["1"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(listed(at, "with blank").len(), 1);
    assert!(shell(&[]).status.success());
    let names = states(at, "plain");
    assert_eq!(names, states(at, "with blank"));
    assert_eq!(names.len(), 2);
    for name in names.keys() {
        let metrics =
            |from: &str| std::fs::read(at.join(from).join(name).join("metrics.jsonl")).unwrap();
        assert_eq!(metrics("plain"), metrics("with blank"), "{name}");
    }
    ends(
        0,
        at,
        &[
            &["sweep"],
            &axes[..],
            &["--out", "s", "--emit", "slurm", "--jobs", "3"],
        ]
        .concat(),
    );
    let slurm = std::fs::read_to_string(at.join("s/sweep.sbatch")).unwrap();
    assert!(
        slurm.contains("#SBATCH --array=0-1%3\n")
            && slurm.contains("--task \"$SLURM_ARRAY_TASK_ID\""),
        "{slurm}"
    );
    let emit = |form: &str| {
        let options = ["--out", "s", "--jobs", "3", "--emit", form];
        ends(0, at, &[&["sweep"], &axes[..], &options].concat())
    };
    let told = emit("hq");
    let hq = std::fs::read_to_string(at.join("s/sweep.hq.sh")).unwrap();
    assert!(
        told.contains("hq submit") && hq.contains("#HQ --array 0-1\n"),
        "{told}{hq}"
    );
    let told = emit("parallel");
    assert!(told.contains("parallel -j 3 --joblog"), "{told}");
    // Each line is a run, as any shell takes it.
    let tasks = std::fs::read_to_string(at.join("s/tasks.txt")).unwrap();
    assert_eq!(tasks.lines().count(), 2);
    let line = tasks.lines().nth(1).unwrap();
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(listed(at, "s").len(), 1);
}

#[test]
fn each_run_of_a_sweep_may_have_several_processes() {
    let folder = place();
    let at = folder.path();
    let sweep = ["sweep", "small.rhai", "seed=0..2", "--nproc", "2"];
    ends(
        0,
        at,
        &[&sweep[..], &["--threads", "1", "--out", "s"]].concat(),
    );
    let names = states(at, "s");
    assert_eq!(names.len(), 2);
    for (name, state) in &names {
        assert_eq!(state, "finished", "{name}");
        assert!(
            at.join("s").join(name).join("ranks/rank-1.txt").exists(),
            "{name}"
        );
    }
    // Done is done.
    let again = ends(
        0,
        at,
        &[&sweep[..], &["--threads", "1", "--out", "s"]].concat(),
    );
    assert!(again.contains("2 finished before"), "{again}");
    let emit = ["--threads", "3", "--out", "e", "--emit", "slurm"];
    ends(0, at, &[&sweep[..], &emit].concat());
    let slurm = std::fs::read_to_string(at.join("e/sweep.sbatch")).unwrap();
    assert!(
        slurm.contains("--cpus-per-task=6\n")
            && slurm.contains("--nproc=2")
            && slurm.contains("$(( ${SLURM_CPUS_PER_TASK:-1} / 2 ))"),
        "{slurm}"
    );
}

#[test]
fn an_interrupted_sweep_ends_its_runs_in_good_order() {
    let folder = place();
    let at = folder.path();
    let args = [
        "sweep",
        "small.rhai",
        "iterations=1000000",
        "seed=0..5",
        "--jobs",
        "2",
        "--out",
        "s",
    ];
    let child = command(at, &args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let logs = || {
        (0..2).all(|s| {
            at.join(format!("s/iterations=1000000,seed={s}/metrics.jsonl"))
                .exists()
        })
    };
    wait_for("two runs", logs);
    let running = states(at, "s");
    assert_eq!(
        running.values().filter(|s| *s == "running").count(),
        2,
        "{running:?}"
    );
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(
        text(&output).contains("the same command goes on"),
        "{}",
        text(&output)
    );
    let found = states(at, "s");
    assert_eq!(
        (found.len(), found.values().all(|s| s == "interrupted")),
        (2, true),
        "{found:?}"
    );
    // The same command goes on with them where they stopped.
    let lines = |seed: i32| {
        let path = at.join(format!("s/iterations=1000000,seed={seed}/metrics.jsonl"));
        std::fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = [lines(0), lines(1)];
    let again = [
        "sweep",
        "small.rhai",
        "iterations=1000000",
        "seed=0..2",
        "--jobs",
        "2",
        "--out",
        "s",
        "--max-time",
        "5s",
    ];
    let said = text(&jemscript(at, &again));
    for (seed, before) in before.iter().enumerate() {
        let after = lines(seed as i32);
        assert!(
            after.len() > before.len() && after.starts_with(before),
            "{} then {}: {said}",
            before.len(),
            after.len()
        );
    }
    assert!(!at.join("s/.earlier").exists());
}

#[test]
fn a_killed_run_is_shown_as_killed() {
    let folder = place();
    let at = folder.path();
    let mut child = command(at, &["small.rhai", "iterations=1000000", "--out", "a"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the run", || at.join("a/metrics.jsonl").exists());
    assert_eq!(states(at, "a")["a"], "running");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(states(at, "a")["a"], "killed");
    let repeated = ends(
        130,
        at,
        &["rerun", "a", "--out", "b", "--quiet", "--max-time", "1s"],
    );
    assert!(
        repeated.contains("interrupted"),
        "imports are kept from the start: {repeated}"
    );
}

#[test]
fn runs_are_compared_over_seeds() {
    let folder = place();
    let at = folder.path();
    ends(
        1,
        at,
        &[
            "sweep",
            "small.rhai",
            "lr=1e-4,1e-2",
            "seed=0..3",
            "bad=2",
            "--jobs",
            "2",
            "--out",
            "s",
        ],
    );
    let table = ends(0, at, &["compare", "s", "--out", "out"]);
    assert!(
        table.contains("fewer than 5 seeds: no claim") && table.contains("1 failed"),
        "{table}"
    );
    assert!(table.contains("all runs: script=small.rhai@"), "{table}");
    let found = json_at(&at.join("out/comparison.json"));
    assert_eq!(found["differing"], json!(["lr"]));
    let groups = found["groups"].as_array().unwrap();
    assert_eq!(
        groups[0]["params"]["lr"],
        json!(0.01),
        "the faster one is better after few steps"
    );
    for group in groups {
        let validation = &group["metrics"]["train/validation"]["final"];
        let last = |run: &Json| {
            let text =
                std::fs::read_to_string(at.join(run.as_str().unwrap()).join("metrics.jsonl"))
                    .unwrap();
            let lines = text
                .lines()
                .map(|l| serde_json::from_str::<Json>(l).unwrap());
            lines
                .filter_map(|l| l["validation"].as_f64())
                .next_back()
                .unwrap()
        };
        let values: Vec<f64> = group["runs"].as_array().unwrap().iter().map(last).collect();
        assert_eq!(values.len(), 2);
        let (mean, half) = ((values[0] + values[1]) / 2.0, (values[0] - values[1]) / 2.0);
        assert!((validation["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
        assert!(
            (validation["sd"].as_f64().unwrap() - half.abs() * 2f64.sqrt()).abs() < 1e-12,
            "n − 1"
        );
    }
    assert!(
        image::open(at.join("out/train-validation.png"))
            .unwrap()
            .width()
            > 100
    );
    let csv = std::fs::read_to_string(at.join("out/comparison.csv")).unwrap();
    assert_eq!(
        (
            csv.lines().count(),
            csv.starts_with("lr,seeds,train/validation final mean,")
        ),
        (3, true),
        "{csv}"
    );
    assert!(
        std::fs::read_to_string(at.join("out/comparison.md"))
            .unwrap()
            .contains("| lr | seeds |")
    );
    let loss = ends(0, at, &["compare", "s", "--metric", "loss", "--by", "best"]);
    assert!(loss.contains("train/loss"), "{loss}");
    let wrong = ends(1, at, &["compare", "s", "--metric", "lss"]);
    assert!(wrong.contains("did you mean `loss`?"), "{wrong}");
}

#[test]
fn a_run_is_repeated_from_its_folder_alone() {
    let folder = place();
    let at = folder.path();
    ends(
        0,
        at,
        &[
            "small.rhai",
            "lr=3e-3",
            "sizes=[7]",
            "--seed",
            "9",
            "--threads",
            "1",
            "--out",
            "a",
        ],
    );
    let away = tempfile::tempdir().unwrap();
    std::fs::rename(at.join("a"), away.path().join("a")).unwrap();
    drop(folder);
    ends(0, away.path(), &["rerun", "a", "--out", "b", "--quiet"]);
    for file in [
        "metrics.jsonl",
        "params.json",
        "small.rhai",
        "lib/shared.rhai",
    ] {
        let read = |run: &str| std::fs::read(away.path().join(run).join(file)).unwrap();
        assert_eq!(read("a"), read("b"), "{file}");
    }
    let refused = ends(1, away.path(), &["rerun", "a", "--out", "b"]);
    assert!(refused.contains("holds a run already"), "{refused}");
    std::fs::remove_file(away.path().join("a/lib/shared.rhai")).unwrap();
    let missing = ends(1, away.path(), &["rerun", "a", "--out", "c"]);
    assert!(
        missing.contains("shared.rhai") && !away.path().join("c").exists(),
        "{missing}"
    );
}

#[test]
fn a_strangers_folder_opens_no_files_when_it_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let secret = tempfile::tempdir().unwrap();
    let file = secret.path().join("secret.json");
    std::fs::write(&file, "{}").unwrap();
    let script = "let file = param(\"file\", \"none\");\nsave_text(\"a.txt\", \"x\");\nevaluate::load_report(file);\n";
    std::fs::write(folder.path().join("reads.rhai"), script).unwrap();
    let named = format!("file={}", file.display());
    let read = "not the JSON of a report";
    assert!(ends(1, folder.path(), &["reads.rhai", &named, "--out", "a"]).contains(read));
    let closed = ends(1, folder.path(), &["rerun", "a", "--out", "b"]);
    assert!(
        closed.contains("--allow-read") && !closed.contains(read),
        "{closed}"
    );
    let opened = secret.path().display().to_string();
    assert!(
        ends(
            1,
            folder.path(),
            &["rerun", "a", "--out", "c", "--allow-read", &opened]
        )
        .contains(read)
    );
    assert_eq!(
        states(folder.path(), ".").values().collect::<Vec<_>>(),
        ["failed"; 3]
    );
}

#[test]
fn wrong_input_is_explained_and_nothing_is_touched() {
    let folder = place();
    let at = folder.path();
    let refused = |args: &[&str], message: &str| {
        let said = ends(1, at, args);
        assert!(said.contains(message), "{args:?}: {said}");
    };
    std::fs::write(at.join("a.json"), "{\"lr\": 1e-").unwrap();
    std::fs::write(at.join("b.toml"), "lr = = 1").unwrap();
    std::fs::write(at.join("c.json"), "{\"iteration\": 3}").unwrap();
    std::fs::write(at.join("d.json"), "{\"sizes\": [1, \"a\"]}").unwrap();
    refused(
        &["small.rhai", "--params", "a.json"],
        "a.json: not whole JSON",
    );
    refused(&["small.rhai", "--params", "b.toml"], "b.toml: not TOML");
    refused(
        &["small.rhai", "--params", "c.json"],
        "did you mean `iterations`?",
    );
    refused(
        &["small.rhai", "--params", "d.json"],
        "`sizes[1]` must be int",
    );
    refused(
        &["small.rhai", "opts={\"stpes\": 4}"],
        "did you mean `steps`?",
    );
    refused(&["sweep", "small.rhai", "lr=1e-5..1e-2"], "--random");
    refused(
        &["sweep", "small.rhai", "seed=0..3", "--task", "3"],
        "there are 3 points",
    );
    refused(&["runs", "nothing"], "nothing");
    refused(&["compare", "lib"], "no runs in it");
    refused(
        &["compare", "lib", "--out", "x.pdf"],
        "unknown format `pdf`",
    );
    refused(&["rerun", "lib"], "no run.json");
    for (name, content, message) in [
        ("cut", "{\"script\": \"small.rh", "not whole JSON"),
        (
            "foreign",
            "{\"name\": \"something\"}",
            "not written by jemscript",
        ),
        (
            "leads-out",
            "{\"jemscript\":\"1\",\"state\":\"finished\",\"script\":\"../small.rhai\"}",
            "no file inside",
        ),
        (
            "later",
            "{\"jemscript\":\"9\",\"state\":\"resting\",\"script\":\"small.rhai\"}",
            "does not know",
        ),
    ] {
        std::fs::create_dir_all(at.join("x").join(name)).unwrap();
        let path = at.join("x").join(name).join("run.json");
        std::fs::write(&path, content).unwrap();
        refused(&["rerun", &format!("x/{name}")], message);
        assert!(
            ends(0, at, &["runs", "x"]).contains(message),
            "the list goes on"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}
