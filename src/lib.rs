//! jemscript: energy-based models from short scripts.
//!
//! The library computes what *Your Classifier is Secretly an Energy Based Model and You Should
//! Treat it Like One* (Grathwohl et al., ICLR 2020; "JEM" below) defines: energies, samplers, the
//! JEM loss, and the evaluation of its claims, on libtorch. It is usable from Rust as it is;
//! feature `script` embeds the language, feature `cli` makes the program.

// First, since its macros take the place of the standard library's in all that follows.
// Without the command line few parts print; the macros are there for all.
#[cfg_attr(not(feature = "cli"), allow(unused_macros))]
#[macro_use]
pub mod out;

pub mod aten;
#[cfg(feature = "cli")]
pub mod cli;
pub mod data;
pub mod display;
pub mod dry_run;
pub mod energy;
pub mod error;
pub mod evaluate;
#[cfg(feature = "cli")]
pub mod fetch;
pub mod formats;
pub mod heap;
pub mod history;
pub mod interrupt;
pub mod loss;
#[cfg(feature = "cli")]
pub mod lsp;
pub mod nn;
#[cfg(feature = "kernel")]
pub mod notebook;
pub mod optim;
pub mod options;
pub mod params;
mod pickle;
pub mod plan;
pub mod plot;
pub mod prelude;
mod proc;
pub mod record;
pub mod run;
#[cfg(feature = "evcxr")]
pub mod rust_cells;
pub mod sampler;
#[cfg(feature = "script")]
pub mod script;
pub mod summary;
pub mod tensor;
pub mod train;
pub mod world;

pub use anyhow;
#[cfg(feature = "script")]
pub use rhai;
pub use tch;

pub use error::{Error, Result};
pub use tensor::Tensor;
