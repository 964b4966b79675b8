//! Scripts that run piece by piece: state from one piece to the next, and the program around it.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::cell::RefCell;
use std::rc::Rc;

use jemscript::interrupt;
use jemscript::script::{Cells, Program, Settings};

fn cells() -> Cells {
    Cells::new(Program::new(Settings::default()), "entry")
}

/// What a piece shows, or its whole error.
fn run(cells: &mut Cells, text: &str) -> String {
    match cells.run(text) {
        Ok(outcome) => cells.program.show(&outcome.value).unwrap_or_default(),
        Err(error) => error.text,
    }
}

#[test]
fn state_stays_from_piece_to_piece() {
    let mut c = cells();
    let session = [
        ("let x = 2; const K = 10;", ""),
        ("fn f(a) { a * global::K }", ""),
        ("f(x)", "20"),
        ("x += 1; fn g(a) { f(a) + 1 }", ""),
        ("g(x)", "31"),
        ("fn f(a) { a }", ""),
        ("g(x)", "4"),
        ("let x = \"text\"; x", "text"),
        ("let count = 0; let more = || { count += 1; count };", ""),
        ("more.call(); more.call(); count", "2"),
        ("const K = 20; fn k() { global::K }", ""),
        ("k()", "20"),
        ("let net = nn::linear(2, 1); let e = energy::of(|x| net.forward(x).sum(1));", ""),
        ("e.energy(tensor::zeros([3, 2])).shape", "[3]"),
    ];
    for (text, shown) in session {
        assert_eq!(run(&mut c, text), shown, "{text}");
    }
    assert_eq!(c.variables().iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["x", "count", "more", "K", "net", "e"]);
}

#[test]
fn errors_name_the_piece_they_were_written_in() {
    let mut c = cells();
    assert_eq!(run(&mut c, "let e = energy::of(\n    |x| x.matmul(x));\n"), "");
    assert_eq!(run(&mut c, "fn f(a) {\n\n    nn::linear(0, a)\n}"), "");
    assert_eq!(run(&mut c, "let x = tensor::zeros([2, 3]);"), "");
    let error = run(&mut c, "\ne.energy(x)");
    assert!(error.contains("--> entry #1:2:11"), "{error}");
    assert!(error.contains("2 |     |x| x.matmul(x));"), "{error}");
    assert!(error.contains("called at entry #4:2:3"), "{error}");
    let error = run(&mut c, "f(1)");
    assert!(error.contains("--> entry #2:3:9") && error.contains("called at entry #5:1:1"), "{error}");
    let error = run(&mut c, "let y = 1;\nlet z = y +;");
    assert!(error.contains("--> entry #6:2:12") && error.contains("2 | let z = y +;"), "{error}");
    let error = run(&mut c, "let z = 1;\nundefined");
    assert!(error.contains("--> entry #7:2:1") && error.contains("`undefined`"), "{error}");
    // What an entry did before its error stays; what it did not reach is not there.
    let error = run(&mut c, "let before = 1; if before == 1 { let inner = 2; f(1); }\nlet after = 2;");
    assert!(error.contains("--> entry #2:3:9"), "{error}");
    assert_eq!(run(&mut c, "before"), "1");
    assert!(run(&mut c, "after").contains("there is no variable `after`"));
    assert!(run(&mut c, "inner").contains("there is no variable `inner`"));
    // The same text again bears its new number.
    let again = run(&mut c, "let z = 1;\nundefined");
    assert!(again.contains("--> entry #12:2:1"), "{again}");
}

#[test]
fn an_interrupt_keeps_all_variables() {
    let mut c = cells();
    assert_eq!(run(&mut c, "let n = 0; let rows = [];"), "");
    let text = "let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
        let opt = optim::adam(model);
        train(data::digits(), #{ iterations: 1_000_000 }, |batch| {
            n += 1;
            if n == 3 { stop(); }
            let loss = loss::cross_entropy(model.logits(batch.x), batch.y);
            opt.step(loss);
            loss
        });";
    // Somebody presses Ctrl-C while the third step runs.
    c.program.session.set_output(jemscript::display::lines(|line| {
        if line == "stop" {
            interrupt::request();
        }
    }));
    assert_eq!(run(&mut c, "fn stop() { print(\"stop\"); }"), "");
    let error = c.run(text).err().unwrap();
    assert_eq!(error.error.kind(), jemscript::error::ErrorKind::Interrupted);
    assert_eq!(run(&mut c, "n"), "3");
    assert_eq!(run(&mut c, "model.logits(data::digits().test.images(2)).shape"), "[2, 10]");
    assert_eq!(run(&mut c, "loop { n += 1; if n == 10 { stop(); } }").lines().next().unwrap(), "error: interrupted");
    assert_eq!(run(&mut c, "n >= 10"), "true");
}

#[test]
fn a_saved_session_is_a_script_that_gives_the_same() {
    let mut c = cells();
    let pieces = [
        "fn f(a) { a + 1 }\nlet x = f(1) // two",
        "let bad = 1; fn late() { `}${ 3 }` } throw \"broken\"",
        "fn f(a) { a + 2 } x",
        "late()",
        "#{ a: 1 }",
        "if x == 2 { print(`x ${x}`) }",
        "print(f(x))",
        "const C = [1, 2]; fn c() { global::C }",
        "print(c())",
        "let y = f(x); fn f(a) { a + 3 }",
    ];
    let said = Rc::new(RefCell::new(Vec::new()));
    let heard = said.clone();
    c.program.session.set_output(jemscript::display::lines(move |line| heard.borrow_mut().push(line.to_owned())));
    for piece in pieces {
        let _ = c.run(piece);
    }
    assert_eq!(*said.borrow(), ["x 2", "4", "[1, 2]"]);
    let script = c.script();
    assert!(script.contains("// entry #2 failed: broken"), "{script}");
    let program = Program::new(Settings::default());
    let again = Rc::new(RefCell::new(Vec::new()));
    let heard = again.clone();
    program.session.set_output(jemscript::display::lines(move |line| heard.borrow_mut().push(line.to_owned())));
    let mut scope = rhai::Scope::new();
    let ast = program.compile("saved", &script).unwrap_or_else(|e| panic!("{e}\n{script}"));
    let _ = program.run("saved", &ast, &mut scope).unwrap_or_else(|e| panic!("{e}\n{script}"));
    // Of `f` the last definition is kept: with it the last lines agree, and `x` is what it makes of 1.
    assert_eq!(scope.get_value::<i64>("x"), Some(4));
    assert_eq!(*again.borrow().last().unwrap(), "[1, 2]");
}

#[test]
fn long_sessions_take_old_lines_again() {
    let mut c = cells();
    for i in 0..8 {
        let text = format!("let a{i} = {i};{}\nnn::linear(0, {i})", "\n".repeat(20_000));
        let error = run(&mut c, &text);
        let place = format!("--> entry #{}:20002:5\n", i + 1);
        assert!(error.contains(&place), "{place} {}", &error[..error.len().min(200)]);
    }
    assert_eq!(run(&mut c, "a0 + a7"), "7");
    let error = run(&mut c, &"\n".repeat(70_000));
    assert!(error.starts_with("error: entry #10 has 70000 lines; a session takes at most 65000"), "{error}");
}
