//! How well a score tells two sets apart: AUROC, average precision, FPR95, with bootstrap
//! intervals.
//!
//! `AUROC = P(inside > outside) + ½ P(inside = outside)`: in-distribution rows are the positive
//! ones, ties count one half.

use serde::{Deserialize, Serialize};

use super::accuracy::Difference;
use crate::data::Generator;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Stream;

/// What one score says of two sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detection {
    /// AUROC with its bootstrap interval at 95 %.
    pub auroc: Difference,
    /// Average precision with the inside rows as positive.
    pub ap_in: f64,
    /// Average precision with the outside rows as positive.
    pub ap_out: f64,
    /// Share of outside rows at or above the threshold that keeps at least 95 % of the inside rows.
    pub fpr95: f64,
    /// Rows on each side.
    pub n: usize,
    /// The bootstrap intervals of `ap_in`, `ap_out` and `fpr95` at 95 %; none in reports of earlier
    /// versions.
    #[serde(default)]
    pub intervals: Option<[(f64, f64); 3]>,
}

impl Detection {
    /// All numbers, with paths that start with one: the AUROC's is that one itself.
    pub(crate) fn values(&self, path: &str) -> Vec<(String, f64)> {
        let auroc = (path.to_owned(), self.auroc.value);
        let more = [
            ("low", self.auroc.low),
            ("high", self.auroc.high),
            ("ap_in", self.ap_in),
            ("ap_out", self.ap_out),
            ("fpr95", self.fpr95),
        ];
        let mut all: Vec<(String, f64)> = std::iter::once(auroc)
            .chain(more.map(|(k, v)| (format!("{path}.{k}"), v)))
            .collect();
        for (name, (low, high)) in ["ap_in", "ap_out", "fpr95"]
            .into_iter()
            .zip(self.intervals.into_iter().flatten())
        {
            all.extend([
                (format!("{path}.{name}.low"), low),
                (format!("{path}.{name}.high"), high),
            ]);
        }
        all
    }
}

/// All numbers of a score; the larger side is reduced to the smaller one's size by a random choice
/// from the seed.
pub fn detection(
    inside: &[f64],
    outside: &[f64],
    resamples: usize,
    seed: i64,
) -> Result<Detection> {
    let (inside, outside) = equal_sizes(inside, outside, seed)?;
    let value = auroc(&inside, &outside)?;
    let groups = Groups::of(&inside, &outside);
    let mut generator = Generator::new(seed, Stream::Evaluate, "auroc", 0);
    let mut drawn: [Vec<f64>; 4] = Default::default();
    for _ in 0..resamples {
        let counts = groups.counts(&Draw::new(&mut generator, inside.len()));
        let numbers = [
            auroc_of(&counts),
            ap_in_of(&counts),
            ap_out_of(&counts),
            fpr95_of(&counts),
        ];
        drawn
            .iter_mut()
            .zip(numbers)
            .for_each(|(list, value)| list.push(value));
    }
    let [of_auroc, of_in, of_out, of_fpr] = drawn;
    let (ap_in, ap_out) = (
        average_precision(&inside, &outside)?,
        average_precision(&negated(&outside), &negated(&inside))?,
    );
    let fpr95 = fpr95(&inside, &outside)?;
    let interval = |value: f64, drawn: Vec<f64>| {
        let d = Difference::of_resampled(value, drawn);
        (d.low, d.high)
    };
    Ok(Detection {
        auroc: Difference::of_resampled(value, of_auroc),
        ap_in,
        ap_out,
        fpr95,
        n: inside.len(),
        intervals: Some([
            interval(ap_in, of_in),
            interval(ap_out, of_out),
            interval(fpr95, of_fpr),
        ]),
    })
}

/// AUROC of score `a` minus that of score `b` on the same rows, with an interval from resampling
/// the rows.
pub fn auroc_difference(
    a: (&[f64], &[f64]),
    b: (&[f64], &[f64]),
    resamples: usize,
    seed: i64,
) -> Result<Difference> {
    let (value, draws) = resampled_auroc_difference(a, b, resamples, seed)?;
    Ok(Difference::of_resampled(value, draws))
}

/// The difference seen and its resamples.
pub(crate) fn resampled_auroc_difference(
    a: (&[f64], &[f64]),
    b: (&[f64], &[f64]),
    resamples: usize,
    seed: i64,
) -> Result<(f64, Vec<f64>)> {
    if a.0.len() != b.0.len() || a.1.len() != b.1.len() {
        return Err(Error::shape(
            "auroc_difference: needs two scores of the same rows",
        ));
    }
    let (a, b) = (equal_sizes(a.0, a.1, seed)?, equal_sizes(b.0, b.1, seed)?);
    let value = auroc(&a.0, &a.1)? - auroc(&b.0, &b.1)?;
    let (of_a, of_b) = (Groups::of(&a.0, &a.1), Groups::of(&b.0, &b.1));
    let mut generator = Generator::new(seed, Stream::Evaluate, "auroc difference", 0);
    let one = |_| {
        let draw = Draw::new(&mut generator, a.0.len());
        of_a.auroc(&draw) - of_b.auroc(&draw)
    };
    Ok((value, (0..resamples).map(one).collect()))
}

/// Area under the ROC curve.
pub fn auroc(inside: &[f64], outside: &[f64]) -> Result<f64> {
    check("auroc", inside, outside)?;
    let once = Draw {
        inside: (0..inside.len()).collect(),
        outside: (0..outside.len()).collect(),
    };
    Ok(Groups::of(inside, outside).auroc(&once))
}

/// Average precision, `Σ (R_k − R_{k−1}) P_k` over the distinct thresholds from the highest down.
pub fn average_precision(positive: &[f64], negative: &[f64]) -> Result<f64> {
    check("average_precision", positive, negative)?;
    let mut all: Vec<(f64, bool)> = positive
        .iter()
        .map(|s| (*s, true))
        .chain(negative.iter().map(|s| (*s, false)))
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut seen, mut right, mut sum) = (0usize, 0usize, 0.0);
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        let found = tied.iter().filter(|t| t.1).count();
        seen += tied.len();
        right += found;
        sum += found as f64 * right as f64 / seen as f64;
    }
    Ok(sum / positive.len() as f64)
}

/// Share of outside rows that score at or above the threshold which keeps at least 95 % of the
/// inside rows.
pub fn fpr95(inside: &[f64], outside: &[f64]) -> Result<f64> {
    check("fpr95", inside, outside)?;
    let mut sorted = inside.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    // The smallest count of at least 95 %, in whole numbers.
    let keep = (95 * sorted.len()).div_ceil(100);
    let threshold = sorted[keep - 1];
    Ok(outside.iter().filter(|s| **s >= threshold).count() as f64 / outside.len() as f64)
}

/// The same rows of both sides for all scores: the larger side is thinned by a choice that depends
/// on seed and sizes alone.
fn equal_sizes(inside: &[f64], outside: &[f64], seed: i64) -> Result<(Vec<f64>, Vec<f64>)> {
    check("detection", inside, outside)?;
    let n = inside.len().min(outside.len());
    let thin = |scores: &[f64]| -> Vec<f64> {
        if scores.len() == n {
            return scores.to_vec();
        }
        let mut generator = Generator::new(seed, Stream::Evaluate, "equal sizes", 0);
        let order = generator.permutation(scores.len() as i64);
        order[..n].iter().map(|i| scores[*i as usize]).collect()
    };
    Ok((thin(inside), thin(outside)))
}

fn check(owner: &str, inside: &[f64], outside: &[f64]) -> Result<()> {
    if inside.is_empty() || outside.is_empty() {
        return Err(Error::shape(format!(
            "{owner}: needs rows on both sides, got {} and {}",
            inside.len(),
            outside.len()
        )));
    }
    if inside.iter().chain(outside).any(|s| s.is_nan()) {
        return Err(Error::new(
            ErrorKind::NonFinite,
            format!("{owner}: some scores are not numbers"),
        ));
    }
    Ok(())
}

fn negated(scores: &[f64]) -> Vec<f64> {
    scores.iter().map(|s| -s).collect()
}

/// Row numbers of one bootstrap sample.
struct Draw {
    inside: Vec<usize>,
    outside: Vec<usize>,
}

impl Draw {
    fn new(generator: &mut Generator, n: usize) -> Draw {
        let mut rows = || (0..n).map(|_| generator.below(n as u64) as usize).collect();
        Draw {
            inside: rows(),
            outside: rows(),
        }
    }
}

/// The place of each row among the distinct scores, from the lowest up: ranks are found once for
/// all resamples.
struct Groups {
    inside: Vec<usize>,
    outside: Vec<usize>,
    count: usize,
}

impl Groups {
    fn of(inside: &[f64], outside: &[f64]) -> Groups {
        let mut distinct: Vec<f64> = inside.iter().chain(outside).map(|s| s + 0.0).collect();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let place = |scores: &[f64]| {
            scores
                .iter()
                .map(|s| distinct.partition_point(|d| d < s))
                .collect()
        };
        Groups {
            inside: place(inside),
            outside: place(outside),
            count: distinct.len(),
        }
    }

    /// How many rows of a draw each distinct score has, inside and outside, from the lowest score
    /// up.
    fn counts(&self, draw: &Draw) -> Vec<(u32, u32)> {
        let mut counts = vec![(0u32, 0u32); self.count];
        draw.inside
            .iter()
            .for_each(|i| counts[self.inside[*i]].0 += 1);
        draw.outside
            .iter()
            .for_each(|i| counts[self.outside[*i]].1 += 1);
        counts
    }

    fn auroc(&self, draw: &Draw) -> f64 {
        auroc_of(&self.counts(draw))
    }
}

/// Rows inside and outside.
fn totals(counts: &[(u32, u32)]) -> (f64, f64) {
    counts.iter().fold((0.0, 0.0), |(i, o), c| {
        (i + f64::from(c.0), o + f64::from(c.1))
    })
}

fn auroc_of(counts: &[(u32, u32)]) -> f64 {
    let (mut below, mut wins) = (0.0, 0.0);
    for (inside, outside) in counts {
        wins += f64::from(*inside) * (below + 0.5 * f64::from(*outside));
        below += f64::from(*outside);
    }
    let (inside, outside) = totals(counts);
    wins / (inside * outside)
}

/// `Σ (R_k − R_{k−1}) P_k` over groups from the most positive on: (positive, negative) in each.
fn precision_sum(groups: impl Iterator<Item = (u32, u32)>) -> f64 {
    let (mut right, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for (positive, negative) in groups {
        right += f64::from(positive);
        seen += f64::from(positive) + f64::from(negative);
        if positive > 0 {
            sum += f64::from(positive) * right / seen;
        }
    }
    sum / right
}

fn ap_in_of(counts: &[(u32, u32)]) -> f64 {
    precision_sum(counts.iter().rev().copied())
}

fn ap_out_of(counts: &[(u32, u32)]) -> f64 {
    precision_sum(counts.iter().map(|(inside, outside)| (*outside, *inside)))
}

fn fpr95_of(counts: &[(u32, u32)]) -> f64 {
    let (inside, outside) = totals(counts);
    // In whole numbers, as `fpr95` does.
    let keep = (95 * inside as u64).div_ceil(100);
    let (mut kept, mut wrong) = (0u64, 0u64);
    for (i, o) in counts.iter().rev() {
        kept += u64::from(*i);
        wrong += u64::from(*o);
        if kept >= keep {
            break;
        }
    }
    wrong as f64 / outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_counts_are_those_of_scores() -> Result<()> {
        let mut g = Generator::new(3, Stream::Evaluate, "test", 0);
        let mut scores = |shift: f64| {
            (0..57)
                .map(|_| ((g.normal() + shift) * 3.0).round())
                .collect::<Vec<f64>>()
        };
        let (inside, outside) = (scores(0.7), scores(0.0));
        let once = Draw {
            inside: (0..57).collect(),
            outside: (0..57).collect(),
        };
        let counts = Groups::of(&inside, &outside).counts(&once);
        let pairs = [
            (auroc_of(&counts), auroc(&inside, &outside)?),
            (ap_in_of(&counts), average_precision(&inside, &outside)?),
            (
                ap_out_of(&counts),
                average_precision(&negated(&outside), &negated(&inside))?,
            ),
            (fpr95_of(&counts), fpr95(&inside, &outside)?),
        ];
        assert!(
            pairs.iter().all(|(a, b)| (a - b).abs() < 1e-12),
            "{pairs:?}"
        );
        Ok(())
    }
}
