//! How far two sets of samples are apart, in any features.
//!
//! Fréchet distance `‖μ_a − μ_b‖² + Tr(Σ_a + Σ_b − 2 (Σ_a^½ Σ_b Σ_a^½)^½)`, in float64, covariances
//! with n − 1.

use serde::{Deserialize, Serialize};

use super::sound;
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor, no_grad};

/// A Fréchet distance and what it is made of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Frechet {
    /// The distance (squared, as is usual).
    pub distance: f64,
    /// The part of the means, `‖μ_a − μ_b‖²`.
    pub means: f64,
    /// The part of the covariances.
    pub covariances: f64,
    /// `Tr` of the square root's imaginary part: what rounding made of eigenvalues that should be 0
    /// or more. Should be near 0.
    pub imaginary: f64,
}

/// The Fréchet distance of two sets of features, `[n, d]` and `[m, d]`.
pub fn frechet(a: &Tensor, b: &Tensor) -> Result<Frechet> {
    let _guard = no_grad();
    let (a, b) = two_sets("frechet", a, b)?;
    let (mean_a, mean_b) = (a.mean_dims(&[0], false)?, b.mean_dims(&[0], false)?);
    let (cov_a, cov_b) = (covariance(&a, &mean_a)?, covariance(&b, &mean_b)?);
    let means = mean_a.sub(&mean_b)?.square()?.sum()?.item()?;
    // Tr (Σ_a Σ_b)^½ is that of the symmetric Σ_a^½ Σ_b Σ_a^½, whose eigenvalues are real.
    let (values, vectors) = cov_a.raw().f_linalg_eigh("L")?;
    let (values, vectors) = (Tensor::from(values), Tensor::from(vectors));
    let root = vectors
        .mul(&values.clamp(Some(0.0), None)?.sqrt()?)?
        .matmul(&vectors.t()?)?;
    let inner = root.matmul(&cov_b)?.matmul(&root)?;
    let inner = inner.add(&inner.t()?)?.mul(0.5)?;
    let eigenvalues = Tensor::from(inner.raw().f_linalg_eigvalsh("L")?).to_vec()?;
    let trace_of_root: f64 = eigenvalues.iter().map(|v| v.max(0.0).sqrt()).sum();
    let traces = cov_a.diag()?.sum()?.item()? + cov_b.diag()?.sum()?.item()?;
    let covariances = traces - 2.0 * trace_of_root;
    Ok(Frechet {
        distance: means + covariances,
        means,
        covariances,
        imaginary: eigenvalues.iter().map(|v| (-v).max(0.0).sqrt()).sum(),
    })
}

fn covariance(rows: &Tensor, mean: &Tensor) -> Result<Tensor> {
    let centred = rows.sub(mean)?;
    centred.t()?.matmul(&centred)?.div((rows.len() - 1) as f64)
}

fn two_sets(owner: &str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (sa, sb) = (a.shape(), b.shape());
    if sa.len() != 2 || sb.len() != 2 || sa[1] != sb[1] || sa[0] < 2 || sb[0] < 2 || sa[1] < 1 {
        return Err(Error::shape(format!(
            "{owner}: needs features [n, d] and [m, d] of two rows or more, got {sa:?} and {sb:?}"
        )));
    }
    sound::finite(owner, "features", a)?;
    sound::finite(owner, "features", b)?;
    let plain = |t: &Tensor| t.detach().to_device(Device::Cpu)?.to_kind(Kind::Double);
    Ok((plain(a)?, plain(b)?))
}

/// The kernel distance: unbiased squared MMD with the kernel `(aᵀb/d + 1)³`. It may come out
/// slightly below 0.
pub fn kernel_distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    let _guard = no_grad();
    let (a, b) = two_sets("kernel_distance", a, b)?;
    let d = a.shape()[1] as f64;
    let kernel = |x: &Tensor, y: &Tensor| x.matmul(&y.t()?)?.div(d)?.add(1.0)?.pow(3.0);
    let within = |x: &Tensor| -> Result<f64> {
        let (k, n) = (kernel(x, x)?, x.len() as f64);
        Ok((k.sum()?.item()? - k.diag()?.sum()?.item()?) / (n * (n - 1.0)))
    };
    Ok(within(&a)? + within(&b)? - 2.0 * kernel(&a, &b)?.mean()?.item()?)
}

/// The Inception Score `exp E KL(p(y|x) ‖ p(y))` of probabilities `[N, C]`: mean over so many
/// splits.
pub fn inception_score(probabilities: &Tensor, splits: i64) -> Result<f64> {
    let _guard = no_grad();
    let n = probabilities.len();
    if probabilities.ndim() != 2 || splits < 1 || n < splits {
        return Err(Error::shape(format!(
            "inception_score: needs probabilities [N, C] and 1 to N splits, got {:?} and {splits}",
            probabilities.shape()
        )));
    }
    sound::probabilities("inception_score", probabilities)?;
    let p = probabilities.detach().to_kind(Kind::Double)?;
    let mut sum = 0.0;
    for s in 0..splits {
        let (start, end) = (s * n / splits, (s + 1) * n / splits);
        let part = p.narrow(0, start, end - start)?;
        let log = |t: &Tensor| t.clamp(Some(1e-300), None)?.log();
        let divergence = part.mul(&log(&part)?.sub(&log(&part.mean_dims(&[0], true)?)?)?)?;
        sum += divergence.sum_dims(&[1], false)?.mean()?.item()?.exp();
    }
    Ok(sum / splits as f64)
}

/// Precision and recall of samples (Kynkäänniemi et al. 2019).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// Share of samples inside the reference's manifold: how many look real.
    pub precision: f64,
    /// Share of reference rows inside the samples' manifold: how much of what is real they cover.
    pub recall: f64,
}

/// Precision and recall of features `[n, d]` against a reference `[m, d]`: a manifold is the balls
/// round its rows that reach to their `k`-th nearest neighbour among its other rows.
pub fn precision_recall(samples: &Tensor, reference: &Tensor, k: i64) -> Result<PrecisionRecall> {
    let _guard = no_grad();
    let (samples, reference) = two_sets("precision_recall", samples, reference)?;
    let least = samples.len().min(reference.len());
    if k < 1 || k >= least {
        return Err(Error::argument(format!(
            "precision_recall: needs 1 to {} neighbours, got {k}",
            least - 1
        )));
    }
    let share = |of: &Tensor, within: &Tensor| -> Result<f64> {
        // The row itself, at distance 0, is the first of the k + 1.
        let reach = in_pieces(within, |rows| {
            Ok(distances(rows, within)?
                .f_topk(k + 1, 1, false, true)?
                .0
                .f_select(1, k)?)
        })?;
        let inside = in_pieces(of, |rows| {
            Ok(distances(rows, within)?
                .f_le_tensor(&reach.f_unsqueeze(0)?)?
                .f_any_dim(1, false)?)
        })?;
        Tensor::from(inside.f_to_kind(Kind::Double)?).mean()?.item()
    };
    Ok(PrecisionRecall {
        precision: share(&samples, &reference)?,
        recall: share(&reference, &samples)?,
    })
}

/// Something of each row, some rows at a time: distances of all pairs at once would not fit.
fn in_pieces(rows: &Tensor, each: impl Fn(&Tensor) -> Result<tch::Tensor>) -> Result<tch::Tensor> {
    let mut pieces = Vec::new();
    for piece in rows.split(1024, 0)? {
        crate::interrupt::poll()?;
        pieces.push(each(&piece)?);
    }
    Ok(tch::Tensor::f_cat(&pieces, 0)?)
}

/// Euclidean distances without the rounding of the usual shortcut, whose rows are not quite 0 from
/// themselves.
fn distances(a: &Tensor, b: &Tensor) -> Result<tch::Tensor> {
    Ok(tch::Tensor::f_cdist(a.raw(), b.raw(), 2.0, 2)?)
}
