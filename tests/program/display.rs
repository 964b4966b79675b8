//! What notebooks show: each type of the language as a picture, an animation or a table, none as
//! text alone.

use std::collections::BTreeMap;

use jemscript::display::Rich;
use jemscript::script::{Cells, Program, Settings, TYPES};

/// What the cells of a session know.
const BEFORE: &str = r#"
let digits = data::digits();
let part = digits.test.head(40);
let net = nn::sequential([nn::flatten(), nn::linear(64, 10)]);
let model = energy::joint(net);
let wells = energy::double_well();
let sgld = sampler::sgld(#{ steps: 2 });
let quick = #{ limit: 60, resamples: 50, pgd_steps: 2, pgd_starts: 1, eps_l2: [], eps_linf: [0.1] };
"#;

/// For each type a value of it, and its richest form. A new type of the language needs a line here.
const SHOWN: &[(&str, &str, &str)] = &[
    ("tensor", "part.x", "png"),
    ("network", "net", "<table>"),
    ("energy", "model", "<table>"),
    ("energy", "wells", "barrier</td>"),
    (
        "energy",
        "energy::gaussian([0, 0], [[1, 0], [0, 1]]) + wells",
        "<p>",
    ),
    ("optimizer", "optim::adam(net)", "weight_decay</td>"),
    ("parameters", "net.parameters()", "shape</th>"),
    ("ema", "optim::ema(net, 0.9)", "<p>ema(0.9)"),
    ("sampler", "sgld", "step_size</td>"),
    ("replay", "sampler::replay([1, 8, 8])", "restart</td>"),
    (
        "chains",
        "sgld.run(wells, tensor::randn([8, 2]))",
        "energy</td>",
    ),
    (
        "loss",
        "loss::jem(model, part.x, part.y, part.x)",
        "total</td>",
    ),
    ("dataset", "digits", "png"),
    ("part", "part", "png"),
    ("batch", "part.sample(4)", "png"),
    ("augmentation", "data::augment(#{ pad: 1 })", "flip</td>"),
    (
        "record",
        "train(digits, #{ iterations: 3 }, |b| b.x.mean())",
        "png",
    ),
    ("animation", "plot::animation([part.x, part.x])", "gif"),
    ("picture", "plot::grid(part.x)", "png"),
    (
        "calibration",
        "evaluate::calibration(model, part, digits.validation)",
        "mean confidence</th>",
    ),
    (
        "scores",
        "evaluate::scores(model, part.x)",
        "approx. mass</td>",
    ),
    (
        "ood_report",
        "evaluate::ood(model, part, #{ zeros: tensor::zeros([40, 1, 8, 8]) })",
        "<table>",
    ),
    (
        "robustness",
        "evaluate::pgd(model, part, #{ eps: [0.1], steps: 2, starts: 1 })",
        "<table>",
    ),
    (
        "jem_k",
        "evaluate::jem_k(model, part.head(8), sgld, #{ eps: [0.1], steps: 1, draws: 1, verify: 1, chains: 1, backward: [\"identity\"] })",
        "<table>",
    ),
    (
        "distal",
        "evaluate::distal(model, #{ shape: [1, 8, 8], classes: [3], each: 2 })",
        "<table>",
    ),
    (
        "transfer",
        "evaluate::transfer(#{ \"JEM\": model }, part, 0.1, #{ steps: 2 })",
        "<table>",
    ),
    (
        "log_z",
        "evaluate::log_z(wells, #{ shape: [2], steps: 20, chains: 16 })",
        "standard error</td>",
    ),
    (
        "refinement",
        "evaluate::refinement(model, sgld, part, #{ noise: evaluate::ood_set(\"noise\", part) })",
        "<table>",
    ),
    (
        "pixel_gaussian",
        "evaluate::pixel_gaussian(digits.train)",
        "png",
    ),
    (
        "pixel_gaussian",
        "evaluate::pixel_gaussian(data::toy(\"moons\").train)",
        "<pre>",
    ),
    (
        "feature_net",
        "let judge = evaluate::feature_net(digits, #{ iterations: 2 }); judge",
        "linear(",
    ),
    (
        "sample_report",
        "evaluate::samples(judge, digits.train.x, #{ noise: tensor::uniform([360, 1, 8, 8], -1, 1) })",
        "<table>",
    ),
    (
        "report",
        "let report = evaluate::compare(#{ JEM: model }, digits, quick); report",
        "<table>",
    ),
    ("pool", "evaluate::pool([report, report])", "<table>"),
    (
        "error",
        "let e = (); try { part.head(-1) } catch (err) { e = err; } e",
        "kind</td>",
    ),
];

/// Values that hold others.
const HELD: &[(&str, Option<&str>)] = &[
    ("[1, 2.5, \"a\"]", None),
    ("[]", None),
    ("#{}", None),
    ("tensor::zeros([2, 2])", None),
    ("[[1, 2], [3, 4]]", None),
    (
        "#{ a: 1, b: \"<\" }",
        Some(
            "<tr><td style=\"text-align:left\">a</td><td style=\"text-align:left\">1</td></tr><tr>",
        ),
    ),
    (
        "[#{ a: 1, b: 2 }, #{ a: 3, b: 4 }]",
        Some("<th style=\"text-align:left\">b</th></tr>"),
    ),
    ("[part.x, 3, part.x]", Some("<pre>3</pre>")),
    ("#{ x: part.x, n: 1 }", Some("<img alt=")),
    (
        "let many = []; for i in 0..70 { many.push(wells); } many",
        Some("<p>… and 6 more</p>"),
    ),
    (
        "let deep = wells; for i in 0..200 { deep = [deep]; } deep",
        None,
    ),
];

struct Notebook(Cells);

impl Notebook {
    fn new() -> Notebook {
        let mut cells = Cells::new(Program::new(Settings::default()), "cell");
        cells.run(BEFORE).map_err(|e| e.to_string()).unwrap();
        Notebook(cells)
    }

    /// What a cell shows, and the type of its value.
    fn show(&mut self, code: &str) -> (Rich, String) {
        let value = self
            .0
            .run(code)
            .unwrap_or_else(|e| panic!("{code}\n{e}"))
            .value;
        let kind = TYPES
            .iter()
            .find(|t| (t.rich)(&value).is_some())
            .map_or("", |t| t.name);
        (self.0.program.rich(&value).unwrap(), kind.to_owned())
    }
}

#[test]
fn what_is_long_is_shortened_and_says_by_how_much() {
    let mut notebook = Notebook::new();
    let mut show = |code: &str| notebook.show(code).0;
    assert_eq!(
        show("let a = []; for i in 0..100 { a.push(i); } a")
            .text
            .matches(',')
            .count(),
        99
    );
    let rich = show("for i in 100..500 { a.push(i); } a");
    assert!(
        rich.text.ends_with("18, 19, … 477 more …, 497, 498, 499]") && rich.html.is_none(),
        "{}",
        rich.text
    );
    assert!(show("#{ a: [a], b: 1 }").text.contains("… 477 more …"));
    let rich = show("let m = #{}; for i in 0..300 { m[`k${i}`] = i; } m");
    assert!(rich.text.contains("\"…\": 280 more"), "{}", rich.text);
    let html = rich.html.unwrap();
    assert!(html.contains("<summary>… and 280 more rows</summary>") && html.contains("k299"));
    let rich = show("let rows = []; for i in 0..400 { rows.push(#{ i: i, y: a }); } rows");
    let html = rich.html.unwrap();
    assert!(well_formed(&html) && html.contains("… and 380 more rows"));
    assert!(
        html.contains("… 477 more …") && html.len() < 100_000,
        "{}",
        html.len()
    );
    // A text is whole, and so is what is printed.
    assert_eq!(
        show("let t = \"\"; for i in 0..200 { t += \"line\\n\"; } t")
            .text
            .lines()
            .count(),
        200
    );
    assert_eq!(show("`${a}`").text.matches(',').count(), 499);
    // What a cell shows is changed by nothing of this.
    assert_eq!(
        show("[a.len(), m.len(), rows.len()]").text,
        "[500, 300, 400]"
    );
    let rich = show(
        "let layers = []; for i in 0..80 { layers.push(nn::linear(2, 2)); } nn::sequential(layers)",
    );
    assert!(
        rich.text.contains("more lines; print(…) shows all"),
        "{}",
        rich.text
    );
    assert!(rich.html.unwrap().contains("more rows</summary>"));
}

#[test]
fn charts_are_told_from_images() {
    let mut notebook = Notebook::new();
    for (code, chart) in [
        ("plot::grid(part.x)", false),
        ("let c = plot::curves(#{ a: [1, 2, 3] }); c", true),
        ("plot::panels([c, c])", true),
        ("plot::panels([c, plot::grid(part.x)])", false),
        ("plot::density(wells, #{ range: [-2, 2] })", false),
    ] {
        assert_eq!(notebook.show(code).0.chart, chart, "{code}");
    }
}

/// Whether all elements end in the order in which they began.
fn well_formed(html: &str) -> bool {
    let mut open = Vec::new();
    for tag in html
        .split('<')
        .skip(1)
        .map(|t| t.split(['>', ' ']).next().unwrap())
    {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{html}"),
            None if tag == "img" => {}
            None => open.push(tag),
        }
    }
    open.is_empty() && !html.contains("<script") && !html.contains("http")
}

#[test]
fn every_type_shows_itself_richly() {
    let mut notebook = Notebook::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut page = String::new();
    for (kind, code, wanted) in SHOWN {
        let (rich, found) = notebook.show(code);
        assert_eq!(found, *kind, "{code}");
        *seen.entry(found).or_default() += 1;
        assert!(!rich.text.is_empty(), "{kind}");
        let forms = (rich.png.is_some(), rich.gif.is_some(), rich.html.is_some());
        match *wanted {
            "png" => assert_eq!(forms, (true, false, false), "{kind}"),
            "gif" => assert_eq!(forms, (false, true, false), "{kind}"),
            part => {
                assert_eq!(forms, (false, false, true), "{kind}");
                let html = rich.html.as_ref().unwrap();
                assert!(html.contains(part) && well_formed(html), "{kind}: {html}");
            }
        }
        page += &format!(
            "<h3>{kind}: <code>{code}</code></h3>{}",
            rich.html.unwrap_or_else(|| "(a picture)".to_owned())
        );
    }
    let missing: Vec<&str> = TYPES
        .iter()
        .map(|t| t.name)
        .filter(|n| !seen.contains_key(*n))
        .collect();
    assert!(
        missing.is_empty(),
        "no value of these types is shown by this test: {missing:?}"
    );
    // For a look at them all: DISPLAY_PAGE=page.html cargo test --release --test program display::
    if let Some(file) = std::env::var_os("DISPLAY_PAGE") {
        std::fs::write(
            file,
            format!("<meta charset=\"utf-8\"><body style=\"font-family:sans-serif\">{page}"),
        )
        .unwrap();
    }
}

#[test]
fn arrays_and_maps_show_what_they_hold() {
    let mut notebook = Notebook::new();
    for (code, wanted) in HELD {
        let (rich, _) = notebook.show(code);
        assert!(rich.png.is_none() && rich.gif.is_none(), "{code}");
        match wanted {
            None => assert_eq!(rich.html, None, "{code}"),
            Some(part) => {
                let html = rich.html.unwrap();
                assert!(html.contains(part) && well_formed(&html), "{code}: {html}");
            }
        }
    }
}
