//! Activation functions, element by element; a name gives one (`silu`, `leaky_relu(0.2)`).

use super::Layer;
use crate::error::{Error, Result};
use crate::options::{OptionValue, Value};
use crate::plan::{Curve, Place, Planned, Sketch};
use crate::tensor::Tensor;

/// An activation function. It is a layer without parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x where positive, `slope · x` elsewhere.
    LeakyRelu(f64),
    /// x · sigmoid(x), also called swish.
    Silu,
    /// x · Φ(x), with the exact normal distribution function.
    Gelu,
    /// x where positive, `alpha (eˣ − 1)` elsewhere.
    Elu(f64),
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// log(1 + eˣ).
    Softplus,
    /// x itself.
    Identity,
}

/// All of them, with PyTorch's defaults.
const ALL: [Activation; 9] = [
    Activation::Relu,
    Activation::LeakyRelu(0.01),
    Activation::Silu,
    Activation::Gelu,
    Activation::Elu(1.0),
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::Identity,
];

/// An activation by its name, with its number where it has one: `silu`, `leaky_relu(0.2)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationName(String);

impl From<&str> for ActivationName {
    fn from(name: &str) -> ActivationName {
        ActivationName(name.to_owned())
    }
}

impl ActivationName {
    /// The activation of this name.
    pub fn activation(&self) -> Result<Activation> {
        Activation::parse(&self.0)
    }

    /// Whether a number stands behind the name.
    pub fn has_number(&self) -> bool {
        self.0.contains('(')
    }
}

impl OptionValue for ActivationName {
    const TYPE: &'static str = "the name of an activation";
    const WORDS: &'static [&'static str] = &[
        "relu",
        "leaky_relu",
        "silu",
        "gelu",
        "elu",
        "tanh",
        "sigmoid",
        "softplus",
        "identity",
    ];
    fn from_value(value: &Value) -> Option<ActivationName> {
        let Value::Str(name) = value else { return None };
        Activation::parse(name)
            .is_ok()
            .then(|| ActivationName(name.clone()))
    }
    fn show(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Activation {
    /// The activation of a name, with its number where it has one: `silu`, `leaky_relu`,
    /// `leaky_relu(0.2)`.
    pub fn parse(text: &str) -> Result<Activation> {
        let text = text.trim();
        let (name, number) = match text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            Some((name, number)) => (name.trim(), number.trim()),
            None => (text, ""),
        };
        let Some(found) = ALL.into_iter().find(|a| a.name() == name) else {
            let named = ALL.map(|a| a.name());
            return Err(Error::unknown(
                &format!("unknown activation `{text}`"),
                name,
                named,
            ));
        };
        if number.is_empty() {
            return Ok(found);
        }
        match (found, number.parse()) {
            (Activation::LeakyRelu(_), Ok(slope)) => Activation::leaky_relu(slope),
            (Activation::Elu(_), Ok(alpha)) => Activation::elu(alpha),
            (Activation::LeakyRelu(_) | Activation::Elu(_), Err(_)) => Err(Error::argument(
                format!("activation `{text}`: `{number}` is not a number"),
            )),
            _ => Err(Error::argument(format!(
                "activation `{text}`: {name} takes no number"
            ))),
        }
    }

    /// Leaky ReLU with a slope for negative x (PyTorch's default: .01).
    pub fn leaky_relu(slope: f64) -> Result<Activation> {
        finite("leaky_relu", "slope", slope).map(Activation::LeakyRelu)
    }

    /// ELU with its negative limit −alpha (PyTorch's default: 1).
    pub fn elu(alpha: f64) -> Result<Activation> {
        finite("elu", "alpha", alpha).map(Activation::Elu)
    }

    /// The name, without a number.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::LeakyRelu(_) => "leaky_relu",
            Activation::Silu => "silu",
            Activation::Gelu => "gelu",
            Activation::Elu(_) => "elu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
            Activation::Softplus => "softplus",
            Activation::Identity => "identity",
        }
    }

    /// The function.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => x.relu(),
            Activation::LeakyRelu(slope) => x.leaky_relu(slope),
            Activation::Silu => x.silu(),
            Activation::Gelu => x.gelu(),
            Activation::Elu(alpha) => x.elu(alpha),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::Softplus => x.softplus(),
            Activation::Identity => Ok(x.clone()),
        }
    }
}

fn finite(function: &str, name: &str, number: f64) -> Result<f64> {
    if number.is_finite() {
        Ok(number)
    } else {
        Err(Error::argument(format!(
            "nn::{function}: `{name}` must be a finite number, got {number}"
        )))
    }
}

impl Layer for Activation {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        Ok(input.to_vec())
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let curve = match *self {
            Activation::Identity => return Ok(x.clone()),
            Activation::Relu => Curve::Relu,
            Activation::LeakyRelu(slope) => Curve::LeakyRelu(slope),
            Activation::Silu => Curve::Silu,
            Activation::Gelu => Curve::Gelu,
            Activation::Elu(alpha) => Curve::Elu(alpha),
            Activation::Tanh => Curve::Tanh,
            Activation::Sigmoid => Curve::Sigmoid,
            Activation::Softplus => Curve::Softplus,
        };
        Ok(sketch.activate(x, curve))
    }

    fn describe(&self) -> String {
        match *self {
            Activation::LeakyRelu(slope) if slope != 0.01 => format!("leaky_relu({slope})"),
            Activation::Elu(alpha) if alpha != 1.0 => format!("elu({alpha})"),
            other => format!("{}()", other.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() -> Result<()> {
        for a in ALL
            .into_iter()
            .chain([Activation::LeakyRelu(0.2), Activation::Elu(1.5)])
        {
            assert_eq!(Activation::parse(&a.describe())?, a);
            assert_eq!(Activation::parse(a.name())?.name(), a.name());
        }
        let hint = |text: &str| {
            Activation::parse(text)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default()
        };
        assert!(hint("sliu").ends_with("did you mean `silu`?"));
        assert_eq!(
            hint("relu(0.2)"),
            "activation `relu(0.2)`: relu takes no number"
        );
        assert_eq!(hint("elu(x)"), "activation `elu(x)`: `x` is not a number");
        assert!(Activation::leaky_relu(f64::NAN).is_err());
        Ok(())
    }
}
