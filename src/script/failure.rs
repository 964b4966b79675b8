//! Failures: an error with its place in the script, the source line, a hint and the calls that led
//! there.
//!
//! A [`Failure`] travels through rhai inside `ErrorRuntime`. rhai's own errors become one at the
//! end ([`super::wording`]); both print the same way, as a [`Diagnostic`].

use std::fmt;

use rhai::{Dynamic, EvalAltResult, Position};

use crate::display::{Rich, pairs};
use crate::error::Error;

/// A call on the way to an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function called: `loss::jem`, `classifier`.
    pub name: String,
    /// The script the call is written in; `None` is the main script.
    pub source: Option<String>,
    /// Where in it.
    pub position: Position,
}

impl Frame {
    /// A call of `name` at a place.
    pub fn new(name: &str, source: Option<&str>, position: Position) -> Frame {
        Frame {
            name: name.to_owned(),
            source: source.filter(|s| !s.is_empty()).map(str::to_owned),
            position,
        }
    }
}

/// An error on its way through a script.
#[derive(Clone)]
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// Where: the innermost place in a script.
    pub at: Option<Frame>,
    /// The calls that led there, innermost first.
    pub trace: Vec<Frame>,
    /// The method that an error without a place comes from.
    pub method: Option<String>,
}

impl Failure {
    /// An error whose place is not known yet.
    pub fn new(error: Error) -> Failure {
        Failure {
            error,
            at: None,
            trace: Vec::new(),
            method: None,
        }
    }

    /// Notes the call that the error passed through: the first is its place, the others are the
    /// trace.
    pub fn called_from(&mut self, frame: Frame) {
        match &self.at {
            None => self.at = Some(frame),
            Some(at) if at.source == frame.source && at.position == frame.position => {}
            Some(_) => self.trace.push(frame),
        }
    }

    /// Gives places their columns in the script as it is written.
    pub fn move_columns(&mut self, written: impl Fn(Option<&str>, usize, usize) -> usize) {
        for frame in self.at.iter_mut().chain(&mut self.trace) {
            if let (Some(line), Some(column)) = (frame.position.line(), frame.position.position()) {
                let column = written(frame.source.as_deref(), line, column);
                frame.position =
                    Position::new(line as u16, u16::try_from(column).unwrap_or(u16::MAX));
            }
        }
    }

    /// Gives places that `known` knows better their true names: a session's lines belong to its
    /// cells.
    pub fn move_places(&mut self, known: impl Fn(&str, usize) -> Option<(String, usize)>) {
        for frame in self.at.iter_mut().chain(&mut self.trace) {
            let found = frame
                .source
                .as_deref()
                .zip(frame.position.line())
                .and_then(|(s, line)| known(s, line));
            if let Some((name, line)) = found {
                let column = frame.position.position().unwrap_or(0);
                frame.position =
                    Position::new(u16::try_from(line).unwrap_or(u16::MAX), column as u16);
                frame.source = Some(name);
            }
        }
    }

    /// The diagnostic as users read it; `text_of` gives the text of a script by its name.
    pub fn render(&self, main: &str, text_of: &dyn Fn(&str) -> Option<String>) -> String {
        let mut out = format!("error: {}", self.error.message());
        let name_of = |f: &Frame| f.source.clone().unwrap_or_else(|| main.to_owned());
        let place = |f: &Frame| match (f.position.line(), f.position.position()) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", name_of(f)),
            (Some(line), None) => format!("{}:{line}", name_of(f)),
            _ => name_of(f),
        };
        if let Some(at) = &self.at {
            out += &format!("\n  --> {}", place(at));
            let text = text_of(&name_of(at));
            if let (Some(line), Some(text)) = (at.position.line(), text)
                && let Some(source_line) = text.lines().nth(line - 1)
            {
                let column = at.position.position().unwrap_or(1);
                let width = token_width(source_line, column);
                let gutter = line.to_string().len();
                out += &format!(
                    "\n{:gutter$} |\n{line} | {}\n{:gutter$} | {}{}",
                    "",
                    source_line.replace('\t', " "),
                    "",
                    " ".repeat(column.saturating_sub(1)),
                    "^".repeat(width)
                );
            }
        }
        if let Some(hint) = self.error.hint() {
            for (i, line) in hint.lines().enumerate() {
                out += &if i == 0 {
                    format!("\n  = hint: {line}")
                } else {
                    format!("\n          {line}")
                };
            }
        }
        for frame in self.trace.iter().take(8) {
            out += &format!("\n  = in `{}`, called at {}", frame.name, place(frame));
        }
        out
    }
}

impl From<Failure> for Box<EvalAltResult> {
    fn from(failure: Failure) -> Self {
        let position = failure.at.as_ref().map_or(Position::NONE, |f| f.position);
        Box::new(EvalAltResult::ErrorRuntime(
            Dynamic::from(failure),
            position,
        ))
    }
}

impl fmt::Display for Failure {
    /// What a `catch (e)` in a script prints: the message, and the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error.hint() {
            Some(hint) => write!(f, "{} (hint: {hint})", self.error.message()),
            None => f.write_str(self.error.message()),
        }
    }
}

impl From<&Failure> for Rich {
    /// What it says, as a table.
    fn from(failure: &Failure) -> Rich {
        let error = &failure.error;
        let mut lines = vec![
            ("kind", format!("{:?}", error.kind())),
            ("error", error.message().to_owned()),
        ];
        lines.extend(error.hint().map(|hint| ("hint", hint.to_owned())));
        Rich {
            text: failure.to_string(),
            html: Some(pairs(&lines)),
            ..Rich::default()
        }
    }
}

#[cfg(feature = "evcxr")]
impl Failure {
    /// Shows the error below the cell of a Rust notebook that runs.
    pub fn evcxr_display(&self) {
        crate::display::evcxr::show(&Rich::from(self));
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How many characters the name or symbol at a column has, a path such as `nn::linear` being one
/// name.
fn token_width(line: &str, column: usize) -> usize {
    let rest: Vec<char> = line.chars().skip(column.saturating_sub(1)).collect();
    let word = |c: &char| c.is_alphanumeric() || *c == '_' || *c == ':';
    rest.iter().take_while(|c| word(c)).count().max(1)
}

/// An error as users see it.
pub struct Diagnostic {
    /// The whole text: message, place, source line, hint, trace.
    pub text: String,
    /// The error inside.
    pub error: Error,
}

impl Diagnostic {
    /// An error that has no place in a script.
    pub fn bare(error: &Error) -> Diagnostic {
        Diagnostic {
            text: format!("error: {error}"),
            error: error.clone(),
        }
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
