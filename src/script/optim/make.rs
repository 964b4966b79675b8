//! Making optimisers: over models, or over groups of their parameters.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::super::arguments;
use super::super::edge::Outcome;
use super::parameters;
use crate::error::{Error, Result};
use crate::optim::{
    AdamOptions, AdamWOptions, LionOptions, Optimizer, Recipe, RmsPropOptions, SamOptions,
    SgdOptions,
};
use crate::train::outside_of_steps;

/// An optimiser over what a script names: models, or groups, which are maps with the options of
/// their own.
fn make<R: Recipe>(ctx: &NativeCallContext, target: &Dynamic, options: &Map) -> Result<Optimizer> {
    outside_of_steps(R::OWNER)?;
    let usual: R = arguments::options(ctx, options)?;
    let array = target
        .flatten_clone()
        .try_cast::<Array>()
        .unwrap_or_default();
    if !array.iter().any(Dynamic::is_map) {
        return Optimizer::of_groups(vec![(parameters(R::OWNER, target)?, usual)]);
    }
    let mut groups = Vec::new();
    for (i, entry) in array.into_iter().enumerate() {
        let group = format!("{}: group {i}", R::OWNER);
        let wrong = |what: &str| {
            Error::argument(format!("{group} {what}")).with_hint(
                "a group is a map of `params` and options: #{ params: net.weights, weight_decay: 5e-4 }",
            )
        };
        let mut own = entry
            .flatten()
            .try_cast::<Map>()
            .ok_or_else(|| wrong("is no map"))?;
        let params = own
            .remove("params")
            .ok_or_else(|| wrong("has no `params`"))?;
        if let Some(key) = ["clip_norm", "clip_value"]
            .iter()
            .find(|k| own.contains_key(**k))
        {
            return Err(Error::argument(format!("{group} has `{key}`"))
                .with_hint("all groups together are clipped: it stands in the map behind them"));
        }
        let mut all = options.clone();
        all.extend(own);
        let own: R = arguments::options(ctx, &all)?;
        groups.push((parameters(&group, &params)?, own));
    }
    Optimizer::of_groups(groups)
}

#[export_module(manifest)]
pub mod functions {
    /// Adam (Kingma and Ba, 2015) over the parameters of an energy, a network, or an array of them.
    /// Defaults are PyTorch's; `weight_decay` is an L2 penalty that passes through the moments
    /// (`optim::adamw` does without). JEM trains with `#{ lr: 1e-4, warmup: 1000, milestones: […],
    /// gamma: 0.3 }`.
    ///
    /// From now on the weights belong to this optimiser: a second one over the same weights is an
    /// error. Parts of a model can have options of their own, here and with every optimiser that
    /// takes one gradient a step: an array of maps, each with `params` (a model, or a choice of its
    /// parameters) and the options in which it differs. `lr` may be a function of the step.
    ///
    /// ```rhai
    /// let x = tensor::randn([64, 3]);
    /// let y = x.sum(1).unsqueeze(1);                    // to be learned: the sum of three numbers
    /// let net = nn::linear(3, 1);
    /// let opt = optim::adam(net, #{ lr: 0.1 });
    /// for i in 0..200 {
    ///     opt.step((net.forward(x) - y).pow(2).mean());
    /// }
    /// print((net.forward(x) - y).abs().max().item() < 0.05);   //= true
    /// print(opt.steps);                                        //= 200
    /// let net = nn::mlp([3, 8, 1]);
    /// let two = optim::adam([#{ params: net.weights, weight_decay: 5e-4 }, #{ params: net.biases, lr: 1e-3 }], #{ lr: |t| 0.1 * 0.99 ** t });
    /// print(two.lr);                                           //= 0.1
    /// ```
    #[rhai_fn(return_raw)]
    pub fn adam(ctx: NativeCallContext, target: Dynamic, options: Map) -> Outcome<Optimizer> {
        Ok(make::<AdamOptions>(&ctx, &target, &options)?)
    }

    /// AdamW (Loshchilov and Hutter, 2019): Adam whose weight decay shrinks the weights directly,
    /// by `lr · weight_decay` of their size at each step.
    ///
    /// ```rhai
    /// let encoder = nn::mlp([64, 32, 8]);
    /// let decoder = nn::mlp([8, 32, 64]);
    /// let opt = optim::adamw([encoder, decoder], #{ lr: 1e-3, weight_decay: 0.05 });   // one optimiser for both
    /// let x = tensor::randn([16, 64]);
    /// opt.step((decoder.forward(encoder.forward(x)) - x).pow(2).mean());
    /// print(opt.steps);   //= 1
    /// ```
    #[rhai_fn(return_raw)]
    pub fn adamw(ctx: NativeCallContext, target: Dynamic, options: Map) -> Outcome<Optimizer> {
        Ok(make::<AdamWOptions>(&ctx, &target, &options)?)
    }

    /// Stochastic gradient descent, with momentum where wanted. JEM++ and SADA-JEM train with
    /// `#{ lr: 0.1, momentum: 0.9, weight_decay: 4e-4, warmup: 1000 }`.
    ///
    /// ```rhai
    /// let net = nn::linear(1, 1, #{ bias: false });
    /// net.load_state_dict(#{ weight: tensor::of([[5]]) });
    /// let opt = optim::sgd(net, #{ lr: 0.1 });
    /// opt.step(net.forward(tensor::of([[2]])).sum());   // d(2w)/dw = 2, so w falls by 0.2
    /// print(net.parameters()[0].item());                //= 4.8…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sgd(ctx: NativeCallContext, target: Dynamic, options: Map) -> Outcome<Optimizer> {
        Ok(make::<SgdOptions>(&ctx, &target, &options)?)
    }

    /// RMSprop: each entry of the gradient is divided by the root of its mean square. Defaults are
    /// PyTorch's.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// let opt = optim::rmsprop(net, #{ lr: 1e-3, momentum: 0.9, centered: true });
    /// opt.step(net.forward(tensor::ones([4, 2])).mean());
    /// print(opt.steps);   //= 1
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rmsprop(ctx: NativeCallContext, target: Dynamic, options: Map) -> Outcome<Optimizer> {
        Ok(make::<RmsPropOptions>(&ctx, &target, &options)?)
    }

    /// Lion (Chen et al., 2023): all entries of a step have one size, and the sign of a momentum.
    /// Its rate is usually a third to a tenth of Adam's, its weight decay as much larger.
    ///
    /// ```rhai
    /// let net = nn::linear(1, 1, #{ bias: false });
    /// net.assign("weight", tensor::of([[5]]));
    /// let opt = optim::lion(net, #{ lr: 0.1 });
    /// opt.step(net.forward(tensor::of([[2]])).sum());
    /// print(net.parameters()[0].item());                //= 4.9…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn lion(ctx: NativeCallContext, target: Dynamic, options: Map) -> Outcome<Optimizer> {
        Ok(make::<LionOptions>(&ctx, &target, &options)?)
    }

    /// L-BFGS, as PyTorch has it without a line search: a step takes several iterations along
    /// directions that the last changes of weights and gradient suggest. It wants the loss as a
    /// function, the same at each call: `opt.step(|| …)`.
    ///
    /// ```rhai
    /// let x = tensor::randn([64, 3]);
    /// let y = x.sum(1).unsqueeze(1);
    /// let net = nn::linear(3, 1);
    /// let opt = optim::lbfgs(net);
    /// for i in 0..5 { opt.step(|| (net.forward(x) - y).pow(2).mean()); }
    /// print((net.forward(x) - y).abs().max().item() < 1e-3);   //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn lbfgs(ctx: NativeCallContext, target: Dynamic, options: Map) -> Outcome<Optimizer> {
        outside_of_steps("optim::lbfgs")?;
        Ok(Optimizer::lbfgs(
            parameters("optim::lbfgs", &target)?,
            &arguments::options(&ctx, &options)?,
        )?)
    }

    /// Sharpness-aware minimisation over another optimiser (Foret et al., 2021), with `adaptive:
    /// true` ASAM (Kwon et al., 2021), which SADA-JEM trains with (`rho: 2`): a step of `base` from
    /// the weights `w` by the gradient at `w + e`, where `e = rho · g / ‖g‖`, adaptive `e = rho · w²
    /// g / ‖|w| g‖`, and `g` is the gradient at `w`.
    ///
    /// The loss is a function, which is called twice: at `w`, and at `w + e` with the running
    /// statistics of batch norm (and what else gathers as batches pass) frozen. What is drawn
    /// outside of it, samples of the model say, is the same for both. `grad_norm` in a training's
    /// log is that of the second gradient. SAM has weights, memory, rate and steps in common with
    /// `base`, which goes on by itself as before: `base.step(loss)` is a plain step.
    ///
    /// ```rhai
    /// let net = nn::sequential([nn::linear(4, 8), nn::batch_norm2d(8), nn::linear(8, 3)]);
    /// let opt = optim::sam(optim::sgd(net, #{ lr: 0.1, momentum: 0.9 }), #{ rho: 2, adaptive: true });
    /// let x = tensor::randn([32, 4]);
    /// let y = tensor::randint(3, [32]);
    /// let loss = opt.step(|| loss::cross_entropy(net.forward(x), y));   // the first of both
    /// print(loss.shape);   //= []
    /// print(opt.steps);    //= 1
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sam(ctx: NativeCallContext, base: Optimizer, options: Map) -> Outcome<Optimizer> {
        outside_of_steps("optim::sam")?;
        let options: SamOptions = arguments::options(&ctx, &options)?;
        Ok(Optimizer::sam(&base, &options)?)
    }
}
