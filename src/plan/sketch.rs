//! What layers say of themselves: the steps from a batch to its outputs, with the weights of the
//! moment.

use crate::params::Param;
use crate::tensor::Tensor;

/// Why a network is not written out: "layer 3 is a function".
#[derive(Clone, Debug, PartialEq)]
pub struct Unplanned(String);

/// What a layer could be written as, or why it could not.
pub type Planned<T> = std::result::Result<T, Unplanned>;

impl Unplanned {
    /// A reason, in words that follow "because".
    pub fn because(reason: impl Into<String>) -> Unplanned {
        Unplanned(reason.into())
    }

    /// The same, of a layer inside.
    pub fn at(self, layer: &str) -> Unplanned {
        Unplanned(format!("layer {layer}: {}", self.0))
    }
}

impl std::fmt::Display for Unplanned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<crate::Error> for Unplanned {
    /// A network that cannot be sketched fails in autograd's path, too, and with its own words.
    fn from(error: crate::Error) -> Unplanned {
        Unplanned(error.message().to_owned())
    }
}

/// A window that walks over an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
}

/// An activation, as kernels know it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Curve {
    Identity,
    Relu,
    /// With its slope below 0.
    LeakyRelu(f64),
    Silu,
    Gelu,
    /// With its alpha.
    Elu(f64),
    Tanh,
    Sigmoid,
    Softplus,
}

impl Curve {
    /// Its number in `kernels/finish.h`, and its own.
    pub(super) fn code(self) -> (i32, f64) {
        match self {
            Curve::Identity => (0, 0.0),
            Curve::Relu => (1, 0.0),
            Curve::LeakyRelu(slope) => (2, slope),
            Curve::Silu => (3, 0.0),
            Curve::Gelu => (4, 0.0),
            Curve::Elu(alpha) => (5, alpha),
            Curve::Tanh => (6, 0.0),
            Curve::Sigmoid => (7, 0.0),
            Curve::Softplus => (8, 0.0),
        }
    }
}

/// One step; its weights stand beside it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    /// The batch itself.
    Input,
    /// Weights: `[out, in / groups, k, k]`, bias if there is one.
    Conv {
        window: Window,
        groups: usize,
    },
    /// Weights: `[out, in]`, bias if there is one.
    Linear,
    Activate(Curve),
    /// `scale · x + shift`, a pair for each channel: normalisation by running statistics.
    Affine,
    Add,
    /// Means of windows.
    Average(Window),
    /// Means of as many windows as the image that is made has pixels.
    Adapt,
    /// The largest of each window.
    Largest(Window),
    /// Normalisation over groups of channels of one image; weight and bias if there are any, one
    /// number a place (`each`) or one a channel.
    Norm {
        groups: usize,
        eps: f64,
        each: bool,
    },
}

/// An image `[channels, height, width]`; features are images of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Image {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Image {
    pub(crate) fn pixels(self) -> usize {
        self.height * self.width
    }

    pub(crate) fn size(self) -> usize {
        self.pixels() * self.channels
    }
}

#[derive(Debug)]
pub(crate) struct Step {
    pub op: Op,
    /// The steps whose values enter.
    pub from: Vec<usize>,
    /// What is made.
    pub image: Image,
    pub weights: Vec<Tensor>,
}

/// A sketch without its weights: what a plan depends on.
#[derive(PartialEq)]
pub(crate) struct Outline {
    steps: Vec<Line>,
    output: usize,
}

/// A step without its weights: their shapes stand for them.
#[derive(PartialEq)]
struct Line {
    op: Op,
    from: Vec<usize>,
    image: Image,
    weights: Vec<Vec<i64>>,
}

/// A value between two layers.
#[derive(Clone, Debug)]
pub struct Place {
    step: usize,
    /// The shape of one row as layers see it: `[C, H, W]` or `[features]`.
    row: Vec<i64>,
}

/// The steps of a network for rows of one shape.
#[derive(Debug)]
pub struct Sketch {
    pub(crate) steps: Vec<Step>,
    /// The step whose value is the network's output.
    pub(crate) output: usize,
}

impl Sketch {
    /// Starts with rows of a shape.
    pub fn new(row: &[i64]) -> Planned<(Sketch, Place)> {
        let image = match *row {
            [c, h, w] if c * h * w > 0 => Image {
                channels: c as usize,
                height: h as usize,
                width: w as usize,
            },
            [n] if n > 0 => features(n as usize),
            _ => {
                return Err(Unplanned::because(format!(
                    "rows of {row:?} are neither images nor features"
                )));
            }
        };
        let input = Step {
            op: Op::Input,
            from: Vec::new(),
            image,
            weights: Vec::new(),
        };
        let place = Place {
            step: 0,
            row: row.to_vec(),
        };
        Ok((
            Sketch {
                steps: vec![input],
                output: 0,
            },
            place,
        ))
    }

    /// Names the output, which has one number for each of its channels.
    pub fn finish(mut self, output: &Place) -> Planned<Sketch> {
        if self.image(output).pixels() != 1 || output.row.len() != 1 {
            return Err(Unplanned::because("the network's output has pixels"));
        }
        self.output = output.step;
        Ok(self)
    }

    /// The sketch without its weights.
    pub(crate) fn outline(&self) -> Outline {
        let of = |s: &Step| Line {
            op: s.op.clone(),
            from: s.from.clone(),
            image: s.image,
            weights: s.weights.iter().map(Tensor::shape).collect(),
        };
        Outline {
            steps: self.steps.iter().map(of).collect(),
            output: self.output,
        }
    }

    /// All weights.
    pub fn weights(&self) -> impl Iterator<Item = &Tensor> {
        self.steps.iter().flat_map(|step| &step.weights)
    }

    /// Channels at a place, or features.
    pub(crate) fn channels(&self, place: &Place) -> i64 {
        place.row.first().copied().unwrap_or(0)
    }

    pub(crate) fn image(&self, place: &Place) -> Image {
        self.steps[place.step].image
    }

    fn push(&mut self, op: Op, from: Vec<usize>, image: Image, weights: Vec<Tensor>) -> Place {
        self.steps.push(Step {
            op,
            from,
            image,
            weights,
        });
        Place {
            step: self.steps.len() - 1,
            row: vec![
                image.channels as i64,
                image.height as i64,
                image.width as i64,
            ],
        }
    }

    /// The place as an image, where it is one.
    fn images(&self, x: &Place, layer: &str) -> Planned<Image> {
        if x.row.len() == 3 {
            Ok(self.image(x))
        } else {
            Err(Unplanned::because(format!("{layer} gets no images")))
        }
    }

    /// A convolution of `[out, in / groups, k, k]`.
    pub(crate) fn conv(
        &mut self,
        x: &Place,
        weight: &Param,
        bias: Option<&Param>,
        window: Window,
        groups: usize,
    ) -> Planned<Place> {
        let from = self.images(x, "a convolution")?;
        let shape = weight.shape();
        let image = Image {
            channels: shape[0] as usize,
            height: side(from.height, window)?,
            width: side(from.width, window)?,
        };
        if shape[1] as usize * groups != from.channels {
            return Err(Unplanned::because(
                "a convolution gets other channels than it has",
            ));
        }
        let op = Op::Conv { window, groups };
        Ok(self.push(op, vec![x.step], image, taken(weight, bias)))
    }

    /// An affine map of rows.
    pub(crate) fn linear(
        &mut self,
        x: &Place,
        weight: &Param,
        bias: Option<&Param>,
    ) -> Planned<Place> {
        let shape = weight.shape();
        if x.row.len() != 1 || shape[1] != x.row[0] {
            return Err(Unplanned::because(
                "an affine map gets no rows of its length",
            ));
        }
        let image = features(shape[0] as usize);
        let made = self.push(Op::Linear, vec![x.step], image, taken(weight, bias));
        Ok(made.of_row(vec![shape[0]]))
    }

    pub(crate) fn activate(&mut self, x: &Place, curve: Curve) -> Place {
        let image = self.image(x);
        let made = self.push(Op::Activate(curve), vec![x.step], image, Vec::new());
        made.of_row(x.row.clone())
    }

    /// `scale · x + shift`, `[channels]` each.
    pub(crate) fn affine(&mut self, x: &Place, scale: Tensor, shift: Tensor) -> Planned<Place> {
        let image = self.image(x);
        // Of a flattened image, channels are not the network's.
        if x.row.len() == 1 && image.pixels() > 1 {
            return Err(Unplanned::because(
                "a normalisation of rows that were images is not written out",
            ));
        }
        let made = self.push(Op::Affine, vec![x.step], image, vec![scale, shift]);
        Ok(made.of_row(x.row.clone()))
    }

    pub(crate) fn add(&mut self, a: &Place, b: &Place) -> Planned<Place> {
        let image = self.image(a);
        if a.row != b.row || image != self.image(b) {
            return Err(Unplanned::because(
                "a sum has parts of different shape or layout",
            ));
        }
        let made = self.push(Op::Add, vec![a.step, b.step], image, Vec::new());
        Ok(made.of_row(a.row.clone()))
    }

    /// The same numbers as one row.
    pub(crate) fn flatten(&self, x: &Place) -> Place {
        x.clone().of_row(vec![x.row.iter().product()])
    }

    /// The same numbers in another shape, which must not move them.
    pub(crate) fn reshape(&self, x: &Place, row: &[i64]) -> Planned<Place> {
        let image = self.image(x);
        let as_image = [image.channels, image.height, image.width].map(|n| n as i64);
        if row.len() == 1 || row == as_image {
            return Ok(x.clone().of_row(row.to_vec()));
        }
        Err(Unplanned::because(
            "a reshape that moves numbers is not written out",
        ))
    }

    pub(crate) fn average(&mut self, x: &Place, window: Window) -> Planned<Place> {
        self.pool(x, window, Op::Average(window))
    }

    pub(crate) fn largest(&mut self, x: &Place, window: Window) -> Planned<Place> {
        self.pool(x, window, Op::Largest(window))
    }

    fn pool(&mut self, x: &Place, window: Window, op: Op) -> Planned<Place> {
        let from = self.images(x, "a pool")?;
        let image = Image {
            channels: from.channels,
            height: side(from.height, window)?,
            width: side(from.width, window)?,
        };
        Ok(self.push(op, vec![x.step], image, Vec::new()))
    }

    /// Means of `height × width` windows.
    pub(crate) fn adapt(&mut self, x: &Place, height: usize, width: usize) -> Planned<Place> {
        let channels = self.images(x, "a pool")?.channels;
        let image = Image {
            channels,
            height,
            width,
        };
        Ok(self.push(Op::Adapt, vec![x.step], image, Vec::new()))
    }

    /// Normalisation over groups of channels.
    pub(crate) fn group_norm(
        &mut self,
        x: &Place,
        channels: i64,
        groups: usize,
        eps: f64,
        affine: Option<&[Param; 2]>,
    ) -> Planned<Place> {
        let image = self.image(x);
        if x.row.len() == 1 && image.pixels() > 1 {
            return Err(Unplanned::because(
                "a normalisation of rows that were images is not written out",
            ));
        }
        if channels != self.channels(x) {
            return Err(Unplanned::because(
                "a normalisation gets other channels than it has",
            ));
        }
        let op = Op::Norm {
            groups,
            eps,
            each: false,
        };
        let made = self.push(op, vec![x.step], image, both(affine));
        Ok(made.of_row(x.row.clone()))
    }

    /// Normalisation over a whole row.
    pub(crate) fn layer_norm(
        &mut self,
        x: &Place,
        shape: &[i64],
        eps: f64,
        affine: Option<&[Param; 2]>,
    ) -> Planned<Place> {
        if shape != x.row {
            return Err(Unplanned::because(
                "a layer norm over a part of each row is not written out",
            ));
        }
        let op = Op::Norm {
            groups: 1,
            eps,
            each: true,
        };
        let image = self.image(x);
        let made = self.push(op, vec![x.step], image, both(affine));
        Ok(made.of_row(x.row.clone()))
    }
}

impl Place {
    fn of_row(mut self, row: Vec<i64>) -> Place {
        self.row = row;
        self
    }

    /// The shape of one row.
    pub(crate) fn row(&self) -> &[i64] {
        &self.row
    }
}

/// Features as an image of one pixel.
fn features(n: usize) -> Image {
    Image {
        channels: n,
        height: 1,
        width: 1,
    }
}

/// How many places a window has along a side.
fn side(n: usize, w: Window) -> Planned<usize> {
    let reach = w.dilation * (w.kernel - 1) + 1;
    match (n + 2 * w.padding).checked_sub(reach) {
        Some(room) => Ok(room / w.stride + 1),
        None => Err(Unplanned::because("a window does not fit into its image")),
    }
}

fn taken(weight: &Param, bias: Option<&Param>) -> Vec<Tensor> {
    std::iter::once(weight)
        .chain(bias)
        .map(|p| p.get().detach())
        .collect()
}

fn both(affine: Option<&[Param; 2]>) -> Vec<Tensor> {
    affine
        .into_iter()
        .flatten()
        .map(|p| p.get().detach())
        .collect()
}
