//! The command line: one subcommand a file, no logic.

mod compare;
mod doc;
mod doctor;
mod dry_run;
mod limits;
mod params_file;
mod rerun;
mod run;
mod runs;
mod sweep;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::error::{Error, Result, nearest};

/// What the program returns when a run was interrupted, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Energy-based models from short scripts.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "Examples:\n  jemscript scripts/train.rhai\n  jemscript scripts/train.rhai epochs=5 sgld_steps=40 --seed 3\n  jemscript doc sgld"
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
    },
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
}

/// How a script is run.
#[derive(Args)]
pub struct RunArgs {
    /// The script
    #[arg(value_name = "SCRIPT", required = true)]
    script: Option<String>,
    /// Parameters of the script: `epochs=5`
    #[arg(value_name = "key=value")]
    overrides: Vec<String>,
    /// The seed that decides everything
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda, cuda:1, …
    #[arg(long, default_value = "auto")]
    device: String,
    /// CPU threads of libtorch (default: all cores)
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// The run folder (default: a new one under runs/)
    #[arg(long, value_name = "DIR")]
    out: Option<std::path::PathBuf>,
    /// A file or folder that the script may read besides its own
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<std::path::PathBuf>,
    /// A folder that the script may write to besides its run folder
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<std::path::PathBuf>,
    /// Stop after this time as Ctrl-C does: 90s, 30m, 8h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_time: Option<std::time::Duration>,
    /// The most memory for tensors on the CPU, in GiB (default: what the machine has)
    #[arg(long, value_name = "GIB")]
    max_memory: Option<f64>,
    /// Try the whole script with tiny numbers, keep nothing, and estimate the time of the real run
    #[arg(long)]
    dry_run: bool,
    /// Parameters from a file: JSON, TOML, or a run's params.json; key=value goes before them
    #[arg(long, value_name = "FILE")]
    params: Option<std::path::PathBuf>,
    /// The parameters that a sweep chose
    #[arg(long, hide = true, value_delimiter = ',', num_args = 0..=1)]
    swept: Option<Vec<String>>,
    /// The run that is repeated
    #[arg(long, hide = true)]
    rerun_of: Option<std::path::PathBuf>,
    /// No progress, only what the script prints
    #[arg(long, short)]
    quiet: bool,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let code = match cli.command {
        Some(Command::Doc { name }) => doc::doc(name.as_deref()),
        Some(Command::Doctor) => u8::from(!doctor::doctor().unwrap_or(false)),
        Some(Command::Runs(args)) => runs::runs(&args),
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::Sweep(args)) => sweep::sweep(&args),
        Some(Command::Rerun(args)) => rerun::rerun(&args),
        None => run::run(&cli.run),
    };
    ExitCode::from(code)
}

/// The arguments of a run from their words.
fn run_args(words: &[String]) -> Result<RunArgs> {
    let program = std::iter::once("jemscript".to_owned());
    Cli::try_parse_from(program.chain(words.iter().cloned()))
        .map(|cli| cli.run)
        .map_err(|e| Error::argument(e.to_string().trim_start_matches("error: ").trim_end().to_owned()))
}

/// Prints an error as users see it; gives the exit code.
fn fail(error: &Error) -> u8 {
    eprintln!("{}", run::bare(error));
    1
}

/// The subcommand that a wrong script name may have meant.
fn near_command(name: &str) -> Option<&'static str> {
    nearest(name, ["doc", "doctor", "runs", "compare", "sweep", "rerun"])
}
