//! The warm build folder: jemscript and all it needs, compiled as evcxr compiles them. Each
//! notebook gets a copy of its own, since two that share one get each other's results.
//!
//! evcxr starts with a package without dependencies, at which cargo forgets all versions that were
//! chosen for them; then it takes the newest of the day, and compiles all that they touch. So
//! evcxr's package, `ctx`, is a member of a workspace in which another one, `versions`, holds on to
//! them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::places::{cache, checkout, environment, tool};
use crate::error::{Error, ErrorKind, Result};

/// The dependency as evcxr's configuration has it.
pub fn dependency() -> Result<String> {
    let folder = checkout()?
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    Ok(format!(
        "jemscript = {{ path = \"{folder}\", default-features = false, features = [\"evcxr\", \"tch-symbols\"] }}"
    ))
}

fn folder() -> Result<PathBuf> {
    Ok(cache()?.join("warm"))
}

fn write(folder: &Path, file: &str, text: &str) -> Result<()> {
    let path = folder.join(file);
    make(path.parent().unwrap_or(folder))?;
    fs::write(&path, text).map_err(|e| Error::io(&path, &e))
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

/// The files of an empty build folder.
fn prepare(folder: &Path) -> Result<()> {
    write(folder, "Cargo.toml", WORKSPACE)?;
    write(
        folder,
        "versions/Cargo.toml",
        &manifest("versions", "lib", &dependency()?),
    )?;
    write(folder, "versions/src/lib.rs", "")?;
    write(
        folder,
        "ctx/Cargo.toml",
        &manifest("ctx", "cdylib", &dependency()?),
    )?;
    write(folder, "ctx/src/lib.rs", "")?;
    // The versions that the checkout was tested with; cargo drops what a cell does not need.
    let lock = folder.join("Cargo.lock");
    fs::copy(checkout()?.join("Cargo.lock"), &lock)
        .map(|_| ())
        .map_err(|e| Error::io(&lock, &e))
}

/// Builds the warm folder, or what changed since. Cargo's own words go to the terminal.
pub fn build() -> Result<()> {
    let _lock = locked()?;
    let warm = folder()?;
    prepare(&warm)?;
    let rustc = tool("rustc")?;
    let mut cargo = Command::new(tool("cargo")?);
    environment(&mut cargo)?;
    let done = cargo
        .args(["build", "--target", &host(&rustc)?])
        .current_dir(warm.join(PACKAGE))
        .env("CARGO_TARGET_DIR", "target")
        .env("CARGO_BUILD_BUILD_DIR", "target")
        .env("RUSTC", &rustc)
        .env("RUSTFLAGS", "-Cprefer-dynamic")
        .status()
        .is_ok_and(|s| s.success());
    if done {
        Ok(())
    } else {
        Err(Error::new(
            ErrorKind::Io,
            "cargo could not build jemscript for Rust cells",
        ))
    }
}

/// A copy of the warm folder for one notebook; empty where nothing was built yet.
pub fn copy_to(own: &Path) -> Result<()> {
    let _lock = locked()?;
    let warm = folder()?;
    if !warm.join(PACKAGE).join("target").is_dir() {
        return prepare(own);
    }
    // `cp` keeps the times of files, by which cargo knows what is built, and shares blocks where
    // the file system can do that.
    let done = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(&warm)
        .arg(own)
        .status()
        .is_ok_and(|s| s.success());
    if done {
        return Ok(());
    }
    let text = format!(
        "{}: could not be copied to {}",
        warm.display(),
        own.display()
    );
    Err(Error::new(ErrorKind::Io, text)
        .with_hint("is the disk full? the copy takes half a gigabyte"))
}

/// Whether anything was built.
pub fn is_built() -> Result<bool> {
    Ok(folder()?.join(PACKAGE).join("target").is_dir())
}

/// The build of a notebook that found none becomes the warm folder of the next.
pub fn keep(own: &Path) -> Result<()> {
    let _lock = locked()?;
    let warm = folder()?;
    if !warm.exists() && own.join(PACKAGE).join("target").is_dir() {
        fs::rename(own, &warm).map_err(|e| Error::io(&warm, &e))?;
    }
    Ok(())
}

/// The target that this compiler builds for by default: evcxr names it.
fn host(rustc: &Path) -> Result<String> {
    let out = Command::new(rustc)
        .arg("-Vv")
        .output()
        .map_err(|e| Error::io(rustc, &e))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| {
        Error::new(
            ErrorKind::Io,
            format!("{} -Vv names no host", rustc.display()),
        )
    })
}

/// The folder in which evcxr works.
pub const PACKAGE: &str = "ctx";

/// The profile is the one that evcxr writes into its package, where a workspace does not look.
const WORKSPACE: &str = r#"[workspace]
members = ["ctx", "versions"]
resolver = "3"

[profile.dev]
opt-level = 2
debug = false
strip = "debuginfo"
rpath = true
lto = false
debug-assertions = true
codegen-units = 16
panic = "unwind"
incremental = true
overflow-checks = true
"#;

fn manifest(name: &str, kind: &str, dependency: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"{kind}\"]\npath = \"src/lib.rs\"\n\n[dependencies]\n{dependency}\n"
    )
}
