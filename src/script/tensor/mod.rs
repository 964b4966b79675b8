//! Tensors in the language: constructors under `tensor::`, methods and operators on the values.

pub mod activations;
pub mod comparisons;
pub mod create;
pub mod files;
pub mod indexing;
pub mod math;
pub mod operators;
pub mod products;
pub mod reduce;
pub mod shape;

use rhai::NativeCallContext;

use super::host::Host;
use crate::tensor::{Operand, Stream, Tensor};

/// Random numbers outside of training steps come from the session's seed; inside a step the loop
/// has seeded already.
pub(super) fn fresh(ctx: &NativeCallContext) {
    if !crate::record::listening() {
        Host::of(ctx).next_seed(Stream::Evaluate);
    }
}

/// Argument `i`, a number, as operand of arithmetic. As in PyTorch its type counts, not its value:
/// a whole number keeps tensors of whole numbers whole, a float makes them floats, 1.0 as well as
/// 1.5.
fn given(i: usize, x: f64) -> Operand {
    if super::edge::was_whole(i) {
        Operand::Int(x as i64)
    } else {
        Operand::Number(x)
    }
}

/// A number to compare with: the result is a truth value, whatever the types; whole numbers are
/// compared without rounding.
fn number(t: &Tensor, x: f64) -> Operand {
    if !t.is_float() && x.fract() == 0.0 && x.abs() < 9e15 {
        Operand::Int(x as i64)
    } else {
        Operand::Number(x)
    }
}
