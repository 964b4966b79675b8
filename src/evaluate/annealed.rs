//! The annealed path of `log_z`: a sampler whose step `k` adds `(β_k − β_{k−1}) (E₀(x) − E(x))` to
//! each chain's log weight, then moves the chains by one Hamiltonian transition that leaves
//! `exp(−E_β)`, `E_β = (1 − β) E₀ + β E`, as it is.

use std::cell::RefCell;
use std::rc::Rc;

use super::logits::placed;
use super::shared::by_range;
use crate::energy::{Energy, Ready};
use crate::error::{Error, Result};
use crate::sampler::{Chains, Info, Kernel, Sampler, Walls, kinetic, leapfrog};
use crate::tensor::{Kind, Tensor, default_device};

pub(super) const OWNER: &str = "evaluate::log_z";
/// Each temperature has a length of step of its own: more than this is a slip.
const MOST_STEPS: i64 = 1_000_000;
/// Acceptance that the pilot run aims at: near the best for Hamiltonian Monte Carlo.
const WANTED: f64 = 0.8;

crate::choice! {
    /// The density from which annealing starts.
    pub enum Base {
        /// Normal.
        Gaussian = "gaussian",
        /// Uniform on a box.
        Uniform = "uniform",
    }
}

crate::options! {
    /// Options of [`log_z`].
    pub struct LogZOptions for "evaluate::log_z" {
        /// shape of one x, as [2]
        shape: Vec<i64> = Vec::new(),
        /// temperatures between the base and the model
        steps: i64 = 500,
        /// chains
        chains: i64 = 512,
        /// gradient steps of one transition
        leapfrog: i64 = 5,
        /// where chains start: "gaussian", or "uniform" on `range`, which then is all of space: Z
        /// is that of the box
        base: Base = Base::Gaussian,
        /// mean of the Gaussian base
        mean: f64 = 0.0,
        /// standard deviation of the Gaussian base: wider than the model
        std: f64 = 2.0,
        /// the box of the uniform base
        range: (f64, f64) = (-1.0, 1.0),
        /// seed of all chains
        seed: i64 = 0,
    }
    check |o| {
        let bad = |what: String| Err(Error::argument(format!("{OWNER}: {what}")));
        if o.shape.is_empty() || o.shape.iter().any(|n| *n < 1) {
            return bad(format!("`shape` must be the shape of one x, got {:?}", o.shape))
                .map_err(|e: Error| e.with_hint("#{ shape: [2] } for points of the plane"));
        }
        if !(1..=MOST_STEPS).contains(&o.steps) || o.chains < 2 || o.leapfrog < 1 {
            return bad(format!(
                "needs 1 or more `steps` (a million at most), 2 or more `chains`, 1 or more `leapfrog`, got {}, {} and {}",
                o.steps, o.chains, o.leapfrog
            ));
        }
        if !(o.std > 0.0 && o.std.is_finite() && o.mean.is_finite()) {
            return bad(format!("`std` must be above 0 and `mean` finite, got {} and {}", o.std, o.mean));
        }
        if !(o.range.0.is_finite() && o.range.1.is_finite() && o.range.0 < o.range.1) {
            return bad(format!("`range` must be [low, high], got [{}, {}]", o.range.0, o.range.1));
        }
        Ok(())
    }
}

/// The path from the base's density to the model's, in some number of temperatures.
pub(super) struct Path<'a> {
    energy: &'a Energy,
    options: &'a LogZOptions,
    steps: i64,
}

/// Where a walk along the path ended.
pub(super) struct Ended {
    /// The chains.
    pub x: Tensor,
    /// Their log weights, that of the base included.
    pub log_weights: Vec<f64>,
    /// Mean share of accepted transitions.
    pub acceptance: f64,
    /// The leapfrog step's size at each temperature.
    pub sizes: Vec<f64>,
}

impl Ended {
    /// All of it as one tensor, a row a chain: its log weight, the share of accepted transitions,
    /// and where it ended. In float64, which holds float32 as it is.
    fn packed(&self) -> Result<Tensor> {
        let n = self.log_weights.len() as i64;
        let (kind, device) = (Kind::Double, self.x.device());
        let log_weights = Tensor::from_f64(&self.log_weights, &[n, 1], kind, device)?;
        let acceptance = vec![self.acceptance; n as usize];
        let acceptance = Tensor::from_f64(&acceptance, &[n, 1], kind, device)?;
        let x = self.x.flatten(1)?.to_kind(kind)?;
        Tensor::cat(&[log_weights, acceptance, x], 1)
    }

    /// The chains of all ranks.
    fn unpacked(packed: &Tensor, shape: &[i64], sizes: &[f64]) -> Result<Ended> {
        let (n, values) = (packed.len(), packed.shape()[1] - 2);
        let shape: Vec<i64> = std::iter::once(n).chain(shape.iter().copied()).collect();
        let x = packed.narrow(1, 2, values)?.reshape(&shape)?;
        Ok(Ended {
            x,
            log_weights: packed.select(1, 0)?.to_vec()?,
            acceptance: packed.select(1, 1)?.mean()?.item()?,
            sizes: sizes.to_vec(),
        })
    }
}

impl<'a> Path<'a> {
    pub(super) fn new(energy: &'a Energy, options: &'a LogZOptions, steps: i64) -> Path<'a> {
        Path {
            energy,
            options,
            steps,
        }
    }

    /// Walks `n` chains. Without sizes this is a pilot run, which finds them as it goes.
    pub(super) fn walk(&self, n: i64, sizes: Option<Vec<f64>>) -> Result<Ended> {
        let (x, log_z0) = self.start(n)?;
        let o = self.options;
        let record = Rc::new(RefCell::new(Record {
            log_w: None,
            acceptance: 0.0,
            sizes: Vec::new(),
        }));
        let kernel = Annealed {
            options: o.clone(),
            steps: self.steps,
            sizes,
            record: record.clone(),
        };
        let x = Sampler::of(kernel)
            .sample(self.energy, &x)
            .map_err(|e| e.context(OWNER))?;
        let found = record.take();
        let log_w = found
            .log_w
            .ok_or_else(|| Error::state("log_z: no temperature was passed"))?;
        Ok(Ended {
            x,
            log_weights: log_w.to_vec()?.into_iter().map(|w| w + log_z0).collect(),
            acceptance: found.acceptance / self.steps as f64,
            sizes: found.sizes,
        })
    }

    /// The same of `n` chains that ranks share out: each walks some of them.
    pub(super) fn shared(&self, n: i64, sizes: &[f64]) -> Result<Ended> {
        let chains = Tensor::zeros(&[n])?;
        let packed = by_range(OWNER, &chains, |rows| {
            let ended = rows.at_random(|| self.walk(rows.len, Some(sizes.to_vec())))?;
            ended.packed()
        })?;
        let ended = Ended::unpacked(&packed, &self.options.shape, sizes)?;
        // Of the type in which they began.
        let x = placed(&ended.x, &self.energy.parameters())?;
        Ok(Ended { x, ..ended })
    }

    /// Start of `n` chains, and log Z₀.
    fn start(&self, n: i64) -> Result<(Tensor, f64)> {
        let o = self.options;
        let shape: Vec<i64> = std::iter::once(n).chain(o.shape.iter().copied()).collect();
        crate::tensor::check_shape(OWNER, &shape)?;
        let d = o.shape.iter().product::<i64>() as f64;
        // In float64 where no parameter says otherwise.
        let zeros = tch::Tensor::f_zeros(&shape[..], (Kind::Double, default_device()))?;
        let x = placed(&Tensor::from(zeros), &self.energy.parameters())?;
        if let Some((low, high)) = o.walls() {
            return Ok((
                x.rand_like()?.mul(high - low)?.add(low)?,
                d * (high - low).ln(),
            ));
        }
        let log_z0 = d * (o.std.ln() + 0.5 * std::f64::consts::TAU.ln());
        Ok((x.randn_like()?.mul(o.std)?.add(o.mean)?, log_z0))
    }
}

impl LogZOptions {
    /// The box that chains stay in, where the base is uniform.
    fn walls(&self) -> Walls {
        (self.base == Base::Uniform).then_some(self.range)
    }
}

/// What a walk leaves beside the samples.
#[derive(Default)]
struct Record {
    log_w: Option<Tensor>,
    acceptance: f64,
    sizes: Vec<f64>,
}

/// The path as a sampler.
struct Annealed {
    options: LogZOptions,
    steps: i64,
    sizes: Option<Vec<f64>>,
    record: Rc<RefCell<Record>>,
}

/// A batch of chains, with E and the score of the model at x.
struct AnnealedState {
    x: Tensor,
    /// In float64, as all sums of energies here.
    energy: Tensor,
    score: Tensor,
    /// The next leapfrog step's size, in a pilot run.
    size: f64,
}

impl Chains for AnnealedState {
    fn x(&self) -> &Tensor {
        &self.x
    }
}

impl Annealed {
    /// β after `k` of all steps: a sigmoid, which goes slowly at both ends.
    fn beta(&self, k: i64) -> f64 {
        let s = |t: f64| 1.0 / (1.0 + (-t).exp());
        let at = |k: i64| s(4.0 * (2.0 * k as f64 / self.steps as f64 - 1.0));
        (at(k) - at(0)) / (at(self.steps) - at(0))
    }

    /// E₀ `[B]` and its score; flat within the walls of a uniform base.
    fn base(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let o = &self.options;
        if o.walls().is_some() {
            return Ok((
                tch::Tensor::f_zeros([x.len()], (Kind::Double, x.device()))?.into(),
                x.mul(0.0)?,
            ));
        }
        let centred = x.sub(o.mean)?;
        let variance = o.std * o.std;
        // ½ ‖x − μ‖² is what `kinetic` gives of a momentum.
        Ok((
            kinetic(&centred)?.div(variance)?,
            centred.mul(-1.0 / variance)?,
        ))
    }

    /// `E_β` and its score, from those of the model.
    fn mixed(
        &self,
        x: &Tensor,
        beta: f64,
        energy: &Tensor,
        score: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let (e0, s0) = self.base(x)?;
        let e = e0.mul(1.0 - beta)?.add(energy.mul(beta)?)?;
        Ok((e, score.mul(beta)?.add(s0.mul(1.0 - beta)?)?))
    }
}

impl Kernel for Annealed {
    type State = AnnealedState;

    fn init(&self, energy: &Ready, x: &Tensor) -> Result<AnnealedState> {
        let (e, score) = energy.energy_and_score(x)?;
        let scale = self
            .options
            .walls()
            .map_or(self.options.std, |(low, high)| high - low);
        Ok(AnnealedState {
            x: x.clone(),
            energy: e.to_kind(Kind::Double)?,
            score,
            size: 0.2 * scale,
        })
    }

    fn step(&self, energy: &Ready, state: &mut AnnealedState, t: usize) -> Result<Info> {
        let (before, beta) = (self.beta(t as i64), self.beta(t as i64 + 1));
        let gained = self
            .base(&state.x)?
            .0
            .sub(&state.energy)?
            .mul(beta - before)?;
        let size = self.sizes.as_ref().map_or(state.size, |sizes| sizes[t]);

        let p = state.x.randn_like()?;
        let (e, push) = self.mixed(&state.x, beta, &state.energy, &state.score)?;
        let start = e.add(kinetic(&p)?)?;
        let evaluate = |x: &Tensor| -> Result<_> {
            let (e, score) = energy.energy_and_score(x)?;
            let e = e.to_kind(Kind::Double)?;
            let (mixed, push) = self.mixed(x, beta, &e, &score)?;
            Ok(((e, score, mixed), push))
        };
        let how = (size, self.options.leapfrog);
        let (x, place, p) = leapfrog(&state.x, &push, &p, how, self.options.walls(), evaluate)?;
        let (new_energy, new_score, mixed) =
            place.ok_or_else(|| Error::state("log_z: no leapfrog step"))?;
        // Where the end is not a number, the comparison is false: rejected.
        let moves = start
            .rand_like()?
            .log()?
            .lt(&start.sub(mixed.add(kinetic(&p)?)?)?)?;
        let mut rows = vec![1i64; x.ndim()];
        rows[0] = x.len();
        let mask = moves.reshape(&rows)?;
        state.x = x.where_mask(&mask, &state.x)?;
        state.energy = new_energy.where_mask(&moves, &state.energy)?;
        state.score = new_score.where_mask(&mask, &state.score)?;

        let share = moves.to_kind(Kind::Double)?.mean()?.item()?;
        state.size = size * (0.5 * (share - WANTED)).exp();
        let mut record = self.record.borrow_mut();
        record.log_w = Some(
            record
                .log_w
                .as_ref()
                .map_or(Ok(gained.clone()), |sum| sum.add(&gained))?,
        );
        record.acceptance += share;
        record.sizes.push(size);
        Ok(Info::default())
    }

    fn steps(&self) -> usize {
        self.steps as usize
    }

    fn name(&self) -> String {
        "annealed chains".to_owned()
    }

    fn describe(&self) -> String {
        self.name()
    }
}
