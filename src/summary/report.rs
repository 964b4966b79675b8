//! The report of a run: `report.md`, and `report.html` made of it as one file that needs nothing
//! else.
//!
//! It is written from the folder alone. Texts of a script (names, values, messages) are shown as
//! they are: no markup in them works, and no link or picture leads out of the page.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};
use serde_json::Value as Json;

use super::comparison::value;
use crate::error::{Error, Result};
use crate::evaluate::Table;
use crate::formats::write_atomically;
use crate::history::{Past, Series};
use crate::plot::{CurveOptions, Line, curve};
use crate::run::read_plain;

/// So many curves at most, and so many pictures: a page is to be read.
const CURVES: usize = 24;
const PICTURES: usize = 24;
/// More bytes of pictures than this are left on disk.
const INLINE: u64 = 24 << 20;
/// Events in full up to so many.
const EVENTS: usize = 200;

/// Writes `report.md` and `report.html` into a run's folder.
pub fn report(folder: &Path) -> Result<()> {
    let run = Past::read(folder)?;
    let curves = draw(&run)?;
    let pictures = pictures(folder)?;
    let text = markdown(&run, &curves, &pictures)?;
    let title = format!("{}, seed {}", run.text("script"), run.seed());
    page(
        folder,
        "report",
        &title,
        &text,
        &[curves, pictures].concat(),
    )
}

/// Writes a page in Markdown, and as one file of HTML that holds its pictures; these lie in the
/// folder.
pub(crate) fn page(
    folder: &Path,
    stem: &str,
    title: &str,
    text: &str,
    pictures: &[String],
) -> Result<()> {
    write_atomically(&folder.join(format!("{stem}.md")), text.as_bytes())?;
    let page = html(title, text, &inlined(folder, pictures.iter()));
    write_atomically(&folder.join(format!("{stem}.html")), page.as_bytes())
}

fn markdown(run: &Past, curves: &[String], pictures: &[String]) -> Result<String> {
    let mut text = format!(
        "# {}, seed {}\n\n{}\n\n",
        plain(run.text("script")),
        run.seed(),
        standing(run)?
    );
    if !run.text("error").is_empty() {
        text += &fenced(run.text("error"));
    }
    for (heading, part) in [
        ("Claims", claims(run)?),
        ("Curves", images(curves, false)),
        ("Pictures", images(pictures, true)),
        ("Parameters", parameters(run)),
        ("Events", events(run)?),
        ("The run", about(run)),
    ] {
        if !part.is_empty() {
            text += &format!("## {heading}\n\n{part}\n");
        }
    }
    Ok(text)
}

/// How it ended, in a sentence.
fn standing(run: &Past) -> Result<String> {
    let took = run
        .seconds()
        .map_or_else(String::new, |s| format!(" after {s:.1} s"));
    let mut text = format!(
        "**{}**{took}, started {}, on {} (threads: {}).",
        run.state.name(),
        run.text("started"),
        plain(run.text("device")),
        run.about.get("threads").cloned().unwrap_or_default()
    );
    for (train, iteration) in run.diverged()? {
        text += &format!(
            " Training {} counted as diverged at iteration {iteration}.",
            plain(&train)
        );
    }
    Ok(text)
}

/// What `evaluate::compare`, `evaluate::report` and `evaluate::pool` found, in order, with headings
/// below ours.
fn claims(run: &Past) -> Result<String> {
    let mut text = String::new();
    for number in 1.. {
        let path = run.folder.join(format!("reports/{number}.md"));
        match read_plain(&path) {
            Ok(found) => {
                let found = String::from_utf8_lossy(&found);
                let (title, rest) = found.split_once('\n').unwrap_or((&found, ""));
                text += &format!("### {title}\n{}\n\n", rest.replace("\n## ", "\n#### "));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => break,
            Err(e) => return Err(Error::io(&path, &e)),
        }
    }
    Ok(text)
}

/// One picture for each quantity, a line for each training that logged it; their names.
fn draw(run: &Past) -> Result<Vec<String>> {
    let mut all: Vec<(String, Vec<Series>)> = Vec::new();
    for series in run.metrics()? {
        match all.iter_mut().find(|(name, _)| *name == series.name) {
            Some((_, list)) => list.push(series),
            None => all.push((series.name.clone(), vec![series])),
        }
    }
    // What was validated says most; the order of the log comes after it.
    all.sort_by_key(|(name, _)| !name.starts_with("validation"));
    let mut names = Vec::new();
    for (i, (quantity, list)) in all.iter().take(CURVES).enumerate() {
        let line = |s: &Series| {
            Line::new(
                &s.train,
                s.iterations.iter().map(|i| *i as f64).collect(),
                s.values.clone(),
            )
        };
        if !list.iter().any(|s| s.values.iter().any(|v| v.is_finite())) {
            continue;
        }
        let options = CurveOptions {
            title: quantity.clone(),
            x_label: "iteration".to_owned(),
            markers: list.iter().all(|s| s.values.len() < 30),
            width: 640,
            height: 380,
            ..CurveOptions::default()
        };
        let picture = curve(&list.iter().map(line).collect::<Vec<_>>(), &options)?;
        let short: String = quantity
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .take(60)
            .collect();
        let name = format!("report/{i:02}-{short}.png");
        let path = run.folder.join(&name);
        std::fs::create_dir_all(run.folder.join("report")).map_err(|e| Error::io(&path, &e))?;
        write_atomically(&path, &picture.png_bytes()?)?;
        names.push(name);
    }
    Ok(names)
}

/// The pictures in the folder; of a numbered row the last one.
fn pictures(folder: &Path) -> Result<Vec<String>> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        let entries = std::fs::read_dir(&place).map_err(|e| Error::io(&place, &e))?;
        for path in entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| !t.is_symlink()))
            .map(|e| e.path())
        {
            let Some(name) = path.strip_prefix(folder).ok().and_then(Path::to_str) else {
                continue;
            };
            let kind = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            if path.is_dir() && name != "report" && name != "checkpoints" {
                open.push(path);
            } else if ["png", "gif"].contains(&kind) {
                let stem = name.trim_end_matches(kind).trim_end_matches('.');
                let row = stem
                    .trim_end_matches(|c: char| c.is_ascii_digit())
                    .to_owned();
                let last = found.entry(format!("{row}.{kind}")).or_default();
                if (name.len(), name) > (last.len(), last.as_str()) {
                    *last = name.to_owned();
                }
            }
        }
    }
    Ok(found.into_values().take(PICTURES).collect())
}

/// Pictures, each a paragraph, with its name below where it does not say itself what it is.
pub(crate) fn images(names: &[String], named: bool) -> String {
    // Blanks and brackets end an address in Markdown; what holds `<` or `>` cannot be named at all.
    let fit = names.iter().filter(|n| !n.contains(['<', '>', '\n']));
    let below = |n: &str| {
        if named {
            format!("\\\n{}", plain(n))
        } else {
            String::new()
        }
    };
    fit.map(|n| format!("![{}](<{n}>){}\n\n", plain(n), below(n)))
        .collect()
}

fn parameters(run: &Past) -> String {
    if run.params.is_empty() {
        return String::new();
    }
    let mut table = Table::of_texts(["name", "value", "from"]);
    run.params
        .iter()
        .for_each(|p| table.row([plain(&p.name), plain(&value(&p.value)), plain(&p.source)]));
    table.markdown() + "\n"
}

fn events(run: &Past) -> Result<String> {
    let all = run.events()?;
    if all.is_empty() {
        return Ok(String::new());
    }
    let mut table = Table::of_texts(["time", "event", "details"]);
    for event in all.iter().take(EVENTS).filter_map(Json::as_object) {
        let text = |key: &str| plain(event.get(key).and_then(Json::as_str).unwrap_or_default());
        let details = event
            .iter()
            .filter(|(k, _)| !["time", "event"].contains(&k.as_str()));
        let details: Vec<String> = details
            .map(|(k, v)| plain(&format!("{k}: {}", value(v))))
            .collect();
        table.row([text("time"), text("event"), details.join(", ")]);
    }
    let rest = all.len().saturating_sub(EVENTS);
    let rest = if rest == 0 {
        String::new()
    } else {
        format!("\nand {rest} more in events.jsonl\n")
    };
    Ok(format!("{}\n{rest}", table.markdown()))
}

/// What `run.json` says, line by line.
fn about(run: &Past) -> String {
    let mut table = Table::of_texts(["what", "value"]);
    let skipped = ["script", "state", "error", "process", "seconds", "started"];
    for (key, found) in run
        .about
        .iter()
        .filter(|(k, v)| !skipped.contains(&k.as_str()) && !v.is_null())
    {
        let words = |list: &[Json]| list.iter().map(value).collect::<Vec<_>>().join(" ");
        let shown = match found {
            Json::Array(list) => words(list),
            Json::Object(map) => map
                .iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| format!("{k}: {}", value(v)))
                .collect::<Vec<_>>()
                .join(", "),
            other => value(other),
        };
        table.row([plain(key), plain(&shown)]);
    }
    table.markdown() + "\n"
}

/// A text that Markdown leaves as it is.
pub(crate) fn plain(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => all.push(' '),
            // The table escapes `|` itself.
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '&' | '~' => {
                all.extend(['\\', c])
            }
            c => all.push(c),
        }
    }
    all
}

/// A text in a block of its own, behind a fence that it does not hold.
fn fenced(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}text\n{text}\n{fence}\n\n")
}

/// Pictures as addresses that hold them.
fn inlined<'a>(folder: &Path, names: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
    let mut left = INLINE;
    let mut found = BTreeMap::new();
    for name in names {
        let path = folder.join(name);
        let size = std::fs::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map_or(u64::MAX, |m| m.len());
        if size > left {
            continue;
        }
        if let Ok(bytes) = read_plain(&path) {
            left -= size;
            let kind = if name.ends_with(".gif") { "gif" } else { "png" };
            found.insert(
                name.clone(),
                format!("data:image/{kind};base64,{}", STANDARD.encode(bytes)),
            );
        }
    }
    found
}

/// Markdown as a page. Markup and links in it are shown, not followed; pictures are those given.
fn html(title: &str, markdown: &str, pictures: &BTreeMap<String, String>) -> String {
    let safe = |event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::HtmlBlock | Tag::Link { .. })
        | Event::End(TagEnd::HtmlBlock | TagEnd::Link) => None,
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let held = pictures
                .get(dest_url.as_ref())
                .map_or("data:,", String::as_str);
            Some(Event::Start(Tag::Image {
                link_type,
                dest_url: CowStr::from(held.to_owned()),
                title,
                id,
            }))
        }
        other => Some(other),
    };
    let mut body = String::new();
    pulldown_cmark::html::push_html(
        &mut body,
        Parser::new_ext(markdown, Options::ENABLE_TABLES).filter_map(safe),
    );
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

const STYLE: &str = "\
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #2d2d2d; background: #fff; }
h1, h2, h3, h4 { line-height: 1.25; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ddd; padding-bottom: .2rem; }
table { border-collapse: collapse; font-size: 14px; margin: .8rem 0; display: block; overflow-x: auto; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #e2e2e2; vertical-align: top; overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
th { text-align: left; white-space: nowrap; overflow-wrap: normal; } td { font-variant-numeric: tabular-nums; }
img { max-width: 100%; }
p:has(> img) { display: inline-block; vertical-align: top; width: min(29rem, 100%); margin: .3rem .5rem .3rem 0; font-size: 13px; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: 13px; }
@media print { body { max-width: none; margin: 0; font-size: 11pt; } table { display: table; } p:has(> img) { break-inside: avoid; width: 47%; } pre { white-space: pre-wrap; } }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_scripts_are_shown_not_followed() {
        let evil =
            "<script>alert(1)</script> [a](http://x.example) ![b](http://x.example/b.png) **c**";
        let pictures =
            BTreeMap::from([("a.png".to_owned(), "data:image/png;base64,AA".to_owned())]);
        let raw = html(
            "<t>",
            &format!("{evil}\n\n<img src=\"http://x.example\">\n\n![p](<a.png>)\n"),
            &pictures,
        );
        assert!(
            !raw.contains("<script") && !raw.contains("href") && !raw.contains("<img src=\"http"),
            "{raw}"
        );
        assert!(raw.contains("src=\"data:image/png;base64,AA\""), "{raw}");
        assert!(html("t", &plain(evil), &pictures).contains("**c**"));
        assert_eq!(fenced("a```b").lines().next(), Some("````text"));
    }
}
