//! What is left to read when runs are over: tables and curves of a comparison, and the report of a
//! single run.

mod comparison;
mod report;

pub use comparison::{Format, curves, text, written};
pub use report::report;
#[cfg(feature = "cli")]
pub(crate) use report::{images, page, plain};
