//! Installing: evcxr if it is missing, the warm build folder, and the kernel's entry for Jupyter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use super::places::{cache, environment, evcxr, evcxr_root, tool};
use super::run::{is_running, of_kernel};
use super::{NAME, warm};
use crate::cli::program;
use crate::error::{Error, ErrorKind, Result};
use crate::notebook::kernel::install::{self as entry, Place};

/// The version that this was tested with.
const EVCXR_VERSION: &str = "0.22.0";

/// Installs what is missing, step by step, and says how long each takes.
pub fn install(place: &Place) -> Result<()> {
    match evcxr()? {
        Some(program) => println!(
            "evcxr, which compiles Rust cells, is there: {}",
            program.display()
        ),
        None => install_evcxr()?,
    }
    println!(
        "Compiling jemscript for Rust cells: 2 to 4 minutes the first time, then only what changed."
    );
    let started = Instant::now();
    warm::build()?;
    println!("  done in {} s", started.elapsed().as_secs());
    let folder = write_entry(place)?;
    println!("the kernel is in {}", folder.display());
    println!(
        "Jupyter has the kernel \"Rust (jemscript)\". A cell starts with: use jemscript::prelude::*;"
    );
    Ok(())
}

fn install_evcxr() -> Result<()> {
    let root = evcxr_root()?;
    println!(
        "Installing evcxr {EVCXR_VERSION}, which compiles Rust cells, into {}: 5 to 10 minutes, once.",
        root.display()
    );
    let mut cargo = Command::new(tool("cargo")?);
    // Some crates name the compiler that they were written with, and rustup's stand-in would look
    // for that one.
    environment(&mut cargo)?;
    let done = cargo
        .env("RUSTC", tool("rustc")?)
        .args(["install", "--locked", "--version", EVCXR_VERSION, "--root"])
        .arg(&root)
        .arg("evcxr_jupyter")
        .status()
        .is_ok_and(|s| s.success());
    if done {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Io,
        "cargo could not install evcxr_jupyter; its own words are above",
    )
    .with_hint(
        "mend what they name (network, disk space, a tool), then run the same command again",
    ))
}

/// The kernel's entry. It names this program, which finds everything else when it is started.
fn write_entry(place: &Place) -> Result<PathBuf> {
    let program = program::path("kernel")?;
    let cargo = tool("cargo")?;
    let entry = json!({
        "argv": entry::argv(&program, &["--rust".to_owned()]),
        "display_name": "Rust (jemscript)",
        "language": "rust",
        "interrupt_mode": "signal",
        "env": { "JEMSCRIPT_CARGO_BIN": cargo.parent().unwrap_or(Path::new("")) },
    });
    entry::write(place, NAME, &entry)
}

/// Removes the entry, and all that was built for it where that is wanted; what a running kernel
/// uses stays.
pub fn uninstall(place: &Place, built: bool) -> Result<()> {
    crate::cli::kernel::uninstall(place, NAME)?;
    let cache = cache()?;
    if !cache.exists() {
        return Ok(());
    }
    if !built {
        println!(
            "{} stays: with what was built there, a new installation takes seconds",
            cache.display()
        );
        println!("to remove it, too: jemscript kernel uninstall --rust --built");
        return Ok(());
    }
    let entries = fs::read_dir(&cache).map_err(|e| Error::io(&cache, &e))?;
    let (running, rest): (Vec<_>, Vec<_>) = entries
        .flatten()
        .map(|e| e.path())
        .partition(|p| is_running(p));
    for path in rest {
        let done = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        done.map_err(|e| Error::io(&path, &e))?;
    }
    match running.iter().filter_map(|p| of_kernel(p)).next() {
        Some(id) => {
            println!(
                "removed what is in {}, but for the folder of process {id}, a kernel that runs",
                cache.display()
            )
        }
        None => {
            fs::remove_dir(&cache).map_err(|e| Error::io(&cache, &e))?;
            println!("removed {}", cache.display());
        }
    }
    Ok(())
}
