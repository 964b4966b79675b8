//! `jemscript kernel`: Jupyter kernels: the language's own, and with `--rust` the one for Rust
//! cells. Install, uninstall, run.

mod rust;

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::{Args, Subcommand};

use super::input::Input;
use super::program;
use super::run::{run_folder, settings};
use super::session::SessionArgs;
use crate::error::{Error, Result};
use crate::notebook::kernel::install::{self, Place};
use crate::notebook::kernel::{FILE, run};
use crate::script::{Diagnostic, Program};

/// Parameters of a notebook that is run by a program: `epochs=1 steps=5`.
const PARAMETERS: &str = "JEMSCRIPT_PARAMS";

/// What to do with the kernel.
#[derive(Args)]
pub struct KernelArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Let Jupyter offer "jemscript"; the options stand in for those of each notebook
    Install {
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        session: SessionArgs,
        /// The kernel for Rust cells, "Rust (jemscript)": build what is missing for it, then offer
        /// it
        #[arg(long, conflicts_with = "SessionArgs")]
        rust: bool,
    },
    /// Take the kernel away from Jupyter
    Uninstall {
        #[command(flatten)]
        place: PlaceArgs,
        /// The kernel for Rust cells
        #[arg(long)]
        rust: bool,
        /// With --rust: remove what was built for it, too
        #[arg(long, requires = "rust")]
        built: bool,
    },
    /// Serve one notebook: Jupyter does this
    Run {
        #[command(flatten)]
        session: SessionArgs,
        /// The kernel for Rust cells
        #[arg(long, conflicts_with = "SessionArgs")]
        rust: bool,
        /// What Jupyter writes for the kernel
        connection_file: PathBuf,
    },
}

#[derive(Args)]
#[group(multiple = false)]
struct PlaceArgs {
    /// For this user (the default)
    #[arg(long)]
    user: bool,
    /// Below a folder, that of an environment, say: DIR/share/jupyter/kernels
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// In the environment of the python3 on the PATH
    #[arg(long)]
    sys_prefix: bool,
}

/// Does it; gives the exit code.
pub fn kernel(args: &KernelArgs) -> u8 {
    let outcome = match &args.action {
        Action::Install {
            place, rust: true, ..
        } => self::place(place)
            .and_then(|p| rust::install(&p))
            .map(|()| 0),
        Action::Install { place, session, .. } => install(place, session).map(|()| 0),
        Action::Uninstall {
            place,
            rust: true,
            built,
        } => self::place(place)
            .and_then(|p| rust::uninstall(&p, *built))
            .map(|()| 0),
        Action::Uninstall { place, .. } => self::place(place)
            .and_then(|p| uninstall(&p, install::NAME))
            .map(|()| 0),
        Action::Run {
            rust: true,
            connection_file,
            ..
        } => rust::run(connection_file),
        Action::Run {
            session,
            connection_file,
            ..
        } => serve(session.clone(), connection_file).map(|()| 0),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{}", Diagnostic::bare(&error));
        1
    })
}

fn serve(session: SessionArgs, connection: &Path) -> Result<()> {
    let started = run(connection, move || {
        let given = std::env::var(PARAMETERS).unwrap_or_default();
        let args = session.as_run(given.split_whitespace().map(str::to_owned).collect());
        let program = Program::new(settings(&args, FILE, Path::new("."))?);
        program
            .session
            .set_run(run_folder(&args, &Input::none(FILE))?);
        Ok(program)
    });
    started?;
    // A cell that did not stop in time may still be inside libtorch: nothing is taken down under
    // it.
    signal_hook::low_level::exit(0);
}

fn install(place: &PlaceArgs, session: &SessionArgs) -> Result<()> {
    let program = program::path("kernel")?;
    let folder = install::install(&self::place(place)?, &program, &session.words())?;
    println!("the kernel is in {}", folder.display());
    println!(
        "Jupyter now offers \"jemscript\": jupyter lab, or jupyter console --kernel jemscript"
    );
    Ok(())
}

/// Takes a kernel's entry away, and says so.
fn uninstall(place: &Place, name: &str) -> Result<()> {
    match install::uninstall(place, name)? {
        Some(folder) => println!("removed {}", folder.display()),
        None => println!("there is no kernel to remove"),
    }
    Ok(())
}

fn place(args: &PlaceArgs) -> Result<Place> {
    if let Some(folder) = &args.prefix {
        let full = std::path::absolute(folder).map_err(|e| Error::io(folder, &e))?;
        return Ok(Place::Prefix(full));
    }
    if !args.sys_prefix {
        return Ok(Place::User);
    }
    let asked = Process::new("python3")
        .args(["-c", "import sys; print(sys.prefix)"])
        .output();
    let prefix = asked
        .ok()
        .filter(|o| o.status.success())
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    prefix
        .filter(|p| !p.is_empty())
        .map(|p| Place::Prefix(PathBuf::from(p)))
        .ok_or_else(|| {
            Error::state("kernel: there is no python3 that knows its environment")
                .with_hint("use --prefix DIR")
        })
}
