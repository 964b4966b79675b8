//! Optimisers and weight averages in the language.

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};

use super::closure;
use super::edge::Outcome;
use super::kept::checkpoint;
use super::names::type_name;
use super::value;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::formats::read_snapshot;
use crate::loss::Loss;
use crate::nn::Network;
use crate::optim::{
    AdamOptions, AdamWOptions, Ema, LionOptions, Optimizer, Recipe, RmsPropOptions, SamOptions,
    SgdOptions,
};
use crate::options;
use crate::options::Value;
use crate::params::{Given, Named, Param, Parameters, StepOptions, prefixed};
use crate::tensor::Tensor;
use crate::train::{load_optimizer, outside_of_steps};

options! {
    /// Options of `opt.perturb`.
    pub struct PerturbOptions for "optim::perturb" {
        /// how far along the direction the weights go
        scale: f64 = 1.0,
    }
}

/// The parameters of an energy, of a network, a choice of them, or an array of those, where names
/// start with the place in the array.
fn parameters(function: &str, target: &Dynamic) -> Result<Named> {
    let target = target.flatten_clone();
    if let Some(network) = target.clone().try_cast::<Network>() {
        return Ok(network.parameters());
    }
    if let Some(energy) = target.clone().try_cast::<Energy>() {
        return Ok(energy.parameters());
    }
    if let Some(tensor) = target.clone().try_cast::<Tensor>() {
        return Ok(vec![("value".to_owned(), Param::of(function, &tensor)?)]);
    }
    if let Some(chosen) = target.clone().try_cast::<Parameters>() {
        return Ok(chosen.named().clone());
    }
    let found = type_name(target.type_name());
    let Some(array) = target.try_cast::<Array>() else {
        return Err(Error::argument(format!(
            "{function}: takes an energy, a network, a parameter or an array of them, got {found}"
        )));
    };
    let mut all = Named::new();
    for (i, entry) in array.iter().enumerate() {
        let inside = parameters(function, entry)?;
        if inside.is_empty() {
            return Err(Error::state(format!(
                "{function}: entry {i} of the array has no parameters"
            ))
            .with_hint(
                "an energy or layer written as a function names what it uses: #{ params: [net] }",
            ));
        }
        all.extend(prefixed(&i.to_string(), inside));
    }
    Ok(all)
}

/// An optimiser over what a script names: models, or groups, which are maps with the options of
/// their own.
fn make<R: Recipe>(ctx: &NativeCallContext, target: &Dynamic, options: &Map) -> Result<Optimizer> {
    outside_of_steps(R::OWNER)?;
    let usual: R = value::options(ctx, options)?;
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
        let own: R = value::options(ctx, &all)?;
        groups.push((parameters(&group, &params)?, own));
    }
    Optimizer::of_groups(groups)
}

/// The number that a step minimises, of what a function gave for it.
fn total(value: &Value) -> Result<Tensor> {
    let loss = value.downcast::<Loss>().map(|loss| loss.total);
    loss.or_else(|| value.downcast::<Tensor>()).ok_or_else(|| {
        Error::argument(format!(
            "step: the function gave {}, not a loss",
            value.type_name()
        ))
        .with_hint("its last line is the loss, without a semicolon")
    })
}

/// Gradients or directions as a script gives them: one for each parameter, `()` where there is none.
fn given(function: &str, array: &Array) -> Result<Given> {
    let one = |d: &Dynamic| {
        let d = d.flatten_clone();
        if d.is_unit() {
            return Ok(None);
        }
        let found = type_name(d.type_name());
        d.try_cast::<Tensor>().map(Some).ok_or_else(|| {
            Error::argument(format!(
                "{function}: expected an array of tensors, found {found}"
            ))
        })
    };
    Ok(Given::Each(array.iter().map(one).collect::<Result<_>>()?))
}

/// Whether a tensor is a gradient by all parameters, and not a loss.
fn is_gradient(opt: &Optimizer, t: &Tensor) -> Result<bool> {
    let size = |(_, p): &(String, Param)| p.shape().iter().product::<i64>();
    let n: i64 = opt.parameters().iter().map(size).sum();
    if t.shape() != [n] || !t.requires_grad() {
        return Ok(t.shape() == [n]);
    }
    Err(Error::argument(format!(
        "step: a tensor [{n}] may be a loss of several numbers, or a flat gradient"
    ))
    .with_hint("a loss is reduced: loss.mean(); a gradient is cut from its graph: g.detach()"))
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
            &value::options(&ctx, &options)?,
        )?)
    }

    /// Puts the optimiser where a past run kept one, with the weights that it trains, so that training
    /// goes on from there: from the run's folder (its best state, else the one at its end) or from a
    /// checkpoint's file. Gives the name that the run's script had for it. Where several were kept,
    /// name one: `opt.load(run, "opt")`.
    ///
    /// ```rhai
    /// let net = nn::linear(64, 10);
    /// let opt = optim::adam(net);
    /// train(data::digits(), #{ iterations: 3 }, |batch| opt.step(net.forward(batch.x.flatten(1)).pow(2).mean()));
    /// let again = nn::linear(64, 10);
    /// let more = optim::adam(again);
    /// more.load(run_folder());             //= …
    /// print(more.steps);                   //= 3
    /// print((again.parameters()[0] - net.parameters()[0]).abs().max());      //= 0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn load(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        path: &str,
        name: &str,
    ) -> Outcome<String> {
        outside_of_steps("load")?;
        let file = checkpoint(&ctx, "load", path)?;
        let snapshot = read_snapshot(&file)?;
        Ok(load_optimizer(opt, &snapshot, name).map_err(|e| e.context(file.display()))?)
    }

    /// The same where one optimiser was kept.
    ///
    /// ```rhai
    /// let opt = optim::adam(nn::linear(2, 1));
    /// try { opt.load("nowhere"); } catch (e) { print(e.message); }     //= …nowhere…
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "load")]
    pub fn load_only(ctx: NativeCallContext, opt: &mut Optimizer, path: &str) -> Outcome<String> {
        load(ctx, opt, path, "")
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
        let options: SamOptions = value::options(&ctx, &options)?;
        Ok(Optimizer::sam(&base, &options)?)
    }

    /// One step down the gradient of a loss, which is a single number. Every parameter must take
    /// part in the loss: one that gets no gradient at all is an error, unless `allow_unused` lets
    /// it stay as it is. A flat gradient by all parameters, `[n]` and
    /// cut from its graph by `detach`, can stand in place of the loss.
    ///
    /// The graph of the loss is gone after the step; where another optimiser needs it, keep it by
    /// `retain_graph`. A step changes the weights: what another one still has to differentiate
    /// through them is to be accumulated before (`opt.accumulate`).
    ///
    /// ```rhai
    /// let net = nn::mlp([64, 32, 10]);
    /// let opt = optim::adam(net, #{ clip_norm: 1 });
    /// let logits = net.forward(tensor::randn([16, 64]));
    /// opt.step(logits.logsumexp(1).mean());
    /// print(opt);
    /// //= adam(#{ lr: 0.001, betas: [0.9, 0.999], …, clip_norm: 1, clip_value: () })
    /// //= 2,410 parameters, 1 steps made, next rate 0.001
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn step(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        loss: Tensor,
        options: Map,
    ) -> Outcome<()> {
        let options: StepOptions = value::options(&ctx, &options)?;
        if is_gradient(opt, &loss)? {
            return Ok(opt.step_given(Given::Flat(loss), &options)?);
        }
        Ok(opt.step_with(&loss, &options)?)
    }

    /// One step down the gradient of a loss with terms: of its `total`.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// let opt = optim::sgd(net);
    /// opt.step(net.forward(tensor::ones([4, 2])).mean());   // a loss of the room `loss` goes in as it is: opt.step(loss)
    /// ```
    #[rhai_fn(global, return_raw, name = "step", pure)]
    pub fn step_loss(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        loss: Loss,
        options: Map,
    ) -> Outcome<()> {
        let options: StepOptions = value::options(&ctx, &options)?;
        Ok(opt.step_with(&loss.total, &options)?)
    }

    /// One step by the function that computes the loss: `optim::sam` calls it twice, `optim::lbfgs`
    /// many times, all others once. Gives what it returned first.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// let opt = optim::sgd(net);
    /// let loss = opt.step(|| net.forward(tensor::ones([4, 2])).mean());
    /// print(loss.shape);   //= []
    /// ```
    #[rhai_fn(global, return_raw, name = "step", pure)]
    pub fn step_by(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        loss: FnPtr,
        options: Map,
    ) -> Outcome<Dynamic> {
        let options: StepOptions = value::options(&ctx, &options)?;
        let loss = closure::function(&ctx, loss);
        let mut first = None;
        let mut compute = || {
            let found = loss.call(&[])?;
            total(first.get_or_insert_with(|| found.clone()))?;
            total(&found)
        };
        opt.step_by(&mut compute, &options)?;
        Ok(first.as_ref().map_or(Dynamic::UNIT, value::to_dynamic))
    }

    /// One step by gradients that were computed elsewhere, one for each of `opt.parameters()`. With
    /// `allow_unused` a parameter whose gradient is `()` stays as it is.
    ///
    /// ```rhai
    /// let net = nn::linear(1, 1);
    /// net.assign("weight", tensor::of([[5]]));
    /// let opt = optim::sgd(net, #{ lr: 0.1 });
    /// let gradients = grad(net.forward(tensor::of([[2]])).sum(), opt.parameters());
    /// opt.step([3 * gradients[0], gradients[1]]);
    /// print(net.parameters()[0].item());   //= 4.4…
    /// ```
    #[rhai_fn(global, return_raw, name = "step", pure)]
    pub fn step_given(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        gradients: Array,
        options: Map,
    ) -> Outcome<()> {
        let options: StepOptions = value::options(&ctx, &options)?;
        Ok(opt.step_given(given("step", &gradients)?, &options)?)
    }

    /// One step by what `opt.accumulate` has gathered.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// let opt = optim::sgd(net);
    /// for i in 0..4 { opt.accumulate(net.forward(tensor::randn([8, 2])).mean() / 4); }
    /// opt.step();
    /// print(opt.steps);   //= 1
    /// ```
    #[rhai_fn(global, return_raw, name = "step", pure)]
    pub fn step_accumulated(opt: &mut Optimizer) -> Outcome<()> {
        Ok(opt.step_accumulated()?)
    }

    /// Adds the gradient of a loss to that of the next step: batches larger than memory, several
    /// losses, or several optimisers over one graph, whose weights must not move before all
    /// gradients are taken. `opt.step()` makes the step, `opt.step(loss)` adds a last one first.
    ///
    /// ```rhai
    /// let maker  = nn::linear(2, 4);
    /// let critic = nn::linear(4, 1);
    /// let first  = optim::adam(maker);
    /// let second = optim::adam(critic);
    /// let score  = critic.forward(maker.forward(tensor::randn([8, 2]))).mean();
    /// first.accumulate(-score, #{ retain_graph: true });
    /// second.accumulate(score);
    /// first.step();
    /// second.step();
    /// print([first.steps, second.steps]);   //= [1, 1]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn accumulate(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        loss: Tensor,
        options: Map,
    ) -> Outcome<()> {
        let options: StepOptions = value::options(&ctx, &options)?;
        if is_gradient(opt, &loss)? {
            return Ok(opt.accumulate_given(Given::Flat(loss), &options)?);
        }
        Ok(opt.accumulate(&loss, &options)?)
    }

    /// The same for a loss with terms: its `total`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(4, 3));
    /// let opt = optim::adam(model);
    /// opt.accumulate(loss::jem(model, tensor::randn([8, 4]), tensor::randint(3, [8]), #{ p_x: 0 }));
    /// opt.step();
    /// print(opt.steps);   //= 1
    /// ```
    #[rhai_fn(global, return_raw, name = "accumulate", pure)]
    pub fn accumulate_loss(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        loss: Loss,
        options: Map,
    ) -> Outcome<()> {
        let options: StepOptions = value::options(&ctx, &options)?;
        Ok(opt.accumulate(&loss.total, &options)?)
    }

    /// The same for gradients that were computed elsewhere, one for each of `opt.parameters()`.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// let opt = optim::sgd(net);
    /// opt.accumulate(grad(net.forward(tensor::ones([1, 2])).sum(), opt.parameters()));
    /// opt.step();
    /// print(opt.steps);   //= 1
    /// ```
    #[rhai_fn(global, return_raw, name = "accumulate", pure)]
    pub fn accumulate_given(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        gradients: Array,
        options: Map,
    ) -> Outcome<()> {
        let options: StepOptions = value::options(&ctx, &options)?;
        Ok(opt.accumulate_given(given("accumulate", &gradients)?, &options)?)
    }

    /// The weights that the optimiser trains, in the order in which gradients are given to it. As
    /// of `net.parameters()`, they are the weights themselves.
    ///
    /// ```rhai
    /// let opt = optim::sgd([nn::linear(2, 3), nn::linear(3, 1)]);
    /// print(opt.parameters().map(|p| p.shape));   //= [[3, 2], [3], [1, 3], [1]]
    /// ```
    #[rhai_fn(global, name = "parameters", pure)]
    pub fn parameters_of(opt: &mut Optimizer) -> Parameters {
        Parameters::of(opt.parameters().clone())
    }

    /// Moves the weights along a direction, one tensor for each of `opt.parameters()`, by `scale`
    /// times its length, until `opt.restore()` gives them back to the bit: for gradients elsewhere
    /// than at the weights. Between both `grad` and `opt.accumulate` work, a step does not.
    ///
    /// ```rhai
    /// let net = nn::linear(3, 1);
    /// let opt = optim::sgd(net);
    /// let x = tensor::randn([8, 3]);
    /// let loss = || net.forward(x).pow(2).mean();
    /// let up = grad(loss.call(), opt.parameters());
    /// opt.perturb(up, #{ scale: 0.05 });          // uphill,
    /// opt.accumulate(loss.call());                // the gradient there,
    /// opt.restore();                              // and back
    /// opt.step();
    /// print(opt.steps);   //= 1
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn perturb(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        direction: Array,
        options: Map,
    ) -> Outcome<()> {
        let options: PerturbOptions = value::options(&ctx, &options)?;
        Ok(opt.perturb(given("perturb", &direction)?, options.scale)?)
    }

    /// The same along a flat direction, `[n]`.
    ///
    /// ```rhai
    /// let net = nn::linear(3, 1);
    /// let opt = optim::sgd(net);
    /// opt.perturb(tensor::randn([4]), #{ scale: 0.01 });
    /// opt.restore();
    /// ```
    #[rhai_fn(global, return_raw, name = "perturb", pure)]
    pub fn perturb_flat(
        ctx: NativeCallContext,
        opt: &mut Optimizer,
        direction: Tensor,
        options: Map,
    ) -> Outcome<()> {
        let options: PerturbOptions = value::options(&ctx, &options)?;
        Ok(opt.perturb(Given::Flat(direction), options.scale)?)
    }

    /// Gives the weights from before `opt.perturb` back, to the bit.
    ///
    /// ```rhai
    /// let net = nn::linear(3, 1);
    /// let opt = optim::sgd(net);
    /// let before = net.state_dict();
    /// opt.perturb(tensor::ones([4]));
    /// opt.restore();
    /// print((net.parameters()[0] - before.weight).abs().max());   //= 0
    /// ```
    #[rhai_fn(global, return_raw, name = "restore", pure)]
    pub fn restore_weights(opt: &mut Optimizer) -> Outcome<()> {
        Ok(opt.restore()?)
    }

    /// The learning rate of the next step: the option `lr` times the schedule's factor and the
    /// scale; of several groups that of the first one.
    ///
    /// ```rhai
    /// let opt = optim::adam(nn::linear(2, 1), #{ lr: 0.5, warmup: 100 });
    /// print(opt.lr);   //= 0.0
    /// ```
    #[rhai_fn(global, get = "lr", return_raw, pure)]
    pub fn lr(opt: &mut Optimizer) -> Outcome<f64> {
        Ok(opt.lr()?)
    }

    /// Sets the rate of all steps to come, of all groups. It stands in place of the option `lr`, of
    /// the schedule and of the scale. A rate that is known beforehand is better the option `lr: |t|
    /// …`, which a training that goes back after a divergence can lower.
    ///
    /// ```rhai
    /// let opt = optim::adam(nn::linear(2, 1), #{ lr: 0.5, warmup: 100 });
    /// opt.lr = 0.25;
    /// print(opt.lr);   //= 0.25
    /// ```
    #[rhai_fn(global, set = "lr", return_raw)]
    pub fn set_lr(opt: &mut Optimizer, lr: f64) -> Outcome<()> {
        Ok(opt.set_lr(lr)?)
    }

    /// How many steps were made.
    ///
    /// ```rhai
    /// print(optim::sgd(nn::linear(2, 1)).steps);   //= 0
    /// ```
    #[rhai_fn(global, get = "steps", pure)]
    pub fn steps(opt: &mut Optimizer) -> i64 {
        opt.steps()
    }

    /// Multiplies the rate of all steps to come by a factor, beside the schedule's: a schedule of
    /// your own, or a smaller rate after a divergence. It replaces the factor set before.
    ///
    /// ```rhai
    /// let opt = optim::sgd(nn::linear(2, 1), #{ lr: 0.5 });
    /// opt.set_lr_scale(0.5);
    /// print(opt.lr);   //= 0.25
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn set_lr_scale(opt: &mut Optimizer, scale: f64) -> Outcome<()> {
        Ok(opt.set_lr_scale(scale)?)
    }

    /// An exponential moving average of the weights of an energy, a network, or an array of them:
    /// `average ← decay · average + (1 − decay) · weights` at each `update`. Running means of batch
    /// norm are averaged too. Averaged weights often make better samples and a calmer validation
    /// curve.
    ///
    /// ```rhai
    /// let net = nn::linear(1, 1, #{ bias: false });
    /// net.load_state_dict(#{ weight: tensor::of([[0]]) });
    /// let average = optim::ema(net, 0.75);                        // starts at the present weights
    /// net.load_state_dict(#{ weight: tensor::of([[8]]) });        // a step of training
    /// average.update();
    /// average.apply();
    /// print(net.parameters()[0].item());                          //= 2.0
    /// average.restore();
    /// print(net.parameters()[0].item());                          //= 8.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ema(target: Dynamic, decay: f64) -> Outcome<Ema> {
        outside_of_steps("optim::ema")?;
        Ok(Ema::new(parameters("optim::ema", &target)?, decay)?)
    }

    /// Moves the average towards the present weights: after each step of the optimiser.
    ///
    /// ```rhai
    /// let average = optim::ema(nn::linear(2, 1), 0.999);
    /// average.update();
    /// print(average);   //= ema(0.999): 3 numbers, 1 updates
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn update(ema: &mut Ema) -> Outcome<()> {
        Ok(ema.update()?)
    }

    /// Swaps the average in: the model runs on it until `restore`. Meanwhile no `update` is
    /// allowed.
    ///
    /// ```rhai
    /// let average = optim::ema(nn::linear(2, 1), 0.999);
    /// average.apply();
    /// try { average.update(); } catch (e) { print(e.message); }   //= ema.update: the average is swapped in
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn apply(ema: &mut Ema) -> Outcome<()> {
        Ok(ema.apply()?)
    }

    /// Gives the model its own weights back.
    ///
    /// ```rhai
    /// let average = optim::ema(nn::linear(2, 1), 0.999);
    /// average.apply();
    /// average.restore();
    /// print(average.applied);   //= false
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn restore(ema: &mut Ema) -> Outcome<()> {
        Ok(ema.restore()?)
    }

    /// Whether the model runs on the average now.
    ///
    /// ```rhai
    /// let average = optim::ema(nn::linear(2, 1), 0.999);
    /// average.apply();
    /// print(average.applied);   //= true
    /// ```
    #[rhai_fn(global, get = "applied", pure)]
    pub fn applied(ema: &mut Ema) -> bool {
        ema.applied()
    }
}
