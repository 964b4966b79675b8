//! Accuracy, calibration, out-of-distribution detection and robustness of one model.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::super::arguments::{float_list, options};
use super::super::edge::Outcome;
use super::super::tensor::fresh;
use super::{numbers, sets, vector};
use crate::data::Part;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::evaluate::{
    self, AccuracyOptions, AttackOptions, CalibrationOptions, CalibrationReport, FgsmOptions,
    MadeSet, OodOptions, OodReport, OodSetOptions, PixelGaussian, PixelGaussianOptions, Robustness,
    Scores,
};
use crate::tensor::Tensor;

/// Two numbers as a range.
fn range(what: &str, ends: &Array) -> Result<(f64, f64)> {
    match float_list(what, ends)?[..] {
        [low, high] if low < high => Ok((low, high)),
        _ => Err(Error::argument(format!(
            "{what}: needs a range [low, high]"
        ))),
    }
}

#[export_module(manifest)]
pub mod functions {
    /// The share of rows whose largest logit is that of their class.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// print(evaluate::accuracy(model, digits.validation) < 0.5);      //= true
    /// train(digits, #{ iterations: 50, validate: |part| evaluate::accuracy(model, part) }, |batch| batch.x.mean());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn accuracy(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        options: Map,
    ) -> Outcome<f64> {
        let o: AccuracyOptions = super::options(&ctx, &options)?;
        Ok(evaluate::accuracy(&model, &part, &o)?.accuracy)
    }

    /// Whether a confidence of 80 % is right 80 times in 100: expected calibration error (ECE),
    /// also over bins of equal counts, the ECE that exactly right confidences would show by chance,
    /// negative log-likelihood, Brier score, and confidence − accuracy (`gap`: positive is
    /// over-confident). Prints itself as a table.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let found = evaluate::calibration(model, data::digits().test);
    /// print(found.ece > 0 && found.nll > 1);           //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn calibration(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        options: Map,
    ) -> Outcome<CalibrationReport> {
        let o: CalibrationOptions = super::options(&ctx, &options)?;
        Ok(evaluate::calibration(&model, &part, None, &o)?)
    }

    /// The same, and again with a temperature that divides the logits, fitted on another part (Guo
    /// et al., 2017): the validation part, never the one that is judged.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let found  = evaluate::calibration(model, digits.test, digits.validation);
    /// print(found.tempered.nll < found.nll);           //= true
    /// print(found.tempered.temperature);               //= …
    /// ```
    #[rhai_fn(return_raw, name = "calibration")]
    pub fn calibration_tempered(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        validation: Part,
        options: Map,
    ) -> Outcome<CalibrationReport> {
        let o: CalibrationOptions = super::options(&ctx, &options)?;
        Ok(evaluate::calibration(&model, &part, Some(&validation), &o)?)
    }

    /// A number of a calibration by name, as in `found.ece`: `ece`, `adaptive_ece`, `chance`,
    /// `chance_95`, `gap`, `nll`, `brier`, `temperature`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// print(evaluate::calibration(model, data::digits().test).temperature);      //= 1.0
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn calibration_number(found: &mut CalibrationReport, name: &str) -> Outcome<f64> {
        Ok(found.value(name)?)
    }

    /// The calibration with the fitted temperature.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// print(evaluate::calibration(model, digits.test, digits.validation).tempered.brier > 0);      //= true
    /// ```
    #[rhai_fn(global, return_raw, get = "tempered", pure)]
    pub fn tempered(found: &mut CalibrationReport) -> Outcome<CalibrationReport> {
        let none = || {
            Error::state("calibration: no temperature was fitted")
                .with_hint("give a part to fit it on: evaluate::calibration(model, data.test, data.validation)")
        };
        let raw = found.tempered.clone().ok_or_else(none)?;
        Ok(CalibrationReport {
            raw,
            tempered: None,
            ..found.clone()
        })
    }

    /// Scores that are high for rows that look familiar to a model: `log p(x) = -E(x)` up to a
    /// constant, `max p(y|x)`, and the approximate mass `-‖∇ log p(x)‖₂`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let found = evaluate::scores(model, data::digits().test.x);
    /// print(found.log_p_x.shape);                      //= [360]
    /// print(found.max_p_y.max().item() <= 1);          //= true
    /// print(found.mass.max().item() <= 0);             //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn scores(model: Energy, x: Tensor) -> Outcome<Scores> {
        Ok(evaluate::scores(&model, &x, None)?)
    }

    /// `log p(x)` of each row up to a constant, `[N]`, float64.
    ///
    /// ```rhai
    /// print(evaluate::scores(energy::double_well(), tensor::zeros([3, 2])).log_p_x);
    /// //= tensor [3] float64 on cpu
    /// //= [-2, -2, -2]
    /// ```
    #[rhai_fn(global, return_raw, get = "log_p_x", pure)]
    pub fn score_log_p_x(scores: &mut Scores) -> Outcome<Tensor> {
        Ok(vector(&scores.log_p_x)?)
    }

    /// The confidence of each row, `[N]`, float64; empty for an energy without classes.
    ///
    /// ```rhai
    /// print(evaluate::scores(energy::double_well(), tensor::zeros([3, 2])).max_p_y.shape);      //= [0]
    /// ```
    #[rhai_fn(global, return_raw, get = "max_p_y", pure)]
    pub fn score_max_p_y(scores: &mut Scores) -> Outcome<Tensor> {
        Ok(vector(&scores.max_p_y)?)
    }

    /// The approximate mass of each row, `[N]`, float64.
    ///
    /// ```rhai
    /// print(evaluate::scores(energy::double_well(), tensor::ones([3, 2])).mass.sum() == 0);     //= true
    /// ```
    #[rhai_fn(global, return_raw, get = "mass", pure)]
    pub fn score_mass(scores: &mut Scores) -> Outcome<Tensor> {
        Ok(vector(&scores.mass)?)
    }

    /// The area under the ROC curve of a score: the share of pairs in which the row inside scores
    /// higher, ties count one half. Scores are tensors or arrays.
    ///
    /// ```rhai
    /// print(evaluate::auroc([0.9, 0.8, 0.4], [0.1, 0.4]));     //= 0.9166666666666666
    /// ```
    #[rhai_fn(return_raw)]
    pub fn auroc(inside: Dynamic, outside: Dynamic) -> Outcome<f64> {
        Ok(evaluate::auroc(
            &numbers("evaluate::auroc", &inside)?,
            &numbers("evaluate::auroc", &outside)?,
        )?)
    }

    /// The share of rows outside that score at or above the threshold which keeps 95 % of those
    /// inside.
    ///
    /// ```rhai
    /// print(evaluate::fpr95([0.9, 0.8, 0.4], [0.1, 0.4]));     //= 0.5
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fpr95(inside: Dynamic, outside: Dynamic) -> Outcome<f64> {
        Ok(evaluate::fpr95(
            &numbers("evaluate::fpr95", &inside)?,
            &numbers("evaluate::fpr95", &outside)?,
        )?)
    }

    /// Average precision, with the rows of the first score as the positive ones.
    ///
    /// ```rhai
    /// print(evaluate::average_precision([0.9, 0.8], [0.1, 0.4]));      //= 1.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn average_precision(positive: Dynamic, negative: Dynamic) -> Outcome<f64> {
        const WHAT: &str = "evaluate::average_precision";
        Ok(evaluate::average_precision(
            &numbers(WHAT, &positive)?,
            &numbers(WHAT, &negative)?,
        )?)
    }

    /// How well the three scores of a model tell the rows of a part from other sets: a map of
    /// parts, or of tensors of rows. AUROC, average precision both ways round and FPR95, with
    /// bootstrap intervals and as many rows on both sides.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let found  = evaluate::ood(model, digits.test, #{ zeros: tensor::zeros([360, 1, 8, 8]) });
    /// print(found.value("zeros.log_p_x") <= 1);        // an AUROC
    /// print(found.value("zeros.mass.fpr95") <= 1);
    /// //= true
    /// //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ood(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        outside: Map,
        options: Map,
    ) -> Outcome<OodReport> {
        let o: OodOptions = super::options(&ctx, &options)?;
        Ok(evaluate::ood(
            &model,
            &part,
            &sets(&ctx, "evaluate::ood", &outside)?,
            &o,
        )?)
    }

    /// The same with the sets that can be made from the part itself by `evaluate::ood_set`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// print(evaluate::ood(model, data::digits().test));
    /// //= set …
    /// ```
    #[rhai_fn(return_raw, name = "ood")]
    pub fn ood_usual(model: Energy, part: Part) -> Outcome<OodReport> {
        let made = evaluate::usual_sets(&part);
        let set = |made: &MadeSet| evaluate::ood_set(*made, &part, &OodSetOptions::default());
        let sets: Vec<Part> = made.iter().map(set).collect::<Result<_>>()?;
        Ok(evaluate::ood(&model, &part, &sets, &OodOptions::default())?)
    }

    /// A number by set, score and path: `noise.log_p_x` is an AUROC; `.low`, `.high`, `.ap_in`,
    /// `.ap_out` and `.fpr95` behind it are the others; these three have `.low` and `.high` too.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let found = evaluate::ood(model, data::digits().test);
    /// print(found.value("uniform_noise.max_p_y.low") <= found.value("uniform_noise.max_p_y"));     //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "value")]
    pub fn ood_value(found: &mut OodReport, path: &str) -> Outcome<f64> {
        Ok(found.value(path)?)
    }

    /// An out-of-distribution set made from a part: "noise" (uniform on the range), "constant" (one
    /// colour an image), "shuffle" (every image with its pixels in one and the same random order),
    /// "rotation" (by 90° counter-clockwise), "interpolation" (½(x + x') of random pairs) or
    /// "blends" (the same within each class). The first four are easy: in digits two border columns
    /// of pixels solve them.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// print(evaluate::ood_set("rotation", digits.test).x.shape);       //= [360, 1, 8, 8]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ood_set(ctx: NativeCallContext, name: &str, part: Part, options: Map) -> Outcome<Part> {
        let o: OodSetOptions = super::options(&ctx, &options)?;
        Ok(evaluate::ood_set(MadeSet::by_name(name)?, &part, &o)?)
    }

    /// A Gaussian of all pixels for each class, fitted to a part: the density that a model's log
    /// p(x) must beat.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let simple = evaluate::pixel_gaussian(digits.train);
    /// let noise  = evaluate::ood_set("noise", digits.test);
    /// print(evaluate::auroc(simple.log_p(digits.test.x), simple.log_p(noise.x)) > 0.99);     //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pixel_gaussian(
        ctx: NativeCallContext,
        part: Part,
        options: Map,
    ) -> Outcome<PixelGaussian> {
        let o: PixelGaussianOptions = super::options(&ctx, &options)?;
        Ok(PixelGaussian::fit(&part, o.shared)?)
    }

    /// `log p(x)` of rows, normalised, `[N]`, float64.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// print(evaluate::pixel_gaussian(digits.train).log_p(digits.test.x).shape);      //= [360]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log_p(gaussian: &mut PixelGaussian, x: Tensor) -> Outcome<Tensor> {
        Ok(vector(&gaussian.log_p(&x)?)?)
    }

    /// `n` draws with their classes, clamped to a range: what samples of a model must be better
    /// than.
    ///
    /// ```rhai
    /// let draws = evaluate::pixel_gaussian(data::digits().train).sample(16, [-1, 1]);
    /// print(draws.x.shape);                            //= [16, 1, 8, 8]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sample(
        ctx: NativeCallContext,
        gaussian: &mut PixelGaussian,
        n: i64,
        clamp: Array,
    ) -> Outcome<Part> {
        fresh(&ctx);
        Ok(gaussian.sample(n, range("pixel_gaussian.sample", &clamp)?)?)
    }

    /// Accuracy under the worst perturbation of a size that projected gradient ascent finds (Madry
    /// et al., 2018), for growing sizes, in units of the [0, 1] range: several random starts,
    /// cross-entropy and margin, the worst of all for each image.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let part  = data::digits().test.head(50);
    /// let found = evaluate::pgd(model, part, #{ eps: [0.05, 0.1], steps: 5, starts: 1 });
    /// print(found.at(0.1) <= found.at(0.05));          //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pgd(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        options: Map,
    ) -> Outcome<Robustness> {
        let o: AttackOptions = super::options(&ctx, &options)?;
        Ok(evaluate::pgd(&model, &part, &o)?)
    }

    /// Accuracy at one of the sizes that were measured; 0 is without an attack.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let part  = data::digits().test.head(50);
    /// print(evaluate::pgd(model, part, #{ steps: 2, starts: 1 }).at(0) == evaluate::accuracy(model, part));     //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn at(found: &mut Robustness, eps: f64) -> Outcome<f64> {
        Ok(found.at(eps)?)
    }

    /// The sizes that were measured, ascending.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// print(evaluate::pgd(model, data::digits().test.head(10), #{ eps: [0.2, 0.1], steps: 1 }).eps);   //= [0.1, 0.2]
    /// ```
    #[rhai_fn(global, get = "eps", pure)]
    pub fn eps(found: &mut Robustness) -> Array {
        found.eps.iter().map(|e| Dynamic::from_float(*e)).collect()
    }

    /// The accuracy at each of these sizes.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// print(evaluate::pgd(model, data::digits().test.head(10), #{ eps: [0.2, 0.1], steps: 1 }).accuracy.len());   //= 2
    /// ```
    #[rhai_fn(global, get = "accuracy", pure)]
    pub fn robust_accuracy(found: &mut Robustness) -> Array {
        found
            .accuracy
            .iter()
            .map(|a| Dynamic::from_float(*a))
            .collect()
    }

    /// Accuracy after one step of size `eps` along the sign of the cross-entropy's gradient
    /// (Goodfellow et al., 2015): quick, and much weaker than `evaluate::pgd`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let part  = data::digits().test;
    /// print(evaluate::fgsm(model, part, 0.1) <= evaluate::accuracy(model, part));      //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fgsm(
        ctx: NativeCallContext,
        model: Energy,
        part: Part,
        eps: f64,
        options: Map,
    ) -> Outcome<f64> {
        let o: FgsmOptions = super::options(&ctx, &options)?;
        Ok(evaluate::fgsm(&model, &part, eps, o.range)?)
    }
}
