//! Random networks, shapes and options: what is written out agrees with autograd.
//!
//! ```text
//! FUZZ_PLANS=100000 cargo test --release --test fuzz plans    as many as you like
//! ```

use fastrand::Rng;
use jemscript::energy::{Energy, Ready};
use jemscript::nn::*;
use jemscript::tensor::{Device, Kind, Tensor};
use jemscript::{Result, tch};

/// How many networks CI makes.
const COUNT: u64 = 10_000;

/// A network while it grows: the shape of one row as it leaves the last layer.
struct Growing {
    rng: Rng,
    row: Vec<i64>,
    layers: Vec<Network>,
    /// Whether nothing has a kink: there, rounding turns a derivative round.
    smooth: bool,
}

impl Growing {
    fn below(&mut self, n: i64) -> i64 {
        self.rng.i64(0..n)
    }

    fn activation(&mut self) -> Activation {
        let smooth = [
            Activation::Silu,
            Activation::Gelu,
            Activation::Tanh,
            Activation::Sigmoid,
            Activation::Softplus,
        ];
        let kinks = [
            Activation::Relu,
            Activation::LeakyRelu(0.2),
            Activation::LeakyRelu(-0.3),
            Activation::Elu(0.7),
        ];
        if self.smooth || self.rng.bool() {
            smooth[self.rng.usize(0..5)]
        } else {
            kinks[self.rng.usize(0..4)]
        }
    }

    /// One layer that fits; nothing where the one that was drawn does not.
    fn grow(&mut self) -> Result<()> {
        let images = self.row.len() == 3;
        let (c, h, w) = (
            self.row[0],
            *self.row.get(1).unwrap_or(&1),
            *self.row.get(2).unwrap_or(&1),
        );
        let layer: Network = match self.below(if images { 12 } else { 7 }) {
            0 | 1 => self.activation().into(),
            2 => {
                // Around what keeps the shape.
                let inside = self.activation();
                let mut body = vec![inside.into()];
                if images {
                    let options = Conv2dOptions {
                        padding: 1,
                        ..Default::default()
                    };
                    body.push(Conv2d::new(c, c, 3, &options)?.into());
                }
                if self.rng.bool() {
                    body.push(self.activation().into());
                }
                let shortcut = match self.below(3) {
                    0 => Some(self.activation().into()),
                    1 if images => Some(Conv2d::new(c, c, 1, &Conv2dOptions::default())?.into()),
                    _ => None,
                };
                Residual::new(Sequential::new(body)?.into(), shortcut)?.into()
            }
            3 => {
                let options = BatchNorm2dOptions {
                    affine: self.rng.bool(),
                    ..Default::default()
                };
                BatchNorm2d::new(c, &options)?.into()
            }
            4 => LayerNorm::new(&self.row, &LayerNormOptions::default())?.into(),
            5 if !images => {
                let out = 1 + self.below(20);
                let options = LinearOptions {
                    bias: self.rng.bool(),
                };
                Linear::new(c, out, &options)?.into()
            }
            6 if !images => Dropout::new(0.5)?.into(),
            5..=7 => {
                let groups = if self.below(4) == 0 { c } else { 1 };
                let out = groups * (1 + self.below(if groups > 1 { 2 } else { 24 }));
                let kernel = 1 + self.below(4);
                let options = Conv2dOptions {
                    stride: 1 + self.below(3),
                    padding: self.below(3),
                    dilation: 1 + self.below(2),
                    groups,
                    bias: self.rng.bool(),
                };
                Conv2d::new(c, out, kernel, &options)?.into()
            }
            8 => {
                let groups = if self.rng.bool() { c } else { 1 };
                GroupNorm::new(groups, c, &GroupNormOptions::default())?.into()
            }
            9 => {
                let (kernel, stride) = (1 + self.below(3), Some(1 + self.below(3)));
                let padding = self.below(kernel / 2 + 1);
                if self.smooth || self.rng.bool() {
                    AvgPool2d::new(kernel, &AvgPool2dOptions { stride, padding })?.into()
                } else {
                    MaxPool2d::new(kernel, &MaxPool2dOptions { stride, padding })?.into()
                }
            }
            10 => {
                let (height, width) = (1 + self.below(h), 1 + self.below(w));
                AdaptiveAvgPool2d::new(height, width)?.into()
            }
            _ => {
                // 3×3 of many channels: Winograd's transform.
                let options = Conv2dOptions {
                    padding: 1,
                    ..Default::default()
                };
                let out = 16 + self.below(24);
                let first: Network = Conv2d::new(c, out, 3, &options)?.into();
                let second: Network = Conv2d::new(out, 17, 3, &options)?.into();
                Sequential::new(vec![first, second])?.into()
            }
        };
        let input: Vec<i64> = [2].into_iter().chain(self.row.iter().copied()).collect();
        if let Ok(output) = layer.output_shape(&input)
            && output[1..].iter().product::<i64>() <= 3_000
        {
            self.row = output[1..].to_vec();
            self.layers.push(layer);
        }
        Ok(())
    }
}

/// A network with its batch, made from a seed.
fn case(seed: u64) -> Result<(Network, Tensor, bool)> {
    let mut rng = Rng::with_seed(seed);
    tch::manual_seed(seed as i64);
    let row = if rng.bool() {
        vec![rng.i64(1..5), rng.i64(1..10), rng.i64(1..10)]
    } else {
        vec![rng.i64(1..20)]
    };
    let (rows, depth) = (rng.i64(4..40), rng.usize(1..7));
    let smooth = rng.bool();
    let mut growing = Growing {
        rng,
        row: row.clone(),
        layers: Vec::new(),
        smooth,
    };
    for _ in 0..depth {
        growing.grow()?;
    }
    if growing.row.len() == 3 {
        growing.layers.push(Flatten.into());
        growing.row = vec![growing.row.iter().product()];
    }
    let classes = 1 + growing.below(12);
    growing
        .layers
        .push(Linear::new(growing.row[0], classes, &LinearOptions::default())?.into());
    let net: Network = Sequential::new(growing.layers)?.into();
    for (name, p) in net.parameters() {
        let shape = p.shape();
        // Variances must be above 0, and norms' weights are to differ from 1.
        if name.ends_with("running_var") {
            p.assign(&Tensor::uniform(&shape, 0.5, 2.0)?)?;
        } else {
            let jitter = Tensor::randn(&shape)?.mul(0.1)?;
            p.assign(&p.get().detach().add(&jitter)?)?;
        }
    }
    net.set_training(false);
    let shape: Vec<i64> = [rows].into_iter().chain(row).collect();
    let kind = if smooth { Kind::Float } else { Kind::Double };
    net.convert(Device::Cpu, kind)?;
    let x = Tensor::uniform(&shape, -1.0, 1.0)?.to_kind(kind)?;
    Ok((net, x, smooth))
}

/// Largest difference, relative to the largest number.
fn apart(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok(a.sub(b)?.abs()?.max()?.item()? / b.abs()?.max()?.item()?.max(1e-2))
}

#[test]
fn plans_agree_with_autograd() -> Result<()> {
    let count = super::setting("FUZZ_PLANS", COUNT);
    let (mut written, mut ill, mut worst) = (0, 0, [0.0f64; 2]);
    for seed in 0..count {
        let (net, x, single) = case(seed)?;
        let classes = net.output_shape(&x.shape())?[1];
        let energy = match seed % 4 {
            0 if classes == 1 => Energy::scalar(&net),
            1 => Energy::joint(&net).given(seed as i64 % classes)?,
            2 => Energy::joint(&net).tempered(2.0)?,
            _ => Energy::joint(&net),
        };
        let ready = Ready::new(&energy, &x)?;
        if !ready.path().starts_with("written out") {
            continue;
        }
        written += 1;
        let (e, s) = ready.energy_and_score(&x)?;
        let (f, t) = energy.energy_and_score(&x)?;
        let found = apart(&e, &f)?.max(apart(&s, &t)?);
        let bound = if single { 1e-5 } else { 1e-10 };
        // Some networks divide by what is nearly 0, and float32 is not enough for anyone: then the
        // numbers of float64 are the truth, and ours are as near to them, all but a digit, as autograd's.
        if single && found > bound {
            net.convert(Device::Cpu, Kind::Double)?;
            let (e64, s64) = energy.energy_and_score(&x.to_kind(Kind::Double)?)?;
            let off = |e: &Tensor, s: &Tensor| -> Result<f64> {
                let (e, s) = (e.to_kind(Kind::Double)?, s.to_kind(Kind::Double)?);
                Ok(apart(&e, &e64)?.max(apart(&s, &s64)?))
            };
            let (ours, theirs) = (off(&e, &s)?, off(&f, &t)?);
            assert!(
                ours < bound || ours < 20.0 * theirs,
                "seed {seed}: {ours:e}, autograd {theirs:e} from float64, for x {:?}, {}",
                x.shape(),
                net.describe()
            );
            ill += 1;
            continue;
        }
        assert!(
            found < bound,
            "seed {seed}: {found:e} for x {:?}, {}",
            x.shape(),
            net.describe()
        );
        let which = usize::from(single);
        worst[which] = worst[which].max(found);
    }
    println!(
        "{written} of {count} networks written out; worst {worst:?} (float64, float32); {ill} need float64"
    );
    assert!(ill * 50 < count, "{ill} of {count} are not near autograd");
    assert!(
        written * 10 > count * 9,
        "only {written} of {count} networks were written out"
    );
    Ok(())
}
