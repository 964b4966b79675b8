//! Examples of the documentation with something broken in them.

use std::sync::OnceLock;

use fastrand::Rng;
use jemscript::script::reference::entries;

use super::hostile::argument;

/// Functions that take long, whatever they get.
const LONG: [&str; 7] = [
    "train(",
    "feature_net",
    "compare",
    "evaluate::",
    "animation",
    "plot::",
    "data::digits",
];

fn corpus() -> &'static [String] {
    static ALL: OnceLock<Vec<String>> = OnceLock::new();
    ALL.get_or_init(|| {
        entries()
            .iter()
            .flat_map(|e| e.examples())
            .map(|e| e.code)
            .collect()
    })
}

/// Pieces of a script: words, numbers, single other characters.
fn tokens(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut word = false;
    for c in text.chars() {
        let part = c.is_alphanumeric()
            || c == '_'
            || (c == '.'
                && word
                && all
                    .last()
                    .is_some_and(|t| t.starts_with(|d: char| d.is_ascii_digit())));
        match all.last_mut() {
            Some(last) if part && word => last.push(c),
            _ => all.push(c.to_string()),
        }
        word = part;
    }
    all
}

/// An example with one to three changes.
pub fn script(rng: &mut Rng) -> String {
    let corpus = corpus();
    let mut text = &corpus[rng.usize(..corpus.len())];
    // The long ones come less often.
    while LONG.iter().any(|l| text.contains(l)) && rng.u8(..12) > 0 {
        text = &corpus[rng.usize(..corpus.len())];
    }
    let mut parts = tokens(text);
    for _ in 0..rng.usize(1..4) {
        change(rng, &mut parts, corpus);
    }
    parts.concat()
}

fn change(rng: &mut Rng, parts: &mut Vec<String>, corpus: &[String]) {
    let places: Vec<usize> = (0..parts.len())
        .filter(|i| !parts[*i].trim().is_empty())
        .collect();
    if places.is_empty() {
        return;
    }
    let at = places[rng.usize(..places.len())];
    let numbers: Vec<usize> = (0..parts.len())
        .filter(|i| parts[*i].starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    match rng.u8(..10) {
        0..=4 if !numbers.is_empty() => {
            let at = numbers[rng.usize(..numbers.len())];
            let of = if parts[at].contains('.') {
                "float"
            } else {
                "int"
            };
            parts[at] = argument(rng, of);
        }
        5 => {
            parts.remove(at);
        }
        6 => {
            let copy = parts[at].clone();
            parts.insert(at, copy);
        }
        7 => {
            let other = places[rng.usize(..places.len())];
            parts.swap(at, other);
        }
        8 => {
            let other = tokens(&corpus[rng.usize(..corpus.len())]);
            parts[at] = other[rng.usize(..other.len())].clone();
        }
        _ => parts[at] = argument(rng, "any"),
    }
}
