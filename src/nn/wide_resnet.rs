//! The wide residual network (Zagoruyko and Komodakis, 2016) in JEM's form: pre-activation blocks,
//! biases in the convolutions, leaky ReLU with a slope of .2, no normalisation.
//!
//! A block is `x ↦ conv2(a(n2(conv1(a(n1(x)))))) + shortcut(x)`, with 3×3 convolutions; the stride
//! is that of `conv2`, and the shortcut is a 1×1 convolution of the raw x where the shape changes.
//! After three layers of `(depth − 4) / 6` blocks come a last norm and activation, the mean over
//! the image (8×8 pixels for images of 32×32), and one affine map. Parameters have the names of the
//! official code: `f.conv1`, `f.layer1.0.conv1`, `f.layer1.0.shortcut.0`, `f.bn1`, `class_output`.

use super::ActivationName;
use super::norm_choice::{NormChoice, norm};
use super::{
    Activation, Conv2d, Conv2dOptions, Dropout, GlobalAvgPool2d, Layer, Linear, LinearOptions,
    Network, Row, Sequential, WeightNorm, at, at_least_one, inner_parameters, joined,
};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::Named;
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::Tensor;

const OWNER: &str = "nn::wide_resnet";

options! {
    /// Options of [`WideResNet`].
    pub struct WideResNetOptions for "nn::wide_resnet" {
        /// channels of the images
        channels: i64 = 3,
        /// outputs, one for each class
        classes: i64 = 10,
        /// normalisation: "none" (JEM), "batch" (momentum .9 as in JEM++ and SADA-JEM), "layer"
        /// (over a whole image), "group" (up to 32 groups), "instance", or "weight" (of the
        /// convolutions)
        norm: NormChoice = NormChoice::None,
        /// activation, by name
        activation: ActivationName = ActivationName::from("leaky_relu"),
        /// slope of the leaky ReLU for negative numbers
        slope: f64 = 0.2,
        /// probability of dropout between the convolutions of a block
        dropout: f64 = 0.0,
    }
    check |o| {
        at_least_one(OWNER, &[("channels", o.channels), ("classes", o.classes)])?;
        if !(0.0..1.0).contains(&o.dropout) {
            return Err(Error::argument(format!("{OWNER}: `dropout` is a probability below 1, got {}", o.dropout)));
        }
        chosen_activation(o).map(|_| ())
    }
}

/// The activation that the options name.
fn chosen_activation(o: &WideResNetOptions) -> Result<Activation> {
    let made = match o.activation.activation() {
        Ok(Activation::LeakyRelu(_)) if !o.activation.has_number() => {
            Activation::leaky_relu(o.slope)
        }
        other => other,
    };
    made.map_err(|e| e.context(OWNER))
}

/// A convolution that keeps the size of the image, or halves it.
fn conv(from: i64, to: i64, kernel: i64, stride: i64, o: &WideResNetOptions) -> Result<Network> {
    let options = Conv2dOptions {
        padding: kernel / 2,
        stride,
        ..Default::default()
    };
    let made = Network::of(Conv2d::new(from, to, kernel, &options)?);
    if o.norm == NormChoice::Weight {
        Ok(WeightNorm::new(made)?.into())
    } else {
        Ok(made)
    }
}

/// One block: its parts by the official code's names.
struct Block {
    channels: [i64; 2],
    activation: Activation,
    bn1: Option<Network>,
    conv1: Network,
    dropout: Option<Network>,
    bn2: Option<Network>,
    conv2: Network,
    shortcut: Option<Network>,
}

impl Block {
    fn new(from: i64, to: i64, stride: i64, o: &WideResNetOptions) -> Result<Block> {
        let same = from == to && stride == 1;
        let shortcut = || -> Result<Network> {
            Ok(Sequential::new(vec![conv(from, to, 1, stride, o)?])?.into())
        };
        // In the order in which PyTorch's code draws its weights.
        Ok(Block {
            channels: [from, to],
            activation: chosen_activation(o)?,
            bn1: norm(o.norm, from)?,
            conv1: conv(from, to, 3, 1, o)?,
            dropout: if o.dropout > 0.0 {
                Some(Dropout::new(o.dropout)?.into())
            } else {
                None
            },
            bn2: norm(o.norm, to)?,
            conv2: conv(to, to, 3, stride, o)?,
            shortcut: if same { None } else { Some(shortcut()?) },
        })
    }
}

/// A layer that may be left out, written out.
fn planned(name: &str, layer: &Option<Network>, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
    match layer {
        Some(layer) => layer.plan(sketch, x).map_err(|why| why.at(name)),
        None => Ok(x.clone()),
    }
}

/// A layer that may be left out.
fn optional(name: &str, layer: &Option<Network>, x: Tensor) -> Result<Tensor> {
    match layer {
        Some(layer) => layer.forward(&x).map_err(|e| at(name, e)),
        None => Ok(x),
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self
            .activation
            .apply(&optional("bn1", &self.bn1, x.clone())?)?;
        let h = self.conv1.forward(&h).map_err(|e| at("conv1", e))?;
        let h = optional("dropout", &self.dropout, h)?;
        let h = self.activation.apply(&optional("bn2", &self.bn2, h)?)?;
        let h = self.conv2.forward(&h).map_err(|e| at("conv2", e))?;
        h.add(optional("shortcut", &self.shortcut, x.clone())?)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let made = self.conv1.output_shape(input).map_err(|e| at("conv1", e))?;
        self.conv2.output_shape(&made).map_err(|e| at("conv2", e))
    }

    fn parameters(&self) -> Named {
        inner_parameters(&self.children())
    }

    fn children(&self) -> Vec<(String, Network)> {
        let some =
            |name: &str, layer: &Option<Network>| layer.clone().map(|l| (name.to_owned(), l));
        let conv1 = Some(("conv1".to_owned(), self.conv1.clone()));
        let conv2 = Some(("conv2".to_owned(), self.conv2.clone()));
        let all = [
            some("bn1", &self.bn1),
            conv1,
            some("dropout", &self.dropout),
            some("bn2", &self.bn2),
            conv2,
            some("shortcut", &self.shortcut),
        ];
        all.into_iter().flatten().collect()
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let h = planned("bn1", &self.bn1, sketch, x)?;
        let h = self.activation.plan(sketch, &h)?;
        let h = self.conv1.plan(sketch, &h).map_err(|why| why.at("conv1"))?;
        let h = planned("dropout", &self.dropout, sketch, &h)?;
        let h = planned("bn2", &self.bn2, sketch, &h)?;
        let h = self.activation.plan(sketch, &h)?;
        let h = self.conv2.plan(sketch, &h).map_err(|why| why.at("conv2"))?;
        let shortcut = planned("shortcut", &self.shortcut, sketch, x)?;
        sketch.add(&h, &shortcut)
    }

    fn describe(&self) -> String {
        let [from, to] = self.channels;
        format!(
            "block({from}, {to}): two 3×3 convolutions{}",
            if self.shortcut.is_some() {
                ", shortcut"
            } else {
                ""
            }
        )
    }
}

/// A wide residual network: images `[B, channels, H, W]` to logits `[B, classes]`.
pub struct WideResNet {
    depth: i64,
    width: i64,
    options: WideResNetOptions,
    activation: Activation,
    conv1: Network,
    blocks: Vec<(String, Network)>,
    bn1: Option<Network>,
    head: Network,
}

impl WideResNet {
    /// A network of `depth` (6n + 4) convolutions, `width` times as wide as the plain one, with
    /// PyTorch's initial weights.
    pub fn new(depth: i64, width: i64, options: &WideResNetOptions) -> Result<WideResNet> {
        options.check()?;
        if depth < 10 || (depth - 4) % 6 != 0 || depth > 1000 {
            return Err(Error::argument(format!(
                "{OWNER}: `depth` must be 10, 16, 22, 28, … (6n + 4), got {depth}"
            ))
            .with_hint("JEM's network is nn::wide_resnet(28, 10)"));
        }
        at_least_one(OWNER, &[("width", width)])?;
        if width > 1000 {
            return Err(Error::argument(format!(
                "{OWNER}: `width` must be at most 1000, got {width}"
            )));
        }
        let conv1 = conv(options.channels, 16, 3, 1, options)?;
        let (mut blocks, mut from) = (Vec::new(), 16);
        for layer in 1..=3 {
            let to = (8 * width) << layer;
            for i in 0..(depth - 4) / 6 {
                let stride = if layer > 1 && i == 0 { 2 } else { 1 };
                blocks.push((
                    format!("f.layer{layer}.{i}"),
                    Block::new(from, to, stride, options)?.into(),
                ));
                from = to;
            }
        }
        let bn1 = norm(options.norm, from)?;
        let head = Linear::new(from, options.classes, &LinearOptions::default())?.into();
        let activation = chosen_activation(options)?;
        Ok(WideResNet {
            depth,
            width,
            options: options.clone(),
            activation,
            conv1,
            blocks,
            bn1,
            head,
        })
    }
}

impl Layer for WideResNet {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let first = self.conv1.forward(x).map_err(|e| at("f.conv1", e))?;
        let h = self.blocks.iter().try_fold(first, |h, (name, block)| {
            block.forward(&h).map_err(|e| at(name, e))
        })?;
        let h = self.activation.apply(&optional("f.bn1", &self.bn1, h)?)?;
        self.head
            .forward(&GlobalAvgPool2d.forward(&h)?)
            .map_err(|e| at("class_output", e))
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let first = self
            .conv1
            .output_shape(input)
            .map_err(|e| at("f.conv1", e))?;
        let pass = |h: Vec<i64>, (name, block): &(String, Network)| {
            block.output_shape(&h).map_err(|e| at(name, e))
        };
        let last = self.blocks.iter().try_fold(first, pass)?;
        self.head
            .output_shape(&GlobalAvgPool2d.output_shape(&last)?)
            .map_err(|e| at("class_output", e))
    }

    fn parameters(&self) -> Named {
        inner_parameters(&self.children())
    }

    fn children(&self) -> Vec<(String, Network)> {
        let mut all = vec![("f.conv1".to_owned(), self.conv1.clone())];
        all.extend(self.blocks.iter().cloned());
        all.extend(
            self.bn1
                .iter()
                .map(|layer| ("f.bn1".to_owned(), layer.clone())),
        );
        all.push(("class_output".to_owned(), self.head.clone()));
        all
    }

    /// One row for each block, not for each of its layers.
    fn summarise(&self, path: &str, input: Option<&[i64]>, rows: &mut Vec<Row>) -> Result<()> {
        let mut shape = input.map(<[i64]>::to_vec);
        for (name, layer) in self.children() {
            if name == "class_output" {
                let activation = format!("{}, mean of the image", self.activation.describe());
                shape = shape
                    .map(|s| GlobalAvgPool2d.output_shape(&s))
                    .transpose()?;
                rows.push(Row {
                    path: path.to_owned(),
                    layer: activation,
                    output: shape.clone(),
                    parameters: 0,
                });
            }
            shape = shape
                .map(|s| layer.output_shape(&s))
                .transpose()
                .map_err(|e| at(&name, e))?;
            rows.push(Row {
                path: joined(path, &name),
                layer: layer.describe(),
                output: shape.clone(),
                parameters: layer.parameter_count(),
            });
        }
        Ok(())
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let mut h = self
            .conv1
            .plan(sketch, x)
            .map_err(|why| why.at("f.conv1"))?;
        for (name, block) in &self.blocks {
            h = block.plan(sketch, &h).map_err(|why| why.at(name))?;
        }
        let h = planned("f.bn1", &self.bn1, sketch, &h)?;
        let h = self.activation.plan(sketch, &h)?;
        let mean = sketch.adapt(&h, 1, 1)?;
        let row = sketch.flatten(&mean);
        let head = self.head.plan(sketch, &row);
        head.map_err(|why| why.at("class_output"))
    }

    fn describe(&self) -> String {
        self.options
            .show_call("wide_resnet", &format!("{}, {}", self.depth, self.width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::thousands;

    #[test]
    fn the_papers_network_has_its_size() -> Result<()> {
        let net = Network::of(WideResNet::new(28, 10, &WideResNetOptions::default())?);
        assert_eq!(thousands(net.parameter_count()), "36,471,338");
        assert_eq!(net.output_shape(&[64, 3, 32, 32])?, [64, 10]);
        let table = net.summary(Some(&[64, 3, 32, 32]))?;
        assert!(table.lines().count() < 20, "{table}");
        assert!(table.contains("[64, 640, 8, 8]"), "{table}");
        assert!(table.ends_with("36,471,338"), "{table}");
        assert_eq!(net.describe(), "wide_resnet(28, 10)");
        Ok(())
    }

    #[test]
    fn impossible_networks_are_refused() {
        let said = |depth, width, o: WideResNetOptions| {
            WideResNet::new(depth, width, &o)
                .err()
                .map(|e| e.message().to_owned())
                .unwrap_or_default()
        };
        let usual = WideResNetOptions::default;
        assert_eq!(
            said(27, 10, usual()),
            "nn::wide_resnet: `depth` must be 10, 16, 22, 28, … (6n + 4), got 27"
        );
        assert_eq!(
            said(10, 0, usual()),
            "nn::wide_resnet: `width` must be at least 1, got 0"
        );
        let misspelt =
            WideResNetOptions::from_map([("norm", &crate::options::Value::Str("bach".to_owned()))]);
        assert!(
            misspelt
                .unwrap_err()
                .to_string()
                .ends_with("did you mean \"batch\"?")
        );
        assert!(
            said(
                10,
                1,
                WideResNetOptions {
                    activation: "rleu".into(),
                    ..usual()
                }
            )
            .contains("unknown activation")
        );
    }
}
