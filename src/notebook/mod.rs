//! Notebooks: what runs a session for Jupyter.

pub mod kernel;
pub mod user;
