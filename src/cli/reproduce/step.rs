//! A step of a reproduction: a command of this program as a process, and how it stands by its run
//! folder.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::cli::INTERRUPTED;
use crate::cli::run::ignored;
use crate::cli::shell::quoted;
use crate::error::{Error, Result};
use crate::history::{Past, State};

const LOOK: Duration = Duration::from_millis(50);

/// What is to be done about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Done,
    Begin,
    GoOn,
}

/// How a run stands.
pub(super) fn standing(folder: &Path) -> Result<Standing> {
    if !folder.join("run.json").exists() {
        return Ok(Standing::Begin);
    }
    let past = Past::read(folder)?;
    let place = folder.display();
    match past.state {
        State::Finished => Ok(Standing::Done),
        State::Running => Err(Error::state(format!("reproduce: the run in {place} still goes on"))
            .with_hint("wait for it, or end it with Ctrl-C where it runs; then give this command again")),
        State::Diverged => Err(Error::state(format!(
            "reproduce: the training in {place} diverged, and its guard could not bring it back: {}",
            past.text("error").lines().next().unwrap_or_default()
        ))
        .with_hint(
            "report.html there has its curves; the papers' authors began again with another seed: --seed 1",
        )),
        State::Interrupted | State::Killed | State::Failed => Ok(Standing::GoOn),
    }
}

/// Runs commands one after another, and hands on the signals that come meanwhile.
pub(super) struct Steps(Signals);

impl Steps {
    pub(super) fn new() -> Result<Steps> {
        // A hang-up that is ignored (`nohup`) stays ignored, in the steps, too.
        let wanted = [SIGINT, SIGTERM, SIGUSR1, SIGHUP]
            .into_iter()
            .filter(|signal| *signal != SIGHUP || !ignored(SIGHUP));
        Signals::new(wanted)
            .map(Steps)
            .map_err(|e| Error::state(format!("reproduce: the system gives no signals ({e})")))
    }

    /// Runs a command of this program to its end; gives its exit code. The command is shown, as one
    /// would type it.
    pub(super) fn run(&mut self, words: &[String]) -> Result<u8> {
        let shown: Vec<String> = words.iter().map(|w| typed(w)).collect();
        println!("  jemscript {}", shown.join(" "));
        if self.0.pending().next().is_some() {
            return Ok(INTERRUPTED);
        }
        let program = std::env::current_exe()
            .map_err(|e| Error::state(format!("reproduce: where is jemscript? ({e})")))?;
        // In a group of its own, so that the terminal's Ctrl-C reaches it once, through us.
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|e| Error::state(format!("reproduce: a step did not start ({e})")))?;
        let mut asked = false;
        loop {
            for signal in self.0.pending() {
                asked = true;
                send(&child, signal);
            }
            let ended = child
                .try_wait()
                .map_err(|e| Error::state(format!("reproduce: a step was lost ({e})")))?;
            if let Some(status) = ended {
                let code = status.code().or(status.signal().map(|s| 128 + s));
                let code = code.and_then(|c| u8::try_from(c).ok()).unwrap_or(1);
                return Ok(if asked && code != 0 {
                    INTERRUPTED
                } else {
                    code
                });
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A word as a shell takes it: `steps='[20]'`.
fn typed(word: &str) -> String {
    match word.split_once('=') {
        Some((name, value)) if !name.contains('/') => format!("{}={}", quoted(name), quoted(value)),
        _ => quoted(word),
    }
}

fn send(child: &Child, signal: i32) {
    let signal = match signal {
        SIGINT => Signal::INT,
        SIGUSR1 => Signal::USR1,
        SIGHUP => Signal::HUP,
        _ => Signal::TERM,
    };
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}
