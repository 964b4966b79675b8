//! Convolution of sequences: `y[b, o] = bias[o] + Σ_i weight[o, i] ⋆ x[b, i]`, as in PyTorch.

use super::conv::named;
use super::{
    Conv2dOptions, Layer, at_least_one, groups, init, outcome, window, wrong_channels, wrong_input,
};
use crate::error::{Error, Result};
use crate::options::Options as _;
use crate::params::{Named, Param};
use crate::tensor::Tensor;

/// A convolution along the last dimension; `[B, in, L]` to `[B, out, L']`.
pub struct Conv1d {
    sizes: [i64; 3],
    options: Conv2dOptions,
    weight: Param,
    bias: Option<Param>,
}

impl Conv1d {
    /// A convolution with PyTorch's initial weights, on the default device. Its options are those of
    /// [`super::Conv2d`].
    pub fn new(
        in_channels: i64,
        out_channels: i64,
        kernel: i64,
        options: &Conv2dOptions,
    ) -> Result<Conv1d> {
        options.check()?;
        let channels = [("in_channels", in_channels), ("out_channels", out_channels)];
        at_least_one("nn::conv1d", &channels)?;
        window("nn::conv1d", 1, &[("kernel", kernel)])?;
        groups("nn::conv1d", options.groups, in_channels, out_channels)?;
        let shape = [out_channels, in_channels / options.groups, kernel];
        let (weight, bias) = init::weight_and_bias("nn::conv1d", &shape, options.bias)?;
        let sizes = [in_channels, out_channels, kernel];
        Ok(Conv1d {
            sizes,
            options: options.clone(),
            weight,
            bias,
        })
    }
}

impl Layer for Conv1d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let o = &self.options;
        let (weight, bias) = (self.weight.get(), self.bias.as_ref().map(Param::get));
        let bias = bias.as_ref().map(Tensor::raw);
        let (stride, padding, dilation) = ([o.stride], [o.padding], [o.dilation]);
        let found = x
            .raw()
            .f_conv1d(weight.raw(), bias, stride, padding, dilation, o.groups);
        outcome(self, x, Some(&self.weight), found)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let ([channels, out, kernel], o) = (self.sizes, &self.options);
        let &[batch, c, length] = input else {
            return Err(wrong_input(
                self,
                &format!("sequences [B, {channels}, L]"),
                input,
            ));
        };
        if c != channels {
            return Err(wrong_channels(self, channels, input));
        }
        let covered = o.dilation * (kernel - 1) + 1;
        let made = (length + 2 * o.padding - covered).div_euclid(o.stride) + 1;
        if made < 1 {
            return Err(Error::shape(format!(
                "{}: the kernel does not fit into sequences of {length}",
                self.describe()
            )));
        }
        Ok(vec![batch, out, made])
    }

    fn parameters(&self) -> Named {
        named(&self.weight, self.bias.as_ref())
    }

    fn describe(&self) -> String {
        let [channels, out, kernel] = self.sizes;
        self.options
            .show_call("conv1d", &format!("{channels}, {out}, {kernel}"))
    }
}
