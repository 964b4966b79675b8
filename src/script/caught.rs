//! What `catch (e)` gives. Errors of the library arrive as they are, a [`Failure`] with `message`
//! and `hint`. Those of rhai itself (an index out of range, an unknown function) arrive as a map in
//! rhai's words: here they become the same. So does a map that a script throws.

use std::cell::Cell;

use rhai::{
    ASTFlags, Array, Dynamic, Engine, EvalAltResult, Expr, ImmutableString, Map, Position, Stmt,
    Token,
};

use super::failure::Failure;
use super::wording::failure_of;
use crate::error::Error;

/// Lets a script see every caught error alike. rhai makes its map where the error is caught, and
/// offers no place to say otherwise: so the variable is looked at when it is read.
pub fn install(engine: &mut Engine) {
    throwing(engine);
    #[allow(deprecated)] // rhai's word for "may change"; the version is pinned.
    engine.on_var(|name, index, context| {
        super::handed::note(context.engine(), context.global_runtime_state());
        let scope = context.scope();
        // The newest come first; the place is counted from there, where it is known.
        let value = match index.checked_sub(1) {
            Some(place) => scope.iter_raw().nth(place),
            None => scope.iter_raw().find(|(n, ..)| *n == name),
        };
        let value = value.map(|(_, _, value)| value);
        value.map_or(Ok(()), super::depth::watch)?;
        let Some(value) = value.filter(|v| v.is_map() && !v.is_shared()) else {
            return Ok(None);
        };
        Ok(value
            .read_lock::<Map>()
            .and_then(|map| failure(&map))
            .map(Dynamic::from))
    });
    // What a script throws itself: a text, a number or a list is its own message.
    macro_rules! thrown {
        ($($ty:ty)*) => { $(
            engine.register_get("message", |value: &mut $ty| value.to_string());
            engine.register_get("hint", |_: &mut $ty| String::new());
        )* };
    }
    thrown!(ImmutableString i64 f64 bool char);
    engine.register_get("message", |value: &mut Array| {
        Dynamic::from_array(value.clone()).to_string()
    });
    engine.register_get("hint", |_: &mut Array| String::new());
}

const THROW: &str = "throw";

/// `throw` as rhai has it, but that a map gets the `message` and the `hint` that it lacks. What is
/// thrown is a copy: the map that the script holds stays as it is.
///
/// rhai tells a custom syntax the places of its expressions, not its own: so the newest `throw`
/// that was read becomes the state of the statement that is parsed from it.
fn throwing(engine: &mut Engine) {
    let next = |symbols: &[ImmutableString], ahead: &str, state: &mut Dynamic| {
        if symbols.len() > 1 {
            return Ok(None);
        }
        // As numbers, since rhai hashes the state.
        let place = NEWEST.get();
        *state = Dynamic::from_array(vec![number(place.line()), number(place.position())]);
        let bare = matches!(ahead, ";" | "}" | "");
        Ok((!bare).then(|| "$expr$".into()))
    };
    engine
        .disable_symbol(THROW)
        .register_custom_syntax_with_state_raw(THROW, next, false, |context, inputs, state| {
            let value = inputs
                .first()
                .map(|value| context.eval_expression_tree(value))
                .transpose()?;
            Err(EvalAltResult::ErrorRuntime(
                complete(value.unwrap_or(Dynamic::UNIT).flatten()),
                noted(state),
            )
            .into())
        });
}

fn number(part: Option<usize>) -> Dynamic {
    i64::try_from(part.unwrap_or(0)).unwrap_or(0).into()
}

/// The place that a state holds.
fn noted(state: &Dynamic) -> Position {
    let parts: Vec<u16> = state
        .clone()
        .into_typed_array::<i64>()
        .unwrap_or_default()
        .iter()
        .filter_map(|n| u16::try_from(*n).ok())
        .collect();
    match parts[..] {
        [line, column] if line > 0 => Position::new(line, column),
        _ => Position::NONE,
    }
}

thread_local! {
    /// Where the parser read its newest `throw`.
    static NEWEST: Cell<Position> = const { Cell::new(Position::NONE) };
}

/// Notes a token that the parser reads; a disabled word of rhai is a reserved one.
pub fn read(token: &Token, position: Position) {
    if matches!(token, Token::Reserved(word) if **word == *THROW) {
        NEWEST.set(position);
    }
}

/// A map with a message and a hint, an error for nothing at all, any other value as it is.
fn complete(value: Dynamic) -> Dynamic {
    if value.is_unit() {
        return Dynamic::from(Failure::new(Error::argument("thrown without a value")));
    }
    let Some(mut map) = value.read_lock::<Map>().map(|map| map.clone()) else {
        return value;
    };
    if !map.contains_key("message") {
        map.insert("message".into(), value.to_string().into());
    }
    map.entry("hint".into())
        .or_insert_with(|| Dynamic::from(ImmutableString::new()));
    map.into()
}

/// Whether a statement throws, in a script of any engine: ours has its own `throw`.
pub fn throws(statement: &Stmt) -> bool {
    match statement {
        Stmt::Return(_, flags, _) => flags.intersects(ASTFlags::BREAK),
        Stmt::Expr(e) => {
            matches!(&**e, Expr::Custom(x, _) if x.tokens.first().is_some_and(|word| word == THROW))
        }
        _ => false,
    }
}

/// The error inside a call, of which rhai's map tells the text alone: the parts of it are found
/// again where they matter for the message and the hint.
fn inner(message: &str) -> EvalAltResult {
    use EvalAltResult as E;
    let at = Position::NONE;
    // One line for the error and one for each call around it; the script's name stands behind the
    // first.
    let line = message.lines().next().unwrap_or_default();
    let line = line.rfind(" @ '").map_or(line, |cut| &line[..cut]);
    let line = line.rfind(" (line ").map_or(line, |cut| &line[..cut]);
    let after = |start: &str| line.strip_prefix(start).map(str::to_owned);
    if let Some(name) = after("Function not found: ") {
        return E::ErrorFunctionNotFound(name, at);
    }
    if let Some(name) = after("Variable not found: ") {
        return E::ErrorVariableNotFound(name, at);
    }
    if let Some(name) = after("Property not found: ") {
        return E::ErrorPropertyNotFound(name, at);
    }
    if let Some(name) = after("Module not found: ") {
        return E::ErrorModuleNotFound(name, at);
    }
    let mut numbers = line
        .split(|c: char| !c.is_ascii_digit() && c != '-')
        .filter_map(|part| part.parse::<i64>().ok());
    match (
        line.starts_with("Array index "),
        numbers.next(),
        numbers.next(),
    ) {
        (true, Some(index), length) => E::ErrorArrayBounds(length.unwrap_or(0) as usize, index, at),
        _ => E::ErrorRuntime(Dynamic::from(line.to_owned()), at),
    }
}

/// The failure in a map that rhai made of an error of its own; `None` for any other map.
fn failure(map: &Map) -> Option<Failure> {
    use EvalAltResult as E;
    let text = |key: &str| map.get(key).and_then(|v| v.clone().into_string().ok());
    let whole = |key: &str| map.get(key).and_then(|v| v.as_int().ok());
    let (kind, message) = (text("error")?, text("message")?);
    let word = |key: &str| text(key).unwrap_or_default();
    let at = Position::NONE;
    let error = match kind.strip_prefix("Error")? {
        "VariableNotFound" => E::ErrorVariableNotFound(word("variable"), at),
        "PropertyNotFound" => E::ErrorPropertyNotFound(word("variable"), at),
        "FunctionNotFound" => E::ErrorFunctionNotFound(word("function"), at),
        "ModuleNotFound" => E::ErrorModuleNotFound(word("module"), at),
        "MismatchDataType" => E::ErrorMismatchDataType(word("requested"), word("actual"), at),
        "MismatchOutputType" => E::ErrorMismatchOutputType(word("requested"), word("actual"), at),
        "ArrayBounds" => E::ErrorArrayBounds(whole("length")? as usize, whole("index")?, at),
        "IndexingType" => E::ErrorIndexingType(word("type"), at),
        "DotExpr" => E::ErrorDotExpr(word("property"), at),
        "DataRace" => E::ErrorDataRace(word("variable"), at),
        "DataTooLarge" => E::ErrorDataTooLarge(word("type"), at),
        "StackOverflow" => E::ErrorStackOverflow(at),
        "InFunctionCall" | "InModule" => {
            return Some(Failure::new(failure_of(&inner(&message), None).error));
        }
        _ => {
            let plain = message
                .rfind(" (line ")
                .map_or(message.as_str(), |cut| &message[..cut]);
            return Some(Failure::new(Error::argument(plain)));
        }
    };
    Some(Failure::new(failure_of(&error, None).error))
}
