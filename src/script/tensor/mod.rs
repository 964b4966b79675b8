//! Tensors in the language: constructors under `tensor::`, methods and operators on the values.

pub mod create;
pub mod files;
pub mod math;
pub mod operators;
pub mod reduce;
pub mod shape;

use rhai::NativeCallContext;

use super::session::Session;
use crate::tensor::Stream;

/// Random numbers outside of training steps come from the session's seed; inside a step the loop has seeded already.
pub(super) fn fresh(ctx: &NativeCallContext) {
    if !crate::record::listening() {
        Session::of(ctx).next_seed(Stream::Evaluate);
    }
}
