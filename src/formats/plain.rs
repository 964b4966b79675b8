//! Texts, and values in JSON.

use std::path::Path;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::options::Value;

/// Texts of scripts are at most so long.
const MOST_BYTES: u64 = 64 << 20;

/// A file that is a text in UTF-8; the mark that some programs put before it is taken off.
pub fn read_text(path: &Path) -> Result<String> {
    let size = std::fs::metadata(path)
        .map_err(|e| Error::io(path, &e))?
        .len();
    if size > MOST_BYTES {
        return Err(Error::data(format!(
            "{}: has {size} bytes, a text may have {MOST_BYTES}",
            path.display()
        )));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
        let text = format!("{}, line {line}: not text in UTF-8", path.display());
        Error::data(text).with_hint("save it as UTF-8")
    })?;
    let unmarked = text.strip_prefix('\u{feff}').map(str::to_owned);
    Ok(unmarked.unwrap_or(text))
}

/// What a JSON file holds; of a .jsonl file the value of each line, as an array.
pub fn read_json(path: &Path) -> Result<Value> {
    let text = read_text(path)?;
    let broken = |e: serde_json::Error, line: usize| {
        let at = line + e.line();
        let text = format!("{}, line {at}, column {}", path.display(), e.column());
        let what = e.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        Error::data(format!("{text}: not JSON ({what})"))
    };
    let lines = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("jsonl"));
    if !lines {
        return Ok(value(
            serde_json::from_str(&text).map_err(|e| broken(e, 0))?,
        ));
    }
    let full = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    full.map(|(i, line)| Ok(value(serde_json::from_str(line).map_err(|e| broken(e, i))?)))
        .collect::<Result<_>>()
        .map(Value::List)
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => Value::Int(i),
            (None, f) => Value::Float(f.unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::Str(s),
        Json::Array(list) => Value::List(list.into_iter().map(value).collect()),
        Json::Object(map) => Value::Map(map.into_iter().map(|(k, v)| (k, value(v))).collect()),
    }
}
