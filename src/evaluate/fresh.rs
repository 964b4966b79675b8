//! Fresh chains: from uniform noise on the range of the data, of p(x) or of p(x|y), as they stand
//! after some lengths.

use super::logits::{batch_rows, placed};
use super::shared::by_range;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::nn::InMode;
use crate::options::Options;
use crate::sampler::Sampler;
use crate::tensor::{Kind, Stream, Tensor, seed};

crate::options! {
    /// Options of [`fresh_chains`].
    pub struct FreshOptions for "evaluate::fresh_chains" {
        /// range of the uniform noise that chains start from
        range: (f64, f64) = (-1.0, 1.0),
        /// a class for each chain, [N]: samples of p(x|y); () for samples of p(x)
        labels: Option<Tensor> = None,
        /// seed of noise and chains
        seed: i64 = 0,
    }
    check |o| { super::ball::check_ball("evaluate::fresh_chains", &[], Some(o.range)) }
}

/// Chains from uniform noise on the range, as they stand after each of some lengths (ascending);
/// from the seed alone. They are of p(x), or of p(x|y) where there are labels.
pub fn fresh_chains(
    energy: &Energy,
    sampler: &Sampler,
    shape: &[i64],
    lengths: &[i64],
    options: &FreshOptions,
) -> Result<Vec<(i64, Tensor)>> {
    options.check()?;
    if let Some(y) = options
        .labels
        .as_ref()
        .filter(|y| shape.first() != y.shape().first() || y.ndim() != 1)
    {
        return Err(Error::shape(format!(
            "fresh_chains: labels {:?} for chains {shape:?}",
            y.shape()
        ))
        .with_hint("one label for each chain: tensor::full([16], 7) for 16 sevens"));
    }
    let mut lengths: Vec<i64> = lengths.to_vec();
    lengths.sort_unstable();
    lengths.dedup();
    if lengths.first().is_some_and(|n| *n < 1) {
        return Err(Error::argument(
            "fresh_chains: a chain has at least one step",
        ));
    }
    if shape.len() < 2 || shape.iter().any(|n| *n < 1) {
        return Err(Error::shape(format!(
            "fresh_chains: needs a shape [N, …], got {shape:?}"
        )));
    }
    let _mode = InMode::enter(&energy.networks(), false);
    seed(options.seed as u64, Stream::Evaluate, 2);
    let (low, high) = options.range;
    let start = placed(&Tensor::uniform(shape, low, high)?, &energy.parameters())?;
    let ends: Vec<usize> = lengths.iter().map(|n| *n as usize).collect();
    let labels = options.labels.as_ref();
    let labels = labels
        .map(|y| y.to_kind(Kind::Int64)?.to_device(start.device()))
        .transpose()?;
    let found = by_range("fresh_chains", &start, |rows| {
        let labels = labels.as_ref().map(|y| rows.of(y)).transpose()?;
        rows.at_random(|| walk(energy, sampler, &rows.of(&start)?, labels.as_ref(), &ends))
    })?;
    let at = |(i, n): (usize, i64)| Ok((n, found.select(1, i as i64)?.contiguous()?));
    lengths.into_iter().enumerate().map(at).collect()
}

/// Chains from `start` at each of some lengths, `[N, lengths, …]`.
fn walk(
    energy: &Energy,
    sampler: &Sampler,
    start: &Tensor,
    labels: Option<&Tensor>,
    ends: &[usize],
) -> Result<Tensor> {
    let rows = batch_rows(start, None);
    let labels = labels.map(|y| y.split(rows, 0)).transpose()?;
    let mut walked = Vec::new();
    for (i, chunk) in start.split(rows, 0)?.into_iter().enumerate() {
        let given = labels
            .as_ref()
            .map(|l| energy.given_labels(&l[i]))
            .transpose()?;
        let found = sampler.snapshots(given.as_ref().unwrap_or(energy), &chunk, ends)?;
        walked.push(Tensor::stack(&found, 1)?);
    }
    Tensor::cat(&walked, 0)
}
