//! `jemscript sweep FILE lr=1e-4,3e-4 seed=0..5`: a script for many values of its parameters, each
//! run its own process and folder. The same command goes on where the last one stopped.

mod emit;
mod jobs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{INTERRUPTED, fail};
use crate::error::{Error, Result};
use crate::history::{Axis, Past, Point, State, points};
use crate::script::{Program, Settings, read_script};
use jobs::{Done, Job};

/// What is run, and how.
#[derive(Args)]
pub struct SweepArgs {
    /// The script
    #[arg(value_name = "FILE", value_parser = super::recipes::meant)]
    script: String,
    /// Values of its parameters: lr=1e-4,3e-4 seed=0..5
    #[arg(value_name = "name=values", required = true)]
    axes: Vec<String>,
    /// How many runs at once (default: 1; tasks of a job file: no limit)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    jobs: Option<u64>,
    /// Processes of each run, which then train one model together as under `launch`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    nproc: u64,
    /// Draw N points at random, each with every seed named
    #[arg(long, value_name = "N")]
    random: Option<usize>,
    /// The seed of that draw
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    draw_seed: u64,
    /// Run nothing; write a job file for a cluster or a shell
    #[arg(long, value_enum)]
    emit: Option<Emit>,
    /// The folder of the runs (default: runs/<script>-sweep)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Run this point alone, counted from 0: for job files
    #[arg(long, value_name = "K")]
    task: Option<usize>,
    /// Run again what is done already
    #[arg(long)]
    again: bool,
    /// Parameters that all runs share, from a file
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// auto, cpu, cuda, cuda:1, …
    #[arg(long, default_value = "auto")]
    device: String,
    /// CPU threads of each process (default: cores / jobs / nproc)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    threads: Option<u64>,
    /// A file or folder that the script may read besides its own
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,
    /// A folder that the script may write to besides its run folder
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<PathBuf>,
    /// Stop each run after this time as Ctrl-C does: 90s, 30m, 8h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_time: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Emit {
    /// sweep.sbatch: an array job of Slurm
    Slurm,
    /// sweep.sh: for any shell
    Shell,
    /// tasks.txt: a line for each run, for GNU parallel
    Parallel,
    /// sweep.hq.sh: an array of tasks of HyperQueue
    Hq,
}

/// Runs a sweep; gives the exit code.
pub fn sweep(args: &SweepArgs) -> u8 {
    match try_sweep(args) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn try_sweep(args: &SweepArgs) -> Result<u8> {
    let mut axes = args
        .axes
        .iter()
        .map(|a| Axis::parse(a))
        .collect::<Result<Vec<_>>>()?;
    let text = read_script(Path::new(&args.script))?;
    check_names(args, &mut axes, &text)?;
    let all = points(&axes, args.random.map(|n| (n, args.draw_seed)))?;
    let out = args.out.clone().unwrap_or_else(|| {
        let stem = Path::new(&args.script)
            .file_stem()
            .map_or_else(|| "script".into(), |s| s.to_string_lossy());
        Path::new("runs").join(format!("{stem}-sweep"))
    });
    if let Some(form) = args.emit {
        return emit::write(args, form, &out, all.len()).map(|()| 0);
    }
    let chosen = match args.task {
        Some(k) => vec![all.get(k).cloned().ok_or_else(|| {
            Error::argument(format!(
                "sweep: --task {k}: there are {} points, counted from 0",
                all.len()
            ))
        })?],
        None => all,
    };
    let (jobs, kept) = plan(args, &out, &text, &chosen)?;
    println!(
        "sweep of {}: {} runs in {}{}",
        args.script,
        chosen.len(),
        out.display(),
        told(&kept)
    );
    let (done, interrupted) = jobs::run_all(jobs, args.jobs.unwrap_or(1) as usize)?;
    Ok(sum_up(args, &out, &done, &kept, interrupted))
}

/// A name that no parameter of the script has is found before the first run. The parameters' types
/// say what is drawn from ranges.
fn check_names(args: &SweepArgs, axes: &mut [Axis], text: &str) -> Result<()> {
    let overrides = axes
        .iter()
        .filter(|a| a.name != "seed")
        .map(|a| (a.name.clone(), String::new()))
        .collect();
    let program = Program::new(Settings {
        overrides,
        ..Settings::default()
    });
    let ast = program.compile(&args.script, text).map_err(|d| {
        // The whole text, with the line that is wrong.
        Error::argument(d.text.trim_start_matches("error: ").to_owned())
    })?;
    let declared = program.declared_parameters(&ast);
    for axis in axes.iter_mut().filter(|_| args.random.is_some()) {
        if declared.floats.contains(&axis.name) {
            axis.draw_floats();
        } else if declared.whole.contains(&axis.name) {
            axis.draw_whole();
        }
    }
    if declared.open {
        Ok(())
    } else {
        program.session.check_overrides(&declared.names)
    }
}

/// What is to be run, and how the others stand that are not.
fn plan(
    args: &SweepArgs,
    out: &Path,
    text: &str,
    chosen: &[Point],
) -> Result<(Vec<Job>, Vec<State>)> {
    let (mut jobs, mut kept) = (Vec::new(), Vec::new());
    for point in chosen {
        let name = point.folder();
        let folder = out.join(&name);
        if folder.join("run.json").exists() {
            let past = Past::read(&folder)?;
            if past.state == State::Running {
                kept.push(past.state);
                continue;
            }
            if !args.again && [State::Finished, State::Diverged].contains(&past.state) {
                same_script(args, &past, text)?;
                kept.push(past.state);
                continue;
            }
            let stopped = [State::Interrupted, State::Killed].contains(&past.state);
            if !args.again && stopped && folder.join("resume.json").exists() {
                same_script(args, &past, text)?;
                jobs.push(Job {
                    words: launched(args, resumption(args, &folder)),
                    name,
                    folder,
                    resumes: true,
                });
                continue;
            }
        }
        jobs.push(Job {
            words: launched(args, words(args, point, &folder)),
            name,
            folder,
            resumes: false,
        });
    }
    Ok((jobs, kept))
}

/// Runs of another version of the script are not mixed with new ones.
fn same_script(args: &SweepArgs, past: &Past, text: &str) -> Result<()> {
    let beside = Path::new(&args.script).parent().unwrap_or(Path::new(""));
    let changed = |file: &String| {
        let read = |path: PathBuf| read_script(&path).ok();
        read(beside.join(file)) != read(past.folder.join(file))
    };
    let file = if past.source()? == text {
        past.files().into_iter().find(changed)
    } else {
        Some(args.script.clone())
    };
    match file {
        None => Ok(()),
        Some(file) => {
            Err(Error::state(format!("sweep: {} was run with another version of {file}", past.folder.display()))
                .with_hint(
                    "name another folder with --out, or run all again with --again (what is there is kept in .earlier)",
                ))
        }
    }
}

/// A run's command line, on as many processes as each run has.
fn launched(args: &SweepArgs, words: Vec<String>) -> Vec<String> {
    if args.nproc == 1 {
        return words;
    }
    let launch = ["launch".to_owned(), format!("--nproc={}", args.nproc)];
    launch.into_iter().chain(words).collect()
}

/// The command line of a run.
fn words(args: &SweepArgs, point: &Point, folder: &Path) -> Vec<String> {
    let mut words = vec![args.script.clone()];
    words.extend(point.params().map(|(n, v)| format!("{n}={v}")));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let threads = args
        .threads
        .unwrap_or_else(|| (cores / args.jobs.unwrap_or(1) / args.nproc).max(1));
    let swept = point
        .params()
        .map(|(n, _)| n.as_str())
        .collect::<Vec<_>>()
        .join(",");
    let mut option = |name: &str, value: String| words.push(format!("--{name}={value}"));
    option("seed", point.seed().unwrap_or("0").to_owned());
    option("out", folder.display().to_string());
    option("threads", threads.to_string());
    option("swept", swept);
    shared(args)
        .into_iter()
        .for_each(|(name, value)| option(name, value));
    words
}

/// The command line that goes on with a run.
fn resumption(args: &SweepArgs, folder: &Path) -> Vec<String> {
    // What it may open comes from this command line; a folder is asked only where this user made
    // it.
    let handed = shared(args)
        .into_iter()
        .filter(|(name, _)| !["device", "params"].contains(name));
    let handed = handed.map(|(name, value)| format!("--{name}={value}"));
    ["resume".to_owned(), folder.display().to_string()]
        .into_iter()
        .chain(handed)
        .collect()
}

/// Options that are handed on to each run as they are.
fn shared(args: &SweepArgs) -> Vec<(&'static str, String)> {
    let path = |name: &'static str| move |p: &PathBuf| (name, p.display().to_string());
    let mut all = vec![("device", args.device.clone())];
    all.extend(args.params.iter().map(path("params")));
    all.extend(args.allow_read.iter().map(path("allow-read")));
    all.extend(args.allow_write.iter().map(path("allow-write")));
    all.extend(
        args.max_time
            .map(|t| ("max-time", format!("{}ms", t.as_millis()))),
    );
    all
}

fn told(kept: &[State]) -> String {
    let count = |state: State| kept.iter().filter(|s| **s == state).count();
    let one = |state: State, said: &str| match count(state) {
        0 => String::new(),
        n => format!(", {n} {said}"),
    };
    let said = [
        (State::Finished, "finished before"),
        (State::Diverged, "diverged before"),
        (State::Running, "running elsewhere"),
    ];
    said.map(|(state, said)| one(state, said)).concat()
}

/// Prints how it went; gives the exit code.
fn sum_up(args: &SweepArgs, out: &Path, done: &[Done], kept: &[State], interrupted: bool) -> u8 {
    let all: Vec<State> = done
        .iter()
        .map(|d| d.state)
        .chain(kept.iter().copied())
        .collect();
    let states = [
        State::Finished,
        State::Running,
        State::Interrupted,
        State::Killed,
        State::Diverged,
        State::Failed,
    ];
    let counts = states
        .iter()
        .filter_map(|s| match all.iter().filter(|a| *a == s).count() {
            0 => None,
            n => Some(format!("{n} {}", s.name())),
        });
    let counts: Vec<String> = counts.collect();
    println!(
        "{}",
        if counts.is_empty() {
            "nothing was run".to_owned()
        } else {
            counts.join(", ")
        }
    );
    // Many runs often have one and the same fault: it is told once.
    let mut told: Vec<(&str, Vec<&Done>)> = Vec::new();
    for wrong in done
        .iter()
        .filter(|d| d.state == State::Failed || d.state == State::Diverged)
    {
        let first = wrong.error.lines().next().unwrap_or_default();
        match told.iter_mut().find(|(said, _)| *said == first) {
            Some((_, all)) => all.push(wrong),
            None => told.push((first, vec![wrong])),
        }
    }
    for (said, all) in told {
        let more = if all.len() > 1 {
            format!(" and {} more", all.len() - 1)
        } else {
            String::new()
        };
        println!(
            "  {}{more}: {said}\n    see {}",
            all[0].name,
            all[0].folder.join(jobs::OUTPUT).display()
        );
    }
    if interrupted {
        println!("stopped; the same command goes on from here");
        return INTERRUPTED;
    }
    if args.task.is_none() && all.contains(&State::Finished) {
        println!("to compare them: jemscript compare {}", out.display());
    }
    let bad = |s: &State| [State::Failed, State::Killed, State::Interrupted].contains(s);
    u8::from(done.iter().any(|d| bad(&d.state)))
}
