//! A report as pictures: histograms of log p(x), reliability diagrams, accuracy under attack.

use super::ball::Norm;
use super::{Report, Score};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::plot::{
    self, Calibration, HistogramOptions, Line, Picture, ReliabilityOptions, RobustnessOptions,
    Sample,
};

crate::options! {
    /// Options of [`Report::robustness_curve`].
    pub struct RobustnessCurveOptions for "plot::robustness" {
        include picture: RobustnessOptions = RobustnessOptions::default(),
        /// how the size of the ball is measured
        norm: Norm = Norm::Linf,
    }
}

impl Report {
    /// Histograms of the subject's log p(x) on the part and on each out-of-distribution set.
    pub fn energies(&self, options: &HistogramOptions) -> Result<Picture> {
        let subject = self
            .subject()
            .ok_or_else(|| Error::state("plot::energies: the report has no model"))?;
        let mut samples = vec![Sample::new(
            &self.part,
            subject.ood.inside.ranked_by(Score::LogPx).to_vec(),
        )];
        for set in &subject.ood.sets {
            samples.push(Sample::new(
                &set.name,
                set.scores.ranked_by(Score::LogPx).to_vec(),
            ));
        }
        let mut options = options.clone();
        if options.title.is_empty() {
            options.title = format!("{}: log p(x) in and out of distribution", subject.name);
        }
        if options.x_label.is_empty() {
            options.x_label = "log p(x) up to a constant".to_owned();
        }
        plot::histogram(&samples, &options)
    }

    /// One reliability diagram for each model, as it stands, without a temperature.
    pub fn reliability(&self, options: &ReliabilityOptions) -> Result<Picture> {
        let filled = |count: usize, value: f64| if count == 0 { f64::NAN } else { value };
        let models: Vec<Calibration> = self
            .models
            .iter()
            .map(|m| {
                let bins = &m.calibration.raw.bins;
                Calibration {
                    name: m.name.clone(),
                    confidence: bins.iter().map(|b| filled(b.count, b.confidence)).collect(),
                    accuracy: bins.iter().map(|b| filled(b.count, b.accuracy)).collect(),
                    count: bins.iter().map(|b| b.count as f64).collect(),
                }
            })
            .collect();
        plot::reliability(&models, options)
    }

    /// Accuracy under attack over ε, a line for each model. Where there was a square attack or APGD
    /// in the norm too, it has a line of its own: a square attack below the others shows masked
    /// gradients.
    pub fn robustness_curve(&self, options: &RobustnessCurveOptions) -> Result<Picture> {
        options.check()?;
        let norm = options.norm.word();
        let mut lines = Vec::new();
        for m in &self.models {
            for r in &m.robustness {
                let name = match r.norm.split_once('_') {
                    None if r.norm == norm => m.name.clone(),
                    Some(("square", of)) if of == norm => format!("{}, square attack", m.name),
                    Some(("apgd", of)) if of == norm => format!("{}, APGD", m.name),
                    _ => continue,
                };
                let x = std::iter::once(0.0).chain(r.eps.iter().copied()).collect();
                let y = std::iter::once(r.clean)
                    .chain(r.accuracy.iter().copied())
                    .collect();
                lines.push(Line::new(&name, x, y));
            }
        }
        if lines.is_empty() {
            return Err(Error::argument(format!(
                "plot::robustness: the report has no attack in norm `{norm}`"
            ))
            .with_hint("it was made with eps_linf: [], or eps_l2: []"));
        }
        let mut picture = options.picture.clone();
        if picture.title.is_empty() {
            picture.title = format!("attacks in {}", options.norm.sign());
        }
        plot::robustness(&lines, &picture)
    }
}
