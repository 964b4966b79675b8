//! What the library computes, against a truth: closed forms, finite differences, PyTorch,
//! scikit-learn, files as others write them. One program, so that libtorch is linked once.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[path = "../common/mod.rs"]
mod common;

mod attacks;
mod augment;
mod chains;
mod compare;
mod data;
mod data_sources;
mod evaluate;
mod exact_diagnostics;
mod exact_energy;
mod exact_estimator;
mod exact_replay;
mod exact_sampler;
mod log_z;
mod official;
mod parity_edges;
mod parity_jem;
mod parity_nn;
mod parity_optim;
mod pickles;
mod strange_data;
mod tables;
mod unjudged;
