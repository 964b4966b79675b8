//! Cells: a script that is run piece by piece, as a REPL and a notebook do. Variables, functions,
//! constants and imports of each piece are there for the next ones, also after an error or an
//! interrupt.
//!
//! A function keeps no note of the cell that it was written in, only a line. So each cell is
//! compiled behind as many blank lines as make its own lines unique in the session; from a line,
//! the session then knows the cell. Imports, and constants as `global::NAME` has them, belong to a
//! single run in rhai: they are repeated on the first line, before the blank ones.

mod complete;
mod save;

use rhai::{AST, ASTNode, Dynamic, Expr, Scope, Stmt};

use super::engine::Program;
use super::failure::{Diagnostic, Failure};
use super::places::SOURCE;
use super::wording::{failure_of, syntax};
use super::{net, rewrite};
use crate::error::Error;
use crate::formats::write_atomically;
use crate::interrupt;

pub use complete::is_complete;

/// rhai counts lines up to here. What comes then takes the numbers of the oldest cells again.
const MOST_LINES: usize = 65_000;

/// A session that takes a script piece by piece.
pub struct Cells {
    /// The engine, and what its scripts share.
    pub program: Program,
    kind: &'static str,
    scope: Scope<'static>,
    functions: AST,
    imports: Vec<Import>,
    ran: Vec<save::Ran>,
    count: usize,
    next_line: usize,
}

/// What a cell gave.
pub struct Outcome {
    /// Its last value; `()` where a semicolon ends it.
    pub value: Dynamic,
    /// What it is called: `entry #3`.
    pub label: String,
}

/// A variable of the session.
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, as users know it.
    pub kind: String,
    /// Whether it is a constant.
    pub constant: bool,
    /// Its value.
    pub value: Dynamic,
}

#[derive(Clone, PartialEq)]
struct Import {
    path: String,
    name: String,
}

impl Import {
    fn text(&self) -> String {
        format!("import {:?} as {};", self.path, self.name)
    }
}

impl Cells {
    /// A session whose pieces are called `entry #1`, `cell #1`, … after `kind`.
    pub fn new(program: Program, kind: &'static str) -> Cells {
        Cells {
            program,
            kind,
            scope: Scope::new(),
            functions: AST::empty(),
            imports: Vec::new(),
            ran: Vec::new(),
            count: 0,
            next_line: 2,
        }
    }

    /// Runs the next piece. After an error, what it did before stays, and so do all variables.
    pub fn run(&mut self, text: &str) -> Result<Outcome, Diagnostic> {
        self.count += 1;
        let label = format!("{} #{}", self.kind, self.count);
        self.run_as(&label, text)
    }

    /// The same under a name of its own: that of a file, say.
    pub fn run_as(&mut self, label: &str, text: &str) -> Result<Outcome, Diagnostic> {
        interrupt::clear();
        let first = self.place(label, text)?;
        let placed = self.behind_lines(text, first);
        let compiled = rewrite::compile(self.program.engine(), &placed, &self.scope);
        let (own, moves) =
            compiled.map_err(|e| self.program.render(label, syntax(e, SOURCE, &placed)))?;
        let lines = first..first + text.lines().count().max(1);
        self.program.session.add_moves_of_cell(lines, moves);
        let known = self.scope.iter_raw().map(|(name, ..)| name.to_owned());
        self.program.session.set_variables(known.collect());
        let mut ast = self.functions.merge(&own);
        ast.set_source(SOURCE);
        let (program, scope) = (&self.program, &mut self.scope);
        let caught = net::catch("jemscript", || program.eval(&ast, scope));
        let outcome = match caught {
            Ok(Ok(value)) => {
                let value = if complete::is_quiet(text) {
                    Dynamic::UNIT
                } else {
                    value
                };
                Ok(Outcome {
                    value,
                    label: label.to_owned(),
                })
            }
            Ok(Err(error)) => Err(self.program.render(label, failure_of(&error, Some(SOURCE)))),
            Err(panic) => Err(self.program.render(label, Failure::new(panic))),
        };
        self.functions = ast.clone_functions_only();
        self.keep_imports(&own, outcome.is_ok());
        self.drop_shadowed();
        let failed = outcome.as_ref().err().map(|d| d.error.message().to_owned());
        let session = &self.program.session;
        let written = |line, column| session.column(SOURCE, line, column);
        self.ran
            .push(save::Ran::new(label, text, first, &own, written, failed));
        outcome
    }

    /// The value of an expression, which leaves no trace in the session: its variables stay as they
    /// are, and it is no part of the session's script.
    pub fn peek(&mut self, text: &str) -> Result<Dynamic, Diagnostic> {
        let (scope, imports, functions) = (
            self.scope.clone(),
            self.imports.clone(),
            self.functions.clone(),
        );
        let ran = self.ran.len();
        let outcome = self.run_as("expression", text);
        (self.scope, self.imports, self.functions) = (scope, imports, functions);
        self.ran.truncate(ran);
        outcome.map(|o| o.value)
    }

    /// Whether a text is a whole piece: all brackets, strings and comments are closed.
    pub fn is_complete(&self, text: &str) -> bool {
        is_complete(text)
    }

    /// Whether a text follows the grammar.
    pub fn parses(&self, text: &str) -> bool {
        use rhai::ParseErrorType::{ModuleUndefined, VariableUndefined};
        let placed = self.behind_lines(text, 2);
        match rewrite::compile(self.program.engine(), &placed, &self.scope) {
            Ok(_) => true,
            Err(error) => matches!(error.err_type(), VariableUndefined(_) | ModuleUndefined(_)),
        }
    }

    /// The variables, oldest first.
    pub fn variables(&self) -> Vec<Variable> {
        let mut all: Vec<Variable> = self
            .scope
            .iter_raw()
            .map(|(name, constant, value)| {
                let value = value.flatten_clone();
                let kind = super::types::type_name(value.type_name());
                Variable {
                    name: name.to_owned(),
                    kind,
                    constant,
                    value,
                }
            })
            .collect();
        all.reverse();
        all
    }

    /// The names that the session has made: variables, functions, imports.
    pub fn names(&self) -> Vec<String> {
        let functions = self
            .functions
            .iter_functions()
            .map(|f| f.name.to_owned())
            .filter(|n| !n.starts_with("anon$"));
        let variables = self.scope.iter_raw().map(|(name, ..)| name.to_owned());
        let mut all: Vec<String> = variables
            .chain(functions)
            .chain(self.imports.iter().map(|i| i.name.clone()))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// Gives the next pieces a variable.
    pub fn set(&mut self, name: &str, value: Dynamic) {
        self.scope.push_dynamic(name.to_owned(), value);
        self.drop_shadowed();
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<Dynamic> {
        self.scope.get(name).map(Dynamic::flatten_clone)
    }

    /// The session as one script. What failed stands in it as a comment.
    pub fn script(&self) -> String {
        save::script(&self.ran)
    }

    /// Keeps the session as a script of this name in its run folder, if it wrote something there.
    pub fn close(&self, file: &str) -> crate::Result<()> {
        let session = &self.program.session;
        let run = session.run();
        let Some(folder) = run.folder() else {
            return Ok(());
        };
        for (import, text) in session.imports() {
            run.add_file(&import, &text)?;
        }
        write_atomically(&folder.join(file), self.script().as_bytes())?;
        run.finish("finished", None)
    }

    /// How many pieces ran.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Gives a piece its lines; the same text again has the lines that it had.
    fn place(&mut self, label: &str, text: &str) -> Result<usize, Diagnostic> {
        let session = &self.program.session;
        session.add_source(label, text);
        if let Some(first) = session.again(label, text) {
            return Ok(first);
        }
        let lines = text.lines().count().max(1);
        if lines > MOST_LINES {
            let error = Error::argument(format!(
                "{label} has {lines} lines; a session takes at most {MOST_LINES}"
            ));
            return Err(self.program.plain(label, error));
        }
        if self.next_line + lines > MOST_LINES {
            self.next_line = 2;
        }
        let first = self.next_line;
        self.next_line += lines;
        session.add_cell(label, text, first);
        Ok(first)
    }

    fn behind_lines(&self, text: &str, first: usize) -> String {
        let imports = self.imports.iter().map(Import::text);
        let constants = self
            .scope
            .iter_raw()
            .filter(|(_, constant, _)| *constant)
            .map(|(name, ..)| format!("const {name}={name};"));
        let before: String = imports.chain(constants).collect();
        format!("{before}{}{text}", "\n".repeat(first - 1))
    }

    /// Notes what a piece imported for the next ones; after an error only what can be had.
    fn keep_imports(&mut self, ast: &AST, well: bool) {
        let mut found = Vec::new();
        ast.walk(&mut |path: &[ASTNode]| {
            // An import inside a block ends with it.
            if let [ASTNode::Stmt(Stmt::Import(parts, _))] = path
                && let (Expr::StringConstant(file, _), name) = &**parts
            {
                found.push(Import {
                    path: file.to_string(),
                    name: name.name.to_string(),
                });
            }
            true
        });
        for import in found.into_iter().filter(|i| !i.name.is_empty()) {
            let there = well
                || self
                    .program
                    .engine()
                    .compile(import.text())
                    .is_ok_and(|mut ast| {
                        ast.set_source(SOURCE);
                        self.program.eval(&ast, &mut Scope::new()).is_ok()
                    });
            if there {
                self.imports.retain(|i| i.name != import.name);
                self.imports.push(import);
            }
        }
    }

    /// Lets go of values whose names have been given to others: they may be large.
    fn drop_shadowed(&mut self) {
        let mut kept: Vec<(String, Dynamic)> = Vec::with_capacity(self.scope.len());
        for (name, value, _) in std::mem::take(&mut self.scope) {
            match kept.iter_mut().find(|(n, _)| *n == name) {
                Some(older) => older.1 = value,
                None => kept.push((name, value)),
            }
        }
        for (name, value) in kept {
            self.scope.push_dynamic(name, value);
        }
    }
}
