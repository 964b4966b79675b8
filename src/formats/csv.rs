//! Tables of text: values between commas, or other signs, line by line (RFC 4180).

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::options::Options;

crate::options! {
    /// How a table of text is written.
    pub struct TableOptions for "read_csv" {
        /// what stands between values; () for a tab in .tsv, else a comma
        delimiter: Option<String> = None,
        /// the first line names the columns; else they are c0, c1, …
        header: bool = true,
    }
    check |o, owner| {
        match o.delimiter.as_deref().map(str::as_bytes) {
            None | Some([_]) => Ok(()),
            Some(_) => Err(Error::argument(format!(
                "{owner}: `delimiter` must be one sign, as in \";\" or \"\\t\", got {:?}",
                o.delimiter.as_deref().unwrap_or_default()
            ))),
        }
    }
}

/// A table as it was read: texts.
pub struct Table {
    /// The file, for errors.
    file: String,
    names: Vec<String>,
    /// Where in the file each row begins, and its cells.
    rows: Vec<(u64, csv::StringRecord)>,
}

/// The sign between values.
fn delimiter(path: &Path, given: Option<&str>) -> u8 {
    let tabs = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
    let usual = if tabs { b'\t' } else { b',' };
    given.and_then(|d| d.bytes().next()).unwrap_or(usual)
}

/// Reads a table. Every row must have as many values as the first; spaces around values are none.
pub fn read_csv(path: &Path, options: &TableOptions) -> Result<Table> {
    options.check()?;
    if let Some(error) = super::foreign(path) {
        return Err(error);
    }
    let file = path.display().to_string();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(path, options.delimiter.as_deref()))
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|e| wrong(&file, &e))?;
    let mut rows = Vec::new();
    for record in reader.records() {
        if rows.len() % 65_536 == 0 {
            crate::interrupt::poll()?;
        }
        let record = record.map_err(|e| wrong(&file, &e))?;
        let start = record.position().map_or(0, csv::Position::byte);
        rows.push((start, record));
    }
    let names: Vec<String> = match rows.first() {
        None => return Err(Error::data(format!("{file}: there is no line in it"))),
        Some(_) if options.header => {
            let (_, first) = rows.remove(0);
            first.iter().map(str::to_owned).collect()
        }
        Some((_, first)) => (0..first.len()).map(|i| format!("c{i}")).collect(),
    };
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(
            Error::data(format!("{file}: two columns are called {twice:?}"))
                .with_hint("without a line of names: #{ header: false }"),
        );
    }
    Ok(Table { file, names, rows })
}

/// What the reader did not like, with its line.
fn wrong(file: &str, error: &csv::Error) -> Error {
    let line = line_at(file, error.position().map_or(0, csv::Position::byte));
    match error.kind() {
        csv::ErrorKind::Io(e) => Error::io(Path::new(file), e),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => Error::data(format!(
            "{file}, line {line}: {len} values, the lines before have {expected_len}"
        ))
        .with_hint("a value with the delimiter in it stands in quotes: \"a, b\""),
        csv::ErrorKind::Utf8 { .. } => {
            Error::data(format!("{file}, line {line}: not text in UTF-8"))
                .with_hint("save it as UTF-8")
        }
        _ => Error::data(format!("{file}: {error}")),
    }
}

/// The line of what begins behind these bytes; empty lines belong to nothing. It is looked for only
/// where there is something to say of it.
fn line_at(file: &str, start: u64) -> usize {
    let bytes = std::fs::read(file).unwrap_or_default();
    let start = bytes.len().min(start as usize);
    let empty = bytes[start..]
        .iter()
        .take_while(|b| matches!(b, b'\n' | b'\r'));
    let before = &bytes[..start + empty.count()];
    1 + before.iter().filter(|b| **b == b'\n').count()
}

impl Table {
    /// The names of the columns, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of rows, the names not counted.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The place of a column.
    pub fn column(&self, name: &str) -> Result<usize> {
        if let Some(at) = self.names.iter().position(|n| n == name) {
            return Ok(at);
        }
        let text = format!("{} has no column `{name}`", self.file);
        let other = |sign: &&char| self.names.len() == 1 && self.names[0].contains(**sign);
        Err(match [';', '\t', '|', ','].iter().find(other) {
            Some(sign) => Error::data(text).with_hint(format!(
                "its lines are one value each: #{{ delimiter: {:?} }}",
                sign.to_string()
            )),
            None => Error::unknown(&text, name, self.names.iter().map(String::as_str)),
        })
    }

    /// The texts of a column.
    pub fn texts(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |(_, row)| &row[column])
    }

    /// A column as numbers. A value that is none is an error with its line.
    pub fn numbers(&self, column: usize) -> Result<Vec<f64>> {
        let one = |(start, row): &(u64, csv::StringRecord)| {
            row[column].parse::<f64>().map_err(|_| {
                let found = match &row[column] {
                    "" => "nothing".to_owned(),
                    text => format!("{:?}", text.chars().take(60).collect::<String>()),
                };
                Error::data(format!(
                    "{}, line {}, column `{}`: needs a number, found {found}",
                    self.file,
                    line_at(&self.file, *start),
                    self.names[column]
                ))
            })
        };
        self.rows.iter().map(one).collect()
    }

    /// The line of a row in the file, for errors: `table.csv, line 7`.
    pub fn place(&self, row: usize) -> String {
        format!(
            "{}, line {}",
            self.file,
            line_at(&self.file, self.rows[row].0)
        )
    }
}

/// A table as the bytes of a file of this name: one line of names, then the rows.
pub fn write_csv(name: &str, names: &[String], rows: &[Vec<String>]) -> Result<Vec<u8>> {
    let broken = |e: &dyn std::fmt::Display| Error::data(format!("{name}: {e}"));
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter(Path::new(name), None))
        .from_writer(Vec::new());
    writer.write_record(names).map_err(|e| broken(&e))?;
    for row in rows {
        writer.write_record(row).map_err(|e| broken(&e))?;
    }
    writer.into_inner().map_err(|e| broken(&e))
}
