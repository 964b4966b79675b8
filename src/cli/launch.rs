//! `jemscript launch --nproc N SCRIPT key=value …`: the same run on several processes of this
//! machine, with the environment that `torchrun` gives, and without Python.
//!
//! Each process has a group of its own, so that Ctrl-C reaches them once, from here. When one of
//! them is lost, the others are given time to say what they know, and then ended.

use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, CommandFactory};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::{INTERRUPTED, fail};
use crate::error::{Error, Result};
use crate::world;

/// More processes than any machine has use for.
const MOST: u32 = 1024;
/// After one is lost, the others have so long to end by themselves, and so long once told to.
const PATIENCE: Duration = Duration::from_secs(8);
const TOLD: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(30);

/// The variable by which a process knows the launcher that started it.
pub(super) const LAUNCHER: &str = "JEMSCRIPT_LAUNCHER";

/// How many processes, and of what.
#[derive(Args)]
pub struct LaunchArgs {
    /// How many processes: one for each GPU, or one for a few cores
    #[arg(long, value_name = "N")]
    nproc: u32,
    /// The script with its parameters and options, as for one process; or `resume RUN`
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "SCRIPT"
    )]
    words: Vec<String>,
}

/// Runs the processes; gives the exit code.
pub fn launch(args: &LaunchArgs) -> u8 {
    match start(args) {
        Ok(ranks) => watch(ranks),
        Err(error) => fail(&error),
    }
}

/// The subcommand that was named in place of a script, where it is not `resume`.
fn other_command(words: &[String]) -> Option<&String> {
    let cli = super::Cli::command();
    words
        .first()
        .filter(|w| *w != "resume" && cli.get_subcommands().any(|c| c.get_name() == w.as_str()))
}

struct Rank {
    child: Child,
    ended: Option<ExitStatus>,
}

fn start(args: &LaunchArgs) -> Result<Vec<Rank>> {
    if !(1..=MOST).contains(&args.nproc) {
        return Err(Error::argument(format!(
            "launch: --nproc must be from 1 to {MOST}, got {}",
            args.nproc
        )));
    }
    if let Err(missing) = world::backends()
        && args.nproc > 1
    {
        return Err(Error::state(format!("launch: {missing}"))
            .with_hint("set up the libtorch of the PyTorch wheel (`make setup`) and build again"));
    }
    if let Some(word) = other_command(&args.words) {
        return Err(
            Error::argument(format!("launch: {word} is not one training"))
                .with_hint("it runs a script, or `resume RUN`, on several processes"),
        );
    }
    if args.words.iter().any(|w| w == "--dry-run") {
        return Err(Error::argument("launch: a dry run is of one process")
            .with_hint("run it without `launch`: jemscript SCRIPT --dry-run"));
    }
    let program = std::env::current_exe()
        .map_err(|e| Error::state(format!("launch: where is this program? {e}")))?;
    // Free now; whoever takes it in the meantime makes rank 0 say so.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .map_err(|e| Error::state(format!("launch: no free port: {e}")))?
        .port();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / args.nproc as usize).max(1);
    let mut ranks: Vec<Rank> = Vec::new();
    for rank in 0..args.nproc {
        let mut command = Command::new(&program);
        command
            .args(&args.words)
            .env("RANK", rank.to_string())
            .env("LOCAL_RANK", rank.to_string())
            .env("WORLD_SIZE", args.nproc.to_string())
            .env("LOCAL_WORLD_SIZE", args.nproc.to_string())
            .env("MASTER_ADDR", "127.0.0.1")
            .env("MASTER_PORT", port.to_string())
            .env(LAUNCHER, std::process::id().to_string())
            .process_group(0)
            .stdin(Stdio::null());
        if std::env::var_os("OMP_NUM_THREADS").is_none() {
            command.env("OMP_NUM_THREADS", threads.to_string());
        }
        match command.spawn() {
            Ok(child) => ranks.push(Rank { child, ended: None }),
            Err(e) => {
                send(&ranks, Signal::KILL);
                return Err(Error::state(format!(
                    "launch: rank {rank} did not start: {e}"
                )));
            }
        }
    }
    Ok(ranks)
}

/// Tells all that run.
fn send(ranks: &[Rank], signal: Signal) {
    for rank in ranks.iter().filter(|r| r.ended.is_none()) {
        if let Some(pid) = Pid::from_raw(rank.child.id() as i32) {
            // One that has just ended hears nothing.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Waits until all have ended.
fn watch(mut ranks: Vec<Rank>) -> u8 {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGHUP]).ok();
    let mut asked = 0;
    let mut lost: Option<(Instant, u8)> = None;
    let mut told = 0;
    while ranks.iter().any(|r| r.ended.is_none()) {
        for signal in signals.iter_mut().flat_map(Signals::pending) {
            asked += 1;
            let signal = match (asked, signal) {
                (3.., _) => Signal::KILL,
                (_, SIGINT) => Signal::INT,
                (_, SIGUSR1) => Signal::USR1,
                _ => Signal::TERM,
            };
            send(&ranks, signal);
        }
        for (number, rank) in ranks.iter_mut().enumerate() {
            if rank.ended.is_some() {
                continue;
            }
            let Ok(Some(status)) = rank.child.try_wait() else {
                continue;
            };
            rank.ended = Some(status);
            if status.success() || lost.is_some() {
                continue;
            }
            let code = code(status);
            if let Some(signal) = status.signal() {
                eprintln!("rank {number} was ended by signal {signal}");
            } else if code != INTERRUPTED {
                eprintln!("rank {number} failed (exit code {code})");
            }
            lost = Some((Instant::now(), code));
        }
        if let Some((since, _)) = lost {
            let now = since.elapsed();
            if told == 0 && now > PATIENCE {
                send(&ranks, Signal::TERM);
                told = 1;
            } else if told == 1 && now > PATIENCE + TOLD {
                send(&ranks, Signal::KILL);
                told = 2;
            }
        }
        std::thread::sleep(LOOK);
    }
    lost.map_or(0, |(_, code)| code)
}

/// An exit code as shells have it.
fn code(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|s| 128 + s);
    status
        .code()
        .or(signal)
        .and_then(|c| u8::try_from(c).ok())
        .unwrap_or(1)
}
