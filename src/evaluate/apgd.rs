//! Auto-PGD (Croce & Hein 2020, algorithm 1), the attack that AutoAttack is made of.
//!
//! Gradient ascent with momentum whose steps start at 2 ε and are halved where the objective stops
//! rising, from where on the search goes on at the best point so far. It has no step size to be
//! chosen well, so it is the attack to report where a model might be good at one setting of
//! [`super::pgd`] alone.
//!
//! Objectives: the cross-entropy (by its log-odds, whose gradient has the same direction and does
//! not vanish), the difference of logits ratio `−(z_y − max_{k≠y} z_k) / (z_(1) − z_(3))`, and the
//! same towards one other class after the other, `−(z_y − z_t) / (z_(1) − ½ (z_(3) + z_(4)))`, for
//! `z_(i)` the i-th largest logit. Neither ratio changes when all logits are scaled or shifted.

use super::attack::Robustness;
use super::ball::{Ball, Norm, Objective, at, check_ball, others, pixel_range, unit_rows};
use super::fates::Fates;
use super::logits::{batch_rows, over_rows, prepare};
use crate::data::Part;
use crate::dry_run::{self, Span};
use crate::energy::{Energy, Ready};
use crate::error::{Error, Result};
use crate::options::{OptionValue, Options};
use crate::tensor::{Kind, Stream, Tensor, seed};

const OWNER: &str = "evaluate::apgd";
/// The share of steps that must have risen between two checks.
const RISING: f64 = 0.75;
/// How much of a step is new; the rest is momentum.
const FRESH: f64 = 0.75;
/// The first step, in ε.
const FIRST: f64 = 2.0;
/// Against a division by 0, as in the authors' code.
const TINY: f64 = 1e-12;

crate::choice! {
    /// What Auto-PGD climbs.
    pub enum ApgdObjective {
        /// The cross-entropy.
        CrossEntropy = "cross_entropy",
        /// The difference of logits ratio: that of the class against the best other one.
        Dlr = "dlr",
        /// The same towards each of the most likely other classes.
        TargetedDlr = "targeted_dlr",
    }
}

crate::options! {
    /// Options of [`apgd`].
    pub struct ApgdOptions for "evaluate::apgd" {
        /// how the size of the ball is measured
        norm: Norm = Norm::Linf,
        /// sizes of the ball, in units of the [0, 1] range (doubled inside for pixels in [-1, 1])
        eps: Vec<f64> = vec![0.02, 0.05, 0.1, 0.15, 0.2, 0.3],
        /// steps of each ascent
        steps: i64 = 100,
        /// random starts of each objective
        starts: i64 = 1,
        /// what is climbed, one after the other: "cross_entropy", "dlr", "targeted_dlr"
        objectives: Vec<ApgdObjective> = vec![ApgdObjective::CrossEntropy, ApgdObjective::TargetedDlr],
        /// classes that "targeted_dlr" climbs towards, the most likely ones first; those that there
        /// are, where there are fewer
        targets: i64 = 9,
        /// range of the pixels; () for that of the part's data set, else [-1, 1]
        range: Option<(f64, f64)> = None,
        /// seed of the random starts
        seed: i64 = 0,
        /// rows at a time; () for a number that fits the images
        batch_size: Option<i64> = None,
    }
    check |o| {
        super::check_batch(OWNER, o.batch_size)?;
        check_ball(OWNER, &o.eps, o.range)?;
        if o.steps < 1 || o.starts < 1 || o.targets < 1 {
            let text = format!("{OWNER}: needs at least one step, start and target, got {}, {} and {}", o.steps, o.starts, o.targets);
            return Err(Error::argument(text));
        }
        if o.objectives.is_empty() {
            return Err(Error::argument(format!("{OWNER}: needs an objective: {}", ApgdObjective::TYPE)));
        }
        Ok(())
    }
}

/// What is climbed.
#[derive(Clone, Copy, PartialEq)]
enum Climb {
    CrossEntropy,
    Ratio,
    /// Towards the class that has this place among the others, 0 the most likely one.
    Towards(i64),
}

impl ApgdObjective {
    /// The fewest classes for which it is defined.
    fn classes(self) -> i64 {
        match self {
            ApgdObjective::CrossEntropy => 2,
            ApgdObjective::Dlr => 3,
            ApgdObjective::TargetedDlr => 4,
        }
    }
}

/// Accuracy under Auto-PGD for balls of growing size: a row is broken as soon as any point of any
/// ascent is classified wrongly, and stays so at larger sizes.
pub fn apgd(energy: &Energy, part: &Part, options: &ApgdOptions) -> Result<Robustness> {
    options.check()?;
    let steps = dry_run::cut(options.steps, 2);
    let work = options.steps as f64 / steps as f64;
    let share = Fates::seldom_all(work);
    let kind = format!("apgd {options:?}");
    over_rows("attacks", &kind, energy, part, options.batch_size, |part| {
        rounds(energy, part, options, steps, share)
    })
}

/// One ascent after the other, each on the rows that are still right.
fn rounds(
    energy: &Energy,
    part: &Part,
    options: &ApgdOptions,
    steps: i64,
    share: Span,
) -> Result<Robustness> {
    let mut eps = options.eps.clone();
    eps.sort_by(f64::total_cmp);
    let (x, _mode) = prepare(OWNER, energy, &part.x()?)?;
    let y = part.y.to_device(x.device())?;
    let logits = super::Logits::of(OWNER, energy, part, options.batch_size)?;
    let classes = logits.classes();
    let climbs = climbs(options, classes as i64)?;
    let range = pixel_range(part, options.range);
    let search = Search {
        ready: Ready::new(energy, &x)?,
        ball: Ball {
            norm: options.norm,
            range,
        },
        steps,
    };
    let rows = batch_rows(&x, options.batch_size) as usize;
    let fates = Fates::after(OWNER, &x, |fates| {
        let right = |row: &i64| logits.predicted(*row as usize) == logits.label(*row as usize);
        fates.keep(fates.alive().iter().copied().filter(right).collect(), 0.0);
        for (level, size) in eps.iter().enumerate() {
            let radius = size * (range.1 - range.0);
            for (o, climb) in climbs.iter().enumerate() {
                for start in 0..options.starts {
                    if fates.alive().is_empty() || *size == 0.0 {
                        continue;
                    }
                    // One draw for all rows of the part, whatever lives still.
                    let round = (level as u64 * 4096 + o as u64) * 4096 + start as u64;
                    seed(options.seed as u64, Stream::Evaluate, 5_000_000_000 + round);
                    let noise = search.start(&x)?;
                    let mut left = Vec::with_capacity(fates.alive().len());
                    dry_run::scaled("attacks", share, || -> Result<()> {
                        for some in fates.alive().chunks(rows) {
                            let index = Tensor::from(tch::Tensor::f_from_slice(some)?)
                                .to_device(x.device())?;
                            let [x, y, noise] = [&x, &y, &noise].map(|t| t.index_select(0, &index));
                            let safe = search.ascend(&x?, &y?, &noise?, radius, *climb)?;
                            let fates = some.iter().zip(safe);
                            left.extend(fates.filter(|(_, safe)| *safe).map(|(row, _)| *row));
                        }
                        Ok(())
                    })?;
                    fates.keep(left, *size);
                }
            }
        }
        Ok(())
    })?;
    Robustness::of(fates, options.norm, eps, protocol(options, part))
}

fn protocol(options: &ApgdOptions, part: &Part) -> String {
    let objectives = options.objectives.iter().map(|o| match o {
        ApgdObjective::CrossEntropy => "cross-entropy".to_owned(),
        ApgdObjective::Dlr => "DLR".to_owned(),
        ApgdObjective::TargetedDlr => format!("DLR towards {} classes", options.targets),
    });
    format!(
        "APGD {} (Croce & Hein 2020), {} steps, {} random starts, objectives {}, worst case over all points per image; clean \
         mistakes count as not robust; ε in units of the [0, 1] range, images clipped to the pixel range; {} images of {}",
        options.norm.sign(),
        options.steps,
        options.starts,
        objectives.collect::<Vec<_>>().join(" and "),
        part.len(),
        part.name,
    )
}

/// The objectives, the targeted one for each place.
fn climbs(options: &ApgdOptions, classes: i64) -> Result<Vec<Climb>> {
    let mut all = Vec::new();
    for objective in &options.objectives {
        if classes < objective.classes() {
            let text = format!(
                "{OWNER}: the objective \"{objective}\" needs {} classes, there are {classes}",
                objective.classes()
            );
            return Err(Error::argument(text).with_hint("objectives: [\"cross_entropy\"]"));
        }
        match objective {
            ApgdObjective::CrossEntropy => all.push(Climb::CrossEntropy),
            ApgdObjective::Dlr => all.push(Climb::Ratio),
            ApgdObjective::TargetedDlr => {
                all.extend((0..options.targets.min(classes - 1)).map(Climb::Towards))
            }
        }
    }
    Ok(all)
}

struct Search {
    ready: Ready,
    ball: Ball,
    steps: i64,
}

/// What an objective says at a point.
struct Seen {
    /// Of each row, `[N]`.
    value: tch::Tensor,
    gradient: tch::Tensor,
    /// Whether rows are classified rightly.
    right: tch::Tensor,
}

impl Search {
    /// Starts on the surface of the unit ball: rows whose largest entry, or length, is 1.
    fn start(&self, x: &Tensor) -> Result<Tensor> {
        match self.ball.norm {
            Norm::L2 => Ok(unit_rows(x.randn_like()?.raw())?.into()),
            Norm::Linf => {
                let t = x.rand_like()?.mul(2.0)?.sub(1.0)?;
                let dims: Vec<i64> = (1..t.ndim() as i64).collect();
                let largest = t.raw().f_abs()?.f_amax(&dims[..], true)?;
                Ok(t.raw().f_div(&largest.f_clamp_min(TINY)?)?.into())
            }
        }
    }

    /// One ascent; says of each row whether it stayed right at all points.
    fn ascend(
        &self,
        x0: &Tensor,
        y: &Tensor,
        noise: &Tensor,
        eps: f64,
        climb: Climb,
    ) -> Result<Vec<bool>> {
        let (x0, y) = (x0.raw(), y.raw());
        let target = match climb {
            Climb::Towards(place) => Some(self.target(x0, y, place)?),
            _ => None,
        };
        let look = |x: &tch::Tensor| {
            crate::interrupt::poll()?;
            tch::with_grad(|| self.look(x, y, climb, target.as_ref()))
        };
        let mut x = self
            .ball
            .project(x0, &noise.raw().f_mul_scalar(eps)?, eps)?;
        let mut before = x.shallow_clone();
        let mut here = look(&x)?;
        let mut safe = here.right.shallow_clone();
        let mut best = Best {
            x: x.shallow_clone(),
            value: here.value.shallow_clone(),
            gradient: here.gradient.shallow_clone(),
        };
        let mut pace = Pace::new(&here.value, FIRST * eps, self.steps)?;
        for t in 0..self.steps {
            let step = self.stepped(x0, &x, &here.gradient, &pace.step, eps)?;
            let next = match t {
                0 => step,
                _ => {
                    let momentum = x.f_sub(&before)?.f_mul_scalar(1.0 - FRESH)?;
                    let moved = step.f_sub(&x)?.f_mul_scalar(FRESH)?.f_add(&momentum)?;
                    self.ball.project(x0, &x.f_add(&moved)?.f_sub(x0)?, eps)?
                }
            };
            before = std::mem::replace(&mut x, next);
            here = look(&x)?;
            safe = safe.f_logical_and(&here.right)?;
            best.offer(&x, &here)?;
            if let Some(halved) = pace.after(&here.value, &best.value)? {
                // The search goes on where it was best.
                x = best.x.f_where_self(&rows_of(&halved, &x)?, &x)?;
                here.gradient = best
                    .gradient
                    .f_where_self(&rows_of(&halved, &x)?, &here.gradient)?;
            }
        }
        let safe = Tensor::from(safe.f_to_kind(Kind::Int64)?).to_ints()?;
        Ok(safe.into_iter().map(|s| s == 1).collect())
    }

    /// A step of each row's own size along the gradient's direction, back inside the ball.
    fn stepped(
        &self,
        x0: &tch::Tensor,
        x: &tch::Tensor,
        gradient: &tch::Tensor,
        step: &tch::Tensor,
        eps: f64,
    ) -> Result<tch::Tensor> {
        let direction = match self.ball.norm {
            Norm::Linf => gradient.f_sign()?,
            Norm::L2 => unit_rows(gradient)?,
        };
        let moved = direction.f_mul(&rows_of(step, x)?)?;
        self.ball.project(x0, &x.f_add(&moved)?.f_sub(x0)?, eps)
    }

    /// The class that is at this place among the others for the clean row.
    fn target(&self, x0: &tch::Tensor, y: &tch::Tensor, place: i64) -> Result<tch::Tensor> {
        let _guard = crate::tensor::no_grad();
        let logits = self
            .ready
            .energy()
            .logits(&Tensor::from(x0.shallow_clone()))?;
        Ok(others(logits.raw(), y)?
            .f_argsort(1, true)?
            .f_narrow(1, place, 1)?
            .f_squeeze_dim(1)?)
    }

    fn look(
        &self,
        x: &tch::Tensor,
        y: &tch::Tensor,
        climb: Climb,
        target: Option<&tch::Tensor>,
    ) -> Result<Seen> {
        let (logits, value, gradient) = match (climb, target) {
            (Climb::CrossEntropy, _) => {
                let at = Tensor::from(x.f_detach()?);
                let slope = Objective::CrossEntropy.slope(&self.ready, &at, y)?;
                let [logits, value, gradient] =
                    [slope.logits, slope.value, slope.gradient].map(|t| t.raw().shallow_clone());
                (logits, value, gradient)
            }
            (_, target) => {
                let leaf = x.f_detach()?.f_requires_grad_(true)?;
                let logits = self
                    .ready
                    .energy()
                    .logits(&Tensor::from(leaf.shallow_clone()))?;
                let value = ratio(logits.raw(), y, target)?;
                let gradient = super::ball::slope_at(&value, &leaf)?;
                (logits.raw().f_detach()?, value.f_detach()?, gradient)
            }
        };
        Ok(Seen {
            right: logits.f_argmax(1, false)?.f_eq_tensor(y)?,
            value,
            gradient,
        })
    }
}

/// The difference of logits ratio of each row, towards a target where there is one.
fn ratio(
    logits: &tch::Tensor,
    y: &tch::Tensor,
    target: Option<&tch::Tensor>,
) -> Result<tch::Tensor> {
    let (sorted, _) = logits.f_sort(1, true)?;
    let place = |i: i64| -> Result<tch::Tensor> { Ok(sorted.f_select(1, i)?) };
    let (other, scale) = match target {
        Some(target) => {
            let rest = place(2)?.f_add(&place(3)?)?.f_mul_scalar(0.5)?;
            (at(logits, target)?, place(0)?.f_sub(&rest)?)
        }
        None => {
            let scale = place(0)?.f_sub(&place(2)?)?;
            (others(logits, y)?.f_amax([1], false)?, scale)
        }
    };
    Ok(other
        .f_sub(&at(logits, y)?)?
        .f_div(&scale.f_add_scalar(TINY)?)?)
}

/// The highest point of each row.
struct Best {
    x: tch::Tensor,
    value: tch::Tensor,
    gradient: tch::Tensor,
}

impl Best {
    fn offer(&mut self, x: &tch::Tensor, seen: &Seen) -> Result<()> {
        let better = seen.value.f_gt_tensor(&self.value)?;
        let rows = rows_of(&better, x)?;
        self.value = seen.value.f_where_self(&better, &self.value)?;
        self.x = x.f_where_self(&rows, &self.x)?;
        self.gradient = seen.gradient.f_where_self(&rows, &self.gradient)?;
        Ok(())
    }
}

/// How long steps are, and when they are halved (section 3.2 of the paper): at checks that come
/// closer and closer, where less than three quarters of the steps since the last one rose, or where
/// neither the step was halved there nor a better point was found since.
struct Pace {
    step: tch::Tensor,
    /// Steps from one check to the next, how much shorter each is, and the shortest.
    period: i64,
    shorter: i64,
    least: i64,
    since: i64,
    rose: tch::Tensor,
    last: tch::Tensor,
    best_then: tch::Tensor,
    halved_then: tch::Tensor,
}

impl Pace {
    fn new(value: &tch::Tensor, step: f64, steps: i64) -> Result<Pace> {
        let of = |share: f64| ((share * steps as f64) as i64).max(1);
        Ok(Pace {
            step: value.f_full_like(step)?,
            period: of(0.22),
            shorter: of(0.03),
            least: of(0.06),
            since: 0,
            rose: value.f_zeros_like()?,
            last: value.shallow_clone(),
            best_then: value.shallow_clone(),
            halved_then: value.f_ones_like()?.f_to_kind(Kind::Bool)?,
        })
    }

    /// After a step; gives which rows go on from their best point, where this was a check.
    fn after(&mut self, value: &tch::Tensor, best: &tch::Tensor) -> Result<Option<tch::Tensor>> {
        let higher = value.f_gt_tensor(&self.last)?;
        self.rose = self.rose.f_add(&higher.f_to_kind(value.kind())?)?;
        self.last = value.shallow_clone();
        self.since += 1;
        if self.since < self.period {
            return Ok(None);
        }
        let seldom = self.rose.f_le(RISING * self.period as f64)?;
        let stuck = best
            .f_le_tensor(&self.best_then)?
            .f_logical_and(&self.halved_then.f_logical_not()?)?;
        let halved = seldom.f_logical_or(&stuck)?;
        let half = self.step.f_mul_scalar(0.5)?;
        self.step = half.f_where_self(&halved, &self.step)?;
        self.best_then = best.shallow_clone();
        self.halved_then = halved.shallow_clone();
        self.rose = self.rose.f_zeros_like()?;
        self.since = 0;
        self.period = (self.period - self.shorter).max(self.least);
        Ok(Some(halved))
    }
}

/// One number a row, in a shape that spreads over x.
fn rows_of(values: &tch::Tensor, x: &tch::Tensor) -> Result<tch::Tensor> {
    let mut shape = vec![1; x.dim()];
    shape[0] = x.size()[0];
    Ok(values.f_view(&shape[..])?)
}
