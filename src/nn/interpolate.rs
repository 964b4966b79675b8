//! Images made larger or smaller, as PyTorch's `interpolate`.

use super::{Layer, wrong_input};
use crate::error::{Error, Result};
use crate::options::Options as _;
use crate::tensor::Tensor;
use crate::{choice, options};

choice! {
    /// How a pixel between pixels is found.
    pub enum Interpolation {
        /// The pixel that is nearest.
        Nearest = "nearest",
        /// Linear in both directions.
        Bilinear = "bilinear",
        /// Cubic in both directions; it may overshoot.
        Bicubic = "bicubic",
    }
}

options! {
    /// Options of [`Interpolate`].
    pub struct InterpolateOptions for "nn::interpolate" {
        /// factor of height and width
        scale: Option<f64> = None,
        /// height and width, in place of a factor
        size: Option<Vec<i64>> = None,
        /// how a pixel between pixels is found
        mode: Interpolation = Interpolation::Nearest,
        /// whether the corners' middles stay where they are (not of `nearest`)
        align_corners: bool = false,
    }
    check |o| {
        match (o.scale, &o.size) {
            (Some(scale), None) if scale > 0.0 && scale <= 4096.0 => Ok(()),
            (None, Some(size)) if size.len() == 2 && size.iter().all(|n| (1..=65_536).contains(n)) => {
                Ok(())
            }
            (Some(_), Some(_)) | (None, None) => Err(Error::argument(
                "nn::interpolate: give either `scale` or `size`",
            )),
            _ => Err(Error::argument("nn::interpolate: `size` takes a height and a width, `scale` a factor above 0")),
        }
    }
}

/// `[B, C, H, W]` to `[B, C, H', W']`.
pub struct Interpolate(InterpolateOptions);

impl Interpolate {
    /// A layer without weights.
    pub fn new(options: &InterpolateOptions) -> Result<Interpolate> {
        options.check()?;
        Ok(Interpolate(options.clone()))
    }
}

impl Layer for Interpolate {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (shape, align) = (self.output_shape(&x.shape())?, self.0.align_corners);
        let size = &shape[2..];
        let found = match self.0.mode {
            Interpolation::Nearest => x.raw().f_upsample_nearest2d(size, None, None),
            Interpolation::Bilinear => x.raw().f_upsample_bilinear2d(size, align, None, None),
            Interpolation::Bicubic => x.raw().f_upsample_bicubic2d(size, align, None, None),
        };
        super::outcome(self, x, None, found)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let &[batch, channels, height, width] = input else {
            return Err(wrong_input(self, "images [B, C, H, W]", input));
        };
        let [height, width] = match (self.0.size.as_deref(), self.0.scale) {
            (Some([height, width]), _) => [*height, *width],
            (_, scale) => {
                let scale = scale.unwrap_or(1.0);
                [height, width].map(|n| (n as f64 * scale).floor() as i64)
            }
        };
        if height < 1 || width < 1 {
            return Err(Error::shape(format!(
                "{}: nothing is left of {input:?}",
                self.describe()
            )));
        }
        Ok(vec![batch, channels, height, width])
    }

    fn describe(&self) -> String {
        self.0.show_call("interpolate", "")
    }
}
