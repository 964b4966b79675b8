//! The scale beside a map of colours: which colour stands for which value.

use super::axis::Axis;
use super::canvas::{Align, Area, Canvas};
use super::style::{SMALL, SOFT, mapped};
use crate::error::Result;

/// The room that a scale takes to the right of a map.
pub(super) const SCALE: f64 = 62.0;

/// Draws the scale of `values` to the right of a map.
pub(super) fn scale(canvas: &mut Canvas, map: Area, values: &Axis) -> Result<()> {
    let bar = Area {
        left: map.right + 18.0,
        right: map.right + 34.0,
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
    for (value, text) in values.ticks(5) {
        let y = map.bottom - values.place(value) * map.height();
        canvas.line(&[(bar.right, y), (bar.right + 4.0, y)], 1.0, SOFT, None)?;
        canvas.text(&text, (bar.right + 8.0, y), SMALL, SOFT, Align::Left)?;
    }
    Ok(())
}
