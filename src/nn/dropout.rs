//! Dropout: in training mode each number is 0 with probability `p` and multiplied by 1/(1 − p)
//! otherwise.

use std::cell::Cell;

use super::{Layer, outcome};
use crate::error::{Error, Result};
use crate::plan::{Place, Planned, Sketch, Unplanned};
use crate::tensor::Tensor;

/// Dropout of single numbers.
pub struct Dropout {
    p: f64,
    training: Cell<bool>,
}

impl Dropout {
    /// A layer in training mode that drops with probability `p` (PyTorch's default: .5).
    pub fn new(p: f64) -> Result<Dropout> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument(format!(
                "nn::dropout: `p` is a probability in [0, 1], got {p}"
            )));
        }
        Ok(Dropout {
            p,
            training: Cell::new(true),
        })
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if !self.training.get() {
            return Ok(x.clone());
        }
        outcome(self, x, None, x.raw().f_dropout(self.p, true))
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        Ok(input.to_vec())
    }

    fn set_training(&self, training: bool) {
        self.training.set(training);
    }

    fn training(&self) -> Option<bool> {
        Some(self.training.get())
    }

    fn plan(&self, _sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        if self.training.get() {
            return Err(Unplanned::because("dropout draws at every pass"));
        }
        Ok(x.clone())
    }

    fn describe(&self) -> String {
        format!("dropout({})", self.p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_a_share_and_keeps_the_mean() -> Result<()> {
        crate::tensor::seed(0, crate::tensor::Stream::Train, 0);
        let (layer, x) = (Dropout::new(0.3)?, Tensor::ones(&[100, 1000])?);
        let y = layer.forward(&x)?;
        // 100,000 draws: the share dropped has a standard deviation of .0014, the mean of .0021.
        let dropped = y
            .eq(0.0)?
            .to_kind(crate::tensor::Kind::Float)?
            .mean()?
            .item()?;
        assert!((dropped - 0.3).abs() < 0.007, "{dropped}");
        assert!((y.mean()?.item()? - 1.0).abs() < 0.011);
        layer.set_training(false);
        assert_eq!(layer.forward(&x)?.to_vec()?, x.to_vec()?);
        assert!(Dropout::new(1.5).is_err() && Dropout::new(f64::NAN).is_err());
        Ok(())
    }
}
