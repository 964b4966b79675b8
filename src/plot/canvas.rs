//! A sheet to draw on: lines, areas, dots and text, at places given in pixels with fractions.
//!
//! Everything is drawn on a finer sheet and averaged down at the end, which smooths all edges
//! alike. The font is part of the program, so pictures look the same on every machine.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, GlyphId, ScaleFont, point};
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, Circle, DrawingArea, IntoDrawingArea, Polygon, Rectangle};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::picture::{Picture, Rgb};
use crate::error::{Error, Result};

/// How much finer the sheet is in each direction.
const FINE: f64 = 3.0;
static FONT_BYTES: &[u8] = include_bytes!("font/DejaVuSans.ttf");
/// Height of the font's line over its em, from its metrics: (1901 + 483) / 2048.
const LINE_PER_EM: f64 = 1.164;
/// Half the height of its capitals over its em: 1493 / 2048 / 2.
const HALF_CAPITAL: f64 = 0.3645;

/// A place on the sheet: right and down from the upper left corner.
pub(super) type Point = (f64, f64);

/// Where a text stands from its point.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
    /// Reading upwards, centred.
    Upwards,
}

/// A rectangle on the sheet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn holds(&self, p: Point) -> bool {
        (self.left..=self.right).contains(&p.0) && (self.top..=self.bottom).contains(&p.1)
    }

    /// The nearest point inside.
    pub(super) fn nearest(&self, p: Point) -> Point {
        (
            p.0.clamp(self.left, self.right),
            p.1.clamp(self.top, self.bottom),
        )
    }

    /// The part of a segment that lies inside (Liang and Barsky).
    pub(super) fn clip(&self, a: Point, b: Point) -> Option<(Point, Point)> {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let (mut from, mut to) = (0.0f64, 1.0f64);
        let edges = [
            (-dx, a.0 - self.left),
            (dx, self.right - a.0),
            (-dy, a.1 - self.top),
            (dy, self.bottom - a.1),
        ];
        for (towards, distance) in edges {
            if towards == 0.0 {
                if distance < 0.0 {
                    return None;
                }
            } else if towards < 0.0 {
                from = from.max(distance / towards);
            } else {
                to = to.min(distance / towards);
            }
        }
        (from <= to).then_some((
            (a.0 + from * dx, a.1 + from * dy),
            (a.0 + to * dx, a.1 + to * dy),
        ))
    }
}

/// A sheet.
pub(super) struct Canvas {
    width: i64,
    height: i64,
    fine: Vec<u8>,
}

impl Canvas {
    /// A white sheet.
    pub(super) fn new(width: i64, height: i64) -> Result<Canvas> {
        let factor = FINE as i64;
        // Refuses impossible sizes in the user's words.
        let fine = Picture::filled(
            width.saturating_mul(factor),
            height.saturating_mul(factor),
            [255; 3],
        )?;
        Ok(Canvas {
            width,
            height,
            fine: fine.pixels().to_vec(),
        })
    }

    /// The whole sheet.
    pub(super) fn area(&self) -> Area {
        Area {
            left: 0.0,
            top: 0.0,
            right: self.width as f64,
            bottom: self.height as f64,
        }
    }

    fn draw(
        &mut self,
        what: impl FnOnce(&DrawingArea<BitMapBackend, Shift>) -> Outcome,
    ) -> Result<()> {
        let size = (
            (self.width * FINE as i64) as u32,
            (self.height * FINE as i64) as u32,
        );
        let sheet = BitMapBackend::with_buffer(&mut self.fine, size).into_drawing_area();
        what(&sheet).map_err(|e| Error::data(format!("plot: {e}")))
    }

    /// A filled rectangle.
    pub(super) fn rectangle(&mut self, area: Area, color: Rgb, alpha: f64) -> Result<()> {
        // The ends are left out, so that neighbours share no pixel.
        let corners = [fine((area.left, area.top)), fine((area.right, area.bottom))];
        if corners[1].0 <= corners[0].0 || corners[1].1 <= corners[0].1 {
            return Ok(());
        }
        self.draw(|sheet| Ok(sheet.draw(&Rectangle::new(corners, style(color, alpha).filled()))?))
    }

    /// A filled polygon.
    pub(super) fn polygon(&mut self, points: &[Point], color: Rgb, alpha: f64) -> Result<()> {
        if points.len() < 3 {
            return Ok(());
        }
        let points: Vec<(i32, i32)> = points.iter().map(|p| fine(*p)).collect();
        self.draw(|sheet| Ok(sheet.draw(&Polygon::new(points, style(color, alpha)))?))
    }

    /// A line through points with round joins. `dash` gives the lengths of strokes and gaps.
    pub(super) fn line(
        &mut self,
        points: &[Point],
        width: f64,
        color: Rgb,
        dash: Option<(f64, f64)>,
    ) -> Result<()> {
        if let Some(dash) = dash {
            for piece in dashes(points, dash) {
                self.line(&piece, width, color, None)?;
            }
            return Ok(());
        }
        let half = width / 2.0;
        self.draw(|sheet| {
            let paint = style(color, 1.0).filled();
            // Thin lines need no joins; thick ones get a disc at each inner point.
            let joins = if half * FINE >= 1.5 && points.len() > 2 {
                &points[1..points.len() - 1]
            } else {
                &[]
            };
            for p in joins {
                sheet.draw(&Circle::new(fine(*p), (half * FINE).round() as i32, paint))?;
            }
            for pair in points.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                let length = (b.0 - a.0).hypot(b.1 - a.1);
                if length > 0.0 {
                    let side = ((b.1 - a.1) / length * half, -(b.0 - a.0) / length * half);
                    let corner =
                        |p: Point, sign: f64| fine((p.0 + sign * side.0, p.1 + sign * side.1));
                    let quad = vec![
                        corner(a, 1.0),
                        corner(b, 1.0),
                        corner(b, -1.0),
                        corner(a, -1.0),
                    ];
                    sheet.draw(&Polygon::new(quad, paint))?;
                }
            }
            Ok(())
        })
    }

    /// A filled dot.
    pub(super) fn dot(&mut self, center: Point, radius: f64, color: Rgb, alpha: f64) -> Result<()> {
        let radius = (radius * FINE).round() as i32;
        self.draw(|sheet| {
            Ok(sheet.draw(&Circle::new(
                fine(center),
                radius,
                style(color, alpha).filled(),
            ))?)
        })
    }

    /// A text; the middle of its capitals is at the height of the point. `size` is that of the em.
    pub(super) fn text(
        &mut self,
        text: &str,
        at: Point,
        size: f64,
        color: Rgb,
        align: Align,
    ) -> Result<()> {
        let width = text_width(text, size);
        let back = match align {
            Align::Left => 0.0,
            Align::Right => width,
            Align::Center | Align::Upwards => width / 2.0,
        };
        let (row, rows) = (
            (self.width * FINE as i64) as f64,
            (self.height * FINE as i64) as f64,
        );
        // Along the text and down from its base line, to a pixel of the fine sheet.
        let place = |along: f64, down: f64| {
            let (along, down) = (along - back * FINE, down + HALF_CAPITAL * size * FINE);
            let (x, y) = if align == Align::Upwards {
                (down, -along)
            } else {
                (along, down)
            };
            let (x, y) = ((at.0 * FINE + x).floor(), (at.1 * FINE + y).floor());
            ((0.0..row).contains(&x) && (0.0..rows).contains(&y)).then_some((y * row + x) as usize)
        };
        letters(text, size * FINE, |along, down, cover| {
            if let Some(pixel) = place(along, down) {
                for (old, new) in self.fine[3 * pixel..3 * pixel + 3].iter_mut().zip(color) {
                    *old = (f64::from(*old) + (f64::from(new) - f64::from(*old)) * cover).round()
                        as u8;
                }
            }
        });
        Ok(())
    }

    /// The picture.
    pub(super) fn finish(self) -> Result<Picture> {
        let factor = FINE as usize;
        let mut picture = Picture::filled(self.width, self.height, [0; 3])?;
        let row = self.width as usize * factor;
        let many = (factor * factor) as u32;
        for y in 0..self.height as usize {
            for x in 0..self.width as usize {
                let mut sum = [0u32; 3];
                for dy in 0..factor {
                    let start = 3 * ((y * factor + dy) * row + x * factor);
                    for pixel in self.fine[start..start + 3 * factor].chunks_exact(3) {
                        (0..3).for_each(|c| sum[c] += u32::from(pixel[c]));
                    }
                }
                picture.set(x, y, sum.map(|s| ((s + many / 2) / many) as u8));
            }
        }
        Ok(picture.chart(true))
    }
}

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

/// A point on the fine sheet; far outside it stays far outside without overflow.
fn fine(p: Point) -> (i32, i32) {
    let whole = |v: f64| (v * FINE).round().clamp(-1e6, 1e6) as i32;
    (whole(p.0), whole(p.1))
}

fn style(color: Rgb, alpha: f64) -> ShapeStyle {
    ShapeStyle {
        color: RGBColor(color[0], color[1], color[2]).mix(alpha),
        filled: false,
        stroke_width: 1,
    }
}

/// The font, read once. It is a part of the program, and a test draws with it.
fn font() -> Option<&'static FontRef<'static>> {
    static FOUND: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    FOUND
        .get_or_init(|| FontRef::try_from_slice(FONT_BYTES).ok())
        .as_ref()
}

/// Sets a text on a line: gives each pixel's place along the line, down from it, and how much of it
/// is covered.
fn letters(text: &str, size: f64, mut ink: impl FnMut(f64, f64, f64)) {
    let Some(font) = font() else { return };
    let scaled = font.as_scaled((size * LINE_PER_EM) as f32);
    let mut along = 0.0f32;
    let mut before = None;
    for letter in text.chars() {
        let id = scaled.glyph_id(letter);
        along += before.map_or(0.0, |b| scaled.kern(b, id));
        before = Some(id);
        let placed = id.with_scale_and_position(scaled.scale(), point(along, 0.0));
        if let Some(outline) = scaled.outline_glyph(placed) {
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, cover| {
                ink(
                    f64::from(corner.x) + f64::from(x),
                    f64::from(corner.y) + f64::from(y),
                    f64::from(cover.clamp(0.0, 1.0)),
                );
            });
        }
        along += scaled.h_advance(id);
    }
}

/// How wide a text is.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let Some(font) = font() else { return 0.0 };
    let scaled = font.as_scaled((size * LINE_PER_EM) as f32);
    let ids: Vec<GlyphId> = text.chars().map(|c| scaled.glyph_id(c)).collect();
    let advances: f32 = ids.iter().map(|id| scaled.h_advance(*id)).sum();
    let kerns: f32 = ids.windows(2).map(|w| scaled.kern(w[0], w[1])).sum();
    f64::from(advances + kerns)
}

/// A line cut into strokes.
fn dashes(points: &[Point], (stroke, gap): (f64, f64)) -> Vec<Vec<Point>> {
    let mut pieces = Vec::new();
    let mut current: Vec<Point> = points.first().copied().into_iter().collect();
    let (mut drawing, mut left) = (true, stroke.max(0.5));
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let p = (
                a.0 + (b.0 - a.0) * done / length,
                a.1 + (b.1 - a.1) * done / length,
            );
            current.push(p);
            if drawing {
                pieces.push(std::mem::take(&mut current));
            }
            current = vec![p];
            drawing = !drawing;
            left = if drawing { stroke } else { gap }.max(0.5);
        }
        left -= length - done;
        current.push(b);
    }
    if drawing && current.len() > 1 {
        pieces.push(current);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_land_where_they_should() -> Result<()> {
        let mut canvas = Canvas::new(60, 40)?;
        canvas.rectangle(
            Area {
                left: 10.0,
                top: 10.0,
                right: 20.0,
                bottom: 20.0,
            },
            [255, 0, 0],
            1.0,
        )?;
        canvas.line(&[(30.0, 5.0), (30.0, 35.0)], 4.0, [0, 0, 255], None)?;
        canvas.dot((50.0, 20.0), 5.0, [0, 128, 0], 1.0)?;
        canvas.rectangle(
            Area {
                left: 10.0,
                top: 30.0,
                right: 20.0,
                bottom: 35.0,
            },
            [0, 0, 0],
            0.5,
        )?;
        let picture = canvas.finish()?;
        assert_eq!(picture.size(), (60, 40));
        let red: Vec<(i64, i64)> = (0..40)
            .flat_map(|y| (0..60).map(move |x| (x, y)))
            .filter(|(x, y)| picture.pixel(*x, *y) == [255, 0, 0])
            .collect();
        assert_eq!((red.len(), red[0], red[99]), (100, (10, 10), (19, 19)));
        assert_eq!(picture.pixel(30, 20), [0, 0, 255]);
        assert_eq!(picture.pixel(34, 20), [255; 3]);
        assert_eq!(picture.pixel(50, 20), [0, 128, 0]);
        assert!(picture.pixel(15, 32).iter().all(|c| (126..130).contains(c)));
        Ok(())
    }

    #[test]
    fn text_is_drawn_with_the_fonts_own_letters() -> Result<()> {
        let ink = |text: &str, align| -> Result<(Vec<i64>, Vec<i64>)> {
            let mut canvas = Canvas::new(200, 200)?;
            canvas.text(text, (100.0, 100.0), 20.0, [0; 3], align)?;
            let picture = canvas.finish()?;
            let dark = |x: i64, y: i64| picture.pixel(x, y)[0] < 128;
            let columns = (0..200).filter(|x| (0..200).any(|y| dark(*x, y))).collect();
            let rows = (0..200).filter(|y| (0..200).any(|x| dark(x, *y))).collect();
            Ok((columns, rows))
        };
        let width = text_width("HEH", 20.0);
        assert!((35.0..50.0).contains(&width), "{width}");
        let (columns, rows) = ink("HEH", Align::Left)?;
        assert!((100..104).contains(&columns[0]), "{columns:?}");
        let capital = 2.0 * HALF_CAPITAL * 20.0;
        assert!((rows.len() as f64 - capital).abs() < 2.0, "{rows:?}");
        assert!(
            ((rows[0] + rows[rows.len() - 1]) as f64 / 2.0 - 100.0).abs() < 1.5,
            "{rows:?}"
        );
        let (columns, _) = ink("HEH", Align::Right)?;
        assert!(
            (95..100).contains(&columns[columns.len() - 1]),
            "{columns:?}"
        );
        let (columns, rows) = ink("HEH", Align::Upwards)?;
        assert!(
            (columns.len() as f64 - capital).abs() < 2.0 && rows.len() > 30,
            "{columns:?} {rows:?}"
        );
        assert!(
            ((columns[0] + columns[columns.len() - 1]) as f64 / 2.0 - 100.0).abs() < 1.5,
            "{columns:?}"
        );
        // Letters of other alphabets and signs are there, not boxes.
        let missing = ink("\u{4e00}", Align::Left)?;
        for text in ["ε", "∇", "−", "₂", "‖", "é", "≤", "Σ", "ℓ", "∞", "√", "→"]
        {
            assert_ne!(ink(text, Align::Left)?, missing, "{text}");
        }
        Ok(())
    }

    #[test]
    fn dashes_cover_the_right_share() {
        let pieces = dashes(&[(0.0, 0.0), (30.0, 0.0), (30.0, 30.0)], (4.0, 2.0));
        let length: f64 = pieces
            .iter()
            .flat_map(|p| p.windows(2))
            .map(|w| (w[1].0 - w[0].0).hypot(w[1].1 - w[0].1))
            .sum();
        assert_eq!((pieces.len(), length), (10, 40.0));
    }

    #[test]
    fn segments_are_cut_at_the_frame() {
        let area = Area {
            left: 0.0,
            top: 0.0,
            right: 10.0,
            bottom: 10.0,
        };
        assert_eq!(
            area.clip((-5.0, 5.0), (15.0, 5.0)),
            Some(((0.0, 5.0), (10.0, 5.0)))
        );
        assert_eq!(
            area.clip((2.0, 2.0), (3.0, 4.0)),
            Some(((2.0, 2.0), (3.0, 4.0)))
        );
        assert_eq!(area.clip((-5.0, 0.0), (5.0, -20.0)), None);
        assert_eq!(area.clip((11.0, 0.0), (11.0, 9.0)), None);
    }
}
