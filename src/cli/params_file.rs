//! `--params FILE`: parameters from JSON, TOML, or another run's `params.json`.

use std::path::Path;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::run::Source;
use crate::script::Preset;

/// Reads a file of parameters.
pub fn read(path: &Path) -> Result<Vec<Preset>> {
    let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => {
            Error::data(format!("{}: not a text file (UTF-8)", path.display()))
        }
        _ => Error::io(path, &e),
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let wrong = |said: &str| Error::data(format!("--params: {}: {said}", path.display()));
    let found: Json = match path.extension().and_then(|e| e.to_str()) {
        Some("toml") => toml::from_str(text)
            .map_err(|e| wrong(&format!("not TOML: {}", e.to_string().trim_end())))?,
        Some("json") => {
            serde_json::from_str(text).map_err(|e| wrong(&format!("not whole JSON ({e})")))?
        }
        _ => return Err(wrong("must be a .json or .toml file")),
    };
    let preset = |name: &str, value: &Json| Preset {
        name: name.to_owned(),
        value: value.clone(),
        source: Source::File,
    };
    match &found {
        Json::Object(map) => Ok(map
            .iter()
            .map(|(name, value)| preset(name, value))
            .collect()),
        // What a run has written.
        Json::Array(list) => {
            let one = |e: &Json| Some(preset(e["name"].as_str()?, e.get("value")?));
            list.iter()
                .map(|e| one(e).ok_or_else(|| wrong("not the parameters of a run")))
                .collect()
        }
        _ => Err(wrong("must hold a map: {\"lr\": 1e-3}")),
    }
}
