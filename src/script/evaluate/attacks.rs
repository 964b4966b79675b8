//! Attacks beyond PGD: black box, through a defence, from noise, and from one model to another.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::super::arguments::options;
use super::super::edge::Outcome;
use super::{named, vector};
use crate::data::Part;
use crate::energy::Energy;
use crate::evaluate::{
    self, AdversarialOptions, ApgdOptions, Distal, DistalOptions, JemK, JemKOptions, Robustness,
    SquareOptions, Transfer,
};
use crate::sampler::Sampler;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// Accuracy under the square attack (Andriushchenko et al., 2020), for growing sizes: random
    /// search that asks only for logits, L∞ or L2, on images. It uses no gradients: where it breaks
    /// more than `evaluate::pgd`, the gradients are masked.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let part  = data::digits().test.head(50);
    /// let found = evaluate::square(model, part, #{ eps: [0.05, 0.1], queries: 20 });
    /// print(found.at(0.1) <= found.at(0.05));          //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn square(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        options: Map,
    ) -> Outcome<Robustness> {
        let o: SquareOptions = super::options(&ctx, &options)?;
        Ok(evaluate::square(&model, &part, &o)?)
    }

    /// Accuracy under Auto-PGD (Croce and Hein, 2020), for growing sizes: ascent with momentum whose
    /// steps are halved where it stops rising, L∞ or L2. It is what AutoAttack is made of: with the
    /// defaults ("cross_entropy" and "targeted_dlr", 100 steps) and `evaluate::square`, all that is
    /// left out is FAB. Take the worst of both, image by image, with `worst_of`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let part  = data::digits().test.head(50);
    /// let found = evaluate::apgd(model, part, #{ eps: [0.05, 0.1], steps: 10, targets: 2 });
    /// print(found.at(0.1) <= found.at(0.05));          //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn apgd(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        options: Map,
    ) -> Outcome<Robustness> {
        let o: ApgdOptions = super::options(&ctx, &options)?;
        Ok(evaluate::apgd(&model, &part, &o)?)
    }

    /// The worst of two attacks on the same rows at the same sizes, image by image: an image is
    /// robust where neither broke it.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let part   = data::digits().test.head(50);
    /// let apgd   = evaluate::apgd(model, part, #{ eps: [0.05], steps: 5, objectives: ["dlr"] });
    /// let square = evaluate::square(model, part, #{ eps: [0.05], queries: 10 });
    /// print(apgd.worst_of(square).at(0.05) <= square.at(0.05));          //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn worst_of(found: &mut Robustness, other: Robustness) -> Outcome<Robustness> {
        Ok(found.worst_of(&other)?)
    }

    /// Accuracy of the JEM-k defence (noise on the input, refinement by a sampler in several
    /// chains, mean logits) under PGD both ways back through the sampler: "identity" takes its
    /// derivative as 1 (BPDA, Athalye et al., 2018), "unrolled" is the true gradient and needs a
    /// sampler with `differentiable: true`. Gradients are means over `draws` of the defence, and
    /// `verify` fresh draws judge the images. It costs `steps · draws · chains` times the sampler's
    /// steps for each image, size and way.
    ///
    /// ```rhai
    /// let model   = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let refine  = sampler::sgld(#{ steps: 2, step_size: 1.0, noise: 0.01, differentiable: true });
    /// let quick   = #{ eps: [0.1], steps: 2, draws: 2, verify: 2, chains: 2 };       // for a look, not for a result
    /// let found   = evaluate::jem_k(model, data::digits().test.head(8), refine, quick);
    /// print(found.at(0.1) <= 1 && found.way("identity").len() == 1);                 //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn jem_k(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        sampler: Sampler,
        options: Map,
    ) -> Outcome<JemK> {
        let o: JemKOptions = super::options(&ctx, &options)?;
        Ok(evaluate::jem_k(&model, &part, &sampler, &o)?)
    }

    /// The defence's accuracy at one of the sizes, against the worse way back of each image; 0 is
    /// without an attack.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ eps: [0.1], steps: 1, draws: 1, verify: 1, chains: 1, backward: ["identity"] };
    /// print(evaluate::jem_k(model, data::digits().test.head(8), sampler::sgld(#{ steps: 2 }), quick).at(0) <= 1);   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "at")]
    pub fn jem_k_at(found: &mut JemK, eps: f64) -> Outcome<f64> {
        Ok(found.at(eps)?)
    }

    /// The defence's accuracy at each size against one way back: "identity" or "unrolled".
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ eps: [0.1], steps: 1, draws: 1, verify: 1, chains: 1, backward: ["identity"] };
    /// let found  = evaluate::jem_k(model, data::digits().test.head(8), sampler::sgld(#{ steps: 2 }), quick);
    /// print(found.way("identity").len());              //= 1
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn way(found: &mut JemK, name: &str) -> Outcome<Array> {
        Ok(found
            .way(name)?
            .iter()
            .map(|a| Dynamic::from_float(*a))
            .collect())
    }

    /// Distal adversarials: from noise along the gradient of one class's logit, until the model is
    /// sure of the class. What it is sure of are the pictures: `plot::grid(found.x)`. Prints how
    /// many reached the confidence, and log p(x) before and after.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let found = evaluate::distal(model, #{ shape: [1, 8, 8], classes: [3], each: 2 });
    /// print(found.x.shape);                            //= [2, 1, 8, 8]
    /// print(found.confidence.min().item() > 0.5);      //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn distal(ctx: NativeCallContext, model: Energy, options: Map) -> Outcome<Distal> {
        let o: DistalOptions = super::options(&ctx, &options)?;
        Ok(evaluate::distal(&model, &o)?)
    }

    /// The images, class after class.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(2, 3));
    /// print(evaluate::distal(model, #{ shape: [2], each: 2 }).x.shape);      //= [6, 2]
    /// ```
    #[rhai_fn(global, get = "x", pure)]
    pub fn distal_x(found: &mut Distal) -> Tensor {
        found.x.clone()
    }

    /// The class that each image climbed.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(2, 3));
    /// print(evaluate::distal(model, #{ shape: [2], each: 2 }).y);
    /// //= …[0, 0, 1, 1, 2, 2]
    /// ```
    #[rhai_fn(global, get = "y", pure)]
    pub fn distal_y(found: &mut Distal) -> Tensor {
        found.y.clone()
    }

    /// `p(y|x)` of each image's class at its end, `[N]`, float64.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(2, 3));
    /// print(evaluate::distal(model, #{ shape: [2], each: 2 }).confidence.shape);       //= [6]
    /// ```
    #[rhai_fn(global, return_raw, get = "confidence", pure)]
    pub fn distal_confidence(found: &mut Distal) -> Outcome<Tensor> {
        Ok(vector(&found.confidence)?)
    }

    /// A part with every row moved, within a ball of size `eps` (in units of the [0, 1] range), to
    /// where projected gradient ascent found the model most wrong. Labels stay, so that other
    /// models can be judged on it.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let part  = data::digits().test.head(50);
    /// let bad   = evaluate::adversarial(model, part, 0.1, #{ steps: 5 });
    /// print(evaluate::accuracy(model, bad) <= evaluate::accuracy(model, part));          //= true
    /// print((bad.x - part.x).abs().max().item() < 0.2001);                               //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn adversarial(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        eps: f64,
        options: Map,
    ) -> Outcome<Part> {
        let o: AdversarialOptions = super::options(&ctx, &options)?;
        Ok(evaluate::adversarial(&model, &part, eps, &o)?)
    }

    /// Accuracy of each model on images that were attacked through each of the others, as a table:
    /// a model that withstands its own attacks and breaks under those of others has masked
    /// gradients.
    ///
    /// ```rhai
    /// fn classifier() { energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)])) }
    /// let part  = data::digits().test.head(50);
    /// let found = evaluate::transfer(#{ "JEM": classifier(), "plain": classifier() }, part, 0.1, #{ steps: 5 });
    /// print(found.at("JEM", "plain") <= 1);            // made for JEM, shown to plain
    /// //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn transfer(
        ctx: NativeCallContext,
        models: Map,
        part: Part,
        eps: f64,
        options: Map,
    ) -> Outcome<Transfer> {
        let o: AdversarialOptions = super::options(&ctx, &options)?;
        let models = named::<Energy>("evaluate::transfer", "an energy", &models)
            .map_err(|e| e.with_hint("energy::joint(network) makes one of a classifier"))?;
        Ok(evaluate::transfer(&models, &part, eps, &o)?)
    }

    /// The accuracy of the second model on images made for the first.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let found = evaluate::transfer(#{ "JEM": model }, data::digits().test.head(20), 0.1, #{ steps: 2 });
    /// print(found.at("JEM", "JEM") <= 1);              //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "at")]
    pub fn transfer_at(found: &mut Transfer, source: &str, target: &str) -> Outcome<f64> {
        Ok(found.at(source, target)?)
    }
}
