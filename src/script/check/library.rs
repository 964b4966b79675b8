//! What can be called: the functions of the library and rhai's own, by name, number and types of
//! arguments.

use std::collections::{HashMap, HashSet};

use rhai::{Engine, FnNamespace};

use crate::script::reference::{Entry, Form, all};
use crate::script::types::type_of_id;

/// A type as far as it is known: `tensor`, `int`; `None` where it is open.
pub type Kind = Option<&'static str>;

type Overloads = Vec<Vec<&'static str>>;

/// All native functions.
pub struct Library {
    /// Ours, by module (empty for what is global), name and number of arguments.
    ours: HashMap<(String, String, usize), Overloads>,
    /// rhai's own.
    standard: HashMap<(String, usize), Overloads>,
    /// The names of all functions, by module.
    names: HashMap<String, HashSet<String>>,
}

impl Library {
    /// What an engine offers.
    pub fn of(engine: &Engine) -> Library {
        let row = |info: rhai::FuncInfo| {
            let m = info.metadata;
            // What a script is rewritten to is nobody's to name.
            if m.name.ends_with("__") {
                return None;
            }
            let types: Vec<&'static str> = m.param_types.iter().map(|t| type_of_id(*t)).collect();
            Some((
                info.namespace.to_string(),
                m.namespace == FnNamespace::Global,
                m.name.to_string(),
                types,
            ))
        };
        let mut made = Library {
            ours: HashMap::new(),
            standard: HashMap::new(),
            names: HashMap::new(),
        };
        for (room, global, name, types) in engine.collect_fn_metadata(None, row, false) {
            made.names
                .entry(room.clone())
                .or_default()
                .insert(name.clone());
            if global && !room.is_empty() {
                made.names
                    .entry(String::new())
                    .or_default()
                    .insert(name.clone());
                made.ours
                    .entry((String::new(), name.clone(), types.len()))
                    .or_default()
                    .push(types.clone());
            }
            made.ours
                .entry((room, name, types.len()))
                .or_default()
                .push(types);
        }
        for (room, _, name, types) in Engine::new().collect_fn_metadata(None, row, true) {
            if room.is_empty() {
                made.names.entry(room).or_default().insert(name.clone());
                made.standard
                    .entry((name, types.len()))
                    .or_default()
                    .push(types);
            }
        }
        made
    }

    /// Whether there is a module of this name.
    pub fn has_room(&self, room: &str) -> bool {
        !room.is_empty() && self.names.contains_key(room)
    }

    /// Whether there is a function of this name, with any arguments.
    pub fn has_name(&self, room: &str, name: &str) -> bool {
        self.names.get(room).is_some_and(|n| n.contains(name))
    }

    /// The names of a module's functions; those without a module for an empty name.
    pub fn names(&self, room: &str) -> impl Iterator<Item = &str> {
        self.names
            .get(room)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Whether some function may be called with arguments of these types.
    pub fn takes(&self, room: &str, name: &str, arguments: &[Kind]) -> bool {
        let ours = self
            .ours
            .get(&(room.to_owned(), name.to_owned(), arguments.len()));
        ours.is_some_and(|o| o.iter().any(|types| fit(types, arguments)))
            || (room.is_empty() && self.standard_takes(name, arguments))
    }

    fn standard_takes(&self, name: &str, arguments: &[Kind]) -> bool {
        let standard = self.standard.get(&(name.to_owned(), arguments.len()));
        standard.is_some_and(|o| o.iter().any(|types| fit(types, arguments)))
    }

    /// What a call gives, where all functions that it can mean agree.
    pub fn gives(&self, room: &str, name: &str, form: Form, arguments: &[Kind]) -> Kind {
        if form == Form::Function && room.is_empty() && self.standard_takes(name, arguments) {
            return None;
        }
        let mut found: Kind = None;
        for entry in entries(room, name, form).filter(|e| entry_fits(e, arguments)) {
            if found.is_some_and(|f| f != entry.returns) {
                return None;
            }
            found = Some(&entry.returns);
        }
        found.filter(|f| !matches!(*f, "any" | "()"))
    }
}

/// The documented functions of a name.
pub fn entries<'a>(
    room: &'a str,
    name: &'a str,
    form: Form,
) -> impl Iterator<Item = &'static Entry> + 'a {
    all()
        .iter()
        .filter(move |e| e.room == room && e.name == name && e.form == form)
}

fn entry_fits(entry: &Entry, arguments: &[Kind]) -> bool {
    takes_count(entry, arguments.len())
        && arguments.iter().zip(&entry.params).all(|(a, p)| match a {
            None => true,
            Some("int") if p.1 == "float" => true,
            Some(kind) => p.1 == *kind || p.1 == "any",
        })
}

/// Whether a function takes so many arguments; a map at the end may be left out.
pub fn takes_count(entry: &Entry, count: usize) -> bool {
    let optional = entry.params.last().is_some_and(|p| p.1 == "map");
    count == entry.params.len() || (optional && count + 1 == entry.params.len())
}

/// Whether arguments may have these types. rhai's types without a name of ours (`value`) fit no
/// known type.
fn fit(types: &[&'static str], arguments: &[Kind]) -> bool {
    types
        .iter()
        .zip(arguments)
        .all(|(t, a)| a.is_none_or(|a| a == *t || *t == "any"))
}
