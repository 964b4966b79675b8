//! Names and numbers by their paths: `ood.rotation.log_p_x`.

use crate::error::{Error, Result};

/// A name as part of a path: `within-class blends` becomes `within_class_blends`.
pub(crate) fn key(name: &str) -> String {
    let lower: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    lower.trim_matches('_').to_owned()
}

/// A number by its path, or the nearest path as a hint.
pub(crate) fn number_at(what: &str, numbers: &[(String, f64)], path: &str) -> Result<f64> {
    numbers
        .iter()
        .find(|(p, _)| p == path)
        .map(|(_, v)| *v)
        .ok_or_else(|| {
            Error::unknown(
                &format!("{what}: no number `{path}`"),
                path,
                numbers.iter().map(|(p, _)| p.as_str()),
            )
        })
}
