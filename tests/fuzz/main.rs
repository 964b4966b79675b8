//! Hostile scripts: whatever they say, they end with a value or with an error that names its place;
//! never with a panic, an abort, a hang or a C++ backtrace, and memory does not grow.
//!
//! Scripts are made from a seed: chains of calls of every function of the language with arguments
//! that often make no sense, and examples of the documentation with something broken in them. A
//! child process runs them and is watched.
//!
//! ```text
//! cargo test --release --test fuzz                        a few thousand
//! make fuzz COUNT=1000000                                 as many as you like, from seed FROM on
//! FUZZ_SHOW=123 cargo test --release --test fuzz show     print one script
//! ```

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod compose;
mod hostile;
mod mutate;
mod operators;
mod plans;
mod worker;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many scripts CI runs.
const COUNT: u64 = 3_000;
/// A script that takes longer hangs: after [`worker::PATIENCE`] it is asked to stop.
const HANG: Duration = Duration::from_secs(60);
/// Bytes that the memory of a worker may grow by.
const GROWTH: u64 = 400 << 20;
/// Scripts over which the least memory is taken.
const WARM: u64 = 1_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

/// Runs scripts `from..to` in a child process; gives what went wrong.
#[test]
fn hostile_scripts_end_well() {
    let (from, count) = (setting("FUZZ_FROM", 0), setting("FUZZ_COUNT", COUNT));
    let folder = tempfile::tempdir().unwrap();
    let mut findings: Vec<String> = Vec::new();
    let (mut next, to) = (from, from + count);
    while next < to && findings.len() < 20 {
        let _ = fs::remove_file(folder.path().join("at"));
        let mut child = start(folder.path(), next, to);
        let died = watch(&mut child, folder.path());
        findings.extend(lines(&folder.path().join("findings")));
        let _ = fs::remove_file(folder.path().join("findings"));
        let at = last(folder.path());
        if let Some(how) = died {
            findings.push(format!("script {}: {how}", at.unwrap_or(next)));
        }
        next = at.map_or(to, |a| a + 1);
    }
    let summary = fs::read_to_string(folder.path().join("summary")).unwrap_or_default();
    println!(
        "{count} scripts from {from}: {} findings; {summary}",
        findings.len()
    );
    assert!(
        findings.is_empty(),
        "{} findings\n{}",
        findings.len(),
        findings.join("\n")
    );
}

fn start(folder: &Path, from: u64, to: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["worker", "--exact", "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "0")
        .env("FUZZ_FOLDER", folder)
        .env("FUZZ_FROM", from.to_string())
        .env("FUZZ_TO", to.to_string())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap()
}

/// Waits for a worker; says how it died, if it did.
fn watch(child: &mut Child, folder: &Path) -> Option<String> {
    let (mut seen, mut since) = (None, Instant::now());
    let mut memory = Memory::default();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let said = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
            let said: Vec<&str> = said
                .lines()
                .filter(|l| !l.trim().is_empty() && !l.starts_with("note: "))
                .collect();
            let from = said
                .iter()
                .position(|l| l.contains("panicked at"))
                .unwrap_or(0);
            let said = said[from..]
                .iter()
                .take(4)
                .copied()
                .collect::<Vec<_>>()
                .join(" | ");
            return (!status.success()).then(|| format!("died ({status}) {said}"));
        }
        let at = last(folder);
        if at != seen {
            (seen, since) = (at, Instant::now());
        }
        if since.elapsed() > HANG {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some("hangs".to_owned());
        }
        if let (Some(at), Some(now)) = (at, resident(child.id()))
            && let Some((before, after)) = memory.look(at, now)
        {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some(format!(
                "grew from {} to {} MiB by",
                before >> 20,
                after >> 20
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The least memory of each thousand scripts: a script may take much for a moment, a leak stays.
#[derive(Default)]
struct Memory {
    first: Option<u64>,
    /// Where the present thousand began, and its least so far.
    now: Option<(u64, u64)>,
}

impl Memory {
    /// Looks at one moment; gives the least of the first thousand and of the last one, if that has
    /// grown.
    fn look(&mut self, at: u64, bytes: u64) -> Option<(u64, u64)> {
        let (start, least) = self.now.unwrap_or((at, bytes));
        if at < start + WARM {
            self.now = Some((start, least.min(bytes)));
            return None;
        }
        self.now = Some((at, bytes));
        let first = *self.first.get_or_insert(least);
        (least > first + GROWTH).then_some((first, least))
    }
}

/// The script that a worker began last.
fn last(folder: &Path) -> Option<u64> {
    fs::read_to_string(folder.join("at"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn resident(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    text.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|pages| pages * 4096)
}

/// The child process of the test above.
#[test]
#[ignore = "run by the test above"]
fn worker() {
    if let Some(folder) = std::env::var_os("FUZZ_FOLDER") {
        worker::run(
            Path::new(&folder),
            setting("FUZZ_FROM", 0),
            setting("FUZZ_TO", 0),
        );
    }
}

/// Prints the script of one seed and how it ends.
#[test]
#[ignore = "for people: FUZZ_SHOW=seed"]
fn show() {
    let seed = setting("FUZZ_SHOW", 0);
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker::Worker::new(folder.path());
    let text = worker.script(seed);
    println!("{text}\n----");
    println!(
        "{}",
        worker
            .whole(&text)
            .unwrap_or_else(|| "ends well".to_owned())
    );
}
