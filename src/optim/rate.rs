//! A learning rate: a number, or the user's function of the step.

use std::fmt;

use crate::error::{Error, Result};
use crate::options::{Function, OptionValue, Value};

/// What `lr` can be.
#[derive(Clone)]
pub enum Rate {
    /// The same at all steps, but for the schedule's factor.
    Fixed(f64),
    /// A function of the step, which counts from 0.
    Function(Function),
}

impl Rate {
    /// The rate of a step.
    pub(super) fn at(&self, owner: &str, step: i64) -> Result<f64> {
        let function = match self {
            Rate::Fixed(lr) => return Ok(*lr),
            Rate::Function(function) => function,
        };
        let found = function.call(&[Value::Int(step)])?;
        match found.as_f64() {
            Some(lr) if lr.is_finite() && lr >= 0.0 => Ok(lr),
            _ => Err(Error::argument(format!(
                "{owner}: the function `lr` gave {} {found} for step {step}",
                found.type_name()
            ))
            .with_hint(
                "it must give a number that is not negative, as in lr: |t| 0.1 * 0.99 ** t",
            )),
        }
    }

    /// The number, if it is one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Rate::Fixed(lr) => Some(*lr),
            Rate::Function(_) => None,
        }
    }
}

impl From<f64> for Rate {
    fn from(lr: f64) -> Rate {
        Rate::Fixed(lr)
    }
}

impl OptionValue for Rate {
    const TYPE: &'static str = "float or function";

    fn from_value(value: &Value) -> Option<Rate> {
        match value {
            Value::Function(function) => Some(Rate::Function(function.clone())),
            other => other.as_f64().map(Rate::Fixed),
        }
    }

    fn show(&self) -> String {
        match self {
            Rate::Fixed(lr) => format!("{lr}"),
            Rate::Function(function) => function.show(),
        }
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}
