//! A session: what all scripts and cells of one engine share: seed, parameters, sources, output.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::{Rc, Weak};

use rhai::{Engine, NativeCallContext};

use crate::error::{Error, Result, nearest};
use crate::options::Value;
use crate::tensor::{Stream, seed};

/// How a session is to run.
#[derive(Clone)]
pub struct Settings {
    /// The seed that decides everything.
    pub seed: u64,
    /// `key=value` from the command line.
    pub overrides: Vec<(String, String)>,
    /// Where run folders go: `runs`, or what `--out` names.
    pub out: PathBuf,
    /// No progress, no notes.
    pub quiet: bool,
    /// A name for run folders: the script's.
    pub name: String,
    /// The folder that relative imports and data files start from.
    pub folder: PathBuf,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 0,
            overrides: Vec::new(),
            out: PathBuf::from("runs"),
            quiet: false,
            name: "session".to_owned(),
            folder: PathBuf::from("."),
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
    /// `default` or `command line`.
    pub source: &'static str,
    /// What it means.
    pub help: String,
}

/// A handle to what one engine's scripts share.
#[derive(Clone)]
pub struct Session(Rc<Inner>);

/// Where printed lines go.
pub type Output = Rc<dyn Fn(&str)>;

struct Inner {
    settings: Settings,
    engine: OnceCell<Weak<Engine>>,
    parameters: RefCell<Vec<Parameter>>,
    sources: RefCell<BTreeMap<String, String>>,
    draws: Cell<u64>,
    output: RefCell<Output>,
}

impl Session {
    /// A session; its engine is bound by [`Session::bind`].
    pub fn new(settings: Settings) -> Session {
        Session(Rc::new(Inner {
            settings,
            engine: OnceCell::new(),
            parameters: RefCell::default(),
            sources: RefCell::default(),
            draws: Cell::new(0),
            output: RefCell::new(Rc::new(|line| println!("{line}"))),
        }))
    }

    /// The session of the engine that makes a call.
    pub fn of(context: &NativeCallContext) -> Session {
        let tag = context.tag().cloned();
        // Every engine is made with its session as tag; a bare one only in tests of rhai itself.
        tag.and_then(|t| t.try_cast::<Session>()).unwrap_or_else(|| Session::new(Settings::default()))
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
        self.0.settings.seed
    }

    /// Seeds the generator for what comes next in a stream; each call gives fresh numbers, the same in every run.
    pub fn next_seed(&self, stream: Stream) {
        let n = self.0.draws.get();
        self.0.draws.set(n + 1);
        seed(self.seed(), stream, n);
    }

    /// Where `print` goes.
    pub fn set_output(&self, output: Output) {
        *self.0.output.borrow_mut() = output;
    }

    /// Prints a line to the user.
    pub fn print(&self, line: &str) {
        let output = self.0.output.borrow().clone();
        output(line);
    }

    /// Keeps a script's text under its name, for diagnostics and the run folder.
    pub fn add_source(&self, name: &str, text: &str) {
        self.0.sources.borrow_mut().insert(name.to_owned(), text.to_owned());
    }

    /// A script's text by its name.
    pub fn source(&self, name: &str) -> Option<String> {
        self.0.sources.borrow().get(name).cloned()
    }

    /// All scripts by name.
    pub fn sources(&self) -> BTreeMap<String, String> {
        self.0.sources.borrow().clone()
    }

    /// The parameters that the script has asked for so far.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters.borrow().clone()
    }

    /// The value of a parameter: from the command line if it is there, else the default, whose type it must have.
    pub fn parameter(&self, name: &str, default: &Value, help: &str) -> Result<Value> {
        let given = self.0.settings.overrides.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let (value, source) = match given {
            Some(text) => (parse_override(name, text, default)?, "command line"),
            None => (default.clone(), "default"),
        };
        let mut parameters = self.0.parameters.borrow_mut();
        parameters.retain(|p| p.name != name);
        parameters.push(Parameter { name: name.to_owned(), value: to_json(&value), source, help: help.to_owned() });
        Ok(value)
    }

    /// An error if the command line names a parameter that the script does not have.
    pub fn check_overrides(&self, known: &[String]) -> Result<()> {
        for (name, _) in &self.0.settings.overrides {
            if !known.iter().any(|k| k == name) {
                let error = Error::argument(format!("the script has no parameter `{name}`"));
                return Err(match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                    None if known.is_empty() => {
                        error.with_hint("it has none: param(\"name\", default, \"help\") makes one")
                    }
                    None => error.with_hint(format!("it has: {}", known.join(", "))),
                });
            }
        }
        Ok(())
    }
}

/// The text of an override as a value of the default's type.
fn parse_override(name: &str, text: &str, default: &Value) -> Result<Value> {
    let number = |t: &str| t.replace('_', "");
    let found = match default {
        Value::Bool(_) => text.parse().ok().map(Value::Bool),
        Value::Int(_) => number(text).parse().ok().map(Value::Int),
        Value::Float(_) => number(text).parse().ok().filter(|f: &f64| f.is_finite()).map(Value::Float),
        Value::Str(_) => Some(Value::Str(text.to_owned())),
        Value::List(_) => serde_json::from_str::<Vec<serde_json::Value>>(text)
            .ok()
            .map(|l| Value::List(l.iter().map(of_json).collect())),
        _ => None,
    };
    found.ok_or_else(|| {
        Error::argument(format!(
            "parameter `{name}` must be {} like its default {default}, got `{text}`",
            default.type_name()
        ))
    })
}

fn of_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => {
            n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or(f64::NAN)), Value::Int)
        }
        serde_json::Value::String(s) => Value::Str(s.clone()),
        serde_json::Value::Array(l) => Value::List(l.iter().map(of_json).collect()),
        _ => Value::None,
    }
}

/// A plain value as JSON.
pub fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => (*i).into(),
        Value::Float(f) => (*f).into(),
        Value::Str(s) => s.clone().into(),
        Value::List(l) => l.iter().map(to_json).collect(),
        Value::Map(m) => serde_json::Value::Object(m.iter().map(|(k, v)| (k.clone(), to_json(v))).collect()),
        other => other.to_string().into(),
    }
}
