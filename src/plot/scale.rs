//! The scale beside a map of colours: which colour stands for which value.

use super::axis::Axis;
use super::canvas::{Align, Area, Canvas, text_width};
use super::style::{SMALL, SOFT, mapped};
use crate::error::Result;

/// Where the bar begins and ends, and the texts begin, to the right of the map.
const BAR: (f64, f64) = (18.0, 34.0);
const TEXT: f64 = 42.0;
/// The ticks of a scale.
const TICKS: usize = 5;

/// The room that a scale takes to the right of a map.
pub(super) fn scale_room(values: &Axis) -> f64 {
    let texts = values.ticks(TICKS).into_iter();
    let widest = texts
        .map(|(_, t)| text_width(&t, SMALL))
        .fold(0.0, f64::max);
    (TEXT + widest).max(62.0)
}

/// Draws the scale of `values` to the right of a map.
pub(super) fn scale(canvas: &mut Canvas, map: Area, values: &Axis) -> Result<()> {
    let bar = Area {
        left: map.right + BAR.0,
        right: map.right + BAR.1,
        ..map
    };
    const STEPS: usize = 256;
    for i in 0..STEPS {
        let edge = |k: usize| map.bottom - map.height() * k as f64 / STEPS as f64;
        let piece = Area {
            top: edge(i + 1),
            bottom: edge(i),
            ..bar
        };
        canvas.rectangle(piece, mapped(i as f64 / (STEPS - 1) as f64), 1.0)?;
    }
    for (value, text) in values.ticks(TICKS) {
        let y = map.bottom - values.place(value) * map.height();
        canvas.line(&[(bar.right, y), (bar.right + 4.0, y)], 1.0, SOFT, None)?;
        canvas.text(&text, (map.right + TEXT, y), SMALL, SOFT, Align::Left)?;
    }
    Ok(())
}
