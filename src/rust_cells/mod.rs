//! The language inside a Rust notebook: a [`Session`] runs scripts from cells of evcxr, and shares
//! values with them.
//!
//! All types are concrete and owned, since evcxr must write down the type of each variable that
//! lives on in the next cell.

mod exchange;
mod output;
mod stop;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::display::{self, Rich, evcxr};
use crate::run::{About, Run};
use crate::script::{Cells, Program, Settings};
use crate::tensor::{default_device, device_name};
use crate::train::{Lines, Progress};

pub use output::Output;
pub use stop::listen;

/// The time between two lines of progress: each stays in the notebook.
const PAUSE: Duration = Duration::from_secs(2);

/// With this variable in the environment, a script that fails ends the process: who runs a notebook
/// unattended sees it.
const STRICT: &str = "JEMSCRIPT_STRICT";

/// A session of the language: a script runs in it piece by piece, and its variables stay.
///
/// ```
/// # use jemscript::prelude::*;
/// let js = Session::new();
/// js.run("let x = tensor::arange(4); let total = x.sum();");
/// assert_eq!(js.get_tensor("x")?.shape(), [4]);
/// js.set_float("rate", 0.5)?;
/// assert_eq!(js.run("rate * total.item()").text(), "3.0");
/// # Ok::<(), Error>(())
/// ```
pub struct Session {
    cells: RefCell<Cells>,
}

impl Session {
    /// A session with seed 0. Stop ends its script at the next step, and all variables stay: see
    /// [`listen`].
    pub fn new() -> Session {
        Session::with_seed(0)
    }

    /// A session with a seed of its own.
    pub fn with_seed(seed: u64) -> Session {
        stop::listen();
        let program = Program::new(Settings {
            seed,
            name: "notebook".to_owned(),
            ..Settings::default()
        });
        program.session.set_run(Run::under(
            std::path::Path::new("runs"),
            About {
                script: "notebook.rhai".to_owned(),
                source: String::new(),
                seed,
                device: device_name(default_device()),
                threads: i64::from(tch::get_num_threads()),
                ..About::default()
            },
        ));
        program.session.set_output(Rc::new(Notebook));
        Session {
            cells: RefCell::new(Cells::new(program, "run")),
        }
    }

    /// Runs the next piece. What it prints appears at once; an error is printed as a script's is,
    /// with the line and a hint.
    pub fn run(&self, text: &str) -> Output {
        let mut cells = self.cells.borrow_mut();
        match cells.run(text) {
            Ok(outcome) => Output::value(cells.program.rich(&outcome.value)),
            Err(diagnostic) => {
                println!("{diagnostic}");
                if std::env::var_os(STRICT).is_some_and(|v| !v.is_empty() && v != "0") {
                    std::process::exit(1);
                }
                Output::error(diagnostic)
            }
        }
    }

    /// The session so far as one script; what failed stands in it as a comment.
    pub fn script(&self) -> String {
        self.cells.borrow().script()
    }
}

impl Default for Session {
    fn default() -> Session {
        Session::new()
    }
}

impl fmt::Display for Session {
    /// Its variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables = self.cells.borrow().variables();
        if variables.is_empty() {
            return f.write_str("a session without variables");
        }
        f.write_str("a session with")?;
        for (i, v) in variables.iter().enumerate() {
            write!(
                f,
                "{} {} ({})",
                if i == 0 { "" } else { "," },
                v.name,
                v.kind
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Session {
    /// Shows its variables below the cell that runs.
    pub fn evcxr_display(&self) {
        evcxr::show(&Rich::text(self.to_string()));
    }
}

/// A notebook as an output.
struct Notebook;

impl display::Output for Notebook {
    fn print(&self, text: &str) {
        println!("{text}");
    }

    fn display(&self, value: &Rich) {
        evcxr::show(value);
    }

    fn update(&self, slot: &str, value: &Rich) {
        evcxr::show_in(slot, value);
    }

    fn progress(&self) -> Rc<dyn Progress> {
        Rc::new(Lines::new(PAUSE))
    }
}
