use super::format;

/// The text in its form, which must not change any more.
#[track_caller]
fn formatted(text: &str) -> String {
    let once = format(text).unwrap();
    assert_eq!(format(&once).unwrap(), once, "a second time");
    once
}

#[track_caller]
fn becomes(text: &str, wanted: &str) {
    assert_eq!(formatted(text), format!("{wanted}\n"), "{text}");
}

#[test]
fn spaces_between_pieces() {
    for (text, wanted) in [
        ("let x=1+2*3;", "let x = 1 + 2 * 3;"),
        ("f ( a,b , [1,2 ] )", "f(a, b, [1, 2])"),
        ("a [ 0 ] . b ( )", "a[0].b()"),
        ("#{a:1,\"b\":2}", "#{ a: 1, \"b\": 2 }"),
        ("#{ }", "#{}"),
        ("if(a)&&!b{c}else{d}", "if (a) && !b { c } else { d }"),
        ("for [a,b]in zip(x,y){}", "for [a, b] in zip(x, y) {}"),
        ("let f=|x,y|x-y;", "let f = |x, y| x - y;"),
        ("train(d,||x ,|b|{b})", "train(d, || x, |b| { b })"),
        ("x= -1- -y", "x = -1 - -y"),
        ("return-x", "return -x"),
        ("-x**-2", "-x ** -2"),
        ("a[1 .. 3]+x[..,0]", "a[1..3] + x[.., 0]"),
        ("0 ..=n", "0..=n"),
        ("for i in 0..n{ }", "for i in 0..n {}"),
        ("m . steps??20", "m.steps ?? 20"),
        ("a?.b?[0]", "a?.b?[0]"),
        ("nn :: linear (3,1)", "nn::linear(3, 1)"),
        ("import\"lib/x\"as x;", "import \"lib/x\" as x;"),
        ("1 .max(2)", "1 .max(2)"),
        ("1.max(2)+2.5 . pow(2)", "1.max(2) + 2.5.pow(2)"),
        ("x+=1;y/=2;z**=3", "x += 1; y /= 2; z **= 3"),
        ("a||b&&c|d", "a || b && c | d"),
        ("\"a\" !in b", "\"a\" !in b"),
        (
            "switch x{1=>a,2|3 if y=>{b},_=>c}",
            "switch x { 1 => a, 2 | 3 if y => { b }, _ => c }",
        ),
        ("`a${ x+1 }b`+  y", "`a${ x+1 }b` + y"),
        ("fn  f(a,b){a}", "fn f(a, b) { a }"),
        ("x.map(|e|e*2)//c", "x.map(|e| e * 2) //c"),
        ("f(/* a */ 1,/*b*/2)", "f(/* a */ 1, /*b*/ 2)"),
        ("f(#{a:1},|x|#{b:x})", "f(#{ a: 1 }, |x| #{ b: x })"),
        ("let [a,b]=f();", "let [a, b] = f();"),
        ("x[x>3]=0", "x[x > 3] = 0"),
        ("g!(1)", "g!(1)"),
        ("'a'+\"b\\\"\"+#\"c\"d\"#", "'a' + \"b\\\"\" + #\"c\"d\"#"),
    ] {
        becomes(text, wanted);
    }
}

#[test]
fn lines_begin_where_their_bracket_says() {
    becomes(
        "fn f(x) {\nlet y = [\n1,\n2,\n];\n      if x {\ny\n}\nelse { 0 }\n}",
        "fn f(x) {\n    let y = [\n        1,\n        2,\n    ];\n    if x {\n        y\n    }\n    else { 0 }\n}",
    );
    becomes(
        "train(d, #{\na: 1,\n}, |b| {\nb\n});",
        "train(d, #{\n    a: 1,\n}, |b| {\n    b\n});",
    );
    becomes(
        "let a = energy::joint(nn::sequential([\nx,\n]));",
        "let a = energy::joint(nn::sequential([\n    x,\n]));",
    );
    becomes(
        "let a = f(1)\n.run(|x| {\nx\n})\n.mean();\nlet b = 1 +\n2;",
        "let a = f(1)\n    .run(|x| {\n        x\n    })\n    .mean();\nlet b = 1 +\n    2;",
    );
    becomes("if a &&\nb {\nc\n}", "if a &&\n    b {\n    c\n}");
    becomes("fn f(a,\nb) {\na\n}", "fn f(a,\n    b) {\n    a\n}");
    becomes("{\n// c\n}\n// d", "{\n    // c\n}\n// d");
    becomes("let x = `a\n  b`;\nx", "let x = `a\n  b`;\nx");
}

#[test]
fn columns_stay() {
    for same in [
        "let a   = 1;     // one\nlet bcd = f(2);  // two",
        "f(#{ a: 1 }),       g(),\nf(#{ a: 1, b: 2 }), g(),",
        "let x = 1;                  // far out\nlet yy = 2;\nlet z = 3;                  // as far",
        "let x = 1;  // a comment\n            // that goes on",
    ] {
        becomes(same, same);
    }
    becomes(
        "a(\"x\ty\");   // one\nbc(\"xy\"); // two",
        "a(\"x\ty\");   // one\nbc(\"xy\"); // two",
    );
    // What grows takes its column along.
    becomes(
        "let a  =f(1,2);       // one\nlet bc =g(3,4,5,6,7); // two",
        "let a  = f(1, 2);          // one\nlet bc = g(3, 4, 5, 6, 7); // two",
    );
    // Space without a reason goes.
    becomes("let   a =   1;", "let a = 1;");
}

#[test]
fn empty_lines_and_ends() {
    becomes("\n\na;\n\n\n\nb;   \n\n", "a;\n\nb;");
    becomes("a;  // c  \nb;", "a;  // c\nb;");
    assert_eq!(format("").unwrap(), "");
    assert_eq!(format("a;\r\n b;\r\n").unwrap(), "a;\r\nb;\r\n");
    assert_eq!(format("#!/bin/x  y\nf( 1)").unwrap(), "#!/bin/x  y\nf(1)\n");
    assert_eq!(format("\u{feff}a ;").unwrap(), "\u{feff}a;\n");
}

#[test]
fn what_is_not_whole_is_left_alone() {
    for text in ["f(", "f)", "\"a", "`a${b", "/* a", "(]", "let x = [1}"] {
        let error = format(text).unwrap_err();
        assert!(error.message().contains("cannot be formatted"), "{text}");
    }
}
