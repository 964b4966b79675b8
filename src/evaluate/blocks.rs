//! The layout of a report: one block a claim, a table over its protocol. One layout serves one report and several pooled.

use super::ood::Score;
use super::report::{GAUSSIAN, Report, key};
use super::table::{Table, number, percent};
use super::{Difference, ModelReport};

/// A number to show, with what is known of its spread.
pub(crate) struct Shown {
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    pub sd: Option<f64>,
}

impl Shown {
    pub(crate) fn plain(value: f64) -> Shown {
        Shown { value, interval: None, sd: None }
    }

    pub(crate) fn with_interval(d: Difference) -> Shown {
        Shown { value: d.value, interval: Some((d.low, d.high)), sd: None }
    }
}

/// How a number is written.
#[derive(Clone, Copy)]
enum Style {
    /// 98.9 %, and its interval.
    Percent,
    /// A difference of shares: +0.8 [−0.5, +2.1] points.
    Points,
    /// So many decimals.
    Decimals(usize),
    /// A difference with sign and interval.
    Signed,
    /// Over- or under-confidence.
    Gap,
}

impl Style {
    fn show(self, shown: &Shown) -> String {
        let v = shown.value;
        match self {
            Style::Percent => match (shown.sd, shown.interval) {
                (Some(sd), _) => format!("{:.1} ± {:.1} %", 100.0 * v, 100.0 * sd),
                (None, Some((low, high))) => format!("{} [{:.1}, {:.1}]", percent(v), 100.0 * low, 100.0 * high),
                _ => percent(v),
            },
            Style::Points => match shown.interval {
                Some((low, high)) => format!("{:+.1} [{:+.1}, {:+.1}]", 100.0 * v, 100.0 * low, 100.0 * high),
                None => format!("{:+.1}", 100.0 * v),
            },
            Style::Decimals(n) => match shown.sd {
                Some(sd) => format!("{} ± {sd:.n$}", number(Some(v), n)),
                None => number(Some(v), n),
            },
            Style::Signed => match shown.interval {
                Some((low, high)) => format!("{v:+.3} [{low:+.3}, {high:+.3}]"),
                None => format!("{v:+.3}"),
            },
            Style::Gap => {
                let side = if v > 0.0 { "over" } else { "under" };
                match shown.sd {
                    Some(sd) => format!("{v:+.4} ± {sd:.4} {side}"),
                    None => format!("{v:+.4} {side}"),
                }
            }
        }
    }
}

/// Where a cell's number is found, and how it is written.
type Spec = (String, String, Style);

/// A titled table with lines under it.
pub(crate) struct Block {
    title: String,
    tables: Vec<(Vec<String>, Vec<(String, Vec<Spec>)>)>,
    lines: Vec<String>,
}

/// Finds numbers by model and path.
pub(crate) type Lookup<'a> = dyn Fn(&str, &str) -> Option<Shown> + 'a;

impl Block {
    fn filled(&self, lookup: &Lookup) -> Vec<Table> {
        let fill = |(head, rows): &(Vec<String>, Vec<(String, Vec<Spec>)>)| {
            let mut table = Table::new(head.clone());
            for (label, cells) in rows {
                let cell = |(model, path, style): &Spec| match lookup(model, path) {
                    Some(shown) => style.show(&shown),
                    None => number(None, 0),
                };
                table.row(std::iter::once(label.clone()).chain(cells.iter().map(cell)));
            }
            table
        };
        self.tables.iter().map(fill).collect()
    }

    pub(crate) fn terminal(&self, lookup: &Lookup) -> String {
        let mut parts = vec![self.title.clone()];
        parts.extend(self.filled(lookup).iter().map(|t| indent(&t.terminal())));
        parts.extend(self.lines.iter().map(|l| indent(l)));
        parts.join("\n")
    }

    pub(crate) fn markdown(&self, lookup: &Lookup) -> String {
        let mut parts = vec![format!("## {}", self.title)];
        parts.extend(self.filled(lookup).iter().map(Table::markdown));
        parts.extend(self.lines.iter().cloned());
        parts.join("\n\n")
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("  {l}")).collect::<Vec<_>>().join("\n")
}

/// The blocks of reports with the same models; all numbers where `detail`, the main ones else.
pub(crate) fn blocks(reports: &[&Report], detail: bool) -> Vec<Block> {
    let Some(first) = reports.first() else { return Vec::new() };
    let names: Vec<String> = first.models.iter().map(|m| m.name.clone()).collect();
    let lines = |claim: usize| first.protocol.claims[claim].clone();
    let titled =
        |number: usize, title: &str, tables, lines| Block { title: format!("{number}. {title}"), tables, lines };
    let mut found = vec![
        titled(1, "Accuracy", vec![accuracy(&names)], lines(0)),
        titled(2, "Calibration", vec![calibration(first, &names)], lines(1)),
        titled(3, "Out-of-distribution detection", detection(first, &names, detail), lines(2)),
    ];
    if first.models.iter().any(|m| !m.robustness.is_empty()) {
        found.push(titled(4, "Robustness", robustness(first, &names), lines(3)));
    }
    let mut tables = Vec::new();
    tables.extend(first.samples.is_some().then(|| samples(first)));
    found.push(titled(5, "Samples", tables, lines(4)));
    found
}

type Rows = (Vec<String>, Vec<(String, Vec<Spec>)>);

fn head(label: &str, columns: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(label.to_owned()).chain(columns).collect()
}

fn spec(model: &str, path: impl Into<String>, style: Style) -> Spec {
    (model.to_owned(), path.into(), style)
}

fn across(names: &[String], label: &str, path: &str, style: Style) -> (String, Vec<Spec>) {
    (label.to_owned(), names.iter().map(|m| spec(m, path, style)).collect())
}

/// A row of differences of the subject to each baseline.
fn versus(names: &[String], path: &str) -> Option<(String, Vec<Spec>)> {
    let (subject, baselines) = names.split_last()?;
    let cells: Vec<Spec> = baselines.iter().map(|m| spec(m, format!("{path}.difference"), Style::Points)).collect();
    (!cells.is_empty()).then(|| (format!("{subject} − this, points"), cells))
}

fn accuracy(names: &[String]) -> Rows {
    let mut rows = vec![across(names, "accuracy", "accuracy", Style::Percent)];
    rows.extend(versus(names, "accuracy"));
    (head("", names.iter().cloned()), rows)
}

fn calibration(report: &Report, names: &[String]) -> Rows {
    let of = |prefix: &str, mark: &str| {
        let row = |label: &str, name: &str, style| {
            across(names, &format!("{label}{mark}"), &format!("{prefix}.{name}"), style)
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
    if report.models.iter().any(|m| m.calibration.tempered.is_some()) {
        rows.push(across(names, "temperature T", "tempered.temperature", Style::Decimals(3)));
        rows.extend(of("tempered", ", at T"));
    }
    (head("", names.iter().cloned()), rows)
}

fn detection(report: &Report, names: &[String], detail: bool) -> Vec<Rows> {
    let sets: Vec<String> =
        report.subject().map(|s| s.ood.sets.iter().map(|s| s.name.clone()).collect()).unwrap_or_default();
    let scored: Vec<(&ModelReport, Score)> = report.models.iter().flat_map(|m| Score::ALL.map(|s| (m, s))).collect();
    let columns = |title: &str| {
        let own = scored.iter().map(|(m, s)| format!("{}: {s}", m.name));
        head(title, own.chain([GAUSSIAN.to_owned()]))
    };
    let table = |title: &str, suffix: &str| -> Rows {
        let row = |set: &String| {
            let path = |score: Score| format!("ood.{}.{}{suffix}", key(set), score.key());
            let mut cells: Vec<Spec> =
                scored.iter().map(|(m, s)| spec(&m.name, path(*s), Style::Decimals(3))).collect();
            cells.push(spec(GAUSSIAN, path(Score::LogPx), Style::Decimals(3)));
            (set.clone(), cells)
        };
        (columns(title), sets.iter().map(row).collect())
    };
    let mut tables = vec![table("AUROC", "")];
    if let Some((subject, baselines)) = names.split_last() {
        let against: Vec<&str> = baselines.iter().map(String::as_str).chain([GAUSSIAN]).collect();
        let row = |set: &String| {
            let path = format!("ood.{}.difference", key(set));
            (set.clone(), against.iter().map(|m| spec(m, path.clone(), Style::Signed)).collect())
        };
        let columns = baselines.iter().map(|m| format!("− best of {m}")).chain([format!("− {GAUSSIAN}")]);
        tables.push((head(&format!("{subject}'s log p(x)"), columns), sets.iter().map(row).collect()));
    }
    if detail {
        tables.push(table("FPR95", ".fpr95"));
        tables.push(table("AP, inside positive", ".ap_in"));
        tables.push(table("AP, outside positive", ".ap_out"));
    }
    tables
}

fn robustness(report: &Report, names: &[String]) -> Vec<Rows> {
    let Some(subject) = report.subject() else { return Vec::new() };
    let table = |r: &super::Robustness| {
        let sign = if r.norm == "linf" { "L∞" } else { "L2" };
        let mut rows = Vec::new();
        for eps in std::iter::once(&0.0).chain(&r.eps) {
            let path = format!("robust.{}.{eps}", r.norm);
            rows.push(across(names, &format!("ε = {eps}"), &path, Style::Percent));
            if *eps > 0.0
                && let Some((_, cells)) = versus(names, &path)
            {
                // The differences stand in the same row's last columns.
                rows.last_mut().into_iter().for_each(|row| row.1.extend(cells.clone()));
            }
        }
        let differences =
            names.split_last().map(|(s, b)| b.iter().map(|m| format!("{s} − {m}, points")).collect::<Vec<_>>());
        (head(sign, names.iter().cloned().chain(differences.unwrap_or_default())), rows)
    };
    subject.robustness.iter().map(table).collect()
}

fn samples(report: &Report) -> Rows {
    let (Some(samples), Some(subject)) = (&report.samples, report.subject()) else { return (Vec::new(), Vec::new()) };
    let columns = [
        "n".to_owned(),
        "Fréchet".to_owned(),
        format!("Fréchet at n = {}", samples.n_equal),
        "kernel".to_owned(),
        "Inception Score".to_owned(),
    ];
    let row = |r: &super::SampleRow| {
        let at = format!("samples.{}", key(&r.name));
        let cells = vec![
            spec(&subject.name, format!("{at}.n"), Style::Decimals(0)),
            spec(&subject.name, at.clone(), Style::Decimals(3)),
            spec(&subject.name, format!("{at}.equal_n"), Style::Decimals(3)),
            spec(&subject.name, format!("{at}.kernel"), Style::Decimals(4)),
            spec(&subject.name, format!("{at}.inception"), Style::Decimals(3)),
        ];
        (r.name.clone(), cells)
    };
    (head("", columns), samples.rows.iter().map(row).collect())
}
