//! Claim 2, calibration: whether a confidence of 80 % is right 80 times in 100.
//!
//! `ECE = Σ_b (n_b/n) |acc_b − conf_b|` over equal bins (lo, hi] of the confidence `max_y p(y|x)`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::accuracy::quantile;
use super::paths::number_at;
use super::table::{Table, number};
use super::{Logits, temperature};
use crate::data::{Generator, Part};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::Stream;

crate::options! {
    /// Options of [`calibration`].
    pub struct CalibrationOptions for "evaluate::calibration" {
        /// number of bins
        bins: i64 = 20,
        /// simulated data sets for the ECE that chance alone gives
        simulations: i64 = 1000,
        /// seed of the simulations
        seed: i64 = 0,
        /// rows at a time; () for a number that fits the images
        batch_size: Option<i64> = None,
    }
    check |o| {
        super::check_batch("evaluate::calibration", o.batch_size)?;
        if o.bins < 1 || o.bins > 10_000 || o.simulations < 1 || o.simulations > 1_000_000 {
            return Err(Error::argument(format!(
                "evaluate::calibration: needs 1 to 10,000 bins and 1 to 1,000,000 simulations, got {} and {}",
                o.bins, o.simulations
            )));
        }
        Ok(())
    }
}

/// One bar of a reliability diagram.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bin {
    /// Lower end, not included.
    pub low: f64,
    /// Upper end, included.
    pub high: f64,
    /// Rows in the bin.
    pub count: usize,
    /// Share of them that is right; 0 in an empty bin.
    pub accuracy: f64,
    /// Their mean confidence; 0 in an empty bin.
    pub confidence: f64,
}

/// The numbers of calibration at one temperature.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Calibration {
    /// What the logits were divided by.
    pub temperature: f64,
    /// Expected calibration error over equal bins.
    pub ece: f64,
    /// The mean ECE that exactly right confidences of these sizes would show by chance on so many
    /// rows.
    pub chance: f64,
    /// The ECE that 95 % of such draws stay below.
    pub chance_95: f64,
    /// Expected calibration error over bins of equal counts.
    pub adaptive_ece: f64,
    /// Mean confidence − accuracy: positive is over-confident.
    pub gap: f64,
    /// Mean −log p(y|x).
    pub nll: f64,
    /// Mean Σ_k (p(k|x) − 1[y = k])².
    pub brier: f64,
    /// The reliability diagram.
    pub bins: Vec<Bin>,
}

/// Calibration as the model stands, and with a temperature fitted on other rows.
#[derive(Clone, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// As the model stands.
    pub raw: Calibration,
    /// After division of the logits by the temperature that was fitted, if rows to fit it on were
    /// given.
    pub tempered: Option<Calibration>,
    /// Whether the rows do not determine a temperature, as where all of them are right (it is then
    /// 1).
    pub temperature_undetermined: bool,
    /// Rows judged.
    pub n: usize,
    /// Rows that the temperature was fitted on.
    pub fitted_on: usize,
}

/// Measures calibration on a part; the temperature is fitted on `validation`, never on the part
/// that is judged.
pub fn calibration(
    energy: &Energy,
    part: &Part,
    validation: Option<&Part>,
    options: &CalibrationOptions,
) -> Result<CalibrationReport> {
    const OWNER: &str = "evaluate::calibration";
    options.check()?;
    let judged = Logits::of(OWNER, energy, part, options.batch_size)?;
    let fit = validation
        .map(|v| Logits::of(OWNER, energy, v, options.batch_size))
        .transpose()?;
    calibration_of(&judged, fit.as_ref(), options)
}

/// The same from logits.
pub fn calibration_of(
    judged: &Logits,
    fit: Option<&Logits>,
    options: &CalibrationOptions,
) -> Result<CalibrationReport> {
    options.check()?;
    let fitted = fit.map(temperature::fit);
    Ok(CalibrationReport {
        raw: Calibration::at(judged, 1.0, options),
        tempered: fitted.map(|f| Calibration::at(judged, f.temperature, options)),
        temperature_undetermined: fitted.is_some_and(|f| f.undetermined),
        n: judged.len(),
        fitted_on: fit.map_or(0, Logits::len),
    })
}

impl CalibrationReport {
    /// One number by name, of the model as it stands: `ece`; at the fitted temperature:
    /// `tempered.ece`.
    pub fn value(&self, path: &str) -> Result<f64> {
        let at = |prefix: &str, c: &Calibration| -> Vec<(String, f64)> {
            c.values()
                .into_iter()
                .map(|(name, v)| (format!("{prefix}{name}"), v))
                .collect()
        };
        let tempered = self.tempered.iter().flat_map(|c| at("tempered.", c));
        let all: Vec<(String, f64)> = at("", &self.raw).into_iter().chain(tempered).collect();
        number_at("calibration", &all, path)
    }
}

impl Calibration {
    /// All numbers at a temperature.
    fn at(logits: &Logits, temperature: f64, options: &CalibrationOptions) -> Calibration {
        let n = logits.len();
        let count = options.bins as usize;
        let mut confidence = Vec::with_capacity(n);
        let mut brier = 0.0;
        for i in 0..n {
            let p = logits.probabilities(i, temperature);
            confidence.push(p[logits.predicted(i)]);
            let target = |k| f64::from(u8::from(logits.label(i) == k));
            brier += p
                .iter()
                .enumerate()
                .map(|(k, p)| (p - target(k)).powi(2))
                .sum::<f64>();
        }
        let right: Vec<f64> = (0..n)
            .map(|i| f64::from(u8::from(logits.predicted(i) == logits.label(i))))
            .collect();
        let place: Vec<usize> = confidence.iter().map(|c| bin_of(*c, count)).collect();
        let (chance, chance_95) = by_chance(&confidence, &place, options);
        let mean = |v: &[f64]| v.iter().sum::<f64>() / n as f64;
        Calibration {
            temperature,
            ece: ece(&confidence, &right, &place, count),
            chance,
            chance_95,
            adaptive_ece: adaptive_ece(&confidence, &right, count),
            gap: mean(&confidence) - mean(&right),
            nll: logits.nll(temperature),
            brier: brier / n as f64,
            bins: bins(&confidence, &right, &place, count),
        }
    }

    /// All numbers by name.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("temperature", self.temperature),
            ("ece", self.ece),
            ("chance", self.chance),
            ("chance_95", self.chance_95),
            ("adaptive_ece", self.adaptive_ece),
            ("gap", self.gap),
            ("nll", self.nll),
            ("brier", self.brier),
        ]
    }

    /// `over-confident`, `under-confident`.
    pub fn sign(&self) -> &'static str {
        if self.gap > 0.0 {
            "over-confident"
        } else {
            "under-confident"
        }
    }
}

/// The bin (b/count, (b+1)/count] of a confidence.
fn bin_of(confidence: f64, count: usize) -> usize {
    let edge = |b: usize| b as f64 / count as f64;
    let mut b = ((confidence * count as f64).ceil() as usize).clamp(1, count) - 1;
    // The product may be rounded over an edge.
    while b > 0 && confidence <= edge(b) {
        b -= 1;
    }
    while b + 1 < count && confidence > edge(b + 1) {
        b += 1;
    }
    b
}

fn ece(confidence: &[f64], right: &[f64], place: &[usize], count: usize) -> f64 {
    let mut gaps = vec![0.0; count];
    for ((c, r), b) in confidence.iter().zip(right).zip(place) {
        gaps[*b] += r - c;
    }
    gaps.into_iter().map(f64::abs).sum::<f64>() / confidence.len() as f64
}

fn bins(confidence: &[f64], right: &[f64], place: &[usize], count: usize) -> Vec<Bin> {
    let mut sums = vec![(0usize, 0.0, 0.0); count];
    for ((c, r), b) in confidence.iter().zip(right).zip(place) {
        sums[*b].0 += 1;
        sums[*b].1 += r;
        sums[*b].2 += c;
    }
    let bin = |(b, (n, right, confidence)): (usize, (usize, f64, f64))| Bin {
        low: b as f64 / count as f64,
        high: (b + 1) as f64 / count as f64,
        count: n,
        accuracy: right / n.max(1) as f64,
        confidence: confidence / n.max(1) as f64,
    };
    sums.into_iter().enumerate().map(bin).collect()
}

/// ECE over bins of equal counts (the first ones hold one row more where the rows do not divide).
fn adaptive_ece(confidence: &[f64], right: &[f64], count: usize) -> f64 {
    let n = confidence.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| confidence[*a].total_cmp(&confidence[*b]));
    let (size, larger) = (n / count, n % count);
    let mut start = 0;
    let mut sum = 0.0;
    for b in 0..count {
        let end = start + size + usize::from(b < larger);
        sum += order[start..end]
            .iter()
            .map(|i| right[*i] - confidence[*i])
            .sum::<f64>()
            .abs();
        start = end;
    }
    sum / n as f64
}

/// The ECE that chance alone gives: outcomes are drawn as the confidences say, so the model is
/// calibrated by construction.
fn by_chance(confidence: &[f64], place: &[usize], options: &CalibrationOptions) -> (f64, f64) {
    let mut generator = Generator::new(options.seed, Stream::Evaluate, "calibration by chance", 0);
    let mut found: Vec<f64> = (0..options.simulations)
        .map(|_| {
            let right: Vec<f64> = confidence
                .iter()
                .map(|c| f64::from(u8::from(generator.uniform() < *c)))
                .collect();
            ece(confidence, &right, place, options.bins as usize)
        })
        .collect();
    found.sort_by(f64::total_cmp);
    (
        found.iter().sum::<f64>() / found.len() as f64,
        quantile(&found, 0.95).unwrap_or(0.0),
    )
}

impl fmt::Display for CalibrationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&Calibration> = std::iter::once(&self.raw).chain(&self.tempered).collect();
        let head = [
            "calibration".to_owned(),
            "as it stands".to_owned(),
            "tempered".to_owned(),
        ];
        let mut table = Table::new(head.into_iter().take(1 + columns.len()));
        let mut row = |name: &str, value: &dyn Fn(&Calibration) -> String| {
            table.row(std::iter::once(name.to_owned()).chain(columns.iter().map(|c| value(c))));
        };
        row("temperature", &|c| number(Some(c.temperature), 3));
        row("ECE", &|c| number(Some(c.ece), 4));
        row("ECE by chance (mean)", &|c| number(Some(c.chance), 4));
        row("ECE by chance (95 %)", &|c| number(Some(c.chance_95), 4));
        row("adaptive ECE", &|c| number(Some(c.adaptive_ece), 4));
        row("confidence − accuracy", &|c| format!("{:+.4}", c.gap));
        row("", &|c| c.sign().to_owned());
        row("NLL", &|c| number(Some(c.nll), 4));
        row("Brier", &|c| number(Some(c.brier), 4));
        write!(
            f,
            "{}\n{} rows, {} equal bins (lo, hi]",
            table.shown(f),
            self.n,
            self.raw.bins.len()
        )?;
        if self.tempered.is_some() {
            write!(f, "; temperature fitted on {} other rows", self.fitted_on)?;
        }
        if self.temperature_undetermined {
            write!(f, " (which do not determine it)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CalibrationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_include_their_upper_end() {
        for count in [1, 3, 10, 20, 49] {
            for b in 0..count {
                let edge = (b + 1) as f64 / count as f64;
                assert_eq!(bin_of(edge, count), b, "{edge} of {count}");
                assert_eq!(bin_of(edge + 1e-12, count), (b + 1).min(count - 1));
            }
        }
        assert_eq!(bin_of(0.0, 20), 0);
    }
}
