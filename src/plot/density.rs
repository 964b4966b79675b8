//! A two-dimensional energy as a map, with samples on it.
//!
//! Shown is `p(x) / max p = exp(−(E(x) − min E))`, or its logarithm, on a grid of points.

use super::axis::Axis;
use super::canvas::{Align, Area};
use super::frame::{Frame, sheet};
use super::picture::Picture;
use super::scale::{scale, scale_room};
use super::style::{INK, LABEL, mapped};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Kind, Tensor, default_device, no_grad};

crate::options! {
    /// Options of an energy map.
    pub struct DensityOptions for "plot::density" {
        /// what stands above
        title: String = String::new(),
        /// ends of both axes
        range: (f64, f64) = (-4.0, 4.0),
        /// ends of the vertical axis, where they differ
        y_range: Option<(f64, f64)> = None,
        /// show log p(x), from its maximum down to `floor` below it, in place of p(x)
        log: bool = false,
        /// how far below the maximum log p(x) is cut
        floor: f64 = 12.0,
        /// points in each direction at which the energy is computed
        resolution: i64 = 200,
        /// most samples that are drawn
        samples: i64 = 2000,
        /// width in pixels; the map is about square
        size: i64 = 640,
    }
    check |o| {
        if !(2..=2000).contains(&o.resolution) {
            return Err(Error::argument(format!("plot::density: `resolution` must be 2 to 2000, got {}", o.resolution)));
        }
        if !(o.floor > 0.0 && o.floor.is_finite()) || o.samples < 0 {
            return Err(Error::argument("plot::density: `floor` must be positive and `samples` not negative"));
        }
        Ok(())
    }
}

/// Where the energy is not a number.
const UNKNOWN: [u8; 3] = [170, 170, 170];
/// Rows of points that are computed at once, so that a large network fits into memory.
const CHUNK: i64 = 1 << 14;

/// The map of an energy over two-dimensional points, with samples `[n, 2]` as dots.
pub fn density(
    energy: &Energy,
    samples: Option<&Tensor>,
    options: &DensityOptions,
) -> Result<Picture> {
    const WHO: &str = "plot::density";
    options.check()?;
    let x = Axis::over(WHO, [], Some(options.range), false, "x₁")?;
    let y = Axis::over(
        WHO,
        [],
        Some(options.y_range.unwrap_or(options.range)),
        false,
        "x₂",
    )?;
    let dots = samples
        .map(|s| points_of(s, options.samples))
        .transpose()?
        .unwrap_or_default();
    let n = options.resolution as usize;
    let energies = energies(energy, &x, &y, n)?;
    let lowest = energies
        .iter()
        .copied()
        .filter(|e| e.is_finite())
        .fold(f64::INFINITY, f64::min);
    if !lowest.is_finite() {
        return Err(
            Error::argument(format!("{WHO}: the energy is finite nowhere in this range"))
                .with_hint("choose another `range`"),
        );
    }
    let shade = |e: f64| {
        let log = (lowest - e).max(-options.floor);
        mapped(if options.log {
            1.0 + log / options.floor
        } else {
            (lowest - e).exp()
        })
    };
    // The scale and the texts take more room beside the map than above and below: this leaves it
    // about square.
    let height = options.size - if options.title.is_empty() { 68 } else { 38 };
    let note = unseen(samples, &dots, (&x, &y));
    // A note takes a row of its own.
    let height = height + if note.is_empty() { 0 } else { 20 };
    let (mut canvas, room) = sheet(WHO, (options.size, height), &options.title, &[], &note)?;
    let values = if options.log {
        Axis::exact(-options.floor, 0.0, "")
    } else {
        Axis::exact(0.0, 1.0, "")
    };
    let frame = Frame::draw(
        &mut canvas,
        Area {
            right: room.right - scale_room(&values),
            ..room
        },
        x,
        y,
    )?;
    let a = frame.area;
    let edge = |from: f64, length: f64, k: usize| from + length * k as f64 / n as f64;
    for (i, e) in energies.iter().enumerate() {
        let (row, column) = (i / n, i % n);
        let cell = Area {
            left: edge(a.left, a.width(), column),
            right: edge(a.left, a.width(), column + 1),
            top: edge(a.top, a.height(), row),
            bottom: edge(a.top, a.height(), row + 1),
        };
        canvas.rectangle(cell, if e.is_nan() { UNKNOWN } else { shade(*e) }, 1.0)?;
    }
    for (h, v) in &dots {
        let p = frame.at(*h, *v);
        if a.holds(p) {
            canvas.dot(p, 2.6, [30, 30, 30], 1.0)?;
            canvas.dot(p, 1.7, [255, 255, 255], 1.0)?;
        }
    }
    frame.finish(&mut canvas)?;
    scale(&mut canvas, a, &values)?;
    let label = if options.log {
        "log p − max"
    } else {
        "p / max p"
    };
    // In the row of the axis labels, where nothing else stands to the right.
    canvas.text(
        label,
        (room.right, a.bottom + 38.0),
        LABEL,
        INK,
        Align::Right,
    )?;
    Ok(canvas.finish()?.chart(false))
}

/// `E` at the middle of each cell, row by row from the top.
fn energies(energy: &Energy, x: &Axis, y: &Axis, n: usize) -> Result<Vec<f64>> {
    let at =
        |axis: &Axis, i: usize| axis.low + (axis.high - axis.low) * (i as f64 + 0.5) / n as f64;
    let mut points = Vec::with_capacity(2 * n * n);
    for row in 0..n {
        for column in 0..n {
            points.extend([at(x, column), at(y, n - 1 - row)]);
        }
    }
    let (kind, device) = match energy.parameters().first() {
        Some((_, p)) => (p.get().kind(), p.get().device()),
        None => (Kind::Float, default_device()),
    };
    let all = Tensor::from_f64(&points, &[(n * n) as i64, 2], kind, device)?;
    let _guard = no_grad();
    let mut found = Vec::with_capacity(n * n);
    for chunk in all.split(CHUNK, 0)? {
        found.extend(
            energy
                .energy(&chunk)
                .map_err(|e| e.context("plot::density"))?
                .to_vec()?,
        );
    }
    Ok(found)
}

/// What is to be said of the samples that are not seen.
fn unseen(samples: Option<&Tensor>, dots: &[(f64, f64)], (x, y): (&Axis, &Axis)) -> String {
    let (n, drawn) = (samples.map_or(0, Tensor::len), dots.len());
    let outside = dots.iter().filter(|(h, v)| !(x.holds(*h) && y.holds(*v)));
    let of = if n > drawn as i64 {
        format!("{drawn} of {n} samples drawn")
    } else {
        format!("{n} samples")
    };
    match outside.count() {
        0 if n > drawn as i64 => of,
        0 => String::new(),
        1 => format!("{of}: 1 lies outside or is not finite"),
        k => format!("{of}: {k} lie outside or are not finite"),
    }
}

/// At most so many samples, spread evenly over all.
fn points_of(samples: &Tensor, most: i64) -> Result<Vec<(f64, f64)>> {
    if samples.ndim() != 2 || samples.shape()[1] != 2 {
        return Err(Error::shape(format!(
            "plot::density: needs samples [n, 2], got {:?}",
            samples.shape()
        )));
    }
    let all = samples.to_vec()?;
    let (n, most) = (samples.len() as usize, most as usize);
    let kept = n.min(most);
    Ok((0..kept)
        .map(|i| i * n / kept)
        .map(|i| (all[2 * i], all[2 * i + 1]))
        .collect())
}
