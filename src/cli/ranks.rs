//! A run as one of several ranks: it meets the others, rank 0 speaks, and the run folder is one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::launch::LAUNCHER;
use crate::error::{Error, Result};
use crate::run::{About, Run};
use crate::world::{self, Backend, Launcher, Place, World};

/// How a run meets the other ranks.
#[derive(Args, Clone, Default)]
pub struct RankArgs {
    /// Whose variables say which rank this is: torchrun's are heeded always, the others' only so
    #[arg(long, value_name = "LAUNCHER")]
    dist: Option<DistChoice>,
    /// What carries tensors between ranks
    #[arg(long, value_name = "BACKEND")]
    backend: Option<BackendChoice>,
    /// The longest that a rank waits for the others (default: 10m)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    dist_timeout: Option<Duration>,
}

#[derive(Clone, Copy, ValueEnum)]
enum DistChoice {
    /// RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT
    Torchrun,
    /// SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID
    Slurm,
    /// Open MPI's OMPI_COMM_WORLD_…, or PMI_…
    Mpi,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendChoice {
    /// The best that this build has
    Auto,
    /// Gloo: tensors of a GPU go through the host's memory
    Gloo,
    /// NCCL, from GPU to GPU: where the build has it, and each rank a GPU of its own
    Nccl,
}

const TIMEOUT: Duration = Duration::from_secs(600);

/// Meets the others, where a launcher says that there are any; the world of this process is then
/// theirs.
pub(super) fn join(args: &RankArgs, dry_run: bool) -> Result<()> {
    let launcher = match args.dist {
        None | Some(DistChoice::Torchrun) => Launcher::Torchrun,
        Some(DistChoice::Slurm) => Launcher::Slurm,
        Some(DistChoice::Mpi) => Launcher::Mpi,
    };
    let Some(place) = Place::of_environment(launcher)? else {
        return Ok(());
    };
    end_with_launcher();
    FIRST.store(place.rank == 0, Ordering::Relaxed);
    if let Err(missing) = world::backends() {
        return Err(Error::state(format!(
            "rank {} of {}: {missing}",
            place.rank, place.size
        )));
    }
    if dry_run {
        return Err(Error::argument("--dry-run is of one process")
            .with_hint("start the program alone, without a launcher"));
    }
    let backend = match args.backend {
        None | Some(BackendChoice::Auto) => Backend::Auto,
        Some(BackendChoice::Gloo) => Backend::Gloo,
        Some(BackendChoice::Nccl) => Backend::Nccl,
    };
    World::join(&place, backend, args.dist_timeout.unwrap_or(TIMEOUT))?.enter();
    LOCAL.set(place.local);
    Ok(())
}

static FIRST: AtomicBool = AtomicBool::new(true);

thread_local! {
    static LOCAL: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A process must not outlive the launcher that watches it.
fn end_with_launcher() {
    let Some(launcher) = std::env::var(LAUNCHER).ok().and_then(|v| v.parse().ok()) else {
        return;
    };
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    if getppid().map(|p| p.as_raw_nonzero().get()) != Some(launcher) {
        std::process::exit(1);
    }
}

/// The device of a rank: its own GPU, where the choice is left to the program.
pub(super) fn device(asked: &str) -> String {
    let gpus = if asked == "auto" && !World::current().is_one() && tch::Cuda::is_available() {
        tch::Cuda::device_count()
    } else {
        0
    };
    match gpus {
        n if n > 0 => format!("cuda:{}", LOCAL.get() % n as usize),
        _ => asked.to_owned(),
    }
}

/// The one run folder of all ranks: rank 0 makes it and tells the others, whose lines go to
/// `ranks/rank-N.txt` in it from here on.
pub(super) fn run_folder(
    about: About,
    resumes: bool,
    make: impl FnOnce(About) -> Result<Run>,
) -> Result<Run> {
    let world = World::current();
    if world.is_one() {
        return make(about);
    }
    if world.speaks() {
        let made = make(about).and_then(|run| {
            let folder = run.open()?.unwrap_or_default();
            Ok((
                run,
                std::path::absolute(&folder).map_err(|e| Error::io(&folder, &e))?,
            ))
        });
        let told = match &made {
            Ok((_, folder)) => format!("in {}", folder.display()),
            Err(error) => format!("no {}", error.message()),
        };
        world.texts("the run folder", &told)?;
        return made.map(|(run, _)| run);
    }
    let told = world.texts("the run folder", "")?.swap_remove(0);
    let Some(folder) = told.strip_prefix("in ").map(PathBuf::from) else {
        let text = told.strip_prefix("no ").unwrap_or_default();
        return Err(Error::state(format!("rank 0 has no run folder: {text}")));
    };
    if !folder.is_dir() {
        return Err(Error::data(format!(
            "rank {} does not see the run folder {}",
            world.rank(),
            folder.display()
        ))
        .with_hint(
            "all machines need the same file system there: name a folder on it with --out",
        ));
    }
    redirect(&folder, world.rank())?;
    Ok(Run::beside(&folder, about, resumes))
}

/// Sends what this process prints into a file.
fn redirect(folder: &Path, rank: usize) -> Result<()> {
    let path = folder.join("ranks").join(format!("rank-{rank}.txt"));
    let parent = folder.join("ranks");
    std::fs::create_dir_all(&parent).map_err(|e| Error::io(&parent, &e))?;
    let file: File = crate::run::append_to(&path).map_err(|e| Error::io(&path, &e))?;
    rustix::stdio::dup2_stdout(&file).map_err(|e| Error::io(&path, &e.into()))
}

/// An error as it stands on the terminal: with the rank before it, where there are several; `None`
/// where rank 0 says the same.
pub(super) fn told(text: &str, interrupted: bool) -> Option<String> {
    let world = World::current();
    if world.is_one() {
        return Some(text.to_owned());
    }
    if interrupted {
        // All were asked; one says how far they came.
        return world.speaks().then(|| text.to_owned());
    }
    if world.said_by_first(text) {
        return None;
    }
    if world.speaks() {
        return Some(text.to_owned());
    }
    let lines = text.lines().map(|l| format!("rank {}: {l}", world.rank()));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// The folder of this job's attempt before, where a launcher starts all ranks again after one was
/// lost: `torchrun --max-restarts`, or a batch system's requeue.
pub(super) fn earlier_attempt(out: Option<&Path>) -> Result<Option<PathBuf>> {
    let world = World::current();
    let again = ["TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|n| n.trim().parse().is_ok_and(|n: u32| n > 0)));
    if world.is_one() || !again {
        return Ok(None);
    }
    let own = if world.speaks() { found(out) } else { None };
    let told = own.map_or_else(String::new, |p| p.display().to_string());
    let told = world.texts("the attempt before", &told)?.swap_remove(0);
    Ok((!told.is_empty()).then(|| PathBuf::from(told)))
}

fn found(out: Option<&Path>) -> Option<PathBuf> {
    let unfinished = |folder: &Path| {
        let earlier = crate::run::earlier(folder).ok()?;
        (earlier.state != "finished").then_some(earlier)
    };
    if let Some(out) = out {
        return unfinished(out).and_then(|_| std::path::absolute(out).ok());
    }
    let own = |folder: &PathBuf| unfinished(folder).is_some_and(|e| e.resume["job"] == job());
    let entries = std::fs::read_dir("runs").ok()?.flatten();
    let mut folders: Vec<PathBuf> = entries.map(|e| e.path()).filter(own).collect();
    folders.sort_by_key(|f| {
        f.join("run.json")
            .metadata()
            .and_then(|m| m.modified())
            .ok()
    });
    std::path::absolute(folders.pop()?).ok()
}

/// What tells a job from others: its launcher's name for it, and the command line. Kept with the
/// run, for [`earlier_attempt`].
pub(super) fn job() -> String {
    let name = ["TORCHELASTIC_RUN_ID", "SLURM_JOB_ID"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("{} {}", name.unwrap_or_default(), words.join(" "))
}

/// Tells `torchrun` why this rank has ended: it names the rank that failed first.
pub(super) fn report(text: &str) {
    let Some(path) = std::env::var_os("TORCHELASTIC_ERROR_FILE") else {
        return;
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = now.map_or(0, |n| n.as_secs());
    let json = serde_json::json!({
        "message": {
            "message": text,
            "extraInfo": { "timestamp": seconds.to_string(), "py_callstack": text },
        }
    });
    // It is for a better message of the launcher's alone.
    let _ = std::fs::write(path, json.to_string());
}

/// Whether this process speaks for all: asked on other threads, too.
pub(super) fn is_first() -> bool {
    FIRST.load(Ordering::Relaxed)
}

/// What stands between the program's name and `resume` for as many ranks as there are.
pub(super) fn launched() -> String {
    match World::current().size() {
        1 => String::new(),
        n => format!("launch --nproc {n} "),
    }
}
