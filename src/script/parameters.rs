//! The parameters that a script and its imports declare, with their defaults and help: for tools.

use std::path::Path;

use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};
use serde_json::json;

use super::check::files::Files;
use super::check::options::literal;
use super::{Diagnostic, Program, Settings, read_script};
use crate::error::Error;
use crate::options::Value;
use crate::run::to_json;

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
