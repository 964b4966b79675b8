//! What a session does besides the language: `:help`, `:vars`, `:save`, …

use std::path::Path;
use std::time::Instant;

use super::Repl;
use crate::cli::doc;
use crate::error::{Error, Result, nearest};
use crate::formats::write_atomically;
use crate::nn::Network;
use crate::script::{Diagnostic, read_script};

/// What comes after an entry.
pub enum Next {
    /// The next one.
    Go,
    /// The end.
    Quit,
}

/// The commands, with what they take and do.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("help", "", "this list"),
    (
        "doc",
        "NAME",
        "what a function, method or option does; without a name, all functions",
    ),
    ("vars", "", "the variables of this session"),
    (
        "load",
        "FILE",
        "run a script here: its variables and functions stay",
    ),
    ("save", "FILE", "write this session as a script that runs"),
    ("time", "CODE", "run something and say how long it took"),
    ("quit", "", "leave; so does Ctrl-D"),
];

/// What a saved session begins with; only such a file is written over.
const HEAD: &str = "// A session of jemscript";

/// A variable's value is cut beyond so many characters.
const SHOWN: usize = 60;

impl Repl {
    /// Does what stands behind the colon.
    pub fn command(&mut self, line: &str) -> Next {
        let (name, rest) = line
            .trim()
            .split_once(char::is_whitespace)
            .unwrap_or((line.trim(), ""));
        let rest = rest.trim();
        // The first letter is enough.
        let known = COMMANDS
            .iter()
            .map(|c| c.0)
            .find(|c| *c == name || (name.len() == 1 && c.starts_with(name)));
        let outcome = match known.unwrap_or(name) {
            "help" => {
                print!("{}", help());
                Ok(())
            }
            "quit" => return Next::Quit,
            "doc" => {
                self.failed |= doc::doc(Some(rest).filter(|r| !r.is_empty())) != 0;
                Ok(())
            }
            "vars" => {
                print!("{}", self.variables());
                Ok(())
            }
            "load" => self.load(rest),
            "save" => self.save(rest),
            "time" => {
                self.time(rest);
                Ok(())
            }
            _ => Err(unknown(name)),
        };
        if let Err(error) = outcome {
            self.error(&Diagnostic::bare(&error));
        }
        Next::Go
    }

    fn load(&mut self, file: &str) -> Result<()> {
        let text = read_script(Path::new(named("load", file)?))?;
        let outcome = self.cells.run_as(file, &text).map(|o| o.value);
        self.show(outcome);
        Ok(())
    }

    fn save(&mut self, file: &str) -> Result<()> {
        let path = Path::new(named("save", file)?);
        if path.exists() && !read_script(path).is_ok_and(|text| text.starts_with(HEAD)) {
            return Err(Error::argument(format!(
                ":save: {file} exists and is not a saved session"
            ))
            .with_hint("choose another name"));
        }
        write_atomically(
            path,
            format!("{HEAD}.\n\n{}", self.cells.script()).as_bytes(),
        )?;
        println!("{file}: {} entries", self.cells.count());
        Ok(())
    }

    fn time(&mut self, code: &str) {
        let started = Instant::now();
        let outcome = self.cells.run(code).map(|o| o.value);
        let seconds = started.elapsed().as_secs_f64();
        self.show(outcome);
        println!("took {}", duration(seconds));
    }

    /// The variables: name, type, and the value as far as a line holds it.
    fn variables(&self) -> String {
        let all = self.cells.variables();
        let width = |of: &dyn Fn(&crate::script::cells::Variable) -> usize| {
            all.iter().map(of).max().unwrap_or(0)
        };
        let (name, kind) = (
            width(&|v| v.name.chars().count()),
            width(&|v| v.kind.chars().count()),
        );
        let mut text = String::new();
        for v in &all {
            // A table has no telling first line.
            let network = v.value.clone().try_cast::<Network>().map(|n| n.describe());
            let value = network
                .or_else(|| self.cells.program.show(&v.value))
                .unwrap_or_default();
            let mut lines = value.lines();
            let mut line: String = lines
                .next()
                .unwrap_or_default()
                .chars()
                .take(SHOWN)
                .collect();
            if line.len() < value.len() {
                line.push('…');
            }
            let word = if v.constant { "const" } else { "let" };
            text += format!("{word:5} {:name$}  {:kind$}  {line}", v.name, v.kind).trim_end();
            text.push('\n');
        }
        text
    }
}

fn named<'a>(command: &str, file: &'a str) -> Result<&'a str> {
    if file.is_empty() {
        return Err(Error::argument(format!(
            ":{command} takes the name of a file"
        )));
    }
    Ok(file)
}

fn unknown(name: &str) -> Error {
    let error = Error::argument(format!("there is no command `:{name}`"));
    match nearest(name, COMMANDS.iter().map(|c| c.0)) {
        Some(near) => error.with_hint(format!("did you mean `:{near}`?")),
        None => error.with_hint("`:help` lists all"),
    }
}

fn help() -> String {
    let lines = COMMANDS
        .iter()
        .map(|(name, takes, does)| format!("  {:12} {does}\n", format!(":{name} {takes}")));
    let keys = "  Tab completes, the arrows go through what was typed before, Ctrl-R searches it.\n  \
        Ctrl-C clears the line; while something runs, it stops it at its next step and keeps all variables.\n";
    lines.collect::<String>() + keys
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
