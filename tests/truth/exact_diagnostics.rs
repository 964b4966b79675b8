//! Effective sample size and R-hat: against the closed form of autoregressive chains, against a
//! second computation with scipy's ranks and plain sums, and where they must sound the alarm.

use crate::common;

use jemscript::sampler::diagnostics::{ess, gradient_to_noise, r_hat};
use jemscript::tensor::{Device, Kind, Stream, seed};
use jemscript::{Result, Tensor};

use common::{Tensors, distance, python_tensors};

/// `x_t = φ x_{t−1} + √(1 − φ²) ε` from its stationary law: a trace `[T, B, 1]` of variance 1.
fn autoregressive(phi: f64, length: i64, chains: i64) -> Result<Tensor> {
    let mut x = Tensor::randn(&[chains, 1])?.to_kind(Kind::Double)?;
    let mut all = Vec::with_capacity(length as usize);
    for _ in 0..length {
        x = x
            .mul(phi)?
            .add(x.randn_like()?.mul((1.0 - phi * phi).sqrt())?)?;
        all.push(x.clone());
    }
    Tensor::stack(&all, 0)
}

#[test]
fn ess_of_autoregressive_chains_has_its_closed_form() -> Result<()> {
    for (i, phi) in [0.0, 0.5, 0.9].into_iter().enumerate() {
        seed(1, Stream::Evaluate, i as u64);
        let (length, chains) = (4_000, 16);
        let found = ess(&autoregressive(phi, length, chains)?)?.item()?;
        let wanted = (length * chains) as f64 * (1.0 - phi) / (1.0 + phi);
        assert!(
            (found / wanted - 1.0).abs() < 0.1,
            "φ = {phi}: {found} for {wanted}"
        );
    }
    // Swinging chains are worth more than independent ones.
    seed(1, Stream::Evaluate, 9);
    let found = ess(&autoregressive(-0.5, 4_000, 16)?)?.item()?;
    assert!(found > 2.0 * 64_000.0, "{found}");
    Ok(())
}

#[test]
fn r_hat_is_one_for_good_chains_and_sees_bad_ones() -> Result<()> {
    seed(2, Stream::Evaluate, 0);
    let good = autoregressive(0.3, 1_000, 8)?;
    let value = |t: &Tensor| r_hat(t)?.item();
    assert!((value(&good)? - 1.0).abs() < 0.01);
    let per_chain = |f: &dyn Fn(usize) -> f64| {
        Tensor::from_f64(
            &(0..8).map(f).collect::<Vec<_>>(),
            &[8, 1],
            Kind::Double,
            good.device(),
        )
    };
    // Half of the chains elsewhere: √(1 + variance of the chain means / variance within), before
    // ranks.
    let shifted = good.add(per_chain(&|i| if i < 4 { 0.0 } else { 1.0 })?)?;
    assert!(value(&shifted)? > 1.1, "{}", value(&shifted)?);
    // The same place, another spread: only the folded part sees it.
    let spread = good.mul(per_chain(&|i| if i < 4 { 1.0 } else { 3.0 })?)?;
    assert!(value(&spread)? > 1.1, "{}", value(&spread)?);
    // Every chain drifts alike: only the halves see it.
    let drift = Tensor::linspace(-1.0, 1.0, 1_000)?
        .to_kind(Kind::Double)?
        .reshape(&[1_000, 1, 1])?;
    assert!(value(&good.add(drift)?)? > 1.1);
    // Infinite variance does no harm to ranks.
    let heavy = good.div(good.randn_like()?)?;
    assert!((value(&heavy)? - 1.0).abs() < 0.01);
    Ok(())
}

#[test]
fn both_match_a_second_computation() -> Result<()> {
    seed(3, Stream::Evaluate, 0);
    let smooth = autoregressive(0.7, 61, 5)?;
    let trace = Tensor::cat(
        &[
            smooth.clone(),
            smooth.mul(2.0)?.round()?,                 // ties
            autoregressive(-0.4, 61, 5)?,              // swings
            smooth.div(smooth.randn_like()?)?,         // heavy tails
            smooth.add(smooth.cumsum(0)?.mul(0.05)?)?, // wanders
            autoregressive(0.999, 61, 5)?, // does not mix: its pairs stay positive to the end
            smooth.mul(0.0)?.add(2.0)?,    // never moves
        ],
        2,
    )?;
    let code = r#"
import numpy as np
from scipy.stats import norm, rankdata
def scores(x):
    return norm.ppf((rankdata(x, method="average") - 0.375) / (x.size + 0.25)).reshape(x.shape)
def split(x):
    n = len(x) // 2
    return np.concatenate([x[:n], x[-n:]], axis=1)
def rhat(z):
    n = len(z)
    w, b = z.var(axis=0, ddof=1).mean(), n * z.mean(axis=0).var(ddof=1)
    return np.sqrt(((n - 1) / n * w + b / n) / w)
def ess(z):
    n, m = z.shape
    c = z - z.mean(axis=0)
    acov = np.array([(c[: n - t] * c[t:]).sum(axis=0).mean() / n for t in range(n)])
    w = acov[0] * n / (n - 1)
    total = w * (n - 1) / n + z.mean(axis=0).var(ddof=1)
    rho = 1 - (w - acov) / total
    rho[0] = 1
    # ArviZ's sum (compared with version 0.19 on 400 traces): pairs of lags (0, 1), (2, 3), … while the last one is positive and
    # three lags are left; of the last pair the first half counts, once.
    last = 0
    while last + 1 < n - 3 and rho[last] + rho[last + 1] > 0:
        last += 2
    sums = np.minimum.accumulate([rho[t] + rho[t + 1] for t in range(0, last, 2)] or [0.0])
    rest = rho[last] if rho[last] > 0 or rho[last] + rho[last + 1] >= 0 else 0.0
    tau = -1 + 2 * sums.sum() + rest
    return n * m / max(tau, 1 / np.log10(n * m))
trace = given["trace"].numpy()
r, e = [], []
for i in range(trace.shape[2]):
    x = split(trace[:, :, i])
    if x.max() == x.min():
        continue
    r.append(max(rhat(scores(x)), rhat(scores(abs(x - np.median(x))))))
    e.append(ess(scores(x)))
made["r_hat"], made["ess"] = torch.tensor(r), torch.tensor(e)
"#;
    let theirs = python_tensors(code, &Tensors::from([("trace".to_owned(), trace.clone())]))?;
    for (name, ours) in [("r_hat", r_hat(&trace)?), ("ess", ess(&trace)?)] {
        assert_eq!(ours.shape(), [7]);
        assert!(
            ours.to_vec()?[6].is_nan(),
            "{name}: a coordinate that never moves has no number"
        );
        let apart = distance(&ours.narrow(0, 0, 6)?, &theirs[name])?;
        assert!(
            apart < 1e-9,
            "{name}: {apart:.1e} apart: {ours} and {}",
            theirs[name]
        );
    }
    Ok(())
}

#[test]
fn traces_that_are_too_short_are_refused() {
    assert!(ess(&Tensor::zeros(&[7, 4, 2]).unwrap()).is_err());
    assert!(r_hat(&Tensor::zeros(&[100]).unwrap()).is_err());
}

/// step·‖∇E‖ / (noise·√d): a gradient of (3, 4, 0, 0) has length 5, noise in 4 dimensions has
/// length 2·noise. The mean is over rows.
#[test]
fn the_ratio_of_gradient_and_noise_has_its_closed_form() -> Result<()> {
    let score = Tensor::from_f64(
        &[3.0, 4.0, 0.0, 0.0].repeat(3),
        &[3, 2, 2],
        Kind::Double,
        Device::Cpu,
    )?;
    let ratio = gradient_to_noise(&score, 0.2, 0.1)?.item()?;
    assert!((ratio - 0.2 * 5.0 / (0.1 * 2.0)).abs() < 1e-12, "{ratio}");
    Ok(())
}
