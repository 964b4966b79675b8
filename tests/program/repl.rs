//! Scripts that run piece by piece: state from one piece to the next, and the program around it.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::rc::Rc;

use jemscript::display::{Output as Display, Rich};
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
        ("k();", ""),
        ("k(); // 1", ""),
        (
            "let net = nn::linear(2, 1); let e = energy::of(|x| net.forward(x).sum(1));",
            "",
        ),
        ("e.energy(tensor::zeros([3, 2])).shape", "[3]"),
    ];
    for (text, shown) in session {
        assert_eq!(run(&mut c, text), shown, "{text}");
    }
    assert_eq!(
        c.variables()
            .iter()
            .map(|v| v.name.as_str())
            .collect::<Vec<_>>(),
        ["x", "K", "count", "more", "net", "e"]
    );
}

#[test]
fn errors_name_the_piece_they_were_written_in() {
    let mut c = cells();
    assert_eq!(
        run(&mut c, "let e = energy::of(\n    |x| x.matmul(x));\n"),
        ""
    );
    assert_eq!(run(&mut c, "fn f(a) {\n\n    nn::linear(0, a)\n}"), "");
    assert_eq!(run(&mut c, "let x = tensor::zeros([2, 3]);"), "");
    let error = run(&mut c, "\ne.energy(x)");
    assert!(error.contains("--> entry #1:2:11"), "{error}");
    assert!(error.contains("2 |     |x| x.matmul(x));"), "{error}");
    assert!(error.contains("called at entry #4:2:3"), "{error}");
    let error = run(&mut c, "f(1)");
    assert!(
        error.contains("--> entry #2:3:9") && error.contains("called at entry #5:1:1"),
        "{error}"
    );
    let error = run(&mut c, "let y = 1;\nlet z = y +;");
    assert!(
        error.contains("--> entry #6:2:12") && error.contains("2 | let z = y +;"),
        "{error}"
    );
    let error = run(&mut c, "let z = 1;\nundefined");
    assert!(
        error.contains("--> entry #7:2:1") && error.contains("`undefined`"),
        "{error}"
    );
    // What an entry did before its error stays; what it did not reach is not there.
    let error = run(
        &mut c,
        "let before = 1; if before == 1 { let inner = 2; f(1); }\nlet after = 2;",
    );
    assert!(error.contains("--> entry #2:3:9"), "{error}");
    assert_eq!(run(&mut c, "before"), "1");
    assert!(run(&mut c, "after").contains("there is no variable `after`"));
    assert!(run(&mut c, "inner").contains("there is no variable `inner`"));
    // The same text again bears its new number.
    let again = run(&mut c, "let z = 1;\nundefined");
    assert!(again.contains("--> entry #12:2:1"), "{again}");
}

#[test]
fn values_show_themselves() {
    let mut c = cells();
    assert_eq!(
        run(&mut c, "fn named(a) { a } let f = |x| x + 1; f"),
        "function"
    );
    assert_eq!(
        run(&mut c, "[f, Fn(\"named\")]"),
        "[function, function `named`]"
    );
    assert_eq!(
        run(
            &mut c,
            "let model = energy::joint(nn::linear(2, 3)); `${model}`"
        ),
        "joint(network), 9 parameters"
    );
    let value = c.run("model").unwrap().value;
    let rich = c.program.rich(&value).unwrap();
    assert!(
        rich.text.contains("linear(2, 3)") && rich.html.unwrap().contains("<table>"),
        "{}",
        rich.text
    );
    let value = c.run("data::digits().test.images(2)").unwrap().value;
    assert!(c.program.rich(&value).unwrap().png.is_some());
    // A picture of a training, in place of the one before.
    struct Shown(RefCell<Vec<String>>);
    impl Display for Shown {
        fn print(&self, text: &str) {
            self.0.borrow_mut().push(text.to_owned());
        }
        fn display(&self, value: &Rich) {
            self.0
                .borrow_mut()
                .push(format!("{} {}", value.png.is_some(), value.text));
        }
        fn update(&self, slot: &str, value: &Rich) {
            self.0.borrow_mut().push(format!("{slot}: {}", value.text));
        }
    }
    let shown = Rc::new(Shown(RefCell::default()));
    c.program.session.set_output(shown.clone());
    run(
        &mut c,
        "print(1); display(plot::grid(tensor::zeros([1, 1, 8, 8]), #{ scale: 1, padding: 0 })); display([1], \"a\");",
    );
    assert_eq!(
        *shown.0.borrow(),
        ["1", "true picture of 8 × 8 pixels", "a: [1]"]
    );
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
    c.program
        .session
        .set_output(jemscript::display::lines(|line| {
            if line == "stop" {
                interrupt::request();
            }
        }));
    assert_eq!(run(&mut c, "fn stop() { print(\"stop\"); }"), "");
    let error = c.run(text).err().unwrap();
    assert_eq!(error.error.kind(), jemscript::error::ErrorKind::Interrupted);
    assert_eq!(run(&mut c, "n"), "3");
    assert_eq!(
        run(&mut c, "model.logits(data::digits().test.images(2)).shape"),
        "[2, 10]"
    );
    assert_eq!(
        run(&mut c, "loop { n += 1; if n == 10 { stop(); } }")
            .lines()
            .next()
            .unwrap(),
        "error: interrupted"
    );
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
    c.program
        .session
        .set_output(jemscript::display::lines(move |line| {
            heard.borrow_mut().push(line.to_owned())
        }));
    for piece in pieces {
        let _ = c.run(piece);
    }
    assert_eq!(*said.borrow(), ["x 2", "4", "[1, 2]"]);
    let script = c.script();
    assert!(script.contains("// entry #2 failed: broken"), "{script}");
    let program = Program::new(Settings::default());
    let again = Rc::new(RefCell::new(Vec::new()));
    let heard = again.clone();
    program
        .session
        .set_output(jemscript::display::lines(move |line| {
            heard.borrow_mut().push(line.to_owned())
        }));
    let mut scope = rhai::Scope::new();
    let ast = program
        .compile("saved", &script)
        .unwrap_or_else(|e| panic!("{e}\n{script}"));
    let _ = program
        .run("saved", &ast, &mut scope)
        .unwrap_or_else(|e| panic!("{e}\n{script}"));
    // Of `f` the last definition is kept: with it the last lines agree, and `x` is what it makes of
    // 1.
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
        assert!(
            error.contains(&place),
            "{place} {}",
            &error[..error.len().min(200)]
        );
    }
    assert_eq!(run(&mut c, "a0 + a7"), "7");
    let error = run(&mut c, &"\n".repeat(70_000));
    assert!(
        error.starts_with("error: entry #10 has 70000 lines; a session takes at most 65000"),
        "{error}"
    );
}

/// Runs the program in a folder with a text on its standard input.
fn jemscript(folder: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_jemscript"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn stdout(output: &Output) -> String {
    let (out, error) = said(output);
    assert!(output.status.success(), "failed with\n{error}");
    out
}

#[test]
fn a_repl_reads_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("part.rhai"),
        "let loaded = [1, 2];\nfn double(x) { 2 * x }\n",
    )
    .unwrap();
    fs::write(folder.path().join("wrong.rhai"), "\nnn::linear(0, 1)").unwrap();
    let input = "let x = 20 +\n  1;\nx * 2\n:load part.rhai\ndouble(loaded[1])\nnn::linear(0, x)\n:load wrong.rhai\n:vars\n\
        :tim x\n:time x\nlet run = || nn::linear(0, 2);\n\nrun.call()\n:save saved.rhai\n:doc nn::flatten\n:save part.rhai\n:quit\n1000";
    let output = jemscript(folder.path(), &["repl"], input);
    let (out, error) = said(&output);
    assert_eq!(output.status.code(), Some(1), "an entry failed");
    assert!(out.starts_with("42\n4\n"), "{out}");
    assert!(
        out.contains("let   x       int    21\nlet   loaded  array  [1, 2]\n"),
        "{out}"
    );
    assert!(
        out.contains("21\ntook ") && out.contains("saved.rhai: ") && out.contains("flatten"),
        "{out}"
    );
    assert!(!out.contains("1000"), "{out}");
    for part in [
        "--> entry #4:1:5\n",
        "--> wrong.rhai:2:5\n",
        "there is no command `:tim`\n  = hint: did you mean `:time`?",
        "--> entry #6:1:18\n",
        "in `a closure`, called at entry #7:1:5",
        "part.rhai exists and is not a saved session",
    ] {
        assert!(error.contains(part), "no {part:?} in\n{error}");
    }
    let again = jemscript(folder.path(), &["saved.rhai"], "");
    assert_eq!(stdout(&again), "");
    assert!(
        !folder.path().join("runs").exists(),
        "nothing was written, so there is no run folder"
    );
}

#[test]
fn a_session_that_writes_keeps_its_script() {
    let folder = tempfile::tempdir().unwrap();
    let input = "let n = param(\"n\", 1);\nsave_text(\"a.txt\", `${n} ${seed()}`);\n";
    stdout(&jemscript(
        folder.path(),
        &["repl", "n=5", "--seed", "3", "--out", "here"],
        input,
    ));
    let here = folder.path().join("here");
    assert_eq!(fs::read_to_string(here.join("a.txt")).unwrap(), "5 3");
    let again = jemscript(folder.path(), &["here/session.rhai", "--out", "again"], "");
    stdout(&again);
    assert_eq!(
        fs::read_to_string(folder.path().join("again/a.txt")).unwrap(),
        "1 0"
    );
}

#[test]
fn scripts_come_from_the_command_line_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str], input: &str| jemscript(folder.path(), args, input);
    assert_eq!(stdout(&run(&["-e", "1 + 1"], "")), "2\n");
    assert_eq!(
        stdout(&run(
            &[
                "-e",
                "param(\"a\", 1) + param(\"b\", 1)",
                "a=3",
                "b=4",
                "--seed",
                "1"
            ],
            ""
        )),
        "7\n"
    );
    assert_eq!(
        stdout(&run(&["-", "a=3"], "let a = param(\"a\", 1);\na + seed()")),
        "3\n"
    );
    assert_eq!(stdout(&run(&["-e", "-1.5"], "")), "-1.5\n");
    let (_, error) = said(&run(&["-e", "let x = 1;\nnn::linear(0, x)"], ""));
    assert!(
        error.contains("--> -e:2:5\n") && error.contains("2 | nn::linear(0, x)"),
        "{error}"
    );
    let (_, error) = said(&run(&["-"], "\n\nlet = 2;"));
    assert!(error.contains("--> stdin:3:5\n"), "{error}");
    let (_, error) = said(&run(&["-e", "1", "b=2"], ""));
    assert!(error.contains("the script has no parameter `b`"), "{error}");
    let (_, error) = said(&run(&["-e", "1", "b"], ""));
    assert!(
        error.contains("parameters are written key=value"),
        "{error}"
    );
    stdout(&run(
        &["-e", "save_text(\"a.txt\", \"\")", "--out", "here"],
        "",
    ));
    assert_eq!(
        fs::read_to_string(folder.path().join("here/command.rhai")).unwrap(),
        "save_text(\"a.txt\", \"\")"
    );
    assert!(
        stdout(&run(&["-e", "print(data::digits())", "--dry-run"], "")).contains("dry run of -e")
    );
}

#[test]
fn imports_come_from_folders_named_with_lib() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["work", "shared/tools", "more"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    fs::write(
        at("shared/tools/a.rhai"),
        "import \"b\" as b; fn a() { 10 * b::b() }",
    )
    .unwrap();
    fs::write(at("shared/tools/b.rhai"), "fn b() { 7 }").unwrap();
    fs::write(at("more/c.rhai"), "fn c() { 5 }").unwrap();
    fs::write(at("work/c.rhai"), "fn c() { 6 }").unwrap();
    fs::write(
        at("work/main.rhai"),
        "import \"tools/a\" as a; import \"c\" as c; save_text(\"t.txt\", `${a::a()} ${c::c()}`);",
    )
    .unwrap();
    let run = |args: &[&str]| jemscript(folder.path(), args, "");
    stdout(&run(&[
        "work/main.rhai",
        "--lib",
        "shared",
        "--lib",
        "more",
        "--out",
        "run",
    ]));
    // The script's own folder comes first.
    assert_eq!(fs::read_to_string(at("run/t.txt")).unwrap(), "70 6");
    // The run folder holds all that it takes to run it again.
    stdout(&run(&["run/main.rhai", "--out", "again"]));
    assert_eq!(fs::read_to_string(at("again/t.txt")).unwrap(), "70 6");
    assert_eq!(
        stdout(&jemscript(
            &at("work"),
            &["-e", "import \"c\" as c; c::c()", "--lib", "../more"],
            ""
        )),
        "6\n"
    );
    let (_, error) = said(&run(&["work/main.rhai"]));
    assert!(
        error.contains("import \"tools/a\": no such script")
            && error.contains("looked for tools/a.rhai"),
        "{error}"
    );
    let (_, error) = said(&run(&["work/main.rhai", "--lib", "nowhere"]));
    assert!(error.contains("--lib: nowhere is not a folder"), "{error}");
    let repl = jemscript(
        &at("work"),
        &["repl", "--lib", "../shared"],
        "import \"tools/a\" as a;\nfn f() { 1 }\na::a() + f()\n",
    );
    assert_eq!(stdout(&repl), "71\n");
}

#[test]
fn missing_modules_and_circles_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [
        ("a", "import \"b\" as b;"),
        ("b", "\nimport \"c\" as c;"),
        ("c", "import \"a\" as a;"),
    ] {
        fs::write(at(&format!("{name}.rhai")), text).unwrap();
    }
    let (_, error) = said(&jemscript(folder.path(), &["-e", "import \"a\" as a;"], ""));
    assert!(error.contains("--> c.rhai:1:8\n"), "{error}");
    assert!(
        error.contains("import \"a\": scripts import each other in a circle"),
        "{error}"
    );
    assert!(
        error.contains("= hint: a.rhai → b.rhai → c.rhai → a.rhai"),
        "{error}"
    );
    // After the error the session goes on, and the import can be had once the file is mended.
    let mut c = Cells::new(
        Program::new(Settings {
            folder: folder.path().to_path_buf(),
            ..Settings::default()
        }),
        "cell",
    );
    let error = run(&mut c, "let x = 1;\nimport \"later\" as later;");
    assert!(
        error.contains("--> cell #1:2:8\n") && error.contains("no such script"),
        "{error}"
    );
    fs::write(
        at("later.rhai"),
        "const K = 3; fn f(a) { a * global::K }\nfn wrong() { nn::linear(0, 1) }",
    )
    .unwrap();
    assert_eq!(run(&mut c, "import \"later\" as later; later::f(x)"), "3");
    assert_eq!(run(&mut c, "fn g() { later::f(2) } g()"), "6");
    assert_eq!(run(&mut c, "g() + later::f(1)"), "9");
    let error = run(&mut c, "\nlater::wrong()");
    assert!(
        error.contains("later.rhai:2:18\n") && error.contains("called at cell #5:2:8"),
        "{error}"
    );
}

#[test]
fn the_shared_recipes_train() {
    let folder = tempfile::tempdir().unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let code = "import \"lib/stable\" as stable; import \"lib/baselines\" as baselines; import \"lib/digits\" as digits;
        let data = data::digits();
        let made = stable::fit(energy::joint(digits::classifier()), data, #{ iterations: 3, steps: 2, clip_norm: 1, energy_l2: 0.01 });
        let record = baselines::fit(energy::joint(digits::classifier()), data, #{ iterations: 3, label_smoothing: 0.1 });
        print(`${made.record.iterations} ${record.iterations} ${made.chains.images(4).shape}`);
        stable::fit(energy::joint(digits::classifier()), data, #{ stepz: 3 })";
    let args = [
        "-e",
        code,
        "-q",
        "--lib",
        scripts.to_str().unwrap(),
        "--out",
        "run",
    ];
    let (out, error) = said(&jemscript(folder.path(), &args, ""));
    assert_eq!(out, "3 3 [4, 1, 8, 8]\n", "{error}");
    assert!(
        error.contains("lib/stable has no setting \"stepz\"; it has"),
        "{error}"
    );
    assert!(error.contains("called at -e:6:17"), "{error}");
    for file in [
        "command.rhai",
        "lib/stable.rhai",
        "lib/baselines.rhai",
        "lib/digits.rhai",
    ] {
        assert!(folder.path().join("run").join(file).exists(), "{file}");
    }
}

/// A session whose terminal is closed must not stay, and must not keep a core busy.
#[test]
fn a_session_ends_with_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let repl = format!("{} repl", env!("CARGO_BIN_EXE_jemscript"));
    // `script` of util-linux gives it a terminal, which goes with it.
    let started = std::process::Command::new("script")
        .args(["-qfc", &repl, "/dev/null"])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("TERM", "xterm")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    let Ok(mut terminal) = started else {
        println!("no `script` here: not tested");
        return;
    };
    let session = || -> Option<std::path::PathBuf> {
        let words = format!("{}\0repl\0", env!("CARGO_BIN_EXE_jemscript"));
        let ours = |process: &std::path::PathBuf| {
            std::fs::read(process.join("cmdline")).is_ok_and(|line| line == words.as_bytes())
                && std::fs::read_link(process.join("cwd")).is_ok_and(|at| at == folder.path())
        };
        let all = std::fs::read_dir("/proc").ok()?.flatten().map(|e| e.path());
        all.into_iter().find(ours)
    };
    let within = |what: &str, seconds: u64, done: &dyn Fn() -> bool| {
        let begun = std::time::Instant::now();
        while !done() {
            assert!(begun.elapsed().as_secs() < seconds, "{what}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    within("it does not start", 60, &|| session().is_some());
    // It waits at its prompt by then.
    std::thread::sleep(std::time::Duration::from_secs(3));
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    within("it stays without its terminal", 60, &|| session().is_none());
}
