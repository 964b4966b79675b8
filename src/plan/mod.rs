//! Networks written out: the energy and its gradient by x without autograd, for weights that stand
//! still.
//!
//! A chain asks one network for its score hundreds of times, at batches of one shape. Autograd pays
//! for each of them again: a graph, memory for every value between two layers, reorders of images
//! between layouts, gradients in separate passes. Here all of it is settled once. Layers describe
//! themselves to a [`Sketch`]; a sketch becomes a [`Program`], a list of kernel calls forward and
//! backward over fixed buffers; weights are laid out for the kernels once a chain. Images are worked
//! on in blocks of sixteen, `[pixel][channel][16 images]`, which no other block needs: so blocks go
//! to threads. Where there are fewer blocks than threads, these share the outputs of each call. Every
//! number is made by one thread in one order, so any number of threads gives the same bits.
//!
//! | file | what |
//! |---|---|
//! | `sketch.rs` | what layers say of themselves |
//! | `geometry.rs` | which inputs an output is made of: convolutions, pools |
//! | `program.rs` | the calls |
//! | `compile.rs`, `forward.rs`, `backward.rs` | from sketches to calls, with what can be done in one pass joined |
//! | `weights.rs` | weights in the order in which kernels read them |
//! | `pass.rs` | a block through a program |
//! | `team.rs` | threads that share a block's calls |
//! | `written.rs` | batches, heads and chains |
//! | `noise.rs` | normal numbers as a function of seed and step |
//! | `kernel.rs`, `kernels/` | the kernels, in C++, once for each instruction set |
//!
//! What cannot be written out (a function of the user, a layer that is not here) is an
//! [`Unplanned`] with its reason; autograd then does it.

mod backward;
mod compile;
mod forward;
mod geometry;
mod kernel;
mod noise;
mod pass;
mod program;
mod sketch;
mod team;
#[cfg(test)]
mod tests;
mod weights;
mod written;

pub use compile::compile;
pub use kernel::{Real, halves, instruction_set};
pub use noise::{Key, add_noise};
pub use program::Program;
pub(crate) use sketch::{Curve, Window};
pub use sketch::{Place, Planned, Sketch, Unplanned};
pub use written::{Head, Langevin, Plan, Precision, Stride, Walked};
