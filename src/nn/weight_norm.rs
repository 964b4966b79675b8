//! Weight normalisation (Salimans and Kingma, 2016): `W = g · V / ‖V‖`, with one length g and one
//! norm for each output.
//!
//! Names are those of PyTorch's `weight_norm`: `weight_g`, `weight_v`. g starts at ‖V‖, so the
//! layer does at first what it did without.

use super::reparametrised::Weighted;
use super::{Layer, Network};
use crate::error::Result;
use crate::params::{Named, Param};
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::Tensor;

/// A layer whose weight has its length and its direction trained apart.
pub struct WeightNorm {
    inner: Weighted,
    g: Param,
}

impl WeightNorm {
    /// Wraps a convolution or an affine map.
    pub fn new(layer: Network) -> Result<WeightNorm> {
        Network::may_nest(&[&layer])?;
        let inner = Weighted::of("nn::weight_norm", layer)?;
        let v = inner.weight.get().detach();
        let dims: Vec<i64> = (1..v.ndim() as i64).collect();
        let g = Param::new(&v.norm_dims(&dims, true)?)?;
        Ok(WeightNorm { inner, g })
    }

    fn weight(&self) -> Result<Tensor> {
        let v = self.inner.weight.get();
        let dims: Vec<i64> = (1..v.ndim() as i64).collect();
        v.mul(self.g.get().div(v.norm_dims(&dims, true)?)?)
    }
}

impl Layer for WeightNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.forward(x, || self.weight())
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        self.inner.layer.output_shape(input)
    }

    fn parameters(&self) -> Named {
        let mut all = self.inner.parameters("weight_v");
        all.push(("weight_g".to_owned(), self.g.clone()));
        all
    }

    fn set_training(&self, training: bool) {
        self.inner.layer.set_training(training);
    }

    fn training(&self) -> Option<bool> {
        self.inner.layer.layer.training()
    }

    fn hold(&self) -> Result<bool> {
        self.inner.hold(|| self.weight())
    }

    fn release(&self) {
        self.inner.release();
    }

    fn rowwise(&self) -> bool {
        self.inner.layer.rowwise()
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        self.inner.plan(sketch, x, || self.weight())
    }

    fn describe(&self) -> String {
        format!("weight_norm({})", self.inner.layer.describe())
    }
}
