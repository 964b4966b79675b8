//! Transposed convolution of images: the gradient of a convolution by its input, as a layer that
//! enlarges. As in PyTorch.

use super::conv::named;
use super::{Layer, at_least_one, groups, init, outcome, window, wrong_channels, wrong_input};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::{Named, Param};
use crate::tensor::Tensor;

options! {
    /// Options of [`ConvTranspose2d`].
    pub struct ConvTranspose2dOptions for "nn::conv_transpose2d" {
        /// pixels of the output between neighbouring pixels of the input
        stride: i64 = 1,
        /// rows and columns taken off around the output
        padding: i64 = 0,
        /// rows and columns added at one side of the output; less than the stride
        output_padding: i64 = 0,
        /// pixels between neighbouring entries of the kernel
        dilation: i64 = 1,
        /// groups of channels that do not mix
        groups: i64 = 1,
        /// whether a bias is added
        bias: bool = true,
    }
    check |o| {
        let owner = "nn::conv_transpose2d";
        window(owner, 1, &[("stride", o.stride), ("dilation", o.dilation)])?;
        window(owner, 0, &[("padding", o.padding), ("output_padding", o.output_padding)])?;
        at_least_one(owner, &[("groups", o.groups)])?;
        if o.output_padding >= o.stride.max(o.dilation) {
            return Err(Error::argument(format!(
                "{owner}: `output_padding` must be less than the stride, got {} of {}",
                o.output_padding, o.stride
            )));
        }
        Ok(())
    }
}

/// A transposed convolution with a square kernel; `[B, in, H, W]` to `[B, out, H', W']`.
pub struct ConvTranspose2d {
    sizes: [i64; 3],
    options: ConvTranspose2dOptions,
    weight: Param,
    bias: Option<Param>,
}

impl ConvTranspose2d {
    /// A transposed convolution with PyTorch's initial weights, on the default device.
    pub fn new(
        in_channels: i64,
        out_channels: i64,
        kernel: i64,
        options: &ConvTranspose2dOptions,
    ) -> Result<ConvTranspose2d> {
        let owner = "nn::conv_transpose2d";
        options.check()?;
        at_least_one(
            owner,
            &[("in_channels", in_channels), ("out_channels", out_channels)],
        )?;
        window(owner, 1, &[("kernel", kernel)])?;
        groups(owner, options.groups, in_channels, out_channels)?;
        let shape = [in_channels, out_channels / options.groups, kernel, kernel];
        let weight = init::weight(owner, &shape)?;
        let bias = match options.bias {
            true => Some(init::bias(out_channels, &shape)?),
            false => None,
        };
        let sizes = [in_channels, out_channels, kernel];
        Ok(ConvTranspose2d {
            sizes,
            options: options.clone(),
            weight,
            bias,
        })
    }
}

impl Layer for ConvTranspose2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let o = &self.options;
        let (weight, bias) = (self.weight.get(), self.bias.as_ref().map(Param::get));
        let found = x.raw().f_conv_transpose2d(
            weight.raw(),
            bias.as_ref().map(Tensor::raw),
            [o.stride, o.stride],
            [o.padding, o.padding],
            [o.output_padding, o.output_padding],
            o.groups,
            [o.dilation, o.dilation],
        );
        outcome(self, x, Some(&self.weight), found)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let ([channels, out, kernel], o) = (self.sizes, &self.options);
        let &[batch, c, height, width] = input else {
            return Err(wrong_input(
                self,
                &format!("images [B, {channels}, H, W]"),
                input,
            ));
        };
        if c != channels {
            return Err(wrong_channels(self, channels, input));
        }
        let covered = o.dilation * (kernel - 1) + 1;
        let side = |n: i64| (n - 1) * o.stride - 2 * o.padding + covered + o.output_padding;
        if side(height) < 1 || side(width) < 1 {
            return Err(Error::shape(format!(
                "{}: nothing is left of {height}×{width} images",
                self.describe()
            ))
            .with_hint("take less padding"));
        }
        Ok(vec![batch, out, side(height), side(width)])
    }

    fn parameters(&self) -> Named {
        named(&self.weight, self.bias.as_ref())
    }

    fn describe(&self) -> String {
        let [channels, out, kernel] = self.sizes;
        self.options
            .show_call("conv_transpose2d", &format!("{channels}, {out}, {kernel}"))
    }
}
