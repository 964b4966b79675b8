//! Fixes: where a hint says what to write, the editor writes it, and the mistake is gone.

use serde_json::json;

use super::client::{Client, edited};
use super::root;

/// The text after the first fix that is offered, and whether the mistake is gone.
fn fixed(client: &mut Client, text: &str) -> Option<(String, bool)> {
    let uri = format!("untitled:{}", client.times.len());
    let uri = uri.as_str();
    client.open(uri, text);
    let found = client.diagnostics(uri);
    assert!(!found.is_empty(), "nothing is wrong with {text}");
    let first = &found[0];
    let actions = client.ask(
        "textDocument/codeAction",
        json!({ "textDocument": { "uri": uri }, "range": first["range"],
            "context": { "diagnostics": [first] } }),
    );
    let action = actions.as_array()?.first()?.clone();
    assert_eq!(action["kind"], "quickfix");
    assert_eq!(action["diagnostics"][0], *first);
    let new = edited(text, action["edit"]["changes"][uri].as_array().unwrap());
    client.retype(uri, &new);
    let left = client.diagnostics(uri);
    let same = left.iter().any(|d| d["message"] == first["message"]);
    Some((new, !same))
}

#[test]
fn hints_become_fixes() {
    let c = &mut Client::start(root());
    let mut wrong = Vec::new();
    for (text, wanted) in [
        ("nn::linera(1, 2)", "nn::linear(1, 2)"),
        (
            "let x = 1;\nnn::linear(1, 2).forwrd(x)",
            "let x = 1;\nnn::linear(1, 2).forward(x)",
        ),
        (
            "sampler::sgld(#{ stpes: 20 })",
            "sampler::sgld(#{ steps: 20 })",
        ),
        ("let width = 1; widht + 1", "let width = 1; width + 1"),
        ("fn fit(a) { a } fti(1)", "fn fit(a) { a } fit(1)"),
        ("samplr::sgld()", "sampler::sgld()"),
        (
            "let x = tensor::zeros([2]); x.shpae",
            "let x = tensor::zeros([2]); x.shape",
        ),
        (
            "let x = tensor::zeros([2]); x.shape()",
            "let x = tensor::zeros([2]); x.shape",
        ),
        (
            "let x = tensor::zeros([2]); x.numel",
            "let x = tensor::zeros([2]); x.numel()",
        ),
        ("let a = 1; float(a)", "let a = 1; a.to_float()"),
        ("let a = 1; str(a + 1)", "let a = 1; (a + 1).to_string()"),
        ("let a = None;", "let a = ();"),
        ("let a = True;", "let a = true;"),
        ("let a = [1]; a.append(2);", "let a = [1]; a.push(2);"),
        (
            "let x = tensor::zeros([2]); x.view([2, 1])",
            "let x = tensor::zeros([2]); x.reshape([2, 1])",
        ),
        (
            "let x = tensor::zeros([2]); x.cuda()",
            "let x = tensor::zeros([2]); x.to(\"cuda\")",
        ),
        ("linear(1, 2)", "nn::linear(1, 2)"),
        (
            "let a = true; if a and a { }",
            "let a = true; if a && a { }",
        ),
        ("let a = true; if not a { }", "let a = true; if !a { }"),
        (
            "let a = 1 // one\nlet b = 2;",
            "let a = 1; // one\nlet b = 2;",
        ),
        ("# a comment\nlet a = 1;", "// a comment\nlet a = 1;"),
        ("let m = { a: 1 };", "let m = #{ a: 1 };"),
        ("const A = 1;\nA = 2;", "let A = 1;\nA = 2;"),
        ("let x = 1;\nx++;", "let x = 1;\nx += 1;"),
        ("let a, b = [1, 2];", "let [a, b] = [1, 2];"),
        (
            "for (a, b) in zip([1], [2]) { a + b; }",
            "for [a, b] in zip([1], [2]) { a + b; }",
        ),
        ("nn::activation('silu')", "nn::activation(\"silu\")"),
    ] {
        match fixed(c, text) {
            Some((new, gone)) if new == wanted && gone => {}
            other => wrong.push(format!("{text}\n  wanted {wanted}\n  got {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A hint that leaves a choice is no fix.
    for text in ["nn::linear(1)", "backward(1)"] {
        assert_eq!(fixed(c, text), None, "{text}");
    }
}
