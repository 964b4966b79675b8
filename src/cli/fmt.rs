//! `jemscript fmt`: scripts in the language's form.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::formats::write_atomically;
use crate::script::layout::format;

/// Writes scripts, or all scripts in folders, in their form; `-` is from standard input to standard
/// output. With `check` it writes nothing: 1 if any is not in its form.
pub fn fmt(files: &[PathBuf], check: bool) -> u8 {
    if let [one] = files
        && one.as_os_str() == "-"
    {
        return match streams(check) {
            Ok(code) => code,
            Err(error) => super::fail(&error),
        };
    }
    let (mut all, mut changed, mut failed) = (Vec::new(), 0, false);
    for file in files {
        if let Err(error) = gather(file, file.is_dir(), &mut all) {
            super::fail(&error);
            failed = true;
        }
    }
    for file in &all {
        match one(file, check) {
            Ok(true) => {
                println!("{}", file.display());
                changed += 1;
            }
            Ok(false) => {}
            Err(error) => {
                super::fail(&error);
                failed = true;
            }
        }
    }
    let scripts = if all.len() == 1 { "script" } else { "scripts" };
    match (check, changed) {
        (true, 0) => println!("{} {scripts}: all in form", all.len()),
        (true, n) => println!(
            "{} {scripts}: {n} not in form; `jemscript fmt` writes them",
            all.len()
        ),
        (false, n) => println!("{} {scripts}: {n} changed", all.len()),
    }
    u8::from(failed || (check && changed > 0))
}

fn streams(check: bool) -> Result<u8> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| Error::io(Path::new("standard input"), &e))?;
    let new = format(&text)?;
    if !check {
        print!("{new}");
    }
    Ok(u8::from(check && new != text))
}

/// The scripts that a name means: a file, whatever its ending, or all in a folder.
fn gather(path: &Path, folder: bool, all: &mut Vec<PathBuf>) -> Result<()> {
    if !folder {
        if !all.iter().any(|f| f == path) {
            all.push(path.to_path_buf());
        }
        return Ok(());
    }
    let io = |e: std::io::Error| Error::io(path, &e);
    let mut entries = std::fs::read_dir(path)
        .map_err(io)?
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(io)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (name, inside) = (entry.file_name(), entry.path());
        let hidden = name.to_string_lossy().starts_with('.');
        // Links are not followed: they may lead in a circle.
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        if is_folder && !hidden || inside.extension().is_some_and(|e| e == "rhai") {
            gather(&inside, is_folder, all)?;
        }
    }
    Ok(())
}

/// Whether a script changed, or would.
fn one(path: &Path, check: bool) -> Result<bool> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::data(format!("{}: not a text file (UTF-8)", path.display())))?;
    let new = format(&text).map_err(|e| e.context(path.display()))?;
    if new == text {
        return Ok(false);
    }
    if !check {
        // Through a link, its file is written, not the link.
        let file = path.canonicalize().map_err(|e| Error::io(path, &e))?;
        let rights = std::fs::metadata(&file).map(|m| m.permissions());
        write_atomically(&file, new.as_bytes())?;
        if let Ok(rights) = rights {
            let _ = std::fs::set_permissions(&file, rights);
        }
    }
    Ok(true)
}
