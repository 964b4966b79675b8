//! The run folder: everything a run leaves behind, in one place.
//!
//! ```text
//! runs/train-20260131-174205/
//!   train.rhai  lib/stable.rhai     the script and what it imports, as they were
//!   params.json                     name, value and source (default, command line, …) of every parameter
//!   run.json                        command, versions, machine, commit, device, threads, seed, times, how it ended
//!   metrics.jsonl  events.jsonl     one JSON object a line
//!   resume.json                     what `jemscript resume` needs besides
//!   events.out.tfevents.…           the metrics for TensorBoard
//!   reports/                        what `evaluate::compare` found
//!   ranks/rank-1.txt                what the other ranks printed, where there are several
//!   checkpoints/  *.png  *.gif      states and pictures
//!   report.html  report.md          what there is to read of it, written when it ends
//! ```
//! The folder is made at the first write, so a script that writes nothing leaves nothing. `--out
//! DIR` names the folder itself; without it a new one is made under `runs/`, named after the script
//! and the time (UTC).

mod clock;
mod folder;
mod host;
mod metrics;
mod own;
mod plain;
mod resume;
mod tensorboard;

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use serde_json::{Map, Value as Json, json};

pub use clock::{now, seconds_of, stamp};
pub use folder::append_to;
pub(crate) use folder::inside;
pub(crate) use host::{Life, life};
pub use metrics::{number, to_json};
pub use plain::read_plain;
pub(crate) use plain::{json_file, open_plain};
pub use resume::{Earlier, difference, earlier};

use crate::error::{Error, Result};
use crate::formats::write_atomically;
use crate::options::Value;
use folder::Folder;
use metrics::LineWriter;
use resume::Again;
use tensorboard::EventWriter;

/// The version of PyTorch whose libtorch the bindings are made for.
pub const LIBTORCH_VERSION: &str = "2.13.0";
/// The version of the bindings.
pub const TCH_VERSION: &str = "0.26.0";

/// What a run is of: known before its first line is executed.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The script's file name (`train.rhai`); names the folder.
    pub script: String,
    /// The script's text, kept in the folder.
    pub source: String,
    /// The seed that decides everything.
    pub seed: u64,
    /// The device, as users write it.
    pub device: String,
    /// How many threads libtorch uses.
    pub threads: i64,
    /// What is needed to go on with the run later; kept as `resume.json`.
    pub resume: Option<Json>,
    /// The words of the command line.
    pub command: Vec<String>,
    /// The folder that the script came from: its commit is noted.
    pub folder: PathBuf,
}

/// Where the value of a parameter comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The script's default.
    Default,
    /// `name=value` on the command line.
    CommandLine,
    /// A file given with `--params`.
    File,
    /// A sweep.
    Sweep,
    /// `set_param`, as papermill writes it into a notebook.
    Notebook,
}

impl Source {
    const NAMES: [(Source, &str); 5] = [
        (Source::Default, "default"),
        (Source::CommandLine, "command line"),
        (Source::File, "params file"),
        (Source::Sweep, "sweep"),
        (Source::Notebook, "notebook"),
    ];

    /// As it stands in `params.json`.
    pub fn name(self) -> &'static str {
        Source::NAMES
            .iter()
            .find(|(s, _)| *s == self)
            .map_or("default", |(_, n)| n)
    }

    /// The source of this name.
    pub fn of(name: &str) -> Option<Source> {
        Source::NAMES
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(s, _)| *s)
    }
}

/// A hash of a text that stays the same in all versions and on all machines (FNV-1a).
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A handle to a run; clones share the folder.
#[derive(Clone)]
pub struct Run(Rc<RefCell<Inner>>);

struct Inner {
    about: About,
    folder: Option<Folder>,
    files: Vec<(String, String)>,
    params: Vec<(String, Json, Source)>,
    metrics: LineWriter,
    board: EventWriter,
    events: LineWriter,
    trainings: Vec<String>,
    reports: usize,
    commit: Option<String>,
    started: (String, Instant),
    /// Whether the run goes on where an earlier process left it.
    again: Option<Again>,
    /// Holds the folder against other processes.
    lock: Option<File>,
    /// Whether the folder is another rank's: this process reads it, and writes its own share of
    /// checkpoints alone.
    follows: bool,
}

impl Run {
    /// A run that writes nothing: for the library, tests and `--quiet` notebooks.
    pub fn none() -> Run {
        Run::with(About::default(), None)
    }

    /// A run in a new folder under `parent` (`runs`), named after the script and the time.
    pub fn under(parent: &Path, about: About) -> Run {
        let name = Path::new(&about.script)
            .file_stem()
            .map_or_else(|| "run".into(), |s| s.to_string_lossy());
        let name = format!("{name}-{}", clock::file_stamp());
        Run::with(about, Some(Folder::new(parent.to_owned(), Some(name))))
    }

    /// A run in exactly this folder (`--out`). A folder that holds a run already is an error:
    /// results are not overwritten.
    pub fn exactly(folder: &Path, about: About) -> Result<Run> {
        if folder.join("run.json").exists() {
            return Err(Error::argument(format!(
                "--out: {} holds a run already",
                folder.display()
            ))
            .with_hint("name another folder, or remove that one first"));
        }
        if folder.exists() && !folder.is_dir() {
            return Err(Error::argument(format!(
                "--out: {} is a file, not a folder",
                folder.display()
            )));
        }
        Ok(Run::with(about, Some(Folder::new(folder.to_owned(), None))))
    }

    fn with(about: About, folder: Option<Folder>) -> Run {
        Run(Rc::new(RefCell::new(Inner {
            about,
            folder,
            files: Vec::new(),
            params: Vec::new(),
            metrics: LineWriter::new("metrics.jsonl"),
            board: EventWriter::default(),
            events: LineWriter::new("events.jsonl"),
            trainings: Vec::new(),
            reports: 0,
            commit: None,
            started: (now(), Instant::now()),
            again: None,
            lock: None,
            follows: false,
        })))
    }

    /// Whether another rank writes the folder.
    pub fn follows(&self) -> bool {
        self.0.borrow().follows
    }

    /// Whether anything is written.
    pub fn writes(&self) -> bool {
        self.0.borrow().folder.is_some()
    }

    /// The folder, once something was written to it.
    pub fn folder(&self) -> Option<PathBuf> {
        self.0
            .borrow()
            .folder
            .as_ref()
            .and_then(Folder::made)
            .map(Path::to_owned)
    }

    /// Keeps a copy of a file that the script needs (an import); `..` and absolute parts of its
    /// name are dropped.
    pub fn add_file(&self, name: &str, text: &str) -> Result<()> {
        let mut inner = self.0.borrow_mut();
        let name = folder::inside(name);
        if inner.follows || inner.files.iter().any(|(n, _)| *n == name) {
            return Ok(());
        }
        inner.compare(&name, text)?;
        inner.files.push((name.clone(), text.to_owned()));
        match inner.folder.as_ref().and_then(Folder::made) {
            Some(made) => {
                folder::write_under(made, &name, text.as_bytes())?;
                write_json(made, "run.json", &inner.run_json("running", None, false))
            }
            None => Ok(()),
        }
    }

    /// Notes the value of a parameter and where it comes from.
    pub fn param(&self, name: &str, value: &Value, source: Source) -> Result<()> {
        let mut inner = self.0.borrow_mut();
        let value = to_json(value);
        match inner.params.iter_mut().find(|(n, ..)| n == name) {
            Some(entry) => (entry.1, entry.2) = (value, source),
            None => inner.params.push((name.to_owned(), value, source)),
        }
        match inner.folder.as_ref().and_then(Folder::made) {
            Some(made) if !inner.follows => write_json(made, "params.json", &inner.params_json()),
            _ => Ok(()),
        }
    }

    /// A name for a training that no other training of this run has: `jem`, then `jem-2`.
    pub fn name_training(&self, wanted: &str) -> String {
        let taken = &mut self.0.borrow_mut().trainings;
        let mut name = wanted.to_owned();
        let mut count = 1;
        while taken.contains(&name) {
            count += 1;
            name = format!("{wanted}-{count}");
        }
        taken.push(name.clone());
        name
    }

    /// Writes one line of metrics.
    pub fn log(&self, training: &str, iteration: i64, values: &[(String, f64)]) -> Result<()> {
        let Some(folder) = self.own()? else {
            return Ok(());
        };
        let mut inner = self.0.borrow_mut();
        inner
            .metrics
            .write(&folder, &metrics::line(training, iteration, values))?;
        inner.board.write(&folder, training, iteration, values)
    }

    /// Writes one line of events: what happened, when, and details.
    pub fn event(&self, what: &str, details: &[(&str, Json)]) -> Result<()> {
        let Some(folder) = self.own()? else {
            return Ok(());
        };
        let mut entry = Map::new();
        entry.insert("time".into(), now().into());
        entry.insert("event".into(), what.into());
        entry.extend(details.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
        self.0
            .borrow_mut()
            .events
            .write(&folder, &Json::Object(entry).to_string())
    }

    /// Where to write a file of this name (`samples.png`, `pictures/a.png`), its folders made;
    /// `None` where nothing is written. The name must stay inside the run folder.
    pub fn path(&self, name: &str) -> Result<Option<PathBuf>> {
        let place = self.place(name)?;
        Ok(place.filter(|_| !self.follows()))
    }

    /// The same, on any rank: for names that are a rank's own.
    pub(crate) fn place(&self, name: &str) -> Result<Option<PathBuf>> {
        if name.is_empty() || Path::new(name).is_absolute() || folder::inside(name) != name {
            return Err(
                Error::argument(format!("{name:?}: must be a name inside the run folder"))
                    .with_hint("as in \"samples.png\" or \"pictures/samples.png\""),
            );
        }
        let Some(folder) = self.open()? else {
            return Ok(None);
        };
        folder::make_parents(&folder, name)?;
        Ok(Some(folder.join(name)))
    }

    /// Writes a file of this name into the folder, whole or not at all, and says where.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<Option<PathBuf>> {
        let path = self.path(name)?;
        if let Some(path) = &path {
            write_atomically(path, bytes)?;
        }
        Ok(path)
    }

    /// Keeps a report of the evaluation as `reports/<n>.md` and `.json`, so that the run's own
    /// report can show it.
    pub fn report(&self, markdown: &str, json: &str) -> Result<()> {
        let Some(folder) = self.own()? else {
            return Ok(());
        };
        self.0.borrow_mut().reports += 1;
        let number = self.0.borrow().reports;
        folder::write_under(
            &folder,
            &format!("reports/{number}.md"),
            markdown.as_bytes(),
        )?;
        folder::write_under(&folder, &format!("reports/{number}.json"), json.as_bytes())
    }

    /// Notes how the run ended, if it wrote anything: `finished`, `interrupted`, `diverged`,
    /// `failed`, with the error's message.
    pub fn finish(&self, state: &str, error: Option<&str>) -> Result<()> {
        match self.folder() {
            Some(folder) if !self.follows() => write_json(
                &folder,
                "run.json",
                &self.0.borrow().run_json(state, error, true),
            ),
            _ => Ok(()),
        }
    }

    /// The folder, made now if need be, where this process is the one that writes it.
    fn own(&self) -> Result<Option<PathBuf>> {
        match self.follows() {
            true => Ok(None),
            false => self.open(),
        }
    }

    /// The folder, made now if this is the first write; `None` where nothing is written.
    pub fn open(&self) -> Result<Option<PathBuf>> {
        let mut inner = self.0.borrow_mut();
        let Some(folder) = &mut inner.folder else {
            return Ok(None);
        };
        if let Some(made) = folder.made() {
            return Ok(Some(made.to_owned()));
        }
        let made = folder.make()?.to_owned();
        inner.commit = host::commit(&inner.about.folder);
        if !inner.about.source.is_empty() {
            folder::write_under(&made, &inner.script(), inner.about.source.as_bytes())?;
        }
        for (name, text) in &inner.files {
            folder::write_under(&made, name, text.as_bytes())?;
        }
        write_json(&made, "params.json", &inner.params_json())?;
        if let Some(resume) = &inner.about.resume {
            write_json(&made, resume::FILE, resume)?;
            own::remember(&made, resume);
        }
        write_json(&made, "run.json", &inner.run_json("running", None, false))?;
        inner.lock = resume::lock(&made)?;
        Ok(Some(made))
    }
}

impl Inner {
    fn params_json(&self) -> Json {
        let entry = |(name, value, source): &(String, Json, Source)| json!({ "name": name, "value": value, "source": source.name() });
        Json::Array(self.params.iter().map(entry).collect())
    }

    fn run_json(&self, state: &str, error: Option<&str>, ended: bool) -> Json {
        let files: Vec<&str> = self.files.iter().map(|(name, _)| name.as_str()).collect();
        json!({
            "script": self.script(),
            "files": files,
            "command": self.about.command,
            "seed": self.about.seed,
            "device": self.about.device,
            "threads": self.about.threads,
            "jemscript": env!("CARGO_PKG_VERSION"),
            "libtorch": LIBTORCH_VERSION,
            "tch": TCH_VERSION,
            "machine": host::machine(),
            "process": host::process(),
            "git": self.git(),
            "started": self.started.0,
            "ended": if ended { Json::from(now()) } else { Json::Null },
            "seconds": if ended { Json::from(self.started.1.elapsed().as_secs_f64()) } else { Json::Null },
            "state": state,
            "error": error,
        })
    }
}

impl Inner {
    /// The script's name in the folder.
    fn script(&self) -> String {
        let name = Path::new(&self.about.script).file_name();
        name.map_or_else(
            || "script.rhai".to_owned(),
            |n| n.to_string_lossy().into_owned(),
        )
    }

    /// The commit of the script's folder, and whether what ran differs from it; `null` outside a
    /// repository.
    fn git(&self) -> Json {
        let Some(commit) = &self.commit else {
            return Json::Null;
        };
        let differs =
            |name: &str, text: &str| host::differs(&self.about.folder, commit, name, text);
        let dirty = differs(&self.script(), &self.about.source)
            || self.files.iter().any(|(n, t)| differs(n, t));
        json!({ "commit": commit, "dirty": dirty })
    }
}

fn pretty(value: &Json) -> String {
    // The alternate form of a JSON value is indented text, and cannot fail.
    format!("{value:#}\n")
}

fn write_json(folder: &Path, name: &str, value: &Json) -> Result<()> {
    write_atomically(&folder.join(name), pretty(value).as_bytes())
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.folder() {
            Some(folder) => write!(f, "{}", folder.display()),
            None => f.write_str("nothing written"),
        }
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
