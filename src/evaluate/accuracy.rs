//! Claim 1, accuracy: the share of rows whose largest logit is that of their class.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Logits, percent};
use crate::data::{Generator, Part, add_noise};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Stream, seed};

crate::options! {
    /// Options of [`accuracy`].
    pub struct AccuracyOptions for "evaluate::accuracy" {
        /// standard deviation of noise on the input (0.03 in JEM's own evaluation)
        noise: f64 = 0.0,
        /// seed of the noise
        seed: i64 = 0,
        /// rows at a time; () for a number that fits the images
        batch_size: Option<i64> = None,
    }
    check |o| { super::check_batch("evaluate::accuracy", o.batch_size) }
}

/// How often a model is right.
#[derive(Clone, Serialize, Deserialize)]
pub struct Accuracy {
    /// Share of rows classified rightly.
    pub accuracy: f64,
    /// The interval of this share at 95 % (Wilson): what so many rows can tell.
    pub interval: (f64, f64),
    /// Which rows were right.
    pub correct: Vec<bool>,
    /// Mean cross-entropy, −log p(y|x).
    pub cross_entropy: f64,
}

/// Classifies a whole part.
pub fn accuracy(energy: &Energy, part: &Part, options: &AccuracyOptions) -> Result<Accuracy> {
    options.check()?;
    let part = if options.noise == 0.0 {
        part.clone()
    } else {
        // One draw for all rows: the result does not depend on the batch size.
        seed(options.seed as u64, Stream::Evaluate, 1);
        part.map(|x| add_noise(x, options.noise))?
    };
    Accuracy::of(&Logits::of(
        "evaluate::accuracy",
        energy,
        &part,
        options.batch_size,
    )?)
}

impl Accuracy {
    /// From logits.
    pub fn of(logits: &Logits) -> Result<Accuracy> {
        let correct: Vec<bool> = (0..logits.len())
            .map(|i| logits.predicted(i) == logits.label(i))
            .collect();
        let right = correct.iter().filter(|c| **c).count();
        Ok(Accuracy {
            accuracy: right as f64 / correct.len() as f64,
            interval: wilson(right, correct.len()),
            cross_entropy: logits.nll(1.0),
            correct,
        })
    }
}

/// Wilson's interval at 95 % of a share.
pub(crate) fn wilson(right: usize, n: usize) -> (f64, f64) {
    // The normal distribution's two-sided 95 % point.
    let z2 = 1.959964f64 * 1.959964;
    let (p, n) = (right as f64 / n as f64, n as f64);
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 * (p * (1.0 - p) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// A difference with its bootstrap interval at 95 %.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The difference seen.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Difference {
    /// Whether the interval excludes 0: only then is one better.
    pub fn is_clear(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// The interval of resampled values: their 2.5 % and 97.5 % quantiles.
    pub(crate) fn of_resampled(value: f64, mut resampled: Vec<f64>) -> Difference {
        resampled.sort_by(f64::total_cmp);
        let at = |q: f64| quantile(&resampled, q).unwrap_or(value);
        Difference {
            value,
            low: at(0.025),
            high: at(0.975),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:+.3} [{:+.3}, {:+.3}]",
            self.value, self.low, self.high
        )
    }
}

/// A quantile of sorted values, with linear interpolation.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    Some(sorted[low] + (place - low as f64) * (sorted[high] - sorted[low]))
}

/// Mean of `a − b` over the same rows, with an interval from resampling the rows: two models on the
/// same images are paired.
pub fn paired_difference(
    a: &[bool],
    b: &[bool],
    resamples: usize,
    seed: i64,
) -> Result<Difference> {
    if a.len() != b.len() || a.is_empty() {
        return Err(Error::shape(format!(
            "paired_difference: needs the same rows twice, got {} and {}",
            a.len(),
            b.len()
        )));
    }
    let (value, draws) = paired(a, b, resamples, seed);
    Ok(Difference::of_resampled(value, draws))
}

/// Mean of `a − b` over the same rows, and of resamples of these rows.
pub(crate) fn paired(a: &[bool], b: &[bool], resamples: usize, seed: i64) -> (f64, Vec<f64>) {
    let step: Vec<f64> = a
        .iter()
        .zip(b)
        .map(|(a, b)| f64::from(u8::from(*a)) - f64::from(u8::from(*b)))
        .collect();
    let n = step.len().max(1);
    let mut generator = Generator::new(seed, Stream::Evaluate, "paired difference", 0);
    let mut one = |_| {
        (0..step.len())
            .map(|_| step[generator.below(n as u64) as usize])
            .sum::<f64>()
            / n as f64
    };
    (
        step.iter().sum::<f64>() / n as f64,
        (0..resamples).map(&mut one).collect(),
    )
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let right = self.correct.iter().filter(|c| **c).count();
        write!(
            f,
            "accuracy {} ({right} of {}",
            percent(self.accuracy),
            self.correct.len()
        )?;
        write!(
            f,
            ", 95 % interval {:.1} to {}), ",
            100.0 * self.interval.0,
            percent(self.interval.1)
        )?;
        write!(f, "cross-entropy {:.4}", self.cross_entropy)
    }
}

impl fmt::Debug for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
