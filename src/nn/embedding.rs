//! A table of vectors, looked up by whole numbers: words, classes, times.

use super::{Layer, at_least_one};
use crate::error::{Error, Result};
use crate::params::{Named, Param};
use crate::tensor::{Device, Tensor, check_shape};

/// `[…]` whole numbers below `count` to `[…, size]`: the rows of the table.
pub struct Embedding {
    count: i64,
    size: i64,
    weight: Param,
}

impl Embedding {
    /// A table of standard normal numbers, as PyTorch's.
    pub fn new(count: i64, size: i64) -> Result<Embedding> {
        at_least_one("nn::embedding", &[("count", count), ("size", size)])?;
        check_shape("nn::embedding", &[count, size])?;
        let weight = Param::new(&Tensor::randn(&[count, size])?)?;
        Ok(Embedding {
            count,
            size,
            weight,
        })
    }
}

impl Layer for Embedding {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.is_float() || x.is_complex() {
            return Err(Error::argument(format!(
                "{}: expects whole numbers, got {}",
                self.describe(),
                x.brief()
            ))
            .with_hint("`.to(\"int64\")` makes them so"));
        }
        // Elsewhere a look would stop the device's queue.
        let looked_at = x.device() == Device::Cpu && !x.is_empty();
        if looked_at && (x.min()?.item()? < 0.0 || x.max()?.item()? >= self.count as f64) {
            return Err(Error::argument(format!(
                "{}: entries must lie between 0 and {}",
                self.describe(),
                self.count - 1
            )));
        }
        let found = tch::Tensor::f_embedding(self.weight.get().raw(), x.raw(), -1, false, false);
        super::outcome(self, x, None, found)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        Ok(input.iter().copied().chain([self.size]).collect())
    }

    fn parameters(&self) -> Named {
        vec![("weight".to_owned(), self.weight.clone())]
    }

    fn describe(&self) -> String {
        format!("embedding({}, {})", self.count, self.size)
    }
}
