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
    // The samples are held fixed: no gradient reaches them.
    let (fake, fake_y) = (fake.map(Tensor::detach), fake_y.map(Tensor::detach));
    let f = Logits::of(
        model,
        options.x_p.as_ref(),
        fake.as_ref(),
        fake_y.as_ref(),
        x,
    )?;
    check_labels(OWNER, y, &f.x)?;

    // The energies that the equation is made of: E(x) = −log Σ_y exp f(x)[y], E(x, y) = −f(x)[y].
    let smoothing = CrossEntropyOptions {
        label_smoothing: options.label_smoothing,
    };
    let ce = cross_entropy(&f.x, y, &smoothing)?;
    let energies_data = marginal(f.x_p.as_ref().unwrap_or(&f.x))?;
    let energies_fake = f.fake.as_ref().map(marginal).transpose()?;
    let e_data = energies_data.mean()?;
    let e_fake = energies_fake.as_ref().map(Tensor::mean).transpose()?;

    // Its terms, in its order.
    let gap = e_fake
        .as_ref()
        .map(|e_fake| e_fake.sub(&e_data))
        .transpose()?;
    let p_xy = f
        .fake_y
        .as_ref()
        .map(|fake_y| conditional_gap(fake_y, &f.x, y))
        .transpose()?;
    let energy_l2 = match options.energy_l2 > 0.0 {
        true => Some(energy_terms(&energies_data, energies_fake.as_ref())?),
        false => None,
    };
    let total = weighted_sum(&[
        (options.p_y_given_x, Some(&ce)),
        (-options.p_x, gap.as_ref()),
        (options.p_xy, p_xy.as_ref()),
        (options.energy_l2, energy_l2.as_ref()),
    ])?;

    let logged = [
        ("ce", Some(ce)),
        ("gap", gap),
        ("e_data", Some(e_data)),
        ("e_fake", e_fake),
        ("accuracy", Some(accuracy(&f.x, y)?)),
        ("p_xy", p_xy),
        ("energy_l2", energy_l2),
    ];
    let logged: Vec<(&str, &Tensor)> = logged
        .iter()
        .filter_map(|(name, term)| Some((*name, term.as_ref()?)))
        .collect();
    Ok(Loss::of(total, &logged))
}

/// E(x) = −log Σ_y exp f(x)[y].
fn marginal(logits: &Tensor) -> Result<Tensor> {
    logits.logsumexp(1)?.neg()
}

/// `mean E(x, y) − mean E(fake_y, y)` with its sign turned: what is added, since it is minimised.
fn conditional_gap(logits_fake_y: &Tensor, logits: &Tensor, y: &Tensor) -> Result<Tensor> {
    let mean_f = |f: &Tensor| chosen(OWNER, f, y)?.mean();
    mean_f(logits_fake_y)?.sub(mean_f(logits)?)
}

/// The logits f of each batch that there is.
struct Logits {
    x_p: Option<Tensor>,
    fake: Option<Tensor>,
    fake_y: Option<Tensor>,
    x: Tensor,
}

impl Logits {
    /// In one pass where rows do not influence each other (it costs less), else one by one.
    ///
    /// The order is that of the authors' code: x_p, samples, and the labelled batch last. Batch
    /// norm's running statistics follow the passes, the last one most (by 90 % at the papers'
    /// momentum), and a model is judged with those.
    fn of(
        model: &Energy,
        x_p: Option<&Tensor>,
        fake: Option<&Tensor>,
        fake_y: Option<&Tensor>,
        x: &Tensor,
    ) -> Result<Logits> {
        let others = [x_p, fake, fake_y];
        let alike = |b: &&Tensor| b.kind() == x.kind() && b.device() == x.device();
        if !model.rowwise() || !others.iter().flatten().all(alike) {
            let pass = |batch: Option<&Tensor>| batch.map(|b| model.logits(b)).transpose();
            let (x_p, fake, fake_y) = (pass(x_p)?, pass(fake)?, pass(fake_y)?);
            return Ok(Logits {
                x_p,
                fake,
                fake_y,
                x: model.logits(x)?,
            });
        }
        let rows: Vec<Tensor> = others.iter().flatten().map(|b| (*b).clone()).collect();
        if rows.is_empty() {
            return Ok(Logits {
                x_p: None,
                fake: None,
                fake_y: None,
                x: model.logits(x)?,
            });
        }
        let together = model.logits(&Tensor::cat(&[rows, vec![x.clone()]].concat(), 0)?)?;
        let mut start = 0;
        let mut cut = |batch: &Tensor| {
            let piece = together.narrow(0, start, batch.len());
            start += batch.len();
            piece
        };
        Ok(Logits {
            x_p: x_p.map(&mut cut).transpose()?,
            fake: fake.map(&mut cut).transpose()?,
            fake_y: fake_y.map(&mut cut).transpose()?,
            x: cut(x)?,
        })
    }
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

/// `mean E(x)² + mean E(fake)²`, the second where there are samples.
pub(super) fn energy_terms(data: &Tensor, fake: Option<&Tensor>) -> Result<Tensor> {
    let mean_square = |energies: &Tensor| energies.square()?.mean();
    match fake {
        Some(fake) => mean_square(data)?.add(mean_square(fake)?),
        None => mean_square(data),
    }
}

/// Terms without a weight, and those that are not there, stay out of the graph.
fn weighted_sum(terms: &[(f64, Option<&Tensor>)]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (weight, term) in terms {
        let Some(term) = term.filter(|_| *weight != 0.0) else {
            continue;
        };
        let weighted = if *weight == 1.0 {
            term.clone()
        } else {
            term.mul(*weight)?
        };
        sum = Some(match sum {
            Some(sum) => sum.add(weighted)?,
            None => weighted,
        });
    }
    sum.ok_or_else(|| Error::argument("loss: no term has a weight"))
}
