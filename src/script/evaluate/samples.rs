//! Samples: how far they are from real images, in the features of a network of its own.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::super::arguments::{int_list, options};
use super::super::edge::Outcome;
use super::named;
use crate::data::Dataset;
use crate::energy::Energy;
use crate::error::Error;
use crate::evaluate::{
    self, FeatureNet, FeatureNetOptions, FeaturesOptions, FreshOptions, SampleOptions,
    SampleReport, inception_score as score,
};
use crate::nn::Network;
use crate::sampler::Sampler;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// Trains a small classifier of its own on the training part, in whose features samples are
    /// compared with real images: for images three convolutions and a layer of 64 features. It has
    /// a seed of its own, and says how it was made and how well it classifies.
    ///
    /// ```rhai
    /// let judge = evaluate::feature_net(data::digits(), #{ iterations: 20 });
    /// print(judge.features(tensor::zeros([5, 1, 8, 8])).shape);        //= [5, 64]
    /// print(judge);                        //= feature network: …
    /// ```
    #[rhai_fn(return_raw)]
    pub fn feature_net(ctx: NativeCallContext, data: Dataset, options: Map) -> Outcome<FeatureNet> {
        let o: FeatureNetOptions = super::options(&ctx, &options)?;
        Ok(evaluate::feature_net(&data, &o)?)
    }

    /// A network from images to features as a feature network. Say in `note` what it is: figures of
    /// other features are not comparable.
    ///
    /// ```rhai
    /// let pixels = evaluate::features_of(nn::flatten(), #{ note: "the pixels themselves" });
    /// print(pixels.features(tensor::zeros([5, 1, 8, 8])).shape);       //= [5, 64]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn features_of(
        ctx: NativeCallContext,
        network: Network,
        options: Map,
    ) -> Outcome<FeatureNet> {
        let o: FeaturesOptions = super::options(&ctx, &options)?;
        Ok(FeatureNet::of(&network, &o)?)
    }

    /// The features of images, `[N, d]`, float64.
    ///
    /// ```rhai
    /// print(evaluate::features_of(nn::flatten()).features(tensor::zeros([5, 1, 8, 8])).dtype);     //= float64
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn features(judge: &mut FeatureNet, x: Tensor) -> Outcome<Tensor> {
        Ok(judge.features(&x)?)
    }

    /// `p(y|x)` of images, `[N, C]`, float64, of a feature network with a head.
    ///
    /// ```rhai
    /// let judge = evaluate::feature_net(data::digits(), #{ iterations: 20 });
    /// print(judge.probabilities(tensor::zeros([5, 1, 8, 8])).shape);   //= [5, 10]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn probabilities(judge: &mut FeatureNet, x: Tensor) -> Outcome<Tensor> {
        let none = || {
            Error::state("probabilities: this feature network has no head")
                .with_hint("#{ head: network }")
        };
        Ok(judge
            .probabilities(&judge.features(&x)?)?
            .ok_or_else(none)?)
    }

    /// The Fréchet distance of two sets of features `[n, d]` and `[m, d]`: `‖μ - μ'‖² + Tr(Σ + Σ' -
    /// 2 (Σ Σ')^½)`, in float64 (Heusel et al., 2017). It needs 1,000 rows or more a side.
    ///
    /// ```rhai
    /// let a = tensor::randn([500, 4]);
    /// print(evaluate::frechet(a, a + 1) > 3.9 && evaluate::frechet(a, a + 1) < 4.1);     //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn frechet(a: Tensor, b: Tensor) -> Outcome<f64> {
        Ok(evaluate::frechet(&a, &b)?.distance)
    }

    /// The kernel distance of two sets of features: unbiased squared MMD with the kernel `(aᵀb/d +
    /// 1)³` (Binkowski et al., 2018). It may come out slightly below 0.
    ///
    /// ```rhai
    /// let a = tensor::randn([500, 4]);
    /// print(evaluate::kernel_distance(a, a + 1) > 0.5);    //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn kernel_distance(a: Tensor, b: Tensor) -> Outcome<f64> {
        Ok(evaluate::kernel_distance(&a, &b)?)
    }

    /// The Inception Score `exp E KL(p(y|x) ‖ p(y))` of probabilities `[N, C]`, 1 to C (Salimans et
    /// al., 2016).
    ///
    /// ```rhai
    /// print(evaluate::inception_score(tensor::eye(5)));        // five sure and different classes
    /// //= …
    /// print(evaluate::inception_score(tensor::full([9, 5], 0.2)));
    /// //= 1.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn inception_score(probabilities: Tensor) -> Outcome<f64> {
        Ok(score(&probabilities, 1)?)
    }

    /// The same as the mean over so many splits.
    ///
    /// ```rhai
    /// print(evaluate::inception_score(tensor::full([10, 5], 0.2), 2));     //= 1.0
    /// ```
    #[rhai_fn(return_raw, name = "inception_score")]
    pub fn inception_score_of_splits(probabilities: Tensor, splits: i64) -> Outcome<f64> {
        Ok(score(&probabilities, splits)?)
    }

    /// Precision and recall of features `[n, d]` of samples against those `[m, d]` of real images
    /// (Kynkäänniemi et al., 2019), as a map: the share of samples within the balls round real rows
    /// that reach to their `k`-th nearest neighbour, and the other way round.
    ///
    /// ```rhai
    /// let a = tensor::randn([200, 4]);
    /// let b = a.narrow(0, 0, 100) * 0.1;               // all in the middle: they look real, and cover little
    /// let found = evaluate::precision_recall(b, a, 3);
    /// print(found.precision > found.recall);           //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn precision_recall(samples: Tensor, real: Tensor, k: i64) -> Outcome<Map> {
        let found = evaluate::precision_recall(&samples, &real, k)?;
        let entries = [("precision", found.precision), ("recall", found.recall)];
        Ok(entries
            .map(|(name, value)| (name.into(), Dynamic::from_float(value)))
            .into())
    }

    /// Chains from uniform noise, as they stand after each of some lengths: an array of tensors in
    /// the order of rising lengths. The shape `[N, …]` has the number of chains first. With
    /// `labels` they are samples of p(x|y). They depend on the seed, and on how many ranks
    /// share them.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let short = sampler::sgld(#{ clamp: [-1, 1] });
    /// let found = evaluate::fresh_chains(model, short, [4, 1, 8, 8], [5, 20]);
    /// print(found[1].shape);                           //= [4, 1, 8, 8]
    /// let sevens = evaluate::fresh_chains(model, short, [4, 1, 8, 8], [20], #{ labels: tensor::of([7, 7, 7, 7]) });
    /// print(sevens.len());                             //= 1
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fresh_chains(
        ctx: NativeCallContext,
        model: Energy,
        sampler: Sampler,
        shape: Array,
        lengths: Array,
        options: Map,
    ) -> Outcome<Array> {
        let o: FreshOptions = super::options(&ctx, &options)?;
        let (shape, lengths) = (
            int_list("evaluate::fresh_chains", &shape)?,
            int_list("evaluate::fresh_chains", &lengths)?,
        );
        let found = evaluate::fresh_chains(&model, &sampler, &shape, &lengths, &o)?;
        Ok(found.into_iter().map(|(_, x)| Dynamic::from(x)).collect())
    }

    /// Several sets of samples against real images, as a table: Fréchet distance, also at equal
    /// counts, kernel distance of features with the real images' mean 0 and variance 1, precision
    /// and recall, Inception Score.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let judge  = evaluate::feature_net(digits, #{ iterations: 20 });
    /// let found  = evaluate::samples(judge, digits.train.x, #{
    ///     "held-out images": digits.test.x, "noise": tensor::uniform([360, 1, 8, 8], -1, 1),
    /// });
    /// print(found.value("held_out_images") < found.value("noise"));    //= true
    /// print(found.value("noise.kernel") > 0);                          //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn samples(
        ctx: NativeCallContext,
        judge: FeatureNet,
        real: Tensor,
        samples: Map,
        options: Map,
    ) -> Outcome<SampleReport> {
        let o: SampleOptions = super::options(&ctx, &options)?;
        let sets = named::<Tensor>("evaluate::samples", "a tensor", &samples)?;
        Ok(evaluate::sample_quality(&judge, &real, &sets, &o)?)
    }

    /// A number by set and path: `noise` is a Fréchet distance; `.n`, `.equal_n`, `.kernel`,
    /// `.precision`, `.recall`, `.inception`, `.means`, `.covariances` and `.imaginary` behind it
    /// are the others.
    ///
    /// ```rhai
    /// let pixels = evaluate::features_of(nn::flatten());
    /// let digits = data::digits();
    /// print(evaluate::samples(pixels, digits.train.x, #{ real: digits.test.x }).value("real.n"));      //= 360.0
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "value")]
    pub fn sample_value(found: &mut SampleReport, path: &str) -> Outcome<f64> {
        Ok(found.value(path)?)
    }
}
