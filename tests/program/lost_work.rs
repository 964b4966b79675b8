//! What a night's work must not be lost to: state that a step reaches in an unusual way, errors of
//! the disk, a reader who goes, a terminal that closes, data that are others in the morning.

use crate::common::program;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use jemscript::formats::read_safetensors;
use program::{command, jemscript, text};

fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten();
    let mut all: Vec<PathBuf> = entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    all.sort();
    all
}

/// Waits until a run has a checkpoint of this iteration or a later one.
fn wait_for(child: &mut Child, run: &Path, iteration: i64) {
    let started = Instant::now();
    let number = |p: &PathBuf| p.file_stem()?.to_str()?.parse::<i64>().ok();
    while !checkpoints(run)
        .iter()
        .filter_map(number)
        .any(|n| n >= iteration)
    {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended before it could be stopped"
        );
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no checkpoint in a minute"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn begin(folder: &Path, out: &str) -> Child {
    command(
        folder,
        &["main.rhai", "--out", out, "--threads", "1", "--quiet"],
    )
    .spawn()
    .unwrap()
}

fn state(run: &Path) -> String {
    let text = fs::read_to_string(run.join("run.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["state"].as_str().unwrap().to_owned()
}

fn bits(run: &Path) -> BTreeMap<String, Vec<u64>> {
    let all = read_safetensors(&run.join("checkpoints/end.safetensors")).unwrap();
    all.into_iter()
        .map(|(k, t)| {
            (
                k,
                t.to_vec().unwrap().into_iter().map(f64::to_bits).collect(),
            )
        })
        .collect()
}

const HEAD: &str = "let d = data::digits(); let n = 0;\n";
const END: &str = "\nprint(r.column(\"loss\")[-1]);";

/// A script that reaches state by one construct of the language.
fn script(before: &str, options: &str, step: &str, after: &str) -> String {
    format!(
        "{HEAD}{before}\nlet r = train(d, #{{ iterations: 60, every: 2, batch_size: 8{options} }}, |b| {{ n += 1; sleep(0.02);\n\
         {step} }});{END}\n{after}"
    )
}

const NET: &str = "let net = nn::mlp([64, 6, 10]); let opt = optim::adam(net, #{ lr: 0.01 });";
const LEARN: &str = "let l = loss::cross_entropy(net.forward(b.x), b.y); opt.step(l);";

/// Every construct by which a step can reach what changes: killed and resumed, it ends the same to
/// the bit, prints included.
#[test]
fn all_ways_to_state_are_kept() {
    let learn = |more: &str| format!("{LEARN} {more}");
    let plain = "let plain = |x| x; let twice = |x| x * 2.0; let cur = plain;";
    let cases: Vec<(&str, String)> = vec![
        (
            "constants",
            script(
                "const NET = nn::mlp([64, 6, 10]); const OPT = optim::adam(NET, #{ lr: 0.01 });\n\
                 fn one(b) { let l = loss::cross_entropy(global::NET.forward(b.x), b.y); global::OPT.step(l); l }",
                "",
                "one(b)",
                "print(OPT.steps); print(NET);",
            ),
        ),
        (
            "constants of a module",
            script(
                "import \"lib\" as lib;",
                "",
                "let l = loss::cross_entropy(lib::NET.forward(b.x), b.y); lib::OPT.step(l); l",
                "print(lib::OPT.steps); print(lib::NET);",
            ),
        ),
        (
            "a variable that holds a function",
            script(
                &format!("{NET} {plain}"),
                "",
                "if n == 11 { cur = twice; } let l = loss::cross_entropy(net.forward(cur.call(b.x)), b.y); opt.step(l); l",
                "print(cur.call(tensor::ones([1])).item()); print(net); print(opt);",
            ),
        ),
        (
            "what functions of an imported script made",
            script(
                "import \"lib\" as lib; let one = lib::stepper();",
                "",
                "one.call(b)",
                "print(r.column(\"seen\")[-1]); print(one.call(#{ x: d.train.images(8), y: d.train.sample(8).y }).seen);",
            ),
        ),
        (
            "constants that an imported script keeps for itself",
            script(
                "import \"own\" as own; const NET = 1; const OPT = 2;",
                "",
                "own::one(b)",
                "print(own::one(d.train.sample(8)));",
            ),
        ),
        (
            "ranges and blobs",
            script(
                &format!("{NET} let span = 0..4; let wide = 0..=1; let bl = blob(4, 1);"),
                "",
                &learn(
                    "span = 0..(n + 4); wide = 1..=n; bl[0] = n; let k = 0; for i in span { k += i; } for i in wide { k += i; }\n\
                        #{ loss: l, k: k, bl: bl[0] }",
                ),
                "print(span); print(wide); print(bl); print(r.column(\"k\")[-1]);",
            ),
        ),
        (
            "views of a tensor",
            script(
                &format!("{NET} let q = tensor::arange(24);"),
                "",
                &learn(
                    "if n == 9 { q = q.reshape([6, 4]); } if n == 15 { q = q.t(); } if n == 19 { q = q.narrow(0, 0, 2); }\n\
                        #{ loss: l, rows: q.shape[0], s: q.sum() }",
                ),
                "print(q.shape); print(r.column(\"rows\")[-1]); print(q);",
            ),
        ),
        (
            "maps, arrays and what functions share",
            script(
                &format!(
                    "{NET} let box = #{{ f: [|x| x + n], m: #{{ c: 0 }}, t: [tensor::zeros([2])] }}; let count = 0; \
                          let bump = || {{ count += 2; count }};"
                ),
                "",
                &learn(
                    "box.m.c += bump.call(); box.t[0] = box.t[0] + box.m.c; box.m.fresh = [n, `${n}`, ()];\n\
                        #{ loss: l, c: box.m.c, f: box.f[0].call(1) }",
                ),
                "print(box.m); print(box.t[0]); print(count); print(r.column(\"f\")[-1]);",
            ),
        ),
        (
            "samplers, buffers, averages, and a second training",
            script(
                &format!(
                    "{NET} let model = energy::joint(net); let chains = sampler::replay(d.shape, #{{ size: 20 }});\n\
                     let hmc = sampler::hmc(#{{ steps: 2, leapfrog: 2 }}); hmc.run(model, tensor::randn([4, 1, 8, 8]), #{{ burn_in: 5 }});\n\
                     let sgld = sampler::sgld(#{{ steps: 2, adapt: true }}); let mala = sampler::mala(#{{ steps: 2, adapt: true }});\n\
                     let smooth = optim::ema(model, 0.9);"
                ),
                "",
                "let fake = chains.sample(hmc, model, 4); mala.sample(model, fake); fake = chains.sample(sgld, model, 4); let l = loss::jem(model, b.x, b.y, fake); opt.step(l.total); \
                 smooth.update(); #{ loss: l.total, e: l.gap }",
                "print(hmc); print(sgld); print(mala); print(chains.all().sum()); print(net);",
            ),
        ),
    ];
    for (name, script) in cases {
        goes_on_to_the_bit(name, &script, 20);
    }
}

/// Kills a run after this iteration, resumes it, and compares it with one that was left alone:
/// prints, states, the log.
fn goes_on_to_the_bit(name: &str, script: &str, iteration: i64) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("main.rhai"), script).unwrap();
    let lib = "export const NET = nn::mlp([64, 6, 10]); export const OPT = optim::adam(NET, #{ lr: 0.01 });\n\
               fn stepper() { let seen = 0; let net = nn::mlp([64, 6, 10]); let opt = optim::adam(net, #{ lr: 0.01 });\n\
               |b| { seen += 1; let l = loss::cross_entropy(net.forward(b.x), b.y); opt.step(l); #{ loss: l, seen: seen } } }";
    fs::write(folder.path().join("lib.rhai"), lib).unwrap();
    let own = "const NET = nn::mlp([64, 6, 10]); const OPT = optim::adam(global::NET, #{ lr: 0.01 });\n\
               fn one(b) { let l = loss::cross_entropy(global::NET.forward(b.x), b.y); global::OPT.step(l); l }";
    fs::write(folder.path().join("own.rhai"), own).unwrap();
    let whole = begin(folder.path(), "whole").wait_with_output().unwrap();
    assert!(
        whole.status.success(),
        "{name}: {}\n{script}",
        text(&whole.stderr)
    );

    let run = folder.path().join("run");
    let mut child = begin(folder.path(), "run");
    wait_for(&mut child, &run, iteration);
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = jemscript(folder.path(), &["resume", "run", "--quiet"]);
    assert!(
        resumed.status.success(),
        "{name}: {}\n{script}",
        text(&resumed.stderr)
    );
    assert_eq!(
        text(&resumed.stdout),
        text(&whole.stdout),
        "{name}: printed\n{script}"
    );
    let log =
        |run: &str| fs::read_to_string(folder.path().join(run).join("metrics.jsonl")).unwrap();
    assert_eq!(log("run"), log("whole"), "{name}: the log\n{script}");
    let (found, wanted) = (bits(&run), bits(&folder.path().join("whole")));
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        wanted.keys().collect::<Vec<_>>(),
        "{name}\n{script}"
    );
    for (key, values) in wanted {
        assert!(found[&key] == values, "{name}: {key} differs\n{script}");
    }
}

/// Kinds of state: how it begins, what changes it, and a number that tells it. `C` is the state,
/// `n` the iteration.
const KINDS: &[[&str; 3]] = &[
    ["0.5", "C = C * 1.1 + n;", "C"],
    ["7", "C += n % 5;", "C"],
    ["true", "C = n % 3 == 0;", "if C { 1 } else { 0 }"],
    ["\"\"", "C += `${n % 10}`;", "C.len"],
    ["()", "C = [n, `${n}`];", "if C == () { 0 } else { C[0] }"],
    ["[1]", "C.push(n % 3);", "C.len() + C[-1]"],
    ["[[0, 1.5]]", "C[0][1] = C[0][1] * 0.5 + n;", "C[0][1]"],
    [
        "#{ a: 1 }",
        "C.a += n; C[`k${n % 4}`] = n;",
        "C.a + C.len()",
    ],
    ["tensor::ones([3])", "C = C * 0.9 + n;", "C.sum().item()"],
    [
        "tensor::zeros([4])",
        "C[n % 4] = n * 1.0;",
        "C.square().sum().item()",
    ],
    ["0..1", "C = 0..(n + 1);", "total(C)"],
    ["0..=1", "C = n..=(2 * n);", "total(C)"],
    [
        "blob(4, 1)",
        "C[n % 4] = n % 200;",
        "C[0] + 2 * C[1] + 3 * C[2]",
    ],
    [
        "plain",
        "C = if n % 2 == 0 { plain } else { twice };",
        "C.call(1.5)",
    ],
    [
        "pair()",
        "C.opt.step(C.net.forward(tensor::ones([1, 2])).square().sum());",
        "C.net.forward(tensor::ones([1, 2])).sum().item()",
    ],
    [
        "buffer()",
        "C.chains.sample(C.sgld, C.model, 3);",
        "C.chains.all().sum().item()",
    ],
];

/// Ways from the step to a state: what stands before the training, what the step does, what tells
/// the state. `@` is a number of its own for each, `I` how the state begins, `U` what changes it,
/// `V` what tells it; both are of `C`, which is replaced last.
const WAYS: &[[&str; 4]] = &[
    ["let c@ = I;", "U", "V", "c@"],
    [
        "let c@ = #{ own: [0, #{ deep: I }] };",
        "U",
        "V",
        "c@.own[1].deep",
    ],
    [
        "let c@ = I; let tick@ = || { U };",
        "tick@.call();",
        "V",
        "c@",
    ],
    [
        "let c@ = [I]; let kit@ = #{ hooks: [|| { U }] };",
        "kit@.hooks[0].call();",
        "V",
        "c@[0]",
    ],
    [
        "let c@ = I; let near@ = || { U }; let far@ = || { near@.call() };",
        "far@.call();",
        "V",
        "c@",
    ],
    [
        "let c@ = I; let tell@ = || { V };",
        "U",
        "tell@.call()",
        "c@",
    ],
    [
        "let c@ = I; let e@ = energy::of(|x| x.square().sum(1) * (V));",
        "U",
        "e@.energy(tensor::ones([1, 2])).item()",
        "c@",
    ],
    [
        "let c@ = I; let add@ = |by, more| { if more > 0 { U } by + (V) };",
        "add@.call(0, 1);",
        "add@.call(1, 0)",
        "c@",
    ],
];

/// A script whose step reaches states of all kinds by ways that a number draws.
fn drawn(seed: usize) -> String {
    let mut before = String::from(
        "let plain = |x| x; let twice = |x| x * 2.0;
         fn total(range) { let k = 0; for i in range { k += i; } k }
         fn pair() { let net = nn::linear(2, 1); #{ net: net, opt: optim::sgd(net, #{ lr: 0.05, momentum: 0.9 }) } }
         fn buffer() {
             let model = energy::of(|x| 0.5 * x.square().sum(1));
             #{ model: model, sgld: sampler::sgld(#{ steps: 2 }), chains: sampler::replay([2], #{ size: 8 }) }
         }\n",
    );
    let (mut step, mut look, mut row, mut after) =
        (String::new(), String::new(), String::new(), String::new());
    for (i, [begins, changes, tells]) in KINDS.iter().enumerate() {
        // Over the seeds each kind meets each way; who is changed in a validation differs from who
        // meets which way.
        let [declared, changed, told, place] = WAYS[(i + seed) % WAYS.len()];
        let filled = |text: &str| {
            let text = text
                .replace('I', begins)
                .replace('U', changes)
                .replace('V', tells);
            text.replace('C', place).replace('@', &i.to_string())
        };
        before += &format!("{}\n", filled(declared));
        let place = if (i * 7 + seed / WAYS.len()).is_multiple_of(5) {
            &mut look
        } else {
            &mut step
        };
        *place += &format!("{}\n", filled(changed));
        row += &format!(", v{i}: 1.0 * ({})", filled(told));
        after += &format!("print({});\n", filled(told));
    }
    let options = format!(", validate: |part| {{ {look} #{{ n: n }} }}");
    script(
        &format!("{NET}\n{before}"),
        &options,
        &format!("{LEARN}\n{step} #{{ loss: l{row} }}"),
        &after,
    )
}

/// Every kind of state by every way of the language: after a kill the run ends the same.
/// `JEMSCRIPT_WAYS` tries more.
#[test]
fn drawn_ways_to_state_are_kept() {
    let many: usize = std::env::var("JEMSCRIPT_WAYS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(WAYS.len());
    for seed in 0..many {
        goes_on_to_the_bit(
            &format!("ways {seed}"),
            &drawn(seed),
            8 + (seed as i64 * 11) % 40,
        );
    }
}

/// What cannot be kept is an error that names the variable, at the first checkpoint that would have
/// lost it.
#[test]
fn what_cannot_be_kept_is_named() {
    let learn = |more: &str| format!("{LEARN} {more} l");
    for (name, before, step, wanted) in [
        (
            "a shortened part",
            "let pool = d.train;",
            "if n == 3 { pool = pool.head(10); }",
            "`pool` holds another",
        ),
        (
            "another batch",
            "let kept = d.train.sample(4);",
            "kept = d.train.sample(4);",
            "`kept` holds another",
        ),
        (
            "a new function",
            "let f = |x| x;",
            "if n == 3 { f = |x| x + n; }",
            "`f` holds another",
        ),
        (
            "a weight taken on the way",
            "let w = ();",
            "w = net.parameters()[0];",
            "view of the weight `net.",
        ),
        (
            "a moment",
            "let t = timestamp();",
            "t = timestamp();",
            "`t` holds another",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let step = format!("{} ", learn(step));
        fs::write(
            folder.path().join("main.rhai"),
            script(&format!("{NET} {before}"), "", &step, ""),
        )
        .unwrap();
        let output = begin(folder.path(), "run").wait_with_output().unwrap();
        let error = text(&output.stderr);
        assert!(
            !output.status.success() && error.contains(wanted),
            "{name}: no {wanted:?} in\n{error}"
        );
    }
}

fn killed(folder: &Path) -> PathBuf {
    fs::write(
        folder.join("main.rhai"),
        script(NET, "", &format!("{LEARN} l"), ""),
    )
    .unwrap();
    let mut child = begin(folder, "run");
    wait_for(&mut child, &folder.join("run"), 10);
    child.kill().unwrap();
    child.wait().unwrap();
    folder.join("run")
}

/// Whatever keeps a checkpoint from being read, it is there afterwards; only one that is proved
/// damaged is passed over, and kept under another name.
#[test]
fn an_error_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = killed(folder.path());
    let before = checkpoints(&run);
    let newest = before.last().unwrap();
    let good = fs::read(newest).unwrap();
    let log = fs::read(run.join("metrics.jsonl")).unwrap();
    let refused = |what: &str, message: &str, args: &[&str]| {
        let output = jemscript(folder.path(), &[&["resume", "run"], args].concat());
        let error = text_of(&output);
        assert!(
            !output.status.success() && error.contains(message),
            "{what}: no {message:?} in\n{error}"
        );
        assert_eq!(checkpoints(&run), before, "{what}");
    };
    // A newer format: the same length, so that nothing else is wrong.
    let key = b"\\\"version\\\":";
    let newer = good.windows(key.len()).position(|w| w == key).unwrap() + key.len();
    let mut bytes = good.clone();
    bytes[newer] = b'9';
    fs::write(newest, &bytes).unwrap();
    refused("a newer format", "a checkpoint of format 9", &[]);
    fs::write(newest, &good).unwrap();
    fs::write(run.join("metrics.jsonl"), &log[..log.len() / 10]).unwrap();
    refused("a cut log", "the log (metrics.jsonl) is shorter", &[]);
    fs::write(run.join("metrics.jsonl"), &log).unwrap();
    // A file that cannot be opened: a folder in its place reads as an error of the disk.
    fs::remove_file(newest).unwrap();
    fs::create_dir(newest).unwrap();
    refused("a read error", "Is a directory", &[]);
    fs::remove_dir(newest).unwrap();

    // Proved damage: passed over, said, and kept aside.
    let mut bytes = good.clone();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(newest, &bytes).unwrap();
    let output = jemscript(folder.path(), &["resume", "run"]);
    let said = text_of(&output);
    assert!(
        output.status.success() && said.contains("its checksum is wrong"),
        "{said}"
    );
    assert!(newest.with_extension("damaged").exists());
}

#[test]
fn other_data_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let make = |seed: i64| {
        let text = r#"tensor::save(#{ x: tensor::randn([100, 64]), y: (tensor::arange(100) % 10).to("int64") }, "d.safetensors")"#;
        fs::write(folder.path().join("make.rhai"), text).unwrap();
        let made = jemscript(
            folder.path(),
            &[
                "make.rhai",
                "--seed",
                &seed.to_string(),
                "--out",
                &format!("made{seed}"),
            ],
        );
        assert!(made.status.success(), "{}", text_of(&made));
        fs::copy(
            folder.path().join(format!("made{seed}/d.safetensors")),
            folder.path().join("d.safetensors"),
        )
        .unwrap();
    };
    make(1);
    let body = script(NET, "", &format!("{LEARN} l"), "")
        .replace("data::digits()", "data::arrays(\"d.safetensors\")");
    fs::write(folder.path().join("main.rhai"), body).unwrap();
    let mut child = begin(folder.path(), "run");
    wait_for(&mut child, &folder.path().join("run"), 6);
    child.kill().unwrap();
    child.wait().unwrap();
    let good = fs::read(folder.path().join("d.safetensors")).unwrap();
    make(2);
    let output = jemscript(folder.path(), &["resume", "run"]);
    let error = text(&output.stderr);
    assert!(
        !output.status.success()
            && error.contains("the data is not the same")
            && error.contains("checksum"),
        "{error}"
    );
    fs::write(folder.path().join("d.safetensors"), good).unwrap();
    assert!(
        jemscript(folder.path(), &["resume", "run"])
            .status
            .success()
    );
}

fn text_of(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn names_that_the_log_needs_are_refused_at_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["iteration", "train", "attempt"] {
        for (step, options) in [
            (format!("#{{ {name}: 1.0 }}"), String::new()),
            (
                "1.0".to_owned(),
                format!(", validate: |p| #{{ {name}: 1.0 }}, best: \"{name}\""),
            ),
        ] {
            let code =
                format!("train(data::toy(\"moons\"), #{{ iterations: 3{options} }}, |b| {step});");
            let output = jemscript(folder.path(), &["-e", &code]);
            let error = text(&output.stderr);
            assert!(
                !output.status.success() && error.contains(&format!("a number named `{name}`")),
                "{error}"
            );
        }
    }
}

/// Reads some lines of what a program prints, then goes.
fn read_and_go(mut child: Child, lines: usize) -> Output {
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..lines {
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    child.wait_with_output().unwrap()
}

#[test]
fn a_reader_who_goes_ends_a_command_and_not_a_training() {
    let folder = tempfile::tempdir().unwrap();
    let output = read_and_go(
        command(
            folder.path(),
            &["-e", "for i in 0..1_000_000 { print(i); }"],
        )
        .spawn()
        .unwrap(),
        1,
    );
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(141), String::new())
    );
    for args in [vec!["fetch", "--list"], vec!["doc"]] {
        // They print little: whoever reads a line first may see all of it written already.
        let output = read_and_go(command(folder.path(), &args).spawn().unwrap(), 0);
        assert_eq!(
            output.status.code(),
            Some(141),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
    let step = format!("{LEARN} print(`step ${{n}} ${{\"x\".repeat(5000)}}`); l");
    let body = script(
        NET,
        "",
        &step.replace("\"x\".repeat(5000)", "tensor::zeros([400])"),
        "",
    );
    fs::write(folder.path().join("main.rhai"), body).unwrap();
    let output = read_and_go(begin(folder.path(), "run"), 2);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("the run goes on"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(state(&folder.path().join("run")), "finished");
    // A full disk behind the standard output.
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command(folder.path(), &["main.rhai", "--out", "full"])
        .stdout(full)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(state(&folder.path().join("full")), "finished");
}

#[test]
fn a_closed_terminal_and_a_batch_system_s_warning_keep_the_state() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("main.rhai"),
        script(NET, "", &format!("{LEARN} l"), ""),
    )
    .unwrap();
    // Under `nohup` a closed terminal is nothing to stop for, for the program as for this test.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status
        .lines()
        .find_map(|l| l.strip_prefix("SigIgn:"))
        .unwrap();
    let nohup = u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1;
    for signal in ["HUP", "USR1", "TERM"]
        .into_iter()
        .filter(|signal| *signal != "HUP" || !nohup)
    {
        let mut child = begin(folder.path(), signal);
        wait_for(&mut child, &folder.path().join(signal), 4);
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            state(&folder.path().join(signal)),
            "interrupted",
            "{signal}: {}",
            text(&output.stderr)
        );
        assert!(
            jemscript(folder.path(), &["resume", signal])
                .status
                .success(),
            "{signal}"
        );
    }
}
