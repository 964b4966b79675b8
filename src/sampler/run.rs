//! Runs that are looked at: the chain loop with a trace, thinning, burn-in and diagnostics.

use std::fmt;

use super::chain::{Walk, check_finite};
use super::sgld::short;
use super::{Chains, Sampler, diagnostics};
use crate::dry_run;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::Tensor;

const OWNER: &str = "sampler.run";

crate::options! {
    /// Options of a run.
    pub struct RunOptions for "sampler.run" {
        /// number of steps after the burn-in; the sampler's own number unless given
        steps: Option<i64> = None,
        /// steps from one that is kept in the trace to the next
        thin: i64 = 1,
        /// steps before the first one that counts
        burn_in: i64 = 0,
        /// whether to keep the trace, which ess and r_hat need
        trace: bool = true,
    }
    check |o| {
        let least = [("steps", o.steps.unwrap_or(0), 0), ("thin", o.thin, 1), ("burn_in", o.burn_in, 0)];
        match least.iter().find(|(_, value, least)| value < least) {
            Some((name, value, least)) => {
                Err(Error::argument(format!("{OWNER}: `{name}` must be at least {least}, got {value}")))
            }
            None => Ok(()),
        }
    }
}

/// What a run of chains left behind.
#[derive(Clone)]
pub struct ChainRun {
    /// Where the chains ended, `[B, …]`.
    pub x: Tensor,
    /// `E` there, `[B]`.
    pub energy: Tensor,
    /// The samples that were kept, `[T, B, …]`.
    pub trace: Option<Tensor>,
    /// `E` of the samples that were kept, `[T, B]`.
    pub energies: Option<Tensor>,
    /// The share of accepted proposals, for samplers that reject.
    pub acceptance: Option<f64>,
    /// The same for each chain, `[B]`.
    pub accepted: Option<Tensor>,
    /// Mean of step·‖∇E‖ / (noise·√d) over chains and steps, for samplers that tell their scales.
    pub gradient_to_noise: Option<f64>,
    /// Number of steps, burn-in not counted.
    pub steps: usize,
    /// The sampler with its settings.
    pub sampler: String,
}

impl Sampler {
    /// Runs chains from `x0` and keeps what diagnostics need.
    pub fn run(&self, energy: &Energy, x0: &Tensor, options: &RunOptions) -> Result<ChainRun> {
        options.check()?;
        let steps = options.steps.map_or(self.steps(), |n| n as usize);
        let (burn_in, thin) = (options.burn_in as usize, options.thin as usize);
        let kept = steps / thin;
        if options.trace && kept == 0 && steps > 0 {
            return Err(Error::argument(format!(
                "{OWNER}: `thin` {thin} keeps none of {steps} steps"
            )));
        }
        let real = (burn_in + steps) as i64;
        // As few as the diagnostics take.
        let few = dry_run::cut(real, diagnostics::LEAST_DRAWS);
        if few < real {
            let light = RunOptions {
                steps: Some(few),
                burn_in: 0,
                thin: 1,
                trace: options.trace,
            };
            return dry_run::repeated("sampling", few, real, || self.run(energy, x0, &light));
        }
        let mut trace = if options.trace {
            Some(room(kept, x0)?)
        } else {
            None
        };
        let mut energies: Vec<Tensor> = Vec::with_capacity(kept);
        let mut accepted: Option<Tensor> = None;
        let mut ratios: Option<Tensor> = None;
        let mut last = None;
        let ends = [burn_in + steps];
        let walk = Walk {
            burn_in,
            ..Walk::new(energy, &ends)
        };
        let state = self.walk(&walk, x0, |t, state, info| {
            last = state.energy().cloned().or(info.energy);
            if t < burn_in {
                return Ok(());
            }
            if let Some(a) = &info.accepted {
                accepted = Some(accepted.as_ref().map_or(Ok(a.clone()), |sum| sum.add(a))?);
            }
            if let (Some(score), Some((step, noise))) = (&info.score, info.scales) {
                let ratio = diagnostics::gradient_to_noise(score, step, noise)?;
                ratios = Some(
                    ratios
                        .as_ref()
                        .map_or(Ok(ratio.clone()), |sum| sum.add(&ratio))?,
                );
            }
            if let Some(trace) = &mut trace
                && (t + 1 - burn_in).is_multiple_of(thin)
            {
                let at = (t + 1 - burn_in) / thin - 1;
                trace
                    .raw()
                    .f_select(0, at as i64)?
                    .f_copy_(state.x().detach().raw())?;
                energies.push(kept_energy(energy, state)?);
            }
            Ok(())
        })?;
        let x = state.x().detach();
        let end = kept_energy(energy, &*state)?;
        check_finite(&self.name(), &x, Some(&end), burn_in + steps)?;
        let share = accepted
            .map(|sum| sum.div(steps.max(1) as f64))
            .transpose()?;
        Ok(ChainRun {
            x,
            energy: end,
            trace,
            energies: if options.trace && kept > 0 {
                Some(Tensor::stack(&energies, 0)?)
            } else {
                None
            },
            acceptance: share.as_ref().map(|s| s.mean()?.item()).transpose()?,
            accepted: share,
            gradient_to_noise: ratios
                .map(|sum| sum.div(steps.max(1) as f64)?.item())
                .transpose()?,
            steps,
            sampler: self.to_string(),
        })
    }
}

/// Memory for a trace.
fn room(kept: usize, x0: &Tensor) -> Result<Tensor> {
    let mut shape = vec![kept as i64];
    shape.extend(x0.shape());
    crate::tensor::check_shape("sampler.run: trace", &shape)
        .map_err(|e| e.with_hint("`thin` keeps fewer steps"))?;
    Ok(Tensor::from(tch::Tensor::f_empty(
        &shape,
        (x0.kind(), x0.device()),
    )?))
}

/// `E` at a state: what the algorithm keeps, or one evaluation.
fn kept_energy(energy: &Energy, state: &dyn Chains) -> Result<Tensor> {
    match state.energy() {
        Some(kept) => Ok(kept.detach()),
        None => {
            let _guard = crate::tensor::no_grad();
            Ok(energy.energy(&state.x().detach())?.detach())
        }
    }
}

/// Coordinates looked at when a run prints itself: a trace of images has thousands.
const SHOWN: i64 = 128;

impl ChainRun {
    fn kept(&self) -> Result<&Tensor> {
        self.trace.as_ref().ok_or_else(|| {
            Error::state(format!("{OWNER}: this run kept no trace"))
                .with_hint("run it with `trace: true`")
        })
    }

    /// Effective sample size of each coordinate over all chains together, in the shape of one
    /// sample (float64).
    pub fn ess(&self) -> Result<Tensor> {
        diagnostics::ess(self.kept()?)
    }

    /// Rank-normalised split R-hat of each coordinate, in the shape of one sample (float64); 1.00
    /// is converged.
    pub fn r_hat(&self) -> Result<Tensor> {
        diagnostics::r_hat(self.kept()?)
    }

    /// What a run says about itself: names with values.
    pub fn rows(&self) -> Result<Vec<(&'static str, String)>> {
        let mut rows = vec![("sampler", self.sampler.clone())];
        let shape = self.x.shape();
        let draws = self.trace.as_ref().map_or(0, Tensor::len);
        rows.push((
            "chains",
            format!(
                "{} × {:?}, {} steps, {draws} kept",
                shape[0],
                &shape[1..],
                self.steps
            ),
        ));
        let end = (
            self.energy.mean()?.item()?,
            self.energy.min()?.item()?,
            self.energy.max()?.item()?,
        );
        rows.push((
            "energy",
            format!(
                "mean {:.4}, min {:.4}, max {:.4} at the end",
                end.0, end.1, end.2
            ),
        ));
        if let (Some(mean), Some(each)) = (self.acceptance, &self.accepted) {
            let (low, high) = (each.min()?.item()?, each.max()?.item()?);
            rows.push((
                "acceptance",
                format!("{mean:.3}, by chain {low:.3} to {high:.3}"),
            ));
        }
        if let Some(ratio) = self.gradient_to_noise {
            rows.push(("gradient/noise", short(ratio)));
        }
        if let Some(trace) = &self.trace
            && trace.len() >= diagnostics::LEAST_DRAWS
        {
            let flat = trace.reshape(&[trace.len(), shape[0], -1])?;
            let d = flat.shape()[2];
            let shown = d.min(SHOWN);
            let index = Tensor::of_ints(&(0..shown).map(|i| i * d / shown).collect::<Vec<_>>())?;
            let some = flat.index_select(2, &index.to_device(flat.device())?)?;
            let note = if shown < d {
                format!(" ({shown} of {d} coordinates)")
            } else {
                String::new()
            };
            let (low, high) = extremes(&diagnostics::ess(&some)?)?;
            rows.push((
                "ess",
                format!(
                    "min {low:.0}, max {high:.0} of {} draws{note}",
                    draws * shape[0]
                ),
            ));
            let (low, high) = extremes(&diagnostics::r_hat(&some)?)?;
            rows.push(("r_hat", format!("min {low:.3}, max {high:.3}{note}")));
        }
        Ok(rows)
    }

    fn table(&self) -> Result<String> {
        let rows = self.rows()?;
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        Ok(rows
            .iter()
            .map(|(name, text)| format!("{name:width$}  {text}"))
            .collect::<Vec<_>>()
            .join("\n"))
    }
}

/// Smallest and largest, without the coordinates that never move (they have no number).
fn extremes(values: &Tensor) -> Result<(f64, f64)> {
    let all = values.to_vec()?;
    let numbers = || all.iter().copied().filter(|v| !v.is_nan());
    Ok((
        numbers().fold(f64::NAN, f64::min),
        numbers().fold(f64::NAN, f64::max),
    ))
}

impl fmt::Display for ChainRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().unwrap_or_else(|e| e.to_string()))
    }
}

impl fmt::Debug for ChainRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
