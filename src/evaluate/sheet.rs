//! Tables before their numbers are known, and how a number is written: what reports are laid out in.

use super::Difference;
use super::table::{Table, WIDTH, digits, number, percent, wrapped};

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
pub(super) enum Style {
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
    pub(super) fn show(self, shown: &Shown) -> String {
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

/// Where a cell's number is found, and how it is written.
pub(super) type Spec = (String, String, Style);

/// A table before its numbers are known: columns with their groups, rows of cells.
pub(super) struct Sheet {
    pub(super) head: Vec<(String, String)>,
    pub(super) rows: Vec<(String, Vec<Spec>)>,
}

/// A titled table with lines under it.
pub(crate) struct Block {
    /// The claim, or 0 for the training.
    pub(super) claim: i64,
    pub(super) title: &'static str,
    pub(super) sheets: Vec<Sheet>,
    pub(super) lines: Vec<String>,
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
