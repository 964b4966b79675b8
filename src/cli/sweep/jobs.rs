//! The runs of a sweep as processes: so many at once, each watched through its folder.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::super::dry_run::duration;
use crate::error::{Error, Result};
use crate::history::{Past, State, progress};
use crate::run::{append_to, read_plain};

/// Where a run's prints go, inside its folder.
pub(super) const OUTPUT: &str = "output.txt";
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A run to be made.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) words: Vec<String>,
    /// Whether it goes on in its folder, or starts there anew.
    pub(super) resumes: bool,
}

/// A run that was made.
pub(super) struct Done {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) state: State,
    pub(super) error: String,
}

struct Running {
    job: Job,
    child: Child,
    started: Instant,
    bar: Option<ProgressBar>,
}

/// Runs all, so many at once; says whether it was interrupted. Ctrl-C and SIGTERM are handed on to
/// the runs: the first lets them end in good order, the second at once.
pub(super) fn run_all(jobs: Vec<Job>, at_once: usize) -> Result<(Vec<Done>, bool)> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|e| Error::state(format!("sweep: the system gives no signals ({e})")))?;
    let show = Show::new(jobs.len());
    let mut waiting = jobs.into_iter();
    let (mut running, mut done): (Vec<Running>, Vec<Done>) = (Vec::new(), Vec::new());
    let mut interrupted = false;
    loop {
        for _ in signals.pending() {
            if !interrupted {
                show.line("stopping: the runs end after their present step; once more to stop them at once");
            }
            interrupted = true;
            running.iter().for_each(|r| stop(&r.child));
        }
        while !interrupted && running.len() < at_once {
            let Some(job) = waiting.next() else { break };
            match start(&job) {
                Ok(child) => {
                    let bar = show.started(&job);
                    running.push(Running {
                        job,
                        child,
                        started: Instant::now(),
                        bar,
                    });
                }
                Err(error) => done.push(show.ended(failed(job, &error), 0.0, None)),
            }
        }
        let mut still = Vec::new();
        for mut run in running {
            match run.child.try_wait() {
                Ok(None) => {
                    show.update(&run);
                    still.push(run);
                }
                Ok(Some(_)) | Err(_) => {
                    let seconds = run.started.elapsed().as_secs_f64();
                    done.push(show.ended(ended(run.job), seconds, run.bar));
                }
            }
        }
        running = still;
        if running.is_empty() && (interrupted || waiting.len() == 0) {
            show.close();
            return Ok((done, interrupted));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Starts a run in a process group of its own, so that the terminal's Ctrl-C reaches it once,
/// through us.
fn start(job: &Job) -> Result<Child> {
    use std::os::unix::process::CommandExt;
    if !job.resumes {
        set_aside(&job.folder)?;
    }
    if job.folder.is_symlink() {
        return Err(Error::argument(format!(
            "sweep: {} is a link, and would lead the run elsewhere",
            job.folder.display()
        ))
        .with_hint("remove it, or name another folder with --out"));
    }
    std::fs::create_dir_all(&job.folder).map_err(|e| Error::io(&job.folder, &e))?;
    let path = job.folder.join(OUTPUT);
    let output = append_to(&path).map_err(|e| Error::io(&path, &e))?;
    let errors = output.try_clone().map_err(|e| Error::io(&path, &e))?;
    let program = std::env::current_exe()
        .map_err(|e| Error::state(format!("sweep: where is jemscript? ({e})")))?;
    let mut command = Command::new(program);
    if std::env::var_os("OMP_WAIT_POLICY").is_none() {
        // Runs side by side: a thread that spins while it waits takes the core of another run.
        command.env("OMP_WAIT_POLICY", "passive");
    }
    command
        .args(&job.words)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0);
    command
        .spawn()
        .map_err(|e| Error::state(format!("sweep: a run did not start ({e})")))
}

/// What an earlier try left is moved to `.earlier` beside it, not removed.
fn set_aside(folder: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Ok(());
    };
    if !folder.exists() {
        return Ok(());
    }
    let earlier = parent.join(".earlier");
    if earlier.is_symlink() {
        return Err(Error::argument(format!(
            "sweep: {} is a link, and would lead runs elsewhere",
            earlier.display()
        )));
    }
    std::fs::create_dir_all(&earlier).map_err(|e| Error::io(&earlier, &e))?;
    let place = (1..)
        .map(|n| earlier.join(format!("{}-{n}", name.to_string_lossy())))
        .find(|p| !p.exists());
    place.map_or(Ok(()), |place| {
        std::fs::rename(folder, place).map_err(|e| Error::io(folder, &e))
    })
}

fn stop(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::INT);
    }
}

/// How a run ended, from its folder; one that never began has said why in its output.
fn ended(job: Job) -> Done {
    match Past::read(&job.folder) {
        Ok(past) => {
            let state = if past.state == State::Running {
                State::Killed
            } else {
                past.state
            };
            Done {
                error: past.text("error").to_owned(),
                name: job.name,
                folder: job.folder,
                state,
            }
        }
        Err(_) => {
            let said = read_plain(&job.folder.join(OUTPUT)).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let error = said
                .lines()
                .find(|l| l.starts_with("error"))
                .unwrap_or("it ended before it began")
                .to_owned();
            Done {
                name: job.name,
                folder: job.folder,
                state: State::Failed,
                error,
            }
        }
    }
}

fn failed(job: Job, error: &Error) -> Done {
    Done {
        name: job.name,
        folder: job.folder,
        state: State::Failed,
        error: error.message().to_owned(),
    }
}

/// A table that lives in a terminal; lines elsewhere.
struct Show {
    bars: Option<(MultiProgress, ProgressBar)>,
}

impl Show {
    fn new(count: usize) -> Show {
        let bars = (std::io::stdout().is_terminal() && count > 0).then(|| {
            let all = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{pos} of {len} runs {wide_bar} {elapsed}");
            let bar = all.add(ProgressBar::new(count as u64));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            (all, bar)
        });
        Show { bars }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            // Nobody reads any more: that is no reason to end a sweep.
            Some((all, _)) => drop(all.println(text)),
            None => println!("{text}"),
        }
    }

    fn started(&self, job: &Job) -> Option<ProgressBar> {
        let Some((all, last)) = &self.bars else {
            println!("started  {}", job.name);
            return None;
        };
        let bar = all.insert_before(last, ProgressBar::new(0));
        let style = ProgressStyle::with_template("  {prefix}  {wide_msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(job.name.clone());
        bar.set_message("starts");
        Some(bar)
    }

    fn update(&self, run: &Running) {
        if let (Some(bar), Some(at)) = (&run.bar, progress(&run.job.folder)) {
            let total = at.total.map_or_else(String::new, |n| format!(" of {n}"));
            bar.set_message(format!("{}: {}{total}", at.train, at.iteration));
        }
    }

    fn close(&self) {
        if let Some((_, last)) = &self.bars {
            last.finish_and_clear();
        }
    }

    fn ended(&self, done: Done, seconds: f64, bar: Option<ProgressBar>) -> Done {
        if let (Some(bar), Some((all, last))) = (bar, &self.bars) {
            bar.finish_and_clear();
            all.remove(&bar);
            last.inc(1);
        }
        self.line(&format!(
            "{:<8} {} in {}",
            done.state.name(),
            done.name,
            duration(seconds)
        ));
        done
    }
}
