//! `import "lib/x" as x`: scripts beside the script and in the folders of `--lib`, and nowhere
//! else.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::failure::{Failure, Frame};
use super::host::{Host, Settings};
use super::wording::{failure_of, syntax};
use super::{rewrite, unique};
use crate::error::{Error, Result};

/// The file that an `import` in a script means.
pub fn import_path(settings: Settings, importer: &str, path: &str) -> Result<PathBuf> {
    Resolver::new(Host::new(settings)).find(Some(importer), path)
}

/// Finds imported scripts relative to the importing one, then in the main script's folder, then in
/// those of `--lib`.
pub struct Resolver {
    session: Host,
    loaded: RefCell<HashMap<PathBuf, Shared<Module>>>,
    loading: RefCell<Vec<PathBuf>>,
    /// How many scripts were compiled: each gets names of its own.
    compiled: Cell<usize>,
}

impl Resolver {
    /// A resolver that notes what it reads in a session.
    pub fn new(session: Host) -> Resolver {
        Resolver {
            session,
            loaded: RefCell::default(),
            loading: RefCell::default(),
            compiled: Cell::new(1),
        }
    }

    /// The file that a script's `import` means.
    pub fn find(&self, importer: Option<&str>, path: &str) -> Result<PathBuf> {
        let relative = Path::new(path);
        let inside = relative
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !inside || path.is_empty() {
            return Err(Error::argument(format!(
                "import \"{path}\": the path must stay inside the script's folder"
            ))
            .with_hint("write it relative to the script, without `..`"));
        }
        let settings = self.session.settings();
        let root = &settings.folder;
        let open: Vec<PathBuf> = std::iter::once(root)
            .chain(&settings.lib)
            .filter_map(|f| f.canonicalize().ok())
            .collect();
        let beside = importer
            .and_then(|i| Path::new(i).parent())
            .map(Path::to_path_buf);
        let mut tried = Vec::new();
        for folder in beside
            .into_iter()
            .chain([root.clone()])
            .chain(settings.lib.iter().cloned())
        {
            let file = with_ending(folder.join(relative));
            if let Ok(found) = file.canonicalize() {
                if !open.iter().any(|f| found.starts_with(f)) {
                    return Err(Error::argument(format!(
                        "import \"{path}\": leads out of the script's folder {}",
                        open.first().unwrap_or(root).display()
                    )));
                }
                super::access::ordinary("import", path, &found)?;
                return Ok(file);
            }
            if file.is_symlink() {
                // One that leads nowhere is answered as one that leads outside: else it would tell
                // what is there.
                return Err(Error::argument(format!(
                    "import \"{path}\": leads out of the script's folder {}",
                    open.first().unwrap_or(root).display()
                )));
            }
            let shown = file
                .strip_prefix(root)
                .unwrap_or(&file)
                .display()
                .to_string();
            if !tried.contains(&shown) {
                tried.push(shown);
            }
        }
        Err(
            Error::argument(format!("import \"{path}\": no such script"))
                .with_hint(format!("looked for {}", tried.join(" and "))),
        )
    }

    /// The scripts that lead back to one that is being loaded: `a.rhai → b.rhai → a.rhai`.
    fn circle(&self, file: &Path) -> Option<String> {
        let loading = self.loading.borrow();
        let start = loading.iter().position(|f| f == file)?;
        let root = &self.session.settings().folder;
        let shown = |f: &Path| f.strip_prefix(root).unwrap_or(f).display().to_string();
        let names: Vec<String> = loading[start..]
            .iter()
            .map(|f| shown(f))
            .chain([shown(file)])
            .collect();
        Some(names.join(" → "))
    }

    fn load(
        &self,
        engine: &Engine,
        file: &Path,
    ) -> std::result::Result<Shared<Module>, Box<EvalAltResult>> {
        let name = file.display().to_string();
        let text = super::text::read_script(file)?;
        self.session.add_import(&name, &text)?;
        let placed = |error: Box<EvalAltResult>| -> Box<EvalAltResult> {
            failure_of(&error, Some(&name)).into()
        };
        let number = self.compiled.replace(self.compiled.get() + 1);
        let (plain, moves) = rewrite::rewrite(&text, &[]);
        let mut ast = unique::compile(engine, &plain, number)
            .map_err(|e| syntax(rewrite::moved(e, &moves), &name, &text))?;
        self.session.add_moves(&name, moves);
        ast.set_source(&name);
        Ok(Module::eval_ast_as_new(Scope::new(), &ast, engine)
            .map_err(placed)?
            .into())
    }
}

/// The file of a module: `lib/x` and `lib/x.rhai` mean the same, and a dot in a name is part of it.
fn with_ending(path: PathBuf) -> PathBuf {
    if path.extension().is_some_and(|e| e == "rhai") {
        return path;
    }
    let mut name = path.into_os_string();
    name.push(".rhai");
    name.into()
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> std::result::Result<Shared<Module>, Box<EvalAltResult>> {
        let located = |error: Error| -> Box<EvalAltResult> {
            let mut failure = Failure::new(error);
            failure.called_from(Frame::new("import", source, position));
            failure.into()
        };
        let file = self.find(source, path).map_err(located)?;
        if let Some(module) = self.loaded.borrow().get(&file) {
            return Ok(module.clone());
        }
        let circle = self.circle(&file);
        if let Some(circle) = circle {
            let text = format!("import \"{path}\": scripts import each other in a circle");
            return Err(located(Error::argument(text).with_hint(circle)));
        }
        self.loading.borrow_mut().push(file.clone());
        let outcome = self.load(engine, &file);
        self.loading.borrow_mut().pop();
        let module = outcome?;
        self.loaded.borrow_mut().insert(file, module.clone());
        Ok(module)
    }
}
