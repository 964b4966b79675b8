//! Losses of labelled data: cross-entropy and mean squared error, and the accuracy that goes with
//! the first.

use crate::energy::check_labels;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Kind, Tensor};

crate::options! {
    /// Options of the cross-entropy.
    pub struct CrossEntropyOptions for "loss::cross_entropy" {
        /// share of the target that is spread over all classes
        label_smoothing: f64 = 0.0,
    }
    check |o| {
        if !(0.0..=1.0).contains(&o.label_smoothing) {
            let text = format!("loss::cross_entropy: `label_smoothing` must be in [0, 1], got {}", o.label_smoothing);
            return Err(Error::argument(text));
        }
        Ok(())
    }
}

/// `mean −log softmax(logits)[y]` for logits `[B, C]` and labels `[B]`.
pub fn cross_entropy(logits: &Tensor, y: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
    options.check()?;
    check_labels("loss::cross_entropy", y, logits)?;
    let y = y.to_kind(Kind::Int64)?;
    // −100 is PyTorch's mark for labels to leave out; the check above lets none through.
    let loss = logits.raw().f_cross_entropy_loss(
        y.raw(),
        None::<tch::Tensor>,
        tch::Reduction::Mean,
        -100,
        options.label_smoothing,
    );
    Ok(loss?.into())
}

/// Share of rows whose largest logit is the label's, as a tensor on the device.
pub fn accuracy(logits: &Tensor, y: &Tensor) -> Result<Tensor> {
    check_labels("accuracy", y, logits)?;
    logits
        .detach()
        .argmax(1)?
        .eq(y)?
        .to_kind(logits.kind())?
        .mean()
}

/// Mean of the squared differences; both must have one shape.
pub fn mse(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.shape() != b.shape() {
        return Err(Error::shape(format!(
            "loss::mse: shapes differ: {:?} and {:?}",
            a.shape(),
            b.shape()
        )));
    }
    a.sub(b)?.square()?.mean()
}
