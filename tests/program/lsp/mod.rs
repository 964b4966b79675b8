//! `jemscript lsp`, as an editor meets it.

mod client;
mod fixes;
mod half_typed;
mod renaming;
mod shipped;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::client::{Client, path, place, position, uri};
use crate::common;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All scripts in a folder of the repository.
fn scripts_in(folder: &str) -> Vec<PathBuf> {
    let mut found = common::files_below(&root().join(folder), "rhai").unwrap();
    found.sort();
    found
}

/// An untitled text, without the `|` that marks a place in it, and that place.
fn marked(client: &mut Client, text: &str) -> (&'static str, (usize, usize)) {
    const URI: &str = "untitled:test";
    let at = position(text, text.find('¦').unwrap());
    client.open(URI, &text.replacen('¦', "", 1));
    (URI, at)
}

/// An answer about the place of `¦` in a text.
fn asked(client: &mut Client, method: &str, text: &str) -> Value {
    let (uri, at) = marked(client, text);
    client.at(method, uri, at)
}

fn hover(client: &mut Client, text: &str) -> String {
    let found = asked(client, "textDocument/hover", text);
    let value = &found["contents"]["value"];
    value.as_str().unwrap_or_default().to_owned()
}

fn labels(client: &mut Client, text: &str) -> Vec<String> {
    let found = asked(client, "textDocument/completion", text);
    let items = found.as_array().cloned().unwrap_or_default();
    let label = |i: &Value| i["label"].as_str().unwrap().to_owned();
    items.iter().map(label).collect()
}

#[test]
fn it_starts_says_what_it_can_and_ends() {
    let (client, told) = Client::start_with(root(), json!({}), json!({}));
    let can = &told["capabilities"];
    assert_eq!(can["positionEncoding"], "utf-16");
    for provider in [
        "hover",
        "definition",
        "rename",
        "codeAction",
        "documentFormatting",
    ] {
        let provider = format!("{provider}Provider");
        assert!(!can[&provider].is_null(), "{provider}");
    }
    assert_eq!(told["serverInfo"]["name"], "jemscript");
    assert!(client.stop().success());
    // Without `shutdown`, it ends all the same.
    Client::start(root()).vanish();
    // What it does not know is an error, and no more.
    let mut client = Client::start(root());
    let error = client
        .try_ask("textDocument/moniker", json!({}))
        .unwrap_err();
    assert_eq!(error["code"], -32601);
    assert!(
        client
            .try_ask("textDocument/hover", json!({ "a": 1 }))
            .is_err()
    );
    client.tell("textDocument/didChange", json!({ "nonsense": true }));
    assert!(hover(&mut client, "nn::lin¦ear(1, 2)").contains("nn::linear("));
}

#[test]
fn an_editor_that_counts_bytes_is_understood() {
    let encodings = json!({ "general": { "positionEncodings": ["utf-8", "utf-16"] } });
    let (mut client, told) = Client::start_with(root(), encodings, json!({}));
    assert_eq!(told["capabilities"]["positionEncoding"], "utf-8");
    let text = "let ü = \"𝛼\"; nn::linear(ü)";
    client.open("untitled:a", text);
    let at = text.find("linear").unwrap() + 2;
    let found = client.at("textDocument/hover", "untitled:a", (0, at));
    assert!(
        found["contents"]["value"]
            .as_str()
            .unwrap()
            .contains("nn::linear(")
    );
    assert_eq!(
        found["range"]["start"]["character"],
        text.find("linear").unwrap()
    );
}

#[test]
fn mistakes_are_told_as_one_types() {
    let mut client = Client::start(root());
    let uri = "untitled:a";
    client.open(uri, "let a = \"é\";\nlet x = nn::linera(3, 4);\n");
    let found = client.diagnostics(uri);
    assert_eq!(found.len(), 1, "{found:?}");
    let message = found[0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("there is no function `nn::linera`"),
        "{message}"
    );
    assert!(message.ends_with("did you mean `nn::linear`?"), "{message}");
    assert_eq!(
        (&found[0]["severity"], &found[0]["source"]),
        (&json!(1), &json!("jemscript"))
    );
    assert_eq!(found[0]["range"]["start"]["line"], 1);
    let range =
        json!({ "start": { "line": 1, "character": 15 }, "end": { "line": 1, "character": 18 } });
    client.change(uri, json!([{ "range": range, "text": "ear" }]));
    assert!(client.diagnostics(uri).is_empty());
    client.retype(uri, "let x = ");
    assert_eq!(client.diagnostics(uri).len(), 1);
    // The name is marked, and not what stands behind it.
    client.retype(uri, "sampler::sgld(#{ stpes: 20 })");
    let range = &client.diagnostics(uri)[0]["range"];
    assert_eq!(
        (&range["start"]["character"], &range["end"]["character"]),
        (&json!(17), &json!(22))
    );
    client.close(uri);
    client.open("untitled:b", "1");
    client.diagnostics("untitled:b");
    assert!(client.published[uri].1.is_empty());
}

#[test]
fn imports_are_seen_as_they_are_typed() {
    let folder = tempfile::tempdir().unwrap();
    let (main, lib) = (
        folder.path().join("a b.rhai"),
        folder.path().join("lib.rhai"),
    );
    fs::write(&lib, "fn f(x) { x }\n").unwrap();
    let text = "import \"lib\" as lib;\nlib::g(1)\n";
    fs::write(&main, text).unwrap();
    let mut client = Client::start(folder.path());
    let (main, lib) = (uri(&main), uri(&lib));
    client.open(&main, text);
    assert_eq!(client.diagnostics(&main).len(), 1);
    // A function that is typed there, and not saved, is there.
    client.open(&lib, "fn f(x) { x }\n// Gives 2.\nfn g(x) { 2 }\n");
    client.diagnostics(&lib);
    while !client.published[&main].1.is_empty() {
        client.at("textDocument/hover", &main, (0, 0));
    }
    let found = client.at("textDocument/definition", &main, (1, 6));
    assert_eq!(
        (&found["uri"], &found["range"]["start"]),
        (&json!(lib), &json!({ "line": 2, "character": 3 }))
    );
    let found = client.at("textDocument/hover", &main, (1, 6));
    let about = found["contents"]["value"].as_str().unwrap();
    assert!(
        about.contains("fn g(x)") && about.contains("Gives 2."),
        "{about}"
    );
    let found = client.at("textDocument/completion", &main, (1, 5));
    assert_eq!(found.as_array().unwrap().len(), 2);
    let found = client.at("textDocument/signatureHelp", &main, (1, 7));
    assert_eq!(found["signatures"][0]["label"], "g(x)");
    // One that is broken is told where it is imported.
    client.retype(&lib, "fn f(x) { x \nfn g(x) { 2 }\n");
    client.diagnostics(&lib);
    while client.published[&main].1.is_empty() {
        client.at("textDocument/hover", &main, (0, 0));
    }
    let told = client.published[&main].1[0].clone();
    assert!(
        told["message"].as_str().unwrap().contains("lib.rhai:"),
        "{told}"
    );
    assert_eq!(told["range"]["start"], json!({ "line": 0, "character": 8 }));
    // The name of an import, and its path, lead to the script.
    for at in [(0, 10), (0, 17), (1, 1)] {
        let found = client.at("textDocument/definition", &main, at);
        assert_eq!(found["uri"], json!(lib), "{at:?}");
    }
}

#[test]
fn scripts_lie_in_other_folders_too() {
    let folder = tempfile::tempdir().unwrap();
    let lib = folder.path().join("shared");
    fs::create_dir(&lib).unwrap();
    fs::write(lib.join("x.rhai"), "fn f() { 1 }\n").unwrap();
    let (mut client, _) =
        Client::start_with(folder.path(), json!({}), json!({ "lib": ["shared"] }));
    let main = uri(&folder.path().join("sub/main.rhai"));
    client.open(&main, "import \"x\" as x;\nx::f()");
    assert!(client.diagnostics(&main).is_empty());
    let found = client.at("textDocument/definition", &main, (1, 3));
    assert_eq!(path(found["uri"].as_str().unwrap()), lib.join("x.rhai"));
}

#[test]
fn hover_tells_what_a_name_is() {
    let c = &mut Client::start(root());
    let about = hover(c, "let s = sampler::sg¦ld(#{ steps: 3 });");
    assert!(
        about.contains("sampler::sgld(") && about.contains("| `steps` | int |"),
        "{about}"
    );
    let about = hover(c, "let s = sampler::sgld(#{ st¦eps: 3 });");
    assert!(about.starts_with("```rhai\nsteps: int = 20"), "{about}");
    let about = hover(c, "let net = nn::linear(1, 2); // the net\nn¦et");
    assert!(
        about.contains("let net = nn::linear(1, 2);    // network") && about.contains("the net"),
        "{about}"
    );
    let about = hover(c, "// Twice x.\nfn twice(x) { 2 * x }\n\ntw¦ice(1)");
    assert!(
        about.contains("fn twice(x)") && about.contains("Twice x."),
        "{about}"
    );
    assert!(hover(c, "let f = |alpha| al¦pha;").contains("a parameter"));
    assert!(hover(c, "let x = tensor::zeros([2]); x.ab¦s()").contains("abs"));
    assert!(hover(c, "let a = [1]; a.pu¦sh(2)").contains("array.push("));
    assert!(hover(c, "pri¦nt(1)").contains("print(value)"));
    assert!(hover(c, "sam¦pler::sgld()").contains("sampler::replay("));
    assert!(hover(c, "torch::linalg_sv¦d(x)").contains("torch::linalg_svd("));
    for nothing in [
        "le¦t x = 1;",
        "f(1, ¦ 2)",
        "// sampler::sg¦ld",
        "\"nn::lin¦ear\"",
        "¦",
    ] {
        assert_eq!(hover(c, nothing), "", "{nothing}");
    }
}

#[test]
fn completion_offers_what_fits() {
    let c = &mut Client::start(root());
    assert_eq!(labels(c, "nn::lin¦"), ["linear"]);
    assert_eq!(
        labels(c, "sampler::sgld(#{ steps: 1, step_size_e¦ })"),
        ["step_size_end"]
    );
    assert!(labels(c, "let x = tensor::zeros([2]); x.su¦").contains(&"sum".to_owned()));
    // Names that are seen here, and no others.
    let text =
        "let outer_a = 1;\nfn outer_f(outer_p) { let outer_b = 1; out¦ }\nfor outer_c in 0..1 { }";
    let mut found = labels(c, text);
    found.retain(|l| l.starts_with("outer"));
    assert_eq!(found, ["outer_b", "outer_p", "outer_f"]);
    assert_eq!(labels(c, "let f = |weight_x| weigh¦"), ["weight_x"]);
    let found = asked(c, "textDocument/completion", "optim::adam(m, #{ l¦ })");
    assert_eq!(found[0]["textEdit"]["newText"], "lr: ");
    let found = asked(c, "textDocument/completion", "optim::adam(m, #{ l¦: 1 })");
    assert_eq!(found[0]["textEdit"]["newText"], "lr");
    for nothing in ["// sam¦", "\"sam¦\"", "12¦"] {
        assert!(labels(c, nothing).is_empty(), "{nothing}");
    }
    // The scripts that an import may mean.
    let main = uri(&root().join("scripts/new.rhai"));
    c.open(&main, "import \"lib/\" as x;");
    let found = c.at("textDocument/completion", &main, (0, 12));
    let all: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["label"].as_str().unwrap())
        .collect();
    assert!(
        all.contains(&"lib/jem") && !all.contains(&"train"),
        "{all:?}"
    );
}

#[test]
fn signatures_follow_the_arguments() {
    let c = &mut Client::start(root());
    let mut at = |text: &str| {
        let found = asked(c, "textDocument/signatureHelp", text);
        let active = found["activeSignature"].as_u64().unwrap_or(0) as usize;
        let label = found["signatures"][active]["label"].as_str().unwrap_or("");
        (label.to_owned(), found["activeParameter"].as_u64())
    };
    let (label, argument) = at("nn::conv2d(1, [2, 3], ¦");
    assert!(
        label.starts_with("nn::conv2d(") && argument == Some(2),
        "{label} {argument:?}"
    );
    let (label, argument) = at("nn::linear(1, 2, #{ bias: f(1, 2), ¦ })");
    assert!(
        label.starts_with("nn::linear(") && argument == Some(2),
        "{label} {argument:?}"
    );
    assert_eq!(
        at("fn own(a, b) { a }\nown(1, ¦)"),
        ("own(a, b)".to_owned(), Some(1))
    );
    assert_eq!(
        at("fn own(a) { a }\nfn own(a, b) { a }\nown(1, ¦)").0,
        "own(a, b)"
    );
    for nothing in ["f(|x| { y ¦ })", "f(1); ¦", "// nn::linear(¦", "¦"] {
        assert_eq!(at(nothing), (String::new(), None), "{nothing}");
    }
}

#[test]
fn symbols_are_the_outline() {
    let c = &mut Client::start(root());
    let text = "import \"lib/a\" as a;\nlet x = 1;\nfn f(p, q) {\n    let inner = 2;\n    for i in 0..3 { }\n}\nconst K = 3;\n";
    c.open("untitled:a", text);
    let found = c.ask(
        "textDocument/documentSymbol",
        json!({ "textDocument": { "uri": "untitled:a" } }),
    );
    let shown = |s: &Value| {
        (
            s["name"].as_str().unwrap().to_owned(),
            s["kind"].as_u64().unwrap(),
        )
    };
    let all: Vec<_> = found.as_array().unwrap().iter().map(shown).collect();
    let wanted = [("a", 2), ("x", 13), ("f", 12), ("K", 14)];
    assert_eq!(all, wanted.map(|(n, k)| (n.to_owned(), k)));
    assert_eq!(found[2]["detail"], "(p, q)");
    assert_eq!(
        found[2]["range"]["end"],
        json!({ "line": 5, "character": 1 })
    );
    let inner: Vec<_> = found[2]["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(shown)
        .collect();
    assert_eq!(inner, [("inner".to_owned(), 13)]);
}

#[test]
fn the_same_name_is_lit_up() {
    let c = &mut Client::start(root());
    let found = asked(
        c,
        "textDocument/documentHighlight",
        "let a = 1; { let a¦ = 2; a } a",
    );
    assert_eq!(found.as_array().unwrap().len(), 2);
    let (uri, at) = marked(c, "let a = 1; a¦ + a");
    let mut params = place(uri, at);
    for (with, count) in [(true, 3), (false, 2)] {
        params["context"] = json!({ "includeDeclaration": with });
        let found = c.ask("textDocument/references", params.clone());
        assert_eq!(found.as_array().unwrap().len(), count);
    }
}

#[test]
fn lenses_stand_above_what_runs() {
    let (mut client, told) = Client::start_with(root(), json!({}), json!({ "lenses": true }));
    assert!(!told["capabilities"]["codeLensProvider"].is_null());
    for (file, count) in [("train", 2), ("papers/dat", 2), ("lib/jem", 0)] {
        let file = root().join(format!("scripts/{file}.rhai"));
        let uri = uri(&file);
        client.open(&uri, &fs::read_to_string(&file).unwrap());
        let params = json!({ "textDocument": { "uri": uri } });
        let found = client.ask("textDocument/codeLens", params);
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), count, "{uri}");
        for lens in found {
            assert_eq!(lens["command"]["arguments"], json!([uri]));
        }
    }
    // An editor that does not know the commands is offered none.
    let (_, told) = Client::start_with(root(), json!({}), json!({}));
    assert!(told["capabilities"]["codeLensProvider"].is_null());
}

#[test]
fn notebooks_are_scripts_in_pieces() {
    let mut client = Client::start(root());
    // JupyterLab's: all cells in one text, in a folder of its own beside the real one.
    let notebook = uri(&root().join("scripts/.virtual_documents/a.ipynb"));
    let text = "import \"lib/jem\" as jem;\nlet x = 1;\nx\n\n\nlet y = x;\njem::fitt(y)\n\n\nfn f() { 1 }\n\n\nf() + y";
    client.open(&notebook, text);
    let found = client.diagnostics(&notebook);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0]["range"]["start"],
        json!({ "line": 6, "character": 5 })
    );
    // VS Code's: a text for each cell, which says nothing of the others.
    let cell = "vscode-notebook-cell:/a.ipynb#W1";
    client.open(cell, "y + 1; nn::linear(1, 2)");
    assert!(client.diagnostics(cell).is_empty());
    let found = client.at("textDocument/hover", cell, (0, 13));
    assert!(
        found["contents"]["value"]
            .as_str()
            .unwrap()
            .contains("nn::linear(")
    );
}
