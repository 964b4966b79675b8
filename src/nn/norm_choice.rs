//! A normalisation by its name, for networks that leave the choice to the user.

use super::{
    BatchNorm2d, BatchNorm2dOptions, GroupNorm, GroupNormOptions, InstanceNorm2d,
    InstanceNorm2dOptions, Network,
};
use crate::error::Result;

crate::choice! {
    /// The normalisation of a network.
    pub enum NormChoice {
        /// None at all.
        None = "none",
        /// Batch norm.
        Batch = "batch",
        /// Over all channels and pixels of an image.
        Layer = "layer",
        /// Over groups of channels.
        Group = "group",
        /// Over each channel of an image.
        Instance = "instance",
        /// Weight norm: of the weights, and no layer of its own.
        Weight = "weight",
    }
}

/// The layer of that name for so many channels; none for "none", and for "weight", which is no
/// layer of its own.
///
/// As in JEM's code, "layer" is over all channels and pixels of an image with weights by channel,
/// "instance" has weights, and "batch" has a momentum of .9.
pub(super) fn norm(choice: NormChoice, channels: i64) -> Result<Option<Network>> {
    let group = |groups| GroupNorm::new(groups, channels, &GroupNormOptions::default());
    Ok(match choice {
        NormChoice::Batch => Some(
            BatchNorm2d::new(
                channels,
                &BatchNorm2dOptions {
                    momentum: 0.9,
                    ..Default::default()
                },
            )?
            .into(),
        ),
        NormChoice::Layer => Some(group(1)?.into()),
        NormChoice::Group => {
            Some(group((1..=32).rev().find(|g| channels % g == 0).unwrap_or(1))?.into())
        }
        NormChoice::Instance => {
            let options = InstanceNorm2dOptions {
                affine: true,
                ..Default::default()
            };
            Some(InstanceNorm2d::new(channels, &options)?.into())
        }
        NormChoice::None | NormChoice::Weight => None,
    })
}
