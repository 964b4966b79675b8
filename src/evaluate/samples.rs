//! Claim 5, samples: how far generated images are from real ones, in the features of a separately
//! trained classifier.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::FeatureNet;
use super::distance::{
    Frechet, PrecisionRecall, frechet, inception_score, kernel_distance, precision_recall,
};
use super::paths::{key, number_at};
use super::table::{Table, WIDTH, digits, number, wrapped};
use crate::data::Generator;
use crate::dry_run;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Stream, Tensor};

/// Fewer rows a side than this and the distance is mostly an estimate of its own bias.
const ENOUGH_ROWS: usize = 1000;
/// The kernel distance compares all pairs: more rows than this a side are thinned.
const KERNEL_ROWS: usize = 2000;

/// The reference's mean and standard deviation of each feature, which give the kernel distance a
/// unit.
struct Unit {
    mean: Tensor,
    sd: Tensor,
}

impl Unit {
    fn of(reference: &Tensor) -> Result<Unit> {
        let sd = reference.std_dims(&[0], true)?;
        // A feature that never changes stays as it is.
        let flat = sd.raw().f_lt(1e-12)?;
        let sd = Tensor::from(sd.raw().f_ones_like()?.f_where_self(&flat, sd.raw())?);
        Ok(Unit {
            mean: reference.mean_dims(&[0], true)?,
            sd,
        })
    }

    fn apply(&self, features: &Tensor) -> Result<Tensor> {
        features.sub(&self.mean)?.div(&self.sd)
    }
}

/// None for sets of fewer rows than there are neighbours.
fn covered(found: &Tensor, real: &Tensor, k: i64) -> Result<Option<PrecisionRecall>> {
    if found.len().min(real.len()) > k {
        precision_recall(found, real, k).map(Some)
    } else {
        Ok(None)
    }
}

crate::options! {
    /// Options of [`sample_quality`].
    pub struct SampleOptions for "evaluate::samples" {
        /// splits of the Inception Score
        splits: i64 = 1,
        /// nearest neighbours of precision and recall
        neighbours: i64 = 3,
        /// seed of the choice of rows for equal counts
        seed: i64 = 0,
    }
    check |o| {
        if o.neighbours < 1 {
            return Err(Error::argument(format!("evaluate::samples: neighbours must be at least 1, got {}", o.neighbours)));
        }
        if o.splits < 1 { return Err(Error::argument(format!("evaluate::samples: splits must be at least 1, got {}", o.splits))); }
        Ok(())
    }
}

/// One set of samples against the reference.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SampleRow {
    /// What the samples are.
    pub name: String,
    /// How many.
    pub n: usize,
    /// Fréchet distance of all of them.
    pub frechet: Frechet,
    /// Fréchet distance of as many as the smallest set has: the distance of fewer rows is larger by
    /// itself.
    pub frechet_equal: Frechet,
    /// Kernel distance, of features with the reference's mean 0 and variance 1.
    pub kernel: f64,
    /// Precision and recall; none in reports of earlier versions, and for sets with fewer rows than
    /// neighbours.
    #[serde(default)]
    pub coverage: Option<PrecisionRecall>,
    /// Inception Score, where the feature network has a head.
    pub inception: Option<f64>,
}

/// Sets of samples against one reference.
#[derive(Clone, Serialize, Deserialize)]
pub struct SampleReport {
    /// One row a set.
    pub rows: Vec<SampleRow>,
    /// The rows of the smallest set.
    pub n_equal: usize,
    /// What was done: reference, features, splits.
    pub protocol: String,
    /// What to keep in mind.
    pub warnings: Vec<String>,
}

impl SampleReport {
    /// One number by set and path: `buffer` is its Fréchet distance, `buffer.kernel` its kernel
    /// distance.
    pub fn value(&self, path: &str) -> Result<f64> {
        number_at("samples", &self.values(), path)
    }

    /// All numbers with their paths.
    pub fn values(&self) -> Vec<(String, f64)> {
        let mut all = Vec::new();
        for row in &self.rows {
            let at = key(&row.name);
            all.push((at.clone(), row.frechet.distance));
            let more = [
                ("n", row.n as f64),
                ("equal_n", row.frechet_equal.distance),
                ("kernel", row.kernel),
                ("means", row.frechet.means),
                ("covariances", row.frechet.covariances),
                ("imaginary", row.frechet.imaginary),
            ];
            all.extend(
                more.into_iter()
                    .map(|(name, value)| (format!("{at}.{name}"), value)),
            );
            let coverage = row
                .coverage
                .map(|c| [("precision", c.precision), ("recall", c.recall)]);
            all.extend(
                coverage
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (format!("{at}.{name}"), value)),
            );
            all.extend(
                row.inception
                    .map(|score| (format!("{at}.inception"), score)),
            );
        }
        all
    }
}

/// Compares sets of samples with reference images in a network's features.
pub fn sample_quality(
    net: &FeatureNet,
    reference: &Tensor,
    sets: &[(String, Tensor)],
    options: &SampleOptions,
) -> Result<SampleReport> {
    options.check()?;
    let few = reference.slice(0, dry_run::cut(reference.len(), 64))?;
    let real = dry_run::repeated("samples", few.len(), reference.len(), || net.features(&few))?;
    let features: Vec<Tensor> = sets
        .iter()
        .map(|(name, x)| net.features(x).map_err(|e| e.context(name)))
        .collect::<Result<_>>()?;
    let n_equal = features.iter().map(Tensor::len).min().unwrap_or(0) as usize;
    let thinned = |t: &Tensor, n: usize| -> Result<Tensor> {
        if t.len() as usize <= n {
            return Ok(t.clone());
        }
        let order =
            Generator::new(options.seed, Stream::Evaluate, "sample rows", 0).permutation(t.len());
        t.index_select(0, &Tensor::from(tch::Tensor::f_from_slice(&order[..n])?))
    };
    let unit = Unit::of(&real)?;
    let mut rows = Vec::with_capacity(sets.len());
    let mut warnings = Vec::new();
    for ((name, _), found) in sets.iter().zip(&features) {
        crate::interrupt::poll()?;
        let row = SampleRow {
            name: name.clone(),
            n: found.len() as usize,
            frechet: frechet(found, &real)?,
            frechet_equal: frechet(&thinned(found, n_equal)?, &real)?,
            kernel: kernel_distance(
                &unit.apply(&thinned(found, KERNEL_ROWS)?)?,
                &unit.apply(&thinned(&real, KERNEL_ROWS)?)?,
            )?,
            coverage: covered(
                &thinned(found, KERNEL_ROWS)?,
                &thinned(&real, KERNEL_ROWS)?,
                options.neighbours,
            )?,
            inception: net
                .probabilities(found)?
                .map(|p| inception_score(&p, options.splits))
                .transpose()?,
        };
        if row.frechet.imaginary > 1e-3 * row.frechet.distance.abs().max(1e-3) {
            warnings.push(format!(
                "{name}: the square root has an imaginary part of {:.2e}",
                row.frechet.imaginary
            ));
        }
        rows.push(row);
    }
    let few: Vec<String> = rows
        .iter()
        .filter(|r| r.n < ENOUGH_ROWS)
        .map(|r| format!("{} ({})", r.name, r.n))
        .collect();
    if !few.is_empty() {
        warnings.push(format!(
            "fewer than {ENOUGH_ROWS} rows make a Fréchet distance larger by themselves, compare at equal n: {}",
            few.join("; ")
        ));
    }
    let d = real.shape()[1];
    if d * 10 > real.len() {
        warnings.push(format!(
            "{d} features for {} reference images: the covariance is poorly known",
            real.len()
        ));
    }
    let score = match (&net.head, options.splits) {
        (None, _) => String::new(),
        (Some(_), 1) => "; Inception Score in one piece".to_owned(),
        (Some(_), n) => format!("; Inception Score over {n} splits"),
    };
    let protocol = format!(
        "Fréchet and kernel distance in {d} features of {}, float64, covariances with n − 1; kernel distance of features with the \
         reference's mean 0 and variance 1, at most {KERNEL_ROWS} rows a side; precision and recall with {} neighbours, the same \
         rows; reference: {} training images{score}; not comparable with figures from other feature networks; no filtering by \
         hand",
        net.note,
        options.neighbours,
        real.len()
    );
    Ok(SampleReport {
        rows,
        n_equal,
        protocol,
        warnings,
    })
}

impl fmt::Display for SampleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equal = format!("at n = {}", self.n_equal);
        let mut table = Table::new([
            "samples",
            "n",
            "Fréchet",
            &equal,
            "kernel",
            "precision",
            "recall",
            "IS",
        ]);
        for row in &self.rows {
            table.row([
                row.name.clone(),
                row.n.to_string(),
                digits(row.frechet.distance),
                digits(row.frechet_equal.distance),
                digits(row.kernel),
                number(row.coverage.map(|c| c.precision), 3),
                number(row.coverage.map(|c| c.recall), 3),
                number(row.inception, 3),
            ]);
        }
        write!(
            f,
            "{}\n{}",
            table.shown(f),
            wrapped(&self.protocol, WIDTH, "")
        )?;
        self.warnings
            .iter()
            .try_for_each(|w| write!(f, "\n{}", wrapped(&format!("note: {w}"), WIDTH, "")))
    }
}

impl fmt::Debug for SampleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
