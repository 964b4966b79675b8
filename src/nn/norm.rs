//! Normalisations that know no batch: `y = (x − mean) / √(var + eps) · weight + bias`, with mean
//! and variance over
//!
//! - a group of channels of one image ([`GroupNorm`]),
//! - one channel of one image ([`InstanceNorm2d`]),
//! - the last dimensions ([`LayerNorm`]).

use super::{Layer, at_least_one, outcome, wrong_channels, wrong_input};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::{Named, Param};
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::{Tensor, check_shape};

options! {
    /// Options of [`GroupNorm`].
    pub struct GroupNormOptions for "nn::group_norm" {
        /// added to the variance
        eps: f64 = 1e-5,
        /// whether weight and bias are learned
        affine: bool = true,
    }
    check |o| { check_eps("nn::group_norm", o.eps) }
}

options! {
    /// Options of [`InstanceNorm2d`].
    pub struct InstanceNorm2dOptions for "nn::instance_norm2d" {
        /// added to the variance
        eps: f64 = 1e-5,
        /// whether weight and bias are learned
        affine: bool = false,
    }
    check |o| { check_eps("nn::instance_norm2d", o.eps) }
}

options! {
    /// Options of [`LayerNorm`].
    pub struct LayerNormOptions for "nn::layer_norm" {
        /// added to the variance
        eps: f64 = 1e-5,
        /// whether weight and bias are learned
        elementwise_affine: bool = true,
    }
    check |o| { check_eps("nn::layer_norm", o.eps) }
}

/// `eps` must be a number that is not negative.
pub(super) fn check_eps(function: &str, eps: f64) -> Result<()> {
    if eps.is_finite() && eps >= 0.0 {
        Ok(())
    } else {
        Err(Error::argument(format!(
            "{function}: `eps` must not be negative, got {eps}"
        )))
    }
}

/// Weight (ones) and bias (zeros), where they are wanted.
pub(super) fn affine(function: &str, shape: &[i64], wanted: bool) -> Result<Option<[Param; 2]>> {
    check_shape(function, shape)?;
    Ok(if wanted {
        Some([
            Param::new(&Tensor::ones(shape)?)?,
            Param::new(&Tensor::zeros(shape)?)?,
        ])
    } else {
        None
    })
}

fn named(affine: &Option<[Param; 2]>) -> Named {
    affine
        .iter()
        .flat_map(|p| {
            ["weight", "bias"]
                .map(str::to_owned)
                .into_iter()
                .zip(p.clone())
        })
        .collect()
}

/// Normalisation over groups of channels; `[B, C, …]`.
pub struct GroupNorm {
    groups: i64,
    channels: i64,
    options: GroupNormOptions,
    affine: Option<[Param; 2]>,
}

impl GroupNorm {
    /// A layer on the default device; the groups must divide the channels.
    pub fn new(groups: i64, channels: i64, options: &GroupNormOptions) -> Result<GroupNorm> {
        options.check()?;
        at_least_one(
            "nn::group_norm",
            &[("groups", groups), ("channels", channels)],
        )?;
        if channels % groups != 0 {
            return Err(Error::argument(format!(
                "nn::group_norm: {groups} groups do not divide {channels} channels"
            ))
            .with_hint("the groups come first, then the channels"));
        }
        let affine = affine("nn::group_norm", &[channels], options.affine)?;
        Ok(GroupNorm {
            groups,
            channels,
            options: options.clone(),
            affine,
        })
    }
}

impl Layer for GroupNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let affine = self.affine.as_ref().map(|a| a.each_ref().map(Param::get));
        let (weight, bias) = (
            affine.as_ref().map(|a| a[0].raw()),
            affine.as_ref().map(|a| a[1].raw()),
        );
        let found = x
            .raw()
            .f_group_norm(self.groups, weight, bias, self.options.eps, true);
        outcome(self, x, self.affine.as_ref().map(|a| &a[0]), found)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        if input.len() < 2 {
            return Err(wrong_input(
                self,
                &format!("[B, {}, …]", self.channels),
                input,
            ));
        }
        if input[1] != self.channels {
            return Err(wrong_channels(self, self.channels, input));
        }
        Ok(input.to_vec())
    }

    fn parameters(&self) -> Named {
        named(&self.affine)
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let (groups, eps) = (self.groups as usize, self.options.eps);
        sketch.group_norm(x, self.channels, groups, eps, self.affine.as_ref())
    }

    fn describe(&self) -> String {
        self.options
            .show_call("group_norm", &format!("{}, {}", self.groups, self.channels))
    }
}

/// Normalisation of each channel of each image; `[B, C, H, W]`.
pub struct InstanceNorm2d {
    channels: i64,
    options: InstanceNorm2dOptions,
    affine: Option<[Param; 2]>,
}

impl InstanceNorm2d {
    /// A layer on the default device.
    pub fn new(channels: i64, options: &InstanceNorm2dOptions) -> Result<InstanceNorm2d> {
        options.check()?;
        at_least_one("nn::instance_norm2d", &[("channels", channels)])?;
        let affine = affine("nn::instance_norm2d", &[channels], options.affine)?;
        Ok(InstanceNorm2d {
            channels,
            options: options.clone(),
            affine,
        })
    }
}

impl Layer for InstanceNorm2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let affine = self.affine.as_ref().map(|a| a.each_ref().map(Param::get));
        let found = x.raw().f_instance_norm(
            affine.as_ref().map(|a| a[0].raw()),
            affine.as_ref().map(|a| a[1].raw()),
            None,
            None,
            true,
            0.0,
            self.options.eps,
            true,
        );
        outcome(self, x, self.affine.as_ref().map(|a| &a[0]), found)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let &[_, c, height, width] = input else {
            return Err(wrong_input(
                self,
                &format!("images [B, {}, H, W]", self.channels),
                input,
            ));
        };
        if c != self.channels {
            return Err(wrong_channels(self, self.channels, input));
        }
        if height * width < 2 {
            return Err(Error::shape(format!(
                "{}: needs more than one pixel, got {input:?}",
                self.describe()
            )));
        }
        Ok(input.to_vec())
    }

    fn parameters(&self) -> Named {
        named(&self.affine)
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let (groups, eps) = (self.channels as usize, self.options.eps);
        sketch.group_norm(x, self.channels, groups, eps, self.affine.as_ref())
    }

    fn describe(&self) -> String {
        self.options
            .show_call("instance_norm2d", &self.channels.to_string())
    }
}

/// Normalisation over the last dimensions.
pub struct LayerNorm {
    shape: Vec<i64>,
    options: LayerNormOptions,
    affine: Option<[Param; 2]>,
}

impl LayerNorm {
    /// A layer on the default device for inputs that end in this shape.
    pub fn new(shape: &[i64], options: &LayerNormOptions) -> Result<LayerNorm> {
        options.check()?;
        if shape.is_empty() {
            return Err(Error::argument(
                "nn::layer_norm: needs the sizes of at least one dimension",
            ));
        }
        for n in shape {
            at_least_one("nn::layer_norm", &[("shape", *n)])?;
        }
        let affine = affine("nn::layer_norm", shape, options.elementwise_affine)?;
        Ok(LayerNorm {
            shape: shape.to_vec(),
            options: options.clone(),
            affine,
        })
    }
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let affine = self.affine.as_ref().map(|a| a.each_ref().map(Param::get));
        let (weight, bias) = (
            affine.as_ref().map(|a| a[0].raw()),
            affine.as_ref().map(|a| a[1].raw()),
        );
        let found = x
            .raw()
            .f_layer_norm(&self.shape, weight, bias, self.options.eps, true);
        outcome(self, x, self.affine.as_ref().map(|a| &a[0]), found)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        if !input.ends_with(&self.shape) {
            return Err(wrong_input(
                self,
                &format!("a shape that ends in {:?}", self.shape),
                input,
            ));
        }
        Ok(input.to_vec())
    }

    fn parameters(&self) -> Named {
        named(&self.affine)
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        sketch.layer_norm(x, &self.shape, self.options.eps, self.affine.as_ref())
    }

    fn describe(&self) -> String {
        let shape = match self.shape.as_slice() {
            [n] => n.to_string(),
            all => format!("{all:?}"),
        };
        self.options.show_call("layer_norm", &shape)
    }
}
