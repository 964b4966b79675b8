//! Weights without a layer around them: what an energy, or a few networks together, are saved and
//! loaded as.

use super::{Layer, Network};
use crate::error::{Error, Result};
use crate::params::Named;
use crate::tensor::Tensor;

struct Bundle(Named);

impl Network {
    /// Parameters and buffers as a network that computes nothing: to save and to load them.
    pub fn of_weights(named: Named) -> Network {
        Network::of(Bundle(named))
    }
}

impl Layer for Bundle {
    fn forward(&self, _x: &Tensor) -> Result<Tensor> {
        Err(Error::state("weights alone compute nothing"))
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        Ok(input.to_vec())
    }

    fn parameters(&self) -> Named {
        self.0.clone()
    }

    fn describe(&self) -> String {
        "weights".to_owned()
    }
}
