//! Images side by side.

use super::canvas::{Align, Canvas, text_width};
use super::frame::shortened;
use super::picture::{Picture, Rgb};
use super::style::{INK, SMALL};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::Tensor;

crate::options! {
    /// Options of an image grid.
    pub struct GridOptions for "plot::grid" {
        /// images in a row; about as many as there are rows unless given
        columns: Option<i64> = None,
        /// the values shown as black and as white
        range: (f64, f64) = (-1.0, 1.0),
        /// screen pixels per image pixel; small images are enlarged unless given
        scale: Option<i64> = None,
        /// screen pixels between images
        padding: i64 = 2,
        /// a text before each row
        captions: Vec<String> = Vec::new(),
    }
    check |o| {
        let (low, high) = o.range;
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(Error::argument(format!("plot::grid: `range` must rise, got [{low}, {high}]")));
        }
        if o.columns.is_some_and(|n| n < 1) || o.scale.is_some_and(|n| n < 1) || o.padding < 0 {
            return Err(Error::argument("plot::grid: `columns` and `scale` must be at least 1, `padding` at least 0"));
        }
        Ok(())
    }
}

/// What lies between images.
const GROUND: Rgb = [255, 255, 255];
/// A value that is not a number, so that nobody takes it for black.
const NOT_A_NUMBER: Rgb = [255, 0, 255];
/// Captions are cut beyond so many pixels.
const MOST_CAPTION: f64 = 320.0;
/// Small images are enlarged to about so many screen pixels.
const COMFORTABLE: i64 = 56;

/// Images `[N, 1 or 3, H, W]` (or `[N, H, W]`) as a grid, row by row, each pixel a square of the
/// same colour. Values beyond the range are cut; one that is not a number is magenta.
pub fn grid(images: &Tensor, options: &GridOptions) -> Result<Picture> {
    options.check()?;
    let shape = images.shape();
    let (n, channels, height, width) = match shape[..] {
        [n, h, w] => (n, 1, h, w),
        [n, c @ (1 | 3), h, w] => (n, c, h, w),
        _ => {
            return Err(Error::shape(format!(
                "plot::grid: needs images [N, 1 or 3, H, W], got {shape:?}"
            ))
            .with_hint("rows of pixels become images with `.reshape([-1, 1, 28, 28])`"));
        }
    };
    if n * height * width == 0 {
        return Err(Error::shape(format!("plot::grid: no image in {shape:?}")));
    }
    let columns = options
        .columns
        .unwrap_or_else(|| (n as f64).sqrt().ceil() as i64)
        .min(n);
    let rows = (n + columns - 1) / columns;
    let scale = options
        .scale
        .unwrap_or_else(|| (COMFORTABLE / height.max(width)).clamp(1, 8));
    if options.captions.len() > rows as usize {
        return Err(Error::argument(format!(
            "plot::grid: {} captions for {rows} rows of {columns} images",
            options.captions.len()
        ))
        .with_hint("`columns` says how many images a row has"));
    }
    let (step_x, step_y) = (
        width * scale + options.padding,
        height * scale + options.padding,
    );
    let size = |count: i64, step: i64| count.saturating_mul(step).saturating_add(options.padding);
    let mut picture = Picture::filled(size(columns, step_x), size(rows, step_y), GROUND)?;
    let values = images.to_vec()?;
    let (low, high) = options.range;
    let shade = |v: f64| ((v - low) / (high - low) * 255.0).round().clamp(0.0, 255.0) as u8;
    for image in 0..n {
        let (left, top) = (
            options.padding + image % columns * step_x,
            options.padding + image / columns * step_y,
        );
        for y in 0..height {
            for x in 0..width {
                let value =
                    |c: i64| values[(((image * channels + c) * height + y) * width + x) as usize];
                let found = if channels == 3 {
                    [value(0), value(1), value(2)]
                } else {
                    [value(0); 3]
                };
                let color = if found.iter().any(|v| v.is_nan()) {
                    NOT_A_NUMBER
                } else {
                    found.map(shade)
                };
                picture.fill(left + x * scale, top + y * scale, scale, scale, color);
            }
        }
    }
    if options.captions.iter().all(String::is_empty) {
        Ok(picture)
    } else {
        captioned(&picture, options, step_y)
    }
}

/// The grid with a text before each row.
fn captioned(grid: &Picture, options: &GridOptions, step: i64) -> Result<Picture> {
    let texts: Vec<String> = options
        .captions
        .iter()
        .map(|c| shortened(c, SMALL, MOST_CAPTION))
        .collect();
    let room = texts
        .iter()
        .map(|t| text_width(t, SMALL))
        .fold(0.0, f64::max)
        .ceil() as i64
        + 18;
    let (width, height) = grid.size();
    let mut beside = Canvas::new(room, height)?;
    for (row, text) in texts.iter().enumerate() {
        let middle = (options.padding + step * row as i64 + (step - options.padding) / 2) as f64;
        beside.text(text, ((room - 8) as f64, middle), SMALL, INK, Align::Right)?;
    }
    let mut whole = Picture::filled(width + room, height, GROUND)?;
    whole.lay(&beside.finish()?, 0, 0);
    whole.lay(grid, room, 0);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_where_it_belongs() -> Result<()> {
        // Five images of 2 × 3, all values known: image i holds (i + pixel / 10) / 5 − 1.
        let values: Vec<f64> = (0..30)
            .map(|k| (f64::from(k / 6) + f64::from(k % 6) / 10.0) / 2.5 - 1.0)
            .collect();
        let images = Tensor::of_slice(&values, &[5, 1, 2, 3])?;
        let options = GridOptions {
            columns: Some(3),
            scale: Some(4),
            padding: 1,
            ..GridOptions::default()
        };
        let picture = grid(&images, &options)?;
        assert_eq!(picture.size(), (3 * 13 + 1, 2 * 9 + 1));
        for (k, value) in values.iter().enumerate() {
            let (image, y, x) = (k as i64 / 6, k as i64 % 6 / 3, k as i64 % 3);
            let (left, top) = (1 + image % 3 * 13 + x * 4, 1 + image / 3 * 9 + y * 4);
            let wanted = [((f64::from(*value as f32) + 1.0) / 2.0 * 255.0).round() as u8; 3];
            for (dx, dy) in [(0, 0), (3, 0), (0, 3), (3, 3)] {
                assert_eq!(picture.pixel(left + dx, top + dy), wanted, "value {k}");
            }
        }
        assert_eq!(picture.pixel(0, 0), GROUND);
        assert_eq!(picture.pixel(39, 18), GROUND);
        Ok(())
    }

    #[test]
    fn colours_cuts_and_missing_numbers() -> Result<()> {
        let images = Tensor::of_slice(&[0.0, f64::NAN, 1.0, 0.0, 9.0, 0.0], &[1, 3, 1, 2])?;
        let options = GridOptions {
            range: (0.0, 1.0),
            scale: Some(1),
            padding: 0,
            ..GridOptions::default()
        };
        let picture = grid(&images, &options)?;
        assert_eq!(picture.pixels(), [0, 255, 255, 255, 0, 255]);
        Ok(())
    }

    #[test]
    fn impossible_inputs_are_errors() -> Result<()> {
        for shape in [&[4, 2, 8, 8][..], &[8, 8], &[0, 1, 8, 8], &[3, 1, 0, 8]] {
            assert!(
                grid(&Tensor::zeros(shape)?, &GridOptions::default()).is_err(),
                "{shape:?}"
            );
        }
        let huge = GridOptions {
            scale: Some(i64::MAX / 1000),
            ..GridOptions::default()
        };
        assert!(grid(&Tensor::zeros(&[1, 1, 2, 2])?, &huge).is_err());
        Ok(())
    }
}
