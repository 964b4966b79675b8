//! What a run keeps of its command line, and a command line that goes on with a run, completed from it.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::RunArgs;
use super::input::{Input, overrides, presets};
use super::ranks;
use super::shell::quoted;
use crate::error::{Error, Result};
use crate::run::{Earlier, LIBTORCH_VERSION, Source, earlier};
use crate::script::{Diagnostic, Preset};
use crate::tensor::{default_device, device_name};
use crate::world::World;

/// More threads than any machine has cores for one process.
const MOST_THREADS: u64 = 256;

/// A command line with `--resume`, compared with what the run began with and completed from there.
/// Seed, threads and device are the run's.
pub(super) fn checked(args: &RunArgs) -> std::result::Result<RunArgs, Diagnostic> {
    match &args.resume {
        Some(folder) => complete(args, folder).map_err(|e| Diagnostic::bare(&e)),
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

/// What [`kept`] gave, read back.
pub(super) struct Kept {
    pub(super) earlier: Earlier,
    file: PathBuf,
}

impl Kept {
    pub(super) fn of(folder: &Path) -> Result<Kept> {
        Ok(Kept {
            earlier: earlier(folder)?,
            file: folder.join("resume.json"),
        })
    }

    fn wrong(&self, key: &str) -> Error {
        Error::data(format!("{}: no usable `{key}`", self.file.display()))
            .with_hint("the file was changed or is of another version: start a new run")
    }

    pub(super) fn text(&self, key: &str) -> Result<String> {
        self.earlier.resume[key]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.wrong(key))
    }

    pub(super) fn number(&self, key: &str) -> Result<u64> {
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
    pub(super) fn threads(&self) -> Result<u32> {
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
                .map(|p| format!("--{option} {}", quoted(&p.display().to_string())))
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
