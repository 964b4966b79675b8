//! HTML without scripts and links: tables, and Markdown as reports write it.

/// A text inside HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Rows of cells, the first of them a head.
pub(crate) fn table(lines: &[Vec<String>]) -> String {
    rows(lines, true)
}

/// Names with what belongs to them, without a head.
pub(crate) fn pairs(lines: &[(&str, String)]) -> String {
    rows(&lines.iter().map(|(name, text)| vec![(*name).to_owned(), text.clone()]).collect::<Vec<_>>(), false)
}

fn rows(lines: &[Vec<String>], head: bool) -> String {
    let mut html = String::from("<table>");
    for (i, line) in lines.iter().enumerate() {
        let tag = if head && i == 0 { "th" } else { "td" };
        let cells: String =
            line.iter().map(|c| format!("<{tag} style=\"text-align:left\">{}</{tag}>", escaped(c))).collect();
        html += &format!("<tr>{cells}</tr>");
    }
    html + "</table>"
}

/// The Markdown of a report: headings, tables, lists, paragraphs. What else there is stays as it is written.
pub(crate) fn of_markdown(text: &str) -> String {
    let mut html = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('|') {
            let mut found = vec![cells(line)];
            while let Some(next) = lines.next_if(|l| l.starts_with('|')) {
                if !next.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) {
                    found.push(cells(next));
                }
            }
            html += &table(&found);
        } else if let Some(item) = line.strip_prefix("- ") {
            html += &format!("<ul><li>{}</li>", escaped(item));
            while let Some(next) = lines.next_if(|l| l.starts_with("- ")) {
                html += &format!("<li>{}</li>", escaped(&next[2..]));
            }
            html += "</ul>";
        } else if line.starts_with('#') {
            let title = line.trim_start_matches('#');
            let level = (line.len() - title.len() + 2).min(6);
            html += &format!("<h{level}>{}</h{level}>", escaped(title.trim()));
        } else if !line.trim().is_empty() {
            let mut whole = line.trim().to_owned();
            while let Some(next) = lines.next_if(|l| !l.trim().is_empty() && !l.starts_with(['|', '#', '-'])) {
                whole += &format!(" {}", next.trim());
            }
            html += &format!("<p>{}</p>", escaped(&whole));
        }
    }
    html
}

/// The cells of a line; `\|` stands for a bar inside one.
fn cells(line: &str) -> Vec<String> {
    let inside = line.trim();
    let inside = inside.strip_prefix('|').unwrap_or(inside).replace("\\|", "\0");
    let inside = inside.strip_suffix('|').unwrap_or(&inside);
    inside.split('|').map(|c| c.trim().replace('\0', "|")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_become_html() {
        let text = "## 1. A <b>\n\n|  | CE |\n| --- | ---: |\n| p(y\\|x) | 1 |\n\n- one\n- two\nplain\ntext";
        let head = "<th style=\"text-align:left\">";
        let cell = "<td style=\"text-align:left\">";
        assert_eq!(
            of_markdown(text),
            format!(
                "<h4>1. A &lt;b&gt;</h4><table><tr>{head}</th>{head}CE</th></tr><tr>{cell}p(y|x)</td>{cell}1</td></tr></table>\
                 <ul><li>one</li><li>two</li></ul><p>plain text</p>"
            )
        );
        assert_eq!(escaped("<a b=\"&\">"), "&lt;a b=&quot;&amp;&quot;&gt;");
    }
}
