//! Pictures in a terminal: each character is two pixels, one over the other, in true colours.

use image::imageops::FilterType;
use image::{GenericImageView, RgbaImage};

/// A terminal shows no more columns and lines of a picture than these.
const COLUMNS: u32 = 96;
const LINES: u32 = 36;

/// The picture of a PNG file, in lines; `None` where it is none.
pub fn blocks(png: &[u8]) -> Option<String> {
    let picture = image::load_from_memory_with_format(png, image::ImageFormat::Png).ok()?;
    let (width, height) = picture.dimensions();
    // Enlarged pixels are no gain here: the picture is made to fit, and never larger.
    let scale = (f64::from(COLUMNS) / f64::from(width))
        .min(f64::from(2 * LINES) / f64::from(height))
        .min(1.0);
    let fit = |size: u32| ((f64::from(size) * scale).round() as u32).max(1);
    let small = image::imageops::resize(
        &picture.to_rgba8(),
        fit(width),
        fit(height),
        FilterType::Triangle,
    );
    Some(lines(&small))
}

fn lines(picture: &RgbaImage) -> String {
    let (width, height) = picture.dimensions();
    let mut text = String::new();
    for y in (0..height).step_by(2) {
        for x in 0..width {
            let [r, g, b, _] = picture.get_pixel(x, y).0;
            text += &format!("\x1b[38;2;{r};{g};{b}m");
            // The last line of an odd height has nothing below.
            match picture.get_pixel_checked(x, y + 1) {
                Some(below) => {
                    text += &format!("\x1b[48;2;{};{};{}m▀", below.0[0], below.0[1], below.0[2])
                }
                None => text += "\x1b[49m▀",
            }
        }
        text += "\x1b[0m\n";
    }
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Picture;

    #[test]
    fn two_pixels_are_a_character() -> crate::Result<()> {
        let png = Picture::filled(3, 3, [1, 2, 3])?.png_bytes()?;
        let text = blocks(&png).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0],
            format!("{}\x1b[0m", "\x1b[38;2;1;2;3m\x1b[48;2;1;2;3m▀".repeat(3))
        );
        assert_eq!(
            lines[1],
            format!("{}\x1b[0m", "\x1b[38;2;1;2;3m\x1b[49m▀".repeat(3))
        );
        let wide = blocks(&Picture::filled(1000, 500, [0, 0, 0])?.png_bytes()?).unwrap_or_default();
        assert_eq!(
            (
                wide.lines().count(),
                wide.lines().next().map(|l| l.matches('▀').count())
            ),
            (24, Some(96))
        );
        assert_eq!(blocks(b"no picture"), None);
        Ok(())
    }
}
