//! Pictures: one kind a file, drawn without any system font.
//!
//! `canvas` draws shapes and text, `axis` chooses ticks, `frame` puts title, legend and axes around
//! a plot area; each of the other files is one kind of picture. What cannot be drawn is an error or
//! a note in the picture, never a panic.

mod animation;
mod axis;
mod bars;
mod canvas;
mod curve;
mod density;
mod frame;
mod grid;
mod heatmap;
mod histogram;
mod panels;
mod picture;
mod reliability;
mod robustness;
mod scale;
mod scatter;
mod style;

pub use animation::{Animation, AnimationOptions, animation};
pub use bars::{Bars, BarsOptions, bars};
pub use curve::{CurveOptions, Line, curve, line};
pub use density::{DensityOptions, density};
pub use grid::{GridOptions, grid};
pub use heatmap::{HeatmapOptions, heatmap};
pub use histogram::{HistogramOptions, Sample, histogram};
pub use panels::{PanelsOptions, panels};
pub use picture::{Picture, Rgb};
pub use reliability::{Calibration, ReliabilityOptions, reliability};
pub use robustness::{RobustnessOptions, robustness};
pub use scatter::{Cloud, ScatterOptions, scatter};

#[cfg(test)]
mod tests;
