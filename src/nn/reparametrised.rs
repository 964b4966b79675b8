//! What layers with a computed weight share: a layer of which the one parameter `weight` is a
//! function of what is trained.

use std::cell::RefCell;

use super::Network;
use crate::error::{Error, Result};
use crate::params::{Named, Param};
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::{Tensor, no_grad};

/// A layer and its weight, which has at least two dimensions; the first one is that of the outputs.
pub(super) struct Weighted {
    pub(super) layer: Network,
    pub(super) weight: Param,
    /// The computed weight, while it is held; see [`super::Held`].
    held: RefCell<Option<Tensor>>,
}

impl Weighted {
    /// Finds the weight of a single layer; `function` wants it.
    pub(super) fn of(function: &str, layer: Network) -> Result<Weighted> {
        let single = layer.children().is_empty();
        let found = layer
            .parameters()
            .into_iter()
            .find(|(name, p)| name == "weight" && p.shape().len() >= 2);
        match found {
            Some((_, weight)) if single => Ok(Weighted {
                layer,
                weight,
                held: RefCell::default(),
            }),
            _ => Err(Error::argument(format!(
                "{function}: needs a single layer with a weight, got {}",
                layer.describe()
            ))
            .with_hint("wrap each `nn::conv2d` or `nn::linear` by itself")),
        }
    }

    /// The layer applied with the weight that `compute` gives, or with the one that is held.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        compute: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Tensor> {
        let held = self.held.borrow().clone();
        let weight = held.map_or_else(compute, Ok)?;
        self.weight.with_value(weight, || self.layer.forward(x))
    }

    /// The layer written out with the weight that `compute` gives, or with the one that is held.
    pub(super) fn plan(
        &self,
        sketch: &mut Sketch,
        x: &Place,
        compute: impl FnOnce() -> Result<Tensor>,
    ) -> Planned<Place> {
        let held = self.held.borrow().clone();
        let weight = {
            let _guard = no_grad();
            held.map_or_else(compute, Ok)?
        };
        self.weight
            .with_value(weight, || self.layer.plan(sketch, x))
    }

    /// Holds the weight that `compute` gives; false where one is held already.
    pub(super) fn hold(&self, compute: impl FnOnce() -> Result<Tensor>) -> Result<bool> {
        if self.held.borrow().is_some() {
            return Ok(false);
        }
        let _guard = no_grad();
        let weight = compute()?.detach();
        *self.held.borrow_mut() = Some(weight);
        Ok(true)
    }

    pub(super) fn release(&self) {
        *self.held.borrow_mut() = None;
    }

    /// The layer's parameters, its weight under another name.
    pub(super) fn parameters(&self, weight: &str) -> Named {
        let renamed = |name: String| {
            if name == "weight" {
                weight.to_owned()
            } else {
                name
            }
        };
        self.layer
            .parameters()
            .into_iter()
            .map(|(name, p)| (renamed(name), p))
            .collect()
    }
}
