//! PyTorch's default initialisation of `conv2d` and `linear`: weights and biases uniform in
//! ±1/√fan_in.
//!
//! PyTorch writes it as Kaiming's uniform rule with `a = √5`: bound = √(6 / ((1 + a²) fan_in)) =
//! 1/√fan_in. The numbers are drawn in PyTorch's order, so that one seed gives one network in both.

use crate::error::Result;
use crate::params::Param;
use crate::tensor::{Kind, Tensor, check_shape, default_device};

/// A weight of a shape and, where wanted, its bias (one number for each first index), on the
/// default device.
pub(super) fn weight_and_bias(
    function: &str,
    shape: &[i64],
    bias: bool,
) -> Result<(Param, Option<Param>)> {
    let weight = weight(function, shape)?;
    let bias = match bias {
        true => Some(self::bias(shape[0], shape)?),
        false => None,
    };
    Ok((weight, bias))
}

/// A weight of a shape, on the default device.
pub(super) fn weight(function: &str, shape: &[i64]) -> Result<Param> {
    check_shape(function, shape)?;
    uniform(shape, bound(shape))
}

/// The bias of `n` numbers beside a weight of a shape.
pub(super) fn bias(n: i64, weight: &[i64]) -> Result<Param> {
    uniform(&[n], bound(weight))
}

fn bound(weight: &[i64]) -> f64 {
    let fan_in: i64 = weight[1..].iter().product();
    1.0 / (fan_in as f64).sqrt()
}

/// A weight with numbers in ±bound.
pub(super) fn uniform(shape: &[i64], bound: f64) -> Result<Param> {
    let mut raw = tch::Tensor::f_empty(shape, (Kind::Float, default_device()))?;
    Param::new(&Tensor::from(raw.f_uniform_(-bound, bound)?))
}
