//! Layers one after the other.

use super::{Layer, Network, Row, at, inner_parameters, joined};
use crate::error::{Error, Result};
use crate::params::Named;
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::Tensor;

/// Layers one after the other; their parameters are named by position (`0.weight`).
pub struct Sequential {
    layers: Vec<(String, Network)>,
}

impl Sequential {
    /// The composition of at least one layer.
    pub fn new(layers: Vec<Network>) -> Result<Sequential> {
        if layers.is_empty() {
            return Err(Error::argument("nn::sequential: needs at least one layer")
                .with_hint("`nn::identity()` gives back what it gets"));
        }
        Network::may_nest(&layers.iter().collect::<Vec<_>>())?;
        Ok(Sequential {
            layers: layers
                .into_iter()
                .enumerate()
                .map(|(i, l)| (i.to_string(), l))
                .collect(),
        })
    }
}

impl Layer for Sequential {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |x, (name, layer)| {
            layer.forward(&x).map_err(|e| at(name, e))
        })
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let pass = |shape: Vec<i64>, (name, layer): &(String, Network)| {
            layer.output_shape(&shape).map_err(|e| at(name, e))
        };
        self.layers.iter().try_fold(input.to_vec(), pass)
    }

    fn parameters(&self) -> Named {
        inner_parameters(&self.layers)
    }

    fn children(&self) -> Vec<(String, Network)> {
        self.layers.clone()
    }

    fn summarise(&self, path: &str, input: Option<&[i64]>, rows: &mut Vec<Row>) -> Result<()> {
        let mut shape = input.map(<[i64]>::to_vec);
        for (name, layer) in &self.layers {
            layer
                .layer
                .summarise(&joined(path, name), shape.as_deref(), rows)
                .map_err(|e| at(name, e))?;
            shape = shape
                .map(|s| layer.output_shape(&s))
                .transpose()
                .map_err(|e| at(name, e))?;
        }
        Ok(())
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        self.layers.iter().try_fold(x.clone(), |x, (name, layer)| {
            layer.plan(sketch, &x).map_err(|why| why.at(name))
        })
    }

    fn describe(&self) -> String {
        let layers: Vec<String> = self
            .layers
            .iter()
            .map(|(_, layer)| layer.describe())
            .collect();
        format!("sequential([{}])", layers.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Activation, Flatten, Linear, LinearOptions, Residual};

    #[test]
    fn errors_say_which_layer() -> Result<()> {
        let linear = |i, o| Linear::new(i, o, &LinearOptions::default());
        let body = Sequential::new(vec![Activation::Silu.into(), linear(5, 5)?.into()])?;
        let net = Sequential::new(vec![
            Flatten.into(),
            Residual::new(body.into(), None)?.into(),
            linear(4, 2)?.into(),
        ])?;
        let said = |shape: &[i64]| {
            net.output_shape(shape)
                .err()
                .map(|e| e.message().to_owned())
                .unwrap_or_default()
        };
        assert_eq!(
            said(&[3, 4]),
            "layer 1.body.1: linear(5, 5): expects 5 features, got 4"
        );
        assert_eq!(
            said(&[3, 5]),
            "layer 2: linear(4, 2): expects 4 features, got 5"
        );
        let error = net
            .forward(&Tensor::zeros(&[3, 4])?)
            .err()
            .map(|e| e.message().to_owned())
            .unwrap_or_default();
        assert_eq!(error, said(&[3, 4]));
        assert!(Sequential::new(Vec::new()).is_err());
        let names: Vec<String> = net.parameters().into_iter().map(|(n, _)| n).collect();
        assert_eq!(
            names,
            ["1.body.1.weight", "1.body.1.bias", "2.weight", "2.bias"]
        );
        Ok(())
    }
}
