//! `jemscript rerun RUN`: repeats a run from its folder alone: its script and imports, parameters,
//! seed, threads, device.

use std::path::PathBuf;

use clap::Args;

use super::{fail, run, run_args};
use crate::error::{Error, Result};
use crate::history::Past;

/// What is repeated, and where to.
#[derive(Args)]
pub struct RerunArgs {
    /// The run's folder
    #[arg(value_name = "RUN")]
    folder: PathBuf,
    /// The new run's folder (default: a new one under runs/)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A file or folder that the script may read besides the run's folder
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,
    /// A folder that the script may write to besides its run folder
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<PathBuf>,
    /// Stop after this time as Ctrl-C does: 90s, 30m, 8h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_time: Option<std::time::Duration>,
    /// No progress, only what the script prints
    #[arg(long, short)]
    quiet: bool,
}

/// Repeats a run; gives the exit code.
pub fn rerun(args: &RerunArgs) -> u8 {
    match words(args).and_then(|words| run_args(&words)) {
        Ok(args) => run::run(&args),
        Err(error) => fail(&error),
    }
}

/// The command line of the repetition. Paths in the parameters open nothing by themselves: the
/// folder may be a stranger's.
fn words(args: &RerunArgs) -> Result<Vec<String>> {
    let past = Past::read(&args.folder)?;
    past.source()?;
    let missing = past
        .files()
        .into_iter()
        .find(|f| !past.folder.join(f).exists());
    if let Some(file) = missing {
        let text = format!(
            "{}: the run imported it, but its folder lacks it",
            past.folder.join(file).display()
        );
        return Err(Error::data(text).with_hint("put it back, or run the script itself"));
    }
    let path = |p: &std::path::Path| p.display().to_string();
    let mut words = vec![path(&past.script())];
    let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    option("rerun-of", path(&past.folder));
    option("seed", past.seed().to_string());
    option("device", past.text("device").to_owned());
    if let Some(threads) = past
        .about
        .get("threads")
        .and_then(serde_json::Value::as_u64)
        .filter(|n| (1..=256).contains(n))
    {
        option("threads", threads.to_string());
    }
    args.out.iter().for_each(|p| option("out", path(p)));
    args.allow_read
        .iter()
        .for_each(|p| option("allow-read", path(p)));
    args.allow_write
        .iter()
        .for_each(|p| option("allow-write", path(p)));
    args.max_time
        .iter()
        .for_each(|t| option("max-time", format!("{}ms", t.as_millis())));
    if args.quiet {
        words.push("--quiet".to_owned());
    }
    Ok(words)
}
