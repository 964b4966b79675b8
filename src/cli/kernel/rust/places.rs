//! Folders, tools and the environment of Rust cells. Everything lies in the user's own folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, ErrorKind, Result};
use crate::notebook::user;

/// What evcxr's program is called.
const EVCXR: &str = "evcxr_jupyter";

/// Where built things lie: `~/.cache/jemscript/evcxr`.
pub fn cache() -> Result<PathBuf> {
    Ok(user::cache()?.join("jemscript/evcxr"))
}

/// evcxr's program where it is installed: on the path, or in our own folder.
pub fn evcxr() -> Result<Option<PathBuf>> {
    Ok(on_path(EVCXR).or(Some(evcxr_root()?.join("bin").join(EVCXR)).filter(|p| p.is_file())))
}

/// Where evcxr goes if it is missing.
pub fn evcxr_root() -> Result<PathBuf> {
    Ok(cache()?.join("program"))
}

/// A program on the path.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|p| p.is_file())
}

/// `cargo` or `rustc` as evcxr finds it: what rustup stands for, not rustup's stand-in.
pub fn tool(name: &str) -> Result<PathBuf> {
    let which = Command::new("rustup")
        .args(["which", name])
        .output()
        .ok()
        .filter(|o| o.status.success());
    let named = which
        .and_then(|o| String::from_utf8(o.stdout).ok())
        .map(|text| PathBuf::from(text.trim_end()));
    named.or_else(|| on_path(name)).ok_or_else(|| {
        Error::new(ErrorKind::Io, format!("{name} is not on the PATH"))
            .with_hint("Rust cells are compiled: install Rust from https://rustup.rs")
    })
}

/// The folder of this checkout, with which the program was built.
pub fn checkout() -> Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if folder.join("Cargo.toml").is_file() {
        return Ok(folder);
    }
    let text = format!(
        "{}: the checkout that this program was built from is gone",
        folder.display()
    );
    Err(Error::new(ErrorKind::Io, text).with_hint("in a checkout, run: make notebooks"))
}

/// The environment of builds and of the kernel. Both must have the same, or cargo builds the
/// bindings again.
pub fn environment(command: &mut Command) -> Result<()> {
    for name in [
        "LIBTORCH_INCLUDE",
        "LIBTORCH_LIB",
        "LIBTORCH_USE_PYTORCH",
        "CPLUS_INCLUDE_PATH",
        "RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    let libtorch = option_env!("JEMSCRIPT_LIBTORCH_LIB").and_then(|lib| Path::new(lib).parent());
    if let Some(folder) = libtorch {
        command.env("LIBTORCH", folder);
    }
    // evcxr's run path is wrong where the toolchain and the build folder share a parent.
    let rustc = tool("rustc")?;
    let asked = Command::new(&rustc)
        .args(["--print", "target-libdir"])
        .output();
    let mut libraries = asked
        .map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim_end()))
        .into_iter()
        .collect();
    if let Some(given) = std::env::var_os("LD_LIBRARY_PATH") {
        extend(&mut libraries, &given);
    }
    command.env("LD_LIBRARY_PATH", joined(&libraries)?);
    // Jupyter may have been started from a desktop, whose path has no cargo.
    let mut path: Vec<PathBuf> = user::named("JEMSCRIPT_CARGO_BIN").into_iter().collect();
    if let Some(given) = std::env::var_os("PATH") {
        extend(&mut path, &given);
    }
    command.env("PATH", joined(&path)?);
    // Else rust-analyzer, inside evcxr, downloads the source of the standard library without
    // asking.
    command.env("RUSTUP", "/bin/false");
    Ok(())
}

fn extend(list: &mut Vec<PathBuf>, paths: &OsString) {
    list.extend(std::env::split_paths(paths));
}

fn joined(paths: &[PathBuf]) -> Result<OsString> {
    std::env::join_paths(paths).map_err(|e| {
        Error::new(
            ErrorKind::Io,
            format!("a folder with a colon in its name: {e}"),
        )
    })
}
