//! Optimisers and weight averages in the language.

pub mod average;
pub mod make;
pub mod step;

pub use step::PerturbOptions;

use rhai::{Array, Dynamic};

use super::types::type_name;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::params::{Named, Param, Parameters, prefixed};
use crate::tensor::Tensor;

/// The parameters of an energy, of a network, a choice of them, or an array of those, where names
/// start with the place in the array.
fn parameters(function: &str, target: &Dynamic) -> Result<Named> {
    let target = target.flatten_clone();
    if let Some(network) = target.clone().try_cast::<Network>() {
        return Ok(network.parameters());
    }
    if let Some(energy) = target.clone().try_cast::<Energy>() {
        return Ok(energy.parameters());
    }
    if let Some(tensor) = target.clone().try_cast::<Tensor>() {
        return Ok(vec![("value".to_owned(), Param::of(function, &tensor)?)]);
    }
    if let Some(chosen) = target.clone().try_cast::<Parameters>() {
        return Ok(chosen.named().clone());
    }
    let found = type_name(target.type_name());
    let Some(array) = target.try_cast::<Array>() else {
        return Err(Error::argument(format!(
            "{function}: takes an energy, a network, a parameter or an array of them, got {found}"
        )));
    };
    let mut all = Named::new();
    for (i, entry) in array.iter().enumerate() {
        let inside = parameters(function, entry)?;
        if inside.is_empty() {
            return Err(Error::state(format!(
                "{function}: entry {i} of the array has no parameters"
            ))
            .with_hint(
                "an energy or layer written as a function names what it uses: #{ params: [net] }",
            ));
        }
        all.extend(prefixed(&i.to_string(), inside));
    }
    Ok(all)
}
