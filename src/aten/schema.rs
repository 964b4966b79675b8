//! What an operator takes and gives, in the language's words.

use std::sync::OnceLock;

use super::raw;

/// A name that can be called.
pub struct Known {
    /// As scripts write it behind `torch::`.
    pub name: &'static str,
    /// The most arguments that one of its forms takes.
    pub most: usize,
    /// Whether it draws random numbers.
    pub random: bool,
}

/// All names, sorted. Reading them takes libtorch some 20 ms, once in a process.
pub fn names() -> &'static [Known] {
    static NAMES: OnceLock<Vec<Known>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let line = |line: &'static str| {
            let mut words = line.split(' ');
            let (name, most) = (words.next()?, words.next()?.parse().ok()?);
            Some(Known {
                name,
                most,
                random: words.next()? == "1",
            })
        };
        raw::names().lines().filter_map(line).collect()
    })
}

/// One way to call an operator.
#[derive(Clone, Debug)]
pub struct Form {
    /// libtorch's label: `sum.dim_IntList`.
    pub label: String,
    /// Its arguments, in order.
    pub arguments: Vec<Argument>,
    /// What it gives: names, empty where libtorch has none, and types.
    pub results: Vec<(String, String)>,
}

/// An argument of a form.
#[derive(Clone, Debug)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its type, in the language's words; with a `?` where `()` may be given.
    pub kind: String,
    /// Its default, where it may be left out.
    pub default: Option<String>,
    /// Whether it is given by name only.
    pub by_name: bool,
}

impl Form {
    /// `torch::topk(self: tensor, k: int, #{ dim: -1, largest: true, sorted: true }) -> …`: what
    /// must be given stands by its place, the rest by name (or by place, in this order).
    pub fn signature(&self, name: &str) -> String {
        let placed = self.arguments.iter().filter(|a| a.default.is_none());
        let mut shown: Vec<String> = placed.map(|a| format!("{}: {}", a.name, a.kind)).collect();
        let options: Vec<String> = self
            .arguments
            .iter()
            .filter_map(|a| Some(format!("{}: {}", a.name, a.default.as_ref()?)))
            .collect();
        if !options.is_empty() {
            shown.push(format!("#{{ {} }}", options.join(", ")));
        }
        format!("torch::{name}({}) -> {}", shown.join(", "), self.gives())
    }

    fn gives(&self) -> String {
        match self.results.as_slice() {
            [(_, kind)] => kind.clone(),
            several if several.iter().all(|(name, _)| !name.is_empty()) => {
                let named: Vec<String> = several
                    .iter()
                    .map(|(name, kind)| format!("{name}: {kind}"))
                    .collect();
                format!("#{{ {} }}", named.join(", "))
            }
            several => {
                let kinds: Vec<&str> = several.iter().map(|(_, kind)| kind.as_str()).collect();
                format!("[{}]", kinds.join(", "))
            }
        }
    }
}

/// Reads what the shim says of an operator's forms: see `jem_forms` in `shim/shim.h`.
pub(super) fn forms(text: &str) -> Vec<Form> {
    text.lines().filter_map(form).collect()
}

fn form(line: &str) -> Option<Form> {
    let mut parts = line.split('\t');
    let label = parts.next()?.to_owned();
    let mut arguments = Vec::new();
    for part in parts.by_ref().take_while(|part| *part != "->") {
        arguments.push(argument(part)?);
    }
    let result = |part: &str| {
        let (name, kind) = part.split_once(':')?;
        Some((name.to_owned(), language_type(kind)))
    };
    Some(Form {
        label,
        arguments,
        results: parts.filter_map(result).collect(),
    })
}

fn argument(part: &str) -> Option<Argument> {
    let mut fields = part.splitn(3, ':');
    let (name, kind) = (fields.next()?, fields.next()?);
    // A default may hold colons (`cuda:0`); how it is given may not.
    let (default, given) = fields.next()?.rsplit_once(':')?;
    let has_default = given == "default" || (given == "keyword" && !default.is_empty());
    Some(Argument {
        name: name.to_owned(),
        kind: match name {
            "reduction" => "\"mean\" | \"sum\" | \"none\"".to_owned(),
            "dtype" => language_type(kind).replace("int", "string"),
            _ => language_type(kind),
        },
        default: has_default.then(|| language_value(name, default)),
        by_name: given == "keyword",
    })
}

/// `Tensor[]`, `int[2]?`, `ScalarType`: as the language calls them.
fn language_type(torch: &str) -> String {
    let (plain, optional) = match torch.strip_suffix('?') {
        Some(plain) => (plain, "?"),
        None => (torch, ""),
    };
    // `int[]2` says that a single number stands for two.
    let (plain, spread) = match plain.find("[]") {
        Some(at) => (&plain[..at], &plain[at + 2..]),
        None => (plain, "none"),
    };
    let of = match plain.trim_end_matches('?') {
        "Tensor" => "tensor",
        "int" | "SymInt" => "int",
        "float" | "SymFloat" => "float",
        "bool" | "SymBool" => "bool",
        "number" | "Scalar" => "number",
        "str" | "ScalarType" | "Layout" | "Device" | "MemoryFormat" => "string",
        other => other,
    };
    let shown = match spread {
        "none" => of.to_owned(),
        "" => format!("[{of}]"),
        _ => format!("{of} | [{of}]"),
    };
    shown + optional
}

/// A default as a script would write it.
fn language_value(name: &str, torch: &str) -> String {
    match (name, torch) {
        ("reduction", "0") => "\"none\"".to_owned(),
        ("reduction", "1") => "\"mean\"".to_owned(),
        ("reduction", "2") => "\"sum\"".to_owned(),
        (_, "None" | "") => "()".to_owned(),
        (_, "True") => "true".to_owned(),
        (_, "False") => "false".to_owned(),
        (_, other) if other.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            format!("\"{other}\"")
        }
        (_, other) => other.to_owned(),
    }
}
