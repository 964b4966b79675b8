//! Layers for sequences, for generators and for tables of vectors.

use rhai::Map;
use rhai::plugin::*;

use super::super::arguments;
use super::super::edge::Outcome;
use super::seed_weights;
use crate::nn::{Conv1d, ConvTranspose2d, Embedding, Interpolate, MultiheadAttention, Network};

#[export_module(manifest)]
pub mod functions {
    /// A convolution of sequences: `[B, in, L]` to `[B, out, L']`. Options, defaults and initial
    /// weights are those of `nn::conv2d`.
    ///
    /// ```rhai
    /// let conv = nn::conv1d(2, 8, 3, #{ padding: 1 });
    /// print(conv.forward(tensor::zeros([4, 2, 16])).shape);   //= [4, 8, 16]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn conv1d(
        ctx: NativeCallContext,
        in_channels: i64,
        out_channels: i64,
        kernel: i64,
        options: Map,
    ) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        seed_weights(&ctx);
        Ok(Conv1d::new(in_channels, out_channels, kernel, &options)?.into())
    }

    /// A transposed convolution of images, which enlarges: `[B, in, H, W]` to `[B, out, H', W']`,
    /// with `H' = (H − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1`. As in
    /// PyTorch, weights `[in, out/groups, kernel, kernel]` and biases too.
    ///
    /// ```rhai
    /// let up = nn::conv_transpose2d(8, 4, 4, #{ stride: 2, padding: 1 });
    /// print(up.forward(tensor::zeros([2, 8, 7, 7])).shape);   //= [2, 4, 14, 14]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn conv_transpose2d(
        ctx: NativeCallContext,
        in_channels: i64,
        out_channels: i64,
        kernel: i64,
        options: Map,
    ) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        seed_weights(&ctx);
        Ok(ConvTranspose2d::new(in_channels, out_channels, kernel, &options)?.into())
    }

    /// A table of `count` vectors of a size, looked up by whole numbers: `[…]` to `[…, size]`.
    /// Initial weights are standard normal, as PyTorch's.
    ///
    /// ```rhai
    /// let classes = nn::embedding(10, 4);
    /// print(classes.forward(tensor::ints([3, 1, 3])).shape);   //= [3, 4]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn embedding(ctx: NativeCallContext, count: i64, size: i64) -> Outcome<Network> {
        seed_weights(&ctx);
        Ok(Embedding::new(count, size)?.into())
    }

    /// Images made larger or smaller, by a factor `scale` or to a `size`: `[B, C, H, W]` to
    /// `[B, C, H', W']`.
    ///
    /// ```rhai
    /// let up = nn::interpolate(#{ scale: 2, mode: "bilinear" });
    /// print(up.forward(tensor::zeros([1, 3, 4, 4])).shape);   //= [1, 3, 8, 8]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn interpolate(ctx: NativeCallContext, options: Map) -> Outcome<Network> {
        Ok(Interpolate::new(&arguments::options(&ctx, &options)?)?.into())
    }

    /// Multi-head self-attention (Vaswani et al., 2017): `[B, T, size]` to `[B, T, size]`; each of
    /// the `heads` attends with `size / heads` numbers. Names and initial weights are those of
    /// PyTorch's `MultiheadAttention`.
    ///
    /// ```rhai
    /// let attend = nn::multihead_attention(8, 2);
    /// print(attend.forward(tensor::zeros([1, 5, 8])).shape);   //= [1, 5, 8]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn multihead_attention(
        ctx: NativeCallContext,
        size: i64,
        heads: i64,
        options: Map,
    ) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        seed_weights(&ctx);
        Ok(MultiheadAttention::new(size, heads, &options)?.into())
    }
}
