//! Fixes: where a finding's hint says what to write, the editor can write it.

use std::collections::HashMap;
use std::ops::Range;

use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, TextEdit, WorkspaceEdit,
};

use super::diagnostics::diagnostic;
use super::document::Document;
use super::scripts::Scripts;
use crate::script::check::Finding;
use crate::script::outline::What;

/// A change that mends a finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, for a menu.
    pub title: String,
    /// The bytes that are replaced, and by what.
    pub edits: Vec<(Range<usize>, String)>,
}

/// The answer to `textDocument/codeAction`.
#[allow(clippy::mutable_key_type)] // An address keeps its parts once found; its text never changes.
pub fn actions(scripts: &Scripts, p: &CodeActionParams) -> Option<Vec<CodeActionOrCommand>> {
    let d = scripts.get(&p.text_document.uri)?;
    let (from, to) = (d.byte(p.range.start), d.byte(p.range.end));
    let found = scripts.found(d);
    let here = |at: &Range<usize>| at.start <= to && from <= at.end;
    let mut all = Vec::new();
    for (at, finding) in found.findings.iter().filter(|(at, _)| here(at)) {
        let Some(fix) = fix(d, at, finding) else {
            continue;
        };
        let edit = |(bytes, new_text): (Range<usize>, String)| TextEdit {
            range: d.range(bytes),
            new_text,
        };
        let edits = fix.edits.into_iter().map(edit).collect();
        let action = CodeAction {
            title: fix.title,
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: Some(vec![diagnostic(d, at, finding)]),
            edit: Some(WorkspaceEdit {
                changes: Some(HashMap::from([(d.uri.clone(), edits)])),
                ..WorkspaceEdit::default()
            }),
            is_preferred: Some(true),
            ..CodeAction::default()
        };
        all.push(CodeActionOrCommand::CodeAction(action));
    }
    Some(all)
}

/// What mends a finding, if its hint says it.
fn fix(d: &Document, at: &Range<usize>, finding: &Finding) -> Option<Fix> {
    let hint = finding.error.hint()?;
    let message = finding.error.message();
    named(d, at, message, hint)
        .or_else(|| written(d, at, message, hint))
        .or_else(|| method(d, at, hint))
        .or_else(|| syntax(d, at, hint))
}

fn change(title: String, at: Range<usize>, to: impl Into<String>) -> Option<Fix> {
    Some(Fix {
        title,
        edits: vec![(at, to.into())],
    })
}

fn part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands between the first two marks behind a beginning: `did you mean `x`?` has `x`.
fn quoted<'a>(text: &'a str, start: &str, mark: char) -> Option<&'a str> {
    let rest = &text[text.find(start)? + start.len()..];
    let inside = rest.trim_start().strip_prefix(mark)?;
    inside.split(mark).next().filter(|t| !t.is_empty())
}

/// The last name in back-ticks of a message, without what it belongs to: `linera` of
/// ``there is no function `nn::linera` ``.
fn wrong_name(message: &str) -> Option<&str> {
    let name = message.split('`').nth_back(1)?;
    let last = name.rsplit("::").next()?;
    (!last.is_empty() && last.chars().all(part)).then_some(last)
}

/// A whole word in the line of a place, at it or as near behind it as there is one.
fn word_near(d: &Document, at: &Range<usize>, word: &str) -> Option<Range<usize>> {
    let line = d.line_around(at.start);
    let text = &d.text[line.clone()];
    let whole = |i: usize| !text[..i].ends_with(part) && !text[i + word.len()..].starts_with(part);
    let all: Vec<usize> = text
        .match_indices(word)
        .map(|(i, _)| i)
        .filter(|i| whole(*i))
        .map(|i| line.start + i)
        .collect();
    let behind = all.iter().find(|i| **i >= at.start);
    let start = *behind.or(all.last())?;
    Some(start..start + word.len())
}

/// A name that is nearly right.
fn named(d: &Document, at: &Range<usize>, message: &str, hint: &str) -> Option<Fix> {
    if let Some(right) = quoted(hint, "did you mean", '"') {
        // A word among a few, in its quotes.
        let line = d.line_around(at.start);
        let rest = &d.text[at.start..line.end];
        let inside = rest.strip_prefix('"')?.split('"').next()?;
        let from = at.start + 1;
        return change(
            format!("write \"{right}\""),
            from..from + inside.len(),
            right,
        );
    }
    let right = quoted(hint, "did you mean", '`').or_else(|| quoted(hint, "it is called", '`'))?;
    let wrong = word_near(d, at, wrong_name(message)?)?;
    let last = right.rsplit("::").next()?.trim_start_matches('.');
    // A path where a plain name stands needs its module, too.
    let qualified = d.text[..wrong.start].ends_with("::");
    let new = if qualified { last } else { right };
    change(format!("change to `{new}`"), wrong, new)
}

/// What another language writes otherwise: `it is written …`.
fn written(d: &Document, at: &Range<usize>, message: &str, hint: &str) -> Option<Fix> {
    let pairs = [
        ("`and` is written", "and", "&&"),
        ("`or` is written", "or", "||"),
        ("`elif` is written", "elif", "else if"),
    ];
    for (start, wrong, right) in pairs {
        if hint.starts_with(start) {
            return change(format!("write `{right}`"), word_near(d, at, wrong)?, right);
        }
    }
    if hint.starts_with("`not` is written") || hint == "it is written `!`" {
        let wrong = word_near(d, at, "not")?;
        let space = d.text[wrong.end..].len() - d.text[wrong.end..].trim_start_matches(' ').len();
        return change("write `!`".to_owned(), wrong.start..wrong.end + space, "!");
    }
    let plain = [
        "it is written",
        "nothing is written",
        "what a method is called on is",
    ];
    let wrong = || word_near(d, at, wrong_name(message)?);
    if let Some(right) = plain.iter().find_map(|start| quoted(hint, start, '`')) {
        let fits = right == "()" || right.chars().all(part);
        return change(format!("write `{right}`"), wrong().filter(|_| fits)?, right);
    }
    if let Some(name) = quoted(hint, "there is", '`').and_then(|s| s.split('(').next()) {
        let wrong = wrong()?;
        let bare = name.contains("::") && !d.text[..wrong.start].ends_with(['.', ':']);
        return change(format!("change to `{name}`"), wrong, name).filter(|_| bare);
    }
    // `it is written x.to("cuda")`: of a method, with its arguments if they are all there.
    let call = hint.strip_prefix("it is written ")?;
    let (_, call) = call.split_once('.').filter(|(of, _)| of.len() == 1)?;
    let name = call.split('(').next().filter(|n| n.chars().all(part))?;
    let wrong = wrong()?;
    let bare = d.text[wrong.end..].starts_with("()");
    match bare && !call.contains('…') {
        true => change(format!("write `.{call}`"), wrong.start..wrong.end + 2, call),
        false => change(format!("write `.{name}(…)`"), wrong, name),
    }
}

/// A method that is a property, and the other way round; a function that is a method.
fn method(d: &Document, at: &Range<usize>, hint: &str) -> Option<Fix> {
    let word = |text: &str| -> String { text.chars().take_while(|c| part(*c)).collect() };
    if let Some(rest) = hint
        .strip_prefix("it is a property: `.")
        .or_else(|| hint.strip_prefix("it is a property: x."))
    {
        let right = word(rest);
        let line = d.line_around(at.start);
        let open = at.start + d.text[at.start..line.end].find("()")?;
        let wrong = d.text[..open].trim_end_matches(part).len();
        return change(format!("write `.{right}`"), wrong..open + 2, right);
    }
    if let Some(rest) = hint.strip_prefix("it is a method: `.") {
        let right = word(rest);
        let place = word_near(d, at, &right)?;
        return change(format!("write `.{right}()`"), place.end..place.end, "()");
    }
    // `len(x)` is `x.len()`.
    let right = word(hint.strip_prefix("it is a method: x.")?);
    let open = at.start + d.text[at.start..].find('(')?;
    let close = closing(&d.text, open)?;
    let argument = d.text[open + 1..close].trim();
    let simple = |c: char| part(c) || c == '.';
    if argument.is_empty() || argument.contains(',') || argument.contains('\n') {
        return None;
    }
    let of = match argument.chars().all(simple) {
        true => argument.to_owned(),
        false => format!("({argument})"),
    };
    let from = d.text[..open].trim_end_matches(part).len();
    change(
        format!("write `{of}.{right}()`"),
        from..close + 1,
        format!("{of}.{right}()"),
    )
}

/// The bracket that closes the one at a byte, on plain lines.
fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text[open..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '"' | '`' | '\n' => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(open + i);
        }
    }
    None
}

/// What the parser stops at.
fn syntax(d: &Document, at: &Range<usize>, hint: &str) -> Option<Fix> {
    let line = d.line_around(at.start);
    let (before, behind) = (&d.text[line.start..at.start], &d.text[at.start..line.end]);
    if hint.starts_with("is a `;` missing here") {
        let end = code_before(&d.text, at.start);
        return change("put `;` here".to_owned(), end..end, ";");
    }
    if hint == "a comment starts with `//`" {
        let text = &d.text[line.clone()];
        let hash = line.start + text.find('#')?;
        return change("make it a comment".to_owned(), hash..hash + 1, "//");
    }
    if hint.starts_with("a map is written") {
        let brace = line.start
            + before
                .rfind('{')
                .or_else(|| d.text[line.clone()].find('{'))?;
        return change("write `#{`".to_owned(), brace..brace, "#");
    }
    if hint.starts_with("texts stand in double quotes") {
        let inside = behind.strip_prefix('\'')?.split_once('\'')?.0;
        let plain = !inside.contains(['"', '\\']);
        let to = format!("\"{inside}\"");
        return change(
            format!("write {to}"),
            at.start..at.start + inside.len() + 2,
            to,
        )
        .filter(|_| plain);
    }
    if hint.starts_with("it is written `+= 1`") {
        let to = if behind.starts_with('+') {
            " += 1"
        } else {
            " -= 1"
        };
        let from = line.start + before.trim_end().len();
        return change(format!("write `{}`", to.trim()), from..at.start + 2, to);
    }
    if hint.starts_with("several names stand in brackets") {
        let text = &d.text[line.clone()];
        let from = line.start + text.find("let ")? + 4;
        let end = line.start + text.find('=')?;
        let names = d.text.get(from..end)?.trim_end();
        return change(
            format!("write `[{names}]`"),
            from..from + names.len(),
            format!("[{names}]"),
        );
    }
    if hint.starts_with("pairs are taken apart by") {
        let text = &d.text[line.clone()];
        let open = line.start + text.find("for (")? + 4;
        let close = open + d.text[open..line.end].find(')')?;
        let names = d.text[open + 1..close].to_owned();
        return change(
            format!("write `[{names}]`"),
            open..close + 1,
            format!("[{names}]"),
        );
    }
    if hint.starts_with("what changes is declared with `let`") {
        let (_, word) = crate::script::complete::word_at(&d.text, at.start)?;
        let outline = d.outline();
        let constant = |x: &&crate::script::outline::Declared| {
            x.name == word && x.what == What::Constant && x.whole.start < at.start
        };
        let from = outline.declared.iter().rfind(constant)?;
        let from = from.whole.start + d.text[from.whole.start..].find("const")?;
        return change("declare it with `let`".to_owned(), from..from + 5, "let");
    }
    None
}

/// The byte behind the code that stands before a place, comments left out.
fn code_before(text: &str, at: usize) -> usize {
    let mut end = text[..at].trim_end().len();
    loop {
        let line = text[..end].rfind('\n').map_or(0, |i| i + 1);
        let tokens = crate::script::code_end(&text[line..end]);
        if tokens > 0 || line == 0 {
            return line + tokens;
        }
        end = text[..line].trim_end().len();
    }
}
