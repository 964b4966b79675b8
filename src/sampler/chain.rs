//! The one chain loop: whatever walks chains, walks them here. So the mode of networks, the
//! interrupt flag, dry runs and the look for what is not finite are the same everywhere.

use super::Sampler;
use super::kernel::{Chains, Erased, Info};
use crate::dry_run;
use crate::energy::{Energy, Ready};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::InMode;
use crate::tensor::Tensor;

/// The most steps that are handed over at once: what each is made of is written down before, and
/// between two such leaps an interrupt is heard.
const LEAP: usize = 1_000;

/// How chains are walked.
pub(super) struct Walk<'a> {
    pub energy: &'a Energy,
    /// The numbers of steps, ascending, after which the chains are looked at; the last is where
    /// they end.
    pub ends: &'a [usize],
    /// Steps at the start from which the algorithm learns.
    pub burn_in: usize,
    /// Whether samples keep their gradient history.
    pub graph: bool,
}

impl<'a> Walk<'a> {
    /// A plain walk: some steps, without history.
    pub(super) fn new(energy: &'a Energy, ends: &'a [usize]) -> Walk<'a> {
        Walk {
            energy,
            ends,
            burn_in: 0,
            graph: false,
        }
    }
}

/// Someone who looks at every step.
type Each<'a> = dyn FnMut(usize, &dyn Chains, &Info) -> Result<()> + 'a;

impl Sampler {
    /// Where chains from `x0` end after all steps; detached unless the sampler is differentiable.
    /// The hot path of training: no trace, and the device is waited for once, at the end, to see
    /// that all is finite.
    pub fn sample(&self, energy: &Energy, x0: &Tensor) -> Result<Tensor> {
        Ok(self.sample_with_info(energy, x0)?.0)
    }

    /// Where chains end, and what their last step told.
    pub fn sample_with_info(&self, energy: &Energy, x0: &Tensor) -> Result<(Tensor, Info)> {
        let steps = [self.steps()];
        let graph = self.kernel().differentiable();
        let mut last = Info::default();
        let walk = Walk {
            graph,
            ..Walk::new(energy, &steps)
        };
        let state = self.walk_between(&walk, x0, None, &mut |_, info, _| {
            last = info.clone();
            Ok(())
        })?;
        self.check_finite(&*state, &last, steps[0])?;
        Ok((
            if graph {
                state.x().clone()
            } else {
                state.x().detach()
            },
            last,
        ))
    }

    /// Where chains end, for those who only look: without history, whether or not the sampler is
    /// differentiable.
    pub fn sample_detached(&self, energy: &Energy, x0: &Tensor) -> Result<Tensor> {
        let mut found = self.snapshots(energy, x0, &[self.steps()])?;
        found
            .pop()
            .ok_or_else(|| Error::state("the chains were lost"))
    }

    /// Where chains from `x0` stand after each of some numbers of steps, ascending; detached.
    pub fn snapshots(&self, energy: &Energy, x0: &Tensor, ends: &[usize]) -> Result<Vec<Tensor>> {
        let mut found = Vec::with_capacity(ends.len());
        let mut look = |state: &dyn Chains, info: &Info, steps: usize| -> Result<()> {
            self.check_finite(state, info, steps)?;
            found.push(state.x().detach());
            Ok(())
        };
        self.walk_between(&Walk::new(energy, ends), x0, None, &mut look)?;
        Ok(found)
    }

    /// Walks to the end: `each` sees the state after every step, and what the step told.
    pub(super) fn walk(
        &self,
        walk: &Walk,
        x0: &Tensor,
        mut each: impl FnMut(usize, &dyn Chains, Info) -> Result<()>,
    ) -> Result<Box<dyn Chains>> {
        let mut each = |t: usize, state: &dyn Chains, info: &Info| each(t, state, info.clone());
        self.walk_between(walk, x0, Some(&mut each), &mut |_, _, _| Ok(()))
    }

    /// The loop itself. `each`, where there is one, sees every step, `reached` every end. Without
    /// it, an algorithm may take all steps to the next end in one.
    fn walk_between(
        &self,
        walk: &Walk,
        x0: &Tensor,
        mut each: Option<&mut Each>,
        reached: &mut dyn FnMut(&dyn Chains, &Info, usize) -> Result<()>,
    ) -> Result<Box<dyn Chains>> {
        if x0.ndim() < 1 || x0.is_empty() || !x0.is_float() {
            return Err(Error::shape(format!(
                "{}: chains start at a batch of real numbers [B, …], got {}",
                self.name(),
                x0.brief()
            )));
        }
        let kernel = self.kernel();
        let _mode = kernel
            .training()
            .map(|training| InMode::enter(&walk.energy.networks(), training));
        let start = if walk.graph { x0.clone() } else { x0.detach() };
        let energy = ready(&*kernel, walk, &start)?;
        let mut state = kernel.init(&energy, &start)?;
        let mut last = Info::default();
        let mut done = 0;
        for &end in walk.ends {
            let leaps = each.is_none() && walk.burn_in == 0 && end > done;
            if leaps && dry_run::on() {
                let (info, leapt) = tried(&*kernel, &energy, &mut *state, done..end)?;
                if leapt {
                    (last, done) = (info, end);
                }
            }
            while leaps && done < end && !dry_run::on() {
                crate::interrupt::poll()?;
                let next = end.min(done + LEAP);
                let Some(info) = kernel.leap(&energy, &mut *state, done..next)? else {
                    break;
                };
                (last, done) = (info, next);
            }
            if leaps && done == end {
                reached(&*state, &last, end)?;
                continue;
            }
            dry_run::turns(
                "sampling",
                end.saturating_sub(done) as i64,
                2,
                |i| -> Result<()> {
                    crate::interrupt::poll()?;
                    let t = done + i as usize;
                    last = kernel.step(&energy, &mut *state, t)?;
                    if t < walk.burn_in {
                        kernel.adapt(&mut *state, &last, t + 1 == walk.burn_in)?;
                    }
                    each.as_mut().map_or(Ok(()), |see| see(t, &*state, &last))
                },
            )?;
            done = done.max(end);
            reached(&*state, &last, end)?;
        }
        Ok(state)
    }

    /// An error where samples or their energies are not finite; `info` is what the last step told.
    pub(super) fn check_finite(&self, state: &dyn Chains, info: &Info, steps: usize) -> Result<()> {
        check_finite(
            &self.name(),
            state.x(),
            state.energy().or(info.energy.as_ref()),
            steps,
        )
    }
}

/// In a dry run: some of the leaps that the real run makes, and the time of them all; whether the algorithm leaps.
fn tried(
    kernel: &dyn Erased,
    energy: &Ready,
    state: &mut dyn Chains,
    steps: std::ops::Range<usize>,
) -> Result<(Info, bool)> {
    // A leap of one quick step is mostly its beginning and its end: then many are measured at once. Of a slow one,
    // those hardly count, and many would take minutes.
    const QUICK: std::time::Duration = std::time::Duration::from_millis(20);
    let started = std::time::Instant::now();
    let Some(mut last) = kernel.leap(energy, state, steps.start..steps.start + 1)? else {
        return Ok((Info::default(), false));
    };
    let tried = if started.elapsed() < QUICK { 20 } else { 1 };
    let rest = steps.start + 1..steps.end;
    dry_run::turns(
        "sampling",
        rest.len().div_ceil(tried) as i64,
        2,
        |i| -> Result<()> {
            let from = rest.start + i as usize * tried;
            if let Some(info) = kernel.leap(energy, state, from..rest.end.min(from + tried))? {
                last = info;
            }
            Ok(())
        },
    )?;
    Ok((last, true))
}

/// The energy, readied for what the algorithm asks of it.
fn ready(kernel: &dyn Erased, walk: &Walk, start: &Tensor) -> Result<Ready> {
    let ready = if walk.graph {
        Ready::differentiable(walk.energy)
    } else if kernel.wants_scores_only() {
        Ready::with(walk.energy, start, kernel.precision())?
    } else {
        Ready::plain(walk.energy)
    };
    crate::record::note_chain(|| ready.path());
    Ok(ready)
}

/// Samples and energies without infinities and without not-a-number. One look at the device: both
/// sums at once.
pub(super) fn check_finite(
    sampler: &str,
    x: &Tensor,
    energy: Option<&Tensor>,
    steps: usize,
) -> Result<()> {
    let mut probe = x.raw().f_detach()?.f_sum(None::<tch::Kind>)?;
    if let Some(e) = energy {
        probe = probe.f_add(&e.raw().f_detach()?.f_sum(None::<tch::Kind>)?)?;
    }
    if probe.f_double_value(&[])?.is_finite() {
        return Ok(());
    }
    // A sum of finite numbers may overflow: count what is really not finite.
    let wrong = |t: &Tensor| -> Result<i64> {
        let rows = t.detach().reshape(&[t.len(), -1])?.isfinite()?;
        Ok(rows
            .raw()
            .f_all_dim(1, false)?
            .f_logical_not()?
            .f_sum(tch::Kind::Int64)?
            .f_int64_value(&[])?)
    };
    let chains = x.len();
    let energies = energy.map(wrong).transpose()?.unwrap_or(0);
    let samples = wrong(x)?;
    let (what, count) = match (samples, energies) {
        (0, 0) => return Ok(()),
        (0, n) => ("energy", n),
        (n, _) => ("samples", n),
    };
    Err(Error::new(
        ErrorKind::NonFinite,
        format!(
            "{sampler}: the {what} became infinite or not a number in steps 1 to {steps}, in {count} of {chains} chains"
        ),
    )
    .with_hint("smaller steps, `clamp`, `clamp_grad`, or a smaller learning rate keep chains finite"))
}
