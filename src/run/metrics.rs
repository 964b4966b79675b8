//! Numbers as lines of JSON.
//!
//! JSON has no NaN and no infinity: they are written as the strings `"NaN"`, `"inf"` and `"-inf"`,
//! so that what went wrong stays readable.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::options::Value;

/// A file that grows by whole lines; opened at the first one.
pub(super) struct LineWriter {
    name: &'static str,
    file: Option<File>,
    /// The length in bytes of what counts; a file that is longer is cut there before the next line.
    length: u64,
    cut: bool,
}

impl LineWriter {
    pub(super) fn new(name: &'static str) -> LineWriter {
        LineWriter {
            name,
            file: None,
            length: 0,
            cut: false,
        }
    }

    /// How much of the file counts.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Lets the next line stand here; what is behind it in the file is dropped then.
    pub(super) fn seek(&mut self, length: u64) {
        (self.length, self.cut) = (length, true);
    }

    /// Adds a line with one write, so that a run that is killed leaves whole lines.
    pub(super) fn write(&mut self, folder: &Path, line: &str) -> Result<()> {
        let path = folder.join(self.name);
        let wrong = |e: &std::io::Error| Error::io(&path, e);
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let opened = super::append_to(&path).map_err(|e| wrong(&e))?;
                if !self.cut {
                    self.length = opened.metadata().map_err(|e| wrong(&e))?.len();
                }
                self.file.insert(opened)
            }
        };
        if self.cut {
            file.set_len(self.length).map_err(|e| wrong(&e))?;
            self.cut = false;
        }
        let line = format!("{line}\n");
        if let Err(e) = file.write_all(line.as_bytes()) {
            // Half a line may stand there now.
            self.cut = true;
            return Err(wrong(&e));
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

/// One logged iteration of one training.
pub(super) fn line(training: &str, iteration: i64, values: &[(String, f64)]) -> String {
    let mut text = format!(
        "{{\"train\":{},\"iteration\":{iteration}",
        Json::from(training)
    );
    for (name, value) in values {
        text += &format!(",{}:{}", Json::from(name.as_str()), number(*value));
    }
    text + "}"
}

/// A number as JSON text: with the digits of a 32-bit float where it is one, as most measurements
/// are.
pub fn number(value: f64) -> String {
    let short = value as f32;
    if value.is_nan() {
        "\"NaN\"".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 {
            "\"inf\"".to_owned()
        } else {
            "\"-inf\"".to_owned()
        }
    } else if f64::from(short) == value {
        serde_json::to_string(&short).unwrap_or_default()
    } else {
        Json::from(value).to_string()
    }
}

/// A script's value as JSON; objects and functions by their names.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Bool(b) => Json::from(*b),
        Value::Int(i) => Json::from(*i),
        Value::Float(x) if x.is_finite() => Json::from(*x),
        Value::Float(x) => Json::from(number(*x).trim_matches('"')),
        Value::Str(s) => Json::from(s.as_str()),
        Value::List(list) => Json::Array(list.iter().map(to_json).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(k, v)| (k.clone(), to_json(v))).collect()),
        Value::Object(_) | Value::Function(_) => Json::from(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_whatever_the_numbers() -> std::result::Result<(), serde_json::Error> {
        let values = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::from(0.1f32),
            0.1,
            3.0,
            1e300,
        ];
        let named: Vec<(String, f64)> = values
            .iter()
            .enumerate()
            .map(|(i, v)| (format!("v\"{i}"), *v))
            .collect();
        let text = line("jem", 7, &named);
        let back: Json = serde_json::from_str(&text)?;
        assert_eq!(back["train"], "jem");
        assert_eq!(back["iteration"], 7);
        assert_eq!(back["v\"0"], "NaN");
        assert_eq!(back["v\"1"], "inf");
        assert_eq!(back["v\"2"], "-inf");
        assert!(text.contains("\"v\\\"3\":0.1,"), "{text}");
        assert_eq!(back["v\"6"], 1e300);
        Ok(())
    }
}
