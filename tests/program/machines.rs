//! Two "machines": network namespaces joined by a cable, with a rank in each. Where such cannot be
//! made (it takes root and `ip`), the tests say so and check nothing.

use crate::common::program;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use program::text;

const SCRIPT: &str = r#"
let iterations = param("iterations", 30, "of the training");
let digits = data::digits();
let net    = nn::sequential([nn::flatten(), nn::linear(64, 16), nn::silu(), nn::linear(16, 10)]);
let model  = energy::joint(net);
let chains = sampler::replay(digits.shape, #{ size: 100 });
let sgld   = sampler::sgld(#{ steps: 2, clamp: [-1, 1] });
let opt    = optim::adam(model, #{ lr: 0.003 });
train(digits, #{ iterations: iterations, every: 10, batch_size: 32 }, |batch| {
    let loss = loss::jem(model, batch.x, batch.y, chains.sample(sgld, model, batch.x.len()));
    opt.step(loss);
    loss
});
print(model.energy(digits.test.images(4)).sum());
"#;

/// Two namespaces, removed when this goes.
struct Machines([String; 2]);

fn ip(words: &str) -> bool {
    let run = Command::new("ip")
        .args(words.split(' '))
        .stderr(Stdio::null())
        .status();
    run.is_ok_and(|status| status.success())
}

impl Machines {
    /// `10.77.0.1` and `10.77.0.2`.
    fn joined(tag: &str) -> Option<Machines> {
        let id = std::process::id();
        let names = ["a", "b"].map(|side| format!("jem-{tag}-{side}-{id}"));
        let [a, b] = &names;
        let made = Machines(names.clone());
        let steps = [
            format!("netns add {a}"),
            format!("netns add {b}"),
            format!("-n {a} link add cable0 type veth peer name cable1 netns {b}"),
            format!("-n {a} addr add 10.77.0.1/24 dev cable0"),
            format!("-n {b} addr add 10.77.0.2/24 dev cable1"),
            format!("-n {a} link set lo up"),
            format!("-n {b} link set lo up"),
            format!("-n {a} link set cable0 up"),
            format!("-n {b} link set cable1 up"),
        ];
        if steps.iter().all(|step| ip(step)) {
            return Some(made);
        }
        println!("no network namespaces can be made here: nothing was checked");
        None
    }

    fn inside(&self, machine: usize, folder: &Path, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.0[machine]])
            .args(words)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for name in &self.0 {
            ip(&format!("netns del {name}"));
        }
    }
}

fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rhai"), SCRIPT).unwrap();
    folder
}

#[test]
fn torchrun_on_two_machines_trains_one_model() {
    let Some(machines) = Machines::joined("run") else {
        return;
    };
    let folder = place();
    let packages = Path::new(env!("JEMSCRIPT_LIBTORCH_LIB"))
        .parent()
        .and_then(Path::parent);
    let start = |machine: usize| -> Child {
        let rank = machine.to_string();
        let torchrun = [
            "python3",
            "-m",
            "torch.distributed.run",
            "--no-python",
            "--nnodes",
            "2",
            "--node-rank",
            &rank,
            "--nproc-per-node",
            "1",
            "--master-addr",
            "10.77.0.1",
            "--master-port",
            "29533",
            env!("CARGO_BIN_EXE_jemscript"),
            "main.rhai",
            "--threads",
            "1",
            "--quiet",
            "--out",
            "run",
        ];
        let mut command = machines.inside(machine, folder.path(), &torchrun);
        command
            .env("PYTHONPATH", packages.unwrap())
            .spawn()
            .unwrap()
    };
    let children = [start(0), start(1)];
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    for output in &outputs {
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let other = std::fs::read_to_string(folder.path().join("run/ranks/rank-1.txt")).unwrap();
    let last = |said: &str| said.lines().last().unwrap_or_default().to_owned();
    assert_eq!(last(&text(&outputs[0].stdout)), last(&other));
    assert!(!last(&other).is_empty());
}

#[test]
fn a_cut_link_ends_both_ranks_in_the_time_out() {
    let Some(machines) = Machines::joined("cut") else {
        return;
    };
    let folder = place();
    let start = |machine: usize| -> Child {
        let words = [
            env!("CARGO_BIN_EXE_jemscript"),
            "main.rhai",
            "iterations=1_000_000",
            "--threads",
            "1",
            "--quiet",
            "--out",
            "run",
            "--dist-timeout",
            "4s",
        ];
        let mut command = machines.inside(machine, folder.path(), &words);
        let rank = machine.to_string();
        command.envs([
            ("RANK", rank.as_str()),
            ("WORLD_SIZE", "2"),
            ("LOCAL_RANK", "0"),
        ]);
        command.envs([("MASTER_ADDR", "10.77.0.1"), ("MASTER_PORT", "29534")]);
        command.spawn().unwrap()
    };
    let children = [start(0), start(1)];
    let log = folder.path().join("run/metrics.jsonl");
    let started = Instant::now();
    while std::fs::read_to_string(&log)
        .unwrap_or_default()
        .lines()
        .count()
        < 20
    {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it does not train"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(ip(&format!("-n {} link set cable0 down", machines.0[0])));
    let cut = Instant::now();
    for (rank, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        let error = text(&output.stderr);
        assert!(
            !output.status.success() && error.contains("another rank"),
            "rank {rank}: {error}"
        );
        assert!(error.contains("rank 1: ") == (rank == 1), "{error}");
    }
    assert!(
        cut.elapsed() < Duration::from_secs(30),
        "{:?}",
        cut.elapsed()
    );
}
