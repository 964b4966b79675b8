//! The command line: one subcommand a file, no logic.

mod blocks;
mod check;
mod cite;
mod compare;
mod doc;
mod doctor;
mod dry_run;
mod fetch;
mod first;
mod fmt;
mod input;
mod kept;
mod kernel;
mod launch;
mod limits;
mod lsp;
mod new;
mod params;
mod params_file;
mod program;
mod ranks;
mod recipes;
mod repl;
mod reproduce;
mod rerun;
mod resume;
mod run;
mod runs;
mod session;
mod shell;
mod sweep;
mod terminal;
mod threads;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result, nearest};

/// What the program returns when a run was interrupted, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Energy-based models from short scripts.
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
#[command(
    after_help = "Examples:\n  jemscript scripts/train.rhai\n  jemscript scripts/train.rhai iterations=500 sgld_steps=40 --seed 3\n  jemscript -e 'data::digits()'\n  jemscript repl\n  jemscript doc sgld"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Show the documentation of a function, or all names
    Doc {
        /// A name: `sgld`, `nn::linear`
        name: Option<String>,
        /// Find functions by words of their documentation: --search gradient norm
        #[arg(long, value_name = "WORDS", num_args = 1.., conflicts_with = "name")]
        search: Vec<String>,
    },
    /// Find mistakes in scripts without running them
    Check {
        /// The scripts
        #[arg(required = true, value_name = "FILE")]
        files: Vec<std::path::PathBuf>,
        /// One JSON object a finding, for editors
        #[arg(long)]
        json: bool,
    },
    /// Write scripts in the language's form: space and indents, nothing else
    Fmt {
        /// Scripts, or folders of scripts; - for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<std::path::PathBuf>,
        /// Write nothing; 1 if any script is not in its form
        #[arg(long)]
        check: bool,
    },
    /// Serve an editor: diagnostics, completion, documentation, renaming
    Lsp {
        /// Taken and ignored: editors give it, and there is no other way to talk
        #[arg(long, hide = true)]
        stdio: bool,
    },
    /// Print BibTeX for the methods that a script uses
    Cite {
        /// The script
        file: std::path::PathBuf,
    },
    /// List the parameters of a script
    Params {
        /// The script
        file: std::path::PathBuf,
        /// One JSON object a parameter
        #[arg(long)]
        json: bool,
    },
    /// Try the language line by line
    Repl(repl::ReplArgs),
    /// Cells in Jupyter, of the language or with --rust of Rust: install, uninstall
    Kernel(kernel::KernelArgs),
    /// Download a data set, or list what is known and there
    Fetch(fetch::FetchArgs),
    /// Go on with a run that was interrupted or killed
    Resume(resume::ResumeArgs),
    /// Copy a recipe into a new folder, to start from
    New {
        /// The new folder; the name of a recipe, to have that one
        name: String,
        /// The recipe (default: the one of that name, or else train)
        #[arg(long, value_name = "RECIPE")]
        from: Option<String>,
    },
    /// List the recipes that came with the program
    Recipes,
    /// Check the installation: versions, devices, libtorch, CUDA
    Doctor,
    /// List runs: state, script, seed, parameters, time, metric
    Runs(runs::RunsArgs),
    /// Compare runs: means over seeds, tables, curves
    Compare(compare::CompareArgs),
    /// Run a script for many values of its parameters
    Sweep(sweep::SweepArgs),
    /// Repeat a run from its folder alone
    Rerun(rerun::RerunArgs),
    /// Data, training, evaluation, and a page beside the published numbers
    Reproduce(reproduce::ReproduceArgs),
    /// Run a script on several processes of this machine that train one model together
    Launch(launch::LaunchArgs),
}

/// How a script is run.
#[derive(Args, Clone, Default)]
pub struct RunArgs {
    /// The script, or - for standard input
    #[arg(value_name = "SCRIPT", required_unless_present = "code", value_parser = recipes::meant)]
    pub(super) script: Option<String>,
    /// Run this text in place of a script
    #[arg(
        long = "eval",
        short = 'e',
        value_name = "CODE",
        allow_hyphen_values = true
    )]
    pub(super) code: Option<String>,
    /// Parameters of the script: `epochs=5`
    #[arg(value_name = "key=value")]
    pub(super) overrides: Vec<String>,
    /// The seed that decides everything
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// auto, cpu, cuda, cuda:1, …
    #[arg(long, default_value = "auto")]
    pub(super) device: String,
    /// CPU threads of libtorch (default: all cores)
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<u32>,
    /// Go on with the run in this folder
    #[arg(long, value_name = "RUN", conflicts_with_all = ["out", "dry_run"])]
    pub(super) resume: Option<std::path::PathBuf>,
    /// With --resume: accept a script, parameters or imports that have changed
    #[arg(long, requires = "resume")]
    pub(super) force: bool,
    /// The run folder (default: a new one under runs/)
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<std::path::PathBuf>,
    /// A folder that imports are looked for in, after the script's own
    #[arg(long, value_name = "DIR")]
    pub(super) lib: Vec<std::path::PathBuf>,
    /// A file or folder that the script may read besides its own
    #[arg(long, value_name = "PATH")]
    pub(super) allow_read: Vec<std::path::PathBuf>,
    /// A folder that the script may write to besides its run folder
    #[arg(long, value_name = "DIR")]
    pub(super) allow_write: Vec<std::path::PathBuf>,
    /// Let the script run programs in files: TorchScript modules
    #[arg(long)]
    pub(super) trust: bool,
    /// Stop after this time as Ctrl-C does: 90s, 30m, 8h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) max_time: Option<std::time::Duration>,
    /// The most memory for tensors on the CPU, in GiB (default: what the machine has)
    #[arg(long, value_name = "GIB")]
    pub(super) max_memory: Option<f64>,
    /// Try the whole script with tiny numbers, keep nothing, and estimate the time of the real run
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Parameters from a file: JSON, TOML, or a run's params.json; key=value goes before them
    #[arg(long, value_name = "FILE")]
    pub(super) params: Option<std::path::PathBuf>,
    /// The parameters that a sweep chose
    #[arg(long, hide = true, value_delimiter = ',', num_args = 0..=1)]
    pub(super) swept: Option<Vec<String>>,
    /// The run that is repeated
    #[arg(long, hide = true)]
    pub(super) rerun_of: Option<std::path::PathBuf>,
    /// No progress, only what the script prints
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// How it meets other ranks
    #[command(flatten)]
    pub(super) ranks: ranks::RankArgs,
    /// Values from the folder of a run that goes on
    #[arg(skip)]
    pub(super) presets: Vec<crate::script::Preset>,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    crate::script::on_deep_stack(run_command)
}

fn run_command() -> ExitCode {
    if std::env::args_os().len() == 1 {
        return ExitCode::from(first::steps());
    }
    let cli = Cli::parse();
    // Whatever may train; what only prints starts at once.
    use Command::{Kernel, Repl, Rerun, Resume};
    let one = cli.run.threads == Some(1);
    if matches!(
        cli.command,
        None | Some(Repl(_) | Kernel(_) | Resume(_) | Rerun(_))
    ) && !one
    {
        threads::wait_by_sleeping();
    }
    let code = match cli.command {
        Some(Command::Repl(args)) => repl::repl(&args),
        Some(Command::Doc { search, .. }) if !search.is_empty() => doc::search(&search.join(" ")),
        Some(Command::Doc { name, .. }) => doc::doc(name.as_deref()),
        Some(Command::Params { file, json }) => params::params(&recipes::meant_path(file), json),
        Some(Command::Check { files, json }) => {
            let files: Vec<_> = files.into_iter().map(recipes::meant_path).collect();
            check::check(&files, json)
        }
        Some(Command::Fmt { files, check }) => fmt::fmt(&files, check),
        Some(Command::Lsp { .. }) => lsp::lsp(),
        Some(Command::Cite { file }) => cite::cite(&recipes::meant_path(file)),
        Some(Command::Kernel(args)) => kernel::kernel(&args),
        Some(Command::Fetch(args)) => fetch::run(&args),
        Some(Command::New { name, from }) => new::new(&name, from.as_deref()),
        Some(Command::Recipes) => recipes::recipes(),
        Some(Command::Doctor) => u8::from(!doctor::doctor().unwrap_or(false)),
        Some(Command::Resume(args)) => resume::resume(&args),
        Some(Command::Runs(args)) => runs::runs(&args),
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::Sweep(args)) => sweep::sweep(&args),
        Some(Command::Rerun(args)) => rerun::rerun(&args),
        Some(Command::Reproduce(args)) => reproduce::reproduce(&args),
        Some(Command::Launch(args)) => launch::launch(&args),
        None => run::run(&cli.run),
    };
    ExitCode::from(code)
}

/// The arguments of a run from their words.
fn run_args(words: &[String]) -> Result<RunArgs> {
    let program = std::iter::once("jemscript".to_owned());
    Cli::try_parse_from(program.chain(words.iter().cloned()))
        .map(|cli| cli.run)
        .map_err(|e| {
            Error::argument(
                e.to_string()
                    .trim_start_matches("error: ")
                    .trim_end()
                    .to_owned(),
            )
        })
}

/// Prints an error as users see it; gives the exit code.
fn fail(error: &Error) -> u8 {
    eprintln!("{}", crate::script::Diagnostic::bare(error));
    1
}

/// The subcommand that a wrong script name may have meant.
fn near_command(name: &str) -> Option<String> {
    let cli = Cli::command();
    nearest(name, cli.get_subcommands().map(clap::Command::get_name)).map(str::to_owned)
}
