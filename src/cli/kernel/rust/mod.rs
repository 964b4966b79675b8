//! The Jupyter kernel for Rust cells. It is evcxr's, started so that it finds libtorch and this
//! library by itself.

mod install;
mod places;
mod run;
mod warm;

pub use install::{install, uninstall};
pub use run::run;

/// The name by which Jupyter knows the kernel.
const NAME: &str = "jemscript-rust";
