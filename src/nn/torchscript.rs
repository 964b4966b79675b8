//! A TorchScript module as a network: what `torch.jit.script(m).save(file)` or `torch.jit.trace`
//! wrote.
//!
//! Such a file is a program. It runs here with libtorch's own interpreter, so whoever asks for one
//! must trust it. The module is frozen unless asked otherwise: gradients flow through it to its
//! input, its weights get none and no optimiser sees them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;

use super::Layer;
use crate::error::{Error, ErrorKind, Result};
use crate::options;
use crate::params::{Named, Param, frozen};
use crate::tensor::{Device, Kind, Tensor, default_device, device_name, kind_name, no_grad};

options! {
    /// Options of [`TorchScript`].
    pub struct TorchScriptOptions for "nn::torchscript" {
        /// whether its weights are trained: they are then the network's parameters
        trainable: bool = false,
    }
}

/// A module; starts in evaluation mode.
pub struct TorchScript {
    module: RefCell<tch::CModule>,
    /// The file, as the user wrote it.
    name: String,
    /// Type of the first floating-point weight, which inputs should have.
    kind: Option<Kind>,
    device: Device,
    weights: i64,
    /// The module's own weights, where they are trained.
    trained: Named,
    training: Cell<bool>,
    /// Shapes of outputs by those of inputs, found by trying.
    shapes: RefCell<HashMap<Vec<i64>, Vec<i64>>>,
}

impl TorchScript {
    /// Reads a module onto the default device; `name` is the file as the user wrote it.
    pub fn load(path: &Path, name: &str, options: &TorchScriptOptions) -> Result<TorchScript> {
        let device = default_device();
        if !path.is_file() {
            return Err(Error::new(
                ErrorKind::Io,
                format!("nn::torchscript: no file {name:?}"),
            ));
        }
        let module = tch::CModule::load_on_device(path, device).map_err(|e| {
            Error::data(format!("nn::torchscript: {name:?} is no TorchScript module ({})", last_words(&e)))
                .with_hint("write it with `torch.jit.script(module).save(file)`; weights alone are read by `net.load`")
        })?;
        let named = module.named_parameters()?;
        for (_, weight) in &named {
            let _ = weight.f_set_requires_grad(false)?;
        }
        let mut trained = Named::new();
        if options.trainable {
            for (name, weight) in &named {
                trained.push((name.clone(), Param::shared(&weight.shallow_clone().into())?));
            }
        }
        let kind = named
            .iter()
            .map(|(_, t)| t.kind())
            .find(|k| matches!(k, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16));
        let weights = named.iter().map(|(_, t)| t.numel() as i64).sum();
        let made = TorchScript {
            module: RefCell::new(module),
            name: name.to_owned(),
            kind,
            device,
            weights,
            trained,
            training: Cell::new(true),
            shapes: RefCell::default(),
        };
        made.set_training(false);
        Ok(made)
    }

    /// What the module makes of an input; its errors in one sentence.
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let first = self.trained.first().map(|(_, p)| p.get());
        let kind = first.as_ref().map(Tensor::kind).or(self.kind);
        if let Some(kind) = kind
            && kind != x.kind()
        {
            let (wanted, got) = (kind_name(kind), kind_name(x.kind()));
            return Err(Error::argument(format!(
                "{}: its weights are {wanted}, the input is {got}",
                self.describe()
            ))
            .with_hint(format!("convert the input with `.to(\"{wanted}\")`")));
        }
        let device = first.as_ref().map_or(self.device, Tensor::device);
        if x.device() != device {
            let (wanted, got) = (device_name(device), device_name(x.device()));
            let text = format!(
                "{}: the module is on {wanted}, the input is on {got}",
                self.describe()
            );
            return Err(Error::new(ErrorKind::Device, text)
                .with_hint("a module stays on the device that was in use when it was read"));
        }
        // Which statistics the module keeps is not to be seen from outside; in evaluation mode it
        // keeps none.
        let paused = self.training.get() && frozen();
        if paused {
            self.set_training(false);
        }
        let input = tch::IValue::Tensor(x.raw().shallow_clone());
        let found = self
            .module
            .try_borrow()
            .map(|made| made.forward_is(&[input]));
        if paused {
            self.set_training(true);
        }
        let found = found.map_err(|_| Error::state("nn::torchscript: the module is in use"))?;
        match found {
            Ok(tch::IValue::Tensor(y)) => Ok(y.into()),
            Ok(_) => Err(Error::data(format!(
                "{}: gives something other than one tensor",
                self.describe()
            ))
            .with_hint("wrap it in a module whose `forward` returns a tensor, and save that")),
            Err(error) => {
                let text = format!(
                    "{}: cannot take the input {}: {}",
                    self.describe(),
                    x.brief(),
                    last_words(&error)
                );
                Err(Error::shape(text)
                    .with_hint("the module's own code says this; what shape was it made for?"))
            }
        }
    }
}

/// Of TorchScript's long messages the sentence that says what is wrong.
fn last_words(error: &tch::TchError) -> String {
    let text = error.to_string();
    let text = text
        .split("\nException raised from")
        .next()
        .unwrap_or(&text);
    let line = text
        .lines()
        .rev()
        .find_map(|l| l.trim().split_once("Error: ").map(|(_, said)| said));
    let first = text
        .strip_prefix("Internal torch error: ")
        .unwrap_or(text)
        .lines()
        .next();
    line.or(first)
        .unwrap_or("no reason given")
        .trim()
        .to_owned()
}

impl Layer for TorchScript {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.call(x)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        if let Some(known) = self.shapes.borrow().get(input) {
            return Ok(known.clone());
        }
        // The module is a program: what it makes of a shape is seen by trying, with few rows.
        let rows = input.first().copied().unwrap_or(1);
        let mut tried = input.to_vec();
        if let Some(first) = tried.first_mut() {
            *first = rows.clamp(1, 2);
        }
        let _guard = no_grad();
        let kind = self
            .trained
            .first()
            .map(|(_, p)| p.get().kind())
            .or(self.kind);
        let probe = tch::Tensor::f_zeros(&tried, (kind.unwrap_or(Kind::Float), self.device))?;
        let mut made = self.call(&probe.into())?.shape();
        if let (Some(first), Some(known)) = (made.first_mut(), tried.first())
            && *first == *known
        {
            *first = rows;
        }
        self.shapes
            .borrow_mut()
            .insert(input.to_vec(), made.clone());
        Ok(made)
    }

    fn parameters(&self) -> Named {
        self.trained.clone()
    }

    fn set_training(&self, training: bool) {
        // Not every module has the two modes; one that has only one stays in it.
        let set = self.module.try_borrow_mut().map(|mut m| {
            if training {
                m.f_set_train()
            } else {
                m.f_set_eval()
            }
        });
        if matches!(set, Ok(Ok(()))) {
            self.training.set(training);
        }
    }

    fn training(&self) -> Option<bool> {
        Some(self.training.get())
    }

    fn rowwise(&self) -> bool {
        // In training mode it may hold a batch norm.
        !self.training.get()
    }

    fn describe(&self) -> String {
        format!("torchscript({:?})", self.name)
    }

    fn summarise(
        &self,
        path: &str,
        input: Option<&[i64]>,
        rows: &mut Vec<super::Row>,
    ) -> Result<()> {
        let output = input.map(|shape| self.output_shape(shape)).transpose()?;
        let frozen = format!(
            "{}: {} frozen weights",
            self.describe(),
            super::thousands(self.weights)
        );
        let layer = if self.trained.is_empty() {
            frozen
        } else {
            self.describe()
        };
        rows.push(super::Row {
            path: path.to_owned(),
            layer,
            output,
            parameters: super::count(&self.trained),
        });
        Ok(())
    }
}
