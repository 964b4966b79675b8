//! Claim 5, samples: how far generated images are from real ones, in the features of a separately trained classifier.
//!
//! Fréchet distance `‖μ_a − μ_b‖² + Tr(Σ_a + Σ_b − 2 (Σ_a^½ Σ_b Σ_a^½)^½)`, in float64, covariances with n − 1.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::FeatureNet;
use super::logits::{EvaluationMode, batch_rows, placed};
use super::report::{key, number_at};
use super::table::{Table, WIDTH, digits, number, wrapped};
use crate::data::Generator;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::rehearsal;
use crate::sampler::Sampler;
use crate::tensor::{Device, Kind, Stream, Tensor, no_grad, seed};

/// Fewer rows a side than this and the distance is mostly an estimate of its own bias.
const ENOUGH_ROWS: usize = 1000;
/// The kernel distance compares all pairs: more rows than this a side are thinned.
const KERNEL_ROWS: usize = 2000;

/// A Fréchet distance and what it is made of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Frechet {
    /// The distance (squared, as is usual).
    pub distance: f64,
    /// The part of the means, `‖μ_a − μ_b‖²`.
    pub means: f64,
    /// The part of the covariances.
    pub covariances: f64,
    /// `Tr` of the square root's imaginary part: what rounding made of eigenvalues that should be 0 or more. Should be near 0.
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
    let root = vectors.mul(&values.clamp(Some(0.0), None)?.sqrt()?)?.matmul(&vectors.t()?)?;
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
    let plain = |t: &Tensor| t.detach().to_device(Device::Cpu)?.to_kind(Kind::Double);
    Ok((plain(a)?, plain(b)?))
}

/// The kernel distance: unbiased squared MMD with the kernel `(aᵀb/d + 1)³`. It may come out slightly below 0.
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

/// The Inception Score `exp E KL(p(y|x) ‖ p(y))` of probabilities `[N, C]`: mean over so many splits.
pub fn inception_score(probabilities: &Tensor, splits: i64) -> Result<f64> {
    let _guard = no_grad();
    let n = probabilities.len();
    if probabilities.ndim() != 2 || splits < 1 || n < splits {
        return Err(Error::shape(format!(
            "inception_score: needs probabilities [N, C] and 1 to N splits, got {:?} and {splits}",
            probabilities.shape()
        )));
    }
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

/// The reference's mean and standard deviation of each feature, which give the kernel distance a unit.
struct Unit {
    mean: Tensor,
    sd: Tensor,
}

impl Unit {
    fn of(reference: &Tensor) -> Result<Unit> {
        let sd = reference.std_dims(&[0], true)?;
        // A feature that never changes stays as it is.
        let flat = sd.raw().f_lt(1e-12)?;
        let sd = Tensor::from(sd.raw().f_ones_like()?.f_where_self(&flat, sd.raw())?);
        Ok(Unit { mean: reference.mean_dims(&[0], true)?, sd })
    }

    fn apply(&self, features: &Tensor) -> Result<Tensor> {
        features.sub(&self.mean)?.div(&self.sd)
    }
}

/// Precision and recall of samples (Kynkäänniemi et al. 2019).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// Share of samples inside the reference's manifold: how many look real.
    pub precision: f64,
    /// Share of reference rows inside the samples' manifold: how much of what is real they cover.
    pub recall: f64,
}

/// Precision and recall of features `[n, d]` against a reference `[m, d]`: a manifold is the balls round its rows that reach to
/// their `k`-th nearest neighbour among its other rows.
pub fn precision_recall(samples: &Tensor, reference: &Tensor, k: i64) -> Result<PrecisionRecall> {
    let _guard = no_grad();
    let (samples, reference) = two_sets("precision_recall", samples, reference)?;
    let least = samples.len().min(reference.len());
    if k < 1 || k >= least {
        return Err(Error::argument(format!("precision_recall: needs 1 to {} neighbours, got {k}", least - 1)));
    }
    let share = |of: &Tensor, within: &Tensor| -> Result<f64> {
        // The row itself, at distance 0, is the first of the k + 1.
        let reach =
            in_pieces(within, |rows| Ok(distances(rows, within)?.f_topk(k + 1, 1, false, true)?.0.f_select(1, k)?))?;
        let inside = in_pieces(of, |rows| {
            Ok(distances(rows, within)?.f_le_tensor(&reach.f_unsqueeze(0)?)?.f_any_dim(1, false)?)
        })?;
        Tensor::from(inside.f_to_kind(Kind::Double)?).mean()?.item()
    };
    Ok(PrecisionRecall { precision: share(&samples, &reference)?, recall: share(&reference, &samples)? })
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

/// Euclidean distances without the rounding of the usual shortcut, whose rows are not quite 0 from themselves.
fn distances(a: &Tensor, b: &Tensor) -> Result<tch::Tensor> {
    Ok(tch::Tensor::f_cdist(a.raw(), b.raw(), 2.0, 2)?)
}

/// None for sets of fewer rows than there are neighbours.
fn covered(found: &Tensor, real: &Tensor, k: i64) -> Result<Option<PrecisionRecall>> {
    if found.len().min(real.len()) > k { precision_recall(found, real, k).map(Some) } else { Ok(None) }
}

crate::options! {
    /// Options of [`sample_quality`].
    pub struct SampleOptions for "evaluate::samples" {
        /// splits of the Inception Score
        splits: i64 = 1,
        /// nearest neighbours of precision and recall
        neighbours: i64 = 3,
        /// seed of the choice of rows for equal counts
        seed: i64 = 0,
    }
    check |o| {
        if o.neighbours < 1 {
            return Err(Error::argument(format!("evaluate::samples: neighbours must be at least 1, got {}", o.neighbours)));
        }
        if o.splits < 1 { return Err(Error::argument(format!("evaluate::samples: splits must be at least 1, got {}", o.splits))); }
        Ok(())
    }
}

/// One set of samples against the reference.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SampleRow {
    /// What the samples are.
    pub name: String,
    /// How many.
    pub n: usize,
    /// Fréchet distance of all of them.
    pub frechet: Frechet,
    /// Fréchet distance of as many as the smallest set has: the distance of fewer rows is larger by itself.
    pub frechet_equal: Frechet,
    /// Kernel distance, of features with the reference's mean 0 and variance 1.
    pub kernel: f64,
    /// Precision and recall; none in reports of earlier versions, and for sets with fewer rows than neighbours.
    #[serde(default)]
    pub coverage: Option<PrecisionRecall>,
    /// Inception Score, where the feature network has a head.
    pub inception: Option<f64>,
}

/// Sets of samples against one reference.
#[derive(Clone, Serialize, Deserialize)]
pub struct SampleReport {
    /// One row a set.
    pub rows: Vec<SampleRow>,
    /// The rows of the smallest set.
    pub n_equal: usize,
    /// What was done: reference, features, splits.
    pub protocol: String,
    /// What to keep in mind.
    pub warnings: Vec<String>,
}

impl SampleReport {
    /// One number by set and path: `buffer` is its Fréchet distance, `buffer.kernel` its kernel distance.
    pub fn value(&self, path: &str) -> Result<f64> {
        number_at("samples", &self.values(), path)
    }

    /// All numbers with their paths.
    pub fn values(&self) -> Vec<(String, f64)> {
        let mut all = Vec::new();
        for row in &self.rows {
            let at = key(&row.name);
            all.push((at.clone(), row.frechet.distance));
            let more = [
                ("n", row.n as f64),
                ("equal_n", row.frechet_equal.distance),
                ("kernel", row.kernel),
                ("means", row.frechet.means),
                ("covariances", row.frechet.covariances),
                ("imaginary", row.frechet.imaginary),
            ];
            all.extend(more.into_iter().map(|(name, value)| (format!("{at}.{name}"), value)));
            let coverage = row.coverage.map(|c| [("precision", c.precision), ("recall", c.recall)]);
            all.extend(coverage.into_iter().flatten().map(|(name, value)| (format!("{at}.{name}"), value)));
            all.extend(row.inception.map(|score| (format!("{at}.inception"), score)));
        }
        all
    }
}

/// Compares sets of samples with reference images in a network's features.
pub fn sample_quality(
    net: &FeatureNet,
    reference: &Tensor,
    sets: &[(String, Tensor)],
    options: &SampleOptions,
) -> Result<SampleReport> {
    options.check()?;
    let few = reference.slice(0, rehearsal::cut(reference.len(), 64))?;
    let real = rehearsal::repeated("samples", few.len(), reference.len(), || net.features(&few))?;
    let features: Vec<Tensor> =
        sets.iter().map(|(name, x)| net.features(x).map_err(|e| e.context(name))).collect::<Result<_>>()?;
    let n_equal = features.iter().map(Tensor::len).min().unwrap_or(0) as usize;
    let thinned = |t: &Tensor, n: usize| -> Result<Tensor> {
        if t.len() as usize <= n {
            return Ok(t.clone());
        }
        let order = Generator::new(options.seed, Stream::Evaluate, "sample rows", 0).permutation(t.len());
        t.index_select(0, &Tensor::from(tch::Tensor::f_from_slice(&order[..n])?))
    };
    let unit = Unit::of(&real)?;
    let mut rows = Vec::with_capacity(sets.len());
    let mut warnings = Vec::new();
    for ((name, _), found) in sets.iter().zip(&features) {
        crate::interrupt::poll()?;
        let row = SampleRow {
            name: name.clone(),
            n: found.len() as usize,
            frechet: frechet(found, &real)?,
            frechet_equal: frechet(&thinned(found, n_equal)?, &real)?,
            kernel: kernel_distance(
                &unit.apply(&thinned(found, KERNEL_ROWS)?)?,
                &unit.apply(&thinned(&real, KERNEL_ROWS)?)?,
            )?,
            coverage: covered(&thinned(found, KERNEL_ROWS)?, &thinned(&real, KERNEL_ROWS)?, options.neighbours)?,
            inception: net.probabilities(found)?.map(|p| inception_score(&p, options.splits)).transpose()?,
        };
        if row.frechet.imaginary > 1e-3 * row.frechet.distance.abs().max(1e-3) {
            warnings.push(format!("{name}: the square root has an imaginary part of {:.2e}", row.frechet.imaginary));
        }
        rows.push(row);
    }
    let few: Vec<String> = rows.iter().filter(|r| r.n < ENOUGH_ROWS).map(|r| format!("{} ({})", r.name, r.n)).collect();
    if !few.is_empty() {
        warnings.push(format!(
            "fewer than {ENOUGH_ROWS} rows make a Fréchet distance larger by themselves, compare at equal n: {}",
            few.join("; ")
        ));
    }
    let d = real.shape()[1];
    if d * 10 > real.len() {
        warnings.push(format!("{d} features for {} reference images: the covariance is poorly known", real.len()));
    }
    let score = match (&net.head, options.splits) {
        (None, _) => String::new(),
        (Some(_), 1) => "; Inception Score in one piece".to_owned(),
        (Some(_), n) => format!("; Inception Score over {n} splits"),
    };
    let protocol = format!(
        "Fréchet and kernel distance in {d} features of {}, float64, covariances with n − 1; kernel distance of features with the \
         reference's mean 0 and variance 1, at most {KERNEL_ROWS} rows a side; precision and recall with {} neighbours, the same \
         rows; reference: {} training images{score}; not comparable with figures from other feature networks; no filtering by \
         hand",
        net.note,
        options.neighbours,
        real.len()
    );
    Ok(SampleReport { rows, n_equal, protocol, warnings })
}

/// Chains from uniform noise on the range, as they stand after each of some lengths (ascending); from the seed alone.
pub fn fresh_chains(
    energy: &Energy,
    sampler: &Sampler,
    shape: &[i64],
    range: (f64, f64),
    lengths: &[i64],
    seed_of: i64,
) -> Result<Vec<(i64, Tensor)>> {
    walk_fresh(energy, sampler, shape, range, lengths, seed_of, None)
}

crate::options! {
    /// Options of [`fresh_chains`] in scripts.
    pub struct FreshOptions for "evaluate::fresh_chains" {
        /// range of the uniform noise that chains start from
        range: (f64, f64) = (-1.0, 1.0),
        /// a class for each chain, [N]: samples of p(x|y); () for samples of p(x)
        labels: Option<Tensor> = None,
        /// seed of noise and chains
        seed: i64 = 0,
    }
    check |o| { super::attack::check_ball("evaluate::fresh_chains", "linf", &[], o.range) }
}

/// [`fresh_chains`], or [`class_chains`] where there are labels.
pub fn fresh(
    energy: &Energy,
    sampler: &Sampler,
    shape: &[i64],
    lengths: &[i64],
    options: &FreshOptions,
) -> Result<Vec<(i64, Tensor)>> {
    options.check()?;
    match &options.labels {
        Some(y) => class_chains(energy, sampler, shape, options.range, lengths, options.seed, &y.to_kind(Kind::Int64)?),
        None => fresh_chains(energy, sampler, shape, options.range, lengths, options.seed),
    }
}

/// The same for p(x|y): a class for each chain, `[N]`.
pub fn class_chains(
    energy: &Energy,
    sampler: &Sampler,
    shape: &[i64],
    range: (f64, f64),
    lengths: &[i64],
    seed_of: i64,
    labels: &Tensor,
) -> Result<Vec<(i64, Tensor)>> {
    if shape.first() != labels.shape().first() || labels.ndim() != 1 {
        return Err(Error::shape(format!("fresh_chains: labels {:?} for chains {shape:?}", labels.shape()))
            .with_hint("one label for each chain: tensor::full([16], 7) for 16 sevens"));
    }
    walk_fresh(energy, sampler, shape, range, lengths, seed_of, Some(labels))
}

fn walk_fresh(
    energy: &Energy,
    sampler: &Sampler,
    shape: &[i64],
    range: (f64, f64),
    lengths: &[i64],
    seed_of: i64,
    labels: Option<&Tensor>,
) -> Result<Vec<(i64, Tensor)>> {
    let mut lengths: Vec<i64> = lengths.to_vec();
    lengths.sort_unstable();
    lengths.dedup();
    if lengths.first().is_some_and(|n| *n < 1) {
        return Err(Error::argument("fresh_chains: a chain has at least one step"));
    }
    if shape.len() < 2 || shape.iter().any(|n| *n < 1) {
        return Err(Error::shape(format!("fresh_chains: needs a shape [N, …], got {shape:?}")));
    }
    let _mode = EvaluationMode::of(&energy.networks());
    seed(seed_of as u64, Stream::Evaluate, 2);
    let start = placed(&Tensor::uniform(shape, range.0, range.1)?, &energy.parameters())?;
    let mut snapshots: Vec<Vec<Tensor>> = vec![Vec::new(); lengths.len()];
    let rows = batch_rows(&start, None);
    let labels = labels.map(|y| y.to_device(start.device())?.split(rows, 0)).transpose()?;
    for (i, chunk) in start.split(rows, 0)?.into_iter().enumerate() {
        let kernel = sampler.kernel();
        let given = labels.as_ref().map(|l| energy.given_labels(&l[i])).transpose()?;
        let energy = given.as_ref().unwrap_or(energy);
        let mut state = kernel.init(energy, &chunk)?;
        let mut t = 0;
        for (length, snapshot) in lengths.iter().zip(&mut snapshots) {
            let mut now = Some(state);
            rehearsal::turns("samples", length - t, 2, |i| -> Result<()> {
                crate::interrupt::poll()?;
                let before = now.take().ok_or_else(|| Error::state("fresh_chains: a chain was lost"))?;
                now = Some(kernel.step(energy, before, (t + i) as usize)?.0);
                Ok(())
            })?;
            t = *length;
            state = now.ok_or_else(|| Error::state("fresh_chains: a chain was lost"))?;
            snapshot.push(state.x.detach());
        }
    }
    lengths.into_iter().zip(snapshots).map(|(n, pieces)| Ok((n, Tensor::cat(&pieces, 0)?))).collect()
}

impl fmt::Display for SampleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equal = format!("at n = {}", self.n_equal);
        let mut table = Table::new(["samples", "n", "Fréchet", &equal, "kernel", "precision", "recall", "IS"]);
        for row in &self.rows {
            table.row([
                row.name.clone(),
                row.n.to_string(),
                digits(row.frechet.distance),
                digits(row.frechet_equal.distance),
                digits(row.kernel),
                number(row.coverage.map(|c| c.precision), 3),
                number(row.coverage.map(|c| c.recall), 3),
                number(row.inception, 3),
            ]);
        }
        write!(f, "{}\n{}", table.shown(f), wrapped(&self.protocol, WIDTH, ""))?;
        self.warnings.iter().try_for_each(|w| write!(f, "\n{}", wrapped(&format!("note: {w}"), WIDTH, "")))
    }
}

impl fmt::Debug for SampleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
