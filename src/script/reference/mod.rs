//! The reference: every function's documentation, as data. From it come `docs/reference`,
//! `jemscript doc`, and the test that runs every example.
//!
//! A binding's comment is its documentation. Code blocks marked `rhai` are examples; what they
//! print stands behind `//=`, with `…` for anything.

mod definitions;
pub mod operators;
mod pages;
mod standard;
mod terminal;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rhai::{Engine, Module};

use super::edge::user_name;
use super::types::type_name;
use super::{ROOMS, TORCH};
use crate::options::Field;

pub use pages::{markdown, options_table, pages};
pub use standard::{Standard, standard};
pub use terminal::{about, find, near, of_type, terminal};

/// One documented function, method, operator or property.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The module it is called through; empty for methods, operators and what is available
    /// everywhere.
    pub room: &'static str,
    /// The module that it belongs to, even where it is called without: `sampler` for `.run(…)`.
    pub home: &'static str,
    /// The page it is on.
    pub title: &'static str,
    /// Its name.
    pub name: String,
    /// As one writes it: `nn::linear(inputs: int, outputs: int, options: map?) -> network`.
    pub signature: String,
    /// Its comment.
    pub doc: String,
    /// Its options, if its last argument is a map that an options table describes.
    pub options: Vec<Field>,
    /// How it is written.
    pub form: Form,
    /// Its parameters: name and type as users know it. Those of a method begin with the value it is
    /// called on.
    pub params: Vec<(String, String)>,
    /// The type of what it gives: `tensor`; `()` for nothing.
    pub returns: String,
}

/// How an entry is written in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `f(x)`, or `x.f()`.
    Function,
    /// `x.name`.
    Getter,
    /// `x.name = value`.
    Setter,
    /// `x + y`, `x[i]`.
    Operator,
}

impl Entry {
    /// `nn::linear`, `matmul`.
    pub fn path(&self) -> String {
        if self.room.is_empty() {
            self.name.clone()
        } else {
            format!("{}::{}", self.room, self.name)
        }
    }

    /// Whether it can be called on a value: `x.f()`.
    pub fn is_method(&self) -> bool {
        self.form == Form::Function && self.room.is_empty() && !self.params.is_empty()
    }

    /// The type that it belongs to as a method or a property.
    pub fn receiver(&self) -> Option<&str> {
        self.params
            .first()
            .map(|p| p.1.as_str())
            .filter(|_| self.room.is_empty())
    }

    /// Its examples: the code, and what it prints.
    pub fn examples(&self) -> Vec<Example> {
        examples(&self.doc)
    }

    /// The first sentence.
    pub fn summary(&self) -> String {
        let first = self
            .doc
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .replace('\n', " ");
        sentence(&first).to_owned()
    }
}

/// The first sentence of a text; the point after an initial ("A. Krizhevsky") or after "et al."
/// ends none.
fn sentence(text: &str) -> &str {
    let ends = |(at, _): &(usize, &str)| {
        let word = text[..*at].rsplit([' ', '(']).next().unwrap_or_default();
        !(word == "al" || word.chars().count() == 1 && word.chars().all(char::is_uppercase))
    };
    text.match_indices(". ")
        .find(ends)
        .map_or(text, |(at, _)| &text[..=at])
        .trim()
}

/// A piece of code in the documentation.
#[derive(Clone, Debug)]
pub struct Example {
    /// The code, with its expectations as comments.
    pub code: String,
    /// What it prints, line by line; `…` stands for anything.
    pub printed: Vec<String>,
}

/// The examples in a text: its code blocks marked `rhai`.
pub fn examples(text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    for line in text.lines() {
        match &mut block {
            None if line.trim() == "```rhai" => block = Some(Vec::new()),
            None => {}
            Some(lines) if line.trim() == "```" => {
                let printed = lines
                    .iter()
                    .filter_map(|l| l.split_once("//= "))
                    .map(|(_, p)| p.trim_end().to_owned())
                    .collect();
                found.push(Example {
                    code: lines.join("\n"),
                    printed,
                });
                block = None;
            }
            Some(lines) => lines.push(line),
        }
    }
    found
}

/// Whether a printed text is what an example promises.
pub fn matches(promised: &str, printed: &str) -> bool {
    let mut rest = printed;
    let pieces: Vec<&str> = promised.split('…').collect();
    for (i, piece) in pieces.iter().enumerate() {
        match rest.find(piece) {
            Some(at) if i > 0 || at == 0 => rest = &rest[at + piece.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || promised.ends_with('…')
}

/// Everything documented, page by page in the order of the source.
pub fn entries() -> Vec<Entry> {
    all().to_vec()
}

/// What is called through a module, the operators of libtorch too.
pub fn of_room(room: &str) -> impl Iterator<Item = &'static Entry> {
    let operators = match room == TORCH {
        true => operators::entries(),
        false => &[],
    };
    all()
        .iter()
        .filter(move |e| e.room == room)
        .chain(operators)
}

/// The same, made once in a process.
pub fn all() -> &'static [Entry] {
    static ALL: OnceLock<Vec<Entry>> = OnceLock::new();
    ALL.get_or_init(gather)
}

fn gather() -> Vec<Entry> {
    let tables: BTreeMap<&str, Vec<Field>> = super::option_tables().into_iter().collect();
    let mut all = Vec::new();
    for room in ROOMS {
        let mut module = Module::new();
        for f in room.manifest.functions {
            (f.register)(&mut module);
        }
        let mut engine = Engine::new_raw();
        engine.register_static_module("page", module.into());
        let mut described: BTreeMap<(String, usize, Vec<std::any::TypeId>), Entry> =
            BTreeMap::new();
        let collected = engine.collect_fn_metadata(
            None,
            |info| {
                let m = info.metadata;
                let name = user_name(&m.name).to_owned();
                let global = m.namespace == rhai::FnNamespace::Global;
                let entry_room = if global { "" } else { room.name };
                let (params, returns) = (parameters(&m.params_info), returned(&m.return_type));
                let entry = Entry {
                    room: entry_room,
                    home: room.name,
                    title: room.title,
                    signature: signature(entry_room, &m.name, &params, &returns),
                    form: form(&m.name),
                    params,
                    returns,
                    doc: comment(&m.comments.iter().map(|c| c.as_str()).collect::<Vec<_>>()),
                    options: tables
                        .get(format!("{}::{name}", room.name).trim_start_matches(':'))
                        .cloned()
                        .unwrap_or_default(),
                    name,
                };
                Some((
                    (m.name.to_string(), m.num_params, m.param_types.to_vec()),
                    entry,
                ))
            },
            false,
        );
        described.extend(collected);
        for f in room.manifest.functions {
            let mut types = Vec::new();
            (f.param_types)(&mut |t| types = t.to_vec());
            let key = described
                .keys()
                .find(|k| k.0 == f.name && k.1 == types.len() && same_types(&k.2, &types))
                .cloned();
            all.extend(key.and_then(|k| described.remove(&k)));
        }
    }
    all
}

/// rhai stores string parameters as its own string type.
fn same_types(stored: &[std::any::TypeId], declared: &[std::any::TypeId]) -> bool {
    use std::any::TypeId;
    let plain = |t: &TypeId| {
        if *t == TypeId::of::<&str>() || *t == TypeId::of::<String>() {
            TypeId::of::<rhai::ImmutableString>()
        } else {
            *t
        }
    };
    stored.iter().map(plain).eq(declared.iter().map(plain))
}

/// A comment as rhai stores it, line by line with its slashes, as plain text.
fn comment(lines: &[&str]) -> String {
    let plain = |l: &str| {
        let l = l.trim_start().trim_start_matches("///");
        l.strip_prefix(' ').unwrap_or(l).trim_end().to_owned()
    };
    lines
        .iter()
        .flat_map(|block| block.lines())
        .map(plain)
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

fn form(registered: &str) -> Form {
    if registered.starts_with("get$") {
        Form::Getter
    } else if registered.starts_with("set$") {
        Form::Setter
    } else if registered.starts_with("index$")
        || registered.chars().all(|c| !c.is_alphanumeric() && c != '_')
    {
        Form::Operator
    } else {
        Form::Function
    }
}

/// Parameters as rhai stores them, `ctx: NativeCallContext` and `x: &mut Tensor`: names and types
/// as users know them.
fn parameters(params: &[impl AsRef<str>]) -> Vec<(String, String)> {
    let show = |p: &str| {
        let (name, kind) = p.split_once(':').unwrap_or((p, "any"));
        (
            name.trim().to_owned(),
            type_name(
                kind.trim()
                    .trim_start_matches("&mut ")
                    .trim_start_matches("& mut "),
            ),
        )
    };
    params
        .iter()
        .map(|p| show(p.as_ref()))
        .filter(|(_, kind)| kind != "NativeCallContext")
        .collect()
}

/// A Rust return type as users know it.
fn returned(returns: &str) -> String {
    let returns = returns.trim().replace(' ', "");
    let plain = returns
        .strip_prefix("Outcome<")
        .and_then(|r| r.strip_suffix('>'))
        .unwrap_or(&returns);
    if plain.is_empty() {
        "()".to_owned()
    } else {
        type_name(plain)
    }
}

fn signature(room: &str, registered: &str, params: &[(String, String)], returns: &str) -> String {
    let returns = if returns == "()" {
        String::new()
    } else {
        format!(" -> {returns}")
    };
    if let Some(property) = registered.strip_prefix("get$") {
        return format!(
            "{}.{property}{returns}",
            params.first().map_or("", |p| p.1.as_str())
        );
    }
    if let Some(property) = registered.strip_prefix("set$") {
        return format!(
            "{}.{property} = {}",
            params.first().map_or("", |p| p.1.as_str()),
            params.get(1).map_or("", |p| p.1.as_str())
        );
    }
    if registered.starts_with("index$get") {
        return format!("{}[{}]{returns}", params[0].1, params[1].1);
    }
    if registered.starts_with("index$set") {
        return format!("{}[{}] = {}", params[0].1, params[1].1, params[2].1);
    }
    if registered.chars().all(|c| !c.is_alphanumeric() && c != '_') {
        return match params {
            [a] => format!("{registered}{}{returns}", a.1),
            [a, b] => format!("{} {registered} {}{returns}", a.1, b.1),
            _ => registered.to_owned(),
        };
    }
    let optional = |(name, kind): &(String, String), last: bool| {
        let mark = if last && kind == "map" { "?" } else { "" };
        format!("{name}: {kind}{mark}")
    };
    let n = params.len();
    let shown: Vec<String> = params
        .iter()
        .enumerate()
        .map(|(i, p)| optional(p, i + 1 == n))
        .collect();
    let prefix = if room.is_empty() {
        String::new()
    } else {
        format!("{room}::")
    };
    format!("{prefix}{registered}({}){returns}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn a_sentence_ends_at_its_point() {
        assert_eq!(sentence("One. Two."), "One.");
        assert_eq!(
            sentence("CIFAR-10 (A. Krizhevsky, 2009): images. More."),
            "CIFAR-10 (A. Krizhevsky, 2009): images."
        );
        assert_eq!(
            sentence("By Netzer et al. in 2011. More."),
            "By Netzer et al. in 2011."
        );
        assert_eq!(sentence("A whole text"), "A whole text");
    }
}
