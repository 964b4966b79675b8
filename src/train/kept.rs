//! What a past run has kept: which of its checkpoints to take weights from.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Where a run folder has its checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// The file name of the state to take from a run's folder: the best one, else the one at its end,
/// else the last that it kept.
pub fn best_of(folder: &Path) -> Result<String> {
    let within = folder.join(CHECKPOINTS);
    let nothing = |what: &str| {
        Error::data(format!("{}: {what}", folder.display())).with_hint(
            "a run folder has its checkpoints in `checkpoints`; files are named themselves",
        )
    };
    let entries = fs::read_dir(&within).map_err(|_| nothing("holds no checkpoints"))?;
    let names = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let mut found: Vec<(String, (u8, u64), String)> = names.filter_map(judged).collect();
    found.sort();
    let mut trainings: Vec<&str> = found
        .iter()
        .map(|(training, ..)| training.as_str())
        .collect();
    trainings.dedup();
    match (trainings.len(), found.last()) {
        (0, _) | (_, None) => Err(nothing("holds no checkpoint to take weights from")),
        (1, Some((.., name))) => Ok(name.clone()),
        (n, _) => Err(Error::argument(format!(
            "{}: has checkpoints of {n} trainings: {}",
            folder.display(),
            trainings.join(", ")
        ))
        .with_hint(format!(
            "name the file itself, as in \"{}/{CHECKPOINTS}/{}\"",
            folder.display(),
            found
                .iter()
                .map(|(.., name)| name.as_str())
                .next_back()
                .unwrap_or_default()
        ))),
    }
}

/// The training of a checkpoint by its name, how good a choice it is, and the name again.
fn judged(name: String) -> Option<(String, (u8, u64), String)> {
    let stem = name.strip_suffix(".safetensors")?;
    let (training, word) = stem.rsplit_once('-').unwrap_or(("", stem));
    let rank = match word {
        "best" => (2, 0),
        "end" => (1, 0),
        number => (0, number.parse().ok()?),
    };
    Some((training.to_owned(), rank, name))
}
