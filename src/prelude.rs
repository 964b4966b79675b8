//! What a program or a notebook in Rust has after `use jemscript::prelude::*;`: the rooms by their
//! names, the types that variables hold, and in notebooks [`Session`](crate::rust_cells::Session).
//!
//! `Result` is not among them: a cell of evcxr needs the standard one.

pub use crate::data::{Batch, Dataset, Part};
pub use crate::energy::Energy;
pub use crate::error::{Error, ErrorKind};
pub use crate::loss::Loss;
pub use crate::nn::Network;
pub use crate::optim::Optimizer;
pub use crate::plot::{Animation, Picture};
#[cfg(feature = "evcxr")]
pub use crate::rust_cells::{Output, Session};
pub use crate::sampler::{ChainRun, Replay, Sampler};
pub use crate::tensor::Tensor;
pub use crate::train::Record;
pub use crate::{
    data, display, energy, evaluate, loss, nn, optim, options, params, plot, sampler, tensor, train,
};
