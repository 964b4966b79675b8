//! The logits of a whole part, in float64 on the host: what accuracy and calibration are computed
//! from.

use super::shared::by_rows;
use crate::data::Part;
use crate::dry_run;
use crate::energy::Energy;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::InMode;
use crate::params::{Named, State};
use crate::tensor::{Device, Kind, Tensor, no_grad};

/// Elements that a batch may have unless a size is asked for: all digits at once, some 85 images of
/// 32×32×3.
pub(crate) const BATCH_ELEMENTS: i64 = 1 << 18;

/// Logits and labels of `n` rows.
#[derive(Clone, Debug)]
pub struct Logits {
    values: Vec<f64>,
    labels: Vec<usize>,
    classes: usize,
}

/// A batch size must be positive.
pub(crate) fn check_batch(owner: &str, batch_size: Option<i64>) -> Result<()> {
    match batch_size {
        Some(n) if n < 1 => Err(Error::argument(format!(
            "{owner}: batch_size must be at least 1, got {n}"
        ))),
        _ => Ok(()),
    }
}

/// How many rows to compute at a time.
pub(crate) fn batch_rows(x: &Tensor, batch_size: Option<i64>) -> i64 {
    let elements = (x.numel() as i64 / x.len().max(1)).max(1);
    batch_size
        .unwrap_or(BATCH_ELEMENTS / elements)
        .max(16.min(batch_size.unwrap_or(16)))
}

/// Work on the rows of a part, in batches. In a dry run the part has few rows: then `work` is
/// measured, and all rows of the real run are counted. `kind` is what a row's seconds depend on,
/// beside the model and the shape of the row.
pub(crate) fn over_rows<T>(
    what: &'static str,
    kind: &str,
    energy: &Energy,
    part: &Part,
    batch_size: Option<i64>,
    work: impl Fn(&Part) -> Result<T>,
) -> Result<T> {
    if part.real_len() == part.len() {
        return work(part);
    }
    let shape = part.shape();
    let key = format!("{kind} of {} on {shape:?}", energy.about());
    let elements = shape.iter().product::<i64>().max(1);
    let batch = batch_size.unwrap_or(BATCH_ELEMENTS / elements).max(1);
    let rows = dry_run::Rows {
        what,
        key: &key,
        here: part.len(),
        real: part.real_len(),
        batch,
    };
    dry_run::rows(&rows, |n| work(&part.of_length(n)?))
}

/// x on the device and of the type of the model's parameters, and the model's networks in
/// evaluation mode.
pub(crate) fn prepare(owner: &str, energy: &Energy, x: &Tensor) -> Result<(Tensor, InMode)> {
    if x.ndim() < 2 || x.is_empty() {
        return Err(Error::shape(format!(
            "{owner}: needs rows [N, …], got {:?}",
            x.shape()
        )));
    }
    let mode = InMode::enter(&energy.networks(), false);
    Ok((placed(x, &energy.parameters())?, mode))
}

/// x on the device and of the type of the first parameter.
pub(crate) fn placed(x: &Tensor, parameters: &Named) -> Result<Tensor> {
    match parameters.first() {
        Some((_, p)) => x.detach().like(&p.get()),
        None => Ok(x.detach()),
    }
}

impl Logits {
    /// The logits of a part; labels must be classes of the model, and all values finite.
    pub fn of(
        owner: &str,
        energy: &Energy,
        part: &Part,
        batch_size: Option<i64>,
    ) -> Result<Logits> {
        over_rows("evaluation", "logits", energy, part, batch_size, |part| {
            let values = by_rows(owner, &part.x()?, |x| logits(owner, energy, x, batch_size))?;
            Logits::from_tensors(owner, &values, &part.y)
        })
    }

    /// From tensors: logits `[N, C]` and labels `[N]`.
    pub fn from_tensors(owner: &str, logits: &Tensor, labels: &Tensor) -> Result<Logits> {
        let shape = logits.shape();
        if shape.len() != 2 || labels.shape() != shape[..1] || shape[0] == 0 || shape[1] < 2 {
            return Err(Error::shape(format!(
                "{owner}: needs logits [N, C] of at least two classes and labels [N], got {shape:?} and {:?}",
                labels.shape()
            )));
        }
        let values = logits.to_vec()?;
        if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
            let row = bad as i64 / shape[1];
            return Err(Error::new(
                ErrorKind::NonFinite,
                format!("{owner}: the logits of row {row} are not finite"),
            )
            .with_hint("the model may have diverged; go back to an earlier checkpoint"));
        }
        let classes = shape[1];
        let labels = labels.to_ints()?;
        if let Some(bad) = labels.iter().find(|y| !(0..classes).contains(y)) {
            return Err(Error::argument(format!(
                "{owner}: label {bad} is not one of the model's {classes} classes"
            )));
        }
        Ok(Logits {
            values,
            labels: labels.into_iter().map(|y| y as usize).collect(),
            classes: classes as usize,
        })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row; never, as both constructors refuse it.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The logits of a row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.classes..(i + 1) * self.classes]
    }

    /// The class of a row.
    pub fn label(&self, i: usize) -> usize {
        self.labels[i]
    }

    /// The class with the largest logit; the first one of equals.
    pub fn predicted(&self, i: usize) -> usize {
        let row = self.row(i);
        (1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
    }

    /// `p(y|x)` of a row at a temperature: the softmax of the logits divided by it.
    pub fn probabilities(&self, i: usize, temperature: f64) -> Vec<f64> {
        let row = self.row(i);
        let top = row[self.predicted(i)];
        let shifted: Vec<f64> = row
            .iter()
            .map(|v| ((v - top) / temperature).exp())
            .collect();
        let sum: f64 = shifted.iter().sum();
        shifted.into_iter().map(|v| v / sum).collect()
    }

    /// Mean −log p(y|x) at a temperature.
    pub fn nll(&self, temperature: f64) -> f64 {
        let one = |i: usize| {
            let row = self.row(i);
            let top = row[self.predicted(i)];
            let sum: f64 = row.iter().map(|v| ((v - top) / temperature).exp()).sum();
            sum.ln() - (row[self.labels[i]] - top) / temperature
        };
        (0..self.len()).map(one).sum::<f64>() / self.len() as f64
    }
}

/// The logits `[N, C]` of rows, in float64 on the host.
pub(crate) fn logits(
    owner: &str,
    energy: &Energy,
    x: &Tensor,
    batch_size: Option<i64>,
) -> Result<Tensor> {
    let _guard = no_grad();
    let (x, _mode) = prepare(owner, energy, x)?;
    let mut pieces = Vec::new();
    for batch in x.split(batch_rows(&x, batch_size), 0)? {
        crate::interrupt::poll()?;
        pieces.push(
            energy
                .logits(&batch)
                .map_err(|e| e.context(owner))?
                .to_kind(Kind::Double)?,
        );
    }
    Tensor::cat(&pieces, 0)?.to_device(Device::Cpu)
}
