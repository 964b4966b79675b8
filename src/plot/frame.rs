//! The frame of a chart: title, legend, axes with ticks and grid lines, and where values stand
//! inside.

use super::axis::Axis;
use super::canvas::{Align, Area, Canvas, Point, text_width};
use super::picture::Rgb;
use super::style::{FAINT, INK, LABEL, SMALL, SOFT, TITLE};
use crate::error::{Error, Result};

/// What a legend shows before a name.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// A piece of a line with these dashes, with a dot if it has markers.
    Line(Option<(f64, f64)>, bool),
    /// A filled box of this strength.
    Box(f64),
    /// A dot.
    Dot,
}

/// One entry of a legend.
pub(super) struct Entry {
    pub name: String,
    pub color: Rgb,
    pub mark: Mark,
}

/// The room around everything.
const MARGIN: f64 = 14.0;
/// The height of the title with the room below it.
const TITLE_ROW: f64 = 30.0;
/// The length of a legend's line or box.
const SWATCH: f64 = 22.0;

/// A sheet with title and legend, and the area left for charts. The legend stands above them, so
/// that it hides nothing.
pub(super) fn sheet(
    who: &str,
    (width, height): (i64, i64),
    title: &str,
    legend: &[Entry],
    note: &str,
) -> Result<(Canvas, Area)> {
    // Below this nothing can be read, and the frame would turn inside out.
    if width < 160 || height < 120 {
        return Err(Error::argument(format!(
            "{who}: a chart needs at least 160 × 120 pixels, got {width} × {height}"
        )));
    }
    let mut canvas = Canvas::new(width, height)?;
    let whole = canvas.area();
    let mut top = MARGIN;
    if !title.is_empty() {
        canvas.text(
            &shortened(title, TITLE, whole.width() - 2.0 * MARGIN),
            (MARGIN, top + 9.0),
            TITLE,
            INK,
            Align::Left,
        )?;
        top += TITLE_ROW;
    }
    let room = whole.right - MARGIN;
    for (entry, (name, x, row)) in legend.iter().zip(places(legend, whole.width())) {
        let y = top + 8.0 + ROW * row as f64;
        swatch(&mut canvas, entry, (x, y))?;
        canvas.text(&name, (x + SWATCH + 8.0, y), LABEL, INK, Align::Left)?;
    }
    top += legend_height(legend, whole.width());
    let mut bottom = whole.bottom - MARGIN;
    if !note.is_empty() {
        canvas.text(
            &shortened(note, SMALL, whole.width() - 2.0 * MARGIN),
            (room, bottom - 3.0),
            SMALL,
            SOFT,
            Align::Right,
        )?;
        bottom -= 20.0;
    }
    let left = Area {
        left: MARGIN,
        top: top + 4.0,
        right: room,
        bottom,
    };
    if left.height() < 80.0 {
        return Err(Error::argument(format!(
            "{who}: {height} pixels of height leave no room beside title and legend"
        )));
    }
    Ok((canvas, left))
}

/// The height of a row of the legend.
const ROW: f64 = 22.0;

/// Where a legend's entries stand: the text, its left end and its row.
fn places(legend: &[Entry], width: f64) -> Vec<(String, f64, usize)> {
    let (mut left, mut row) = (MARGIN, 0);
    let place = |entry: &Entry| {
        let name = shortened(&entry.name, LABEL, width - 2.0 * MARGIN - SWATCH - 8.0);
        let length = SWATCH + 8.0 + text_width(&name, LABEL);
        if left + length > width - MARGIN && left > MARGIN {
            (left, row) = (MARGIN, row + 1);
        }
        let at = left;
        left += length + 24.0;
        (name, at, row)
    };
    legend.iter().map(place).collect()
}

/// How high a legend is.
fn legend_height(legend: &[Entry], width: f64) -> f64 {
    places(legend, width)
        .last()
        .map_or(0.0, |(_, _, row)| ROW * (row + 1) as f64 + 6.0)
}

/// The height of a sheet on which a chart of this height fits.
pub(super) fn sheet_height(width: i64, title: &str, legend: &[Entry], chart: f64) -> i64 {
    let title = if title.is_empty() { 0.0 } else { TITLE_ROW };
    (2.0 * MARGIN + title + legend_height(legend, width as f64) + 4.0 + chart).ceil() as i64
}

fn swatch(canvas: &mut Canvas, entry: &Entry, (x, y): Point) -> Result<()> {
    match entry.mark {
        Mark::Line(dash, dotted) => {
            canvas.line(&[(x, y), (x + SWATCH, y)], 2.4, entry.color, dash)?;
            if dotted {
                canvas.dot((x + SWATCH / 2.0, y), 4.0, entry.color, 1.0)
            } else {
                Ok(())
            }
        }
        Mark::Dot => canvas.dot((x + SWATCH / 2.0, y), 5.0, entry.color, 1.0),
        Mark::Box(alpha) => {
            let area = Area {
                left: x + 4.0,
                top: y - 7.0,
                right: x + SWATCH,
                bottom: y + 7.0,
            };
            canvas.rectangle(area, entry.color, alpha)?;
            outline(canvas, area, entry.color)
        }
    }
}

/// The border of an area.
pub(super) fn outline(canvas: &mut Canvas, a: Area, color: Rgb) -> Result<()> {
    let corners = [
        (a.left, a.top),
        (a.right, a.top),
        (a.right, a.bottom),
        (a.left, a.bottom),
        (a.left, a.top),
    ];
    canvas.line(&corners, 1.0, color, None)
}

/// A text that fits into a width, cut with `…` where it must be.
pub(super) fn shortened(text: &str, size: f64, room: f64) -> String {
    // A line break has no place in a line of text, and a page of text no place in a chart.
    let text: String = text
        .chars()
        .take(400)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text_width(&text, size) <= room {
        return text;
    }
    let letters: Vec<char> = text.chars().collect();
    let fitting = (0..letters.len())
        .rev()
        .map(|n| letters[..n].iter().collect::<String>() + "…");
    fitting
        .into_iter()
        .find(|t| text_width(t, size) <= room)
        .unwrap_or_default()
}

/// Axes around a plot area.
pub(super) struct Frame {
    /// Where data are drawn.
    pub area: Area,
    pub x: Axis,
    pub y: Axis,
}

impl Frame {
    /// Draws axes so that everything that belongs to them fits into `room`.
    pub(super) fn draw(canvas: &mut Canvas, room: Area, x: Axis, y: Axis) -> Result<Frame> {
        Frame::draw_from(canvas, room, 0.0, x, y)
    }

    /// [`Frame::draw`] with the plot area's left side at `least` or further right, in line with
    /// another frame.
    pub(super) fn draw_from(
        canvas: &mut Canvas,
        room: Area,
        least: f64,
        x: Axis,
        y: Axis,
    ) -> Result<Frame> {
        let below = if x.label.is_empty() { 26.0 } else { 50.0 };
        let bottom = room.bottom - below;
        // The uppermost number reaches half its height above the frame.
        let top = room.top + 6.0;
        let y_ticks = y.ticks(((bottom - top) / 52.0).clamp(2.0, 9.0) as usize);
        let widest = y_ticks
            .iter()
            .map(|(_, t)| text_width(t, SMALL))
            .fold(0.0, f64::max);
        let left =
            (room.left + widest + 10.0 + if y.label.is_empty() { 0.0 } else { 26.0 }).max(least);
        // The last number of the x axis may reach beyond the frame.
        let right = room.right - 10.0;
        if right - left < 60.0 || bottom - top < 30.0 {
            return Err(
                Error::argument("plot: the picture is too small for its axes")
                    .with_hint("choose a larger size"),
            );
        }
        let frame = Frame {
            area: Area {
                left,
                top,
                right,
                bottom,
            },
            x,
            y,
        };
        for (value, text) in y_ticks {
            let y = frame.at(frame.x.low, value).1;
            canvas.line(&[(left, y), (right, y)], 1.0, FAINT, None)?;
            canvas.text(&text, (left - 8.0, y), SMALL, SOFT, Align::Right)?;
        }
        for (value, text) in frame.x_ticks() {
            let x = frame.at(value, frame.y.low).0;
            canvas.line(&[(x, bottom), (x, bottom + 5.0)], 1.0, SOFT, None)?;
            canvas.text(&text, (x, bottom + 15.0), SMALL, SOFT, Align::Center)?;
        }
        frame.finish(canvas)?;
        let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
        let (along, up) = (right - left, room.height());
        canvas.text(
            &shortened(&frame.x.label, LABEL, along),
            (middle.0, bottom + 38.0),
            LABEL,
            INK,
            Align::Center,
        )?;
        canvas.text(
            &shortened(&frame.y.label, LABEL, up),
            (room.left + 7.0, middle.1),
            LABEL,
            INK,
            Align::Upwards,
        )?;
        Ok(frame)
    }

    /// As many ticks of the x axis as their texts leave room for.
    fn x_ticks(&self) -> Vec<(f64, String)> {
        for count in (2..=10).rev() {
            let ticks = self.x.ticks(count);
            let place = |v: f64| self.x.place(v) * self.area.width();
            let apart = ticks.windows(2).all(|w| {
                let needed = (text_width(&w[0].1, SMALL) + text_width(&w[1].1, SMALL)) / 2.0 + 14.0;
                place(w[1].0) - place(w[0].0) >= needed
            });
            if apart && ticks.len() <= count + 2 {
                return ticks;
            }
        }
        self.x.ticks(1).into_iter().take(1).collect()
    }

    /// Draws the two axis lines; again after the data, which may have covered them.
    pub(super) fn finish(&self, canvas: &mut Canvas) -> Result<()> {
        let a = self.area;
        canvas.line(
            &[(a.left, a.top), (a.left, a.bottom), (a.right, a.bottom)],
            1.2,
            SOFT,
            None,
        )
    }

    /// Where a pair of values stands on the sheet.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        let a = self.area;
        (
            a.left + self.x.place(x) * a.width(),
            a.bottom - self.y.place(y) * a.height(),
        )
    }

    /// A line through values, cut at the frame.
    pub(super) fn line(
        &self,
        canvas: &mut Canvas,
        values: &[(f64, f64)],
        width: f64,
        color: Rgb,
        dash: Option<(f64, f64)>,
    ) -> Result<()> {
        let points: Vec<Point> = values.iter().map(|(x, y)| self.at(*x, *y)).collect();
        let mut piece: Vec<Point> = Vec::new();
        for pair in points.windows(2) {
            match self.area.clip(pair[0], pair[1]) {
                Some((a, b)) => {
                    if piece.last() != Some(&a) {
                        canvas.line(&piece, width, color, dash)?;
                        piece = vec![a];
                    }
                    piece.push(b);
                }
                None => {
                    canvas.line(&piece, width, color, dash)?;
                    piece.clear();
                }
            }
        }
        canvas.line(&piece, width, color, dash)
    }
}
