//! Lines over a common axis: histories of a training, with bands and moving averages.

use super::axis::Axis;
use super::canvas::{Canvas, Point};
use super::frame::{Entry, Frame, Mark, sheet};
use super::picture::{Picture, Rgb};
use super::style::{color, dash, tint};
use crate::error::{Error, Result};
use crate::options::Options;

/// A named line: `y` over `x`. Values that are not finite leave a gap.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// Where.
    pub x: Vec<f64>,
    /// What.
    pub y: Vec<f64>,
    /// The ends of a band around it: lower and upper (a standard deviation, an interval).
    pub band: Option<(Vec<f64>, Vec<f64>)>,
}

impl Line {
    /// A line without a band.
    pub fn new(name: &str, x: Vec<f64>, y: Vec<f64>) -> Line {
        Line {
            name: name.to_owned(),
            x,
            y,
            band: None,
        }
    }

    /// A line over 0, 1, 2, ….
    pub fn of(name: &str, y: Vec<f64>) -> Line {
        Line::new(name, (0..y.len()).map(|i| i as f64).collect(), y)
    }

    fn check(&self, who: &str) -> Result<()> {
        let n = self.x.len();
        let band = self
            .band
            .as_ref()
            .map_or((n, n), |(low, high)| (low.len(), high.len()));
        if self.y.len() != n || band != (n, n) {
            return Err(Error::shape(format!(
                "{who}: line{} has {n} places but {} values{}",
                quoted(&self.name),
                self.y.len(),
                if band == (n, n) {
                    String::new()
                } else {
                    format!(" and bands of {} and {}", band.0, band.1)
                }
            )));
        }
        Ok(())
    }
}

crate::options! {
    /// Options of a chart of lines.
    pub struct CurveOptions for "plot::curve" {
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
        /// points in a moving average; the values themselves then stand faintly behind it
        smooth: i64 = 1,
        /// a dot at each point
        markers: bool = false,
        /// width in pixels
        width: i64 = 900,
        /// height in pixels
        height: i64 = 520,
    }
    check |o, owner| {
        if o.smooth < 1 {
            return Err(Error::argument(format!("{owner}: `smooth` must be at least 1, got {}", o.smooth)));
        }
        Ok(())
    }
}

/// A name in an error; nothing where there is none.
pub(super) fn quoted(name: &str) -> String {
    if name.is_empty() {
        String::new()
    } else {
        format!(" `{name}`")
    }
}

/// Lines in one chart.
pub fn curve(lines: &[Line], options: &CurveOptions) -> Result<Picture> {
    lines_chart("plot::curve", lines, options)
}

/// Lines over places of one's own.
pub fn line(lines: &[Line], options: &CurveOptions) -> Result<Picture> {
    lines_chart("plot::line", lines, options)
}

/// [`curve`] under another name in errors.
pub(super) fn lines_chart(who: &str, lines: &[Line], options: &CurveOptions) -> Result<Picture> {
    options.check()?;
    lines.iter().try_for_each(|l| l.check(who))?;
    let averaged: Vec<Vec<f64>> = lines
        .iter()
        .map(|l| moving_average(&l.y, options.smooth as usize))
        .collect();
    let x = Axis::over(
        who,
        lines.iter().flat_map(|l| l.x.clone()),
        options.x_range,
        options.log_x,
        &options.x_label,
    )?;
    let values = lines.iter().zip(&averaged).flat_map(|(line, mean)| {
        // Behind an average the values' extremes may be cut: they would squeeze what is to be seen.
        let raw = if options.smooth > 1 {
            without_extremes(&line.y)
        } else {
            Vec::new()
        };
        let band = line.band.clone().unwrap_or_default();
        [mean.clone(), raw, band.0, band.1].concat()
    });
    let y = Axis::over(
        who,
        values,
        options.y_range,
        options.log_y,
        &options.y_label,
    )?;
    let missing = lines
        .iter()
        .flat_map(|l| l.x.iter().zip(&l.y))
        .filter(|(h, v)| !(x.shows(**h) && y.shows(**v)))
        .count();
    let note = match missing {
        0 => String::new(),
        n => format!(
            "{n} value{} not shown: not finite{}",
            if n == 1 { "" } else { "s" },
            if y.log { " or not positive" } else { "" }
        ),
    };
    let entry = |(i, l): (usize, &Line)| Entry {
        name: l.name.clone(),
        color: color(i),
        mark: Mark::Line(dash(i), options.markers),
    };
    let legend: Vec<Entry> = lines
        .iter()
        .enumerate()
        .filter(|(_, l)| !l.name.is_empty())
        .map(entry)
        .collect();
    let (mut canvas, room) = sheet(
        who,
        (options.width, options.height),
        &options.title,
        &legend,
        &note,
    )?;
    let frame = Frame::draw(&mut canvas, room, x, y)?;
    for (i, line) in lines.iter().enumerate() {
        if let Some((low, high)) = &line.band {
            band(&mut canvas, &frame, &line.x, low, high, color(i))?;
        }
        if options.smooth > 1 {
            draw(
                &mut canvas,
                &frame,
                &line.x,
                &line.y,
                1.0,
                tint(color(i), 0.3),
                None,
                false,
            )?;
        }
    }
    for (i, (line, mean)) in lines.iter().zip(&averaged).enumerate() {
        draw(
            &mut canvas,
            &frame,
            &line.x,
            mean,
            2.2,
            color(i),
            dash(i),
            options.markers,
        )?;
    }
    frame.finish(&mut canvas)?;
    canvas.finish()
}

/// One line, broken where a value cannot be shown; a point alone between gaps becomes a dot.
#[expect(clippy::too_many_arguments, reason = "a line has as many properties")]
fn draw(
    canvas: &mut Canvas,
    frame: &Frame,
    x: &[f64],
    y: &[f64],
    width: f64,
    color: Rgb,
    dash: Option<(f64, f64)>,
    markers: bool,
) -> Result<()> {
    for run in runs(frame, x, y) {
        if run.len() == 1 || markers {
            for (h, v) in &run {
                let p = frame.at(*h, *v);
                if frame.area.holds(p) {
                    canvas.dot(p, if markers { 4.0 } else { width.max(2.5) }, color, 1.0)?;
                }
            }
        }
        frame.line(canvas, &thinned(frame, &run), width, color, dash)?;
    }
    Ok(())
}

/// Stretches of values that can be shown.
fn runs(frame: &Frame, x: &[f64], y: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let mut all = vec![Vec::new()];
    for (h, v) in x.iter().zip(y) {
        if frame.x.shows(*h) && frame.y.shows(*v) {
            if let Some(last) = all.last_mut() {
                last.push((*h, *v));
            }
        } else {
            all.push(Vec::new());
        }
    }
    all.retain(|r| !r.is_empty());
    all
}

/// Of many values in one column of pixels the first, lowest, highest and last: more are not seen.
fn thinned(frame: &Frame, run: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let columns = frame.area.width() * 2.0;
    if (run.len() as f64) < 4.0 * columns {
        return run.to_vec();
    }
    let column = |p: &(f64, f64)| (frame.x.place(p.0) * columns).floor();
    run.chunk_by(|a, b| column(a) == column(b))
        .flat_map(|chunk| {
            let extreme = |sign: f64| {
                (0..chunk.len())
                    .max_by(|a, b| (sign * chunk[*a].1).total_cmp(&(sign * chunk[*b].1)))
            };
            let mut kept: Vec<usize> =
                [Some(0), extreme(-1.0), extreme(1.0), Some(chunk.len() - 1)]
                    .into_iter()
                    .flatten()
                    .collect();
            kept.sort_unstable();
            kept.dedup();
            kept.into_iter().map(|i| chunk[i]).collect::<Vec<_>>()
        })
        .collect()
}

/// The area between two lines.
fn band(
    canvas: &mut Canvas,
    frame: &Frame,
    x: &[f64],
    low: &[f64],
    high: &[f64],
    color: Rgb,
) -> Result<()> {
    let whole: Vec<bool> = (0..x.len())
        .map(|i| frame.x.shows(x[i]) && frame.y.shows(low[i]) && frame.y.shows(high[i]))
        .collect();
    let mut start = 0;
    for stretch in whole.chunk_by(|a, b| a == b) {
        let indices = start..start + stretch.len();
        start = indices.end;
        if stretch[0] {
            let place = |i: usize, v: &[f64]| frame.area.nearest(frame.at(x[i], v[i]));
            let upper = indices.clone().map(|i| place(i, high));
            let points: Vec<Point> = upper
                .chain(indices.clone().rev().map(|i| place(i, low)))
                .collect();
            canvas.polygon(&points, color, 0.18)?;
        }
    }
    Ok(())
}

/// The mean over `points` values around each, fewer at the ends; values that are not finite do not
/// count and stay.
pub(super) fn moving_average(values: &[f64], points: usize) -> Vec<f64> {
    if points < 2 {
        return values.to_vec();
    }
    let (before, after) = ((points - 1) / 2, points / 2);
    let (mut sum, mut count) = (0.0, 0usize);
    let (mut from, mut to) = (0, 0);
    let mut means = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        while to < (i + after + 1).min(values.len()) {
            if values[to].is_finite() {
                (sum, count) = (sum + values[to], count + 1);
            }
            to += 1;
        }
        while from < i.saturating_sub(before) {
            if values[from].is_finite() {
                (sum, count) = (sum - values[from], count - 1);
            }
            from += 1;
        }
        means.push(if value.is_finite() {
            sum / count as f64
        } else {
            *value
        });
    }
    means
}

/// The finite values between their quantiles .01 and .99.
fn without_extremes(values: &[f64]) -> Vec<f64> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    let cut = finite.len() / 100;
    finite[cut..finite.len() - cut].to_vec()
}
