//! What is true of all scripts of a check at once: the keys that maps can have, and which variables change.

use std::collections::HashSet;

use rhai::{ASTFlags, ASTNode, BinaryExpr, Expr, FnCallExpr, Stmt};

use super::files::Files;
use crate::script::reference::{Form, all};

/// Facts about all scripts.
pub struct Facts {
    /// Every key that a map can have by its text: of literals, of assignments, and all strings.
    pub keys: HashSet<String>,
    /// Whether maps may have other keys: made while running, or by the library.
    pub open_keys: bool,
    /// Variables that are assigned to after their declaration.
    pub assigned: HashSet<String>,
    /// Whether some function changes what it is called on to something else.
    pub replaced: bool,
}

impl Facts {
    /// Gathers them.
    pub fn of(files: &Files) -> Facts {
        // The maps that the library itself makes.
        let keys = crate::train::Rollback::KEYS.map(str::to_owned).into();
        let mut facts = Facts { keys, open_keys: false, assigned: HashSet::new(), replaced: false };
        for file in &files.all {
            file.ast.walk(&mut |path: &[ASTNode]| {
                match path.last() {
                    Some(ASTNode::Expr(e)) => facts.expression(e),
                    Some(ASTNode::Stmt(s)) => facts.statement(s),
                    _ => {}
                }
                true
            });
        }
        facts
    }

    fn expression(&mut self, e: &Expr) {
        match e {
            Expr::StringConstant(text, _) => {
                self.keys.insert(text.to_string());
            }
            Expr::Map(x, _) => self.keys.extend(x.0.iter().map(|(key, _)| key.name.to_string())),
            Expr::FnCall(x, _) | Expr::MethodCall(x, _) => self.call(x),
            Expr::DynamicConstant(..) | Expr::Variable(..) => {}
            _ => {}
        }
    }

    fn statement(&mut self, s: &Stmt) {
        match s {
            Stmt::FnCall(x, _) => self.call(x),
            Stmt::Assignment(x) => match &x.1.lhs {
                Expr::Variable(v, ..) => {
                    self.assigned.insert(v.1.to_string());
                }
                Expr::ThisPtr(_) => self.replaced = true,
                Expr::Dot(x, flags, _) => self.target(true, *flags, x),
                Expr::Index(x, flags, _) => self.target(false, *flags, x),
                _ => {}
            },
            _ => {}
        }
    }

    /// The last property or index of what is assigned to.
    fn target(&mut self, dot: bool, flags: ASTFlags, x: &BinaryExpr) {
        match &x.rhs {
            Expr::Dot(next, f, _) if !flags.intersects(ASTFlags::BREAK) => self.target(true, *f, next),
            Expr::Index(next, f, _) if !flags.intersects(ASTFlags::BREAK) => self.target(false, *f, next),
            Expr::Property(p, _) if dot => {
                self.keys.insert(p.2.to_string());
            }
            Expr::StringConstant(..) | Expr::IntegerConstant(..) => {}
            _ => self.open_keys = true,
        }
    }

    /// Calls that make keys, and those that change a variable given to them.
    fn call(&mut self, x: &FnCallExpr) {
        let name = x.name.as_str();
        if matches!(name, "set" | "parse_json" | "mixin" | "fill_with") {
            self.open_keys |= name != "mixin" && name != "fill_with";
        }
        self.replaced |= matches!(name, "take" | "swap");
        let maps = |e: &&crate::script::reference::Entry| {
            e.name == name && e.form == Form::Function && matches!(e.returns.as_str(), "map" | "any") && name != "param"
        };
        self.open_keys |= all().iter().any(|e| maps(&e));
    }
}
