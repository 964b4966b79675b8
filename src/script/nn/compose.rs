//! Networks made of layers, and layers made of functions.

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};

use super::super::edge::Outcome;
use super::super::{arguments, closure, value};
use super::seed_weights;
use crate::nn::{Lambda, Mlp, Module, Network, Residual, Sequential};
use crate::params::StatisticsFrozen;

#[export_module(manifest)]
pub mod functions {
    /// Layers one after the other. Parameters are named by position: `0.weight`, `2.bias`. A layer
    /// that is listed twice, or in two networks, shares its weights.
    ///
    /// ```rhai
    /// let net = nn::sequential([
    ///     nn::conv2d(1, 32, 3, #{ padding: 1, stride: 2 }), nn::silu(),
    ///     nn::flatten(), nn::linear(512, 10),
    /// ]);
    /// print(net.forward(tensor::zeros([64, 1, 8, 8])).shape);   //= [64, 10]
    /// print(net);
    /// //=    layer                                         output          parameters
    /// //= 0  conv2d(1, 32, 3, #{ stride: 2, padding: 1 })  [64, 32, 4, 4]         320
    /// //= 1  silu()                                        [64, 32, 4, 4]           0
    /// //= 2  flatten()                                     [64, 512]                0
    /// //= 3  linear(512, 10)                               [64, 10]             5,130
    /// //=    total                                                              5,450
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sequential(layers: Array) -> Outcome<Network> {
        let layers =
            arguments::object_list("nn::sequential", "networks", &layers).map_err(|e| {
                e.with_hint(
                "a layer is made by a call, `nn::silu()`; `nn::lambda(f)` makes one of a function",
            )
            })?;
        Ok(Sequential::new(layers)?.into())
    }

    /// A residual block, `y = body(x) + x` (He et al., 2016). The body must keep the shape.
    ///
    /// ```rhai
    /// let block = nn::residual(nn::sequential([nn::silu(), nn::conv2d(16, 16, 3, #{ padding: 1 })]));
    /// print(block.forward(tensor::zeros([2, 16, 8, 8])).shape);   //= [2, 16, 8, 8]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn residual(body: Network) -> Outcome<Network> {
        Ok(Residual::new(body, None)?.into())
    }

    /// A residual block whose body changes the shape: `y = body(x) + shortcut(x)`, where the
    /// shortcut changes it likewise.
    ///
    /// ```rhai
    /// let body = nn::sequential([nn::silu(), nn::conv2d(16, 32, 3, #{ padding: 1, stride: 2 })]);
    /// let block = nn::residual(body, nn::conv2d(16, 32, 1, #{ stride: 2 }));
    /// print(block.forward(tensor::zeros([2, 16, 8, 8])).shape);   //= [2, 32, 4, 4]
    /// ```
    #[rhai_fn(name = "residual", return_raw)]
    pub fn residual_shortcut(body: Network, shortcut: Network) -> Outcome<Network> {
        Ok(Residual::new(body, Some(shortcut))?.into())
    }

    /// A multi-layer perceptron: affine maps between these sizes, `[in, hidden…, out]`, with an
    /// activation between them and none after the last. Images are flattened first. Weights start
    /// as those of `nn::linear`.
    ///
    /// ```rhai
    /// let net = nn::mlp([64, 256, 256, 10], #{ activation: "leaky_relu(0.2)" });
    /// print(net.forward(tensor::zeros([4, 1, 8, 8])).shape);   //= [4, 10]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mlp(ctx: NativeCallContext, sizes: Array, options: Map) -> Outcome<Network> {
        let (sizes, options) = (
            arguments::int_list("nn::mlp", &sizes)?,
            arguments::options(&ctx, &options)?,
        );
        seed_weights(&ctx);
        Ok(Mlp::new(&sizes, &options)?.into())
    }

    /// A layer written in the script: a function from tensor to tensor. The networks that it uses
    /// are named in `params`, else no optimiser finds their weights and no checkpoint keeps them.
    ///
    /// ```rhai
    /// let sine = nn::lambda(|x| x.sin());
    /// let net = nn::sequential([nn::linear(2, 16), sine, nn::linear(16, 1)]);
    /// print(net.forward(tensor::zeros([4, 2])).shape);   //= [4, 1]
    ///
    /// let value = nn::linear(8, 8);
    /// let gate = nn::linear(8, 8);
    /// let gated = nn::lambda(|x| value.forward(x) * gate.forward(x).sigmoid(), #{ params: [value, gate] });
    /// print(gated.parameter_count);                      //= 144
    /// ```
    #[rhai_fn(return_raw)]
    pub fn lambda(ctx: NativeCallContext, f: FnPtr, options: Map) -> Outcome<Network> {
        let options = arguments::options(&ctx, &options)?;
        Ok(Lambda::new(closure::function(&ctx, f), &options)?.into())
    }

    /// A layer with weights and layers of its own, what a class is in PyTorch: `forward` computes,
    /// and finds everything by name in its first argument. State dict, summary, modes, optimisers
    /// and checkpoints treat it as any layer.
    ///
    /// ```rhai
    /// fn gated(size) {
    ///     nn::module(#{
    ///         parameters: #{ scale: tensor::ones([size]) },
    ///         children:   #{ value: nn::linear(size, size), gate: nn::linear(size, size) },
    ///         forward:    |self, x| self.scale * (self.value)(x) * (self.gate)(x).sigmoid(),
    ///     })
    /// }
    /// let net = nn::sequential([gated(8), nn::linear(8, 2)]);
    /// print(net.forward(tensor::zeros([4, 8])).shape);   //= [4, 2]
    /// print(net.parameter_count);                        //= 170
    /// print(net.state_dict().keys().len());              //= 7
    /// ```
    #[rhai_fn(return_raw)]
    pub fn module(ctx: NativeCallContext, options: Map) -> Outcome<Network> {
        Ok(Module::new(&arguments::options(&ctx, &options)?)?.into())
    }

    /// What a function gives, while layers that gather statistics as batches pass (the running
    /// means of batch norm, the vectors of spectral norm) compute as they do and keep nothing of
    /// it: for a second pass within one step, at perturbed weights say. `optim::sam` does so by
    /// itself.
    ///
    /// ```rhai
    /// let net = nn::batch_norm2d(3);
    /// let x = 5 + tensor::randn([8, 3]);
    /// let y = nn::frozen_statistics(|| net.forward(x));
    /// print(y.shape);                                       //= [8, 3]
    /// print(net.state_dict().running_mean.abs().max());     //= 0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn frozen_statistics(ctx: NativeCallContext, compute: FnPtr) -> Outcome<Dynamic> {
        let compute = closure::function(&ctx, compute);
        let _frozen = StatisticsFrozen::begin();
        Ok(value::to_dynamic(&compute.call(&[])?))
    }
}
