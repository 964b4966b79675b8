//! Augmentation of a batch, on the device where it lies: random crops of the padded image, flips,
//! noise, dequantisation.
//!
//! Every image has its own crop and flip. All random numbers come from libtorch's generator, so
//! inside `train` an augmented batch is a function of seed and step.

use std::fmt;

use super::{Batch, add_noise};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Kind, Tensor, no_grad};

crate::choice! {
    /// What is added around an image.
    pub enum Padding {
        /// The image mirrored at its border.
        Reflect = "reflect",
        /// Its border repeated.
        Edge = "edge",
        /// Middle grey.
        Zero = "zero",
    }
}

crate::options! {
    /// Options of [`Augment`].
    pub struct AugmentOptions for "data::augment" {
        /// pixels added on each side before the crop
        pad: i64 = 0,
        /// what is added: "reflect" (the image mirrored at its border), "edge" (its border
        /// repeated) or "zero" (middle grey)
        mode: Padding = Padding::Reflect,
        /// cut out a window of the image's own size at a random place of the padded image; else the
        /// padding stays
        crop: bool = true,
        /// turn half of the images over, left to right
        flip: bool = false,
        /// uniform dequantisation: byte b of 256 becomes uniform in [b, b + 1) / 256, in [-1, 1)
        dequantise: bool = false,
        /// standard deviation of Gaussian noise, added last
        noise: f64 = 0.0,
    }
    check |o| {
        if !(0..=1024).contains(&o.pad) {
            return Err(Error::argument(format!("data::augment: pad must be 0 to 1024 pixels, got {}", o.pad)));
        }
        if !(o.noise >= 0.0 && o.noise.is_finite()) {
            return Err(Error::argument(format!("data::augment: noise must be 0 or more, got {}", o.noise)));
        }
        Ok(())
    }
}

/// A way to change images at random that keeps their class.
#[derive(Clone)]
pub struct Augment {
    options: AugmentOptions,
}

impl Augment {
    /// An augmentation with these options.
    pub fn new(options: &AugmentOptions) -> Result<Augment> {
        options.check()?;
        Ok(Augment {
            options: options.clone(),
        })
    }

    /// The batch with other images and the same labels.
    pub fn apply(&self, batch: &Batch) -> Result<Batch> {
        Ok(Batch {
            x: self.images(&batch.x)?,
            y: batch.y.clone(),
        })
    }

    /// Other images `[B, C, H, W]` in place of these.
    pub fn images(&self, x: &Tensor) -> Result<Tensor> {
        let _guard = no_grad();
        let o = &self.options;
        let mut x = x.detach();
        if o.pad > 0 || o.flip {
            x = self.windows(&x)?;
        }
        if o.dequantise {
            // The byte that a value in [−1, 1] came from, plus a uniform share of one.
            let byte = x.add(1.0)?.mul(127.5)?.round()?;
            x = byte.add(byte.rand_like()?)?.div(128.0)?.sub(1.0)?;
        }
        add_noise(&x, o.noise)
    }

    /// A window of each image's own, found through one index of rows and one of columns: no loop
    /// over the images.
    fn windows(&self, x: &Tensor) -> Result<Tensor> {
        let o = &self.options;
        let [batch, channels, height, width] = x.shape()[..] else {
            return Err(Error::shape(format!(
                "data::augment: needs images [B, C, H, W], got {:?}",
                x.shape()
            )));
        };
        if batch == 0 {
            return Ok(x.clone());
        }
        let padded = self.padded(x, height, width)?;
        let (h, w) = if o.crop {
            (height, width)
        } else {
            (padded.shape()[2], padded.shape()[3])
        };
        let on_device = (Kind::Int64, x.device());
        let start = || -> Result<tch::Tensor> {
            match o.crop && o.pad > 0 {
                true => Ok(tch::Tensor::f_randint(
                    2 * o.pad + 1,
                    [batch, 1],
                    on_device,
                )?),
                false => Ok(tch::Tensor::f_zeros([batch, 1], on_device)?),
            }
        };
        let rows = start()?.f_add(&tch::Tensor::f_arange(h, on_device)?)?;
        let mut columns = tch::Tensor::f_arange(w, on_device)?.f_expand([batch, w], false)?;
        if o.flip {
            let turned = tch::Tensor::f_randint(2, [batch, 1], on_device)?.f_to_kind(Kind::Bool)?;
            columns = columns.f_flip([1])?.f_where_self(&turned, &columns)?;
        }
        let columns = start()?.f_add(&columns)?;
        let inside = padded.shape()[3];
        let rows = rows
            .f_view([batch, 1, h, 1])?
            .f_expand([batch, channels, h, inside], false)?;
        let columns = columns
            .f_view([batch, 1, 1, w])?
            .f_expand([batch, channels, h, w], false)?;
        Ok(padded
            .raw()
            .f_gather(2, &rows, false)?
            .f_gather(3, &columns, false)?
            .into())
    }

    fn padded(&self, x: &Tensor, height: i64, width: i64) -> Result<Tensor> {
        let pad = self.options.pad;
        if pad == 0 {
            return Ok(x.clone());
        }
        let sides = [pad; 4];
        match self.options.mode {
            Padding::Reflect if pad >= height.min(width) => Err(Error::shape(format!(
                "data::augment: {pad} pixels cannot be reflected of images of {height}×{width}"
            ))
            .with_hint("`pad` must be smaller than the image")),
            Padding::Reflect => x.reflect_pad(pad),
            Padding::Edge => Ok(x.raw().f_replication_pad2d(sides)?.into()),
            Padding::Zero => Ok(x.raw().f_constant_pad_nd(sides)?.into()),
        }
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "augmentation {}", self.options.show())
    }
}

impl fmt::Debug for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
