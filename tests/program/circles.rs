//! Inside a room, files lead to one another one way: each can be read after those that it uses.
//! `docs/developer/architecture.md` lists the circles that stand; none may grow, and no other may come.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::arrows::{Rooms as Files, bare, behind, reachable};
use crate::common;

/// The names that a room's `mod.rs` hands on, each with the file that it comes from.
fn handed_on(code: &str, files: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for visible in ["pub use ", "pub(crate) use ", "pub(super) use "] {
        for file in files {
            for name in behind(code, &format!("{visible}{file}::")) {
                found.insert(name, file.clone());
            }
        }
    }
    found
}

/// What the files of a room use of each other. What stands in its `mod.rs` itself is everybody's.
fn read(room: &Path) -> Files {
    let all: Vec<PathBuf> = common::files_below(room, "rs").unwrap();
    let place = |file: &Path| file.strip_prefix(room).unwrap().to_path_buf();
    let node = |file: &Path| {
        let first = place(file).iter().next().unwrap().to_owned();
        first.to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    let nodes: BTreeSet<String> = all.iter().map(|f| node(f)).collect();
    let code = |file: &Path| bare(&std::fs::read_to_string(file).unwrap());
    let root = room.join("mod.rs");
    let handed = handed_on(&code(&root), &nodes);
    let name = room.file_name().unwrap().to_str().unwrap();
    let mut found: Files = nodes.iter().map(|n| (n.clone(), BTreeSet::new())).collect();
    for file in all
        .iter()
        .filter(|f| **f != root && f.file_stem().unwrap() != "tests")
    {
        let own = node(file);
        // From a file of a folder's folder the room is that many steps up.
        let deep = place(file).iter().count() - usize::from(file.ends_with("mod.rs"));
        let code = code(file);
        let near = behind(&code, &"super::".repeat(deep));
        let far = behind(&code, &format!("crate::{name}::"));
        for used in near.into_iter().chain(far) {
            let from = if nodes.contains(&used) {
                Some(&used)
            } else {
                handed.get(&used)
            };
            if let Some(other) = from.filter(|other| **other != own && *other != "mod") {
                found.get_mut(&own).unwrap().insert(other.clone());
            }
        }
    }
    found
}

/// The circles: files that lead to each other.
fn circles(files: &Files) -> BTreeSet<Vec<String>> {
    let leads: BTreeMap<&String, BTreeSet<String>> =
        files.keys().map(|f| (f, reachable(files, f))).collect();
    let round = |f: &&String| leads[f].contains(*f);
    let circle = |f: &String| {
        let all = leads[f].iter().filter(|other| leads[other].contains(f));
        all.cloned().collect()
    };
    files.keys().filter(round).map(circle).collect()
}

#[test]
fn files_of_a_room_lead_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("docs/developer/architecture.md")).unwrap();
    let listed: BTreeSet<&str> = map.lines().filter(|l| l.contains(" ⇄ ")).collect();
    let mut stand = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("src")).unwrap() {
        let room = entry.unwrap().path();
        if !room.join("mod.rs").exists() {
            continue;
        }
        let name = room.file_name().unwrap().to_str().unwrap().to_owned();
        for circle in circles(&read(&room)) {
            stand.insert(format!("{name}: {}", circle.join(" ⇄ ")));
        }
    }
    let stand: BTreeSet<&str> = stand.iter().map(String::as_str).collect();
    let new: Vec<_> = stand.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&stand).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "docs/developer/architecture.md lists the circles that stand.\nnot listed: {new:#?}\nlisted, and not there: {gone:#?}"
    );
}

#[test]
fn circles_are_read_right() {
    let code = "use super::{a::X, b, Y};\nuse super::super::c;\nlet f = super::d::g(); // super::e\n// super::h\n";
    let words = |found: BTreeSet<String>| found.into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(words(behind(&bare(code), "super::")), "Y a b d e super");
    let handed = handed_on(
        "pub use a::{X, y};\nuse b::Z;\n",
        &["a", "b"].map(str::to_owned).into(),
    );
    assert_eq!(handed.into_keys().collect::<Vec<_>>(), ["X", "y"]);
    let files = |all: &[(&str, &[&str])]| -> Files {
        let names = |n: &[&str]| n.iter().map(|s| (*s).to_owned()).collect();
        all.iter()
            .map(|(f, used)| ((*f).to_owned(), names(used)))
            .collect()
    };
    let line = files(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]);
    assert!(circles(&line).is_empty());
    let round = files(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &["a"])]);
    assert_eq!(
        circles(&round),
        [vec!["b".to_owned(), "c".to_owned()]].into()
    );
}
