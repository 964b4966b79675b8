//! The rooms of `src/` use one another only as the list in `docs/developer/architecture.md` says.

use crate::common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Rooms, or a room's files, each with those that it uses.
pub type Rooms = BTreeMap<String, BTreeSet<String>>;

/// The arrows of the list: each room with the rooms that it names.
fn arrows(text: &str) -> Rooms {
    let lines = text
        .lines()
        .filter_map(|line| line.split_once('→'))
        .filter(|(room, _)| !room.contains(['|', '`']));
    let names = |list: &str| {
        list.split(',')
            .map(|n| n.trim().to_owned())
            .filter(|n| !n.is_empty())
            .collect()
    };
    lines
        .map(|(room, list)| (room.trim().to_owned(), names(list)))
        .collect()
}

/// All that one may use, over any number of arrows.
pub fn reachable(rooms: &Rooms, from: &str) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(room) = open.pop() {
        for next in &rooms[&room] {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

/// The words that stand behind a prefix: one, or those of a list in braces.
pub fn behind(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        let letters = text.trim_start().chars();
        letters
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        // `xsuper::` and `super::super::` are other prefixes.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    found.insert(word(&list[start..i]));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.insert(word(&list[start..i]));
                    start = i + 1;
                }
                _ => {}
            }
        }
    }
    found
}

/// Code without comments and without the tests inside.
pub fn bare(code: &str) -> String {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms that Rust code uses: what follows `crate::`, one name or a list in braces. Tests
/// inside may use any.
fn used(code: &str) -> BTreeSet<String> {
    // A macro is named without its room; ours are of `options`.
    let room = |name: String| match name.as_str() {
        "choice" | "object_option" => "options".to_owned(),
        _ => name,
    };
    behind(&bare(code), "crate::")
        .into_iter()
        .map(room)
        .filter(|name| name.starts_with(char::is_lowercase))
        .collect()
}

#[test]
fn rooms_use_only_what_the_map_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rooms =
        arrows(&std::fs::read_to_string(root.join("docs/developer/architecture.md")).unwrap());
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in common::files_below(&root.join("src"), "rs").unwrap() {
        let place = file.strip_prefix(root.join("src")).unwrap();
        let room = place
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        if room == "lib" || file.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if !rooms.contains_key(&room) {
            wrong.push(format!("the map lacks the room `{room}`"));
            continue;
        }
        let allowed = reachable(&rooms, &room);
        assert!(
            !allowed.contains(&room),
            "the arrows of the map lead from `{room}` back to it"
        );
        for name in used(&std::fs::read_to_string(&file).unwrap()) {
            if name != room && !allowed.contains(&name) {
                wrong.push(format!(
                    "src/{}: `{room}` may not use `{name}`",
                    place.display()
                ));
            }
        }
        seen.insert(room);
    }
    for room in rooms.keys().filter(|room| !seen.contains(*room)) {
        wrong.push(format!("the map has a room `{room}` that src/ lacks"));
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn uses_and_arrows_are_read_right() {
    let code = "use crate::{energy::Energy, nn::{Layer, Network}, Error};\n// crate::cli is only a comment\n\
        fn f() -> crate::Result<()> { crate::run::write(1, loss) }\ncrate::options! { x }\n\
        #[cfg(test)]\nmod tests {\n use crate::train;\n}";
    assert_eq!(
        used(code),
        ["energy", "nn", "options", "run"].map(str::to_owned).into()
    );
    let rooms = arrows("text\nplot → energy\nenergy → nn, tensor\nnn →\ntensor →\n| `a` → b |\n");
    assert_eq!(
        reachable(&rooms, "plot"),
        ["energy", "nn", "tensor"].map(str::to_owned).into()
    );
    assert_eq!(rooms.len(), 4);
}
