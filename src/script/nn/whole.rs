//! Whole networks: JEM's wide residual network, and modules that PyTorch wrote.

use rhai::Map;
use rhai::plugin::*;

use super::super::arguments;
use super::super::edge::Outcome;
use super::super::host::Host;
use super::seed_weights;
use crate::nn::{Network, TorchScript, WideResNet};

#[export_module(manifest)]
pub mod functions {
    /// The wide residual network (Zagoruyko and Komodakis, 2016) in the form of the official JEM
    /// code: `depth` 6n + 4, `width` times 16, 32 and 64 channels in its three layers. Blocks are
    /// pre-activated, convolutions have biases and the activation is a leaky ReLU with a slope of
    /// .2; JEM takes no normalisation. JEM's network for CIFAR-10 is `nn::wide_resnet(28, 10)`:
    /// 36,471,338 parameters.
    ///
    /// At the end stands the mean over the whole image, which for images of 32×32 is the 8×8
    /// pooling of the official code. Its parameters have the official names, so `net.load` reads
    /// official checkpoints.
    ///
    /// ```rhai
    /// let net = nn::wide_resnet(10, 1, #{ channels: 1 });
    /// print(net.summary([64, 1, 32, 32]));
    /// //=               layer                                          output            parameters
    /// //= f.conv1       conv2d(1, 16, 3, #{ padding: 1 })              [64, 16, 32, 32]         160
    /// //= f.layer1.0    block(16, 16): two 3×3 convolutions            [64, 16, 32, 32]       4,640
    /// //= f.layer2.0    block(16, 32): two 3×3 convolutions, shortcut  [64, 32, 16, 16]      14,432
    /// //= f.layer3.0    block(32, 64): two 3×3 convolutions, shortcut  [64, 64, 8, 8]        57,536
    /// //=               leaky_relu(0.2), mean of the image             [64, 64]                   0
    /// //= class_output  linear(64, 10)                                 [64, 10]                 650
    /// //=               total                                                                77,418
    /// let model = energy::joint(net);
    /// print(model.energy(tensor::zeros([2, 1, 32, 32])).shape);           //= [2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn wide_resnet(
        ctx: NativeCallContext,
        depth: i64,
        width: i64,
        options: Map,
    ) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        seed_weights(&ctx);
        Ok(WideResNet::new(depth, width, &options)?.into())
    }

    /// A TorchScript module, as `torch.jit.script(module).save(file)` or `torch.jit.trace` writes
    /// one in Python, as a network or a feature extractor. It is frozen: gradients flow to its
    /// input, its own weights are not trained and not among the network's parameters, unless
    /// `trainable` says so. It lies on the device in use and starts in evaluation mode. Its buffers
    /// (running means) are not seen from outside: checkpoints do not keep them.
    ///
    /// Such a file is a program, which could do all that you can do. It is run only if the command
    /// line says `--trust`.
    ///
    /// ```rhai
    /// try { nn::torchscript("inception.pt"); }
    /// catch (e) { print(e.message); }
    /// //= nn::torchscript: "inception.pt" is a program, and no foreign program is run unasked
    /// ```
    #[rhai_fn(return_raw)]
    pub fn torchscript(ctx: NativeCallContext, path: &str, options: Map) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        let file = Host::of(&ctx).access().program("nn::torchscript", path)?;
        Ok(TorchScript::load(&file, path, &options)?.into())
    }
}
