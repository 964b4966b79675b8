//! A sampler written by the user: one step, `(energy, x) → x`, repeated.

use std::rc::Rc;

use super::{Chains, Info, Kernel, NetworkMode};
use crate::energy::{Energy, Ready};
use crate::error::{Error, Result};
use crate::options::{Function, Options, Value};
use crate::record;
use crate::tensor::Tensor;

const OWNER: &str = "sampler::custom";

crate::options! {
    /// Options of a sampler written as a function.
    pub struct CustomOptions for "sampler::custom" {
        /// mode of the network while sampling; restored afterwards
        mode: NetworkMode = NetworkMode::Eval,
        /// |energy, x|: what the chains keep from step to step at the start; then the step is
        /// |energy, x, t, state|, with `t` from 0, and gives #{ x, state }
        state: Option<Function> = None,
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

/// Where the chains are, and what the user keeps beside.
pub struct CustomState {
    x: Tensor,
    kept: Value,
}

impl Chains for CustomState {
    fn x(&self) -> &Tensor {
        &self.x
    }
}

fn arguments(energy: &Ready, x: &Tensor) -> [Value; 2] {
    [
        Value::object("energy", energy.energy().clone()),
        Value::object("tensor", x.clone()),
    ]
}

impl Custom {
    fn no_tensor(&self, value: &Value) -> Error {
        Error::argument(format!(
            "{OWNER}: the step must return the new x, a tensor, got {}",
            value.type_name()
        ))
    }

    /// What a step says in a map: `x`, `state`, `accepted` (`[B]` of 0 and 1), and numbers of any
    /// other name, which a training logs.
    fn told(
        &self,
        entries: Vec<(String, Value)>,
        state: &mut CustomState,
        info: &mut Info,
    ) -> Result<Tensor> {
        let mut next = None;
        let rows = state.x.len();
        for (name, value) in entries {
            let tensor = value.downcast::<Tensor>();
            match (name.as_str(), tensor, value.as_f64()) {
                ("state", ..) => state.kept = value,
                ("x", Some(tensor), _) => next = Some(tensor),
                ("x", None, _) => return Err(self.no_tensor(&value)),
                ("accepted", Some(tensor), _) if tensor.shape() == [rows] => {
                    info.accepted = Some(tensor.detach().to_kind(state.x.kind())?);
                }
                ("accepted", ..) => {
                    return Err(Error::shape(format!(
                        "{OWNER}: `accepted` must be a tensor of 0 and 1 for each chain, [{rows}]"
                    )));
                }
                (_, Some(tensor), _) if tensor.numel() == 1 => record::note(&name, &tensor),
                (_, _, Some(number)) => record::note(&name, &Tensor::scalar(number)?),
                _ => {
                    return Err(Error::argument(format!(
                        "{OWNER}: `{name}` must be a single number, got {}",
                        value.type_name()
                    )));
                }
            }
        }
        next.ok_or_else(|| {
            Error::argument(format!(
                "{OWNER}: the step's map lacks `x`, where the chains are now"
            ))
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
        std::iter::once(&self.function)
            .chain(&self.options.state)
            .cloned()
            .collect()
    }

    type State = CustomState;

    fn init(&self, energy: &Ready, x: &Tensor) -> Result<CustomState> {
        let kept = match &self.options.state {
            Some(first) => first.call(&arguments(energy, x))?,
            None => Value::None,
        };
        Ok(CustomState { x: x.clone(), kept })
    }

    /// The function may do more with the energy than ask for its score.
    fn wants_scores_only(&self) -> bool {
        false
    }

    fn step(&self, energy: &Ready, state: &mut CustomState, t: usize) -> Result<Info> {
        let mut given = arguments(energy, &state.x).to_vec();
        if self.options.state.is_some() {
            given.extend([Value::Int(t as i64), state.kept.clone()]);
        }
        let mut info = Info::default();
        let next = match self.function.call(&given)? {
            Value::Map(entries) => self.told(entries, state, &mut info)?,
            value => value
                .downcast::<Tensor>()
                .ok_or_else(|| self.no_tensor(&value))?,
        };
        let x = &state.x;
        if next.shape() != x.shape() || next.kind() != x.kind() || next.device() != x.device() {
            return Err(Error::shape(format!(
                "{OWNER}: the step must keep the shape and type of x, {} became {}",
                x.brief(),
                next.brief()
            )));
        }
        state.x = next.detach();
        Ok(info)
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
