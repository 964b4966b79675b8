//! Starting the kernel: a build folder of its own, the environment, evcxr; and tidying up after it.

use std::fs;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::{Signal, getpgrp, getpid, kill_process_group};
use signal_hook::consts::SIGINT;

use super::places::{cache, environment, evcxr};
use super::warm;
use crate::error::{Error, ErrorKind, Result};

/// How long it takes to notice that the kernel has ended, or Jupyter.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs evcxr until Jupyter ends it; gives its exit code.
pub fn run(connection: &Path) -> Result<u8> {
    let program = evcxr()?.ok_or_else(|| {
        Error::new(
            ErrorKind::Io,
            "evcxr, which compiles Rust cells, is not installed",
        )
        .with_hint("run: make notebooks")
    })?;
    let jupyter = Jupyter::new();
    // Stop sends SIGINT to the whole group: it is meant for the process in which cells run.
    let _ = signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)));
    sweep()?;
    let own = cache()?.join(format!("run-{}", std::process::id()));
    let was_built = warm::is_built()?;
    if !was_built {
        eprintln!(
            "jemscript is not compiled for Rust cells yet: the first cell does it, in 2 to 4 minutes"
        );
    }
    warm::copy_to(&own)?;
    let status = start(&program, connection, &own, &jupyter)?;
    if !was_built {
        warm::keep(&own)?;
    }
    if own.exists() {
        fs::remove_dir_all(&own).map_err(|e| Error::io(&own, &e))?;
    }
    // The cell that runs goes on in a process of its own; Jupyter has given all of them a group.
    if jupyter.has_died() && getpgrp() == getpid() {
        let _ = kill_process_group(getpgrp(), Signal::TERM);
    }
    Ok(status)
}

/// The process that started the kernel, where it is Jupyter.
struct Jupyter(Option<u32>);

impl Jupyter {
    fn new() -> Jupyter {
        Jupyter(std::env::var_os("JPY_PARENT_PID").map(|_| parent_id()))
    }

    fn has_died(&self) -> bool {
        self.0.is_some_and(|id| id != parent_id())
    }
}

fn start(program: &Path, connection: &Path, own: &Path, jupyter: &Jupyter) -> Result<u8> {
    // evcxr reads the notebook's own evcxr.toml first, then this one.
    let config = own.join("evcxr");
    let file = config.join("evcxr.toml");
    fs::create_dir_all(&config).map_err(|e| Error::io(&config, &e))?;
    let text = format!("[evcxr]\n\n[dependencies]\n{}\n", warm::dependency()?);
    fs::write(&file, text).map_err(|e| Error::io(&file, &e))?;
    // A cell before evcxr's first: Stop works in all others.
    let file = config.join("prelude.rs");
    fs::write(&file, "jemscript::rust_cells::listen();\n").map_err(|e| Error::io(&file, &e))?;
    let mut command = Command::new("sh");
    environment(&mut command)?;
    let mut kernel = command
        // What ignores a signal hands that on to what it starts; the session of a cell then listens
        // for itself.
        .args(["-c", "trap '' INT; exec \"$@\"", "sh"])
        .arg(program)
        .arg("--control_file")
        .arg(connection)
        .env("EVCXR_TMPDIR", own.join(warm::PACKAGE))
        .env("EVCXR_CONFIG_DIR", &config)
        .spawn()
        .map_err(|e| Error::io(program, &e))?;
    loop {
        if let Some(status) = kernel.try_wait().map_err(|e| Error::io(program, &e))? {
            return Ok(status
                .code()
                .and_then(|c| u8::try_from(c).ok())
                .unwrap_or(1));
        }
        // evcxr itself does not notice that.
        if jupyter.has_died() {
            kernel.kill().map_err(|e| Error::io(program, &e))?;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Removes the folders of kernels that were killed.
fn sweep() -> Result<()> {
    let Ok(entries) = fs::read_dir(cache()?) else {
        return Ok(());
    };
    let left: Vec<PathBuf> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| of_kernel(p).is_some() && !is_running(p))
        .collect();
    for folder in left {
        // Another kernel that starts may be at the same work.
        let _ = fs::remove_dir_all(folder);
    }
    Ok(())
}

/// The kernel, by its process, whose folder this is.
pub fn of_kernel(folder: &Path) -> Option<&str> {
    folder.file_name()?.to_str()?.strip_prefix("run-")
}

/// Whether this is the folder of a kernel that runs.
pub fn is_running(folder: &Path) -> bool {
    of_kernel(folder).is_some_and(|id| Path::new("/proc").join(id).exists())
}
