//! The session that Rust notebooks run scripts in, without a notebook; `notebooks/check_rust.py`
//! runs it in evcxr itself.

use std::process::Command;

use jemscript::prelude::*;

#[test]
fn variables_stay_after_errors_and_cross_both_ways() {
    let js = Session::new();
    assert!(
        js.run("let x = tensor::arange(6).reshape([2, 3]); fn twice(v) { 2 * v }")
            .is_ok()
    );
    let x = js.get_tensor("x").unwrap();
    assert_eq!(
        (x.shape(), x.to_vec().unwrap()),
        (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    );

    let failed = js.run("let y = 1;\nx.matmul(x)");
    assert!(!failed.is_ok());
    assert!(
        failed.text().contains("--> run #2:2:3") && failed.text().contains("x.matmul(x)"),
        "{failed}"
    );
    assert_eq!(failed.check().unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(
        (js.run("twice(y)").text(), js.run("twice(y);").text()),
        ("2".to_owned(), String::new())
    );

    js.set_tensor("z", &x.mul(10.0).unwrap()).unwrap();
    js.set_int("n", 3).unwrap();
    js.set_float("f", 0.5).unwrap();
    js.set_bool("b", true).unwrap();
    js.set_string("s", "text").unwrap();
    assert_eq!(
        js.run("[z.sum().item(), n, f, b, s]").text(),
        "[150.0, 3, 0.5, true, \"text\"]"
    );
    js.run("n = 4; f = 1; let total = x.sum();")
        .check()
        .unwrap();
    assert_eq!(
        (js.get_int("n").unwrap(), js.get_float("f").unwrap()),
        (4, 1.0)
    );
    assert_eq!(
        (js.get_float("total").unwrap(), js.get_string("s").unwrap()),
        (15.0, "text".to_owned())
    );
    assert!(js.script().contains("fn twice(v)"));
    assert!(js.to_string().contains("x (tensor)"), "{js}");
}

#[test]
fn a_shared_tensor_is_the_same_and_a_network_too() {
    let js = Session::with_seed(3);
    js.run("let net = nn::mlp([2, 4, 1]); let model = energy::scalar(net);")
        .check()
        .unwrap();
    let x = Tensor::randn(&[5, 2]).unwrap();
    js.set_tensor("x", &x).unwrap();
    let here = js
        .get_energy("model")
        .unwrap()
        .energy(&x)
        .unwrap()
        .to_vec()
        .unwrap();
    let there = js
        .run("let e = model.energy(x);")
        .check()
        .and_then(|()| js.get_tensor("e"))
        .unwrap();
    assert_eq!(here, there.to_vec().unwrap());
    assert_eq!(js.get_network("net").unwrap().parameter_count(), 17);
}

#[test]
fn wrong_names_and_types_are_errors_with_a_hint() {
    let js = Session::new();
    js.run("let weights = tensor::zeros([2]);").check().unwrap();
    let said = |e: Error| e.to_string();
    assert!(said(js.get_tensor("weight").unwrap_err()).contains("did you mean `weights`?"));
    let wrong = said(js.get_network("weights").unwrap_err());
    assert!(
        wrong.contains("`weights` is of type tensor, not network"),
        "{wrong}"
    );
    assert!(said(js.get_float("weights").unwrap_err()).contains("not float"));
    assert!(said(js.set_int("2x", 1).unwrap_err()).contains("`2x` cannot name a variable"));
}

/// Runs one test of this file in a process of its own; gives its exit code and what it printed.
fn alone(test: &str, variable: (&str, &str)) -> (Option<i32>, String) {
    let out = Command::new(std::env::current_exe().unwrap())
        .args([
            &format!("rust_cells::{test}"),
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(variable.0, variable.1)
        .output()
        .unwrap();
    (
        out.status.code(),
        String::from_utf8_lossy(&out.stdout).into_owned(),
    )
}

#[test]
fn in_strict_mode_an_error_ends_the_process() {
    let (code, printed) = alone("fails", ("JEMSCRIPT_STRICT", "1"));
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.contains("there is no variable `nothing`") && !printed.contains("went on"),
        "{printed}"
    );
    let (code, printed) = alone("fails", ("JEMSCRIPT_STRICT", ""));
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("went on"), "{printed}");
}

#[test]
#[ignore = "a part of another test"]
fn fails() {
    let _ = Session::new().run("nothing");
    println!("went on");
}

#[test]
fn values_and_what_scripts_display_stand_between_evcxrs_marks() {
    let (code, printed) = alone("shows", ("JEMSCRIPT_STRICT", "1"));
    assert_eq!(code, Some(0), "{printed}");
    let blocks: Vec<&str> = printed.split("EVCXR_BEGIN_CONTENT ").skip(1).collect();
    let kinds: Vec<&str> = blocks.iter().map(|b| b.lines().next().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "text/plain",
            "image/png",
            "text/plain",
            "text/html",
            "text/plain",
            "text/html"
        ]
    );
    assert!(
        blocks.iter().all(|b| b.contains("\nEVCXR_END_CONTENT\n")),
        "{printed}"
    );
    assert_eq!(blocks[5].matches("<img").count(), 1, "{}", blocks[5]);
    assert!(
        blocks[5].contains("<table>") && blocks[5].contains("<pre>42</pre>"),
        "{}",
        blocks[5]
    );
}

#[test]
#[ignore = "a part of another test"]
fn shows() {
    let js = Session::new();
    js.run("display(tensor::zeros([1, 8, 8]))").evcxr_display();
    js.run("nn::linear(2, 3)").evcxr_display();
    js.run("let quiet = 1;").evcxr_display();
    js.run("42").evcxr_display();
}
