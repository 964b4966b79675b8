//! What is true of all scripts of a check at once: the keys that maps can have, and which variables
//! change.

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
    /// Variables that a plain `=` sets anew, or of which a method may take away keys.
    pub emptied: HashSet<String>,
    /// Variables of which some part is assigned to.
    pub written: HashSet<String>,
    /// Whether some function changes what it is called on to something else.
    pub replaced: bool,
}

impl Facts {
    /// Gathers them.
    pub fn of(files: &Files) -> Facts {
        // The maps that the library itself makes.
        let keys = crate::train::Rollback::KEYS.map(str::to_owned).into();
        let mut facts = Facts {
            keys,
            open_keys: false,
            assigned: HashSet::new(),
            emptied: HashSet::new(),
            written: HashSet::new(),
            replaced: false,
        };
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
            Expr::Map(x, _) => self
                .keys
                .extend(x.0.iter().map(|(key, _)| key.name.to_string())),
            Expr::FnCall(x, _) | Expr::MethodCall(x, _) => self.call(x),
            // A method may take keys away; a value that is shared with a closure is the same
            // variable by name.
            Expr::Dot(x, ..) => {
                if let (Expr::Variable(v, ..), false) = (&x.lhs, reads(&x.rhs)) {
                    self.emptied.insert(v.1.to_string());
                }
            }
            _ => {}
        }
    }

    fn statement(&mut self, s: &Stmt) {
        match s {
            Stmt::FnCall(x, _) => self.call(x),
            Stmt::Assignment(x) => match &x.1.lhs {
                Expr::Variable(v, ..) => {
                    self.assigned.insert(v.1.to_string());
                    if !x.0.is_op_assignment() {
                        self.emptied.insert(v.1.to_string());
                    }
                }
                Expr::ThisPtr(_) => self.replaced = true,
                Expr::Dot(x, flags, _) => {
                    self.part(&x.lhs);
                    self.target(true, *flags, x);
                }
                Expr::Index(x, flags, _) => {
                    self.part(&x.lhs);
                    self.target(false, *flags, x);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn part(&mut self, root: &Expr) {
        if let Expr::Variable(v, ..) = root {
            self.written.insert(v.1.to_string());
        }
    }

    /// The last property or index of what is assigned to.
    fn target(&mut self, dot: bool, flags: ASTFlags, x: &BinaryExpr) {
        match &x.rhs {
            Expr::Dot(next, f, _) if !flags.intersects(ASTFlags::BREAK) => {
                self.target(true, *f, next)
            }
            Expr::Index(next, f, _) if !flags.intersects(ASTFlags::BREAK) => {
                self.target(false, *f, next)
            }
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
            e.name == name
                && e.form == Form::Function
                && matches!(e.returns.as_str(), "map" | "any")
                && name != "param"
        };
        self.open_keys |= all().iter().any(|e| maps(&e));
    }
}

/// Whether the first member of a chain leaves the keys of a map as they are.
fn reads(member: &Expr) -> bool {
    match member {
        Expr::Property(..) => true,
        Expr::MethodCall(x, _) => {
            matches!(
                x.name.as_str(),
                "keys" | "values" | "len" | "contains" | "to_string" | "get"
            )
        }
        Expr::Dot(x, ..) | Expr::Index(x, ..) => reads(&x.lhs),
        _ => false,
    }
}
