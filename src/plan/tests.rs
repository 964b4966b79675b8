//! Plans against autograd: every layer by itself, in float32 and in float64.

use crate::energy::{Energy, Ready};
use crate::error::Result;
use crate::nn::*;

use crate::plan::Precision;
use crate::tensor::{Device, Kind, Tensor};

/// The largest differences of energies and scores, relative to the largest number of each.
fn differences(energy: &Energy, x: &Tensor) -> Result<[f64; 2]> {
    let ready = Ready::new(energy, x)?;
    assert!(ready.path().starts_with("written out"), "{}", ready.path());
    let (e, s) = ready.energy_and_score(x)?;
    let (f, t) = energy.energy_and_score(x)?;
    let apart = |a: &Tensor, b: &Tensor| -> Result<f64> {
        let most = b.abs()?.max()?.item()?.max(1e-3);
        Ok(a.sub(b)?.abs()?.max()?.item()? / most)
    };
    Ok([apart(&e, &f)?, apart(&s, &t)?])
}

fn conv(from: i64, to: i64, kernel: i64, options: Conv2dOptions) -> Result<Network> {
    Ok(Conv2d::new(from, to, kernel, &options)?.into())
}

fn linear(from: i64, to: i64) -> Result<Network> {
    Ok(Linear::new(from, to, &LinearOptions::default())?.into())
}

/// Networks for images `[B, 3, 7, 6]`: each has one kind of layer that the others lack.
fn networks() -> Result<Vec<(&'static str, Network)>> {
    let sequential =
        |layers: Vec<Network>| -> Result<Network> { Ok(Sequential::new(layers)?.into()) };
    let flat = || Network::of(Flatten);
    let plain = Conv2dOptions {
        padding: 1,
        ..Default::default()
    };
    let strided = Conv2dOptions {
        stride: 2,
        padding: 1,
        bias: false,
        ..Default::default()
    };
    let odd = Conv2dOptions {
        stride: 3,
        padding: 2,
        dilation: 2,
        ..Default::default()
    };
    let grouped = Conv2dOptions {
        groups: 3,
        padding: 1,
        ..Default::default()
    };
    let silu = || Network::of(Activation::Silu);
    let norm = BatchNorm2d::new(5, &BatchNorm2dOptions::default())?;
    for (_, p) in norm.parameters() {
        p.assign(&Tensor::uniform(&p.shape(), 0.5, 1.5)?)?;
    }
    let shortcut = || Conv2dOptions {
        ..Default::default()
    };
    let mut all = vec![
        ("linear", sequential(vec![flat(), linear(126, 10)?])?),
        (
            "two convolutions",
            sequential(vec![
                conv(3, 5, 3, plain.clone())?,
                silu(),
                conv(5, 4, 3, strided.clone())?,
                silu(),
                flat(),
                linear(48, 3)?,
            ])?,
        ),
        (
            "odd windows",
            sequential(vec![conv(3, 4, 3, odd)?, flat(), linear(4 * 3 * 2, 2)?])?,
        ),
        (
            "groups",
            sequential(vec![
                conv(3, 6, 3, grouped)?,
                silu(),
                flat(),
                linear(6 * 42, 2)?,
            ])?,
        ),
        (
            "winograd",
            sequential(vec![
                conv(3, 34, 3, plain.clone())?,
                silu(),
                conv(34, 33, 3, plain.clone())?,
                silu(),
                flat(),
                linear(33 * 42, 5)?,
            ])?,
        ),
        (
            "residual, shortcut by a convolution",
            sequential(vec![
                conv(3, 4, 3, plain.clone())?,
                Residual::new(
                    sequential(vec![silu(), conv(4, 6, 3, plain.clone())?])?,
                    Some(conv(4, 6, 1, shortcut())?),
                )?
                .into(),
                Residual::new(
                    sequential(vec![silu(), conv(6, 6, 3, plain.clone())?, silu()])?,
                    None,
                )?
                .into(),
                silu(),
                GlobalAvgPool2d.into(),
                linear(6, 3)?,
            ])?,
        ),
        (
            "residual around everything",
            sequential(vec![
                flat(),
                linear(126, 7)?,
                Residual::new(sequential(vec![silu(), silu()])?, None)?.into(),
                Residual::new(Activation::Tanh.into(), Some(Activation::Silu.into()))?.into(),
            ])?,
        ),
        (
            "batch norm",
            sequential(vec![
                conv(3, 5, 3, plain.clone())?,
                norm.into(),
                Activation::Relu.into(),
                BatchNorm2d::new(5, &BatchNorm2dOptions::default())?.into(),
                flat(),
                linear(210, 4)?,
            ])?,
        ),
        (
            "pools",
            sequential(vec![
                conv(3, 5, 3, plain.clone())?,
                MaxPool2d::new(
                    3,
                    &MaxPool2dOptions {
                        stride: Some(2),
                        padding: 1,
                    },
                )?
                .into(),
                silu(),
                AvgPool2d::new(
                    2,
                    &AvgPool2dOptions {
                        stride: Some(1),
                        padding: 1,
                    },
                )?
                .into(),
                AdaptiveAvgPool2d::new(3, 2)?.into(),
                flat(),
                linear(30, 4)?,
            ])?,
        ),
        (
            "norms",
            sequential(vec![
                conv(3, 6, 3, plain.clone())?,
                GroupNorm::new(2, 6, &GroupNormOptions::default())?.into(),
                silu(),
                InstanceNorm2d::new(6, &InstanceNorm2dOptions::default())?.into(),
                LayerNorm::new(&[6, 7, 6], &LayerNormOptions::default())?.into(),
                silu(),
                flat(),
                LayerNorm::new(&[252], &LayerNormOptions::default())?.into(),
                linear(252, 4)?,
            ])?,
        ),
        (
            "computed weights",
            sequential(vec![
                SpectralNorm::new(
                    conv(3, 4, 3, plain.clone())?,
                    &SpectralNormOptions::default(),
                )?
                .into(),
                silu(),
                flat(),
                WeightNorm::new(linear(168, 4)?)?.into(),
                Dropout::new(0.3)?.into(),
            ])?,
        ),
        (
            "wide resnet",
            WideResNet::new(
                10,
                1,
                &WideResNetOptions {
                    channels: 3,
                    classes: 4,
                    norm: NormChoice::Batch,
                    ..Default::default()
                },
            )?
            .into(),
        ),
    ];
    let activations = [
        Activation::Relu,
        Activation::LeakyRelu(0.2),
        Activation::LeakyRelu(-0.5),
        Activation::Gelu,
        Activation::Elu(1.3),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
    ];
    for activation in activations {
        let layers = vec![
            conv(3, 4, 3, plain.clone())?,
            activation.into(),
            flat(),
            linear(168, 9)?,
            activation.into(),
            linear(9, 3)?,
        ];
        all.push((activation.name(), sequential(layers)?));
    }
    // Weights of norms are ones and zeros at first: others show more.
    for (_, net) in &all {
        for (_, p) in net.parameters().iter().filter(|(_, p)| p.trainable()) {
            let jitter = Tensor::randn(&p.shape())?.mul(0.1)?;
            p.assign(&p.get().detach().add(&jitter)?)?;
        }
        net.set_training(false);
    }
    Ok(all)
}

#[test]
fn every_layer_agrees_with_autograd() -> Result<()> {
    tch::manual_seed(1);
    for (kind, bound) in [(Kind::Float, 2e-5), (Kind::Double, 1e-12)] {
        for (name, net) in networks()? {
            net.convert(Device::Cpu, kind)?;
            for rows in [5, 16, 37] {
                let x = Tensor::uniform(&[rows, 3, 7, 6], -1.0, 1.0)?.to_kind(kind)?;
                let [e, s] = differences(&Energy::joint(&net), &x)?;
                assert!(
                    e < bound && s < bound,
                    "{name}, {kind:?}, {rows} rows: energies {e:e}, scores {s:e}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn conditional_and_composed_energies_agree_with_autograd() -> Result<()> {
    tch::manual_seed(2);
    let net: Network = Mlp::new(&[6, 20, 4], &MlpOptions::default())?.into();
    let one: Network = Mlp::new(&[6, 20, 1], &MlpOptions::default())?.into();
    let labels = Tensor::arange(0.0, 21.0, 1.0)?.to_kind(Kind::Int64)?;
    let labels = Tensor::from(labels.raw().f_remainder(4)?);
    let joint = Energy::joint(&net);
    let x = Tensor::randn(&[21, 6])?;
    for energy in [
        joint.given(2)?,
        joint.given_labels(&labels)?,
        Energy::scalar(&one),
        joint.scaled(0.5)?,
        joint.tempered(3.0)?.given(1)?,
        joint.plus(&Energy::scalar(&one))?,
    ] {
        let [e, s] = differences(&energy, &x)?;
        assert!(e < 1e-5 && s < 1e-5, "{}: {e:e}, {s:e}", energy.describe());
    }
    Ok(())
}

#[test]
fn bf16_is_near_float32() -> Result<()> {
    tch::manual_seed(3);
    for (name, net) in networks()? {
        let x = Tensor::uniform(&[20, 3, 7, 6], -1.0, 1.0)?;
        let energy = Energy::joint(&net);
        let (e, s) = Ready::with(&energy, &x, Precision::Bf16)?.energy_and_score(&x)?;
        let (f, t) = energy.energy_and_score(&x)?;
        let apart = |a: &Tensor, b: &Tensor| -> Result<f64> {
            Ok(a.sub(b)?.norm()?.item()? / b.norm()?.item()?.max(1e-3))
        };
        // Rounding turns the sides of kinks round: a score is good to a few percent.
        let (e, s) = (apart(&e, &f)?, apart(&s, &t)?);
        assert!(e < 0.01 && s < 0.15, "{name}: energies {e:e}, scores {s:e}");
        // It is another computation where the processor has one, and the same where not.
        let moved = e > 1e-6 || s > 1e-6;
        assert_eq!(moved, crate::plan::halves().is_some(), "{name}");
    }
    Ok(())
}

#[test]
fn what_is_not_written_out_says_why() -> Result<()> {
    let own = |net: Vec<Network>| -> Result<String> {
        let model = Energy::joint(&Sequential::new(net)?.into());
        Ok(Ready::new(&model, &Tensor::randn(&[8, 6])?)?.path())
    };
    let mean = BatchNorm2d::new(6, &BatchNorm2dOptions::default())?;
    assert_eq!(
        own(vec![mean.into(), linear(6, 2)?])?,
        "autograd, because layer 0: batch norm takes the statistics of the batch"
    );
    let heads = MultiheadAttention::new(6, 2, &MultiheadAttentionOptions::default())?;
    assert_eq!(
        own(vec![heads.into(), linear(6, 2)?])?,
        "autograd, because layer 0: `multihead_attention(6, 2)` is not written out"
    );
    let model = Energy::joint(&linear(6, 2)?);
    let few = Ready::differentiable(&model);
    assert_eq!(few.path(), "autograd, because the chain is differentiable");
    Ok(())
}

/// Fewer blocks than threads: these share the calls of a block, and every number stays the same.
#[test]
fn a_team_makes_the_same_numbers_to_the_bit() -> Result<()> {
    tch::manual_seed(9);
    let same = |stride: i64| Conv2dOptions {
        stride,
        padding: 1,
        ..Default::default()
    };
    let net: Network = Sequential::new(vec![
        conv(3, 64, 3, same(1))?,
        Network::of(Activation::Silu),
        conv(64, 64, 3, same(1))?, // Winograd, many chunks
        Network::of(Activation::Silu),
        conv(64, 128, 3, same(2))?,
        Network::of(Activation::Silu),
        conv(128, 256, 3, same(1))?, // Winograd, one chunk
        Network::of(Activation::Silu),
        Network::of(Flatten),
        linear(256 * 64, 256)?, // weights that fill the cache
        Network::of(Activation::Silu),
        linear(256, 10)?,
    ])?
    .into();
    let energy = Energy::joint(&net);
    let before = tch::get_num_threads();
    for rows in [5i64, 16, 40] {
        let x = Tensor::uniform(&[rows, 3, 16, 16], -1.0, 1.0)?;
        for precision in [Precision::Full, Precision::Bf16] {
            let mut found = Vec::new();
            for threads in [1, 2, 3, 5, 16] {
                tch::set_num_threads(threads);
                let ready = Ready::with(&energy, &x, precision)?;
                let (e, s) = ready.energy_and_score(&x)?;
                found.push((e.to_vec()?, s.to_vec()?));
            }
            tch::set_num_threads(before);
            assert!(found.iter().all(|f| *f == found[0]), "{rows} rows");
        }
    }
    let x = Tensor::uniform(&[16, 3, 16, 16], -1.0, 1.0)?;
    tch::set_num_threads(4);
    let apart = differences(&energy, &x)?;
    tch::set_num_threads(before);
    assert!(apart.iter().all(|d| *d < 1e-4), "{apart:?}");
    Ok(())
}
