//! Which variables there are at each token of a script: so that a call of one is known from that of
//! a function. And `let [a, b] = …;`, which makes several.

use std::collections::HashSet;

use super::code::Code;
use super::edits::Edits;
use super::{PARTS, RHAIS};
use crate::script::scan::Token;

/// A bracket that is open, or the body of a closure.
struct Open {
    /// How many variables there were before it.
    before: usize,
    /// From where on variables are visible inside: a `fn` sees none from outside.
    wall: usize,
    /// Whether it is the body of a closure without braces, which ends with the bracket around it.
    body: bool,
}

/// Names that will be there once a statement ends, or in the next block.
struct Pending<'a> {
    names: Vec<&'a str>,
    depth: usize,
    /// Whether one array is taken apart into them.
    apart: bool,
}

/// The walk over the tokens.
pub struct Visible<'a> {
    names: Vec<&'a str>,
    open: Vec<Open>,
    /// Names of `let`, which are there behind the statement.
    next: Vec<Pending<'a>>,
    /// Names of `for`, `catch` and parameters, which are there in the block that begins next.
    block: Vec<Pending<'a>>,
    wall: bool,
    /// Up to which token names are declared, not used.
    skip: usize,
    functions: HashSet<&'a str>,
}

impl<'a> Visible<'a> {
    pub fn new(code: &Code<'a>, variables: &[&'a str]) -> Visible<'a> {
        let functions = (0..code.len())
            .filter(|i| code.word(*i) == Some("fn"))
            .filter_map(|i| code.word(i + 1))
            .collect();
        Visible {
            names: variables.to_vec(),
            open: Vec::new(),
            next: Vec::new(),
            block: Vec::new(),
            wall: false,
            skip: 0,
            functions,
        }
    }

    /// Whether `name(…)` at `i` calls a variable.
    pub fn calls(&self, code: &Code, i: usize, name: &str) -> bool {
        !self.is_part(code, i)
            && !RHAIS.contains(&name)
            && !self.functions.contains(name)
            && self.has(name)
    }

    /// Whether a name is used at `i` as a variable that is not there.
    pub fn is_no_variable(&self, code: &Code, i: usize, name: &str) -> bool {
        let key = code.is(i + 1, ":") || code.is(i + 1, "::");
        !self.is_part(code, i) && !key && !code.opens(i + 1, "(") && !self.has(name)
    }

    fn has(&self, name: &str) -> bool {
        let wall = self.open.last().map_or(0, |open| open.wall);
        self.names[wall.min(self.names.len())..].contains(&name)
    }

    /// Whether a name is declared, or that of a property, of something in a module or of a function.
    fn is_part(&self, code: &Code, i: usize) -> bool {
        i < self.skip
            || i.checked_sub(1)
                .is_some_and(|b| code.is(b, ".") || code.is(b, "::") || code.word(b) == Some("fn"))
    }

    /// Takes the next token in.
    pub fn step(&mut self, code: &Code<'a>, i: usize, edits: &mut Edits) {
        if i < self.skip {
            return;
        }
        match code.token(i) {
            Some(Token::Word("let" | "const")) => self.declaration(code, i, edits),
            Some(Token::Word("fn")) => {
                // `fn f(x)`, and `fn int.f(x)`, a method of a type.
                let open = (i + 1..i + 6).find(|k| code.opens(*k, "("));
                if let Some((open, close)) = open.and_then(|o| Some((o, code.partner(o)?))) {
                    self.in_block(words(code, open + 1, close));
                    self.wall = true;
                    self.skip = close + 1;
                }
            }
            Some(Token::Word("for" | "catch")) => self.looped(code, i, edits),
            Some(Token::Sign("|")) if self.begins_closure(code, i) => self.closure(code, i),
            Some(Token::Sign(";")) => {
                self.end_bodies();
                self.end_statement(code, i, edits);
            }
            Some(Token::Sign(",")) => self.end_bodies(),
            Some(Token::Sign("(" | "[" | "{")) => {
                let inner = code.is(i, "{") && !(i > 0 && code.is(i - 1, "#"));
                self.opened(code, i, inner, edits);
            }
            Some(Token::Sign(")" | "]" | "}")) => {
                self.end_bodies();
                self.end_statement(code, i, edits);
                if let Some(open) = self.open.pop() {
                    self.names.truncate(open.before);
                }
            }
            _ => {}
        }
    }

    /// Ends the last statement, which may lack its semicolon.
    pub fn finish(&mut self, code: &Code<'a>, edits: &mut Edits) {
        self.end_bodies();
        self.end_statement(code, code.len(), edits);
    }

    fn depth(&self) -> usize {
        self.open.iter().filter(|open| !open.body).count()
    }

    fn in_block(&mut self, names: Vec<&'a str>) {
        let depth = self.depth();
        self.block.push(Pending {
            names,
            depth,
            apart: false,
        });
    }

    fn opened(&mut self, code: &Code<'a>, i: usize, block: bool, edits: &mut Edits) {
        let outer = self.open.last().map_or(0, |open| open.wall);
        let depth = self.depth();
        let pending = self.block.pop_if(|b| block && b.depth == depth);
        let walled = pending.is_some() && std::mem::take(&mut self.wall);
        self.open.push(Open {
            before: self.names.len(),
            wall: if walled { self.names.len() } else { outer },
            body: false,
        });
        if let Some(pending) = pending {
            if pending.apart
                && let Some(first) = pending.names.first()
            {
                let count = pending.names.len();
                let apart = rest(&pending.names);
                edits.behind(
                    code.end(i),
                    format!(" let {first} = {PARTS}({count}, {first}); {apart}"),
                );
            }
            self.names.extend(pending.names);
        }
    }

    /// `let x = …`, `let [a, b] = …`.
    fn declaration(&mut self, code: &Code<'a>, i: usize, edits: &mut Edits) {
        let depth = self.depth();
        if let Some(name) = code.word(i + 1) {
            self.next.push(Pending {
                names: vec![name],
                depth,
                apart: false,
            });
            self.skip = i + 2;
        } else if code.word(i) == Some("let")
            && let Some(names) = pattern(code, i + 1)
            && let Some(close) = code.partner(i + 1)
            && code.is(close + 1, "=")
        {
            let start = code.start(i + 1);
            edits.replace(start, code.end(close) - start, names[0]);
            let count = names.len();
            edits.behind(code.end(close + 1), format!(" {PARTS}({count}, "));
            self.next.push(Pending {
                names,
                depth,
                apart: true,
            });
            self.skip = close + 1;
        }
    }

    /// `for x in …`, `for (x, i) in …`, `for [a, b] in …`, `catch (e)`.
    fn looped(&mut self, code: &Code<'a>, i: usize, edits: &mut Edits) {
        match (code.word(i + 1), code.partner(i + 1)) {
            (Some(name), _) => {
                self.in_block(vec![name]);
                self.skip = i + 2;
            }
            (_, Some(close)) if !code.is(i + 1, "{") => {
                self.in_block(words(code, i + 2, close));
                self.skip = close + 1;
                // `for (x, i)` counts; `for [a, b]` takes apart.
                if code.is(i + 1, "[") {
                    self.apart(code, i + 1, close, edits);
                }
            }
            _ => {}
        }
    }

    fn apart(&mut self, code: &Code<'a>, open: usize, close: usize, edits: &mut Edits) {
        if let (Some(names), Some(block)) = (pattern(code, open), self.block.last_mut()) {
            let start = code.start(open);
            edits.replace(start, code.end(close) - start, names[0]);
            block.apart = true;
        }
    }

    /// Whether `|` begins a closure. The second one of `||` does not, unless it follows parameters.
    fn begins_closure(&self, code: &Code, i: usize) -> bool {
        let behind_another = i > 0 && code.is(i - 1, "|") && i != self.skip;
        i == 0 || !code.ends_operand(i - 1) && !behind_another
    }

    fn closure(&mut self, code: &Code<'a>, i: usize) {
        let Some(close) = (i + 1..code.len()).find(|k| code.is(*k, "|")) else {
            return;
        };
        let names = words(code, i + 1, close);
        self.skip = close + 1;
        if code.is(close + 1, "{") {
            self.in_block(names);
            return;
        }
        self.open.push(Open {
            before: self.names.len(),
            wall: self.open.last().map_or(0, |open| open.wall),
            body: true,
        });
        self.names.extend(names);
    }

    fn end_bodies(&mut self) {
        while let Some(open) = self.open.pop_if(|open| open.body) {
            self.names.truncate(open.before);
        }
    }

    fn end_statement(&mut self, code: &Code<'a>, i: usize, edits: &mut Edits) {
        let depth = self.depth();
        while let Some(pending) = self.next.pop_if(|next| next.depth >= depth) {
            if pending.apart {
                edits.behind(code.end(i - 1), ")");
                let apart = rest(&pending.names);
                match code.is(i, ";") {
                    true => edits.behind(code.end(i), format!(" {apart}")),
                    false => edits.behind(code.end(i - 1), format!("; {apart}")),
                }
            }
            if code.is(i, ";") {
                self.names.extend(pending.names);
            }
        }
    }
}

/// What gives names their entries, of an array that the first of them holds.
fn rest(names: &[&str]) -> String {
    let Some((first, others)) = names.split_first() else {
        return String::new();
    };
    let mut made = String::new();
    for (i, name) in others.iter().enumerate() {
        made += &format!("let {name} = {first}[{}]; ", i + 1);
    }
    format!("{made}{first} = {first}[0];")
}

fn words<'a>(code: &Code<'a>, from: usize, to: usize) -> Vec<&'a str> {
    (from..to).filter_map(|i| code.word(i)).collect()
}

/// The names in `[a, b]` or `(a, b)`.
fn pattern<'a>(code: &Code<'a>, i: usize) -> Option<Vec<&'a str>> {
    let close = code.partner(i).filter(|_| !code.is(i, "{"))?;
    let plain = (i + 1..close).all(|k| match (k - i) % 2 {
        1 => code.word(k).is_some(),
        _ => code.is(k, ","),
    });
    let names = words(code, i + 1, close);
    (plain && !names.is_empty()).then_some(names)
}
