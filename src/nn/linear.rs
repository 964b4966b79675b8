//! The affine map `y = x Wᵀ + b` of the last dimension.

use super::{Layer, at_least_one, counted, init, outcome};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::{Named, Param};
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::Tensor;

options! {
    /// Options of [`Linear`].
    pub struct LinearOptions for "nn::linear" {
        /// whether a bias is added
        bias: bool = true,
    }
}

/// An affine map; `[…, in]` to `[…, out]`.
pub struct Linear {
    features: i64,
    out: i64,
    options: LinearOptions,
    weight: Param,
    bias: Option<Param>,
}

impl Linear {
    /// A map with PyTorch's initial weights, on the default device.
    pub fn new(in_features: i64, out_features: i64, options: &LinearOptions) -> Result<Linear> {
        at_least_one(
            "nn::linear",
            &[("in_features", in_features), ("out_features", out_features)],
        )?;
        let (weight, bias) =
            init::weight_and_bias("nn::linear", &[out_features, in_features], options.bias)?;
        Ok(Linear {
            features: in_features,
            out: out_features,
            options: options.clone(),
            weight,
            bias,
        })
    }

    fn wrong_features(&self, got: &str) -> Error {
        Error::shape(format!(
            "{}: expects {}, got {got}",
            self.describe(),
            counted(self.features, "feature")
        ))
    }
}

impl Layer for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let (weight, bias) = (self.weight.get(), self.bias.as_ref().map(Param::get));
        outcome(
            self,
            x,
            Some(&self.weight),
            x.raw()
                .f_linear(weight.raw(), bias.as_ref().map(Tensor::raw)),
        )
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let Some((&features, before)) = input.split_last() else {
            return Err(self.wrong_features("a number"));
        };
        if features != self.features {
            let made = self.wrong_features(&features.to_string());
            let row: i64 = input.iter().skip(1).product();
            return Err(if row == self.features {
                made.with_hint(format!(
                    "the input is {input:?}: put `nn::flatten()` before this layer"
                ))
            } else if input.len() == 2 {
                made.with_hint(format!(
                    "write `linear({features}, {})`, or change the layer before it",
                    self.out
                ))
            } else {
                made.with_hint(format!("the input is {input:?}; its last size counts"))
            });
        }
        Ok(before.iter().copied().chain([self.out]).collect())
    }

    fn parameters(&self) -> Named {
        let bias = self.bias.iter().map(|b| ("bias".to_owned(), b.clone()));
        std::iter::once(("weight".to_owned(), self.weight.clone()))
            .chain(bias)
            .collect()
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        sketch.linear(x, &self.weight, self.bias.as_ref())
    }

    fn describe(&self) -> String {
        self.options
            .show_call("linear", &format!("{}, {}", self.features, self.out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Kind;

    #[test]
    fn wrong_inputs_are_named() -> Result<()> {
        let layer = Linear::new(784, 10, &LinearOptions::default())?;
        let error = layer
            .output_shape(&[64, 512])
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert_eq!(
            error,
            "linear(784, 10): expects 784 features, got 512\n  = hint: write `linear(512, 10)`, or change the layer before it"
        );
        let error = layer
            .output_shape(&[64, 1, 28, 28])
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(
            error.ends_with("put `nn::flatten()` before this layer"),
            "{error}"
        );
        let double = Tensor::zeros(&[2, 784])?.to_kind(Kind::Double)?;
        let error = layer
            .forward(&double)
            .err()
            .map(|e| e.message().to_owned())
            .unwrap_or_default();
        assert_eq!(
            error,
            "linear(784, 10): the weights are float32, the input is float64"
        );
        Ok(())
    }
}
