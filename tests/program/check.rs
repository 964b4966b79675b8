//! `jemscript check`: every kind of mistake with its place and hint, and silence on what works.

use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use jemscript::script::check::{Finding, Severity, check_file, check_text};
use jemscript::script::reference::{entries, examples};
use jemscript::script::{Program, Settings, read_script};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(text: &str) -> Vec<Finding> {
    check_text("script", text, &root().join("scripts"))
}

/// The errors in a text as users see them.
fn errors(text: &str) -> Vec<String> {
    check(text)
        .into_iter()
        .filter(|f| f.severity == Severity::Error)
        .map(|f| f.render())
        .collect()
}

fn scripts_in(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "rhai"))
        .collect();
    found.sort();
    found
}

/// A finding as one line: `error 3:5 message | hint`.
fn line(f: &Finding) -> String {
    let hint = f
        .error
        .hint()
        .map_or_else(String::new, |h| format!(" | {}", h.replace('\n', " ")));
    format!(
        "{} {}:{} {}{hint}",
        f.severity.name(),
        f.line,
        f.column,
        f.error.message()
    )
}

/// Every mistake in a script with its place, its message and the beginning of its hint.
#[track_caller]
fn finds(text: &str, expected: &[&str]) {
    let found: Vec<String> = check(text).iter().map(line).collect();
    let as_said =
        found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.starts_with(e));
    assert!(
        as_said,
        "{text}\nexpected\n  {}\ngot\n  {}",
        expected.join("\n  "),
        found.join("\n  ")
    );
}

#[test]
fn nothing_is_wrong_with_the_shipped_scripts() {
    let all = [scripts_in("scripts"), scripts_in("scripts/lib")].concat();
    assert!(all.len() >= 6);
    for path in all {
        let found: Vec<String> = check_file(&path).iter().map(Finding::render).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn nothing_is_wrong_with_the_documented_examples() {
    let mut count = 0;
    let guide = std::fs::read_to_string(root().join("docs/guide.md")).unwrap();
    for example in entries()
        .iter()
        .flat_map(|e| e.examples())
        .chain(examples(&guide))
    {
        let found = errors(&example.code);
        assert!(found.is_empty(), "{}\n{}", example.code, found.join("\n"));
        count += 1;
    }
    assert!(count > 100);
}

/// Where a wrong script is called wrong, it is so: the run fails at that line with those words, or
/// ends before it.
#[test]
fn wrong_scripts_are_called_wrong_only_where_they_are() {
    let mut agreed = 0;
    for path in scripts_in("tests/wrong") {
        let text = read_script(&path).unwrap();
        let folder = path.parent().unwrap();
        let found: Vec<Finding> = check_text("script", &text, folder);
        let settings = Settings {
            folder: folder.to_path_buf(),
            ..Settings::default()
        };
        let failure = Program::new(settings)
            .run_text("script", &text)
            .unwrap_err();
        let place = failure
            .text
            .lines()
            .find_map(|l| l.trim().strip_prefix("--> script:"))
            .unwrap_or("0:0");
        let at: usize = place.split(':').next().unwrap().parse().unwrap();
        for f in found.iter().filter(|f| f.severity == Severity::Error) {
            let same = format!("{}:{}", f.line, f.column) == place
                || (f.line == at && f.error.message() == failure.error.message())
                // The same mistake, met at the next word of the line.
                || (f.line == at && f.error.hint().is_some() && f.error.hint() == failure.error.hint());
            agreed += usize::from(same);
            let shown = path.display();
            assert!(
                same || f.line > at,
                "{shown}\nchecked: {}\nrun: {}",
                f.render(),
                failure.text
            );
        }
    }
    assert!(agreed >= 8, "the checker saw {agreed} of the mistakes");
}

#[test]
fn names() {
    finds(
        "let a = 1;\nprint(b + a);",
        &["error 2:7 there is no variable `b`"],
    );
    finds(
        "let width = 1;\nprint(widht);\nprint(wdith)",
        &[
            "error 2:7 there is no variable `widht` | did you mean `width`?",
            "error 3:7 there is no variable `wdith` | did you mean `width`?",
        ],
    );
    finds(
        "fn f(x) { x + y }\nlet y = 1; f(y);",
        &["error 1:15 there is no variable `y` | a `fn` sees no variables"],
    );
    finds(
        "let f = |x| x + nosuch; f.call(1);",
        &["error 1:17 there is no variable `nosuch`"],
    );
    finds(
        "let g = later;\nfn later() { 1 }",
        &["error 1:9 there is no variable `later`"],
    );
    finds(
        "try { print(nosuch); } catch {}",
        &[
            "error 1:13 there is no variable `nosuch`", // the script does not even start
        ],
    );
    finds(
        "{ let a = 1; }\nprint(a);",
        &["error 2:7 there is no variable `a`"],
    );
    finds(
        "nosuch(1, 2);",
        &["error 1:1 there is no function `nosuch`"],
    );
    finds(
        "fn area(a, b) { a * b }\nare(1, 2);\narea(1);",
        &[
            "error 2:1 there is no function `are` | did you mean `area`?",
            "error 3:1 `area` takes 2 arguments, got 1 | it is written: fn area(a, b)",
        ],
    );
    finds(
        "let n = nn::liner(3, 4);",
        &["error 1:13 there is no function `nn::liner` | did you mean `nn::linear`?"],
    );
    finds(
        "let n = nn::linear(3);",
        &["error 1:13 `nn::linear` cannot be called with (int) | it takes nn::linear("],
    );
    finds(
        "let n = nm::linear(3, 4);",
        &["error 1:9 there is no module `nm` | did you mean `nn`?"],
    );
    finds(
        "let f = nn::silu;",
        &["error 1:13 there is no variable `nn::silu` | a function is called with"],
    );
}

#[test]
fn methods_and_properties() {
    finds(
        "let o = optim::adam(nn::linear(1, 1));\no.stepp(1);",
        &["error 2:3 optimizer has no method `stepp` | did you mean `step`?"],
    );
    finds(
        "data::digits().trian;",
        &["error 1:16 dataset has no property `trian` | did you mean `train`?"],
    );
    finds(
        "data::digits().train.images();",
        &["error 1:22 `images` cannot be called with (part)"],
    );
    finds(
        "fn f(x) { x.nosuchmethod(1) }\nf(2);",
        &["error 1:13 nothing has a method `nosuchmethod`"],
    );
    finds(
        "fn f(x) { x.shap }\nf(tensor::zeros([2]));",
        &["warning 1:13 nothing has a property `shap` | did you mean `shape`?"],
    );
    finds(
        "let t = tensor::zeros([2]);\nt.shape = 3;",
        &["error 2:3 the property `shape` of tensor cannot be changed"],
    );
    finds(
        "fn add(a, b) { a + b }\n1.add(2);",
        &["error 2:3 `.add(…)` calls the function `add` with 1 argument | call it as add"],
    );
    finds(
        "train(data::digits(), #{ iterations: 1 }, |b| b.z);",
        &["error 1:49 batch has no property `z`"],
    );
    finds(
        "let m = #{ a: 1 };\nprint(m.b);",
        &["error 2:9 no map here has a property `b`"],
    );
    finds(
        "tensor::zeros([2]).matmul(\"a\");",
        &["error 1:20 `matmul` cannot be called with (tensor, string)"],
    );
}

#[test]
fn options() {
    finds(
        "sampler::sgld(#{\n  stpes: 3 });",
        &["error 2:3 sampler::sgld has no option `stpes` | did you mean `steps`"],
    );
    finds(
        "sampler::sgld(#{ steps: 2.5 });",
        &["error 1:25 sampler::sgld: option `steps` must be int, got float 2.5"],
    );
    finds(
        "sampler::sgld(#{ clamp: [1] });",
        &["error 1:25 sampler::sgld: option `clamp` must be [low, high], got array [1]"],
    );
    finds("sampler::sgld(#{ steps: 3, clamp: (), noise: 1 });", &[]);
    finds(
        "let s = sampler::sgld();\ns.run(energy::double_well(), tensor::zeros([1, 2]), #{ thinn: 1 });",
        &["error 2:56 sampler::run has no option `thinn` | did you mean `thin`"],
    );
    finds(
        "train(data::digits(), #{ iterations: 1, validate: 3 }, |b| b.x.mean());",
        &["error 1:51 train: option `validate` must be function, got int 3"],
    );
    // What is no literal is not judged.
    finds("let n = 2.5;\nsampler::sgld(#{ steps: n });", &[]);
}

/// An option that is one of a few words: a wrong one is found before anything runs, and the words
/// are named.
#[test]
fn words_of_options() {
    for (call, option, words) in [
        (
            "sampler::sgld(#{ W })",
            "schedule",
            r#""geometric", "linear" or "cosine""#,
        ),
        ("sampler::sgld(#{ W })", "mode", r#""eval" or "train""#),
        ("sampler::mala(#{ W })", "mode", r#""eval" or "train""#),
        ("sampler::hmc(#{ W })", "mode", r#""eval" or "train""#),
        (
            "sampler::replay([2], #{ W })",
            "init",
            r#""uniform", "normal" or "class_gaussian""#,
        ),
        (
            "data::augment(#{ W })",
            "mode",
            r#""reflect", "edge" or "zero""#,
        ),
        (
            "nn::wide_resnet(10, 1, #{ W })",
            "norm",
            r#""none", "batch", "layer", "group", "instance" or "weight""#,
        ),
        (
            "nn::wide_resnet(10, 1, #{ W })",
            "activation",
            "the name of an activation",
        ),
        (
            "nn::mlp([2, 2], #{ W })",
            "activation",
            "the name of an activation",
        ),
        (
            "train(data::digits(), #{ iterations: 1, W }, |b| #{})",
            "mode",
            r#""max" or "min""#,
        ),
    ] {
        let text = format!(
            "let a = {};",
            call.replace('W', &format!("{option}: \"no such word\""))
        );
        let found = errors(&text);
        let wanted = format!("option `{option}` must be {words}, got string \"no such word\"");
        assert!(
            found.len() == 1 && found[0].contains(&wanted),
            "{text}: {found:?}"
        );
    }
    finds(
        "let a = nn::mlp([2, 2], #{ activation: \"leaky_relu(0.1)\" });\nlet b = nn::mlp([2, 2], #{ activation: \"rleu\" });",
        &[
            "error 2:40 nn::mlp: option `activation` must be the name of an activation, got string \"rleu\" | did you mean \"relu\"?",
        ],
    );
}

#[test]
fn options_that_a_variable_holds() {
    finds(
        "let o = #{ stpes: 1 };\nsampler::sgld(o);",
        &["error 1:12 sampler::sgld has no option `stpes` | did you mean"],
    );
    finds(
        "let how = #{ iterations: \"many\" };\ntrain(data::digits(), how, |b| b.x.mean());",
        &["error 1:26 train: option `iterations` must be int, got string"],
    );
    // More keys take none away, but a value may be another by then.
    finds(
        "let o = #{ stpes: 1 };\no += #{ steps: 3 };\nsampler::sgld(o);",
        &["error 1:12 sampler::sgld has no"],
    );
    finds(
        "let o = #{ steps: \"x\" };\no.steps = 3;\nsampler::sgld(o);",
        &[],
    );
    // The key may be gone, or the map another.
    finds(
        "let o = #{ stpes: 1 };\no.remove(\"stpes\");\nsampler::sgld(o);",
        &[],
    );
    finds(
        "let o = #{ stpes: 1 };\no = #{ steps: 1 };\nsampler::sgld(o);",
        &[],
    );
    finds(
        "let o = #{ stpes: 1 };\nlet f = |k| o.remove(k);\nf.call(\"stpes\");\nsampler::sgld(o);",
        &[],
    );
    finds(
        "let o = #{ stpes: 1 };\n{ let o = #{ steps: 1 }; sampler::sgld(o); }\nprint(o.keys());",
        &[],
    );
}

#[test]
fn habits_from_other_languages() {
    for (text, hint) in [
        (
            "if 1 == 1 and 2 == 2 { print(1); }",
            "`and` is written `&&`",
        ),
        (
            "let a = 1;\nif a == 1 { print(1); } elif a == 2 { print(2); }",
            "`elif` is written `else if`",
        ),
        ("# a comment\nprint(1);", "a comment starts with `//`"),
        ("def f(x):\n  x", "a function is written `fn name(x)"),
        ("for i in 0..3:\n  print(i)", "a block stands in braces"),
        (
            "sampler::sgld({ steps: 20 });",
            "a map is written `#{ key: value }`",
        ),
        ("nn::conv2d(1, 32, 3, padding=1);", "options stand in a map"),
        (
            "nn::mlp([2, 3], #{ activation: 'silu' });",
            "texts stand in double quotes",
        ),
        (
            "let a = 3;\nprint(f\"{a}\");",
            "a text with values stands in backticks",
        ),
        (
            "let a = [x for x in 0..3];",
            "an array is made of another by a function",
        ),
        ("let i = 0;\ni++;", "it is written `+= 1`"),
        ("let a = true ? 1 : 2;", "a choice is written `if"),
        (
            "let a = tensor::ones([2, 2]);\nprint(a @ a);",
            "matrices are multiplied by",
        ),
        (
            "sampler::sgld(#{ clamp: None });",
            "nothing is written `()`",
        ),
        (
            "nn::conv2d(1, 2, 3, #{ bias: False });",
            "it is written `false`",
        ),
        ("print(tensor([1, 2]));", "`tensor` is a module"),
        ("let x = np::zeros([2]);", "tensors are made by `tensor::…`"),
        ("let a = 1;\nprint(\"a\", a);", "it takes one value, got 2"),
        ("print(2 ^ 0.5);", "a power is written `**`"),
        (
            "let x = tensor::ones([2]).leaf();\nx.sum().backward();",
            "an optimiser does it all: opt.step(loss)",
        ),
        (
            "let x = tensor::ones([2]);\nprint(x.numpy());",
            "values as an array: x.to_array()",
        ),
        (
            "let x = tensor::ones([2]);\nx.clamp_(0, 1);",
            "no operation changes a tensor in place",
        ),
        (
            "const LR = 0.1;\nLR = 0.2;",
            "what changes is declared with `let`",
        ),
    ] {
        let found = check(text);
        let hint_of = |f: &Finding| f.error.hint().unwrap_or_default().to_owned();
        assert!(
            found.iter().any(|f| hint_of(f).starts_with(hint)),
            "{text}\n{}",
            found.iter().map(line).collect::<Vec<_>>().join("\n")
        );
    }
    // `nn` with a dot.
    assert!(
        errors("nn.linear(3, 4);")
            .iter()
            .any(|e| e.contains("`nn` is a module"))
    );
}

/// What the language has beyond rhai's grammar is known, and its places are those of the script.
#[test]
fn calls_of_variables_parts_and_defaults_are_known() {
    for fine in [
        "let f = |x| x; print(f(1));",
        "let net = nn::linear(2, 1); print(net(tensor::ones([1, 2])).shape);",
        "let m = energy::joint(nn::linear(2, 3)); print(m(tensor::ones([1, 2])).shape);",
        "let abs = -3; print(abs(abs));",
        "let m = #{ a: 1 }; print(m.b ?? 3); print(m.keys().map(|k| m[k]));",
        "let a = [1, 2]; print(a[1..].len()); let x = tensor::ones([2, 2]); print(x[.., 0].shape); x[x > 0] = 1;",
        "let [a, b] = [1, 2]; for [x, y] in zip([1], [2]) { print(a + b + x + y); }",
        "let x = 3; x /= 2; print(-x ** 2);",
    ] {
        finds(fine, &[]);
    }
    finds(
        "let x = 3; let y = -x ** 2; x(1);",
        &["error 1:29 `x` is of type int: it cannot be called"],
    );
    finds(
        "let net = nn::linear(2, 1);\nlet y = net(1) + net(\"a\");",
        &[
            "error 2:9 `forward` cannot be called with (network, int)",
            "error 2:18 `forward` cannot be called with (network, string)",
        ],
    );
    finds(
        "let f = |x| x; f(1) + nosuch(1);",
        &["error 1:23 there is no function `nosuch`"],
    );
}

#[test]
fn changes_that_nobody_sees_are_warnings() {
    finds(
        "for (a, b) in zip([1], [2]) { print(a); print(b); }",
        &["warning 1:15 `b` counts here | pairs are taken apart by `for [a, b] in zip(…)`"],
    );
    finds(
        "fn add(a, x) { a.push(x); }\nlet a = []; add(a, 1); print(a);",
        &["warning 1:16 `add` changes its own copy of `a`, and nobody sees it"],
    );
    finds(
        "fn set(m) { m.key = 1; }\nlet m = #{}; set(m);",
        &["warning 1:13 `set` changes its own copy of `m`"],
    );
    for fine in [
        "fn add(a, x) { a.push(x); a }\nlet a = add([], 1); print(a);",
        "fn last(a) { a.sort(); a[-1] }\nprint(last([2, 1]));",
        "fn total(a) { let t = 0; a.push(1); for x in a { t += x; } t }\nprint(total([2]));",
        "fn step(opt, loss) { opt.step(loss); }",
    ] {
        finds(fine, &[]);
    }
}

#[test]
fn likely_slips_are_warnings() {
    finds("print(3 / 2); print(4 / 2); print(3.0 / 2);", &[]);
    finds("print(1 / 0);", &["error 1:9 `1 / 0` divides by zero"]);
    finds(
        "let lr = param(\"lr\", 0.1, \"rate\");",
        &["warning 1:5 the parameter `lr` is never used"],
    );
    finds(
        "let lr = param(\"lr\", 0.1, \"rate\");\nlet f = || lr;\nf.call();",
        &[],
    );
    finds(
        "let a = param(\"a\", 1);\nlet b = param(\"a\", 2);\nprint(a + b);",
        &["warning 2:15 the parameter `a` is declared twice"],
    );
    finds(
        "fn f(x) {\n  return x;\n  print(x);\n}\nf(1);",
        &["warning 3:3 this is never reached: it stands behind `return`"],
    );
    finds(
        "loop { break; print(1); }",
        &["warning 1:15 this is never reached: it stands behind `break`"],
    );
    finds(
        "try { nosuch(); } catch { print(\"as meant\"); }",
        &["warning 1:7 there is no function `nosuch`"],
    );
}

#[test]
fn syntax_and_imports() {
    finds("let x = (1 + 2;\n", &["error 1:15 syntax: "]);
    finds(
        "import \"lib/nosuch\" as d;",
        &["error 1:8 import \"lib/nosuch\": no such script | looked for lib/nosuch.rhai"],
    );
    finds(
        "import \"../x\" as d;",
        &["error 1:8 import \"../x\": the path must stay inside the script's folder"],
    );
    finds(
        "import \"lib/digits\" as d;\nd::nosuch(1);\nd::fitt(1);",
        &["error 2:4 ", "error 3:4 "],
    );
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "a.rhai",
        "import \"b\" as b;\nprint(b::f(1, 2)); print(b::X); print(b::Y); b::g(1); b::c::h();",
    );
    write(
        "b.rhai",
        "import \"c\" as c;\nfn f(x) { x.any_key + nosuch }\nexport const X = 1;\nprivate fn g(x) { x }",
    );
    write("c.rhai", "import \"c\" as again;\nfn h() { 1 }");
    let found: Vec<String> = check_file(&folder.path().join("a.rhai"))
        .iter()
        .map(Finding::render)
        .collect();
    let all = found.join("\n");
    for said in [
        "`b::f` takes 1 argument, got 2",
        "exports no variable `Y`",
        "`b::g` is private",
        "there is no variable `nosuch`",
        "import each other in a circle",
    ] {
        assert!(all.contains(said), "no `{said}` in\n{all}");
    }
    assert_eq!(found.len(), 5, "{all}");
}

/// The program: text, JSON lines, exit codes.
#[test]
fn the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.rhai"), "print(1);").unwrap();
    std::fs::write(
        folder.path().join("warned.rhai"),
        "let lr = param(\"lr\", 0.1);",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("bad.rhai"),
        "print(\"ü\" + nosuch);\nfoo();",
    )
    .unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_jemscript"))
            .arg("check")
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.code().unwrap(),
        )
    };
    assert_eq!(
        run(&["good.rhai"]),
        ("1 script: nothing wrong found\n".to_owned(), 0)
    );
    let (text, code) = run(&["good.rhai", "warned.rhai"]);
    assert!(
        code == 0 && text.ends_with("2 scripts: 1 warning\n"),
        "{text}"
    );
    let (text, code) = run(&["bad.rhai"]);
    let look = "error: there is no variable `nosuch`\n  --> bad.rhai:1:13\n  |\n1 | print(\"ü\" + nosuch);\n  |             ^^^^^^\n";
    assert!(
        code == 1 && text.starts_with(look) && text.ends_with("1 script: 2 errors\n"),
        "{text}"
    );
    let (text, code) = run(&["bad.rhai", "--json"]);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!((lines.len(), code), (2, 1));
    assert_eq!(
        (lines[1]["severity"].as_str(), lines[1]["line"].as_i64()),
        (Some("error"), Some(2))
    );
    let (text, code) = run(&["nothing.rhai"]);
    assert!(code == 1 && text.contains("nothing.rhai"), "{text}");
}

#[test]
fn parameters_are_listed_without_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let text = "import \"more\" as more;\nlet a = param(\"steps\", 1_000, \"how many\");\n\
        fn f() { param(\"rates\", [0.1, -2]) }\nparam(\"n\", f().len(), \"counted\");\nthrow \"never run\";";
    write("a.rhai", text);
    write(
        "more.rhai",
        "fn g() { param(\"name\", \"x\", \"a text\") }\nfn h() { param(\"steps\", 3) }",
    );
    write("none.rhai", "print(1);");
    write("bad.rhai", "print(1;");
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_jemscript"))
            .arg("params")
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        (
            String::from_utf8(said).unwrap(),
            output.status.code().unwrap(),
        )
    };
    let table = "name   type      default      meaning\n\
                 n      computed  …            counted\n\
                 steps  int       1000         how many\n\
                 rates  array     [0.1, -2]\n\
                 name   string    \"x\"          a text\n";
    let (mut lines, mut said) = (table.lines().collect::<Vec<_>>(), run(&["a.rhai"]).0);
    lines.sort_unstable();
    said = said
        .lines()
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n");
    let mut said: Vec<&str> = said.lines().collect();
    said.sort_unstable();
    let plain: Vec<String> = lines
        .iter()
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(said, plain);
    let (text, _) = run(&["a.rhai", "--json"]);
    let rows: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let steps = rows.iter().find(|r| r["name"] == "steps").unwrap();
    assert_eq!(
        (
            steps["type"].as_str(),
            steps["default"].as_i64(),
            steps["line"].as_i64()
        ),
        (Some("int"), Some(1000), Some(2))
    );
    assert!(run(&["none.rhai"]).0.contains("has no parameters"));
    let (text, code) = run(&["bad.rhai"]);
    assert!(code == 1 && text.contains("bad.rhai:1:8"), "{text}");
}

#[test]
fn the_reference_is_searched() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_jemscript"))
            .arg("doc")
            .args(args)
            .output()
            .unwrap();
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.code().unwrap(),
        )
    };
    let (text, code) = run(&["--search", "langevin"]);
    assert!(
        code == 0 && text.contains("sampler::sgld(") && text.contains("sampler::mala("),
        "{text}"
    );
    assert!(
        run(&["--search", "replay", "buffer"])
            .0
            .contains("sampler::replay(")
    );
    assert_eq!(run(&["--search", "nosuchword"]).1, 1);
    assert!(run(&["network"]).0.contains(".forward("));
}

/// Programs made at random that run without an error give none.
#[test]
fn what_runs_is_not_called_wrong() {
    let mut ran = 0;
    for seed in 0..300 {
        let text = program(&mut Rng::with_seed(seed));
        let program = Program::new(Settings {
            folder: root().join("scripts"),
            ..Settings::default()
        });
        program
            .session
            .set_output(jemscript::display::lines(|_| {}));
        if let Err(e) = program.run_text("script", &text) {
            panic!("the generator is wrong:\n{text}\n{e}");
        }
        ran += 1;
        let found = errors(&text);
        assert!(
            found.is_empty(),
            "seed {seed}:\n{text}\n{}",
            found.join("\n")
        );
    }
    assert_eq!(ran, 300);
}

/// A random program that runs: variables that change their type, maps with made keys, functions as
/// values, shadowing, functions before their definition, blocks, loops, switches, captures,
/// imports.
fn program(rng: &mut Rng) -> String {
    let pieces: &[&str] = &[
        "let v = 1; v = \"text\"; v.to_upper(); v = tensor::zeros([2]); print(v.shape);",
        "let m = #{}; for i in 0..3 { m[\"k\" + i] = i; } print(m.k1 + m.k2);",
        "let m = #{ a: #{ b: [1, 2] } }; m.a.c = |x| x + 1; print(m.a.c(2) + m.a.b[1]);",
        "let later = later_defined(2); print(later);",
        "let f = |x, y| x + y; let g = f.curry(1); print(g.call(2));",
        "let h = Fn(\"later_defined\"); print(h.call(3));",
        "let x = 1; { let x = \"inner\"; print(x.len()); } print(x + 1);",
        "let s = switch 3 { 1 => \"a\", 2 if later_defined(1) > 0 => \"b\", 3..5 => \"c\", _ => \"d\" }; print(s);",
        "let t = tensor::ones([2, 2]); t += 1; let u = 2 * t.matmul(t); print(u.sum());",
        "let e = energy::of(|x| (x * x).sum(1)); print((e + 0.5 * e).energy(tensor::zeros([2, 3])).shape);",
        "let a = [1, \"b\", #{ c: 3 }]; print(a[2].c); a[0] = #{ d: 1 }; print(a[0].d);",
        "let n = (); print(n?.anything); print(n ?? 3);",
        "let c = 0; let add = |k| { c += k; c }; add.call(2); print(c);",
        "let i = 0; while i < 3 { i += 1; if i == 2 { continue; } } do { i -= 1; } until i <= 0;",
        "try { throw #{ code: 3 }; } catch (err) { print(err.code); }",
        "try { tensor::zeros([-1]); } catch (err) { print(err.message + err.hint); }",
        "import \"lib/digits\" as recipe; print(type_of(recipe::classifier()));",
        "const SIDE = 4; fn side() { global::SIDE } print(SIDE);",
        "let o = #{ steps: 2 }; o.noise = 0.1; print(sampler::sgld(o).steps);",
        "let p = param(\"p\", 2); print(`${p * 2} ${if p > 1 { \"big\" } else { \"small\" }}`);",
        "let parsed = parse_json(\"{\\\"deep\\\": {\\\"er\\\": 1}}\"); print(parsed.deep.er);",
        "let k = \"key\"; let m = #{}; m[k + \"1\"] = |x| x; print(m.key1(4));",
        "let list = [3, 1, 2]; list.sort(); print(list.map(|q| q * 2).reduce(|a, b| a + b, 0));",
        "let sum = 0; for (value, index) in [1, 2] { sum += value * index; } print(sum);",
        "let r = thrice.call(2); print(r); let thrice2 = thrice;",
        "let who = #{ name: \"x\", hello: || \"hi\" }; print(who.hello()); print(\"name\" in who);",
        "print(is_def_fn(\"later_defined\", 1)); print(type_of(1)); print((1).changed_self());",
        "if true { let q = nn::linear(2, 3); print(q.forward(tensor::zeros([1, 2])).shape); }",
        "let pair = [nn::relu(), nn::linear(2, 2)]; print(nn::sequential(pair).forward(tensor::zeros([1, 2])).shape);",
        "let z = if rand_is_open() { 1 } else { tensor::zeros([1]) }; print(z + 1);",
        "let text = \"abc\"; text += 1; print(text.sub_string(1, 2) + text[0]);",
        "print((0..3).contains(2)); print(\"abc\".contains(\"b\")); print(contains([1], 1));",
        "let v = loop { break 3; }; print(v.max(2)); print([1.5].map(|z| z.floor())); print('x'.to_upper());",
        "let b = blob(3); b[0] = 1; print(b.len()); print(timestamp().elapsed >= 0.0);",
        "let swap = #{ x: 1 }; swap.x = tensor::zeros([3]); print(swap.x.shape);",
    ];
    let mut text = String::from("let thrice = |x| 3 * x;\n");
    for i in 0..rng.usize(3..12) {
        let piece = pieces[rng.usize(..pieces.len())];
        // Constants and functions stand at the top, once; the rest now and then in a block or a
        // closure.
        if piece.contains("fn side") {
            if !text.contains("fn side") {
                text += &format!("{piece}\n");
            }
            continue;
        }
        text += &match rng.u8(..4) {
            0 => format!("{{ {piece} }}\n"),
            1 => format!("if {i} >= 0 {{ {piece} }}\n"),
            2 if !piece.contains("import") => {
                format!("let later{i} = || {{ {piece} }}; later{i}.call();\n")
            }
            _ => format!("{piece}\n"),
        };
    }
    text + "fn later_defined(n) { n + 1 }\nfn changed_self() { this + 1 }\nfn rand_is_open() { 1 > 0 }\n"
}
