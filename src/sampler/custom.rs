//! A sampler written by the user: one step, `(energy, x) → x`, repeated.

use std::rc::Rc;

use super::{Info, Kernel, NetworkMode};
use crate::energy::{Energy, Ready};
use crate::error::{Error, Result};
use crate::options::{Function, Options, Value};
use crate::tensor::Tensor;

const OWNER: &str = "sampler::custom";

crate::options! {
    /// Options of a sampler written as a function.
    pub struct CustomOptions for "sampler::custom" {
        /// mode of the network while sampling; restored afterwards
        mode: NetworkMode = NetworkMode::Eval,
        /// how the sampler prints
        name: String = "custom".to_owned(),
    }
}

/// A step written by the user.
pub struct Custom {
    steps: usize,
    function: Function,
    training: bool,
    options: CustomOptions,
}

impl Custom {
    /// A function of the energy and x, called `steps` times.
    pub fn new(steps: i64, function: &Function, options: &CustomOptions) -> Result<Custom> {
        options.check()?;
        let steps = usize::try_from(steps).map_err(|_| {
            Error::argument(format!(
                "{OWNER}: the number of steps must be at least 0, got {steps}"
            ))
        })?;
        let training = options.mode == NetworkMode::Train;
        Ok(Custom {
            steps,
            function: function.clone(),
            training,
            options: options.clone(),
        })
    }
}

/// A Rust function as one that the user's layer could have given.
pub(super) fn wrapped(step: impl Fn(&Energy, &Tensor) -> Result<Tensor> + 'static) -> Function {
    Function(Rc::new(move |arguments: &[Value]| {
        let energy = arguments.first().and_then(Value::downcast::<Energy>);
        match (energy, arguments.get(1).and_then(Value::downcast::<Tensor>)) {
            (Some(energy), Some(x)) => Ok(Value::object("tensor", step(&energy, &x)?)),
            _ => Err(Error::argument(
                "a sampler's step needs an energy and a tensor",
            )),
        }
    }))
}

impl Kernel for Custom {
    fn functions(&self) -> Vec<Function> {
        vec![self.function.clone()]
    }

    type State = Tensor;

    fn init(&self, _energy: &Ready, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }

    /// The function may do more with the energy than ask for its score.
    fn wants_scores_only(&self) -> bool {
        false
    }

    fn step(&self, energy: &Ready, x: &mut Tensor, _t: usize) -> Result<Info> {
        let arguments = [
            Value::object("energy", energy.energy().clone()),
            Value::object("tensor", x.clone()),
        ];
        let value = self.function.call(&arguments)?;
        let next = value.downcast::<Tensor>().ok_or_else(|| {
            Error::argument(format!(
                "{OWNER}: the step must return the new x, a tensor, got {}",
                value.type_name()
            ))
        })?;
        if next.shape() != x.shape() || next.kind() != x.kind() || next.device() != x.device() {
            return Err(Error::shape(format!(
                "{OWNER}: the step must keep the shape and type of x, {} became {}",
                x.brief(),
                next.brief()
            )));
        }
        *x = next.detach();
        Ok(Info::default())
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn training(&self) -> Option<bool> {
        Some(self.training)
    }

    fn name(&self) -> String {
        self.options.name.clone()
    }

    fn describe(&self) -> String {
        format!(
            "{}({}, function, #{{ mode: {:?} }})",
            self.options.name,
            self.steps,
            self.options.mode.word()
        )
    }
}
