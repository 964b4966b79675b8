//! From the images of a source to a data set: validation split, held-out class, labels for a few
//! rows, size.

use super::rows::unit;
use super::{Dataset, Part, stratified};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Device, Kind, Tensor};

/// Images are converted and resized this many at a time, so that memory holds no second copy of all
/// as floats.
const CHUNK: usize = 4096;

crate::options! {
    /// Options of the image sets that have a training and a test file: [`cifar10`](super::cifar10),
    /// [`mnist`](super::mnist), …
    pub struct ImageOptions for "data::cifar10" {
        /// folder with the files as their authors publish them; () for the usual places
        folder: Option<String> = None,
        /// resize to size × size pixels, by area
        size: Option<i64> = None,
        /// at most this many rows in each part: random ones for training and validation, the first
        /// ones of the test
        limit: Option<i64> = None,
        /// rows of the training files for validation
        validation: i64 = 5000,
        /// seed of the split, and of which rows keep their labels
        seed: i64 = 0,
        /// a class to keep out of all parts, as out-of-distribution data; the labels of the others
        /// stay
        hold_out: Option<i64> = None,
        /// so many training rows of each class keep their label and are `train`; the others are
        /// `unlabelled`
        labels_per_class: Option<i64> = None,
    }
    check |o, owner| {
        if o.size.is_some_and(|s| !(1..=256).contains(&s)) {
            return Err(Error::argument(format!("{owner}: size must be from 1 to 256, got {}", o.size.unwrap_or(0))));
        }
        for (name, value) in [("limit", o.limit), ("labels_per_class", o.labels_per_class)] {
            if let Some(n) = value.filter(|n| *n < 1) {
                return Err(Error::argument(format!("{owner}: {name} must be at least 1, got {n}")));
            }
        }
        Ok(())
    }
}

/// Images as bytes `[N, C, H, W]` on the CPU, with their classes.
pub(super) struct Images {
    pub(super) bytes: Tensor,
    pub(super) labels: Vec<i64>,
}

impl Images {
    /// From bytes in this shape. The labels must be classes.
    pub(super) fn new(
        what: &str,
        bytes: &[u8],
        shape: [i64; 4],
        labels: Vec<i64>,
        classes: i64,
    ) -> Result<Images> {
        if shape.contains(&0)
            || shape[0] != labels.len() as i64
            || shape.iter().product::<i64>() != bytes.len() as i64
        {
            return Err(Error::data(format!(
                "{what}: {} bytes and {} labels are not images of {shape:?}",
                bytes.len(),
                labels.len()
            )));
        }
        let bytes = Tensor::from(tch::Tensor::f_from_data_size(bytes, &shape, Kind::Uint8)?);
        Images::of_tensor(what, bytes, labels, classes)
    }

    pub(super) fn of_tensor(
        what: &str,
        bytes: Tensor,
        labels: Vec<i64>,
        classes: i64,
    ) -> Result<Images> {
        // Without classes every label is −1.
        let possible = if classes == 0 { -1..0 } else { 0..classes };
        if let Some(bad) = labels.iter().find(|y| !possible.contains(*y)) {
            return Err(Error::data(format!(
                "{what}: the label {bad} is none of the {classes} classes"
            )));
        }
        Ok(Images { bytes, labels })
    }

    /// The same images with rows and columns changed over.
    pub(super) fn transposed(&self) -> Result<Images> {
        Ok(Images {
            bytes: self.bytes.transpose(2, 3)?.contiguous()?,
            labels: self.labels.clone(),
        })
    }

    /// One file's images, then another's.
    pub(super) fn concat(what: &str, all: Vec<Images>) -> Result<Images> {
        let labels = all.iter().flat_map(|i| i.labels.iter().copied()).collect();
        let bytes: Vec<Tensor> = all.into_iter().map(|i| i.bytes).collect();
        if bytes.is_empty() {
            return Err(Error::data(format!("{what}: there are no images")));
        }
        Ok(Images {
            bytes: if bytes.len() == 1 {
                bytes[0].clone()
            } else {
                Tensor::cat(&bytes, 0)?
            },
            labels,
        })
    }

    /// Some of the images, in this order.
    pub(super) fn chosen(&self, rows: &[i64]) -> Result<Images> {
        let index = Tensor::from(tch::Tensor::f_from_slice(rows)?);
        let labels = rows.iter().map(|i| self.labels[*i as usize]).collect();
        Ok(Images {
            bytes: self.bytes.index_select(0, &index)?,
            labels,
        })
    }

    /// Some rows as a part: bytes as they are, or floats of another size.
    fn part(&self, name: String, rows: &[i64], size: Option<i64>, labelled: bool) -> Result<Part> {
        let labels: Vec<i64> = rows
            .iter()
            .map(|i| {
                if labelled {
                    self.labels[*i as usize]
                } else {
                    -1
                }
            })
            .collect();
        let index = |rows: &[i64]| Ok::<Tensor, Error>(tch::Tensor::f_from_slice(rows)?.into());
        let labels = index(&labels)?;
        let Some(size) = size else {
            return Part::of_bytes(name, &self.bytes.index_select(0, &index(rows)?)?, &labels);
        };
        let mut pieces =
            vec![Tensor::zeros(&[0, self.bytes.shape()[1], size, size])?.to_device(Device::Cpu)?];
        for chunk in rows.chunks(CHUNK) {
            pieces
                .push(unit(&self.bytes.index_select(0, &index(chunk)?)?)?.resize_area(size, size)?);
        }
        Part::new(name, &Tensor::cat(&pieces, 0)?, &labels)
    }
}

/// What a source's files gave.
pub(super) struct Source<'a> {
    /// `cifar10`, as in scripts and parts' names.
    pub(super) name: &'a str,
    /// Who made it, and under which licence.
    pub(super) about: String,
    pub(super) classes: i64,
    pub(super) train: Images,
    pub(super) test: Images,
}

impl Source<'_> {
    /// Splits a validation part off the training images, from a seed, every class with its share.
    pub(super) fn dataset(self, o: &ImageOptions) -> Result<Dataset> {
        o.check()?;
        let (name, function) = (self.name, format!("data::{}", self.name.replace('-', "_")));
        if let Some(k) = o.hold_out.filter(|k| !(0..self.classes).contains(k)) {
            return Err(Error::argument(format!(
                "{function}: hold_out must be a class from 0 to {}, got {k}",
                self.classes - 1
            )));
        }
        let split = stratified(&self.train.labels, o.validation, 0, o.seed)
            .map_err(|e| Error::argument(e.message().replacen("split", &function, 1)))?;
        let limit = o.limit.unwrap_or(i64::MAX);
        let kept = |images: &Images, rows: &[i64]| -> Vec<i64> {
            let keep = |i: &&i64| o.hold_out.is_none_or(|k| images.labels[**i as usize] != k);
            rows.iter()
                .filter(keep)
                .take(limit.min(rows.len() as i64) as usize)
                .copied()
                .collect()
        };
        let all = |images: &Images| -> Vec<i64> { (0..images.labels.len() as i64).collect() };
        let (train, rest) = match o.labels_per_class {
            Some(n) => few_labels(
                &function,
                &self.train.labels,
                &kept(&self.train, &split.train),
                n,
            )?,
            None => (kept(&self.train, &split.train), Vec::new()),
        };
        let unlabelled = match o.labels_per_class {
            Some(_) => Some(
                self.train
                    .part(format!("{name}.unlabelled"), &rest, o.size, false)?,
            ),
            None => None,
        };
        let held_out = match o.hold_out {
            Some(k) => {
                let title = format!("{name}.held_out (class {k})");
                let of = |images: &Images| -> Vec<i64> {
                    all(images)
                        .into_iter()
                        .filter(|i| images.labels[*i as usize] == k)
                        .collect()
                };
                let first = self
                    .train
                    .part(title.clone(), &of(&self.train), o.size, true)?;
                let both = first.concat(&self.test.part(
                    title.clone(),
                    &of(&self.test),
                    o.size,
                    true,
                )?)?;
                Some(both.head(limit)?.named(title))
            }
            None => None,
        };
        let mut about = format!(
            "{}{} Validation is a stratified part of the training files, from seed {}.",
            self.about,
            o.size
                .map_or(String::new(), |s| format!(" Resized to {s}×{s} by area.")),
            o.seed
        );
        if let Some(n) = o.labels_per_class {
            about += &format!(" {n} labels a class.");
        }
        if let Some(k) = o.hold_out {
            about += &format!(" Class {k} is held out.");
        }
        Ok(Dataset {
            train: self
                .train
                .part(format!("{name}.train"), &train, o.size, true)?,
            validation: self.train.part(
                format!("{name}.validation"),
                &kept(&self.train, &split.validation),
                o.size,
                true,
            )?,
            test: self.test.part(
                format!("{name}.test"),
                &kept(&self.test, &all(&self.test)),
                o.size,
                true,
            )?,
            held_out,
            notes: Vec::new(),
            unlabelled,
            classes: self.classes,
            range: (-1.0, 1.0),
            about,
            name: name.to_owned(),
        }
        .ranged())
    }
}

/// The first `n` rows of each class, and the others.
pub(super) fn few_labels(
    function: &str,
    labels: &[i64],
    rows: &[i64],
    n: i64,
) -> Result<(Vec<i64>, Vec<i64>)> {
    let mut seen = std::collections::BTreeMap::<i64, i64>::new();
    let (mut few, mut rest) = (Vec::new(), Vec::new());
    for row in rows {
        let count = seen.entry(labels[*row as usize]).or_default();
        *count += 1;
        if *count <= n {
            few.push(*row)
        } else {
            rest.push(*row)
        }
    }
    match seen.iter().find(|(_, count)| **count < n) {
        Some((class, count)) => Err(Error::argument(format!(
            "{function}: labels_per_class is {n}, but class {class} has {count} training rows"
        ))),
        None => Ok((few, rest)),
    }
}
