//! What is asked for, with all that decides the results.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::ReproduceArgs;
use super::cost::Cost;
use super::recipe::{Recipe, Set};
use crate::error::{Error, ErrorKind, Result};

/// Values of `--small`: the whole chain within minutes on a processor. They show that it runs, and
/// nothing about the paper.
const SMALL: &[&str] = &[
    "depth=10",
    "width=1",
    "epochs=1",
    "batch_size=16",
    "sgld_steps=5",
    "warmup=10",
    "size=500",
    "validation=500",
    "limit=512",
    "judged=200",
    "attacked=50",
    "pgd_steps=5",
    "queries=50",
    "steps=[20]",
    "classwise=[20]",
    "fresh=100",
];

/// A reproduction.
pub(super) struct Asked {
    pub(super) set: Set,
    pub(super) recipe: Recipe,
    pub(super) seed: u64,
    /// Values of parameters that are not the paper's.
    pub(super) values: Vec<String>,
    pub(super) inception: bool,
    /// The folder, absolute.
    pub(super) out: PathBuf,
}

impl Asked {
    pub(super) fn train(&self) -> PathBuf {
        self.out.join("train")
    }

    pub(super) fn evaluate(&self) -> PathBuf {
        self.out.join("evaluate")
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "data": self.set.name(), "recipe": self.recipe.name(), "seed": self.seed,
            "values": self.values, "inception": self.inception,
        })
    }

    /// A whole number among the values.
    fn number(&self, name: &str, default: u64) -> u64 {
        let of = |v: &String| {
            v.strip_prefix(name)?
                .strip_prefix('=')?
                .replace('_', "")
                .parse()
                .ok()
        };
        self.values.iter().rev().find_map(of).unwrap_or(default)
    }

    pub(super) fn cost(&self) -> Cost {
        let mut size = self.recipe.size();
        let or = |given: u64, paper: u64| if given > 0 { given } else { paper };
        let batch = self.number("batch_size", 0);
        size.epochs = or(self.number("epochs", 0), size.epochs);
        size.steps = if size.steps > 0 {
            or(self.number("sgld_steps", 0), size.steps)
        } else {
            0
        };
        size.p_x_batch = match (self.recipe, batch) {
            (_, 0) => size.p_x_batch,
            (Recipe::Jem, batch) => batch,
            (_, batch) => batch.min(size.p_x_batch),
        };
        size.batch = or(batch, size.batch);
        let images = self
            .set
            .images()
            .saturating_sub(self.number("validation", 5_000));
        Cost {
            recipe: self.recipe,
            set: self.set,
            depth: self.number("depth", 28),
            width: self.number("width", 10),
            size,
            images: images.min(or(self.number("limit", 0), images)),
        }
    }
}

/// From the command line.
pub(super) fn asked(args: &ReproduceArgs) -> Result<Asked> {
    let small = if args.small { SMALL } else { &[] };
    let mut values: Vec<String> = small.iter().map(|v| (*v).to_owned()).collect();
    for value in &args.values {
        let name = name_of(value)?;
        values.retain(|v| name_of(v).ok() != Some(name));
        values.push(value.clone());
    }
    let out = args.out.clone().unwrap_or_else(|| {
        let small = if args.small { "-small" } else { "" };
        PathBuf::from(format!(
            "runs/reproduce-{}-{}{small}",
            args.recipe.name(),
            args.set.name()
        ))
    });
    if let Some(file) = args.inception.as_ref().filter(|f| !f.is_file()) {
        return Err(Error::new(
            ErrorKind::Io,
            format!(
                "reproduce: --inception: there is no file {}",
                file.display()
            ),
        ));
    }
    Ok(Asked {
        set: args.set,
        recipe: args.recipe,
        seed: args.seed,
        values,
        inception: args.inception.is_some(),
        out: std::path::absolute(&out).map_err(|e| Error::io(&out, &e))?,
    })
}

/// The name of `key=value`.
pub(super) fn name_of(value: &str) -> Result<&str> {
    value.split_once('=').map(|(name, _)| name).ok_or_else(|| {
        Error::argument(format!("reproduce: {value:?} is no parameter"))
            .with_hint("parameters are key=value: depth=10")
    })
}
