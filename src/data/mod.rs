//! Data: labelled images or points in three parts, and batches of them.

mod archive;
mod arrays;
mod augment;
mod batches;
mod cifar;
mod csv;
mod digits;
mod folder;
mod generator;
mod idx;
mod images;
mod labels;
mod part;
mod parts;
mod places;
mod rows;
mod split;
mod svhn;
mod toy;

use std::fmt;

pub use arrays::{ArrayOptions, arrays};
pub use augment::{Augment, AugmentOptions, Padding};
pub use batches::{BatchOptions, Batches, add_noise};
pub use cifar::{Cifar100Options, cifar10, cifar100};
pub use csv::{CsvOptions, csv};
pub use digits::{DigitsOptions, digits};
pub use folder::{FolderOptions, folder};
pub use generator::Generator;
pub use idx::{fashion_mnist, mnist, read_idx};
pub use images::ImageOptions;
pub use part::Part;
pub use parts::PartsOptions;
pub use places::{folders, home};
pub use split::{Split, SplitOptions, split, stratified};
pub use svhn::{SvhnOptions, svhn};
pub use toy::{Toy, ToyOptions, toy};

use crate::dry_run;
use crate::error::Result;
use crate::tensor::{Device, Tensor};

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
    /// Rows of a class that was kept out of all three parts, if one was: out-of-distribution data
    /// of the same kind.
    pub held_out: Option<Part>,
    /// Training rows without labels (all are −1), for semi-supervised training, if only a few were
    /// to keep theirs.
    pub unlabelled: Option<Part>,
    /// How many classes; labels run from 0 to `classes − 1`. 0 where no row has a label.
    pub classes: i64,
    /// The range of values, for clamps and attacks: (−1, 1) for images.
    pub range: (f64, f64),
    /// Source, licence and how it was split, for reports.
    pub about: String,
    /// What was done to the values that one may not expect, for the user to read once.
    pub notes: Vec<String>,
}

/// A few rows of a part.
#[derive(Clone)]
pub struct Batch {
    /// `[B, …]`.
    pub x: Tensor,
    /// `[B]`, int64.
    pub y: Tensor,
}

impl Batch {
    /// The number of rows.
    pub fn len(&self) -> i64 {
        self.x.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same labels with Gaussian noise of this standard deviation on x.
    pub fn noisy(&self, sd: f64) -> Result<Batch> {
        Ok(Batch {
            x: add_noise(&self.x, sd)?,
            y: self.y.clone(),
        })
    }
}

/// The name of what stands for data.
const NOTHING: &str = "nothing";

impl Dataset {
    /// What stands for data where there is none: one row without a value in each part.
    pub fn nothing() -> Result<Dataset> {
        let part = |name: &str| Part::new(name, &Tensor::zeros(&[1, 1])?, &Tensor::of_ints(&[0])?);
        Ok(Dataset {
            name: NOTHING.to_owned(),
            train: part("train")?,
            validation: part("validation")?,
            test: part("test")?,
            held_out: None,
            unlabelled: None,
            classes: 1,
            range: (-1.0, 1.0),
            about: String::new(),
            notes: Vec::new(),
        })
    }

    /// Whether it stands for data where there is none.
    pub fn is_nothing(&self) -> bool {
        self.name == NOTHING && self.train.len() == 1 && self.classes == 1
    }

    /// The shape of one row.
    pub fn shape(&self) -> Vec<i64> {
        self.train.shape()
    }

    /// The parts with their names; the held-out class is not among them.
    pub fn parts(&self) -> [&Part; 3] {
        [&self.train, &self.validation, &self.test]
    }

    /// What one should know before training on it: classes without a row, in any part.
    pub fn remark(&self) -> Result<Option<String>> {
        let mut counts = vec![0; self.classes.max(0) as usize];
        let others = self.held_out.iter().chain(&self.unlabelled);
        for part in self.parts().into_iter().chain(others) {
            part.counts()?
                .iter()
                .zip(&mut counts)
                .for_each(|(n, sum)| *sum += n);
        }
        Ok(labels::remark(&self.name, &counts))
    }

    /// The same data on a device.
    pub fn to_device(&self, device: Device) -> Result<Dataset> {
        Ok(Dataset {
            train: self.train.to_device(device)?,
            validation: self.validation.to_device(device)?,
            test: self.test.to_device(device)?,
            held_out: self
                .held_out
                .as_ref()
                .map(|p| p.to_device(device))
                .transpose()?,
            unlabelled: self
                .unlabelled
                .as_ref()
                .map(|p| p.to_device(device))
                .transpose()?,
            ..self.clone()
        })
    }

    /// The same data with parts that know its range.
    fn ranged(self) -> Dataset {
        let range = Some(self.range);
        Dataset {
            train: self.train.with_range(range),
            validation: self.validation.with_range(range),
            test: self.test.with_range(range),
            held_out: self.held_out.map(|p| p.with_range(range)),
            unlabelled: self.unlabelled.map(|p| p.with_range(range)),
            ..self
        }
    }

    /// The same data; in a dry run with a few rows for all but training, whose epochs are counted.
    pub fn run_dry(self) -> Result<Dataset> {
        if !dry_run::on() {
            return Ok(self);
        }
        Ok(Dataset {
            validation: self.validation.few()?,
            test: self.test.few()?,
            held_out: self.held_out.as_ref().map(Part::few).transpose()?,
            ..self
        })
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.range;
        writeln!(
            f,
            "{}: {} classes, rows {:?} in [{low}, {high}]",
            self.name,
            self.classes,
            self.shape()
        )?;
        let more = self.unlabelled.as_ref().into_iter().chain(&self.held_out);
        for part in self.parts().into_iter().chain(more) {
            let short = part
                .name
                .strip_prefix(&format!("{}.", self.name))
                .unwrap_or(&part.name);
            writeln!(f, "  {short:<11}{:>7} rows", part.len())?;
        }
        write!(f, "{}", self.about)
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "batch of {}: x {}, y {}",
            self.len(),
            self.x.brief(),
            self.y.brief()
        )
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
