//! The digits that ship inside the library: 1,797 handwritten digits of 8×8 pixels from UCI
//! optdigits.
//!
//! The file is the original test part of optdigits as scikit-learn ships it: one line per image, 64
//! counts from 0 to 16 and the digit. Licence CC BY 4.0.

use std::io::Read;

use super::images::few_labels;
use super::{Dataset, Part, stratified};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Kind, Tensor, default_device};

const FILE: &[u8] = include_bytes!("digits.csv.gz");
/// Width and height of an image.
const SIDE: i64 = 8;
/// Each pixel counts the ink in a block of 4×4: 0 to 16.
const INK: f64 = 16.0;

const ABOUT: &str = "UCI optdigits (E. Alpaydin, C. Kaynak, \"Optical Recognition of Handwritten Digits\", UCI Machine \
    Learning Repository, 1998; CC BY 4.0): the original test part of 1,797 images by 13 writers. \
    The writers are shared across our train, validation and test parts.";

crate::options! {
    /// Options of [`digits`].
    pub struct DigitsOptions for "data::digits" {
        /// seed of the split
        seed: i64 = 0,
        /// rows for validation
        validation: i64 = 360,
        /// rows for the test
        test: i64 = 360,
        /// a digit to keep out of all three parts, as out-of-distribution data; labels stay 0 to 9
        hold_out: Option<i64> = None,
        /// so many training rows of each class keep their label and are `train`; the others are
        /// `unlabelled`
        labels_per_class: Option<i64> = None,
    }
    check |o| {
        if let Some(n) = o.labels_per_class.filter(|n| *n < 1) {
            return Err(Error::argument(format!("data::digits: labels_per_class must be at least 1, got {n}")));
        }
        match o.hold_out {
            Some(k) if !(0..10).contains(&k) => {
                Err(Error::argument(format!("data::digits: hold_out must be a digit from 0 to 9, got {k}")))
            }
            _ => Ok(()),
        }
    }
}

/// The digits, `[N, 1, 8, 8]` in [−1, 1], split by class from a seed.
///
/// With a class held out, the other rows stay in the parts where they are without it.
pub fn digits(options: &DigitsOptions) -> Result<Dataset> {
    options.check()?;
    let (pixels, labels) = read()?;
    let rows = labels.len() as i64;
    let x = Tensor::from_f64(
        &pixels,
        &[rows, 1, SIDE, SIDE],
        Kind::Float,
        default_device(),
    )?;
    let all = Part::new("digits", &x, &Tensor::of_ints(&labels)?)?;
    let split = stratified(&labels, options.validation, options.test, options.seed)
        .map_err(|e| Error::argument(e.message().replacen("split", "data::digits", 1)))?;
    let kept = |chosen: &[i64]| -> Vec<i64> {
        chosen
            .iter()
            .copied()
            .filter(|i| Some(labels[*i as usize]) != options.hold_out)
            .collect()
    };
    let part = |rows: &[i64], name: &str| {
        Ok::<Part, Error>(all.rows(rows)?.named(format!("digits.{name}")))
    };
    let (train, unlabelled) = match options.labels_per_class {
        None => (kept(&split.train), None),
        Some(n) => {
            let (few, rest) = few_labels("data::digits", &labels, &kept(&split.train), n)?;
            (few, Some(part(&rest, "unlabelled")?.without_labels()?))
        }
    };
    let mut about = format!("{ABOUT} Stratified split from seed {}.", options.seed);
    let held_out = match options.hold_out {
        Some(k) => {
            about += &format!(" Class {k} is held out.");
            Some(all.class(k)?.named(format!("digits.held_out (class {k})")))
        }
        None => None,
    };
    Ok(Dataset {
        name: "digits".to_owned(),
        train: part(&train, "train")?,
        validation: part(&kept(&split.validation), "validation")?,
        test: part(&kept(&split.test), "test")?,
        notes: Vec::new(),
        held_out,
        unlabelled,
        classes: 10,
        range: (-1.0, 1.0),
        about,
    }
    .ranged())
}

/// Pixels in [−1, 1] and labels, in the file's order.
fn read() -> Result<(Vec<f64>, Vec<i64>)> {
    let broken =
        || Error::data("data::digits: the embedded file is broken; build the library again");
    let mut text = String::new();
    flate2::read::GzDecoder::new(FILE)
        .read_to_string(&mut text)
        .map_err(|_| broken())?;
    let (mut pixels, mut labels) = (Vec::with_capacity(1797 * 64), Vec::with_capacity(1797));
    for line in text.lines() {
        let row: Vec<f64> = line
            .split(',')
            .map(|v| v.parse::<f64>().map_err(|_| broken()))
            .collect::<Result<_>>()?;
        let (label, ink) = row.split_last().ok_or_else(broken)?;
        if ink.len() as i64 != SIDE * SIDE {
            return Err(broken());
        }
        pixels.extend(ink.iter().map(|v| v / (INK / 2.0) - 1.0));
        labels.push(*label as i64);
    }
    Ok((pixels, labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_range_and_shares() -> Result<()> {
        let d = digits(&DigitsOptions::default())?;
        assert_eq!(
            (d.train.len(), d.validation.len(), d.test.len()),
            (1077, 360, 360)
        );
        assert_eq!(d.shape(), [1, 8, 8]);
        for part in d.parts() {
            assert_eq!(
                (part.x()?.min()?.item()?, part.x()?.max()?.item()?),
                (-1.0, 1.0)
            );
            let counts = part.counts()?;
            assert_eq!(counts.len(), 10);
            let share = part.len() as f64 / 10.0;
            assert!(
                counts
                    .iter()
                    .all(|c| (*c as f64 - share).abs() < 0.06 * share),
                "{counts:?}"
            );
        }
        assert!(d.to_string().contains("360 rows") && d.about.contains("writers are shared"));
        Ok(())
    }

    #[test]
    fn a_held_out_class_is_nowhere_else() -> Result<()> {
        let whole = digits(&DigitsOptions::default())?;
        let d = digits(&DigitsOptions {
            hold_out: Some(4),
            ..DigitsOptions::default()
        })?;
        for part in d.parts() {
            assert_eq!(part.counts()?[4], 0);
        }
        let held = d.held_out.clone().unwrap();
        assert_eq!(held.counts()?, [0, 0, 0, 0, 181]);
        assert_eq!(d.classes, 10);
        assert_eq!(
            whole.test.without_class(4)?.x()?.to_vec()?,
            d.test.x()?.to_vec()?
        );
        Ok(())
    }

    #[test]
    fn few_rows_keep_their_labels() -> Result<()> {
        let whole = digits(&DigitsOptions::default())?;
        let d = digits(&DigitsOptions {
            labels_per_class: Some(3),
            ..DigitsOptions::default()
        })?;
        assert_eq!(d.train.counts()?, [3; 10]);
        let rest = d.unlabelled.clone().unwrap();
        assert_eq!(rest.len(), 1077 - 30);
        assert!(rest.y.to_ints()?.iter().all(|y| *y == -1));
        // Together they are the training rows, each once.
        let sum = |x: Tensor| x.flatten(1)?.sum_dims(&[1], false)?.to_vec();
        let mut both = sum(d.train.concat(&rest)?.x()?)?;
        let mut all = sum(whole.train.x()?)?;
        both.sort_by(f64::total_cmp);
        all.sort_by(f64::total_cmp);
        assert_eq!(both, all);
        assert_eq!(d.test.x()?.to_vec()?, whole.test.x()?.to_vec()?);
        Ok(())
    }

    #[test]
    fn few_rows_know_for_how_many_they_stand() -> Result<()> {
        let test = digits(&DigitsOptions::default())?.test;
        let few = test.few()?;
        assert!(few.len() == 16 && few.real_len() == test.len() && test.len() > 100);
        assert_eq!((few.head(100)?.len(), few.head(100)?.real_len()), (16, 100));
        assert_eq!((few.head(5)?.len(), few.head(5)?.real_len()), (5, 5));
        assert_eq!(few.rows(&[0, 1, 2, 3])?.real_len(), test.len() / 4);
        assert_eq!(few.concat(&few)?.real_len(), 2 * test.len());
        let more = few.of_length(40)?;
        assert_eq!((more.len(), more.real_len()), (40, 40));
        assert_eq!(more.slice(16, 1)?.x.to_vec()?, few.slice(0, 1)?.x.to_vec()?);
        Ok(())
    }

    #[test]
    fn seeds_give_other_splits() -> Result<()> {
        let at = |seed| {
            digits(&DigitsOptions {
                seed,
                ..DigitsOptions::default()
            })
        };
        assert_eq!(at(1)?.test.x()?.to_vec()?, at(1)?.test.x()?.to_vec()?);
        assert_ne!(at(1)?.test.x()?.to_vec()?, at(2)?.test.x()?.to_vec()?);
        Ok(())
    }

    #[test]
    fn impossible_options_are_errors() {
        let bad = DigitsOptions {
            hold_out: Some(10),
            ..DigitsOptions::default()
        };
        assert!(
            digits(&bad)
                .unwrap_err()
                .message()
                .contains("digit from 0 to 9")
        );
        let bad = DigitsOptions {
            test: 1790,
            ..DigitsOptions::default()
        };
        assert!(
            digits(&bad)
                .unwrap_err()
                .message()
                .starts_with("data::digits")
        );
    }
}
