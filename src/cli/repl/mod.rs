//! `jemscript repl`: the language line by line. In a terminal with editing, history, colours and
//! completion; from a pipe it reads the same lines without.

mod commands;
mod editor;
mod highlight;
mod lines;

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;

use super::input::Input;
use super::run::{catch_signals, run_folder, settings};
use super::session::SessionArgs;
use super::terminal::Terminal;
use super::{INTERRUPTED, RunArgs};
use crate::error::{ErrorKind, Result};
use crate::script::{Cells, Diagnostic, Program};
use commands::Next;
use editor::{Editor, Line};

/// The name of a session's script in its run folder.
const FILE: &str = "session.rhai";

/// How a session is run.
#[derive(Args)]
pub struct ReplArgs {
    /// Parameters: `epochs=5`
    #[arg(value_name = "key=value")]
    overrides: Vec<String>,
    #[command(flatten)]
    session: SessionArgs,
    /// The run folder (default: a new one under runs/, made when something is written)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No progress, only what is printed
    #[arg(long, short)]
    quiet: bool,
}

impl ReplArgs {
    fn as_run(&self) -> RunArgs {
        RunArgs {
            out: self.out.clone(),
            quiet: self.quiet,
            ..self.session.as_run(self.overrides.clone())
        }
    }
}

/// Runs a session; gives the exit code: from a pipe, 1 if an entry failed.
pub fn repl(args: &ReplArgs) -> u8 {
    catch_signals();
    let args = args.as_run();
    let cells = match start(&args) {
        Ok(cells) => cells,
        Err(error) => {
            eprintln!("{}", Diagnostic::bare(&error));
            return 1;
        }
    };
    let mut repl = Repl {
        cells,
        failed: false,
        interrupted: false,
    };
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if terminal {
        repl.talk()
    } else {
        repl.read()
    }
    if let Err(error) = repl.cells.close(FILE) {
        eprintln!("{}", Diagnostic::bare(&error));
    }
    match (terminal, repl.interrupted, repl.failed) {
        (true, ..) | (_, false, false) => 0,
        (_, true, _) => INTERRUPTED,
        _ => 1,
    }
}

fn start(args: &RunArgs) -> Result<Cells> {
    let program = Program::new(settings(args, FILE, Path::new("."))?);
    program
        .session
        .set_run(run_folder(args, &Input::none(FILE))?);
    program
        .session
        .set_output(Rc::new(Terminal::new(args.quiet)));
    Ok(Cells::new(program, "entry"))
}

/// A session under way.
struct Repl {
    cells: Cells,
    /// Whether an entry ended in an error.
    failed: bool,
    interrupted: bool,
}

impl Repl {
    /// A person types.
    fn talk(&mut self) {
        println!(
            "jemscript {} — :help lists what there is besides the language, Ctrl-D leaves",
            env!("CARGO_PKG_VERSION")
        );
        let mut editor = Editor::new();
        loop {
            editor.know(&self.cells);
            match editor.read(self.cells.count() + 1) {
                Line::Text(text) => {
                    if matches!(self.take(&text), Next::Quit) {
                        return;
                    }
                }
                Line::Nothing => {}
                Line::End => return,
            }
        }
    }

    /// A pipe or a file: the same entries, each as soon as it is whole.
    fn read(&mut self) {
        let mut open = String::new();
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else {
                eprintln!("error: standard input: not a text (UTF-8)");
                self.failed = true;
                return;
            };
            open += &line;
            if open.starts_with(':') || self.cells.is_complete(&open) {
                if matches!(self.take(&std::mem::take(&mut open)), Next::Quit) {
                    return;
                }
            } else {
                open.push('\n');
            }
        }
        self.take(&open);
    }

    /// An entry or a command.
    fn take(&mut self, text: &str) -> Next {
        let text = text.trim_end();
        if text.trim().is_empty() {
            return Next::Go;
        }
        if let Some(command) = text.strip_prefix(':') {
            return self.command(command);
        }
        let outcome = self.cells.run(text).map(|o| o.value);
        self.show(outcome);
        Next::Go
    }

    /// Shows what an entry gave.
    fn show(&mut self, outcome: std::result::Result<rhai::Dynamic, Diagnostic>) {
        match outcome {
            Ok(value) => {
                if let Some(rich) = self.cells.program.rich(&value) {
                    self.cells.program.session.output().display(&rich);
                }
            }
            Err(error) => self.error(&error),
        }
    }

    fn error(&mut self, error: &Diagnostic) {
        self.failed = true;
        self.interrupted = error.error.kind() == ErrorKind::Interrupted;
        eprintln!("{error}");
    }
}
