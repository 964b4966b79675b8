//! Imported scripts keep their functions to themselves, whatever other scripts call theirs.

use std::fs;

use jemscript::script::{Program, Settings};

/// A program whose folder holds these scripts.
fn program(scripts: &[(&str, &str)]) -> (tempfile::TempDir, Program) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in scripts {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let settings = Settings {
        folder: folder.path().to_owned(),
        ..Settings::default()
    };
    (folder, Program::new(settings))
}

fn shown(program: &Program, text: &str) -> String {
    match program.run_text("main.rhai", text) {
        Ok(value) => program.show(&value).unwrap_or_default(),
        Err(error) => error.text,
    }
}

const A: (&str, &str) = (
    "a.rhai",
    "fn helper(x) { `a${x}` }\nfn f(x) { helper(x) }\nprivate fn own() { 1 }\nfn g() { own() }",
);
const B: (&str, &str) = (
    "b.rhai",
    "fn helper(x) { `b${x}` }\nfn f(x) { helper(x) }\nprivate fn own() { 2 }\nfn g() { own() }",
);

#[test]
fn functions_of_one_name_do_not_get_mixed_up() {
    let (_folder, program) = program(&[A, B]);
    let text = r#"
        import "a" as a;
        import "b" as b;
        fn helper(x) { `main${x}` }
        let said = [];
        let turn = |w| if w { a::f(w) } else { b::f(w) };
        for i in 0..3 {
            said.push(helper(i)); said.push(a::f(i)); said.push(b::f(i)); said.push(helper(i));
            said.push(turn.call(true)); said.push(turn.call(false)); said.push(a::g()); said.push(b::g());
        }
        said
    "#;
    let once = |i: i32| {
        format!("\"main{i}\", \"a{i}\", \"b{i}\", \"main{i}\", \"atrue\", \"bfalse\", 1, 2")
    };
    assert_eq!(
        shown(&program, text),
        format!("[{}, {}, {}]", once(0), once(1), once(2))
    );
}

#[test]
fn closures_energies_and_recursion_of_modules_find_their_own() {
    let a = r#"
        import "b" as b;
        const SCALE = 3;
        fn square(x) { x * x * global::SCALE }
        fn made() { energy::of(|x| square(x).sum(1)) }
        fn count(n) { if n <= 0 { 0 } else { 1 + count(n - 1) } }
        fn both(x) { square(x) + b::square(x) }
        fn by_name(x) { let f = Fn("square"); f.call(x) }
        fn doubled() { this * 2 }
        fn method(x) { x.doubled() }
        fn text(square) { #{ square: square, told: `${square} and ${square(2)}` } }
    "#;
    let (_folder, program) = program(&[("a.rhai", a), ("b.rhai", "fn square(x) { -x }")]);
    let text = r#"
        import "a" as a;
        fn square(x) { 1000 }
        let e = a::made();
        [e.energy(tensor::of([[1, 2]])).item(), a::count(20), a::both(2), a::by_name(2), a::method(4), square(1), a::text(7)]
    "#;
    let found = shown(&program, text);
    assert_eq!(
        found,
        "[15.0, 20, 10, 12, 8, 1000, #{\"square\": 7, \"told\": \"7 and 12\"}]"
    );
}

#[test]
fn errors_name_functions_as_they_are_written() {
    let a = "fn inner(x) { x.nothing() }\nfn outer(x) { inner(x) }\nfn wrong() { inner(1, 2) }";
    let (_folder, program) = program(&[("a.rhai", a)]);
    let error = shown(&program, "import \"a\" as a;\na::outer(1)");
    assert!(
        error.contains("a.rhai:1:17")
            && error.contains("in `inner`, called at")
            && error.contains("in `outer`"),
        "{error}"
    );
    assert!(
        !error.contains("__of_") && error.matches("called at").count() == 2,
        "{error}"
    );
    let error = shown(&program, "import \"a\" as a;\na::wrong()");
    assert!(
        error.contains("inner") && !error.contains("__of_"),
        "{error}"
    );
}
