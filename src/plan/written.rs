//! A network written out, for batches: energies, scores, and whole chains.

#![allow(unsafe_code)] // Kernels get the memory of tensors and of blocks.

use std::sync::{Arc, Mutex, OnceLock};

use rayon::ThreadPool;

use super::compile::compile;
use super::kernel::{LANES, Lane, Real};
use super::noise::Key;
use super::pass::{Block, check};
use super::program::Program;
use super::sketch::{Outline, Sketch};
use super::team::Team;
use super::weights::{Weights, numbers};
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

/// What is made of the network's outputs `f`, and differentiated.
#[derive(Clone, Debug)]
pub enum Head {
    /// `E(x) = −log Σ_y exp f(x)[y]`.
    LogSumExp,
    /// `E(x, y) = −f(x)[y]`, with a class for each row.
    Chosen(Vec<i64>),
    /// `E(x) = −f(x)` of a single output.
    Scalar,
    /// `−E = log Σ_{k≠y} exp f[k] − f[y]`, which rises with the cross-entropy: what attacks climb.
    LogOdds(Vec<i64>),
    /// `−E = max_{k≠y} f[k] − f[y]`.
    Margin(Vec<i64>),
}

impl Head {
    fn code(&self) -> i32 {
        match self {
            Head::LogSumExp => 0,
            Head::Chosen(_) => 1,
            Head::Scalar => 2,
            Head::LogOdds(_) => 3,
            Head::Margin(_) => 4,
        }
    }

    /// Whether there is a label for each of so many rows, where labels are needed.
    pub fn fits(&self, rows: i64) -> bool {
        self.labels().is_none_or(|all| all.len() as i64 == rows)
    }

    fn labels(&self) -> Option<&[i64]> {
        match self {
            Head::Chosen(labels) | Head::LogOdds(labels) | Head::Margin(labels) => Some(labels),
            Head::LogSumExp | Head::Scalar => None,
        }
    }
}

crate::choice! {
    /// In which numbers a network's affine maps multiply while chains walk.
    pub enum Precision {
        /// In those of the weights.
        Full = "full",
        /// In bf16, summed in float32, where the processor has instructions for it and weights are
        /// float32; elsewhere as in full.
        Bf16 = "bf16",
    }
}

/// The numbers of one Langevin step.
#[derive(Clone, Copy, Debug)]
pub struct Stride {
    /// What the score is multiplied by.
    pub step: f64,
    /// Standard deviation of the noise.
    pub noise: f64,
}

/// The rule by which chains move; see `sampler::sgld`.
#[derive(Clone, Copy, Debug)]
pub struct Langevin {
    /// Where samples are clamped.
    pub clamp: Option<(f64, f64)>,
    /// The bound of the score's coordinates.
    pub clamp_grad: Option<f64>,
    /// Whether noise comes before the score is asked for.
    pub noise_first: bool,
    /// Whether samples are clamped after that noise, too.
    pub clamp_noise: bool,
    /// The noise.
    pub key: Key,
}

/// Where chains ended, and what the last step saw.
pub struct Walked {
    /// The samples, `[B, …]`.
    pub x: Tensor,
    /// `E` where the last step took its gradient, `[B]`.
    pub energy: Tensor,
    /// `−∇E` there.
    pub score: Tensor,
}

/// A network written out, with weights.
pub struct Plan<T> {
    outline: Outline,
    program: Program,
    weights: Weights<T>,
    /// Blocks that are free.
    blocks: Mutex<Vec<Block<T>>>,
}

/// Energies and scores of a batch.
struct Found<T> {
    energies: Vec<T>,
    scores: Vec<T>,
}

impl<T: Real> Plan<T> {
    /// Plans a sketch and takes its weights.
    pub fn new(sketch: &Sketch, precision: Precision) -> Result<Plan<T>> {
        let program = compile(sketch, Plan::<T>::is_half(precision));
        check(&program)?;
        let mut weights = Weights::new(&program, sketch.steps.len());
        weights.load(&program, sketch)?;
        Ok(Plan {
            outline: sketch.outline(),
            program,
            weights,
            blocks: Mutex::default(),
        })
    }

    /// Takes the weights of another sketch of the same network; false, with nothing changed, if it
    /// is another one.
    pub fn reload(&mut self, sketch: &Sketch, precision: Precision) -> Result<bool> {
        let half = Plan::<T>::is_half(precision);
        let same = self.program.half == half && self.outline == sketch.outline();
        if same {
            self.weights.load(&self.program, sketch)?;
        }
        Ok(same)
    }

    fn is_half(precision: Precision) -> bool {
        precision == Precision::Bf16 && T::halves().is_some()
    }

    /// Whether maps multiply in bf16.
    pub fn half(&self) -> bool {
        self.program.half
    }

    /// Outputs of the network.
    pub fn outputs(&self) -> usize {
        self.program.outputs
    }

    /// Multiply-adds of one row, forward and backward.
    pub fn work(&self) -> usize {
        self.program.work
    }

    /// Lets large buffers go; small ones wait for the next chain.
    pub fn tidy(&self) {
        let bytes = self.program.lanes() * LANES * size_of::<T>();
        if bytes > 32 << 20
            && let Ok(mut blocks) = self.blocks.lock()
        {
            blocks.clear();
        }
    }

    /// Energies `[B]` and scores of a batch.
    pub fn scores(&self, x: &Tensor, head: &Head) -> Result<(Tensor, Tensor)> {
        self.pass(x, head, |_, _, _| {})
    }

    /// Forward and back; `look` sees each block in between, with its first row and how many.
    fn pass(
        &self,
        x: &Tensor,
        head: &Head,
        look: impl Fn(&Block<T>, usize, usize) + Sync,
    ) -> Result<(Tensor, Tensor)> {
        let rows: Vec<T> = numbers(x)?;
        let mut found = Found {
            energies: vec![T::default(); x.len() as usize],
            scores: vec![T::default(); rows.len()],
        };
        let width = self.program.places.len();
        self.each_block(
            head,
            &mut found,
            |block, labels, energies, scores, first| {
                let count = energies.len();
                self.gather(block, &rows[first * width..][..count * width], count);
                self.energies(block, head, labels, energies);
                look(block, first, count);
                block.run(&self.program.backward, &self.program, &self.weights);
                self.scatter(block, self.program.score, scores, count);
            },
        )?;
        Ok((
            tensor(&found.energies, &[x.len()])?,
            tensor(&found.scores, &x.shape())?,
        ))
    }

    /// Logits `[B, outputs]`, energies and scores of a batch.
    pub fn logits_and_scores(&self, x: &Tensor, head: &Head) -> Result<(Tensor, Tensor, Tensor)> {
        let outputs = self.program.outputs;
        let logits = Mutex::new(vec![T::default(); x.len() as usize * outputs]);
        let (energy, score) = self.pass(x, head, |block, first, count| {
            let Ok(mut all) = logits.lock() else { return };
            for (i, row) in all[first * outputs..][..count * outputs]
                .chunks_mut(outputs)
                .enumerate()
            {
                for (o, to) in row.iter_mut().enumerate() {
                    *to = block.number(self.program.logits, o, i);
                }
            }
        })?;
        let logits = logits.into_inner().unwrap_or_default();
        let shape = [x.len(), outputs as i64];
        Ok((tensor(&logits, &shape)?, energy, score))
    }

    /// Walks chains from `x` through all strides: samples, and energies at the last score.
    pub fn chains(
        &self,
        x: &Tensor,
        head: &Head,
        rule: &Langevin,
        first_step: usize,
        strides: &[Stride],
    ) -> Result<Walked> {
        let rows: Vec<T> = numbers(x)?;
        let mut found = Found {
            energies: vec![T::default(); x.len() as usize],
            scores: vec![T::default(); rows.len()],
        };
        // The last score is for those who look at the chains' scales.
        let last = Mutex::new(vec![T::default(); rows.len()]);
        let width = self.program.places.len();
        self.each_block(
            head,
            &mut found,
            |block, labels, energies, samples, first| {
                let count = energies.len();
                self.gather(block, &rows[first * width..][..count * width], count);
                for (i, stride) in strides.iter().enumerate() {
                    let t = (first_step + i, first);
                    if rule.noise_first && stride.noise > 0.0 {
                        self.langevin(
                            block,
                            rule,
                            &Stride {
                                step: 0.0,
                                ..*stride
                            },
                            t,
                            false,
                        );
                    }
                    self.energies(block, head, labels, energies);
                    block.run(&self.program.backward, &self.program, &self.weights);
                    let noise = if rule.noise_first { 0.0 } else { stride.noise };
                    self.langevin(block, rule, &Stride { noise, ..*stride }, t, true);
                }
                self.scatter(block, self.program.input, samples, count);
                if let Ok(mut last) = last.lock() {
                    let scores = &mut last[first * width..][..count * width];
                    self.scatter(block, self.program.score, scores, count);
                }
            },
        )?;
        let last = last.into_inner().unwrap_or_default();
        Ok(Walked {
            x: tensor(&found.scores, &x.shape())?,
            energy: tensor(&found.energies, &[x.len()])?,
            score: tensor(&last, &x.shape())?,
        })
    }

    /// Does something with each block of sixteen rows: on as many threads as libtorch uses.
    fn each_block(
        &self,
        head: &Head,
        found: &mut Found<T>,
        work: impl Fn(&mut Block<T>, &[i64; LANES], &mut [T], &mut [T], usize) + Sync,
    ) -> Result<()> {
        let width = self.program.places.len();
        let rows = found.energies.len();
        if let Some(labels) = head.labels()
            && labels.len() != rows
        {
            return Err(Error::state("plan: needs one label per row"));
        }
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1);
        // Work this small is done before another thread is awake.
        let alone = threads < 2 || rows * self.work() < 2_000_000;
        let team = if alone {
            Team::ONE
        } else {
            Team::of(threads, rows.div_ceil(LANES))
        };
        let one = |i: usize, energies: &mut [T], scores: &mut [T]| {
            let mut labels = [0; LANES];
            if let Some(all) = head.labels() {
                let mine = &all[i * LANES..][..energies.len()];
                labels[..mine.len()].copy_from_slice(mine);
            }
            let free = self.blocks.lock().ok().and_then(|mut b| b.pop());
            let mut block = free.unwrap_or_else(|| Block::new(&self.program));
            block.team = team;
            work(&mut block, &labels, energies, scores, i * LANES);
            if let Ok(mut blocks) = self.blocks.lock() {
                blocks.push(block);
            }
        };
        let parts = found
            .energies
            .chunks_mut(LANES)
            .zip(found.scores.chunks_mut(LANES * width))
            .enumerate();
        if alone {
            parts.for_each(|(i, (e, s))| one(i, e, s));
        } else {
            pool(threads)?.scope(|scope| {
                let one = &one;
                parts.for_each(|(i, (e, s))| scope.spawn(move |_| one(i, e, s)));
            });
        }
        Ok(())
    }

    fn gather(&self, block: &mut Block<T>, rows: &[T], count: usize) {
        let places = &self.program.places;
        debug_assert_eq!(rows.len(), count * places.len());
        let to = block.numbers_mut(self.program.input);
        // Safety: `rows` holds `count` rows, and the input buffer as many lanes as a row is long.
        unsafe {
            (T::table().gather)(
                rows.as_ptr(),
                count as i32,
                places.len() as i32,
                places.as_ptr(),
                to,
            );
        }
    }

    fn scatter(&self, block: &Block<T>, from: usize, rows: &mut [T], count: usize) {
        let places = &self.program.places;
        debug_assert_eq!(rows.len(), count * places.len());
        // Safety: as for `gather`.
        unsafe {
            (T::table().scatter)(
                block.numbers(from),
                count as i32,
                places.len() as i32,
                places.as_ptr(),
                rows.as_mut_ptr(),
            );
        }
    }

    /// Forward, and the head: energies of a block's rows, and what goes back.
    fn energies(
        &self,
        block: &mut Block<T>,
        head: &Head,
        labels: &[i64; LANES],
        energies: &mut [T],
    ) {
        let p = &self.program;
        block.run(&p.forward, p, &self.weights);
        let (logits, seed) = (block.numbers(p.logits), block.numbers_mut(p.seed));
        let mut room = Lane([T::default(); LANES]);
        // Safety: both buffers have a lane for each output.
        unsafe {
            (T::table().head)(
                head.code(),
                logits,
                p.outputs as i32,
                labels.as_ptr(),
                room.0.as_mut_ptr(),
                seed,
            );
        }
        energies.copy_from_slice(&room.0[..energies.len()]);
    }

    /// The part of a step that comes before the score (without it) or after.
    fn langevin(
        &self,
        block: &mut Block<T>,
        rule: &Langevin,
        stride: &Stride,
        (number, chain): (usize, usize),
        with_score: bool,
    ) {
        let p = &self.program;
        let clamped = with_score || rule.clamp_noise;
        let (low, high) = rule.clamp.filter(|_| clamped).unwrap_or((1.0, 0.0));
        let stride = super::kernel::Stride {
            step: stride.step,
            noise: stride.noise,
            low,
            high,
            bound: rule.clamp_grad.unwrap_or(0.0),
            key: rule.key.0,
            number: number as u32,
            chain: chain as u32,
        };
        let score = if with_score {
            block.numbers(p.score)
        } else {
            std::ptr::null()
        };
        let x = block.numbers_mut(p.input);
        let (width, places) = (p.places.len() as i32, p.places.as_ptr());
        // Safety: input and score buffers have a lane for each number of a row.
        unsafe { (T::table().langevin)(x, score, width, places, &stride) }
    }
}

/// Numbers as a tensor.
fn tensor<T: Real>(numbers: &[T], shape: &[i64]) -> Result<Tensor> {
    let n = size_of_val(numbers);
    // Safety: floats have no padding.
    let bytes = unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast::<u8>(), n) };
    let kind: Kind = T::KIND;
    let made = tch::Tensor::f_from_data_size(bytes, shape, kind)?;
    debug_assert_eq!(made.device(), Device::Cpu);
    Ok(made.into())
}

/// A pool, and of how many threads it is.
type Kept = Option<(usize, Arc<ThreadPool>)>;

/// Threads that sleep when there is nothing to do; one pool for each number of them.
fn pool(threads: usize) -> Result<Arc<ThreadPool>> {
    static POOL: OnceLock<Mutex<Kept>> = OnceLock::new();
    let broken = || Error::state("plan: the threads cannot be reached");
    let mut kept = POOL
        .get_or_init(Mutex::default)
        .lock()
        .map_err(|_| broken())?;
    if let Some((n, pool)) = &*kept
        && *n == threads
    {
        return Ok(pool.clone());
    }
    let made = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Error::state(format!("plan: no threads ({e})")))?;
    let pool = Arc::new(made);
    *kept = Some((threads, pool.clone()));
    Ok(pool)
}
