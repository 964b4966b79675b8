//! Seeds decide what networks start with, and what they draw.

use crate::nn::Network;
use crate::script::{Program, Settings};

fn weights(seed: u64, script: &str) -> Vec<f64> {
    let program = Program::new(Settings {
        seed,
        ..Settings::default()
    });
    let made = program
        .run_text("test", script)
        .map(|value| value.cast::<Network>());
    let all = made
        .unwrap()
        .parameters()
        .into_iter()
        .flat_map(|(_, p)| p.get().to_vec().unwrap());
    all.collect()
}

#[test]
fn a_seed_decides_the_weights() {
    let script = "nn::sequential([nn::conv2d(1, 4, 3), nn::flatten(), nn::mlp([16, 8, 3]), nn::linear(3, 3)])";
    let first = weights(1, script);
    // What happens to the generator in between, here another network, must not matter.
    assert_ne!(weights(2, script), first);
    assert_eq!(weights(1, script), first);
    // Two layers of one script differ.
    let both = weights(1, "nn::sequential([nn::linear(3, 3), nn::linear(3, 3)])");
    assert_ne!(both[..12], both[12..]);
}

#[test]
fn dropout_draws_from_the_seed() {
    let script = "let net = nn::linear(40, 1);
        net.load_state_dict(#{ weight: nn::dropout(0.5).forward(tensor::ones([1, 40])), bias: tensor::of([0]) });
        net";
    let first = weights(1, script);
    assert_ne!(weights(2, script), first);
    assert_eq!(weights(1, script), first);
}
