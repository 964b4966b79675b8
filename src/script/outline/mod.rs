//! The names of a script: where each is declared, where it can be named, and where it is used.
//!
//! Read from the tokens alone, so that a text may be unfinished or wrong: for editors, which ask
//! while one types.

mod statements;
mod uses;
mod walk;

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A variable of `let`, `for` or `catch`.
    Variable,
    /// A variable of `const`.
    Constant,
    /// A function of `fn`.
    Function,
    /// A parameter of a function or a closure.
    Parameter,
    /// What `import … as` names.
    Import,
}

/// A name where it is declared. All places are bytes of the text.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub what: What,
    /// Where the name stands.
    pub at: Range<usize>,
    /// The whole declaration: `let x = 1;`, `fn f(x) { … }`.
    pub whole: Range<usize>,
    /// Where it can be named.
    pub seen: Range<usize>,
    /// The parameters of a function.
    pub params: Vec<String>,
    /// Whether a function uses `this`: it is meant to be called on a value.
    pub of_this: bool,
    /// Whether other scripts can name it.
    pub exported: bool,
    /// The function that it is declared in.
    pub inside: Option<usize>,
    /// The path of an import, and where it stands, without its quotes.
    pub path: Option<(String, Range<usize>)>,
}

/// A use of a name that the script declares.
#[derive(Clone, Debug)]
pub struct Use {
    /// Where the name stands.
    pub at: Range<usize>,
    /// What it means: an index of [`Outline::declared`].
    pub of: usize,
}

/// `m::f`, where `m` is an import.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The import: an index of [`Outline::declared`].
    pub import: usize,
    /// The name in the other script.
    pub name: String,
    /// Where that name stands.
    pub at: Range<usize>,
    /// With how many arguments it is called; `None` where it is not.
    pub arguments: Option<usize>,
}

/// The names of a script.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// All declarations: functions, then all others in the order of the text.
    pub declared: Vec<Declared>,
    /// All uses, in the order of the text.
    pub uses: Vec<Use>,
    /// What is named of imported scripts.
    pub foreign: Vec<Foreign>,
    /// The functions that it calls and does not declare.
    pub calls: BTreeSet<String>,
    /// Whether the script does something itself: it calls something outside of its functions.
    pub runs: bool,
}

impl Outline {
    /// Reads a text.
    pub fn of(text: &str) -> Outline {
        walk::walk(text)
    }

    /// The declaration that the name at a byte stands for: itself, or what a use means.
    pub fn at(&self, byte: usize) -> Option<usize> {
        let here = |at: &Range<usize>| at.start <= byte && byte <= at.end;
        self.uses
            .iter()
            .find(|u| here(&u.at))
            .map(|u| u.of)
            .or_else(|| self.declared.iter().position(|d| here(&d.at)))
    }

    /// The name of another script at a byte.
    pub fn foreign_at(&self, byte: usize) -> Option<&Foreign> {
        self.foreign
            .iter()
            .find(|f| f.at.start <= byte && byte <= f.at.end)
    }

    /// The declarations that share a name with one and mean one thing: the functions of a name.
    pub fn together(&self, index: usize) -> Vec<usize> {
        let Some(one) = self.declared.get(index) else {
            return Vec::new();
        };
        if one.what != What::Function {
            return vec![index];
        }
        (0..self.declared.len())
            .filter(|i| {
                self.declared[*i].what == What::Function && self.declared[*i].name == one.name
            })
            .collect()
    }

    /// Every place that a declaration's name stands at, its own first.
    pub fn places(&self, index: usize) -> Vec<Range<usize>> {
        let together = self.together(index);
        let mut found: Vec<Range<usize>> = together
            .iter()
            .map(|i| self.declared[*i].at.clone())
            .collect();
        found.extend(
            self.uses
                .iter()
                .filter(|u| together.contains(&u.of))
                .map(|u| u.at.clone()),
        );
        found
    }

    /// The function in which a byte is.
    fn function_at(&self, byte: usize) -> Option<usize> {
        self.declared
            .iter()
            .position(|d| d.what == What::Function && d.whole.start <= byte && byte < d.whole.end)
    }

    /// Whether a declaration can be named at a byte. A function sees no variables from outside.
    pub fn sees(&self, declared: &Declared, byte: usize) -> bool {
        declared.seen_from(byte, self.function_at(byte))
    }

    /// The names that can be named at a byte, the nearest declaration of each.
    pub fn visible(&self, byte: usize) -> Vec<&Declared> {
        let inside = self.function_at(byte);
        let mut names: HashSet<&str> = HashSet::new();
        let seen = self
            .declared
            .iter()
            .rev()
            .filter(|d| d.seen_from(byte, inside));
        seen.filter(|d| names.insert(&d.name)).collect()
    }

    /// What other scripts can name: functions that are not private, and exported variables.
    pub fn offered(&self) -> impl Iterator<Item = (usize, &Declared)> {
        self.declared.iter().enumerate().filter(|(_, d)| d.exported)
    }
}

impl Declared {
    /// Whether it can be named at a byte that is in a function.
    fn seen_from(&self, byte: usize, inside: Option<usize>) -> bool {
        let everywhere = matches!(self.what, What::Function | What::Import);
        self.seen.start <= byte && byte <= self.seen.end && (everywhere || self.inside == inside)
    }

    /// `fn f(x, y)`, or the first line of the declaration.
    pub fn shown(&self, text: &str) -> String {
        if self.what == What::Function {
            return format!("fn {}({})", self.name, self.params.join(", "));
        }
        let whole = text.get(self.whole.clone()).unwrap_or(&self.name);
        whole.lines().next().unwrap_or_default().trim().to_owned()
    }

    /// The comment that belongs to it: the lines right above a function; behind a variable on its
    /// line, else right above it.
    pub fn comment(&self, text: &str) -> String {
        let above = || {
            let line = text[..self.whole.start].rfind('\n').map_or(0, |i| i + 1);
            let mut lines: Vec<&str> = text[..line]
                .lines()
                .rev()
                .map_while(|l| l.trim_start().strip_prefix("//"))
                .collect();
            lines.reverse();
            let plain = |l: &&str| l.trim_start_matches('/').trim().to_owned();
            lines.iter().map(plain).collect::<Vec<_>>().join("\n")
        };
        if self.what == What::Function {
            // That of a function with a body of several lines may stand behind its first.
            let found = above();
            if !found.is_empty() {
                return found;
            }
        }
        let from = match self.what {
            What::Function => self.at.end,
            _ => self.whole.end,
        };
        let rest = text[from..].lines().next().unwrap_or_default();
        match rest.rfind("//") {
            Some(at) if !rest[..at].contains(['"', '`']) => rest[at + 2..].trim().to_owned(),
            // The comment at the head of a script is about all of it.
            _ if matches!(self.what, What::Variable | What::Constant)
                && text[..self.whole.start]
                    .lines()
                    .any(|l| !l.starts_with("//")) =>
            {
                above()
            }
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
