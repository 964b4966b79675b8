//! `jemscript check`: mistakes found without running a script.
//!
//! An error is reported only where no execution of the line can succeed: a name or a number of
//! arguments that exists nowhere, a method or a property that neither a type nor a map can have, an
//! option that its function does not take. Where types are open, the checker is silent. What may be
//! meant but is likely a slip is a warning.

mod calls;
mod facts;
pub(super) mod files;
mod library;
mod lost;
pub(super) mod options;
mod walk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rhai::{AST, Position};
use serde_json::json;

use self::facts::Facts;
use self::files::Files;
use self::library::Library;
use self::walk::Walk;
use super::failure::{Failure, Frame};
use super::{Program, Settings, read_script};
use crate::error::Error;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The line cannot work.
    Error,
    /// The line works, but hardly as meant.
    Warning,
}

impl Severity {
    /// `error`, `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Something wrong in a script.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The script it is in.
    pub file: String,
    /// The line, from 1; 0 where there is none.
    pub line: usize,
    /// The column, from 1; 0 where there is none.
    pub column: usize,
    /// What is wrong, and how to mend it.
    pub error: Error,
    /// The text of the script.
    source: Option<Arc<str>>,
}

impl Finding {
    pub(crate) fn new(severity: Severity, file: &str, at: Position, error: Error) -> Finding {
        let (line, column) = (at.line().unwrap_or(0), at.position().unwrap_or(0));
        Finding {
            severity,
            file: file.to_owned(),
            line,
            column,
            error,
            source: None,
        }
    }

    /// Gives it the text that its source line is shown from.
    pub(super) fn set_source(&mut self, text: &str) {
        self.source = Some(text.into());
    }

    /// The finding as a script's error is shown: message, place, source line, hint.
    pub fn render(&self) -> String {
        let mut failure = Failure::new(self.error.clone());
        let position = match (u16::try_from(self.line), u16::try_from(self.column)) {
            (Ok(line), Ok(column)) if line > 0 => Position::new(line, column),
            _ => Position::NONE,
        };
        failure.at = Some(Frame::new("", Some(&self.file), position));
        let text = failure.render(&self.file, &|_| self.source.as_deref().map(str::to_owned));
        text.replacen("error", self.severity.name(), 1)
    }

    /// One object: `severity`, `file`, `line` and `column` (from 1), `message`, `hint` (or null).
    pub fn json(&self) -> serde_json::Value {
        json!({
            "severity": self.severity.name(),
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "message": self.error.message(),
            "hint": self.error.hint(),
        })
    }
}

impl PartialEq for Finding {
    /// The same message at the same place.
    fn eq(&self, other: &Finding) -> bool {
        (self.line, self.column, &self.file) == (other.line, other.column, &other.file)
            && self.error.message() == other.error.message()
    }
}

/// Checks a script and what it imports.
pub fn check_file(path: &Path) -> Vec<Finding> {
    let name = path.display().to_string();
    match read_script(path) {
        Ok(text) => {
            let folder = path
                .parent()
                .filter(|p| !p.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            check_text(&name, &text, folder)
        }
        Err(error) => vec![Finding::new(Severity::Error, &name, Position::NONE, error)],
    }
}

/// Checks a script that stands in a folder.
pub fn check_text(name: &str, text: &str, folder: &Path) -> Vec<Finding> {
    // A sum of ten thousand terms is as many expressions inside each other.
    super::on_deep_stack(|| check(name, text, Settings::beside(folder), HashMap::new()).0)
}

/// Checks a script while it is written: `open` has the texts of scripts that are not saved yet, by
/// their whole paths. Gives the files of what it imports, too.
pub fn check_open(
    name: &str,
    text: &str,
    settings: Settings,
    open: HashMap<PathBuf, String>,
) -> (Vec<Finding>, Vec<PathBuf>) {
    super::on_deep_stack(|| check(name, text, settings, open))
}

/// Changes of arguments that are lost, in a script that is about to run.
pub fn lost_changes(program: &Program, name: &str, ast: &AST) -> Vec<Finding> {
    let found = lost::lost(&files::functions(ast).0);
    let finding = |(at, error)| {
        let mut finding = Finding::new(Severity::Warning, name, at, error);
        finding.column = program.session.column(name, finding.line, finding.column);
        finding.source = program.session.source(name).map(Arc::from);
        finding
    };
    found.into_iter().map(finding).collect()
}

fn check(
    name: &str,
    text: &str,
    settings: Settings,
    open: HashMap<PathBuf, String>,
) -> (Vec<Finding>, Vec<PathBuf>) {
    let program = Program::new(settings);
    let (files, mut findings) = Files::load_beside(&program, name, text, open);
    let library = Library::of(program.engine());
    let facts = Facts::of(&files);
    for file in &files.all {
        findings.extend(Walk::new(file, &files, &library, &facts).run());
    }
    // One copy of each text, however many findings there are in it.
    let mut texts: HashMap<String, Option<Arc<str>>> = HashMap::new();
    texts.insert(name.to_owned(), Some(text.into()));
    for f in &mut findings {
        f.column = program.session.column(&f.file, f.line, f.column);
        let source = || program.session.source(&f.file).map(Arc::from);
        f.source = texts.entry(f.file.clone()).or_insert_with(source).clone();
    }
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (f.file != name, f.file.clone(), f.line, f.column, f.severity);
        key(a).cmp(&key(b))
    });
    findings.dedup();
    (findings, files.imported())
}
