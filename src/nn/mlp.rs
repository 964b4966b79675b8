//! The multi-layer perceptron: affine maps with an activation between them, none after the last.

use super::{ActivationName, Flatten, Layer, Linear, LinearOptions, Network, Row, Sequential};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::Named;
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::Tensor;

options! {
    /// Options of [`Mlp`].
    pub struct MlpOptions for "nn::mlp" {
        /// activation between the maps, by name; smooth ones suit samplers, which follow the
        /// gradient by the input
        activation: ActivationName = ActivationName::from("silu"),
    }
}

/// A perceptron; inputs with more than two dimensions are flattened to rows first.
pub struct Mlp {
    sizes: Vec<i64>,
    options: MlpOptions,
    inner: Sequential,
}

impl Mlp {
    /// Maps between these sizes: `[in, hidden…, out]`.
    pub fn new(sizes: &[i64], options: &MlpOptions) -> Result<Mlp> {
        if sizes.len() < 2 {
            return Err(Error::argument(format!(
                "nn::mlp: needs at least two sizes, [in, out], got {sizes:?}"
            )));
        }
        let activation = options
            .activation
            .activation()
            .map_err(|e| e.context("nn::mlp"))?;
        let mut layers: Vec<Network> = Vec::new();
        for pair in sizes.windows(2) {
            if !layers.is_empty() {
                layers.push(activation.into());
            }
            let map = Linear::new(pair[0], pair[1], &LinearOptions::default()).map_err(|_| {
                Error::argument(format!("nn::mlp: sizes must be at least 1, got {sizes:?}"))
            })?;
            layers.push(map.into());
        }
        Ok(Mlp {
            sizes: sizes.to_vec(),
            options: options.clone(),
            inner: Sequential::new(layers)?,
        })
    }
}

impl Layer for Mlp {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.ndim() > 2 {
            self.inner.forward(&Flatten.forward(x)?)
        } else {
            self.inner.forward(x)
        }
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        if input.len() > 2 {
            self.inner.output_shape(&Flatten.output_shape(input)?)
        } else {
            self.inner.output_shape(input)
        }
    }

    fn parameters(&self) -> Named {
        self.inner.parameters()
    }

    fn children(&self) -> Vec<(String, Network)> {
        self.inner.children()
    }

    fn summarise(&self, path: &str, input: Option<&[i64]>, rows: &mut Vec<Row>) -> Result<()> {
        let flat = input
            .filter(|shape| shape.len() > 2)
            .map(|shape| Flatten.output_shape(shape))
            .transpose()?;
        self.inner.summarise(path, flat.as_deref().or(input), rows)
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let rows = sketch.flatten(x);
        self.inner.plan(sketch, &rows)
    }

    fn describe(&self) -> String {
        self.options.show_call("mlp", &format!("{:?}", self.sizes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_of_maps_and_activations() -> Result<()> {
        let net = Network::of(Mlp::new(
            &[64, 8, 10],
            &MlpOptions {
                activation: "tanh".into(),
            },
        )?);
        assert_eq!(
            net.describe(),
            "mlp([64, 8, 10], #{ activation: \"tanh\" })"
        );
        assert_eq!(net.output_shape(&[5, 1, 8, 8])?, [5, 10]);
        assert_eq!(
            net.forward(&Tensor::zeros(&[5, 1, 8, 8])?)?.shape(),
            [5, 10]
        );
        assert_eq!(net.parameter_count(), 64 * 8 + 8 + 8 * 10 + 10);
        let hint = Mlp::new(
            &[2, 2],
            &MlpOptions {
                activation: "rleu".into(),
            },
        )
        .err()
        .map(|e| e.to_string());
        assert_eq!(
            hint.unwrap_or_default(),
            "nn::mlp: unknown activation `rleu`\n  = hint: did you mean `relu`?"
        );
        assert!(Mlp::new(&[2], &MlpOptions::default()).is_err());
        assert!(Mlp::new(&[2, 0, 1], &MlpOptions::default()).is_err());
        Ok(())
    }
}
