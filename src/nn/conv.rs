//! Convolution of images: `y[b, o] = bias[o] + Σ_i weight[o, i] ⋆ x[b, i]` (⋆ is cross-correlation,
//! as in PyTorch).

use super::{Layer, at_least_one, groups, init, outcome, window, wrong_channels, wrong_input};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::{Named, Param};
use crate::plan::{Place, Planned, Sketch, Window};
use crate::tensor::Tensor;

options! {
    /// Options of [`Conv2d`].
    pub struct Conv2dOptions for "nn::conv2d" {
        /// pixels between neighbouring places of the kernel
        stride: i64 = 1,
        /// rows and columns of zeros put around the image
        padding: i64 = 0,
        /// pixels between neighbouring entries of the kernel
        dilation: i64 = 1,
        /// groups of channels that do not mix
        groups: i64 = 1,
        /// whether a bias is added
        bias: bool = true,
    }
    check |o| {
        window("nn::conv2d", 1, &[("stride", o.stride), ("dilation", o.dilation)])?;
        window("nn::conv2d", 0, &[("padding", o.padding)])?;
        at_least_one("nn::conv2d", &[("groups", o.groups)])
    }
}

/// A convolution with a square kernel; `[B, in, H, W]` to `[B, out, H', W']`.
pub struct Conv2d {
    sizes: [i64; 3],
    options: Conv2dOptions,
    weight: Param,
    bias: Option<Param>,
}

impl Conv2d {
    /// A convolution with PyTorch's initial weights, on the default device.
    pub fn new(
        in_channels: i64,
        out_channels: i64,
        kernel: i64,
        options: &Conv2dOptions,
    ) -> Result<Conv2d> {
        options.check()?;
        at_least_one(
            "nn::conv2d",
            &[("in_channels", in_channels), ("out_channels", out_channels)],
        )?;
        window("nn::conv2d", 1, &[("kernel", kernel)])?;
        groups("nn::conv2d", options.groups, in_channels, out_channels)?;
        let shape = [out_channels, in_channels / options.groups, kernel, kernel];
        let (weight, bias) = init::weight_and_bias("nn::conv2d", &shape, options.bias)?;
        Ok(Conv2d {
            sizes: [in_channels, out_channels, kernel],
            options: options.clone(),
            weight,
            bias,
        })
    }
}

impl Layer for Conv2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let o = &self.options;
        let (weight, bias) = (self.weight.get(), self.bias.as_ref().map(Param::get));
        let found = x.raw().f_conv2d(
            weight.raw(),
            bias.as_ref().map(Tensor::raw),
            [o.stride, o.stride],
            [o.padding, o.padding],
            [o.dilation, o.dilation],
            o.groups,
        );
        outcome(self, x, Some(&self.weight), found)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let ([channels, out, kernel], o) = (self.sizes, &self.options);
        let &[batch, c, height, width] = input else {
            return Err(
                wrong_input(self, &format!("images [B, {channels}, H, W]"), input).with_hint(
                    "give rows their image shape with `.reshape([-1, channels, height, width])`",
                ),
            );
        };
        if c != channels {
            return Err(wrong_channels(self, channels, input));
        }
        let side =
            |n: i64| (n + 2 * o.padding - o.dilation * (kernel - 1) - 1).div_euclid(o.stride) + 1;
        if side(height) < 1 || side(width) < 1 {
            return Err(Error::shape(format!(
                "{}: the kernel does not fit into {height}×{width} images",
                self.describe()
            ))
            .with_hint("add padding, or let fewer layers before it shrink the image"));
        }
        Ok(vec![batch, out, side(height), side(width)])
    }

    fn parameters(&self) -> Named {
        named(&self.weight, self.bias.as_ref())
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let o = &self.options;
        let window = Window {
            kernel: self.sizes[2] as usize,
            stride: o.stride as usize,
            padding: o.padding as usize,
            dilation: o.dilation as usize,
        };
        let (weight, bias) = (&self.weight, self.bias.as_ref());
        sketch.conv(x, weight, bias, window, o.groups as usize)
    }

    fn describe(&self) -> String {
        let [channels, out, kernel] = self.sizes;
        self.options
            .show_call("conv2d", &format!("{channels}, {out}, {kernel}"))
    }
}

/// A weight and its bias under PyTorch's names.
pub(super) fn named(weight: &Param, bias: Option<&Param>) -> Named {
    let bias = bias.map(|b| ("bias".to_owned(), b.clone()));
    std::iter::once(("weight".to_owned(), weight.clone()))
        .chain(bias)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_inputs_are_named() -> Result<()> {
        let conv = Conv2d::new(1, 4, 3, &Conv2dOptions::default())?;
        let said = |shape: &[i64]| {
            conv.output_shape(shape)
                .err()
                .map(|e| e.message().to_owned())
                .unwrap_or_default()
        };
        assert_eq!(
            said(&[2, 3, 8, 8]),
            "conv2d(1, 4, 3): expects 1 channel, got 3"
        );
        assert_eq!(
            said(&[2, 64]),
            "conv2d(1, 4, 3): expects images [B, 1, H, W], got [2, 64]"
        );
        assert_eq!(
            said(&[2, 1, 2, 8]),
            "conv2d(1, 4, 3): the kernel does not fit into 2×8 images"
        );
        assert!(
            Conv2d::new(
                3,
                4,
                3,
                &Conv2dOptions {
                    groups: 2,
                    ..Default::default()
                }
            )
            .is_err()
        );
        assert!(Conv2d::new(0, 4, 3, &Conv2dOptions::default()).is_err());
        assert!(
            Conv2d::new(
                1,
                4,
                3,
                &Conv2dOptions {
                    stride: 0,
                    ..Default::default()
                }
            )
            .is_err()
        );
        Ok(())
    }
}
