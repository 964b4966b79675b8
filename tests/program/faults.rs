//! A disk that fails at any moment, once or from then on: what the run says of itself is then true,
//! and going on ends as a run on a good disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jemscript::formats::read_safetensors;

/// A training with all that a run folder can get: best states, a guard's states, samples, the
/// script's own files.
const SCRIPT: &str = r#"
let digits = data::digits();
let net    = nn::mlp([64, 4, 10]);
let model  = energy::joint(net);
let opt    = optim::adam(model, #{ lr: 0.02 });
let count  = 0;
let record = train(digits, #{
    iterations: 24, every: 4, keep: 2, batch_size: 8, best: "accuracy", validate: |p| #{ accuracy: evaluate::accuracy(model, p) },
}, |batch| {
    count += 1;
    let loss = loss::cross_entropy(net.forward(batch.x), batch.y);
    opt.step(loss);
    loss
});
save_image("digits.png", plot::grid(digits.test.images(4)));
print(`${count} ${record.best} ${record.column("loss")[-1]}`);
"#;

/// What a run came to: its log, its last and its best state to the bit, and what was printed.
#[derive(PartialEq, Debug)]
struct Outcome {
    log: String,
    states: BTreeMap<String, Vec<u64>>,
    picture: Vec<u8>,
    printed: String,
}

fn outcome(run: &Path, output: &Output) -> Outcome {
    let mut states = BTreeMap::new();
    for name in ["end", "best"] {
        for (key, tensor) in
            read_safetensors(&run.join(format!("checkpoints/{name}.safetensors"))).unwrap()
        {
            states.insert(
                format!("{name}: {key}"),
                tensor
                    .to_vec()
                    .unwrap()
                    .into_iter()
                    .map(f64::to_bits)
                    .collect(),
            );
        }
    }
    Outcome {
        log: fs::read_to_string(run.join("metrics.jsonl")).unwrap(),
        states,
        picture: fs::read(run.join("digits.png")).unwrap(),
        printed: String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}

fn library(folder: &Path) -> PathBuf {
    let (source, library) = (
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/fault.c"),
        folder.join("fault.so"),
    );
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "cc cannot build {}",
        source.display()
    );
    library
}

fn jemscript(folder: &Path, args: &[&str], fault: &[(&str, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jemscript"));
    command
        .args(args)
        .current_dir(folder)
        .envs(fault.iter().map(|(k, v)| (*k, v.as_str())));
    command
        .env("XDG_STATE_HOME", folder.join("state"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_failing_disk_costs_nothing_but_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    fs::write(folder.join("main.rhai"), SCRIPT).unwrap();
    let library = library(&folder);
    let begin = ["main.rhai", "--out", "run", "--threads", "1", "--quiet"];
    let run = folder.join("run");
    let faults = |more: &[(&'static str, String)]| {
        let mut all = vec![
            ("LD_PRELOAD", library.display().to_string()),
            ("FAULT_UNDER", run.display().to_string()),
            ("FAULT_COUNT", folder.join("count").display().to_string()),
        ];
        all.extend_from_slice(more);
        all
    };

    let output = jemscript(&folder, &begin, &faults(&[]));
    assert!(output.status.success(), "{}", said(&output));
    let wanted = outcome(&run, &output);
    let calls: usize = fs::read_to_string(folder.join("count"))
        .unwrap()
        .parse()
        .unwrap();
    assert!(calls >= 100, "only {calls} calls were seen");

    let (eio, emfile, enospc) = (5, 24, 28);
    let mut wrong = Vec::new();
    for at in (1..=100).chain((101..=calls).step_by(11)) {
        let code = [eio, enospc, emfile][at % 3];
        fs::remove_dir_all(&run).ok();
        let mut fault = vec![
            ("FAULT_AT", at.to_string()),
            ("FAULT_ERRNO", code.to_string()),
        ];
        if at % 2 == 0 {
            fault.push(("FAULT_LASTING", "yes".to_owned()));
        }
        let output = jemscript(&folder, &begin, &faults(&fault));
        let error = said(&output);
        let what = format!(
            "call {at}, error {code}, exit {:?}:\n{error}",
            output.status.code()
        );
        if error.contains("defect") || error.contains("panicked") || output.status.code().is_none()
        {
            wrong.push(format!("{what}not a clear error"));
            continue;
        }
        let last = match output.status.success() {
            true => output,
            false
                if ["run.json", "resume.json"]
                    .iter()
                    .all(|file| run.join(file).exists()) =>
            {
                jemscript(&folder, &["resume", "run", "--quiet"], &[])
            }
            // It failed before there was anything to go on with, as `resume` says; what is left is
            // a new run.
            false => {
                let refused = jemscript(&folder, &["resume", "run"], &[]);
                if run.exists()
                    && !["start a new run", "holds no run"]
                        .iter()
                        .any(|told| said(&refused).contains(told))
                {
                    wrong.push(format!("{what}resume says {}", said(&refused)));
                }
                fs::remove_dir_all(&run).ok();
                jemscript(&folder, &begin, &[])
            }
        };
        if !last.status.success() {
            wrong.push(format!("{what}it does not go on: {}", said(&last)));
        } else if std::panic::catch_unwind(|| outcome(&run, &last))
            .map_or(true, |found| found != wanted)
        {
            wrong.push(format!("{what}it ends otherwise"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {calls}:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}
