//! The type of an expression, as far as its text tells: `digits.train` is a part, `nn::linear(3,
//! 1)` a network.

use super::super::scan::Token;
use super::Variable;
use crate::script::reference::{Entry, Form, all, of_room};

/// How far variables are followed to others.
pub const PATIENCE: usize = 20;

/// How many tokens back a declaration is looked for.
const NEAR: usize = 10_000;

/// The code before the cursor and the variables that are there besides.
pub struct Code<'a> {
    pub tokens: &'a [(usize, Token<'a>)],
    pub variables: &'a [Variable],
}

impl Code<'_> {
    fn at(&self, i: usize) -> Option<Token<'_>> {
        self.tokens.get(i).map(|t| t.1)
    }

    fn sign(&self, i: usize, sign: &str) -> bool {
        self.at(i) == Some(Token::Sign(sign))
    }

    /// The bracket that the one at `end` closes.
    pub fn opener(&self, end: usize) -> Option<usize> {
        let mut depth = 0;
        for i in (0..=end).rev() {
            match self.at(i) {
                Some(Token::Sign(")" | "]" | "}")) => depth += 1,
                Some(Token::Sign("(" | "[" | "{")) => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(i);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The type of the expression that ends before token `end`, if it shows.
    pub fn type_before(&self, end: usize) -> Option<String> {
        self.chain(end, PATIENCE).0
    }

    /// The type, and the token at which the expression starts. `patience` bounds how far variables
    /// are followed.
    fn chain(&self, end: usize, patience: usize) -> (Option<String>, usize) {
        let Some(last) = end.checked_sub(1) else {
            return (None, end);
        };
        match self.at(last) {
            Some(Token::Number(n)) => {
                let float = n.contains('.') || (n.contains(['e', 'E']) && !n.starts_with("0x"));
                (Some(if float { "float" } else { "int" }.to_owned()), last)
            }
            Some(Token::Text) => (Some("string".to_owned()), last),
            Some(Token::Word(name)) if last > 0 && self.sign(last - 1, ".") => {
                let (receiver, start) = self.chain(last - 1, patience);
                let getter = |e: &&Entry| e.form == Form::Getter && e.name == name;
                (
                    receiver.and_then(|r| returned(all().iter().filter(getter), Some(&r))),
                    start,
                )
            }
            Some(Token::Word(name)) => (self.variable(name, patience), last),
            Some(Token::Sign(")")) => {
                let Some(open) = self.opener(last) else {
                    return (None, last);
                };
                let Some(Token::Word(name)) = open.checked_sub(1).and_then(|i| self.at(i)) else {
                    return (None, open);
                };
                let named = |e: &&Entry| e.form == Form::Function && e.name == name;
                if open >= 2 && self.sign(open - 2, ".") {
                    let (receiver, start) = self.chain(open - 2, patience);
                    return (
                        receiver.and_then(|r| returned(all().iter().filter(named), Some(&r))),
                        start,
                    );
                }
                if open >= 3 && self.sign(open - 2, "::") {
                    let Some(Token::Word(room)) = self.at(open - 3) else {
                        return (None, open - 1);
                    };
                    return (returned(of_room(room).filter(named), None), open - 3);
                }
                (
                    returned(
                        all().iter().filter(named).filter(|e| e.room.is_empty()),
                        None,
                    ),
                    open - 1,
                )
            }
            Some(Token::Sign("]")) => {
                let Some(open) = self.opener(last) else {
                    return (None, last);
                };
                let indexed = matches!(
                    open.checked_sub(1).and_then(|i| self.at(i)),
                    Some(Token::Word(_) | Token::Text | Token::Sign(")" | "]"))
                );
                if !indexed {
                    return (Some("array".to_owned()), open);
                }
                let (of, start) = self.chain(open, patience);
                (of.filter(|t| t == "tensor"), start)
            }
            Some(Token::Sign("}")) => match self.opener(last) {
                Some(open) if open > 0 && self.sign(open - 1, "#") => {
                    (Some("map".to_owned()), open - 1)
                }
                _ => (None, last),
            },
            _ => (None, end),
        }
    }

    /// The type of a variable, from its last `let` or from the caller.
    pub fn variable(&self, name: &str, patience: usize) -> Option<String> {
        let known = self
            .variables
            .iter()
            .find(|v| v.name == name)
            .map(|v| v.kind.clone());
        let near = self.tokens.len().saturating_sub(NEAR);
        let declared = (near..self.tokens.len()).rev().find(|i| {
            self.at(*i) == Some(Token::Word(name))
                && matches!(
                    i.checked_sub(1).and_then(|k| self.at(k)),
                    Some(Token::Word("let" | "const"))
                )
                && self.sign(i + 1, "=")
        });
        let Some(declared) = declared.filter(|_| patience > 0) else {
            return known.filter(|k| !k.is_empty());
        };
        let mut depth = 0;
        for end in declared + 2..self.tokens.len() {
            match self.at(end) {
                Some(Token::Sign("(" | "[" | "{")) => depth += 1,
                Some(Token::Sign(")" | "]" | "}")) => depth -= 1,
                Some(Token::Sign(";")) if depth == 0 => {
                    let (found, start) = self.chain(end, patience - 1);
                    return found.filter(|_| start == declared + 2);
                }
                _ => {}
            }
        }
        None
    }

    /// The names that the code declares.
    pub fn declared(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for i in 1..self.tokens.len() {
            let (Some(Token::Word(name)), Some(Token::Word(before))) = (self.at(i), self.at(i - 1))
            else {
                continue;
            };
            if matches!(before, "let" | "const" | "fn" | "for" | "as") && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// What some entries give, called on a type; `None` if they disagree.
fn returned<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    receiver: Option<&str>,
) -> Option<String> {
    let mut found: Option<&str> = None;
    for e in entries.filter(|e| receiver.is_none_or(|r| e.receiver() == Some(r))) {
        if found.is_some_and(|f| f != e.returns) {
            return None;
        }
        found = Some(&e.returns);
    }
    found.filter(|f| *f != "any").map(str::to_owned)
}
