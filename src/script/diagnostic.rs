//! Diagnostics: an error with its place in the script, the source line, a hint and the calls that
//! led there.
//!
//! A [`Failure`] travels through rhai inside `ErrorRuntime`. rhai's own errors become one at the
//! end ([`Failure::of`]); both print the same way.

use std::fmt;

use rhai::{Dynamic, EvalAltResult, ParseError, ParseErrorType, Position};

use super::unique;
use crate::display::{Rich, pairs};
use crate::dry_run;
use crate::error::{Error, ErrorKind};

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

    /// Any script error as a failure. `main` is the script in which the outermost position lies.
    pub fn of(error: &EvalAltResult, main: Option<&str>) -> Failure {
        // rhai nests: the position of each layer belongs to the source named by the layer around
        // it.
        let mut layers: Vec<Frame> = Vec::new();
        let mut source = main.map(str::to_owned);
        let mut inner = error;
        loop {
            match inner {
                EvalAltResult::ErrorInFunctionCall(name, callee_source, next, position) => {
                    if !layers
                        .last()
                        .is_some_and(|outer| unique::hands_on(&outer.name, name))
                    {
                        layers.push(Frame {
                            name: name.clone(),
                            source: source.clone(),
                            position: *position,
                        });
                    }
                    if !callee_source.is_empty() {
                        source = Some(callee_source.clone());
                    }
                    inner = next;
                }
                EvalAltResult::ErrorInModule(path, next, position) => {
                    layers.push(Frame {
                        name: format!("import \"{path}\""),
                        source: source.clone(),
                        position: *position,
                    });
                    source = Some(path.clone());
                    inner = next;
                }
                _ => break,
            }
        }
        let mut failure = match inner {
            EvalAltResult::ErrorRuntime(value, _) if value.is::<Failure>() => {
                value.clone_cast::<Failure>()
            }
            other => Failure::new(reword(other)),
        };
        if let EvalAltResult::ErrorDataRace(argument, _) = inner {
            failure.method = method_in_use(argument).map(str::to_owned);
        }
        // rhai gives some errors without a place; that of the call around them is the next best.
        let here = Some(inner.position()).filter(|position| !position.is_none());
        failure.at = failure.at.or_else(|| {
            here.map(|position| Frame {
                name: String::new(),
                source: source.clone(),
                position,
            })
        });
        for mut frame in layers.into_iter().rev() {
            if frame.name.starts_with("anon$") {
                frame.name = "a closure".to_owned();
            }
            frame.name = unique::plain(&frame.name);
            if frame.position.is_none() {
                continue;
            }
            failure.called_from(frame);
        }
        failure
    }

    /// A text that does not parse. The line may say what it was meant to be.
    pub fn syntax(error: ParseError, name: &str, text: &str) -> Failure {
        let structure = !matches!(
            *error.0,
            ParseErrorType::VariableUndefined(_) | ParseErrorType::ModuleUndefined(_)
        );
        let mut failure = Failure::of(&EvalAltResult::from(error), Some(name));
        let place = failure
            .at
            .as_ref()
            .and_then(|f| Some((f.position.line()?, f.position.position()?)));
        let hint = if structure {
            super::habits::line
        } else {
            super::habits::key
        };
        if let Some((line, column)) = place
            && let Some(hint) = text
                .lines()
                .nth(line - 1)
                .and_then(|line| hint(line, column))
        {
            failure.error =
                Error::new(failure.error.kind(), failure.error.message()).with_hint(hint);
        }
        failure
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

/// rhai's errors in the words of the language.
fn reword(error: &EvalAltResult) -> Error {
    use EvalAltResult as E;
    match error {
        E::ErrorVariableNotFound(name, _) => super::names::variable_not_found(&unique::plain(name)),
        E::ErrorFunctionNotFound(call, _) => super::names::function_not_found(&unique::plain(call)),
        E::ErrorModuleNotFound(name, _) => super::names::module_not_found(name),
        E::ErrorPropertyNotFound(name, _) => {
            Error::new(ErrorKind::Name, format!("there is no property `{name}`")).with_hint(
                format!("where a map may lack it, give a default: x.{name} ?? …"),
            )
        }
        E::ErrorMismatchDataType(wanted, got, _) => {
            let (wanted, got) = (
                super::names::type_name(wanted),
                super::names::type_name(got),
            );
            let error = Error::argument(format!("expected {wanted}, got {got}"));
            match super::habits::expected(&wanted, &got) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        E::ErrorMismatchOutputType(wanted, got, _) => Error::argument(format!(
            "expected {}, got {}",
            super::names::type_name(wanted),
            super::names::type_name(got)
        )),
        E::ErrorIndexingType(what, _) => super::names::not_indexable(what),
        E::ErrorArrayBounds(length, index, _) if dry_run::is_short(*length as i64, *index) => {
            let text = format!(
                "index {index} is out of range for an array that the dry run has cut to {length} entries"
            );
            Error::new(ErrorKind::DryRun, text).with_hint("it has more in the real run")
        }
        E::ErrorArrayBounds(length, index, _) => Error::shape(format!(
            "index {index} is out of range for an array of {length} entries"
        )),
        E::ErrorDotExpr(message, _) => super::names::property_error(message),
        E::ErrorDataRace(name, _) if name.is_empty() => {
            Error::state("a value is in use: a function that its own method calls may not use it")
        }
        E::ErrorDataRace(argument, _) if method_in_use(argument).is_some() => {
            let name = method_in_use(argument).unwrap_or_default();
            Error::state(format!(
                "`{name}` is called on a value that the function given to it uses, too"
            ))
            .with_hint("take a copy first: let copy = x; and use that inside")
        }
        E::ErrorDataRace(name, _) => Error::state(format!(
            "`{name}` is in use: a function called by `{name}` may not use it itself"
        )),
        E::ErrorStackOverflow(_) => Error::state("functions call each other too deep")
            .with_hint("does a function call itself without an end?"),
        E::ErrorTerminated(most, _) if most.is_int() => {
            let gib = most.as_int().unwrap_or_default() as f64 / f64::from(1 << 30);
            Error::new(ErrorKind::Device, format!("the script's own values take more than {gib:.1} GiB of memory"))
                .with_hint("does a loop or a function that calls itself pile up arrays or texts? tensors take less")
        }
        E::ErrorTerminated(..) => Error::new(ErrorKind::Interrupted, "interrupted"),
        E::ErrorArithmetic(message, _) => Error::argument(message.clone()),
        E::ErrorRuntime(value, _) => super::caught::uncaught(value),
        E::ErrorParsing(kind, _) => parse_error(kind),
        E::ErrorDataTooLarge(what, _) => {
            Error::argument(format!("{what} grows beyond what a script may hold"))
        }
        other => {
            let mut plain = other.to_string();
            if let Some(cut) = plain.rfind(" (line ") {
                plain.truncate(cut);
            }
            Error::argument(plain)
        }
    }
}

/// The method that is called on what its own argument uses: rhai's `argument #2 of function 'map'`.
fn method_in_use(argument: &str) -> Option<&str> {
    let (_, name) = argument.split_once(" of function '")?;
    name.strip_suffix('\'')
}

/// A parse error in the words of the language.
fn parse_error(kind: &ParseErrorType) -> Error {
    let plain = Error::new(ErrorKind::Argument, format!("syntax: {kind}"));
    match kind {
        ParseErrorType::VariableUndefined(name) => super::names::variable_not_found(name),
        ParseErrorType::AssignmentToConstant(_) => {
            plain.with_hint("what changes is declared with `let`, not `const`")
        }
        ParseErrorType::ModuleUndefined(name) => super::names::module_not_found(name),
        ParseErrorType::MissingToken(token, _) => plain.with_hint(format!(
            "is a `{token}` missing here, or at the end of the line before?"
        )),
        ParseErrorType::Reserved(name) => {
            plain.with_hint(format!("`{name}` is a reserved word; choose another name"))
        }
        _ => plain,
    }
}
