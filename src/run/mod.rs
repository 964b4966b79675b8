//! The run folder: everything a training leaves behind, in one place.

mod blobs;

pub use blobs::{read_safetensors, write_safetensors};
