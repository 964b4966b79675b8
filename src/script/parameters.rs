//! The parameters that a script declares, found without running it.

use rhai::{AST, ASTNode, Expr, Stmt};

/// What a script declares.
pub struct Declared {
    /// The names of its `param(…)` calls, in order.
    pub names: Vec<String>,
    /// Whether there may be more: it imports other scripts, or makes names up.
    pub open: bool,
}

/// Finds all `param("name", …)` in a script.
pub fn declared(ast: &AST) -> Declared {
    let mut found = Declared { names: Vec::new(), open: false };
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)))
                if call.name == "param" =>
            {
                match call.args.first() {
                    Some(Expr::StringConstant(name, _)) => found.names.push(name.to_string()),
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
