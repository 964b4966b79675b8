//! All five claims for several models side by side, and over several seeds.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::super::arguments::{int_list, object_list, options};
use super::super::edge::Outcome;
use super::super::host::Host;
use super::{difference_map, named};
use crate::data::Dataset;
use crate::energy::Energy;
use crate::error::Error;
use crate::evaluate::{self, CompareOptions, Pool, Report};
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// The paper's five claims, for models with the names that you give them, on the test part:
    /// accuracy, calibration, out-of-distribution detection, robustness, samples; each with its
    /// protocol. The model named JEM (or `subject`, or the last) is compared with each of the
    /// others and with a Gaussian of the pixels. A data set with a class held out has that class as
    /// another set. Samples are judged where `features` is given. The run folder keeps the report.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// fn classifier() { energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)])) }
    /// let quick  = #{ limit: 60, resamples: 50, pgd_steps: 2, pgd_starts: 1, eps_l2: [] };   // for a look, not for a result
    /// let report = evaluate::compare(#{ "cross-entropy": classifier(), "JEM": classifier() }, digits, quick);
    /// print(report.value("JEM", "robust.linf.0.1") <= report.value("JEM", "accuracy"));      //= true
    /// print(report.value("JEM", "ood.rotation.log_p_x") <= 1);                               //= true
    /// save_text("table.md", report.to_markdown());
    /// save_text("table.json", report.to_json());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn compare(
        ctx: NativeCallContext,
        models: Map,
        data: Dataset,
        options: Map,
    ) -> Outcome<Report> {
        let o: CompareOptions = super::options(&ctx, &options)?;
        let models = named::<Energy>("evaluate::compare", "an energy", &models)
            .map_err(|e| e.with_hint("energy::joint(network) makes one of a classifier"))?;
        let report = evaluate::compare(&models, &data, &o)?;
        Host::of(&ctx)
            .run()
            .report(&report.to_markdown(&[]), &report.to_json()?)?;
        Ok(report)
    }

    /// The whole table of one model, a checkpoint for example: what `evaluate::compare` measures,
    /// the square attack and distal adversarials too, detection after refinement where a `sampler`
    /// is given, and the JEM-k defence where `jem_k` has one. Options are those of
    /// `evaluate::compare`; the model is called `model`, or what `subject` says. The run folder
    /// keeps the report.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, pgd_steps: 2, pgd_starts: 1, eps_l2: [], eps_linf: [0.1], square_queries: 10 };
    /// let report = evaluate::report(model, data::digits(), quick + #{ sampler: sampler::sgld(#{ steps: 2 }) });
    /// print(report.value("model", "robust.square_linf.0.1") <= report.value("model", "accuracy"));       //= true
    /// print(report.value("model", "refined.rotation.gain") <= 1);                                        //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn report(
        ctx: NativeCallContext,
        model: Energy,
        data: Dataset,
        options: Map,
    ) -> Outcome<Report> {
        let o: CompareOptions = super::options(&ctx, &options)?;
        let report = evaluate::report(&model, &data, &o)?;
        Host::of(&ctx)
            .run()
            .report(&report.to_markdown(&[]), &report.to_json()?)?;
        Ok(report)
    }

    /// The reports of several seeds joined: mean ± standard deviation of every number, and the
    /// subject's differences over all seeds with bootstrap intervals. Fewer than five seeds make no
    /// claim. Reports of other models or sets (a class held out of training needs models of its
    /// own) make another pool.
    ///
    /// ```rhai
    /// fn classifier() { energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)])) }
    /// let quick   = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] };
    /// let reports = [];
    /// for s in 0..2 {
    ///     seed(s);
    ///     reports.push(evaluate::compare(#{ "JEM": classifier() }, data::digits(#{ seed: s }), quick));
    /// }
    /// let pool = evaluate::pool(reports);
    /// print(pool.value("JEM", "accuracy") < 0.5);      //= true
    /// print(pool.sd("JEM", "accuracy") < 0.5);         //= true
    /// print(pool.text([1]));                           //= …2 seeds, no claim…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pool(ctx: NativeCallContext, reports: Array) -> Outcome<Pool> {
        let pool = evaluate::pool(&object_list::<Report>(
            "evaluate::pool",
            "reports",
            &reports,
        )?)?;
        Host::of(&ctx)
            .run()
            .report(&pool.to_markdown(&[]), &pool.to_json()?)?;
        Ok(pool)
    }

    /// A report from a file that holds what `to_json` gave.
    ///
    /// ```rhai
    /// try { evaluate::load_report("nowhere.json"); } catch (e) { print(e.message); }     //= …"nowhere.json"…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn load_report(ctx: NativeCallContext, path: &str) -> Outcome<Report> {
        let file = Host::of(&ctx)
            .access()
            .readable("evaluate::load_report", path)?;
        let text = std::fs::read_to_string(&file).map_err(|e| Error::io(&file, &e))?;
        Ok(Report::from_json(&text).map_err(|e| e.context(path))?)
    }

    /// One number by model and path: `accuracy`, `calibration.ece`, `tempered.nll`,
    /// `ood.rotation.log_p_x` (an AUROC), `robust.linf.0.1`, `samples.replay_buffer` (a Fréchet
    /// distance). The pixel Gaussian is a model too; `.difference` behind a path, of a baseline, is
    /// the subject's difference to it.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] };
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), quick);
    /// print(report.value("pixel Gaussian", "ood.uniform_noise.log_p_x") > 0.9);      //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "value")]
    pub fn report_value(report: &mut Report, model: &str, path: &str) -> Outcome<f64> {
        Ok(report.value(model, path)?)
    }

    /// The subject's difference to a baseline, as a map: `value`, the ends `low` and `high` of its
    /// 95 % bootstrap interval, and `clear`, whether that excludes 0. Paths: `accuracy`,
    /// `ood.rotation`, `robust.linf.0.1`.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] };
    /// let report = evaluate::compare(#{ "JEM": model, "same": model }, data::digits(), quick);
    /// print(report.difference("same", "accuracy"));    //= #{"clear": false, "high": 0.0, "low": 0.0, "value": 0.0}
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "difference")]
    pub fn report_difference(report: &mut Report, against: &str, path: &str) -> Outcome<Map> {
        Ok(difference_map(report.difference(against, path)?))
    }

    /// All paths of the numbers of a model.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] };
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), quick);
    /// print(report.paths("JEM")[0]);                   //= accuracy
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn paths(report: &mut Report, model: &str) -> Outcome<Array> {
        Ok(report
            .paths(model)?
            .into_iter()
            .map(Dynamic::from)
            .collect())
    }

    /// The samples that were judged or made, by name: the replay buffer, and fresh chains from
    /// noise of each length.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [], chains: tensor::zeros([9, 1, 8, 8]) };
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), quick);
    /// print(report.samples["replay buffer"].shape);    //= [9, 1, 8, 8]
    /// ```
    #[rhai_fn(global, get = "samples", pure)]
    pub fn samples(report: &mut Report) -> Map {
        report
            .pictures
            .iter()
            .map(|(name, x): &(String, Tensor)| (name.into(), Dynamic::from(x.clone())))
            .collect()
    }

    /// Some of the claims as text for a terminal, by number: 1 to 5, and 0 for the training.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] };
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), quick);
    /// print(report.text([1, 3]));                      //= JEM on digits.test, 60 rows…1. Accuracy…3. Out-of-distribution…
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "text")]
    pub fn report_text(report: &mut Report, claims: Array) -> Outcome<String> {
        Ok(report.text(&int_list("text", &claims)?))
    }

    /// The report as Markdown, with every number.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] };
    /// print(evaluate::compare(#{ "JEM": model }, data::digits(), quick).to_markdown());      //= …## 1. Accuracy…
    /// ```
    #[rhai_fn(global, pure, name = "to_markdown")]
    pub fn report_markdown(report: &mut Report) -> String {
        report.to_markdown(&[])
    }

    /// Some of the claims as Markdown, by number.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] };
    /// print(evaluate::compare(#{ "JEM": model }, data::digits(), quick).to_markdown([3]));   //= …## 3. Out-of-distribution…
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "to_markdown")]
    pub fn report_markdown_of(report: &mut Report, claims: Array) -> Outcome<String> {
        Ok(report.to_markdown(&int_list("to_markdown", &claims)?))
    }

    /// The report as JSON, with the scores of every row; `evaluate::load_report` reads it back.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let quick  = #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] };
    /// print(evaluate::compare(#{ "JEM": model }, data::digits(), quick).to_json().len() > 1_000);      //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "to_json")]
    pub fn report_json(report: &mut Report) -> Outcome<String> {
        Ok(report.to_json()?)
    }

    /// The mean over the seeds of a number, by model and path as in a report.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] });
    /// print(evaluate::pool([report, report]).value("JEM", "accuracy") == report.value("JEM", "accuracy"));      //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "value")]
    pub fn pool_value(pool: &mut Pool, model: &str, path: &str) -> Outcome<f64> {
        Ok(pool.value(model, path)?.0)
    }

    /// The standard deviation (n - 1) of a number over the seeds; `()` for a single one.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] });
    /// print(evaluate::pool([report, report]).sd("JEM", "accuracy"));       //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sd(pool: &mut Pool, model: &str, path: &str) -> Outcome<Dynamic> {
        Ok(pool
            .value(model, path)?
            .1
            .map_or(Dynamic::UNIT, Dynamic::from_float))
    }

    /// The subject's difference to a baseline over all seeds, as a map like that of a report.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] });
    /// print(evaluate::pool([report, report]).difference("pixel Gaussian", "ood.rotation").value <= 1);    //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "difference")]
    pub fn pool_difference(pool: &mut Pool, against: &str, path: &str) -> Outcome<Map> {
        Ok(difference_map(pool.difference(against, path)?))
    }

    /// Some of the claims as text for a terminal, by number: 1 to 5, and 0 for the training.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] });
    /// print(evaluate::pool([report]).text([2]));           //= …2. Calibration…
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "text")]
    pub fn pool_text(pool: &mut Pool, claims: Array) -> Outcome<String> {
        Ok(pool.text(&int_list("text", &claims)?))
    }

    /// The pool as Markdown, with every number.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] });
    /// print(evaluate::pool([report]).to_markdown());       //= …## 1. Accuracy…
    /// ```
    #[rhai_fn(global, pure, name = "to_markdown")]
    pub fn pool_markdown(pool: &mut Pool) -> String {
        pool.to_markdown(&[])
    }

    /// Some of the claims as Markdown, by number: a pool of held-out classes shows claim 3 alone.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let held   = data::digits(#{ hold_out: 8 });
    /// let report = evaluate::compare(#{ "JEM": model }, held, #{ sets: [], resamples: 50, eps_linf: [], eps_l2: [] });
    /// print(evaluate::pool([report]).to_markdown([3]));    //= …held-out class…
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "to_markdown")]
    pub fn pool_markdown_of(pool: &mut Pool, claims: Array) -> Outcome<String> {
        Ok(pool.to_markdown(&int_list("to_markdown", &claims)?))
    }

    /// The pool as JSON, with all of its reports.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, data::digits(), #{ limit: 60, resamples: 50, eps_linf: [], eps_l2: [] });
    /// print(evaluate::pool([report]).to_json().len() > 1_000);     //= true
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "to_json")]
    pub fn pool_json(pool: &mut Pool) -> Outcome<String> {
        Ok(pool.to_json()?)
    }
}
