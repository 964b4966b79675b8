//! Claim 4, robustness: accuracy under the worst perturbation of a given size that projected
//! gradient ascent finds.
//!
//! `x ← Π(x + step · direction(∇_x objective))`, direction the sign (L∞) or the unit-norm gradient
//! (L2), Π onto the ball of radius ε round the image and onto the range of the pixels.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ball::{Ball, Norm, Objective, check_ball, pixel_range};
use super::fates::Fates;
use super::logits::{batch_rows, over_rows, prepare};
use super::table::{Table, WIDTH, percent, size, wrapped};
use super::wilson;
use crate::data::Part;
use crate::dry_run::{self, Span};
use crate::energy::{Energy, Ready};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Kind, Stream, Tensor, seed};

/// Rows already broken leave the batch every so many steps.
const THIN_EVERY: i64 = 10;

crate::options! {
    /// How projected gradient ascent goes about it: what [`pgd`],
    /// [`adversarial`](super::adversarial) and [`transfer`](super::transfer()) share.
    pub struct AscentOptions for "evaluate::pgd" {
        /// how the size of the ball is measured
        norm: Norm = Norm::Linf,
        /// steps of each ascent
        steps: i64 = 40,
        /// random starts
        starts: i64 = 5,
        /// length of a step as a share of eps; () for 1/4 (linf) or 2.5/steps (l2)
        step: Option<f64> = None,
        /// what is climbed: "cross_entropy" (as log-odds, which never saturate), "margin" or both,
        /// one after the other
        objectives: Vec<Objective> = vec![Objective::CrossEntropy, Objective::Margin],
        /// range of the pixels; () for that of the part's data set, else [-1, 1]
        range: Option<(f64, f64)> = None,
        /// seed of the random starts
        seed: i64 = 0,
        /// rows at a time; () for a number that fits the images
        batch_size: Option<i64> = None,
    }
    check |o, owner| {
        super::check_batch(owner, o.batch_size)?;
        let bad = |what: String| Err(Error::argument(format!("{owner}: {what}")));
        check_ball(owner, &[], o.range)?;
        if o.objectives.is_empty() {
            return bad("needs an objective: \"cross_entropy\", \"margin\"".to_owned());
        }
        if o.steps < 1 || o.starts < 1 {
            return bad(format!("needs at least one step and one start, got {} and {}", o.steps, o.starts));
        }
        if o.step.is_some_and(|s| !(s.is_finite() && s > 0.0)) {
            return bad("step must be greater than 0".to_owned());
        }
        Ok(())
    }
}

crate::options! {
    /// Options of [`pgd`].
    pub struct AttackOptions for "evaluate::pgd" {
        include ascent: AscentOptions = AscentOptions::default(),
        /// sizes of the ball, in units of the [0, 1] range (doubled inside for pixels in [-1, 1])
        eps: Vec<f64> = vec![0.02, 0.05, 0.1, 0.15, 0.2, 0.3],
    }
    check |o, owner| { check_ball(owner, &o.eps, o.ascent.range) }
}

impl AscentOptions {
    /// The length of a step as a share of eps.
    pub(crate) fn share(&self, norm: Norm) -> f64 {
        self.step.unwrap_or(match norm {
            Norm::Linf => 0.25,
            Norm::L2 => 2.5 / self.steps as f64,
        })
    }
}

crate::options! {
    /// Options of [`fgsm`].
    pub struct FgsmOptions for "evaluate::fgsm" {
        /// range of the pixels; () for that of the part's data set, else [-1, 1]
        range: Option<(f64, f64)> = None,
    }
    check |o| { check_ball("evaluate::fgsm", &[], o.range) }
}

/// Accuracy under attack, for balls of growing size.
#[derive(Clone, Serialize, Deserialize)]
pub struct Robustness {
    /// `linf` or `l2`.
    pub norm: String,
    /// Sizes of the ball, ascending, in units of the [0, 1] range.
    pub eps: Vec<f64>,
    /// Share of rows right and not broken, at each size.
    pub accuracy: Vec<f64>,
    /// The share of rows right without an attack.
    pub clean: f64,
    /// For each row the smallest size that broke it: 0 for clean mistakes, none where all attacks
    /// failed.
    pub broken_at: Vec<Option<f64>>,
    /// What was done.
    pub protocol: String,
}

impl Robustness {
    /// The curve over these sizes, in their order.
    pub(super) fn of(
        fates: Fates,
        norm: Norm,
        eps: Vec<f64>,
        protocol: String,
    ) -> Result<Robustness> {
        let broken_at = fates.all()?;
        let n = broken_at.len().max(1) as f64;
        let standing = |size: f64| {
            let rows = broken_at.iter();
            rows.filter(|b| b.is_none_or(|at| at > size)).count() as f64 / n
        };
        Ok(Robustness {
            norm: norm.word().to_owned(),
            accuracy: eps.iter().map(|size| standing(*size)).collect(),
            clean: standing(0.0),
            eps,
            broken_at,
            protocol,
        })
    }

    /// Accuracy at one of the sizes, or without an attack at 0.
    pub fn at(&self, eps: f64) -> Result<f64> {
        let known = || {
            self.eps
                .iter()
                .map(|e| format!("{e}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self.eps.iter().position(|e| *e == eps) {
            _ if eps == 0.0 => Ok(self.clean),
            Some(i) => Ok(self.accuracy[i]),
            None => Err(
                Error::argument(format!("robustness: not measured at {eps}"))
                    .with_hint(format!("measured at 0, {}", known())),
            ),
        }
    }

    /// The worst of two attacks, row by row: both on the same rows, at the same sizes.
    pub fn worst_of(&self, other: &Robustness) -> Result<Robustness> {
        let rows = (self.broken_at.len(), other.broken_at.len());
        if self.eps != other.eps || rows.0 != rows.1 || self.clean != other.clean {
            let text = "robustness: the two attacks are not on the same rows at the same sizes";
            return Err(Error::argument(text).with_hint(format!(
                "{} rows at ε {:?}, {} rows at {:?}",
                rows.0, self.eps, rows.1, other.eps
            )));
        }
        let smaller = |pair: (&Option<f64>, &Option<f64>)| match pair {
            (Some(a), Some(b)) => Some(a.min(*b)),
            (a, b) => a.or(*b),
        };
        let both = self.broken_at.iter().zip(&other.broken_at);
        let broken_at: Vec<Option<f64>> = both.map(smaller).collect();
        let robust = |eps: &f64| {
            let left = broken_at.iter().filter(|b| b.is_none_or(|e| e > *eps));
            left.count() as f64 / rows.0.max(1) as f64
        };
        Ok(Robustness {
            norm: match self.norm == other.norm {
                true => self.norm.clone(),
                false => format!("{} and {}", self.norm, other.norm),
            },
            eps: self.eps.clone(),
            accuracy: self.eps.iter().map(robust).collect(),
            clean: self.clean,
            broken_at,
            protocol: format!("the worst of {}; and of {}", self.protocol, other.protocol),
        })
    }

    /// Which rows are right and not broken at a size.
    pub fn robust(&self, eps: f64) -> Vec<bool> {
        self.broken_at
            .iter()
            .map(|b| b.is_none_or(|e| e > eps))
            .collect()
    }
}

/// Attacks every row of a part that is still right: projected gradient ascent from random starts,
/// worst case over all.
///
/// A row broken at one size counts as broken at all larger ones, so the curve never rises; a row is
/// broken as soon as any point of an ascent is classified wrongly.
pub fn pgd(energy: &Energy, part: &Part, options: &AttackOptions) -> Result<Robustness> {
    options.check()?;
    let whole = &options.ascent;
    let (steps, starts) = (dry_run::cut(whole.steps, 2), dry_run::cut(whole.starts, 1));
    // One more evaluation than steps.
    let work = ((whole.steps + 1) * whole.starts) as f64 / ((steps + 1) * starts) as f64;
    let share = Fates::seldom_all(work);
    let light = AscentOptions {
        steps,
        starts,
        ..whole.clone()
    };
    let kind = format!("pgd {options:?}");
    over_rows("attacks", &kind, energy, part, whole.batch_size, |part| {
        ascents(energy, part, &options.eps, &light, share)
    })
}

fn ascents(
    energy: &Energy,
    part: &Part,
    eps: &[f64],
    options: &AscentOptions,
    share: Span,
) -> Result<Robustness> {
    const OWNER: &str = "evaluate::pgd";
    let norm = options.norm;
    let mut eps = eps.to_vec();
    eps.sort_by(f64::total_cmp);
    let (x, _mode) = prepare(OWNER, energy, &part.x()?)?;
    let y = part.y.to_device(x.device())?;
    super::Logits::of(OWNER, energy, part, options.batch_size)?;
    let range = pixel_range(part, options.range);
    let unit = range.1 - range.0;
    let attack = Attack {
        ready: Ready::new(energy, &x)?,
        ball: Ball { norm, range },
    };
    let rows_at_once = batch_rows(&x, options.batch_size);
    let strike = |fates: &mut Fates,
                  eps: f64,
                  round: Option<(Objective, &Tensor, i64, f64)>|
     -> Result<()> {
        let mut left = Vec::with_capacity(fates.alive().len());
        for rows in fates.alive().chunks(rows_at_once as usize) {
            let index = Tensor::from(tch::Tensor::f_from_slice(rows)?).to_device(x.device())?;
            let (xs, ys) = (x.index_select(0, &index)?, y.index_select(0, &index)?);
            let survivors = match round {
                None => attack.survivors(&xs, &ys)?,
                Some((objective, noise, steps, step)) => {
                    let noise = noise.index_select(0, &index)?;
                    tch::with_grad(|| {
                        attack.ascend(
                            &xs,
                            &ys,
                            &noise,
                            eps * unit,
                            steps,
                            step * eps * unit,
                            objective,
                        )
                    })?
                }
            };
            left.extend(survivors.iter().map(|i| rows[*i as usize]));
        }
        fates.keep(left, eps);
        Ok(())
    };
    let step = options.share(norm);
    let fates = Fates::after(OWNER, &x, |fates| {
        strike(fates, 0.0, None)?;
        for (level, size) in eps.iter().enumerate() {
            for (o, objective) in options.objectives.iter().enumerate() {
                for start in 0..options.starts {
                    if fates.alive().is_empty() || *size == 0.0 {
                        continue;
                    }
                    // One draw for all rows of the part, whatever lives still and however it is cut
                    // into batches.
                    let round = (level as u64 * 64 + o as u64) * 4096 + start as u64;
                    seed(options.seed as u64, Stream::Evaluate, 1_000_000 + round);
                    let noise = attack.ball.start(&x)?;
                    let round = (*objective, &noise, options.steps, step);
                    dry_run::scaled("attacks", share, || strike(fates, *size, Some(round)))?;
                }
            }
        }
        Ok(())
    })?;
    let step_text = match (norm, options.step) {
        (_, Some(s)) => format!("step {s} ε"),
        (Norm::Linf, None) => "step ε/4".to_owned(),
        (Norm::L2, None) => format!("step 2.5 ε/{}, unit-norm gradient", options.steps),
    };
    let protocol = format!(
        "PGD {}, {step_text}, {} steps, {} random starts, objectives {}, worst case over all points per image; \
         clean mistakes count as not robust; ε in units of the [0, 1] range, images clipped to the pixel range; {} images of {}",
        norm.sign(),
        options.steps,
        options.starts,
        Objective::told(&options.objectives),
        part.len(),
        part.name,
    );
    Robustness::of(fates, options.norm, eps, protocol)
}

struct Attack {
    ready: Ready,
    ball: Ball,
}

impl Attack {
    /// The rows that are classified rightly.
    fn survivors(&self, x: &Tensor, y: &Tensor) -> Result<Vec<i64>> {
        let _guard = crate::tensor::no_grad();
        let right = self.ready.energy().logits(x)?.argmax(1)?.eq(y)?;
        Tensor::from(right.raw().f_nonzero()?.f_view([-1])?).to_ints()
    }

    /// One ascent; gives the rows (places within `x0`) that stay right at all of its points.
    #[allow(clippy::too_many_arguments)]
    fn ascend(
        &self,
        x0: &Tensor,
        y: &Tensor,
        noise: &Tensor,
        eps: f64,
        steps: i64,
        step: f64,
        objective: Objective,
    ) -> Result<Vec<i64>> {
        let mut place = tch::Tensor::f_arange(x0.len(), (Kind::Int64, x0.device()))?;
        let (mut x0, mut y) = (x0.raw().shallow_clone(), y.raw().shallow_clone());
        let mut x = self
            .ball
            .project(&x0, &noise.raw().f_mul_scalar(eps)?, eps)?;
        let mut safe = y.f_ones_like()?.f_to_kind(Kind::Bool)?;
        for t in 0..=steps {
            if t > 0 && t % THIN_EVERY == 0 {
                crate::interrupt::poll()?;
                let kept = safe.f_nonzero()?.f_view([-1])?;
                if kept.size() != place.size() {
                    [&mut place, &mut x0, &mut y, &mut x, &mut safe]
                        .into_iter()
                        .try_for_each(|v| v.f_index_select(0, &kept).map(|t| *v = t))?;
                }
                if kept.numel() == 0 {
                    break;
                }
            }
            let slope = objective.slope(&self.ready, &Tensor::from(x.f_detach()?), &y)?;
            let right = slope.logits.raw().f_argmax(1, false)?.f_eq_tensor(&y)?;
            safe = safe.f_logical_and(&right)?;
            if t == steps {
                break;
            }
            x = self
                .ball
                .stepped(&x0, &x, slope.gradient.raw(), step, eps)?;
        }
        let kept = safe.f_nonzero()?.f_view([-1])?;
        Tensor::from(place.f_index_select(0, &kept)?).to_ints()
    }
}

/// Accuracy after one step of the sign of the cross-entropy's gradient (FGSM): quick, and much
/// weaker than [`pgd`].
pub fn fgsm(energy: &Energy, part: &Part, eps: f64, range: Option<(f64, f64)>) -> Result<f64> {
    check_ball("evaluate::fgsm", &[eps], range)?;
    let range = pixel_range(part, range);
    let (x, _mode) = prepare("evaluate::fgsm", energy, &part.x()?)?;
    let y = part.y.to_device(x.device())?;
    super::Logits::of("evaluate::fgsm", energy, part, None)?;
    let attack = Attack {
        ready: Ready::new(energy, &x)?,
        ball: Ball {
            norm: Norm::Linf,
            range,
        },
    };
    let size = eps * (range.1 - range.0);
    let rows = batch_rows(&x, None);
    let mut right = 0;
    for (xs, ys) in x.split(rows, 0)?.iter().zip(y.split(rows, 0)?) {
        let start = Tensor::from(xs.raw().f_zeros_like()?);
        right += tch::with_grad(|| {
            attack.ascend(xs, &ys, &start, size, 1, size, Objective::CrossEntropy)
        })?
        .len();
    }
    Ok(right as f64 / part.len() as f64)
}

impl fmt::Display for Robustness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["ε", "robust accuracy", "95 % interval"]);
        let n = self.broken_at.len();
        let mut row = |eps: f64, accuracy: f64| {
            let (low, high) = wilson((accuracy * n as f64).round() as usize, n);
            table.row([
                size(eps),
                percent(accuracy),
                format!("{:.1} – {:.1}", 100.0 * low, 100.0 * high),
            ]);
        };
        row(0.0, self.clean);
        self.eps
            .iter()
            .zip(&self.accuracy)
            .for_each(|(e, a)| row(*e, *a));
        write!(
            f,
            "{}\n{}",
            table.shown(f),
            wrapped(&self.protocol, WIDTH, "")
        )
    }
}

impl fmt::Debug for Robustness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
