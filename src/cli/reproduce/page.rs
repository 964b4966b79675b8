//! The page of a reproduction: what was measured beside what the paper reports, from the files of
//! the two runs alone.

use std::path::{Path, PathBuf};

use super::asked::Asked;
use super::recipe::Published;
use crate::error::{Error, Result};
use crate::evaluate::{Report, Table};
use crate::history::Past;
use crate::run::read_plain;
use crate::summary::{images, page, plain};

/// The model's name in the evaluation.
const MODEL: &str = "model";
const CLAIMS: [&str; 5] = [
    "Accuracy",
    "Calibration",
    "Out-of-distribution detection (AUROC)",
    "Robustness (accuracy under PGD)",
    "Samples",
];

/// Writes `reproduce.md` and `reproduce.html`; gives the table beside the published figures, and
/// the page's path.
pub(super) fn write(asked: &Asked) -> Result<(String, PathBuf)> {
    let (train, judged) = (Past::read(&asked.train())?, asked.evaluate());
    let file = judged.join("reports/1.json");
    let text = read_plain(&file).map_err(|e| Error::io(&file, &e))?;
    let report = Report::from_json(&String::from_utf8_lossy(&text))
        .map_err(|e| e.context(file.display().to_string()))?;
    let numbers: Vec<(String, f64)> = report
        .values()
        .into_iter()
        .filter_map(|(model, path, value)| (model == MODEL).then_some((path, value)))
        .collect();
    let title = format!("{} on {}", asked.recipe.title(), asked.set.title());
    let mut page_text = format!("# {title}\n\n{}\n\n", standing(asked, &train, &report)?);
    let compared = beside(asked, &numbers);
    page_text += &format!("## Beside the published numbers\n\n{compared}\n\n");
    page_text += &measured(&numbers, &report);
    let pictures = pictures(&asked.out);
    page_text += &format!("## Pictures\n\n{}", images(&pictures, true));
    page(&asked.out, "reproduce", &title, &page_text, &pictures)?;
    Ok((compared, asked.out.join("reproduce.html")))
}

/// What was run.
fn standing(asked: &Asked, train: &Past, report: &Report) -> Result<String> {
    let mut text = String::new();
    if !asked.values.is_empty() {
        let values: Vec<String> = asked.values.iter().map(|v| plain(v)).collect();
        let mut changed = train.changed().map(|p| p.name.as_str());
        text += if changed.any(|name| !["data", "recipe"].contains(&name)) {
            "**This is not the paper's setting: its numbers say nothing about the paper.**"
        } else {
            "The training is the paper's."
        };
        text += &format!(" Set otherwise: {}.\n\n", values.join(", "));
    }
    let seconds = train
        .seconds()
        .map_or_else(String::new, |s| format!(" in {s:.1} s"));
    text += &format!(
        "Trained{seconds} on {} with seed {}, one run: no claim about other seeds. Judged on {} rows of {}.",
        plain(train.text("device")),
        train.seed(),
        report.rows,
        plain(&report.part)
    );
    let back = train
        .events()?
        .iter()
        .filter(|e| e["event"] == "rolled back")
        .count();
    if back > 0 {
        text += &format!(" The guard of the training went back to a healthy state {back} times.");
    }
    text += " The runs with everything that they logged are in `train` and `evaluate`, each with a report.html.";
    Ok(text)
}

/// The published figures with ours.
fn beside(asked: &Asked, numbers: &[(String, f64)]) -> String {
    let published = asked.recipe.published(asked.set);
    if published.is_empty() {
        return format!(
            "No published figure for {} on {} is kept here.",
            asked.recipe.title(),
            asked.set.title()
        );
    }
    let mut table = Table::of_texts(["what", "here", "published", "source", "protocol"]);
    for p in &published {
        table.row([
            p.what.as_str(),
            &ours(asked, p, numbers),
            p.value,
            p.source,
            p.differs,
        ]);
    }
    table.markdown()
}

/// Our number in the paper's unit; a dash with the reason where there is none.
fn ours(asked: &Asked, p: &Published, numbers: &[(String, f64)]) -> String {
    if p.in_features() && !asked.inception {
        return "— (needs --inception)".to_owned();
    }
    let found = numbers.iter().find(|(path, _)| *path == p.path);
    match found {
        Some((_, value)) if p.path == "accuracy" => format!("{:.2}", 100.0 * value),
        Some((_, value)) => format!("{value:.3}"),
        None => "—".to_owned(),
    }
}

/// The main numbers of each claim, with its protocol.
fn measured(numbers: &[(String, f64)], report: &Report) -> String {
    let claims: [&dyn Fn(&str) -> bool; 5] = [
        &|p| p == "accuracy",
        &|p| {
            [
                "calibration.ece",
                "calibration.nll",
                "calibration.adaptive_ece",
                "calibration.brier",
            ]
            .contains(&p)
        },
        &|p| p.starts_with("ood.") && p.matches('.').count() == 2,
        &|p| p.starts_with("robust."),
        &|p| {
            p.starts_with("samples.") && (p.matches('.').count() == 1 || p.ends_with(".inception"))
        },
    ];
    let mut text = String::new();
    for (i, belongs) in claims.iter().enumerate() {
        let mut table = Table::new(["number", "value"]);
        let mut any = false;
        for (path, value) in numbers.iter().filter(|(p, _)| belongs(p)) {
            table.row([plain(path), format!("{value:.4}")]);
            any = true;
        }
        if !any {
            continue;
        }
        text += &format!("## {}. {}\n\n{}\n\n", i + 1, CLAIMS[i], table.markdown());
        for line in &report.protocol.claims[i] {
            text += &format!("- {}\n", plain(line));
        }
        text.push('\n');
    }
    text
}

/// The pictures of both runs that say most, as far as they are there.
fn pictures(out: &Path) -> Vec<String> {
    [
        "train/buffer.png",
        "train/curves.png",
        "evaluate/energies.png",
        "evaluate/reliability.png",
        "evaluate/robustness.png",
        "evaluate/robustness-l2.png",
    ]
    .into_iter()
    .filter(|name| out.join(name).is_file())
    .map(str::to_owned)
    .collect()
}
