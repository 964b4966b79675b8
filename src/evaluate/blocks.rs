//! The layout of a report: one block a claim, a table over its protocol. One layout serves one
//! report and several pooled.

use super::ood::Score;
use super::report::{Comparison, GAUSSIAN, Report, key, sets_won};
use super::table::{Table, WIDTH, digits, number, percent, size, wrapped};
use super::{Difference, ModelReport};

/// A number to show, with what is known of its spread.
pub(crate) struct Shown {
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    pub sd: Option<f64>,
    /// Reports that it is a mean of.
    pub seeds: usize,
}

impl Shown {
    pub(crate) fn plain(value: f64) -> Shown {
        Shown {
            value,
            interval: None,
            sd: None,
            seeds: 1,
        }
    }

    pub(crate) fn with_interval(d: Difference) -> Shown {
        Shown {
            interval: Some((d.low, d.high)),
            ..Shown::plain(d.value)
        }
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
    /// Three decimals and the interval.
    Ranged,
    /// Four digits that count.
    Digits,
    /// A difference with sign and interval.
    Signed,
    /// Over- or under-confidence.
    Gap,
    /// Yes or no; of several seeds how many.
    Count,
}

impl Style {
    fn show(self, shown: &Shown) -> String {
        let v = shown.value;
        match self {
            Style::Percent => match (shown.sd, shown.interval) {
                (Some(sd), _) => format!("{:.1} ± {:.1} %", 100.0 * v, 100.0 * sd),
                (None, Some((low, high))) => {
                    format!("{} [{:.1}, {:.1}]", percent(v), 100.0 * low, 100.0 * high)
                }
                _ => percent(v),
            },
            Style::Points => match shown.interval {
                Some((low, high)) => format!(
                    "{:+.1} [{:+.1}, {:+.1}]",
                    100.0 * v,
                    100.0 * low,
                    100.0 * high
                ),
                None => format!("{:+.1}", 100.0 * v),
            },
            Style::Decimals(n) => match shown.sd {
                Some(sd) => format!("{} ± {sd:.n$}", number(Some(v), n)),
                None => number(Some(v), n),
            },
            Style::Ranged => match (shown.sd, shown.interval) {
                (None, Some((low, high))) => format!("{v:.3} [{low:.3}, {high:.3}]"),
                _ => Style::Decimals(3).show(shown),
            },
            Style::Digits => match shown.sd {
                Some(sd) => format!("{} ± {}", digits(v), digits(sd)),
                None => digits(v),
            },
            Style::Signed => match shown.interval {
                Some((low, high)) => format!("{v:+.3} [{low:+.3}, {high:+.3}]"),
                None => format!("{v:+.3}"),
            },
            Style::Count if shown.seeds > 1 => {
                format!("{} of {}", (v * shown.seeds as f64).round(), shown.seeds)
            }
            Style::Count => if v > 0.0 { "yes" } else { "no" }.to_owned(),
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

/// The scores of a refinement, with the names that columns have.
const REFINED: [(&str, &str); 3] = [
    ("log_p_x", "log p(x)"),
    ("gain", "−gain"),
    ("moved", "−moved"),
];

/// Where a cell's number is found, and how it is written.
type Spec = (String, String, Style);

/// A table before its numbers are known: columns with their groups, rows of cells.
struct Sheet {
    head: Vec<(String, String)>,
    rows: Vec<(String, Vec<Spec>)>,
}

/// A titled table with lines under it.
pub(crate) struct Block {
    /// The claim, or 0 for the training.
    claim: i64,
    title: &'static str,
    sheets: Vec<Sheet>,
    lines: Vec<String>,
}

/// Finds numbers by model and path.
pub(crate) type Lookup<'a> = dyn Fn(&str, &str) -> Option<Shown> + 'a;

impl Block {
    fn title(&self) -> String {
        if self.claim == 0 {
            self.title.to_owned()
        } else {
            format!("{}. {}", self.claim, self.title)
        }
    }

    fn tables(&self, lookup: &Lookup) -> Vec<Table> {
        let fill = |sheet: &Sheet| {
            let mut table = Table::grouped(sheet.head.clone());
            for (label, cells) in &sheet.rows {
                let cell = |(model, path, style): &Spec| match lookup(model, path) {
                    Some(shown) => style.show(&shown),
                    None => number(None, 0),
                };
                table.row(std::iter::once(label.clone()).chain(cells.iter().map(cell)));
            }
            table
        };
        self.sheets.iter().map(fill).collect()
    }

    fn terminal(&self, lookup: &Lookup) -> String {
        let inner = WIDTH - 2;
        let tables: Vec<String> = self
            .tables(lookup)
            .iter()
            .map(|t| indented(&t.terminal(inner)))
            .collect();
        let lines: Vec<String> = self
            .lines
            .iter()
            .map(|l| indented(&wrapped(&format!("· {l}"), inner, "  ")))
            .collect();
        [vec![self.title()], vec![tables.join("\n\n")], lines]
            .concat()
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn markdown(&self, lookup: &Lookup) -> String {
        let tables = self.tables(lookup).iter().map(Table::markdown).collect();
        let lines: Vec<String> = self.lines.iter().map(|l| format!("- {l}")).collect();
        let parts = [
            vec![format!("## {}", self.title())],
            tables,
            vec![lines.join("\n")],
        ]
        .concat();
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

fn chosen<'a>(blocks: &'a [Block], claims: &'a [i64]) -> impl Iterator<Item = &'a Block> {
    blocks
        .iter()
        .filter(move |b| claims.is_empty() || claims.contains(&b.claim))
}

/// Title and blocks of some claims, or of all where none is named, for a terminal.
pub(crate) fn terminal(title: &str, blocks: &[Block], claims: &[i64], lookup: &Lookup) -> String {
    let parts = chosen(blocks, claims).map(|b| b.terminal(lookup));
    std::iter::once(title.to_owned())
        .chain(parts)
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// Title and blocks of some claims, or of all where none is named, as Markdown.
pub(crate) fn markdown(title: &str, blocks: &[Block], claims: &[i64], lookup: &Lookup) -> String {
    let parts = chosen(blocks, claims).map(|b| b.markdown(lookup));
    std::iter::once(title.to_owned())
        .chain(parts)
        .collect::<Vec<_>>()
        .join("\n\n")
        + "\n"
}

fn indented(text: &str) -> String {
    let line = |l: &str| {
        if l.is_empty() {
            String::new()
        } else {
            format!("  {l}")
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

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
