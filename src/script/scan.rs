//! Code as tokens, finished or not: for what completes it, and for what rewrites it.

/// A piece of code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// A number.
    Number(&'a str),
    /// A string.
    Text,
    /// An operator or a bracket; `::` and `..` are one, all others one character. A value in a
    /// backtick string stands in round brackets.
    Sign(&'a str),
}

/// Words that are no operand: behind them an operand begins.
pub const WORDS: &[&str] = &[
    "let", "const", "if", "else", "switch", "do", "while", "until", "loop", "for", "in",
    "continue", "break", "return", "throw", "try", "catch", "import", "export", "as", "private",
    "fn",
];

impl Token<'_> {
    /// Whether an operand ends with it.
    pub fn ends_operand(self) -> bool {
        match self {
            Token::Word(word) => !WORDS.contains(&word),
            Token::Number(_) | Token::Text => true,
            Token::Sign(sign) => matches!(sign, ")" | "]" | "}"),
        }
    }
}

/// Where a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In code.
    Code,
    /// In a string or a comment, where nothing is completed.
    Text,
}

/// The tokens of a text with the bytes they start at, and where it ends.
pub fn scan(text: &str) -> (Vec<(usize, Token<'_>)>, Place) {
    let mut tokens = Vec::new();
    // The depth of braces at which each `${` of a backtick string began.
    let mut interpolations: Vec<usize> = Vec::new();
    let mut braces = 0;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if c.is_whitespace() {
            c.len_utf8()
        } else if rest.starts_with("//") {
            match rest.find('\n') {
                Some(end) => end,
                None => return (tokens, Place::Text),
            }
        } else if rest.starts_with("/*") {
            match block_comment(rest) {
                Some(end) => end,
                None => return (tokens, Place::Text),
            }
        } else if let Some(quote) = raw_quote(rest) {
            let end = rest[quote.len()..]
                .find(quote.as_str())
                .map(|i| i + 2 * quote.len());
            match end {
                Some(end) => {
                    tokens.push((at, Token::Text));
                    end
                }
                None => return (tokens, Place::Text),
            }
        } else if c == '"' || c == '\'' {
            match quoted(rest, c) {
                Some(end) => {
                    tokens.push((at, Token::Text));
                    end
                }
                None => return (tokens, Place::Text),
            }
        } else if c == '`' || (c == '}' && interpolations.last() == Some(&braces)) {
            if c == '}' {
                interpolations.pop();
                tokens.push((at, Token::Sign(")")));
            }
            match backtick(&rest[1..]) {
                Some((end, true)) => {
                    tokens.push((at, Token::Text));
                    tokens.push((at + end, Token::Sign("(")));
                    interpolations.push(braces);
                    end + 1
                }
                Some((end, false)) => {
                    tokens.push((at, Token::Text));
                    end + 1
                }
                None => return (tokens, Place::Text),
            }
        } else if c.is_alphabetic() || c == '_' {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            tokens.push((at, Token::Word(&rest[..end])));
            end
        } else if c.is_ascii_digit() {
            let end = number(rest);
            tokens.push((at, Token::Number(&rest[..end])));
            end
        } else {
            let end = if rest.starts_with("::") || rest.starts_with("..") {
                2
            } else {
                c.len_utf8()
            };
            match c {
                '{' => braces += 1,
                '}' => braces = usize::saturating_sub(braces, 1),
                _ => {}
            }
            tokens.push((at, Token::Sign(&rest[..end])));
            end
        };
        at += length;
    }
    (tokens, Place::Code)
}

/// Block comments nest.
pub fn block_comment(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0, 0);
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
}

/// How a string without escapes ends that begins here: `#"…"#`.
pub fn raw_quote(text: &str) -> Option<String> {
    let marks = text.len() - text.trim_start_matches('#').len();
    (marks > 0 && text[marks..].starts_with('"')).then(|| format!("\"{}", "#".repeat(marks)))
}

/// The length of a string with escapes that begins here.
pub fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The end of a backtick string's piece, and whether code begins there.
pub fn backtick(text: &str) -> Option<(usize, bool)> {
    // `\${` is no code.
    let code = text
        .match_indices("${")
        .map(|(at, _)| at)
        .find(|at| !text[..*at].ends_with('\\'));
    match (text.find('`'), code) {
        (Some(end), Some(code)) if code < end => Some((code + 2, true)),
        (None, Some(code)) => Some((code + 2, true)),
        (Some(end), _) => Some((end + 1, false)),
        (None, None) => None,
    }
}

/// A number's length: `1_000`, `0.5`, `3e-4`, but `1` of `1..3` and of `1.max(2)`.
pub fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut i = 0;
    while let Some(b) = bytes.get(i) {
        let goes_on = match b {
            b'.' => {
                digit(i + 1)
                    || !bytes
                        .get(i + 1)
                        .is_some_and(|n| *n == b'.' || *n == b'_' || n.is_ascii_alphabetic())
            }
            b'+' | b'-' => matches!(bytes[i - 1], b'e' | b'E') && digit(i + 1),
            b => b.is_ascii_alphanumeric() || *b == b'_',
        };
        if !goes_on || (*b == b'.' && text[..i].contains('.')) {
            break;
        }
        i += 1;
    }
    i.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let one = |t: &Token| match t {
            Token::Word(w) => (*w).to_owned(),
            Token::Number(n) => format!("<{n}>"),
            Token::Text => "'".to_owned(),
            Token::Sign(s) => (*s).to_owned(),
        };
        scan(text)
            .0
            .iter()
            .map(|(_, t)| one(t))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn code_becomes_tokens() {
        assert_eq!(
            shown("let x = nn::linear(3, 1_0.5e-3); // end\n"),
            "let x = nn :: linear ( <3> , <1_0.5e-3> ) ;"
        );
        assert_eq!(
            shown("0..3 1.max \"a\\\"b\" /* /* */ x */ y"),
            "<0> .. <3> <1> . max ' y"
        );
        assert_eq!(shown("`a${x + `b${y}`}c` + z"), "' ( x + ' ( y ) ' ) ' + z");
    }

    #[test]
    fn strings_and_comments_that_do_not_end_are_text() {
        for text in ["\"abc", "// abc", "x /* abc", "`abc", "`a${x} b"] {
            assert_eq!(scan(text).1, Place::Text, "{text}");
        }
        for text in ["", "abc", "`a${x", "\"abc\"", "// abc\n"] {
            assert_eq!(scan(text).1, Place::Code, "{text}");
        }
    }
}
