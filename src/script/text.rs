//! Scripts as files: their text as it is parsed.

use std::path::Path;

use crate::error::{Error, Result};

/// A text without the mark that some editors put before it, and without a first line `#!…`, which
/// is for the system.
pub fn plain_text(text: String) -> String {
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    if !text.starts_with("#!") {
        return text;
    }
    // An empty line in its place: the numbers of all others stay what they are.
    text.find('\n')
        .map_or_else(String::new, |end| text[end..].to_owned())
}

/// A script's text.
pub fn read_script(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    let text = String::from_utf8(bytes);
    text.map(plain_text)
        .map_err(|_| Error::data(format!("{}: not a text file (UTF-8)", path.display())))
}
