//! Whether a text is whole, or goes on in the next line.

/// Whether all brackets, strings and comments of a text are closed, and its last line does not end
/// in an operator. What is closed too often counts as whole: it is an error that no further line
/// mends.
pub fn is_complete(text: &str) -> bool {
    let mut scan = Scan {
        rest: text.chars().peekable(),
        last: ' ',
    };
    matches!(scan.code(None), End::Text) && !goes_on(&scan.last)
}

/// Whether a text ends with a semicolon: its value is not to be shown. The language itself makes no
/// difference there.
pub fn is_quiet(text: &str) -> bool {
    let mut scan = Scan {
        rest: text.chars().peekable(),
        last: ' ',
    };
    matches!(scan.code(None), End::Text) && scan.last == ';'
}

/// Characters after which a line cannot end.
fn goes_on(last: &char) -> bool {
    matches!(
        last,
        ',' | '=' | '+' | '-' | '*' | '/' | '%' | '&' | '|' | '<' | '>' | '.' | '?' | ':'
    )
}

struct Scan<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// The last character of code.
    last: char,
}

/// How a piece of code ended.
enum End {
    /// With the text.
    Text,
    /// With the bracket that was waited for.
    Closed,
    /// Something is still open.
    Open,
}

impl Scan<'_> {
    /// Reads code up to a closing bracket, or to the end.
    fn code(&mut self, until: Option<char>) -> End {
        while let Some(c) = self.rest.next() {
            match c {
                '/' if self.rest.peek() == Some(&'/') => {
                    while self.rest.next().is_some_and(|c| c != '\n') {}
                }
                '/' if self.rest.peek() == Some(&'*') => {
                    if !self.comment() {
                        return End::Open;
                    }
                }
                '"' | '\'' => {
                    if !self.string(c) {
                        return End::Open;
                    }
                    self.last = c;
                }
                '`' => {
                    if !self.template() {
                        return End::Open;
                    }
                    self.last = c;
                }
                '(' | '[' | '{' => {
                    let closing = match c {
                        '(' => ')',
                        '[' => ']',
                        _ => '}',
                    };
                    match self.code(Some(closing)) {
                        End::Closed => self.last = closing,
                        End::Text | End::Open => return End::Open,
                    }
                }
                ')' | ']' | '}' if until.is_some() => return End::Closed,
                c if c.is_whitespace() => {}
                c => self.last = c,
            }
        }
        if until.is_none() {
            End::Text
        } else {
            End::Open
        }
    }

    /// A string on one line; a backslash at its end continues it. A line break in it is an error of
    /// its own: whole.
    fn string(&mut self, quote: char) -> bool {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => match self.rest.next() {
                    Some(_) => {}
                    None => return false,
                },
                c if c == quote || c == '\n' => return true,
                _ => {}
            }
        }
        // Without its end on this line it is an error that the next line does not mend.
        true
    }

    /// A string in back-ticks, with code inside `${…}`.
    fn template(&mut self) -> bool {
        while let Some(c) = self.rest.next() {
            match c {
                '`' => {
                    if self.rest.peek() == Some(&'`') {
                        self.rest.next();
                    } else {
                        return true;
                    }
                }
                '$' if self.rest.peek() == Some(&'{') => {
                    self.rest.next();
                    if !matches!(self.code(Some('}')), End::Closed) {
                        return false;
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// A comment `/* … */`, with others inside.
    fn comment(&mut self) -> bool {
        self.rest.next();
        let mut depth = 1;
        while let Some(c) = self.rest.next() {
            match (c, self.rest.peek()) {
                ('/', Some('*')) => {
                    self.rest.next();
                    depth += 1;
                }
                ('*', Some('/')) => {
                    self.rest.next();
                    depth -= 1;
                    if depth == 0 {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{is_complete, is_quiet};

    #[test]
    fn a_semicolon_at_the_end_of_the_code_is_found() {
        for text in [
            "1;",
            "x; // 1",
            "f(1); /* ; */\n",
            ";",
            "fn f() { 1 } f();",
            "`a ${1}`;",
        ] {
            assert!(is_quiet(text), "{text:?}");
        }
        for text in [
            "1",
            "x // ;",
            "\"a;\"",
            "`a;`",
            "{ 1; }",
            "f(|| 1;)",
            "",
            "x; y /* ; */",
            "';'",
        ] {
            assert!(!is_quiet(text), "{text:?}");
        }
    }

    #[test]
    fn whole_and_open_texts_are_told_apart() {
        let whole = [
            "",
            "1 + 1",
            "let x = 3;",
            "f(1,\n 2)",
            "print(\"a { ( \");",
            "let c = '{';",
            "`a ${ `b ${1}` } (`",
            "// {",
            "/* ( /* [ */ */ 1",
            "}",
            "let s = \"open",
            "let m = #{ a: [1, 2] };",
            "\"a\\\"(\"",
            "``",
            "x // +",
        ];
        for text in whole {
            assert!(is_complete(text), "{text:?} is whole");
        }
        let open = [
            "f(1,",
            "fn f(x) {\n x",
            "let x =",
            "1 +",
            "`a",
            "`a ${ 1",
            "/* a /* b */",
            "[1,\n2",
            "#{ a: 1,",
            "let x = // 3",
            "x.\n",
            "\"a\\",
        ];
        for text in open {
            assert!(!is_complete(text), "{text:?} goes on");
        }
    }
}
