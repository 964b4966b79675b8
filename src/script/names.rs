//! Names: the functions of the language, and what a wrong name may have meant.

use super::edge::user_name;
use super::types::{type_name, type_of_id};
use super::{ROOMS, TORCH, habits, room_names};
use crate::aten::Operator;
use crate::error::{Error, ErrorKind, nearest};

/// A function of the language: its room, name and parameter types.
pub struct Known {
    /// `nn`, `tensor`, …; empty for methods, operators and global functions.
    pub room: &'static str,
    /// The name.
    pub name: &'static str,
    /// The parameters' types; a trailing map may be left out.
    pub types: Vec<&'static str>,
    /// Whether it is a property.
    pub property: bool,
}

impl Known {
    /// `nn::linear(int, int, map?)`.
    pub fn signature(&self) -> String {
        let mut types: Vec<String> = self.types.iter().map(|t| (*t).to_owned()).collect();
        if let Some(last) = types.last_mut()
            && last == "map"
        {
            *last = "map?".to_owned();
        }
        let prefix = if self.room.is_empty() {
            String::new()
        } else {
            format!("{}::", self.room)
        };
        format!("{prefix}{}({})", self.name, types.join(", "))
    }
}

/// All functions of the language.
pub fn known() -> Vec<Known> {
    let mut all = Vec::new();
    for room in ROOMS {
        for entry in room.manifest.functions {
            let mut types = Vec::new();
            (entry.param_types)(&mut |t| types = t.iter().map(|i| type_of_id(*i)).collect());
            let global = entry.namespace == rhai::FnNamespace::Global;
            all.push(Known {
                room: if global { "" } else { room.name },
                name: user_name(entry.name),
                types,
                property: entry.name.starts_with("get$") || entry.name.starts_with("set$"),
            });
        }
    }
    all
}

/// The error for a call that fits no function: `nn::linear (i64)`.
pub fn function_not_found(call: &str) -> Error {
    let (path, arguments) = call.split_once(" (").unwrap_or((call, ")"));
    let arguments: Vec<String> = arguments
        .trim_end_matches(')')
        .split(", ")
        .filter(|a| !a.is_empty())
        .map(type_name)
        .collect();
    if path.starts_with("anon$") {
        return Error::argument("a closure is called with other arguments than it takes")
            .with_hint("one of two arguments is written |x, y| …");
    }
    let (room, name) = path.rsplit_once("::").unwrap_or(("", path));
    if room == TORCH {
        return operator_not_found(name, arguments.len());
    }
    let all = known();
    if let Some(property) = path
        .strip_prefix("get$")
        .or_else(|| path.strip_prefix("set$"))
    {
        return property_not_found(property, arguments.first().map_or("", String::as_str), &all);
    }
    if path.starts_with("index$") {
        return not_indexable(&arguments.join(" by "));
    }
    let same: Vec<String> = all
        .iter()
        .filter(|k| k.name == name && (k.room == room || k.room.is_empty()))
        .map(Known::signature)
        .collect();
    let given = format!("({})", arguments.join(", "));
    if !same.is_empty() {
        let is_operator = name.chars().all(|c| !c.is_alphanumeric() && c != '_');
        if is_operator {
            return not_between(name, &arguments);
        }
        let takes = same
            .iter()
            .map(|s| format!("  {s}"))
            .collect::<Vec<_>>()
            .join("\n");
        return Error::argument(format!("`{path}` cannot be called with {given}"))
            .with_hint(format!("it takes\n{}", takes.trim_start()));
    }
    let is_operator = name.chars().all(|c| !c.is_alphanumeric() && c != '_');
    if is_operator {
        return not_between(name, &arguments);
    }
    let error = Error::new(ErrorKind::Name, format!("there is no function `{path}`"));
    if let Some(hint) = habits::function(path, arguments.len()) {
        return error.with_hint(hint);
    }
    if room.is_empty() && arguments.first().is_some_and(|kind| kind == "map") {
        // rhai calls functions that a map holds, and those only.
        return error.with_hint(format!(
            "of a map, `.{name}(…)` calls a function that it holds; a network or a model in it: (m.{name})(…), or m.{name}.forward(…)"
        ));
    }
    let here: Vec<&Known> = all
        .iter()
        .filter(|k| k.room == room && !k.property)
        .collect();
    if let Some(near) = nearest(name, here.iter().map(|k| k.name)) {
        let full = if room.is_empty() {
            near.to_owned()
        } else {
            format!("{room}::{near}")
        };
        return error.with_hint(format!("did you mean `{full}`?"));
    }
    if let Some(elsewhere) = all.iter().find(|k| k.name == name && !k.property) {
        return error.with_hint(format!("there is `{}`", elsewhere.signature()));
    }
    if !room.is_empty() && !room_names().contains(&room) {
        return module_not_found(room);
    }
    error
}

/// The error for a call of `torch::…`: there is no such operator, or none of so many arguments.
fn operator_not_found(name: &str, given: usize) -> Error {
    match Operator::find(name) {
        Err(error) => error,
        Ok(operator) => Error::argument(format!("{TORCH}::{name} does not take {given} arguments"))
            .with_hint(operator.takes()),
    }
}

fn not_between(operator: &str, types: &[String]) -> Error {
    let error = Error::argument(format!(
        "`{operator}` does not work between {}",
        types.join(" and ")
    ));
    match habits::operator(operator) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The error for an unknown variable.
pub fn variable_not_found(name: &str) -> Error {
    let error = Error::new(ErrorKind::Name, format!("there is no variable `{name}`"));
    error.with_hint(habits::variable(name).unwrap_or_else(|| {
        "a `fn` sees no variables from outside: pass them as arguments, or write a closure `|x| …`".to_owned()
    }))
}

/// rhai's words on a property that a type lacks: `Unknown property 'x' - a getter is not registered
/// for type 'tensor'`.
pub fn property_error(message: &str) -> Error {
    let quoted: Vec<&str> = message.split('\'').collect();
    match quoted.as_slice() {
        [_, property, _, of, ..] if message.starts_with("Unknown property") => {
            property_not_found(property, &type_name(of), &known())
        }
        _ => Error::argument(message.to_owned()),
    }
}

/// The error for a property that a type lacks.
pub(super) fn property_missing(property: &str, of: &str) -> Error {
    property_not_found(property, of, &known())
}

fn property_not_found(property: &str, of: &str, all: &[Known]) -> Error {
    let error = Error::new(
        ErrorKind::Name,
        format!("{of} has no property `{property}`"),
    );
    let names = all
        .iter()
        .filter(|k| k.property && k.types.first().is_some_and(|t| *t == of))
        .map(|k| k.name);
    if all
        .iter()
        .any(|k| !k.property && k.name == property && k.types.first().is_some_and(|t| *t == of))
    {
        return error.with_hint(format!("it is a method: `.{property}()`"));
    }
    match nearest(property, names) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// The error for an unknown module or namespace.
pub fn module_not_found(name: &str) -> Error {
    let error = Error::new(ErrorKind::Name, format!("there is no module `{name}`"));
    if let Some(hint) = habits::module(name) {
        return error.with_hint(hint);
    }
    match nearest(name, room_names()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error.with_hint(
            "modules of files are imported first: import \"lib/x\" as x; what a value has stands behind a dot: x.y",
        ),
    }
}

/// The error for `a[b]` where neither makes sense.
pub fn not_indexable(what: &str) -> Error {
    let plain = what.replace(['[', ']'], " ");
    let types: Vec<String> = plain
        .split_whitespace()
        .filter(|w| *w != "by")
        .map(type_name)
        .collect();
    match types.as_slice() {
        [object, index, ..] => {
            let error = Error::argument(format!("{object} cannot be indexed by {index}"));
            match habits::expected("int", index) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        _ => Error::argument(format!("{} cannot be indexed", types.join(" "))),
    }
}
