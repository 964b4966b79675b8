//! A classifier as an energy (JEM, equations 5 and 6): the logits `f(x)` that give `p(y|x)` by a
//! softmax also give
//!
//! `p(x, y) = exp f(x)[y] / Z`, so `E(x, y) = −f(x)[y]` and `E(x) = −log Σ_y exp f(x)[y]`.

use super::labels::{check_label_shape, check_labels};
use super::written::{Outputs, Plans};
use super::{Asked, EnergyFunction, Preparation, gradient};
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::params::Named;
use crate::tensor::{Kind, Tensor};

/// A network with one output per class, read as an energy.
pub(super) struct Joint {
    network: Network,
    plans: Plans,
}

impl Joint {
    pub(super) fn new(network: &Network) -> Joint {
        Joint {
            network: network.clone(),
            plans: Plans::default(),
        }
    }
}

impl EnergyFunction for Joint {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.logits(x)?.logsumexp(1)?.neg()
    }

    fn joint_energy(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        chosen("E(x, y)", &self.logits(x)?, y)?.neg()
    }

    fn class_energy(&self, x: &Tensor, class: i64) -> Result<Tensor> {
        let logits = self.logits(x)?;
        let classes = logits.shape()[1];
        if class < 0 || class >= classes {
            return Err(Error::argument(format!(
                "E(x, y): there are {classes} classes, counted from 0, got {class}"
            )));
        }
        logits.select(1, class)?.neg()
    }

    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let logits = self.network.forward(x)?;
        if logits.ndim() != 2 || x.ndim() == 0 || logits.len() != x.len() {
            return Err(Error::shape(format!(
                "energy::joint: the network must give logits [B, classes], gave {:?} for x {:?}",
                logits.shape(),
                x.shape()
            ))
            .with_hint("end it with `nn::flatten()` and a linear layer of one output per class"));
        }
        Ok(logits)
    }

    fn has_classes(&self) -> bool {
        true
    }

    fn rowwise(&self) -> bool {
        self.network.rowwise()
    }

    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        tch::with_grad(|| {
            let leaf = x.leaf()?;
            let log_p = self.logits(&leaf)?.logsumexp(1)?;
            let score = gradient(&log_p.sum()?, &leaf, false)?;
            Ok((log_p.detach().neg()?, score))
        })
    }

    fn prepare(&self, x: &Tensor, asked: &Asked) -> Result<Preparation> {
        self.plans
            .prepare(&self.network, Outputs::Classes, x, asked)
    }

    fn networks(&self) -> Vec<Network> {
        vec![self.network.clone()]
    }

    fn parameters(&self) -> Named {
        self.network.parameters()
    }

    fn describe(&self) -> String {
        "joint(network)".to_owned()
    }
}

/// `f(x)[y]`, `[B]`, from logits `[B, C]` and labels `[B]`.
pub(crate) fn chosen(name: &str, logits: &Tensor, y: &Tensor) -> Result<Tensor> {
    check_label_shape(name, y, logits.len())?;
    let index = y.to_kind(Kind::Int64)?.unsqueeze(1)?;
    match logits.raw().f_gather(1, index.raw(), false) {
        Ok(found) => Tensor::from(found).squeeze(1),
        // The CPU says itself that a label is out of range: find out which for the message only.
        Err(error) => Err(check_labels(name, y, logits)
            .err()
            .unwrap_or_else(|| Error::from(error).context(name))),
    }
}
