//! The uses of names: what each means where it stands.

use std::ops::Range;

use super::walk::Walk;
use super::{Foreign, Use, What};
use crate::script::complete::KEYWORDS;
use crate::script::scan::Token;

impl<'a> Walk<'a> {
    /// How many arguments stand in the brackets at `open`.
    pub fn arguments(&self, open: usize) -> usize {
        let end = self.close(open).unwrap_or(self.tokens.len());
        let (mut count, mut any) = (0, false);
        let mut i = open + 1;
        while i < end {
            match self.tokens[i].1 {
                Token::Sign("(" | "[" | "{") => match self.close(i) {
                    Some(close) => i = close,
                    // Half typed: no more can be said.
                    None => return count + 1,
                },
                // The parameters of a closure are no arguments.
                Token::Sign("|") if !self.tokens[i - 1].1.ends_operand() => {
                    i = self.closure_end(i).unwrap_or(i);
                }
                _ => {}
            }
            let comma = self.is(i, ",");
            count += usize::from(comma && any);
            any = !comma;
            i += 1;
        }
        count + usize::from(any)
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        let wall = self.open.last().map_or(0, |open| open.wall);
        let named = |n: &&usize| self.out.declared[**n].name == name;
        let inner = self.visible[wall.min(self.visible.len())..]
            .iter()
            .rev()
            .find(named);
        // A function sees the imports of its script.
        let import = || {
            let import = |n: &&usize| self.out.declared[**n].what == What::Import && named(n);
            self.visible.iter().rev().find(import)
        };
        inner.or_else(import).copied()
    }

    pub fn of_function(&self, name: &str, arguments: Option<usize>) -> Option<usize> {
        let all = self.functions.get(name)?;
        all.iter()
            .find(|f| Some(self.out.declared[**f].params.len()) == arguments)
            .or(all.first())
            .copied()
    }

    pub fn note(&mut self, at: Range<usize>, of: Option<usize>) {
        if let Some(of) = of {
            self.out.uses.push(Use { at, of });
        }
    }

    pub fn named(&mut self, i: usize, name: &'a str) {
        let called = self.is(i + 1, "(").then(|| self.arguments(i + 1));
        let call = called.is_some() && !KEYWORDS.contains(&name);
        self.out.runs |= call && self.inside().is_none();
        if self.before(i, ".") {
            // A function with `this` may be meant; any other method is none of the script's.
            let of = self.of_function(name, called);
            let of = of.filter(|f| called.is_some() && self.out.declared[*f].of_this);
            return self.note(self.at(i), of);
        }
        if self.before(i, "::") {
            return self.qualified(i, name, called);
        }
        if KEYWORDS.contains(&name) {
            return;
        }
        if self.is(i + 1, "::") {
            let import = |n: &usize| self.out.declared[*n].what == What::Import;
            let of = self.find(name).filter(import);
            return self.note(self.at(i), of);
        }
        let key = self.is(i + 1, ":") && (self.before(i, "{") || self.before(i, ","));
        if key && self.open.last().is_some_and(|o| o.map) {
            return;
        }
        if name == "Fn" && called.is_some() && self.token(i + 2) == Some(Token::Text) {
            return self.by_text(i + 2);
        }
        let of = match called {
            Some(_) => self.of_function(name, called).or_else(|| self.find(name)),
            None => self.find(name).or_else(|| self.of_function(name, None)),
        };
        if call && of.is_none() {
            self.out.calls.insert(name.to_owned());
        }
        self.note(self.at(i), of);
    }

    /// `m::f`, `global::NAME`.
    pub fn qualified(&mut self, i: usize, name: &str, called: Option<usize>) {
        let Some(root) = i.checked_sub(2).and_then(|r| self.word(r)) else {
            return;
        };
        if root == "global" {
            let constant = |n: &usize| {
                let d = &self.out.declared[*n];
                d.name == name && d.what == What::Constant && d.inside.is_none()
            };
            let of = (0..self.out.declared.len()).rev().find(constant);
            return self.note(self.at(i), of);
        }
        let plain = !(i > 2 && self.is(i - 3, "::"));
        if let Some(import) = self
            .find(root)
            .filter(|n| plain && self.out.declared[*n].what == What::Import)
        {
            let at = self.at(i);
            self.out.foreign.push(Foreign {
                import,
                name: name.to_owned(),
                at,
                arguments: called,
            });
        }
    }

    /// `Fn("f")`.
    pub fn by_text(&mut self, i: usize) {
        let from = self.start(i) + 1;
        let rest = &self.text[from..];
        let end = rest.find('"').map_or(from, |n| from + n);
        let of = self.of_function(&self.text[from..end], None);
        self.note(from..end, of);
    }
}
