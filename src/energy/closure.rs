//! An energy written by the user: any function of a batch `[B, …]` that returns one number per row,
//! `[B]`.
//!
//! What such a function computes with cannot be seen from outside, so the networks it uses are
//! named: an optimiser trains them and a checkpoint keeps them.

use std::rc::Rc;

use super::{Energy, EnergyFunction, check_label_shape, no_classes};
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::options::{Function, Options, Value};
use crate::params::{Named, Param};
use crate::tensor::{Device, Kind, Tensor};

crate::options! {
    /// Options of an energy written as a function.
    pub struct ClosureOptions for "energy::of" {
        /// networks and energies that the function uses: what an optimiser may train and a
        /// checkpoint keeps
        params: Vec<Value> = Vec::new(),
        /// how the energy prints
        name: String = "of(function)".to_owned(),
        /// the number of classes of a function |x, y| that gives E(x, y), `[B]`, for labels y; then
        /// p(y|x) and E(x) = −log Σ_y exp(−E(x, y)) come of it
        classes: Option<i64> = None,
    }
    check |o| {
        match o.classes {
            Some(n) if n < 1 => {
                Err(Error::argument(format!("energy::of: `classes` must be at least 1, got {n}")))
            }
            _ => Ok(()),
        }
    }
}

enum Part {
    Network(Network),
    Energy(Energy),
    /// A tensor made by `tensor::parameter`.
    Param(Param),
}

/// A function with the parts that it uses.
pub(super) struct Closure {
    function: Function,
    parts: Vec<Part>,
    name: String,
    classes: Option<i64>,
}

impl Closure {
    pub(super) fn new(function: &Function, options: &ClosureOptions) -> Result<Closure> {
        options.check()?;
        let parts = options.params.iter().map(part).collect::<Result<_>>()?;
        Ok(Closure {
            function: function.clone(),
            parts,
            name: options.name.clone(),
            classes: options.classes,
        })
    }

    /// What the function gives for these arguments.
    fn call(&self, arguments: &[Value]) -> Result<Tensor> {
        let value = self.function.call(arguments)?;
        value.downcast::<Tensor>().ok_or_else(|| {
            Error::argument(format!(
                "energy::of: the function must return a tensor [B], got {}",
                value.type_name()
            ))
            .with_hint("one number per row of the batch, as in `|x| x.pow(2).sum(1)`")
        })
    }

    pub(super) fn from_fn(
        f: impl Fn(&Tensor) -> Result<Tensor> + 'static,
        networks: &[Network],
    ) -> Closure {
        let call = move |arguments: &[Value]| match arguments
            .first()
            .and_then(Value::downcast::<Tensor>)
        {
            Some(x) => Ok(Value::object("tensor", f(&x)?)),
            None => Err(Error::argument("energy: needs a tensor")),
        };
        let parts = networks.iter().cloned().map(Part::Network).collect();
        Closure {
            function: Function(Rc::new(call)),
            parts,
            name: "of(function)".to_owned(),
            classes: None,
        }
    }
}

fn part(value: &Value) -> Result<Part> {
    if let Some(network) = value.downcast::<Network>() {
        Ok(Part::Network(network))
    } else if let Some(energy) = value.downcast::<Energy>() {
        Ok(Part::Energy(energy))
    } else if let Some(tensor) = value.downcast::<Tensor>() {
        Ok(Part::Param(Param::of("energy::of", &tensor)?))
    } else {
        let found = value.type_name();
        Err(Error::argument(format!(
            "energy::of: `params` takes networks, energies and parameters, got {found}"
        )))
    }
}

impl EnergyFunction for Closure {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        match self.classes {
            Some(_) => self.logits(x)?.logsumexp(1)?.neg(),
            None => self.call(&[Value::object("tensor", x.clone())]),
        }
    }

    fn joint_energy(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let Some(classes) = self.classes else {
            return Err(no_classes(&self.describe(), "E(x, y)"));
        };
        check_label_shape("energy::of", y, x.len())?;
        // Elsewhere a look would stop the device's queue.
        let looked_at = y.device() == Device::Cpu && !y.is_empty();
        if looked_at && (y.min()?.item()? < 0.0 || y.max()?.item()? >= classes as f64) {
            return Err(Error::argument(format!(
                "energy::of: labels must lie between 0 and {}",
                classes - 1
            )));
        }
        self.call(&[
            Value::object("tensor", x.clone()),
            Value::object("tensor", y.clone()),
        ])
    }

    /// `f(x)[y] = −E(x, y)`, as of a classifier: one call for each class.
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let Some(classes) = self.classes else {
            return Err(no_classes(&self.describe(), "logits"));
        };
        let columns = (0..classes).map(|class| self.class_energy(x, class)?.neg()?.unsqueeze(1));
        Tensor::cat(&columns.collect::<Result<Vec<_>>>()?, 1)
    }

    fn class_energy(&self, x: &Tensor, class: i64) -> Result<Tensor> {
        if !self.classes.is_some_and(|n| (0..n).contains(&class)) {
            return Err(Error::argument(format!(
                "energy::of: there is no class {class}"
            )));
        }
        let y = tch::Tensor::f_full([x.len()], class, (Kind::Int64, x.device()))?;
        self.call(&[
            Value::object("tensor", x.clone()),
            Value::object("tensor", Tensor::from(y)),
        ])
    }

    fn has_classes(&self) -> bool {
        self.classes.is_some()
    }

    fn networks(&self) -> Vec<Network> {
        let each = self.parts.iter().map(|part| match part {
            Part::Network(network) => vec![network.clone()],
            Part::Energy(energy) => energy.networks(),
            Part::Param(_) => Vec::new(),
        });
        each.flatten().collect()
    }

    fn functions(&self) -> Vec<Function> {
        let each = self.parts.iter().flat_map(|part| match part {
            Part::Network(network) => network.functions(),
            Part::Energy(energy) => energy.functions(),
            Part::Param(_) => Vec::new(),
        });
        std::iter::once(self.function.clone()).chain(each).collect()
    }

    fn parameters(&self) -> Named {
        let each = self.parts.iter().map(|part| match part {
            Part::Network(network) => network.parameters(),
            Part::Energy(energy) => energy.parameters(),
            Part::Param(param) => vec![("value".to_owned(), param.clone())],
        });
        super::compose::numbered(each.collect())
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
