//! `jemscript resume RUN`: goes on with a run, with the script, parameters, seed, threads and
//! device that it began with.

use std::path::{Path, PathBuf};

use super::RunArgs;
use super::kept::Kept;
use super::ranks::RankArgs;
use super::run::run;
use crate::error::{Error, Result};
use crate::script::Diagnostic;
use clap::Args;

/// How a run is resumed.
#[derive(Args)]
pub struct ResumeArgs {
    /// The run folder
    #[arg(value_name = "RUN")]
    folder: PathBuf,
    /// Accept a script that has changed, or a run that has finished
    #[arg(long)]
    force: bool,
    /// Another device than before (the results then differ in the last digits)
    #[arg(long)]
    device: Option<String>,
    /// Another number of CPU threads than before (the results then differ in the last digits)
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Stop after this time as Ctrl-C does: 90s, 30m, 8h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_time: Option<std::time::Duration>,
    /// The most memory for tensors on the CPU, in GiB (default: what the machine has)
    #[arg(long, value_name = "GIB")]
    max_memory: Option<f64>,
    /// A folder that imports are looked for in, after the script's own
    #[arg(long, value_name = "DIR")]
    lib: Vec<PathBuf>,
    /// A file or folder that the script may read besides what it began with
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,
    /// A folder that the script may write to besides what it began with
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<PathBuf>,
    /// Let the script run programs in files: TorchScript modules
    #[arg(long)]
    trust: bool,
    /// How it meets other ranks
    #[command(flatten)]
    ranks: RankArgs,
    /// No progress, only what the script prints
    #[arg(long, short)]
    quiet: bool,
}

/// Goes on with a run; gives the exit code.
pub fn resume(args: &ResumeArgs) -> u8 {
    match run_args(args) {
        Ok(args) => run(&args),
        Err(error) => {
            eprintln!("{}", Diagnostic::bare(&error));
            1
        }
    }
}

/// The command line that the run began with, for `--resume`.
fn run_args(args: &ResumeArgs) -> Result<RunArgs> {
    let kept = Kept::of(&args.folder)?;
    Ok(RunArgs {
        script: Some(script(&kept, &args.folder)?),
        seed: kept.number("seed")?,
        device: args.device.clone().unwrap_or(kept.text("device")?),
        threads: args.threads.or(Some(kept.threads()?)),
        resume: Some(args.folder.clone()),
        force: args.force,
        lib: args.lib.clone(),
        allow_read: args.allow_read.clone(),
        allow_write: args.allow_write.clone(),
        trust: args.trust,
        max_time: args.max_time,
        max_memory: args.max_memory,
        ranks: args.ranks.clone(),
        quiet: args.quiet,
        ..RunArgs::default()
    })
}

/// The script where it was, or its copy in the run folder where that is gone.
fn script(kept: &Kept, folder: &Path) -> Result<String> {
    if !kept.earlier.own {
        // A stranger's folder may name any file of this machine: what runs is the copy that one can
        // look at there.
        return Ok(folder.join(&kept.earlier.script).display().to_string());
    }
    let there = PathBuf::from(kept.text("script")?);
    if there.is_relative() {
        // It came from the command line or standard input.
        return Ok(folder.join(there).display().to_string());
    }
    if there.exists() {
        return Ok(there.display().to_string());
    }
    let copy = there
        .file_name()
        .map(|n| folder.join(n))
        .filter(|c| c.exists());
    let copy = copy.ok_or_else(|| {
        Error::data(format!(
            "resume: neither {} nor its copy in {} is there",
            there.display(),
            folder.display()
        ))
    })?;
    eprintln!(
        "{} is gone: its copy in the run folder is used",
        there.display()
    );
    Ok(copy.display().to_string())
}
