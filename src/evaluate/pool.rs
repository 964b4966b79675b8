//! Several seeds joined: mean ± sd (n − 1) of every number, and the subject's differences pooled
//! over the splits.
//!
//! Rows are resampled within each seed and the differences averaged over the seeds: the interval is
//! that of the mean.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Difference;
use super::blocks::blocks;
use super::report::{Comparison, Report, Resampled, difference, sets_won};
use super::sheet::{Block, Shown, markdown, terminal};
use super::table::{WIDTH, wrapped};
use crate::error::{Error, Result};

/// With fewer seeds than this a spread is not known well enough for a claim.
const ENOUGH_SEEDS: usize = 5;

/// Reports of the same models on several seeds.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pool {
    /// The reports.
    pub reports: Vec<Report>,
    /// The subject against each baseline, over all seeds.
    pub comparisons: Vec<Comparison>,
}

/// Joins reports of the same models, one a seed.
pub fn pool(reports: &[Report]) -> Result<Pool> {
    let Some(first) = reports.first() else {
        return Err(Error::argument("evaluate::pool: needs at least one report"));
    };
    let names = |r: &Report| r.models.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
    if let Some(other) = reports
        .iter()
        .find(|r| names(r) != names(first) || r.part != first.part)
    {
        return Err(Error::argument(format!(
            "evaluate::pool: reports of different things: {} on {}, {} on {}",
            names(first).join(", "),
            first.part,
            names(other).join(", "),
            other.part
        )));
    }
    let mut sums: Vec<Resampled> = Vec::new();
    for (i, report) in reports.iter().enumerate() {
        // Seeds of resamples differ, or the rows drawn would be the same in all reports.
        let found = report.resampled(report.seed.wrapping_add(1 + i as i64))?;
        if i == 0 {
            sums = found;
            continue;
        }
        // Only what every seed has is pooled.
        sums.retain(|s| {
            found.iter().any(|f| {
                f.against == s.against && f.path == s.path && f.draws.len() == s.draws.len()
            })
        });
        for sum in &mut sums {
            if let Some(one) = found
                .iter()
                .find(|f| f.against == sum.against && f.path == sum.path)
            {
                sum.value += one.value;
                sum.draws
                    .iter_mut()
                    .zip(&one.draws)
                    .for_each(|(s, o)| *s += o);
            }
        }
    }
    let n = reports.len() as f64;
    let comparisons = sums
        .into_iter()
        .map(|s| Comparison {
            against: s.against,
            path: s.path,
            difference: Difference::of_resampled(
                s.value / n,
                s.draws.into_iter().map(|d| d / n).collect(),
            ),
        })
        .collect();
    Ok(Pool {
        reports: reports.to_vec(),
        comparisons,
    })
}

impl Pool {
    /// Mean and standard deviation (n − 1; none for a single seed) of a number over the seeds.
    pub fn value(&self, model: &str, path: &str) -> Result<(f64, Option<f64>)> {
        let values: Vec<f64> = self
            .reports
            .iter()
            .map(|r| r.value(model, path))
            .collect::<Result<_>>()?;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Ok((mean, (values.len() > 1).then(|| spread.sqrt())))
    }

    /// The subject's difference to a baseline, over all seeds.
    pub fn difference(&self, against: &str, path: &str) -> Result<Difference> {
        difference("pool", &self.comparisons, against, path)
    }

    /// Sets on which the subject's log p(x) is clearly above a baseline's best score, clearly
    /// below, and all.
    pub fn sets_won(&self, against: &str) -> (usize, usize, usize) {
        sets_won(&self.comparisons, against)
    }

    /// Some of the claims (0 is the training), or all of them where none is named, as text for a
    /// terminal.
    pub fn text(&self, claims: &[i64]) -> String {
        let title = wrapped(&self.title(), WIDTH, "");
        terminal(&title, &self.blocks(false), claims, &|m, p| {
            self.shown(m, p)
        })
    }

    /// The same as Markdown, with every number.
    pub fn to_markdown(&self, claims: &[i64]) -> String {
        markdown(&self.title(), &self.blocks(true), claims, &|m, p| {
            self.shown(m, p)
        })
    }

    /// All reports and the comparisons over them, as JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::data(format!("pool: {e}")))
    }

    fn blocks(&self, detail: bool) -> Vec<Block> {
        blocks(
            &self.reports.iter().collect::<Vec<_>>(),
            &self.comparisons,
            detail,
        )
    }

    fn title(&self) -> String {
        let n = self.reports.len();
        let names: Vec<&str> = self.reports[0]
            .models
            .iter()
            .map(|m| m.name.as_str())
            .collect();
        let claim = if n < ENOUGH_SEEDS {
            format!("{n} seeds, no claim")
        } else {
            format!("{n} seeds")
        };
        format!(
            "{} on {}, {claim}: mean ± sd (n − 1); differences over all seeds with 95 % bootstrap intervals",
            names.join(", "),
            self.reports[0].part
        )
    }

    fn shown(&self, model: &str, path: &str) -> Option<Shown> {
        if let Some(path) = path.strip_suffix(".difference") {
            return self.difference(model, path).ok().map(Shown::with_interval);
        }
        let (value, sd) = self.value(model, path).ok()?;
        Some(Shown {
            value,
            interval: None,
            sd,
            seeds: self.reports.len(),
        })
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&[]))
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
