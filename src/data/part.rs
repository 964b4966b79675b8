//! A part of a data set: rows with labels, and the ways to choose among them.

use std::fmt;

use super::rows::Rows;
use super::{Batch, Generator};
use crate::dry_run;
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Stream, Tensor, no_grad};

/// Rows with labels, on one device.
#[derive(Clone)]
pub struct Part {
    rows: Rows,
    /// Class numbers `[N]`, int64; −1 where a row has no class (blends of images, noise).
    pub y: Tensor,
    /// What it is, for errors and tables: `digits.test`.
    pub name: String,
    /// Rows of the real run that these stand for, where a dry run cut them.
    real: Option<i64>,
    /// The range of its data set's values, where it comes from one.
    range: Option<(f64, f64)>,
}

impl Part {
    /// Rows with labels: `x` `[N, …]`, `y` `[N]`.
    pub fn new(name: impl Into<String>, x: &Tensor, y: &Tensor) -> Result<Part> {
        Part::of(name.into(), Rows::floats(x), y)
    }

    /// Images as bytes (uint8), which stand for −1 … 1 and stay bytes in memory.
    pub fn of_bytes(name: impl Into<String>, x: &Tensor, y: &Tensor) -> Result<Part> {
        Part::of(name.into(), Rows::bytes(x), y)
    }

    fn of(name: String, rows: Rows, y: &Tensor) -> Result<Part> {
        let shape = rows.shape();
        if shape.len() < 2 || y.ndim() != 1 || shape[0] != y.len() {
            return Err(Error::shape(format!(
                "{name}: needs rows x [N, …] and labels y [N], got x {shape:?} and y {:?}",
                y.shape()
            )));
        }
        let y = super::labels::checked(&name, y)?.to_device(rows.device())?;
        Ok(Part {
            rows,
            y,
            name,
            real: None,
            range: None,
        })
    }

    /// All rows `[N, …]`, in the data set's range (images: [−1, 1]). Images that are held as bytes
    /// are converted at each call.
    pub fn x(&self) -> Result<Tensor> {
        self.rows.all()
    }

    /// Some neighbouring rows with their labels.
    pub fn slice(&self, start: i64, length: i64) -> Result<Batch> {
        Ok(Batch {
            x: self.rows.slice(start, length)?,
            y: self.y.narrow(0, start, length)?,
        })
    }

    /// The rows at these indices (int64, on the part's device) with their labels.
    pub fn take(&self, index: &Tensor) -> Result<Batch> {
        Ok(Batch {
            x: self.rows.take(index)?,
            y: self.y.index_select(0, index)?,
        })
    }

    /// Where the rows lie.
    pub fn device(&self) -> Device {
        self.rows.device()
    }

    /// Rows without classes: all labels are −1.
    pub fn unlabelled(name: impl Into<String>, x: &Tensor) -> Result<Part> {
        let y = tch::Tensor::f_full([x.len()], -1, (Kind::Int64, x.device()))?;
        Part::new(name, x, &y.into())
    }

    /// What tells these rows from others in this process: where they lie, and how many.
    pub fn identity(&self) -> u64 {
        crate::tensor::hashed(&[self.rows.address(), self.y.address(), self.len() as u64])
    }

    /// A checksum of types, shapes and all values: the same for the same data in any process.
    pub fn checksum(&self) -> Result<u32> {
        self.rows.checksum(self.y.checksum(0)?)
    }

    /// The number of rows.
    pub fn len(&self) -> i64 {
        self.y.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of one row.
    pub fn shape(&self) -> Vec<i64> {
        self.rows.shape()[1..].to_vec()
    }

    /// The first `n` rows of x (all of them where there are fewer).
    pub fn images(&self, n: i64) -> Result<Tensor> {
        self.rows.slice(0, self.at_most("images", n)?)
    }

    /// The first `n` rows (all of them where there are fewer).
    pub fn head(&self, n: i64) -> Result<Part> {
        self.at_most("head", n)?;
        let real = self.real.map(|real| real.min(n.max(0)));
        let n = n.min(self.len());
        Ok(Part {
            rows: self.rows.head(n)?,
            y: self.y.slice(0, n)?,
            real,
            ..self.clone()
        })
    }

    /// The rows at these indices, in this order.
    pub fn rows(&self, indices: &[i64]) -> Result<Part> {
        let n = self.len();
        if let Some(bad) = indices.iter().find(|i| **i < 0 || **i >= n) {
            return Err(Error::shape(format!(
                "rows: index {bad} is out of range, {} has {n} rows",
                self.name
            )));
        }
        let index = Tensor::from(tch::Tensor::f_from_slice(indices)?).to_device(self.device())?;
        let (rows, y) = (self.rows.choose(&index)?, self.y.index_select(0, &index)?);
        let real = self.real.map(|real| real * indices.len() as i64 / n.max(1));
        Ok(Part {
            rows,
            y,
            real,
            ..self.clone()
        })
    }

    /// The rows in an order that depends on the seed alone.
    pub fn shuffle(&self, seed: i64) -> Result<Part> {
        self.rows(&Generator::new(seed, Stream::Data, "shuffle", 0).permutation(self.len()))
    }

    /// The rows of one class.
    pub fn class(&self, class: i64) -> Result<Part> {
        let found: Vec<i64> = self.indices(|y| y == class)?;
        if found.is_empty() {
            return Err(Error::argument(format!(
                "class: {} has no row of class {class}",
                self.name
            )));
        }
        Ok(Part {
            name: format!("{}.class({class})", self.name),
            ..self.rows(&found)?
        })
    }

    /// The rows of all classes but one.
    pub fn without_class(&self, class: i64) -> Result<Part> {
        self.rows(&self.indices(|y| y != class)?)
    }

    /// `n` rows drawn with replacement from libtorch's generator as it stands: an independent batch
    /// for the p(x) term.
    pub fn sample(&self, n: i64) -> Result<Batch> {
        if self.is_empty() {
            return Err(Error::shape(format!("sample: {} has no rows", self.name)));
        }
        crate::tensor::check_shape("sample", &[n])?;
        let index = Tensor::from(tch::Tensor::f_randint(
            self.len(),
            [n],
            (Kind::Int64, Device::Cpu),
        )?)
        .to_device(self.device())?;
        self.take(&index)
    }

    /// The same labels with x changed by a function; it must keep the number of rows.
    pub fn map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Part> {
        let _guard = no_grad();
        let x = change(&self.x()?)?;
        if x.ndim() < 2 || x.len() != self.len() {
            return Err(Error::shape(format!(
                "map: must keep the {} rows of {}, gave {:?}",
                self.len(),
                self.name,
                x.shape()
            )));
        }
        // Values that a function has changed may have another range.
        Ok(Part {
            rows: Rows::floats(&x),
            range: None,
            ..self.clone()
        })
    }

    /// The same rows without classes: all labels are −1.
    pub fn without_labels(&self) -> Result<Part> {
        Ok(Part {
            y: self.y.mul(0)?.sub(1)?,
            ..self.clone()
        })
    }

    /// The least and the greatest value; (0, 0) where there is none.
    pub fn extremes(&self) -> Result<(f64, f64)> {
        if self.rows.shape().contains(&0) {
            Ok((0.0, 0.0))
        } else {
            self.rows.extremes()
        }
    }

    /// Whether the rows are held as bytes.
    pub fn is_bytes(&self) -> bool {
        self.rows.is_bytes()
    }

    /// The range of the values of its data set, for attacks and noise; none for rows of unknown
    /// origin.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// The same rows, said to have this range.
    pub fn with_range(&self, range: Option<(f64, f64)>) -> Part {
        Part {
            range,
            ..self.clone()
        }
    }

    /// The same rows under another name.
    pub fn named(&self, name: impl Into<String>) -> Part {
        Part {
            name: name.into(),
            ..self.clone()
        }
    }

    /// The rows of two parts, one after the other.
    pub fn concat(&self, other: &Part) -> Result<Part> {
        if self.shape() != other.shape() {
            return Err(Error::shape(format!(
                "concat: {} has rows {:?}, {} has {:?}",
                self.name,
                self.shape(),
                other.name,
                other.shape()
            )));
        }
        let rows = self.rows.concat(&other.rows)?;
        let y = Tensor::cat(&[self.y.clone(), other.y.to_device(self.y.device())?], 0)?;
        let real = self
            .real
            .or(other.real)
            .map(|_| self.real_len() + other.real_len());
        let range = self.range.filter(|range| other.range == Some(*range));
        Ok(Part {
            rows,
            y,
            name: format!("{} + {}", self.name, other.name),
            real,
            range,
        })
    }

    /// The same rows on a device.
    pub fn to_device(&self, device: Device) -> Result<Part> {
        Ok(Part {
            rows: self.rows.to_device(device)?,
            y: self.y.to_device(device)?,
            ..self.clone()
        })
    }

    /// How many rows each class has, from class 0 to the largest one that occurs.
    pub fn counts(&self) -> Result<Vec<i64>> {
        let labels = self.y.to_ints()?;
        let classes = labels.iter().max().map_or(0, |m| m + 1).max(0);
        let mut counts = vec![0; classes as usize];
        labels
            .iter()
            .filter(|y| **y >= 0)
            .for_each(|y| counts[*y as usize] += 1);
        Ok(counts)
    }

    fn indices(&self, keep: impl Fn(i64) -> bool) -> Result<Vec<i64>> {
        let labels = self.y.to_ints()?;
        Ok((0..self.len())
            .filter(|i| keep(labels[*i as usize]))
            .collect())
    }

    /// Two rows of each of the first eight classes, or the first rows: enough for a dry run of an
    /// evaluation.
    pub(super) fn few(&self) -> Result<Part> {
        let labels = self.y.to_ints()?;
        let nth = |i: usize| labels[..i].iter().filter(|y| **y == labels[i]).count();
        let mut rows: Vec<i64> = (0..labels.len())
            .filter(|i| (0..8).contains(&labels[*i]))
            .filter(|i| nth(*i) < 2)
            .map(|i| i as i64)
            .take(16)
            .collect();
        if rows.len() < 4 {
            rows = (0..self.len().min(16)).collect();
        }
        dry_run::shortened(rows.len() as i64, self.len());
        Ok(Part {
            real: Some(self.len()),
            ..self.rows(&rows)?
        })
    }

    /// How many rows the real run has where these are; in a dry run more than are here.
    pub fn real_len(&self) -> i64 {
        self.real.unwrap_or(self.len())
    }

    /// So many rows, the first ones over and over where there are fewer, which stand for no more
    /// than themselves: what a dry run measures with.
    pub(crate) fn of_length(&self, n: i64) -> Result<Part> {
        let all = self.len().max(1);
        let part = if n == self.len() {
            self.clone()
        } else {
            self.rows(&(0..n).map(|i| i % all).collect::<Vec<_>>())?
        };
        Ok(Part { real: None, ..part })
    }

    fn at_most(&self, what: &str, n: i64) -> Result<i64> {
        if n < 0 {
            return Err(Error::argument(format!(
                "{what}: the number of rows must not be negative, got {n}"
            )));
        }
        Ok(n.min(self.len()))
    }

    fn show(&self) -> Result<String> {
        let mut text = format!("{}: {} rows of {:?}", self.name, self.len(), self.shape());
        if !self.rows.shape().contains(&0) {
            let (low, high) = self.rows.extremes()?;
            text += &format!(" in [{}, {}]", short(low), short(high));
        }
        let counts = self.counts()?;
        if !counts.is_empty() {
            let list: Vec<String> = counts.iter().take(20).map(ToString::to_string).collect();
            let more = if counts.len() > 20 { " …" } else { "" };
            text += &format!(", rows per class from 0: {}{more}", list.join(" "));
        }
        Ok(text)
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show().unwrap_or_else(|e| e.to_string()))
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
