//! Optimisers against PyTorch: the same weights after ten steps, with every option; and what only a
//! restart can show.

use crate::common;

use std::rc::Rc;

use common::{Comparison, Tensors, python_tensors};

use jemscript::nn::{
    Activation, BatchNorm2d, BatchNorm2dOptions, Linear, LinearOptions, Mlp, MlpOptions, Network,
    Sequential,
};
use jemscript::optim::{
    AdamOptions, AdamWOptions, Ema, LbfgsOptions, LionOptions, Optimizer, Rate, RmsPropOptions,
    SamOptions, SgdOptions,
};
use jemscript::options::{Function, Value};
use jemscript::params::{Given, Parameters, Snapshot, State, StepOptions};
use jemscript::tensor::{Device, Kind, Stream, seed};
use jemscript::{Result, Tensor, record};

type Make = Box<dyn Fn(&Network) -> Result<Optimizer>>;

fn adam(options: AdamOptions) -> Make {
    Box::new(move |net| Optimizer::adam(net.parameters(), &options))
}

fn adamw(options: AdamWOptions) -> Make {
    Box::new(move |net| Optimizer::adamw(net.parameters(), &options))
}

fn rmsprop(options: RmsPropOptions) -> Make {
    Box::new(move |net| Optimizer::rmsprop(net.parameters(), &options))
}

fn lion(options: LionOptions) -> Make {
    Box::new(move |net| Optimizer::lion(net.parameters(), &options))
}

fn sgd(options: SgdOptions) -> Make {
    Box::new(move |net| Optimizer::sgd(net.parameters(), &options))
}

/// Ours, and PyTorch's optimiser, the factor of its rate at step `t`, and what is done to the
/// gradients before the step.
fn cases() -> Vec<(Make, &'static str, &'static str, &'static str)> {
    let a = || AdamOptions {
        lr: 0.01.into(),
        ..Default::default()
    };
    let w = || AdamWOptions {
        lr: 0.01.into(),
        ..Default::default()
    };
    let s = || SgdOptions {
        lr: 0.05.into(),
        ..Default::default()
    };
    vec![
        (adam(a()), "optim.Adam(p, lr=.01)", "1", "pass"),
        (
            adam(AdamOptions {
                betas: [0.0, 0.99],
                eps: 1e-3,
                weight_decay: 0.1,
                ..a()
            }),
            "optim.Adam(p, lr=.01, betas=(0., .99), eps=1e-3, weight_decay=.1)",
            "1",
            "pass",
        ),
        (adamw(w()), "optim.AdamW(p, lr=.01)", "1", "pass"),
        (
            adamw(AdamWOptions {
                weight_decay: 0.5,
                ..w()
            }),
            "optim.AdamW(p, lr=.01, weight_decay=.5)",
            "1",
            "pass",
        ),
        (sgd(s()), "optim.SGD(p, lr=.05)", "1", "pass"),
        (
            sgd(SgdOptions {
                momentum: 0.9,
                ..s()
            }),
            "optim.SGD(p, lr=.05, momentum=.9)",
            "1",
            "pass",
        ),
        (
            sgd(SgdOptions {
                momentum: 0.9,
                nesterov: true,
                weight_decay: 0.01,
                ..s()
            }),
            "optim.SGD(p, lr=.05, momentum=.9, nesterov=True, weight_decay=.01)",
            "1",
            "pass",
        ),
        (
            adam(AdamOptions {
                clip_norm: Some(0.3),
                ..a()
            }),
            "optim.Adam(p, lr=.01)",
            "1",
            "nn.utils.clip_grad_norm_(p, .3)",
        ),
        (
            sgd(SgdOptions {
                clip_norm: Some(0.2),
                clip_value: Some(0.03),
                ..s()
            }),
            "optim.SGD(p, lr=.05)",
            "1",
            "nn.utils.clip_grad_norm_(p, .2); nn.utils.clip_grad_value_(p, .03)",
        ),
        (
            sgd(SgdOptions {
                clip_norm: Some(1e6),
                ..s()
            }),
            "optim.SGD(p, lr=.05)",
            "1",
            "pass",
        ),
        (
            adam(AdamOptions { warmup: 4, ..a() }),
            "optim.Adam(p, lr=.01)",
            "min(1, t / 4)",
            "pass",
        ),
        (
            sgd(SgdOptions {
                milestones: vec![3, 7],
                gamma: 0.3,
                ..s()
            }),
            "optim.SGD(p, lr=.05)",
            ".3 ** ((t >= 3) + (t >= 7))",
            "pass",
        ),
        (
            adamw(AdamWOptions {
                warmup: 3,
                cosine: 9,
                ..w()
            }),
            "optim.AdamW(p, lr=.01)",
            "t / 3 if t < 3 else (1 + math.cos(math.pi * min(1, (t - 3) / 6))) / 2",
            "pass",
        ),
        (
            adam(AdamOptions {
                betas: [0.0, 0.999],
                clip_adaptive: Some([0.9, 0.01]),
                ..a()
            }),
            "optim.Adam(p, lr=.01, betas=(0., .999))",
            "1",
            "cut(p, opt)",
        ),
        (
            rmsprop(RmsPropOptions::default()),
            "optim.RMSprop(p)",
            "1",
            "pass",
        ),
        (
            rmsprop(RmsPropOptions {
                lr: 0.003.into(),
                alpha: 0.9,
                eps: 1e-4,
                weight_decay: 0.1,
                momentum: 0.8,
                centered: true,
                ..Default::default()
            }),
            "optim.RMSprop(p, lr=.003, alpha=.9, eps=1e-4, weight_decay=.1, momentum=.8, centered=True)",
            "1",
            "pass",
        ),
        (
            rmsprop(RmsPropOptions {
                momentum: 0.5,
                ..Default::default()
            }),
            "optim.RMSprop(p, momentum=.5)",
            "1",
            "pass",
        ),
        (
            lion(LionOptions {
                lr: 0.01.into(),
                betas: [0.8, 0.95],
                weight_decay: 0.3,
                ..Default::default()
            }),
            "Lion(p, lr=.01, betas=(.8, .95), weight_decay=.3)",
            "1",
            "pass",
        ),
        (
            sgd(SgdOptions {
                lr: falling(),
                ..s()
            }),
            "optim.SGD(p, lr=1.)",
            ".05 * .9 ** t",
            "pass",
        ),
    ]
}

/// A rate that is a function of the step.
fn falling() -> Rate {
    Rate::Function(Function(Rc::new(|t: &[Value]| {
        Ok(Value::Float(
            0.05 * 0.9f64.powf(t[0].as_f64().unwrap_or(f64::NAN)),
        ))
    })))
}

const PROGRAM: &str = r#"
import math
from torch import nn, optim
def cut(p, opt):
    for w in p:
        state = opt.state.get(w) or {"exp_avg_sq": torch.zeros_like(w), "step": 0}
        bound = .9 * (state["exp_avg_sq"] / (1 - .999 ** (float(state["step"]) + 1))).sqrt() + .01
        w.grad = w.grad.clamp(-bound, bound)
class Lion(optim.Optimizer):
    """Chen et al., 2023, algorithm 2."""
    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
            for w in group["params"]:
                m = self.state[w].setdefault("m", torch.zeros_like(w))
                w -= lr * (torch.sign(b1 * m + (1 - b1) * w.grad) + decay * w)
                m.copy_(b2 * m + (1 - b2) * w.grad)
for dtype in (torch.float32, torch.float64):
    for i, (make, factor, clip) in enumerate(CASES):
        key = f"{i}/{dtype}"
        net = nn.Sequential(nn.Linear(6, 20), nn.SiLU(), nn.Linear(20, 3)).to(dtype)
        net.load_state_dict({n[2:]: t.to(dtype) for n, t in given.items() if n.startswith("w/")})
        p = list(net.parameters())
        opt = eval(make)
        schedule = optim.lr_scheduler.LambdaLR(opt, lambda t: eval(factor, {"t": t, "math": math}))
        for t in range(10):
            loss = nn.functional.cross_entropy(net(given["x"].to(dtype)), given["y"]) * 3
            opt.zero_grad()
            loss.backward()
            norm = torch.cat([q.grad.flatten() for q in p]).norm()
            exec(clip)
            made[f"{key}/norm/{t}"], made[f"{key}/lr/{t}"] = norm.reshape(1), torch.tensor([opt.param_groups[0]["lr"]])
            opt.step()
            schedule.step()
        for n, q in net.named_parameters():
            made[f"{key}/w/{n}"] = q
# The library's own schedules, against ours through the cases above and here by their values.
def rates(wrap, steps):
    opt = optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = wrap(opt)
    found = []
    for _ in range(steps):
        found.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return torch.tensor(found, dtype=torch.float64)
made["milestones"] = rates(lambda o: optim.lr_scheduler.MultiStepLR(o, [5, 8], gamma=.2), 12)
made["cosine"] = rates(lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 12), 12)
"#;

/// A small network with weights that depend on nothing but the seed.
fn network(kind: Kind) -> Result<Network> {
    seed(5, Stream::Init, 0);
    let net = Network::of(Mlp::new(&[6, 20, 3], &MlpOptions::default())?);
    net.convert(Device::Cpu, kind)?;
    Ok(net)
}

fn loss(net: &Network, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    net.forward(x)?
        .log_softmax(1)?
        .gather(1, &y.unsqueeze(1)?)?
        .mean()?
        .mul(-3.0)
}

fn data() -> Result<(Tensor, Tensor)> {
    seed(6, Stream::Data, 0);
    Ok((Tensor::randn(&[16, 6])?, Tensor::randint(3, &[16])?))
}

#[test]
fn ten_steps_agree_with_pytorch() -> Result<()> {
    tch::set_num_threads(1);
    let (x, y) = data()?;
    let mut given = Tensors::from([("x".to_owned(), x.clone()), ("y".to_owned(), y.clone())]);
    for (name, p) in network(Kind::Float)?.parameters() {
        given.insert(format!("w/{name}"), p.get());
    }
    let listed: Vec<String> = cases()
        .iter()
        .map(|(_, make, factor, clip)| format!("  ({make:?}, {factor:?}, {clip:?}),\n"))
        .collect();
    let theirs = python_tensors(
        &format!("CASES = [\n{}]\n{PROGRAM}", listed.concat()),
        &given,
    )?;

    let mut compared = Comparison::default();
    for (kind, dtype, bound) in [
        (Kind::Float, "torch.float32", 1e-5),
        (Kind::Double, "torch.float64", 1e-10),
    ] {
        for (i, (make, code, factor, clip)) in cases().iter().enumerate() {
            let net = network(kind)?;
            let opt = make(&net)?;
            let x = x.to_kind(kind)?;
            for t in 0..10 {
                record::listen();
                opt.step(&loss(&net, &x, &y)?)?;
                for (name, value) in record::take() {
                    let name = if name == "grad_norm" {
                        "norm".to_owned()
                    } else {
                        name
                    };
                    let key = format!("{i}/{dtype}/{name}/{t}");
                    // PyTorch's rate is a Python number sent as float32.
                    let bound = if name == "lr" { 1e-6 } else { bound };
                    compared.near(
                        &format!("{code}: {key}"),
                        &value.reshape(&[1])?,
                        theirs.get(&key),
                        bound,
                    )?;
                }
            }
            assert_eq!(opt.steps(), 10);
            for (name, p) in net.parameters() {
                let key = format!("{i}/{dtype}/w/{name}");
                let what = format!("{code}, factor {factor}, {clip}: {name} in {dtype}");
                compared.near(&what, &p.get(), theirs.get(&key), bound)?;
            }
        }
    }
    let schedule = |options: SgdOptions| -> Result<Tensor> {
        let net = network(Kind::Float)?;
        let opt = Optimizer::sgd(
            net.parameters(),
            &SgdOptions {
                lr: 1.0.into(),
                clip_norm: Some(1e-6),
                ..options
            },
        )?;
        let mut rates = Vec::new();
        for _ in 0..12 {
            rates.push(opt.lr()?);
            opt.step(&loss(&net, &x, &y)?)?;
        }
        Tensor::from_f64(&rates, &[12], Kind::Double, Device::Cpu)
    };
    let milestones = schedule(SgdOptions {
        milestones: vec![5, 8],
        gamma: 0.2,
        ..Default::default()
    })?;
    compared.near("milestones", &milestones, theirs.get("milestones"), 1e-12)?;
    let cosine = schedule(SgdOptions {
        cosine: 12,
        ..Default::default()
    })?;
    compared.near("cosine", &cosine, theirs.get("cosine"), 1e-12)?;
    compared.finish(2 * 19 * (20 + 4) + 2);
    Ok(())
}

/// What each scenario does to a network with batch norm at steps 0..6, in PyTorch's words.
const SCENARIOS: &str = r#"
from torch import nn, optim
def network():
    net = nn.Sequential(nn.Linear(6, 20), nn.BatchNorm1d(20), nn.SiLU(), nn.Linear(20, 3)).double()
    net.load_state_dict({n[2:]: t for n, t in given.items() if n.startswith("w/")}, strict=False)
    return net
x, y = given["x"].double(), given["y"]
def loss(net, x=x, y=y):
    return nn.functional.cross_entropy(net(x), y) * 3
def keep(name, net):
    for n, t in net.state_dict().items():
        made[f"{name}/{n}"] = t
def sam(name, rho, adaptive):
    net = network()
    p = list(net.parameters())
    opt = optim.SGD(p, lr=.05, momentum=.9, weight_decay=5e-4)
    for t in range(6):
        g = torch.autograd.grad(loss(net), p)
        with torch.no_grad():
            size = [w.abs() if adaptive else torch.ones_like(w) for w in p]
            norm = torch.cat([(s * d).flatten() for s, d in zip(size, g)]).norm()
            old = [w.clone() for w in p]
            for w, s, d in zip(p, size, g):
                w += rho * s * s * d / (norm + 1e-12)
        net[1].momentum = 0.
        opt.zero_grad()
        loss(net).backward()
        net[1].momentum = .1
        made[f"{name}/norm/{t}"] = torch.cat([w.grad.flatten() for w in p]).norm().reshape(1)
        with torch.no_grad():
            for w, o in zip(p, old):
                w.copy_(o)
        opt.step()
    keep(name, net)
sam("sam", .05, False)
sam("asam", 2., True)
net = network()
named = list(net.named_parameters())
opt = optim.AdamW([
    {"params": [w for n, w in named if not n.endswith("bias")], "weight_decay": .1},
    {"params": [w for n, w in named if n.endswith("bias")], "lr": .03, "betas": (.5, .9)},
], lr=.01)
for t in range(6):
    opt.zero_grad(); loss(net).backward(); opt.step()
keep("groups", net)
net = network()
opt = optim.Adam(net.parameters(), lr=.01, weight_decay=.1)
for t in range(6):
    net[0].requires_grad_(t not in (0, 1, 3))
    opt.zero_grad(); loss(net).backward(); opt.step()
keep("frozen", net)
net = network()
opt = optim.Adam(net.parameters(), lr=.01)
for t in range(6):
    opt.zero_grad()
    (loss(net) if t % 2 else net[3].weight.square().sum()).backward()
    opt.step()
keep("unused", net)
net = network()
opt = optim.SGD(net.parameters(), lr=.05, momentum=.9)
for t in range(6):
    opt.zero_grad()
    (loss(net, x[:8], y[:8]) / 2).backward()
    (loss(net, x[8:], y[8:]) / 2).backward()
    opt.step()
keep("accumulated", net)
net = network()
opt = optim.SGD(net.parameters(), lr=.05, momentum=.9)
for t in range(6):
    g = torch.autograd.grad(loss(net), net.parameters())
    for w, d in zip(net.parameters(), g):
        w.grad = d * 2 + .01
    opt.step()
keep("given", net)
net = network()
body, head = list(net[0].parameters()) + list(net[1].parameters()), list(net[3].parameters())
first, second = optim.Adam(body, lr=.01), optim.SGD(head, lr=.05)
for t in range(6):
    out = net(x)
    l = nn.functional.cross_entropy(out, y)
    g, h = torch.autograd.grad(-l, body, retain_graph=True), torch.autograd.grad(l + out.square().mean(), head)
    for w, d in zip(body + head, g + h):
        w.grad = d
    first.step(); second.step()
keep("two", net)
for name, how in [("lbfgs", dict(lr=.3, max_iter=5)), ("short", dict(lr=.5, max_iter=20, max_eval=7, history_size=3))]:
    net = network()
    opt = optim.LBFGS(net.parameters(), **how)
    def closure():
        opt.zero_grad()
        l = loss(net)
        l.backward()
        return l
    for t in range(6):
        opt.step(closure)
    keep(name, net)
"#;

fn with_norm() -> Result<Network> {
    seed(5, Stream::Init, 0);
    let linear = |a, b| Linear::new(a, b, &LinearOptions::default()).map(Network::of);
    let net = Network::of(Sequential::new(vec![
        linear(6, 20)?,
        Network::of(BatchNorm2d::new(20, &BatchNorm2dOptions::default())?),
        Network::of(Activation::Silu),
        linear(20, 3)?,
    ])?);
    net.convert(Device::Cpu, Kind::Double)?;
    Ok(net)
}

#[test]
fn every_kind_of_step_agrees_with_pytorch() -> Result<()> {
    tch::set_num_threads(1);
    let (x, y) = data()?;
    let mut given = Tensors::from([("x".to_owned(), x.clone()), ("y".to_owned(), y.clone())]);
    for (name, p) in with_norm()?.parameters() {
        given.insert(format!("w/{name}"), p.get());
    }
    let theirs = python_tensors(SCENARIOS, &given)?;
    let x = x.to_kind(Kind::Double)?;
    let mut compared = Comparison::default();
    let mut same = |scenario: &str, net: &Network, bound: f64| -> Result<()> {
        net.parameters().iter().try_for_each(|(name, p)| {
            let key = format!("{scenario}/{name}");
            compared.near(&key, &p.get(), theirs.get(&key), bound)
        })
    };
    let (plain, allow) = (StepOptions::default(), || StepOptions {
        allow_unused: true,
        ..StepOptions::default()
    });
    let momentum = SgdOptions {
        lr: 0.05.into(),
        momentum: 0.9,
        ..Default::default()
    };
    for (name, rho, adaptive) in [("sam", 0.05, false), ("asam", 2.0, true)] {
        let net = with_norm()?;
        let base = SgdOptions {
            weight_decay: 5e-4,
            ..momentum.clone()
        };
        let base = Optimizer::sgd(net.parameters(), &base)?;
        let opt = Optimizer::sam(&base, &SamOptions { rho, adaptive })?;
        for t in 0..6 {
            record::listen();
            opt.step_by(&mut || loss(&net, &x, &y), &plain)?;
            let noted = record::take();
            let norm = noted.iter().find(|(n, _)| n == "grad_norm").unwrap();
            let key = format!("{name}/norm/{t}");
            let theirs = theirs[&key].to_vec()?[0];
            assert!((norm.1.item()? - theirs).abs() < 1e-9, "{key}");
        }
        same(name, &net, 1e-10)?;
    }

    let net = with_norm()?;
    let all = Parameters::of(net.parameters());
    let w = AdamWOptions {
        lr: 0.01.into(),
        ..Default::default()
    };
    let (weights, biases) = (all.biases(false), all.biases(true));
    let opt = Optimizer::of_groups(vec![
        (
            weights.named().clone(),
            AdamWOptions {
                weight_decay: 0.1,
                ..w.clone()
            },
        ),
        (
            biases.named().clone(),
            AdamWOptions {
                lr: 0.03.into(),
                betas: [0.5, 0.9],
                ..w
            },
        ),
    ])?;
    (0..6).try_for_each(|_| opt.step(&loss(&net, &x, &y)?))?;
    // A bias before batch norm has no gradient but for rounding, which Adam makes steps of.
    same("groups", &net, 1e-8)?;

    let net = with_norm()?;
    let decayed = AdamOptions {
        lr: 0.01.into(),
        weight_decay: 0.1,
        ..Default::default()
    };
    let opt = Optimizer::adam(net.parameters(), &decayed)?;
    let first = Parameters::of(net.parameters()).matching("test", "0")?;
    for t in 0..6 {
        first.freeze([0, 1, 3].contains(&t))?;
        opt.step(&loss(&net, &x, &y)?)?;
    }
    same("frozen", &net, 1e-10)?;

    let net = with_norm()?;
    let options = AdamOptions {
        lr: 0.01.into(),
        ..Default::default()
    };
    let opt = Optimizer::adam(net.parameters(), &options)?;
    let last = Parameters::of(net.parameters());
    for t in 0..6 {
        let alone = || last.get("3.weight")?.get().square()?.sum();
        let l = if t % 2 == 1 {
            loss(&net, &x, &y)?
        } else {
            alone()?
        };
        if t == 0 {
            assert!(opt.step(&alone()?).is_err(), "the others get no gradient");
        }
        opt.step_with(&l, &allow())?;
    }
    // A bias before a batch norm has a gradient of rounding errors alone, which Adam makes larger.
    same("unused", &net, 1e-9)?;

    let net = with_norm()?;
    let opt = Optimizer::sgd(net.parameters(), &momentum)?;
    for _ in 0..6 {
        for start in [0, 8] {
            let part = |t: &Tensor| t.slice(start, start + 8);
            let half = loss(&net, &part(&x)?, &part(&y)?)?.mul(0.5)?;
            opt.accumulate(&half, &plain)?;
        }
        opt.step_accumulated()?;
        assert!(opt.step_accumulated().is_err(), "nothing is left");
    }
    same("accumulated", &net, 1e-10)?;

    let net = with_norm()?;
    let opt = Optimizer::sgd(net.parameters(), &momentum)?;
    for t in 0..6 {
        let weights: Vec<Tensor> = opt.parameters().iter().map(|(_, p)| p.get()).collect();
        let g = Tensor::gradients(
            &loss(&net, &x, &y)?,
            &weights.iter().collect::<Vec<_>>(),
            true,
        )?;
        let changed = |g: &Tensor| g.mul(2.0)?.add(0.01);
        let changed: Vec<Tensor> = g.iter().map(changed).collect::<Result<_>>()?;
        let given = if t % 2 == 0 {
            Given::Each(changed.into_iter().map(Some).collect())
        } else {
            let flat: Result<Vec<Tensor>> = changed.iter().map(|g| g.reshape(&[-1])).collect();
            Given::Flat(Tensor::cat(&flat?, 0)?)
        };
        opt.step_given(given, &plain)?;
    }
    same("given", &net, 1e-10)?;

    let net = with_norm()?;
    let (mut body, mut head) = (net.parameters(), net.parameters());
    body.retain(|(name, _)| !name.starts_with('3'));
    head.retain(|(name, _)| name.starts_with('3'));
    let a = Optimizer::adam(body, &options)?;
    let b = SgdOptions {
        lr: 0.05.into(),
        ..Default::default()
    };
    let b = Optimizer::sgd(head, &b)?;
    let retain = StepOptions {
        retain_graph: true,
        ..StepOptions::default()
    };
    for t in 0..6 {
        let out = net.forward(&x)?;
        let l = out
            .log_softmax(1)?
            .gather(1, &y.unsqueeze(1)?)?
            .mean()?
            .mul(-1.0)?;
        a.accumulate(&l.mul(-1.0)?, &retain)?;
        b.accumulate(&l.add(&out.square()?.mean()?)?, &plain)?;
        if t == 0 {
            let error = b.accumulate(&l, &plain).unwrap_err();
            assert!(error.hint().unwrap_or_default().contains("retain_graph"));
        }
        a.step_accumulated()?;
        b.step_accumulated()?;
    }
    same("two", &net, 1e-10)?;

    let short = LbfgsOptions {
        lr: 0.5.into(),
        max_eval: Some(7),
        history_size: 3,
        ..Default::default()
    };
    let usual = LbfgsOptions {
        lr: 0.3.into(),
        max_iter: 5,
        ..Default::default()
    };
    for (name, options) in [("lbfgs", usual), ("short", short)] {
        let net = with_norm()?;
        let opt = Optimizer::lbfgs(net.parameters(), &options)?;
        (0..6).try_for_each(|_| opt.step_by(&mut || loss(&net, &x, &y), &plain))?;
        same(name, &net, 1e-7)?;
    }
    compared.finish(10 * 8);
    Ok(())
}

#[test]
fn a_restored_run_continues_bit_for_bit() -> Result<()> {
    let (x, y) = data()?;
    for (make, code, ..) in cases() {
        let run = |net: &Network, opt: &Optimizer, ema: &Ema, steps: usize| -> Result<Vec<f64>> {
            for _ in 0..steps {
                opt.step(&loss(net, &x, &y)?)?;
                ema.update()?;
            }
            net.parameters()
                .iter()
                .try_fold(Vec::new(), |mut all, (_, p)| {
                    all.extend(p.get().to_vec()?);
                    Ok(all)
                })
        };
        let net = network(Kind::Float)?;
        let (opt, ema) = (make(&net)?, Ema::new(net.parameters(), 0.9)?);
        run(&net, &opt, &ema, 5)?;
        opt.set_lr_scale(0.37)?;
        let kept = Snapshot::of(&[
            ("opt".to_owned(), Rc::new(opt.clone()) as Rc<dyn State>),
            ("ema".to_owned(), Rc::new(ema.clone())),
        ])?;
        let rate = opt.lr()?;
        let straight = run(&net, &opt, &ema, 5)?;

        // A fresh network with other weights, of which the optimiser restores all.
        seed(99, Stream::Init, 0);
        let again = Network::of(Mlp::new(&[6, 20, 3], &MlpOptions::default())?);
        let (opt2, ema2) = (make(&again)?, Ema::new(again.parameters(), 0.9)?);
        opt2.load("opt", &kept)?;
        ema2.load("ema", &kept)?;
        assert_eq!(
            (opt2.steps(), opt2.lr_scale(), opt2.lr()?),
            (5, 0.37, rate),
            "{code}"
        );
        assert_eq!(run(&again, &opt2, &ema2, 5)?, straight, "{code}");
        ema.apply()?;
        ema2.apply()?;
        assert_eq!(
            run(&net, &opt, &ema, 0)?,
            run(&again, &opt2, &ema2, 0)?,
            "{code}"
        );
    }
    Ok(())
}

#[test]
fn the_average_of_the_weights_is_exact_and_swaps() -> Result<()> {
    let net = network(Kind::Double)?;
    let all = |net: &Network| -> Result<Vec<f64>> {
        net.parameters()
            .iter()
            .try_fold(Vec::new(), |mut all, (_, p)| {
                all.extend(p.get().to_vec()?);
                Ok(all)
            })
    };
    let opt = Optimizer::adam(
        net.parameters(),
        &AdamOptions {
            lr: 0.1.into(),
            ..Default::default()
        },
    )?;
    let ema = Ema::new(net.parameters(), 0.75)?;
    let mut expected = all(&net)?;
    let (x, y) = data()?;
    for _ in 0..6 {
        opt.step(&loss(&net, &x.to_kind(Kind::Double)?, &y)?)?;
        ema.update()?;
        expected = expected
            .iter()
            .zip(all(&net)?)
            .map(|(e, w)| 0.75 * e + 0.25 * w)
            .collect();
    }
    let own = all(&net)?;
    assert!(ema.restore().is_err());
    ema.apply()?;
    let average = all(&net)?;
    assert!(
        average
            .iter()
            .zip(&expected)
            .all(|(a, e)| (a - e).abs() < 1e-12)
    );
    assert!(ema.apply().is_err() && ema.update().is_err() && ema.applied());
    ema.restore()?;
    assert_eq!(all(&net)?, own);
    assert!(Ema::new(net.parameters(), 1.0).is_err() && Ema::new(Vec::new(), 0.9).is_err());
    Ok(())
}

#[test]
fn wrong_uses_are_errors() -> Result<()> {
    let net = network(Kind::Float)?;
    let (x, y) = data()?;
    let opt = Optimizer::adam(net.parameters(), &AdamOptions::default())?;
    assert!(
        Optimizer::sgd(net.parameters(), &SgdOptions::default()).is_err(),
        "the parameters belong to adam"
    );
    assert!(
        opt.step(&net.forward(&x)?).is_err(),
        "the loss is no number"
    );
    assert!(
        opt.step(&loss(&net, &x, &y)?.detach()).is_err(),
        "no gradient"
    );
    assert!(opt.set_lr_scale(f64::NAN).is_err());
    assert_eq!(opt.steps(), 0);
    let kept = Snapshot::of(&[("opt".to_owned(), Rc::new(opt.clone()) as Rc<dyn State>)])?;
    let other = Network::of(Mlp::new(&[2, 2], &MlpOptions::default())?);
    let smaller = Optimizer::adam(other.parameters(), &AdamOptions::default())?;
    let error = smaller
        .load("opt", &kept)
        .err()
        .map(|e| e.message().to_owned())
        .unwrap_or_default();
    assert_eq!(
        error,
        "checkpoint `opt`: it is of 203 parameters, this adam has 6"
    );
    assert!(smaller.load("sgd", &kept).is_err());
    drop(opt);
    Optimizer::sgd(net.parameters(), &SgdOptions::default())?;
    Ok(())
}

#[test]
fn an_optimiser_prints_all_of_its_settings() -> Result<()> {
    let net = network(Kind::Float)?;
    let opt = Optimizer::adam(
        net.parameters(),
        &AdamOptions {
            lr: 3e-4.into(),
            warmup: 200,
            ..Default::default()
        },
    )?;
    assert_eq!(
        opt.to_string(),
        "adam(#{ lr: 0.0003, betas: [0.9, 0.999], eps: 0.00000001, weight_decay: 0, clip_adaptive: (), warmup: 200, milestones: [], \
         gamma: 0.1, cosine: 0, clip_norm: (), clip_value: () })\n203 parameters, 0 steps made, next rate 0"
    );
    Ok(())
}
