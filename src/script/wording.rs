//! rhai's errors in the words of the language: what a run, or a text that does not parse, fails with
//! becomes a [`Failure`].

use rhai::{Dynamic, EvalAltResult, Map, ParseError, ParseErrorType};

use super::failure::{Failure, Frame};
use super::types::type_name;
use super::{habits, names, own_names};
use crate::dry_run;
use crate::error::{Error, ErrorKind};

/// Any script error as a failure. `main` is the script in which the outermost position lies.
pub fn failure_of(error: &EvalAltResult, main: Option<&str>) -> Failure {
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
                    .is_some_and(|outer| own_names::hands_on(&outer.name, name))
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
        frame.name = own_names::plain(&frame.name);
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
    let mut failure = failure_of(&EvalAltResult::from(error), Some(name));
    let place = failure
        .at
        .as_ref()
        .and_then(|f| Some((f.position.line()?, f.position.position()?)));
    let hint = if structure { habits::line } else { habits::key };
    if let Some((line, column)) = place
        && let Some(hint) = text
            .lines()
            .nth(line - 1)
            .and_then(|line| hint(line, column))
    {
        failure.error = Error::new(failure.error.kind(), failure.error.message()).with_hint(hint);
    }
    failure
}

/// rhai's errors in the words of the language.
fn reword(error: &EvalAltResult) -> Error {
    use EvalAltResult as E;
    match error {
        E::ErrorVariableNotFound(name, _) => names::variable_not_found(&own_names::plain(name)),
        E::ErrorFunctionNotFound(call, _) => names::function_not_found(&own_names::plain(call)),
        E::ErrorModuleNotFound(name, _) => names::module_not_found(name),
        E::ErrorPropertyNotFound(name, _) => {
            Error::new(ErrorKind::Name, format!("there is no property `{name}`")).with_hint(
                format!("where a map may lack it, give a default: x.{name} ?? …"),
            )
        }
        E::ErrorMismatchDataType(wanted, got, _) => {
            let (wanted, got) = (type_name(wanted), type_name(got));
            let error = Error::argument(format!("expected {wanted}, got {got}"));
            match habits::expected(&wanted, &got) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        E::ErrorMismatchOutputType(wanted, got, _) => Error::argument(format!(
            "expected {}, got {}",
            type_name(wanted),
            type_name(got)
        )),
        E::ErrorIndexingType(what, _) => names::not_indexable(what),
        E::ErrorArrayBounds(length, index, _) if dry_run::is_short(*length as i64, *index) => {
            let text = format!(
                "index {index} is out of range for an array that the dry run has cut to {length} entries"
            );
            Error::new(ErrorKind::DryRun, text).with_hint("it has more in the real run")
        }
        E::ErrorArrayBounds(length, index, _) => Error::shape(format!(
            "index {index} is out of range for an array of {length} entries"
        )),
        E::ErrorDotExpr(message, _) => names::property_error(message),
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
        E::ErrorRuntime(value, _) => uncaught(value),
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
        ParseErrorType::VariableUndefined(name) => names::variable_not_found(name),
        ParseErrorType::AssignmentToConstant(_) => {
            plain.with_hint("what changes is declared with `let`, not `const`")
        }
        ParseErrorType::ModuleUndefined(name) => names::module_not_found(name),
        ParseErrorType::MissingToken(token, _) => plain.with_hint(format!(
            "is a `{token}` missing here, or at the end of the line before?"
        )),
        ParseErrorType::Reserved(name) => {
            plain.with_hint(format!("`{name}` is a reserved word; choose another name"))
        }
        _ => plain,
    }
}

/// A thrown value that nobody caught, or that was thrown again.
fn uncaught(value: &Dynamic) -> Error {
    let part = |map: &Map, name: &str| {
        map.get(name)
            .map(ToString::to_string)
            .filter(|text| !text.is_empty())
    };
    match value.read_lock::<Map>() {
        Some(map) if map.contains_key("message") => {
            let error = Error::argument(part(&map, "message").unwrap_or_default());
            part(&map, "hint").map_or(error.clone(), |hint| error.with_hint(hint))
        }
        _ => Error::argument(value.to_string()),
    }
}
