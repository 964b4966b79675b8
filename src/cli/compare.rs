//! `jemscript compare RUN…`: runs side by side, means over seeds.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::fail;
use crate::error::{Error, Result};
use crate::formats::write_atomically;
use crate::history;
use crate::history::{Comparison, Wanted};
use crate::summary::{self, Format};

/// What is compared, and how it is shown.
#[derive(Args)]
pub struct CompareArgs {
    /// Run folders, or folders with runs inside
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Metrics: `validation`, `JEM/accuracy` (default: the main one of each training)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    metric: Vec<String>,
    /// Sort by the final or the best value of the first metric
    #[arg(long, value_enum, default_value_t = By::Final)]
    by: By,
    /// Whether the largest or the least value is best (default: by the metric's name)
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Write it too: a .md, .csv, .json or .png file, or a folder for all of them
    #[arg(long, value_name = "PATH")]
    out: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum By {
    Final,
    Best,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Max,
    Min,
}

/// Compares runs; gives the exit code.
pub fn compare(args: &CompareArgs) -> u8 {
    match try_compare(args) {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

fn try_compare(args: &CompareArgs) -> Result<()> {
    // A wrong name of a file is found before the work, not after it.
    args.out.iter().try_for_each(|path| kind(path).map(drop))?;
    let mut runs = Vec::new();
    for folder in &args.runs {
        let (found, wrong) = history::find(folder)?;
        wrong.iter().for_each(|e| eprintln!("left out: {e}"));
        if found.is_empty() {
            return Err(
                Error::argument(format!("{}: no runs in it", folder.display()))
                    .with_hint("a run's folder has a run.json"),
            );
        }
        runs.extend(found);
    }
    let wanted = Wanted {
        metrics: args.metric.clone(),
        by_best: args.by == By::Best,
        larger: args.mode.map(|m| m == Mode::Max),
    };
    let all = history::compare(runs, &wanted)?;
    match args.json {
        true => print!("{}", summary::written(&all, Format::Json)),
        false => print!("{}", summary::text(&all)),
    }
    args.out.iter().try_for_each(|path| write(&all, path))
}

/// What a path stands for: one format, the curves, or a folder for everything.
enum Kind {
    Text(Format),
    Curves,
    Folder,
}

fn kind(path: &Path) -> Result<Kind> {
    match path.extension().and_then(|e| e.to_str()) {
        _ if path.is_dir() => Ok(Kind::Folder),
        None => Ok(Kind::Folder),
        Some("md") => Ok(Kind::Text(Format::Markdown)),
        Some("csv") => Ok(Kind::Text(Format::Csv)),
        Some("json") => Ok(Kind::Text(Format::Json)),
        Some("png") => Ok(Kind::Curves),
        Some(other) => Err(Error::argument(format!(
            "--out: {}: unknown format `{other}`",
            path.display()
        ))
        .with_hint("md, csv, json, png, or a folder")),
    }
}

fn write(all: &Comparison, path: &Path) -> Result<()> {
    match kind(path)? {
        Kind::Text(format) => put(path, summary::written(all, format).as_bytes()),
        Kind::Curves => put(path, &summary::curves(all, 0)?.png_bytes()?),
        Kind::Folder => {
            std::fs::create_dir_all(path).map_err(|e| Error::io(path, &e))?;
            for (name, format) in [
                ("md", Format::Markdown),
                ("csv", Format::Csv),
                ("json", Format::Json),
            ] {
                put(
                    &path.join(format!("comparison.{name}")),
                    summary::written(all, format).as_bytes(),
                )?;
            }
            for (i, (metric, _)) in all.metrics.iter().enumerate() {
                let name = format!(
                    "{}.png",
                    metric.replace(|c: char| !c.is_alphanumeric() && !"-_.".contains(c), "-")
                );
                put(&path.join(name), &summary::curves(all, i)?.png_bytes()?)?;
            }
            Ok(())
        }
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, bytes)?;
    eprintln!("wrote {}", path.display());
    Ok(())
}
