//! Clouds of points: one thing against another.

use super::axis::Axis;
use super::curve::quoted;
use super::frame::{Entry, Frame, Mark, sheet};
use super::picture::Picture;
use super::style::color;
use crate::error::{Error, Result};
use crate::options::Options;

/// A named cloud of points.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    /// What the legend calls it.
    pub name: String,
    /// Where, to the right.
    pub x: Vec<f64>,
    /// Where, upwards.
    pub y: Vec<f64>,
}

crate::options! {
    /// Options of a chart of points.
    pub struct ScatterOptions for "plot::scatter" {
        /// what stands above
        title: String = String::new(),
        /// what the horizontal axis shows
        x_label: String = String::new(),
        /// what the vertical axis shows
        y_label: String = String::new(),
        /// logarithmic horizontal axis
        log_x: bool = false,
        /// logarithmic vertical axis
        log_y: bool = false,
        /// ends of the horizontal axis; those of the data unless given
        x_range: Option<(f64, f64)> = None,
        /// ends of the vertical axis; those of the data unless given
        y_range: Option<(f64, f64)> = None,
        /// radius of a dot in pixels
        radius: f64 = 3.0,
        /// how much a dot covers, from 0 to 1: overlapping dots show through below 1
        alpha: f64 = 0.7,
        /// most dots of each name, spread evenly over its points
        points: i64 = 5000,
        /// width in pixels
        width: i64 = 640,
        /// height in pixels
        height: i64 = 560,
    }
    check |o, owner| {
        let size = o.radius > 0.0 && o.radius <= 100.0;
        let ink = o.alpha > 0.0 && o.alpha <= 1.0;
        if !size || !ink || o.points < 1 {
            return Err(Error::argument(format!(
                "{owner}: `radius` must be above 0 and at most 100, `alpha` above 0 and at most 1, `points` at least 1"
            )));
        }
        Ok(())
    }
}

/// Points as dots, a colour for each name. What lies outside the axes or is not finite is counted
/// in a note.
pub fn scatter(clouds: &[Cloud], options: &ScatterOptions) -> Result<Picture> {
    const WHO: &str = "plot::scatter";
    options.check()?;
    for c in clouds {
        if c.x.len() != c.y.len() {
            return Err(Error::shape(format!(
                "{WHO}:{} x has {} numbers, y has {}",
                quoted(&c.name),
                c.x.len(),
                c.y.len()
            )));
        }
    }
    // A point counts for the axes where both its numbers can be shown.
    let whole = |axis: fn(&(f64, f64)) -> f64| {
        let possible = |(x, y): &(f64, f64)| {
            let on = |v: f64, log: bool| v.is_finite() && (!log || v > 0.0);
            on(*x, options.log_x) && on(*y, options.log_y)
        };
        points(clouds).filter(possible).map(move |p| axis(&p))
    };
    let x = Axis::over(
        WHO,
        whole(|p| p.0),
        options.x_range,
        options.log_x,
        &options.x_label,
    )?;
    let y = Axis::over(
        WHO,
        whole(|p| p.1),
        options.y_range,
        options.log_y,
        &options.y_label,
    )?;
    let outside = points(clouds)
        .filter(|(h, v)| !(x.holds(*h) && y.holds(*v)))
        .count();
    let all: usize = clouds.iter().map(|c| c.x.len()).sum();
    let most = options.points as usize;
    let kept: usize = clouds.iter().map(|c| c.x.len().min(most)).sum();
    let mut notes = Vec::new();
    if kept < all {
        notes.push(format!("{kept} of {all} points drawn"));
    }
    let positive = if options.log_x || options.log_y {
        " or not positive"
    } else {
        ""
    };
    match outside {
        0 => {}
        1 => notes.push(format!("1 point lies outside or is not finite{positive}")),
        n => notes.push(format!(
            "{n} points lie outside or are not finite{positive}"
        )),
    }
    let entry = |(i, c): (usize, &Cloud)| Entry {
        name: c.name.clone(),
        color: color(i),
        mark: Mark::Dot,
    };
    let named = |(_, c): &(usize, &Cloud)| !c.name.is_empty();
    let legend: Vec<Entry> = clouds.iter().enumerate().filter(named).map(entry).collect();
    let (mut canvas, room) = sheet(
        WHO,
        (options.width, options.height),
        &options.title,
        &legend,
        &notes.join("; "),
    )?;
    let frame = Frame::draw(&mut canvas, room, x, y)?;
    // In turns, so that the last name does not hide the others.
    let rounds = clouds
        .iter()
        .map(|c| c.x.len().min(most))
        .max()
        .unwrap_or(0);
    for round in 0..rounds {
        for (i, c) in clouds.iter().enumerate() {
            let n = c.x.len();
            let kept = n.min(most);
            if round >= kept {
                continue;
            }
            let at = round * n / kept;
            let (h, v) = (c.x[at], c.y[at]);
            if frame.x.holds(h) && frame.y.holds(v) {
                canvas.dot(frame.at(h, v), options.radius, color(i), options.alpha)?;
            }
        }
    }
    frame.finish(&mut canvas)?;
    canvas.finish()
}

fn points(clouds: &[Cloud]) -> impl Iterator<Item = (f64, f64)> {
    clouds
        .iter()
        .flat_map(|c| c.x.iter().copied().zip(c.y.iter().copied()))
}
