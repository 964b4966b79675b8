//! Pictures of images, energies and reports.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::super::arguments::{object_list, options};
use super::super::edge::Outcome;
use crate::energy::Energy;
use crate::error::Result;
use crate::evaluate::{Report, RobustnessCurveOptions};
use crate::plot::{
    self, Animation, AnimationOptions, DensityOptions, GridOptions, HistogramOptions,
    PanelsOptions, Picture, ReliabilityOptions,
};
use crate::tensor::Tensor;

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

    /// Pictures side by side in one, in rows of `columns`: charts, grids, maps.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let left  = plot::grid(digits.train.images(16));
    /// let right = plot::histogram(digits.train.x.mean(1), #{ width: 420, height: 320 });
    /// save_image("both.png", plot::panels([left, right], #{ captions: ["images", "their mean"] }));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn panels(ctx: NativeCallContext, pictures: Array, options: Map) -> Outcome<Picture> {
        let o: PanelsOptions = super::options(&ctx, &options)?;
        let pictures = object_list::<Picture>("plot::panels", "pictures", &pictures)?;
        Ok(plot::panels(&pictures, &o)?)
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
