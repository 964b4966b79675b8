//! Networks of the official JEM code: written in PyTorch by the test, saved by `torch.save`, read
//! here; logits, energies, scores and gradients agree. TorchScript modules likewise.

use crate::common;

use std::path::Path;

use common::{Comparison, Tensors, python, python_tensors};
use jemscript::energy::Energy;
use jemscript::nn::*;
use jemscript::optim::{AdamOptions, Optimizer};
use jemscript::run::{About, Run};
use jemscript::sampler::{Replay, ReplayOptions};
use jemscript::script::{Program, Settings};
use jemscript::tensor::{Kind, no_grad};
use jemscript::{Result, Tensor};

/// The official layout, in the words of this test.
const LAYOUT: &str = r#"
import torch
from torch import nn
import torch.nn.functional as F
from torch.nn.utils import weight_norm, spectral_norm
def conv(i, o, k, s, norm):
    made = nn.Conv2d(i, o, k, stride=s, padding=k // 2, bias=True)
    return weight_norm(made) if norm == "weight" else made
def make_norm(c, norm):
    groups = max(g for g in range(1, 33) if c % g == 0)
    return {"none": nn.Identity, "weight": nn.Identity, "batch": lambda: nn.BatchNorm2d(c, momentum=.9),
            "layer": lambda: nn.GroupNorm(1, c), "group": lambda: nn.GroupNorm(groups, c),
            "instance": lambda: nn.InstanceNorm2d(c, affine=True)}[norm]()
class Block(nn.Module):
    def __init__(self, i, o, s, norm):
        super().__init__()
        self.bn1, self.conv1 = make_norm(i, norm), conv(i, o, 3, 1, norm)
        self.bn2, self.conv2 = make_norm(o, norm), conv(o, o, 3, s, norm)
        self.shortcut = nn.Sequential()
        if s != 1 or i != o:
            self.shortcut = nn.Sequential(conv(i, o, 1, s, norm))
    def forward(self, x):
        h = self.conv1(F.leaky_relu(self.bn1(x), .2))
        return self.conv2(F.leaky_relu(self.bn2(h), .2)) + self.shortcut(x)
class Wide(nn.Module):
    def __init__(self, depth, width, norm="none", channels=3):
        super().__init__()
        n, w = (depth - 4) // 6, [16, 16 * width, 32 * width, 64 * width]
        self.conv1 = conv(channels, 16, 3, 1, norm)
        for l in (1, 2, 3):
            blocks = [Block(w[l - 1] if b == 0 else w[l], w[l], 2 if l > 1 and b == 0 else 1, norm) for b in range(n)]
            setattr(self, f"layer{l}", nn.Sequential(*blocks))
        self.bn1 = make_norm(w[3], norm)
        self.linear = nn.Linear(w[3], 10)
        self.width = w[3]
    def forward(self, x):
        h = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return F.avg_pool2d(F.leaky_relu(self.bn1(h), .2), 8).flatten(1)
class Model(nn.Module):
    def __init__(self, depth, width, norm="none", classes=10, channels=3):
        super().__init__()
        self.f = Wide(depth, width, norm, channels)
        self.energy_output = nn.Linear(self.f.width, 1)
        self.class_output = nn.Linear(self.f.width, classes)
    def forward(self, x):
        return self.class_output(self.f(x))
"#;

const NORMS: [&str; 6] = ["none", "batch", "layer", "group", "instance", "weight"];

fn wide(norm: &str) -> Result<Network> {
    Ok(WideResNet::new(
        10,
        2,
        &WideResNetOptions {
            norm: NormChoice::of(norm).unwrap(),
            ..Default::default()
        },
    )?
    .into())
}

#[test]
fn official_checkpoints_give_the_same_energies() -> Result<()> {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let program = format!(
        r#"{LAYOUT}
import os
torch.manual_seed(3)
x = torch.rand(2, 3, 32, 32) * 2 - 1
made["x"] = x
for norm in {NORMS:?}:
    model = Model(10, 2, norm)
    for p in model.parameters():
        p.data += .05 * torch.randn_like(p)
    with torch.no_grad():
        model(torch.randn(8, 3, 32, 32))
    for new in (True, False):
        name = norm + ("" if new else "-old") + ".pt"
        weights = model.state_dict() if new else {{"module." + k: v for k, v in model.state_dict().items()}}
        torch.save({{"model_state_dict": weights, "replay_buffer": torch.rand(20, 3, 32, 32)}},
                   os.path.join({folder:?}, name), _use_new_zipfile_serialization=new)
    for mode in ("train", "eval") if norm == "batch" else ("eval",):
        model.train(mode == "train")
        leaf = x.clone().requires_grad_()
        logits = model(leaf)
        log_p = logits.logsumexp(1)
        key = norm + "/" + mode
        made[key + "/logits"], made[key + "/energy"] = logits, -log_p
        made[norm + "/count"] = torch.tensor(float(sum(
            p.numel() for n, p in model.named_parameters() if not n.startswith(("f.linear", "energy")))))
        names, params = zip(*[(n, p) for n, p in model.named_parameters() if not n.startswith(("f.linear", "energy"))])
        score, *found = torch.autograd.grad(log_p.sum(), [leaf, *params])
        made[key + "/score"] = score
        for n, g in zip(names, found):
            made[key + "/d/" + n] = g
"#,
        folder = folder.path()
    );
    let theirs = python_tensors(&program, &Tensors::new())?;
    let x = &theirs["x"];
    let mut compared = Comparison::default();
    for norm in NORMS {
        let old = format!("{norm}-old.pt");
        for file in
            [format!("{norm}.pt"), old]
                .into_iter()
                .take(if norm == "none" || norm == "batch" {
                    2
                } else {
                    1
                })
        {
            let path = folder.path().join(&file);
            let net = wide(norm)?;
            let left_out = net.load_weights(&path, &LoadOptions::default())?.left_out;
            assert_eq!(
                left_out,
                [
                    "energy_output.bias",
                    "energy_output.weight",
                    "f.linear.bias",
                    "f.linear.weight"
                ]
            );
            assert_eq!(
                net.parameter_count() as f64,
                theirs[&format!("{norm}/count")].item()?,
                "{norm}"
            );
            let model = Energy::joint(&net);
            // The others behave alike in both modes.
            for mode in ["train", "eval"]
                .into_iter()
                .filter(|m| norm == "batch" || *m == "eval")
            {
                net.set_training(mode == "train");
                let mut near = |what: &str, ours: &Tensor| {
                    let key = format!("{norm}/{mode}/{what}");
                    compared.near(&format!("{file} {key}"), ours, theirs.get(&key), 1e-5)
                };
                // Running means move with each pass in training mode: one pass each.
                let leaf = x.leaf()?;
                let logits = net.forward(&leaf)?;
                let log_p = logits.logsumexp(1)?;
                near("logits", &logits)?;
                near("energy", &log_p.neg()?)?;
                let trained: Vec<_> = net
                    .parameters()
                    .into_iter()
                    .filter(|(_, p)| p.trainable())
                    .collect();
                let values: Vec<Tensor> = std::iter::once(leaf.clone())
                    .chain(trained.iter().map(|(_, p)| p.get()))
                    .collect();
                let found =
                    Tensor::gradients(&log_p.sum()?, &values.iter().collect::<Vec<_>>(), false)?;
                near("score", &found[0])?;
                for ((name, _), gradient) in trained.iter().zip(&found[1..]) {
                    // In front of a norm by channel a convolution's bias has a gradient of 0, give
                    // or take rounding.
                    let nothing = name.ends_with(".bias")
                        && (name.contains(".conv") || name.contains(".shortcut"));
                    let alone = norm == "group" && name.starts_with("f.layer1.0.conv1"); // as many groups as channels
                    if !(nothing && (matches!(norm, "batch" | "instance") || alone)) {
                        near(&format!("d/{name}"), gradient)?;
                    }
                }
                if mode == "eval" {
                    near("energy", &model.energy(x)?)?;
                    near("score", &model.score(x)?)?;
                }
            }
        }
        let chains = Replay::new(
            &[3, 32, 32],
            &ReplayOptions {
                size: 20,
                ..Default::default()
            },
        )?;
        let file = jemscript::formats::read_tensors(&folder.path().join(format!("{norm}.pt")))?;
        chains.load_entries(&jemscript::formats::tensors_in(&file))?;
        assert!(chains.all()?.min()?.item()? >= 0.0);
        let other = Replay::new(
            &[3, 16, 16],
            &ReplayOptions {
                size: 20,
                ..Default::default()
            },
        )?;
        let said = other
            .load_entries(&jemscript::formats::tensors_in(&file))
            .err()
            .map(|e| e.to_string());
        assert!(
            said.unwrap_or_default()
                .contains("needs 20 entries of [3, 16, 16], the file has [20, 3, 32, 32]")
        );
    }
    compared.finish(200);
    Ok(())
}

/// The names and shapes of the paper's network, without its numbers.
#[test]
fn the_names_are_the_official_ones() -> Result<()> {
    let said = python(&format!(
        "{LAYOUT}\nwith torch.device('meta'):\n    m = Model(28, 10)\nfor n, t in m.state_dict().items():\n    print(n, list(t.shape))"
    ))?;
    let theirs: std::collections::BTreeSet<&str> = said
        .lines()
        .filter(|l| !l.starts_with("f.linear") && !l.starts_with("energy_output"))
        .collect();
    let net = Network::of(WideResNet::new(28, 10, &WideResNetOptions::default())?);
    let ours: Vec<String> = net
        .parameters()
        .iter()
        .map(|(name, p)| format!("{name} {:?}", p.shape()))
        .collect();
    assert_eq!(
        ours.iter()
            .map(String::as_str)
            .collect::<std::collections::BTreeSet<_>>(),
        theirs
    );
    assert_eq!(net.parameter_count(), 36_471_338);
    Ok(())
}

#[test]
fn what_does_not_fit_is_listed() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    python(&format!(
        r#"{LAYOUT}
m = Model(10, 1)
torch.save(m.state_dict(), {0:?} + "/w.pt")
torch.save({{**m.state_dict(), "f.more": torch.zeros(3)}}, {0:?} + "/more.pt")
torch.save({{k[2:]: v for k, v in m.state_dict().items() if k.startswith("f.")}}, {0:?} + "/plain.pt")
torch.save([1, 2], {0:?} + "/list.pt")
"#,
        folder.path()
    ))?;
    let small =
        |o: WideResNetOptions| -> Result<Network> { Ok(WideResNet::new(10, 1, &o)?.into()) };
    let path = |name: &str| folder.path().join(name);
    let said = |net: &Network, name: &str, strict: bool| {
        net.load_weights(
            &path(name),
            &LoadOptions {
                strict,
                ..Default::default()
            },
        )
        .err()
        .map(|e| e.to_string())
        .unwrap_or_default()
    };
    let usual = small(WideResNetOptions::default())?;
    assert_eq!(said(&usual, "w.pt", true), "");
    assert!(said(&usual, "more.pt", true).contains("missing: []; unexpected: [f.more]"));
    let left_out = usual
        .load_weights(
            &path("more.pt"),
            &LoadOptions {
                strict: false,
                ..Default::default()
            },
        )?
        .left_out;
    assert!(left_out.contains(&"f.more".to_owned()));
    // Other code's names for the same network.
    assert_eq!(said(&usual, "plain.pt", true), "");
    let classes = small(WideResNetOptions {
        classes: 7,
        ..Default::default()
    })?;
    assert!(
        said(&classes, "w.pt", true)
            .contains("`class_output.weight` is [10, 64], the network's is [7, 64]")
    );
    let normed = small(WideResNetOptions {
        norm: NormChoice::Batch,
        ..Default::default()
    })?;
    assert!(
        said(&normed, "w.pt", false).contains("missing: [f.layer1.0.bn1.weight, "),
        "{}",
        said(&normed, "w.pt", false)
    );
    assert!(said(&usual, "list.pt", true).contains("missing: [f.conv1.weight"));
    Ok(())
}

/// What wrappers of networks write before their names.
#[test]
fn weights_are_found_behind_what_wrappers_wrote() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    python(&format!(
        r#"
import os, torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
os.chdir({0:?})
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
other = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
sd, sd2 = net.state_dict(), other.state_dict()
pre = lambda p, d=sd: {{p + k: v for k, v in d.items()}}
save = torch.save
save(sd, "plain"); save(pre("module."), "ddp"); save(pre("_orig_mod."), "compile"); save(pre("_orig_mod.module."), "both")
save({{"model": pre("module._orig_mod."), "n": 1}}, "inside"); save({{"state_dict": pre("net."), "epoch": 3}}, "lightning")
a = AveragedModel(net); a.update_parameters(net); save(a.state_dict(), "average"); save({{"ema": pre("shadow.")}}, "shadow")
save({{**pre("a."), **pre("b.c."), **sd}}, "thrice"); save({{"model": sd, "optimizer": {{"state": [torch.zeros(4, 3)]}}}}, "optimiser")
save({{**pre("ema_model.", sd2), **pre("online_model."), "step": torch.tensor(3)}}, "two")
save({{"state_dict": {{**pre("model."), "criterion.weight": torch.zeros(5)}}}}, "criterion")
save({{k: v for k, v in sd.items() if k != "2.bias"}}, "lacks")
save({{**sd, **pre("module.", sd2)}}, "collision")
"#,
        folder.path()
    ))?;
    let new = || -> Result<Network> {
        let (first, last) = (
            Linear::new(3, 4, &LinearOptions::default())?,
            Linear::new(4, 2, &LinearOptions::default())?,
        );
        Ok(Sequential::new(vec![first.into(), Activation::Tanh.into(), last.into()])?.into())
    };
    let path = |name: &str| folder.path().join(name);
    let plain = new()?;
    assert!(
        plain
            .load_weights(&path("plain"), &LoadOptions::default())?
            .taken
            .is_empty()
    );
    let x = Tensor::ones(&[2, 3])?;
    let same = |net: &Network| -> Result<bool> {
        Ok(net.forward(&x)?.to_vec()? == plain.forward(&x)?.to_vec()?)
    };
    for (name, taken) in [
        ("ddp", "module."),
        ("compile", "_orig_mod."),
        ("both", "_orig_mod., module."),
        ("inside", "_orig_mod., module."),
        ("lightning", "net."),
        ("average", "module."),
        ("shadow", "shadow."),
        ("thrice", ""),
        ("optimiser", ""),
    ] {
        let net = new()?;
        let loaded = net
            .load_weights(&path(name), &LoadOptions::default())
            .map_err(|e| e.context(name))?;
        assert!(
            same(&net)? && loaded.left_out.is_empty(),
            "{name}: {loaded:?}"
        );
        assert_eq!(loaded.taken.join(", "), taken, "{name}");
    }
    let said = |name: &str, options: &LoadOptions| {
        new()
            .and_then(|net| net.load_weights(&path(name), options))
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    };
    let strict = LoadOptions::default();
    for name in ["two", "collision"] {
        let text = said(name, &strict);
        assert!(
            text.contains("holds 2 sets of weights that fit") && text.contains("`prefix`"),
            "{name}: {text}"
        );
    }
    let part = |part: &str| LoadOptions {
        prefix: part.to_owned(),
        strict: false,
        ..Default::default()
    };
    let net = new()?;
    net.load_weights(&path("two"), &part("online_model"))?;
    assert!(same(&net)?);
    net.load_weights(&path("two"), &part("ema_model"))?;
    assert!(!same(&net)?);
    assert!(
        said("criterion", &strict).contains("unexpected: [criterion.weight]"),
        "{}",
        said("criterion", &strict)
    );
    let loaded = net.load_weights(
        &path("criterion"),
        &LoadOptions {
            strict: false,
            ..Default::default()
        },
    )?;
    assert!(same(&net)? && loaded.left_out == ["criterion.weight"]);
    assert!(
        said("lacks", &strict).contains("missing: [2.bias]"),
        "{}",
        said("lacks", &strict)
    );
    let loaded = net.load_weights(
        &path("lacks"),
        &LoadOptions {
            complete: false,
            ..Default::default()
        },
    )?;
    assert_eq!(loaded.missing, ["2.bias"]);
    Ok(())
}

/// Spectral norm: u and v go on alike, outputs and gradients agree, in both modes and both of
/// PyTorch's ways to write it.
#[test]
fn spectral_norm_agrees_with_pytorch() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let theirs = python_tensors(
        &format!(
            r#"
from torch import nn
from torch.nn.utils import spectral_norm, weight_norm
from torch.nn.utils.parametrizations import spectral_norm as spectral_new, weight_norm as weight_new
torch.manual_seed(1)
made["x"] = x = torch.randn(3, 4, 6, 6)
for i, n in enumerate((1, 3)):
    net = nn.Sequential(spectral_norm(nn.Conv2d(4, 5, 3), n_power_iterations=n), nn.Tanh(), nn.Flatten(),
                        spectral_norm(nn.Linear(80, 3), n_power_iterations=n))
    torch.save(net.state_dict(), {0:?} + f"/{{i}}.pt")
    for step in range(4):
        if step == 3:
            net.eval()
        leaf = x.clone().requires_grad_()
        y = net(leaf)
        names, params = zip(*net.named_parameters())
        dx, *found = torch.autograd.grad(y.square().sum(), [leaf, *params])
        made[f"{{i}}/{{step}}/y"], made[f"{{i}}/{{step}}/dx"] = y, dx
        for name, g in zip(names, found):
            made[f"{{i}}/{{step}}/{{name}}"] = g
        made[f"{{i}}/{{step}}/u"] = net[0].weight_u.clone()
new = nn.Sequential(spectral_new(nn.Linear(6, 3)), weight_new(nn.Linear(3, 2))).eval()
torch.save(new.state_dict(), {0:?} + "/new.pt")
made["new"] = new(torch.ones(1, 6))
"#,
            folder.path()
        ),
        &Tensors::new(),
    )?;
    let mut compared = Comparison::default();
    for (i, n) in [1, 3].into_iter().enumerate() {
        let options = SpectralNormOptions {
            n_power_iterations: n,
            ..Default::default()
        };
        let conv = SpectralNorm::new(
            Conv2d::new(4, 5, 3, &Conv2dOptions::default())?.into(),
            &options,
        )?;
        let linear = SpectralNorm::new(
            Linear::new(80, 3, &LinearOptions::default())?.into(),
            &options,
        )?;
        let net: Network = Sequential::new(vec![
            conv.into(),
            Activation::Tanh.into(),
            Flatten.into(),
            linear.into(),
        ])?
        .into();
        net.load_weights(
            &folder.path().join(format!("{i}.pt")),
            &LoadOptions::default(),
        )?;
        for step in 0..4 {
            net.set_training(step < 3);
            let mut near = |what: &str, ours: &Tensor| {
                let key = format!("{i}/{step}/{what}");
                compared.near(&key, ours, theirs.get(&key), 1e-5)
            };
            let leaf = theirs["x"].leaf()?;
            let y = net.forward(&leaf)?;
            let trained: Vec<_> = net
                .parameters()
                .into_iter()
                .filter(|(_, p)| p.trainable())
                .collect();
            let values: Vec<Tensor> = std::iter::once(leaf.clone())
                .chain(trained.iter().map(|(_, p)| p.get()))
                .collect();
            let found = Tensor::gradients(
                &y.square()?.sum()?,
                &values.iter().collect::<Vec<_>>(),
                false,
            )?;
            near("y", &y)?;
            near("dx", &found[0])?;
            for ((name, _), gradient) in trained.iter().zip(&found[1..]) {
                near(name, gradient)?;
            }
            near(
                "u",
                &net.parameters()
                    .into_iter()
                    .find(|(name, _)| name == "0.weight_u")
                    .unwrap()
                    .1
                    .get(),
            )?;
        }
    }
    let spectral = SpectralNorm::new(
        Linear::new(6, 3, &LinearOptions::default())?.into(),
        &SpectralNormOptions::default(),
    )?;
    let weight = WeightNorm::new(Linear::new(3, 2, &LinearOptions::default())?.into())?;
    let net = Network::of(Sequential::new(vec![spectral.into(), weight.into()])?);
    net.load_weights(&folder.path().join("new.pt"), &LoadOptions::default())?;
    net.set_training(false);
    compared.near(
        "new",
        &net.forward(&Tensor::ones(&[1, 6])?)?,
        theirs.get("new"),
        1e-5,
    )?;
    compared.finish(50);
    Ok(())
}

fn program(folder: &Path, trust: bool) -> Program {
    let program = Program::new(Settings {
        folder: folder.to_path_buf(),
        trust,
        ..Settings::default()
    });
    program
        .session
        .set_run(Run::exactly(&folder.join("run"), About::default()).unwrap());
    program
}

#[test]
fn torchscript_modules_are_networks() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let theirs = python_tensors(
        &format!(
            r#"
from torch import nn
torch.manual_seed(1)
net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(144, 10))
class Two(nn.Module):
    def forward(self, x):
        return x, x
torch.jit.script(net).save({0:?} + "/net.pt")
torch.jit.trace(Two(), torch.zeros(2)).save({0:?} + "/two.pt")
torch.save(net.state_dict(), {0:?} + "/weights.pt")
made["x"] = x = torch.randn(5, 1, 8, 8).requires_grad_()
net.eval()
y = net(x)
made["y"] = y
made["dx"], = torch.autograd.grad(y.logsumexp(1).sum(), x)
"#,
            folder.path()
        ),
        &Tensors::new(),
    )?;
    let frozen = TorchScriptOptions::default();
    let net = Network::of(TorchScript::load(
        &folder.path().join("net.pt"),
        "net.pt",
        &frozen,
    )?);
    let mut compared = Comparison::default();
    let guard = no_grad();
    compared.near("y", &net.forward(&theirs["x"])?, theirs.get("y"), 1e-5)?;
    drop(guard);
    compared.near(
        "dx",
        &Energy::joint(&net).score(&theirs["x"])?,
        theirs.get("dx"),
        1e-5,
    )?;
    assert_eq!(net.output_shape(&[64, 1, 8, 8])?, [64, 10]);
    assert_eq!((net.parameter_count(), net.training()), (0, false));
    compared.finish(2);
    let said = |e: Option<jemscript::Error>| e.map(|e| e.to_string()).unwrap_or_default();
    for shape in [vec![2, 3, 8, 8], vec![2, 1, 9, 9], vec![7]] {
        let text = said(net.forward(&Tensor::zeros(&shape)?).err());
        assert!(
            text.starts_with("torchscript(\"net.pt\"): cannot take the input "),
            "{text}"
        );
        assert!(
            text.lines().count() == 2 && !text.contains("frame #") && !text.contains("Traceback"),
            "{text}"
        );
    }
    let text = said(
        net.forward(&Tensor::zeros(&[2, 1, 8, 8])?.to_kind(Kind::Double)?)
            .err(),
    );
    assert!(
        text.starts_with("torchscript(\"net.pt\"): its weights are float32, the input is float64"),
        "{text}"
    );
    let two = TorchScript::load(&folder.path().join("two.pt"), "two.pt", &frozen)?;
    assert!(said(two.forward(&Tensor::zeros(&[2])?).err()).contains("other than one tensor"));
    let text =
        said(TorchScript::load(&folder.path().join("weights.pt"), "weights.pt", &frozen).err());
    assert!(
        text.contains("is no TorchScript module") && text.lines().count() == 2,
        "{text}"
    );

    // Trained: the module's own weights follow the optimiser.
    let trained = TorchScriptOptions { trainable: true };
    let net = Network::of(TorchScript::load(
        &folder.path().join("net.pt"),
        "net.pt",
        &trained,
    )?);
    assert_eq!(net.parameter_count(), 1498);
    let rate = AdamOptions {
        lr: 0.01.into(),
        ..Default::default()
    };
    let opt = Optimizer::adam(net.parameters(), &rate)?;
    let error = || -> Result<Tensor> { net.forward(&theirs["x"])?.sub(1.0)?.square()?.mean() };
    let before = error()?.item()?;
    for _ in 0..30 {
        opt.step(&error()?)?;
    }
    assert!(
        error()?.item()? < 0.2 * before,
        "{before}, then {}",
        error()?.item()?
    );

    // In a script: only what is trusted runs, and what it gives is a network like others.
    let code = r#"
        let features = nn::torchscript("net.pt");
        let model = energy::joint(nn::sequential([features, nn::silu(), nn::linear(10, 3)]));
        let opt = optim::adam(model);
        opt.step(model.energy(tensor::randn([4, 1, 8, 8])).mean());
        print(features);
    "#;
    let refused = program(folder.path(), false)
        .run_text("script", code)
        .err()
        .map(|e| e.text)
        .unwrap_or_default();
    assert!(
        refused.contains("no foreign program is run unasked") && refused.contains("--trust"),
        "{refused}"
    );
    if let Err(e) = program(folder.path(), true).run_text("script", code) {
        panic!("{}", e.text);
    }
    let looked_at = r#"
        let net = nn::torchscript("net.pt");
        let x = tensor::ones([2, 1, 8, 8]);
        net.eval_mode();
        let before = net.forward(x).to_array();
        net.train_mode();
        let look = |part| net.forward(part.x * 100.0).mean().item();
        train(data::digits(), #{ iterations: 1, validate: look }, |batch| #{ total: batch.x.mean() });
        let training = net.training;
        net.eval_mode();
        let after = net.forward(x).to_array();
        return [training, before.to_string() == after.to_string()];
    "#;
    let said_so = program(folder.path(), true)
        .run_text("script", looked_at)
        .map(|v| v.to_string());
    assert_eq!(
        said_so.map_err(|e| e.text).as_deref(),
        Ok("[true, true]"),
        "a look changes no statistics"
    );
    let outside = program(&folder.path().join("run"), true)
        .run_text("script", r#"nn::torchscript("../net.pt")"#);
    assert!(
        outside
            .err()
            .map(|e| e.text)
            .unwrap_or_default()
            .contains("may not read")
    );
    Ok(())
}
