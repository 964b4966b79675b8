//! The scripts that the server knows: those that are open in the editor, those that they import,
//! and those in the folders of the workspace.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use lsp_server::Message;
use lsp_types::{
    DidChangeTextDocumentParams, DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, InitializeParams, Position, TextDocumentPositionParams, Uri,
};

use super::diagnostics::{Checker, Found, Job};
use super::document::{Document, Units, whole};
use super::uri;
use crate::script::outline::{Declared, What};
use crate::script::{Settings, import_path};

/// Folders in which no scripts of the user are.
const SKIPPED: &[&str] = &["node_modules", "target", "runs", "__pycache__"];
/// Enough for any project; a home folder that is opened by mistake must not hold up an answer.
const MOST_FILES: usize = 2_000;
const MOST_FOLDERS: usize = 5_000;

/// All scripts.
pub struct Scripts {
    open: BTreeMap<String, Document>,
    roots: Vec<PathBuf>,
    lib: Vec<PathBuf>,
    units: Units,
    checker: Checker,
}

impl Scripts {
    /// None yet; `send` gives messages to the editor.
    pub fn new(
        params: &InitializeParams,
        units: Units,
        send: impl Fn(Message) + Send + 'static,
    ) -> Scripts {
        let folders = params.workspace_folders.iter().flatten().map(|f| &f.uri);
        #[allow(deprecated)] // Older editors name their one folder so.
        let roots: Vec<PathBuf> = folders
            .chain(&params.root_uri)
            .filter_map(uri::to_path)
            .collect();
        let options = params.initialization_options.as_ref();
        let lib = options.and_then(|o| o.get("lib")?.as_array());
        let base = roots.first().cloned().unwrap_or_default();
        let lib = lib
            .into_iter()
            .flatten()
            .filter_map(|l| Some(base.join(l.as_str()?)))
            .collect();
        Scripts {
            open: BTreeMap::new(),
            roots,
            lib,
            units,
            checker: Checker::start(send),
        }
    }

    /// Takes in a script that was opened.
    pub fn opened(&mut self, p: DidOpenTextDocumentParams) {
        let d = p.text_document;
        let document = Document::new(d.uri, d.version, d.text, self.units);
        self.take(document);
    }

    /// Takes in what was typed.
    pub fn changed(&mut self, p: DidChangeTextDocumentParams) {
        let (uri, version) = (p.text_document.uri, p.text_document.version);
        let now = match self.open.get(uri.as_str()) {
            Some(document) => document.changed(version, p.content_changes),
            None => return,
        };
        self.take(now);
    }

    fn take(&mut self, document: Document) {
        let (key, path) = (document.uri.as_str().to_owned(), document.path.clone());
        self.open.insert(key.clone(), document);
        self.check(&key);
        // Those that import it may be right or wrong now.
        let others: Vec<String> = self.open.keys().filter(|k| **k != key).cloned().collect();
        for other in others {
            let found = self.checker.found(&other);
            if found.is_none_or(|f| path.as_ref().is_some_and(|p| f.imports.contains(p))) {
                self.check(&other);
            }
        }
    }

    /// Forgets a script that was closed.
    pub fn closed(&mut self, p: &DidCloseTextDocumentParams) {
        if self.open.remove(p.text_document.uri.as_str()).is_some() {
            self.checker.forget(&p.text_document.uri);
        }
        self.check_all();
    }

    /// Takes in other folders.
    pub fn folders_changed(&mut self, p: DidChangeWorkspaceFoldersParams) {
        let paths = |folders: Vec<lsp_types::WorkspaceFolder>| -> Vec<PathBuf> {
            let path = |f: &lsp_types::WorkspaceFolder| uri::to_path(&f.uri);
            folders.iter().filter_map(path).collect()
        };
        let gone = paths(p.event.removed);
        self.roots.retain(|r| !gone.contains(r));
        self.roots.extend(paths(p.event.added));
    }

    /// Checks all open scripts anew: a file of theirs has changed.
    pub fn check_all(&mut self) {
        let all: Vec<String> = self.open.keys().cloned().collect();
        all.iter().for_each(|key| self.check(key));
    }

    fn check(&self, key: &str) {
        if let Some(document) = self.open.get(key) {
            self.checker.check(self.job(document));
        }
    }

    fn job(&self, document: &Document) -> Job {
        let text = |d: &Document| Some((whole(d.path.as_ref()?), d.text.clone()));
        let open: HashMap<PathBuf, String> = self.open.values().filter_map(text).collect();
        Job {
            document: document.clone(),
            settings: (self.folder(document), self.lib.clone()),
            open,
        }
    }

    /// What is wrong with an open script as it stands now.
    pub fn found(&self, document: &Document) -> Found {
        let known = self.checker.found(document.uri.as_str());
        known
            .filter(|f| f.serial == document.serial)
            .unwrap_or_else(|| super::diagnostics::find(&self.job(document)))
    }

    /// An open script.
    pub fn get(&self, uri: &Uri) -> Option<&Document> {
        self.open.get(uri.as_str())
    }

    /// An open script and the byte of a place in it.
    pub fn at(&self, p: &TextDocumentPositionParams) -> Option<(&Document, usize)> {
        self.place(&p.text_document.uri, p.position)
    }

    /// The same.
    pub fn place(&self, uri: &Uri, position: Position) -> Option<(&Document, usize)> {
        let document = self.get(uri)?;
        Some((document, document.byte(position)))
    }

    /// The script in a file: as it is open, else as it is on disk.
    pub fn script(&self, path: &Path) -> Option<Cow<'_, Document>> {
        let same = |d: &&Document| d.path.as_deref().is_some_and(|p| whole(p) == whole(path));
        match self.open.values().find(same) {
            Some(document) => Some(Cow::Borrowed(document)),
            None => Document::read(path, self.units).map(Cow::Owned),
        }
    }

    /// The folder from which a script's imports start.
    fn folder(&self, document: &Document) -> PathBuf {
        let beside = document.path.as_deref().and_then(Path::parent);
        beside
            .or(self.roots.first().map(PathBuf::as_path))
            .unwrap_or(Path::new("."))
            .to_path_buf()
    }

    /// The file that an import of a script means.
    pub fn imported(&self, from: &Document, import: &Declared) -> Option<PathBuf> {
        let (path, _) = import.path.as_ref()?;
        let settings = Settings {
            lib: self.lib.clone(),
            ..Settings::beside(&self.folder(from))
        };
        // The importing file's name without a folder would be one in ours.
        import_path(settings, &from.name(), path).ok()
    }

    /// The scripts that import a file, open ones and those in the folders of the workspace; with
    /// each the imports that mean it.
    pub fn importers(&self, path: &Path) -> Vec<(Cow<'_, Document>, Vec<usize>)> {
        let target = whole(path);
        let mut files: Vec<PathBuf> = self.open.values().filter_map(|d| d.path.clone()).collect();
        for file in self.files() {
            if !files.iter().any(|f| whole(f) == whole(&file)) {
                files.push(file);
            }
        }
        let mut found = Vec::new();
        for document in files.iter().filter_map(|f| self.script(f)) {
            let declared = &document.outline().declared;
            let means = |d: &Declared| {
                d.what == What::Import
                    && self
                        .imported(&document, d)
                        .is_some_and(|p| whole(&p) == target)
            };
            let imports: Vec<usize> = (0..declared.len())
                .filter(|i| means(&declared[*i]))
                .collect();
            if !imports.is_empty() {
                found.push((document, imports));
            }
        }
        found
    }

    /// The scripts in the folders of the workspace.
    fn files(&self) -> Vec<PathBuf> {
        below(self.roots.clone())
    }

    /// The scripts in a folder and those in it.
    pub fn below(&self, folder: &Path) -> Vec<PathBuf> {
        below(vec![folder.to_path_buf()])
    }
}

fn below(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let (mut files, mut seen) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        seen += 1;
        if seen > MOST_FOLDERS || files.len() > MOST_FILES {
            break;
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type();
            // Links are not followed: they may lead in a circle.
            if kind.as_ref().is_ok_and(|k| k.is_dir()) {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                    folders.push(entry.path());
                }
            } else if name.ends_with(".rhai") {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}
