//! Texts as they are while one types: cut off, with brackets and quotes that do not fit, wild. The
//! server answers every time, and tells what is wrong with the last text.

use std::fs;

use fastrand::Rng;
use serde_json::json;

use super::client::{Client, place, position, uri};
use super::shipped::report;
use super::{root, scripts_in};

const METHODS: &[&str] = &[
    "textDocument/hover",
    "textDocument/completion",
    "textDocument/signatureHelp",
    "textDocument/definition",
    "textDocument/documentHighlight",
    "textDocument/prepareRename",
];

fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// A change as people make it, or as nobody does.
fn change(rng: &mut Rng, text: &mut String) -> usize {
    let boundary = |text: &str, mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let at = boundary(text, rng.usize(..=text.len()));
    match rng.u8(..8) {
        // All behind the cursor is not written yet.
        0 | 1 => text.truncate(at),
        2 => {
            let end = boundary(text, (at + rng.usize(1..40)).min(text.len()));
            text.replace_range(at..end.max(at), "");
        }
        3 | 4 => {
            let typed = [
                "(",
                ")",
                "{",
                "}",
                "[",
                "]",
                "\"",
                "`",
                "`${",
                "#{",
                "/*",
                "//",
                ".",
                "::",
                "|",
                "let ",
                "fn ",
                "=",
                ",",
                ";",
                "é",
                "𝛼",
                "\r\n",
                "import \"",
                "for (",
                "\\",
            ];
            text.insert_str(at, typed[rng.usize(..typed.len())]);
        }
        5 => {
            let end = boundary(text, (at + rng.usize(1..200)).min(text.len()));
            let piece = text[at..end.max(at)].to_owned();
            let to = boundary(text, rng.usize(..=text.len()));
            text.insert_str(to, &piece);
            return to;
        }
        6 => {
            let wild: String = (0..rng.usize(1..20))
                .map(|_| rng.char('\u{1}'..'\u{2fff}'))
                .collect();
            text.insert_str(at, &wild);
        }
        _ => {}
    }
    at.min(text.len())
}

fn ask_all(client: &mut Client, uri: &str, at: (usize, usize)) {
    for method in METHODS {
        // An error is an answer, too: that there is nothing to rename.
        let answer = client.try_ask(method, place(uri, at));
        if let Err(error) = answer {
            assert_eq!(error["code"], -32803, "{method}: {error}");
        }
    }
    let whole = json!({ "textDocument": { "uri": uri } });
    client.ask("textDocument/documentSymbol", whole.clone());
    let format = json!({ "textDocument": { "uri": uri },
        "options": { "tabSize": 4, "insertSpaces": true } });
    if let Err(error) = client.try_ask("textDocument/formatting", format) {
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("has no end"), "{message}");
    }
    let (line, character) = at;
    let here = json!({ "line": line, "character": character });
    client.ask(
        "textDocument/codeAction",
        json!({ "textDocument": { "uri": uri }, "range": { "start": here, "end": here },
            "context": { "diagnostics": [] } }),
    );
}

/// `FUZZ_LSP=10000` makes as many changes; CI makes fewer.
#[test]
fn half_typed_texts_are_answered() {
    let mut rng = Rng::with_seed(setting("FUZZ_FROM", 0));
    let files = scripts_in("scripts");
    let mut client = Client::start(root());
    let mut left = setting("FUZZ_LSP", 400);
    while left > 0 {
        let file = &files[rng.usize(..files.len())];
        let uri = uri(file);
        let mut text = fs::read_to_string(file).unwrap();
        client.open(&uri, &text);
        for _ in 0..rng.usize(1..8) {
            let at = change(&mut rng, &mut text);
            client.retype(&uri, &text);
            let mut at = position(&text, at);
            if rng.u8(..20) == 0 {
                at = (rng.usize(..1000), rng.usize(..1000));
            }
            ask_all(&mut client, &uri, at);
            left = left.saturating_sub(1);
        }
        client.diagnostics(&uri);
        client.close(&uri);
    }
    report(&client);
    assert!(client.stop().success());
}

/// Texts as no one writes them: large, or deep. They are answered, and the server's end does not wait
/// for their check.
#[test]
fn wild_texts_are_answered() {
    let recipes: String = scripts_in("scripts")
        .iter()
        .map(|f| fs::read_to_string(f).unwrap())
        .collect();
    let texts = [
        recipes.repeat(3),
        format!("let x = f({});", "a + b * c[1], ".repeat(3_000)),
        "(".repeat(20_000),
        "f(".repeat(10_000),
        "`${".repeat(10_000),
        "{".repeat(20_000),
        "|a| ".repeat(10_000),
        "/*".repeat(20_000),
        (0..2_000)
            .map(|i| format!("let v{} = v{i};\n", i + 1))
            .collect(),
    ];
    let mut client = Client::start(root());
    for (i, text) in texts.iter().enumerate() {
        let uri = format!("untitled:{i}");
        client.open(&uri, text);
        ask_all(&mut client, &uri, (text.matches('\n').count() / 2, 5));
        client.close(&uri);
    }
    client.open("untitled:last", &recipes.repeat(10));
    report(&client);
    assert!(client.stop().success());
}

/// A recipe, typed from its first character to its last, in changes of a few characters.
#[test]
fn a_recipe_is_typed() {
    let file = root().join("scripts/train.rhai");
    let text = fs::read_to_string(&file).unwrap();
    let mut client = Client::start(root());
    let uri = uri(&file);
    client.open(&uri, "");
    let mut rng = Rng::with_seed(1);
    let mut at = 0;
    while at < text.len() {
        let mut end = (at + rng.usize(1..30)).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let (line, character) = position(&text, at);
        let here = json!({ "line": line, "character": character });
        let range = json!({ "start": here, "end": here });
        client.change(&uri, json!([{ "range": range, "text": &text[at..end] }]));
        at = end;
        let here = position(&text, at);
        for method in &METHODS[..3] {
            client.at(method, &uri, here);
        }
    }
    assert!(client.diagnostics(&uri).is_empty());
    report(&client);
    assert!(client.stop().success());
}
