//! Layers against PyTorch: on the same weights and inputs, outputs, gradients by input and weights,
//! second derivatives, and running statistics agree; from the same seed, so do the initial weights.

use crate::common;

use common::{Comparison, Tensors, python_tensors};
use jemscript::nn::*;
use jemscript::tensor::{Device, Kind, Stream, hashed_seed, seed};
use jemscript::{Result, Tensor};

/// A network of ours, the same in PyTorch, and the shape of a batch.
struct Case {
    ours: Network,
    theirs: &'static str,
    input: &'static [i64],
}

fn case(ours: impl Into<Network>, theirs: &'static str, input: &'static [i64]) -> Case {
    Case {
        ours: ours.into(),
        theirs,
        input,
    }
}

fn conv(i: i64, o: i64, kernel: i64, options: Conv2dOptions) -> Result<Network> {
    Ok(Conv2d::new(i, o, kernel, &options)?.into())
}

fn linear(i: i64, o: i64) -> Result<Network> {
    Ok(Linear::new(i, o, &LinearOptions::default())?.into())
}

/// By a factor of 1.5, or of other modes than the nearest to 6 × 7.
fn interpolate(mode: Interpolation, align_corners: bool) -> Result<Network> {
    let nearest = mode == Interpolation::Nearest;
    let (scale, size) = (nearest.then_some(1.5), (!nearest).then(|| vec![6, 7]));
    Ok(Interpolate::new(&InterpolateOptions {
        scale,
        size,
        mode,
        align_corners,
    })?
    .into())
}

fn cases() -> Result<Vec<Case>> {
    let usual = Conv2dOptions::default;
    let mut all = vec![
        case(conv(3, 8, 3, usual())?, "nn.Conv2d(3, 8, 3)", &[2, 3, 7, 6]),
        case(
            conv(
                3,
                8,
                3,
                Conv2dOptions {
                    padding: 1,
                    stride: 2,
                    bias: false,
                    ..usual()
                },
            )?,
            "nn.Conv2d(3, 8, 3, padding=1, stride=2, bias=False)",
            &[2, 3, 7, 6],
        ),
        case(
            conv(
                4,
                8,
                3,
                Conv2dOptions {
                    padding: 2,
                    dilation: 2,
                    groups: 2,
                    ..usual()
                },
            )?,
            "nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2)",
            &[2, 4, 7, 6],
        ),
        case(linear(12, 5)?, "nn.Linear(12, 5)", &[4, 12]),
        case(
            Conv1d::new(3, 8, 3, &usual())?,
            "nn.Conv1d(3, 8, 3)",
            &[2, 3, 7],
        ),
        case(
            Conv1d::new(
                4,
                8,
                3,
                &Conv2dOptions {
                    padding: 2,
                    dilation: 2,
                    stride: 2,
                    groups: 2,
                    ..usual()
                },
            )?,
            "nn.Conv1d(4, 8, 3, padding=2, dilation=2, stride=2, groups=2)",
            &[2, 4, 9],
        ),
        case(
            ConvTranspose2d::new(4, 6, 3, &ConvTranspose2dOptions::default())?,
            "nn.ConvTranspose2d(4, 6, 3)",
            &[2, 4, 5, 4],
        ),
        case(
            ConvTranspose2d::new(
                4,
                6,
                3,
                &ConvTranspose2dOptions {
                    stride: 2,
                    padding: 1,
                    output_padding: 1,
                    groups: 2,
                    bias: false,
                    ..Default::default()
                },
            )?,
            "nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False)",
            &[2, 4, 5, 4],
        ),
        case(
            MultiheadAttention::new(8, 2, &MultiheadAttentionOptions::default())?,
            "Attend(8, 2)",
            &[2, 5, 8],
        ),
        case(
            MultiheadAttention::new(
                8,
                4,
                &MultiheadAttentionOptions {
                    causal: true,
                    bias: false,
                },
            )?,
            "Attend(8, 4, causal=True, bias=False)",
            &[2, 5, 8],
        ),
        case(
            interpolate(Interpolation::Nearest, false)?,
            "nn.Upsample(scale_factor=1.5)",
            &[2, 3, 4, 5],
        ),
        case(
            interpolate(Interpolation::Bilinear, true)?,
            "nn.Upsample(size=[6, 7], mode='bilinear', align_corners=True)",
            &[2, 3, 4, 5],
        ),
        case(
            interpolate(Interpolation::Bicubic, false)?,
            "nn.Upsample(size=[6, 7], mode='bicubic')",
            &[2, 3, 4, 5],
        ),
        case(
            Linear::new(12, 5, &LinearOptions { bias: false })?,
            "nn.Linear(12, 5, bias=False)",
            &[4, 3, 12],
        ),
        case(
            BatchNorm2d::new(6, &BatchNorm2dOptions::default())?,
            "nn.BatchNorm2d(6)",
            &[5, 6, 4, 3],
        ),
        case(
            BatchNorm2d::new(6, &BatchNorm2dOptions::default())?,
            "nn.BatchNorm1d(6)",
            &[5, 6],
        ),
        case(
            BatchNorm2d::new(
                6,
                &BatchNorm2dOptions {
                    momentum: 0.9,
                    eps: 1e-3,
                    affine: false,
                    ..Default::default()
                },
            )?,
            "nn.BatchNorm2d(6, momentum=.9, eps=1e-3, affine=False)",
            &[5, 6, 4, 3],
        ),
        case(
            BatchNorm2d::new(
                6,
                &BatchNorm2dOptions {
                    track_running_stats: false,
                    ..Default::default()
                },
            )?,
            "nn.BatchNorm2d(6, track_running_stats=False)",
            &[5, 6, 4, 3],
        ),
        case(
            GroupNorm::new(3, 6, &GroupNormOptions::default())?,
            "nn.GroupNorm(3, 6)",
            &[5, 6, 4, 3],
        ),
        case(
            InstanceNorm2d::new(6, &InstanceNorm2dOptions::default())?,
            "nn.InstanceNorm2d(6)",
            &[5, 6, 4, 3],
        ),
        case(
            InstanceNorm2d::new(
                6,
                &InstanceNorm2dOptions {
                    affine: true,
                    eps: 1e-3,
                },
            )?,
            "nn.InstanceNorm2d(6, affine=True, eps=1e-3)",
            &[5, 6, 4, 3],
        ),
        case(
            LayerNorm::new(&[4, 3], &LayerNormOptions::default())?,
            "nn.LayerNorm([4, 3])",
            &[5, 6, 4, 3],
        ),
        case(
            AvgPool2d::new(2, &AvgPool2dOptions::default())?,
            "nn.AvgPool2d(2)",
            &[2, 3, 7, 6],
        ),
        case(
            AvgPool2d::new(
                3,
                &AvgPool2dOptions {
                    stride: Some(2),
                    padding: 1,
                },
            )?,
            "nn.AvgPool2d(3, stride=2, padding=1)",
            &[2, 3, 7, 6],
        ),
        case(
            MaxPool2d::new(
                3,
                &MaxPool2dOptions {
                    stride: Some(2),
                    padding: 1,
                },
            )?,
            "nn.MaxPool2d(3, stride=2, padding=1)",
            &[2, 3, 7, 6],
        ),
        case(
            AdaptiveAvgPool2d::new(3, 2)?,
            "nn.AdaptiveAvgPool2d((3, 2))",
            &[2, 3, 7, 6],
        ),
        case(
            GlobalAvgPool2d,
            "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())",
            &[2, 3, 7, 6],
        ),
        case(Reshape::new(&[2, -1])?, "nn.Unflatten(1, (2, 6))", &[4, 12]),
        case(
            Mlp::new(
                &[12, 7, 5],
                &MlpOptions {
                    activation: "elu(0.7)".into(),
                },
            )?,
            "nn.Sequential(nn.Linear(12, 7), nn.ELU(.7), nn.Linear(7, 5))",
            &[4, 12],
        ),
    ];
    let activations = [
        ("relu", "nn.ReLU()"),
        ("leaky_relu", "nn.LeakyReLU()"),
        ("leaky_relu(0.2)", "nn.LeakyReLU(.2)"),
        ("silu", "nn.SiLU()"),
        ("gelu", "nn.GELU()"),
        ("elu", "nn.ELU()"),
        ("elu(1.7)", "nn.ELU(1.7)"),
        ("tanh", "nn.Tanh()"),
        ("sigmoid", "nn.Sigmoid()"),
        ("softplus", "nn.Softplus()"),
        ("identity", "nn.Identity()"),
    ];
    for (name, theirs) in activations {
        all.push(case(Activation::parse(name)?, theirs, &[6, 9]));
    }
    let padded = |stride| Conv2dOptions {
        padding: 1,
        stride,
        ..usual()
    };
    let act = || Activation::leaky_relu(0.2);
    let block = |i, o, stride| -> Result<Network> {
        let norm = BatchNorm2d::new(o, &BatchNorm2dOptions::default())?.into();
        let layers = vec![
            act()?.into(),
            conv(i, o, 3, padded(1))?,
            norm,
            act()?.into(),
            conv(o, o, 3, padded(stride))?,
        ];
        let shortcut = if i == o {
            None
        } else {
            Some(conv(i, o, 1, Conv2dOptions { stride, ..usual() })?)
        };
        Ok(Residual::new(Sequential::new(layers)?.into(), shortcut)?.into())
    };
    let net = vec![
        conv(1, 4, 3, padded(1))?,
        block(4, 8, 2)?,
        block(8, 8, 1)?,
        Activation::Silu.into(),
        Flatten.into(),
        linear(128, 10)?,
    ];
    all.push(case(
        Sequential::new(net)?,
        "nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), block(4, 8, 2), block(8, 8, 1), nn.SiLU(), nn.Flatten(), nn.Linear(128, 10))",
        &[3, 1, 8, 8],
    ));
    Ok(all)
}

const PROGRAM: &str = r#"
from torch import nn
# The fused attention has no second derivative.
torch.backends.cuda.enable_flash_sdp(False)
torch.backends.cuda.enable_mem_efficient_sdp(False)
class Attend(nn.MultiheadAttention):
    def __init__(self, size, heads, causal=False, bias=True):
        super().__init__(size, heads, bias=bias, batch_first=True)
        self.causal = causal
    def forward(self, x):
        n = x.shape[1]
        mask = torch.triu(torch.ones(n, n, dtype=torch.bool), 1) if self.causal else None
        return super().forward(x, x, x, need_weights=False, attn_mask=mask)[0]
class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = body, shortcut
    def forward(self, x):
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))
def block(i, o, s):
    body = nn.Sequential(nn.LeakyReLU(.2), nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.LeakyReLU(.2),
                         nn.Conv2d(o, o, 3, padding=1, stride=s))
    return Residual(body, None if i == o else nn.Conv2d(i, o, 1, stride=s))
def zero(gradients, like):
    return [torch.zeros_like(l) if g is None else g for g, l in zip(gradients, like)]
for key, code in CASES.items():
    net = eval(code).to(given[key + "/x"].dtype)
    weights = {n[len(key) + 3:]: t for n, t in given.items() if n.startswith(key + "/w/")}
    _, unexpected = net.load_state_dict(weights, strict=False)
    assert not unexpected, (code, unexpected)
    assert all(n in weights for n in net.state_dict() if not n.endswith("num_batches_tracked")), code
    x = given[key + "/x"].requires_grad_()
    y = net(x)
    names, params = zip(*net.named_parameters()) if weights and any(True for _ in net.parameters()) else ((), ())
    found = zero(torch.autograd.grad((y * given[key + "/g"]).sum(), [x, *params], create_graph=True), [x, *params])
    made[key + "/y"], made[key + "/dx"] = y, found[0]
    for n, g in zip(names, found[1:]):
        made[key + "/d/" + n] = g
    if found[0].requires_grad:
        made[key + "/ddx"] = zero(torch.autograd.grad(found[0].square().sum(), [x], allow_unused=True), [x])[0]
    with torch.no_grad():
        net(x + 1)
        net(x * 2)
        for n, b in net.named_buffers():
            if not n.endswith("num_batches_tracked"):
                made[key + "/b/" + n] = b
        net.eval()
        made[key + "/eval"] = net(x)
torch.manual_seed(SEED)
for name, module in [("conv", nn.Conv2d(16, 32, 3)), ("linear", nn.Linear(100, 50)), ("grouped", nn.Conv2d(4, 8, 5, groups=2)),
    ("up", nn.ConvTranspose2d(4, 6, 3)), ("attention", Attend(8, 2)), ("table", nn.Embedding(5, 3))]:
    for n, p in module.named_parameters():
        made["init/" + name + "/" + n] = p
"#;

#[test]
fn layers_agree_with_pytorch() -> Result<()> {
    tch::set_num_threads(1);
    let (mut given, mut code) = (Tensors::new(), String::from("CASES = {\n"));
    let mut all = Vec::new();
    for (kind, bound) in [(Kind::Float, 1e-5), (Kind::Double, 1e-10)] {
        for (i, one) in cases()?.into_iter().enumerate() {
            let key = format!("{i}/{kind:?}");
            seed(i as u64, Stream::Init, 0);
            one.ours.convert(Device::Cpu, kind)?;
            // Norms start at weights 1 and bias 0: move every weight, so that both matter.
            for (name, p) in one.ours.parameters() {
                if p.trainable() {
                    p.assign(
                        &p.get()
                            .detach()
                            .add(p.get().detach().randn_like()?.mul(0.2)?)?,
                    )?;
                }
                given.insert(format!("{key}/w/{name}"), p.get().detach().copy()?);
            }
            let x = Tensor::randn(one.input)?.to_kind(kind)?;
            let g = Tensor::randn(&one.ours.output_shape(one.input)?)?.to_kind(kind)?;
            given.insert(format!("{key}/x"), x);
            given.insert(format!("{key}/g"), g);
            code += &format!("  {key:?}: {:?},\n", one.theirs);
            all.push((key, one, bound));
        }
    }
    code += &format!("}}\nSEED = {}\n{PROGRAM}", hashed_seed(7, Stream::Init, 0));
    let theirs = python_tensors(&code, &given)?;

    let mut compared = Comparison::default();
    for (key, one, bound) in &all {
        let near = |compared: &mut Comparison, what: &str, ours: &Tensor| {
            let name = format!("{} {what} ({key})", one.theirs);
            compared.near(&name, ours, theirs.get(&format!("{key}/{what}")), *bound)
        };
        let x = given[&format!("{key}/x")].leaf()?;
        let y = one.ours.forward(&x)?;
        assert_eq!(
            y.shape(),
            one.ours.output_shape(&x.shape())?,
            "{}",
            one.theirs
        );
        near(&mut compared, "y", &y)?;
        let trained: Vec<_> = one
            .ours
            .parameters()
            .into_iter()
            .filter(|(_, p)| p.trainable())
            .collect();
        let values: Vec<Tensor> = std::iter::once(x.clone())
            .chain(trained.iter().map(|(_, p)| p.get()))
            .collect();
        let loss = y.mul(&given[&format!("{key}/g")])?.sum()?;
        let gradients = Tensor::gradients(&loss, &values.iter().collect::<Vec<_>>(), true)?;
        near(&mut compared, "dx", &gradients[0])?;
        for ((name, _), gradient) in trained.iter().zip(&gradients[1..]) {
            near(&mut compared, &format!("d/{name}"), gradient)?;
        }
        if theirs.contains_key(&format!("{key}/ddx")) {
            // Where the gradient does not depend on x, its own is 0.
            let second = match Tensor::gradients(&gradients[0].square()?.sum()?, &[&x], false) {
                Ok(mut found) => found.swap_remove(0),
                Err(_) => x.detach().mul(0.0)?,
            };
            near(&mut compared, "ddx", &second)?;
        }
        let plain = x.detach();
        let _guard = jemscript::tensor::no_grad();
        one.ours.forward(&plain.add(1.0)?)?;
        one.ours.forward(&plain.mul(2.0)?)?;
        for (name, p) in one.ours.parameters().iter().filter(|(_, p)| !p.trainable()) {
            near(&mut compared, &format!("b/{name}"), &p.get())?;
        }
        one.ours.set_training(false);
        near(&mut compared, "eval", &one.ours.forward(&plain)?)?;
    }

    seed(7, Stream::Init, 0);
    let grouped = Conv2dOptions {
        groups: 2,
        ..Default::default()
    };
    for (name, net) in [
        ("conv", conv(16, 32, 3, Conv2dOptions::default())?),
        ("linear", linear(100, 50)?),
        ("grouped", conv(4, 8, 5, grouped)?),
        (
            "up",
            ConvTranspose2d::new(4, 6, 3, &ConvTranspose2dOptions::default())?.into(),
        ),
        (
            "attention",
            MultiheadAttention::new(8, 2, &MultiheadAttentionOptions::default())?.into(),
        ),
        ("table", Embedding::new(5, 3)?.into()),
    ] {
        for (n, p) in net.parameters() {
            compared.near(
                &format!("initial {name} {n}"),
                &p.get(),
                theirs.get(&format!("init/{name}/{n}")),
                1e-7,
            )?;
        }
    }
    compared.finish(300);
    Ok(())
}

/// U(±1/√fan_in): the bound holds and is reached, the standard deviation is bound/√3, the mean 0.
#[test]
fn initial_weights_are_uniform_within_the_bound() -> Result<()> {
    seed(1, Stream::Init, 0);
    for (net, fan_in) in [
        (conv(64, 128, 3, Conv2dOptions::default())?, 576),
        (linear(400, 300)?, 400),
    ] {
        let bound = 1.0 / f64::from(fan_in).sqrt();
        for (name, p) in net.parameters() {
            let values = p.get().to_vec()?;
            let n = values.len() as f64;
            let (low, high) = values
                .iter()
                .fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            assert!(
                low >= -bound && high <= bound,
                "{name}: [{low}, {high}], bound {bound}"
            );
            assert!(
                high - low > 1.9 * bound,
                "{name}: [{low}, {high}], bound {bound}"
            );
            // Four standard deviations of the mean and of the standard deviation (whose kurtosis is
            // 9/5).
            let mean = values.iter().sum::<f64>() / n;
            let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            assert!(
                mean.abs() < 4.0 * bound / (3.0 * n).sqrt(),
                "{name}: mean {mean}"
            );
            assert!(
                (sd * 3f64.sqrt() / bound - 1.0).abs() < 4.0 * (0.8 / (4.0 * n)).sqrt(),
                "{name}: sd {sd}"
            );
        }
    }
    Ok(())
}
