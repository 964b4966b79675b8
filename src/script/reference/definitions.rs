//! The reference as definitions for editors: `docs/reference/jemscript.d.rhai`, in the form of
//! rhai's language server.

use super::{Entry, Form, all};
use crate::script::ROOMS;

/// The text of the file.
pub fn definitions() -> String {
    let mut text = String::from(
        "// Generated from the code: the functions of jemscript for editors that know rhai.\nmodule static;\n",
    );
    let mut rooms: Vec<&str> = Vec::new();
    for room in ROOMS.iter().map(|r| r.name) {
        if rooms.contains(&room) {
            continue;
        }
        rooms.push(room);
        let here: Vec<String> = all()
            .iter()
            .filter(|e| e.room == room)
            .flat_map(forms)
            .collect();
        if here.is_empty() {
            continue;
        }
        if room.is_empty() {
            text += &format!("\n{}\n", here.join("\n\n"));
        } else {
            let inside = here
                .join("\n\n")
                .replace('\n', "\n    ")
                .replace("\n    \n", "\n\n");
            text += &format!("\nmodule {room} {{\n    {inside}\n}}\n");
        }
    }
    text
}

/// An entry, and once more without its map of options.
fn forms(e: &Entry) -> Vec<String> {
    let mut found = vec![form(e, e.params.len(), true)];
    if e.form == Form::Function && e.params.last().is_some_and(|p| p.1 == "map") {
        found.insert(0, form(e, e.params.len() - 1, false));
    }
    found
}

fn form(e: &Entry, count: usize, whole: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    if whole {
        lines.extend(
            e.doc
                .lines()
                .map(|l| format!("/// {l}").trim_end().to_owned()),
        );
        if !e.options.is_empty() {
            lines.push("///".to_owned());
            lines.extend(e.options.iter().map(|f| {
                format!(
                    "/// - `{}: {}` = `{}`: {}",
                    f.name, f.kind, f.default, f.doc
                )
            }));
        }
    } else {
        lines.push(format!("/// {}", e.summary()));
    }
    let params = &e.params[..count];
    let named: Vec<String> = params
        .iter()
        .map(|(name, kind)| format!("{name}: {}", known(kind)))
        .collect();
    let kinds: Vec<&str> = params.iter().map(|(_, kind)| known(kind)).collect();
    let returns = known(&e.returns);
    lines.push(match e.form {
        Form::Function => format!("fn {}({}) -> {returns};", e.name, named.join(", ")),
        Form::Getter => format!("fn get {}({}) -> {returns};", e.name, named.join(", ")),
        Form::Setter => format!("fn set {}({}) -> {returns};", e.name, named.join(", ")),
        Form::Operator if e.name.starts_with("index$") => {
            format!("fn {}({}) -> {returns};", e.name, named.join(", "))
        }
        Form::Operator => format!("op {}({}) -> {returns};", e.name, kinds.join(", ")),
    });
    lines.join("\n")
}

/// A type in rhai's definitions.
fn known(kind: &str) -> &str {
    match kind {
        "any" => "?",
        "string" => "String",
        "array" => "Array",
        "map" => "Map",
        "function" => "FnPtr",
        other => other,
    }
}
