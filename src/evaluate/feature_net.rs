//! A small classifier of its own, trained on the same data, in whose features generated images are
//! compared with real ones.
//!
//! It is trained with cross-entropy alone, from a seed that no judged model has, and says with what
//! accuracy.

use std::fmt;

use super::logits::{batch_rows, placed};
use super::shared::by_rows;
use super::{Accuracy, Logits, percent};
use crate::data::{BatchOptions, Batches, Dataset, add_noise};
use crate::dry_run;
use crate::energy::Energy;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::InMode;
use crate::nn::{
    Activation, Conv2d, Conv2dOptions, Flatten, Linear, LinearOptions, Network, Sequential,
};
use crate::optim::{AdamOptions, Optimizer};
use crate::options::{Options, Value};
use crate::tensor::{Device, Kind, Stream, Tensor, no_grad, seed};

/// The network whose features samples are compared in, and what to say of it beside every number.
#[derive(Clone)]
pub struct FeatureNet {
    /// Maps images to features `[N, d]`; small networks should end in at most 64.
    pub network: Network,
    /// Maps features to logits, for the Inception Score.
    pub head: Option<Network>,
    /// Architecture, seed and accuracy, or the SHA-256 of the weights.
    pub note: String,
}

crate::object_option!(
    FeatureNet,
    "feature_net",
    "evaluate::feature_net(data) trains one, evaluate::features_of(network) makes one of a network"
);

impl FeatureNet {
    /// Features `[N, d]` in float64 on the host.
    pub fn features(&self, x: &Tensor) -> Result<Tensor> {
        let _guard = no_grad();
        if x.ndim() < 2 || x.is_empty() {
            return Err(Error::shape(format!(
                "features: needs rows [N, …], got {:?}",
                x.shape()
            )));
        }
        let _mode = InMode::enter(std::slice::from_ref(&self.network), false);
        let x = placed(x, &self.network.parameters())?;
        let found = by_rows("features", &x, |x| {
            let mut pieces = Vec::new();
            for batch in x.split(batch_rows(x, None), 0)? {
                crate::interrupt::poll()?;
                let found = self
                    .network
                    .forward(&batch)
                    .map_err(|e| e.context("features"))?
                    .flatten(1)?;
                pieces.push(found.to_kind(Kind::Double)?.to_device(Device::Cpu)?);
            }
            Tensor::cat(&pieces, 0)
        })?;
        if !found.isfinite()?.all()? {
            return Err(Error::new(
                ErrorKind::NonFinite,
                "features: some features of these images are not finite",
            ));
        }
        Ok(found)
    }

    /// A network from images to features, with what to say of it and perhaps a head from features
    /// to logits.
    pub fn of(network: &Network, options: &FeaturesOptions) -> Result<FeatureNet> {
        let head = match &options.head {
            Value::None => None,
            other => Some(other.downcast::<Network>().ok_or_else(|| {
                crate::options::wrong_type(
                    FeaturesOptions::OWNER,
                    "head",
                    ("a network", &[]),
                    other,
                )
            })?),
        };
        Ok(FeatureNet {
            network: network.clone(),
            head,
            note: options.note.clone(),
        })
    }

    /// `p(y|x)` `[N, C]` from features, where there is a head.
    pub fn probabilities(&self, features: &Tensor) -> Result<Option<Tensor>> {
        let _guard = no_grad();
        let Some(head) = &self.head else {
            return Ok(None);
        };
        let _mode = InMode::enter(std::slice::from_ref(head), false);
        let features = placed(features, &head.parameters())?;
        let logits = head
            .forward(&features)?
            .to_kind(Kind::Double)?
            .to_device(Device::Cpu)?;
        logits.softmax(1).map(Some)
    }
}

impl fmt::Display for FeatureNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "feature network: {}", self.note)
    }
}

impl fmt::Debug for FeatureNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::options! {
    /// Options of [`FeatureNet::of`].
    pub struct FeaturesOptions for "evaluate::features_of" {
        /// network from the features to logits, for the Inception Score
        head: Value = Value::None,
        /// what the network is: architecture, seed, accuracy, or the SHA-256 of its weights
        note: String = "an unnamed network".to_owned(),
    }
}

crate::options! {
    /// Options of [`feature_net`].
    pub struct FeatureNetOptions for "evaluate::feature_net" {
        /// number of features; more than 64 need many reference images
        width: i64 = 64,
        /// training iterations
        iterations: i64 = 600,
        /// rows in a batch
        batch_size: i64 = 64,
        /// learning rate of Adam, annealed to 0
        lr: f64 = 2e-3,
        /// standard deviation of noise on the training images
        noise: f64 = 0.1,
        /// seed of weights, order and noise: none of a judged model's
        seed: i64 = 1000,
    }
    check |o| {
        if !(1..=4096).contains(&o.width) || o.iterations < 1 || o.iterations > 1_000_000 {
            return Err(Error::argument(format!(
                "evaluate::feature_net: width must be 1 to 4096 and iterations 1 to 1,000,000, got {} and {}",
                o.width, o.iterations
            )));
        }
        Ok(())
    }
}

/// Trains a feature network on the training part of a data set.
pub fn feature_net(data: &Dataset, options: &FeatureNetOptions) -> Result<FeatureNet> {
    const OWNER: &str = "evaluate::feature_net";
    options.check()?;
    let seed_of = options.seed as u64;
    seed(seed_of, Stream::Init, 0);
    let (body, what) = body(&data.shape(), options.width)?;
    let head = Network::of(Linear::new(
        options.width,
        data.classes,
        &LinearOptions::default(),
    )?);
    let whole = Network::of(Sequential::new(vec![body.clone(), head.clone()])?);
    whole.convert(data.train.device(), Kind::Float)?;
    let adam = AdamOptions {
        lr: options.lr.into(),
        cosine: options.iterations,
        ..AdamOptions::default()
    };
    let optimizer = Optimizer::adam(whole.parameters(), &adam)?;
    let batch_size = options.batch_size.min(data.train.len().max(1));
    let batches = Batches::new(
        &data.train,
        &BatchOptions {
            batch_size,
            seed: options.seed,
            ..BatchOptions::default()
        },
    )
    .map_err(|e| e.context(OWNER))?;
    dry_run::turns(
        "the judge of samples",
        options.iterations,
        4,
        |iteration| -> Result<()> {
            crate::interrupt::poll()?;
            seed(seed_of, Stream::Train, iteration as u64);
            let batch = batches.at(iteration)?;
            let x = add_noise(&batch.x, options.noise)?
                .clamp(Some(data.range.0), Some(data.range.1))?;
            let loss = whole
                .forward(&x)?
                .raw()
                .f_cross_entropy_loss::<tch::Tensor>(
                    batch.y.raw(),
                    None,
                    tch::Reduction::Mean,
                    -100,
                    0.0,
                )?;
            optimizer.step(&loss.into())?;
            Ok(())
        },
    )?;
    drop(optimizer);
    let judged = if data.validation.is_empty() {
        &data.train
    } else {
        &data.validation
    };
    let accuracy = Logits::of(OWNER, &Energy::joint(&whole), judged, None)
        .and_then(|logits| Accuracy::of(&logits))
        .map_err(|e| match e.kind() {
            ErrorKind::NonFinite => {
                Error::new(e.kind(), format!("{OWNER}: training diverged")).with_hint("lower `lr`")
            }
            _ => e,
        })?;
    let note = format!(
        "a classifier of its own ({what}; cross-entropy, {} iterations of Adam {}, seed {}, accuracy {} on {})",
        options.iterations,
        options.lr,
        options.seed,
        percent(accuracy.accuracy),
        judged.name
    );
    Ok(FeatureNet {
        network: body,
        head: Some(head),
        note,
    })
}

/// From rows to features, and what it is in words.
fn body(shape: &[i64], width: i64) -> Result<(Network, String)> {
    let silu = || Network::of(Activation::Silu);
    let linear =
        |a, b| Ok::<Network, Error>(Network::of(Linear::new(a, b, &LinearOptions::default())?));
    let conv = |a, b, stride| {
        Ok::<Network, Error>(Network::of(Conv2d::new(
            a,
            b,
            3,
            &Conv2dOptions {
                padding: 1,
                stride,
                ..Conv2dOptions::default()
            },
        )?))
    };
    let (layers, what) = match *shape {
        [channels, height, rows] => {
            // Two halvings, each rounded up.
            let half = |n: i64| (n + 1) / 2;
            let flat = 64 * half(half(height)) * half(half(rows));
            let layers = vec![
                conv(channels, 32, 1)?,
                silu(),
                conv(32, 64, 2)?,
                silu(),
                conv(64, 64, 2)?,
                silu(),
                Network::of(Flatten),
                linear(flat, width)?,
                silu(),
            ];
            (
                layers,
                format!("convolutions 32, 64, 64 and a layer of {width}, SiLU"),
            )
        }
        _ => {
            let flat: i64 = shape.iter().product();
            let layers = vec![
                Network::of(Flatten),
                linear(flat, 128)?,
                silu(),
                linear(128, width)?,
                silu(),
            ];
            (layers, format!("layers of 128 and {width}, SiLU"))
        }
    };
    Ok((Network::of(Sequential::new(layers)?), what))
}
