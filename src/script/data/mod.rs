//! Data in the language: sets under `data::`, and their parts.

pub mod parts;
pub mod sets;
