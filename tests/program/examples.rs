//! Every example of the reference runs, and prints what it says.

use crate::common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jemscript::run::{About, Run};
use jemscript::script::reference::{Entry, Form, entries, matches, pages};
use jemscript::script::{Program, Settings, TYPES, option_tables};

/// Runs a piece of code; gives what it printed, or the error.
fn run(code: &str) -> Result<Vec<String>, String> {
    // Examples write files: into a run folder of their own.
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(Settings {
        folder: folder.path().to_path_buf(),
        ..Settings::default()
    });
    program
        .session
        .set_run(Run::exactly(&folder.path().join("run"), About::default()).unwrap());
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = lines.clone();
    program
        .session
        .set_output(jemscript::display::lines(move |text| {
            sink.borrow_mut().extend(text.lines().map(str::to_owned))
        }));
    let _ = program.run_text("example", code).map_err(|e| e.text)?;
    let printed = lines.borrow().clone();
    Ok(printed)
}

#[test]
fn every_example_prints_what_it_says() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in entries() {
        for example in entry.examples() {
            count += 1;
            let said = example.printed.join("\n");
            match run(&example.code) {
                Ok(printed) if matches(&said, &printed.join("\n")) => {}
                Ok(printed) => wrong.push(format!(
                    "{}\n  says:\n{said}\n  prints:\n{}",
                    entry.signature,
                    printed.join("\n")
                )),
                Err(error) => wrong.push(format!("{}\n{error}", entry.signature)),
            }
        }
    }
    assert!(count > 100, "only {count} examples were found");
    assert!(
        wrong.is_empty(),
        "{} of {count} examples are wrong:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn every_block_of_the_texts_prints_what_it_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path());
    let texts = files
        .filter(|f| f.extension().is_some_and(|e| e == "md"))
        .map(|f| std::fs::read_to_string(f).unwrap());
    let all: Vec<_> = texts
        .flat_map(|text| jemscript::script::reference::examples(&text))
        .collect();
    assert!(all.len() >= 20, "only {} blocks were found", all.len());
    let mut wrong = Vec::new();
    // `…` outside of what is printed makes a sketch of it: no script.
    let sketch = |code: &str| {
        code.lines()
            .any(|l| l.split("//=").next().is_some_and(|code| code.contains('…')))
    };
    for example in all.iter().filter(|e| !sketch(&e.code)) {
        match run(&example.code) {
            Ok(printed) if matches(&example.printed.join("\n"), &printed.join("\n")) => {}
            other => wrong.push(format!("{}\n  gives: {other:?}", example.code)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_function_is_documented_with_an_example() {
    let bare: Vec<String> = entries()
        .into_iter()
        .filter(|e| e.doc.len() < 10 || e.examples().is_empty())
        .map(|e| e.signature)
        .collect();
    assert!(
        bare.is_empty(),
        "without a sentence or an example:\n{}",
        bare.join("\n")
    );
}

/// The names that users know types by.
fn type_names() -> Vec<&'static str> {
    let plain = [
        "()",
        "any",
        "array",
        "bool",
        "float",
        "function",
        "inclusive_range",
        "int",
        "map",
        "range",
        "string",
    ];
    plain
        .into_iter()
        .chain(TYPES.iter().map(|t| t.name))
        .collect()
}

#[test]
fn every_function_says_in_a_sentence_what_it_does_and_what_it_gives() {
    let known = type_names();
    let mut wrong = Vec::new();
    for e in entries() {
        let summary = e.summary();
        if !summary.ends_with(['.', ':', '?', '…']) || summary.split_whitespace().count() < 2 {
            wrong.push(format!("{}: no sentence: {summary}", e.signature));
        }
        let kinds = e.params.iter().map(|p| &p.1).chain([&e.returns]);
        for kind in kinds.filter(|k| !known.contains(&k.as_str())) {
            wrong.push(format!(
                "{}: `{kind}` is no type that users know",
                e.signature
            ));
        }
        // What only reads must give something.
        if e.returns == "()" && e.form == Form::Getter {
            wrong.push(format!("{}: gives nothing", e.signature));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_option_is_documented_and_belongs_to_a_function() {
    let all = entries();
    let mut wrong = Vec::new();
    for (owner, fields) in option_tables() {
        let (home, name) = owner.rsplit_once("::").unwrap_or(("", owner));
        if !all
            .iter()
            .any(|e| e.home == home && e.name == name && e.params.iter().any(|p| p.1 == "map"))
        {
            wrong.push(format!("{owner}: no function takes these options"));
        }
        for (i, f) in fields.iter().enumerate() {
            if f.doc.len() < 3 || f.kind.is_empty() || f.default.is_empty() {
                wrong.push(format!(
                    "{owner}: `{}` lacks a meaning, a type or a default",
                    f.name
                ));
            }
            if fields[..i].iter().any(|other| other.name == f.name) {
                wrong.push(format!("{owner}: `{}` is there twice", f.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_are_unique() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for e in entries() {
        let kinds: Vec<&str> = e.params.iter().map(|p| p.1.as_str()).collect();
        let key = format!("{} {:?} ({})", e.path(), e.form, kinds.join(", "));
        if let Some(other) = seen.insert(key, e.signature.clone()) {
            panic!("`{}` and `{other}` cannot be told apart", e.signature);
        }
    }
    let mut types = type_names();
    types.sort_unstable();
    let count = types.len();
    types.dedup();
    assert_eq!(types.len(), count, "two types have one name");
}

/// The names in code spans of a text: `.name(…)` or `x.name(…)` without a module, `module::name`
/// with it.
fn named_in(text: &str) -> Vec<(&str, &str)> {
    let word = |t: &str| {
        t.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(t.len())
    };
    let mut found = Vec::new();
    for start in text.match_indices('`').map(|(i, _)| &text[i + 1..]) {
        let (first, rest) = start.split_at(word(start));
        if let Some(rest) = rest
            .strip_prefix('.')
            .filter(|r| r[word(r)..].starts_with('('))
        {
            found.push(("", &rest[..word(rest)]));
        } else if let Some(rest) = rest
            .strip_prefix("::")
            .filter(|r| word(r) > 0 && !first.is_empty())
        {
            found.push((first, &rest[..word(rest)]));
        }
    }
    found
}

/// Hints and docs send nobody to a function that is not there.
#[test]
fn hints_and_docs_name_what_there_is() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = entries();
    let modules: Vec<&str> = all.iter().map(|e| e.home).collect();
    // Arrays, maps and texts have methods of the language beneath.
    let program = Program::new(Settings::default());
    let beneath = program.engine().collect_fn_metadata(
        None,
        |info| Some(info.metadata.name.to_string()),
        true,
    );
    let mut wrong = Vec::new();
    let mut check = |file: &std::path::Path, text: &str| {
        for (module, name) in named_in(text)
            .into_iter()
            .filter(|(m, _)| m.is_empty() || modules.contains(m))
        {
            let of_module = |e: &&Entry| module.is_empty() || e.home == module;
            let ours = all.iter().filter(of_module).any(|e| e.name == name);
            let of_rhai = module.is_empty() && beneath.iter().any(|known| known == name);
            if !ours && !of_rhai {
                wrong.push(format!(
                    "{}: there is no `{module}::{name}`",
                    file.display()
                ));
            }
        }
    };
    for file in common::files_below(&root.join("src"), "rs").unwrap() {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        // What a user reads stands in a literal.
        code.lines()
            .filter(|l| !l.trim_start().starts_with("//") && l.contains('"'))
            .for_each(|l| check(&file, l));
    }
    for file in common::files_below(&root.join("docs"), "md").unwrap() {
        // Two speak of Rust.
        if !file.starts_with(root.join("docs/developer")) && !file.ends_with("rust-cells.md") {
            check(&file, &std::fs::read_to_string(&file).unwrap());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `BLESS=1 cargo test` rewrites the committed reference.
#[test]
fn the_committed_reference_is_that_of_the_code() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    if std::env::var_os("BLESS").is_some() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (file, text) in pages() {
            std::fs::write(folder.join(file), text).unwrap();
        }
    }
    for (file, text) in pages() {
        let committed = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
        assert!(
            committed == text,
            "docs/reference/{file} is not that of the code: run `BLESS=1 cargo test --release --test program examples::`"
        );
    }
}

/// What `docs/running.md` and `docs/scaling.md` promise is held by tests: every section names its
/// own, and each of them is there.
#[test]
fn promises_of_running_name_their_tests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = ["docs/running.md", "docs/scaling.md"]
        .map(|name| std::fs::read_to_string(root.join(name)).unwrap())
        .join("\n");
    let mut named = 0;
    for section in text.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap();
        if [": a calculation", ": measured"]
            .iter()
            .any(|end| title.ends_with(end))
        {
            continue;
        }
        let tests: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("<!-- kept by: ")?.strip_suffix(" -->"))
            .flat_map(|tests| tests.split(", "))
            .collect();
        assert!(!tests.is_empty(), "`{title}` names no test");
        for test in tests {
            let (file, function) = test.split_once("::").unwrap();
            let places = [
                format!("tests/program/{file}.rs"),
                format!("tests/truth/{file}.rs"),
                format!("tests/{file}/main.rs"),
            ];
            let code = places
                .iter()
                .find_map(|place| std::fs::read_to_string(root.join(place)).ok());
            let held =
                code.is_some_and(|code| code.contains(&format!("\n#[test]\nfn {function}() ")));
            assert!(held, "`{title}` names {test}, which is no test");
            named += 1;
        }
    }
    assert!(named >= 40, "only {named} are named");
}
