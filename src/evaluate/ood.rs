//! Claim 3, out-of-distribution detection: which rows are not of the kind that the model was
//! trained on.
//!
//! Scores, high for rows that look familiar: `log p(x) = −E(x)`, `max_y p(y|x)`, and the
//! approximate mass `−‖∇_x log p(x)‖₂`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::logits::{batch_rows, over_rows, prepare};
use super::paths::{key, number_at};
use super::ranking::{Detection, detection};
use super::shared::by_rows;
use super::table::{Table, WIDTH, number, wrapped};
use crate::data::Part;
use crate::energy::{Energy, Ready};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::tensor::{Device, Kind, Tensor, no_grad};

crate::options! {
    /// Options of [`ood`].
    pub struct OodOptions for "evaluate::ood" {
        /// resamples for the bootstrap intervals of AUROC, average precision and FPR95
        resamples: i64 = 1000,
        /// seed of the resamples, and of the choice of rows where one side has more
        seed: i64 = 0,
        /// rows at a time; () for a number that fits the images
        batch_size: Option<i64> = None,
    }
    check |o| {
        super::check_batch("evaluate::ood", o.batch_size)?;
        if o.resamples < 0 || o.resamples > 1_000_000 {
            return Err(Error::argument(format!("evaluate::ood: resamples must be 0 to 1,000,000, got {}", o.resamples)));
        }
        Ok(())
    }
}

/// The three scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Score {
    /// `log p(x)` up to a constant.
    LogPx,
    /// The confidence.
    MaxPy,
    /// `−‖∇_x log p(x)‖₂`.
    ApproximateMass,
}

impl Score {
    /// All scores.
    pub const ALL: [Score; 3] = [Score::LogPx, Score::MaxPy, Score::ApproximateMass];

    /// The key in reports.
    pub fn key(self) -> &'static str {
        match self {
            Score::LogPx => "log_p_x",
            Score::MaxPy => "max_p_y",
            Score::ApproximateMass => "mass",
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Score::LogPx => "log p(x)",
            Score::MaxPy => "max p(y|x)",
            Score::ApproximateMass => "approx. mass",
        })
    }
}

/// The scores of some rows, in float64.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scores {
    /// `log p(x)` up to a constant: −E(x).
    pub log_p_x: Vec<f64>,
    /// `max_y p(y|x)`; empty for an energy without classes.
    pub max_p_y: Vec<f64>,
    /// The log odds of that confidence: rows are ranked by it, as confidences near 1 are all
    /// rounded to 1.
    pub log_odds: Vec<f64>,
    /// `−‖∇_x log p(x)‖₂`, summed in float64.
    pub mass: Vec<f64>,
}

impl Scores {
    /// What rows are ranked by; empty where the energy does not have this score.
    pub fn ranked_by(&self, score: Score) -> &[f64] {
        match score {
            Score::LogPx => &self.log_p_x,
            Score::MaxPy => &self.log_odds,
            Score::ApproximateMass => &self.mass,
        }
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scores of {} rows (mean ± sd)", self.log_p_x.len())?;
        for (score, values) in [
            (Score::LogPx, &self.log_p_x),
            (Score::MaxPy, &self.max_p_y),
            (Score::ApproximateMass, &self.mass),
        ] {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
            if !values.is_empty() {
                write!(
                    f,
                    "\n{:<13} {mean:.4} ± {:.4}",
                    score.to_string(),
                    variance.sqrt()
                )?;
            }
        }
        Ok(())
    }
}

/// log p(x), −‖∇ log p(x)‖ and, where there are classes, the log-odds of the likeliest one: a row of
/// two or three numbers for each of a batch, float64 on the host.
fn row_scores(energy: &Energy, ready: &Ready, batch: &Tensor) -> Result<Tensor> {
    let (e, score) = ready.energy_and_score(batch)?;
    let log_p_x = e.to_kind(Kind::Double)?.neg()?;
    let mass = score
        .to_kind(Kind::Double)?
        .flatten(1)?
        .norm_dims(&[1], false)?
        .neg()?;
    let mut columns = vec![
        log_p_x.to_device(Device::Cpu)?,
        mass.to_device(Device::Cpu)?,
    ];
    let _guard = no_grad();
    if energy.has_classes() {
        let logits = energy.logits(batch)?;
        let classes = logits.shape().last().copied().unwrap_or(0).max(1) as usize;
        let odds: Vec<f64> = logits
            .to_vec()?
            .chunks_exact(classes)
            .map(log_odds)
            .collect();
        let n = odds.len() as i64;
        columns.push(Tensor::from_f64(&odds, &[n], Kind::Double, Device::Cpu)?);
    }
    Tensor::stack(&columns, 1)?.detach().copy()
}

/// The scores of rows `x` `[N, …]`.
pub fn scores(energy: &Energy, x: &Tensor, batch_size: Option<i64>) -> Result<Scores> {
    const OWNER: &str = "evaluate::ood";
    super::check_batch(OWNER, batch_size)?;
    let (x, _mode) = prepare(OWNER, energy, x)?;
    // An energy without classes has no confidence; the other two scores stand.
    let columns = if energy.has_classes() { 3 } else { 2 };
    let table = by_rows(OWNER, &x, |x| {
        let ready = Ready::new(energy, x)?;
        let mut rows = Vec::new();
        for batch in x.split(batch_rows(x, batch_size), 0)? {
            crate::interrupt::poll()?;
            let one = row_scores(energy, &ready, &batch).map_err(|e| e.context(OWNER))?;
            rows.push(one);
        }
        Tensor::cat(&rows, 0)
    })?;
    let mut found = Scores::default();
    for row in table.to_vec()?.chunks_exact(columns) {
        found.log_p_x.push(row[0]);
        found.mass.push(row[1]);
        if let Some(odds) = row.get(2) {
            found.log_odds.push(*odds);
            found.max_p_y.push(1.0 / (1.0 + (-odds).exp()));
        }
    }
    if found
        .log_p_x
        .iter()
        .chain(&found.log_odds)
        .chain(&found.mass)
        .any(|s| !s.is_finite())
    {
        return Err(Error::new(
            ErrorKind::NonFinite,
            format!("{OWNER}: some scores are not finite"),
        )
        .with_hint("the model may have diverged, or its energy has no gradient at some rows"));
    }
    Ok(found)
}

/// `log (p / (1 − p))` of the largest `p(y|x)`: its logit minus the log-sum-exp of the others.
fn log_odds(row: &[f64]) -> f64 {
    let mut sorted = row.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    match sorted[..] {
        [top, second, ..] => {
            top - second
                - sorted[1..]
                    .iter()
                    .map(|v| (v - second).exp())
                    .sum::<f64>()
                    .ln()
        }
        _ => 0.0,
    }
}

/// One set against the in-distribution rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OodSet {
    /// Which set.
    pub name: String,
    /// Its scores.
    pub scores: Scores,
    /// How well each score detects it.
    pub detections: Vec<(Score, Detection)>,
}

impl OodSet {
    /// How well a score detects the set.
    pub fn detection(&self, score: Score) -> Option<&Detection> {
        self.detections
            .iter()
            .find(|(s, _)| *s == score)
            .map(|(_, d)| d)
    }
}

/// A model's scores of in-distribution rows and of some other sets.
#[derive(Clone, Serialize, Deserialize)]
pub struct OodReport {
    /// The in-distribution part.
    pub inside_name: String,
    /// Its scores.
    pub inside: Scores,
    /// The other sets.
    pub sets: Vec<OodSet>,
}

impl OodReport {
    /// One number by set, score and path: `rotation.log_p_x` is an AUROC, `rotation.log_p_x.fpr95`
    /// another number of it.
    pub fn value(&self, path: &str) -> Result<f64> {
        number_at("ood", &self.values(), path)
    }

    /// All numbers with their paths.
    pub fn values(&self) -> Vec<(String, f64)> {
        let one = |set: &OodSet, (score, d): &(Score, Detection)| {
            d.values(&format!("{}.{}", key(&set.name), score.key()))
        };
        self.sets
            .iter()
            .flat_map(|set| set.detections.iter().flat_map(move |d| one(set, d)))
            .collect()
    }
}

/// Measures detection of each set against the rows of a part.
pub fn ood(
    energy: &Energy,
    inside: &Part,
    sets: &[Part],
    options: &OodOptions,
) -> Result<OodReport> {
    options.check()?;
    let kind = format!("ood of {} sets, {options:?}", sets.len());
    over_rows(
        "evaluation",
        &kind,
        energy,
        inside,
        options.batch_size,
        |inside| {
            let few = |set: &Part| {
                if crate::dry_run::on() {
                    set.of_length(inside.len())
                } else {
                    Ok(set.clone())
                }
            };
            all_sets(
                energy,
                inside,
                &sets.iter().map(few).collect::<Result<Vec<_>>>()?,
                options,
            )
        },
    )
}

fn all_sets(
    energy: &Energy,
    inside: &Part,
    sets: &[Part],
    options: &OodOptions,
) -> Result<OodReport> {
    let inner =
        scores(energy, &inside.x()?, options.batch_size).map_err(|e| e.context(&inside.name))?;
    let mut found = Vec::with_capacity(sets.len());
    for set in sets {
        if set.shape() != inside.shape() {
            return Err(Error::shape(format!(
                "evaluate::ood: rows of {} are {:?}, those of {} are {:?}",
                set.name,
                set.shape(),
                inside.name,
                inside.shape()
            ))
            .with_hint("other images can be resized: data::fashion_mnist(#{ size: 8 })"));
        }
        let outer =
            scores(energy, &set.x()?, options.batch_size).map_err(|e| e.context(&set.name))?;
        let mut detections = Vec::new();
        for score in Score::ALL
            .into_iter()
            .filter(|s| !inner.ranked_by(*s).is_empty())
        {
            let (i, o) = (inner.ranked_by(score), outer.ranked_by(score));
            detections.push((
                score,
                detection(i, o, options.resamples as usize, options.seed)?,
            ));
        }
        found.push(OodSet {
            name: set.name.clone(),
            scores: outer,
            detections,
        });
    }
    Ok(OodReport {
        inside_name: inside.name.clone(),
        inside: inner,
        sets: found,
    })
}

/// The columns of a table of detections.
pub(crate) const DETECTION_HEAD: [&str; 7] =
    ["set", "score", "AUROC", "AP in", "AP out", "FPR95", "n"];

/// An end of an interval, short: .997, 1.00.
fn share(value: f64) -> String {
    let text = format!("{value:.3}");
    if value < 0.9995 {
        text.trim_start_matches('0').to_owned()
    } else {
        format!("{value:.2}")
    }
}

/// A row of such a table, each number with its interval.
pub(crate) fn detection_cells(set: &str, score: &str, d: &Detection) -> [String; 7] {
    let with = |value: f64, interval: Option<(f64, f64)>| match interval {
        Some((low, high)) => format!(
            "{} [{}, {}]",
            number(Some(value), 3),
            share(low),
            share(high)
        ),
        None => number(Some(value), 3),
    };
    let of = |i: usize| d.intervals.map(|all| all[i]);
    [
        set.to_owned(),
        score.to_owned(),
        with(d.auroc.value, Some((d.auroc.low, d.auroc.high))),
        with(d.ap_in, of(0)),
        with(d.ap_out, of(1)),
        with(d.fpr95, of(2)),
        d.n.to_string(),
    ]
}

impl fmt::Display for OodReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(DETECTION_HEAD);
        for set in &self.sets {
            for (score, d) in &set.detections {
                table.row(detection_cells(&set.name, &score.to_string(), d));
            }
        }
        let text = format!(
            "against {}; in-distribution rows are positive (AP out: the others), ties count ½, equal n; in brackets 95 % \
             bootstrap intervals",
            self.inside_name
        );
        write!(f, "{}\n{}", table.shown(f), wrapped(&text, WIDTH, ""))
    }
}

impl fmt::Debug for OodReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
