//! What stands under the pointer: the documentation of a function, an option, a module, or where a
//! name of the script comes from.

use lsp_types::{Documentation, Hover, HoverContents, HoverParams, MarkupContent, MarkupKind};

use super::document::Document;
use super::scripts::Scripts;
use crate::options::Field;
use crate::script::complete::{
    Candidate, KEYWORDS, Kind, Kinds, complete, inspect, option_at, word_at,
};
use crate::script::outline::{Declared, What};
use crate::script::reference::{Entry, of_room, options_table};
use crate::script::room_names;

/// Overloads beyond these say little more.
const MOST: usize = 4;

/// The answer to `textDocument/hover`.
pub fn hover(scripts: &Scripts, p: &HoverParams) -> Option<Hover> {
    let (d, byte) = scripts.at(&p.text_document_position_params)?;
    let text = of_path(scripts, d, byte).or_else(|| of_word(scripts, d, byte))?;
    let at = word_at(&d.text, byte).map(|(from, word)| d.range(from..from + word.len()));
    Some(Hover {
        contents: HoverContents::Markup(markdown(text)),
        range: at,
    })
}

/// A text for an editor.
pub fn markdown(value: String) -> MarkupContent {
    MarkupContent {
        kind: MarkupKind::Markdown,
        value,
    }
}

/// What an editor tells beside a name: written as Markdown, where formulas stand between backticks.
pub fn documentation(text: &str) -> Option<Documentation> {
    (!text.is_empty()).then(|| Documentation::MarkupContent(markdown(text.to_owned())))
}

/// The file of an import, on its path.
fn of_path(scripts: &Scripts, d: &Document, byte: usize) -> Option<String> {
    let import = super::definition::import_at(d, byte)?;
    let path = scripts.imported(d, import)?;
    Some(format!("the script {}", path.display()))
}

fn of_word(scripts: &Scripts, d: &Document, byte: usize) -> Option<String> {
    let (from, word) = word_at(&d.text, byte)?;
    let outline = d.outline();
    if let Some(foreign) = outline.foreign_at(byte) {
        let import = outline.declared.get(foreign.import)?;
        let path = scripts.imported(d, import)?;
        let other = scripts.script(&path)?;
        let name = path.file_name()?.to_string_lossy();
        let (_, declared) = other
            .outline()
            .offered()
            .find(|(_, o)| o.name == foreign.name)?;
        let about = of_declared(&other, declared);
        return Some(format!("{about}\n\n*from {name}*"));
    }
    if let Some(index) = outline.at(byte) {
        return Some(of_declared(d, outline.declared.get(index)?));
    }
    if let Some(field) = option_at(&d.text, byte, &[]) {
        return Some(of_option(&field));
    }
    if KEYWORDS.contains(&word) {
        return None;
    }
    if d.text[from + word.len()..].starts_with("::") && room_names().contains(&word) {
        return Some(of_module(word));
    }
    // What is found must be about this very word, not about the call around it.
    let found = inspect(&d.text, from + word.len(), &[]);
    let of_word: Vec<String> = found
        .iter()
        .filter(|e| e.name == word)
        .take(MOST)
        .map(of_entry)
        .collect();
    if of_word.is_empty() {
        return of_standard(d, from, word);
    }
    Some(of_word.join("\n\n---\n\n"))
}

/// What numbers, texts, arrays and maps can do by themselves: completion knows it.
fn of_standard(d: &Document, from: usize, word: &str) -> Option<String> {
    let all = complete(&d.text, from, &[]);
    let kinds = [Kind::Function, Kind::Method, Kind::Property];
    let same = |c: &&Candidate| c.text == word && kinds.contains(&c.kind);
    let found = all.iter().find(same)?;
    Some(format!(
        "```rhai\n{}\n```\n\n{}",
        found.detail, found.summary
    ))
}

/// A module: the functions in it.
fn of_module(name: &str) -> String {
    const LINES: usize = 40;
    let all: Vec<&Entry> = of_room(name).collect();
    let mut shown: Vec<&str> = all.iter().map(|e| e.signature.as_str()).collect();
    shown.dedup();
    if shown.len() > LINES {
        shown.truncate(LINES);
        shown.push("…");
    }
    format!("the module `{name}`\n\n```rhai\n{}\n```", shown.join("\n"))
}

/// A name of the script.
pub fn of_declared(d: &Document, declared: &Declared) -> String {
    let mut shown = declared.shown(&d.text);
    let kind = match declared.what {
        What::Variable | What::Constant => {
            Kinds::of(&d.text).kind(&declared.name, declared.seen.start)
        }
        _ => None,
    };
    match declared.what {
        What::Parameter => shown = format!("{}: a parameter", declared.name),
        _ => shown += &kind.map_or_else(String::new, |k| format!("    // {k}")),
    }
    let comment = declared.comment(&d.text);
    format!("```rhai\n{shown}\n```\n\n{comment}")
        .trim_end()
        .to_owned()
}

/// A function of the library.
pub fn of_entry(e: &Entry) -> String {
    let mut text = format!("```rhai\n{}\n```\n\n{}\n", e.signature, e.doc);
    if !e.options.is_empty() {
        text.push('\n');
        text += &options_table(e);
    }
    text.trim_end().to_owned()
}

fn of_option(f: &Field) -> String {
    let words = match f.words {
        [] => String::new(),
        words => format!("\n\none of {}", words.join(", ")),
    };
    format!(
        "```rhai\n{}: {} = {}\n```\n\n{}{words}",
        f.name, f.kind, f.default, f.doc
    )
}
