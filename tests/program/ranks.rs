//! One training on several processes of this machine: it is the training of one process, it
//! survives the loss of a rank, and what cannot be is an error on all ranks.

use crate::common::program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use jemscript::formats::read_safetensors;
use program::{command, jemscript, stdout, text};

fn place(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rhai"), script).unwrap();
    folder
}

/// The words of a launch of `n` ranks.
fn launch<'a>(n: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    [&["launch", "--nproc", n][..], words].concat()
}

fn refused(output: &Output, messages: &[&str]) {
    let error = text(&output.stderr);
    assert!(!output.status.success(), "it went well");
    for message in messages {
        assert!(error.contains(message), "no `{message}` in {error}");
    }
}

/// Trainings without noise, with each kind of optimiser, in both types.
const EQUAL: &str = r#"
let share  = param("share", 1, "1 of so many rows is used");
let factor = param("factor", 1.0, "of the loss");
let digits = data::digits();
let run = |name, kind, make| {
    seed(5);
    let net = nn::sequential([nn::flatten(), nn::linear(64, 24), nn::silu(), nn::linear(24, 10)]);
    net.to(kind);
    let model  = energy::joint(net);
    let opt    = make.call(model);
    let smooth = optim::ema(model, 0.9);
    train(digits, #{ name: `${name}-${kind}`, iterations: 50, batch_size: 64, every: 50, guard: false }, |batch| {
        let n = (batch.x.len() / share).to_int();
        let x = batch.x.narrow(0, 0, n).to(kind);
        let y = batch.y.narrow(0, 0, n);
        let f = || {
            let ce = loss::cross_entropy(model.logits(x), y);
            factor * (ce + 0.1 * (model.energy(x) - model.energy(x.flip([3]))).mean() + 0.01 * model.energy(x).pow(2).mean())
        };
        let l = 0.0;
        if name == "sam" || name == "lbfgs" { opt.step(f); l = f.call().item(); } else { l = f.call(); opt.step(l); l = l.item(); }
        smooth.update();
        #{ l: l }
    });
    smooth
};
for kind in ["float32", "float64"] {
    run.call("adam",  kind, |m| optim::adam(m, #{ lr: 0.003, clip_norm: 0.5 }));
    run.call("sgd",   kind, |m| optim::sgd(m, #{ lr: 0.05, momentum: 0.9, clip_value: 0.1 }));
    run.call("sam",   kind, |m| optim::sam(optim::sgd(m, #{ lr: 0.05 }), #{ rho: 0.05 }));
}
// Curvature is a quotient of small differences: what float32 rounds away grows, so only float64 can be compared.
run.call("lbfgs", "float64", |m| optim::lbfgs(m, #{ lr: 0.2, max_iter: 3 }));
"#;

/// The weights and averages at the end of each training, by training and name.
fn ends(run: &Path, within: &str) -> BTreeMap<String, Vec<f64>> {
    let folder = run.join(within);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if let Some(training) = name.strip_suffix("-end.safetensors") {
            for (key, tensor) in read_safetensors(&path).unwrap() {
                if !key.starts_with("loop.") {
                    found.insert(format!("{training}: {key}"), tensor.to_vec().unwrap());
                }
            }
        }
    }
    found
}

/// The largest difference of a kind of training.
fn apart(a: &BTreeMap<String, Vec<f64>>, b: &BTreeMap<String, Vec<f64>>, kind: &str) -> f64 {
    let mut largest: f64 = 0.0;
    let mut compared = 0;
    for (key, values) in a.iter().filter(|(k, _)| k.contains(kind)) {
        let other = b.get(key).unwrap_or_else(|| panic!("no {key}"));
        assert_eq!(values.len(), other.len(), "{key}");
        compared += values.len();
        let each = values.iter().zip(other).map(|(x, y)| (x - y).abs());
        largest = each.fold(largest, f64::max);
    }
    assert!(compared > 3 * 1000, "only {compared} numbers of {kind}");
    largest
}

#[test]
fn ranks_equal_one_process_with_the_whole_batch() {
    let folder = place(EQUAL);
    let run = |out: &str, words: &[&str]| {
        let words = [
            words,
            &["main.rhai", "--threads", "1", "--quiet", "--out", out],
        ]
        .concat();
        stdout(&jemscript(folder.path(), &words));
        ends(&folder.path().join(out), "checkpoints")
    };
    let one = run("one", &[]);
    for n in ["2", "4"] {
        let many = run(n, &["launch", "--nproc", n]);
        let (single, double) = (apart(&one, &many, "float32"), apart(&one, &many, "float64"));
        assert!(
            single < 1e-5 && double < 1e-10,
            "{n} ranks: {single:e} {double:e}"
        );
    }
    // What the ranks would be without the exchange, and with a sum in place of the mean: far off.
    for control in ["share=2", "factor=2.0"] {
        let words = [
            "main.rhai",
            control,
            "--threads",
            "1",
            "--quiet",
            "--out",
            control,
        ];
        stdout(&jemscript(folder.path(), &words));
        let other = ends(&folder.path().join(control), "checkpoints");
        let far = apart(&one, &other, "sgd-float64");
        assert!(far > 1e-3, "{control}: {far:e}");
    }
}

/// Batch norm over the whole batch: its value, its running statistics, the gradient through it, and
/// the gradient of a gradient.
const SYNC: &str = r#"
let digits = data::digits();
for kind in ["float32", "float64"] {
    seed(5);
    let net = nn::sequential([
        nn::conv2d(1, 6, 3), nn::batch_norm2d(6, #{ synced: true }), nn::silu(), nn::flatten(),
        nn::linear(216, 16), nn::batch_norm2d(16, #{ synced: true, momentum: 0.3 }), nn::silu(), nn::linear(16, 10),
    ]);
    net.to(kind);
    let model = energy::joint(net);
    let opt = optim::sgd(model, #{ lr: 0.05, momentum: 0.9 });
    train(digits, #{ name: `bn-${kind}`, iterations: 50, batch_size: 64, every: 50, guard: false }, |batch| {
        let x = batch.x.to(kind);
        let loss = loss::cross_entropy(model.logits(x), batch.y) + 0.01 * model.score(x, #{ create_graph: true }).pow(2).flatten(1).sum(1).mean();
        opt.step(loss);
        loss
    });
}
"#;

#[test]
fn batch_norm_of_all_ranks_is_that_of_the_whole_batch() {
    let folder = place(SYNC);
    let run = |out: &str, words: &[&str]| {
        let words = [
            words,
            &["main.rhai", "--threads", "1", "--quiet", "--out", out],
        ]
        .concat();
        stdout(&jemscript(folder.path(), &words));
        ends(&folder.path().join(out), "checkpoints")
    };
    let (one, two) = (run("one", &[]), run("two", &["launch", "--nproc", "2"]));
    let (single, double) = (apart(&one, &two, "float32"), apart(&one, &two, "float64"));
    assert!(single < 1e-5 && double < 1e-10, "{single:e} {double:e}");
    // Each rank's own statistics are others.
    std::fs::write(
        folder.path().join("main.rhai"),
        SYNC.replace("synced: true", "synced: false"),
    )
    .unwrap();
    let own = run("own", &["launch", "--nproc", "2"]);
    assert!(apart(&one, &own, "float64") > 1e-4);
}

/// All that differs by rank: chains, noise, dropout, running statistics, the script's variables.
const SCRIPT: &str = r#"
let iterations = param("iterations", 120, "of the training");
let digits = data::digits();
let net    = nn::sequential([nn::conv2d(1, 4, 3), nn::batch_norm2d(4), nn::silu(), nn::flatten(), nn::dropout(0.1), nn::linear(144, 10)]);
let model  = energy::joint(net);
let chains = sampler::replay(digits.shape, #{ size: 100, classes: 10 });
let sgld   = sampler::sgld(#{ steps: 2, clamp: [-1, 1] });
let opt    = optim::adam(model, #{ lr: 0.003 });
let smooth = optim::ema(model, 0.9);
let change = data::augment(#{ noise: 0.03 });
let own    = [];
train(digits, #{
    iterations: iterations, every: 10, batch_size: 32, restore_best: true, keep: 2,
    validate: |p| evaluate::accuracy(model, p), samples: || chains.images(16),
}, |batch| {
    let x    = change.apply(batch).x;
    let loss = loss::jem(model, x, batch.y, chains.sample(sgld, model, x.len()));
    opt.step(loss);
    smooth.update();
    own.push(batch.x.mean().item() + rank());
    loss
});
print(`${own.len()} ${own[-1]} ${chains.len()} ${chains.all().shape} ${chains.all().mean()}`);
print(chains.class_counts(model).sum());
print(tensor::randn([2]));
print(net.parameters().len());
"#;

/// What a run of two ranks came to, to the bit.
fn outcome(run: &Path) -> BTreeMap<String, Vec<u64>> {
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let mut all = BTreeMap::new();
    for within in ["checkpoints", "checkpoints/rank-1"] {
        for name in ["end", "best"] {
            let path = run.join(within).join(format!("{name}.safetensors"));
            for (key, tensor) in read_safetensors(&path).unwrap() {
                all.insert(
                    format!("{within} {name} {key}"),
                    bits(tensor.to_vec().unwrap()),
                );
            }
        }
    }
    let metrics = std::fs::read(run.join("metrics.jsonl")).unwrap();
    all.insert(
        "metrics".to_owned(),
        metrics.into_iter().map(u64::from).collect(),
    );
    all
}

fn same(found: &BTreeMap<String, Vec<u64>>, wanted: &BTreeMap<String, Vec<u64>>) {
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        wanted.keys().collect::<Vec<_>>()
    );
    for (key, bits) in wanted {
        assert!(&found[key] == bits, "{key} differs");
    }
}

/// The last lines that a rank printed.
fn printed(text: &str) -> Vec<String> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(5)..].to_vec()
}

/// The process of a rank that a launcher started.
fn process(launcher: &Child, rank: usize) -> Option<u32> {
    let id = launcher.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    let wanted = format!("RANK={rank}");
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .find(|pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|b| *b == 0)
                .any(|v| v == wanted.as_bytes())
        })
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Waits until a run has logged so many lines.
fn wait_for(run: &Path, lines: usize) {
    let started = Instant::now();
    loop {
        let log = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        if log.lines().count() >= lines {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it does not train"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_rank_is_lost_and_the_run_goes_on_to_the_same_end() {
    let folder = place(SCRIPT);
    let words = launch("2", &["main.rhai", "--threads", "1", "--out"]);
    let whole = jemscript(folder.path(), &[&words[..], &["whole"]].concat());
    let said = stdout(&whole);
    let wanted = outcome(&folder.path().join("whole"));
    let other = std::fs::read_to_string(folder.path().join("whole/ranks/rank-1.txt")).unwrap();
    let (first, second) = (printed(&said), printed(&other));
    // All see the whole buffer; each has variables of its own.
    assert!(first[0].contains("100 [100, 1, 8, 8]"), "{first:?}");
    assert_eq!(first[1..], second[1..]);
    assert_ne!(first[0].split(' ').nth(1), second[0].split(' ').nth(1));
    assert!(!whole.stderr.windows(6).any(|w| w == b"rank 1"));
    for (lost, lines) in [(1, 20), (0, 47), (1, 90)] {
        let out = format!("lost-{lines}");
        let run: PathBuf = folder.path().join(&out);
        let child = command(folder.path(), &[&words[..], &[&out]].concat())
            .spawn()
            .unwrap();
        wait_for(&run, lines);
        let pid = process(&child, lost).unwrap();
        let killed = Instant::now();
        signal(pid, "-KILL");
        let output = child.wait_with_output().unwrap();
        let name = format!("rank {lost} was ended by signal 9");
        let ended = format!("rank {lost} (process {pid}) has ended");
        refused(&output, &[&name, &ended]);
        assert!(
            killed.elapsed() < Duration::from_secs(10),
            "{:?}",
            killed.elapsed()
        );
        let again = jemscript(folder.path(), &launch("2", &["resume", &out, "--quiet"]));
        let said = stdout(&again);
        same(&outcome(&run), &wanted);
        assert_eq!(printed(&said), first);
    }
}

/// A finished run, opened by another number of ranks: the buffer is the same one, dealt out anew.
#[test]
fn another_number_of_ranks_deals_the_buffer_out_anew() {
    let folder = place(SCRIPT);
    let options = ["iterations=20", "--threads", "1", "--out"];
    for (out, before, after) in [("a", "2", "1"), ("b", "1", "2")] {
        let words = [&["main.rhai"], &options[..], &[out]].concat();
        let first = stdout(&jemscript(folder.path(), &launch(before, &words)));
        let words = ["resume", out, "--force", "--threads", "1"];
        let said = stdout(&jemscript(folder.path(), &launch(after, &words)));
        // The whole buffer, and what only rank 0 knew: its variables.
        assert_eq!(printed(&said), printed(&first));
        let events = std::fs::read_to_string(folder.path().join(out).join("events.jsonl")).unwrap();
        let dealt = format!(
            "\"event\":\"dealt\",\"train\":\"train\",\"ranks\":{after},\"before\":{before}"
        );
        assert!(events.contains(&dealt), "{events}");
        assert!(said.contains("dealt out anew"), "{said}");
    }
}

#[test]
fn ctrl_c_ends_all_ranks_in_good_order() {
    let folder = place(SCRIPT);
    let words = launch(
        "2",
        &[
            "main.rhai",
            "iterations=100_000",
            "--threads",
            "1",
            "--out",
            "run",
        ],
    );
    let child = command(folder.path(), &words).spawn().unwrap();
    wait_for(&folder.path().join("run"), 15);
    signal(child.id(), "-INT");
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(asked.elapsed() < Duration::from_secs(10));
    let error = text(&output.stderr);
    assert!(
        error.contains("interrupted after") && error.contains("launch --nproc 2 resume"),
        "{error}"
    );
    assert!(!error.contains("rank 1"), "{error}");
    let shares = std::fs::read_dir(folder.path().join("run/checkpoints/rank-1")).unwrap();
    assert!(shares.count() > 0);
}

#[test]
fn a_stopped_rank_ends_in_a_time_out_that_can_be_set() {
    let folder = place(SCRIPT);
    let words = [
        "main.rhai",
        "iterations=100_000",
        "--dist-timeout",
        "3s",
        "--out",
        "run",
    ];
    let child = command(folder.path(), &launch("2", &words))
        .spawn()
        .unwrap();
    wait_for(&folder.path().join("run"), 15);
    let pid = process(&child, 1).unwrap();
    signal(pid, "-STOP");
    let started = Instant::now();
    // The launcher then ends the stopped one, too.
    let output = child.wait_with_output().unwrap();
    refused(&output, &[&format!("rank 1 (process {pid}) is stopped")]);
    assert!(
        started.elapsed() < Duration::from_secs(35),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn what_the_ranks_cannot_do_together_is_an_error_of_all() {
    let train = "let digits = data::digits(); let net = nn::sequential([nn::flatten(), nn::linear(64, 10)]); let opt = optim::adam(net); ";
    let step =
        "|batch| { let l = loss::cross_entropy(net.forward(batch.x), batch.y); opt.step(l); l }";
    let cases: Vec<(String, Vec<&str>)> = vec![
        (
            format!("{train} if rank() == 0 {{ train(digits, #{{ iterations: 3 }}, {step}); }}"),
            vec![
                "do not ask for the same thing",
                "rank 1 is at the end of the script",
            ],
        ),
        (
            "all_reduce(tensor::ones([2 + rank()]), \"sum\");".to_owned(),
            vec![
                "rank 0 is at all_reduce",
                "[2] float32",
                "rank 1 is at all_reduce",
                "[3] float32",
            ],
        ),
        (
            format!("{train} train(digits, #{{ iterations: 3, batch_size: 65 }}, {step});"),
            vec!["`batch_size` is 65", "64 and 66"],
        ),
        (
            "sampler::replay([2], #{ size: 30, classes: 10 });".to_owned(),
            vec!["`size` is 30", "20 and 40"],
        ),
        (
            format!(
                "{train} train(digits, #{{ iterations: 3 }}, |batch| {{ if rank() == 1 {{ throw \"no more\"; }} let l = net.forward(batch.x).mean(); opt.step(l); l }});"
            ),
            vec!["rank 1: error: no more", "error: rank 1 failed: no more"],
        ),
        (
            format!(
                "{train} train(digits, #{{ iterations: 3 }}, |batch| {{ if rank() == 1 {{ #{{ a: 1.0 }} }} else {{ #{{ b: 1.0 }} }} }});"
            ),
            vec!["log different things: rank 0: b; rank 1: a"],
        ),
        (
            format!(
                "{train} train(digits, #{{ iterations: 3, every: 1 }}, |batch| {{ if rank() == 1 {{ let p = net.parameters(); p[0] = p[0] * 0.5; }} 1.0 }});"
            ),
            vec!["the weights of rank 0 and rank 1 differ"],
        ),
        (
            "if rank() == 1 { tensor::ones([2]).matmul(tensor::ones([3])); } barrier();".to_owned(),
            vec!["rank 1: error", "matmul", "rank 1 (process"],
        ),
    ];
    for (script, messages) in cases {
        let folder = place(&script);
        let started = Instant::now();
        let output = jemscript(folder.path(), &launch("2", &["main.rhai", "--quiet"]));
        refused(&output, &messages);
        assert!(started.elapsed() < Duration::from_secs(15), "{script}");
    }
}

/// What diverges on one rank, while another is at its gradient, makes both go back.
#[test]
fn the_guard_goes_back_on_all_ranks() {
    let folder = place(
        r#"
        let digits = data::digits();
        let broken = 0;
        let net    = nn::sequential([nn::flatten(), nn::linear(64, 16), nn::silu(), nn::linear(16, 1)]);
        let model  = energy::of(|x| if broken > 0 && rank() == 1 { x.flatten(1).sum(1) * (0.0 / 0.0) } else { net.forward(x).squeeze(1) }, #{ params: [net] });
        let chains = sampler::replay(digits.shape, #{ size: 100 });
        let sgld   = sampler::sgld(#{ steps: 2, clamp: [-1, 1] });
        let opt    = optim::adam(model, #{ lr: 0.003 });
        let count  = 0;
        let how    = #{ iterations: 20, every: 5, batch_size: 32, guard: #{ every: 4, policy: |event| { broken = -1; } } };
        let record = train(digits, how, |batch| {
            count += 1;
            if count == 10 && broken == 0 { broken = 1; }
            let fake = chains.sample(sgld, model, batch.x.len());
            let loss = (model.energy(batch.x) - model.energy(fake)).mean() + 0.1 * model.energy(batch.x).pow(2).mean();
            opt.step(loss);
            loss
        });
        let back = record.rollbacks;
        print(`${record.iterations} ${back.len()} ${back[0].iteration} ${back[0].to}`);
        print(all_gather(net.parameters()[0].sum()).to_array());
        "#,
    );
    let words = ["main.rhai", "--quiet", "--threads", "1", "--out", "run"];
    let first = stdout(&jemscript(folder.path(), &launch("2", &words)));
    assert!(first.starts_with("20 1 10 4\n"), "{first}");
    let second = std::fs::read_to_string(folder.path().join("run/ranks/rank-1.txt")).unwrap();
    assert_eq!(first, second);
}

/// Each rank computes the logits of some rows, and all have the answer of one process.
#[test]
fn evaluations_share_rows_and_give_the_whole_answer() {
    let folder = place(
        r#"
        let d = data::digits(); seed(3);
        let m = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
        print(evaluate::accuracy(m, d.test));
        print(evaluate::calibration(m, d.test));
        let few = d.test.head(40);
        let o   = #{ eps: [0.02, 0.05], steps: 3 };
        print(evaluate::pgd(m, few, o + #{ starts: 1 }));
        print(evaluate::apgd(m, few, o + #{ targets: 2 }));
        print(evaluate::square(m, few, #{ eps: [0.05], queries: 5 }));
        let s = evaluate::scores(m, few.x);
        print([s.log_p_x, s.mass, s.max_p_y].map(|t| `${t.shape} ${(t.mean().item() * 1e4).round()}`));
        let sgld = sampler::sgld(#{ steps: 2, noise: 0.01 });
        print(evaluate::jem_k(m, few, sgld, #{ eps: [0.05], steps: 2, draws: 1, verify: 2, chains: 2, batch_size: 7, backward: ["identity"] }));
        print(evaluate::transfer(#{ a: m, b: m }, few, 0.05, #{ starts: 1, steps: 2 }));
        let quiet = sampler::sgld(#{ steps: 3, noise: 0.0 });
        let walked = evaluate::fresh_chains(m, quiet, [9, 1, 8, 8], [1, 3], #{ labels: tensor::full([9], 4) });
        print(walked.map(|x| (x.sum().item() * 100.0).round()));
        print(evaluate::fresh_chains(m, sgld, [9, 1, 8, 8], [2])[0].shape);
        let z = evaluate::log_z(energy::of(|x| 0.5 * x.pow(2).sum(1)), #{ shape: [2], steps: 40, chains: 101 });
        let v = tensor::of([z.value]);
        assert((all_reduce(v, "max") - all_reduce(v, "min")).item() == 0.0, "all ranks have one answer");
        print([(z.value - (2.0 * PI).ln()).abs() < 0.2, z.ess > 10.0]);
        print(tensor::randn([1]).item());
        print(evaluate::features_of(nn::sequential([nn::flatten()])).features(few.x).shape);
        "#,
    );
    let words = ["main.rhai", "--quiet", "--threads", "1", "--out"];
    let run = |n: &str| {
        let words = [&words[..], &[n]].concat();
        stdout(&jemscript(folder.path(), &launch(n, &words)))
    };
    let one = run("1");
    // 360 rows; with 7 the last rank has fewer.
    for n in ["2", "7"] {
        assert_eq!(run(n), one);
        let other = folder.path().join(n).join("ranks/rank-1.txt");
        assert_eq!(std::fs::read_to_string(other).unwrap(), one);
    }
}

/// What fails on one rank fails on all, so that a script that catches it goes on in step.
#[test]
fn an_error_of_one_rank_in_an_evaluation_is_everybody_s() {
    let folder = place(
        r#"
        let d = data::digits(); seed(3);
        let few = d.test.head(16);
        let sick = rank() == world() - 1 && world() > 1;
        let bad = energy::joint(nn::sequential([nn::flatten(), nn::lambda(|x| if sick { throw "bad rows" } else { x }), nn::linear(64, 10)]));
        let sgld = sampler::sgld(#{ steps: 2 });
        let caught = 0;
        let tried = [
            || evaluate::accuracy(bad, few),
            || evaluate::scores(bad, few.x),
            || evaluate::fresh_chains(bad, sgld, [8, 1, 8, 8], [2]),
            || evaluate::pgd(bad, few, #{ eps: [0.05], steps: 2 }),
            || evaluate::apgd(bad, few, #{ eps: [0.05], steps: 2 }),
            || evaluate::square(bad, few, #{ eps: [0.05], queries: 3 }),
            || evaluate::jem_k(bad, few, sgld, #{ eps: [0.05], steps: 2, draws: 1, verify: 2, chains: 2, batch_size: 4, backward: ["identity"] }),
            || evaluate::transfer(#{ a: bad, b: bad }, few, 0.05, #{ starts: 1, steps: 2 }),
        ];
        for f in tried {
            try { f.call(); } catch (e) {
                assert(e.message.contains("bad rows"), e.message);
                assert(sick || e.message.contains("rank 1: "), e.message);
                caught += 1;
            }
        }
        sick = false;
        print(`caught ${caught}, then ${evaluate::accuracy(energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)])), d.test)}`);
        "#,
    );
    let words = launch(
        "2",
        &["main.rhai", "--quiet", "--threads", "1", "--out", "run"],
    );
    let said = stdout(&jemscript(folder.path(), &words));
    assert!(said.contains("caught 8, then"), "{said}");
    let other = std::fs::read_to_string(folder.path().join("run/ranks/rank-1.txt")).unwrap();
    assert_eq!(other, said);
}

#[test]
fn scripts_exchange_values() {
    let folder = place(
        r#"
        print(`${rank()} of ${world()}`);
        print(all_reduce(rank() + 1.0, "mean"));
        print(all_reduce(tensor::ones([2]) * (rank() + 1), "sum").to_array());
        print(all_gather(rank() * 2).to_array());
        print(broadcast(rank() + 7));
        let chains = sampler::replay([2], #{ size: 8 });
        print(all_gather(chains.images(3)).shape);
        print((chains.all() - broadcast(chains.all())).abs().max().item());
        let picked = chains.images(8).sum().item() - chains.all().sum().item();
        print(picked.abs() < 1e-4);
        if rank() == 0 { save_text("notes.txt", "of one"); }
        barrier();
        let record = train(#{ iterations: 5, guard: false }, || if rank() == 1 { stop("enough") } else { 1.0 * rank() });
        print(`${record.iterations} ${record.stopped}`);
        "#,
    );
    let output = jemscript(
        folder.path(),
        &launch("2", &["main.rhai", "--quiet", "--out", "run"]),
    );
    let first = stdout(&output);
    let second = std::fs::read_to_string(folder.path().join("run/ranks/rank-1.txt")).unwrap();
    let lines: Vec<&str> = first.lines().collect();
    let wanted = [
        "0 of 2",
        "1.5",
        "[3.0, 3.0]",
        "[0.0, 2.0]",
        "7.0",
        "[2, 3, 2]",
        "0.0",
        "true",
        "1 enough",
    ];
    assert_eq!(lines, wanted);
    assert_eq!(second.lines().skip(1).collect::<Vec<_>>(), wanted[1..]);
    assert!(second.starts_with("1 of 2\n"));
}

#[test]
fn a_launch_that_cannot_be_says_so() {
    let folder = place("print(1)");
    let case = |words: &[&str], message: &str| {
        refused(&jemscript(folder.path(), words), &[message]);
    };
    case(&launch("0", &["main.rhai"]), "--nproc must be from 1");
    case(
        &launch("2", &["main.rhai", "--dry-run"]),
        "dry run is of one process",
    );
    case(&launch("2", &["nothing.rhai"]), "nothing.rhai");
    case(
        &launch("2", &["sweep", "main.rhai"]),
        "sweep is not one training",
    );
    case(&["main.rhai", "--dist", "slurm"], "SLURM_NTASKS");
    let one = jemscript(folder.path(), &launch("1", &["-e", "print(world())"]));
    assert_eq!(stdout(&one).trim(), "1");
}

/// What NCCL needs is said before anything is sent: the build, and a GPU for each rank.
#[test]
fn nccl_says_what_it_needs() {
    let folder = place("print(world())");
    let message = if jemscript::world::layout_of_gpus().is_none() {
        "no NCCL backend"
    } else if !tch::Cuda::is_available() {
        "without one: rank 0, 1"
    } else {
        return;
    };
    let launched = jemscript(
        folder.path(),
        &launch("2", &["main.rhai", "--backend", "nccl"]),
    );
    refused(&launched, &[message]);
}

/// Where set-up has put the Python packages beside libtorch: `torchrun` is among them.
fn torchrun(folder: &Path, words: &[&str]) -> Command {
    let lib = Path::new(env!("JEMSCRIPT_LIBTORCH_LIB"));
    let packages = lib.parent().and_then(Path::parent).unwrap();
    let mut command = Command::new("python3");
    command
        .args(["-m", "torch.distributed.run", "--no-python", "--standalone"])
        .args(words)
        .current_dir(folder)
        .env("PYTHONPATH", packages)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

#[test]
fn torchrun_starts_the_ranks_and_starts_them_again() {
    let folder = place(SCRIPT);
    let program = env!("CARGO_BIN_EXE_jemscript");
    let words = |out: &'static str| {
        [
            program,
            "main.rhai",
            "--threads",
            "1",
            "--quiet",
            "--out",
            out,
        ]
    };
    let whole = jemscript(folder.path(), &launch("2", &words("whole")[1..]));
    stdout(&whole);
    let options = ["--nproc-per-node", "2", "--max-restarts", "1"];
    let child = torchrun(folder.path(), &[&options[..], &words("again")].concat());
    let child = { child }.spawn().unwrap();
    let run = folder.path().join("again");
    wait_for(&run, 35);
    let pid = process(&child, 1).unwrap();
    signal(pid, "-KILL");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let error = text(&output.stderr);
    assert!(
        error.contains(&format!("rank 1 (process {pid}) has ended")),
        "{error}"
    );
    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    assert!(events.contains("\"resumed\""), "{events}");
    same(&outcome(&run), &outcome(&folder.path().join("whole")));
}
