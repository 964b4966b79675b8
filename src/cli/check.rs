//! `jemscript check FILE…`: mistakes in scripts, found without running them.

use std::path::PathBuf;

use crate::script::check::{Severity, check_file};

/// Prints what is wrong in some scripts; 1 if any of it is an error.
pub fn check(files: &[PathBuf], json: bool) -> u8 {
    let mut found = Vec::new();
    for file in files {
        // A script that two others import is told about once.
        for finding in check_file(file) {
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
    let count = |severity| found.iter().filter(|f| f.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    for finding in &found {
        if json {
            println!("{}", finding.json());
        } else {
            println!("{}\n", finding.render());
        }
    }
    if !json {
        let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let scripts = plural(files.len(), "script");
        match (errors, warnings) {
            (0, 0) => println!("{scripts}: nothing wrong found"),
            (0, w) => println!("{scripts}: {}", plural(w, "warning")),
            (e, 0) => println!("{scripts}: {}", plural(e, "error")),
            (e, w) => println!(
                "{scripts}: {}, {}",
                plural(e, "error"),
                plural(w, "warning")
            ),
        }
    }
    u8::from(errors > 0)
}
