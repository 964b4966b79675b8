//! An energy written by the user: any function of a batch `[B, …]` that returns one number per row,
//! `[B]`.
//!
//! What such a function computes with cannot be seen from outside, so the networks it uses are
//! named: an optimiser trains them and a checkpoint keeps them.

use std::rc::Rc;

use super::{Energy, EnergyFunction};
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::options::{Function, Value};
use crate::params::Named;
use crate::tensor::Tensor;

crate::options! {
    /// Options of an energy written as a function.
    pub struct ClosureOptions for "energy::of" {
        /// networks and energies that the function uses: what an optimiser may train and a
        /// checkpoint keeps
        params: Vec<Value> = Vec::new(),
        /// how the energy prints
        name: String = "of(function)".to_owned(),
    }
}

enum Part {
    Network(Network),
    Energy(Energy),
}

/// A function with the parts that it uses.
pub(super) struct Closure {
    function: Function,
    parts: Vec<Part>,
    name: String,
}

impl Closure {
    pub(super) fn new(function: &Function, options: &ClosureOptions) -> Result<Closure> {
        let mut parts = Vec::with_capacity(options.params.len());
        for value in &options.params {
            parts.push(
                match (value.downcast::<Network>(), value.downcast::<Energy>()) {
                    (Some(network), _) => Part::Network(network),
                    (_, Some(energy)) => Part::Energy(energy),
                    _ => {
                        return Err(Error::argument(format!(
                            "energy::of: `params` takes networks and energies, got {}",
                            value.type_name()
                        )));
                    }
                },
            );
        }
        Ok(Closure {
            function: function.clone(),
            parts,
            name: options.name.clone(),
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
        }
    }
}

impl EnergyFunction for Closure {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        let value = self.function.call(&[Value::object("tensor", x.clone())])?;
        value.downcast::<Tensor>().ok_or_else(|| {
            Error::argument(format!(
                "energy::of: the function must return a tensor [B], got {}",
                value.type_name()
            ))
            .with_hint("one number per row of the batch, as in `|x| x.pow(2).sum(1)`")
        })
    }

    fn networks(&self) -> Vec<Network> {
        let each = self.parts.iter().map(|part| match part {
            Part::Network(network) => vec![network.clone()],
            Part::Energy(energy) => energy.networks(),
        });
        each.flatten().collect()
    }

    fn functions(&self) -> Vec<Function> {
        let each = self.parts.iter().flat_map(|part| match part {
            Part::Network(network) => network.functions(),
            Part::Energy(energy) => energy.functions(),
        });
        std::iter::once(self.function.clone()).chain(each).collect()
    }

    fn parameters(&self) -> Named {
        let each = self.parts.iter().map(|part| match part {
            Part::Network(network) => network.parameters(),
            Part::Energy(energy) => energy.parameters(),
        });
        super::compose::numbered(each.collect())
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
