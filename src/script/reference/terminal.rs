//! The reference in a terminal: what a name does, what a type can do, and the search for words.

use super::{Entry, Form, all, standard};
use crate::error::nearest;
use crate::options::Field;

/// The documentation of a name for the terminal; `None` if there is none.
fn help(name: &str) -> Option<String> {
    let mut found: Vec<String> = all()
        .iter()
        .filter(|e| e.name == name || e.path() == name)
        .map(terminal)
        .collect();
    let operator = name
        .strip_prefix("torch::")
        .or(found.is_empty().then_some(name));
    found.extend(
        operator
            .and_then(super::operators::entry)
            .as_ref()
            .map(terminal),
    );
    (!found.is_empty()).then(|| found.join("\n\n"))
}

/// A text behind the start of a line, broken into lines of a terminal's width that stand below one
/// another.
fn wrapped(start: &str, text: &str) -> String {
    let indent = start.chars().count();
    let mut done = String::new();
    let (mut line, mut width) = (start.to_owned(), indent);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > indent && width + 1 + length > TERMINAL {
            done += &format!("{line}\n");
            (line, width) = (" ".repeat(indent), indent);
        }
        if width > indent {
            line.push(' ');
            width += 1;
        }
        line += word;
        width += length;
    }
    done + line.trim_end() + "\n"
}

/// Columns of a usual terminal for texts.
const TERMINAL: usize = 110;

/// An entry as plain text.
pub fn terminal(e: &Entry) -> String {
    let mut text = format!("{}\n\n", e.signature);
    for line in e.doc.lines().filter(|l| !l.starts_with("```")) {
        text += format!("    {line}").trim_end();
        text.push('\n');
    }
    if !e.options.is_empty() {
        text += "\n    options:\n";
        let head = |f: &Field| (f.name.to_owned(), format!("{} = {}", f.kind, f.default));
        let width = |of: fn(&(String, String)) -> &String| {
            e.options
                .iter()
                .map(|f| of(&head(f)).chars().count())
                .max()
                .unwrap_or(0)
                .min(28)
        };
        let (first, second) = (width(|h| &h.0), width(|h| &h.1));
        for f in &e.options {
            let (name, kind) = head(f);
            let start = format!("      {name:first$}  {kind:second$}  ");
            text += &wrapped(&start, &f.doc);
        }
    }
    text.trim_end().to_owned()
}

/// The entries in whose documentation all of some words occur; those first that have them in their
/// name, then in their summary.
pub fn find(words: &str) -> Vec<&'static Entry> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let rank = |e: &Entry| -> Option<usize> {
        let (path, summary) = (e.path().to_lowercase(), e.summary().to_lowercase());
        let options: Vec<String> = e
            .options
            .iter()
            .map(|f| format!("{} {}", f.name, f.doc))
            .collect();
        let prose = e.doc.split("```").step_by(2).collect::<String>();
        let whole =
            format!("{} {prose} {} {}", e.signature, e.title, options.join(" ")).to_lowercase();
        let worst = words.iter().map(|w| match () {
            () if path.contains(w.as_str()) => Some(0),
            () if summary.contains(w.as_str()) => Some(1),
            () => whole.contains(w.as_str()).then_some(2),
        });
        worst
            .collect::<Option<Vec<usize>>>()
            .map(|ranks| ranks.into_iter().sum())
    };
    let mut found: Vec<(usize, &Entry)> = all()
        .iter()
        .filter_map(|e| rank(e).map(|r| (r, e)))
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found
        .into_iter()
        .map(|(_, e)| e)
        .filter(|_| !words.is_empty())
        .collect()
}

/// What values of a type can do: their properties and methods, each with its summary. `None` if
/// there is nothing.
pub fn of_type(kind: &str) -> Option<String> {
    let member =
        |e: &&Entry| e.receiver() == Some(kind) && (e.form == Form::Getter || e.is_method());
    let mut rows: Vec<(String, String)> = all()
        .iter()
        .filter(member)
        .map(|e| (as_member(e), e.summary()))
        .collect();
    for member in standard(kind) {
        let how = member.signature.strip_prefix(kind);
        let how = how.unwrap_or(&member.signature).to_owned();
        rows.push((how, member.summary));
    }
    if rows.is_empty() {
        return None;
    }
    rows.sort();
    rows.dedup();
    let mut text = format!("{kind}\n");
    for (how, summary) in rows {
        text += &format!(
            "  {how}\n{}",
            if summary.is_empty() {
                String::new()
            } else {
                format!("      {summary}\n")
            }
        );
    }
    Some(text.trim_end().to_owned())
}

/// What there is to say about a name: of a function, else of a type, else of a module.
pub fn about(name: &str) -> Option<String> {
    help(name)
        .or_else(|| of_type(name))
        .or_else(|| of_room(name))
}

/// The function whose name is nearest to one that no function has.
pub fn near(name: &str) -> Option<String> {
    let paths: Vec<String> = all().iter().map(Entry::path).collect();
    let names = paths
        .iter()
        .map(String::as_str)
        .chain(all().iter().map(|e| e.name.as_str()));
    nearest(name, names).map(str::to_owned)
}

/// What is in a module, `nn` for example; `None` if there is no such module.
fn of_room(room: &str) -> Option<String> {
    if room == crate::script::TORCH {
        return Some(super::operators::overview());
    }
    let inside = all().iter().filter(|e| !room.is_empty() && e.room == room);
    let rows: Vec<String> = inside
        .map(|e| format!("  {}\n      {}", e.signature, e.summary()))
        .collect();
    (!rows.is_empty()).then(|| format!("{room}\n{}", rows.join("\n")))
}

/// `.matmul(other: tensor) -> tensor`, `.shape -> array`.
fn as_member(e: &Entry) -> String {
    let returns = if e.returns == "()" {
        String::new()
    } else {
        format!(" -> {}", e.returns)
    };
    if e.form == Form::Getter {
        return format!(".{}{returns}", e.name);
    }
    let n = e.params.len();
    let shown = e
        .params
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, (name, kind))| {
            format!(
                "{name}: {kind}{}",
                if i + 1 == n && kind == "map" { "?" } else { "" }
            )
        });
    format!(
        ".{}({}){returns}",
        e.name,
        shown.collect::<Vec<_>>().join(", ")
    )
}
