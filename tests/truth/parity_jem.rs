//! JEM against PyTorch on the same weights: energies, scores, a chain without noise, the loss with
//! all of its terms, and its gradient by every weight. Relative distances of at most 1e-5 in
//! float32 and 1e-10 in float64.

use crate::common;

use jemscript::energy::Energy;
use jemscript::loss::{
    ContrastiveOptions, CrossEntropyOptions, JemOptions, contrastive, cross_entropy, jem, mse,
};
use jemscript::nn::*;
use jemscript::sampler::{NetworkMode, Sampler, SgldOptions};
use jemscript::tensor::{Device, Kind, Stream, seed};
use jemscript::{Result, Tensor};

use common::{Comparison, Tensors, distance, python_tensors};

fn of<L: Layer + 'static>(layer: Result<L>) -> Network {
    Network::of(layer.unwrap())
}

fn silu() -> Network {
    Network::of(Activation::parse("silu").unwrap())
}

/// A perceptron, and a convolution net with batch norm, both on 1 × 6 × 6 images with five classes.
fn linear(inputs: i64, outputs: i64) -> Result<Linear> {
    Linear::new(inputs, outputs, &LinearOptions::default())
}

fn networks() -> Vec<(&'static str, Network)> {
    let linear = |a, b| of(linear(a, b));
    let conv = || {
        of(Conv2d::new(
            1,
            4,
            3,
            &Conv2dOptions {
                padding: 1,
                ..Default::default()
            },
        ))
    };
    let flatten = || Network::of(Flatten);
    let mlp = Sequential::new(vec![flatten(), linear(36, 24), silu(), linear(24, 5)]);
    let norm = of(BatchNorm2d::new(4, &BatchNorm2dOptions::default()));
    let cnn = Sequential::new(vec![conv(), norm, silu(), flatten(), linear(144, 5)]);
    vec![("mlp", of(mlp)), ("cnn", of(cnn))]
}

const ROWS: i64 = 7;

fn batches() -> Result<Vec<(&'static str, Tensor)>> {
    ["x", "x_p", "fake", "fake_y"]
        .into_iter()
        .map(|name| Ok((name, Tensor::uniform(&[ROWS, 1, 6, 6], -1.0, 1.0)?)))
        .collect()
}

const CODE: &str = r#"
from torch import nn
import torch.nn.functional as F
def build(name):
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.SiLU(), nn.Linear(24, 5))
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.SiLU(), nn.Flatten(), nn.Linear(144, 5))
y = given["y"]
for kind, dtype in [("f32", torch.float32), ("f64", torch.float64)]:
    x, x_p, fake, fake_y = (given[f"{kind}.{n}"] for n in ["x", "x_p", "fake", "fake_y"])
    for name in ["mlp", "cnn"]:
        at = f"{kind}.{name}"
        net = build(name).to(dtype)
        own = {k[len(at) + 1:]: v for k, v in given.items() if k.startswith(at + ".")}
        missing = net.load_state_dict(own, strict=False)
        assert all("num_batches" in k for k in missing.missing_keys) and not missing.unexpected_keys
        net.eval()
        E = lambda x: -net(x).logsumexp(1)
        def score(x):
            x = x.detach().requires_grad_()
            return -torch.autograd.grad(E(x).sum(), x)[0]
        with torch.no_grad():
            made[at + ":logits"] = net(x)
            made[at + ":energy"] = E(x)
            made[at + ":joint"] = -net(x).gather(1, y[:, None])[:, 0]
        made[at + ":score"] = score(x)
        z = x.clone()
        for t in range(10):
            g = score(z).clamp(-0.25, 0.25)
            z = (z + (0.8 * (0.2 / 0.8) ** (t / 9)) * g).clamp(-1, 1)
        made[at + ":chain"] = z
        net.train()
        # The running means move with every pass: as in the authors' code, that of the labelled batch is the last.
        f_p, f_fake, f_fake_y, f = net(x_p), net(fake), net(fake_y), net(x)
        e_data, e_fake = -f_p.logsumexp(1), -f_fake.logsumexp(1)
        ce = F.cross_entropy(f, y)
        p_xy = -f.gather(1, y[:, None]).mean() + f_fake_y.gather(1, y[:, None]).mean()
        l2 = (e_data ** 2).mean() + (e_fake ** 2).mean()
        gap = e_fake.mean() - e_data.mean()
        total = 0.9 * ce - 0.7 * gap + 0.3 * p_xy + 0.05 * l2
        terms = dict(total=total, ce=ce, gap=gap, e_data=e_data.mean(), e_fake=e_fake.mean(), p_xy=p_xy, energy_l2=l2)
        terms["accuracy"] = (f.argmax(1) == y).to(dtype).mean()
        for k, v in terms.items():
            made[f"{at}:{k}"] = v
        total.backward()
        for k, p in net.named_parameters():
            made[f"{at}:grad.{k}"] = p.grad
        for k, b in net.named_buffers():
            if "num_batches" not in k:
                made[f"{at}:after.{k}"] = b
    made[f"{kind}:smooth"] = F.cross_entropy(x.flatten(1)[:, :5], y, label_smoothing=0.1)
    made[f"{kind}:mse"] = F.mse_loss(x, x_p)
"#;

#[test]
fn jem_matches_pytorch() -> Result<()> {
    tch::set_num_threads(1);
    seed(1, Stream::Init, 0);
    let y = Tensor::of_ints(&[0, 4, 2, 1, 1, 3, 0])?;
    let (networks, batches) = (networks(), batches()?);
    let kinds = [("f32", Kind::Float, 1e-5), ("f64", Kind::Double, 1e-10)];
    let mut given = Tensors::from([("y".to_owned(), y.clone())]);
    for (kind, dtype, _) in kinds {
        for (name, batch) in &batches {
            given.insert(format!("{kind}.{name}"), batch.to_kind(dtype)?);
        }
        for (name, network) in &networks {
            for (path, p) in network.parameters() {
                given.insert(
                    format!("{kind}.{name}.{path}"),
                    p.get().detach().to_kind(dtype)?,
                );
            }
        }
    }
    let theirs = python_tensors(CODE, &given)?;
    let mut compared = Comparison::default();
    for (kind, dtype, bound) in kinds {
        let batch = |i: usize| batches[i].1.to_kind(dtype);
        let (x, x_p, fake, fake_y) = (batch(0)?, batch(1)?, batch(2)?, batch(3)?);
        for (name, network) in &networks {
            network.convert(Device::Cpu, dtype)?;
            for (path, p) in network.parameters() {
                p.assign(&given[&format!("{kind}.{name}.{path}")])?;
            }
            let mut near = |what: &str, ours: &Tensor| {
                let key = format!("{kind}.{name}:{what}");
                compared.near(&key, &ours.detach(), theirs.get(&key), bound)
            };
            let model = Energy::joint(network);
            network.set_training(false);
            near("logits", &model.logits(&x)?)?;
            near("energy", &model.energy(&x)?)?;
            near("joint", &model.joint_energy(&x, &y)?)?;
            near("score", &model.score(&x)?)?;
            network.set_training(true);
            let sgld = SgldOptions {
                steps: 10,
                step_size: Some(0.8),
                step_size_end: Some(0.2),
                noise: Some(0.0),
                clamp: Some((-1.0, 1.0)),
                clamp_grad: Some(0.25),
                ..Default::default()
            };
            near("chain", &Sampler::sgld(&sgld)?.sample(&model, &x)?)?;

            let options = JemOptions {
                p_y_given_x: 0.9,
                p_x: 0.7,
                p_xy: 0.3,
                energy_l2: 0.05,
                x_p: Some(x_p.clone()),
                fake_y: Some(fake_y.clone()),
                ..Default::default()
            };
            let loss = jem(&model, &x, &y, Some(&fake), &options)?;
            for term in [
                "total",
                "ce",
                "gap",
                "e_data",
                "e_fake",
                "p_xy",
                "energy_l2",
                "accuracy",
            ] {
                near(term, &loss.term(term).unwrap())?;
            }
            let named: Vec<_> = network
                .parameters()
                .into_iter()
                .filter(|(_, p)| p.trainable())
                .collect();
            let leaves: Vec<Tensor> = named.iter().map(|(_, p)| p.get()).collect();
            let gradients =
                Tensor::gradients(&loss.total, &leaves.iter().collect::<Vec<_>>(), false)?;
            for ((path, _), gradient) in named.iter().zip(gradients) {
                if *name == "cnn" && path == "0.bias" {
                    // Batch norm takes a constant away: this gradient is 0, and two roundings of 0
                    // do not compare.
                    assert!(gradient.norm()?.item()? < 1e-5, "{path}: {gradient}");
                    continue;
                }
                near(&format!("grad.{path}"), &gradient)?;
            }
            for (path, p) in network
                .parameters()
                .into_iter()
                .filter(|(_, p)| !p.trainable())
            {
                near(&format!("after.{path}"), &p.get())?;
            }
        }
        let smooth = CrossEntropyOptions {
            label_smoothing: 0.1,
        };
        let loss = cross_entropy(&x.flatten(1)?.narrow(1, 0, 5)?, &y, &smooth)?;
        compared.near(
            "smooth",
            &loss,
            theirs.get(&format!("{kind}:smooth")),
            bound,
        )?;
        compared.near(
            "mse",
            &mse(&x, &x_p)?,
            theirs.get(&format!("{kind}:mse")),
            bound,
        )?;
    }
    compared.finish(60);
    Ok(())
}

#[test]
fn one_pass_gives_what_separate_passes_give() -> Result<()> {
    seed(2, Stream::Init, 0);
    let conv = Network::of(Conv2d::new(1, 4, 3, &Conv2dOptions::default())?);
    let spectral = SpectralNorm::new(conv, &SpectralNormOptions::default())?;
    let spectral = vec![
        Network::of(spectral),
        Network::of(Flatten),
        of(linear(64, 5)),
    ];
    let mut nets = networks();
    nets.push(("spectral", of(Sequential::new(spectral))));
    for (name, inner) in nets {
        // Statistics of a batch, and a power iteration at each pass, tie rows together.
        inner.set_training(true);
        assert_eq!(Energy::joint(&inner).rowwise(), name == "mlp", "{name}");
        inner.set_training(false);
        one_pass_is_separate_passes(&inner)?;
    }
    Ok(())
}

fn one_pass_is_separate_passes(inner: &Network) -> Result<()> {
    // A layer written by the user may mix rows, so that batches pass one by one.
    let odd = Network::of(Lambda::from_fn(|x| Ok(x.clone())));
    let odd = of(Sequential::new(vec![odd, inner.clone()]));
    let (together, apart) = (Energy::joint(inner), Energy::joint(&odd));
    assert!(together.rowwise() && !apart.rowwise());
    let batches = batches()?;
    let y = Tensor::of_ints(&[0, 4, 2, 1, 1, 3, 0])?;
    let options = JemOptions {
        energy_l2: 0.1,
        p_xy: 0.5,
        x_p: Some(batches[1].1.clone()),
        fake_y: Some(batches[3].1.clone()),
        ..Default::default()
    };
    let gradient = |model: &Energy| -> Result<(Tensor, Tensor)> {
        let total = jem(model, &batches[0].1, &y, Some(&batches[2].1), &options)?.total;
        let trainable = inner
            .parameters()
            .into_iter()
            .filter(|(_, p)| p.trainable());
        let leaves: Vec<Tensor> = trainable.map(|(_, p)| p.get()).collect();
        let found = Tensor::gradients(&total, &leaves.iter().collect::<Vec<_>>(), false)?;
        let flat: Result<Vec<Tensor>> = found.iter().map(|g| g.reshape(&[-1])).collect();
        Ok((total.detach(), Tensor::cat(&flat?, 0)?))
    };
    let (a, b) = (gradient(&together)?, gradient(&apart)?);
    assert!(distance(&a.0, &b.0)? < 1e-6 && distance(&a.1, &b.1)? < 1e-5);
    Ok(())
}

#[test]
fn samples_are_held_fixed_and_terms_without_weight_need_nothing() -> Result<()> {
    seed(3, Stream::Init, 0);
    let model = Energy::joint(&networks().swap_remove(0).1);
    let batches = batches()?;
    let (x, y) = (&batches[0].1, Tensor::of_ints(&[0, 4, 2, 1, 1, 3, 0])?);
    let live = batches[2].1.leaf()?;
    let loss = jem(&model, x, &y, Some(&live), &JemOptions::default())?;
    let error = Tensor::gradients(&loss.total, &[&live], false)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("does not depend on the tensor"), "{error}");
    assert_eq!(
        loss.names(),
        ["total", "ce", "gap", "e_data", "e_fake", "accuracy"]
    );
    // Cross-entropy alone: no samples, and the total is the cross-entropy.
    let plain = jem(
        &model,
        x,
        &y,
        None,
        &JemOptions {
            p_x: 0.0,
            ..Default::default()
        },
    )?;
    assert_eq!(
        plain.total.item()?,
        cross_entropy(&model.logits(x)?, &y, &Default::default())?.item()?
    );
    assert!(plain.term("gap").is_none() && plain.term("e_data").is_some());
    // The contrastive loss is the p(x) term.
    let only = JemOptions {
        p_y_given_x: 0.0,
        energy_l2: 0.2,
        ..Default::default()
    };
    let a = jem(&model, x, &y, Some(&live), &only)?;
    let b = contrastive(&model, x, &live, &ContrastiveOptions { energy_l2: 0.2 })?;
    assert!((a.total.item()? - b.total.item()?).abs() < 1e-6);
    Ok(())
}

#[test]
fn wrong_uses_are_errors_with_hints() -> Result<()> {
    let model = Energy::joint(&networks().swap_remove(0).1);
    let batches = batches()?;
    let (x, fake) = (&batches[0].1, &batches[2].1);
    let y = Tensor::of_ints(&[0, 4, 2, 1, 1, 3, 0])?;
    let error = |y: &Tensor, fake: Option<&Tensor>, o: JemOptions| {
        let error = jem(&model, x, y, fake, &o).err().unwrap().to_string();
        assert!(error.starts_with("loss::jem:"), "{error}");
        error
    };
    let d = JemOptions::default;
    assert!(error(&y, None, d()).contains("p_x: 0"));
    assert!(error(&y, Some(fake), JemOptions { p_xy: 1.0, ..d() }).contains("fake_y"));
    assert!(error(&y, Some(fake), JemOptions { p_x: -1.0, ..d() }).contains("at least 0"));
    assert!(
        error(
            &y,
            None,
            JemOptions {
                p_x: 0.0,
                p_y_given_x: 0.0,
                ..d()
            }
        )
        .contains("nothing to minimise")
    );
    assert!(error(&Tensor::of_ints(&[0, 1])?, Some(fake), d()).contains("one label per row"));
    assert!(
        error(&Tensor::of_ints(&[0, 5, 0, 0, 0, 0, 0])?, Some(fake), d())
            .contains("label 5 for 5 classes")
    );
    assert!(
        error(&Tensor::of_ints(&[0, -1, 0, 0, 0, 0, 0])?, Some(fake), d()).contains("label -1")
    );
    assert!(error(&y, Some(&Tensor::zeros(&[7, 36])?), d()).contains("rows like x"));
    let few = Some(batches[3].1.narrow(0, 0, 3)?);
    assert!(
        error(
            &y,
            Some(fake),
            JemOptions {
                p_xy: 1.0,
                fake_y: few,
                ..d()
            }
        )
        .contains("one sample per label")
    );
    assert!(
        jem(&model.given(1)?, x, &y, Some(fake), &d())
            .err()
            .unwrap()
            .to_string()
            .contains("no classes")
    );
    assert!(mse(x, &y).is_err());
    let smoothing = CrossEntropyOptions {
        label_smoothing: 2.0,
    };
    assert!(cross_entropy(&model.logits(x)?, &y, &smoothing).is_err());
    Ok(())
}

const TRAINED: &str = r#"
from torch import nn
import torch.nn.functional as F
net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4, momentum=0.9), nn.SiLU(), nn.Flatten(), nn.Linear(144, 5))
net.load_state_dict({k: v for k, v in given.items() if k[0].isdigit()}, strict=False)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=4e-4)
chain, y = given["start"], given["y"]
net.train()
for t in range(4):
    x, x_p = given[f"x{t}"], given[f"x_p{t}"]
    z = chain.repeat(7, 1, 1, 1)
    for _ in range(3):
        z = z.detach().requires_grad_()
        g = torch.autograd.grad(net(z).logsumexp(1).sum(), z)[0]
        z = (z + g.clamp(-1, 1)).clamp(-1, 1).detach()
    chain = z[-1:]
    f_p, f_q, f = net(x_p), net(z), net(x)
    loss = F.cross_entropy(f, y) + f_q.logsumexp(1).mean() - f_p.logsumexp(1).mean()
    opt.zero_grad(); loss.backward(); opt.step()
    made[f"loss{t}"] = loss
    for k, v in net.state_dict().items():
        if "num_batches" not in k:
            made[f"{k}:{t}"] = v.clone()
"#;

/// JEM++'s iteration with batch norm: the sampler in training mode, the labelled batch last, and a
/// log that looks at the energy of noise without touching what it looks at. All weights and running
/// statistics, after each of four steps.
#[test]
fn a_training_with_batch_norm_is_pytorch_s_step_by_step() -> Result<()> {
    use jemscript::optim::{Optimizer, SgdOptions};
    use jemscript::sampler::{Replay, ReplayOptions};
    tch::set_num_threads(1);
    seed(3, Stream::Init, 0);
    let norm = of(BatchNorm2d::new(
        4,
        &BatchNorm2dOptions {
            momentum: 0.9,
            ..Default::default()
        },
    ));
    let conv = of(Conv2d::new(
        1,
        4,
        3,
        &Conv2dOptions {
            padding: 1,
            ..Default::default()
        },
    ));
    let linear = of(Linear::new(144, 5, &LinearOptions::default()));
    let net = of(Sequential::new(vec![
        conv,
        norm,
        silu(),
        Network::of(Flatten),
        linear,
    ]));
    let batch = || Tensor::uniform(&[ROWS, 1, 6, 6], -1.0, 1.0);
    let y = Tensor::of_ints(&[0, 4, 2, 1, 1, 3, 0])?;
    let start = batch()?.narrow(0, 0, 1)?.copy()?;
    let mut given = Tensors::from([
        ("y".to_owned(), y.clone()),
        ("start".to_owned(), start.clone()),
    ]);
    for (path, p) in net.parameters() {
        given.insert(path, p.get().detach().copy()?);
    }
    let batches: Vec<(Tensor, Tensor)> = (0..4)
        .map(|_| Ok((batch()?, batch()?)))
        .collect::<Result<_>>()?;
    for (t, (x, x_p)) in batches.iter().enumerate() {
        given.insert(format!("x{t}"), x.clone());
        given.insert(format!("x_p{t}"), x_p.clone());
    }
    let theirs = python_tensors(TRAINED, &given)?;

    let model = Energy::joint(&net);
    // One entry: every chain of a draw starts there, whatever the generator says.
    let chains = Replay::new(
        &[1, 6, 6],
        &ReplayOptions {
            size: 1,
            restart: 0.0,
            ..Default::default()
        },
    )?;
    chains.load_entries(&std::collections::BTreeMap::from([(
        "entries".to_owned(),
        start,
    )]))?;
    let sgld = Sampler::sgld(&SgldOptions {
        steps: 3,
        step_size: Some(1.0),
        noise: Some(0.0),
        clamp: Some((-1.0, 1.0)),
        clamp_grad: Some(1.0),
        mode: NetworkMode::Train,
        ..Default::default()
    })?;
    let rate = SgdOptions {
        lr: 0.1.into(),
        momentum: 0.9,
        weight_decay: 4e-4,
        ..Default::default()
    };
    let opt = Optimizer::sgd(model.parameters(), &rate)?;
    let mut compared = Comparison::default();
    net.set_training(true);
    for (t, (x, x_p)) in batches.iter().enumerate() {
        jemscript::record::listen();
        let fake = chains.sample(&sgld, &model, ROWS, None)?;
        let loss = jem(
            &model,
            x,
            &y,
            Some(&fake),
            &JemOptions {
                x_p: Some(x_p.clone()),
                ..Default::default()
            },
        )?;
        opt.step(&loss.total)?;
        assert!(
            jemscript::record::take()
                .iter()
                .any(|(name, _)| name == "e_noise"),
            "the look was taken"
        );
        let key = format!("loss{t}");
        compared.near(&key, &loss.total.detach(), theirs.get(&key), 1e-4)?;
        for (path, p) in net.parameters() {
            let key = format!("{path}:{t}");
            compared.near(&key, &p.get().detach(), theirs.get(&key), 1e-4)?;
        }
    }
    compared.finish(4 * 9);
    Ok(())
}
