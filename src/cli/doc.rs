//! `jemscript doc NAME`: the reference in the terminal.

use crate::script::reference::{about, entries, find, near};

/// Prints the documentation of a name, or the list of all names.
pub fn doc(name: Option<&str>) -> u8 {
    let Some(name) = name else {
        let mut page = "";
        for e in entries() {
            if e.title != page {
                page = e.title;
                println!("\n{page}");
            }
            println!("  {:60} {}", e.signature, e.summary());
        }
        return 0;
    };
    if let Some(text) = about(name) {
        println!("{text}");
        return 0;
    }
    eprintln!("error: there is no function `{name}`");
    match near(name) {
        Some(near) => eprintln!("  = hint: did you mean `{near}`?"),
        None => eprintln!("  = hint: `jemscript doc` lists all"),
    }
    1
}

/// Prints the functions whose documentation has some words, the likeliest first.
pub fn search(words: &str) -> u8 {
    let found = find(words);
    for e in found.iter().take(20) {
        println!("{}\n    {}", e.signature, e.summary());
    }
    match found.len() {
        0 => println!("nothing in the reference has all of these words: {words}"),
        n if n > 20 => println!("… and {} more; another word narrows it down", n - 20),
        _ => {}
    }
    u8::from(found.is_empty())
}
