//! HTML without scripts and links: tables, values as calls with their settings, and Markdown as
//! reports write it.

/// A text inside HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Rows of cells, the first of them a head.
pub(crate) fn table(lines: &[Vec<String>]) -> String {
    rows(
        &lines
            .iter()
            .map(|line| line.iter().map(|c| escaped(c)).collect())
            .collect::<Vec<_>>(),
        true,
    )
}

/// Names with what belongs to them, without a head.
pub(crate) fn pairs(lines: &[(&str, String)]) -> String {
    rows(
        &lines
            .iter()
            .map(|(name, text)| vec![escaped(name), escaped(text)])
            .collect::<Vec<_>>(),
        false,
    )
}

/// A table of more lines than this is folded: the first `SEEN` stand open.
const LONG: usize = 40;
const SEEN: usize = 20;

/// Rows of cells that are HTML. Of a long table the first rows are shown, and the others stand
/// behind a line that opens them.
pub(crate) fn rows(lines: &[Vec<String>], head: bool) -> String {
    if lines.len() <= LONG {
        return open(lines, head);
    }
    let (seen, folded) = lines.split_at(SEEN + usize::from(head));
    let mut rest = folded.to_vec();
    if head {
        rest.insert(0, lines[0].clone());
    }
    format!(
        "{}<details><summary>… and {} more rows</summary>{}</details>",
        open(seen, head),
        folded.len(),
        open(&rest, head)
    )
}

fn open(lines: &[Vec<String>], head: bool) -> String {
    let mut html = String::from("<table>");
    for (i, line) in lines.iter().enumerate() {
        let tag = if head && i == 0 { "th" } else { "td" };
        let cells: String = line
            .iter()
            .map(|c| format!("<{tag} style=\"text-align:left\">{c}</{tag}>"))
            .collect();
        html += &format!("<tr>{cells}</tr>");
    }
    html + "</table>"
}

/// What prints as a call, `sgld(#{ steps: 20, alpha: 0.02 }), T = 1`: its settings as a table below
/// its name. Other texts are paragraphs.
pub(crate) fn of_call(text: &str) -> String {
    let paragraphs = |text: &str| -> String {
        let lines = text
            .lines()
            .map(|l| l.trim_matches([',', ' ']))
            .filter(|l| !l.is_empty());
        lines.map(|l| format!("<p>{}</p>", escaped(l))).collect()
    };
    let Some((name, rest)) = text.split_once("#{ ").filter(|(name, _)| depth(name) <= 1) else {
        return paragraphs(text);
    };
    let (settings, rest) = rest.split_at(end(rest, '}'));
    let has_bracket = depth(name) == 1;
    let name = name.trim_end_matches([',', ' ']);
    let name = match name.strip_suffix('(') {
        Some(alone) => alone.to_owned(),
        None => format!("{name}{}", if has_bracket { ")" } else { "" }),
    };
    let mut lines = Vec::new();
    let mut left = settings.trim_end();
    while !left.is_empty() {
        let (one, rest) = left.split_at(end(left, ','));
        lines.push(one.trim().split_once(": ").unwrap_or((one.trim(), "")));
        left = rest.trim_start_matches(',');
    }
    let lines: Vec<(&str, String)> = lines
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    let rest = rest.trim_start_matches(['}', ' ']);
    let rest = if has_bracket {
        rest.strip_prefix(')').unwrap_or(rest)
    } else {
        rest
    };
    format!(
        "<p>{}</p>{}{}",
        escaped(&name),
        pairs(&lines),
        paragraphs(rest)
    )
}

fn depth(text: &str) -> i32 {
    text.chars()
        .map(|c| i32::from("([{".contains(c)) - i32::from(")]}".contains(c)))
        .sum()
}

/// Where a sign stands outside of brackets and quotes; else the length.
fn end(text: &str, sign: char) -> usize {
    let (mut depth, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            _ if c == sign && depth == 0 => return at,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The Markdown of a report: headings, tables, lists, paragraphs. What else there is stays as it is
/// written.
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
            while let Some(next) =
                lines.next_if(|l| !l.trim().is_empty() && !l.starts_with(['|', '#', '-']))
            {
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
    let inside = inside
        .strip_prefix('|')
        .unwrap_or(inside)
        .replace("\\|", "\0");
    let inside = inside.strip_suffix('|').unwrap_or(&inside);
    inside
        .split('|')
        .map(|c| c.trim().replace('\0', "|"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tables_are_folded() {
        for (rows_in_all, head) in [(40, true), (40, false)] {
            let lines = vec![vec!["a".to_owned()]; rows_in_all];
            assert!(!rows(&lines, head).contains("details"));
        }
        let mut lines = vec![vec!["name".to_owned()]];
        lines.extend((0..300).map(|i| vec![format!("row {i}.")]));
        let html = table(&lines);
        let (seen, folded) = html.split_once("<details>").unwrap_or_default();
        assert!(seen.contains("row 19.") && !seen.contains("row 20."));
        assert!(folded.starts_with("<summary>… and 280 more rows</summary><table>"));
        assert!(folded.contains("row 20.") && folded.contains("row 299."));
        assert_eq!(html.matches("<tr>").count(), 302, "a head for each part");
        assert_eq!(html.matches("name</th>").count(), 2);
        assert!(pairs(&vec![("k", "v".to_owned()); 100]).contains("… and 80 more rows"));
    }

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
        assert_eq!(
            of_call("replay([1, 8], #{ init: \"a, }\", range: [-1, 1] }), T = 1\n2 < 3"),
            "<p>replay([1, 8])</p><table><tr><td style=\"text-align:left\">init</td><td style=\"text-align:left\">&quot;a, \
             }&quot;</td></tr><tr><td style=\"text-align:left\">range</td><td style=\"text-align:left\">[-1, 1]</td></tr></table>\
             <p>T = 1</p><p>2 &lt; 3</p>"
        );
        assert!(of_call("adam(#{ lr: 1 })").starts_with("<p>adam</p><table>"));
        assert!(of_call("augmentation #{ pad: 1 }").starts_with("<p>augmentation</p><table>"));
        assert_eq!(
            of_call("0.5 * (f(#{ a: 1 }) + of(function))"),
            "<p>0.5 * (f(#{ a: 1 }) + of(function))</p>"
        );
        assert_eq!(escaped("<a b=\"&\">"), "&lt;a b=&quot;&amp;&quot;&gt;");
    }
}
