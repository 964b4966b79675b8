//! Rows of numbers with a label, from a table of text.

use std::collections::BTreeSet;
use std::path::Path;

use super::Dataset;
use super::Part;
use super::parts::{Found, PartsOptions};
use crate::error::{Error, Result};
use crate::formats::{Table, TableOptions, read_csv};
use crate::options::Options;
use crate::tensor::{Device, Kind, Tensor};

crate::options! {
    /// Options of [`csv`].
    pub struct CsvOptions for "data::csv" {
        include parts: PartsOptions = PartsOptions::default(),
        /// the column of the labels: whole numbers from 0 on, or words, which become classes in
        /// their order; () for rows without labels, which are all -1
        label: Option<String> = Some("label".to_owned()),
        /// the columns of x, in this order; () for all but the labels
        features: Option<Vec<String>> = None,
        /// each column of x minus its mean, over its standard deviation, both of the training rows
        standardise: bool = false,
        /// what stands between values; () for a tab in .tsv, else a comma
        delimiter: Option<String> = None,
        /// the first line names the columns; else they are c0, c1, …
        header: bool = true,
    }
}

/// Reads a table: each row an `x` of numbers and a label.
pub fn csv(path: &Path, options: &CsvOptions) -> Result<Dataset> {
    const FUNCTION: &str = "data::csv";
    options.check()?;
    let how = TableOptions {
        delimiter: options.delimiter.clone(),
        header: options.header,
    };
    let table = read_csv(path, &how)?;
    let label = match &options.label {
        None => None,
        Some(name) => Some(table.column(name).map_err(|e| {
            let more = "`label` names the column of labels; () where there is none";
            let hint = e
                .hint()
                .map_or_else(|| more.to_owned(), |h| format!("{h}; {more}"));
            Error::new(e.kind(), e.message()).with_hint(hint)
        })?),
    };
    let features: Vec<usize> = match &options.features {
        Some(names) => names
            .iter()
            .map(|n| table.column(n))
            .collect::<Result<_>>()?,
        None => (0..table.names().len())
            .filter(|c| Some(*c) != label)
            .collect(),
    };
    if features.is_empty() || table.is_empty() {
        return Err(Error::data(format!(
            "{FUNCTION}: {} has {} rows of {} columns for x",
            path.display(),
            table.len(),
            features.len()
        )));
    }
    let x = rows(&table, &features)?;
    let (labels, words) = match label {
        Some(column) => labels(&table, column)?,
        None => (vec![-1; table.len()], Vec::new()),
    };
    let name = path
        .file_stem()
        .map_or_else(|| "table".to_owned(), |n| n.to_string_lossy().into_owned());
    let mut about = format!("Rows of {}", path.display());
    if !words.is_empty() {
        let numbered = words.iter().enumerate().map(|(i, w)| format!("{i} {w}"));
        about += &format!(", classes {}", numbered.collect::<Vec<_>>().join(", "));
    }
    let y = Tensor::from(tch::Tensor::f_from_slice(&labels)?);
    let mut found = Found {
        function: FUNCTION,
        all: Part::new(&name, &x, &y)?,
        name,
        about,
        validation: None,
        test: None,
        unit: false,
        notes: Vec::new(),
    };
    if options.standardise {
        let train = found.split(&options.parts)?.train;
        let x = standardised(&x, &train, |i| table.names()[features[i]].clone())?;
        found.all = Part::new(&found.name, &x, &y)?;
        found.about += ", standardised by the training rows";
    }
    found.dataset(&options.parts)
}

/// The columns as rows `[n, columns]`, float32.
fn rows(table: &Table, columns: &[usize]) -> Result<Tensor> {
    let n = table.len();
    let mut values = vec![0.0; n * columns.len()];
    for (k, column) in columns.iter().enumerate() {
        for (row, value) in table.numbers(*column)?.into_iter().enumerate() {
            if !value.is_finite() {
                return Err(Error::data(format!(
                    "{}, column `{}`: {value} is not finite",
                    table.place(row),
                    table.names()[*column]
                )));
            }
            values[row * columns.len() + k] = value;
        }
    }
    Tensor::from_f64(
        &values,
        &[n as i64, columns.len() as i64],
        Kind::Float,
        Device::Cpu,
    )
}

/// The labels, and the words that they stand for where they are words.
fn labels(table: &Table, column: usize) -> Result<(Vec<i64>, Vec<String>)> {
    let whole = |text: &str| {
        let number = text.parse::<f64>().ok();
        number
            .filter(|v| v.fract() == 0.0 && v.abs() < 9e15)
            .map(|v| v as i64)
    };
    if let Some(row) = table.texts(column).position(str::is_empty) {
        return Err(Error::data(format!(
            "{}, column `{}`: there is no label",
            table.place(row),
            table.names()[column]
        )));
    }
    if let Some(all) = table.texts(column).map(whole).collect::<Option<Vec<i64>>>() {
        return Ok((all, Vec::new()));
    }
    if table.texts(column).all(|text| text.parse::<f64>().is_ok()) {
        let row = table.texts(column).position(|text| whole(text).is_none());
        let row = row.unwrap_or_default();
        return Err(Error::data(format!(
            "{}, column `{}`: the label {} is no whole number",
            table.place(row),
            table.names()[column],
            table.texts(column).nth(row).unwrap_or_default()
        ))
        .with_hint("labels are classes: whole numbers from 0 on, or words"));
    }
    let words: BTreeSet<&str> = table.texts(column).collect();
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let class = |text: &str| {
        words
            .binary_search_by(|w| w.as_str().cmp(text))
            .unwrap_or(0) as i64
    };
    Ok((table.texts(column).map(class).collect(), words))
}

/// Each column with mean 0 and standard deviation 1 over the training rows.
fn standardised(x: &Tensor, train: &[i64], name: impl Fn(usize) -> String) -> Result<Tensor> {
    let index = Tensor::from(tch::Tensor::f_from_slice(train)?);
    let x = x.to_kind(Kind::Double)?;
    let seen = x.index_select(0, &index)?;
    let mean = seen.mean_dims(&[0], true)?;
    let deviation = seen.sub(&mean)?.square()?.mean_dims(&[0], true)?.sqrt()?;
    // Rounding leaves a constant column a deviation that is not quite 0.
    let constant = |(d, m): (f64, f64)| d <= 1e-9 * m.abs();
    let pairs = deviation.to_vec()?.into_iter().zip(mean.to_vec()?);
    if let Some(constant) = pairs.map(constant).position(|c| c) {
        return Err(Error::data(format!(
            "data::csv: the column `{}` is the same in all training rows, it cannot be standardised",
            name(constant)
        ))
        .with_hint("leave it out: `features` names the columns of x"));
    }
    x.sub(&mean)?.div(&deviation)?.to_kind(Kind::Float)
}
