//! Small things of the language that a person meets: caught errors, texts of other editors, ranges
//! in sweeps, second derivatives.

use crate::common::program;

use std::cell::RefCell;
use std::fs;
use std::process::Output;
use std::rc::Rc;

use jemscript::script::{Cells, Program, Settings};
use program::jemscript;

fn run(code: &str) -> Result<String, String> {
    let program = Program::new(Settings::default());
    match program.run_text("script", code) {
        Ok(value) => Ok(program.show(&value).unwrap_or_default()),
        Err(error) => Err(error.text),
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Every kind of error, caught: its message in the language's words, and a hint, be it empty.
#[test]
fn all_that_is_caught_has_a_message_and_a_hint() {
    for (code, message) in [
        ("tensor::zeros([-1])", "sizes must not be negative"),
        (
            "let a = [1]; a[9]",
            "index 9 is out of range for an array of 1 entries",
        ),
        ("1 / 0", "Division by zero"),
        ("nosuch(1)", "nosuch"),
        ("nn::nosuch(1)", "nosuch"),
        ("let m = #{ a: 1 }; m.b", "`b`"),
        ("(1).nosuch", "nosuch"),
        ("let s = \"abc\"; s[10]", "10"),
        ("let x = 1; x += \"a\" == 2; x + #{}", ""),
        ("let c = 1; if c { 2 }", "expected bool, got int"),
        // Inside of calls.
        (
            "let f = || { let a = [1]; a[9] }; f.call()",
            "index 9 is out of range for an array of 1 entries",
        ),
        (
            "let f = || { let a = []; a[9] }; let g = || f.call(); g.call()",
            "index 9 is out of range for an array of 0",
        ),
        (
            "let f = || nosuch(1); f.call()",
            "there is no function `nosuch`",
        ),
        ("let f = || { let m = #{ a: 1 }; m.b }; f.call()", "`b`"),
        ("let f = || 1 / 0; f.call()", "Division by zero: 1 / 0|"),
        ("let f = || 1 + #{}; f.call()", "map"),
        (
            "fn g(a) { nosuch(a) } g([])",
            "there is no function `nosuch`",
        ),
        ("throw \"mine\"", "mine"),
        ("throw 42", "42"),
        ("throw 1.5", "1.5"),
        ("assert(false, \"no\")", "assertion failed: no"),
        ("fn f(n) { f(n + 1) } f(0)", ""),
        ("fn g(a) { a[3] } g([])", "index 3"),
        ("import \"nowhere\" as n;", "nowhere"),
        (
            "energy::of(|x| x.nosuch).energy(tensor::zeros([1, 1]))",
            "nosuch",
        ),
    ] {
        // Functions cannot be written inside a block.
        let (head, body) = match code.split_once("} ") {
            Some((head, body)) if head.starts_with("fn ") => (format!("{head}}}"), body),
            _ => (String::new(), code),
        };
        let whole = format!(
            "{head} let found = (); try {{ {body}; }} catch (e) {{ found = `${{e.message}}|${{e.hint}}`; }} found"
        );
        match run(&whole) {
            Ok(found) => assert!(
                found.contains(message) && found.contains('|'),
                "{code}: {found}"
            ),
            // Too deep a call is no error that one catches.
            Err(error) => assert!(code.contains("f(n + 1)"), "{code}: {error}"),
        }
    }
    // Thrown again it is the same error; a map of one's own stays a map.
    let error = run("try { tensor::zeros([-1]); } catch (e) { throw e; }").unwrap_err();
    assert!(
        error.contains("sizes must not be negative") && error.contains("script:1"),
        "{error}"
    );
    assert_eq!(
        run("try { throw #{ error: 1, message: \"m\" }; } catch (e) { e.error }; 3").unwrap(),
        "3"
    );
    assert_eq!(
        run("let m = #{ error: \"Error\", b: 2 }; m.b").unwrap(),
        "2"
    );
}

/// A function that an imported script hands out keeps its helpers, constants and variables, whoever
/// calls it; one of the same text in another script is another.
#[test]
fn functions_of_imported_scripts_stay_at_home() {
    let folder = tempfile::tempdir().unwrap();
    let lib = "const K = 3.0;\nfn helper(x) { x + 100.0 }\nfn maker() { |x| helper(x) * global::K }\n\
               fn counter() { let n = 0; #{ bump: || { n += 1; n }, all: [|| n] } }\n\
               fn wrong() { |x| x.nothing_here() }\n\
               fn bowl(k) { energy::of(|x| k * maker().call(x).sum(1)) }\nfn same(f) { f }\nfn twice(f) { |x| f.call(f.call(x)) }\n\
               export let open = |x| helper(x) + global::K; export const SET = #{ f: |x| x - global::K };";
    fs::write(folder.path().join("lib.rhai"), lib).unwrap();
    let head = "import \"lib\" as lib; const K = 5.0; fn helper(x) { x } let mine = |x| helper(x) * global::K;\n";
    let program = || {
        Program::new(Settings {
            folder: folder.path().to_path_buf(),
            ..Settings::default()
        })
    };
    let run = |code: &str| {
        let program = program();
        let value = program
            .run_text("main", &format!("{head}{code}"))
            .map_err(|error| error.text);
        value.map(|value| program.show(&value).unwrap_or_default())
    };
    for (code, wanted) in [
        ("mine.call(1.0)", "5.0"),
        ("lib::maker().call(1.0)", "303.0"),
        ("[1.0, 2.0].map(lib::maker())", "[303.0, 306.0]"),
        (
            "let c = lib::counter(); c.bump.call(); c.bump.call(); c.all[0].call()",
            "2",
        ),
        (
            "lib::bowl(0.5).energy(tensor::ones([1, 2])).item()",
            "303.0",
        ),
        (
            "energy::of(lib::maker()).energy(tensor::ones([1])).item()",
            "303.0",
        ),
        ("lib::same(|x| x + K).call(1.0)", "6.0"),
        ("lib::twice(|x| x * K).call(1.0)", "25.0"),
        ("lib::maker()", "function"),
        ("lib::open.call(1.0)", "104.0"),
        ("lib::SET.f.call(1.0)", "-2.0"),
    ] {
        assert_eq!(run(code).as_deref(), Ok(wanted), "{code}");
    }
    // Likewise what is handed in.
    let other = "const K = 7.0; const ONLY = 2.0;\nfn mine(x) { x * global::K * global::ONLY }\nfn apply(f) { f.call(1.0) }\n\
                 fn both(f) { f.call(1.0) + mine(1.0) }\nexport K; export const OPEN = #{ K: 4 };\nfn key() { global::OPEN.K }";
    fs::write(folder.path().join("other.rhai"), other).unwrap();
    fs::write(folder.path().join("bare.rhai"), "export const A = 1").unwrap();
    fs::write(
        folder.path().join("last.rhai"),
        "fn f() { 3 }\nf() // the end",
    )
    .unwrap();
    let third = "import \"other\" as other;\nconst K = 11.0;\nfn mine(x) { x * global::K }\nfn apply(f) { other::both(f) }\n\
                 fn own() { other::apply(|x| x * global::K) }";
    fs::write(folder.path().join("third.rhai"), third).unwrap();
    for (code, wanted) in [
        ("other::apply(mine)", "5.0"),
        ("other::both(mine)", "19.0"),
        ("fn plain(x) { x * global::K } other::both(plain)", "19.0"),
        (
            "fn plain(x) { x * global::K } lib::twice(plain).call(1.0)",
            "25.0",
        ),
        ("third::apply(mine)", "19.0"),
        ("third::own()", "11.0"),
        ("[other::K, other::OPEN.K, other::key()]", "[7.0, 4, 4]"),
        (
            "import \"bare\" as bare; import \"last\" as last; [bare::A, last::f()]",
            "[1, 3]",
        ),
    ] {
        let code = format!("import \"other\" as other; import \"third\" as third; {code}");
        assert_eq!(run(&code).as_deref(), Ok(wanted), "{code}");
    }
    let error = run("lib::maker().call(1.0, 2.0)").unwrap_err();
    assert!(
        error.contains("called with 2 arguments (float, float)") && error.contains("main:2"),
        "{error}"
    );
    let error = run("lib::wrong().call(1.0)").unwrap_err();
    assert!(
        error.contains("lib.rhai:5:20\n") && error.contains("in `a closure`, called at main:2:14"),
        "{error}"
    );
}

#[test]
fn marks_and_first_lines_of_other_programs_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(
        at("a.rhai"),
        "\u{feff}#!/usr/bin/env jemscript\nimport \"b\" as b;\nprint(b::two() + param(\"x\", 1));\nnosuch;",
    )
    .unwrap();
    fs::write(at("b.rhai"), "\u{feff}fn two() { 2 }").unwrap();
    fs::write(at("p.json"), "\u{feff}{ \"x\": 40 }").unwrap();
    fs::write(at("p.toml"), "\u{feff}x = 40").unwrap();
    for params in ["p.json", "p.toml"] {
        let text = said(&jemscript(folder.path(), &["a.rhai", "--params", params]));
        // Places are those of the file.
        assert!(
            text.contains("nosuch") && text.contains("a.rhai:4:1"),
            "{text}"
        );
        fs::write(
            at("c.rhai"),
            fs::read_to_string(at("a.rhai"))
                .unwrap()
                .replace("\nnosuch;", ""),
        )
        .unwrap();
        assert_eq!(
            said(&jemscript(folder.path(), &["c.rhai", "--params", params])),
            "42\n"
        );
    }
}

#[test]
fn whole_ends_of_a_range_are_what_the_parameter_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("q.rhai"),
        "print(param(\"rate\", 0.1)); print(param(\"n\", 3));",
    )
    .unwrap();
    let output = jemscript(
        folder.path(),
        &[
            "sweep",
            "q.rhai",
            "rate=0..1",
            "--random",
            "4",
            "--out",
            "floats",
        ],
    );
    assert!(output.status.success(), "{}", said(&output));
    let names: Vec<String> = fs::read_dir(folder.path().join("floats"))
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|n| n.starts_with("rate="))
        .collect();
    let values: Vec<f64> = names
        .iter()
        .map(|n| n["rate=".len()..].parse().unwrap())
        .collect();
    assert!(
        values.len() == 4
            && values
                .iter()
                .all(|v| (0.0..=1.0).contains(v) && v.fract() != 0.0),
        "{names:?}"
    );
    let output = jemscript(
        folder.path(),
        &[
            "sweep", "q.rhai", "n=0..3", "--random", "2", "--out", "ints",
        ],
    );
    assert!(
        output.status.success() && said(&output).contains("2 runs"),
        "{}",
        said(&output)
    );
}

#[test]
fn gradients_can_be_differentiated_again_and_what_cannot_is_said() {
    let code = "let e = energy::of(|x| x.pow(4).sum(1)); let x = tensor::of([[1.0, 2.0]]).leaf();
        let g = grad(e.energy(x).sum(), x); grad(g.pow(2).sum(), x)";
    // d/dx (4x³)² = 96 x⁵
    let found = run(code).unwrap();
    assert!(found.contains("[96, 3072]"), "{found}");
    let error =
        run("let x = tensor::ones([2]).leaf(); let y = tensor::ones([2]).leaf(); grad((y * 2).sum(), x)").unwrap_err();
    assert!(error.contains("does not depend on the tensor"), "{error}");
    let error = run(
        "energy::joint(nn::lambda(|x| tensor::zeros([x.len(), 10]))).score(tensor::zeros([2, 3]))",
    )
    .unwrap_err();
    assert!(error.contains("does not depend on x"), "{error}");
}

#[test]
fn types_of_numbers_and_masks_are_pytorch_s() {
    for (code, wanted) in [
        ("(tensor::ints([1, 2]) * 1.0).dtype", "float32"),
        ("(tensor::ints([1, 2]) * 1).dtype", "int64"),
        ("(1.0 + tensor::ints([1, 2])).dtype", "float32"),
        ("(2 - tensor::ints([1, 2])).dtype", "int64"),
        ("(tensor::ints([1, 2]) - 1.0).dtype", "float32"),
        ("(tensor::ints([5, 7]) % 2.0).dtype", "float32"),
        ("(tensor::ints([5, 7]) % 2).dtype", "int64"),
        ("(tensor::ints([1, 2]) ** 2.0).dtype", "float32"),
        ("(tensor::ints([1, 2]) ** 2).dtype", "int64"),
        ("(2.5 ** tensor::ints([2]))[0].item()", "6.25"),
        ("(7.5 % tensor::ints([2]))[0].item()", "1.5"),
        ("(7 % tensor::ints([2])).dtype", "int64"),
        ("tensor::ints([1, 9]).clamp(0, 5).dtype", "int64"),
        ("tensor::ints([1, 9]).clamp(0.0, 5.0).dtype", "float32"),
        ("tensor::ints([1, 9]).clamp_min(2).dtype", "int64"),
        ("let t = tensor::ints([1, 2]); t *= 1.0; t.dtype", "float32"),
        ("let t = tensor::of([1.5]); (t * 2).dtype", "float32"),
        (
            "let x = tensor::arange(6).reshape([2, 3]); x[x > 2].shape",
            "[3]",
        ),
        (
            "let x = tensor::arange(6).reshape([2, 3]); x[x.sum(1) > 5].shape",
            "[1, 3]",
        ),
    ] {
        assert_eq!(
            run(code).unwrap_or_else(|e| panic!("{code}: {e}")),
            wanted,
            "{code}"
        );
    }
    for (code, message) in [
        (
            "let x = tensor::arange(6); x[tensor::of([1.0, 2.0])]",
            "needs whole numbers",
        ),
        (
            "let x = tensor::arange(6); x[tensor::ones([4]) > 0]",
            "a mask needs one truth value for each of the 6",
        ),
        (
            "let x = tensor::arange(6).reshape([2, 3]); x[tensor::ones([3]) > 0]",
            "a mask needs one truth value for each of the 2",
        ),
        (
            "tensor::arange(3).masked_fill(tensor::of([0.3, 0.0, 1.0]), 1)",
            "a mask must be bool",
        ),
        (
            "tensor::ints([1, 2]).masked_fill(tensor::ints([1, 2]) > 1, 0.5)",
            "does not fit",
        ),
        (
            "let x = tensor::ints([1, 2]); x[0] = 1.5; x",
            "would lose digits",
        ),
        (
            "nn::conv2d(1, 1, 3, #{ stride: 100_000 })",
            "`stride` must be at most 4096",
        ),
        ("nn::conv2d(1, 1, 100_000)", "`kernel` must be at most 4096"),
        (
            "nn::max_pool2d(2, #{ stride: 9223372036854775807 })",
            "`stride` must be at most 4096",
        ),
        (
            "nn::conv2d(1, 1, 3, #{ padding: 4294967296, dilation: 5000 })",
            "must be at most 4096",
        ),
    ] {
        let error = run(code)
            .err()
            .unwrap_or_else(|| panic!("{code}: no error"));
        assert!(error.contains(message), "{code}: {error}");
    }
}

/// What is composed of several operations, at the points where compositions go wrong: as PyTorch
/// 2.13 has it.
#[test]
fn norms_have_gradients_where_pytorch_s_have() {
    for (code, wanted) in [
        (
            "let t = tensor::zeros([2, 3]).leaf(); grad(t.norm(1).sum(), t).abs().sum().item()",
            "0.0",
        ),
        (
            "let t = tensor::full([1, 4], 1e-30).leaf(); grad(t.norm(1).sum(), t).isfinite().all()",
            "true",
        ),
        (
            "let t = tensor::zeros([3]).leaf(); grad(t.norm(), t).abs().sum().item()",
            "0.0",
        ),
        (
            "let t = tensor::of([[3.0, 4.0]]).leaf(); grad(t.norm(1).sum(), t).to_array()",
            "[0.6000000238418579, 0.800000011920929]",
        ),
        (
            "energy::of(|x| x.norm(1)).score(tensor::zeros([2, 3])).abs().sum().item()",
            "0.0",
        ),
    ] {
        let found = run(code).unwrap_or_else(|e| panic!("{code}: {e}"));
        assert_eq!(found, wanted, "{code}");
    }
}

/// What a script prints.
fn prints(code: &str) -> String {
    let program = Program::new(Settings::default());
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = lines.clone();
    let output = jemscript::display::lines(move |text| sink.borrow_mut().push(text.to_owned()));
    program.session.set_output(output);
    let ran = program.run_text("script", code);
    assert!(
        ran.is_ok(),
        "{code}\n{}",
        ran.err().map(|e| e.text).unwrap_or_default()
    );
    lines.borrow().join("\n")
}

#[track_caller]
fn gives(cases: &[(&str, &str)]) {
    for (code, wanted) in cases {
        assert_eq!(run(code).as_deref(), Ok(*wanted), "{code}");
    }
}

/// As Python has it, for whole numbers too.
#[test]
fn a_quotient_is_a_float_and_a_sign_binds_less_than_a_power() {
    gives(&[
        ("1 - 3 / 4", "0.25"),
        ("6 / 3", "2.0"),
        ("let x = 3; x /= 2; x", "1.5"),
        ("let m = #{ a: [7] }; m.a[0] /= 2; m.a", "[3.5]"),
        ("let f = |x| { x /= 4; x }; f(1)", "0.25"),
        ("10 / 4 * 2", "5.0"),
        ("2 * 10 / 4", "5.0"),
        ("1 / 2 ** 2", "0.25"),
        ("7.0 / 2", "3.5"),
        ("floor_div(7, 2)", "3"),
        ("(-7).floor_div(2)", "-4"),
        ("7.floor_div(-2)", "-4"),
        ("-2 ** 2", "-4"),
        ("let x = 3.0; -x ** 2", "-9.0"),
        ("(-2) ** 2", "4"),
        ("2 * -3 ** 2 + 1", "-17"),
        ("let x = [2]; 1 - x[0] ** 2", "-3"),
        ("(tensor::of([2, 3]) / 2).to_array()", "[1.0, 1.5]"),
        (
            "let t = tensor::of([2, 3]); (-t ** 2).to_array()",
            "[-4.0, -9.0]",
        ),
    ]);
    let error = run("let a = 1;\nlet b = 0; a / b").unwrap_err();
    assert!(
        error.contains("Division by zero: 1 / 0\n  --> script:2:14"),
        "{error}"
    );
    assert!(
        run("floor_div(1, 0)")
            .unwrap_err()
            .contains("cannot be divided")
    );
    let beyond = "floor_div(-9223372036854775807 - 1, -1)";
    assert!(run(beyond).unwrap_err().contains("cannot be divided"));
    // A quotient in the place of a whole number says what to write.
    for code in [
        "let a = [1, 2]; a[4 / 2]",
        "for i in 0..4 / 2 { }",
        "tensor::zeros([4 / 2])",
    ] {
        let error = run(code).unwrap_err();
        assert!(error.contains("floor_div"), "{code}\n{error}");
    }
}

#[test]
fn variables_are_called_as_functions_are() {
    gives(&[
        ("let f = |x| x + 1; f(1)", "2"),
        ("let f = || 7; f() + f()", "14"),
        (
            "let n = 10; let f = |x| x + n; n = 20; let g = |x| 2 * f(x); g(1)",
            "42",
        ),
        ("fn twice(f, x) { f(f(x)) } twice(|x| x * 3, 2)", "18"),
        ("let fs = [|x| x, |x| -x]; fs[1](3)", "-3"),
        ("let make = |n| |x| x + n; make(2)(3)", "5"),
        ("let m = #{ f: |x| x * x }; m.f(3)", "9"),
        (
            "let net = nn::linear(2, 3); net(tensor::ones([4, 2])).shape",
            "[4, 3]",
        ),
        (
            "let net = nn::linear(2, 3); let x = tensor::ones([4, 2]); (net(x) == net.forward(x)).all()",
            "true",
        ),
        (
            "let m = energy::joint(nn::linear(2, 3)); let x = tensor::ones([4, 2]); (m(x) == m.energy(x)).all()",
            "true",
        ),
        (
            "let m = energy::joint(nn::linear(2, 3)); let x = tensor::ones([1, 2]); m(x, tensor::ints([1])).shape",
            "[1]",
        ),
        // A variable that is no function leaves the function of its name alone.
        ("let abs = -3; abs(abs)", "3"),
        (
            "let x = tensor::ones([2]).leaf(); let grad = grad((x * x).sum(), x); grad(x.sum(), x).to_array()",
            "[1.0, 1.0]",
        ),
        // One that is a function goes before it.
        ("let abs = |x| 100; abs(-3)", "100"),
        ("fn f(x) { x } let f = |x| 2 * x; f(1)", "1"),
        // Imported scripts and loops.
        (
            "let all = 0; for f in [|x| x, |x| 2 * x] { all += f(5); } all",
            "15",
        ),
        ("`${(|x| x)(3)}`", "3"),
    ]);
    let error = run("let x = 3;\nlet y = 1; x(2)").unwrap_err();
    assert!(
        error.contains("`x` is of type int: it cannot be called\n  --> script:2:12"),
        "{error}"
    );
    let error = run("let f = |x| x.nosuch();\nlet y = f(1) + f(2);").unwrap_err();
    assert!(
        error.contains("--> script:1:15") && error.contains("called at script:2:9"),
        "{error}"
    );
    let error = run("let f = |x| x; f(1, 2)").unwrap_err();
    assert!(error.contains("other arguments than it takes"), "{error}");
}

#[test]
fn parts_of_arrays_texts_and_tensors() {
    gives(&[
        ("[1, 2, 3, 4][1..3]", "[2, 3]"),
        ("[1, 2, 3, 4][1..=2]", "[2, 3]"),
        ("let a = [1, 2, 3, 4]; a[-2..]", "[3, 4]"),
        ("let a = [1, 2, 3, 4]; a[..-1]", "[1, 2, 3]"),
        ("let a = [1, 2, 3, 4]; a[2..100]", "[3, 4]"),
        ("let a = [1, 2, 3, 4]; a[3..1]", "[]"),
        ("let a = [1, 2, 3, 4]; a[..].len()", "4"),
        ("let s = \"häuser\"; s[1..3] + s[-1..]", "äur"),
        (
            "let x = tensor::arange(6).reshape([2, 3]); x[.., 0].to_array()",
            "[0.0, 3.0]",
        ),
        (
            "let x = tensor::arange(6).reshape([2, 3]); x[1, ..-1].to_array()",
            "[3.0, 4.0]",
        ),
        (
            "let x = tensor::arange(6).reshape([2, 3]); x[-1, -1].item()",
            "5.0",
        ),
        (
            "let x = tensor::arange(6).reshape([2, 3]); x[.., tensor::ints([2, 0])].to_array()",
            "[2.0, 0.0, 5.0, 3.0]",
        ),
        (
            "let x = tensor::arange(4); x[x > 1] = 0; x.to_array()",
            "[0.0, 1.0, 0.0, 0.0]",
        ),
        (
            "let x = tensor::arange(4); x[1..3] = 9; x.to_array()",
            "[0.0, 9.0, 9.0, 3.0]",
        ),
        (
            "let x = tensor::zeros([2, 3]); let y = x; x[.., 1] = tensor::of([1, 2]); [x.to_array(), y.sum().item()]",
            "[[0.0, 1.0, 0.0, 0.0, 2.0, 0.0], 0.0]",
        ),
        (
            "let x = tensor::zeros([2, 3]); x[.., 1] += 2; x.sum().item()",
            "4.0",
        ),
        (
            "let x = tensor::arange(3).leaf(); let y = x * 1; y[1] = 5; grad((y * y).sum(), x).to_array()",
            "[0.0, 0.0, 4.0]",
        ),
        ("let [a, b] = [1, 2]; [b, a]", "[2, 1]"),
        ("let (a, b, c) = (|x| [x, x, x])(1); a + b + c", "3"),
        (
            "let all = []; for [a, b] in zip([1, 2], 3..5) { all.push(a * b); } all",
            "[3, 8]",
        ),
        (
            "let all = 0; for [row, y] in zip(tensor::ones([3, 2]), [1, 2, 3]) { all += row.sum().item() * y; } all",
            "12.0",
        ),
        ("sum([1, 2, 3])", "6"),
        ("sum([])", "0"),
        (
            "let m = #{ a: 1 }; [m.a ?? 5, m.b ?? 5, m[\"c\"] ?? 6]",
            "[1, 5, 6]",
        ),
        (
            "let n = #{}; for k in [\"a\", \"b\", \"a\"] { n[k] = (n[k] ?? 0) + 1; } n",
            "#{\"a\": 2, \"b\": 1}",
        ),
        (
            "let a = [1]; [a[0] ?? 5, a[1] ?? 5, a[-2] ?? 5]",
            "[1, 5, 5]",
        ),
        ("let m = #{ a: #{} }; m.a.b ?? 3", "3"),
        ("let m = #{ a: 1 }; m.keys().map(|k| m[k])", "[1]"),
        ("let a = [1, 2]; a.map(|x| x + a.len())", "[3, 4]"),
        ("(0..3).map(|i| i * i)", "[0, 1, 4]"),
    ]);
    for (code, said) in [
        (
            "let [a, b] = [1, 2, 3];",
            "2 names for an array of 3 entries",
        ),
        ("let [a, b] = 3;", "takes an array apart, got int"),
        (
            "let x = tensor::zeros([2, 3]); x[0, 0, 0]",
            "3 places for a tensor of shape [2, 3]",
        ),
        (
            "let x = tensor::zeros([2, 3]); x[.., 3]",
            "index 3 is out of range for 3 entries",
        ),
        (
            "let x = tensor::zeros([2, 3]); x[.., 0] = tensor::ones([3])",
            "[3] does not fit [2]",
        ),
        (
            "let x = tensor::zeros([2, 3]); x[0.5]",
            "cannot be indexed by float",
        ),
        (
            "let x = tensor::ints([1, 2]); x[0] = 0.5;",
            "would lose digits",
        ),
        ("zip([1], 3)", "zip: takes arrays"),
        ("let n = 5; n?.b ?? 3", "b"),
        (
            "let a = [1, 2, 3];\n let b = a.retain(|x| x < a.len());",
            "--> script:2:12",
        ),
        ("let x = tensor::of([1, 2]); if x > 0 { }", "(t > 0).all()"),
    ] {
        let error = run(code).unwrap_err();
        assert!(error.contains(said), "{code}\n{error}");
    }
}

#[test]
fn back_ticks_take_what_quotes_take() {
    assert_eq!(
        prints(r"let x = 1; print(`a\n${x}\tb\\n\d`);"),
        "a\n1\tb\\n\\d"
    );
    assert_eq!(prints("print(`a\nb`);"), "a\nb");
}

/// Numbers in Python's formats, as Python has them.
#[test]
fn numbers_are_formatted_as_python_formats_them() {
    let formats = [
        ".3f", "f", ".0f", "8.2f", "08.2f", "<8.1f|", "^9.1f", "*>9.2f", "+.1f", " .1f", ",.2f",
        "e", ".2e", "12.3e", "g", ".3g", ".10g", "%", ".1%", "=+9.1f", "",
    ];
    let numbers = [
        "0.0",
        "1.5",
        "-2.675",
        "3.14159",
        "1234567.891",
        "1e-7",
        "0.00012345",
        "1e20",
        "99999.95",
        "0.5",
    ];
    let mut rows: Vec<(String, String)> = Vec::new();
    for format in formats.iter().filter(|f| !f.contains('|')) {
        for number in numbers
            .iter()
            .filter(|n| !(format.is_empty() && n.contains("e")))
        {
            rows.push(((*format).to_owned(), (*number).to_owned()));
        }
    }
    for format in ["d", "5d", "05d", ",d", "+d", "<4d", "", ".2f", "g"] {
        for number in ["0", "42", "-1234567"] {
            rows.push((format.to_owned(), number.to_owned()));
        }
    }
    let list: Vec<String> = rows.iter().map(|(f, n)| format!("({f:?}, {n})")).collect();
    let script = format!(
        "print('\\n'.join(format(n, f) for f, n in [{}]))",
        list.join(", ")
    );
    let wanted = crate::common::python(&script).unwrap();
    let code: Vec<String> = rows
        .iter()
        .map(|(format, number)| format!("print(fmt({number}, {format:?}));"))
        .collect();
    let found = prints(&code.join("\n"));
    let wanted: Vec<&str> = wanted.trim_end_matches('\n').split('\n').collect();
    for ((row, found), wanted) in rows.iter().zip(found.split('\n')).zip(wanted) {
        assert_eq!(found, wanted, "{row:?}");
    }
    for (code, said) in [
        ("fmt(1.5, \"d\")", "whole numbers"),
        ("fmt(1, \"x\")", "is no format"),
        ("fmt(1, \".f\")", "is no format"),
        ("fmt(1, \"2000d\")", "is no format"),
    ] {
        assert!(run(code).unwrap_err().contains(said), "{code}");
    }
}

/// The same functions, of numbers and of tensors of one number.
#[test]
fn maths_of_numbers_is_that_of_tensors() {
    for name in [
        "sqrt",
        "exp",
        "expm1",
        "log",
        "log1p",
        "log2",
        "log10",
        "rsqrt",
        "square",
        "reciprocal",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "erf",
        "sigmoid",
        "log_sigmoid",
        "relu",
        "silu",
        "gelu",
        "softplus",
        "floor",
        "ceil",
        "round",
        "trunc",
        "abs",
    ] {
        for x in ["0.3", "0.5", "1"] {
            let code = format!(
                "let a = {name}({x}); let b = tensor::of([{x}]).to(\"float64\").{name}().item(); \
                 (a - b).abs() < 1e-6 && {x}.{name}() == a"
            );
            assert_eq!(run(&code).as_deref(), Ok("true"), "{code}");
        }
    }
    gives(&[
        ("2.pow(10)", "1024"),
        ("2.0.pow(3)", "8.0"),
        ("2.pow(-1)", "0.5"),
        ("round(2.5)", "2.0"),
        ("round(2.675, 2)", "2.67"),
        ("round(1234, -2)", "1200.0"),
        ("clamp(7, 0, 3)", "3.0"),
        (
            "[isnan(0.0 / 0.0), isfinite(1), isinf(1)]",
            "[true, true, false]",
        ),
    ]);
}

#[test]
fn variables_of_imported_scripts_and_of_cells_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let lib = "fn apply(f, x) { f(x) + inner(|y| -y ** 2) }\nfn inner(g) { g(3) / 2 }\n\
        fn maker(n) { |x| x + n }\nfn wrong(f) {   f(1).nosuch() }";
    fs::write(folder.path().join("lib.rhai"), lib).unwrap();
    let settings = Settings {
        folder: folder.path().to_path_buf(),
        ..Settings::default()
    };
    let program = Program::new(settings);
    let value = program.run_text(
        "script",
        "import \"lib\" as lib; let f = |x| x + 1; let g = lib::maker(5);\n\
         [lib::apply(f, 1), g(1), lib::maker(5)(2)]",
    );
    assert_eq!(
        program.show(&value.unwrap()).as_deref(),
        Some("[-2.5, 6, 7]")
    );
    let error = program
        .run_text(
            "script",
            "import \"lib\" as lib; let f = |x| x;\nlib::wrong(f);",
        )
        .unwrap_err();
    assert!(error.text.contains("lib.rhai:4:22"), "{}", error.text);

    let mut cells = Cells::new(Program::new(Settings::default()), "cell");
    let mut show = |text: &str| match cells.run(text) {
        Ok(outcome) => cells.program.show(&outcome.value).unwrap_or_default(),
        Err(error) => error.text,
    };
    assert_eq!(show("let f = |x| x + 1; fn twice(h, x) { h(h(x)) }"), "");
    assert_eq!(show("f(1)"), "2");
    assert_eq!(show("twice(f, 1) / 2"), "1.5");
    assert_eq!(show("let [a, b] = [f(1), -f(1) ** 2]; b"), "-4");
    let error = show("let y = f(1);\nlet z = f(1) + f(\"a\", 2);");
    assert!(error.contains("cell #5:2:16"), "{error}");
    assert_eq!(show("a"), "2");
}
