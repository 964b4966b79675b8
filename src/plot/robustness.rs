//! Accuracy against the strength of an attack.

use super::curve::{CurveOptions, Line, lines_chart};
use super::picture::Picture;
use crate::error::Result;
use crate::options::Options;

crate::options! {
    /// Options of a robustness curve.
    pub struct RobustnessOptions for "plot::robustness" {
        /// what stands above
        title: String = String::new(),
        /// what ε is measured in
        x_label: String = "ε (in units of the [0, 1] range)".to_owned(),
        /// what survives
        y_label: String = "accuracy under attack".to_owned(),
        /// width in pixels
        width: i64 = 760,
        /// height in pixels
        height: i64 = 500,
    }
}

/// Accuracy (0 to 1) over ε for several models: `x` of a line is ε, `y` the accuracy.
pub fn robustness(models: &[Line], options: &RobustnessOptions) -> Result<Picture> {
    options.check()?;
    let chart = CurveOptions {
        title: options.title.clone(),
        x_label: options.x_label.clone(),
        y_label: options.y_label.clone(),
        y_range: Some((0.0, 1.0)),
        markers: true,
        width: options.width,
        height: options.height,
        ..CurveOptions::default()
    };
    lines_chart("plot::robustness", models, &chart)
}
