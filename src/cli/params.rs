//! `jemscript params FILE`: the parameters of a script, found without running it.

use std::path::Path;

use crate::script::parameters::of_file;

/// Prints the parameters as a table, or as one JSON object a line.
pub fn params(file: &Path, json: bool) -> u8 {
    let rows = match of_file(file) {
        Ok(rows) => rows,
        Err(diagnostic) => {
            eprintln!("{diagnostic}");
            return 1;
        }
    };
    if json {
        rows.iter().for_each(|r| println!("{}", r.json()));
        return 0;
    }
    if rows.is_empty() {
        println!("{} has no parameters", file.display());
        return 0;
    }
    let mut table = vec![["name", "type", "default", "meaning"].map(str::to_owned)];
    table.extend(rows.iter().map(|r| {
        [
            r.name.clone(),
            r.kind().to_owned(),
            r.shown_default(),
            r.help.clone(),
        ]
    }));
    let width = |column: usize| {
        table
            .iter()
            .map(|r| r[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (a, b, c) = (width(0), width(1), width(2));
    for [name, kind, default, help] in &table {
        println!(
            "{}",
            format!("{name:a$}  {kind:b$}  {default:c$}  {help}").trim_end()
        );
    }
    0
}
