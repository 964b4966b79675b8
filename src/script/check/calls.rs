//! Calls, methods and properties: whether anything of that name can take these arguments.

use rhai::{Expr, FnCallExpr, Namespace, Position};

use super::files::{File, Function};
use super::library::Kind;
use super::options::literal;
use super::walk::Walk;
use crate::error::{Error, ErrorKind, nearest};
use crate::options::Value;
use crate::script::names::{function_not_found, module_not_found, not_indexable, property_error};
use crate::script::reference::{Form, all};
use crate::script::{habits, rewrite, room_names};

/// What rhai itself takes as a call of any number of arguments.
const BUILT_IN: &[&str] = &[
    "call",
    "curry",
    "Fn",
    "is_def_fn",
    "is_def_var",
    "is_shared",
    "type_of",
    "print",
    "debug",
    "eval",
    "to_string",
    "contains",
];

impl Walk<'_> {
    /// A call `f(…)` or `m::f(…)`, or an operator.
    pub fn call(&mut self, x: &FnCallExpr, at: Position) -> Kind {
        let name = x.name.as_str();
        if let Some((of, value)) = called_variable(x) {
            return self.call_of_variable(of, value, &x.args[1..], at);
        }
        let last = x.args.len().saturating_sub(1);
        // The step of a training is called with a batch.
        let given = |i: usize| {
            if name == "train" && i == last {
                &[Some("batch")][..]
            } else {
                &[]
            }
        };
        let kinds: Vec<Kind> = x
            .args
            .iter()
            .enumerate()
            .map(|(i, a)| self.expression_given(a, given(i)))
            .collect();
        if x.op_token.is_some() || !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return self.operator(name, &x.args, &kinds, at);
        }
        let path: Vec<&str> = x.namespace.path.iter().map(|p| p.name.as_str()).collect();
        if let [root, rest @ ..] = path.as_slice() {
            return self.qualified(root, rest, x, &kinds, at);
        }
        if name == "param" {
            self.param(x);
        }
        let own = self.file.has(name, kinds.len());
        if !own && matches!(name, "print" | "debug") && kinds.len() > 1 {
            self.error(at, function_not_found(&shown(name, &kinds)));
        }
        if own || BUILT_IN.contains(&name) {
            return None;
        }
        match name {
            rewrite::COPIED => return kinds.first().copied().flatten(),
            rewrite::OVER | rewrite::PARTS => return None,
            _ => {}
        }
        self.options("", x, 0);
        if !self.known.takes("", name, &kinds) {
            let error = match self.own(name) {
                Some(f) => wrong_count(name, f, kinds.len()),
                None if self.known.has_name("", name) => function_not_found(&shown(name, &kinds)),
                None => self.no_function(name, &kinds),
            };
            self.error(at, error);
        }
        self.known.gives("", name, Form::Function, &kinds)
    }

    /// `f(…)`, where `f` is a variable or what a call gave.
    fn call_of_variable(
        &mut self,
        name: &str,
        value: &Expr,
        arguments: &[Expr],
        at: Position,
    ) -> Kind {
        let kind = self.expression(value);
        let mut kinds: Vec<Kind> = arguments.iter().map(|a| self.expression(a)).collect();
        let method = match kind {
            None | Some("function") => return None,
            Some("network") => "forward",
            Some("energy") => "energy",
            Some(_) if self.known.has_name("", name) => {
                if !self.known.takes("", name, &kinds) {
                    self.error(at, function_not_found(&shown(name, &kinds)));
                }
                return self.known.gives("", name, Form::Function, &kinds);
            }
            Some(kind) => {
                self.error(at, rewrite::not_called(name, kind));
                return None;
            }
        };
        kinds.insert(0, kind);
        if !self.known.takes("", method, &kinds) {
            self.error(at, function_not_found(&shown(method, &kinds)));
        }
        self.known.gives("", method, Form::Function, &kinds)
    }

    /// Whether a value of an unknown type may be a map with any keys.
    fn open_keys(&self) -> bool {
        self.facts.open_keys || self.file.open
    }

    fn own(&self, name: &str) -> Option<&Function> {
        self.file.functions.iter().find(|f| f.name == name)
    }

    fn no_function(&self, name: &str, kinds: &[Kind]) -> Error {
        let error = Error::new(ErrorKind::Name, format!("there is no function `{name}`"));
        match nearest(name, self.file.functions.iter().map(|f| f.name.as_str())) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => function_not_found(&shown(name, kinds)),
        }
    }

    fn qualified(
        &mut self,
        root: &str,
        rest: &[&str],
        x: &FnCallExpr,
        kinds: &[Kind],
        at: Position,
    ) -> Kind {
        let name = x.name.as_str();
        if let Some(target) = self.file.imports.get(root) {
            let file = rest
                .iter()
                .fold(target.map(|i| &self.files.all[i]), |file, alias| {
                    file.and_then(|f| f.imports.get(*alias).copied().flatten())
                        .map(|i| &self.files.all[i])
                });
            if let Some(error) = file.and_then(|f| missing(f, root, name, kinds.len())) {
                self.error(at, error);
            }
            return None;
        }
        if !self.known.has_room(root) {
            if self.file.undefined.is_some() && root != "global" {
                let place = x.namespace.position();
                self.fatal(
                    if place.is_none() { at } else { place },
                    module_not_found(root),
                );
            }
            return None;
        }
        if !rest.is_empty() {
            return None;
        }
        self.options(root, x, 0);
        if !self.known.takes(root, name, kinds) {
            self.error(
                at,
                function_not_found(&shown(&format!("{root}::{name}"), kinds)),
            );
        }
        self.known.gives(root, name, Form::Function, kinds)
    }

    /// `m::X`: an exported variable.
    pub fn qualified_variable(&mut self, namespace: &Namespace, name: &str, at: Position) {
        let [root] = namespace.path.as_slice() else {
            return;
        };
        let root = root.name.as_str();
        if let Some(target) = self.file.imports.get(root) {
            let Some(file) = target.map(|i| &self.files.all[i]) else {
                return;
            };
            if !file.exports.contains(name) && !file.functions.iter().any(|f| f.name == name) {
                let error = Error::new(
                    ErrorKind::Name,
                    format!("{} exports no variable `{name}`", file.name),
                );
                let error = match nearest(name, file.exports.iter().map(String::as_str)) {
                    Some(near) => error.with_hint(format!("did you mean `{root}::{near}`?")),
                    None => error.with_hint(
                        "a script exports what it declares with `export let` or `export const`",
                    ),
                };
                self.error(at, error);
            }
        } else if room_names().contains(&root) {
            let error = Error::new(
                ErrorKind::Name,
                format!("there is no variable `{root}::{name}`"),
            );
            let called = format!(
                "a function is called with `{root}::{name}(…)`, or named in a closure: |x| {root}::{name}(x)"
            );
            self.error(
                at,
                if self.known.has_name(root, name) {
                    error.with_hint(called)
                } else {
                    error
                },
            );
        } else if self.file.undefined.is_some() && root != "global" {
            self.fatal(namespace.position(), module_not_found(root));
        }
    }

    fn operator(&mut self, name: &str, arguments: &[Expr], kinds: &[Kind], at: Position) -> Kind {
        if let ("/" | "%", [a, b]) = (name, arguments)
            && let (Some(Value::Int(a)), Some(Value::Int(0))) = (literal(a), literal(b))
        {
            let error = Error::argument(format!("`{a} {name} 0` divides by zero"));
            self.error(at, error);
        }
        if let ("^" | ".." | "..=", [Some(a @ ("int" | "float")), Some(b @ ("int" | "float"))]) =
            (name, kinds)
            && (*a, *b) != ("int", "int")
        {
            self.error(at, function_not_found(&shown(name, kinds)));
        }
        match kinds {
            _ if name == ".." => Some("range"),
            _ if name == "..=" => Some("inclusive_range"),
            _ if matches!(name, "==" | "!=" | "<" | "<=" | ">" | ">=" | "!" | "in") => None,
            [Some(a @ ("int" | "float")), Some(b @ ("int" | "float"))] => {
                Some(if a == b && name != "/" { a } else { "float" })
            }
            // Numbers have these operators from rhai itself: what is not known may be one.
            _ if kinds.contains(&None) => None,
            _ => self.known.gives("", name, Form::Operator, kinds),
        }
    }

    /// `x.f(…)`.
    pub fn method(&mut self, x: &FnCallExpr, receiver: Kind, at: Position) -> Kind {
        let name = x.name.as_str();
        let mut kinds = vec![receiver];
        for a in &x.args {
            kinds.push(self.expression(a));
        }
        match name {
            rewrite::MAYBE => return None,
            rewrite::SLICE => {
                if matches!(receiver, Some("array" | "string")) {
                    return receiver;
                }
                if receiver.is_some() && !self.known.takes("", "index$get$", &kinds) {
                    self.error(
                        at,
                        not_indexable(&format!("{} [range]", receiver.unwrap_or_default())),
                    );
                }
                return receiver.filter(|r| *r == "tensor");
            }
            _ => {}
        }
        let own = self.file.has(name, x.args.len());
        let map = receiver.is_none_or(|r| r == "map");
        if own || BUILT_IN.contains(&name) || (map && self.facts.keys.contains(name)) {
            return None;
        }
        let (takes, known) = (
            self.known.takes("", name, &kinds),
            self.known.has_name("", name),
        );
        if takes {
            self.options("", x, 1);
            return self.known.gives("", name, Form::Function, &kinds);
        }
        if !map || !self.open_keys() {
            let error = match self.own(name) {
                Some(f) => method_of_function(name, f, x.args.len()),
                None if known => function_not_found(&shown(name, &kinds)),
                None => self.no_method(name, receiver),
            };
            self.error(at, error);
        }
        None
    }

    fn no_method(&self, name: &str, receiver: Kind) -> Error {
        let text = match receiver {
            Some(kind) => format!("{kind} has no method `{name}`"),
            None => format!("nothing has a method `{name}`"),
        };
        let error = Error::new(ErrorKind::Name, text);
        let of_it = |e: &&crate::script::reference::Entry| {
            e.is_method() && receiver.is_none_or(|r| e.receiver() == Some(r))
        };
        if all().iter().any(|e| {
            e.form == Form::Getter
                && e.name == name
                && receiver.is_none_or(|r| e.receiver() == Some(r))
        }) {
            return error.with_hint(format!("it is a property: `.{name}`"));
        }
        if let Some(hint) = habits::method(name) {
            return error.with_hint(hint);
        }
        let near = nearest(name, all().iter().filter(of_it).map(|e| e.name.as_str()));
        match near.or_else(|| {
            nearest(
                name,
                self.known
                    .names("")
                    .filter(|n| receiver.is_none() && !n.contains('$')),
            )
        }) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    /// `x.name`, read.
    pub fn property(&mut self, name: &str, receiver: Kind, at: Position) -> Kind {
        let map = receiver.is_none_or(|r| r == "map");
        if map && self.facts.keys.contains(name) {
            return None;
        }
        let getter = format!("get${name}");
        if receiver.is_some_and(|r| r != "map")
            && self
                .known
                .takes("", "index$get$", &[receiver, Some("string")])
        {
            // A value by name, as in `loss.gap`.
            return None;
        }
        if self.known.takes("", &getter, &[receiver]) {
            return self.known.gives("", name, Form::Getter, &[receiver]);
        }
        if map && self.open_keys() {
            return None;
        }
        match receiver {
            Some("map") => self.error(at, self.no_key(name, receiver)),
            Some(kind) => self.error(at, no_property(name, kind)),
            // It may be a loss or the like, with values by name.
            None => self.warning(at, self.no_key(name, receiver)),
        }
        None
    }

    /// `x.name`, written.
    pub fn written(&mut self, name: &str, receiver: Kind, at: Position) {
        let Some(kind) = receiver.filter(|r| *r != "map") else {
            return;
        };
        if !self
            .known
            .takes("", &format!("set${name}"), &[receiver, None])
        {
            let error = if self.known.takes("", &format!("get${name}"), &[receiver]) {
                Error::new(
                    ErrorKind::Name,
                    format!("the property `{name}` of {kind} cannot be changed"),
                )
            } else {
                no_property(name, kind)
            };
            self.error(at, error);
        }
    }

    fn no_key(&self, name: &str, receiver: Kind) -> Error {
        let what = if receiver.is_some() {
            "no map here"
        } else {
            "nothing"
        };
        let error = Error::new(ErrorKind::Name, format!("{what} has a property `{name}`"));
        let getters = all()
            .iter()
            .filter(|e| e.form == Form::Getter)
            .map(|e| e.name.as_str());
        if all().iter().any(|e| e.is_method() && e.name == name) {
            return error.with_hint(format!("it is a method: `.{name}()`"));
        }
        match nearest(
            name,
            getters.chain(self.facts.keys.iter().map(String::as_str)),
        ) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error,
        }
    }
}

fn no_property(name: &str, kind: &str) -> Error {
    property_error(&format!(
        "Unknown property '{name}' - a getter is not registered for type '{kind}'"
    ))
}

/// The variable that a call calls, by its name, and its value.
fn called_variable(x: &FnCallExpr) -> Option<(&str, &Expr)> {
    let Some(Expr::FnCall(callee, _)) = x.args.first().filter(|_| x.name == "call") else {
        return None;
    };
    match callee.args.as_slice() {
        [Expr::StringConstant(name, _), value] if callee.name == rewrite::CALLEE => {
            Some((name, value))
        }
        _ => None,
    }
}

/// A call as the errors about calls take it: `f (int, …)`.
fn shown(path: &str, kinds: &[Kind]) -> String {
    let kinds: Vec<&str> = kinds.iter().map(|k| k.unwrap_or("…")).collect();
    format!("{path} ({})", kinds.join(", "))
}

fn arguments(count: usize) -> String {
    if count == 1 {
        "1 argument".to_owned()
    } else {
        format!("{count} arguments")
    }
}

fn written_as(f: &Function) -> String {
    format!("it is written: fn {}({})", f.name, f.params.join(", "))
}

fn wrong_count(name: &str, f: &Function, given: usize) -> Error {
    Error::argument(format!(
        "`{name}` takes {}, got {given}",
        arguments(f.params.len())
    ))
    .with_hint(written_as(f))
}

fn method_of_function(name: &str, f: &Function, given: usize) -> Error {
    let error = Error::argument(format!(
        "`.{name}(…)` calls the function `{name}` with {}",
        arguments(given)
    ));
    if f.params.len() == given + 1 {
        error.with_hint(format!(
            "call it as {name}(…); a method has its value in `this`, not among its parameters"
        ))
    } else {
        error.with_hint(written_as(f))
    }
}

/// The error if an imported script has no such function.
fn missing(file: &File, root: &str, name: &str, given: usize) -> Option<Error> {
    let named: Vec<&Function> = file.functions.iter().filter(|f| f.name == name).collect();
    if named.iter().any(|f| f.params.len() == given && !f.private) {
        return None;
    }
    Some(match named.first() {
        Some(f) if f.params.len() == given => Error::new(
            ErrorKind::Name,
            format!("`{root}::{name}` is private to {}", file.name),
        ),
        Some(f) => wrong_count(&format!("{root}::{name}"), f, given),
        None => {
            let error = Error::new(
                ErrorKind::Name,
                format!("{} has no function `{name}`", file.name),
            );
            match nearest(
                name,
                file.functions
                    .iter()
                    .filter(|f| !f.private)
                    .map(|f| f.name.as_str()),
            ) {
                Some(near) => error.with_hint(format!("did you mean `{root}::{near}`?")),
                None => error,
            }
        }
    })
}
