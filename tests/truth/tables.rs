//! Tables, texts and arrays of other writers: what Python's csv, json, numpy and torch wrote is what
//! scripts get.

use crate::common;

use std::fs;
use std::path::Path;

use common::python;
use jemscript::Result;
use jemscript::data::{CsvOptions, PartsOptions, csv};
use jemscript::formats::{TableOptions, read_csv};
use jemscript::run::{About, Run};
use jemscript::script::{Program, Settings};

/// What a script prints, beside the files in a folder.
fn printed(folder: &Path, code: &str) -> String {
    run(folder, code).unwrap_or_else(|e| panic!("{e}"))
}

fn run(folder: &Path, code: &str) -> std::result::Result<String, String> {
    let program = Program::new(Settings {
        folder: folder.to_owned(),
        ..Settings::default()
    });
    let about = About::default();
    let run = Run::exactly(&folder.join(format!("run{}", code.len())), about).unwrap();
    program.session.set_run(run);
    let made = program.run_text("script", code).map_err(|e| e.text)?;
    Ok(made.to_string())
}

const WRITE: &str = r#"
import csv, json, numpy as np, torch
rng = np.random.default_rng(3)
x = rng.normal(size=(60, 3)) * [1, 100, 0.01] + [0, 50, 5]
kind = [["setosa", "versicolor", "virginica, old"][i % 3] for i in range(60)]
def table(name, delimiter=",", header=True, **how):
    with open(at + name, "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f, delimiter=delimiter, **how)
        if header: w.writerow(["größe", "b", "c", "kind"])
        w.writerows([*row, k] for row, k in zip(x, kind))
table("plain.csv")
table("quoted.csv", quoting=csv.QUOTE_ALL, lineterminator="\n")
table("semi.csv", delimiter=";")
table("tabs.tsv", delimiter="\t")
table("bare.csv", header=False)
open(at + "bom.csv", "w", encoding="utf-8-sig").write(open(at + "plain.csv", encoding="utf-8").read())
np.savetxt(at + "numbers.csv", np.c_[x, np.arange(60) % 4], delimiter=",", header="p,q,r,y", comments="")
np.save(at + "x.npy", x)
"#;

fn write(folder: &Path) {
    python(&format!(
        "at = {:?} + '/'\n{WRITE}",
        folder.display().to_string()
    ))
    .unwrap();
}

#[test]
fn tables_become_data_sets() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    write(place.path());
    let by_kind = CsvOptions {
        label: Some("kind".into()),
        ..CsvOptions::default()
    };
    let read = |name: &str, o: &CsvOptions| csv(&place.path().join(name), o);
    let data = read("plain.csv", &by_kind)?;
    assert_eq!((data.classes, data.shape()), (3, vec![3]));
    assert_eq!(
        (data.train.len(), data.validation.len(), data.test.len()),
        (42, 6, 12)
    );
    let about = "classes 0 setosa, 1 versicolor, 2 virginica, old";
    assert!(data.about.contains(about), "{}", data.about);
    // Every row has its own label: the first number of each row tells which it is.
    let x = jemscript::formats::read_npy(&place.path().join("x.npy"))?.to_vec()?;
    for part in data.parts() {
        let rows = part.x()?.to_vec()?;
        for (row, label) in rows.chunks(3).zip(part.y.to_ints()?) {
            let i = (0..60).find(|i| x[3 * i] as f32 == row[0] as f32).unwrap();
            assert_eq!(label, i as i64 % 3);
            assert!((0..3).all(|k| x[3 * i + k] as f32 == row[k] as f32));
        }
    }
    let same = |name: &str, o: &CsvOptions| -> Result<()> {
        let other = read(name, o).map_err(|e| e.context(name))?;
        for (a, b) in data.parts().into_iter().zip(other.parts()) {
            assert_eq!(a.x()?.to_vec()?, b.x()?.to_vec()?, "{name}");
            assert_eq!(a.y.to_ints()?, b.y.to_ints()?, "{name}");
        }
        Ok(())
    };
    for name in ["quoted.csv", "tabs.tsv", "bom.csv"] {
        same(name, &by_kind)?;
    }
    let semi = CsvOptions {
        delimiter: Some(";".into()),
        ..by_kind.clone()
    };
    same("semi.csv", &semi)?;
    let bare = CsvOptions {
        header: false,
        label: Some("c3".into()),
        ..by_kind.clone()
    };
    same("bare.csv", &bare)?;
    // Standardised: numpy's mean and deviation of the training rows are 0 and 1.
    let standard = CsvOptions {
        standardise: true,
        features: Some(vec!["c".into(), "b".into()]),
        ..by_kind.clone()
    };
    let train = read("plain.csv", &standard)?.train.x()?;
    for k in 0..2 {
        let column = train.select(1, k)?.to_vec()?;
        let n = column.len() as f64;
        let mean = column.iter().sum::<f64>() / n;
        let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!(
            mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4,
            "{mean} {variance}"
        );
    }
    // Labels that are numbers, written as floats; and none.
    let by_y = CsvOptions {
        label: Some("y".into()),
        parts: PartsOptions {
            validation: Some(4),
            test: Some(8),
            ..PartsOptions::default()
        },
        ..CsvOptions::default()
    };
    let numbers = read("numbers.csv", &by_y)?;
    assert_eq!((numbers.classes, numbers.test.counts()?), (4, vec![2; 4]));
    let none = CsvOptions {
        label: None,
        ..CsvOptions::default()
    };
    let none = read("numbers.csv", &none)?;
    assert_eq!((none.classes, none.shape()), (0, vec![4]));
    Ok(())
}

#[test]
fn what_is_wrong_in_a_table_is_named_with_its_line() {
    let place = tempfile::tempdir().unwrap();
    let error = |text: &[u8], o: &CsvOptions| {
        let path = place.path().join("t.csv");
        fs::write(&path, text).unwrap();
        csv(&path, o)
            .err()
            .map_or_else(String::new, |e| format!("{e:?}"))
    };
    let by_y = CsvOptions {
        label: Some("y".into()),
        ..CsvOptions::default()
    };
    let cases: [(&[u8], &str); 10] = [
        (
            b"a,y\n1,0\nx7,1\n",
            "t.csv, line 3, column `a`: needs a number, found \"x7\"",
        ),
        (
            b"a,y\n1,0\n\n,1\n",
            "t.csv, line 4, column `a`: needs a number, found nothing",
        ),
        (
            b"a,y\n1,0\n1,2,3\n",
            "t.csv, line 3: 3 values, the lines before have 2",
        ),
        (
            b"a,y\n1,0\nnan,1\n",
            "t.csv, line 3, column `a`: NaN is not finite",
        ),
        (
            b"a,y\n1,0\n2,0.5\n",
            "t.csv, line 3, column `y`: the label 0.5 is no whole number",
        ),
        (
            b"a,y\n1,0\n2,\n",
            "t.csv, line 3, column `y`: there is no label",
        ),
        (b"a,a\n1,0\n", "two columns are called \"a\""),
        (b"a;y\n1;0\n", "delimiter: \";\""),
        (b"a,label\n1,0\n", "has no column `y`"),
        (b"a,y\n\xff,0\n", "line 2: not text in UTF-8"),
    ];
    for (text, wanted) in cases {
        let found = error(text, &by_y);
        assert!(found.contains(wanted), "{wanted}\n{found}");
    }
    assert!(error(b"", &by_y).contains("an empty file"));
    assert!(error(b"a,y\n", &by_y).contains("0 rows"));
    assert!(error(b"<!DOCTYPE html>", &by_y).contains("a web page"));
    let constant = CsvOptions {
        standardise: true,
        ..by_y
    };
    let rows: String = (0..20).map(|i| format!("0.1,{i},{}\n", i % 2)).collect();
    let found = error(format!("a,b,y\n{rows}").as_bytes(), &constant);
    assert!(found.contains("the column `a` is the same"), "{found}");
}

#[test]
fn columns_and_values_reach_scripts() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    write(place.path());
    let more = format!(
        r#"
import json
at = {:?} + "/"
json.dump({{"a": [1, 2.5, None, True, "x", {{"b": -9007199254740993}}], "ü": {{}}, "big": 2**64}}, open(at + "v.json", "w"))
open(at + "l.jsonl", "w").write('{{"i": 1}}\n\n{{"i": 2}}\n')
open(at + "bad.json", "w").write('{{"a": 1,\n "b": }}')
open(at + "bad.jsonl", "w").write('{{"i": 1}}\n{{\n')
open(at + "latin.txt", "wb").write(b"one\ntw\xf6\n")
open(at + "holes.csv", "w").write("n,f,t\n1,,a\n,2.5,\n3,nan,b\n")
"#,
        place.path().display().to_string()
    );
    python(&more)?;
    let said = |code: &str| printed(place.path(), code);
    // As many digits as Python wrote: the numbers are the same.
    let x = jemscript::formats::read_npy(&place.path().join("x.npy"))?.to_vec()?;
    let table = read_csv(&place.path().join("plain.csv"), &TableOptions::default())?;
    for k in 0..3 {
        let wanted: Vec<f64> = (0..60).map(|i| x[3 * i + k]).collect();
        assert_eq!(table.numbers(k)?, wanted);
    }
    assert_eq!(said(r#"read_csv("plain.csv").kind[2]"#), "virginica, old");
    assert_eq!(
        said(r#"let t = read_csv("holes.csv"); [t.n, t.t[1], t.f[1]].to_string()"#),
        r#"[[1, (), 3], "", 2.5]"#
    );
    assert_eq!(
        said(r#"let v = read_json("v.json"); v.a[5].b"#),
        "-9007199254740993"
    );
    assert_eq!(
        said(
            r#"let v = read_json("v.json"); [v.a[1], v.a[2], v.a[3], v.a[4], v.big > 1e19].to_string()"#
        ),
        r#"[2.5, (), true, "x", true]"#
    );
    assert_eq!(said(r#"read_json("l.jsonl")[1].i"#), "2");
    let wrong = |code: &str| run(place.path(), code).unwrap_err();
    assert!(wrong(r#"read_json("bad.json")"#).contains("bad.json, line 2, column 7: not JSON"));
    assert!(wrong(r#"read_json("bad.jsonl")"#).contains("bad.jsonl, line 2"));
    assert!(wrong(r#"read_text("latin.txt")"#).contains("latin.txt, line 2: not text in UTF-8"));
    // What is written, Python reads back, to the bit.
    printed(
        place.path(),
        r#"
        let x = tensor::of([0.1, 1e-30, 12345678]);
        save_csv("back", #{ x: x, y: [0.1, 1e300, -0.0], "a, b": ["\"q\"", "two\nlines", ()], i: tensor::ints([1, 2, 3]) });
        save_csv("rows.tsv", [#{ a: 1, b: true }, #{ a: 2.5 }], #{ columns: ["b", "a"] });
    "#,
    );
    let folder = fs::read_dir(place.path()).unwrap().flatten();
    let made = folder
        .map(|e| e.path().join("back.csv"))
        .find(|p| p.exists())
        .unwrap();
    let code = format!(
        r#"
import csv, numpy as np
rows = list(csv.DictReader(open({made:?}, newline="")))
assert np.array([r["x"] for r in rows]).astype(np.float32).tolist() == np.float32([0.1, 1e-30, 12345678]).tolist()
assert [float(r["y"]) for r in rows] == [0.1, 1e300, -0.0]
assert [r["a, b"] for r in rows] == ['"q"', "two\nlines", ""]
assert [int(r["i"]) for r in rows] == [1, 2, 3]
assert open({rows:?}).read() == "b\ta\ntrue\t1\n\t2.5\n"
"#,
        rows = made.with_file_name("rows.tsv")
    );
    python(&code)?;
    let uneven = r#"save_csv("u", #{ a: [1], b: [1, 2] })"#;
    assert!(wrong(uneven).contains("the column `a` has 1 values, `b` has 2"));
    assert!(wrong(r#"save_csv("u", #{ a: [nn::silu()] })"#).contains("row 0, column `a`"));
    assert!(wrong(r#"save_csv("u.txt", #{ a: [1] })"#).contains("not .txt"));
    Ok(())
}

#[test]
fn tensors_of_numpy_and_torch_are_loaded() {
    let place = tempfile::tempdir().unwrap();
    let code = format!(
        r#"
import numpy as np, torch
at = {:?} + "/"
a = np.arange(6, dtype=np.int32).reshape(2, 3)
np.save(at + "a.npy", a.T)
np.savez(at + "b.npz", a=a, b=np.float64([0.5]), names=np.array(["x"]))
np.savez_compressed(at + "c.npz", a=a, b=np.float64([0.5]))
torch.save({{"a": torch.from_numpy(a)}}, at + "d.pt")
open(at + "cut.npy", "wb").write(open(at + "a.npy", "rb").read()[:-3])
"#,
        place.path().display().to_string()
    );
    python(&code).unwrap();
    let said = |code: &str| printed(place.path(), code);
    assert_eq!(
        said(r#"let a = tensor::load("a.npy"); `${a.shape} ${a.dtype} ${a[2][1].item()}`"#),
        "[3, 2] int32 5.0"
    );
    for file in ["b.npz", "c.npz", "d.pt"] {
        assert_eq!(
            said(&format!("tensor::load({file:?}).a[1][0].item().to_int()")),
            "3",
            "{file}"
        );
    }
    assert_eq!(said(r#"tensor::load("b.npz").b.dtype"#), "float64");
    let wrong = |code: &str| run(place.path(), code).unwrap_err();
    assert!(wrong(r#"tensor::load("b.npz").names.shape"#).contains("not read"));
    assert!(wrong(r#"tensor::load("cut.npy")"#).contains("not a whole .npy file"));
}

#[test]
fn weights_and_optimisers_come_from_a_runs_folder() {
    let place = tempfile::tempdir().unwrap();
    let make = r#"
        let net = nn::linear(2, 1);
        let other = nn::linear(2, 1);
        let opt = optim::adam([net, other], #{ lr: 0.1 });
        let data = data::toy("moons", #{ n: 64 });
        let run = run_folder();
    "#;
    let code = format!(
        r#"{make}
        train(data, #{{ iterations: 4 }}, |batch| opt.step(net.forward(batch.x).pow(2).mean() + other.forward(batch.x).pow(2).mean()));
        let a = nn::linear(2, 1);
        let b = nn::linear(2, 1);
        a.load(run, #{{ prefix: "net" }});
        b.load(run, #{{ prefix: "other" }});
        let far = |x, y| (x.state_dict().weight - y.state_dict().weight).abs().max().item();
        if far.call(a, net) != 0.0 || far.call(b, other) != 0.0 || far.call(a, b) == 0.0 {{ throw "other weights"; }}
        // Both fit: one must be chosen.
        let said = "";
        try {{ nn::linear(2, 1).load(run); }} catch (e) {{ said = e.hint; }}
        let again = [nn::linear(2, 1), nn::linear(2, 1)];
        let more = optim::adam(again, #{{ lr: 0.1 }});
        let name = more.load(run);
        // From here on both go the same way: the moments came, too.
        let x = tensor::ones([8, 2]);
        for i in 0..3 {{
            opt.step(net.forward(x).pow(2).mean() + other.forward(x).mean());
            more.step(again[0].forward(x).pow(2).mean() + again[1].forward(x).mean());
        }}
        let sgd = optim::sgd([nn::linear(2, 1), nn::linear(2, 1)]);
        let wrong = "";
        try {{ sgd.load(run); }} catch (e) {{ wrong = e.message; }}
        [name, more.steps, far.call(net, again[0]), far.call(other, again[1]), said, wrong]
    "#
    );
    let found = printed(place.path(), &code);
    assert!(found.starts_with(r#"["opt", 7, 0.0, 0.0, "#), "{found}");
    assert!(
        found.contains("option `prefix`") && found.contains("net") && found.contains("other"),
        "{found}"
    );
    assert!(
        found.contains("`opt` is another kind of optimiser"),
        "{found}"
    );
    let none = run(place.path(), r#"nn::linear(2, 1).load(".")"#).unwrap_err();
    assert!(none.contains("checkpoint"), "{none}");
}
