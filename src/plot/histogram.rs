//! Distributions side by side: several samples over the same bins.

use super::axis::Axis;
use super::canvas::{Area, Point};
use super::frame::{Entry, Frame, Mark, sheet};
use super::picture::Picture;
use super::style::color;
use crate::error::{Error, Result};
use crate::options::Options;

/// A named sample.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// What the legend calls it.
    pub name: String,
    /// The numbers.
    pub values: Vec<f64>,
}

impl Sample {
    /// A named sample.
    pub fn new(name: &str, values: Vec<f64>) -> Sample {
        Sample {
            name: name.to_owned(),
            values,
        }
    }
}

crate::options! {
    /// Options of a histogram.
    pub struct HistogramOptions for "plot::histogram" {
        /// what stands above
        title: String = String::new(),
        /// what was measured
        x_label: String = String::new(),
        /// number of bins
        bins: i64 = 60,
        /// ends of the bins; those of the data unless given. Values beyond are counted in a note
        range: Option<(f64, f64)> = None,
        /// width in pixels
        width: i64 = 900,
        /// height in pixels
        height: i64 = 480,
    }
    check |o| {
        if !(1..=10_000).contains(&o.bins) {
            return Err(Error::argument(format!("plot::histogram: `bins` must be 1 to 10000, got {}", o.bins)));
        }
        Ok(())
    }
}

/// Histograms over shared bins; each has the area 1, so that samples of different sizes compare.
pub fn histogram(samples: &[Sample], options: &HistogramOptions) -> Result<Picture> {
    const WHO: &str = "plot::histogram";
    options.check()?;
    let all = samples.iter().flat_map(|s| s.values.iter().copied());
    let x = Axis::over(WHO, all, options.range, false, &options.x_label)?;
    let bins = options.bins as usize;
    let densities: Vec<Vec<f64>> = samples
        .iter()
        .map(|s| densities(&s.values, &x, bins))
        .collect();
    let highest = densities.iter().flatten().copied().fold(0.0, f64::max);
    if highest <= 0.0 {
        return Err(Error::argument(format!(
            "{WHO}: no value lies in [{}, {}]",
            x.low, x.high
        )));
    }
    let y = Axis::exact(0.0, highest * 1.05, "density");
    let outside = samples
        .iter()
        .flat_map(|s| &s.values)
        .filter(|v| !(x.low..=x.high).contains(*v))
        .count();
    let note = match outside {
        0 => String::new(),
        1 => "1 value lies outside or is not finite".to_owned(),
        n => format!("{n} values lie outside or are not finite"),
    };
    let entry = |(i, s): (usize, &Sample)| Entry {
        name: s.name.clone(),
        color: color(i),
        mark: Mark::Box(0.3),
    };
    let legend: Vec<Entry> = samples
        .iter()
        .enumerate()
        .filter(|(_, s)| !s.name.is_empty())
        .map(entry)
        .collect();
    let (mut canvas, room) = sheet(
        WHO,
        (options.width, options.height),
        &options.title,
        &legend,
        &note,
    )?;
    let frame = Frame::draw(&mut canvas, room, x, y)?;
    let width = (frame.x.high - frame.x.low) / bins as f64;
    for (i, heights) in densities.iter().enumerate() {
        let mut steps: Vec<(f64, f64)> = Vec::with_capacity(2 * bins + 2);
        steps.push((frame.x.low, 0.0));
        for (b, height) in heights.iter().enumerate() {
            let ends = [
                frame.x.low + b as f64 * width,
                frame.x.low + (b + 1) as f64 * width,
            ];
            let (low, high): (Point, Point) = (frame.at(ends[0], *height), frame.at(ends[1], 0.0));
            if *height > 0.0 {
                let bar = Area {
                    left: low.0,
                    top: low.1,
                    right: high.0,
                    bottom: high.1,
                };
                canvas.rectangle(bar, color(i), 0.3)?;
            }
            steps.extend(ends.map(|e| (e, *height)));
        }
        steps.push((frame.x.high, 0.0));
        // Where there is nothing the outline would only thicken the axis.
        for run in steps.chunk_by(|a, b| a.1 > 0.0 || b.1 > 0.0) {
            frame.line(&mut canvas, run, 1.6, color(i), None)?;
        }
    }
    frame.finish(&mut canvas)?;
    canvas.finish()
}

/// The share of the values in each bin over the bin's width.
fn densities(values: &[f64], x: &Axis, bins: usize) -> Vec<f64> {
    let mut counts = vec![0usize; bins];
    for value in values.iter().filter(|v| (x.low..=x.high).contains(*v)) {
        counts[((x.place(*value) * bins as f64) as usize).min(bins - 1)] += 1;
    }
    let width = (x.high - x.low) / bins as f64;
    counts
        .into_iter()
        .map(|c| c as f64 / (values.len().max(1) as f64 * width))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_have_area_one() {
        let x = Axis::exact(0.0, 2.0, "");
        let found = densities(&[0.0, 0.4, 0.6, 2.0, 1.9, 0.5, 1.0, 1.5], &x, 4);
        assert_eq!(found, [0.5, 0.5, 0.25, 0.75]);
        let cut = densities(&[0.1, f64::NAN, 9.0, 0.2], &x, 4);
        assert_eq!(cut, [1.0, 0.0, 0.0, 0.0]);
    }
}
