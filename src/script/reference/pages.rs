//! The pages of the reference, as Markdown.

use super::{Entry, entries};

/// The pages of the reference: file name and Markdown text.
pub fn pages() -> Vec<(String, String)> {
    let all = entries();
    let mut titles: Vec<&str> = Vec::new();
    for e in &all {
        if !titles.contains(&e.title) {
            titles.push(e.title);
        }
    }
    let file = |title: &str| {
        format!(
            "{}.md",
            title
                .to_lowercase()
                .replace(|c: char| !c.is_alphanumeric(), "-")
        )
    };
    let mut index = String::from(
        "# Reference\n\nGenerated from the code; `jemscript doc NAME` shows the same in a terminal.\n\n",
    );
    let mut pages = Vec::new();
    for title in titles {
        let mut page = format!("# {title}\n\n");
        let mut names: Vec<String> = Vec::new();
        for e in all.iter().filter(|e| e.title == title) {
            page += &markdown(e);
            if !names.contains(&e.path()) {
                names.push(e.path());
            }
        }
        let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
        index += &format!("- [{title}]({}): {}\n", file(title), names.join(", "));
        pages.push((file(title), page.trim_end().to_owned() + "\n"));
    }
    pages.push((
        "jemscript.d.rhai".to_owned(),
        super::definitions::definitions(),
    ));
    index += "\n[jemscript.d.rhai](jemscript.d.rhai) has the same as definitions for editors that know rhai.\n";
    pages.insert(0, ("README.md".to_owned(), index));
    pages
}

/// The options of an entry, a row each.
pub fn options_table(e: &Entry) -> String {
    let mut text = "| option | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    for f in &e.options {
        text += &format!(
            "| `{}` | {} | `{}` | {} |\n",
            f.name,
            f.kind,
            f.default,
            f.doc.replace('|', "\\|")
        );
    }
    text
}

/// An entry as it stands in the reference.
pub fn markdown(e: &Entry) -> String {
    let mut text = format!("## `{}`\n\n{}\n\n", e.signature, e.doc);
    if !e.options.is_empty() {
        text += &options_table(e);
        text.push('\n');
    }
    text
}
