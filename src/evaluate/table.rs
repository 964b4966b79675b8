//! Tables of text: aligned for a terminal, or as Markdown.

/// How wide a terminal may be taken to be.
pub(crate) const WIDTH: usize = 120;

/// A head and rows of cells; the first column is a label, the others are numbers.
pub(crate) struct Table {
    /// Each column's group (empty for none) and name; neighbours of one group stand under its name.
    head: Vec<(String, String)>,
    rows: Vec<Vec<String>>,
    /// Whether the cells are texts, which start at the left.
    texts: bool,
}

impl Table {
    pub(crate) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Table {
        Table::grouped(head.into_iter().map(|name| (String::new(), name.into())))
    }

    pub(crate) fn grouped(head: impl IntoIterator<Item = (String, String)>) -> Table {
        Table {
            head: head.into_iter().collect(),
            rows: Vec::new(),
            texts: false,
        }
    }

    /// A table of texts.
    pub(crate) fn of_texts(head: impl IntoIterator<Item = impl Into<String>>) -> Table {
        Table {
            texts: true,
            ..Table::new(head)
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Columns under each other, labels to the left and numbers to the right. What does not fit
    /// into the width goes on below, under the labels again; columns of one group stay together.
    pub(crate) fn terminal(&self, width: usize) -> String {
        let widths = self.widths();
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut used = 0;
        for group in self.groups() {
            let wide: usize = group.iter().map(|c| widths[*c] + GAP.len()).sum();
            match parts.last_mut() {
                Some(part) if used + wide <= width => part.extend(group),
                _ => {
                    parts.push(group);
                    used = widths.first().copied().unwrap_or(0);
                }
            }
            used += wide;
        }
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        parts
            .iter()
            .map(|columns| self.part(columns, &widths))
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    /// The columns but the first, by group.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for column in 1..self.head.len() {
            let group = &self.head[column].0;
            match groups.last_mut() {
                Some(last) if !group.is_empty() && self.head[last[0]].0 == *group => {
                    last.push(column)
                }
                _ => groups.push(vec![column]),
            }
        }
        groups
    }

    /// The width of each column; a group is at least as wide as its name.
    fn widths(&self) -> Vec<usize> {
        let cell = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |c| length(c));
        let widest = |c: usize| {
            self.rows
                .iter()
                .map(|r| cell(r, c))
                .chain([length(&self.head[c].1)])
                .max()
                .unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.head.len()).map(widest).collect();
        for group in self.groups() {
            let name = &self.head[group[0]].0;
            // A name over several columns has room for a rule behind it.
            let wanted = if group.len() > 1 {
                length(name) + 3
            } else {
                length(name)
            };
            widths[group[0]] += wanted.saturating_sub(span(&group, &widths));
        }
        widths
    }

    fn part(&self, columns: &[usize], widths: &[usize]) -> String {
        let mut lines = Vec::new();
        let pad = |text: &str, wide: usize| " ".repeat(wide.saturating_sub(length(text)));
        if columns.iter().any(|c| !self.head[*c].0.is_empty()) {
            let mut line = " ".repeat(widths[0]);
            for group in self.groups().iter().filter(|g| columns.contains(&g[0])) {
                let (name, wide) = (&self.head[group[0]].0, span(group, widths));
                let rest = wide.saturating_sub(length(name) + 1);
                line += GAP;
                line += &match (name.is_empty(), group.len()) {
                    (true, _) => pad("", wide),
                    (false, 1) => format!("{}{name}", pad(name, wide)),
                    (false, _) => format!("{name} {}", "─".repeat(rest)),
                };
            }
            lines.push(line.trim_end().to_owned());
        }
        let names: Vec<String> = self.head.iter().map(|(_, name)| name.clone()).collect();
        for row in std::iter::once(&names).chain(&self.rows) {
            let cell = |c: usize| row.get(c).map_or("", String::as_str);
            let mut line = format!("{}{}", cell(0), pad(cell(0), widths[0]));
            for c in columns.iter().copied() {
                let (space, text) = (pad(cell(c), widths[c]), cell(c));
                line += &if self.texts {
                    format!("{GAP}{text}{space}")
                } else {
                    format!("{GAP}{space}{text}")
                };
            }
            lines.push(line.trim_end().to_owned());
        }
        lines.join("\n")
    }

    /// As a type that is being written shows it: for a terminal, or as Markdown by `{:#}`.
    pub(crate) fn shown(&self, f: &std::fmt::Formatter<'_>) -> String {
        if f.alternate() {
            self.markdown() + "\n"
        } else {
            self.terminal(WIDTH)
        }
    }

    /// The same as a Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | ").replace('\n', " "));
        let escaped = |cells: &[String]| {
            cells
                .iter()
                .map(|c| c.replace('|', "\\|"))
                .collect::<Vec<_>>()
        };
        let name = |(group, name): &(String, String)| match group.is_empty() {
            true => name.clone(),
            false => format!("{group}: {name}"),
        };
        let names: Vec<String> = self.head.iter().map(name).collect();
        let rule = self
            .head
            .iter()
            .enumerate()
            .map(|(i, _)| if i == 0 || self.texts { "---" } else { "---:" }.to_owned());
        let mut lines = vec![line(&escaped(&names)), line(&rule.collect::<Vec<_>>())];
        lines.extend(self.rows.iter().map(|r| line(&escaped(r))));
        lines.join("\n")
    }
}

/// Between columns.
const GAP: &str = "  ";

fn length(text: &str) -> usize {
    text.chars().count()
}

/// How wide neighbouring columns are together.
fn span(columns: &[usize], widths: &[usize]) -> usize {
    columns
        .iter()
        .map(|c| widths[*c] + GAP.len())
        .sum::<usize>()
        .saturating_sub(GAP.len())
}

/// A text broken between words, so that no line is longer than the width; lines after the first
/// start with `indent`.
pub(crate) fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.trim().is_empty() && length(&line) + 1 + length(word) > width {
                lines.push(std::mem::replace(&mut line, indent.to_owned()));
            } else if !line.trim().is_empty() {
                line.push(' ');
            }
            line += word;
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// A number with so many decimals; a long dash where there is none.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    match value {
        Some(v) if v.is_finite() => format!("{v:.decimals$}"),
        Some(v) => format!("{v}"),
        None => "—".to_owned(),
    }
}

/// A number with four digits that count, whatever its size; small ones with four decimals.
pub(crate) fn digits(value: f64) -> String {
    let before = if value.is_finite() && value != 0.0 {
        value.abs().log10().floor() as i64 + 1
    } else {
        0
    };
    number(Some(value), (4 - before.max(0)).max(0) as usize)
}

/// A size of a ball: 0.05, or 8/255 where that is what it is.
pub(crate) fn size(eps: f64) -> String {
    let (text, bytes) = (format!("{eps}"), (eps * 255.0).round());
    let is_bytes = bytes >= 1.0 && (eps * 255.0 - bytes).abs() < 1e-9;
    if text.len() > 6 && is_bytes {
        format!("{bytes}/255")
    } else {
        text
    }
}

/// A share as per cent with one decimal.
pub(crate) fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [0.05, 0.3, 8.0 / 255.0, 1.0 / 255.0, 1.0, 0.123456789]
                .map(size)
                .join(" "),
            "0.05 0.3 8/255 1/255 1 0.123456789"
        );
    }

    #[test]
    fn columns_are_aligned_also_with_signs_outside_ascii() {
        let mut t = Table::new(["set", "log p(x)"]);
        t.row(["½(x + x')", "0.91"]);
        t.row(["noise", "1"]);
        assert_eq!(
            t.terminal(WIDTH),
            "set        log p(x)\n½(x + x')      0.91\nnoise             1"
        );
        assert_eq!(
            t.markdown(),
            "| set | log p(x) |\n| --- | ---: |\n| ½(x + x') | 0.91 |\n| noise | 1 |"
        );
    }

    #[test]
    fn groups_stay_together_and_go_on_below() {
        let pair = |group: &str, name: &str| (group.to_owned(), name.to_owned());
        let mut t = Table::grouped([
            pair("", "set"),
            pair("JEM", "a"),
            pair("JEM", "b"),
            pair("plain net", "a"),
        ]);
        t.row(["noise", "0.1", "0.2", "0.3"]);
        let whole = "       JEM ────  plain net\n\
                     set      a    b          a\n\
                     noise  0.1  0.2        0.3";
        assert_eq!(t.terminal(WIDTH), whole);
        let cut = "       JEM ────\nset      a    b\nnoise  0.1  0.2\n\n       plain net\nset            a\nnoise        0.3";
        assert_eq!(t.terminal(20), cut);
        assert!(
            t.markdown()
                .starts_with("| set | JEM: a | JEM: b | plain net: a |")
        );
    }

    #[test]
    fn four_digits_count() {
        let shown: Vec<String> = [-748.98581, 42519.435, 1.23456, 0.01234, 0.0, f64::NAN]
            .map(digits)
            .into();
        assert_eq!(
            shown,
            ["-749.0", "42519", "1.235", "0.0123", "0.0000", "NaN"]
        );
    }

    #[test]
    fn long_texts_are_broken_between_words() {
        assert_eq!(
            wrapped("one two three four", 9, "  "),
            "one two\n  three\n  four"
        );
        assert_eq!(wrapped("unbreakable words", 4, ""), "unbreakable\nwords");
        assert_eq!(wrapped("a\nb", 9, "  "), "a\nb");
    }
}
