//! The program, run by a test in a folder of its own.

#![allow(dead_code, clippy::unwrap_used)] // each test uses some of it; a panic is how a test fails

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with these arguments, in a folder, its outputs kept.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jemscript"));
    command
        .args(args)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What it came to.
pub fn jemscript(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

/// What it wrote to one of its outputs.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it printed; it must have ended well.
pub fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "failed with\n{}",
        text(&output.stderr)
    );
    text(&output.stdout)
}
