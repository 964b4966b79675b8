//! Reliability diagrams: is a model right as often as it says?
//!
//! `ECE = Σ (n_b / n) · |accuracy_b − confidence_b|` over equal bins of confidence. Bars are
//! accuracies; the part between a bar and the mean confidence of its bin is the gap. Below stands
//! the share of the predictions in each bin.

use super::axis::Axis;
use super::canvas::{Align, Area, Canvas};
use super::frame::{Entry, Frame, Mark, outline, sheet, shortened};
use super::picture::{Picture, Rgb};
use super::style::{INK, LABEL, PALETTE, SOFT, tint};
use crate::error::{Error, Result};
use crate::options::Options;

/// What was counted in equal bins of confidence over [0, 1].
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// The model.
    pub name: String,
    /// The mean confidence of each bin; not a number where it is empty.
    pub confidence: Vec<f64>,
    /// The accuracy of each bin; not a number where it is empty.
    pub accuracy: Vec<f64>,
    /// How many predictions fell into each bin.
    pub count: Vec<f64>,
}

impl Calibration {
    fn check(&self) -> Result<f64> {
        let bins = self.count.len();
        let who = format!("plot::reliability: `{}`", self.name);
        if bins == 0 || self.confidence.len() != bins || self.accuracy.len() != bins {
            return Err(Error::shape(format!(
                "{who} has {} confidences, {} accuracies and {bins} counts",
                self.confidence.len(),
                self.accuracy.len()
            )));
        }
        let possible = |v: f64| (0.0..=1.0 + 1e-9).contains(&v);
        let wrong = (0..bins).find(|b| {
            let n = self.count[*b];
            !(n >= 0.0 && n.is_finite())
                || (n > 0.0 && !(possible(self.confidence[*b]) && possible(self.accuracy[*b])))
        });
        if let Some(b) = wrong {
            return Err(Error::argument(format!(
                "{who}: bin {b} holds {} predictions with confidence {} and accuracy {}",
                self.count[b], self.confidence[b], self.accuracy[b]
            ))
            .with_hint("confidence and accuracy are shares from 0 to 1"));
        }
        let total: f64 = self.count.iter().sum();
        if total > 0.0 {
            Ok(total)
        } else {
            Err(Error::argument(format!("{who} has no predictions")))
        }
    }
}

crate::options! {
    /// Options of reliability diagrams.
    pub struct ReliabilityOptions for "plot::reliability" {
        /// what stands above
        title: String = String::new(),
        /// width of each diagram in pixels
        width: i64 = 420,
        /// height in pixels
        height: i64 = 560,
    }
}

const ACCURACY: Rgb = PALETTE[0];
const GAP: Rgb = PALETTE[1];

/// One diagram for each model, side by side.
pub fn reliability(models: &[Calibration], options: &ReliabilityOptions) -> Result<Picture> {
    const WHO: &str = "plot::reliability";
    options.check()?;
    if models.is_empty() {
        return Err(Error::argument(format!("{WHO}: no model to draw")));
    }
    let totals: Result<Vec<f64>> = models.iter().map(Calibration::check).collect();
    let legend = [
        Entry {
            name: "accuracy".to_owned(),
            color: ACCURACY,
            mark: Mark::Box(0.75),
        },
        Entry {
            name: "gap to the confidence".to_owned(),
            color: GAP,
            mark: Mark::Box(0.3),
        },
    ];
    let size = (
        options.width.saturating_mul(models.len() as i64),
        options.height,
    );
    let (mut canvas, room) = sheet(WHO, size, &options.title, &legend, "")?;
    let each = room.width() / models.len() as f64;
    for (i, (model, total)) in models.iter().zip(totals?).enumerate() {
        let left = room.left + each * i as f64;
        let gutter = if i > 0 { 12.0 } else { 0.0 };
        diagram(
            &mut canvas,
            Area {
                left: left + gutter,
                right: left + each,
                ..room
            },
            model,
            total,
        )?;
    }
    canvas.finish()
}

fn diagram(canvas: &mut Canvas, room: Area, model: &Calibration, total: f64) -> Result<()> {
    let bins = model.count.len();
    let filled: Vec<usize> = (0..bins).filter(|b| model.count[*b] > 0.0).collect();
    let signed = |b: usize| (model.confidence[b] - model.accuracy[b]) * model.count[b] / total;
    let ece: f64 = filled.iter().map(|b| signed(*b).abs()).sum();
    let bias: f64 = filled.iter().map(|b| signed(*b)).sum();
    let name = shortened(&model.name, LABEL, room.width());
    canvas.text(
        &name,
        ((room.left + room.right) / 2.0 + 20.0, room.top + 6.0),
        LABEL,
        INK,
        Align::Center,
    )?;
    let split = room.top + 24.0 + (room.height() - 24.0) * 0.74;
    let upper = Area {
        top: room.top + 18.0,
        bottom: split,
        ..room
    };
    // Both frames get tick texts of one width, so that their bins stand below each other.
    let accuracy = Frame::draw(
        canvas,
        upper,
        Axis::exact(0.0, 1.0, ""),
        Axis::exact(0.0, 1.0, "accuracy"),
    )?;
    let largest = model.count.iter().copied().fold(0.0, f64::max) / total;
    let lower = Area {
        top: split + 4.0,
        ..room
    };
    let shares = Axis::exact(0.0, (largest * 1.1).min(1.0), "share");
    let share = Frame::draw_from(
        canvas,
        lower,
        accuracy.area.left,
        Axis::exact(0.0, 1.0, "confidence"),
        shares,
    )?;
    let width = 1.0 / bins as f64;
    for b in filled {
        let (from, to) = (b as f64 * width, (b + 1) as f64 * width);
        let bar = |frame: &Frame, low: f64, high: f64| {
            let (upper, lower) = (frame.at(from, high), frame.at(to, low));
            Area {
                left: upper.0 + 0.67,
                top: upper.1,
                right: lower.0 - 0.67,
                bottom: lower.1,
            }
        };
        let (right, sure) = (model.accuracy[b], model.confidence[b]);
        canvas.rectangle(bar(&accuracy, 0.0, right), ACCURACY, 0.75)?;
        let gap = bar(&accuracy, right.min(sure), right.max(sure));
        canvas.rectangle(gap, tint(GAP, 0.3), 1.0)?;
        if gap.height() > 1.0 {
            outline(canvas, gap, tint(GAP, 0.8))?;
        }
        // Where the gap covers the bar, a stroke keeps its height visible.
        let top = bar(&accuracy, right, right);
        canvas.line(
            &[(top.left, top.top), (top.right, top.top)],
            2.4,
            ACCURACY,
            None,
        )?;
        canvas.rectangle(bar(&share, 0.0, model.count[b] / total), SOFT, 0.7)?;
    }
    accuracy.line(
        canvas,
        &[(0.0, 0.0), (1.0, 1.0)],
        1.4,
        INK,
        Some((6.0, 4.0)),
    )?;
    accuracy.finish(canvas)?;
    share.finish(canvas)?;
    let sign = if bias > 0.0 {
        "over-confident"
    } else {
        "under-confident"
    };
    let corner = (accuracy.area.left + 10.0, accuracy.area.top + 12.0);
    canvas.text(&format!("ECE {ece:.3}"), corner, LABEL, INK, Align::Left)?;
    canvas.text(
        sign,
        (corner.0, corner.1 + 20.0),
        LABEL - 2.0,
        SOFT,
        Align::Left,
    )?;
    canvas.text(
        &format!("n = {total}"),
        (corner.0, corner.1 + 39.0),
        LABEL - 2.0,
        SOFT,
        Align::Left,
    )
}
