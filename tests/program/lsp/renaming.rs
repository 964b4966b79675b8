//! Renaming: whatever a script declares can have another name, and the script is as right as it was.

use std::fs;

use jemscript::script::outline::Outline;
use serde_json::{Value, json};

use super::client::{Client, edited, path, place, position, uri};
use super::{root, scripts_in};

fn rename(client: &mut Client, uri: &str, at: (usize, usize), to: &str) -> Result<Value, String> {
    let mut params = place(uri, at);
    params["newName"] = json!(to);
    let answer = client.try_ask("textDocument/rename", params);
    answer.map_err(|e| e["message"].as_str().unwrap().to_owned())
}

/// A text after a renaming at `¦`, or the reason against it.
fn renamed(client: &mut Client, text: &str, to: &str) -> String {
    let (uri, at) = super::marked(client, text);
    let plain = text.replacen('¦', "", 1);
    match rename(client, uri, at, to) {
        Ok(Value::Null) => plain,
        Ok(found) => edited(&plain, found["changes"][uri].as_array().unwrap()),
        Err(message) => message,
    }
}

#[test]
fn a_name_changes_wherever_it_is_meant() {
    let c = &mut Client::start(root());
    for (text, to, wanted) in [
        (
            "let a¦ = 1; #{ a: a }.a; `${a}`",
            "b",
            "let b = 1; #{ a: b }.a; `${b}`",
        ),
        (
            "let a = 1; { let a = 2; a¦ } a",
            "b",
            "let a = 1; { let b = 2; b } a",
        ),
        ("let a = 1; let a¦ = a; a", "b", "let a = 1; let b = a; b"),
        (
            "fn f(x) { x } let f = f(¦1); f",
            "g",
            "there is no name here",
        ),
        (
            "fn f(x) { x } let f = f¦(1); f",
            "g",
            "fn g(x) { x } let f = g(1); f",
        ),
        (
            "fn f¦() { 1 } fn f(a) { f() } f(2)",
            "g",
            "fn g() { 1 } fn g(a) { g() } g(2)",
        ),
        (
            "let f = |a¦, b| a + b; f(1, 2)",
            "c",
            "let f = |c, b| c + b; f(1, 2)",
        ),
        ("// b(1)\nlet a¦ = 1;", "b", "// b(1)\nlet b = 1;"),
        ("for [a, b¦] in z { b }", "c", "for [a, c] in z { c }"),
        (
            "const K¦ = 1; fn f() { global::K }",
            "N",
            "const N = 1; fn f() { global::N }",
        ),
        (
            "import \"x\" as m¦; m::f(m::X)",
            "n",
            "import \"x\" as n; n::f(n::X)",
        ),
    ] {
        assert_eq!(renamed(c, text, to), wanted, "{text}");
    }
}

#[test]
fn what_would_mean_something_else_is_refused() {
    let c = &mut Client::start(root());
    for (text, to, reason) in [
        ("let a¦ = 1;", "2a", "is no name"),
        ("let a¦ = 1;", "let", "is a word of the language"),
        (
            "let a¦ = 1; let b = 2; a + b",
            "b",
            "is a name here already",
        ),
        ("let b = 2; let a¦ = 1; b", "b", "already"),
        (
            "fn f¦() { 1 } fn g() { 2 }",
            "g",
            "is a function of this script already",
        ),
        (
            "fn f¦() { 1 } param(\"a\", 1)",
            "param",
            "is a function that this script calls already",
        ),
        ("let a¦ = 1; sqrt(2)", "sqrt", "this script calls already"),
        ("import \"x\" as a¦; a::f()", "nn", "is a module already"),
        ("nn::lin¦ear(1, 2)", "x", "no name that a script declares"),
    ] {
        let told = renamed(c, text, to);
        assert!(told.contains(reason), "{text}: {told}");
    }
}

#[test]
fn importing_scripts_follow() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::create_dir(file("lib")).unwrap();
    fs::write(
        file("lib/a.rhai"),
        "fn f(x) { f(x - 1) }\nexport let k = 1;\nprivate fn p() { k }\n",
    )
    .unwrap();
    fs::write(
        file("one.rhai"),
        "import \"lib/a\" as a;\na::f(a::k);\nlet f = 1;\n",
    )
    .unwrap();
    fs::write(
        file("two.rhai"),
        "import \"lib/a\" as other;\nother::f(2);\n",
    )
    .unwrap();
    fs::write(file("three.rhai"), "fn f() { 1 }\nf();\n").unwrap();
    let mut client = Client::start(folder.path());
    let one = uri(&file("one.rhai"));
    client.open(&one, &fs::read_to_string(file("one.rhai")).unwrap());
    let found = rename(&mut client, &one, (1, 3), "g").unwrap();
    for (uri, edits) in found["changes"].as_object().unwrap() {
        let file = path(uri);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, edited(&text, edits.as_array().unwrap())).unwrap();
    }
    let now = |name: &str| fs::read_to_string(file(name)).unwrap();
    assert_eq!(
        now("lib/a.rhai"),
        "fn g(x) { g(x - 1) }\nexport let k = 1;\nprivate fn p() { k }\n"
    );
    assert_eq!(
        now("one.rhai"),
        "import \"lib/a\" as a;\na::g(a::k);\nlet f = 1;\n"
    );
    assert_eq!(
        now("two.rhai"),
        "import \"lib/a\" as other;\nother::g(2);\n"
    );
    assert_eq!(now("three.rhai"), "fn f() { 1 }\nf();\n");
}

/// Names of every recipe get another and their own again; in between nothing is wrong. With
/// `LSP_NAMES=1` it is every name, else one of a few.
#[test]
fn names_of_the_recipes_can_change() {
    const NEW: &str = "renamed_by_a_test";
    let mut client = Client::start(root());
    let (mut count, mut met) = (0, 0);
    let every = std::env::var("LSP_NAMES").map_or(9, |n| n.parse().unwrap());
    for file in scripts_in("scripts") {
        let text = fs::read_to_string(&file).unwrap();
        let uri = uri(&file);
        client.open(&uri, &text);
        for declared in &Outline::of(&text).declared {
            met += 1;
            if met % every != 0 {
                continue;
            }
            let found = rename(&mut client, &uri, position(&text, declared.at.start), NEW);
            let found =
                found.unwrap_or_else(|e| panic!("{}: {}: {e}", file.display(), declared.name));
            let edits = found["changes"][&uri].as_array().unwrap().clone();
            let new = edited(&text, &edits);
            client.retype(&uri, &new);
            let wrong = client.diagnostics(&uri);
            assert!(
                wrong.is_empty(),
                "{}: {}: {wrong:?}",
                file.display(),
                declared.name
            );
            let at = Outline::of(&new)
                .declared
                .iter()
                .find(|d| d.name == NEW)
                .unwrap()
                .at
                .start;
            let back = rename(&mut client, &uri, position(&new, at), &declared.name);
            let back =
                back.unwrap_or_else(|e| panic!("{}: {}: {e}", file.display(), declared.name));
            let same = edited(&new, back["changes"][&uri].as_array().unwrap());
            assert!(same == text, "{}: {}", file.display(), declared.name);
            client.retype(&uri, &text);
            count += 1;
            assert!(!edits.is_empty());
        }
        client.close(&uri);
    }
    assert!(met > 400 && count > 40, "{count} of {met}");
}
