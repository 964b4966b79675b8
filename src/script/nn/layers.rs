//! Layers: maps with weights, normalisations, pooling, shapes, dropout.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::super::arguments;
use super::super::edge::Outcome;
use super::seed_weights;
use crate::nn::{
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, GlobalAvgPool2d,
    GroupNorm, InstanceNorm2d, LayerNorm, Linear, MaxPool2d, Network, Reshape, SpectralNorm,
    WeightNorm,
};

#[export_module(manifest)]
pub mod functions {
    /// A convolution of images with a square kernel: `[B, in, H, W]` to `[B, out, H', W']`, with
    /// `H' = (H + 2·padding − dilation·(kernel − 1) − 1) / stride + 1`, rounded down. As in
    /// PyTorch, the kernel is not flipped, and initial weights and biases are uniform in
    /// ±1/√(in·kernel²/groups), drawn from the session's seed.
    ///
    /// ```rhai
    /// let conv = nn::conv2d(1, 8, 3, #{ padding: 1, stride: 2 });
    /// print(conv.forward(tensor::zeros([4, 1, 28, 28])).shape);   //= [4, 8, 14, 14]
    /// print(conv.parameter_count);                                //= 80
    /// ```
    #[rhai_fn(return_raw)]
    pub fn conv2d(
        ctx: NativeCallContext,
        in_channels: i64,
        out_channels: i64,
        kernel: i64,
        options: Map,
    ) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        seed_weights(&ctx);
        Ok(Conv2d::new(in_channels, out_channels, kernel, &options)?.into())
    }

    /// An affine map of the last dimension, `y = x Wᵀ + b`: `[…, in]` to `[…, out]`. As in PyTorch,
    /// initial weights and biases are uniform in ±1/√in, drawn from the session's seed.
    ///
    /// ```rhai
    /// let map = nn::linear(64, 10);
    /// print(map.forward(tensor::zeros([4, 64])).shape);              //= [4, 10]
    /// print(map.parameters()[0].abs().max().item() <= 1.0 / 8.0);    //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn linear(
        ctx: NativeCallContext,
        in_features: i64,
        out_features: i64,
        options: Map,
    ) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        seed_weights(&ctx);
        Ok(Linear::new(in_features, out_features, &options)?.into())
    }

    /// Batch normalisation of images `[B, C, H, W]` or features `[B, C]` (Ioffe and Szegedy, 2015):
    /// `y = (x − mean) / √(var + eps) · weight + bias`, channel by channel. In training mode, the
    /// mode of a new layer, mean and variance are those of the batch, and running ones follow them;
    /// in evaluation mode the running ones are used.
    ///
    /// In an energy-based model the choice matters: in training mode the energy of an image depends
    /// on the rest of its batch, also while sampling.
    ///
    /// ```rhai
    /// let norm = nn::batch_norm2d(3);
    /// let x = 5 + 2 * tensor::randn([16, 3, 8, 8]);
    /// print(norm.forward(x).mean().abs().item() < 1e-3);   //= true
    /// norm.eval_mode();                                    // one update of .1 has moved the running mean from 0 to .5
    /// print(norm.forward(x).mean().item() > 1);            //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn batch_norm2d(ctx: NativeCallContext, channels: i64, options: Map) -> Outcome<Network> {
        Ok(BatchNorm2d::new(channels, &arguments::options(&ctx, &options)?)?.into())
    }

    /// Normalisation over groups of channels of one image, `[B, C, …]` (Wu and He, 2018). It knows
    /// no batch: the energy of an image does not depend on the others. The groups must divide the
    /// channels.
    ///
    /// ```rhai
    /// let norm = nn::group_norm(4, 16);                    // 4 groups of 4 channels
    /// let x = 5 + 2 * tensor::randn([2, 16, 8, 8]);
    /// print(norm.forward(x)[0].mean().abs().item() < 1e-3);   //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn group_norm(
        ctx: NativeCallContext,
        groups: i64,
        channels: i64,
        options: Map,
    ) -> Outcome<Network> {
        Ok(GroupNorm::new(groups, channels, &arguments::options(&ctx, &options)?)?.into())
    }

    /// Normalisation of each row over its last dimension, of this size (Ba et al., 2016).
    ///
    /// ```rhai
    /// let norm = nn::layer_norm(4);
    /// print(norm.forward(tensor::of([[1, 1, 3, 3]])).round());
    /// //= tensor [1, 4] float32 on cpu
    /// //= [[-1, -1, 1, 1]]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn layer_norm(ctx: NativeCallContext, size: i64, options: Map) -> Outcome<Network> {
        Ok(LayerNorm::new(&[size], &arguments::options(&ctx, &options)?)?.into())
    }

    /// Normalisation over all last dimensions that a shape names.
    ///
    /// ```rhai
    /// let norm = nn::layer_norm([3, 8, 8]);
    /// let x = 5 + 2 * tensor::randn([2, 3, 8, 8]);
    /// print(norm.forward(x)[1].mean().abs().item() < 1e-3);   //= true
    /// ```
    #[rhai_fn(return_raw, name = "layer_norm")]
    pub fn layer_norm_shape(
        ctx: NativeCallContext,
        shape: Array,
        options: Map,
    ) -> Outcome<Network> {
        let shape = arguments::int_list("nn::layer_norm", &shape)?;
        Ok(LayerNorm::new(&shape, &arguments::options(&ctx, &options)?)?.into())
    }

    /// Normalisation of each channel of each image, `[B, C, H, W]` (Ulyanov et al., 2016). Without
    /// weight and bias unless `affine` is set, as in PyTorch.
    ///
    /// ```rhai
    /// let x = 5 + 2 * tensor::randn([2, 3, 8, 8]);
    /// print(nn::instance_norm2d(3).forward(x)[0][2].mean().abs().item() < 1e-3);   //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn instance_norm2d(
        ctx: NativeCallContext,
        channels: i64,
        options: Map,
    ) -> Outcome<Network> {
        Ok(InstanceNorm2d::new(channels, &arguments::options(&ctx, &options)?)?.into())
    }

    /// The mean of each window of `kernel × kernel` pixels, channel by channel.
    ///
    /// ```rhai
    /// let image = tensor::of([[1, 3], [5, 7]]).reshape([1, 1, 2, 2]);
    /// print(nn::avg_pool2d(2).forward(image).item());              //= 4.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn avg_pool2d(ctx: NativeCallContext, kernel: i64, options: Map) -> Outcome<Network> {
        Ok(AvgPool2d::new(kernel, &arguments::options(&ctx, &options)?)?.into())
    }

    /// The largest number of each window of `kernel × kernel` pixels, channel by channel. Its
    /// gradient reaches one pixel of each window only: samplers, which follow the gradient by the
    /// input, like strides or means better.
    ///
    /// ```rhai
    /// let image = tensor::of([[1, 3], [5, 7]]).reshape([1, 1, 2, 2]);
    /// print(nn::max_pool2d(2).forward(image).item());              //= 7.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn max_pool2d(ctx: NativeCallContext, kernel: i64, options: Map) -> Outcome<Network> {
        Ok(MaxPool2d::new(kernel, &arguments::options(&ctx, &options)?)?.into())
    }

    /// Means of as many windows as the wanted size has pixels, whatever the size of the images:
    /// `[B, C, H, W]` to `[B, C, height, width]`.
    ///
    /// ```rhai
    /// let pool = nn::adaptive_avg_pool2d(4, 4);
    /// print(pool.output_shape([2, 3, 32, 32]));   //= [2, 3, 4, 4]
    /// print(pool.output_shape([2, 3, 9, 11]));    //= [2, 3, 4, 4]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn adaptive_avg_pool2d(height: i64, width: i64) -> Outcome<Network> {
        Ok(AdaptiveAvgPool2d::new(height, width)?.into())
    }

    /// The mean of each whole channel: `[B, C, H, W]` to `[B, C]`.
    ///
    /// ```rhai
    /// let head = nn::sequential([nn::global_avg_pool2d(), nn::linear(128, 10)]);
    /// print(head.forward(tensor::zeros([4, 128, 7, 7])).shape);   //= [4, 10]
    /// ```
    pub fn global_avg_pool2d() -> Network {
        GlobalAvgPool2d.into()
    }

    /// All dimensions but the first as one: `[B, …]` to `[B, n]`.
    ///
    /// ```rhai
    /// print(nn::flatten().forward(tensor::zeros([4, 128, 2, 2])).shape);   //= [4, 512]
    /// ```
    pub fn flatten() -> Network {
        Flatten.into()
    }

    /// Each row of the batch in another shape: `[B, …]` to `[B, shape…]`. The batch is not named;
    /// one size may be −1. PyTorch calls it Unflatten.
    ///
    /// ```rhai
    /// print(nn::reshape([1, 8, 8]).forward(tensor::zeros([4, 64])).shape);   //= [4, 1, 8, 8]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn reshape(shape: Array) -> Outcome<Network> {
        Ok(Reshape::new(&arguments::int_list("nn::reshape", &shape)?)?.into())
    }

    /// Spectral normalisation (Miyato et al., 2018) of an affine map or a convolution: its weight
    /// is divided by its largest singular value, estimated by power iteration as PyTorch's
    /// `spectral_norm` does, one step at each pass in training mode.
    ///
    /// ```rhai
    /// let map = nn::spectral_norm(nn::linear(16, 16));
    /// for i in 0..200 { map.forward(tensor::zeros([1, 16])); }      // the estimate gets better with each pass
    /// map.eval_mode();
    /// let x = tensor::randn([1000, 16]);
    /// let longest = (map.forward(x) - map.forward(x * 0)).norm(1) / x.norm(1);
    /// print(longest.max().item() <= 1.001);                         //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn spectral_norm(ctx: NativeCallContext, layer: Network, options: Map) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        seed_weights(&ctx);
        Ok(SpectralNorm::new(layer, &options)?.into())
    }

    /// Weight normalisation (Salimans and Kingma, 2016) of an affine map or a convolution: for each
    /// output, the length of its weights and their direction are trained apart. A new one does what
    /// the layer did.
    ///
    /// ```rhai
    /// let map = nn::weight_norm(nn::linear(3, 2));
    /// print(map.state_dict().keys());                               //= ["bias", "weight_g", "weight_v"]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn weight_norm(layer: Network) -> Outcome<Network> {
        Ok(WeightNorm::new(layer)?.into())
    }

    /// Dropout (Srivastava et al., 2014): in training mode, the mode of a new layer, each number is
    /// 0 with probability `p` and multiplied by 1/(1 − p) otherwise; in evaluation mode nothing
    /// happens.
    ///
    /// ```rhai
    /// let drop = nn::dropout(0.2);
    /// let x = tensor::ones([1000]);
    /// print(drop.forward(x).max());   //= 1.25
    /// drop.eval_mode();
    /// print(drop.forward(x).max());   //= 1
    /// ```
    #[rhai_fn(return_raw)]
    pub fn dropout(p: f64) -> Outcome<Network> {
        Ok(Dropout::new(p)?.into())
    }

    /// Dropout with PyTorch's probability of .5.
    ///
    /// ```rhai
    /// print(nn::dropout().forward(tensor::ones([1000])).max());   //= 2
    /// ```
    #[rhai_fn(return_raw, name = "dropout")]
    pub fn dropout_half() -> Outcome<Network> {
        Ok(Dropout::new(0.5)?.into())
    }
}
