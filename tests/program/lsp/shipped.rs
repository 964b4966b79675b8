//! Every script of the repository, in the editor: what is told of it is what `jemscript check`
//! says, every word can be asked about, and what comes back leads somewhere.

use std::fs;

use jemscript::script::check::{Severity, check_file};
use jemscript::script::layout;
use jemscript::script::reference::examples;
use serde_json::{Value, json};

use super::client::{Client, byte, edited, path, position, uri};
use super::{root, scripts_in};

/// The places of all words of a text.
fn words(text: &str) -> Vec<(usize, &str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(from) = text[at..].find(part).map(|i| at + i) {
        let end = text[from..]
            .find(|c| !part(c))
            .map_or(text.len(), |i| from + i);
        found.push((from, &text[from..end]));
        at = end;
    }
    found
}

#[test]
fn what_is_told_is_what_check_says() {
    let mut client = Client::start(root());
    let shipped = scripts_in("scripts");
    assert!(shipped.len() >= 30);
    let all = [shipped.clone(), scripts_in("tests/wrong")].concat();
    let mut told = 0;
    for file in all {
        let text = fs::read_to_string(&file).unwrap();
        let uri = uri(&file);
        client.open(&uri, &text);
        let found = client.diagnostics(&uri);
        let name = file.display().to_string();
        let wanted: Vec<_> = check_file(&file)
            .into_iter()
            .filter(|f| f.file == name)
            .collect();
        assert_eq!(found.len(), wanted.len(), "{name}: {found:?}");
        for (d, f) in found.iter().zip(&wanted) {
            let message = d["message"].as_str().unwrap();
            assert!(message.starts_with(f.error.message()), "{name}: {message}");
            assert_eq!(d["severity"] == json!(1), f.severity == Severity::Error);
            if f.line > 0 {
                assert_eq!(d["range"]["start"]["line"], f.line - 1, "{name}: {message}");
            }
            told += 1;
        }
        assert!(
            !shipped.contains(&file) || found.is_empty(),
            "{name}: {found:?}"
        );
        client.close(&uri);
    }
    assert!(told > 20, "{told}");
    assert!(client.stop().success());
}

#[test]
fn words_can_be_asked_about() {
    let mut client = Client::start(root());
    let mut known = 0;
    for file in scripts_in("scripts") {
        let text = fs::read_to_string(&file).unwrap();
        let uri = uri(&file);
        client.open(&uri, &text);
        for (i, (from, word)) in words(&text).into_iter().enumerate().step_by(3) {
            let at = position(&text, from + word.chars().next().map_or(0, char::len_utf8));
            let found = client.at("textDocument/hover", &uri, at);
            if !found.is_null() {
                known += 1;
                let (a, b) = (&found["range"]["start"], &found["range"]["end"]);
                let told = &text[byte(&text, a)..byte(&text, b)];
                assert!(
                    told.contains(word)
                        || found["contents"]["value"]
                            .to_string()
                            .contains("the script")
                );
            }
            let found = client.at("textDocument/definition", &uri, at);
            if !found.is_null() {
                let other = path(found["uri"].as_str().unwrap());
                let there = fs::read_to_string(&other).unwrap();
                let start = byte(&there, &found["range"]["start"]);
                assert!(
                    start == 0 || there[start..].starts_with(word),
                    "{}: {word} leads to {}",
                    file.display(),
                    &there[start..].lines().next().unwrap()
                );
            }
            if i % 12 == 0 {
                client.at("textDocument/completion", &uri, at);
                client.at("textDocument/signatureHelp", &uri, at);
                client.at("textDocument/documentHighlight", &uri, at);
            }
        }
        let params = json!({ "textDocument": { "uri": uri } });
        let symbols = client.ask("textDocument/documentSymbol", params);
        for s in symbols.as_array().unwrap() {
            let selected = byte(&text, &s["selectionRange"]["start"]);
            assert!(text[selected..].starts_with(s["name"].as_str().unwrap()));
            let whole = byte(&text, &s["range"]["start"])..byte(&text, &s["range"]["end"]);
            assert!(whole.contains(&selected), "{s}");
        }
        assert!(
            !symbols.as_array().unwrap().is_empty(),
            "{}",
            file.display()
        );
        client.close(&uri);
    }
    assert!(known > 800, "{known}");
    report(&client);
    assert!(client.stop().success());
}

/// What is imported from `lib` is found there.
#[test]
fn definitions_lead_through_imports() {
    let mut client = Client::start(root());
    let mut led = 0;
    for file in scripts_in("scripts") {
        let text = fs::read_to_string(&file).unwrap();
        let outline = jemscript::script::outline::Outline::of(&text);
        let uri = uri(&file);
        client.open(&uri, &text);
        for foreign in &outline.foreign {
            let at = position(&text, foreign.at.start);
            let found = client.at("textDocument/definition", &uri, at);
            let other = path(found["uri"].as_str().unwrap());
            assert!(other.starts_with(root().join("scripts/lib")), "{found}");
            let there = fs::read_to_string(&other).unwrap();
            let start = byte(&there, &found["range"]["start"]);
            assert!(there[..start].ends_with("fn ") && there[start..].starts_with(&foreign.name));
            let references = client.ask(
                "textDocument/references",
                json!({ "textDocument": { "uri": uri },
                    "position": { "line": at.0, "character": at.1 },
                    "context": { "includeDeclaration": true } }),
            );
            let all = references.as_array().unwrap();
            let here = |l: &&Value| l["uri"] == json!(uri);
            assert!(all.len() >= 2 && all.iter().any(|l| here(&l)));
            led += 1;
        }
        client.close(&uri);
    }
    assert!(led > 10, "{led}");
}

/// The scripts are formatted, and the editor formats as the program does.
#[test]
fn formatting_is_that_of_the_program() {
    let mut client = Client::start(root());
    let params = |uri: &str| {
        json!({ "textDocument": { "uri": uri },
            "options": { "tabSize": 4, "insertSpaces": true } })
    };
    for file in scripts_in("scripts") {
        let text = fs::read_to_string(&file).unwrap();
        let uri = uri(&file);
        client.open(&uri, &text);
        let edits = client.ask("textDocument/formatting", params(&uri));
        assert_eq!(edits, json!([]), "{}", file.display());
        // Badly written, it comes back.
        let bad = text.replace("    ", "\t").replace(" = ", "=");
        client.retype(&uri, &bad);
        let edits = client.ask("textDocument/formatting", params(&uri));
        let new = edited(&bad, edits.as_array().unwrap());
        assert_eq!(new, layout::format(&bad).unwrap(), "{}", file.display());
        client.close(&uri);
    }
    client.open("untitled:a", "f((");
    let error = client.try_ask("textDocument/formatting", params("untitled:a"));
    assert!(
        error.unwrap_err()["message"]
            .as_str()
            .unwrap()
            .contains("has no end")
    );
}

/// Blocks of the documentation, as scripts without a file.
#[test]
fn the_documentation_is_understood() {
    let mut client = Client::start(root());
    let mut blocks = 0;
    for page in ["guide", "language", "energies", "samplers", "jem"] {
        let text = fs::read_to_string(root().join(format!("docs/{page}.md"))).unwrap();
        for (i, example) in examples(&text).into_iter().enumerate() {
            let uri = format!("untitled:{page}{i}");
            client.open(&uri, &example.code);
            let found = client.diagnostics(&uri);
            let wrong = found.iter().any(|d| d["severity"] == json!(1));
            assert!(!wrong, "{page}: {found:?}\n{}", example.code);
            for (from, _) in words(&example.code).into_iter().step_by(5) {
                let at = position(&example.code, from);
                client.at("textDocument/hover", &uri, at);
                client.at("textDocument/completion", &uri, at);
            }
            client.close(&uri);
            blocks += 1;
        }
    }
    assert!(blocks >= 20, "{blocks}");
}

/// Prints how long answers took; nothing is asserted of it.
pub fn report(client: &Client) {
    let mut methods: Vec<&str> = client.times.iter().map(|(m, _)| m.as_str()).collect();
    methods.sort_unstable();
    methods.dedup();
    for method in methods {
        let times = client.times.iter().filter(|(m, _)| m == method);
        let mut all: Vec<f64> = times.map(|(_, t)| 1e3 * t.as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        println!(
            "{method:34} {:6} answers, median {:6.1} ms, 99 % {:6.1} ms, longest {:6.1} ms",
            all.len(),
            all[all.len() / 2],
            all[all.len() * 99 / 100],
            all[all.len() - 1],
        );
    }
}
