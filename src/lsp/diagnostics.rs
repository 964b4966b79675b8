//! What `jemscript check` finds, while one types. A thread of its own checks, so that no answer
//! waits for it; of several texts of one script it takes the last.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use lsp_server::{Message, Notification};
use lsp_types::notification::{Notification as _, PublishDiagnostics};
use lsp_types::{Diagnostic, DiagnosticSeverity, DiagnosticTag, PublishDiagnosticsParams, Uri};

use super::document::{Document, whole};
use crate::script::Settings;
use crate::script::check::{Finding, Severity, check_open};
use crate::script::outline::What;

/// Nobody reads more findings; a wild text may have thousands.
const MOST: usize = 500;

/// A script to check.
pub struct Job {
    /// The script.
    pub document: Document,
    /// The folder of its imports, and those of `--lib`.
    pub settings: (PathBuf, Vec<PathBuf>),
    /// The texts of all open scripts.
    pub open: HashMap<PathBuf, String>,
}

/// What was found in a script.
#[derive(Clone, Default)]
pub struct Found {
    /// The number of the text that was checked.
    pub serial: u64,
    /// The findings in the script itself, with the bytes that they are about.
    pub findings: Vec<(Range<usize>, Finding)>,
    /// The files that it imports.
    pub imports: Vec<PathBuf>,
}

enum Task {
    Check(Box<Job>),
    Forget(Uri),
}

type Known = Arc<Mutex<BTreeMap<String, Found>>>;

/// The thread that checks.
pub struct Checker {
    tasks: Sender<Task>,
    known: Known,
}

impl Checker {
    /// Starts it.
    pub fn start(send: impl Fn(Message) + Send + 'static) -> Checker {
        let (tasks, inbox) = channel();
        let known = Known::default();
        let ours = known.clone();
        std::thread::spawn(move || {
            while let Ok(first) = inbox.recv() {
                let mut waiting: Vec<Task> = vec![first];
                waiting.extend(inbox.try_iter());
                for task in last_of_each(waiting) {
                    match task {
                        Task::Check(job) => {
                            let checked = catch_unwind(AssertUnwindSafe(|| find(&job)));
                            let found = checked.unwrap_or_default();
                            let told = message(&job.document, &found);
                            let key = job.document.uri.as_str().to_owned();
                            remember(&ours, |known| known.insert(key, found));
                            send(told);
                        }
                        Task::Forget(uri) => {
                            remember(&ours, |known| known.remove(uri.as_str()));
                            send(published(uri, None, Vec::new()));
                        }
                    }
                }
            }
        });
        Checker { tasks, known }
    }

    /// Has a script checked.
    pub fn check(&self, job: Job) {
        let _ = self.tasks.send(Task::Check(Box::new(job)));
    }

    /// Takes back what was said of a script.
    pub fn forget(&self, uri: &Uri) {
        let _ = self.tasks.send(Task::Forget(uri.clone()));
    }

    /// What was last found in a script.
    pub fn found(&self, uri: &str) -> Option<Found> {
        remember(&self.known, |known| known.get(uri).cloned())
    }
}

fn remember<T>(known: &Known, work: impl FnOnce(&mut BTreeMap<String, Found>) -> T) -> T {
    work(&mut known.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The last task of each script, in their order.
fn last_of_each(tasks: Vec<Task>) -> Vec<Task> {
    let of = |task: &Task| match task {
        Task::Check(job) => job.document.uri.clone(),
        Task::Forget(uri) => uri.clone(),
    };
    let mut kept: Vec<Task> = Vec::new();
    for task in tasks.into_iter().rev() {
        if !kept.iter().any(|k| of(k) == of(&task)) {
            kept.push(task);
        }
    }
    kept.reverse();
    kept
}

/// Checks a script.
pub fn find(job: &Job) -> Found {
    let (folder, lib) = &job.settings;
    let settings = Settings {
        lib: lib.clone(),
        ..Settings::beside(folder)
    };
    let d = &job.document;
    if d.is_cell() {
        return Found {
            serial: d.serial,
            ..Found::default()
        };
    }
    let name = d.name();
    let (findings, imports) = check_open(&name, &d.script(), settings, job.open.clone());
    let mut here = Vec::new();
    for finding in findings.into_iter().take(MOST) {
        if finding.file == name {
            here.push((bytes(d, &finding), finding));
        } else if finding.severity == Severity::Error {
            // The script works as little as what it imports.
            let at = import_of(d, &finding.file);
            if !here.iter().any(|(other, _)| *other == at) {
                here.push((at, finding));
            }
        }
    }
    Found {
        serial: d.serial,
        findings: here,
        imports,
    }
}

/// The word at a finding's place.
fn bytes(d: &Document, finding: &Finding) -> Range<usize> {
    let from = match finding.line {
        0 => 0,
        line => d.byte_of(line, finding.column),
    };
    let line = d.line_around(from);
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let rest = &d.text[from..line.end];
    let word = &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())];
    // A path has `::` within; the `:` behind an option's name is not of it.
    let width = match word.trim_end_matches(':').len() {
        0 => rest.chars().next().map_or(0, char::len_utf8),
        width => width,
    };
    from..from + width
}

/// The `import` that leads to a file, or the first one, through which it must have come.
fn import_of(d: &Document, file: &str) -> Range<usize> {
    let stem = Path::new(file).file_stem();
    let imports = d.outline().declared.iter();
    let paths: Vec<_> = imports
        .filter(|i| i.what == What::Import)
        .filter_map(|i| i.path.as_ref())
        .collect();
    let named = paths
        .iter()
        .find(|(path, _)| Path::new(path).file_stem() == stem);
    named.or(paths.first()).map_or(0..0, |(_, at)| at.clone())
}

fn message(d: &Document, found: &Found) -> Message {
    let shown = |(at, finding): &(Range<usize>, Finding)| diagnostic(d, at, finding);
    let all = found.findings.iter().map(shown).collect();
    published(d.uri.clone(), Some(d.version), all)
}

fn published(uri: Uri, version: Option<i32>, diagnostics: Vec<Diagnostic>) -> Message {
    let params = PublishDiagnosticsParams {
        uri,
        diagnostics,
        version,
    };
    Notification::new(PublishDiagnostics::METHOD.to_owned(), params).into()
}

/// A finding as editors show it: its message, and its hint on the next line.
pub fn diagnostic(d: &Document, at: &Range<usize>, finding: &Finding) -> Diagnostic {
    let mut text = finding.error.message().to_owned();
    let own = d.path.as_deref().map(whole) == Some(whole(Path::new(&finding.file)));
    if !own && d.name() != finding.file {
        text = format!("{}:{}: {text}", finding.file, finding.line);
    }
    if let Some(hint) = finding.error.hint() {
        text += &format!("\n{hint}");
    }
    let idle = text.starts_with("the parameter") || text.starts_with("this is never reached");
    Diagnostic {
        range: d.range(at.clone()),
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        source: Some("jemscript".to_owned()),
        message: text,
        tags: idle.then(|| vec![DiagnosticTag::UNNECESSARY]),
        ..Diagnostic::default()
    }
}
