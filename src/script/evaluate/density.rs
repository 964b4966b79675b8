//! What a model says as a density: its constant, and what its chains do to rows.

use rhai::Map;
use rhai::plugin::*;

use super::super::arguments::options;
use super::super::edge::Outcome;
use super::{sets, vector};
use crate::data::Part;
use crate::energy::Energy;
use crate::evaluate::{self, LogZ, LogZOptions, OodOptions, Refinement};
use crate::sampler::Sampler;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// `log Z = log ∫ exp(-E(x)) dx` by annealed importance sampling (Neal, 2001), with its
    /// standard error: for densities of few dimensions. The base must be wider than the model;
    /// `base: "uniform"` gives the Z of a box, for energies that fall without end outside. Few
    /// effective chains (`ess`) mean more `steps`.
    ///
    /// ```rhai
    /// let bell  = energy::gaussian([0, 0], [[1, 0], [0, 1]]);
    /// let found = evaluate::log_z(bell, #{ shape: [2], steps: 50 });
    /// print((found.value - 1.8379).abs() < 0.05);      // log 2π
    /// //= true
    /// print(found.standard_error < 0.05);              //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn log_z(ctx: NativeCallContext, energy: Energy, options: Map) -> Outcome<LogZ> {
        let o: LogZOptions = super::options(&ctx, &options)?;
        Ok(evaluate::log_z(&energy, &o)?)
    }

    /// The estimate of log Z.
    ///
    /// ```rhai
    /// let found = evaluate::log_z(energy::double_well(), #{ shape: [1], steps: 50 });
    /// print(found.value > -5 && found.value < 5);      //= true
    /// ```
    #[rhai_fn(global, get = "value", pure)]
    pub fn log_z_value(found: &mut LogZ) -> f64 {
        found.value
    }

    /// The standard error of the estimate.
    ///
    /// ```rhai
    /// print(evaluate::log_z(energy::double_well(), #{ shape: [1], steps: 50 }).standard_error < 0.2);      //= true
    /// ```
    #[rhai_fn(global, get = "standard_error", pure)]
    pub fn log_z_standard_error(found: &mut LogZ) -> f64 {
        found.standard_error
    }

    /// How many chains of equal weight would tell as much.
    ///
    /// ```rhai
    /// print(evaluate::log_z(energy::double_well(), #{ shape: [1], steps: 50 }).ess > 100);     //= true
    /// ```
    #[rhai_fn(global, get = "ess", pure)]
    pub fn log_z_ess(found: &mut LogZ) -> f64 {
        found.ess
    }

    /// `log p(x) = -E(x) - log Z` of rows, `[N]`, float64: with the estimate a likelihood.
    ///
    /// ```rhai
    /// let found = evaluate::log_z(energy::gaussian([0], [[1]]), #{ shape: [1], steps: 50 });
    /// print((found.log_p(tensor::zeros([1, 1])).item() + 0.9189).abs() < 0.05);      //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "log_p")]
    pub fn log_z_log_p(found: &mut LogZ, x: Tensor) -> Outcome<Tensor> {
        Ok(vector(&found.log_p(&x)?)?)
    }

    /// Out-of-distribution detection after refinement: each row is the start of one run of the
    /// sampler, and the scores are log p(x) at its end, minus what it gained, minus the distance it
    /// moved. Sets are a map of parts, or of tensors of rows.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let noise  = evaluate::ood_set("noise", digits.test);
    /// let found  = evaluate::refinement(model, sampler::sgld(#{ steps: 3 }), digits.test, #{ noise: noise });
    /// print(found.value("noise.gain") <= 1);           // an AUROC
    /// print(found.value("noise.moved.fpr95") <= 1);
    /// //= true
    /// //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn refinement(
        ctx: NativeCallContext,
        model: Energy,
        sampler: Sampler,
        part: Part,
        outside: Map,
        options: Map,
    ) -> Outcome<Refinement> {
        let o: OodOptions = super::options(&ctx, &options)?;
        let outside = sets(&ctx, "evaluate::refinement", &outside)?;
        Ok(evaluate::refinement(&model, &sampler, &part, &outside, &o)?)
    }

    /// A number by set, score (`log_p_x`, `gain`, `moved`) and path, as in `evaluate::ood`.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let noise  = evaluate::ood_set("noise", digits.test);
    /// let found  = evaluate::refinement(model, sampler::sgld(#{ steps: 3 }), digits.test, #{ noise: noise });
    /// print(found.value("noise.log_p_x.low") <= found.value("noise.log_p_x"));       //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "value")]
    pub fn refinement_value(found: &mut Refinement, path: &str) -> Outcome<f64> {
        Ok(found.value(path)?)
    }
}
