//! The names of the parameters that a script declares, found without running it.

use rhai::{AST, ASTNode, Expr, Stmt};

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
