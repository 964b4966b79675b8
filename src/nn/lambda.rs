//! A layer that is a function of the user's.

use super::{Layer, Network, inner_parameters, shape_of_zeros};
use crate::error::{Error, Result};
use crate::options;
use crate::options::{Function, Value};
use crate::params::{Named, Param};
use crate::tensor::Tensor;

options! {
    /// Options of [`Lambda`].
    pub struct LambdaOptions for "nn::lambda" {
        /// networks and parameters that the function uses: they are trained, saved and switched with
        /// the layer
        params: Vec<Value> = Vec::new(),
    }
}

/// A function from tensor to tensor as a layer.
pub struct Lambda {
    function: Function,
    children: Vec<(String, Network)>,
    params: Named,
}

impl Lambda {
    /// A layer that calls a function with the tensor; it must return a tensor. No one sees which
    /// parameters a function uses: they are declared in the options.
    pub fn new(function: Function, options: &LambdaOptions) -> Result<Lambda> {
        let mut made = Lambda {
            function,
            children: Vec::new(),
            params: Vec::new(),
        };
        for (i, value) in options.params.iter().enumerate() {
            let name = format!("params.{i}");
            if let Some(network) = value.downcast::<Network>() {
                Network::may_nest(&[&network])?;
                made.children.push((name, network));
            } else if let Some(param) = value.downcast::<Param>() {
                made.params.push((name, param));
            } else if let Some(tensor) = value.downcast::<Tensor>() {
                made.params.push((name, Param::of("nn::lambda", &tensor)?));
            } else {
                return Err(Error::argument(format!(
                    "nn::lambda: option `params` lists networks and parameters, entry {i} is a {}",
                    value.type_name()
                )));
            }
        }
        Ok(made)
    }

    /// A layer that is a Rust function without parameters.
    pub fn from_fn(function: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Lambda {
        let call = move |arguments: &[Value]| match arguments
            .first()
            .and_then(Value::downcast::<Tensor>)
        {
            Some(x) => Ok(Value::object("tensor", function(&x)?)),
            None => Err(Error::argument("lambda: called without a tensor")),
        };
        Lambda {
            function: Function(std::rc::Rc::new(call)),
            children: Vec::new(),
            params: Vec::new(),
        }
    }
}

impl Layer for Lambda {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let found = self.function.call(&[Value::object("tensor", x.clone())])?;
        found.downcast::<Tensor>().ok_or_else(|| {
            let made = Error::argument(format!(
                "lambda: the function must return a tensor, got {}",
                found.type_name()
            ));
            if matches!(found, Value::None) {
                made.with_hint("let its last line be the tensor")
            } else {
                made
            }
        })
    }

    /// What the function makes of zeros: nothing else is known of it.
    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        shape_of_zeros(self, input)
    }

    fn parameters(&self) -> Named {
        let mut all = inner_parameters(&self.children);
        all.extend(self.params.iter().cloned());
        all
    }

    fn children(&self) -> Vec<(String, Network)> {
        self.children.clone()
    }

    fn functions(&self) -> Vec<Function> {
        let inside = self
            .children
            .iter()
            .flat_map(|(_, child)| child.functions());
        std::iter::once(self.function.clone())
            .chain(inside)
            .collect()
    }

    /// No one knows what a function does with the rows.
    fn rowwise(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "lambda(function)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Linear, LinearOptions};
    use std::rc::Rc;

    #[test]
    fn is_a_layer_with_what_it_declares() -> Result<()> {
        let net = Network::of(Linear::new(3, 2, &LinearOptions::default())?);
        let inside = net.clone();
        let call = move |v: &[Value]| match v[0].downcast::<Tensor>() {
            Some(x) => Ok(Value::object("tensor", inside.forward(&x)?.sin()?)),
            None => Err(Error::argument("no tensor")),
        };
        let options = LambdaOptions {
            params: vec![Value::object("network", net.clone())],
        };
        let layer = Lambda::new(Function(Rc::new(call)), &options)?;
        assert_eq!(layer.output_shape(&[4, 3])?, [4, 2]);
        let x = Tensor::randn(&[4, 3])?;
        assert_eq!(
            layer.forward(&x)?.to_vec()?,
            net.forward(&x)?.sin()?.to_vec()?
        );
        let names: Vec<String> = layer.parameters().into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["params.0.weight", "params.0.bias"]);
        Ok(())
    }

    #[test]
    fn what_is_no_tensor_is_refused() -> Result<()> {
        let layer = Lambda::new(
            Function(Rc::new(|_| Ok(Value::None))),
            &LambdaOptions::default(),
        )?;
        let error = layer
            .forward(&Tensor::zeros(&[1])?)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(
            error.starts_with("lambda: the function must return a tensor, got ()\n"),
            "{error}"
        );
        let options = LambdaOptions {
            params: vec![Value::Int(3)],
        };
        assert!(Lambda::new(Function(Rc::new(|_| Ok(Value::None))), &options).is_err());
        Ok(())
    }
}
