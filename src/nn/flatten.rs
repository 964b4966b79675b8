//! The same numbers in another shape: [`Flatten`] makes rows of images, [`Reshape`] the other way
//! round.

use super::{Layer, wrong_input};
use crate::error::{Error, Result};
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::Tensor;

/// All dimensions but the first as one: `[B, …]` to `[B, n]`.
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let shape = self.output_shape(&x.shape())?;
        x.reshape(&shape)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        match input {
            [] | [_] => Err(wrong_input(self, "a batch [B, …]", input)),
            [batch, rest @ ..] => Ok(vec![*batch, rest.iter().product()]),
        }
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        Ok(sketch.flatten(x))
    }

    fn describe(&self) -> String {
        "flatten()".to_owned()
    }
}

/// Each row of the batch in another shape: `[B, …]` to `[B, shape…]`. PyTorch's `Unflatten(1,
/// shape)`.
pub struct Reshape {
    shape: Vec<i64>,
}

impl Reshape {
    /// The shape of one row; one size may be −1 and follows from the others.
    pub fn new(shape: &[i64]) -> Result<Reshape> {
        let open = shape.iter().filter(|n| **n == -1).count();
        if shape.is_empty() || open > 1 || shape.iter().any(|n| *n < 1 && *n != -1) {
            return Err(Error::argument(format!(
                "nn::reshape: needs sizes of at least 1, of which one may be -1, got {shape:?}"
            ))
            .with_hint("the batch is not named: `nn::reshape([1, 8, 8])` makes [B, 1, 8, 8]"));
        }
        Ok(Reshape {
            shape: shape.to_vec(),
        })
    }
}

impl Layer for Reshape {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let shape = self.output_shape(&x.shape())?;
        x.reshape(&shape)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let [batch, rest @ ..] = input else {
            return Err(wrong_input(self, "a batch [B, …]", input));
        };
        let numbers: i64 = rest.iter().product();
        let known: i64 = self.shape.iter().filter(|n| **n > 0).product();
        let fits = if self.shape.contains(&-1) {
            numbers % known == 0
        } else {
            numbers == known
        };
        if !fits {
            return Err(Error::shape(format!(
                "{}: a row of {rest:?} has {numbers} numbers and does not fit",
                self.describe()
            )));
        }
        let sizes = self
            .shape
            .iter()
            .map(|n| if *n == -1 { numbers / known } else { *n });
        Ok(std::iter::once(*batch).chain(sizes).collect())
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let input: Vec<i64> = std::iter::once(1).chain(x.row().iter().copied()).collect();
        let shape = self.output_shape(&input)?;
        sketch.reshape(x, &shape[1..])
    }

    fn describe(&self) -> String {
        format!("reshape({:?})", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_go_round() -> Result<()> {
        assert_eq!(Flatten.output_shape(&[5, 2, 3, 4])?, [5, 24]);
        assert_eq!(
            Reshape::new(&[2, -1, 4])?.output_shape(&[5, 24])?,
            [5, 2, 3, 4]
        );
        assert!(Reshape::new(&[5])?.output_shape(&[5, 24]).is_err());
        assert!(
            Reshape::new(&[-1, -1]).is_err()
                && Reshape::new(&[]).is_err()
                && Reshape::new(&[0]).is_err()
        );
        let x = Tensor::arange(0.0, 24.0, 1.0)?.reshape(&[2, 3, 4])?;
        let back = Reshape::new(&[3, 4])?.forward(&Flatten.forward(&x)?)?;
        assert_eq!((back.shape(), back.to_vec()?), (x.shape(), x.to_vec()?));
        assert!(Flatten.forward(&Tensor::zeros(&[3])?).is_err());
        Ok(())
    }
}
