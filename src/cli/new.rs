//! `jemscript new NAME`: a copy of a recipe, with what it imports, to start from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::fail;
use super::recipes::{self, Recipe};
use crate::error::{Error, Result};
use crate::formats::write_atomically;
use crate::script::read_script;

/// Copies a recipe into a new folder; gives the exit code. Without `from` it is the one of that
/// name, or else the main one.
pub fn new(name: &str, from: Option<&str>) -> u8 {
    match copy(name, from) {
        Ok((script, recipe)) => {
            let script = script.display();
            println!(
                "{script} is yours, a copy of the recipe {recipe}\n\n  jemscript {script} --dry-run    tries it in seconds, and says how long the real run takes\n  jemscript {script}              runs it\n  jemscript params {script}       lists what can be set"
            );
            0
        }
        Err(error) => fail(&error),
    }
}

fn copy(name: &str, from: Option<&str>) -> Result<(PathBuf, String)> {
    let folder = PathBuf::from(name.strip_suffix(".rhai").unwrap_or(name));
    let stem = folder.file_name().ok_or_else(|| {
        Error::argument(format!("new: {name:?} is no name for a folder"))
            .with_hint("name a new folder: jemscript new mine")
    })?;
    let script = folder.join(stem).with_added_extension("rhai");
    let recipe = match from {
        Some(from) => recipes::named(from).map_err(|e| e.context("new"))?,
        None => {
            let own = stem.to_str().and_then(|s| recipes::named(s).ok());
            own.map_or_else(|| recipes::named("train"), Ok)?
        }
    };
    if folder.exists() {
        return Err(
            Error::argument(format!("new: {} exists already", folder.display()))
                .with_hint("name another folder; what is there stays as it is"),
        );
    }
    let text = read_script(&recipe.file)?;
    // Its comment shows how it is run.
    let own = format!("scripts/{}.rhai", recipe.name);
    let text = text.replace(&own, &script.display().to_string());
    for file in imported(&recipe)? {
        let from = recipes::folder()?.join(&file);
        write(&folder.join(&file), &read_script(&from)?)?;
    }
    write(&script, &text)?;
    Ok((script, recipe.name))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    }
    write_atomically(path, text.as_bytes())
}

/// What a recipe imports, and what that imports, seen from the recipe's folder.
fn imported(recipe: &Recipe) -> Result<BTreeSet<PathBuf>> {
    let root = recipe.file.parent().unwrap_or(Path::new(""));
    let (mut found, mut open) = (BTreeSet::new(), vec![recipe.file.clone()]);
    while let Some(file) = open.pop() {
        let beside = file.parent().unwrap_or(root);
        for name in imports(&read_script(&file)?) {
            let file = beside.join(name).with_added_extension("rhai");
            if let Ok(seen) = file.strip_prefix(root)
                && found.insert(seen.to_path_buf())
            {
                open.push(file);
            }
        }
    }
    Ok(found)
}

/// The names on the lines `import "name" as …`: recipes have no others, which a test sees to.
fn imports(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| {
            line.trim_start()
                .strip_prefix("import \"")?
                .split('"')
                .next()
        })
        .collect()
}
