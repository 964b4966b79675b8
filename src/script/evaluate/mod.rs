//! Evaluation in the language: one claim after the other under `evaluate::`, and all of them for
//! several models side by side.

pub mod attacks;
pub mod claims;
pub mod density;
pub mod report;
pub mod samples;

use rhai::{Dynamic, Map, NativeCallContext};

use super::closure::from_dynamic;
use super::tensor::create::nested;
use super::types::type_name;
use crate::data::Part;
use crate::error::{Error, Result};
use crate::evaluate::{Difference, GivenSet};
use crate::tensor::{Device, Kind, Tensor};

/// The entries of a map, all of one of the library's types.
fn named<T: Clone + 'static>(what: &str, expected: &str, map: &Map) -> Result<Vec<(String, T)>> {
    let one = |(name, value): (&rhai::Identifier, &Dynamic)| {
        let wrong = || {
            let found = type_name(value.type_name());
            Error::argument(format!("{what}: `{name}` must be {expected}, got {found}"))
        };
        Ok((
            name.to_string(),
            value.flatten_clone().try_cast::<T>().ok_or_else(wrong)?,
        ))
    };
    map.iter().map(one).collect()
}

/// The entries of a map as sets: parts, or tensors of rows.
fn sets(ctx: &NativeCallContext, what: &str, map: &Map) -> Result<Vec<Part>> {
    let one = |(name, value): (&rhai::Identifier, &Dynamic)| {
        GivenSet::of(name, &from_dynamic(ctx, value)?)?.named(name)
    };
    map.iter()
        .map(|entry| one(entry).map_err(|e| e.context(what)))
        .collect()
}

/// The numbers of a tensor or an array.
fn numbers(what: &str, value: &Dynamic) -> Result<Vec<f64>> {
    nested(what, value)?.to_vec()
}

/// Numbers as a tensor `[N]` in float64.
fn vector(values: &[f64]) -> Result<Tensor> {
    Tensor::from_f64(values, &[values.len() as i64], Kind::Double, Device::Cpu)
}

fn difference_map(d: Difference) -> Map {
    let entry = |name: &str, value: f64| (name.into(), Dynamic::from_float(value));
    let mut map: Map = [
        entry("value", d.value),
        entry("low", d.low),
        entry("high", d.high),
    ]
    .into();
    map.insert("clear".into(), Dynamic::from_bool(d.is_clear()));
    map
}
