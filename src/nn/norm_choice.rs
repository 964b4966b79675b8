//! A normalisation by its name, for networks that leave the choice to the user.

use super::{
    BatchNorm2d, BatchNorm2dOptions, GroupNorm, GroupNormOptions, InstanceNorm2d, InstanceNorm2dOptions, Network,
};
use crate::error::{Error, Result};

const NORMS: [&str; 6] = ["none", "batch", "layer", "group", "instance", "weight"];

/// An error for a name that is none.
pub(super) fn check(function: &str, name: &str) -> Result<()> {
    if NORMS.contains(&name) {
        return Ok(());
    }
    Err(Error::unknown(&format!("{function}: unknown norm `{name}`"), name, NORMS))
}

/// The layer of that name for so many channels; none for "none", and for "weight", which is no layer of its own.
///
/// As in JEM's code, "layer" is over all channels and pixels of an image with weights by channel, "instance" has weights, and
/// "batch" has a momentum of .9.
pub(super) fn norm(name: &str, channels: i64) -> Result<Option<Network>> {
    let group = |groups| GroupNorm::new(groups, channels, &GroupNormOptions::default());
    Ok(match name {
        "batch" => {
            Some(BatchNorm2d::new(channels, &BatchNorm2dOptions { momentum: 0.9, ..Default::default() })?.into())
        }
        "layer" => Some(group(1)?.into()),
        "group" => Some(group((1..=32).rev().find(|g| channels % g == 0).unwrap_or(1))?.into()),
        "instance" => {
            let options = InstanceNorm2dOptions { affine: true, ..Default::default() };
            Some(InstanceNorm2d::new(channels, &options)?.into())
        }
        _ => None,
    })
}
