//! An unconditional network as an energy: `E(x) = −net(x)`, for a network with one output per row
//! (`[B, 1]` or `[B]`).

use super::written::{Outputs, Plans};
use super::{Asked, EnergyFunction, Preparation};
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::params::Named;
use crate::tensor::Tensor;

/// A network with one output, read as `log p(x)` up to a constant.
pub(super) struct Scalar {
    network: Network,
    plans: Plans,
}

impl Scalar {
    pub(super) fn new(network: &Network) -> Scalar {
        Scalar {
            network: network.clone(),
            plans: Plans::default(),
        }
    }
}

impl EnergyFunction for Scalar {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        let output = self.network.forward(x)?;
        let shape = output.shape();
        if x.ndim() == 0 || (shape != [x.len(), 1] && shape != [x.len()]) {
            return Err(Error::shape(format!(
                "energy::scalar: the network must give one number per row, [B, 1], gave {shape:?} for x {:?}",
                x.shape()
            ))
            .with_hint("a network with one output per class goes into `energy::joint`"));
        }
        output.reshape(&[-1])?.neg()
    }

    fn rowwise(&self) -> bool {
        self.network.rowwise()
    }

    fn prepare(&self, x: &Tensor, asked: &Asked) -> Result<Preparation> {
        self.plans.prepare(&self.network, Outputs::One, x, asked)
    }

    fn networks(&self) -> Vec<Network> {
        vec![self.network.clone()]
    }

    fn parameters(&self) -> Named {
        self.network.parameters()
    }

    fn describe(&self) -> String {
        "scalar(network)".to_owned()
    }
}
