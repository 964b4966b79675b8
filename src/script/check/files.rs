//! The scripts of a check: the one that is asked for, and all that it imports.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rhai::{AST, ASTFlags, ASTNode, Engine, Expr, FnAccess, ParseErrorType, Position, Stmt};

use super::{Finding, Severity};
use crate::error::Error;
use crate::script::resolver::Resolver;
use crate::script::wording::{failure_of, syntax};
use crate::script::{Program, read_script, rewrite};

/// A function of a script; closures are some, with what they captured as first parameters.
pub struct Function {
    pub name: String,
    pub params: Vec<String>,
    pub private: bool,
    pub body: Vec<Stmt>,
}

/// A parsed script.
pub struct File {
    pub name: String,
    pub ast: AST,
    pub functions: Vec<Function>,
    pub closures: HashMap<String, Function>,
    /// What `import … as alias` names: a file of the check, or unknown.
    pub imports: HashMap<String, Option<usize>>,
    /// The variables that it exports.
    pub exports: HashSet<String>,
    /// The first name that is undefined, as the compiler sees it.
    pub undefined: Option<(Position, Error)>,
    /// Whether others call its functions, with what the check does not see.
    pub open: bool,
}

impl File {
    /// Whether it has a function of this name with so many parameters.
    pub fn has(&self, name: &str, params: usize) -> bool {
        self.functions
            .iter()
            .any(|f| f.name == name && f.params.len() == params)
    }
}

/// All scripts of a check; the first is the one asked for.
pub struct Files {
    pub all: Vec<File>,
    places: HashMap<PathBuf, usize>,
    loading: Vec<PathBuf>,
    /// The texts of scripts that are open in an editor, which go before those on disk.
    open: HashMap<PathBuf, String>,
}

impl Files {
    /// Parses a script and what it imports; says what cannot be parsed or found.
    pub fn load(program: &Program, name: &str, text: &str) -> (Files, Vec<Finding>) {
        Files::load_beside(program, name, text, HashMap::new())
    }

    /// The same, where some scripts have other texts than on disk.
    pub fn load_beside(
        program: &Program,
        name: &str,
        text: &str,
        open: HashMap<PathBuf, String>,
    ) -> (Files, Vec<Finding>) {
        let mut files = Files {
            all: Vec::new(),
            places: HashMap::new(),
            loading: Vec::new(),
            open,
        };
        let mut findings = Vec::new();
        let loose = loose_engine(program);
        if let Ok(path) = Path::new(name).canonicalize() {
            files.loading.push(path);
        }
        files.add(program, &loose, name, text, &mut findings);
        (files, findings)
    }

    /// The files of the imported scripts.
    pub fn imported(&self) -> Vec<PathBuf> {
        self.places.keys().cloned().collect()
    }

    fn add(
        &mut self,
        program: &Program,
        loose: &Engine,
        name: &str,
        text: &str,
        findings: &mut Vec<Finding>,
    ) -> Option<usize> {
        let (plain, moves) = rewrite::rewrite(text, &[]);
        let strict = program.engine().compile(&plain);
        let undefined = match &strict {
            Err(e)
                if matches!(
                    *e.0,
                    ParseErrorType::VariableUndefined(_) | ParseErrorType::ModuleUndefined(_)
                ) =>
            {
                Some((e.1, failure_of(&e.clone().into(), Some(name)).error))
            }
            _ => None,
        };
        // What the strict compiler stops at is looked for with all its like; other errors end the
        // check of the file.
        let ast = match if undefined.is_some() {
            loose.compile(&plain)
        } else {
            strict
        } {
            Ok(ast) => ast,
            Err(e) => {
                let e = rewrite::moved(e, &moves);
                let at = e.1;
                let failure = syntax(e, name, text);
                let at = failure.at.as_ref().map_or(at, |f| f.position);
                findings.push(Finding::new(Severity::Error, name, at, failure.error));
                return None;
            }
        };
        program.session.add_moves(name, moves);
        let index = self.all.len();
        let (functions, closures) = functions(&ast);
        let exports = exports(&ast);
        let imports = imports(&ast);
        let open = index > 0 || library(&ast);
        let file = File {
            name: name.to_owned(),
            ast,
            functions,
            closures,
            imports: HashMap::new(),
            exports,
            undefined,
            open,
        };
        self.all.push(file);
        let resolver = Resolver::new(program.session.clone());
        for import in imports {
            let target = match &import.path {
                Some(path) => match resolver.find(Some(name), path) {
                    Ok(found) => self.import(program, loose, &found, (name, &import), findings),
                    Err(error) => {
                        findings.push(Finding::new(import.severity(), name, import.at, error));
                        None
                    }
                },
                None => None,
            };
            if !import.alias.is_empty() {
                let known = &mut self.all[index].imports;
                // One alias for two scripts may mean either.
                let target = if known.get(&import.alias).is_some_and(|t| *t != target) {
                    None
                } else {
                    target
                };
                known.insert(import.alias, target);
            }
        }
        Some(index)
    }

    fn import(
        &mut self,
        program: &Program,
        loose: &Engine,
        path: &Path,
        (importer, import): (&str, &Import),
        findings: &mut Vec<Finding>,
    ) -> Option<usize> {
        let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if self.loading.contains(&place) {
            if import.always {
                let shown = import.path.as_deref().unwrap_or_default();
                let error = Error::argument(format!(
                    "import \"{shown}\": scripts import each other in a circle"
                ));
                findings.push(Finding::new(import.severity(), importer, import.at, error));
            }
            return None;
        }
        if let Some(known) = self.places.get(&place) {
            return Some(*known);
        }
        let name = path.display().to_string();
        let open = self.open.get(&place).cloned().map(Ok);
        let text = match open.unwrap_or_else(|| read_script(path)) {
            Ok(text) => text,
            Err(error) => {
                findings.push(Finding::new(import.severity(), importer, import.at, error));
                return None;
            }
        };
        program.session.add_source(&name, &text);
        self.loading.push(place.clone());
        let index = self.add(program, loose, &name, &text, findings);
        self.loading.pop();
        index.inspect(|i| {
            self.places.insert(place, *i);
        })
    }
}

/// A parser that takes undefined names, so that all of them can be found.
fn loose_engine(program: &Program) -> Engine {
    let mut engine = Engine::new();
    let strict = program.engine();
    engine
        .set_optimization_level(rhai::OptimizationLevel::None)
        .set_max_expr_depths(strict.max_expr_depth(), strict.max_function_expr_depth())
        .set_max_string_size(strict.max_string_size())
        .disable_symbol("eval");
    engine
}

/// The functions of a script, and its closures by their hidden names.
pub(super) fn functions(ast: &AST) -> (Vec<Function>, HashMap<String, Function>) {
    let (mut named, mut closures) = (Vec::new(), HashMap::new());
    let mut bodies = ast.clone();
    bodies.clear_statements();
    for f in ast.iter_functions() {
        let count = f.params.len();
        // The only way to a body is a script that holds nothing else.
        let mut alone = bodies.clone();
        alone.retain_functions(|_, _, name, params| name == f.name && params == count);
        let mut body = Vec::new();
        alone.walk(&mut |path: &[ASTNode]| {
            if let [ASTNode::Stmt(statement)] = path {
                body.push((*statement).clone());
            }
            true
        });
        let function = Function {
            name: f.name.to_owned(),
            params: f.params.iter().map(|p| (*p).to_owned()).collect(),
            private: f.access == FnAccess::Private,
            body,
        };
        if f.name.starts_with("anon$") {
            closures.insert(function.name.clone(), function);
        } else {
            named.push(function);
        }
    }
    (named, closures)
}

fn exports(ast: &AST) -> HashSet<String> {
    let mut found = HashSet::new();
    for statement in ast.statements() {
        match statement {
            Stmt::Var(x, flags, _) if flags.intersects(ASTFlags::EXPORTED) => {
                found.insert(x.0.name.to_string());
            }
            Stmt::Export(x, _) => {
                let alias = if x.1.name.is_empty() {
                    &x.0.name
                } else {
                    &x.1.name
                };
                found.insert(alias.to_string());
            }
            _ => {}
        }
    }
    found
}

/// Whether a script does nothing itself: it is there for others to import.
fn library(ast: &AST) -> bool {
    let declares = |s: &Stmt| {
        matches!(s, Stmt::Import(..) | Stmt::Export(..) | Stmt::Noop(_))
            || matches!(s, Stmt::Var(_, flags, _) if flags.intersects(ASTFlags::EXPORTED | ASTFlags::CONSTANT))
    };
    ast.statements().iter().all(declares)
}

struct Import {
    path: Option<String>,
    alias: String,
    at: Position,
    /// Whether loading the script meets it.
    always: bool,
    /// Whether a `try` catches its failure.
    tried: bool,
}

impl Import {
    fn severity(&self) -> Severity {
        if self.tried {
            Severity::Warning
        } else {
            Severity::Error
        }
    }
}

fn imports(ast: &AST) -> Vec<Import> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(x, _))) = path.last() {
            found.push(Import {
                path: match &x.0 {
                    Expr::StringConstant(path, _) => Some(path.to_string()),
                    _ => None,
                },
                alias: x.1.name.to_string(),
                at: x.0.position(),
                always: path.len() == 1,
                tried: path
                    .iter()
                    .any(|n| matches!(n, ASTNode::Stmt(Stmt::TryCatch(..)))),
            });
        }
        true
    });
    found
}
