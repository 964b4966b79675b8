//! `import "lib/x" as x`: scripts beside the script, and nowhere else.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::diagnostic::{Failure, Frame};
use super::session::Session;
use crate::error::{Error, Result};

/// Finds imported scripts relative to the importing one, then in the main script's folder.
pub struct Resolver {
    session: Session,
    loaded: RefCell<HashMap<PathBuf, Shared<Module>>>,
    loading: RefCell<Vec<PathBuf>>,
}

impl Resolver {
    /// A resolver that notes what it reads in a session.
    pub fn new(session: Session) -> Resolver {
        Resolver { session, loaded: RefCell::default(), loading: RefCell::default() }
    }

    fn find(&self, importer: Option<&str>, path: &str) -> Result<PathBuf> {
        let relative = Path::new(path);
        let inside = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !inside || path.is_empty() {
            return Err(Error::argument(format!("import \"{path}\": the path must stay inside the script's folder"))
                .with_hint("write it relative to the script, without `..`"));
        }
        let root = &self.session.settings().folder;
        let beside = importer.and_then(|i| Path::new(i).parent()).map(Path::to_path_buf);
        let mut tried = Vec::new();
        for folder in beside.into_iter().chain([root.clone()]) {
            let file = folder.join(relative).with_extension("rhai");
            if let (Ok(found), Ok(root)) = (file.canonicalize(), root.canonicalize()) {
                if !found.starts_with(&root) {
                    return Err(Error::argument(format!(
                        "import \"{path}\": leads out of the script's folder {}",
                        root.display()
                    )));
                }
                return Ok(file);
            }
            let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            if !tried.contains(&shown) {
                tried.push(shown);
            }
        }
        Err(Error::argument(format!("import \"{path}\": no such script"))
            .with_hint(format!("looked for {}", tried.join(" and "))))
    }

    fn load(&self, engine: &Engine, file: &Path) -> std::result::Result<Shared<Module>, Box<EvalAltResult>> {
        let name = file.display().to_string();
        let text = super::engine::read_script(file)?;
        self.session.add_import(&name, &text)?;
        let placed = |error: Box<EvalAltResult>| -> Box<EvalAltResult> { Failure::of(&error, Some(&name)).into() };
        let mut ast = engine.compile(&text).map_err(|e| placed(e.into()))?;
        ast.set_source(&name);
        Ok(Module::eval_ast_as_new(Scope::new(), &ast, engine).map_err(placed)?.into())
    }
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
        if self.loading.borrow().contains(&file) {
            return Err(located(Error::argument(format!("import \"{path}\": scripts import each other in a circle"))));
        }
        self.loading.borrow_mut().push(file.clone());
        let outcome = self.load(engine, &file);
        self.loading.borrow_mut().pop();
        let module = outcome?;
        self.loaded.borrow_mut().insert(file, module.clone());
        Ok(module)
    }
}
