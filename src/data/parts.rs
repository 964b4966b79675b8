//! From rows with labels, or without, to a data set in three parts.

use super::images::few_labels;
use super::labels::classes;
use super::{Dataset, Part, Split, stratified};
use crate::error::{Error, Result};

crate::options! {
    /// How rows from files become the three parts: what [`arrays`](super::arrays) and
    /// [`csv`](super::csv) have in common.
    pub struct PartsOptions for "data::arrays" {
        /// rows for validation; () for a tenth
        validation: Option<i64> = None,
        /// rows for the test, where the file has no test part; () for a fifth
        test: Option<i64> = None,
        /// seed of the split, and of which rows keep their labels
        seed: i64 = 0,
        /// so many training rows of each class keep their label and are `train`; the others are
        /// `unlabelled`
        labels_per_class: Option<i64> = None,
    }
    check |o, owner| {
        match o.labels_per_class {
            Some(n) if n < 1 => Err(Error::argument(format!("{owner}: labels_per_class must be 1 or more, got {n}"))),
            _ => Ok(()),
        }
    }
}

/// What a file gave.
pub(super) struct Found {
    /// The script's function, for errors.
    pub(super) function: &'static str,
    /// The data set's name.
    pub(super) name: String,
    /// Where it comes from: `Arrays of mine.npz`.
    pub(super) about: String,
    /// All rows but those of parts of their own; labels −1 where there are none.
    pub(super) all: Part,
    pub(super) validation: Option<Part>,
    pub(super) test: Option<Part>,
    /// Whether the values are known to be in [−1, 1].
    pub(super) unit: bool,
    pub(super) notes: Vec<String>,
}

impl Found {
    /// Which rows of `all` become which part.
    pub(super) fn split(&self, o: &PartsOptions) -> Result<Split> {
        let n = self.all.len();
        let wanted = |own: &Option<Part>, count: i64| if own.is_some() { 0 } else { count };
        stratified(
            &self.all.y.to_ints()?,
            wanted(&self.validation, o.validation.unwrap_or(n / 10)),
            wanted(&self.test, o.test.unwrap_or(n / 5)),
            o.seed,
        )
        .map_err(|e| Error::argument(e.message().replacen("split", self.function, 1)))
    }

    pub(super) fn dataset(self, o: &PartsOptions) -> Result<Dataset> {
        let (function, name) = (self.function, &self.name);
        let split = self.split(o)?;
        let part = |rows: &[i64], which: &str| {
            Ok::<Part, Error>(self.all.rows(rows)?.named(format!("{name}.{which}")))
        };
        let own = |own: &Option<Part>, rows: &[i64], which: &str| match own {
            Some(own) => Ok(own.named(format!("{name}.{which}"))),
            None => part(rows, which),
        };
        let validation = own(&self.validation, &split.validation, "validation")?;
        let test = own(&self.test, &split.test, "test")?;
        let labels = self.all.y.to_ints()?;
        let together = [labels.clone(), validation.y.to_ints()?, test.y.to_ints()?].concat();
        let labelled = together.iter().any(|y| *y >= 0);
        let (train, unlabelled) = match o.labels_per_class {
            None => (part(&split.train, "train")?, None),
            Some(n) if labelled => {
                let (few, rest) = few_labels(function, &labels, &split.train, n)?;
                let rest = part(&rest, "unlabelled")?.without_labels()?;
                (part(&few, "train")?, Some(rest))
            }
            Some(_) => {
                return Err(Error::argument(format!(
                    "{function}: labels_per_class, but {name} has no labels"
                )));
            }
        };
        let (low, high) = self.all.extremes()?;
        let unit = self.unit || (low >= -1.0 && high <= 1.0);
        Ok(Dataset {
            train,
            validation,
            test,
            held_out: None,
            unlabelled,
            classes: if labelled {
                classes(function, &together)?
            } else {
                0
            },
            range: if unit { (-1.0, 1.0) } else { (low, high) },
            about: format!("{}, stratified split from seed {}.", self.about, o.seed),
            notes: self.notes,
            name: self.name,
        }
        .ranged())
    }
}
