use super::*;

/// Each use as `name@line of line`, lines from 1.
fn uses(text: &str) -> Vec<String> {
    let outline = Outline::of(text);
    let line = |byte: usize| text[..byte].matches('\n').count() + 1;
    let shown = |u: &Use| {
        let name = &text[u.at.clone()];
        let of = &outline.declared[u.of];
        assert_eq!(name, of.name);
        format!("{name}@{} of {}", line(u.at.start), line(of.at.start))
    };
    outline.uses.iter().map(shown).collect()
}

#[test]
fn a_use_means_the_nearest_declaration() {
    let text = "let x = 1;\nlet x = x + 1;\n{\n    let x = x;\n    x\n}\nx";
    assert_eq!(uses(text), ["x@2 of 1", "x@4 of 2", "x@5 of 4", "x@7 of 2"]);
    let text = "let f = |x, y| x + y;\nf(1, 2);\nx";
    assert_eq!(uses(text), ["x@1 of 1", "y@1 of 1", "f@2 of 1"]);
    let text = "for (a, i) in 0..3 {\n    a + i\n}\ntry { } catch (e) {\n    e\n}\na";
    assert_eq!(uses(text), ["a@2 of 1", "i@2 of 1", "e@5 of 4"]);
    let text = "let [a, b] = f();\n`${a} and ${b}`";
    assert_eq!(uses(text), ["a@2 of 1", "b@2 of 1"]);
    // Keys, properties and names in modules are none of the script's.
    assert!(uses("let a = 1; #{ a: 2 }.a; m::a; x.a(1)").is_empty());
    assert_eq!(uses("let a = 1; #{ b: a, c: a }").len(), 2);
}

#[test]
fn functions_are_seen_everywhere_and_see_nothing() {
    let text = "let x = f(1);\nfn f(a) { a + x }\nfn f(a, b) { f(a) }\nf(1, |p, q| p)";
    assert_eq!(
        uses(text),
        [
            "f@1 of 2", "a@2 of 2", "f@3 of 2", "a@3 of 3", "f@4 of 3", "p@4 of 4"
        ]
    );
    // A function goes before a variable of its name where it is called.
    let text = "fn loss(x) { x }\nlet loss = loss(1);\nloss.mean(); loss(2)";
    assert_eq!(
        uses(text),
        ["x@1 of 1", "loss@2 of 1", "loss@3 of 2", "loss@3 of 1"]
    );
    let text = "const K = 1;\nfn f() { global::K }\nfn g() { this.x }\nFn(\"f\"); a.g(); a.f()";
    assert_eq!(uses(text), ["K@2 of 1", "f@4 of 2", "g@4 of 3"]);
}

#[test]
fn imports_and_what_they_offer() {
    let text = "import \"lib/a\" as a;\nfn f() { a::g(1, 2) }\na::X;\nexport let y = 1;\nlet z = 2;\nexport z;\nprivate fn h() { }";
    let outline = Outline::of(text);
    let foreign: Vec<_> = outline
        .foreign
        .iter()
        .map(|f| (f.name.as_str(), f.arguments))
        .collect();
    assert_eq!(foreign, [("g", Some(2)), ("X", None)]);
    let offered: Vec<_> = outline.offered().map(|(_, d)| d.name.as_str()).collect();
    assert_eq!(offered, ["f", "y", "z"]);
    let import = &outline.declared[outline.at(text.find("a::g").unwrap()).unwrap()];
    let (path, at) = import.path.clone().unwrap();
    assert_eq!((path.as_str(), &text[at]), ("lib/a", "lib/a"));
}

#[test]
fn a_library_runs_nothing() {
    assert!(!Outline::of("import \"a\" as a;\nconst K = 2;\nfn f(x) { g(x) }").runs);
    assert!(Outline::of("fn f(x) { g(x) }\nf(1);").runs);
    assert!(Outline::of("for i in 0..3 { a::f(i) }").runs);
}

#[test]
fn comments_belong_to_names() {
    let text = "// The head of the script.\nlet a = 1;\n\n// Adds one.\n// Twice.\nfn f(x) { x } // no\nlet b = 2;   // the rate\nfn g(x) {    // behind\n}";
    let outline = Outline::of(text);
    let comment = |name: &str| {
        let found = outline.declared.iter().find(|d| d.name == name);
        found.unwrap().comment(text)
    };
    assert_eq!(comment("a"), "");
    assert_eq!(comment("f"), "Adds one.\nTwice.");
    assert_eq!(comment("b"), "the rate");
    assert_eq!(comment("g"), "behind");
}

#[test]
fn half_a_text_is_enough() {
    // The statement before lacks its end.
    let text = "let a = 1\nlet b = a;\nb.";
    assert_eq!(uses(text), ["a@2 of 1", "b@3 of 2"]);
    let text = "let é = `a${nn::mlp([1, 2]).forward(x)[0].y} b`; fn f(a) { #{ a: [1..2, |x| x.z] } } for [i, j] in z { import \"a\" as b; export let c = b::d(|| 1, 2); } try { } catch (e) { Fn(\"f\") } /* ü */ \"q\\\"";
    for end in (0..=text.len()).filter(|e| text.is_char_boundary(*e)) {
        for part in [&text[..end], &text[end..]] {
            let outline = Outline::of(part);
            for d in &outline.declared {
                assert!(part.get(d.whole.clone()).is_some() && part.get(d.at.clone()).is_some());
                d.comment(part);
                d.shown(part);
            }
            assert!(
                outline
                    .uses
                    .iter()
                    .all(|u| part.get(u.at.clone()).is_some())
            );
        }
    }
}
