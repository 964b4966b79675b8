//! The papers in `scripts/papers`: each is run short, and its equations are compared with plain
//! PyTorch on the same weights and the same noise.

use std::path::{Path, PathBuf};

use jemscript::Tensor;
use jemscript::script::{Program, Settings};
use rhai::Map;

use crate::common::program::{jemscript, stdout};
use crate::common::{Tensors, files_below, python_tensors};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/papers")
}

/// A script up to its training: the paper's equations as functions.
fn equations(name: &str) -> String {
    let text = std::fs::read_to_string(folder().join(format!("{name}.rhai"))).unwrap();
    let (equations, training) = text.split_once("\n// Training\n").unwrap();
    assert!(training.contains("train("), "{name} trains nothing");
    equations.to_owned()
}

/// Weights and gradients by number, for the drivers below.
const DRIVER: &str = r#"
fn weights(net, given) {
    for (p, i) in net.parameters() { given[`p${i}`] = p.detach(); }
    given
}
fn gradients(loss, net, found) {
    let all = grad(loss, net.parameters(), #{ allow_unused: true });
    for (g, i) in all { if type_of(g) == "tensor" { found[`g${i}`] = g.detach(); } }
    found.loss = loss.detach();
    found
}
fn net(sizes) { let made = nn::mlp(sizes); made.to("float64"); made }
fn noise(shape) { tensor::randn(shape).to("float64") }
"#;

const PYTHON: &str = r#"
from torch.nn.functional import silu, softplus, cross_entropy, leaky_relu
P = [given[f"p{i}"].clone().requires_grad_() for i in range(sum(k[0] == "p" and k[1:].isdigit() for k in given))]
def mlp(x, P):
    for i in range(0, len(P), 2):
        x = x @ P[i].T + P[i + 1]
        if i + 2 < len(P): x = silu(x)
    return x
def energy(x): return -mlp(x, P)[:, 0]
def score(x, create=True):
    if not x.requires_grad: x = x.clone().requires_grad_()
    return -torch.autograd.grad(energy(x).sum(), x, create_graph=create)[0]
def give(loss, P=P):
    for i, g in enumerate(torch.autograd.grad(loss, P, allow_unused=True, retain_graph=True)):
        if g is not None: made[f"g{i}"] = g
    made["loss"] = loss.detach()
"#;

fn tensors(map: &Map, name: &str) -> Tensors {
    let inside = map.get(name).unwrap().clone().cast::<Map>();
    let one = |(key, value): (_, rhai::Dynamic)| {
        let tensor = value
            .try_cast::<Tensor>()
            .unwrap_or_else(|| panic!("{name} {key}"));
        (String::from(key), tensor.detach().contiguous().unwrap())
    };
    inside.into_iter().map(one).collect()
}

/// Runs a driver behind a paper's equations; it gives #{ given, found }. `code` finds `given` in
/// Python, and puts the same into `made`.
fn compare(name: &str, driver: &str, code: &str) {
    let text = format!("{}\n{DRIVER}\n{driver}", equations(name));
    let program = Program::new(Settings::default());
    let value = program
        .run_text(name, &text)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let map = value.cast::<Map>();
    let (given, found) = (tensors(&map, "given"), tensors(&map, "found"));
    let made = python_tensors(&format!("{PYTHON}\n{code}"), &given).unwrap();
    assert!(
        found.len() > 1 && found.keys().eq(made.keys()),
        "{name}: {:?}",
        made.keys()
    );
    for (key, ours) in &found {
        let (ours, theirs) = (ours.to_vec().unwrap(), made[key].to_vec().unwrap());
        assert_eq!(ours.len(), theirs.len(), "{name}: {key}");
        let size = theirs.iter().fold(1e-3, |most: f64, v| most.max(v.abs()));
        for (a, b) in ours.iter().zip(&theirs) {
            assert!(
                (a - b).abs() <= 1e-5 * size,
                "{name}: {key}: {a} is not PyTorch's {b}"
            );
        }
    }
}

#[test]
fn denoising_score_matching_is_its_equation() {
    compare(
        "denoising_score_matching",
        r#"
        let net = net([2, 16, 16, 1]);
        let [x, eps] = [noise([32, 2]), noise([32, 2])];
        let loss = loss(energy::scalar(net), x, eps, 0.15);
        #{ given: weights(net, #{ x: x, eps: eps }), found: gradients(loss, net, #{}) }"#,
        r#"
s, x, eps = 0.15, given["x"], given["eps"]
noisy = x + s * eps
target = -(noisy - x) / s ** 2
give(0.5 * s ** 2 * ((score(noisy) - target) ** 2).sum(1).mean())"#,
    );
}

#[test]
fn sliced_score_matching_is_its_equation() {
    compare(
        "sliced_score_matching",
        r#"
        let net = net([2, 16, 16, 1]);
        let [x, v] = [noise([32, 2]), noise([32, 2])];
        let loss = loss(energy::scalar(net), x, v);
        #{ given: weights(net, #{ x: x, v: v }), found: gradients(loss, net, #{}) }"#,
        r#"
x, v = given["x"].clone().requires_grad_(), given["v"]
s = score(x)
J = torch.zeros(32, dtype=torch.float64)
for i in range(2):                       # v' (ds/dx) v by the whole Jacobian
    row = torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0]
    J = J + v[:, i] * (row * v).sum(1)
give((J + 0.5 * (s ** 2).sum(1)).mean())"#,
    );
}

#[test]
fn noise_contrastive_estimation_is_its_equation() {
    compare(
        "noise_contrastive_estimation",
        r#"
        let net = net([2, 16, 16, 1]);
        let c = tensor::parameter(0.3).to("float64").leaf();
        let [x, y] = [noise([32, 2]), 2 * noise([32, 2])];
        let loss = loss(energy::scalar(net), c, x, y, 2.0);
        let found = gradients(loss, net, #{ c: grad(loss, c) });
        #{ given: weights(net, #{ x: x, y: y, c: c.detach() }), found: found }"#,
        r#"
x, y, c = given["x"], given["y"], given["c"].clone().requires_grad_()
q = torch.distributions.Normal(torch.zeros(2, dtype=torch.float64), 2.0)
G = lambda u: -energy(u) + c - q.log_prob(u).sum(1)
h = lambda u: torch.sigmoid(G(u))
loss = -0.5 * (h(x).log().mean() + (1 - h(y)).log().mean())
made["c"] = torch.autograd.grad(loss, c, retain_graph=True)[0]
give(loss)"#,
    );
}

#[test]
fn energy_discrepancy_is_its_equation() {
    compare(
        "energy_discrepancy",
        r#"
        let net = net([2, 16, 16, 1]);
        let [x, xi, xis] = [noise([12, 2]), noise([12, 2]), noise([12, 8, 2])];
        let loss = loss(energy::scalar(net), x, xi, xis, 0.05, 0.7);
        #{ given: weights(net, #{ x: x, xi: xi, xis: xis }), found: gradients(loss, net, #{}) }"#,
        r#"
x, xi, xis, t, w, M = given["x"], given["xi"], given["xis"], 0.05, 0.7, 8
total = 0
for i in range(12):
    inner = w / M
    for j in range(M):
        xij = x[i] + t ** 0.5 * xi[i] + t ** 0.5 * xis[i, j]
        inner = inner + torch.exp(energy(x[i:i+1])[0] - energy(xij[None])[0]) / M
    total = total + torch.log(inner)
give(total / 12)"#,
    );
}

#[test]
fn diffusion_recovery_likelihood_is_its_equation() {
    compare(
        "diffusion_recovery_likelihood",
        r#"
        let [net, table] = [net([2 + 8, 16, 1]), nn::embedding(6, 8)];
        table.to("float64");
        let model = levels(net, table);
        let t = tensor::randint(6, [20]);
        let [y, y_model, above] = [noise([20, 2]), noise([20, 2]), noise([20, 2])];
        let sigma = tensor::of(SIGMAS).to("float64")[t].unsqueeze(1);
        let loss = loss(model, t, y, y_model);
        let found = gradients(loss, net, #{ step: recovery(model, t, above, sigma).score(y) });
        let given = #{ y: y, y_model: y_model, above: above, t: t, sigma: sigma, table: table.parameters()[0].detach() };
        #{ given: weights(net, given), found: found }"#,
        r#"
t, sigma, E = given["t"], given["sigma"], given["table"]
f = lambda y: mlp(torch.cat([y, E[t]], 1), P)[:, 0]
y = given["y"].clone().requires_grad_()
log_p = f(y) - ((y - given["above"]) ** 2).sum(1) / (2 * sigma[:, 0] ** 2)
made["step"] = torch.autograd.grad(log_p.sum(), y, retain_graph=True)[0]
give(-(f(given["y"]).mean() - f(given["y_model"]).mean()))"#,
    );
}

#[test]
fn vera_is_its_equations() {
    compare(
        "vera",
        r#"
        let [net, generator] = [net([2, 16, 1]), net([2, 16, 2])];
        let model = energy::scalar(net);
        let [x, z, e, eps] = [noise([10, 2]), noise([10, 2]), noise([5, 10, 2]), noise([10, 2])];
        let x_g = generator.forward(z) + 0.1 * eps;
        let loss = energy_loss(model, x, x_g, 0.1);
        let score = score_of_q(generator, x_g.detach(), z, e, 0.1, 0.2);
        let g = generator_loss(model, x_g, score, 0.7);
        let found = gradients(loss, net, #{ score: score, generator: grad(g, generator.parameters()[0]) });
        let given = weights(net, #{ x: x, z: z, e: e, eps: eps });
        for (p, i) in generator.parameters() { given[`q${i}`] = p.detach(); }
        #{ given: given, found: found }"#,
        r#"
Q = [given[f"q{i}"].clone().requires_grad_() for i in range(4)]
x, z, e, sigma, eta = given["x"], given["z"], given["e"], 0.1, 0.2
N = torch.distributions.Normal
x_g = mlp(z, Q) + sigma * given["eps"]
penalty = (score(x) ** 2).sum(1).mean()
loss = energy(x).mean() - energy(x_g.detach()).mean() + 0.1 * penalty
with torch.no_grad():                    # self-normalised importance weights, sample by sample
    weights, scores = [], []
    for k in range(5):
        zk = z + eta * e[k]
        gk = mlp(zk, Q)
        log_w = (N(gk, sigma).log_prob(x_g).sum(1) + N(0., 1.).log_prob(zk).sum(1) - N(z, eta).log_prob(zk).sum(1))
        weights.append(log_w); scores.append(-(x_g - gk) / sigma ** 2)
    w = torch.softmax(torch.stack(weights), 0)
    s = sum(w[k][:, None] * scores[k] for k in range(5))
made["score"] = s
g = (energy(x_g) + 0.7 * (s * x_g).sum(1)).mean()
made["generator"] = torch.autograd.grad(g, Q[0], retain_graph=True)[0]
give(loss)"#,
    );
}

#[test]
fn reverse_kl_flow_is_its_equation() {
    compare(
        "reverse_kl_flow",
        r#"
        let nets = [net([1, 8, 2]), net([1, 8, 2])];
        let z = noise([16, 2]);
        let loss = loss(energy::double_well(#{ barrier: 1.5 }), nets, z);
        let given = weights(nets[0], #{ z: z });
        for (p, i) in nets[1].parameters() { given[`q${i}`] = p.detach(); }
        #{ given: given, found: gradients(loss, nets[0], #{}) }"#,
        r#"
Q = [given[f"q{i}"] for i in range(4)]
def flow(z):                             # the density by the whole Jacobian
    a, b = z[:1], z[1:]
    t = mlp(a[None], P)[0]; x = torch.cat([a, b * torch.exp(torch.tanh(t[:1])) + t[1:]])
    a, b = x[1:], x[:1]
    t = mlp(a[None], Q)[0]; return torch.cat([b * torch.exp(torch.tanh(t[:1])) + t[1:], a])
total = 0
for z in given["z"]:
    J = torch.autograd.functional.jacobian(flow, z, create_graph=True)
    log_q = torch.distributions.Normal(0., 1.).log_prob(z).sum() - torch.log(torch.abs(torch.det(J)))
    x = flow(z)
    total = total + log_q + 1.5 * ((x ** 2 - 1) ** 2).sum()
give(total / 16)"#,
    );
}

#[test]
fn learned_step_is_its_equation() {
    compare(
        "learned_step",
        r#"
        let target = energy::gaussian([0, 0], [[1, 0], [0, 0.25]]);
        let log_a = tensor::parameter(0.1 * tensor::randn([4, 2]) - 2).to("float64").leaf();
        let [x, eps] = [noise([16, 2]), noise([4, 16, 2])];
        let loss = loss(target, log_a, x, eps);
        #{ given: #{ x: x, eps: eps, log_a: log_a.detach() }, found: #{ loss: loss, g: grad(loss, log_a) } }"#,
        r#"
x, eps, log_a = given["x"], given["eps"], given["log_a"].clone().requires_grad_()
precision = torch.tensor([1., 4.], dtype=torch.float64)
for k in range(4):
    a = torch.exp(log_a[k])
    x = x - a / 2 * precision * x + torch.sqrt(a) * eps[k]
loss = 0.5 * (precision * x ** 2).sum(1).mean() - 0.5 * log_a.sum() / 4
made["loss"], made["g"] = loss.detach(), torch.autograd.grad(loss, log_a)[0]"#,
    );
}

#[test]
fn improved_contrastive_divergence_is_its_equations() {
    compare(
        "improved_cd",
        r#"
        let [net, stopped] = [net([2, 16, 1]), net([2, 16, 1])];
        stopped.copy_weights_from(net);
        let model = energy::scalar(net);
        let [x, fake, before, near] = [noise([8, 2]), noise([8, 2]), 0.5 + 0.2 * noise([8, 2]), noise([6, 2])];
        let loss = cd(model, x, fake) + kl(model, energy::scalar(stopped), before, near, 0.3);
        #{ given: weights(net, #{ x: x, fake: fake, before: before, near: near }), found: gradients(loss, net, #{}) }"#,
        r#"
x, fake, near = given["x"], given["fake"], given["near"]
S = [p.detach() for p in P]
before = given["before"].clone().requires_grad_()
last = torch.clamp(before - 0.3 * torch.autograd.grad(energy(before).sum(), before, create_graph=True)[0], 0, 1)
distance = torch.stack([((last - n) ** 2).sum(1).sqrt() for n in near]).min(0).values
kl = (-mlp(last, S)[:, 0]).mean() - 0.3 * torch.log(distance + 1e-8).mean()
a, b = energy(x), energy(fake)
give(a.mean() - b.mean() + (a ** 2).mean() + (b ** 2).mean() + kl)"#,
    );
}

#[test]
fn igebm_is_its_equations() {
    compare(
        "igebm",
        r#"
        let net = net([2, 16, 1]);
        let model = energy::scalar(net);
        let x = 0.5 + 0.1 * noise([8, 2]);
        seed(7);
        let drawn = langevin(energy::of(|x| 0 * x.pow(2).sum(1)), x) - x;          // the noise alone
        seed(7);
        let next = langevin(model, x);
        let loss = loss(model, x, next, 1.0);
        #{ given: weights(net, #{ x: x, drawn: drawn }), found: gradients(loss, net, #{ next: next }) }"#,
        r#"
x = (given["x"] + given["drawn"]).clone().requires_grad_()
g = torch.autograd.grad(energy(x).sum(), x)[0]
made["next"] = torch.clamp(x - 10 * torch.clamp(g, -0.01, 0.01), 0, 1).detach()
a, b = energy(given["x"]), energy(made["next"])
give((a - b).mean() + (a ** 2 + b ** 2).mean())"#,
    );
}

/// `first`, and the rest with batch norm in training mode.
const NORMED: &str = r#"
fn normed() {
    let first = nn::linear(2, 8);
    let rest = nn::sequential([nn::batch_norm2d(8, #{ momentum: 0.9 }), nn::leaky_relu(0.2), nn::linear(8, 3)]);
    first.to("float64");
    rest.to("float64");
    [first, rest]
}
"#;

const NORMED_PYTHON: &str = r#"
def f(x, P):
    h = x @ P[0].T + P[1]
    h = (h - h.mean(0)) / torch.sqrt(h.var(0, unbiased=False) + 1e-5) * P[2] + P[3]
    return leaky_relu(h, 0.2) @ P[4].T + P[5]
def loss_of(P, x_q):
    log_p = lambda x: torch.logsumexp(f(x, P), 1).mean()
    return cross_entropy(f(given["x"], P), given["y"]) - (log_p(given["x_p"]) - log_p(x_q))
"#;

#[test]
fn jempp_is_its_equations() {
    compare(
        "jempp",
        &format!(
            r#"{NORMED}
        let [first, rest] = normed();
        let net = nn::sequential([first, rest]);
        let [x, x_p, x_0] = [noise([6, 2]), noise([6, 2]), (0.5 * noise([6, 2])).clamp(-1, 1)];
        let y = tensor::ints([0, 1, 2, 0, 1, 2]);
        let x_q = x_0;
        for k in 0..3 {{ x_q = pyld(first, rest, x_q, 5, 0.2); }}
        let loss = loss(energy::joint(net), x, y, x_p, x_q);
        #{{ given: weights(net, #{{ x: x, y: y, x_p: x_p, x_0: x_0 }}), found: gradients(loss, net, #{{ x_q: x_q }}) }}"#
        ),
        &format!(
            r#"{NORMED_PYTHON}
x_q = given["x_0"]
for k in range(3):                       # one step of the whole gradient: the first layer is linear
    u = x_q.clone().requires_grad_()
    g = torch.autograd.grad(torch.logsumexp(f(u, P), 1).sum(), u)[0]
    x_q = torch.clamp(x_q + 5 * 0.2 * torch.clamp(g, -1, 1), -1, 1)
made["x_q"] = x_q
give(loss_of(P, x_q))"#
        ),
    );
}

#[test]
fn sada_jem_is_its_equations() {
    compare(
        "sada_jem",
        &format!(
            r#"{NORMED}
        let [first, rest] = normed();
        let net = nn::sequential([first, rest]);
        let model = energy::joint(net);
        let [x, x_p, x_q] = [noise([6, 2]), noise([4, 2]), noise([4, 2])];
        let y = tensor::ints([0, 1, 2, 0, 1, 2]);
        let given = weights(net, #{{ x: x, y: y, x_p: x_p, x_q: x_q }});
        for key in given.keys() {{ given[key] = given[key] * 1; }}       // weights are views: keep what they were
        let opt = optim::sam(optim::sgd(model, #{{ lr: 0.1 }}), #{{ rho: 0.5, adaptive: true }});
        let first_loss = opt.step(|| loss(model, x, y, x_p, x_q));
        let found = #{{ loss: first_loss.detach() }};
        for (p, i) in net.parameters() {{ found[`w${{i}}`] = p.detach(); }}
        #{{ given: given, found: found }}"#
        ),
        &format!(
            r#"{NORMED_PYTHON}
loss = loss_of(P[:6], given["x_q"])
made["loss"] = loss.detach()
g = torch.autograd.grad(loss, P[:6])
norm = torch.sqrt(sum(((w.abs() * d) ** 2).sum() for w, d in zip(P, g))) + 1e-12
up = [(w + 0.5 * w ** 2 * d / norm).detach().requires_grad_() for w, d in zip(P, g)]
g2 = torch.autograd.grad(loss_of(up, given["x_q"]), up)
for i, (w, d) in enumerate(zip(P, g2)): made[f"w{{i}}"] = (w - 0.1 * d).detach()"#
        ),
    );
}

#[test]
fn dat_is_its_equations() {
    compare(
        "dat",
        r#"
        let net = nn::sequential([nn::flatten(), net([4, 16, 3])]);
        let model = energy::joint(net);
        let [x, start] = [(0.4 * noise([5, 1, 2, 2])).clamp(-1, 1), (0.4 * noise([5, 1, 2, 2])).clamp(-1, 1)];
        let y = tensor::ints([0, 1, 2, 0, 1]);
        let [moved, fake] = [pgd(model, x, y, 3, 0.8), climb(model, start, 4, 0.3)];
        let loss = loss(model, x, moved, y, fake);
        #{ given: weights(net, #{ x: x, y: y, start: start }), found: gradients(loss, net, #{ moved: moved, fake: fake }) }"#,
        r#"
x, y = given["x"], given["y"]
f = lambda x: mlp(x.flatten(1), P)
length = lambda g: g.flatten(1).norm(dim=1)[:, None, None, None] + 1e-12
def gradient(value, x):
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(value(x), x)[0]
fake = given["start"]
for k in range(4):
    g = gradient(lambda u: torch.logsumexp(f(u), 1).sum(), fake)
    fake = torch.clamp(fake + 0.3 * g / length(g), -1, 1)
moved, eps = x, 0.8
for k in range(3):
    g = gradient(lambda u: cross_entropy(f(u), y), moved)
    far = moved + 2.5 * eps / 3 * g / length(g) - x
    far = torch.where(length(far) > eps, far * eps / length(far), far)
    moved = torch.clamp(x + far, -1, 1)
made["fake"], made["moved"] = fake, moved
bce = torch.nn.functional.binary_cross_entropy_with_logits
d = lambda x: torch.logsumexp(f(x), 1)
give(cross_entropy(f(moved), y) + bce(d(x), torch.ones(5, dtype=torch.float64)) + bce(d(fake), torch.zeros(5, dtype=torch.float64)))"#,
    );
}

#[test]
fn networks_of_the_library_of_scripts_train_and_are_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let program = Program::new(Settings {
        folder,
        ..Settings::default()
    });
    let text = r#"
        import "lib/unet" as unet;
        import "lib/vit" as vit;
        let x = tensor::randn([4, 1, 8, 8]);
        let [u, v] = [unet::unet(1, 1, 8), vit::vit(#{ channels: 1, side: 8, patch: 2, classes: 10, depth: 2 })];
        let opt = optim::adam([u, v], #{ lr: 1e-2 });
        let [first, last] = [(), ()];
        for i in 0..30 {
            let loss = (u(x) - x).pow(2).mean() + loss::cross_entropy(v(x), tensor::ints([0, 1, 2, 3]));
            opt.step(loss);
            if i == 0 { first = loss.item(); }
            last = loss.item();
        }
        let [u2, v2] = [unet::unet(1, 1, 8), vit::vit(#{ channels: 1, side: 8, patch: 2, classes: 10, depth: 2 })];
        u2.load_state_dict(u.state_dict());
        v2.load_state_dict(v.state_dict());
        let same = (u(x) - u2(x)).abs().max().item() + (v(x) - v2(x)).abs().max().item();
        [u(x).shape == x.shape, v(x).shape == [4, 10], last < 0.5 * first, same == 0.0]"#;
    let shown = match program.run_text("main.rhai", text) {
        Ok(value) => program.show(&value).unwrap_or_default(),
        Err(error) => error.text,
    };
    assert_eq!(shown, "[true, true, true, true]");
}

#[test]
fn each_paper_trains_and_draws() {
    let scripts = files_below(&folder(), "rhai").unwrap();
    assert_eq!(scripts.len(), 13);
    for script in scripts {
        let text = std::fs::read_to_string(&script).unwrap();
        assert!(text.lines().count() < 80, "{} is long", script.display());
        let run = tempfile::tempdir().unwrap();
        let out = run.path().join("run");
        let (path, out) = (script.to_str().unwrap(), out.to_str().unwrap());
        let done = jemscript(
            run.path(),
            &[path, "iterations=4", "--out", out, "--threads", "1"],
        );
        stdout(&done);
        let pictures = files_below(Path::new(out), "png").unwrap();
        assert!(!pictures.is_empty(), "{path} draws nothing");
    }
}
