//! Losses in the language: what a training step minimises, under `loss::`, and its terms as
//! properties.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::arguments::options;
use super::edge::Outcome;
use crate::energy::Energy;
use crate::error::Error;
use crate::loss::{self, ContrastiveOptions, CrossEntropyOptions, JemOptions, Loss};
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// JEM's loss (equations 7 and 10) of a model with classes on a batch `x`, `y` with samples
    /// `fake`: `p_y_given_x · CE + p_x · (mean E(x) - mean E(fake)) + p_xy · (mean E(x, y) - mean
    /// E(fake_y, y)) + energy_l2 · (mean E(x)² + mean E(fake)²)`. Samples are held fixed. Terms:
    /// `total`, `ce`, `accuracy` (of this batch), `e_data`, `e_fake`, and `gap = e_fake - e_data`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(4, 3));
    /// let x     = tensor::randn([8, 4]);
    /// let fake  = sampler::sgld().sample(model, tensor::randn([8, 4]));
    /// let loss  = loss::jem(model, x, tensor::randint(3, [8]), fake, #{ energy_l2: 0.01 });
    /// print((loss.gap - (loss.e_fake - loss.e_data)).abs().item() < 1e-5);     //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn jem(
        ctx: NativeCallContext,
        model: Energy,
        x: Tensor,
        y: Tensor,
        fake: Tensor,
        options: Map,
    ) -> Outcome<Loss> {
        let o: JemOptions = super::options(&ctx, &options)?;
        Ok(loss::jem(&model, &x, &y, Some(&fake), &o)?)
    }

    /// The same without samples: for `p_x: 0`, cross-entropy alone.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(4, 3));
    /// let loss  = loss::jem(model, tensor::randn([8, 4]), tensor::randint(3, [8]), #{ p_x: 0 });
    /// print((loss.total - loss.ce).abs().item() < 1e-6);       //= true
    /// ```
    #[rhai_fn(return_raw, name = "jem")]
    pub fn jem_without_samples(
        ctx: NativeCallContext,
        model: Energy,
        x: Tensor,
        y: Tensor,
        options: Map,
    ) -> Outcome<Loss> {
        let o: JemOptions = super::options(&ctx, &options)?;
        Ok(loss::jem(&model, &x, &y, None, &o)?)
    }

    /// The contrastive loss of an unconditional energy (equations 2 and 10): `mean E(x) - mean
    /// E(fake)`, whose gradient estimates that of `-log p(x)`, with `energy_l2` as in `loss::jem`.
    ///
    /// ```rhai
    /// let model = energy::scalar(nn::mlp([2, 16, 1]));
    /// let loss  = loss::contrastive(model, tensor::randn([8, 2]), tensor::randn([8, 2]), #{ energy_l2: 0.1 });
    /// print(loss.total.shape);             //= []
    /// ```
    #[rhai_fn(return_raw)]
    pub fn contrastive(
        ctx: NativeCallContext,
        model: Energy,
        x: Tensor,
        fake: Tensor,
        options: Map,
    ) -> Outcome<Loss> {
        let o: ContrastiveOptions = super::options(&ctx, &options)?;
        Ok(loss::contrastive(&model, &x, &fake, &o)?)
    }

    /// Mean cross-entropy of logits `[B, C]` for labels `[B]`, a single number.
    ///
    /// ```rhai
    /// print(loss::cross_entropy(tensor::zeros([2, 4]), tensor::ints([0, 3])).item() > 1.38);    //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cross_entropy(
        ctx: NativeCallContext,
        logits: Tensor,
        y: Tensor,
        options: Map,
    ) -> Outcome<Tensor> {
        let o: CrossEntropyOptions = super::options(&ctx, &options)?;
        Ok(loss::cross_entropy(&logits, &y, &o)?)
    }

    /// Mean squared difference of two tensors of one shape, a single number.
    ///
    /// ```rhai
    /// print(loss::mse(tensor::of([1, 2]), tensor::of([1, 4])).item());     //= 2.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mse(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(loss::mse(&a, &b)?)
    }

    /// A term of a loss by name, as in `loss.gap`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(4, 3));
    /// let loss  = loss::jem(model, tensor::randn([8, 4]), tensor::randint(3, [8]), #{ p_x: 0 });
    /// print(loss.ce.shape);                //= []
    /// print(loss["accuracy"].shape);       //= []
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn term(loss: &mut Loss, name: &str) -> Outcome<Tensor> {
        let names = || {
            loss.names()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let unknown = || {
            Error::unknown(
                &format!("the loss has no term `{name}`"),
                name,
                names().iter().map(String::as_str),
            )
        };
        Ok(loss.term(name).ok_or_else(unknown)?)
    }

    /// The names of all terms.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(4, 3));
    /// print(loss::jem(model, tensor::randn([8, 4]), tensor::randint(3, [8]), #{ p_x: 0 }).names());     //= ["total", "ce", …]
    /// ```
    #[rhai_fn(global, pure)]
    pub fn names(loss: &mut Loss) -> Array {
        loss.names()
            .into_iter()
            .map(|n| Dynamic::from(n.to_owned()))
            .collect()
    }
}
