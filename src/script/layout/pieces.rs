//! A script as the pieces that a formatter moves: words, numbers, texts, operators, comments. Texts
//! are whole, with the code in their `${…}`: nothing in them is moved.

use crate::script::scan::{backtick, block_comment, number, quoted, raw_quote};

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A text in quotes.
    Text,
    /// An operator or a bracket.
    Sign,
    /// A comment up to the end of its line.
    Line,
    /// A comment with an end.
    Block,
}

/// A piece, and the byte at which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub at: usize,
}

impl Piece<'_> {
    pub fn is(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    pub fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Line | Kind::Block)
    }

    pub fn opens(&self) -> bool {
        self.kind == Kind::Sign && matches!(self.text, "(" | "[" | "{" | "#{" | "?[")
    }

    pub fn closes(&self) -> bool {
        self.kind == Kind::Sign && matches!(self.text, ")" | "]" | "}")
    }
}

/// Operators of several characters, the reserved ones too, longest first: what stands together must
/// stay together, and nothing else may come together.
const SIGNS: &[&str] = &[
    "**=", "<<=", ">>=", "..=", "...", "===", "!==", "::<", "!in", //
    "**", "<<", ">>", "..", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "?[", "::", "=>", "+=",
    "-=", "*=", "/=", "%=", "|=", "&=", "^=", "#{", "++", "--", "->", "<-", "<|", "|>", ":=", ":;",
    "(*", "*)", "!.", "#!",
];

/// The pieces of a text; `None` where a text or a comment has no end.
pub fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, length) = piece(&text[at..], c)?;
        found.push(Piece {
            kind,
            text: &text[at..at + length],
            at,
        });
        at += length;
    }
    Some(found)
}

/// The byte behind the last piece of code in a text without a break in it.
pub fn code_end(line: &str) -> usize {
    let mut at = 0;
    let mut end = 0;
    while let Some(c) = line[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        // A text that goes on in the next line is code all the same.
        let Some((kind, length)) = piece(&line[at..], c) else {
            return line.trim_end().len();
        };
        at += length;
        if !matches!(kind, Kind::Line | Kind::Block) {
            end = at;
        }
    }
    end
}

/// The kind and the length of the piece that a text begins with.
fn piece(rest: &str, c: char) -> Option<(Kind, usize)> {
    if rest.starts_with("//") {
        let end = rest.find('\n').unwrap_or(rest.len());
        return Some((Kind::Line, rest[..end].trim_end().len()));
    }
    if rest.starts_with("/*") {
        return Some((Kind::Block, block_comment(rest)?));
    }
    if let Some(quote) = raw_quote(rest) {
        let inside = rest[quote.len()..].find(quote.as_str())?;
        return Some((Kind::Text, inside + 2 * quote.len()));
    }
    if c == '"' || c == '\'' {
        return Some((Kind::Text, quoted(rest, c)?));
    }
    if c == '`' {
        return Some((Kind::Text, template(rest)?));
    }
    if c.is_alphabetic() || c == '_' {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        return Some((Kind::Word, end));
    }
    if c.is_ascii_digit() {
        return Some((Kind::Number, number(rest)));
    }
    let fits = |sign: &&&str| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        rest.starts_with(**sign) && !(**sign == "!in" && rest[3..].starts_with(word))
    };
    let length = SIGNS.iter().find(fits).map_or(c.len_utf8(), |s| s.len());
    Some((Kind::Sign, length))
}

/// The length of a text in back-ticks, with all code inside it.
fn template(text: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        let (end, code) = backtick(&text[at..])?;
        at += end;
        if !code {
            return Some(at);
        }
        let mut depth = 0;
        loop {
            let rest = &text[at..];
            let c = rest.chars().next()?;
            if c.is_whitespace() {
                at += c.len_utf8();
                continue;
            }
            let (_, length) = piece(rest, c)?;
            at += length;
            match &rest[..length] {
                "{" | "#{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                _ => {}
            }
        }
    }
}
