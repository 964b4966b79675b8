//! Completion, help at the cursor, and whether a cell is whole.

use serde_json::{Value, json};

use super::message::{Request, byte_of, position_of};
use crate::script::cells::is_complete as whole;
use crate::script::complete::{self, Candidate, Kind, Variable};
use crate::script::{Cells, reference};

/// What the session knows beside the text.
fn known(cells: &Cells) -> Vec<Variable> {
    let mut all: Vec<Variable> = cells
        .variables()
        .into_iter()
        .map(|v| Variable {
            name: v.name,
            kind: v.kind,
        })
        .collect();
    for name in cells.names() {
        if all.iter().all(|v| v.name != name) {
            all.push(Variable {
                name,
                kind: String::new(),
            });
        }
    }
    all
}

fn cursor(request: &Request, code: &str) -> usize {
    let position = request
        .number("cursor_pos")
        .and_then(|p| usize::try_from(p).ok());
    position.map_or(code.len(), |p| byte_of(code, p))
}

/// What may stand at the cursor.
pub fn complete(cells: &Cells, request: &Request) -> Value {
    let code = request.text("code");
    let cursor = cursor(request, code);
    let found = complete::complete(code, cursor, &known(cells));
    let (start, end) = (
        position_of(code, found.first().map_or(cursor, |c| c.start)),
        position_of(code, cursor),
    );
    let typed = |c: &Candidate| {
        json!({
            "start": start, "end": end, "text": c.text, "type": kind(c.kind), "signature": c.detail,
        })
    };
    json!({
        "status": "ok",
        "matches": found.iter().map(|c| c.text.as_str()).collect::<Vec<_>>(),
        "cursor_start": start,
        "cursor_end": end,
        "metadata": { "_jupyter_types_experimental": found.iter().map(typed).collect::<Vec<_>>() },
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Module => "module",
        Kind::Function => "function",
        Kind::Method => "method",
        Kind::Property => "property",
        Kind::Option => "param",
        Kind::Variable => "instance",
        Kind::Keyword => "keyword",
    }
}

/// Help on what stands at the cursor: a function of the language, else a variable.
pub fn inspect(cells: &Cells, request: &Request) -> Value {
    let code = request.text("code");
    let cursor = cursor(request, code);
    let entries = complete::inspect(code, cursor, &known(cells));
    let (text, markdown) = if entries.is_empty() {
        let name = word(code, cursor);
        let variable = cells.variables().into_iter().find(|v| v.name == name);
        let shown = variable.map(|v| {
            let value = cells
                .program
                .rich(&v.value)
                .map_or_else(|| "()".to_owned(), |rich| rich.text);
            let kept: String = value.lines().take(20).collect::<Vec<_>>().join("\n");
            (
                format!("{}: {}\n{kept}", v.name, v.kind),
                format!("`{}`: {}\n\n```\n{kept}\n```", v.name, v.kind),
            )
        });
        shown.unwrap_or_default()
    } else {
        let all = |one: fn(&reference::Entry) -> String| {
            entries.iter().map(one).collect::<Vec<_>>().join("\n\n")
        };
        (all(reference::terminal), all(reference::markdown))
    };
    let found = !text.is_empty();
    let data = if found {
        json!({ "text/plain": text, "text/markdown": markdown })
    } else {
        json!({})
    };
    json!({ "status": "ok", "found": found, "data": data, "metadata": {} })
}

/// The name around a byte of a text.
fn word(text: &str, at: usize) -> &str {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let start = text[..at].trim_end_matches(part).len();
    let end = at + text[at..].find(|c| !part(c)).unwrap_or(text.len() - at);
    &text[start..end]
}

/// Whether a cell is whole, goes on, or is wrong.
pub fn is_complete(cells: &Cells, code: &str) -> Value {
    if !whole(code) {
        let last = code.lines().last().unwrap_or_default();
        let depth = last.len() - last.trim_start().len()
            + 4 * usize::from(last.trim_end().ends_with(['{', '(', '[']));
        return json!({ "status": "incomplete", "indent": " ".repeat(depth) });
    }
    let status = if cells.parses(code) {
        "complete"
    } else {
        "invalid"
    };
    json!({ "status": status })
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn the_word_around_the_cursor() {
        assert_eq!(
            [0, 4, 6, 8].map(|at| word("net + ü", at)),
            ["net", "", "ü", "ü"]
        );
        assert_eq!(word("", 0), "");
    }
}
