//! Files of others and of our own: one format a file, each read without running anything that it
//! holds.

mod blobs;
mod csv;
mod foreign;
pub(crate) mod mat;
mod npy;
mod plain;
mod pytorch;
mod snapshot;
mod tensors;

pub(crate) use blobs::PARTIAL;
pub use blobs::{link_atomically, read_safetensors, write_atomically, write_safetensors};
pub use csv::{Table, TableOptions, read_csv, write_csv};
pub use foreign::foreign;
pub use npy::{Arrays, read_npy, read_npz};
pub use plain::{read_json, read_text};
pub use pytorch::{Unread, read_pytorch};
pub use snapshot::{read_snapshot, write_snapshot};
pub use tensors::{read_tensors, read_weights, tensors_in};

#[cfg(test)]
mod tests;
