//! The parameters that a script declares, found without running it.

use std::path::Path;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use serde_json::json;

use super::check::files::Files;
use super::check::options::literal;
use super::{Diagnostic, Program, Settings, read_script};
use crate::error::Error;
use crate::options::Value;
use crate::run::to_json;

/// What a script declares.
pub struct Declared {
    /// The names of its `param(…)` calls, in order.
    pub names: Vec<String>,
    /// Whether there may be more: it imports other scripts, or makes names up.
    pub open: bool,
    /// Those whose default is a float, as far as the script's text says so.
    pub floats: Vec<String>,
    /// Those whose default is a whole number.
    pub whole: Vec<String>,
}

/// Finds all `param("name", …)` in a script.
pub fn declared(ast: &AST) -> Declared {
    let mut found = Declared {
        names: Vec::new(),
        open: false,
        floats: Vec::new(),
        whole: Vec::new(),
    };
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)))
                if call.name == "param" =>
            {
                match call.args.first() {
                    Some(Expr::StringConstant(name, _)) => {
                        found.names.push(name.to_string());
                        match call.args.get(1).map(is_float) {
                            Some(Some(true)) => found.floats.push(name.to_string()),
                            Some(Some(false)) => found.whole.push(name.to_string()),
                            _ => {}
                        }
                    }
                    _ => found.open = true,
                }
            }
            Some(ASTNode::Stmt(Stmt::Import(..))) => found.open = true,
            _ => {}
        }
        true
    });
    found
}

/// Whether arithmetic with numbers gives a float, or a whole number; `None` where only a run can
/// tell.
fn is_float(e: &Expr) -> Option<bool> {
    match e {
        Expr::FloatConstant(..) => Some(true),
        Expr::IntegerConstant(..) => Some(false),
        Expr::FnCall(call, _) if ["+", "-", "*", "/", "**", "%"].contains(&call.name.as_str()) => {
            call.args
                .iter()
                .map(is_float)
                .try_fold(false, |any, one| Some(any | one?))
        }
        _ => None,
    }
}

/// A `param(…)` call as it is written.
#[derive(Clone)]
pub struct Written {
    /// The script it is in.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// The name.
    pub name: String,
    /// The default; `None` where it is computed.
    pub default: Option<Value>,
    /// What it means; empty without a help text.
    pub help: String,
}

impl Written {
    /// `int`, `float`, …; `computed` where only a run can tell.
    pub fn kind(&self) -> &'static str {
        self.default.as_ref().map_or("computed", Value::type_name)
    }

    /// The default as it is written in a script.
    pub fn shown_default(&self) -> String {
        self.default
            .as_ref()
            .map_or_else(|| "…".to_owned(), ToString::to_string)
    }

    /// One object: `name`, `type`, `default` (null where it is computed), `help`, `file`, `line`.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "type": self.kind(),
            "default": self.default.as_ref().map(to_json),
            "help": self.help,
            "file": self.file,
            "line": self.line,
        })
    }
}

/// All parameters of a script and of what it imports, in the order in which they are written, each
/// name once.
pub fn written(program: &Program, name: &str, text: &str) -> Result<Vec<Written>, Diagnostic> {
    let (files, mut wrong) = Files::load(program, name, text);
    if files.all.is_empty() && !wrong.is_empty() {
        let mut first = wrong.swap_remove(0);
        first.set_source(text);
        return Err(Diagnostic {
            text: first.render(),
            error: first.error,
        });
    }
    let mut found: Vec<Written> = Vec::new();
    for file in &files.all {
        let mut here = Vec::new();
        file.ast.walk(&mut |path: &[ASTNode]| {
            if let Some(
                ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)),
            ) = path.last()
            {
                here.extend(of_call(&file.name, call, *at));
            }
            true
        });
        here.sort_by_key(|(at, _)| (at.line(), at.position()));
        for (_, w) in here {
            if !found.iter().any(|f| f.name == w.name) {
                found.push(w);
            }
        }
    }
    Ok(found)
}

fn of_call(file: &str, call: &FnCallExpr, at: Position) -> Option<(Position, Written)> {
    if call.name != "param" || !call.namespace.path.is_empty() {
        return None;
    }
    let text = |i: usize| match call.args.get(i) {
        Some(Expr::StringConstant(text, _)) => Some(text.to_string()),
        _ => None,
    };
    let written = Written {
        file: file.to_owned(),
        line: at.line().unwrap_or(0),
        name: text(0)?,
        default: call.args.get(1).and_then(literal),
        help: text(2).unwrap_or_default(),
    };
    Some((at, written))
}

/// The parameters of a script's file.
pub fn of_file(path: &Path) -> Result<Vec<Written>, Diagnostic> {
    let bare = |error: Error| Diagnostic {
        text: format!("error: {error}"),
        error,
    };
    let text = read_script(path).map_err(bare)?;
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let program = Program::new(Settings {
        folder: folder.to_path_buf(),
        ..Settings::default()
    });
    written(&program, &path.display().to_string(), &text)
}
