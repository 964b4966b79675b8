//! Completion and help at the cursor, from the reference: for the REPL, the Jupyter kernel and
//! editors.
//!
//! [`complete`] gives what may stand at the cursor: functions after `nn::`, methods and properties
//! after `.`, option keys inside the literal map of a known function, else variables, modules,
//! functions and keywords. [`inspect`] gives what stands there. Both read the text alone, which may
//! be unfinished or wrong, and the caller's variables.

mod guess;

use self::guess::{Code, PATIENCE};
use super::reference::{Entry, Form, Standard, all, of_room, operators, standard};
use super::scan::{Place, Token, scan};
use super::{ROOMS, room_names};
use crate::options::Field;

/// A variable of the caller's session.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type as users know it (`tensor`); empty if it is not known.
    pub kind: String,
}

/// What a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A module: `nn`.
    Module,
    /// A function.
    Function,
    /// A method.
    Method,
    /// A property.
    Property,
    /// The key of an option.
    Option,
    /// A variable.
    Variable,
    /// A word of the language.
    Keyword,
}

/// Something that may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The text that replaces the one from `start` to the cursor.
    pub text: String,
    /// The byte of the text at which the replaced part begins.
    pub start: usize,
    /// What it is.
    pub kind: Kind,
    /// Its signature or type: `nn::linear(inputs: int, outputs: int, options: map?) -> network`.
    pub detail: String,
    /// The first sentence of its documentation.
    pub summary: String,
}

/// Words of the language.
pub const KEYWORDS: &[&str] = &[
    "let", "const", "fn", "if", "else", "for", "in", "while", "loop", "do", "until", "break",
    "continue", "return", "switch", "try", "catch", "throw", "import", "export", "as", "true",
    "false", "private", "this",
];

/// What may stand at the cursor (a byte of `text`), best known first.
pub fn complete(text: &str, cursor: usize, variables: &[Variable]) -> Vec<Candidate> {
    let before = &text[..floor(text, cursor)];
    let word = before
        .trim_end_matches(|c: char| c.is_alphanumeric() || c == '_')
        .len();
    let (prefix, start) = (&before[word..], word);
    let (tokens, place) = scan(&before[..word]);
    if place == Place::Text || prefix.starts_with(|c: char| c.is_ascii_digit()) {
        return Vec::new();
    }
    let code = Code {
        tokens: &tokens,
        variables,
    };
    let mut found = match tokens.as_slice() {
        [.., (_, Token::Word(room)), (_, Token::Sign("::"))] => in_room(room),
        [rest @ .., (_, Token::Sign("."))] => members(code.type_before(rest.len()).as_deref()),
        _ => match option_map(&code) {
            Some((fields, used)) => keys(&fields, &used),
            None => anywhere(&code, &scan(text).0),
        },
    };
    found.retain(|c| c.text.starts_with(prefix));
    found.iter_mut().for_each(|c| c.start = start);
    let mut seen: Vec<(String, Kind)> = Vec::new();
    found.retain(|c| {
        let fresh = !seen.contains(&(c.text.clone(), c.kind));
        if fresh {
            seen.push((c.text.clone(), c.kind));
        }
        fresh
    });
    found
}

/// What stands at the cursor: the entries that its name means, best first; inside a call's
/// arguments, that of the call.
pub fn inspect(text: &str, cursor: usize, variables: &[Variable]) -> Vec<Entry> {
    let cursor = floor(text, cursor);
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let end = cursor
        + text[cursor..]
            .find(|c| !word(c))
            .unwrap_or(text.len() - cursor);
    let (mut tokens, place) = scan(&text[..end]);
    if place == Place::Text {
        return Vec::new();
    }
    // `f|(`: the cursor behind a name means the name; elsewhere the call around the cursor.
    let on_name = matches!(tokens.last(), Some((at, Token::Word(w))) if at + w.len() == end && !KEYWORDS.contains(w));
    if !on_name {
        let code = Code {
            tokens: &tokens,
            variables,
        };
        match call_around(&code) {
            Some(open) => tokens.truncate(open),
            None => return Vec::new(),
        }
        return named(&tokens, variables);
    }
    let found = named(&tokens, variables);
    if !found.is_empty() {
        return found;
    }
    let code = Code {
        tokens: &tokens,
        variables,
    };
    match call_around(&code) {
        Some(open) => {
            tokens.truncate(open);
            named(&tokens, variables)
        }
        None => Vec::new(),
    }
}

/// A call whose arguments a place is among.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The name of what is called, and the byte at which it begins.
    pub name: (String, usize),
    /// Which argument the place is in, from 0.
    pub argument: usize,
    /// What it may mean in the reference.
    pub entries: Vec<Entry>,
}

/// The call that the cursor is in the arguments of.
pub fn call_at(text: &str, cursor: usize, variables: &[Variable]) -> Option<Call> {
    let (tokens, place) = scan(&text[..floor(text, cursor)]);
    // Inside a string that is not closed, the call is still that around it.
    if place == Place::Text && text[tokens.last().map_or(0, |t| t.0)..].contains("//") {
        return None;
    }
    let (mut depth, mut argument) = (0, 0);
    for i in (0..tokens.len()).rev() {
        let before = i.checked_sub(1).map(|k| tokens[k].1);
        match tokens[i].1 {
            Token::Sign(")" | "]" | "}") => depth += 1,
            Token::Sign("(" | "[" | "{") if depth > 0 => depth -= 1,
            Token::Sign("(") => match before {
                Some(Token::Word(name)) if !KEYWORDS.contains(&name) => {
                    let path = &tokens[..i];
                    let entries = named(path, variables);
                    let entries = entries.into_iter().filter(|e| e.form == Form::Function);
                    return Some(Call {
                        name: (name.to_owned(), tokens[i - 1].0),
                        argument,
                        entries: entries.collect(),
                    });
                }
                _ => argument = 0,
            },
            // A block is no argument any more; a map and an array are.
            Token::Sign("{") if before != Some(Token::Sign("#")) => return None,
            Token::Sign("[" | "{") => argument = 0,
            Token::Sign(";") if depth == 0 => return None,
            Token::Sign(",") if depth == 0 => argument += 1,
            _ => {}
        }
    }
    None
}

/// The option whose key stands at the cursor.
pub fn option_at(text: &str, cursor: usize, variables: &[Variable]) -> Option<Field> {
    let (start, name) = word_at(text, cursor)?;
    let (tokens, place) = scan(&text[..start]);
    if place == Place::Text || !text[start + name.len()..].trim_start().starts_with(':') {
        return None;
    }
    let code = Code {
        tokens: &tokens,
        variables,
    };
    let (fields, _) = option_map(&code)?;
    fields.into_iter().find(|f| f.name == name)
}

/// The types of a text's variables, as far as the text tells them.
pub struct Kinds<'a> {
    tokens: Vec<(usize, Token<'a>)>,
}

impl<'a> Kinds<'a> {
    /// Reads a text.
    pub fn of(text: &'a str) -> Kinds<'a> {
        Kinds {
            tokens: scan(text).0,
        }
    }

    /// The type of the variable of a name that is declared last before a byte.
    pub fn kind(&self, name: &str, before: usize) -> Option<String> {
        let end = self.tokens.partition_point(|t| t.0 < before);
        let code = Code {
            tokens: &self.tokens[..end],
            variables: &[],
        };
        code.variable(name, PATIENCE)
    }
}

/// The word that the cursor is in or behind, and the byte at which it begins.
pub fn word_at(text: &str, cursor: usize) -> Option<(usize, &str)> {
    let cursor = floor(text, cursor);
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let start = text[..cursor].trim_end_matches(part).len();
    let behind = text[cursor..].find(|c| !part(c));
    let end = behind.map_or(text.len(), |n| cursor + n);
    let word = &text[start..end];
    (!word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit())).then_some((start, word))
}

fn floor(text: &str, cursor: usize) -> usize {
    (0..=cursor.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

/// The entries that the path at the end of some tokens means.
fn named(tokens: &[(usize, Token)], variables: &[Variable]) -> Vec<Entry> {
    let code = Code { tokens, variables };
    let pick = |keep: &dyn Fn(&Entry) -> bool| {
        all()
            .iter()
            .filter(|e| keep(e))
            .cloned()
            .collect::<Vec<_>>()
    };
    match tokens {
        [
            ..,
            (_, Token::Word(room)),
            (_, Token::Sign("::")),
            (_, Token::Word(name)),
        ] => of_room(room).filter(|e| e.name == *name).cloned().collect(),
        [rest @ .., (_, Token::Sign(".")), (_, Token::Word(name))] => {
            let kind = code.type_before(rest.len());
            let member = |e: &Entry| e.name == *name && e.receiver().is_some();
            let of_it = pick(&|e| {
                member(e) && (e.receiver() == kind.as_deref() || e.receiver() == Some("any"))
            });
            if of_it.is_empty() && kind.is_none() {
                pick(&member)
            } else {
                of_it
            }
        }
        [.., (_, Token::Word(name))] => {
            let global =
                pick(&|e| e.room.is_empty() && e.name == *name && e.form == Form::Function);
            if global.is_empty() {
                pick(&|e| e.name == *name && e.form == Form::Function)
            } else {
                global
            }
        }
        _ => Vec::new(),
    }
}

/// The open parenthesis of the call that the end of the code is in.
fn call_around(code: &Code) -> Option<usize> {
    let mut depth = 0;
    for i in (0..code.tokens.len()).rev() {
        match code.tokens[i].1 {
            Token::Sign(")" | "]" | "}") => depth += 1,
            Token::Sign("(" | "[" | "{") if depth > 0 => depth -= 1,
            Token::Sign("(") => {
                let called = matches!(i.checked_sub(1).map(|k| code.tokens[k].1), Some(Token::Word(w)) if !KEYWORDS.contains(&w));
                if called {
                    return Some(i);
                }
            }
            // Behind a statement's end there is no call.
            Token::Sign(";") if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The options whose keys may stand at the end of the code, and the keys that the map has already.
fn option_map<'a>(code: &'a Code) -> Option<(Vec<Field>, Vec<&'a str>)> {
    let tokens = code.tokens;
    if !matches!(tokens.last()?.1, Token::Sign("{" | ",")) {
        return None;
    }
    let mut depth = 0;
    let mut used = Vec::new();
    for i in (0..tokens.len()).rev() {
        match tokens[i].1 {
            Token::Sign(")" | "]" | "}") => depth += 1,
            Token::Sign("{") if depth == 0 => {
                if i == 0 || tokens[i - 1].1 != Token::Sign("#") {
                    return None;
                }
                let map = Code {
                    tokens: &tokens[..i - 1],
                    variables: code.variables,
                };
                let open = call_around(&map)?;
                // The map must be an argument itself, not a part of one.
                let direct = matches!(tokens[i.checked_sub(2)?].1, Token::Sign("(" | ","));
                let entries = named(&tokens[..open], code.variables);
                let fields: Vec<Field> =
                    entries.into_iter().find(|e| !e.options.is_empty())?.options;
                return direct.then_some((fields, used));
            }
            Token::Sign("(" | "[" | "{") => {
                if depth == 0 {
                    return None;
                }
                depth -= 1;
            }
            Token::Word(key)
                if depth == 0 && tokens.get(i + 1).is_some_and(|t| t.1 == Token::Sign(":")) =>
            {
                used.push(key)
            }
            _ => {}
        }
    }
    None
}

fn keys(fields: &[Field], used: &[&str]) -> Vec<Candidate> {
    let one = |f: &Field| {
        candidate(
            f.name,
            Kind::Option,
            &format!("{} = {}", f.kind, f.default),
            &f.doc,
        )
    };
    fields
        .iter()
        .filter(|f| !used.contains(&f.name))
        .map(one)
        .collect()
}

fn candidate(text: &str, kind: Kind, detail: &str, summary: &str) -> Candidate {
    Candidate {
        text: text.to_owned(),
        start: 0,
        kind,
        detail: detail.to_owned(),
        summary: summary.to_owned(),
    }
}

fn of_entry(e: &Entry, kind: Kind) -> Candidate {
    candidate(&e.name, kind, &e.signature, &e.summary())
}

fn in_room(room: &str) -> Vec<Candidate> {
    of_room(room)
        .filter(|e| e.room == room && e.form == Form::Function)
        .map(|e| of_entry(e, Kind::Function))
        .collect()
}

/// The methods and properties of a type; those of all types of the library if it is not known.
fn members(of: Option<&str>) -> Vec<Candidate> {
    let fits = |e: &&Entry| {
        e.receiver()
            .is_some_and(|r| of.is_none_or(|of| r == of || r == "any"))
    };
    let mut found: Vec<Candidate> = all()
        .iter()
        .filter(fits)
        .filter_map(|e| match e.form {
            Form::Function if e.is_method() => Some(of_entry(e, Kind::Method)),
            Form::Getter => Some(of_entry(e, Kind::Property)),
            _ => None,
        })
        .collect();
    if let Some(plain) = of {
        found.extend(standard(plain).iter().map(of_standard));
    }
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found
}

/// A method or a property that a type has from rhai.
fn of_standard(member: &Standard) -> Candidate {
    let kind = if member.property {
        Kind::Property
    } else {
        Kind::Method
    };
    candidate(&member.name, kind, &member.signature, &member.summary)
}

fn anywhere(code: &Code, whole: &[(usize, Token)]) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = code
        .variables
        .iter()
        .map(|v| candidate(&v.name, Kind::Variable, &v.kind, ""))
        .collect();
    // Functions may be used before they are written, variables not.
    let later = Code {
        tokens: whole,
        variables: code.variables,
    };
    let functions = |i: &usize| whole[*i].1 == Token::Word("fn");
    for i in (0..whole.len()).filter(functions) {
        if let Some((_, Token::Word(name))) = later.tokens.get(i + 1) {
            found.push(candidate(
                name,
                Kind::Function,
                "a function of this script",
                "",
            ));
        }
    }
    found.extend(
        code.declared()
            .into_iter()
            .filter(|n| !found_function(&found, n))
            .map(|n| candidate(n, Kind::Variable, "", ""))
            .collect::<Vec<_>>(),
    );
    for name in room_names() {
        let title = ROOMS
            .iter()
            .find(|room| room.name == name)
            .map(|room| room.title);
        let title = title.unwrap_or(operators::TITLE);
        found.push(candidate(name, Kind::Module, "module", title));
    }
    let ours: Vec<&str> = super::TYPES.iter().map(|t| t.name).collect();
    let free = |e: &&Entry| {
        e.room.is_empty()
            && e.form == Form::Function
            && !e
                .receiver()
                .is_some_and(|r| ours.contains(&r) && r != "dataset")
    };
    found.extend(
        all()
            .iter()
            .filter(free)
            .map(|e| of_entry(e, Kind::Function)),
    );
    found.push(candidate(
        "print",
        Kind::Function,
        "print(value)",
        "Prints a value on a line.",
    ));
    found.extend(KEYWORDS.iter().map(|k| candidate(k, Kind::Keyword, "", "")));
    found
}

fn found_function(found: &[Candidate], name: &str) -> bool {
    found
        .iter()
        .any(|c| c.kind == Kind::Function && c.text == name)
}

#[cfg(test)]
mod tests;
