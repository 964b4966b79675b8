//! The loss of JEM (equation 7: `log p(x, y) = log p(y|x) + log p(x)`), to be minimised:
//!
//! ```text
//!   p_y_given_x · CE(f(x), y)                                        −log p(y|x)
//! + p_x  · (mean E(x_p) − mean E(fake))                              −log p(x), in gradient only (equation 10)
//! + p_xy · (mean E(x, y) − mean E(fake_y, y))                        −log p(x|y), in gradient only
//! + energy_l2 · (mean E(x_p)² + mean E(fake)²)                       keeps energies near 0
//! ```
//! The samples are held fixed.

use super::Loss;
use super::supervised::{CrossEntropyOptions, accuracy, cross_entropy};
use crate::energy::{Energy, check_labels, chosen};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::Tensor;

const OWNER: &str = "loss::jem";

crate::options! {
    /// Weights of JEM's loss, and its other batches.
    pub struct JemOptions for "loss::jem" {
        /// weight of the cross-entropy
        p_y_given_x: f64 = 1.0,
        /// weight of log p(x)
        p_x: f64 = 1.0,
        /// weight of log p(x|y), which needs fake_y
        p_xy: f64 = 0.0,
        /// weight of mean E(x_p)² + mean E(fake)²
        energy_l2: f64 = 0.0,
        /// the batch of the p(x) term, where it is not x: drawn apart, not augmented, or without
        /// labels
        x_p: Option<Tensor> = None,
        /// samples of p(x|y), one for each label of y
        fake_y: Option<Tensor> = None,
        /// share of the cross-entropy's target that is spread over all classes
        label_smoothing: f64 = 0.0,
    }
    check |o| {
        let weights = [
            ("p_y_given_x", o.p_y_given_x),
            ("p_x", o.p_x),
            ("p_xy", o.p_xy),
            ("energy_l2", o.energy_l2),
            ("label_smoothing", o.label_smoothing),
        ];
        if let Some((name, value)) = weights.iter().find(|(_, w)| !(*w >= 0.0 && w.is_finite())) {
            return Err(Error::argument(format!("{OWNER}: `{name}` must be at least 0, got {value}")));
        }
        if weights[..4].iter().all(|(_, w)| *w == 0.0) {
            return Err(Error::argument(format!("{OWNER}: all weights are 0, so there is nothing to minimise")));
        }
        if o.p_xy > 0.0 && o.fake_y.is_none() {
            return Err(Error::argument(format!("{OWNER}: `p_xy` needs `fake_y`, samples of p(x|y) for these labels"))
                .with_hint("chains.sample(sampler, model, y) draws them from a buffer with `classes`"));
        }
        Ok(())
    }
}

/// JEM's loss of a model with classes on a batch `x`, `y`, with samples `fake` of p(x) (not needed
/// where `p_x` is 0).
///
/// Terms: `ce`, `accuracy` (of this batch), `e_data` = mean E(x_p); with samples also `e_fake` and
/// `gap` = e_fake − e_data; `p_xy` and `energy_l2` where they have a weight.
pub fn jem(
    model: &Energy,
    x: &Tensor,
    y: &Tensor,
    fake: Option<&Tensor>,
    options: &JemOptions,
) -> Result<Loss> {
    options.check()?;
    if !model.has_classes() {
        return Err(
            Error::argument(format!("{OWNER}: {model} has no classes")).with_hint(
                "`energy::joint(network)` has; `loss::contrastive` trains an energy without",
            ),
        );
    }
    if options.p_x > 0.0 && fake.is_none() {
        return Err(Error::argument(format!("{OWNER}: the p(x) term needs samples `fake`"))
            .with_hint("draw them with `chains.sample(sampler, model, n)`, or leave the term out with `p_x: 0`"));
    }
    let fake_y = options.fake_y.as_ref().filter(|_| options.p_xy > 0.0);
    let others = [
        ("x_p", options.x_p.as_ref()),
        ("fake", fake),
        ("fake_y", fake_y),
    ];
    for (name, batch) in others
        .iter()
        .filter_map(|(name, batch)| batch.map(|b| (name, b)))
    {
        check_fake(OWNER, name, batch, x)?;
    }
    if let Some(batch) = fake_y.filter(|b| b.len() != x.len()) {
        let text = format!(
            "{OWNER}: `fake_y` needs one sample per label, {}, got {}",
            x.len(),
            batch.len()
        );
        return Err(Error::shape(text));
    }
    // The order is that of the authors' code: x_p, samples, and the labelled batch last. Batch
    // norm's running statistics follow the passes, the last one most (by 90 % at the papers'
    // momentum), and a model is judged with those.
    let (fake, fake_y) = (fake.map(Tensor::detach), fake_y.map(Tensor::detach));
    let order = [
        options.x_p.as_ref(),
        fake.as_ref(),
        fake_y.as_ref(),
        Some(x),
    ];
    let mut found = all_logits(model, &order)?.into_iter();
    let mut next = || found.next().flatten();
    let (logits_p, logits_fake, logits_fake_y, logits) = (next(), next(), next(), next());
    let logits = logits.ok_or_else(|| Error::state(format!("{OWNER}: no logits")))?;
    check_labels(OWNER, y, &logits)?;

    let smoothing = CrossEntropyOptions {
        label_smoothing: options.label_smoothing,
    };
    let ce = cross_entropy(&logits, y, &smoothing)?;
    let data = marginal(logits_p.as_ref().unwrap_or(&logits))?;
    let e_data = data.mean()?;
    let mut total = Total::default();
    total.add(options.p_y_given_x, &ce)?;
    let mut terms = vec![("ce", ce)];
    let samples = logits_fake.as_ref().map(marginal).transpose()?;
    if let Some(samples) = &samples {
        let e_fake = samples.mean()?;
        let gap = e_fake.sub(&e_data)?;
        total.add(-options.p_x, &gap)?;
        terms.extend([("gap", gap), ("e_data", e_data), ("e_fake", e_fake)]);
    } else {
        terms.push(("e_data", e_data));
    }
    terms.push(("accuracy", accuracy(&logits, y)?));
    if let Some(logits_fake_y) = &logits_fake_y {
        // E(x, y) = −f(x)[y].
        let joint = |f: &Tensor| chosen(OWNER, f, y)?.mean();
        let p_xy = joint(logits_fake_y)?.sub(joint(&logits)?)?;
        total.add(options.p_xy, &p_xy)?;
        terms.push(("p_xy", p_xy));
    }
    if options.energy_l2 > 0.0 {
        let l2 = energy_terms(
            &std::iter::once(&data)
                .chain(samples.as_ref())
                .collect::<Vec<_>>(),
        )?;
        total.add(options.energy_l2, &l2)?;
        terms.push(("energy_l2", l2));
    }
    let terms: Vec<(&str, &Tensor)> = terms.iter().map(|(name, t)| (*name, t)).collect();
    Ok(Loss::of(total.done()?, &terms))
}

/// E(x) = −log Σ_y exp f(x)[y].
fn marginal(logits: &Tensor) -> Result<Tensor> {
    logits.logsumexp(1)?.neg()
}

/// The logits of each batch that there is: in one pass where rows do not influence each other (it
/// costs less), else one by one, in this order.
fn all_logits(model: &Energy, batches: &[Option<&Tensor>]) -> Result<Vec<Option<Tensor>>> {
    let given: Vec<Tensor> = batches.iter().filter_map(|b| b.cloned()).collect();
    let alike = |b: &Tensor| b.kind() == given[0].kind() && b.device() == given[0].device();
    if given.len() < 2 || !model.rowwise() || !given.iter().all(alike) {
        return batches
            .iter()
            .map(|b| b.map(|x| model.logits(x)).transpose())
            .collect();
    }
    let together = model.logits(&Tensor::cat(&given, 0)?)?;
    let lengths: Vec<i64> = given.iter().map(Tensor::len).collect();
    let mut pieces = together
        .raw()
        .f_split_with_sizes(&lengths[..], 0)?
        .into_iter()
        .map(Tensor::from);
    Ok(batches
        .iter()
        .map(|b| b.and_then(|_| pieces.next()))
        .collect())
}

/// Rows like those of x.
pub(super) fn check_fake(owner: &str, name: &str, batch: &Tensor, x: &Tensor) -> Result<()> {
    let (found, wanted) = (batch.shape(), x.shape());
    if wanted.is_empty()
        || found.len() != wanted.len()
        || found[1..] != wanted[1..]
        || batch.is_empty()
    {
        return Err(Error::shape(format!(
            "{owner}: `{name}` must have rows like x {wanted:?}, got {found:?}"
        )));
    }
    Ok(())
}

/// `Σ mean E²` over some batches of energies.
pub(super) fn energy_terms(batches: &[&Tensor]) -> Result<Tensor> {
    let mut sum = Total::default();
    for energies in batches {
        sum.add(1.0, &energies.square()?.mean()?)?;
    }
    sum.done()
}

/// A weighted sum; terms without a weight stay out of the graph.
#[derive(Default)]
struct Total(Option<Tensor>);

impl Total {
    fn add(&mut self, weight: f64, term: &Tensor) -> Result<()> {
        if weight == 0.0 {
            return Ok(());
        }
        let weighted = if weight == 1.0 {
            term.clone()
        } else {
            term.mul(weight)?
        };
        self.0 = Some(match self.0.take() {
            Some(sum) => sum.add(weighted)?,
            None => weighted,
        });
        Ok(())
    }

    fn done(self) -> Result<Tensor> {
        self.0
            .ok_or_else(|| Error::argument("loss: no term has a weight"))
    }
}
