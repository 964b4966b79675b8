//! What layers with a computed weight share: a layer of which the one parameter `weight` is a function of what is trained.

use super::Network;
use crate::error::{Error, Result};
use crate::params::{Named, Param};

/// A layer and its weight, which has at least two dimensions; the first one is that of the outputs.
pub(super) struct Weighted {
    pub(super) layer: Network,
    pub(super) weight: Param,
}

impl Weighted {
    /// Finds the weight of a single layer; `function` wants it.
    pub(super) fn of(function: &str, layer: Network) -> Result<Weighted> {
        let single = layer.children().is_empty();
        let found = layer.parameters().into_iter().find(|(name, p)| name == "weight" && p.shape().len() >= 2);
        match found {
            Some((_, weight)) if single => Ok(Weighted { layer, weight }),
            _ => Err(Error::argument(format!(
                "{function}: needs a single layer with a weight, got {}",
                layer.describe()
            ))
            .with_hint("wrap each `nn::conv2d` or `nn::linear` by itself")),
        }
    }

    /// The layer's parameters, its weight under another name.
    pub(super) fn parameters(&self, weight: &str) -> Named {
        let renamed = |name: String| if name == "weight" { weight.to_owned() } else { name };
        self.layer.parameters().into_iter().map(|(name, p)| (renamed(name), p)).collect()
    }
}
