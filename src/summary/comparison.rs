//! A comparison of runs as a table for a terminal, Markdown, CSV, JSON, and as curves with bands
//! over the seeds.

use serde_json::{Value as Json, json};

use crate::error::Result;
use crate::evaluate::{Table, WIDTH, digits};
use crate::history::{CLAIM, Comparison, Group, Past, Spread};
use crate::plot::{CurveOptions, Line, Picture, curve};

/// More lines in one picture cannot be told apart.
const LINES: usize = 7;

/// A form in which a comparison is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table in Markdown.
    Markdown,
    /// One row a group.
    Csv,
    /// All numbers of all runs.
    Json,
}

/// For a terminal.
pub fn text(all: &Comparison) -> String {
    let mut text = String::new();
    if !all.common.is_empty() {
        text += &format!("all runs: {}\n\n", pairs(&all.common));
    }
    text += &table(all).terminal(WIDTH);
    text.push('\n');
    if !all.notes.is_empty() {
        text += &format!("\n{}\n", all.notes.join("\n"));
    }
    text
}

/// As a file.
pub fn written(all: &Comparison, format: Format) -> String {
    match format {
        Format::Markdown => {
            let notes: String = all
                .notes
                .iter()
                .map(|n| format!("\n{}  ", n.replace('*', "\\*")))
                .collect();
            format!(
                "All runs: {}\n\n{}\n{notes}\n",
                pairs(&all.common),
                table(all).markdown()
            )
        }
        Format::Csv => csv(all),
        Format::Json => format!("{:#}\n", to_json(all)),
    }
}

/// The curves of one metric: the mean over seeds of each group, with a band of one standard
/// deviation to both sides.
pub fn curves(all: &Comparison, metric: usize) -> Result<Picture> {
    let with = |g: &&Group| g.measured.get(metric).is_some_and(|m| !m.curve.is_empty());
    let shown: Vec<&Group> = all.groups.iter().filter(with).take(LINES).collect();
    let left = all.groups.iter().filter(with).count() - shown.len();
    let line = |g: &&Group| {
        let curve = &g.measured[metric].curve;
        let each = |of: fn(&(i64, f64, f64)) -> f64| curve.iter().map(of).collect::<Vec<f64>>();
        let n = g.runs.len();
        let seeds = format!("{n} seed{}", if n == 1 { "" } else { "s" });
        let name = label(all, g);
        let name = if name.is_empty() {
            seeds
        } else {
            format!("{name} ({seeds})")
        };
        let mut line = Line::new(&name, each(|p| p.0 as f64), each(|p| p.1));
        line.band = (n > 1).then(|| (each(|p| p.1 - p.2), each(|p| p.1 + p.2)));
        line
    };
    let lines: Vec<Line> = shown.iter().map(line).collect();
    let name = &all.metrics[metric].0;
    let rest = if left == 0 {
        String::new()
    } else {
        format!(" (the best {LINES} of {} groups)", LINES + left)
    };
    let options = CurveOptions {
        title: format!("{name}, mean ± sd over seeds{rest}"),
        x_label: "iteration".to_owned(),
        markers: shown.iter().all(|g| g.measured[metric].curve.len() < 30),
        ..CurveOptions::default()
    };
    curve(&lines, &options)
}

/// A group in a word: what differs.
fn label(all: &Comparison, group: &Group) -> String {
    let named = all
        .differing
        .iter()
        .zip(&group.values)
        .filter_map(|(n, v)| v.as_ref().map(|v| (n, v)));
    named
        .map(|(n, v)| format!("{n} {}", value(v)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A parameter's value as users write it.
pub(super) fn value(json: &Json) -> String {
    json.as_str()
        .map_or_else(|| json.to_string(), str::to_owned)
}

fn pairs(list: &[(String, Json)]) -> String {
    list.iter()
        .map(|(n, v)| format!("{n}={}", value(v)))
        .collect::<Vec<_>>()
        .join(" ")
}

fn count(group: &Group) -> String {
    let n = group.runs.len();
    format!("{n}{}", if (1..CLAIM).contains(&n) { "*" } else { "" })
}

fn others(group: &Group) -> String {
    group
        .others
        .iter()
        .map(|(s, n)| format!("{n} {}", s.name()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn spread(spread: &Spread) -> String {
    match (spread.mean(), spread.sd()) {
        (Some(mean), Some(sd)) => format!("{} ± {}", digits(mean), digits(sd)),
        (Some(mean), None) => digits(mean),
        _ => "—".to_owned(),
    }
}

/// What differs, the number of seeds, the metrics, and the runs that did not end well.
fn table(all: &Comparison) -> Table {
    let plain = |name: &str| (String::new(), name.to_owned());
    let with_others = all.groups.iter().any(|g| !g.others.is_empty());
    // The first column is a label, and there may be nothing that differs.
    let mut head = vec![plain(all.differing.first().map_or("", String::as_str))];
    head.extend(all.differing.iter().skip(1).map(|n| plain(n)));
    head.push(plain("seeds"));
    for (metric, _) in &all.metrics {
        head.extend(["final", "best"].map(|n| (metric.clone(), n.to_owned())));
    }
    if with_others {
        head.push(plain("not counted"));
    }
    let mut table = Table::grouped(head);
    for group in &all.groups {
        let shown = |v: &Option<Json>| v.as_ref().map_or_else(|| "—".to_owned(), value);
        let mut row: Vec<String> = group.values.iter().map(shown).collect();
        if row.is_empty() {
            row.push("all".to_owned());
        }
        row.push(count(group));
        row.extend(
            group
                .measured
                .iter()
                .flat_map(|m| [spread(&m.last), spread(&m.best)]),
        );
        if with_others {
            row.push(others(group));
        }
        table.row(row);
    }
    table
}

/// One row a group, in the order of the table.
fn csv(all: &Comparison) -> String {
    let mut head: Vec<String> = all.differing.clone();
    head.push("seeds".to_owned());
    for (metric, _) in &all.metrics {
        head.extend(
            ["final mean", "final sd", "best mean", "best sd"].map(|n| format!("{metric} {n}")),
        );
    }
    head.push("not counted".to_owned());
    let number = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    let mut rows = vec![head];
    for group in &all.groups {
        let mut row: Vec<String> = group
            .values
            .iter()
            .map(|v| v.as_ref().map_or_else(String::new, value))
            .collect();
        row.push(group.runs.len().to_string());
        for m in &group.measured {
            row.extend([m.last.mean(), m.last.sd(), m.best.mean(), m.best.sd()].map(number));
        }
        row.push(others(group));
        rows.push(row);
    }
    let cell = |text: &String| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.clone(),
    };
    rows.iter()
        .map(|r| r.iter().map(cell).collect::<Vec<_>>().join(",") + "\n")
        .collect()
}

fn to_json(all: &Comparison) -> Json {
    let number = |v: Option<f64>| {
        v.map_or(Json::Null, |v| {
            if v.is_finite() {
                json!(v)
            } else {
                json!(v.to_string())
            }
        })
    };
    let numbers = |s: &Spread| {
        let values: Vec<Json> = s.0.iter().map(|v| number(Some(*v))).collect();
        json!({ "mean": number(s.mean()), "sd": number(s.sd()), "values": values })
    };
    let group = |g: &Group| {
        let params = all
            .differing
            .iter()
            .zip(&g.values)
            .map(|(n, v)| (n.clone(), v.clone().unwrap_or_default()));
        let measured = all.metrics.iter().zip(&g.measured);
        let metrics = measured.map(|((n, _), m)| {
            (
                n.clone(),
                json!({ "final": numbers(&m.last), "best": numbers(&m.best) }),
            )
        });
        json!({
            "params": params.collect::<serde_json::Map<_, _>>(),
            "seeds": g.runs.iter().map(Past::seed).collect::<Vec<_>>(),
            "runs": g.runs.iter().map(|r| r.folder.display().to_string()).collect::<Vec<_>>(),
            "not counted": g.others.iter().map(|(s, n)| (s.name().to_owned(), json!(n))).collect::<serde_json::Map<_, _>>(),
            "metrics": metrics.collect::<serde_json::Map<_, _>>(),
        })
    };
    json!({
        "common": all.common.iter().cloned().collect::<serde_json::Map<_, _>>(),
        "differing": all.differing,
        "groups": all.groups.iter().map(group).collect::<Vec<_>>(),
        "notes": all.notes,
    })
}
