//! The data: what lies on this machine, and what is fetched.

use super::ReproduceArgs;
use super::asked::Asked;
use super::recipe::Set;
use super::step::Steps;
use crate::cli::INTERRUPTED;
use crate::data;
use crate::error::Result;
use crate::fetch::known;

/// The set itself must come. Without one of the others a table has a row less; a small run takes
/// those that are there.
pub(super) fn fetch_all(args: &ReproduceArgs, asked: &Asked, steps: &mut Steps) -> Result<u8> {
    let others = Set::ALL.into_iter().filter(|s| *s != asked.set);
    for set in std::iter::once(asked.set).chain(others) {
        let needed = set == asked.set;
        if there(set) {
            println!("  {} is there", set.title());
            continue;
        }
        if !needed && args.small {
            println!(
                "  {} is not there: a small run does without it",
                set.title()
            );
            continue;
        }
        let mut words = vec!["fetch".to_owned(), set.name().to_owned()];
        if let Some(from) = &args.from {
            words.extend(["--from".to_owned(), from.clone()]);
        }
        match steps.run(&words)? {
            0 => {}
            code if needed || code == INTERRUPTED => return Ok(code),
            _ => eprintln!(
                "  {} did not come: the table of detection has a set less. `jemscript fetch {}` before the evaluation mends it",
                set.title(),
                set.name()
            ),
        }
    }
    Ok(0)
}

/// Whether a set lies in one of the data folders: as fetched, or unpacked under other names. A part
/// of a download is not enough.
pub(super) fn there(set: Set) -> bool {
    let Ok(set) = known(set.name()) else {
        return false;
    };
    data::folders()
        .iter()
        .map(|f| f.join(set.name))
        .any(|folder| {
            let names: Vec<_> = std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.file_name().to_string_lossy().into_owned())
                .collect();
            let mut files = set
                .files
                .iter()
                .filter(|f| !f.optional)
                .map(|f| f.name.to_owned());
            let fetched = files.clone().all(|f| names.contains(&f));
            let partly = files.any(|f| names.contains(&f) || names.contains(&format!("{f}.part")));
            !names.is_empty() && (fetched || !partly)
        })
}
