//! A session: what all scripts and cells of one engine share: seed, parameters, sources, output.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use rhai::{Engine, NativeCallContext};

use super::access::Access;
use super::overrides::{self, Preset};
use super::places::{Moves, Place, SOURCE};
use crate::display::{Output, Plain};
use crate::error::{Error, Result, nearest};
use crate::options::Value;
use crate::params::{Snapshot, State};
use crate::run::{Run, Source, to_json};
use crate::tensor::{Stream, seed};
use crate::train::Context;

/// How a session is to run.
#[derive(Clone)]
pub struct Settings {
    /// The seed that decides everything.
    pub seed: u64,
    /// `key=value` from the command line.
    pub overrides: Vec<(String, String)>,
    /// Which of them a sweep chose.
    pub swept: Vec<String>,
    /// Values from elsewhere, a file say; the command line goes before them.
    pub presets: Vec<Preset>,
    /// A name for run folders: the script's.
    pub name: String,
    /// The folder that relative imports and data files start from.
    pub folder: PathBuf,
    /// Files and folders that the script may read besides.
    pub allow_read: Vec<PathBuf>,
    /// Folders that imports are looked for in after the script's own.
    pub lib: Vec<PathBuf>,
    /// Folders that the script may write to besides its run folder.
    pub allow_write: Vec<PathBuf>,
    /// Whether the script may run programs in files: TorchScript modules.
    pub trust: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 0,
            overrides: Vec::new(),
            swept: Vec::new(),
            presets: Vec::new(),
            name: "session".to_owned(),
            folder: PathBuf::from("."),
            allow_read: Vec::new(),
            allow_write: Vec::new(),
            lib: Vec::new(),
            trust: false,
        }
    }
}

impl Settings {
    /// Of a script in a folder.
    pub fn beside(folder: &Path) -> Settings {
        Settings {
            folder: folder.to_path_buf(),
            ..Settings::default()
        }
    }
}

/// A parameter of a script and the value it has in this run.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The value in force.
    pub value: serde_json::Value,
    /// Where it comes from.
    pub source: Source,
    /// What it means.
    pub help: String,
}

/// A handle to what one engine's scripts share.
#[derive(Clone)]
pub struct Host(Rc<Inner>);

struct Inner {
    settings: Settings,
    seed: Cell<u64>,
    run: RefCell<Run>,
    trainings: Cell<u64>,
    engine: OnceCell<Weak<Engine>>,
    parameters: RefCell<Vec<Parameter>>,
    /// What `set_param` gave.
    given: RefCell<Vec<Preset>>,
    /// The variables that the session had when the cell began; `None` in a script.
    variables: RefCell<Option<Vec<String>>>,
    sources: RefCell<BTreeMap<String, String>>,
    cells: RefCell<Vec<Place>>,
    imports: RefCell<BTreeMap<String, String>>,
    moves: RefCell<BTreeMap<String, Moves>>,
    draws: Cell<u64>,
    output: RefCell<Rc<dyn Output>>,
}

impl Host {
    /// A session; its engine is bound by [`Host::bind`].
    pub fn new(settings: Settings) -> Host {
        Host(Rc::new(Inner {
            seed: Cell::new(settings.seed),
            run: RefCell::new(Run::none()),
            trainings: Cell::new(0),
            settings,
            engine: OnceCell::new(),
            parameters: RefCell::default(),
            given: RefCell::default(),
            variables: RefCell::default(),
            sources: RefCell::default(),
            cells: RefCell::default(),
            imports: RefCell::default(),
            moves: RefCell::default(),
            draws: Cell::new(0),
            output: RefCell::new(Rc::new(Plain)),
        }))
    }

    /// The session of the engine that makes a call.
    pub fn of(context: &NativeCallContext) -> Host {
        let tag = context.tag().cloned();
        // Every engine is made with its session as tag; a bare one only in tests of rhai itself.
        tag.and_then(|t| t.try_cast::<Host>())
            .unwrap_or_else(|| Host::new(Settings::default()))
    }

    /// Ties the session to its engine.
    pub fn bind(&self, engine: &Rc<Engine>) {
        let _ = self.0.engine.set(Rc::downgrade(engine));
    }

    /// The engine; gone only where a value outlived its session.
    pub fn engine(&self) -> Result<Rc<Engine>> {
        self.0
            .engine
            .get()
            .and_then(Weak::upgrade)
            .ok_or_else(|| Error::state("the session of this function has ended"))
    }

    /// How the session runs.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The master seed.
    pub fn seed(&self) -> u64 {
        self.0.seed.get()
    }

    /// Starts all random numbers anew from a seed: what follows is the same each time.
    pub fn reseed(&self, seed: u64) {
        self.0.seed.set(seed);
        self.0.draws.set(0);
        self.0.trainings.set(0);
    }

    /// Seeds the generator for what comes next in a stream; each call gives fresh numbers, the same
    /// in every run.
    pub fn next_seed(&self, stream: Stream) {
        let n = self.0.draws.get();
        self.0.draws.set(n + 1);
        seed(self.seed(), stream, n);
    }

    /// The run folder.
    pub fn run(&self) -> Run {
        self.0.run.borrow().clone()
    }

    /// What the script may read and write.
    pub fn access(&self) -> Access {
        let settings = self.settings();
        Access {
            script: settings.folder.clone(),
            read: settings.allow_read.clone(),
            write: settings.allow_write.clone(),
            trust: settings.trust,
            run: self.run(),
        }
    }

    /// Chooses the run folder.
    pub fn set_run(&self, run: Run) {
        *self.0.run.borrow_mut() = run;
    }

    /// What the next training needs: its folder, its seed, the state it changes. Each training
    /// since the last `seed(…)` has random numbers of its own.
    pub fn training(&self, mut state: Vec<(String, Rc<dyn State>)>) -> Context {
        state.push(self.counters());
        let n = self.0.trainings.get();
        self.0.trainings.set(n + 1);
        let progress = self.output().progress();
        Context {
            run: self.run(),
            seed: self.seed().wrapping_add(n << 40),
            state,
            progress,
        }
    }

    /// Where the session's random numbers stand, as state of a training: a validation may draw
    /// some.
    fn counters(&self) -> (String, Rc<dyn State>) {
        ("loop.random".to_owned(), Rc::new(Counters(self.clone())))
    }

    /// Chooses where everything goes that scripts show: lines, values, progress.
    pub fn set_output(&self, output: Rc<dyn Output>) {
        *self.0.output.borrow_mut() = output;
    }

    /// Where everything goes that scripts show.
    pub fn output(&self) -> Rc<dyn Output> {
        self.0.output.borrow().clone()
    }

    /// Prints a line to the user.
    pub fn print(&self, line: &str) {
        self.output().print(line);
    }

    /// Keeps a script's text under its name, for diagnostics and the run folder.
    pub fn add_source(&self, name: &str, text: &str) {
        self.0
            .sources
            .borrow_mut()
            .insert(name.to_owned(), text.to_owned());
    }

    /// A script's text by its name.
    pub fn source(&self, name: &str) -> Option<String> {
        self.0.sources.borrow().get(name).cloned()
    }

    /// Notes what has moved in a script when it was rewritten.
    pub(super) fn add_moves(&self, name: &str, moves: Moves) {
        self.0.moves.borrow_mut().insert(name.to_owned(), moves);
    }

    /// The same of some lines of all cells.
    pub(super) fn add_moves_of_cell(&self, lines: std::ops::Range<usize>, moves: Moves) {
        let mut all = self.0.moves.borrow_mut();
        let cells = all.entry(SOURCE.to_owned()).or_default();
        cells.take_lines(lines, moves);
    }

    /// The column in which something stands in a script as it is written.
    pub(super) fn column(&self, name: &str, line: usize, column: usize) -> usize {
        let all = self.0.moves.borrow();
        all.get(name)
            .map_or(column, |moves| moves.before(line, column))
    }

    /// Notes where the lines of a cell begin among those of all cells; older cells lose the lines
    /// that it takes.
    pub(super) fn add_cell(&self, label: &str, text: &str, first: usize) {
        let place = Place {
            label: label.to_owned(),
            text: text.to_owned(),
            first,
        };
        let mut cells = self.0.cells.borrow_mut();
        let lines = place.lines();
        cells.retain(|c| c.lines().end <= lines.start || c.lines().start >= lines.end);
        cells.push(place);
    }

    /// The first line of a text that ran before, which from now on belongs to `label`.
    pub(super) fn again(&self, label: &str, text: &str) -> Option<usize> {
        let mut cells = self.0.cells.borrow_mut();
        let place = cells.iter_mut().find(|c| c.text == text)?;
        place.label = label.to_owned();
        Some(place.first)
    }

    /// The cell that a line of all cells belongs to, and the line in it.
    pub(super) fn cell_of(&self, source: &str, line: usize) -> Option<(String, usize)> {
        let cells = self.0.cells.borrow();
        let place = cells
            .iter()
            .find(|c| source == SOURCE && c.lines().contains(&line))?;
        Some((place.label.clone(), line - place.first + 1))
    }

    /// The imported scripts: the name by which `import` finds each, relative to the main script's
    /// folder or to one of `--lib`, and text.
    pub fn imports(&self) -> Vec<(String, String)> {
        let settings = self.settings();
        let folders = || std::iter::once(&settings.folder).chain(&settings.lib);
        let relative = |name: &String| {
            folders().find_map(|f| {
                Path::new(name)
                    .strip_prefix(f)
                    .map(|p| p.display().to_string())
                    .ok()
            })
        };
        let all = self.0.imports.borrow();
        all.iter()
            .map(|(name, text)| (relative(name).unwrap_or_else(|| name.clone()), text.clone()))
            .collect()
    }

    /// Keeps an imported script, in the run folder too; a run that goes on refuses one that has
    /// changed.
    pub fn add_import(&self, name: &str, text: &str) -> Result<()> {
        self.add_source(name, text);
        self.0
            .imports
            .borrow_mut()
            .insert(name.to_owned(), text.to_owned());
        let folder = &self.0.settings.folder;
        let relative = Path::new(name)
            .strip_prefix(folder)
            .map_or_else(|_| name.to_owned(), |p| p.display().to_string());
        self.run().add_file(&relative, text)
    }

    /// The parameters that the script has asked for so far.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters.borrow().clone()
    }

    /// The value of a parameter: from the command line if it is there, else the default, whose type
    /// it must have.
    pub fn parameter(&self, name: &str, default: &Value, help: &str) -> Result<Value> {
        if matches!(default, Value::None | Value::Object(_) | Value::Function(_)) {
            let text = format!(
                "param: the default of `{name}` must be a number, text, bool, array or map, got {}",
                default.type_name()
            );
            return Err(Error::argument(text).with_hint("the default gives the parameter its type"));
        }
        let settings = self.settings();
        let given = settings.overrides.iter().rev().find(|(n, _)| n == name);
        let here = self.0.given.borrow();
        let all = settings.presets.iter().chain(here.iter());
        let preset = all.rev().find(|p| p.name == name);
        let (value, source) = match (given, preset) {
            (Some((_, text)), _) if settings.swept.iter().any(|n| n == name) => {
                (overrides::of_text(name, text, default)?, Source::Sweep)
            }
            (Some((_, text)), _) => (
                overrides::of_text(name, text, default)?,
                Source::CommandLine,
            ),
            (None, Some(preset)) => (
                overrides::of_json(name, &preset.value, default)?,
                preset.source,
            ),
            (None, None) => (default.clone(), Source::Default),
        };
        self.run().param(name, &value, source)?;
        let mut parameters = self.0.parameters.borrow_mut();
        parameters.retain(|p| p.name != name);
        parameters.push(Parameter {
            name: name.to_owned(),
            value: to_json(&value),
            source,
            help: help.to_owned(),
        });
        Ok(value)
    }

    /// Gives a parameter its value from within: the calls of `param` that follow take it. What
    /// `param` gave before stays where it is, so that the caller must put the value into a variable
    /// of the parameter's name.
    /// Gives back the value in the type that the parameter has, as far as that is known.
    pub fn set_parameter(&self, name: &str, value: &Value) -> Result<Value> {
        let json = to_json(value);
        let before = self.parameters();
        let asked = before.iter().find(|p| p.name == name).cloned();
        if let Some(asked) = &asked {
            // In a script the compiler sees to names; only a session knows its variables here.
            let session = self.0.variables.borrow();
            if session
                .as_ref()
                .is_some_and(|all| all.iter().all(|v| v != name))
            {
                let text =
                    format!("set_param: `{name}` was read before, into no variable `{name}`");
                let hint = format!(
                    "let the variable have the parameter's name: let {name} = param(\"{name}\", …);"
                );
                return Err(Error::argument(text).with_hint(hint));
            }
            overrides::of_json(name, &json, &overrides::plain(&asked.value))?;
        } else if !before.is_empty() {
            let known: Vec<String> = before.into_iter().map(|p| p.name).collect();
            return Err(unknown("notebook", name, &known));
        }
        let mut given = self.0.given.borrow_mut();
        given.retain(|p| p.name != name);
        given.push(Preset {
            name: name.to_owned(),
            value: json,
            source: Source::Notebook,
        });
        drop(given);
        match asked {
            Some(asked) => self.parameter(name, &overrides::plain(&asked.value), &asked.help),
            None => Ok(value.clone()),
        }
    }

    /// Notes the variables that a session has as its next cell begins.
    pub fn set_variables(&self, names: Vec<String>) {
        *self.0.variables.borrow_mut() = Some(names);
    }

    /// An error if the command line, or a file of parameters, names a parameter that the script
    /// does not have.
    pub fn check_overrides(&self, known: &[String]) -> Result<()> {
        let settings = self.settings();
        let mut named = settings
            .overrides
            .iter()
            .map(|(n, _)| n)
            .chain(settings.presets.iter().map(|p| &p.name));
        match named.find(|name| !known.contains(name)) {
            Some(name) => Err(unknown("script", name, known)),
            None => Ok(()),
        }
    }
}

fn unknown(place: &str, name: &str, known: &[String]) -> Error {
    let error = Error::argument(format!("the {place} has no parameter `{name}`"));
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => {
            error.with_hint("it has none: param(\"name\", default, \"help\") makes one")
        }
        None => error.with_hint(format!("it has: {}", known.join(", "))),
    }
}

struct Counters(Host);

impl State for Counters {
    fn about(&self) -> String {
        String::new()
    }

    fn learned(&self) -> bool {
        false
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        let s = &self.0.0;
        into.values.insert(
            path.to_owned(),
            serde_json::json!([s.seed.get(), s.draws.get(), s.trainings.get()]),
        );
        Ok(())
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        let kept = from.values.get(path).cloned().unwrap_or_default();
        let (Some(seed), Some(draws), Some(trainings)) =
            (kept[0].as_u64(), kept[1].as_u64(), kept[2].as_u64())
        else {
            return Err(Error::data(format!("checkpoint: no numbers `{path}`")));
        };
        let s = &self.0.0;
        s.seed.set(seed);
        s.draws.set(draws);
        s.trainings.set(trainings);
        Ok(())
    }
}
