//! Networks in the language: layers under `nn::`, methods on the values.

pub mod activations;
pub mod compose;
pub mod layers;
pub mod more_layers;
pub mod network;
#[cfg(test)]
mod tests;
pub mod weights;
pub mod whole;

use rhai::NativeCallContext;

use super::host::Host;
use crate::tensor::Stream;

/// Initial weights come from the session's seed; inside a training step the loop has seeded
/// already.
fn seed_weights(ctx: &NativeCallContext) {
    if !crate::record::listening() {
        Host::of(ctx).next_seed(Stream::Init);
    }
}
