//! A layer written by the user, with weights and layers of its own: what a class is in PyTorch.

use std::cell::Cell;

use super::{Layer, Network, inner_parameters, shape_of_zeros};
use crate::error::{Error, Result};
use crate::options;
use crate::options::{Function, Value};
use crate::params::{Named, Param};
use crate::tensor::Tensor;

options! {
    /// What a [`Module`] is made of.
    pub struct ModuleOptions for "nn::module" {
        /// |self, x|: what the layer computes; `self` has all parameters, buffers and children by
        /// their names, and `training`
        forward: Option<Function> = None,
        /// tensors that are trained, by name
        parameters: Value = Value::Map(Vec::new()),
        /// tensors that are kept with the weights and not trained, by name
        buffers: Value = Value::Map(Vec::new()),
        /// layers that it uses, by name
        children: Value = Value::Map(Vec::new()),
        /// how it prints
        name: String = "module".to_owned(),
    }
}

/// A function with its own weights, buffers and layers.
pub struct Module {
    forward: Function,
    params: Named,
    children: Vec<(String, Network)>,
    name: String,
    training: Cell<bool>,
}

fn entries<'a>(what: &str, map: &'a Value) -> Result<&'a [(String, Value)]> {
    match map {
        Value::Map(entries) => Ok(entries),
        other => Err(Error::argument(format!(
            "nn::module: `{what}` must be a map by name, got {}",
            other.type_name()
        ))),
    }
}

fn wrong(what: &str, name: &str, wanted: &str, value: &Value) -> Error {
    let found = value.type_name();
    Error::argument(format!(
        "nn::module: `{what}.{name}` must be {wanted}, got {found}"
    ))
}

impl Module {
    /// A layer in training mode. A plain tensor among the parameters is copied, and becomes one.
    pub fn new(options: &ModuleOptions) -> Result<Module> {
        let forward = options.forward.clone().ok_or_else(|| {
            Error::argument("nn::module: needs `forward`")
                .with_hint("as in forward: |self, x| self.net.forward(x) * self.scale")
        })?;
        let mut params = Named::new();
        for (name, value) in entries("parameters", &options.parameters)? {
            let tensor = value.downcast::<Tensor>();
            let tensor = tensor.ok_or_else(|| wrong("parameters", name, "a tensor", value))?;
            let param = match tensor.requires_grad() && tensor.raw().is_leaf() {
                true => Param::of("nn::module", &tensor)?,
                false => Param::new(&tensor.detach())?,
            };
            params.push((name.clone(), param));
        }
        for (name, value) in entries("buffers", &options.buffers)? {
            let tensor = value.downcast::<Tensor>();
            let tensor = tensor.ok_or_else(|| wrong("buffers", name, "a tensor", value))?;
            params.push((name.clone(), Param::buffer(&tensor)?));
        }
        let mut children = Vec::new();
        for (name, value) in entries("children", &options.children)? {
            let network = value.downcast::<Network>();
            let network = network.ok_or_else(|| wrong("children", name, "a network", value))?;
            Network::may_nest(&[&network])?;
            children.push((name.clone(), network));
        }
        let mut names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
        names.extend(children.iter().map(|(name, _)| name.as_str()));
        names.push("training");
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let text = format!("nn::module: two things are called `{}`", pair[0]);
            return Err(Error::argument(text));
        }
        let (name, training) = (options.name.clone(), Cell::new(true));
        Ok(Module {
            forward,
            params,
            children,
            name,
            training,
        })
    }

    /// What `forward` sees as `self`.
    fn own(&self) -> Value {
        let tensors = self
            .params
            .iter()
            .map(|(name, p)| (name, Value::object("tensor", p.get())));
        let layers = self
            .children
            .iter()
            .map(|(name, child)| (name, Value::object("network", child.clone())));
        let mut all: Vec<(String, Value)> = tensors
            .chain(layers)
            .map(|(name, value)| (name.clone(), value))
            .collect();
        all.push(("training".to_owned(), Value::Bool(self.training.get())));
        Value::Map(all)
    }
}

impl Layer for Module {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let given = self
            .forward
            .call(&[self.own(), Value::object("tensor", x.clone())])?;
        given.downcast::<Tensor>().ok_or_else(|| {
            Error::argument(format!(
                "{}: `forward` must give a tensor, got {}",
                self.name,
                given.type_name()
            ))
            .with_hint("let its last line be the tensor")
        })
    }

    /// What the function makes of zeros: nothing else is known of it.
    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        shape_of_zeros(self, input)
    }

    fn parameters(&self) -> Named {
        let mut all = self.params.clone();
        all.extend(inner_parameters(&self.children));
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
        std::iter::once(self.forward.clone())
            .chain(inside)
            .collect()
    }

    fn set_training(&self, training: bool) {
        self.training.set(training);
        self.children
            .iter()
            .for_each(|(_, child)| child.set_training(training));
    }

    fn training(&self) -> Option<bool> {
        Some(self.training.get())
    }

    /// No one knows what a function does with the rows.
    fn rowwise(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
