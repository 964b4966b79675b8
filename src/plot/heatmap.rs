//! A table of numbers as a map of colours: what a sweep over two parameters gave.

use super::axis::{Axis, brief};
use super::canvas::{Align, Area, Canvas, text_width};
use super::frame::{outline, sheet, shortened};
use super::picture::{Picture, Rgb};
use super::scale::{scale, scale_room};
use super::style::{INK, LABEL, SMALL, SOFT, mapped};
use crate::error::{Error, Result};
use crate::options::Options;

crate::options! {
    /// Options of a map of a table.
    pub struct HeatmapOptions for "plot::heatmap" {
        /// what stands above
        title: String = String::new(),
        /// what the columns are
        x_label: String = String::new(),
        /// what the rows are
        y_label: String = String::new(),
        /// what the numbers are
        label: String = String::new(),
        /// the numbers shown as the darkest and the brightest colour; the smallest and the largest
        /// unless given
        range: Option<(f64, f64)> = None,
        /// colours by the logarithm
        log: bool = false,
        /// write each number into its cell; where there is room unless given
        numbers: Option<bool> = None,
        /// width in pixels
        width: i64 = 640,
        /// height in pixels
        height: i64 = 520,
    }
}

/// A cell whose number has no colour.
const NO_COLOR: Rgb = [200, 200, 200];

/// `values` row by row, the first row at the top; `x` names the columns and `y` the rows.
pub fn heatmap(
    x: &[String],
    y: &[String],
    values: &[f64],
    options: &HeatmapOptions,
) -> Result<Picture> {
    const WHO: &str = "plot::heatmap";
    options.check()?;
    if x.is_empty() || y.is_empty() || x.len() * y.len() != values.len() {
        return Err(Error::shape(format!(
            "{WHO}: {} numbers for {} columns and {} rows",
            values.len(),
            x.len(),
            y.len()
        )));
    }
    let mut colors = Axis::over(
        WHO,
        values.iter().copied(),
        options.range,
        options.log,
        &options.label,
    )?;
    if options.range.is_none() {
        // Exactly from the smallest to the largest, where they differ.
        let shown = values.iter().copied().filter(|v| colors.shows(*v));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        if high - low > 1e-12 * low.abs().max(high.abs()) {
            (colors.low, colors.high) = (low, high);
        }
    }
    let without = values.iter().filter(|v| !colors.shows(**v)).count();
    let beyond = values
        .iter()
        .filter(|v| colors.shows(**v) && !colors.holds(**v));
    let mut notes = Vec::new();
    if without > 0 {
        let positive = if colors.log { " or not positive" } else { "" };
        notes.push(format!("grey: not finite{positive} ({without})"));
    }
    match beyond.count() {
        0 => {}
        n => notes.push(format!("beyond the scale: {n}")),
    }
    let (mut canvas, room) = sheet(
        WHO,
        (options.width, options.height),
        &options.title,
        &[],
        &notes.join("; "),
    )?;
    let area = area(room, x, y, &colors, options)?;
    let (wide, high) = (
        area.width() / x.len() as f64,
        area.height() / y.len() as f64,
    );
    let whole = values.iter().all(|v| !v.is_finite() || v.fract() == 0.0);
    let texts: Vec<String> = values.iter().map(|v| brief(*v, whole)).collect();
    let fit = high >= SMALL + 4.0 && texts.iter().all(|t| text_width(t, SMALL) + 6.0 <= wide);
    for (i, value) in values.iter().enumerate() {
        let (row, column) = (i / x.len(), i % x.len());
        let cell = Area {
            left: area.left + wide * column as f64,
            right: area.left + wide * (column + 1) as f64,
            top: area.top + high * row as f64,
            bottom: area.top + high * (row + 1) as f64,
        };
        let fill = if colors.shows(*value) {
            mapped(colors.place(*value))
        } else {
            NO_COLOR
        };
        canvas.rectangle(cell, fill, 1.0)?;
        if options.numbers.unwrap_or(fit) {
            let middle = (
                (cell.left + cell.right) / 2.0,
                (cell.top + cell.bottom) / 2.0,
            );
            canvas.text(&texts[i], middle, SMALL, readable_on(fill), Align::Center)?;
        }
    }
    outline(&mut canvas, area, SOFT)?;
    names(&mut canvas, area, x, y)?;
    labels(&mut canvas, room, area, options)?;
    scale(&mut canvas, area, &colors)?;
    Ok(canvas.finish()?.chart(false))
}

/// Where the cells stand, with room for the names and labels around them.
fn area(
    room: Area,
    x: &[String],
    y: &[String],
    colors: &Axis,
    options: &HeatmapOptions,
) -> Result<Area> {
    let most = room.width() * 0.3;
    let widest = y
        .iter()
        .map(|t| text_width(&shortened(t, SMALL, most), SMALL))
        .fold(0.0, f64::max);
    let labelled = |label: &str, room: f64| if label.is_empty() { 0.0 } else { room };
    let below = 26.0 + labelled(&format!("{}{}", options.x_label, options.label), 24.0);
    let area = Area {
        left: room.left + widest + 12.0 + labelled(&options.y_label, 22.0),
        right: room.right - scale_room(colors),
        top: room.top + 6.0,
        bottom: room.bottom - below,
    };
    if area.width() < 40.0 || area.height() < 30.0 || x.len() > 5000 || y.len() > 5000 {
        return Err(Error::argument(format!(
            "plot::heatmap: {} × {} pixels leave no room for {} columns and {} rows",
            options.width,
            options.height,
            x.len(),
            y.len()
        ))
        .with_hint("choose a larger `width` and `height`"));
    }
    Ok(area)
}

/// The names of columns and rows; each second, third, … where they would run into each other.
fn names(canvas: &mut Canvas, area: Area, x: &[String], y: &[String]) -> Result<()> {
    let (wide, high) = (
        area.width() / x.len() as f64,
        area.height() / y.len() as f64,
    );
    let widest = x.iter().map(|t| text_width(t, SMALL)).fold(0.0, f64::max);
    let most = area.width() / 2.0;
    let every = |needed: f64, step: f64| (needed / step).ceil().max(1.0) as usize;
    for (i, text) in x
        .iter()
        .enumerate()
        .step_by(every(widest.min(most) + 10.0, wide))
    {
        let at = (area.left + wide * (i as f64 + 0.5), area.bottom + 14.0);
        let text = shortened(text, SMALL, most);
        canvas.text(&text, at, SMALL, SOFT, Align::Center)?;
    }
    for (i, text) in y.iter().enumerate().step_by(every(SMALL + 4.0, high)) {
        let at = (area.left - 8.0, area.top + high * (i as f64 + 0.5));
        let text = shortened(text, SMALL, area.left - 10.0);
        canvas.text(&text, at, SMALL, SOFT, Align::Right)?;
    }
    Ok(())
}

fn labels(canvas: &mut Canvas, room: Area, area: Area, options: &HeatmapOptions) -> Result<()> {
    let row = area.bottom + 37.0;
    let middle = ((area.left + area.right) / 2.0, row);
    let x_label = shortened(&options.x_label, LABEL, area.width());
    canvas.text(&x_label, middle, LABEL, INK, Align::Center)?;
    let at = (room.left + 7.0, (area.top + area.bottom) / 2.0);
    let y_label = shortened(&options.y_label, LABEL, area.height());
    canvas.text(&y_label, at, LABEL, INK, Align::Upwards)?;
    // Below the scale, as far to the left as the columns' label leaves room.
    let free = room.right - (middle.0 + text_width(&x_label, LABEL) / 2.0) - 16.0;
    let label = shortened(&options.label, LABEL, free);
    canvas.text(&label, (room.right, row), LABEL, INK, Align::Right)
}

/// Black or white, whichever is read on a colour.
fn readable_on(c: Rgb) -> Rgb {
    let light = 0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2]);
    if light > 135.0 { INK } else { [255; 3] }
}
