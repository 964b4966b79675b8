//! Inside a room, files lead to one another one way: each can be read after those that it uses. The
//! layers of `script/` are listed in `docs/developer/architecture.md`.

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

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn files_of_a_room_lead_one_way() {
    let mut found = Vec::new();
    let mut rooms = 0;
    for entry in std::fs::read_dir(source("src")).unwrap() {
        let room = entry.unwrap().path();
        if !room.join("mod.rs").exists() {
            continue;
        }
        rooms += 1;
        let name = room.file_name().unwrap().to_str().unwrap().to_owned();
        for circle in circles(&read(&room)) {
            found.push(format!("{name}: {}", circle.join(" ⇄ ")));
        }
    }
    assert!(rooms > 15, "{rooms} rooms");
    assert!(
        found.is_empty(),
        "files that lead to each other: {found:#?}"
    );
}

/// The layers of the language as the document lists them, the highest first: their names, and files.
fn layers(map: &str) -> Vec<(&str, BTreeSet<&str>)> {
    map.lines()
        .filter_map(|line| line.strip_prefix("script/")?.split_once('='))
        .map(|(name, files)| (name.trim(), files.split(',').map(str::trim).collect()))
        .collect()
}

#[test]
fn layers_of_the_language_lead_down() {
    let map = std::fs::read_to_string(source("docs/developer/architecture.md")).unwrap();
    let layers = layers(&map);
    let place = |file: &str| layers.iter().position(|(_, files)| files.contains(file));
    let all = read(&source("src/script"));
    let listed: usize = layers.iter().map(|(_, files)| files.len()).sum();
    let files: Vec<&String> = all.keys().filter(|file| *file != "mod").collect();
    let missing: Vec<_> = files.iter().filter(|file| place(file).is_none()).collect();
    assert!(missing.is_empty(), "in no layer: {missing:?}");
    assert_eq!(listed, files.len(), "listed twice, or listed and not there");
    let up = |(file, used): (&String, &String)| {
        (place(used) < place(file)).then(|| format!("{file} → {used}"))
    };
    let arrows = files
        .iter()
        .flat_map(|file| all[*file].iter().map(move |u| (*file, u)));
    let wrong: Vec<String> = arrows.filter_map(up).collect();
    assert!(wrong.is_empty(), "arrows that lead up: {wrong:#?}");
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
