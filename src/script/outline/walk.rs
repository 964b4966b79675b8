//! The walk over the tokens of a script. It follows the rules of `rewrite/visible.rs`: a `let` is
//! there behind its statement, a `fn` sees nothing from outside, the body of a closure without
//! braces ends with the bracket around it.

use std::collections::HashMap;
use std::ops::Range;

use super::{Declared, Foreign, Outline, Use, What};
use crate::script::complete::KEYWORDS;
use crate::script::scan::{Token, scan};

/// A bracket that is open, or the body of a closure.
struct Open {
    /// How many names were visible before it.
    before: usize,
    /// From where on names are visible inside.
    wall: usize,
    body: bool,
    /// Whether it is that of a map.
    map: bool,
    /// The function that it is in.
    function: Option<usize>,
}

/// Names that will be there once a statement ends, or in the next block.
struct Pending {
    names: Vec<usize>,
    depth: usize,
}

struct Walk<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token<'a>)>,
    out: Outline,
    /// The functions of each name, by their number of parameters.
    functions: HashMap<&'a str, Vec<usize>>,
    visible: Vec<usize>,
    open: Vec<Open>,
    /// How many of them are brackets.
    depth: usize,
    /// The other bracket of each bracket.
    partner: Vec<Option<usize>>,
    next: Vec<Pending>,
    block: Vec<Pending>,
    /// The function whose body begins next.
    body_of: Option<usize>,
    skip: usize,
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
    fn token(&self, i: usize) -> Option<Token<'a>> {
        self.tokens.get(i).map(|t| t.1)
    }

    fn word(&self, i: usize) -> Option<&'a str> {
        match self.token(i)? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, i: usize, sign: &str) -> bool {
        self.token(i) == Some(Token::Sign(sign))
    }

    fn before(&self, i: usize, sign: &str) -> bool {
        i > 0 && self.is(i - 1, sign)
    }

    fn start(&self, i: usize) -> usize {
        self.tokens.get(i).map_or(self.text.len(), |t| t.0)
    }

    /// The byte behind a word or a sign.
    fn end(&self, i: usize) -> usize {
        match self.token(i) {
            Some(Token::Word(s) | Token::Number(s) | Token::Sign(s)) => self.start(i) + s.len(),
            _ => self.start(i + 1),
        }
    }

    fn at(&self, i: usize) -> Range<usize> {
        self.start(i)..self.end(i)
    }

    /// The bracket that closes the one at `open`, if brackets fit.
    fn close(&self, open: usize) -> Option<usize> {
        self.partner
            .get(open)
            .copied()
            .flatten()
            .filter(|c| *c > open)
    }

    /// How many arguments stand in the brackets at `open`.
    fn arguments(&self, open: usize) -> usize {
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

    /// The bar behind the parameters of the closure that begins at `i`.
    fn closure_end(&self, i: usize) -> Option<usize> {
        let part = |k: &usize| matches!(self.token(*k), Some(Token::Word(_) | Token::Sign(",")));
        let close = (i + 1..self.tokens.len()).find(|k| !part(k))?;
        self.is(close, "|").then_some(close)
    }

    fn inside(&self) -> Option<usize> {
        self.open.last().and_then(|o| o.function)
    }

    fn push(&mut self, open: Open) {
        self.depth += usize::from(!open.body);
        self.open.push(open);
    }

    /// Functions may be used before they are written.
    fn gather_functions(&mut self) {
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

    fn declare(&mut self, i: usize, what: What, from: usize) -> usize {
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

    fn declare_all(&mut self, from: usize, to: usize, what: What, whole: usize) -> Vec<usize> {
        (from..to)
            .filter(|i| self.word(*i).is_some_and(|w| !KEYWORDS.contains(&w)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|i| self.declare(i, what, whole))
            .collect()
    }

    fn show(&mut self, names: Vec<usize>, from: usize) {
        for n in &names {
            self.out.declared[*n].seen = from..self.text.len();
        }
        self.visible.extend(names);
    }

    fn hide(&mut self, before: usize, at: usize) {
        for n in self.visible.drain(before.min(self.visible.len())..) {
            self.out.declared[n].seen.end = at;
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
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

    fn of_function(&self, name: &str, arguments: Option<usize>) -> Option<usize> {
        let all = self.functions.get(name)?;
        all.iter()
            .find(|f| Some(self.out.declared[**f].params.len()) == arguments)
            .or(all.first())
            .copied()
    }

    fn note(&mut self, at: Range<usize>, of: Option<usize>) {
        if let Some(of) = of {
            self.out.uses.push(Use { at, of });
        }
    }

    fn step(&mut self, i: usize) {
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

    fn statement(&mut self, i: usize) {
        match self.word(i) {
            Some("let" | "const") => self.variable(i),
            Some("fn") => self.function(i),
            Some("import") => self.import(i),
            Some("export") => self.export(i),
            _ => self.looped(i),
        }
    }

    fn variable(&mut self, i: usize) {
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

    fn function(&mut self, i: usize) {
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
    fn import(&mut self, i: usize) {
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
    fn export(&mut self, i: usize) {
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
    fn looped(&mut self, i: usize) {
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

    fn opened(&mut self, i: usize) {
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

    fn begins_closure(&self, i: usize) -> bool {
        let behind_another = self.before(i, "|") && i != self.skip;
        i == 0 || !self.tokens[i - 1].1.ends_operand() && !behind_another
    }

    fn closure(&mut self, i: usize) {
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

    fn end_bodies(&mut self, at: usize) {
        while let Some(open) = self.open.pop_if(|open| open.body) {
            self.hide(open.before, at);
        }
    }

    /// Ends a statement before token `i`: what it declares is there now.
    fn end_statement(&mut self, i: usize) {
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
    fn last_end(&self, i: usize) -> usize {
        let end = i.checked_sub(1).map_or(0, |k| self.end(k));
        self.text[..end].trim_end().len()
    }

    fn named(&mut self, i: usize, name: &'a str) {
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
        self.note(self.at(i), of);
    }

    /// `m::f`, `global::NAME`.
    fn qualified(&mut self, i: usize, name: &str, called: Option<usize>) {
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
    fn by_text(&mut self, i: usize) {
        let from = self.start(i) + 1;
        let rest = &self.text[from..];
        let end = rest.find('"').map_or(from, |n| from + n);
        let of = self.of_function(&self.text[from..end], None);
        self.note(from..end, of);
    }
}
