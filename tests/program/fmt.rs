//! `jemscript fmt`: the scripts of the repository are in its form; whatever it is given, it changes
//! space and nothing else, and a second time nothing at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fastrand::Rng;
use jemscript::script::check::{Finding, check_text};
use jemscript::script::layout::format;
use jemscript::script::reference::{entries, examples};

use crate::common;
use crate::common::program::{command, jemscript, stdout, text};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scripts_in(folder: &str) -> Vec<PathBuf> {
    common::files_below(&root().join(folder), "rhai").unwrap()
}

/// Scripts of all kinds: recipes, mistakes, what the documentation shows.
fn corpus() -> Vec<String> {
    let files = [scripts_in("scripts"), scripts_in("tests/wrong")].concat();
    let mut all: Vec<String> = files
        .iter()
        .map(|f| fs::read_to_string(f).unwrap())
        .collect();
    all.extend(entries().iter().flat_map(|e| e.examples()).map(|e| e.code));
    for page in common::files_below(&root().join("docs"), "md").unwrap() {
        let page = fs::read_to_string(page).unwrap();
        all.extend(examples(&page).into_iter().map(|e| e.code));
    }
    all
}

/// All that is not space between pieces: a text keeps its own, and a comment what is inside it.
fn black(script: &str) -> String {
    let mut out = String::new();
    for line in script.lines() {
        out += line.trim();
        out.push('\n');
    }
    out.retain(|c| !c.is_whitespace());
    out
}

#[test]
fn the_shipped_scripts_are_in_form() {
    let output = jemscript(root(), &["fmt", "--check", "scripts"]);
    let told = text(&output.stdout);
    assert!(
        output.status.success(),
        "run `jemscript fmt scripts`:\n{told}"
    );
    assert!(told.contains("scripts: all in form"), "{told}");
}

#[test]
fn nothing_but_space_changes() {
    let (mut count, mut left) = (0, Vec::new());
    for script in corpus() {
        let Ok(new) = format(&script) else {
            left.push(script);
            continue;
        };
        assert_eq!(black(&new), black(&script));
        assert_eq!(format(&new).unwrap(), new, "{script}");
        count += 1;
    }
    // The few that have a bracket or a text without its end.
    assert!(count > 400 && left.len() < 5, "{count}, {left:?}");
}

/// A script means what it meant: the checker, which sees its syntax tree, says the same of it.
#[test]
fn the_meaning_stays() {
    let said = |text: &str| -> Vec<String> {
        let folder = root().join("scripts");
        let found: Vec<Finding> = check_text("script", text, &folder);
        found.iter().map(|f| f.error.message().to_owned()).collect()
    };
    // Every seventh is of all kinds, too; a check takes its time.
    for script in corpus().into_iter().step_by(7) {
        // Every bit of space that may go goes; what remains is put back.
        let Ok(new) = format(&squeezed(&script)) else {
            continue;
        };
        assert_eq!(said(&new), said(&script), "{script}\n---\n{new}");
    }
}

/// The script with tabs, spaces around its signs, and crooked lines.
fn squeezed(script: &str) -> String {
    let mut rng = Rng::with_seed(script.len() as u64);
    let lines = script.lines().map(|line| {
        // Lines within a text stay as they are.
        if line.contains(['`', '"', '\'']) || script.contains("/*") {
            return line.to_owned();
        }
        let indent = [" ", "\t", "", "         "][rng.usize(..4)];
        let (code, comment) = match line.find("//") {
            Some(at) => line.split_at(at),
            None => (line, ""),
        };
        let code = code.trim().replace(", ", ",").replace(" (", "  (");
        format!("{indent}{code}  {comment}")
    });
    match script.contains('`') {
        true => script.to_owned(),
        false => lines.collect::<Vec<_>>().join("\n"),
    }
}

/// `FUZZ_FMT=100000` tries as many; CI fewer.
#[test]
fn broken_scripts_are_formatted_or_left_alone() {
    let setting = std::env::var("FUZZ_FMT").ok().and_then(|v| v.parse().ok());
    let count: usize = setting.unwrap_or(3_000);
    let corpus = corpus();
    let mut rng = Rng::with_seed(3);
    let mut formatted = 0;
    for _ in 0..count {
        let mut script: Vec<char> = corpus[rng.usize(..corpus.len())].chars().collect();
        for _ in 0..rng.usize(1..6) {
            if script.is_empty() {
                break;
            }
            let at = rng.usize(..script.len());
            match rng.u8(..4) {
                0 => _ = script.remove(at),
                1 => script.insert(at, [' ', '\n', '\t'][rng.usize(..3)]),
                2 => {
                    let signs: Vec<char> = "()[]{}#|&!=<>+-*/%^.:;,?`\"'é ".chars().collect();
                    script.insert(at, signs[rng.usize(..signs.len())]);
                }
                _ => {
                    let other = rng.usize(..script.len());
                    script.swap(at, other);
                }
            }
        }
        let script: String = script.into_iter().collect();
        match format(&script) {
            Ok(new) => {
                let again = format(&new).unwrap();
                assert_eq!(again, new, "not the same a second time:\n{script}");
                assert_eq!(black(&new), black(&script), "{script}");
                formatted += 1;
            }
            Err(error) => {
                assert!(
                    error.message().contains("cannot be formatted"),
                    "{error}\n{script}"
                );
            }
        }
    }
    println!("{formatted} of {count} formatted");
    assert!(formatted > count / 10);
}

#[test]
fn the_program_writes_checks_and_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::create_dir_all(file("sub/.hidden")).unwrap();
    fs::write(file("a.rhai"), "let x=1;\n").unwrap();
    fs::write(file("sub/b.rhai"), "f( 1 )").unwrap();
    fs::write(file("sub/.hidden/c.rhai"), "f( 1 )").unwrap();
    fs::write(file("sub/d.txt"), "f( 1 )").unwrap();
    let output = jemscript(folder.path(), &["fmt", "--check", "."]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    assert!(
        told.ends_with("2 scripts: 2 not in form; `jemscript fmt` writes them\n"),
        "{told}"
    );
    let told = stdout(&jemscript(folder.path(), &["fmt", ".", "a.rhai"]));
    assert!(
        told.contains("b.rhai\n") && told.contains("2 changed"),
        "{told}"
    );
    let now = |name: &str| fs::read_to_string(file(name)).unwrap();
    assert_eq!(
        (now("a.rhai").as_str(), now("sub/b.rhai").as_str()),
        ("let x = 1;\n", "f(1)\n")
    );
    assert_eq!(
        (
            now("sub/d.txt").as_str(),
            now("sub/.hidden/c.rhai").as_str()
        ),
        ("f( 1 )", "f( 1 )")
    );
    assert!(stdout(&jemscript(folder.path(), &["fmt", "--check", "."])).contains("all in form"));

    let mut child = command(folder.path(), &["fmt", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"f( 1,2 )").unwrap();
    assert_eq!(stdout(&child.wait_with_output().unwrap()), "f(1, 2)\n");

    // One that cannot be formatted does not keep the others from it.
    fs::write(file("broken.rhai"), "f((").unwrap();
    fs::write(file("z.rhai"), "a ;").unwrap();
    let output = jemscript(folder.path(), &["fmt", "."]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.contains("broken.rhai") && error.contains("jemscript check"),
        "{error}"
    );
    assert_eq!(
        (now("broken.rhai").as_str(), now("z.rhai").as_str()),
        ("f((", "a;\n")
    );
    let output = jemscript(folder.path(), &["fmt", "missing.rhai"]);
    assert!(text(&output.stderr).contains("missing.rhai"));
}

/// A link stays one, and the rights of a file are kept.
#[cfg(unix)]
#[test]
fn the_file_stays_what_it_was() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (
        folder.path().join("a.rhai"),
        folder.path().join("link.rhai"),
    );
    fs::write(&file, "#!/usr/bin/env  jemscript\nf( 1 );\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(&file, &link).unwrap();
    stdout(&jemscript(folder.path(), &["fmt", "link.rhai"]));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "#!/usr/bin/env  jemscript\nf(1);\n"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o755
    );
}
