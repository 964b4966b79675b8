//! Pictures in the language: functions under `plot::` that give a picture or an animation;
//! `save_image` writes it.

use rhai::plugin::*;
use rhai::{Array, ImmutableString, Map};

use super::edge::Outcome;
use super::value::{float_list, object_list, options};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::evaluate::{Report, RobustnessCurveOptions};
use crate::plot::{
    self, Animation, AnimationOptions, Bars, BarsOptions, CurveOptions, DensityOptions,
    GridOptions, HistogramOptions, Line, Picture, ReliabilityOptions, Sample,
};
use crate::tensor::Tensor;
use crate::train::Record;

/// A tensor or an array of numbers, as numbers.
fn numbers(what: &str, value: &Dynamic) -> Result<Vec<f64>> {
    let value = value.flatten_clone();
    if let Some(tensor) = value.clone().try_cast::<Tensor>() {
        return tensor.to_vec();
    }
    float_list(what, &value.try_cast::<Array>().unwrap_or_default())
}

/// The bars of one method: numbers, or a map of them and their errors.
fn method(name: &str, given: &Dynamic) -> Result<Bars> {
    let given = given.flatten_clone();
    let Some(map) = given.clone().try_cast::<Map>() else {
        return Ok(Bars {
            name: name.to_owned(),
            values: numbers("plot::bars", &given)?,
            errors: Vec::new(),
        });
    };
    if let Some(wrong) = map
        .keys()
        .find(|key| !["values", "errors"].contains(&key.as_str()))
    {
        return Err(Error::unknown(
            &format!("plot::bars: `{name}` has no `{wrong}`"),
            wrong,
            ["values", "errors"],
        ));
    }
    let list = |key: &str| {
        map.get(key)
            .map(|given| numbers("plot::bars", given))
            .transpose()
    };
    let values = list("values")?
        .ok_or_else(|| Error::argument(format!("plot::bars: `{name}` has no `values`")))?;
    Ok(Bars {
        name: name.to_owned(),
        values,
        errors: list("errors")?.unwrap_or_default(),
    })
}

#[export_module(manifest)]
pub mod functions {
    /// Images `[N, 1 or 3, H, W]` as a grid, row by row.
    ///
    /// ```rhai
    /// let picture = plot::grid(data::digits().train.images(64));
    /// save_image("digits.png", picture);
    /// print(picture);                      //= picture …
    /// ```
    #[rhai_fn(return_raw)]
    pub fn grid(ctx: NativeCallContext, images: Tensor, options: Map) -> Outcome<Picture> {
        let o: GridOptions = super::options(&ctx, &options)?;
        Ok(plot::grid(&images, &o)?)
    }

    /// Grids of images one after the other: `frames` is `[T, N, C, H, W]`, such as the trace of a
    /// run.
    ///
    /// ```rhai
    /// let run = sampler::sgld(#{ alpha: 0.01, steps: 5 }).run(energy::of(|x| x.pow(2).flatten(1).sum(1)), tensor::randn([4, 1, 8, 8]));
    /// save_image("chains.gif", plot::animation(run.trace));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn animation(ctx: NativeCallContext, frames: Tensor, options: Map) -> Outcome<Animation> {
        let o: AnimationOptions = super::options(&ctx, &options)?;
        let frames: Vec<Tensor> = (0..frames.len())
            .map(|t| frames.get(t))
            .collect::<Result<_>>()?;
        Ok(plot::animation(&frames, &o)?)
    }

    /// The same with an array of batches of images.
    ///
    /// ```rhai
    /// let images = data::digits().train.images(4);
    /// save_image("fade.gif", plot::animation([images, 0.5 * images, 0 * images]));
    /// ```
    #[rhai_fn(return_raw, name = "animation")]
    pub fn animation_of_array(
        ctx: NativeCallContext,
        frames: Array,
        options: Map,
    ) -> Outcome<Animation> {
        let o: AnimationOptions = super::options(&ctx, &options)?;
        Ok(plot::animation(
            &object_list::<Tensor>("plot::animation", "tensors", &frames)?,
            &o,
        )?)
    }

    /// Quantities of a training over its iterations.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 5 }, |batch| #{ level: batch.x.mean() });
    /// save_image("level.png", plot::curves(record, ["level"]));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn curves(
        ctx: NativeCallContext,
        record: Record,
        names: Array,
        options: Map,
    ) -> Outcome<Picture> {
        let mut o: CurveOptions = super::options(&ctx, &options)?;
        if o.x_label.is_empty() {
            o.x_label = "iteration".to_owned();
        }
        let line = |name: &Dynamic| {
            let column = record.column(&name.to_string())?;
            Ok(Line::new(
                &column.name,
                column.iterations.iter().map(|i| *i as f64).collect(),
                column.values,
            ))
        };
        let lines: Vec<Line> = names.iter().map(line).collect::<Result<_>>()?;
        Ok(plot::curve(&lines, &o)?)
    }

    /// Numbers side by side: for each case a group of bars, one for each method. `methods` is a map
    /// of name to numbers, one for each case: an array, a tensor, or `#{ values, errors }` with
    /// half the length of the error bars.
    ///
    /// ```rhai
    /// let methods = #{ "cross-entropy": [0.99, 0.2], "JEM": #{ values: [0.99, 0.7], errors: [0.004, 0.05] } };
    /// save_image("robust.png", plot::bars(["clean", "attacked"], methods, #{ x_label: "accuracy" }));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn bars(
        ctx: NativeCallContext,
        cases: Array,
        methods: Map,
        options: Map,
    ) -> Outcome<Picture> {
        let o: BarsOptions = super::options(&ctx, &options)?;
        let cases = object_list::<ImmutableString>("plot::bars", "texts", &cases)?;
        let cases: Vec<String> = cases.iter().map(ToString::to_string).collect();
        let methods: Vec<Bars> = methods
            .iter()
            .map(|(name, given)| super::method(name, given))
            .collect::<Result<_>>()?;
        Ok(plot::bars(&cases, &methods, &o)?)
    }

    /// Named lines: a map of name to numbers (an array or a tensor), drawn over 0, 1, 2, …
    ///
    /// ```rhai
    /// save_image("squares.png", plot::curves(#{ squares: [0, 1, 4, 9], cubes: [0, 1, 8, 27] }, #{ title: "powers" }));
    /// ```
    #[rhai_fn(return_raw, name = "curves")]
    pub fn curves_of_map(ctx: NativeCallContext, lines: Map, options: Map) -> Outcome<Picture> {
        let o: CurveOptions = super::options(&ctx, &options)?;
        let line =
            |(name, value): (&_, &Dynamic)| Ok(Line::of(name, numbers("plot::curves", value)?));
        let lines: Vec<Line> = lines
            .iter()
            .map(|(k, v)| line((k.as_str(), v)))
            .collect::<Result<_>>()?;
        Ok(plot::curve(&lines, &o)?)
    }

    /// Histograms over shared bins: a map of name to numbers (an array or a tensor). Each has the
    /// area 1.
    ///
    /// ```rhai
    /// let picture = plot::histogram(#{ normal: tensor::randn([500]), uniform: tensor::rand([500]) }, #{ bins: 30 });
    /// save_image("histogram.png", picture);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn histogram(ctx: NativeCallContext, samples: Map, options: Map) -> Outcome<Picture> {
        let o: HistogramOptions = super::options(&ctx, &options)?;
        let sample = |(name, value): (&str, &Dynamic)| {
            Ok(Sample::new(name, numbers("plot::histogram", value)?))
        };
        let samples: Vec<Sample> = samples
            .iter()
            .map(|(k, v)| sample((k.as_str(), v)))
            .collect::<Result<_>>()?;
        Ok(plot::histogram(&samples, &o)?)
    }

    /// The map of an energy over the plane, with samples `[n, 2]` as dots.
    ///
    /// ```rhai
    /// let well = energy::double_well();
    /// let run  = sampler::mala(#{ alpha: 0.1, steps: 100 }).run(well, tensor::randn([64, 2]));
    /// save_image("well.png", plot::density(well, run.x, #{ range: [-2, 2], resolution: 40 }));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn density(
        ctx: NativeCallContext,
        energy: Energy,
        samples: Tensor,
        options: Map,
    ) -> Outcome<Picture> {
        let o: DensityOptions = super::options(&ctx, &options)?;
        Ok(plot::density(&energy, Some(&samples), &o)?)
    }

    /// The map of an energy over the plane alone.
    ///
    /// ```rhai
    /// save_image("map.png", plot::density(energy::rosenbrock(), #{ range: [-2, 2], resolution: 40, log: true }));
    /// ```
    #[rhai_fn(return_raw, name = "density")]
    pub fn density_alone(ctx: NativeCallContext, energy: Energy, options: Map) -> Outcome<Picture> {
        let o: DensityOptions = super::options(&ctx, &options)?;
        Ok(plot::density(&energy, None, &o)?)
    }

    /// Histograms of the subject's log p(x) in and out of distribution, from a report of
    /// `evaluate::compare`.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, digits, #{ part: "validation", limit: 50, eps_linf: [], eps_l2: [], resamples: 10 });
    /// save_image("energies.png", plot::energies(report));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn energies(ctx: NativeCallContext, report: Report, options: Map) -> Outcome<Picture> {
        let o: HistogramOptions = super::options(&ctx, &options)?;
        Ok(report.energies(&o)?)
    }

    /// A reliability diagram for each model of a report: is it right as often as it says?
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, digits, #{ part: "validation", limit: 50, eps_linf: [], eps_l2: [], resamples: 10 });
    /// save_image("reliability.png", plot::reliability(report));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn reliability(ctx: NativeCallContext, report: Report, options: Map) -> Outcome<Picture> {
        let o: ReliabilityOptions = super::options(&ctx, &options)?;
        Ok(report.reliability(&o)?)
    }

    /// Accuracy under attack over ε for each model of a report, as a picture; the square attack has
    /// a line of its own. An attack in this norm must be in the report.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let report = evaluate::compare(#{ "JEM": model }, digits, #{ part: "validation", limit: 50, eps_l2: [], pgd_steps: 2, resamples: 10 });
    /// save_image("robustness.png", plot::robustness(report));
    /// try { plot::robustness(report, #{ norm: "l2" }); } catch (e) { print(e.message); }     //= …no attack in norm `l2`
    /// ```
    #[rhai_fn(return_raw)]
    pub fn robustness(ctx: NativeCallContext, report: Report, options: Map) -> Outcome<Picture> {
        let o: RobustnessCurveOptions = super::options(&ctx, &options)?;
        Ok(report.robustness_curve(&o)?)
    }
}
