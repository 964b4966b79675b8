//! What may be a label: whole numbers from 0 on, and −1 for a row without a class. Every part and
//! every source asks here.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

/// No data set has more classes (iNaturalist has 10,000, the largest of ImageNet 21,841); a larger
/// label is a number of another kind, an identifier or a time, and memory for so many classes would
/// end the process.
const MOST_CLASSES: i64 = 1_000_000;

/// Labels as int64; an error names the first that cannot be one.
pub(super) fn checked(owner: &str, y: &Tensor) -> Result<Tensor> {
    let refused = |label: String| {
        Error::argument(format!(
            "{owner}: the label {label} is no class: labels are whole numbers from 0 to {MOST_CLASSES}"
        ))
        .with_hint("number the classes 0, 1, 2 …; −1 marks a row without a class")
    };
    // Floats are looked at as they are: what is no whole number, or none at all, would be cut to
    // one.
    if y.is_float() {
        let odd = |v: &&f64| !(v.is_finite() && v.fract() == 0.0 && v.abs() <= MOST_CLASSES as f64);
        if let Some(bad) = y.to_vec()?.iter().find(odd) {
            return Err(refused(bad.to_string()));
        }
    }
    let y = y.detach().to_kind(Kind::Int64)?;
    match y
        .to_ints()?
        .into_iter()
        .find(|label| !(-1..=MOST_CLASSES).contains(label))
    {
        Some(bad) => Err(refused(bad.to_string())),
        None => Ok(y),
    }
}

/// How many classes a data set with these labels has. More classes than rows cannot be learned:
/// then the labels are something else.
pub(super) fn classes(owner: &str, labels: &[i64]) -> Result<i64> {
    if let Some(bad) = labels.iter().find(|y| **y < 0) {
        return Err(Error::argument(format!(
            "{owner}: labels must be whole numbers from 0 on, got {bad}"
        )));
    }
    let largest = labels.iter().max().copied().unwrap_or(-1);
    let rows = labels.len() as i64;
    if largest >= rows {
        return Err(Error::argument(format!(
            "{owner}: the label {largest} asks for {} classes, and there are {rows} rows",
            largest + 1
        ))
        .with_hint("number the classes 0, 1, 2 …, without gaps"));
    }
    Ok(largest + 1)
}

/// The rows of each label, in order.
pub(super) fn rows_by_label(labels: &[i64]) -> Result<BTreeMap<i64, Vec<i64>>> {
    let mut found: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (row, label) in labels.iter().enumerate() {
        if row % 65_536 == 0 {
            crate::interrupt::poll()?;
        }
        found.entry(*label).or_default().push(row as i64);
    }
    Ok(found)
}

/// What is worth a word about how often each class occurs: classes without a row.
pub(super) fn remark(name: &str, counts: &[i64]) -> Option<String> {
    let empty: Vec<String> = counts
        .iter()
        .enumerate()
        .filter(|(_, n)| **n == 0)
        .map(|(class, _)| class.to_string())
        .collect();
    let classes = counts.len();
    match (empty.len(), empty.first().map(String::as_str)) {
        (0, _) => None,
        (1, Some("0")) => Some(format!(
            "{name}: class 0 of {classes} has no row: do its labels count from 1? A network gets an output for it all the same"
        )),
        (n, _) => {
            let more = if n > 8 { ", …" } else { "" };
            Some(format!(
                "{name}: {n} of {classes} classes have no row: {}{more}",
                empty[..n.min(8)].join(", ")
            ))
        }
    }
}
