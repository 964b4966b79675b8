//! The statements that declare names.

use super::walk::{Pending, Walk};
use super::{Declared, What};
use crate::script::complete::KEYWORDS;
use crate::script::scan::Token;

impl Walk<'_> {
    /// Functions may be used before they are written.
    pub fn gather_functions(&mut self) {
        for i in 0..self.tokens.len() {
            if self.word(i) != Some("fn") {
                continue;
            }
            let Some(open) = (i + 1..i + 6).find(|k| self.is(*k, "(")) else {
                continue;
            };
            let Some(name) = self.word(open - 1).filter(|n| !KEYWORDS.contains(n)) else {
                continue;
            };
            let close = self.close(open).unwrap_or(self.tokens.len());
            let params: Vec<String> = (open + 1..close)
                .map_while(|k| match self.token(k)? {
                    Token::Word(w) => Some(Some(w)),
                    Token::Sign(",") => Some(None),
                    _ => None,
                })
                .flatten()
                .map(str::to_owned)
                .collect();
            let private = i > 0 && self.word(i - 1) == Some("private");
            let block = self.is(close + 1, "{").then_some(close + 1);
            let last = block.map_or(close, |b| self.close(b).unwrap_or(self.tokens.len()));
            let of_this = (close..last).any(|k| self.word(k) == Some("this"));
            self.functions
                .entry(name)
                .or_default()
                .push(self.out.declared.len());
            self.out.declared.push(Declared {
                name: name.to_owned(),
                what: What::Function,
                at: self.at(open - 1),
                whole: self.start(i - usize::from(private))..self.end(last).min(self.text.len()),
                seen: 0..self.text.len(),
                params,
                of_this,
                exported: !private,
                inside: None,
                path: None,
            });
        }
    }

    pub fn statement(&mut self, i: usize) {
        match self.word(i) {
            Some("let" | "const") => self.variable(i),
            Some("fn") => self.function(i),
            Some("import") => self.import(i),
            Some("export") => self.export(i),
            _ => self.looped(i),
        }
    }

    pub fn variable(&mut self, i: usize) {
        let exported = i > 0 && self.word(i - 1) == Some("export");
        let whole = self.start(i - usize::from(exported));
        let what = match self.word(i) {
            Some("const") => What::Constant,
            _ => What::Variable,
        };
        let depth = self.depth;
        let names = match (self.word(i + 1), self.close(i + 1)) {
            (Some(name), _) if !KEYWORDS.contains(&name) => {
                self.skip = i + 2;
                vec![self.declare(i + 1, what, whole)]
            }
            (None, Some(close)) if self.is(i + 1, "[") || self.is(i + 1, "(") => {
                self.skip = close + 1;
                self.declare_all(i + 2, close, what, whole)
            }
            _ => return,
        };
        for n in &names {
            self.out.declared[*n].exported = exported;
        }
        self.next.push(Pending { names, depth });
    }

    pub fn function(&mut self, i: usize) {
        let Some(open) = (i + 1..i + 6).find(|k| self.is(*k, "(")) else {
            return;
        };
        let close = self.close(open).unwrap_or(self.tokens.len());
        let at = self.start(open - 1);
        let whole = self.start(i);
        let function = self.out.declared.iter().position(|d| d.at.start == at);
        // A bracket that is not closed yet must not swallow the script.
        let close = (open + 1..close)
            .find(|k| !matches!(self.token(*k), Some(Token::Word(_) | Token::Sign(","))))
            .unwrap_or(close);
        let names = self.declare_all(open + 1, close, What::Parameter, whole);
        for n in &names {
            self.out.declared[*n].inside = function;
        }
        let depth = self.depth;
        self.block.push(Pending { names, depth });
        self.body_of = function;
        self.skip = close + usize::from(self.is(close, ")"));
    }

    /// `import "path" as name`.
    pub fn import(&mut self, i: usize) {
        if self.token(i + 1) != Some(Token::Text) || self.word(i + 2) != Some("as") {
            return;
        }
        if self.word(i + 3).is_none() {
            return;
        }
        let from = self.start(i + 1) + 1;
        let rest = &self.text[from..];
        let end = rest.find(['"', '`', '\n']).map_or(from, |n| from + n);
        let n = self.declare(i + 3, What::Import, self.start(i));
        self.out.declared[n].path = Some((self.text[from..end].to_owned(), from..end));
        let end = self.end(i + 3);
        self.show(vec![n], end);
        self.skip = i + 4;
    }

    /// `export x as y`; `export let` is the business of `let`.
    pub fn export(&mut self, i: usize) {
        let Some(name) = self.word(i + 1).filter(|n| !KEYWORDS.contains(n)) else {
            return;
        };
        let found = self.find(name);
        self.note(self.at(i + 1), found);
        self.skip = i + 2;
        match self.word(i + 2) {
            // Under its other name, others do not name it by this one.
            Some("as") => self.skip = i + 4,
            _ => {
                if let Some(n) = found {
                    self.out.declared[n].exported = true;
                }
            }
        }
    }

    /// `for x in …`, `for (x, i) in …`, `for [a, b] in …`, `catch (e)`.
    pub fn looped(&mut self, i: usize) {
        let (depth, whole) = (self.depth, self.start(i));
        let names = match (self.word(i + 1), self.close(i + 1)) {
            (Some(name), _) if !KEYWORDS.contains(&name) => {
                self.skip = i + 2;
                vec![self.declare(i + 1, What::Variable, whole)]
            }
            (None, Some(close)) if !self.is(i + 1, "{") => {
                self.skip = close + 1;
                self.declare_all(i + 2, close, What::Variable, whole)
            }
            _ => return,
        };
        self.block.push(Pending { names, depth });
    }
}
