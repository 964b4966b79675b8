//! Where a script comes from: a file, standard input (`-`), or the command line itself (`-e`).

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{RunArgs, near_command, params_file};
use crate::error::{Error, Result};
use crate::history::{Past, Set};
use crate::run::Source;
use crate::script::{Preset, plain_text, read_script};

/// A script before it is compiled.
pub struct Input {
    /// What errors call it: a path, `-e`, `stdin`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The name of its copy in the run folder.
    pub file: String,
    /// The folder that imports and data files start from.
    pub folder: PathBuf,
}

impl Input {
    /// No script: what a session is called whose pieces come later.
    pub fn none(file: &str) -> Input {
        Input {
            name: file.to_owned(),
            text: String::new(),
            file: file.to_owned(),
            folder: PathBuf::from("."),
        }
    }

    /// The script that the command line means.
    pub fn of(args: &RunArgs) -> Result<Input> {
        let here = |name: &str, text: String, file: &str| Input {
            name: name.to_owned(),
            text,
            file: file.to_owned(),
            folder: PathBuf::from("."),
        };
        if let Some(code) = &args.code {
            return Ok(here("-e", plain_text(code.clone()), "command.rhai"));
        }
        let name = args.script.clone().unwrap_or_default();
        if name == "-" {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .map_err(|e| Error::io(Path::new("stdin"), &e))?;
            let text =
                String::from_utf8(bytes).map_err(|_| Error::data("stdin: not a text (UTF-8)"))?;
            return Ok(here("stdin", plain_text(text), "stdin.rhai"));
        }
        let path = Path::new(&name);
        let text = read_script(path).map_err(|e| {
            match near_command(&name).filter(|_| !path.exists()) {
                Some(command) => Error::new(e.kind(), e.message())
                    .with_hint(format!("did you mean `jemscript {command}`?")),
                None => e,
            }
        })?;
        let file = path.file_name().map_or_else(
            || "script.rhai".to_owned(),
            |n| n.to_string_lossy().into_owned(),
        );
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .to_path_buf();
        Ok(Input {
            name,
            text,
            file,
            folder,
        })
    }
}

/// `key=value …` as pairs. Beside `-e`, the place of the script holds one more of them.
pub fn overrides(args: &RunArgs) -> Result<Vec<(String, String)>> {
    let first = args.script.iter().filter(|_| args.code.is_some());
    let pair = |text: &String| {
        let pair = text
            .split_once('=')
            .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
        pair.ok_or_else(|| Error::argument(format!("`{text}`: parameters are written key=value")))
    };
    first.chain(&args.overrides).map(pair).collect()
}

/// The values of parameters that do not come as key=value.
pub fn presets(args: &RunArgs) -> Result<Vec<Preset>> {
    let mut found = args.presets.clone();
    if let Some(folder) = &args.rerun_of {
        let past = Past::read(folder)?;
        let preset = |p: &Set| {
            Some(Preset {
                name: p.name.clone(),
                value: p.value.clone(),
                source: Source::of(&p.source)?,
            })
        };
        found.extend(past.changed().filter_map(preset));
    }
    if let Some(file) = &args.params {
        found.extend(params_file::read(file)?);
    }
    Ok(found)
}
