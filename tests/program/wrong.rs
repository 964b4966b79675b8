//! Wrong scripts: each says in its first lines which error and which hint a user must see.
//!
//! ```text
//! //! error: matmul: cannot multiply [64, 512] by [784, 10]
//! //! at: 5:3
//! //! hint: …
//! ```
//! `BLESS=1` rewrites those lines; read the difference before committing it.

use std::path::{Path, PathBuf};

use jemscript::script::{Program, Settings, read_script};

/// What a user sees of a script's error: message, place, hint.
fn seen(path: &Path, text: &str) -> String {
    let settings = Settings {
        folder: path.parent().unwrap().to_path_buf(),
        ..Settings::default()
    };
    let program = Program::new(settings);
    match program.run_text("script", text) {
        Ok(_) => "no error".to_owned(),
        Err(diagnostic) => {
            let text = diagnostic.text;
            assert!(
                !text.contains("frame #") && !text.contains("internal error"),
                "{}: {text}",
                path.display()
            );
            let mut lines = Vec::new();
            // Whole paths begin where the checkout lies.
            let checkout = concat!(env!("CARGO_MANIFEST_DIR"), "/");
            lines.push(format!(
                "error: {}",
                diagnostic.error.message().replace(checkout, "")
            ));
            if let Some(place) = text.lines().find_map(|l| l.strip_prefix("  --> script:")) {
                lines.push(format!("at: {place}"));
            }
            if let Some(hint) = diagnostic.error.hint() {
                lines.extend(hint.lines().map(|l| format!("hint: {}", l.trim())));
            }
            lines.join("\n")
        }
    }
}

#[test]
fn wrong_scripts_get_the_error_they_deserve() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "rhai"))
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 40);
    let mut wrong = Vec::new();
    for path in scripts {
        let text = read_script(&path).unwrap();
        // Places count from the first line of code.
        let promised: Vec<&str> = text.lines().map_while(|l| l.strip_prefix("//! ")).collect();
        let code: String = text
            .lines()
            .skip(promised.len())
            .map(|l| format!("{l}\n"))
            .collect();
        let found = seen(&path, &code);
        if std::env::var_os("BLESS").is_some() {
            let head: String = found.lines().map(|l| format!("//! {l}\n")).collect();
            std::fs::write(&path, format!("{head}{code}")).unwrap();
        } else if found != promised.join("\n") {
            wrong.push(format!(
                "{}\n  promises:\n{}\n  gives:\n{found}",
                path.display(),
                promised.join("\n")
            ));
        }
        assert_ne!(
            found,
            "no error",
            "{} runs without an error",
            path.display()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
