//! What may stand at the cursor: names of the script and of those that it imports, functions,
//! methods, options, words of the language; inside the quotes of an import, scripts.

use std::ops::Range;

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionParams, CompletionTextEdit, TextEdit,
};

use super::document::Document;
use super::hover::{documentation, of_declared};
use super::scripts::Scripts;
use crate::script::complete::{Candidate, Kind, Kinds, complete as candidates};
use crate::script::outline::{Declared, What};

/// The answer to `textDocument/completion`.
pub fn complete(scripts: &Scripts, p: &CompletionParams) -> Option<Vec<CompletionItem>> {
    let (d, byte) = scripts.at(&p.text_document_position)?;
    if let Some(found) = paths(scripts, d, byte) {
        return Some(found);
    }
    let written = prefix(&d.text, byte);
    if written.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let start = byte - written.len();
    let mut items = of_import(scripts, d, start..byte).unwrap_or_else(|| plain(d, start..byte));
    items.retain(|item| item.label.starts_with(written));
    for (i, item) in items.iter_mut().enumerate() {
        // The order here is the order there: the best known first.
        item.sort_text = Some(format!("{i:05}"));
    }
    Some(items)
}

/// The beginning of the word that the cursor is in.
fn prefix(text: &str, byte: usize) -> &str {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    &text[text[..byte].trim_end_matches(part).len()..byte]
}

fn plain(d: &Document, at: Range<usize>) -> Vec<CompletionItem> {
    let all = candidates(&d.text, at.start, &[]);
    let mut items: Vec<CompletionItem> = Vec::new();
    // Where a word of the language may stand, names may; they are known better from the outline.
    if all.iter().any(|c| c.kind == Kind::Keyword) {
        let visible = d.outline().visible(at.start);
        let kinds = Kinds::of(&d.text);
        items.extend(
            visible
                .into_iter()
                .map(|v| of_name(d, v, &kinds, at.clone())),
        );
    }
    let ours: Vec<String> = items.iter().map(|i| i.label.clone()).collect();
    let theirs = |c: &&Candidate| {
        c.kind != Kind::Variable && !(c.kind == Kind::Function && ours.contains(&c.text))
    };
    items.extend(
        all.iter()
            .filter(theirs)
            .map(|c| of_candidate(d, c, at.clone())),
    );
    items
}

fn of_name(d: &Document, v: &Declared, kinds: &Kinds, at: Range<usize>) -> CompletionItem {
    let kind = match v.what {
        What::Function => CompletionItemKind::FUNCTION,
        What::Constant => CompletionItemKind::CONSTANT,
        What::Import => CompletionItemKind::MODULE,
        _ => CompletionItemKind::VARIABLE,
    };
    let detail = match v.what {
        What::Function => Some(v.shown(&d.text)),
        What::Parameter => Some("a parameter".to_owned()),
        What::Import => v
            .path
            .as_ref()
            .map(|(path, _)| format!("import \"{path}\"")),
        _ => kinds.kind(&v.name, v.seen.start),
    };
    let comment = v.comment(&d.text);
    CompletionItem {
        label: v.name.clone(),
        kind: Some(kind),
        detail,
        documentation: documentation(&comment),
        text_edit: Some(edit(d, at, v.name.clone())),
        ..CompletionItem::default()
    }
}

fn edit(d: &Document, at: Range<usize>, new_text: String) -> CompletionTextEdit {
    let range = d.range(at);
    CompletionTextEdit::Edit(TextEdit { range, new_text })
}

fn of_candidate(d: &Document, c: &Candidate, at: Range<usize>) -> CompletionItem {
    let kind = match c.kind {
        Kind::Module => CompletionItemKind::MODULE,
        Kind::Function => CompletionItemKind::FUNCTION,
        Kind::Method => CompletionItemKind::METHOD,
        Kind::Property => CompletionItemKind::PROPERTY,
        Kind::Option => CompletionItemKind::FIELD,
        Kind::Variable => CompletionItemKind::VARIABLE,
        Kind::Keyword => CompletionItemKind::KEYWORD,
    };
    let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let behind = &d.text[at.end..];
    let text = match c.kind {
        Kind::Option if !behind.trim_start().starts_with(':') => format!("{}: ", c.text),
        _ => c.text.clone(),
    };
    CompletionItem {
        label: c.text.clone(),
        kind: Some(kind),
        detail: told(&c.detail),
        documentation: documentation(&c.summary),
        text_edit: Some(edit(d, at, text)),
        ..CompletionItem::default()
    }
}

/// What an imported script offers, behind `m::`.
fn of_import(scripts: &Scripts, d: &Document, at: Range<usize>) -> Option<Vec<CompletionItem>> {
    let before = d.text[..at.start].strip_suffix("::")?;
    let alias = prefix(before, before.len());
    let visible = d.outline().visible(at.start);
    let import = visible
        .iter()
        .find(|v| v.name == alias && v.what == What::Import)?;
    let other = scripts.script(&scripts.imported(d, import)?)?;
    let kinds = Kinds::of(&other.text);
    let item = |(_, o): (usize, &Declared)| {
        let about = of_declared(&other, o);
        CompletionItem {
            text_edit: Some(edit(d, at.clone(), o.name.clone())),
            documentation: documentation(&about),
            ..of_name(&other, o, &kinds, 0..0)
        }
    };
    Some(other.outline().offered().map(item).collect())
}

/// The scripts that an import may name, beside the script and in the folders below.
fn paths(scripts: &Scripts, d: &Document, byte: usize) -> Option<Vec<CompletionItem>> {
    let line = &d.text[d.line_around(byte).start..byte];
    let (before, written) = line.rsplit_once('"')?;
    if before.trim_end() != "import" && !before.trim_end().ends_with(" import") {
        return None;
    }
    let folder = d.path.as_deref()?.parent()?;
    let own = d.path.as_deref();
    let mut found: Vec<String> = scripts
        .below(folder)
        .iter()
        .filter(|f| Some(f.as_path()) != own)
        .filter_map(|f| f.strip_prefix(folder).ok()?.to_str().map(str::to_owned))
        .map(|f| f.trim_end_matches(".rhai").replace('\\', "/"))
        .filter(|f| f.starts_with(written))
        .collect();
    found.sort_by_key(|f| (f.matches('/').count(), f.clone()));
    let from = byte - written.len();
    let item = |path: String| CompletionItem {
        label: path.clone(),
        kind: Some(CompletionItemKind::FILE),
        text_edit: Some(edit(d, from..byte, path)),
        ..CompletionItem::default()
    };
    Some(found.into_iter().map(item).collect())
}
