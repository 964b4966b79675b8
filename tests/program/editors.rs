//! `editors/`: what an editor is told of the language is what the language is.

use std::path::{Path, PathBuf};
use std::process::Command;

use jemscript::script::complete::KEYWORDS;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("editors/vscode")
}

fn read(file: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"))
}

#[test]
fn the_extension_is_of_this_version_and_whole() {
    let manifest = read("package.json");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    let contributes = &manifest["contributes"];
    let language = &contributes["languages"][0];
    assert_eq!(language["extensions"][0], ".rhai");
    let mut files = vec![&language["configuration"]];
    let grammars = contributes["grammars"].as_array().unwrap();
    files.extend(grammars.iter().map(|g| &g["path"]));
    for file in files {
        read(file.as_str().unwrap());
    }
    assert!(folder().join(manifest["main"].as_str().unwrap()).is_file());
}

#[test]
fn the_grammar_knows_every_word_of_the_language() {
    let grammar = read("syntaxes/jemscript.tmLanguage.json").to_string();
    for word in KEYWORDS {
        let listed = ["(", "|"].iter().any(|before| {
            [")", "|"]
                .iter()
                .any(|behind| grammar.contains(&format!("{before}{word}{behind}")))
        });
        assert!(listed, "the grammar lacks `{word}`");
    }
}

/// The client, beside stand-ins for VS Code's modules; needs no package, only node.
#[test]
fn the_client_starts_the_server_and_runs_scripts() {
    let run = Command::new("node")
        .arg("test/extension.js")
        .current_dir(folder())
        .output();
    match run {
        Ok(run) => {
            let told = String::from_utf8_lossy(&run.stderr).into_owned();
            assert!(run.status.success(), "{told}");
        }
        Err(_) => println!("skipped: there is no node"),
    }
}
