//! `jemscript cite SCRIPT`: BibTeX for the methods that a script uses.

use std::path::Path;

use crate::script::cite::cite_file;

/// Prints the entries; 1 if the script cannot be read.
pub fn cite(file: &Path) -> u8 {
    match cite_file(file) {
        Ok(entries) if entries.is_empty() => {
            eprintln!("{} uses nothing that has a paper here", file.display());
            0
        }
        Ok(entries) => {
            println!("{}", entries.join("\n\n"));
            0
        }
        Err(error) => {
            eprintln!("error: {}", error.message());
            if let Some(hint) = error.hint() {
                eprintln!("  = hint: {hint}");
            }
            1
        }
    }
}
