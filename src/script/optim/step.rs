//! What optimisers do: steps, gradients for them, and their rate.

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};

use super::super::edge::Outcome;
use super::super::kept::checkpoint;
use super::super::types::type_name;
use super::super::{arguments, closure, value};
use crate::error::{Error, Result};
use crate::formats::read_snapshot;
use crate::loss::Loss;
use crate::optim::Optimizer;
use crate::options;
use crate::options::Value;
use crate::params::{Given, Param, Parameters, StepOptions};
use crate::tensor::Tensor;
use crate::train::outside_of_steps;

options! {
    /// Options of `opt.perturb`.
    pub struct PerturbOptions for "optim::perturb" {
        /// how far along the direction the weights go
        scale: f64 = 1.0,
    }
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
        let options: StepOptions = arguments::options(&ctx, &options)?;
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
        let options: StepOptions = arguments::options(&ctx, &options)?;
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
        let options: StepOptions = arguments::options(&ctx, &options)?;
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
        let options: StepOptions = arguments::options(&ctx, &options)?;
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
        let options: StepOptions = arguments::options(&ctx, &options)?;
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
        let options: StepOptions = arguments::options(&ctx, &options)?;
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
        let options: StepOptions = arguments::options(&ctx, &options)?;
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
    /// than at the weights (`nn::frozen_statistics` keeps batch norm as it is meanwhile). Between both
    /// `grad` and `opt.accumulate` work, a step does not.
    ///
    /// ```rhai
    /// let net = nn::linear(3, 1);
    /// let opt = optim::sgd(net);
    /// let x = tensor::randn([8, 3]);
    /// let loss = || net.forward(x).pow(2).mean();
    /// let up = grad(loss.call(), opt.parameters());
    /// opt.perturb(up, #{ scale: 0.05 });          // uphill,
    /// opt.accumulate(nn::frozen_statistics(loss));   // the gradient there,
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
        let options: PerturbOptions = arguments::options(&ctx, &options)?;
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
        let options: PerturbOptions = arguments::options(&ctx, &options)?;
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
        Ok(opt
            .load_kept(&snapshot, name)
            .map_err(|e| e.context(file.display()))?)
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
}
