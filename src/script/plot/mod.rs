//! Pictures in the language: functions under `plot::` that give a picture or an animation;
//! `save_image` writes it.

pub mod charts;
pub mod pictures;
mod series;
