//! The walk over a script: which variables there are, what types are known, and what can never be
//! reached.

use rhai::{ASTFlags, BinaryExpr, Expr, FnCallExpr, Position, Stmt};

use super::facts::Facts;
use super::files::{File, Files, Function};
use super::library::{Kind, Library};
use super::lost::lost;
use super::options::closure;
use super::{Finding, Severity};
use crate::error::{Error, ErrorKind, nearest};
use crate::script::caught;
use crate::script::habits;
use crate::script::names::variable_not_found;

/// A variable in scope.
struct Variable {
    name: String,
    kind: Kind,
    /// The literal map that it starts as.
    map: Option<Expr>,
    used: bool,
    /// Where it was declared, if it holds a `param`.
    param: Option<Position>,
}

/// One walk over one script.
pub struct Walk<'a> {
    pub file: &'a File,
    pub files: &'a Files,
    pub known: &'a Library,
    pub facts: &'a Facts,
    findings: Vec<Finding>,
    scopes: Vec<Vec<Variable>>,
    /// How many `try` blocks are around.
    tried: usize,
    /// The `param` names met.
    params: Vec<String>,
    /// Whether the walk is in a `fn`, which sees no variables from outside.
    inside_fn: bool,
}

impl<'a> Walk<'a> {
    /// A walk that has not begun.
    pub fn new(file: &'a File, files: &'a Files, known: &'a Library, facts: &'a Facts) -> Walk<'a> {
        Walk {
            file,
            files,
            known,
            facts,
            findings: Vec::new(),
            scopes: Vec::new(),
            tried: 0,
            params: Vec::new(),
            inside_fn: false,
        }
    }

    /// All findings.
    pub fn run(mut self) -> Vec<Finding> {
        self.block(self.file.ast.statements());
        self.inside_fn = true;
        for function in &self.file.functions {
            self.function(function, &[]);
        }
        for (at, error) in lost(&self.file.functions) {
            self.warning(at, error);
        }
        // Whatever the walk made of it, the script does not compile.
        if let Some((at, error)) = &self.file.undefined {
            let known =
                |f: &Finding| f.severity == Severity::Error && f.line == at.line().unwrap_or(0);
            if !self.findings.iter().any(known) {
                self.findings.push(Finding::new(
                    Severity::Error,
                    &self.file.name,
                    *at,
                    error.clone(),
                ));
            }
        }
        self.findings
    }

    /// Notes an error; in a `try` it may be meant, and is a warning.
    pub fn error(&mut self, at: Position, error: Error) {
        let severity = if self.tried > 0 {
            Severity::Warning
        } else {
            Severity::Error
        };
        self.findings
            .push(Finding::new(severity, &self.file.name, at, error));
    }

    /// Notes an error that keeps the script from starting at all.
    pub fn fatal(&mut self, at: Position, error: Error) {
        self.findings
            .push(Finding::new(Severity::Error, &self.file.name, at, error));
    }

    /// Notes a warning.
    pub fn warning(&mut self, at: Position, error: Error) {
        self.findings
            .push(Finding::new(Severity::Warning, &self.file.name, at, error));
    }

    /// A body with nothing in scope but its parameters; `kinds` are the types of the first.
    fn function(&mut self, function: &Function, kinds: &[Kind]) {
        let outer = std::mem::take(&mut self.scopes);
        let tried = std::mem::take(&mut self.tried);
        self.scopes.push(Vec::new());
        for (i, name) in function.params.iter().enumerate() {
            self.declare(name, kinds.get(i).copied().flatten(), None);
        }
        self.block(&function.body);
        if let Some(Stmt::TryCatch(x, at)) = function.body.last()
            && gives_value(x.body.statements())
            && gives_value(x.branch.statements())
        {
            let error = Error::argument(
                "the value at the end of a `catch` is dropped: the function gives () there",
            );
            self.warning(*at, error.with_hint("write `return …;` in the `catch`"));
        }
        self.scopes = outer;
        self.tried = tried;
    }

    fn declare(&mut self, name: &str, kind: Kind, param: Option<Position>) {
        let changes = self.facts.replaced || self.facts.assigned.contains(name);
        let kind = kind.filter(|_| !changes);
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(Variable {
                name: name.to_owned(),
                kind,
                map: None,
                used: false,
                param,
            });
        }
    }

    fn block(&mut self, statements: &[Stmt]) {
        self.scopes.push(Vec::new());
        let mut ended: Option<&str> = None;
        for statement in statements {
            if let Some(word) = ended
                && !matches!(statement, Stmt::Noop(_) | Stmt::Share(..))
            {
                let error =
                    Error::state(format!("this is never reached: it stands behind `{word}`"));
                self.warning(statement.position(), error);
                ended = None;
            }
            self.statement(statement);
            match statement {
                thrown if caught::throws(thrown) => ended = Some("throw"),
                Stmt::Return(..) => ended = Some("return"),
                Stmt::BreakLoop(_, flags, _) => {
                    ended = Some(if flags.intersects(ASTFlags::BREAK) {
                        "break"
                    } else {
                        "continue"
                    });
                }
                _ => {}
            }
        }
        for v in self.scopes.pop().into_iter().flatten() {
            if let (Some(at), false) = (v.param, v.used || v.name.starts_with('_')) {
                let error = Error::state(format!("the parameter `{}` is never used", v.name));
                self.warning(
                    at,
                    error.with_hint("use it, or take it out: whoever sets it expects an effect"),
                );
            }
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Var(x, flags, at) => {
                let kind = self.expression(&x.1);
                let param = matches!(&x.1, Expr::FnCall(c, _) if c.name == "param" && c.namespace.path.is_empty());
                let exported = flags.intersects(ASTFlags::EXPORTED);
                let at = if x.0.pos.is_none() { *at } else { x.0.pos };
                self.declare(&x.0.name, kind, (param && !exported).then_some(at));
                if matches!(x.1, Expr::Map(..))
                    && !self.facts.replaced
                    && !self.facts.emptied.contains(x.0.name.as_str())
                    && let Some(variable) = self.scopes.last_mut().and_then(|s| s.last_mut())
                {
                    variable.map = Some(x.1.clone());
                }
            }
            Stmt::Assignment(x) => {
                self.expression(&x.1.rhs);
                self.target(&x.1.lhs);
            }
            Stmt::FnCall(x, at) => {
                self.call(x, *at);
            }
            Stmt::Expr(e) => {
                self.expression(e);
            }
            Stmt::Block(b) => self.block(b.statements()),
            Stmt::If(x, _) => {
                self.expression(&x.expr);
                self.block(x.body.statements());
                self.block(x.branch.statements());
            }
            Stmt::Switch(x, _) => {
                self.expression(&x.0);
                for case in &x.1.expressions {
                    self.expression(&case.lhs);
                    self.expression(&case.rhs);
                }
            }
            Stmt::While(x, _) | Stmt::Do(x, ..) => {
                self.expression(&x.expr);
                self.block(x.body.statements());
            }
            Stmt::For(x, _) => {
                self.expression(&x.2.expr);
                if let (Some(counter), Expr::FnCall(call, at)) = (&x.1, &x.2.expr)
                    && call.name == "zip"
                {
                    let error = Error::argument(format!("`{}` counts here", counter.name));
                    let (pair, index) = (&x.0.name, &counter.name);
                    let hint =
                        format!("pairs are taken apart by `for [{pair}, {index}] in zip(…)`");
                    self.warning(*at, error.with_hint(hint));
                }
                self.scopes.push(Vec::new());
                self.declare(&x.0.name, None, None);
                if let Some(counter) = &x.1 {
                    self.declare(&counter.name, Some("int"), None);
                }
                self.block(x.2.body.statements());
                self.scopes.pop();
            }
            Stmt::TryCatch(x, _) => {
                self.tried += 1;
                self.block(x.body.statements());
                self.tried -= 1;
                self.scopes.push(Vec::new());
                if let Expr::Variable(v, ..) = &x.expr {
                    self.declare(&v.1, None, None);
                }
                self.block(x.branch.statements());
                self.scopes.pop();
            }
            Stmt::BreakLoop(Some(e), ..) | Stmt::Return(Some(e), ..) => {
                self.expression(e);
            }
            Stmt::Export(x, _) => {
                self.variable(&x.0.name, x.0.pos);
            }
            Stmt::Import(x, _) => {
                self.expression(&x.0);
            }
            _ => {}
        }
    }

    /// The type of an expression, after a look at all its parts.
    pub fn expression(&mut self, e: &Expr) -> Kind {
        self.expression_given(e, &[])
    }

    /// The same; a closure is called with arguments of these types.
    pub fn expression_given(&mut self, e: &Expr, given: &[Kind]) -> Kind {
        if let Some((name, captured)) = closure(e) {
            let captured: Vec<Kind> = captured.iter().map(|c| self.expression(c)).collect();
            let kinds = [&captured, given].concat();
            if let Some(body) = self.file.closures.get(&name) {
                // What runs later is not guarded by a `try` around its making; but the walk is
                // about the line.
                let tried = self.tried;
                let scopes = std::mem::take(&mut self.scopes);
                self.function(body, &kinds);
                self.scopes = scopes;
                self.tried = tried;
            }
            return Some("function");
        }
        match e {
            Expr::BoolConstant(..) => Some("bool"),
            Expr::IntegerConstant(..) => Some("int"),
            Expr::FloatConstant(..) => Some("float"),
            Expr::StringConstant(..) => Some("string"),
            Expr::InterpolatedString(parts, _) => {
                parts.iter().for_each(|p| _ = self.expression(p));
                Some("string")
            }
            Expr::Array(parts, _) => {
                parts.iter().for_each(|p| _ = self.expression(p));
                Some("array")
            }
            Expr::Map(x, _) => {
                x.0.iter().for_each(|(_, value)| _ = self.expression(value));
                Some("map")
            }
            Expr::Variable(x, _, at) if x.2.path.is_empty() => self.variable(&x.1, *at),
            Expr::Variable(x, _, at) => {
                self.qualified_variable(&x.2, &x.1, *at);
                None
            }
            Expr::FnCall(x, at) => self.call(x, *at),
            Expr::Dot(x, flags, _) => {
                let receiver = self.expression(&x.lhs);
                self.chain(true, *flags, x, receiver)
            }
            Expr::Index(x, flags, _) => {
                let receiver = self.expression(&x.lhs);
                self.chain(false, *flags, x, receiver)
            }
            Expr::And(x, _) | Expr::Or(x, _) => {
                x.iter().for_each(|p| _ = self.expression(p));
                Some("bool")
            }
            Expr::Coalesce(x, _) => {
                x.iter().for_each(|p| _ = self.expression(p));
                None
            }
            Expr::Stmt(block) => {
                self.block(block.statements());
                None
            }
            // `throw`, which gives nothing.
            Expr::Custom(x, _) => {
                x.inputs.iter().for_each(|p| _ = self.expression(p));
                None
            }
            _ => None,
        }
    }

    /// `a.b.c(d)[e]`, which rhai keeps as `a . (b . (c(d) [ e ]))`.
    fn chain(&mut self, dot: bool, flags: ASTFlags, x: &BinaryExpr, receiver: Kind) -> Kind {
        // `a?.b` gives () for (), whatever `b` is.
        let open = flags.intersects(ASTFlags::NEGATED);
        if open && receiver.is_none() {
            self.parts(&x.rhs);
            return None;
        }
        match &x.rhs {
            Expr::Dot(next, f, _) | Expr::Index(next, f, _)
                if !flags.intersects(ASTFlags::BREAK) =>
            {
                let then_dot = matches!(x.rhs, Expr::Dot(..));
                let kind = self.member(dot, &next.lhs, receiver);
                self.chain(then_dot, *f, next, kind.filter(|_| !open))
            }
            last => self.member(dot, last, receiver).filter(|_| !open),
        }
    }

    /// Only what stands inside the members of a chain.
    fn parts(&mut self, e: &Expr) {
        match e {
            Expr::Property(..) => {}
            Expr::MethodCall(x, _) => x.args.iter().for_each(|a| _ = self.expression(a)),
            Expr::Dot(x, ..) | Expr::Index(x, ..) => {
                self.parts(&x.lhs);
                self.parts(&x.rhs);
            }
            other => _ = self.expression(other),
        }
    }

    fn member(&mut self, dot: bool, e: &Expr, receiver: Kind) -> Kind {
        match e {
            Expr::Property(p, at) if dot => self.property(&p.2, receiver, *at),
            Expr::MethodCall(x, at) if dot => self.method(x, receiver, *at),
            index => {
                self.expression(index);
                None
            }
        }
    }

    /// What is assigned to: the last property of a chain is written, not read.
    fn target(&mut self, e: &Expr) {
        match e {
            Expr::Variable(x, _, at) if x.2.path.is_empty() => self.assigned(&x.1, *at),
            Expr::Dot(x, flags, _) => {
                let receiver = self.expression(&x.lhs);
                self.target_chain(true, *flags, x, receiver);
            }
            Expr::Index(x, flags, _) => {
                let receiver = self.expression(&x.lhs);
                self.target_chain(false, *flags, x, receiver);
            }
            other => _ = self.expression(other),
        }
    }

    fn target_chain(&mut self, dot: bool, flags: ASTFlags, x: &BinaryExpr, receiver: Kind) {
        match &x.rhs {
            Expr::Dot(next, f, _) | Expr::Index(next, f, _)
                if !flags.intersects(ASTFlags::BREAK) =>
            {
                let kind = self.member(dot, &next.lhs, receiver);
                self.target_chain(matches!(x.rhs, Expr::Dot(..)), *f, next, kind);
            }
            Expr::Property(p, at) if dot => self.written(&p.2, receiver, *at),
            last => _ = self.member(dot, last, receiver),
        }
    }

    /// A variable that is read.
    fn variable(&mut self, name: &str, at: Position) -> Kind {
        if let Some(found) = self.find(name) {
            found.used = true;
            return found.kind;
        }
        self.undefined(name, at);
        None
    }

    /// A variable that is written: that is no use of a `param`.
    fn assigned(&mut self, name: &str, at: Position) {
        if self.find(name).is_none() {
            self.undefined(name, at);
        }
    }

    /// The literal map that a variable started as, whose keys it still has, and whether its values
    /// may be others now.
    pub fn map_of(&mut self, name: &str) -> Option<(Expr, bool)> {
        let changed = self.facts.assigned.contains(name) || self.facts.written.contains(name);
        self.find(name)
            .and_then(|v| v.map.clone())
            .map(|map| (map, changed))
    }

    fn find(&mut self, name: &str) -> Option<&mut Variable> {
        self.scopes
            .iter_mut()
            .rev()
            .flat_map(|s| s.iter_mut().rev())
            .find(|v| v.name == name)
    }

    /// Says that a variable does not exist; the compiler must agree that there is such a one.
    fn undefined(&mut self, name: &str, at: Position) {
        if self.file.undefined.is_none() || self.file.functions.iter().any(|f| f.name == name) {
            return;
        }
        let error = variable_not_found(name);
        let there: Vec<String> = self
            .scopes
            .iter()
            .flatten()
            .map(|v| v.name.clone())
            .collect();
        // One letter is near to any other.
        let near = nearest(name, there.iter().map(String::as_str)).filter(|_| name.len() > 1);
        let error = match near {
            Some(near) => Error::new(ErrorKind::Name, error.message()).with_hint(format!("did you mean `{near}`?")),
            None if habits::variable(name).is_some() || self.inside_fn => error,
            None => Error::new(ErrorKind::Name, error.message())
                .with_hint("is its name spelt so, and does it live here? What is declared in `{ … }` ends with it"),
        };
        self.fatal(at, error);
    }

    /// A name that `param` declares.
    pub fn param(&mut self, x: &FnCallExpr) {
        let Some(Expr::StringConstant(name, at)) = x.args.first() else {
            return;
        };
        if self.params.iter().any(|p| p == name.as_str()) {
            let error = Error::argument(format!("the parameter `{name}` is declared twice"));
            self.warning(
                *at,
                error.with_hint("`name=value` on the command line sets both"),
            );
        }
        self.params.push(name.to_string());
    }
}

/// Whether statements end with a value, not with `return` or a statement.
fn gives_value(statements: &[Stmt]) -> bool {
    matches!(statements.last(), Some(Stmt::Expr(_)))
}
