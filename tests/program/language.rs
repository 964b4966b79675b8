//! Small things of the language that a person meets: caught errors, texts of other editors, ranges
//! in sweeps, second derivatives.

use crate::common::program;

use std::fs;
use std::process::Output;

use jemscript::script::{Program, Settings};
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
