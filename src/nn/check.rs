//! The errors of layers: each names the layer as written and says what it expected.

use super::Layer;
use crate::error::{Error, ErrorKind, Result};
use crate::params::Param;
use crate::tensor::{Tensor, device_name, kind_name};

/// The error for an input of a shape that a layer does not take.
pub(super) fn wrong_input(layer: &dyn Layer, expected: &str, got: &[i64]) -> Error {
    Error::shape(format!(
        "{}: expects {expected}, got {got:?}",
        layer.describe()
    ))
}

/// The error for images or rows with the wrong number of channels (the second size).
pub(super) fn wrong_channels(layer: &dyn Layer, expected: i64, input: &[i64]) -> Error {
    let (wanted, got) = (
        counted(expected, "channel"),
        input.get(1).copied().unwrap_or(0),
    );
    Error::shape(format!("{}: expects {wanted}, got {got}", layer.describe()))
        .with_hint(format!("the input is {input:?}; the second size counts"))
}

/// A number of things: `1 channel`, `3 channels`.
pub(super) fn counted(n: i64, thing: &str) -> String {
    if n == 1 {
        format!("1 {thing}")
    } else {
        format!("{n} {thing}s")
    }
}

/// The error for a size, in a constructor, that is less than 1.
pub(super) fn at_least_one(function: &str, sizes: &[(&str, i64)]) -> Result<()> {
    match sizes.iter().find(|(_, n)| *n < 1) {
        Some((name, n)) => Err(Error::argument(format!(
            "{function}: `{name}` must be at least 1, got {n}"
        ))),
        None => Ok(()),
    }
}

/// The error for groups of a convolution that do not divide its channels.
pub(super) fn groups(function: &str, groups: i64, inputs: i64, outputs: i64) -> Result<()> {
    if inputs % groups == 0 && outputs % groups == 0 {
        return Ok(());
    }
    Err(Error::argument(format!(
        "{function}: {groups} groups do not divide {inputs} input and {outputs} output channels"
    )))
}

/// The largest side, stride, padding or dilation of a window: libtorch ends the process at absurd
/// ones (SIGSEGV).
const LARGEST_WINDOW: i64 = 4096;

/// The error for a measure of a window, in a constructor, that is less than `least` or absurd.
pub(super) fn window(function: &str, least: i64, sizes: &[(&str, i64)]) -> Result<()> {
    match sizes
        .iter()
        .find(|(_, n)| !(least..=LARGEST_WINDOW).contains(n))
    {
        Some((name, n)) if *n < least => Err(Error::argument(format!(
            "{function}: `{name}` must be at least {least}, got {n}"
        ))),
        Some((name, n)) => Err(Error::argument(format!(
            "{function}: `{name}` must be at most {LARGEST_WINDOW}, got {n}"
        ))),
        None => Ok(()),
    }
}

/// What libtorch made of an input, or its error in the layer's name. `weight`, where there is one,
/// is what the input must match in type and device.
pub(super) fn outcome(
    layer: &dyn Layer,
    x: &Tensor,
    weight: Option<&Param>,
    found: std::result::Result<tch::Tensor, tch::TchError>,
) -> Result<Tensor> {
    let error = match found {
        Ok(made) => return Ok(Tensor::from(made)),
        Err(error) => error,
    };
    let name = layer.describe();
    let Some(w) = weight.map(Param::get) else {
        return Err(Error::from(error).context(name));
    };
    if w.kind() != x.kind() {
        let (wanted, got) = (kind_name(w.kind()), kind_name(x.kind()));
        return Err(Error::argument(format!(
            "{name}: the weights are {wanted}, the input is {got}"
        ))
        .with_hint(format!(
            "convert the input with `.to(\"{wanted}\")`, or the network"
        )));
    }
    if w.device() != x.device() {
        let (wanted, got) = (device_name(w.device()), device_name(x.device()));
        return Err(Error::new(
            ErrorKind::Device,
            format!("{name}: the weights are on {wanted}, the input is on {got}"),
        )
        .with_hint(format!(
            "move the input with `.to(\"{wanted}\")`, or the network"
        )));
    }
    Err(Error::from(error).context(name))
}

/// An error with the place of the layer where it happened.
pub(super) fn at(place: &str, error: Error) -> Error {
    if error.kind() == ErrorKind::Interrupted {
        return error;
    }
    error.in_layer(place)
}
