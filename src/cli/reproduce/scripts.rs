//! The two scripts as command lines: which of the values is for which.

use std::path::{Path, PathBuf};

use super::ReproduceArgs;
use super::asked::{Asked, name_of};
use crate::cli::recipes;
use crate::error::{Error, Result};
use crate::script::parameters::of_file;

/// Parameters of the scripts that this command sets itself.
const OURS: &[&str] = &[
    "data",
    "recipe",
    "checkpoint",
    "buffer",
    "norm",
    "inception",
    "baseline",
];

/// The scripts of training and evaluation, each with the names of its parameters.
pub(super) struct Scripts {
    train: (PathBuf, Vec<String>),
    evaluate: (PathBuf, Vec<String>),
}

impl Scripts {
    pub(super) fn of(asked: &Asked) -> Result<Scripts> {
        let parameters = |recipe: &str| -> Result<(PathBuf, Vec<String>)> {
            let file = recipes::named(recipe)?.file;
            let rows = of_file(&file).map_err(|d| d.error)?;
            Ok((file, rows.into_iter().map(|r| r.name).collect()))
        };
        let (train, evaluate) = (parameters("reproduce")?, parameters("evaluate")?);
        for value in &asked.values {
            let name = name_of(value)?;
            if OURS.contains(&name) {
                return Err(Error::argument(format!(
                    "reproduce: `{name}` is set by the command itself"
                ))
                .with_hint("its arguments: the data set, --recipe NAME, --inception FILE"));
            }
            let names = || train.1.iter().chain(&evaluate.1).map(String::as_str);
            if !names().any(|n| n == name) {
                let known = names().filter(|n| !OURS.contains(n));
                return Err(Error::unknown(
                    &format!("reproduce: neither training nor evaluation has a parameter `{name}`"),
                    name,
                    known,
                ));
            }
        }
        Ok(Scripts { train, evaluate })
    }

    pub(super) fn train(&self, args: &ReproduceArgs, asked: &Asked) -> Vec<String> {
        let own = vec![
            format!("data={}", asked.set.name()),
            format!("recipe={}", asked.recipe.name()),
        ];
        words(args, asked, &self.train, own, &asked.train())
    }

    pub(super) fn evaluate(&self, args: &ReproduceArgs, asked: &Asked) -> Vec<String> {
        let file = |name: &str| asked.train().join(name).display().to_string();
        let given = |name: &str| asked.values.iter().any(|v| name_of(v).ok() == Some(name));
        let mut own = vec![
            format!("data={}", asked.set.name()),
            format!("norm={}", asked.recipe.norm()),
            format!("checkpoint={}", file("weights.safetensors")),
        ];
        if asked.recipe.samples() {
            own.push(format!("buffer={}", file("buffer.safetensors")));
        } else if !given("fresh") {
            own.push("fresh=0".to_owned());
        }
        if !given("noise") {
            own.push(format!("noise={}", asked.recipe.noise()));
        }
        let inception = args.inception.as_ref();
        own.extend(inception.map(|f| format!("inception={}", f.display())));
        let mut words = words(args, asked, &self.evaluate, own, &asked.evaluate());
        if inception.is_some() {
            words.push("--trust".to_owned());
        }
        words
    }
}

/// The command line of a script.
fn words(
    args: &ReproduceArgs,
    asked: &Asked,
    (file, parameters): &(PathBuf, Vec<String>),
    own: Vec<String>,
    out: &Path,
) -> Vec<String> {
    let mut words = vec![file.display().to_string()];
    words.extend(own);
    let mine = |v: &&String| name_of(v).is_ok_and(|n| parameters.iter().any(|p| p == n));
    words.extend(asked.values.iter().filter(mine).cloned());
    let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    option("out", out.display().to_string());
    option("seed", asked.seed.to_string());
    option("device", args.device.clone());
    if let Some(threads) = args.threads {
        option("threads", threads.to_string());
    }
    words
}
