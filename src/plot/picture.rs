//! A picture: rows of RGB pixels.

use std::fmt;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::error::{Error, Result};

/// A colour: red, green, blue.
pub type Rgb = [u8; 3];

/// More pixels than any screen or page shows are a slip in a size.
const MOST_PIXELS: i64 = 1 << 27;

/// A picture in memory.
#[derive(Clone, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    is_chart: bool,
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(width: i64, height: i64, color: Rgb) -> Result<Picture> {
        if width < 1 || height < 1 || width.saturating_mul(height) > MOST_PIXELS {
            return Err(Error::argument(format!(
                "plot: a picture of {width} × {height} pixels cannot be made"
            ))
            .with_hint("fewer or smaller images, or a smaller `size` or `scale`"));
        }
        let (width, height) = (width as usize, height as usize);
        Ok(Picture {
            width,
            height,
            pixels: color.repeat(width * height),
            is_chart: false,
        })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (i64, i64) {
        (self.width as i64, self.height as i64)
    }

    /// Whether it is lines and texts on white, whose light and dark may change places on a dark
    /// page. Images and maps of colours stay as they are.
    pub fn is_chart(&self) -> bool {
        self.is_chart
    }

    pub(super) fn chart(self, is_chart: bool) -> Picture {
        Picture { is_chart, ..self }
    }

    /// The pixels, row by row, three bytes each.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The colour at a place, counted from the upper left corner; black outside.
    pub fn pixel(&self, x: i64, y: i64) -> Rgb {
        let inside = (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y);
        let start = 3 * (y * self.width as i64 + x);
        match inside.then(|| self.pixels.get(start as usize..start as usize + 3)) {
            Some(Some(&[r, g, b])) => [r, g, b],
            _ => [0, 0, 0],
        }
    }

    /// Sets one pixel, which must be inside.
    pub(super) fn set(&mut self, x: usize, y: usize, color: Rgb) {
        let start = 3 * (y * self.width + x);
        self.pixels[start..start + 3].copy_from_slice(&color);
    }

    /// Lays another picture over this one; what lies outside is cut off.
    pub(super) fn lay(&mut self, other: &Picture, x: i64, y: i64) {
        let (width, height) = self.size();
        for row in 0..other.height as i64 {
            for column in 0..other.width as i64 {
                let (to_x, to_y) = (x + column, y + row);
                if (0..width).contains(&to_x) && (0..height).contains(&to_y) {
                    self.set(to_x as usize, to_y as usize, other.pixel(column, row));
                }
            }
        }
    }

    /// Fills a rectangle; what lies outside is cut off.
    pub(super) fn fill(&mut self, x: i64, y: i64, width: i64, height: i64, color: Rgb) {
        let clip = |from: i64, length: i64, end: usize| {
            (
                from.clamp(0, end as i64) as usize,
                (from + length).clamp(0, end as i64) as usize,
            )
        };
        let (left, right) = clip(x, width, self.width);
        let (top, bottom) = clip(y, height, self.height);
        for row in top..bottom {
            for pixel in self.pixels[3 * (row * self.width + left)..3 * (row * self.width + right)]
                .chunks_exact_mut(3)
            {
                pixel.copy_from_slice(&color);
            }
        }
    }

    /// The picture as a PNG file's bytes.
    pub fn png_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes)
            .write_image(
                &self.pixels,
                self.width as u32,
                self.height as u32,
                ExtendedColorType::Rgb8,
            )
            .map_err(|e| Error::data(format!("picture: {e}")))?;
        Ok(bytes)
    }

    /// Writes a PNG file.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        crate::formats::write_atomically(path, &self.png_bytes()?)
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "picture of {} × {} pixels", self.width, self.height)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
