//! The walk over the tokens of a script. It follows the rules of `rewrite/visible.rs`: a `let` is
//! there behind its statement, a `fn` sees nothing from outside, the body of a closure without
//! braces ends with the bracket around it.

use std::collections::HashMap;
use std::ops::Range;

use super::{Declared, Outline, What};
use crate::script::complete::KEYWORDS;
use crate::script::scan::{Token, scan};

/// A bracket that is open, or the body of a closure.
pub struct Open {
    /// How many names were visible before it.
    pub before: usize,
    /// From where on names are visible inside.
    pub wall: usize,
    pub body: bool,
    /// Whether it is that of a map.
    pub map: bool,
    /// The function that it is in.
    pub function: Option<usize>,
}

/// Names that will be there once a statement ends, or in the next block.
pub struct Pending {
    pub names: Vec<usize>,
    pub depth: usize,
}

pub struct Walk<'a> {
    pub text: &'a str,
    pub tokens: Vec<(usize, Token<'a>)>,
    pub out: Outline,
    /// The functions of each name, by their number of parameters.
    pub functions: HashMap<&'a str, Vec<usize>>,
    pub visible: Vec<usize>,
    pub open: Vec<Open>,
    /// How many of them are brackets.
    pub depth: usize,
    /// The other bracket of each bracket.
    pub partner: Vec<Option<usize>>,
    pub next: Vec<Pending>,
    pub block: Vec<Pending>,
    /// The function whose body begins next.
    pub body_of: Option<usize>,
    pub skip: usize,
}

/// The other bracket of each bracket; of what does not fit, none.
fn partners(tokens: &[(usize, Token)]) -> Vec<Option<usize>> {
    let mut found = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (i, (_, token)) in tokens.iter().enumerate() {
        match token {
            Token::Sign("(" | "[" | "{") => open.push(i),
            Token::Sign(")" | "]" | "}") => {
                if let Some(other) = open.pop() {
                    (found[i], found[other]) = (Some(other), Some(i));
                }
            }
            _ => {}
        }
    }
    found
}

/// The names of a text.
pub fn walk(text: &str) -> Outline {
    let tokens = scan(text).0;
    let mut walk = Walk {
        text,
        partner: partners(&tokens),
        tokens,
        out: Outline::default(),
        functions: HashMap::new(),
        visible: Vec::new(),
        open: Vec::new(),
        depth: 0,
        next: Vec::new(),
        block: Vec::new(),
        body_of: None,
        skip: 0,
    };
    walk.gather_functions();
    for i in 0..walk.tokens.len() {
        walk.step(i);
    }
    walk.end_bodies(text.len());
    walk.end_statement(walk.tokens.len());
    let mut out = walk.out;
    out.uses.sort_by_key(|u| u.at.start);
    out
}

impl<'a> Walk<'a> {
    pub fn token(&self, i: usize) -> Option<Token<'a>> {
        self.tokens.get(i).map(|t| t.1)
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

    pub fn before(&self, i: usize, sign: &str) -> bool {
        i > 0 && self.is(i - 1, sign)
    }

    pub fn start(&self, i: usize) -> usize {
        self.tokens.get(i).map_or(self.text.len(), |t| t.0)
    }

    /// The byte behind a word or a sign.
    pub fn end(&self, i: usize) -> usize {
        match self.token(i) {
            Some(Token::Word(s) | Token::Number(s) | Token::Sign(s)) => self.start(i) + s.len(),
            _ => self.start(i + 1),
        }
    }

    pub fn at(&self, i: usize) -> Range<usize> {
        self.start(i)..self.end(i)
    }

    /// The bracket that closes the one at `open`, if brackets fit.
    pub fn close(&self, open: usize) -> Option<usize> {
        self.partner
            .get(open)
            .copied()
            .flatten()
            .filter(|c| *c > open)
    }

    /// The bar behind the parameters of the closure that begins at `i`.
    pub fn closure_end(&self, i: usize) -> Option<usize> {
        let part = |k: &usize| matches!(self.token(*k), Some(Token::Word(_) | Token::Sign(",")));
        let close = (i + 1..self.tokens.len()).find(|k| !part(k))?;
        self.is(close, "|").then_some(close)
    }

    pub fn inside(&self) -> Option<usize> {
        self.open.last().and_then(|o| o.function)
    }

    pub fn push(&mut self, open: Open) {
        self.depth += usize::from(!open.body);
        self.open.push(open);
    }

    pub fn declare(&mut self, i: usize, what: What, from: usize) -> usize {
        let end = self.end(i);
        self.out.declared.push(Declared {
            name: self.word(i).unwrap_or_default().to_owned(),
            what,
            at: self.at(i),
            whole: from..end,
            // Nowhere, until it is known where.
            seen: usize::MAX..usize::MAX,
            params: Vec::new(),
            of_this: false,
            exported: false,
            inside: self.inside(),
            path: None,
        });
        self.out.declared.len() - 1
    }

    pub fn declare_all(&mut self, from: usize, to: usize, what: What, whole: usize) -> Vec<usize> {
        (from..to)
            .filter(|i| self.word(*i).is_some_and(|w| !KEYWORDS.contains(&w)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|i| self.declare(i, what, whole))
            .collect()
    }

    pub fn show(&mut self, names: Vec<usize>, from: usize) {
        for n in &names {
            self.out.declared[*n].seen = from..self.text.len();
        }
        self.visible.extend(names);
    }

    pub fn hide(&mut self, before: usize, at: usize) {
        for n in self.visible.drain(before.min(self.visible.len())..) {
            self.out.declared[n].seen.end = at;
        }
    }

    pub fn step(&mut self, i: usize) {
        if i < self.skip {
            return;
        }
        match self.tokens[i].1 {
            // A statement that lacks its semicolon ends where the next one begins.
            Token::Word("let" | "const" | "fn" | "import" | "export")
                if i > 0 && self.tokens[i - 1].1.ends_operand() =>
            {
                self.end_statement(i);
                self.statement(i);
            }
            Token::Word("let" | "const" | "fn" | "import" | "export" | "for" | "catch") => {
                self.statement(i);
            }
            Token::Sign("|") if self.begins_closure(i) => self.closure(i),
            Token::Sign(";") => {
                self.end_bodies(self.start(i));
                self.end_statement(i);
            }
            Token::Sign(",") => self.end_bodies(self.start(i)),
            Token::Sign("(" | "[" | "{") => self.opened(i),
            Token::Sign(")" | "]" | "}") => {
                self.end_bodies(self.start(i));
                self.end_statement(i);
                if let Some(open) = self.open.pop() {
                    self.depth -= usize::from(!open.body);
                    self.hide(open.before, self.start(i));
                }
            }
            Token::Word(name) => self.named(i, name),
            _ => {}
        }
    }

    pub fn opened(&mut self, i: usize) {
        let (outer, around) = (self.open.last().map_or(0, |open| open.wall), self.inside());
        let (depth, map) = (self.depth, self.is(i, "{") && self.before(i, "#"));
        let block = self.is(i, "{") && !map;
        let pending = self.block.pop_if(|b| block && b.depth == depth);
        let function = pending.as_ref().and_then(|_| self.body_of.take());
        self.push(Open {
            before: self.visible.len(),
            wall: match function {
                Some(_) => self.visible.len(),
                None => outer,
            },
            body: false,
            map,
            function: function.or(around),
        });
        if let Some(pending) = pending {
            self.show(pending.names, self.end(i));
        }
    }

    pub fn begins_closure(&self, i: usize) -> bool {
        let behind_another = self.before(i, "|") && i != self.skip;
        i == 0 || !self.tokens[i - 1].1.ends_operand() && !behind_another
    }

    pub fn closure(&mut self, i: usize) {
        let Some(close) = self.closure_end(i) else {
            return;
        };
        let whole = self.start(i);
        let names = self.declare_all(i + 1, close, What::Parameter, whole);
        self.skip = close + 1;
        if self.is(close + 1, "{") {
            let depth = self.depth;
            self.block.push(Pending { names, depth });
            return;
        }
        self.push(Open {
            before: self.visible.len(),
            wall: self.open.last().map_or(0, |open| open.wall),
            body: true,
            map: false,
            function: self.inside(),
        });
        self.show(names, self.end(close));
    }

    pub fn end_bodies(&mut self, at: usize) {
        while let Some(open) = self.open.pop_if(|open| open.body) {
            self.hide(open.before, at);
        }
    }

    /// Ends a statement before token `i`: what it declares is there now.
    pub fn end_statement(&mut self, i: usize) {
        let depth = self.depth;
        while let Some(pending) = self.next.pop_if(|next| next.depth >= depth) {
            let end = match self.is(i, ";") {
                true => self.end(i),
                false => self.last_end(i),
            };
            for n in &pending.names {
                self.out.declared[*n].whole.end = end;
            }
            self.show(pending.names, end);
        }
    }

    /// The byte behind the token before `i`, without the space behind it.
    pub fn last_end(&self, i: usize) -> usize {
        let end = i.checked_sub(1).map_or(0, |k| self.end(k));
        self.text[..end].trim_end().len()
    }
}
