//! What a run of a script in a Rust notebook gave.

use std::fmt;

use crate::display::{Rich, evcxr};
use crate::error::{Error, Result};
use crate::script::Diagnostic;

/// What a script gave: its last value as it is shown, or its error.
#[derive(Clone)]
pub struct Output {
    value: Rich,
    error: Option<(String, Error)>,
    /// The cell in which it was made: there, an error has been printed already.
    cell: u64,
}

impl Output {
    pub(super) fn value(value: Option<Rich>) -> Output {
        Output {
            value: value.unwrap_or_default(),
            error: None,
            cell: evcxr::cell(),
        }
    }

    pub(super) fn error(diagnostic: Diagnostic) -> Output {
        let value = Rich::text(diagnostic.text.clone());
        Output {
            value,
            error: Some((diagnostic.text, diagnostic.error)),
            cell: evcxr::cell(),
        }
    }

    /// Whether the script ran to its end.
    pub fn is_ok(&self) -> bool {
        self.error.is_none()
    }

    /// Its last value as it prints, empty where it has none; else the error.
    pub fn text(&self) -> String {
        self.value.text.clone()
    }

    /// Its last value in its richest form.
    pub fn rich(&self) -> Rich {
        self.value.clone()
    }

    /// The script's error as one of Rust: `js.run("…").check()?;` ends the cell.
    pub fn check(&self) -> Result<()> {
        self.error
            .as_ref()
            .map_or(Ok(()), |(_, error)| Err(error.clone()))
    }

    /// Shows the value below the cell of a Rust notebook that runs.
    pub fn evcxr_display(&self) {
        match &self.error {
            Some(_) if self.cell == evcxr::cell() => {}
            Some((text, _)) => println!("{text}"),
            None if self.value == Rich::default() => {}
            None => evcxr::show(&self.value),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value.text)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
