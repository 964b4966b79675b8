//! The command line: one subcommand a file, no logic.

mod blocks;
mod check;
mod doc;
mod doctor;
mod dry_run;
mod fetch;
mod input;
mod kernel_rust;
mod limits;
mod params;
mod repl;
mod run;
mod terminal;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::error::nearest;

/// What the program returns when a run was interrupted, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Energy-based models from short scripts.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "Examples:\n  jemscript scripts/train.rhai\n  jemscript scripts/train.rhai epochs=5 sgld_steps=40 --seed 3\n  jemscript -e 'data::digits()'\n  jemscript repl\n  jemscript doc sgld"
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
    /// Download a data set, or list what is known and there
    Fetch(fetch::FetchArgs),
    /// Rust cells in Jupyter, with this library: install, uninstall
    #[command(subcommand)]
    KernelRust(kernel_rust::RustKernel),
    /// Check the installation: versions, devices, libtorch, CUDA
    Doctor,
}

/// How a script is run.
#[derive(Args, Default)]
pub struct RunArgs {
    /// The script; `-` reads it from standard input
    #[arg(value_name = "SCRIPT", required_unless_present = "code")]
    script: Option<String>,
    /// Run this text in place of a file
    #[arg(long = "eval", short = 'e', value_name = "CODE", allow_hyphen_values = true)]
    code: Option<String>,
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
    /// A folder that `import` looks in after the script's own; may be given several times
    #[arg(long, value_name = "DIR")]
    lib: Vec<std::path::PathBuf>,
    /// A file or folder that the script may read besides its own
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<std::path::PathBuf>,
    /// A folder that the script may write to besides its run folder
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<std::path::PathBuf>,
    /// Let the script run TorchScript modules, which are programs, from files that it may read
    #[arg(long)]
    trust: bool,
    /// Stop after this time as Ctrl-C does: 90s, 30m, 8h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_time: Option<std::time::Duration>,
    /// The most memory for tensors on the CPU, in GiB (default: what the machine has)
    #[arg(long, value_name = "GIB")]
    max_memory: Option<f64>,
    /// Try the whole script with tiny numbers, keep nothing, and estimate the time of the real run
    #[arg(long)]
    dry_run: bool,
    /// No progress, only what the script prints
    #[arg(long, short)]
    quiet: bool,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let code = match cli.command {
        Some(Command::Repl(args)) => repl::repl(&args),
        Some(Command::Doc { search, .. }) if !search.is_empty() => doc::search(&search.join(" ")),
        Some(Command::Doc { name, .. }) => doc::doc(name.as_deref()),
        Some(Command::Params { file, json }) => params::params(&file, json),
        Some(Command::Check { files, json }) => check::check(&files, json),
        Some(Command::Fetch(args)) => fetch::run(&args),
        Some(Command::KernelRust(command)) => kernel_rust::kernel_rust(&command),
        Some(Command::Doctor) => u8::from(!doctor::doctor().unwrap_or(false)),
        None => run::run(&cli.run),
    };
    ExitCode::from(code)
}

/// The subcommand that a wrong script name may have meant.
fn near_command(name: &str) -> Option<&'static str> {
    nearest(name, ["check", "doc", "doctor", "fetch", "kernel-rust", "params", "repl"])
}
