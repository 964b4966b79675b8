//! How far a trace of chains can be trusted: effective sample size and R-hat, coordinate by
//! coordinate.
//!
//! After Vehtari, Gelman, Simpson, Carpenter and Bürkner, *Rank-normalization, folding, and
//! localization: An improved R-hat for assessing convergence of MCMC*, Bayesian Analysis 16(2),
//! 2021. Chains are cut in halves and values replaced by the normal scores of their ranks, so that
//! heavy tails do no harm. A coordinate that never moves has no number.
//!
//! For chains with a fixed target; the replay buffer of a training has a moving one.

use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

/// Draws per chain below which the halves are too short to say anything.
pub const LEAST_DRAWS: i64 = 8;

/// Bulk effective sample size of each coordinate of a trace `[T, B, …]`, over all chains together;
/// float64, in the shape of one sample. Autocorrelations `ρ_t` are summed by Geyer's initial
/// monotone sequence: `ESS = B T / (1 + 2 Σ_t ρ_t)`.
pub fn ess(trace: &Tensor) -> Result<Tensor> {
    each_coordinate("ess", trace, |halves| ess_of(&normal_scores(halves)?))
}

/// Rank-normalised split R-hat of each coordinate of a trace `[T, B, …]`, the larger of that of the
/// values (location) and of their distances from the median (scale); float64, in the shape of one
/// sample.
pub fn r_hat(trace: &Tensor) -> Result<Tensor> {
    each_coordinate("r_hat", trace, |halves| {
        let folded = halves.sub(median(halves)?)?.abs()?;
        Ok(r_hat_of(&normal_scores(halves)?)?.max(r_hat_of(&normal_scores(&folded)?)?))
    })
}

/// Mean over a batch of step·‖∇E‖₂ / (noise·√d), on the device: above 1 the gradient rules, below 1
/// the noise.
pub fn gradient_to_noise(score: &Tensor, step: f64, noise: f64) -> Result<Tensor> {
    let d = (score.numel() as f64 / score.len() as f64).sqrt();
    mean_norm(score)?.mul(step / (noise * d))
}

/// Mean over a batch `[B, …]` of the rows' Euclidean norms.
pub(super) fn mean_norm(score: &Tensor) -> Result<Tensor> {
    score
        .detach()
        .reshape(&[score.len(), -1])?
        .norm_dims(&[1], false)?
        .mean()
}

/// Which share of all values lies at the ends of a range or beyond.
pub(super) fn share_outside(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    let x = x.raw().f_detach()?;
    let outside = x.f_le(low)?.f_logical_or(&x.f_ge(high)?)?;
    Tensor::from(outside).to_kind(x.kind())?.mean()
}

/// Applies a statistic of halved chains `[T/2, 2B]` (float64, CPU) to each coordinate.
fn each_coordinate(
    name: &str,
    trace: &Tensor,
    f: impl Fn(&Tensor) -> Result<f64>,
) -> Result<Tensor> {
    let shape = trace.shape();
    if shape.len() < 2 || shape[0] < LEAST_DRAWS || shape[1] < 1 {
        return Err(Error::shape(format!(
            "{name}: needs a trace [T, B, …] with T ≥ {LEAST_DRAWS}, got {shape:?}"
        )));
    }
    let half = shape[0] / 2;
    let flat = trace
        .detach()
        .to_device(Device::Cpu)?
        .to_kind(Kind::Double)?
        .reshape(&[shape[0], shape[1], -1])?;
    // With an odd number of draws the middle one is left out.
    let (first, second) = (
        flat.narrow(0, 0, half)?,
        flat.narrow(0, shape[0] - half, half)?,
    );
    let halves = Tensor::cat(&[first, second], 1)?
        .permute(&[2, 0, 1])?
        .contiguous()?;
    let mut found = Vec::with_capacity(halves.len() as usize);
    for i in 0..halves.len() {
        crate::interrupt::poll()?;
        let one = halves.get(i)?;
        let constant = one.max()?.item()? == one.min()?.item()?;
        found.push(if constant { f64::NAN } else { f(&one)? });
    }
    Tensor::from_f64(&found, &shape[2..], Kind::Double, Device::Cpu)
}

/// The median of more elements than libtorch's own quantile takes.
fn median(x: &Tensor) -> Result<Tensor> {
    let sorted = x.reshape(&[-1])?.sort(0, false)?;
    let n = sorted.len();
    sorted.get((n - 1) / 2)?.add(sorted.get(n / 2)?)?.mul(0.5)
}

/// Values replaced by the normal scores of their ranks among all: `Φ⁻¹((rank − 3/8) / (n + 1/4))`,
/// ties sharing their rank.
fn normal_scores(x: &Tensor) -> Result<Tensor> {
    let flat = x.reshape(&[-1])?;
    let sorted = flat.sort(0, false)?;
    let place = |right: bool| -> Result<Tensor> {
        let side = if right { "right" } else { "left" };
        let found =
            flat.raw()
                .f_searchsorted(sorted.raw(), false, right, side, None::<tch::Tensor>)?;
        Tensor::from(found).to_kind(Kind::Double)
    };
    // `left` counts the smaller ones, `right` also the equal ones: the mean rank of the equal ones
    // is between.
    let rank = place(false)?.add(place(true)?)?.add(1.0)?.mul(0.5)?;
    let share = rank.sub(0.375)?.div(flat.len() as f64 + 0.25)?;
    Tensor::from(share.raw().f_special_ndtri()?).reshape(&x.shape())
}

/// `√(((N − 1)/N W + B/N) / W)` of chains `[N, M]`, with W the mean variance within chains and B/N
/// that of their means.
fn r_hat_of(z: &Tensor) -> Result<f64> {
    let n = z.len() as f64;
    let within = z.var_dims(&[0], false)?.mean()?.item()?;
    let between = z.mean_dims(&[0], false)?.var()?.item()?;
    Ok((((n - 1.0) / n * within + between) / within).sqrt())
}

fn ess_of(z: &Tensor) -> Result<f64> {
    let (n, m) = (z.len(), z.shape()[1]);
    let (length, chains) = (n as f64, m as f64);
    // Autocovariances of all chains at once, by the Fourier transform of twice the length (Wiener
    // and Khinchin).
    let centred = z.sub(z.mean_dims(&[0], true)?)?;
    let spectrum = centred
        .raw()
        .f_fft_rfft(2 * n, 0, "backward")?
        .f_abs()?
        .f_square()?;
    let covariance = Tensor::from(spectrum.f_fft_irfft(2 * n, 0, "backward")?)
        .narrow(0, 0, n)?
        .div(length)?;
    let covariance = covariance.mean_dims(&[1], false)?.to_vec()?;
    let within = covariance[0] * length / (length - 1.0);
    let total = covariance[0] + z.mean_dims(&[0], false)?.var()?.item()?;
    let rho = |t: usize| {
        if t == 0 {
            1.0
        } else {
            1.0 - (within - covariance[t]) / total
        }
    };

    // Sums of neighbours ρ_{2k} + ρ_{2k+1} are positive and falling in theory: the first that is
    // not is noise. The last lags rest on too few pairs of draws, so the sum ends three before the
    // end, as in ArviZ, which is what others compare with.
    let mut pairs = vec![(rho(0), rho(1))];
    while let Some((even, odd)) = pairs.last().copied()
        && even + odd > 0.0
        && 2 * pairs.len() < n as usize - 2
    {
        pairs.push((rho(2 * pairs.len()), rho(2 * pairs.len() + 1)));
    }
    // Of the last pair one half counts, once: that steadies the end of the sum.
    let (even, odd) = pairs.pop().unwrap_or((1.0, 0.0));
    let rest = if even > 0.0 || even + odd >= 0.0 {
        even
    } else {
        0.0
    };
    let mut bound = f64::INFINITY;
    let falling = pairs.iter().map(|(even, odd)| {
        bound = bound.min(even + odd);
        bound
    });
    let tau = -1.0 + 2.0 * falling.sum::<f64>() + rest;
    let draws = length * chains;
    // Chains that swing can be better than independent ones, yet not by more than this.
    Ok(draws / tau.max(1.0 / draws.log10()))
}
