//! Changes that nobody sees: a `fn` gets copies of its arguments, so what it pushes to one of them
//! is gone when it ends.

use rhai::{ASTNode, BinaryExpr, Expr, Position, Stmt};

use super::files::Function;
use crate::error::Error;
use crate::script::reference::{Form, all};

/// Methods of arrays and maps that change them.
const CHANGES: &[&str] = &[
    "push",
    "insert",
    "append",
    "extend",
    "remove",
    "pop",
    "shift",
    "clear",
    "truncate",
    "retain",
    "drain",
    "splice",
    "sort",
    "reverse",
    "pad",
    "mixin",
    "fill_with",
    "set",
];

/// Where functions change arguments that they do not read again.
pub fn lost(functions: &[Function]) -> Vec<(Position, Error)> {
    let mut found = Vec::new();
    for function in functions {
        for parameter in &function.params {
            let (mut changed, mut read) = (None, false);
            for statement in &function.body {
                statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
                    match use_of(path, parameter) {
                        Some(Use::Changed(at)) => changed = changed.or(Some(at)),
                        Some(Use::Read) => read = true,
                        None => {}
                    }
                    true
                });
            }
            if let (Some(at), false) = (changed, read) {
                let name = &function.name;
                let text =
                    format!("`{name}` changes its own copy of `{parameter}`, and nobody sees it");
                let hint = format!(
                    "arguments are copies: end with `{parameter}` and write x = {name}(x, …), or write a closure, which sees outer variables"
                );
                found.push((at, Error::argument(text).with_hint(hint)));
            }
        }
    }
    found
}

enum Use {
    Changed(Position),
    Read,
}

/// How the variable at the end of a path is used, if it is of this name.
fn use_of(path: &[ASTNode], name: &str) -> Option<Use> {
    let [
        before @ ..,
        ASTNode::Expr(own @ Expr::Variable(variable, _, at)),
    ] = path
    else {
        return None;
    };
    if variable.1 != name || !variable.2.path.is_empty() {
        return None;
    }
    let chain = match before.last() {
        Some(ASTNode::Expr(Expr::Dot(x, ..) | Expr::Index(x, ..)))
            if std::ptr::eq(&x.lhs, *own) =>
        {
            x
        }
        _ => return Some(Use::Read),
    };
    let changed = match before.get(before.len().wrapping_sub(2)) {
        Some(ASTNode::Stmt(Stmt::Expr(_))) => changes(chain),
        Some(ASTNode::Stmt(Stmt::Assignment(x))) => is_chain(&x.1.lhs, chain) && !is_setter(chain),
        _ => false,
    };
    Some(if changed {
        Use::Changed(*at)
    } else {
        Use::Read
    })
}

/// `a.push(1)`, but no method of the same name of a type of ours: that one changes the thing itself.
fn changes(chain: &BinaryExpr) -> bool {
    matches!(&chain.rhs, Expr::MethodCall(call, _)
        if CHANGES.contains(&call.name.as_str()) && !of_ours(&call.name, Form::Function))
}

fn of_ours(name: &str, form: Form) -> bool {
    let plain = |kind: &str| matches!(kind, "array" | "map" | "string");
    all()
        .iter()
        .any(|e| e.name == name && e.form == form && e.params.first().is_some_and(|p| !plain(&p.1)))
}

/// A property that some type of ours lets scripts set.
fn is_setter(chain: &BinaryExpr) -> bool {
    matches!(&chain.rhs, Expr::Property(p, _) if of_ours(&p.2, Form::Setter))
}

fn is_chain(e: &Expr, chain: &BinaryExpr) -> bool {
    match e {
        Expr::Dot(x, ..) | Expr::Index(x, ..) => std::ptr::eq(&**x, chain),
        _ => false,
    }
}
