//! A script as tokens, with which bracket belongs to which, and what an operand is.

use crate::script::scan::{Place, Token, WORDS, scan};

/// The tokens of a script.
pub struct Code<'a> {
    pub text: &'a str,
    tokens: Vec<(usize, Token<'a>)>,
    /// The other bracket of each bracket.
    partner: Vec<Option<usize>>,
}

impl<'a> Code<'a> {
    /// `None` where a text or a comment has no end, or brackets do not fit: the parser says so.
    pub fn of(text: &'a str) -> Option<Code<'a>> {
        let (tokens, place) = scan(text);
        if place == Place::Text && !text[tokens.last().map_or(0, |t| t.0)..].contains("//") {
            return None;
        }
        let mut partner = vec![None; tokens.len()];
        let mut open: Vec<usize> = Vec::new();
        for (i, (_, token)) in tokens.iter().enumerate() {
            match token {
                Token::Sign("(" | "[" | "{") => open.push(i),
                Token::Sign(")" | "]" | "}") => {
                    let other = open.pop()?;
                    partner[i] = Some(other);
                    partner[other] = Some(i);
                }
                _ => {}
            }
        }
        open.is_empty().then_some(Code {
            text,
            tokens,
            partner,
        })
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn token(&self, i: usize) -> Option<Token<'a>> {
        self.tokens.get(i).map(|(_, token)| *token)
    }

    pub fn word(&self, i: usize) -> Option<&'a str> {
        match self.token(i)? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    pub fn is(&self, i: usize, sign: &str) -> bool {
        self.token(i) == Some(Token::Sign(sign))
    }

    /// Whether a token is that before it and a sign without a space between: `**`, `/=`.
    pub fn joined(&self, i: usize, sign: &str) -> bool {
        i > 0 && self.is(i, sign) && self.end(i - 1) == self.start(i)
    }

    /// A real bracket, not one around a value in a text.
    pub fn opens(&self, i: usize, sign: &str) -> bool {
        self.is(i, sign) && self.text[self.start(i)..].starts_with(sign)
    }

    pub fn partner(&self, i: usize) -> Option<usize> {
        self.partner.get(i).copied().flatten()
    }

    /// The byte at which a token begins.
    pub fn start(&self, i: usize) -> usize {
        self.tokens.get(i).map_or(self.text.len(), |(at, _)| *at)
    }

    /// The byte behind a token. A text ends before what stands behind it.
    pub fn end(&self, i: usize) -> usize {
        match self.token(i) {
            Some(Token::Word(s) | Token::Number(s) | Token::Sign(s)) => self.start(i) + s.len(),
            _ => self.start(i + 1),
        }
    }

    /// Whether an operand ends with a token.
    pub fn ends_operand(&self, i: usize) -> bool {
        self.token(i).is_some_and(Token::ends_operand)
    }

    /// Whether a bracket stands behind what it is applied to: `f(`, `a[`, `f(1)[`.
    pub fn is_applied(&self, i: usize) -> bool {
        i > 0 && self.ends_operand(i - 1) && !self.is(i - 1, "}")
    }

    /// Whether what stands before a bracket is itself called: `f(1)(2)`, `a[0](2)`.
    pub fn is_of_result(&self, i: usize) -> bool {
        i > 0 && self.opens(i, "(") && (self.opens(i - 1, ")") || self.is(i - 1, "]"))
    }

    /// The first token of the chain that ends before `i`: of `a` in `m::a.b(c)[d]`.
    pub fn chain_start(&self, i: usize) -> Option<usize> {
        let mut at = i.checked_sub(1)?;
        loop {
            if self.is(at, ")") || self.is(at, "]") {
                at = self.partner(at)?;
                if !self.is_applied(at) {
                    return Some(at);
                }
                at -= 1;
                continue;
            }
            if !matches!(self.token(at)?, Token::Word(_) | Token::Text) {
                return None;
            }
            match at.checked_sub(1) {
                Some(dot) if self.is(dot, ".") => {
                    at = dot.checked_sub(1)?;
                    if self.is(at, "?") {
                        at = at.checked_sub(1)?;
                    }
                }
                Some(colons) if self.is(colons, "::") => at = colons.checked_sub(1)?,
                _ => return Some(at),
            }
        }
    }

    /// Where the variable stands at whose end this `.` calls a method with a function that names the
    /// same variable.
    pub fn root_used_inside(&self, dot: usize) -> Option<usize> {
        let start = self.chain_start(dot)?;
        let root = self.word(start).filter(|_| !self.is(start + 1, "::"))?;
        let close = self.partner(dot + 2).filter(|_| self.opens(dot + 2, "("))?;
        let mut inside = dot + 3..close;
        let own = |i: usize| self.word(i) == Some(root) && !self.is(i - 1, ".");
        (inside.clone().any(own) && inside.any(|i| self.is(i, "|"))).then_some(start)
    }

    /// The token behind what stands behind an operand: `.b`, `(c)`, `[d]`, `::e`.
    pub fn chain_end(&self, mut i: usize) -> Option<usize> {
        loop {
            let dot = if self.is(i, "?") && self.joined(i + 1, ".") {
                i + 1
            } else {
                i
            };
            if self.is(dot, ".") || self.is(dot, "::") {
                self.word(dot + 1)?;
                i = dot + 2;
            } else if self.opens(i, "(") || self.opens(i, "[") {
                i = self.partner(i)? + 1;
            } else {
                return Some(i);
            }
        }
    }

    /// The token behind an operand with its signs, powers included, and whether there are any.
    pub fn operand_end(&self, mut i: usize) -> Option<(usize, bool)> {
        let mut powers = false;
        loop {
            while ["-", "+", "!"].iter().any(|sign| self.is(i, sign)) {
                i += 1;
            }
            let behind = match self.token(i)? {
                Token::Sign("(" | "[") => self.partner(i)? + 1,
                Token::Word(word) if !WORDS.contains(&word) => i + 1,
                Token::Number(_) | Token::Text => i + 1,
                _ => return None,
            };
            let end = self.chain_end(behind)?;
            if !self.power(end) {
                return Some((end, powers));
            }
            powers = true;
            i = end + 2;
        }
    }

    /// Whether `**` stands here.
    pub fn power(&self, i: usize) -> bool {
        self.is(i, "*") && self.joined(i + 1, "*") && !self.joined(i + 2, "=")
    }

    /// Whether a token begins an assignment: `=`, `+=`, but not `==` and `=>`.
    pub fn assigns(&self, i: usize) -> bool {
        let op = ["+", "-", "*", "/", "%", "|", "&", "^"];
        let mut at = i;
        while op.iter().any(|sign| self.is(at, sign))
            && (at == i || self.end(at - 1) == self.start(at))
        {
            at += 1;
        }
        self.is(at, "=")
            && (at == i || self.end(at - 1) == self.start(at))
            && !self.joined(at + 1, "=")
            && !self.joined(at + 1, ">")
    }
}
