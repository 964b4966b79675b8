//! Grids of images as they change: chains from noise to data, the buffer during a training.

use std::fmt;
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};

use super::grid::{GridOptions, grid};
use super::picture::Picture;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::Tensor;

/// Pictures of one size that follow each other.
#[derive(Clone)]
pub struct Animation {
    frames: Vec<Picture>,
    /// How long each is shown, in milliseconds.
    delay: i64,
    /// How long the last one is shown.
    hold: i64,
}

crate::options! {
    /// Options of an animation.
    pub struct AnimationOptions for "plot::animation" {
        /// milliseconds that a picture is shown
        delay: i64 = 80,
        /// milliseconds that the last picture is shown
        hold: i64 = 1500,
        /// images in a row; about as many as there are rows unless given
        columns: Option<i64> = None,
        /// the values shown as black and as white
        range: (f64, f64) = (-1.0, 1.0),
        /// screen pixels per image pixel; small images are enlarged unless given
        scale: Option<i64> = None,
        /// screen pixels between images
        padding: i64 = 2,
    }
    check |o| {
        for (name, value) in [("delay", o.delay), ("hold", o.hold)] {
            // The format counts hundredths of a second in 16 bits.
            if !(10..=600_000).contains(&value) {
                return Err(Error::argument(format!("plot::animation: `{name}` must be 10 to 600000, got {value}")));
            }
        }
        Ok(())
    }
}

/// An animation of image grids: each frame is what [`grid`] takes, all of one shape.
pub fn animation(frames: &[Tensor], options: &AnimationOptions) -> Result<Animation> {
    options.check()?;
    let first = frames
        .first()
        .ok_or_else(|| Error::argument("plot::animation: no frames"))?
        .shape();
    if let Some((i, other)) = frames.iter().enumerate().find(|(_, f)| f.shape() != first) {
        return Err(Error::shape(format!(
            "plot::animation: frame {i} is {:?}, the first one is {first:?}",
            other.shape()
        )));
    }
    let layout = GridOptions {
        columns: options.columns,
        range: options.range,
        scale: options.scale,
        padding: options.padding,
        ..GridOptions::default()
    };
    let pictures: Result<Vec<Picture>> = frames.iter().map(|f| grid(f, &layout)).collect();
    Ok(Animation {
        frames: pictures?,
        delay: options.delay,
        hold: options.hold,
    })
}

impl Animation {
    /// The pictures.
    pub fn frames(&self) -> &[Picture] {
        &self.frames
    }

    /// The animation as a GIF file's bytes; it repeats for ever.
    pub fn gif_bytes(&self) -> Result<Vec<u8>> {
        let broken = |e: image::ImageError| Error::data(format!("animation: {e}"));
        let mut bytes = Vec::new();
        {
            // Speed 10 of 30: few colours need no long search for a palette.
            let mut encoder = GifEncoder::new_with_speed(&mut bytes, 10);
            encoder.set_repeat(Repeat::Infinite).map_err(broken)?;
            for (i, picture) in self.frames.iter().enumerate() {
                let time = if i + 1 == self.frames.len() {
                    self.hold
                } else {
                    self.delay
                };
                let (width, height) = picture.size();
                if width > i64::from(u16::MAX) || height > i64::from(u16::MAX) {
                    return Err(Error::argument(format!(
                        "animation: {width} × {height} pixels are too many for a GIF"
                    )));
                }
                let rgba = picture
                    .pixels()
                    .chunks_exact(3)
                    .flat_map(|p| [p[0], p[1], p[2], 255])
                    .collect();
                let buffer = RgbaImage::from_raw(width as u32, height as u32, rgba)
                    .ok_or_else(|| Error::data("animation: a frame of a wrong size"))?;
                let delay = Delay::from_numer_denom_ms(time as u32, 1);
                encoder
                    .encode_frame(Frame::from_parts(buffer, 0, 0, delay))
                    .map_err(broken)?;
            }
        }
        Ok(bytes)
    }

    /// Writes a GIF file.
    pub fn save_gif(&self, path: &Path) -> Result<()> {
        crate::formats::write_atomically(path, &self.gif_bytes()?)
    }
}

impl fmt::Display for Animation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = self.frames.first().map_or((0, 0), Picture::size);
        write!(
            f,
            "animation of {} pictures of {width} × {height} pixels",
            self.frames.len()
        )
    }
}

impl fmt::Debug for Animation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
