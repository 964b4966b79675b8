//! Data: labelled images or points in three parts, and batches of them.

use crate::tensor::Tensor;

/// Rows with labels, on one device.
#[derive(Clone)]
pub struct Part {
    /// `[N, …]`, in the data set's range (images: [−1, 1]).
    pub x: Tensor,
    /// Class numbers `[N]`, int64.
    pub y: Tensor,
    /// What it is, for errors and tables: `digits.test`.
    pub name: String,
}

/// A data set split into training, validation and test parts.
#[derive(Clone)]
pub struct Dataset {
    /// `digits`.
    pub name: String,
    /// What gradients see.
    pub train: Part,
    /// What choices are made on.
    pub validation: Part,
    /// What is looked at once, at the end.
    pub test: Part,
    /// How many classes.
    pub classes: i64,
    /// The range of values, for clamps and attacks: (−1, 1) for images.
    pub range: (f64, f64),
    /// Source, licence and how it was split, for reports.
    pub about: String,
}

/// A few rows of a part.
#[derive(Clone)]
pub struct Batch {
    /// `[B, …]`.
    pub x: Tensor,
    /// `[B]`, int64.
    pub y: Tensor,
}

impl Part {
    /// The number of rows.
    pub fn len(&self) -> i64 {
        self.x.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of one row.
    pub fn shape(&self) -> Vec<i64> {
        self.x.shape()[1..].to_vec()
    }
}

impl Dataset {
    /// The shape of one row.
    pub fn shape(&self) -> Vec<i64> {
        self.train.shape()
    }
}
