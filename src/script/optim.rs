//! Optimisers and weight averages in the language.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::edge::Outcome;
use super::kept::checkpoint;
use super::names::type_name;
use super::value;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::formats::read_snapshot;
use crate::loss::Loss;
use crate::nn::Network;
use crate::optim::{Ema, Optimizer};
use crate::params::{Named, prefixed};
use crate::tensor::Tensor;
use crate::train::outside_of_steps;

/// The parameters of an energy, of a network, or of an array of them, where names start with the
/// place in the array.
fn parameters(function: &str, target: &Dynamic) -> Result<Named> {
    let target = target.flatten_clone();
    if let Some(network) = target.clone().try_cast::<Network>() {
        return Ok(network.parameters());
    }
    if let Some(energy) = target.clone().try_cast::<Energy>() {
        return Ok(energy.parameters());
    }
    let found = type_name(target.type_name());
    let Some(array) = target.try_cast::<Array>() else {
        return Err(Error::argument(format!(
            "{function}: takes an energy, a network or an array of them, got {found}"
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

#[export_module(manifest)]
pub mod functions {
    /// Adam (Kingma and Ba, 2015) over the parameters of an energy, a network, or an array of them.
    /// Defaults are PyTorch's; `weight_decay` is an L2 penalty that passes through the moments
    /// (`optim::adamw` does without). JEM trains with `#{ lr: 1e-4, warmup: 1000, milestones: […],
    /// gamma: 0.3 }`.
    ///
    /// From now on the weights belong to this optimiser: a second one over the same weights is an
    /// error.
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
    /// ```
    #[rhai_fn(return_raw)]
    pub fn adam(ctx: NativeCallContext, target: Dynamic, options: Map) -> Outcome<Optimizer> {
        outside_of_steps("optim::adam")?;
        Ok(Optimizer::adam(
            parameters("optim::adam", &target)?,
            &value::options(&ctx, &options)?,
        )?)
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
        outside_of_steps("optim::adamw")?;
        Ok(Optimizer::adamw(
            parameters("optim::adamw", &target)?,
            &value::options(&ctx, &options)?,
        )?)
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
        outside_of_steps("optim::sgd")?;
        Ok(Optimizer::sgd(
            parameters("optim::sgd", &target)?,
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

    /// One step down the gradient of a loss, which is a single number. Every parameter must take
    /// part in the loss: one that gets no gradient at all is an error.
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
    pub fn step(opt: &mut Optimizer, loss: Tensor) -> Outcome<()> {
        Ok(opt.step(&loss)?)
    }

    /// One step down the gradient of a loss with terms: of its `total`.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// let opt = optim::sgd(net);
    /// opt.step(net.forward(tensor::ones([4, 2])).mean());   // a loss of the room `loss` goes in as it is: opt.step(loss)
    /// ```
    #[rhai_fn(global, return_raw, name = "step", pure)]
    pub fn step_loss(opt: &mut Optimizer, loss: Loss) -> Outcome<()> {
        Ok(opt.step(&loss.total)?)
    }

    /// The learning rate of the next step: the option `lr` times the schedule's factor and the
    /// scale.
    ///
    /// ```rhai
    /// let opt = optim::adam(nn::linear(2, 1), #{ lr: 0.5, warmup: 100 });
    /// print(opt.lr);   //= 0.0
    /// ```
    #[rhai_fn(global, get = "lr", pure)]
    pub fn lr(opt: &mut Optimizer) -> f64 {
        opt.lr()
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
