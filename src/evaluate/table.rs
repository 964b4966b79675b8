//! Tables of text: aligned for a terminal, or as Markdown.

/// A head and rows of cells; the first column is a label, the others are numbers.
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Table {
        Table { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Columns under each other, labels to the left and numbers to the right.
    pub(crate) fn terminal(&self) -> String {
        let width = |column: usize| {
            let cell = |row: &Vec<String>| row.get(column).map_or(0, |c| c.chars().count());
            self.rows.iter().map(cell).chain([cell(&self.head)]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |cells: &Vec<String>| {
            let padded: Vec<String> = widths
                .iter()
                .enumerate()
                .map(|(i, w)| {
                    let cell = cells.get(i).map_or("", String::as_str);
                    let space = " ".repeat(w - cell.chars().count().min(*w));
                    if i == 0 { format!("{cell}{space}") } else { format!("{space}{cell}") }
                })
                .collect();
            padded.join("  ").trim_end().to_owned()
        };
        let lines: Vec<String> = std::iter::once(&self.head).chain(&self.rows).map(line).collect();
        lines.join("\n")
    }

    /// The same as a Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | ").replace('\n', " "));
        let escaped = |cells: &Vec<String>| cells.iter().map(|c| c.replace('|', "\\|")).collect::<Vec<_>>();
        let rule = self.head.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }.to_owned());
        let mut lines = vec![line(&escaped(&self.head)), line(&rule.collect::<Vec<_>>())];
        lines.extend(self.rows.iter().map(|r| line(&escaped(r))));
        lines.join("\n")
    }
}

/// A number with so many decimals; a long dash where there is none.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    match value {
        Some(v) if v.is_finite() => format!("{v:.decimals$}"),
        Some(v) => format!("{v}"),
        None => "—".to_owned(),
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
    fn columns_are_aligned_also_with_signs_outside_ascii() {
        let mut t = Table::new(["set", "log p(x)"]);
        t.row(["½(x + x')", "0.91"]);
        t.row(["noise", "1"]);
        assert_eq!(t.terminal(), "set        log p(x)\n½(x + x')      0.91\nnoise             1");
        assert_eq!(t.markdown(), "| set | log p(x) |\n| --- | ---: |\n| ½(x + x') | 0.91 |\n| noise | 1 |");
    }
}
