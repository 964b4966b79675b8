//! The five claims of several models side by side: every number with its path, the raw arrays that
//! pictures need.
//!
//! One model is the subject (JEM); the others are baselines, and stand before it. Paths are the
//! same in scripts and in JSON: `accuracy`, `calibration.ece`, `tempered.nll`,
//! `ood.rotation.log_p_x`, `robust.linf.0.1`, `samples.replay_buffer`.

use serde::{Deserialize, Serialize};

use super::accuracy::paired;
use super::ood::Score;
use super::paths::{key, number_at};
use super::ranking::resampled_auroc_difference;
use super::sheet::Shown;
use super::{
    Accuracy, CalibrationReport, Detection, Difference, JemK, OodReport, Refinement, Robustness,
    SampleReport,
};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The name under which the pixel baseline's numbers are found.
pub(crate) const GAUSSIAN: &str = "pixel Gaussian";

/// How a model came to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Training {
    /// Iterations of its training.
    pub iterations: i64,
    /// Seconds that they took.
    pub seconds: f64,
    /// Whether it diverged: by the training loop's rule, or because it ended 10 points under
    /// another model's accuracy.
    pub diverged: bool,
}

/// What was measured of one model.
#[derive(Clone, Serialize, Deserialize)]
pub struct ModelReport {
    /// The user's name for it.
    pub name: String,
    /// How it was trained, where that is known.
    pub training: Option<Training>,
    /// Claim 1.
    pub accuracy: Accuracy,
    /// Claim 2.
    pub calibration: CalibrationReport,
    /// Claim 3.
    pub ood: OodReport,
    /// Claim 4: one curve an attack.
    pub robustness: Vec<Robustness>,
    /// Claim 3 again after refinement by a sampler, where asked for.
    #[serde(default)]
    pub refinement: Option<Refinement>,
    /// Claim 4 for the defence by refinement, where asked for.
    #[serde(default)]
    pub jem_k: Option<JemK>,
    /// The share of distal adversarials that the model became sure of, where they were made.
    #[serde(default)]
    pub distal: Option<f64>,
}

/// What the Gaussian of the pixels detects.
#[derive(Clone, Serialize, Deserialize)]
pub struct GaussianReport {
    /// `log p(x)` of the in-distribution rows.
    pub inside: Vec<f64>,
    /// Each set with its `log p(x)` and detection.
    pub sets: Vec<(String, Vec<f64>, Detection)>,
}

/// The text beside the numbers: what was done, claim by claim.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Protocol {
    /// Lines of each claim, in the order of the claims.
    pub claims: [Vec<String>; 5],
}

/// A comparison of the subject with a baseline: the difference, positive where the subject is
/// higher.
#[derive(Clone, Serialize, Deserialize)]
pub struct Comparison {
    /// The baseline.
    pub against: String,
    /// Which number.
    pub path: String,
    /// Subject − baseline.
    pub difference: Difference,
}

/// The five claims of several models on one part of one data set.
#[derive(Clone, Serialize, Deserialize)]
pub struct Report {
    /// The part that was judged: `digits.test`.
    pub part: String,
    /// Rows of it.
    pub rows: usize,
    /// What the data is.
    pub about: String,
    /// Baselines first, the subject last.
    pub models: Vec<ModelReport>,
    /// The baseline of claim 3.
    pub gaussian: GaussianReport,
    /// Claim 5, where a feature network was given.
    pub samples: Option<SampleReport>,
    /// What was done.
    pub protocol: Protocol,
    /// The subject against each baseline.
    pub comparisons: Vec<Comparison>,
    /// Resamples of the intervals.
    pub resamples: usize,
    /// The seed of everything random in it.
    pub seed: i64,
    /// The samples that were judged or made, for grids.
    #[serde(skip)]
    pub pictures: Vec<(String, Tensor)>,
}

/// A difference with its bootstrap resamples, so that several seeds can be pooled.
pub(crate) struct Resampled {
    pub against: String,
    pub path: String,
    pub value: f64,
    pub draws: Vec<f64>,
}

impl Report {
    /// The subject: the model that the others are compared with.
    pub fn subject(&self) -> Option<&ModelReport> {
        self.models.last()
    }

    /// What was measured of a model.
    pub fn model(&self, name: &str) -> Result<&ModelReport> {
        self.models.iter().find(|m| m.name == name).ok_or_else(|| {
            let known = self.models.iter().map(|m| m.name.as_str());
            Error::unknown(&format!("report: no model `{name}`"), name, known)
        })
    }

    /// One number by model and path: `report.value("JEM", "robust.linf.0.1")`.
    pub fn value(&self, model: &str, path: &str) -> Result<f64> {
        number_at(&format!("report of {model}"), &self.values_of(model)?, path)
    }

    /// The paths of all numbers of a model.
    pub fn paths(&self, model: &str) -> Result<Vec<String>> {
        Ok(self
            .values_of(model)?
            .into_iter()
            .map(|(path, _)| path)
            .collect())
    }

    fn values_of(&self, model: &str) -> Result<Vec<(String, f64)>> {
        let (own, others): (Vec<_>, Vec<_>) =
            self.values().into_iter().partition(|(m, _, _)| m == model);
        if own.is_empty() {
            let mut names: Vec<&str> = others.iter().map(|(m, _, _)| m.as_str()).collect();
            names.dedup();
            return Err(Error::unknown(
                &format!("report: no model `{model}`"),
                model,
                names,
            ));
        }
        Ok(own
            .into_iter()
            .map(|(_, path, value)| (path, value))
            .collect())
    }

    /// All numbers with model and path, in the order of the claims.
    pub fn values(&self) -> Vec<(String, String, f64)> {
        let mut all = Vec::new();
        for m in &self.models {
            let mut put = |path: String, value: f64| all.push((m.name.clone(), path, value));
            if let Some(t) = &m.training {
                put("training.iterations".to_owned(), t.iterations as f64);
                put("training.seconds".to_owned(), t.seconds);
                put(
                    "training.diverged".to_owned(),
                    f64::from(u8::from(t.diverged)),
                );
            }
            put("accuracy".to_owned(), m.accuracy.accuracy);
            put("cross_entropy".to_owned(), m.accuracy.cross_entropy);
            let two = [
                ("calibration", Some(&m.calibration.raw)),
                ("tempered", m.calibration.tempered.as_ref()),
            ];
            for (name, c) in two {
                if let Some(c) = c {
                    c.values()
                        .into_iter()
                        .for_each(|(k, v)| put(format!("{name}.{k}"), v));
                }
            }
            m.ood
                .values()
                .into_iter()
                .for_each(|(path, v)| put(format!("ood.{path}"), v));
            let refined = m.refinement.iter().flat_map(Refinement::values);
            refined.for_each(|(path, v)| put(format!("refined.{path}"), v));
            let defended = m.jem_k.iter().flat_map(JemK::values);
            defended.for_each(|(path, v)| put(format!("jem_k.{path}"), v));
            if let Some(reached) = m.distal {
                put("distal".to_owned(), reached);
            }
            for r in &m.robustness {
                put(format!("robust.{}.0", r.norm), r.clean);
                for (eps, accuracy) in r.eps.iter().zip(&r.accuracy) {
                    put(format!("robust.{}.{eps}", r.norm), *accuracy);
                }
            }
        }
        let mut put = |path: String, value: f64| all.push((GAUSSIAN.to_owned(), path, value));
        for (set, _, d) in &self.gaussian.sets {
            d.values(&format!("ood.{}.log_p_x", key(set)))
                .into_iter()
                .for_each(|(path, v)| put(path, v));
        }
        for c in &self.comparisons {
            for (suffix, value) in [
                ("", c.difference.value),
                (".low", c.difference.low),
                (".high", c.difference.high),
            ] {
                all.push((
                    c.against.clone(),
                    format!("{}.difference{suffix}", c.path),
                    value,
                ));
            }
        }
        if let (Some(samples), Some(subject)) = (&self.samples, self.subject()) {
            let mut put = |path: String, value: f64| all.push((subject.name.clone(), path, value));
            samples
                .values()
                .into_iter()
                .for_each(|(path, v)| put(format!("samples.{path}"), v));
        }
        all
    }

    /// The subject against every baseline and the pixel Gaussian, with resamples from a seed.
    pub(crate) fn resampled(&self, seed: i64) -> Result<Vec<Resampled>> {
        let Some((subject, baselines)) = self.models.split_last() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for base in baselines {
            let mut rows = |path: String, a: &[bool], b: &[bool]| {
                let (value, draws) = paired(a, b, self.resamples, seed);
                found.push(Resampled {
                    against: base.name.clone(),
                    path,
                    value,
                    draws,
                });
            };
            rows(
                "accuracy".to_owned(),
                &subject.accuracy.correct,
                &base.accuracy.correct,
            );
            for (ours, theirs) in subject.robustness.iter().zip(&base.robustness) {
                for eps in std::iter::once(&0.0).chain(&ours.eps) {
                    rows(
                        format!("robust.{}.{eps}", ours.norm),
                        &ours.robust(*eps),
                        &theirs.robust(*eps),
                    );
                }
            }
        }
        for set in &subject.ood.sets {
            let ours = (&subject.ood.inside.log_p_x[..], &set.scores.log_p_x[..]);
            let path = format!("ood.{}", key(&set.name));
            let mut pair = |against: &str, theirs: (&[f64], &[f64])| -> Result<()> {
                let (value, draws) =
                    resampled_auroc_difference(ours, theirs, self.resamples, seed)?;
                found.push(Resampled {
                    against: against.to_owned(),
                    path: path.clone(),
                    value,
                    draws,
                });
                Ok(())
            };
            for base in baselines {
                if let Some((score, other)) = base.best_score(&set.name) {
                    pair(&base.name, (base.ood.inside.ranked_by(score), other))?;
                }
            }
            if let Some((_, outside, _)) =
                self.gaussian.sets.iter().find(|(n, _, _)| *n == set.name)
            {
                pair(GAUSSIAN, (&self.gaussian.inside, outside))?;
            }
        }
        Ok(found)
    }

    /// Fills in the comparisons of the subject with all baselines.
    pub(crate) fn compare_all(&mut self) -> Result<()> {
        let found = self.resampled(self.seed)?;
        self.comparisons = found
            .into_iter()
            .map(|r| Comparison {
                against: r.against,
                path: r.path,
                difference: Difference::of_resampled(r.value, r.draws),
            })
            .collect();
        Ok(())
    }

    /// The subject's difference to a baseline.
    pub fn difference(&self, against: &str, path: &str) -> Result<Difference> {
        difference("report", &self.comparisons, against, path)
    }

    /// Sets on which the subject's log p(x) is clearly above a baseline's best score, clearly
    /// below, and all.
    pub fn sets_won(&self, against: &str) -> (usize, usize, usize) {
        sets_won(&self.comparisons, against)
    }

    /// Everything but the pictures, as JSON: raw arrays too.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::data(format!("report: {e}")))
    }

    /// A report from its JSON.
    pub fn from_json(text: &str) -> Result<Report> {
        serde_json::from_str(text)
            .map_err(|e| Error::data(format!("report: not the JSON of a report ({e})")))
    }

    pub(super) fn title(&self) -> String {
        let names: Vec<&str> = self.models.iter().map(|m| m.name.as_str()).collect();
        format!("{} on {}, {} rows", names.join(", "), self.part, self.rows)
    }

    /// A number as a table shows it: with its interval where there is one.
    pub(crate) fn shown(&self, model: &str, path: &str) -> Option<Shown> {
        if let Some(path) = path.strip_suffix(".difference") {
            return self.difference(model, path).ok().map(Shown::with_interval);
        }
        if path == "accuracy" {
            let a = &self.model(model).ok()?.accuracy;
            return Some(Shown::with_interval(Difference {
                value: a.accuracy,
                low: a.interval.0,
                high: a.interval.1,
            }));
        }
        let value = self.value(model, path).ok()?;
        let ranked = path.starts_with("ood.") || path.starts_with("refined.");
        let ends = |end: &str| ranked.then(|| self.value(model, &format!("{path}.{end}")).ok())?;
        let interval = ends("low").zip(ends("high"));
        Some(Shown {
            interval,
            ..Shown::plain(value)
        })
    }
}

impl ModelReport {
    /// The score that detects a set best, with the scores of its rows.
    pub fn best_score(&self, set: &str) -> Option<(Score, &[f64])> {
        let set = self.ood.sets.iter().find(|s| s.name == set)?;
        let best = set
            .detections
            .iter()
            .max_by(|a, b| a.1.auroc.value.total_cmp(&b.1.auroc.value))?;
        Some((best.0, set.scores.ranked_by(best.0)))
    }
}

/// The subject's difference to a baseline, among comparisons.
pub(crate) fn difference(
    what: &str,
    all: &[Comparison],
    against: &str,
    path: &str,
) -> Result<Difference> {
    if !all.iter().any(|c| c.against == against) {
        let known = all.iter().map(|c| c.against.as_str());
        return Err(Error::unknown(
            &format!("{what}: nothing was compared with `{against}`"),
            against,
            known,
        ));
    }
    all.iter()
        .find(|c| c.against == against && c.path == path)
        .map(|c| c.difference)
        .ok_or_else(|| {
            let known = all
                .iter()
                .filter(|c| c.against == against)
                .map(|c| c.path.as_str());
            Error::unknown(
                &format!("{what}: no difference of `{path}` to {against}"),
                path,
                known,
            )
        })
}

/// Sets on which the subject's log p(x) is clearly above a baseline's best score, clearly below,
/// and all.
pub(crate) fn sets_won(all: &[Comparison], against: &str) -> (usize, usize, usize) {
    let of_it = || {
        all.iter()
            .filter(|c| c.against == against && c.path.starts_with("ood."))
    };
    let count = |clear: fn(&Difference) -> bool| of_it().filter(|c| clear(&c.difference)).count();
    (
        count(|d| d.low > 0.0),
        count(|d| d.high < 0.0),
        of_it().count(),
    )
}
