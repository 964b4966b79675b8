//! The layout of a report: one block a claim, a table over its protocol. One layout serves one
//! report and several pooled.

use std::fmt;

use super::ModelReport;
use super::ood::Score;
use super::paths::key;
use super::report::{Comparison, GAUSSIAN, Report, sets_won};
use super::sheet::{Block, Sheet, Spec, Style, markdown, terminal};
use super::table::{WIDTH, size, wrapped};

/// The scores of a refinement, with the names that columns have.
const REFINED: [(&str, &str); 3] = [
    ("log_p_x", "log p(x)"),
    ("gain", "−gain"),
    ("moved", "−moved"),
];

/// The blocks of reports with the same models; all numbers where `detail`, the main ones else.
pub(crate) fn blocks(reports: &[&Report], comparisons: &[Comparison], detail: bool) -> Vec<Block> {
    let Some(first) = reports.first() else {
        return Vec::new();
    };
    let names: Vec<String> = first.models.iter().map(|m| m.name.clone()).collect();
    let block = |claim: i64, title: &'static str, sheets: Vec<Sheet>, mut more: Vec<String>| {
        more.extend(
            first
                .protocol
                .claims
                .get((claim - 1) as usize)
                .cloned()
                .unwrap_or_default(),
        );
        Block {
            claim,
            title,
            sheets,
            lines: more,
        }
    };
    let mut found = Vec::new();
    if first.models.iter().any(|m| m.training.is_some()) {
        found.push(block(0, "Training", vec![training(&names)], Vec::new()));
    }
    found.push(block(1, "Accuracy", vec![accuracy(&names)], Vec::new()));
    found.push(block(
        2,
        "Calibration",
        vec![calibration(first, &names)],
        Vec::new(),
    ));
    let verdicts = verdicts(&names, comparisons);
    found.push(block(
        3,
        "Out-of-distribution detection",
        detection(first, &names, detail),
        verdicts,
    ));
    if first
        .models
        .iter()
        .any(|m| !m.robustness.is_empty() || m.jem_k.is_some())
    {
        found.push(block(
            4,
            "Robustness",
            robustness(first, &names),
            Vec::new(),
        ));
    }
    let sheets = first
        .samples
        .is_some()
        .then(|| samples(first))
        .into_iter()
        .collect();
    found.push(block(5, "Samples", sheets, Vec::new()));
    found
}

/// The columns of a table: the label's, then each with its group.
fn head(label: &str, columns: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    std::iter::once((String::new(), label.to_owned()))
        .chain(columns)
        .collect()
}

fn ungrouped(names: &[String]) -> impl Iterator<Item = (String, String)> + '_ {
    names.iter().map(|n| (String::new(), n.clone()))
}

fn spec(model: &str, path: impl Into<String>, style: Style) -> Spec {
    (model.to_owned(), path.into(), style)
}

fn across(names: &[String], label: &str, path: &str, style: Style) -> (String, Vec<Spec>) {
    (
        label.to_owned(),
        names.iter().map(|m| spec(m, path, style)).collect(),
    )
}

/// The subject's differences to each baseline.
fn versus(names: &[String], path: &str) -> Vec<Spec> {
    let baselines = names.split_last().map_or(&[][..], |(_, b)| b);
    baselines
        .iter()
        .map(|m| spec(m, format!("{path}.difference"), Style::Points))
        .collect()
}

fn training(names: &[String]) -> Sheet {
    let rows = vec![
        across(
            names,
            "iterations",
            "training.iterations",
            Style::Decimals(0),
        ),
        across(names, "seconds", "training.seconds", Style::Decimals(0)),
        across(names, "diverged", "training.diverged", Style::Count),
    ];
    Sheet {
        head: head("", ungrouped(names)),
        rows,
    }
}

fn accuracy(names: &[String]) -> Sheet {
    let mut rows = vec![across(names, "accuracy", "accuracy", Style::Percent)];
    if let Some((subject, [_, ..])) = names.split_last() {
        rows.push((
            format!("{subject} − this, points"),
            versus(names, "accuracy"),
        ));
    }
    Sheet {
        head: head("", ungrouped(names)),
        rows,
    }
}

fn calibration(report: &Report, names: &[String]) -> Sheet {
    let of = |prefix: &str, mark: &str| {
        let row = |label: &str, name: &str, style| {
            across(
                names,
                &format!("{label}{mark}"),
                &format!("{prefix}.{name}"),
                style,
            )
        };
        vec![
            row("ECE", "ece", Style::Decimals(4)),
            row("  by chance, mean", "chance", Style::Decimals(4)),
            row("  by chance, 95 %", "chance_95", Style::Decimals(4)),
            row("adaptive ECE", "adaptive_ece", Style::Decimals(4)),
            row("confidence − accuracy", "gap", Style::Gap),
            row("NLL", "nll", Style::Decimals(4)),
            row("Brier", "brier", Style::Decimals(4)),
        ]
    };
    let mut rows = of("calibration", "");
    if report
        .models
        .iter()
        .any(|m| m.calibration.tempered.is_some())
    {
        rows.push(across(
            names,
            "temperature T",
            "tempered.temperature",
            Style::Decimals(3),
        ));
        rows.extend(of("tempered", ", at T"));
    }
    Sheet {
        head: head("", ungrouped(names)),
        rows,
    }
}

fn detection(report: &Report, names: &[String], detail: bool) -> Vec<Sheet> {
    let sets: Vec<String> = report
        .subject()
        .map(|s| s.ood.sets.iter().map(|s| s.name.clone()).collect())
        .unwrap_or_default();
    let scored: Vec<(&ModelReport, Score)> = report
        .models
        .iter()
        .flat_map(|m| Score::ALL.map(|s| (m, s)))
        .collect();
    // With their intervals the columns of several models are too wide for a terminal.
    let style = || {
        if detail {
            Style::Ranged
        } else {
            Style::Decimals(3)
        }
    };
    let table = |title: &str, suffix: &str| {
        let row = |set: &String| {
            let path = |score: Score| format!("ood.{}.{}{suffix}", key(set), score.key());
            let mut cells: Vec<Spec> = scored
                .iter()
                .map(|(m, s)| spec(&m.name, path(*s), style()))
                .collect();
            cells.push(spec(GAUSSIAN, path(Score::LogPx), style()));
            (set.clone(), cells)
        };
        let own = scored.iter().map(|(m, s)| (m.name.clone(), s.to_string()));
        let columns = own.chain([(GAUSSIAN.to_owned(), Score::LogPx.to_string())]);
        Sheet {
            head: head(title, columns),
            rows: sets.iter().map(row).collect(),
        }
    };
    let mut sheets = vec![table("AUROC", "")];
    if let Some((subject, baselines)) = names.split_last() {
        let against: Vec<String> = baselines
            .iter()
            .cloned()
            .chain([GAUSSIAN.to_owned()])
            .collect();
        let row = |set: &String| {
            let path = format!("ood.{}.difference", key(set));
            (
                set.clone(),
                against
                    .iter()
                    .map(|m| spec(m, path.clone(), Style::Signed))
                    .collect(),
            )
        };
        let columns = against
            .iter()
            .map(|m| ("minus the best AUROC of".to_owned(), m.clone()));
        let title = format!("log p(x) of {subject}");
        sheets.push(Sheet {
            head: head(&title, columns),
            rows: sets.iter().map(row).collect(),
        });
    }
    let refining: Vec<&ModelReport> = report
        .models
        .iter()
        .filter(|m| m.refinement.is_some())
        .collect();
    if let Some(first) = refining.first().and_then(|m| m.refinement.as_ref()) {
        let scores = refining
            .iter()
            .flat_map(|m| REFINED.map(|(k, name)| (m.name.clone(), k, name)));
        let scores: Vec<(String, &str, &str)> = scores.collect();
        let row = |set: &String| {
            let cells = scores
                .iter()
                .map(|(m, k, _)| spec(m, format!("refined.{}.{k}", key(set)), style()));
            (set.clone(), cells.collect())
        };
        let columns = scores
            .iter()
            .map(|(m, _, name)| (m.clone(), (*name).to_owned()));
        let rows = first.sets.iter().map(|s| row(&s.0)).collect();
        sheets.push(Sheet {
            head: head("AUROC, refined", columns),
            rows,
        });
    }
    if detail || report.models.len() == 1 {
        sheets.push(table("FPR95", ".fpr95"));
        sheets.push(table("AP, inside positive", ".ap_in"));
        sheets.push(table("AP, outside positive", ".ap_out"));
    }
    sheets
}

/// On how many sets the subject's log p(x) is clearly better or worse.
fn verdicts(names: &[String], comparisons: &[Comparison]) -> Vec<String> {
    let Some((subject, baselines)) = names.split_last() else {
        return Vec::new();
    };
    let against = baselines.iter().map(String::as_str).chain([GAUSSIAN]);
    let told = against.filter_map(|name| match sets_won(comparisons, name) {
        (_, _, 0) => None,
        (above, below, all) => Some(format!(
            "{name}: above on {above}, below on {below} of {all} sets"
        )),
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        return told;
    }
    vec![format!(
        "log p(x) of {subject} against the best score of each (counted where the interval excludes 0): {}",
        told.join("; ")
    )]
}

fn robustness(report: &Report, names: &[String]) -> Vec<Sheet> {
    let Some((subject, (name, baselines))) = report.subject().zip(names.split_last()) else {
        return Vec::new();
    };
    let sheet = |r: &super::Robustness| {
        let mut rows = Vec::new();
        for eps in std::iter::once(&0.0).chain(&r.eps) {
            let path = format!("robust.{}.{eps}", r.norm);
            let mut row = across(names, &format!("ε = {}", size(*eps)), &path, Style::Percent);
            row.1.extend(versus(names, &path));
            rows.push(row);
        }
        let sign = match r.norm.as_str() {
            "linf" => "L∞",
            "l2" => "L2",
            "square_linf" => "L∞, square attack",
            "apgd_linf" => "L∞, APGD",
            "apgd_l2" => "L2, APGD",
            other => other,
        };
        let own = names
            .iter()
            .map(|n| ("accuracy under attack".to_owned(), n.clone()));
        let differences = baselines
            .iter()
            .map(|b| (format!("{name} − this, points"), b.clone()));
        Sheet {
            head: head(sign, own.chain(differences)),
            rows,
        }
    };
    let mut sheets: Vec<Sheet> = subject.robustness.iter().map(sheet).collect();
    sheets.extend(subject.jem_k.as_ref().map(|k| defended(name, k)));
    sheets
}

/// The defence of the subject, by the ways back through its sampler.
fn defended(name: &str, found: &super::JemK) -> Sheet {
    let ways: Vec<&str> = found
        .ways
        .iter()
        .map(|w| w.0.as_str())
        .chain(["worst"])
        .collect();
    let row = |label: String, path: &dyn Fn(&str) -> String| {
        (
            label,
            ways.iter()
                .map(|w| spec(name, path(w), Style::Percent))
                .collect::<Vec<_>>(),
        )
    };
    let mut rows = vec![row("ε = 0".to_owned(), &|_| "jem_k.clean".to_owned())];
    rows.extend(
        found
            .eps
            .iter()
            .map(|e| row(format!("ε = {}", size(*e)), &|w| format!("jem_k.{w}.{e}"))),
    );
    let sign = if found.norm == "linf" {
        "L∞, JEM-k"
    } else {
        "L2, JEM-k"
    };
    let columns = ways
        .iter()
        .map(|w| (format!("accuracy of {name} under attack"), (*w).to_owned()));
    Sheet {
        head: head(sign, columns),
        rows,
    }
}

fn samples(report: &Report) -> Sheet {
    let (Some(samples), Some(subject)) = (&report.samples, report.subject()) else {
        return Sheet {
            head: Vec::new(),
            rows: Vec::new(),
        };
    };
    let columns = [
        "n".to_owned(),
        "Fréchet".to_owned(),
        format!("Fréchet at n = {}", samples.n_equal),
        "kernel".to_owned(),
        "precision".to_owned(),
        "recall".to_owned(),
        "Inception Score".to_owned(),
    ];
    let row = |r: &super::SampleRow| {
        let at = format!("samples.{}", key(&r.name));
        let cells = vec![
            spec(&subject.name, format!("{at}.n"), Style::Decimals(0)),
            spec(&subject.name, at.clone(), Style::Digits),
            spec(&subject.name, format!("{at}.equal_n"), Style::Digits),
            spec(&subject.name, format!("{at}.kernel"), Style::Digits),
            spec(&subject.name, format!("{at}.precision"), Style::Decimals(3)),
            spec(&subject.name, format!("{at}.recall"), Style::Decimals(3)),
            spec(&subject.name, format!("{at}.inception"), Style::Decimals(3)),
        ];
        (r.name.clone(), cells)
    };
    Sheet {
        head: head("", ungrouped(&columns)),
        rows: samples.rows.iter().map(row).collect(),
    }
}

impl Report {
    /// Some of the claims (0 is the training), or all of them where none is named, as text for a
    /// terminal.
    pub fn text(&self, claims: &[i64]) -> String {
        let title = format!("{}\n{}", self.title(), wrapped(&self.about, WIDTH, ""));
        terminal(
            &title,
            &blocks(&[self], &self.comparisons, false),
            claims,
            &|m, p| self.shown(m, p),
        )
    }

    /// The same as Markdown, with every number.
    pub fn to_markdown(&self, claims: &[i64]) -> String {
        let title = format!("{}\n\n{}", self.title(), self.about);
        markdown(
            &title,
            &blocks(&[self], &self.comparisons, true),
            claims,
            &|m, p| self.shown(m, p),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&[]))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
