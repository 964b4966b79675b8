//! Pictures: one kind a file, drawn without any system font.

mod grid;
mod picture;

pub use grid::{GridOptions, grid};
pub use picture::Picture;
