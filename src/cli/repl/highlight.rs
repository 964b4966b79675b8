//! Colours for the line that is typed.

use reedline::{Color, Highlighter, StyledText};

use crate::script::complete::KEYWORDS;
use crate::script::room_names;

/// Colours words, numbers, strings and comments.
pub struct Colours;

/// What a piece of text is.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Plain,
    Keyword,
    Module,
    Number,
    Text,
    Comment,
    Command,
}

impl Highlighter for Colours {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        for (kind, piece) in pieces(line) {
            let style = match kind {
                Kind::Plain => Color::Default.normal(),
                Kind::Keyword => Color::Purple.normal(),
                Kind::Module => Color::Cyan.normal(),
                Kind::Number => Color::Yellow.normal(),
                Kind::Text => Color::Green.normal(),
                Kind::Comment => Color::DarkGray.normal(),
                Kind::Command => Color::Blue.bold(),
            };
            styled.push((style, piece.to_owned()));
        }
        styled
    }
}

/// The text in pieces; together they are the text.
fn pieces(text: &str) -> Vec<(Kind, &str)> {
    if text.starts_with(':') {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let mut found = vec![(Kind::Command, &text[..end])];
        found.extend(pieces(&text[end..]));
        return found;
    }
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let up_to = |end: Option<usize>| end.unwrap_or(rest.len());
        let (kind, length) = match first {
            '/' if rest.starts_with("//") => (Kind::Comment, up_to(rest.find('\n'))),
            '/' if rest.starts_with("/*") => (Kind::Comment, up_to(rest.find("*/").map(|i| i + 2))),
            '"' | '`' | '\'' => (Kind::Text, string(rest, first)),
            c if c.is_ascii_digit() => {
                let part = |c: char| word(c) || c == '.';
                (Kind::Number, up_to(rest.find(|c| !part(c))))
            }
            c if word(c) => {
                let length = up_to(rest.find(|c| !word(c)));
                let name = &rest[..length];
                let module = rest[length..].starts_with("::") && room_names().contains(&name);
                let kind = match (module, KEYWORDS.contains(&name)) {
                    (true, _) => Kind::Module,
                    (_, true) => Kind::Keyword,
                    _ => Kind::Plain,
                };
                (kind, length)
            }
            c => (Kind::Plain, c.len_utf8()),
        };
        let (piece, after) = rest.split_at(length);
        found.push((kind, piece));
        rest = after;
    }
    found
}

/// The length of a string that a text begins with.
fn string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return i + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text() {
        let text = "let x = nn::linear(2, 1.5); // é\nprint(\"a\\\"b\" + `ü${1}`); /* open";
        let found = pieces(text);
        assert_eq!(found.iter().map(|p| p.1).collect::<String>(), text);
        let kind = |piece: &str| found.iter().find(|p| p.1 == piece).map(|p| p.0);
        assert_eq!(kind("let"), Some(Kind::Keyword));
        assert_eq!(kind("nn"), Some(Kind::Module));
        assert_eq!(kind("1.5"), Some(Kind::Number));
        assert_eq!(kind("\"a\\\"b\""), Some(Kind::Text));
        assert_eq!(kind("// é"), Some(Kind::Comment));
        assert_eq!(kind("/* open"), Some(Kind::Comment));
        assert_eq!(kind("linear"), Some(Kind::Plain));
        assert_eq!(pieces(":doc nn::linear")[0], (Kind::Command, ":doc"));
        assert!(pieces("").is_empty());
    }
}
