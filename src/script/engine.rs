//! The engine: rhai with the language's modules, types, limits and output.

use std::path::Path;
use std::rc::Rc;

use rhai::{AST, Dynamic, Engine, FnPtr, Module, OptimizationLevel, Position, Scope};

use super::declared::{Declared, declared};
use super::edge;
use super::failure::{Diagnostic, Failure, Frame};
use super::host::{Host, Settings};
use super::limits::{
    MAX_CALL_LEVELS, MAX_ENTRIES, MAX_EXPRESSION_DEPTH, MAX_STRING, on_deep_stack,
};
use super::net;
use super::resolver::Resolver;
use super::text::read_script;
use super::wording::{failure_of, syntax};
use super::{ROOMS, TORCH, TYPES, rewrite, unique};
use crate::display::Rich;
use crate::error::Error;
use crate::interrupt;

/// The language, ready to run scripts.
pub struct Program {
    engine: Rc<Engine>,
    /// What its scripts share.
    pub session: Host,
}

impl Program {
    /// An engine with all modules of the language.
    pub fn new(settings: Settings) -> Program {
        crate::heap::keep();
        net::spread();
        let session = Host::new(settings);
        let mut engine = Engine::new();
        engine
            .set_default_tag(Dynamic::from(session.clone()))
            .set_strict_variables(true)
            .set_fail_on_invalid_map_property(true)
            .set_optimization_level(OptimizationLevel::None)
            .set_max_call_levels(MAX_CALL_LEVELS)
            .set_max_expr_depths(MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_DEPTH)
            .set_max_string_size(MAX_STRING)
            .set_max_array_size(MAX_ENTRIES)
            .set_max_map_size(MAX_ENTRIES)
            .disable_symbol("eval")
            .set_module_resolver(Resolver::new(session.clone()));
        unique::install(&mut engine);
        rewrite::install(&mut engine);
        super::caught::install(&mut engine);
        super::handed::install(&mut engine);
        super::unread::register(&mut engine);
        super::show::register(&mut engine);
        for t in TYPES {
            (t.register)(&mut engine, t.name);
        }
        engine.register_iterator::<crate::params::Parameters>();
        engine.register_fn("to_string", |f: &mut FnPtr| super::show::function(f));
        engine.register_fn("to_debug", |f: &mut FnPtr| super::show::function(f));
        for (i, room) in ROOMS.iter().enumerate() {
            if ROOMS[..i].iter().any(|r| r.name == room.name) {
                continue;
            }
            let pages = ROOMS
                .iter()
                .filter(|r| r.name == room.name)
                .map(|r| r.manifest);
            let module: rhai::Shared<Module> = edge::module(room.name, pages).into();
            if room.name.is_empty() {
                engine.register_global_module(module);
            } else {
                engine.register_static_module(room.name, module);
            }
        }
        engine.register_static_module(TORCH, super::torch::module());
        engine.on_progress(|_| {
            if let Some(most) = crate::heap::exceeded() {
                return Some(Dynamic::from_int(most as i64));
            }
            interrupt::requested().then_some(Dynamic::UNIT)
        });
        let printer = session.clone();
        engine.on_print(move |line| printer.print(line));
        let printer = session.clone();
        engine.on_debug(move |line, source, position| {
            let (source, at) = (source.unwrap_or_default(), position.line().unwrap_or(0));
            let (source, at) = printer
                .cell_of(source, at)
                .unwrap_or_else(|| (source.to_owned(), at));
            let colon = if source.is_empty() { "" } else { ":" };
            printer.print(&format!("[{source}{colon}{at}] {line}"));
        });
        let engine = Rc::new(engine);
        session.bind(&engine);
        Program { engine, session }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles a script under a name. The error is a whole diagnostic.
    pub fn compile(&self, name: &str, text: &str) -> std::result::Result<AST, Diagnostic> {
        self.session.add_source(name, text);
        let (mut ast, moves) = rewrite::compile(&self.engine, text, &Scope::new())
            .map_err(|e| self.render(name, syntax(e, name, text)))?;
        self.session.add_moves(name, moves);
        ast.set_source(name);
        Ok(ast)
    }

    /// The parameters that a script declares.
    pub fn declared_parameters(&self, ast: &AST) -> Declared {
        declared(ast)
    }

    /// Runs a compiled script in a scope; gives its last value.
    pub fn run(
        &self,
        name: &str,
        ast: &AST,
        scope: &mut Scope,
    ) -> std::result::Result<Dynamic, Diagnostic> {
        self.eval(ast, scope).map_err(|e| self.diagnostic(name, &e))
    }

    /// Runs a compiled script on a stack of its own.
    pub(super) fn eval(
        &self,
        ast: &AST,
        scope: &mut Scope,
    ) -> std::result::Result<Dynamic, Box<rhai::EvalAltResult>> {
        on_deep_stack(|| self.engine.eval_ast_with_scope::<Dynamic>(scope, ast))
    }

    /// Compiles and runs a script.
    pub fn run_text(&self, name: &str, text: &str) -> std::result::Result<Dynamic, Diagnostic> {
        let ast = self.compile(name, text)?;
        self.run(name, &ast, &mut Scope::new())
    }

    /// Reads, compiles and runs a file.
    pub fn run_file(&self, path: &Path) -> std::result::Result<Dynamic, Diagnostic> {
        let text = read_script(path).map_err(|e| self.plain(&path.display().to_string(), e))?;
        self.run_text(&path.display().to_string(), &text)
    }

    /// An error without a place in a script.
    pub fn plain(&self, name: &str, error: Error) -> Diagnostic {
        Diagnostic {
            text: Failure::new(error.clone()).render(name, &|_| None),
            error,
        }
    }

    fn diagnostic(&self, name: &str, error: &rhai::EvalAltResult) -> Diagnostic {
        self.render(name, failure_of(error, Some(name)))
    }

    /// A failure as users see it; `name` is what ran.
    pub(super) fn render(&self, name: &str, mut failure: Failure) -> Diagnostic {
        failure.move_columns(|source, line, column| {
            self.session.column(source.unwrap_or(name), line, column)
        });
        if let (None, Some(method)) = (&failure.at, &failure.method)
            && let Some((line, column)) = self
                .session
                .source(name)
                .and_then(|text| rewrite::place_of_own_use(&text, method))
            && let (Ok(line), Ok(column)) = (u16::try_from(line), u16::try_from(column))
        {
            failure.at = Some(Frame::new("", None, Position::new(line, column)));
        }
        failure.move_places(|source, line| self.session.cell_of(source, line));
        let text = failure.render(name, &|source| self.session.source(source));
        Diagnostic {
            text,
            error: failure.error,
        }
    }

    /// The value as it prints, or nothing for `()`.
    pub fn show(&self, value: &Dynamic) -> Option<String> {
        if value.is_unit() {
            return None;
        }
        Some(super::show::text(&self.engine, value))
    }

    /// The value in its richest form, or nothing for `()`.
    pub fn rich(&self, value: &Dynamic) -> Option<Rich> {
        (!value.is_unit()).then(|| super::show::rich(&self.engine, value))
    }
}
