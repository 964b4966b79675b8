//! `jemscript recipes`: what came with the program, in the Python package or in the checkout that it
//! was built from.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use super::{fail, program};
use crate::error::{Error, Result, nearest};
use crate::script::read_script;

/// Where they lie, as a user writes it.
const FOLDER: &str = "scripts/";

/// The longest line about a recipe.
const WIDTH: usize = 90;

/// A script to run or to start from.
pub(super) struct Recipe {
    /// Its path below the folder, without the ending: `papers/igebm`.
    pub(super) name: String,
    pub(super) file: PathBuf,
}

/// Prints their names, each with what it is; gives the exit code.
pub fn recipes() -> u8 {
    let (folder, found) = match folder().and_then(|f| Ok((f.clone(), all(&f)?))) {
        Ok(found) => found,
        Err(error) => return fail(&error),
    };
    let width = found.iter().map(|r| r.name.len()).max().unwrap_or(0);
    println!("Recipes in {}\n", folder.display());
    for recipe in &found {
        let text = read_script(&recipe.file).unwrap_or_default();
        println!("  {:width$}  {}", recipe.name, about(&text));
    }
    println!(
        "\n  jemscript {FOLDER}train     runs one\n  jemscript new mine          copies one, to change it; another with --from NAME"
    );
    0
}

/// What the first line of its comment says.
fn about(text: &str) -> String {
    let mut lines = text.lines().map(|l| l.strip_prefix("// "));
    let first = lines.next().flatten().unwrap_or_default();
    let first = first.trim().replace('*', "");
    // A command below the comment stands further in.
    let goes_on = lines.next().flatten().is_some_and(|l| !l.starts_with(' '));
    if first.chars().count() <= WIDTH && !goes_on {
        return first;
    }
    let mut short = String::new();
    for word in first.split_whitespace() {
        if short.chars().count() + word.chars().count() >= WIDTH {
            break;
        }
        short.push_str(word);
        short.push(' ');
    }
    format!("{short}…")
}

/// The folder of the recipes.
pub(super) fn folder() -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf();
    let places = program::in_package().into_iter().chain([source]);
    places
        .map(|p| p.join("scripts"))
        .find(|p| p.join("train.rhai").is_file())
        .ok_or_else(|| {
            Error::state("recipes: they are neither beside this program nor where it was built")
                .with_hint("install the wheel, or build the program in a checkout")
        })
}

/// All of them, the papers last; what they import is none.
pub(super) fn all(folder: &Path) -> Result<Vec<Recipe>> {
    let mut found = Vec::new();
    for inside in ["", "papers"] {
        let place = folder.join(inside);
        let io = |e: std::io::Error| Error::io(&place, &e);
        let entries = std::fs::read_dir(&place)
            .map_err(io)?
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(io)?;
        let mut files: Vec<PathBuf> = entries
            .iter()
            .map(std::fs::DirEntry::path)
            .filter(|p| p.extension().is_some_and(|e| e == "rhai"))
            .collect();
        files.sort();
        found.extend(files.into_iter().map(|file| {
            let stem = Path::new(file.file_stem().unwrap_or_default());
            Recipe {
                name: Path::new(inside).join(stem).display().to_string(),
                file,
            }
        }));
    }
    Ok(found)
}

/// The recipe of a name: `train`, `scripts/train.rhai`, `igebm`.
pub(super) fn named(name: &str) -> Result<Recipe> {
    let wanted = bare_name(name);
    let mut all = all(&folder()?)?;
    let last = |r: &Recipe| r.name.rsplit('/').next() == Some(wanted);
    let at = all.iter().position(|r| r.name == wanted);
    match at.or_else(|| all.iter().position(last)) {
        Some(at) => Ok(all.swap_remove(at)),
        None => {
            let names = || all.iter().map(|r| r.name.as_str());
            let ends = names().filter_map(|n| n.rsplit('/').next());
            let near = nearest(wanted, names().chain(ends));
            let hint = match near {
                Some(near) => format!("did you mean {near}? `jemscript recipes` lists all"),
                None => "`jemscript recipes` lists all".to_owned(),
            };
            Err(Error::argument(format!("there is no recipe {name}")).with_hint(hint))
        }
    }
}

fn bare_name(name: &str) -> &str {
    let name = name.strip_prefix(FOLDER).unwrap_or(name);
    name.strip_suffix(".rhai").unwrap_or(name)
}

/// The file that a script's name means: `scripts/train` where there is no such file is the recipe.
pub(super) fn meant(given: &str) -> std::result::Result<String, Infallible> {
    let named_so = given.starts_with(FOLDER) && !Path::new(given).exists();
    let recipe = named_so
        .then(|| all(&folder().ok()?).ok())
        .flatten()
        .and_then(|all| all.into_iter().find(|r| r.name == bare_name(given)));
    Ok(recipe.map_or_else(|| given.to_owned(), |r| r.file.display().to_string()))
}

/// The same for a path.
pub(super) fn meant_path(given: PathBuf) -> PathBuf {
    match given.to_str().map(meant) {
        Some(Ok(file)) => PathBuf::from(file),
        _ => given,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_found_by_all_their_names() {
        for name in ["train", "scripts/train", "scripts/train.rhai"] {
            assert_eq!(named(name).unwrap().name, "train");
        }
        assert_eq!(named("igebm").unwrap().name, "papers/igebm");
        let error = named("trian").err().unwrap();
        assert!(error.hint().unwrap().contains("train"), "{error}");
        let error = named("igbm").err().unwrap();
        assert!(error.hint().unwrap().contains("igebm"), "{error}");
        assert!(named("lib/jem").is_err());
        // A name without the folder is the user's own file.
        assert_eq!(meant("train.rhai").unwrap(), "train.rhai");
        assert_eq!(meant("scripts/mine").unwrap(), "scripts/mine");
    }

    #[test]
    fn a_line_about_a_recipe_is_one_line() {
        assert_eq!(about("// One.\n//   jemscript x\n"), "One.");
        assert_eq!(about("// One\n// goes on\n"), "One …");
        assert_eq!(about("let a = 1;"), "");
        let long = format!("// {}\n", "word ".repeat(40));
        assert!(about(&long).chars().count() <= WIDTH + 1);
    }
}
