//! Where a run takes place: the machine, the process, and the commit of the script.
//!
//! All of it is read when it is there and `null` when it is not; nothing here can fail.

use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

/// The kind of machine: processor, cores, system.
pub(super) fn machine() -> Json {
    let cpu = read("/proc/cpuinfo").and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    json!({
        "cpu": cpu,
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// This process, so that later ones can tell whether it still lives: its number, when it started,
/// since which boot, and on which machine (a hash of the name: run folders are handed on).
pub(super) fn process() -> Json {
    let pid = std::process::id();
    json!({ "pid": pid, "start": start_of(u64::from(pid)), "boot": boot(), "host": host_hash() })
}

/// What became of a process that [`process`] described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is there.
    Runs,
    /// It is gone.
    Gone,
    /// It is, or was, on another machine.
    Elsewhere,
}

/// Whether a process still lives.
pub(crate) fn life(process: &Json) -> Life {
    let Some(pid) = process["pid"].as_u64() else {
        return Life::Gone;
    };
    let same = |name: &str, here: Option<String>| {
        here.is_none() || process[name].as_str() == here.as_deref()
    };
    if !same("host", host_hash()) {
        return Life::Elsewhere;
    }
    // A number is given out again after a while: the same number with another start is another
    // process.
    let here =
        same("boot", boot()) && start_of(pid).is_some_and(|s| process["start"].as_u64() == Some(s));
    if here || boot().is_none() {
        Life::Runs
    } else {
        Life::Gone
    }
}

/// The commit that the script's folder is at.
pub(super) fn commit(folder: &Path) -> Option<String> {
    let out = git(folder, &["rev-parse", "--verify", "HEAD"])?;
    Some(String::from_utf8(out).ok()?.trim().to_owned()).filter(|c| !c.is_empty())
}

/// Whether a text differs from what the commit has under that name.
pub(super) fn differs(folder: &Path, commit: &str, name: &str, text: &str) -> bool {
    git(folder, &["cat-file", "blob", &format!("{commit}:./{name}")])
        .is_none_or(|kept| kept != text.as_bytes())
}

/// What `git` prints. Only commands that read objects: `git status` would run programs that a
/// stranger's folder names.
fn git(folder: &Path, args: &[&str]) -> Option<Vec<u8>> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut command = Command::new("git");
    // Nothing that a folder's configuration names is run: no monitor, no hook, no transport, no
    // prompt.
    let quiet = [
        "core.fsmonitor=false",
        "core.hooksPath=/dev/null",
        "protocol.allow=never",
        "core.pager=cat",
    ];
    command
        .args(quiet.iter().flat_map(|setting| ["-c", *setting]))
        .arg("--no-replace-objects");
    command
        .arg("-C")
        .arg(folder)
        .args(args)
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_OPTIONAL_LOCKS", "0");
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_EXTERNAL_DIFF");
    let out = command.stdin(std::process::Stdio::null()).output().ok()?;
    out.status.success().then_some(out.stdout)
}

fn boot() -> Option<String> {
    read("/proc/sys/kernel/random/boot_id").map(|t| t.trim().to_owned())
}

fn host_hash() -> Option<String> {
    read("/proc/sys/kernel/hostname").map(|name| format!("{:08x}", super::hash(name.trim()) as u32))
}

/// When a process started, in ticks since boot: the 22nd field, counted behind the name in
/// parentheses.
fn start_of(pid: u64) -> Option<u64> {
    let text = read(&format!("/proc/{pid}/stat"))?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    // A zombie is dead: only its parent has not looked yet.
    let state = fields.next()?;
    if state == "Z" {
        None
    } else {
        fields.nth(18)?.parse().ok()
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_another_start_does_not() {
        let me = process();
        assert_eq!(life(&me), Life::Runs);
        let mut before = me.clone();
        before["start"] = json!(1);
        assert_eq!(life(&before), Life::Gone);
        before["host"] = json!("other");
        assert_eq!(life(&before), Life::Elsewhere);
        let mut booted = me;
        booted["boot"] = json!("before");
        assert_eq!(life(&booted), Life::Gone);
        assert_eq!(life(&Json::Null), Life::Gone);
    }

    #[test]
    fn a_process_that_ended_is_gone() -> std::io::Result<()> {
        let mut child = Command::new("sleep").arg("60").spawn()?;
        let mut it = process();
        it["pid"] = json!(child.id());
        it["start"] = json!(start_of(u64::from(child.id())));
        assert_eq!(life(&it), Life::Runs);
        child.kill()?;
        child.wait()?;
        assert_eq!(life(&it), Life::Gone);
        Ok(())
    }
}
