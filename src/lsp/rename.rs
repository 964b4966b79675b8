//! Another name for a variable or a function, in its script and in those that import it.

use std::collections::HashMap;

use lsp_types::{
    PrepareRenameResponse, RenameParams, TextDocumentPositionParams, TextEdit, Uri, WorkspaceEdit,
};

use super::Answer;
use super::definition::places;
use super::document::Document;
use super::scripts::Scripts;
use crate::script::complete::{KEYWORDS, word_at};
use crate::script::outline::{Declared, What};
use crate::script::reference::of_room;
use crate::script::room_names;

/// The answer to `textDocument/prepareRename`: what would be renamed.
pub fn prepare(
    scripts: &Scripts,
    p: &TextDocumentPositionParams,
) -> Answer<Option<PrepareRenameResponse>> {
    let Some((d, byte)) = scripts.at(p) else {
        return Ok(None);
    };
    let Some((from, word)) = word_at(&d.text, byte) else {
        return Ok(None);
    };
    if places(scripts, d, byte).is_none() {
        return Err(not_ours(word));
    }
    Ok(Some(PrepareRenameResponse::RangeWithPlaceholder {
        range: d.range(from..from + word.len()),
        placeholder: word.to_owned(),
    }))
}

fn not_ours(word: &str) -> String {
    format!("`{word}` is no name that a script declares: only those can be renamed")
}

/// The answer to `textDocument/rename`.
#[allow(clippy::mutable_key_type)] // An address keeps its parts once found; its text never changes.
pub fn rename(scripts: &Scripts, p: &RenameParams) -> Answer<Option<WorkspaceEdit>> {
    let Some((d, byte)) = scripts.at(&p.text_document_position) else {
        return Ok(None);
    };
    let (_, word) = word_at(&d.text, byte).ok_or("there is no name here")?;
    let (found, declared) = places(scripts, d, byte).ok_or_else(|| not_ours(word))?;
    let new = p.new_name.trim();
    fits(new)?;
    if new == declared.name {
        return Ok(None);
    }
    let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
    for (i, (document, places)) in found.iter().enumerate() {
        if i == 0 {
            free(document, &declared, places, new)?;
        }
        let edit = |at: &std::ops::Range<usize>| TextEdit {
            range: document.range(at.clone()),
            new_text: new.to_owned(),
        };
        changes.insert(document.uri.clone(), places.iter().map(edit).collect());
    }
    Ok(Some(WorkspaceEdit {
        changes: Some(changes),
        ..WorkspaceEdit::default()
    }))
}

/// Whether a text can be a name.
fn fits(name: &str) -> Answer<()> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(part) || name.chars().all(|c| c == '_') {
        return Err(format!(
            "`{name}` is no name: letters, digits and `_`, and no digit first"
        ));
    }
    if KEYWORDS.contains(&name) {
        return Err(format!("`{name}` is a word of the language"));
    }
    Ok(())
}

/// Whether nothing else has the new name where the old one is used, and the old name's uses would
/// not be taken for another's.
fn free(
    d: &Document,
    declared: &Declared,
    places: &[std::ops::Range<usize>],
    new: &str,
) -> Answer<()> {
    let outline = d.outline();
    let taken = |text: &str| Err(format!("`{new}` is {text} already"));
    if declared.what == What::Function {
        if outline
            .declared
            .iter()
            .any(|o| o.name == new && o.what == What::Function)
        {
            return taken("a function of this script");
        }
        // One that is called on values would take the place of the library's method.
        let method = |e: &&crate::script::reference::Entry| e.name == new && e.is_method();
        if declared.of_this && of_room("").any(|e| method(&e)) {
            return taken("a method of the language");
        }
    }
    let called = |at: &std::ops::Range<usize>| d.text[at.end..].trim_start().starts_with('(');
    // Another of the new name that would be meant at a use of the old one.
    let seen_there = |o: &Declared| {
        let here = |at: &std::ops::Range<usize>| {
            outline.sees(o, at.start) && goes_before(o, declared, called(at))
        };
        o.name == new && places.iter().any(here)
    };
    if outline.declared.iter().any(seen_there) {
        return taken("a name here");
    }
    // A use of the new name, of something else, that would then mean this one.
    let meant = |u: &crate::script::outline::Use| {
        let of = &outline.declared[u.of];
        of.name == new
            && outline.sees(declared, u.at.start)
            && goes_before(declared, of, called(&u.at))
    };
    if outline.uses.iter().any(meant) {
        return taken("used where this one is seen");
    }
    // A function of the language that the script calls would be hidden, and so would a module.
    if outline.calls.contains(new) {
        return taken("a function that this script calls");
    }
    if declared.what == What::Import && room_names().contains(&new) {
        return taken("a module");
    }
    Ok(())
}

/// Which of two of one name is meant where both are seen: of a function and a variable the function
/// where it is called, of two variables the one that is seen from later on.
fn goes_before(a: &Declared, b: &Declared, called: bool) -> bool {
    match (a.what == What::Function, b.what == What::Function) {
        (true, false) => called,
        (false, true) => !called,
        _ => a.seen.start > b.seen.start,
    }
}
