//! The warm build folder: jemscript and all it needs, compiled as evcxr compiles them. Each notebook gets a copy of its own,
//! since two that share one get each other's results.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::places::{cache, checkout, environment, tool};
use crate::error::{Error, ErrorKind, Result};

/// The dependency as evcxr's configuration has it.
pub fn dependency() -> Result<String> {
    let folder = checkout()?.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!(
        "jemscript = {{ path = \"{folder}\", default-features = false, features = [\"evcxr\", \"tch-symbols\"] }}"
    ))
}

fn folder() -> Result<PathBuf> {
    Ok(cache()?.join("warm"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| Error::io(path, &e))
}

fn make(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io(path, &e))
}

/// One builds or copies at a time.
fn locked() -> Result<File> {
    let path = cache()?.join(".lock");
    make(&cache()?)?;
    let file = File::create(&path).map_err(|e| Error::io(&path, &e))?;
    file.lock().map_err(|e| Error::io(&path, &e))?;
    Ok(file)
}

/// Builds the warm folder, or what changed since. Cargo's own words go to the terminal.
pub fn build() -> Result<()> {
    let _lock = locked()?;
    let warm = folder()?;
    make(&warm.join("src"))?;
    write(&warm.join("Cargo.toml"), &manifest(&dependency()?))?;
    write(&warm.join("src/lib.rs"), "")?;
    // The versions that the checkout was tested with; cargo drops what a cell does not need.
    let lock = warm.join("Cargo.lock");
    fs::copy(checkout()?.join("Cargo.lock"), &lock).map_err(|e| Error::io(&lock, &e))?;
    let rustc = tool("rustc")?;
    let mut cargo = Command::new(tool("cargo")?);
    environment(&mut cargo)?;
    let done = cargo
        .args(["build", "--target", &host(&rustc)?])
        .current_dir(&warm)
        .env("CARGO_TARGET_DIR", "target")
        .env("CARGO_BUILD_BUILD_DIR", "target")
        .env("RUSTC", &rustc)
        .env("RUSTFLAGS", "-Cprefer-dynamic")
        .status()
        .is_ok_and(|s| s.success());
    if done { Ok(()) } else { Err(Error::new(ErrorKind::Io, "cargo could not build jemscript for Rust cells")) }
}

/// A copy of the warm folder for one notebook; empty where nothing was built yet.
pub fn copy_to(own: &Path) -> Result<()> {
    let _lock = locked()?;
    let warm = folder()?;
    if !warm.join("target").is_dir() {
        return make(own);
    }
    // `cp` keeps the times of files, by which cargo knows what is built, and shares blocks where the file system can.
    let done =
        Command::new("cp").args(["-a", "--reflink=auto"]).arg(&warm).arg(own).status().is_ok_and(|s| s.success());
    if done {
        return Ok(());
    }
    let text = format!("{}: could not be copied to {}", warm.display(), own.display());
    Err(Error::new(ErrorKind::Io, text).with_hint("is the disk full? the copy takes half a gigabyte"))
}

/// Whether anything was built.
pub fn is_built() -> Result<bool> {
    Ok(folder()?.join("target").is_dir())
}

/// The build of a notebook that found none becomes the warm folder of the next.
pub fn keep(own: &Path) -> Result<()> {
    let _lock = locked()?;
    let warm = folder()?;
    if !warm.exists() && own.join("target").is_dir() {
        fs::rename(own, &warm).map_err(|e| Error::io(&warm, &e))?;
    }
    Ok(())
}

/// The target that this compiler builds for by default: evcxr names it.
fn host(rustc: &Path) -> Result<String> {
    let out = Command::new(rustc).arg("-Vv").output().map_err(|e| Error::io(rustc, &e))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::new(ErrorKind::Io, format!("{} -Vv names no host", rustc.display())))
}

/// A package as evcxr writes it: only then does cargo take what it finds here for evcxr's own work.
fn manifest(dependency: &str) -> String {
    format!(
        "[package]\nname = \"ctx\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"cdylib\"]\npath = \"src/lib.rs\"\n\n\
         [profile.dev]\nopt-level = 2\ndebug = false\nstrip = \"debuginfo\"\nrpath = true\nlto = false\n\
         debug-assertions = true\ncodegen-units = 16\npanic = 'unwind'\nincremental = true\noverflow-checks = true\n\n\
         [dependencies]\n{dependency}\n"
    )
}
