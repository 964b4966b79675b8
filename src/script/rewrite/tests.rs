use super::*;

fn rewritten(text: &str) -> String {
    rewrite(text, &["g"]).0
}

#[test]
fn a_variable_is_called_and_a_function_is_not() {
    for (text, wanted) in [
        (
            "let f = |x| x; f(1)",
            "let f = |x| x; call(callee__(\"f\", f), 1)",
        ),
        (
            "let f = || 1; f()",
            "let f = || 1; call(callee__(\"f\", f))",
        ),
        (
            "g(g(1), 2)",
            "call(callee__(\"g\", g), call(callee__(\"g\", g), 1), 2)",
        ),
        ("|h| h(1)", "|h| call(callee__(\"h\", h), 1)"),
        (
            "fn f(h) { h(1) }",
            "fn f(h) { call(callee__(\"h\", h), 1) }",
        ),
        ("a[0](1)", "call(callee__(\"\", a[0]), 1)"),
        (
            "g(1)(2)",
            "call(callee__(\"\", call(callee__(\"g\", g), 1)), 2)",
        ),
        (
            "for h in [g] { h(1) }",
            "for h in [g] { call(callee__(\"h\", h), 1) }",
        ),
        ("`${g(1)}`", "`${call(callee__(\"g\", g), 1)}`"),
    ] {
        assert_eq!(rewritten(text), wanted);
    }
    for same in [
        "let f = f(1);",
        "fn g(x) { x } g(1)",
        "fn f(x) { g(x) }",
        "fn int.f(x) { g(x) }",
        "x.g(1)",
        "m::g(1)",
        "{ let f = |x| x; } f(1)",
        "[|h| h, h(1)]",
        "a || h(1) || b",
        "let h = 1 | 2; print(h)",
        "if (a) { (b) }",
        "// g(1)\n\"g(1)\"",
    ] {
        assert_eq!(rewritten(same), same);
    }
}

#[test]
fn a_sign_binds_less_than_a_power() {
    for (text, wanted) in [
        ("-x ** 2", "-(x ** 2)"),
        ("-2 ** 2 + 1", "-(2 ** 2) + 1"),
        ("a * -x.y(1)[2] ** -z ** 2", "a * -(x.y(1)[2] ** -(z ** 2))"),
        ("f(-x ** 2)", "f(-(x ** 2))"),
        ("-g(1) ** 2", "-(call(callee__(\"g\", g), 1) ** 2)"),
        ("-(a + b) ** 2 // c", "-((a + b) ** 2) // c"),
    ] {
        assert_eq!(rewritten(text), wanted);
    }
    for same in [
        "(-x) ** 2",
        "a - x ** 2",
        "-f(x ** 2)",
        "-x * y ** 2",
        "x -= y ** 2",
        "2 ** -1",
    ] {
        assert_eq!(rewritten(same), same);
    }
}

#[test]
fn slices_divisions_and_texts() {
    let end = i64::MAX;
    for (text, wanted) in [
        ("a[1..3]", "a.slice__(1..3)".to_owned()),
        ("a[1..]", format!("a.slice__(1..{end})")),
        ("a[..-1].b", "a.slice__(0..-1).b".to_owned()),
        ("a[..]", format!("a.slice__(0..{end})")),
        ("a[1..3] = b", "a[1..3] = b".to_owned()),
        ("a[1..3] == b", "a.slice__(1..3) == b".to_owned()),
        ("x[.., 0]", format!("x[[0..{end}, 0]]")),
        ("x[1, a..] += 2", format!("x[[1, a..{end}]] += 2")),
        ("x /= 2;", "x /= over__( 2);".to_owned()),
        (
            "|y| { x[f(1)] /= y + 1 }",
            "|y| { x[f(1)] /= over__( y + 1) }".to_owned(),
        ),
        (
            "`a\\n${x}\\t\\w`",
            "`a${\"\\n\"}${x}${\"\\t\"}\\w`".to_owned(),
        ),
        ("\"a\\n\"", "\"a\\n\"".to_owned()),
        ("PI * PI()", "PI() * PI()".to_owned()),
        ("let PI = 3; PI", "let PI = 3; PI".to_owned()),
        ("#{ PI: x.PI }", "#{ PI: x.PI }".to_owned()),
        ("return [1, 2]; [1..2]", "return [1, 2]; [1..2]".to_owned()),
    ] {
        assert_eq!(rewritten(text), wanted);
    }
}

#[test]
fn what_is_looked_through_may_be_used_meanwhile() {
    for (text, wanted) in [
        ("m.keys().map(|k| m[k])", "copied__(m.keys()).map(|k| m[k])"),
        (
            "a.filter(|x| x < a.len())",
            "copied__(a).filter(|x| x < a.len())",
        ),
        (
            "a.b.all(|x| { a.c(x) })",
            "copied__(a.b).all(|x| { a.c(x) })",
        ),
    ] {
        assert_eq!(rewritten(text), wanted);
    }
    for same in [
        "a.map(|x| x + b)",
        "a.map(|x| x.a)",
        "a.retain(|x| x < a.len())",
        "f(a).map(|x| x)",
    ] {
        assert_eq!(rewritten(same), same);
    }
    let text = "let a = [1];\nlet b =  a.retain(|x| a[0] == x);";
    assert_eq!(place_of_own_use(text, "retain"), Some((2, 12)));
    assert_eq!(place_of_own_use(text, "map"), None);
}

#[test]
fn arrays_are_taken_apart() {
    for (text, wanted) in [
        (
            "let [a, b] = h(1); a",
            "let a = parts__(2,  h(1)); let b = a[1]; a = a[0]; a",
        ),
        (
            "let (a, b) = -x ** 2",
            "let a = parts__(2,  -(x ** 2)); let b = a[1]; a = a[0];",
        ),
        (
            "for [a, b] in zip(x, y) { a }",
            "for a in zip(x, y) { let a = parts__(2, a); let b = a[1]; a = a[0]; a }",
        ),
        ("for (a, i) in x { a }", "for (a, i) in x { a }"),
        (
            "let [f] = x; f(1)",
            "let f = parts__(1,  x); f = f[0]; call(callee__(\"f\", f), 1)",
        ),
    ] {
        assert_eq!(rewritten(text), wanted);
    }
}

#[test]
fn columns_are_known() {
    let text = "let y = g(1) + -x ** 2 + z;\nlet [a, b] = g(2); a";
    let (plain, moves) = rewrite(text, &["g"]);
    for word in ["z", "1", "** 2"] {
        let (old, new) = (text.find(word).unwrap(), plain.find(word).unwrap());
        assert_eq!(moves.before(1, new + 1), old + 1, "{word}");
    }
    let last = |text: &str| text.lines().nth(1).unwrap().rfind('a').unwrap() + 1;
    assert_eq!(moves.before(2, last(&plain)), last(text));
    assert_eq!(moves.before(3, 7), 7);
}
