//! `jemscript kernel`: Jupyter kernels: the language's own, and with `--rust` the one for Rust cells. Install, uninstall, run.

mod rust;

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::{Args, Subcommand};

use super::RunArgs;
use super::input::Input;
use super::run::{bare, run_folder, settings};
use crate::error::{Error, Result};
use crate::notebook::kernel::install::{self, Place};
use crate::notebook::kernel::{FILE, run};
use crate::script::Program;

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
        /// The kernel for Rust cells, "Rust (jemscript)": build what is missing for it, then offer it
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

/// How a notebook's session is run.
#[derive(Args, Clone)]
struct SessionArgs {
    /// The seed that decides everything
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda, cuda:1, …
    #[arg(long, default_value = "auto")]
    device: String,
    /// CPU threads of libtorch (default: all cores)
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// A folder that `import` looks in after the notebook's own; may be given several times
    #[arg(long, value_name = "DIR")]
    lib: Vec<PathBuf>,
    /// A file or folder that may be read besides the notebook's folder
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,
    /// A folder that may be written to besides the run folder
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<PathBuf>,
    /// Let notebooks run TorchScript modules, which are programs, from files that they may read
    #[arg(long)]
    trust: bool,
    /// The most memory for tensors on the CPU, in GiB (default: what the machine has)
    #[arg(long, value_name = "GIB")]
    max_memory: Option<f64>,
}

impl SessionArgs {
    /// As words of a command line; folders by their full names, since each notebook has a folder of its own.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if self.seed != 0 {
            add("--seed", self.seed.to_string());
        }
        if self.device != "auto" {
            add("--device", self.device.clone());
        }
        if let Some(n) = self.threads {
            add("--threads", n.to_string());
        }
        if let Some(gib) = self.max_memory {
            add("--max-memory", gib.to_string());
        }
        let full = |p: &PathBuf| std::path::absolute(p).unwrap_or_else(|_| p.clone()).display().to_string();
        let folders = [("--lib", &self.lib), ("--allow-read", &self.allow_read), ("--allow-write", &self.allow_write)];
        for (name, paths) in folders {
            paths.iter().for_each(|p| add(name, full(p)));
        }
        words.extend(self.trust.then(|| "--trust".to_owned()));
        words
    }

    fn as_run(&self) -> RunArgs {
        let given = std::env::var(PARAMETERS).unwrap_or_default();
        RunArgs {
            overrides: given.split_whitespace().map(str::to_owned).collect(),
            seed: self.seed,
            device: self.device.clone(),
            threads: self.threads,
            lib: self.lib.clone(),
            allow_read: self.allow_read.clone(),
            allow_write: self.allow_write.clone(),
            trust: self.trust,
            max_memory: self.max_memory,
            ..RunArgs::default()
        }
    }
}

/// Does it; gives the exit code.
pub fn kernel(args: &KernelArgs) -> u8 {
    let outcome = match &args.action {
        Action::Install { place, rust: true, .. } => self::place(place).and_then(|p| rust::install(&p)).map(|()| 0),
        Action::Install { place, session, .. } => install(place, session).map(|()| 0),
        Action::Uninstall { place, rust: true, built } => {
            self::place(place).and_then(|p| rust::uninstall(&p, *built)).map(|()| 0)
        }
        Action::Uninstall { place, .. } => uninstall(place).map(|()| 0),
        Action::Run { rust: true, connection_file, .. } => rust::run(connection_file),
        Action::Run { session, connection_file, .. } => serve(session.clone(), connection_file).map(|()| 0),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{}", bare(&error));
        1
    })
}

fn serve(session: SessionArgs, connection: &Path) -> Result<()> {
    let started = run(connection, move || {
        let args = session.as_run();
        let program = Program::new(settings(&args, FILE, Path::new("."))?);
        program.session.set_run(run_folder(&args, &Input::none(FILE))?);
        Ok(program)
    });
    started?;
    // A cell that did not stop in time may still be inside libtorch: nothing is taken down under it.
    signal_hook::low_level::exit(0);
}

fn install(place: &PlaceArgs, session: &SessionArgs) -> Result<()> {
    let program = std::env::current_exe().map_err(|e| Error::state(format!("kernel: where is this program? {e}")))?;
    let folder = install::install(&self::place(place)?, &program, &session.words())?;
    println!("the kernel is in {}", folder.display());
    println!("Jupyter now offers \"jemscript\": jupyter lab, or jupyter console --kernel jemscript");
    Ok(())
}

fn uninstall(place: &PlaceArgs) -> Result<()> {
    match install::uninstall(&self::place(place)?, install::NAME)? {
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
    let asked = Process::new("python3").args(["-c", "import sys; print(sys.prefix)"]).output();
    let prefix =
        asked.ok().filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    prefix.filter(|p| !p.is_empty()).map(|p| Place::Prefix(PathBuf::from(p))).ok_or_else(|| {
        Error::state("kernel: there is no python3 that knows its environment").with_hint("use --prefix DIR")
    })
}
