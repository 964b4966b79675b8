//! Spectral normalisation (Miyato et al., 2018): `W / σ(W)`, where σ is the largest singular value
//! of the weight as a matrix `[out, rest]`, estimated by power iteration: `v ← Wᵀu / ‖Wᵀu‖`, `u ←
//! Wv / ‖Wv‖`, `σ = uᵀWv`.
//!
//! As in PyTorch's `spectral_norm`, u and v are kept, go on by `n_power_iterations` at each pass in
//! training mode, and get no gradient.

use std::cell::Cell;

use super::reparametrised::Weighted;
use super::{Layer, Network, at_least_one};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::{Named, Param, frozen};
use crate::plan::{Place, Planned, Sketch, Unplanned};
use crate::tensor::{Tensor, no_grad};

options! {
    /// Options of [`SpectralNorm`].
    pub struct SpectralNormOptions for "nn::spectral_norm" {
        /// steps of the power iteration at each pass in training mode
        n_power_iterations: i64 = 1,
        /// the least length that is divided by
        eps: f64 = 1e-12,
    }
    check |o| {
        at_least_one("nn::spectral_norm", &[("n_power_iterations", o.n_power_iterations)])?;
        if !(o.eps > 0.0 && o.eps.is_finite()) {
            return Err(Error::argument(format!("nn::spectral_norm: `eps` must be above 0, got {}", o.eps)));
        }
        Ok(())
    }
}

/// A layer whose weight is divided by its largest singular value.
pub struct SpectralNorm {
    inner: Weighted,
    u: Param,
    v: Param,
    options: SpectralNormOptions,
    training: Cell<bool>,
}

impl SpectralNorm {
    /// Wraps a convolution or an affine map, in training mode; u and v start at random.
    pub fn new(layer: Network, options: &SpectralNormOptions) -> Result<SpectralNorm> {
        options.check()?;
        Network::may_nest(&[&layer])?;
        let inner = Weighted::of("nn::spectral_norm", layer)?;
        let matrix = inner.weight.get().detach().flatten(1)?;
        let start = |n: i64| -> Result<Param> {
            let raw = tch::Tensor::f_randn([n], (matrix.kind(), matrix.device()))?;
            Param::buffer(&unit(&raw.into(), options.eps)?)
        };
        let (u, v) = (start(matrix.shape()[0])?, start(matrix.shape()[1])?);
        Ok(SpectralNorm {
            inner,
            u,
            v,
            options: options.clone(),
            training: Cell::new(true),
        })
    }

    /// The weight divided by σ; in training mode u and v go on first.
    fn weight(&self) -> Result<Tensor> {
        let weight = self.inner.weight.get();
        let matrix = weight.flatten(1)?;
        let (mut u, mut v) = (self.u.get(), self.v.get());
        if self.training.get() && !frozen() {
            let _guard = no_grad();
            let fixed = matrix.detach();
            let turned = fixed.t()?;
            for _ in 0..self.options.n_power_iterations {
                v = unit(&Tensor::from(turned.raw().f_mv(u.raw())?), self.options.eps)?;
                u = unit(&Tensor::from(fixed.raw().f_mv(v.raw())?), self.options.eps)?;
            }
            self.u.assign(&u)?;
            self.v.assign(&v)?;
        } else {
            // The graph of this pass keeps them; a later pass changes them in place.
            (u, v) = (u.copy()?, v.copy()?);
        }
        let sigma = Tensor::from(u.raw().f_dot(&matrix.raw().f_mv(v.raw())?)?);
        weight.div(sigma)
    }
}

/// `x / max(‖x‖, eps)`.
fn unit(x: &Tensor, eps: f64) -> Result<Tensor> {
    x.div(x.norm()?.clamp(Some(eps), None)?)
}

impl Layer for SpectralNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        // A wrong input must not change u and v.
        self.inner.layer.output_shape(&x.shape())?;
        self.inner.forward(x, || self.weight())
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        self.inner.layer.output_shape(input)
    }

    fn parameters(&self) -> Named {
        let mut all = self.inner.parameters("weight_orig");
        all.push(("weight_u".to_owned(), self.u.clone()));
        all.push(("weight_v".to_owned(), self.v.clone()));
        all
    }

    fn set_training(&self, training: bool) {
        self.training.set(training);
        self.inner.layer.set_training(training);
    }

    fn training(&self) -> Option<bool> {
        Some(self.training.get())
    }

    fn hold(&self) -> Result<bool> {
        // In training mode u and v move at each pass, and the weight with them.
        if self.training.get() {
            Ok(false)
        } else {
            self.inner.hold(|| self.weight())
        }
    }

    fn release(&self) {
        self.inner.release();
    }

    fn rowwise(&self) -> bool {
        // Each pass in training mode moves u and v: two batches in one would move them once.
        !self.training.get() && self.inner.layer.rowwise()
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        if self.training.get() && !frozen() {
            return Err(Unplanned::because(
                "spectral norm goes on with its power iteration at every pass",
            ));
        }
        self.inner.plan(sketch, x, || self.weight())
    }

    fn describe(&self) -> String {
        self.options
            .show_call("spectral_norm", &self.inner.layer.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Activation, BatchNorm2d, BatchNorm2dOptions, Linear, LinearOptions};
    use crate::params::FROZEN;

    #[test]
    fn frozen_layers_compute_as_ever_and_keep_nothing() -> Result<()> {
        let norm = Network::of(BatchNorm2d::new(3, &BatchNorm2dOptions::default())?);
        let linear = Linear::new(3, 4, &LinearOptions::default())?;
        let spectral = Network::of(SpectralNorm::new(
            linear.into(),
            &SpectralNormOptions::default(),
        )?);
        let x = Tensor::randn(&[8, 3])?;
        let kept = |net: &Network| {
            net.parameters()
                .iter()
                .map(|(_, p)| p.get().copy())
                .collect::<Result<Vec<_>>>()
        };
        let same = |a: &[Tensor], b: &[Tensor]| a.iter().zip(b).all(|(a, b)| a.raw() == b.raw());
        for net in [&norm, &spectral] {
            net.set_training(true);
            net.forward(&x)?;
            let before = kept(net)?;
            FROZEN.set(true);
            let seen = net.forward(&x)?;
            assert!(same(&before, &kept(net)?), "{net} learnt from a look");
            FROZEN.set(false);
            net.forward(&x)?;
            assert!(
                !same(&before, &kept(net)?),
                "{net} learns where a training is"
            );
            assert_eq!(seen.shape()[0], 8);
        }
        // The batch's own mean and variance, as in any pass in training mode.
        FROZEN.set(true);
        let mean = norm.forward(&x)?.mean()?.item()?;
        FROZEN.set(false);
        assert!(mean.abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn the_largest_singular_value_becomes_one() -> Result<()> {
        let layer = Linear::new(5, 4, &LinearOptions::default())?;
        let normed = Network::of(SpectralNorm::new(
            layer.into(),
            &SpectralNormOptions::default(),
        )?);
        let x = Tensor::randn(&[3, 5])?;
        for _ in 0..200 {
            normed.forward(&x)?;
        }
        normed.set_training(false);
        let zero = normed.forward(&Tensor::zeros(&[5, 5])?)?;
        let matrix = normed.forward(&Tensor::eye(5)?)?.sub(zero)?;
        // The eigenvalues of M Mᵀ are the squares of the singular values.
        let square = matrix.matmul(&matrix.t()?)?;
        let largest = Tensor::from(square.raw().f_linalg_eigvalsh("L")?)
            .max()?
            .item()?
            .sqrt();
        assert!((largest - 1.0).abs() < 1e-5, "{largest}");
        let names: Vec<String> = normed.parameters().into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["weight_orig", "bias", "weight_u", "weight_v"]);
        assert!(
            SpectralNorm::new(Activation::Silu.into(), &SpectralNormOptions::default()).is_err()
        );
        Ok(())
    }
}
