//! Installing: evcxr if it is missing, the warm build folder, and the kernel's entry for Jupyter.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use super::places::{cache, evcxr, evcxr_root, kernels, tool};
use super::{NAME, Where, warm};
use crate::error::{Error, ErrorKind, Result};
use crate::run::write_atomically;

/// The version that this was tested with.
const EVCXR_VERSION: &str = "0.22.0";

/// Installs what is missing, step by step, and says how long each takes.
pub fn install(place: &Where) -> Result<()> {
    match evcxr()? {
        Some(program) => println!("evcxr, which compiles Rust cells, is there: {}", program.display()),
        None => install_evcxr()?,
    }
    println!("Compiling jemscript for Rust cells: 2 to 4 minutes the first time, then only what changed.");
    let started = Instant::now();
    warm::build()?;
    println!("  done in {} s", started.elapsed().as_secs());
    write_kernel(&kernels(place)?.join(NAME))?;
    println!("Jupyter has the kernel \"Rust (jemscript)\". A cell starts with: use jemscript::prelude::*;");
    Ok(())
}

fn install_evcxr() -> Result<()> {
    let root = evcxr_root()?;
    println!(
        "Installing evcxr {EVCXR_VERSION}, which compiles Rust cells, into {}: 5 to 10 minutes, once.",
        root.display()
    );
    let done = Command::new(tool("cargo")?)
        .args(["install", "--locked", "--version", EVCXR_VERSION, "--root"])
        .arg(&root)
        .arg("evcxr_jupyter")
        .status()
        .is_ok_and(|s| s.success());
    if done {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Io, "cargo could not install evcxr_jupyter; its own words are above")
        .with_hint("mend what they name (network, disk space, a tool), then run the same command again"))
}

/// The kernel's entry. It names this program, which finds everything else when it is started.
fn write_kernel(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    let program = std::env::current_exe().map_err(|e| Error::io(Path::new("the running program"), &e))?;
    let cargo = tool("cargo")?;
    let entry = json!({
        "argv": [program, "kernel-rust", "run", "{connection_file}"],
        "display_name": "Rust (jemscript)",
        "language": "rust",
        "interrupt_mode": "signal",
        "env": { "JEMSCRIPT_CARGO_BIN": cargo.parent().unwrap_or(Path::new("")) },
    });
    write_atomically(&folder.join("kernel.json"), format!("{entry:#}\n").as_bytes())
}

/// Removes the entry and all that was built.
pub fn uninstall(place: &Where) -> Result<()> {
    for folder in [kernels(place)?.join(NAME), cache()?] {
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
            println!("removed {}", folder.display());
        }
    }
    Ok(())
}
