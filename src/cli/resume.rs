//! `jemscript resume RUN`: goes on with a run, with the script, parameters, seed, threads and
//! device that it began with.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};

use super::RunArgs;
use super::input::{Input, overrides};
use super::ranks::{self, RankArgs};
use super::run::{bare, presets, run};
use crate::error::{Error, Result};
use crate::run::{Earlier, LIBTORCH_VERSION, Source, earlier};
use crate::script::{Diagnostic, Preset};
use crate::tensor::{default_device, device_name};
use crate::world::World;

/// More threads than any machine has cores for one process.
const MOST_THREADS: u64 = 256;

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
            eprintln!("{}", bare(&error));
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

/// A command line with `--resume`, compared with what the run began with and completed from there.
/// Seed, threads and device are the run's.
pub(super) fn checked(args: &RunArgs) -> std::result::Result<RunArgs, Diagnostic> {
    match &args.resume {
        Some(folder) => complete(args, folder).map_err(|e| bare(&e)),
        None => Ok(args.clone()),
    }
}

fn complete(args: &RunArgs, folder: &Path) -> Result<RunArgs> {
    let kept = Kept::of(folder)?;
    if kept.earlier.state == "finished" && !args.force {
        return Err(Error::state(format!(
            "resume: the run in {} has finished",
            folder.display()
        ))
        .with_hint("start a new run; --force runs what comes after its last training again"));
    }
    let before = kept.overrides()?;
    let mut full = args.clone();
    full.presets = kept.presets()?;
    if full.overrides.is_empty() && kept.earlier.own {
        full.overrides = before.clone();
    } else if full.overrides.is_empty() {
        // As values they count; files that they name are opened only where this command line names
        // them, too.
        full.presets.extend(before.iter().filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some(Preset {
                name: name.to_owned(),
                value: value.into(),
                source: Source::CommandLine,
            })
        }));
    }
    let lines = |list: &[String]| {
        let mut sorted = list.to_vec();
        sorted.sort();
        sorted.iter().map(|l| format!("{l}\n")).collect::<String>()
    };
    if let Some(difference) = crate::run::difference(&lines(&before), &lines(&full.overrides))
        && !args.force
        && !full.overrides.is_empty()
    {
        return Err(Error::argument(format!(
            "resume: the parameters are not those that the run began with\n{difference}"
        ))
        .with_hint(
            "leave them out to take those of the run, start a new run, or go on with --force",
        ));
    }
    full.seed = kept.number("seed")?;
    let threads = kept.threads()?;
    full.threads = args.threads.or(Some(threads));
    let device = kept.text("device")?;
    if args.device == "auto" {
        full.device = device.clone();
    }
    let now = [
        ("threads", json!(threads), json!(full.threads)),
        ("device", json!(device), json!(full.device)),
        (
            "libtorch",
            kept.earlier.resume["libtorch"].clone(),
            json!(LIBTORCH_VERSION),
        ),
        (
            "jemscript",
            kept.earlier.resume["jemscript"].clone(),
            json!(env!("CARGO_PKG_VERSION")),
        ),
    ];
    for (what, before, now) in now {
        if before != now && World::current().speaks() {
            eprintln!(
                "warning: {what} was {before}, is {now}: the results may differ from those of an unbroken run"
            );
        }
    }
    let joined = |mine: &[PathBuf], key: &str| -> Result<Vec<PathBuf>> {
        let mut all = if kept.earlier.own {
            kept.paths(key)?
        } else {
            Vec::new()
        };
        all.extend(
            mine.iter()
                .filter(|p| !all.contains(p))
                .cloned()
                .collect::<Vec<_>>(),
        );
        Ok(all)
    };
    full.allow_read = joined(&args.allow_read, "allow_read")?;
    full.allow_write = joined(&args.allow_write, "allow_write")?;
    full.lib = joined(&args.lib, "lib")?;
    full.trust = args.trust || kept.earlier.own && kept.earlier.resume["trust"] == true;
    if !kept.earlier.own {
        kept.say_what_is_not_believed(&full)?;
    }
    // Paths in parameters are relative to where the run began.
    let place = PathBuf::from(kept.text("directory")?);
    let absolute = |path: &Path| std::path::absolute(path).map_err(|e| Error::io(path, &e));
    full.resume = Some(absolute(folder)?);
    full.script = full
        .script
        .as_ref()
        .map(|s| absolute(Path::new(s)).map(|p| p.display().to_string()))
        .transpose()?;
    if kept.earlier.own
        && std::env::current_dir().ok().as_ref() != Some(&place)
        && std::env::set_current_dir(&place).is_err()
    {
        eprintln!(
            "warning: the run began in {}, which is gone: relative paths may lead elsewhere",
            place.display()
        );
    }
    Ok(full)
}

/// What a run keeps of its command line, as JSON.
pub(super) fn kept(args: &RunArgs, input: &Input) -> Result<Json> {
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map(|p| p.display().to_string())
            .map_err(|e| Error::io(path, &e))
    };
    let all = |paths: &[PathBuf]| {
        paths
            .iter()
            .map(|p| absolute(p))
            .collect::<Result<Vec<_>>>()
    };
    // What came from the command line or standard input is in the run folder alone.
    let file = args
        .script
        .as_deref()
        .filter(|s| args.code.is_none() && *s != "-");
    let world = World::current();
    let preset = |p: Preset| json!([p.name, p.value, p.source.name()]);
    let pairs = overrides(args)?
        .into_iter()
        .map(|(k, v)| format!("{k}={v}"));
    Ok(json!({
        "script": file.map_or_else(|| Ok(input.file.clone()), |f| absolute(Path::new(f)))?,
        "directory": absolute(Path::new("."))?,
        "parameters": pairs.collect::<Vec<_>>(),
        // Values from elsewhere than the command line: they open no files, now or when the run goes
        // on.
        "presets": presets(args)?.into_iter().map(preset).collect::<Vec<_>>(),
        "seed": args.seed,
        "threads": tch::get_num_threads(),
        // Each rank has a device of its own.
        "device": if world.is_one() { device_name(default_device()) } else { args.device.clone() },
        "ranks": world.size(),
        "job": ranks::job(),
        "allow_read": all(&args.allow_read)?,
        "allow_write": all(&args.allow_write)?,
        "lib": all(&args.lib)?,
        "trust": args.trust,
        "jemscript": env!("CARGO_PKG_VERSION"),
        "libtorch": LIBTORCH_VERSION,
    }))
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What [`kept`] gave, read back.
struct Kept {
    earlier: Earlier,
    file: PathBuf,
}

impl Kept {
    fn of(folder: &Path) -> Result<Kept> {
        Ok(Kept {
            earlier: earlier(folder)?,
            file: folder.join("resume.json"),
        })
    }

    fn wrong(&self, key: &str) -> Error {
        Error::data(format!("{}: no usable `{key}`", self.file.display()))
            .with_hint("the file was changed or is of another version: start a new run")
    }

    fn text(&self, key: &str) -> Result<String> {
        self.earlier.resume[key]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.wrong(key))
    }

    fn number(&self, key: &str) -> Result<u64> {
        self.earlier.resume[key]
            .as_u64()
            .ok_or_else(|| self.wrong(key))
    }

    fn list(&self, key: &str) -> Result<Vec<String>> {
        let list = self.earlier.resume[key]
            .as_array()
            .ok_or_else(|| self.wrong(key))?;
        list.iter()
            .map(|v| v.as_str().map(str::to_owned).ok_or_else(|| self.wrong(key)))
            .collect()
    }

    /// As many threads as the run had, within reason: a stranger's number must not start thousands.
    fn threads(&self) -> Result<u32> {
        Ok(self.number("threads")?.clamp(1, MOST_THREADS) as u32)
    }

    /// The values that came from elsewhere than the command line. Runs of older versions have none
    /// apart.
    fn presets(&self) -> Result<Vec<Preset>> {
        let Some(list) = self.earlier.resume.get("presets") else {
            return Ok(Vec::new());
        };
        let list = list.as_array().ok_or_else(|| self.wrong("presets"))?;
        let one = |entry: &Json| {
            let source = Source::of(entry[2].as_str()?)?;
            Some(Preset {
                name: entry[0].as_str()?.to_owned(),
                value: entry.get(1)?.clone(),
                source,
            })
        };
        list.iter()
            .map(|entry| one(entry).ok_or_else(|| self.wrong("presets")))
            .collect()
    }

    /// Tells what the folder asks for and does not get, and how to give it.
    fn say_what_is_not_believed(&self, given: &RunArgs) -> Result<()> {
        let lacking = |mine: &[PathBuf], key: &str, option: &str| -> Result<Vec<String>> {
            let asked = self.paths(key)?.into_iter().filter(|p| !mine.contains(p));
            Ok(asked
                .map(|p| format!("--{option} {}", quoted(&p)))
                .collect())
        };
        let mut options = lacking(&given.allow_read, "allow_read", "allow-read")?;
        options.extend(lacking(&given.allow_write, "allow_write", "allow-write")?);
        options.extend(lacking(&given.lib, "lib", "lib")?);
        if self.earlier.resume["trust"] == true && !given.trust {
            options.push("--trust".to_owned());
        }
        eprintln!(
            "note: this folder was not made here by you, or was moved or changed: what runs is the script's copy in it"
        );
        if !options.is_empty() {
            eprintln!(
                "  what it asks to open stays closed; if you trust it, add {}",
                options.join(" ")
            );
        }
        Ok(())
    }

    fn overrides(&self) -> Result<Vec<String>> {
        self.list("parameters")
    }

    fn paths(&self, key: &str) -> Result<Vec<PathBuf>> {
        Ok(self.list(key)?.into_iter().map(PathBuf::from).collect())
    }
}
