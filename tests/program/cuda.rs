//! What needs a GPU, run by `make test-cuda`: the same numbers there as on the processor, and a
//! training that is stopped and resumed there. Where there is no GPU, the same comparison runs
//! between two runs on the processor, so that the test itself is tried.

use crate::common::program;

use program::{command, stdout};

/// Without random numbers, which differ between devices: of networks, energies, samplers, losses,
/// optimisers and attacks the same numbers must come out on each.
const NUMBERS: &str = r#"
let d = data::digits();
let net = nn::sequential([
    nn::conv2d(1, 8, 3, #{ padding: 1 }), nn::batch_norm2d(8), nn::silu(), nn::conv2d(8, 16, 3, #{ stride: 2 }), nn::silu(),
    nn::flatten(), nn::linear(144, 10),
]);
let normed = nn::spectral_norm(nn::linear(64, 10));
if param("first", true, "whether weights are made, or read") {
    net.save("weights.safetensors"); normed.save("normed.safetensors");
} else {
    net.load("weights.safetensors"); normed.load("normed.safetensors");
}
let model = energy::joint(net);
let part  = d.test.head(64);
let x = part.x;
let y = part.y;
print(`device ${x.device}`);
fn show(name, value) { print(`${name} ${value.to("float64").to("cpu").to_array()}`); }

let still = sampler::sgld(#{ steps: 10, step_size: 0.1, noise: 0, clamp: [-1, 1] });
show("score", model.score(x).flatten(1).norm(1));
show("train mode", sampler::sgld(#{ steps: 2, noise: 0, mode: "train" }).sample(model, x).flatten(1).norm(1));
let fake = still.sample(model, x);
show("chains", fake.flatten(1).norm(1));
show("given", still.sample(model.given(y), x).flatten(1).norm(1));
let chains = sampler::replay(d.shape, #{ size: 100, restart: 0, classes: 10 });
print(`chains ${chains.sample(still, model, 20, d.test.head(20).y).shape} ${chains.all().device} ${chains.class_counts(model).sum().item()}`);
chains.init_class_gaussians(d.train);
print(`gaussians ${chains.images(5).shape}`);

let opt = optim::adam(model, #{ lr: 1e-3, clip_norm: 1.0 });
let ema = optim::ema(model, 0.9);
for i in 0..5 { let l = loss::jem(model, x, y, fake); opt.step(l); ema.update(); show(`loss ${i}`, l.total); }
show("weights", net.parameters()[0].flatten(0).norm());
show("normed", normed.forward(x.flatten(1)).norm(1));
net.set_training(false);
show("logits", net.forward(x).norm(1));
print(`accuracy ${evaluate::accuracy(model, part)}`);
print(`attacked ${evaluate::fgsm(model, part, 0.05)}`);
"#;

/// The words of a text; numbers among them.
fn words(text: &str) -> Vec<(String, Option<f64>)> {
    let split = text
        .split(|c: char| c.is_whitespace() || "[],".contains(c))
        .filter(|w| !w.is_empty());
    split.map(|w| (w.to_owned(), w.parse().ok())).collect()
}

/// Runs the script on the processor and on a device, with the same weights, and compares all that
/// it prints.
fn same_numbers(device: &str, seen: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("numbers.rhai"), NUMBERS).unwrap();
    let run = |device: &str, first: &str, out: &str| {
        let args = [
            "numbers.rhai",
            first,
            "--device",
            device,
            "--out",
            out,
            "--quiet",
        ];
        stdout(&command(folder.path(), &args).output().unwrap())
    };
    let wanted = run("cpu", "first=true", "a");
    std::fs::create_dir_all(folder.path().join("b")).unwrap();
    for file in ["weights.safetensors", "normed.safetensors"] {
        std::fs::copy(folder.path().join("a").join(file), folder.path().join(file)).unwrap();
    }
    let found = run(device, "first=false", "c");
    assert!(found.starts_with(&format!("device {seen}")), "{found}");
    // A GPU's convolutions round factors to ten bits (TF32).
    let near = if device == "cpu" { 1e-6 } else { 0.02 };
    let (wanted, found) = (words(&wanted), words(&found));
    assert_eq!(wanted.len(), found.len());
    assert!(wanted.len() > 300, "{}", wanted.len());
    for (a, b) in wanted.iter().zip(&found).skip(2) {
        match (a.1, b.1) {
            (Some(x), Some(y)) => {
                assert!(
                    (x - y).abs() <= near * (1.0 + x.abs()),
                    "{x} on the processor, {y} on {device}"
                )
            }
            _ => assert!(
                a.0 == b.0 || (a.0 == "cpu" && b.0 == seen),
                "{} and {}",
                a.0,
                b.0
            ),
        }
    }
}

#[test]
fn the_comparison_holds_on_the_processor() {
    same_numbers("cpu", "cpu");
}

#[test]
#[ignore = "needs a CUDA device"]
fn numbers_on_cuda_are_those_of_the_processor() {
    same_numbers("cuda", "cuda:0");
}

/// A training on a device, stopped by its time and resumed there until it is done.
fn stopped_and_resumed(device: &str) {
    const TRAINING: &str = r#"
        let d = data::digits(); let net = nn::mlp([64, 32, 10]); let model = energy::joint(net);
        let opt = optim::adam(model, #{ lr: 1e-3 }); let chains = sampler::replay(d.shape, #{ size: 200 });
        let sgld = sampler::sgld(#{ steps: 5, clamp: [-1, 1] }); let n = 0;
        let r = train(d, #{ iterations: 60, every: 10, batch_size: 32, validate: |p| evaluate::accuracy(model, p), restore_best: true }, |b| {
            n += 1; if n == 35 && param("stop", true, "") { throw "stopped"; }
            let l = loss::jem(model, b.x, b.y, chains.sample(sgld, model, 32)); opt.step(l); l
        });
        print(`done ${r.column("total").len()} ${n} ${chains.all().device}`);
    "#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rhai"), TRAINING).unwrap();
    let stopped = command(
        folder.path(),
        &["main.rhai", "--device", device, "--out", "run", "--quiet"],
    )
    .output()
    .unwrap();
    assert!(!stopped.status.success());
    let args = [
        "main.rhai",
        "stop=false",
        "--resume",
        "run",
        "--force",
        "--quiet",
    ];
    let text = stdout(&command(folder.path(), &args).output().unwrap());
    assert!(text.contains(&format!("done 60 60 {device}")), "{text}");
}

#[test]
fn a_training_on_the_processor_is_stopped_and_resumed() {
    stopped_and_resumed("cpu");
}

#[test]
#[ignore = "needs a CUDA device"]
fn a_training_on_cuda_is_stopped_and_resumed() {
    stopped_and_resumed("cuda:0");
}

/// NCCL and Gloo carry the same numbers: sums in a training, and what a script exchanges.
#[test]
#[ignore = "needs two CUDA devices, and a build with `make nccl`"]
fn nccl_carries_what_gloo_does() {
    const TRAINING: &str = r#"
        seed(3); let d = data::digits(); let net = nn::sequential([nn::flatten(), nn::linear(64, 10)]); let model = energy::joint(net);
        let opt = optim::sgd(model, #{ lr: 0.1, momentum: 0.9 });
        train(d, #{ iterations: 20, batch_size: 32 }, |b| { let l = loss::cross_entropy(net.forward(b.x), b.y); opt.step(l); l });
        print(`weights ${net.parameters()[0].norm().item()}`);
        let own = tensor::of([1.0, 2.0]).to(net.parameters()[0].device) * (rank() + 1);
        print(`exchanged ${all_reduce(own, "sum").to_array()} ${all_gather(own).to_array()} ${broadcast(own).to_array()}`);
    "#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rhai"), TRAINING).unwrap();
    let run = |backend: &str| {
        let launched = [
            "launch",
            "--nproc",
            "2",
            "main.rhai",
            "--backend",
            backend,
            "--out",
            backend,
            "--quiet",
        ];
        stdout(&command(folder.path(), &launched).output().unwrap())
    };
    let (wanted, found) = (words(&run("gloo")), words(&run("nccl")));
    assert_eq!(wanted.len(), found.len());
    for (a, b) in wanted.iter().zip(&found) {
        let near =
            a.1.zip(b.1)
                .is_some_and(|(x, y)| (x - y).abs() <= 1e-5 * x.abs());
        assert!(a == b || near, "{} and {}", a.0, b.0);
    }
}
