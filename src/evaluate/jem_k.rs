//! The JEM-k defence: an image is noised, refined by k steps of a sampler in several chains, and
//! classified by their mean logits.
//!
//! It is random and runs gradients through gradients, so it is attacked both ways: with the
//! identity in place of the sampler's derivative (BPDA, Athalye et al. 2018), and through the full
//! unrolled chain. Gradients are means over several draws (EOT).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ascent::Ascent;
use super::ball::{Ball, Norm, Objective, check_ball, pixel_range, slope_at};
use super::logits::{BATCH_ELEMENTS, batch_rows, over_rows, placed};
use super::shared::Deal;
use super::table::{Table, WIDTH, percent, size, wrapped};
use crate::data::Part;
use crate::dry_run::{self, Span};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::nn::InMode;
use crate::options::Options;
use crate::sampler::Sampler;
use crate::tensor::{Kind, Stream, Tensor, no_grad, seed};

const OWNER: &str = "evaluate::jem_k";

crate::choice! {
    /// How a gradient comes back through the sampler.
    pub enum Backward {
        /// The sampler's derivative is taken as 1 (BPDA).
        Identity = "identity",
        /// The true one, through all steps.
        Unrolled = "unrolled",
    }
}

crate::options! {
    /// Options of [`jem_k`].
    pub struct JemKOptions for "evaluate::jem_k" {
        /// how the size of the ball is measured
        norm: Norm = Norm::Linf,
        /// sizes of the ball, in units of the [0, 1] range
        eps: Vec<f64> = vec![0.05, 0.1, 0.2],
        /// standard deviation of the noise on the input of each chain
        noise: f64 = 0.03,
        /// chains whose logits are averaged
        chains: i64 = 5,
        /// draws of the whole defence that each gradient is averaged over
        draws: i64 = 15,
        /// fresh draws of the defence that judge an attacked image
        verify: i64 = 15,
        /// ways back through the sampler: "identity" (BPDA), "unrolled" (the true gradient) or both
        backward: Vec<Backward> = vec![Backward::Identity, Backward::Unrolled],
        /// steps of each ascent
        steps: i64 = 40,
        /// random starts
        starts: i64 = 1,
        /// length of a step as a share of eps; () for 1/4 (linf) or 2.5/steps (l2)
        step: Option<f64> = None,
        /// what is climbed: "cross_entropy" (as log-odds, which never saturate), "margin" or both,
        /// one after the other
        objectives: Vec<Objective> = vec![Objective::CrossEntropy, Objective::Margin],
        /// range of the pixels; () for that of the part's data set, else [-1, 1]
        range: Option<(f64, f64)> = None,
        /// seed of noise, chains and starts
        seed: i64 = 0,
        /// images at a time; () for a number that fits them with their chains
        batch_size: Option<i64> = None,
    }
    check |o| {
        super::check_batch(OWNER, o.batch_size)?;
        check_ball(OWNER, &o.eps, o.range)?;
        let counts = [o.chains, o.draws, o.verify, o.steps, o.starts];
        if o.objectives.is_empty() || o.backward.is_empty() || counts.iter().any(|n| *n < 1) {
            return Err(Error::argument(format!(
                "{OWNER}: needs an objective, a way back, and at least one of `chains`, `draws`, `verify`, `steps`, `starts`"
            )));
        }
        if !(o.noise.is_finite() && o.noise >= 0.0) || o.step.is_some_and(|s| !(s.is_finite() && s > 0.0)) {
            return Err(Error::argument(format!("{OWNER}: `noise` must be 0 or more and `step` above 0")));
        }
        Ok(())
    }
}

/// The defence's accuracy under attack.
#[derive(Clone, Serialize, Deserialize)]
pub struct JemK {
    /// `linf` or `l2`.
    pub norm: String,
    /// Sizes of the ball, ascending, in units of the [0, 1] range.
    pub eps: Vec<f64>,
    /// Accuracy of the defence without an attack: the mean over fresh draws.
    pub clean: f64,
    /// Accuracy without the defence and without an attack.
    pub undefended: f64,
    /// Accuracy at each size for each way back, by its name.
    pub ways: Vec<(String, Vec<f64>)>,
    /// Accuracy at each size against the worse way, chosen image by image.
    pub worst: Vec<f64>,
    /// What was done.
    pub protocol: String,
}

impl JemK {
    /// Accuracy against the worse way at one of the sizes, or without an attack at 0.
    pub fn at(&self, eps: f64) -> Result<f64> {
        if eps == 0.0 {
            return Ok(self.clean);
        }
        let known = || {
            self.eps
                .iter()
                .map(|e| format!("{e}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        self.eps
            .iter()
            .position(|e| *e == eps)
            .map(|i| self.worst[i])
            .ok_or_else(|| {
                Error::argument(format!("jem_k: not measured at {eps}"))
                    .with_hint(format!("measured at 0, {}", known()))
            })
    }

    /// All numbers with their paths: `clean`, `undefended`, `identity.0.1`, `unrolled.0.1`,
    /// `worst.0.1`.
    pub fn values(&self) -> Vec<(String, f64)> {
        let worst = ("worst".to_owned(), self.worst.clone());
        let curves = self.ways.iter().cloned().chain([worst]);
        let curve = |(name, values): (String, Vec<f64>)| {
            self.eps
                .iter()
                .zip(values)
                .map(|(e, v)| (format!("{name}.{e}"), v))
                .collect::<Vec<_>>()
        };
        let whole = [
            ("clean".to_owned(), self.clean),
            ("undefended".to_owned(), self.undefended),
        ];
        whole.into_iter().chain(curves.flat_map(curve)).collect()
    }

    /// Accuracy against one way back at each size.
    pub fn way(&self, name: &str) -> Result<&[f64]> {
        let known = self.ways.iter().map(|(n, _)| n.as_str());
        self.ways
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, values)| &values[..])
            .ok_or_else(|| Error::unknown(&format!("jem_k: no way back `{name}`"), name, known))
    }
}

/// Attacks the defence that refines images with a sampler.
pub fn jem_k(
    energy: &Energy,
    part: &Part,
    sampler: &Sampler,
    options: &JemKOptions,
) -> Result<JemK> {
    options.check()?;
    if options.backward.contains(&Backward::Unrolled) && !sampler.differentiable() {
        return Err(Error::argument(format!(
            "{OWNER}: the unrolled gradient needs a sampler that keeps its history, got {sampler}"
        ))
        .with_hint("sampler::sgld(#{ steps: 10, differentiable: true })"));
    }
    let light = JemKOptions {
        steps: dry_run::cut(options.steps, 1),
        draws: dry_run::cut(options.draws, 1),
        verify: dry_run::cut(options.verify, 1),
        starts: dry_run::cut(options.starts, 1),
        ..options.clone()
    };
    let size = |o: &JemKOptions| ((o.steps + 1) * o.draws * o.starts) as f64;
    let work = Span::exactly(size(options) / size(&light));
    let kind = format!("jem_k with {sampler}, {options:?}");
    let batch = Some(options.batch_size.unwrap_or(
        (BATCH_ELEMENTS / part.shape().iter().product::<i64>().max(1) / options.chains).max(1),
    ));
    let found = over_rows("attacks", &kind, energy, part, batch, |part| {
        dry_run::scaled("attacks", work, || attacked(energy, part, sampler, &light))
    })?;
    let protocol = format!(
        "JEM-k: noise {} on the input, {} chains of {sampler}, mean of their logits; PGD {} with {} steps, {} starts, objectives \
         {}, each gradient a mean over {} draws of the defence; for each image the point that these draws found worst, judged by \
         {} fresh draws; identity: the sampler's derivative is taken as 1 (BPDA), unrolled: the true one; ε in units of the \
         [0, 1] range; {} images of {}",
        options.noise,
        options.chains,
        options.norm.sign(),
        options.steps,
        options.starts,
        Objective::told(&options.objectives),
        options.draws,
        options.verify,
        part.len(),
        part.name,
    );
    Ok(JemK { protocol, ..found })
}

/// How well points stand: the share of draws that classify them rightly, and the mean margin.
type Standing = (tch::Tensor, tch::Tensor);

/// The worst points so far of one way back.
struct Worst {
    x: Tensor,
    standing: Standing,
}

impl Worst {
    fn new(x: &Tensor, (right, margin): &Standing) -> Worst {
        Worst {
            x: x.clone(),
            standing: (right.shallow_clone(), margin.shallow_clone()),
        }
    }

    /// Takes the rows of a candidate that fewer draws classify rightly; among equals, those with
    /// the smaller margin.
    fn take(&mut self, x: &Tensor, (right, margin): &Standing) -> Result<()> {
        let closer = right
            .f_eq_tensor(&self.standing.0)?
            .f_logical_and(&margin.f_lt_tensor(&self.standing.1)?)?;
        let lower = right.f_lt_tensor(&self.standing.0)?.f_logical_or(&closer)?;
        let mut shape = vec![1; x.ndim()];
        shape[0] = x.len();
        self.x = x
            .raw()
            .f_where_self(&lower.f_view(&shape[..])?, self.x.raw())?
            .into();
        self.standing.0 = right.f_where_self(&lower, &self.standing.0)?;
        self.standing.1 = margin.f_where_self(&lower, &self.standing.1)?;
        Ok(())
    }
}

fn attacked(energy: &Energy, part: &Part, sampler: &Sampler, o: &JemKOptions) -> Result<JemK> {
    let norm = o.norm;
    let shape: Vec<i64> = [o.chains, part.len()]
        .into_iter()
        .chain(part.shape())
        .collect();
    crate::tensor::check_shape(OWNER, &shape)?;
    let undefended =
        super::Accuracy::of(&super::Logits::of(OWNER, energy, part, o.batch_size)?)?.accuracy;
    let _mode = InMode::enter(&energy.networks(), false);
    let x = placed(&part.x()?, &energy.parameters())?;
    let y = part.y.to_device(x.device())?;
    let defence = Defence {
        energy,
        sampler,
        noise: o.noise,
        chains: o.chains,
    };
    let rows = o
        .batch_size
        .unwrap_or((batch_rows(&x, None) / o.chains).max(1));
    let mut eps = o.eps.clone();
    eps.sort_by(f64::total_cmp);
    let range = pixel_range(part, o.range);
    let unit = range.1 - range.0;
    let ball = Ball { norm, range };
    let share = o.step.unwrap_or(match norm {
        Norm::Linf => 0.25,
        Norm::L2 => 2.5 / o.steps as f64,
    });
    let mut clean = 0.0;
    let mut ways: Vec<Vec<f64>> = vec![vec![0.0; eps.len()]; o.backward.len()];
    let mut worst = vec![0.0; eps.len()];
    let n = part.len() as f64;
    let deal = Deal::of(OWNER, &x)?;
    let chunks = x.split(rows, 0)?.into_iter().zip(y.split(rows, 0)?);
    let attack = || -> Result<()> {
        for (chunk, (x, y)) in chunks.enumerate().filter(|(i, _)| deal.has(*i)) {
            let x = &x;
            let stream = |purpose: u64| {
                seed(
                    o.seed as u64,
                    Stream::Evaluate,
                    7_000_000_000 + chunk as u64 * 1_000_000 + purpose,
                )
            };
            stream(0);
            let sum = |t: &tch::Tensor| -> Result<f64> {
                Ok(t.f_sum(Kind::Double)?.f_double_value(&[])?)
            };
            clean += sum(&defence.right(x, &y, o.verify)?.0)?;
            // Candidates are compared under the same noise, so that none is chosen for its luck.
            let standing = |x: &Tensor| -> Result<Standing> {
                stream(999_999);
                defence.right(x, &y, o.draws)
            };
            let plain = standing(x)?;
            let mut found: Vec<Worst> = o.backward.iter().map(|_| Worst::new(x, &plain)).collect();
            for (level, size) in eps.iter().enumerate() {
                let ascent = Ascent {
                    ball,
                    eps: size * unit,
                    steps: o.steps,
                    step: share * size * unit,
                };
                for (way, back) in o.backward.iter().enumerate() {
                    for (i, objective) in o.objectives.iter().enumerate() {
                        for start in 0..o.starts {
                            stream(1 + ((level * 2 + way) * 2 + i) as u64 * 1000 + start as u64);
                            let noise = ascent.ball.start(x)?;
                            let point = ascent.highest(x, &noise, &mut |at| {
                                defence.slope(
                                    at,
                                    &y,
                                    *objective,
                                    *back == Backward::Unrolled,
                                    o.draws,
                                )
                            })?;
                            // Worst points of smaller balls stay candidates.
                            found[way].take(&point, &standing(&point)?)?;
                        }
                    }
                    stream(500_000 + (level * 2 + way) as u64);
                    ways[way][level] += sum(&defence.right(&found[way].x, &y, o.verify)?.0)?;
                }
                let mut both = Worst::new(&found[0].x, &found[0].standing);
                found[1..]
                    .iter()
                    .try_for_each(|w| both.take(&w.x, &w.standing))?;
                stream(900_000 + level as u64);
                worst[level] += sum(&defence.right(&both.x, &y, o.verify)?.0)?;
            }
        }
        Ok(())
    };
    deal.agreed(attack())?;
    // Whoever had other batches drew other numbers; from here on all draw the same again.
    seed(o.seed as u64, Stream::Evaluate, 6_999_999_999);
    clean = deal.sum(vec![clean])?[0];
    for way in ways.iter_mut().chain([&mut worst]) {
        *way = deal.sum(std::mem::take(way))?;
    }
    let share = |values: Vec<f64>| values.into_iter().map(|v| v / n).collect::<Vec<f64>>();
    Ok(JemK {
        norm: o.norm.word().to_owned(),
        eps,
        clean: clean / n,
        undefended,
        ways: o
            .backward
            .iter()
            .map(|back| back.word().to_owned())
            .zip(ways.into_iter().map(share))
            .collect(),
        worst: share(worst),
        protocol: String::new(),
    })
}

struct Defence<'a> {
    energy: &'a Energy,
    sampler: &'a Sampler,
    noise: f64,
    chains: i64,
}

impl Defence<'_> {
    /// Mean logits of all chains, `[B, C]`, in one draw. The gradient goes back through the
    /// sampler, or past it.
    fn logits(&self, x: &Tensor, unrolled: bool) -> Result<tch::Tensor> {
        let noised = x.repeat_interleave(self.chains, 0)?;
        let noised = if self.noise > 0.0 {
            noised.add(&noised.detach().randn_like()?.mul(self.noise)?)?
        } else {
            noised
        };
        let refined = if unrolled {
            self.sampler.sample(self.energy, &noised)?
        } else {
            let end = self.sampler.sample_detached(self.energy, &noised)?;
            noised.add(&end.sub(noised.detach())?)?
        };
        let logits = self.energy.logits(&refined)?;
        Ok(logits
            .raw()
            .f_view([x.len(), self.chains, -1])?
            .f_mean_dim(&[1i64][..], false, None::<Kind>)?)
    }

    /// For each row the share of draws that classify it rightly, and the mean margin.
    fn right(&self, x: &Tensor, y: &Tensor, draws: i64) -> Result<Standing> {
        let _guard = no_grad();
        let mut right = tch::Tensor::f_zeros([x.len()], (Kind::Double, x.device()))?;
        let mut margin = right.f_zeros_like()?;
        for _ in 0..draws {
            crate::interrupt::poll()?;
            let logits = self.logits(x, false)?;
            right = right.f_add(
                &logits
                    .f_argmax(1, false)?
                    .f_eq_tensor(y.raw())?
                    .f_to_kind(Kind::Double)?,
            )?;
            margin = margin.f_sub(
                &Objective::Margin
                    .rows(&logits, y.raw())?
                    .f_to_kind(Kind::Double)?,
            )?;
        }
        Ok((
            right.f_div_scalar(draws as f64)?,
            margin.f_div_scalar(draws as f64)?,
        ))
    }

    /// The objective and its gradient, means over draws.
    fn slope(
        &self,
        x: &Tensor,
        y: &Tensor,
        objective: Objective,
        unrolled: bool,
        draws: i64,
    ) -> Result<(tch::Tensor, tch::Tensor)> {
        let mut values = tch::Tensor::f_zeros([x.len()], (x.kind(), x.device()))?;
        let mut gradient = x.raw().f_zeros_like()?;
        for _ in 0..draws {
            crate::interrupt::poll()?;
            tch::with_grad(|| -> Result<()> {
                let leaf = x.leaf()?;
                let found = objective.rows(&self.logits(&leaf, unrolled)?, y.raw())?;
                gradient = gradient.f_add(&slope_at(&found, leaf.raw())?)?;
                values = values.f_add(&found.f_detach()?)?;
                Ok(())
            })?;
        }
        Ok((
            values.f_div_scalar(draws as f64)?,
            gradient.f_div_scalar(draws as f64)?,
        ))
    }
}

impl fmt::Display for JemK {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(
            ["ε".to_owned()]
                .into_iter()
                .chain(self.ways.iter().map(|w| w.0.clone()))
                .chain(["worse".to_owned()]),
        );
        let clean = percent(self.clean);
        table.row(
            ["0".to_owned()]
                .into_iter()
                .chain(self.ways.iter().map(|_| clean.clone()))
                .chain([clean.clone()]),
        );
        for (i, eps) in self.eps.iter().enumerate() {
            let cells = self
                .ways
                .iter()
                .map(|w| percent(w.1[i]))
                .chain([percent(self.worst[i])]);
            table.row([size(*eps)].into_iter().chain(cells));
        }
        let about = format!(
            "without the defence and without an attack {}; {}",
            percent(self.undefended),
            self.protocol
        );
        write!(f, "{}\n{}", table.shown(f), wrapped(&about, WIDTH, ""))
    }
}

impl fmt::Debug for JemK {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::EnergyFunction;
    use crate::sampler::SgldOptions;
    use crate::tensor::Device;

    /// Curved logits, so that a step of the sampler has a derivative other than 1.
    struct Curved;

    impl EnergyFunction for Curved {
        fn energy(&self, x: &Tensor) -> Result<Tensor> {
            self.logits(x)?.logsumexp(1)?.neg()
        }
        fn logits(&self, x: &Tensor) -> Result<Tensor> {
            let (a, b) = (x.select(1, 0)?, x.select(1, 1)?);
            Tensor::stack(
                &[
                    a.mul(&b)?.sin()?,
                    a.sub(1.0)?.square()?.neg()?,
                    b.tanh()?.sub(&a)?,
                ],
                1,
            )
        }
        fn has_classes(&self) -> bool {
            true
        }
        fn describe(&self) -> String {
            "curved".to_owned()
        }
    }

    #[test]
    fn both_ways_back_have_the_gradients_that_they_claim() -> Result<()> {
        let energy = Energy::of(Curved);
        let options = SgldOptions {
            steps: 3,
            step_size: Some(0.2),
            noise: Some(0.0),
            differentiable: true,
            ..SgldOptions::default()
        };
        let sampler = Sampler::sgld(&options)?;
        let defence = Defence {
            energy: &energy,
            sampler: &sampler,
            noise: 0.0,
            chains: 2,
        };
        let x = Tensor::from_f64(&[0.3, -0.7, 1.1, 0.4], &[2, 2], Kind::Double, Device::Cpu)?;
        let y = Tensor::of_ints(&[0, 2])?;
        let h = 1e-5;
        // The slope of a row's value by central differences.
        let numeric = |f: &dyn Fn(&Tensor) -> Result<Vec<f64>>, x: &Tensor| -> Result<Vec<f64>> {
            let at = x.to_vec()?;
            let moved = |i: usize, by: f64| -> Result<Vec<f64>> {
                let mut v = at.clone();
                v[i] += by;
                f(&Tensor::from_f64(&v, &[2, 2], Kind::Double, Device::Cpu)?)
            };
            (0..4)
                .map(|i| Ok((moved(i, h)?[i / 2] - moved(i, -h)?[i / 2]) / (2.0 * h)))
                .collect()
        };
        for objective in [Objective::CrossEntropy, Objective::Margin] {
            let value =
                |logits: &tch::Tensor| Tensor::from(objective.rows(logits, y.raw())?).to_vec();
            let refine = |x: &Tensor| sampler.sample_detached(&energy, x);
            let through = numeric(&|x| value(energy.logits(&refine(x)?)?.raw()), &x)?;
            let past = numeric(&|x| value(energy.logits(x)?.raw()), &refine(&x)?)?;
            let near = |found: &tch::Tensor, expected: &[f64]| -> Result<bool> {
                let found = Tensor::from(found.shallow_clone()).to_vec()?;
                Ok(found
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() < 1e-7))
            };
            assert!(near(
                &defence.slope(&x, &y, objective, true, 2)?.1,
                &through
            )?);
            assert!(near(&defence.slope(&x, &y, objective, false, 2)?.1, &past)?);
            assert!(
                !near(&defence.slope(&x, &y, objective, false, 2)?.1, &through)?,
                "the two ways are the same"
            );
        }
        Ok(())
    }
}
