//! Optimisers against PyTorch: the same weights after ten steps, with every option; and what only a
//! restart can show.

use crate::common;

use std::rc::Rc;

use common::{Comparison, Tensors, python_tensors};

use jemscript::nn::{Mlp, MlpOptions, Network};
use jemscript::optim::{AdamOptions, AdamWOptions, Ema, Optimizer, SgdOptions};
use jemscript::params::{Snapshot, State};
use jemscript::tensor::{Device, Kind, Stream, seed};
use jemscript::{Result, Tensor, record};

type Make = Box<dyn Fn(&Network) -> Result<Optimizer>>;

fn adam(options: AdamOptions) -> Make {
    Box::new(move |net| Optimizer::adam(net.parameters(), &options))
}

fn adamw(options: AdamWOptions) -> Make {
    Box::new(move |net| Optimizer::adamw(net.parameters(), &options))
}

fn sgd(options: SgdOptions) -> Make {
    Box::new(move |net| Optimizer::sgd(net.parameters(), &options))
}

/// Ours, and PyTorch's optimiser, the factor of its rate at step `t`, and what is done to the
/// gradients before the step.
fn cases() -> Vec<(Make, &'static str, &'static str, &'static str)> {
    let a = || AdamOptions {
        lr: 0.01,
        ..Default::default()
    };
    let w = || AdamWOptions {
        lr: 0.01,
        ..Default::default()
    };
    let s = || SgdOptions {
        lr: 0.05,
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
    ]
}

const PROGRAM: &str = r#"
import math
from torch import nn, optim
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
                lr: 1.0,
                clip_norm: Some(1e-6),
                ..options
            },
        )?;
        let mut rates = Vec::new();
        for _ in 0..12 {
            rates.push(opt.lr());
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
    compared.finish(2 * 13 * (20 + 4) + 2);
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
        let rate = opt.lr();
        let straight = run(&net, &opt, &ema, 5)?;

        // A fresh network with other weights, of which the optimiser restores all.
        seed(99, Stream::Init, 0);
        let again = Network::of(Mlp::new(&[6, 20, 3], &MlpOptions::default())?);
        let (opt2, ema2) = (make(&again)?, Ema::new(again.parameters(), 0.9)?);
        opt2.load("opt", &kept)?;
        ema2.load("ema", &kept)?;
        assert_eq!(
            (opt2.steps(), opt2.lr_scale(), opt2.lr()),
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
            lr: 0.1,
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
            lr: 3e-4,
            warmup: 200,
            ..Default::default()
        },
    )?;
    assert_eq!(
        opt.to_string(),
        "adam(#{ lr: 0.0003, betas: [0.9, 0.999], eps: 0.00000001, weight_decay: 0, warmup: 200, milestones: [], \
         gamma: 0.1, cosine: 0, clip_norm: (), clip_value: () })\n203 parameters, 0 steps made, next rate 0"
    );
    Ok(())
}
