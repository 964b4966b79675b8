//! What a script may read and write: every way out that a stranger's recipe could try.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use jemscript::run::{About, Run};
use jemscript::script::{Program, Settings};

/// A folder with a recipe's folder in it, and secrets beside that.
struct Place {
    root: tempfile::TempDir,
    program: Program,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let (recipe, secrets) = (root.path().join("recipe"), root.path().join("secrets"));
    fs::create_dir_all(&recipe).unwrap();
    fs::create_dir_all(&secrets).unwrap();
    let settings = Settings {
        folder: recipe,
        ..Settings::default()
    };
    let program = Program::new(settings);
    program
        .session
        .set_run(Run::exactly(&root.path().join("run"), About::default()).unwrap());
    let _ = program
        .run_text("make", r#"nn::linear(2, 1).save("w.safetensors")"#)
        .unwrap();
    fs::copy(
        root.path().join("run/w.safetensors"),
        secrets.join("w.safetensors"),
    )
    .unwrap();
    fs::write(secrets.join("report.json"), "{}").unwrap();
    fs::write(secrets.join("module.rhai"), "fn f() { 1 }").unwrap();
    fs::write(secrets.join("train-images-idx3-ubyte"), [1, 2, 3, 4]).unwrap();
    Place { root, program }
}

impl Place {
    fn error(&self, code: &str) -> String {
        match self.program.run_text("script", code) {
            Ok(_) => "no error".to_owned(),
            Err(e) => e.text,
        }
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }
}

#[test]
fn nothing_outside_is_read() {
    let place = place();
    symlink(
        place.path("secrets/w.safetensors"),
        place.path("recipe/link.safetensors"),
    )
    .unwrap();
    symlink(place.path("secrets"), place.path("recipe/folder")).unwrap();
    symlink(
        place.path("secrets/report.json"),
        place.path("recipe/report.json"),
    )
    .unwrap();
    symlink(
        place.path("secrets/module.rhai"),
        place.path("recipe/module.rhai"),
    )
    .unwrap();
    fs::create_dir(place.path("recipe/idx")).unwrap();
    symlink(
        place.path("secrets/train-images-idx3-ubyte"),
        place.path("recipe/idx/train-images-idx3-ubyte"),
    )
    .unwrap();
    let absolute = place.path("secrets/w.safetensors");
    for name in [
        "../secrets/w.safetensors",
        "../../../../../../../../etc/passwd",
        "sub/../../secrets/w.safetensors",
        "link.safetensors",
        "folder/w.safetensors",
        absolute.as_str(),
        "/etc/passwd",
        "/proc/self/environ",
    ] {
        let found = place.error(&format!("nn::linear(2, 1).load({name:?})"));
        assert!(found.contains("may not read"), "load {name}: {found}");
        for call in [
            "read_text",
            "read_json",
            "read_csv",
            "data::csv",
            "tensor::load",
        ] {
            let found = place.error(&format!("{call}({name:?})"));
            assert!(found.contains("may not read"), "{call} {name}: {found}");
        }
        let found = place.error(&format!("evaluate::load_report({name:?})"));
        assert!(
            found.contains("may not read"),
            "load_report {name}: {found}"
        );
    }
    assert!(
        place
            .error(r#"evaluate::load_report("report.json")"#)
            .contains("may not read")
    );
    // A run's folder whose checkpoints lead elsewhere.
    fs::create_dir(place.path("recipe/past")).unwrap();
    symlink(place.path("secrets"), place.path("recipe/past/checkpoints")).unwrap();
    for call in ["nn::linear(2, 1)", "optim::sgd(nn::linear(2, 1))"] {
        let found = place.error(&format!("{call}.load(\"past\")"));
        assert!(found.contains("may not read"), "{call}: {found}");
    }
    for folder in ["../secrets", "folder", "idx", "/", "/etc"] {
        let found = place.error(&format!("data::mnist(#{{ folder: {folder:?} }})"));
        assert!(found.contains("may not read"), "folder {folder}: {found}");
    }
    // A folder of class folders with a link deep inside, and an array file.
    fs::create_dir_all(place.path("recipe/pictures/train/cat")).unwrap();
    symlink(
        place.path("secrets/w.safetensors"),
        place.path("recipe/pictures/train/cat/1.png"),
    )
    .unwrap();
    for code in [
        r#"data::folder("pictures")"#,
        r#"data::folder("../secrets")"#,
        r#"data::arrays("link.safetensors")"#,
        r#"data::arrays("../secrets/w.safetensors")"#,
        r#"data::cifar10(#{ folder: "folder" })"#,
        r#"data::cifar100(#{ folder: "../secrets" })"#,
        r#"data::svhn(#{ folder: "/etc" })"#,
    ] {
        let found = place.error(code);
        assert!(found.contains("may not read"), "{code}: {found}");
    }
    for module in [
        "../secrets/module",
        "folder/module",
        "module",
        &place.path("secrets/module"),
    ] {
        let found = place.error(&format!("import {module:?} as m; m::f()"));
        assert!(
            found.contains("script's folder"),
            "import {module}: {found}"
        );
    }
}

/// An error must not tell whether a file exists where the script may not look.
#[test]
fn errors_do_not_tell_what_exists_elsewhere() {
    let place = place();
    let ask = |name: &str| {
        place
            .error(&format!("nn::linear(2, 1).load({name:?})"))
            .replace(name, "NAME")
    };
    let there = ask(&place.path("secrets/w.safetensors"));
    let first = |text: &str| text.lines().next().unwrap().to_owned();
    assert_eq!(
        first(&there),
        first(&ask(&place.path("secrets/nothing.safetensors")))
    );
    assert_eq!(
        first(&ask("../secrets/w.safetensors")),
        first(&ask("../secrets/nothing.safetensors"))
    );
}

#[test]
fn nothing_outside_is_written() {
    let place = place();
    symlink(place.path("secrets"), place.path("run/folder")).unwrap();
    let before = fs::read(place.path("secrets/w.safetensors")).unwrap();
    let absolute = place.path("secrets/new.png");
    for name in [
        "../secrets/new.png",
        "a/../../secrets/new.png",
        "folder/new.png",
        absolute.as_str(),
        "/tmp/new.png",
        "",
    ] {
        for code in [
            format!("save_text({name:?}, \"text\")"),
            format!("save_image({name:?}, plot::grid(tensor::zeros([1, 1, 4, 4])))"),
            format!("nn::linear(3, 1).save({name:?})"),
        ] {
            let found = place.error(&code);
            assert!(
                found.contains("may not write")
                    || found.contains("inside the run folder")
                    || found.contains("through a link"),
                "{code}: {found}"
            );
        }
    }
    let kept: Vec<_> = fs::read_dir(place.path("secrets"))
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(kept.len(), 4, "{kept:?}");
    // A link in the run folder is replaced by the file, not followed.
    symlink(
        place.path("secrets/w.safetensors"),
        place.path("run/again.safetensors"),
    )
    .unwrap();
    let _ = place
        .program
        .run_text("save", r#"nn::linear(5, 1).save("again.safetensors")"#)
        .unwrap();
    assert_eq!(
        before,
        fs::read(place.path("secrets/w.safetensors")).unwrap()
    );
}

/// What is neither inside nor outside: links on the way, files that the program trusts, pipes, odd
/// names.
#[test]
fn odd_ways_lead_nowhere() {
    let place = place();
    symlink(place.path("secrets"), place.path("run/folder")).unwrap();
    symlink(place.path("nowhere"), place.path("run/gone")).unwrap();
    symlink(place.path("secrets"), place.path("run/checkpoints")).unwrap();
    let secrets = || {
        let mut all: Vec<_> = fs::read_dir(place.path("secrets"))
            .unwrap()
            .map(|f| f.unwrap().file_name())
            .collect();
        all.sort();
        all
    };
    let before = secrets();
    fs::create_dir_all(place.path("recipe/pipes/class")).unwrap();
    let pipes = [
        "recipe/pipes/class/a.png",
        "recipe/pipe.safetensors",
        "recipe/pipe.rhai",
        "recipe/pipe.npz",
    ];
    for pipe in pipes {
        assert!(
            Command::new("mkfifo")
                .arg(place.path(pipe))
                .status()
                .unwrap()
                .success()
        );
    }
    for (code, expected) in [
        // A folder behind a link is not even made.
        ("save_text(\"folder/new/x.txt\", \"x\")", "through a link"),
        ("save_text(\"gone/x.txt\", \"x\")", "gone"),
        (
            "save_image(\"folder/a/b.png\", plot::grid(tensor::zeros([1, 1, 4, 4])))",
            "through a link",
        ),
        (
            "save_text(\"folder/../x.txt\", \"x\")",
            "inside the run folder",
        ),
        ("save_text(\"./x.txt\", \"x\")", "inside the run folder"),
        // What `resume` goes by: it names the folders that are open, and whether programs are
        // trusted.
        (
            "save_text(\"resume.json\", \"{}\")",
            "a file of the run itself",
        ),
        (
            "save_text(\"run.json\", \"{}\")",
            "a file of the run itself",
        ),
        (
            "save_text(\"Params.json\", \"{}\")",
            "a file of the run itself",
        ),
        ("save_text(\"a\\0b.txt\", \"x\")", "error"),
        ("nn::linear(2, 1).load(\"a\\0b.safetensors\")", "error"),
        ("nn::linear(2, 1).load(\"/proc/self/fd/0\")", "may not read"),
        (
            "nn::linear(2, 1).load(\"/proc/self/\" + \"root/etc/passwd\")",
            "may not read",
        ),
        (
            "nn::linear(2, 1).load(\"pipe.safetensors\")",
            "neither a file nor a folder",
        ),
        ("tensor::load(\"pipe.npz\")", "neither a file nor a folder"),
        ("data::folder(\"pipes\")", "neither a file nor a folder"),
        (
            "import \"pipe\" as p; p::f()",
            "neither a file nor a folder",
        ),
        ("eval(\"1 + 1\")", "eval"),
        ("let f = Fn(\"eval\"); f.call(\"1 + 1\")", "eval"),
        (
            "let n = nn::linear(64, 10); let m = energy::joint(n); let o = optim::adam(m); let d = data::digits();\n\
             train(d, #{ iterations: 1, name: \"../../secrets/x\" }, |b| { let l = loss::jem(m, b.x.flatten(1), b.y, \
             #{ p_x: 0 }); o.step(l); l })",
            "error",
        ),
    ] {
        let found = place.error(code);
        assert!(found.contains(expected), "{code}: {found}");
    }
    assert_eq!(secrets(), before);
    assert!(!Path::new(&place.path("nowhere")).exists());
}

/// A file may say that it is larger than any memory.
#[test]
fn a_huge_file_is_an_error() {
    let place = place();
    for name in [
        "big.safetensors",
        "big.pt",
        "big.npz",
        "big.rhai",
        "big.json",
    ] {
        fs::File::create(place.path("recipe").to_owned() + "/" + name)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
    }
    for code in [
        "nn::linear(2, 1).load(\"big.safetensors\")",
        "nn::linear(2, 1).load(\"big.pt\")",
        "tensor::load(\"big.npz\")",
        "tensor::load(\"big.safetensors\")",
        "evaluate::load_report(\"big.json\")",
        "import \"big\" as b; b::f()",
    ] {
        let found = place.error(code);
        assert!(
            found.contains("error") && found.contains("big"),
            "{code}: {found}"
        );
    }
}

#[test]
fn what_is_given_is_read_and_what_is_opened_is_written() {
    let place = place();
    let script = place.path("recipe/try.rhai");
    fs::write(&script, "let net = nn::linear(2, 1);\nnet.load(param(\"weights\", \"none\"));\nnet.save(param(\"to\", \"copy.safetensors\"));\nprint(\"done\")").unwrap();
    let weights = place.path("secrets/w.safetensors");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jemscript"));
        let output = command
            .arg(&script)
            .args(args)
            .current_dir(place.root.path())
            .output()
            .unwrap();
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    };
    assert!(run(&["--out", "a"]).contains("no file \"none\""));
    assert!(run(&["weights=secrets/w.safetensors", "--out", "b"]).contains("done"));
    assert!(run(&[&format!("weights={weights}"), "--out", "c"]).contains("done"));
    assert!(Path::new(&place.path("c/copy.safetensors")).exists());
    // A name in the script's own text is not given; a folder can be opened.
    let text = fs::read_to_string(&script)
        .unwrap()
        .replace("\"none\"", &format!("{weights:?}"));
    fs::write(&script, text).unwrap();
    assert!(run(&["--out", "d"]).contains("may not read"));
    assert!(run(&["--out", "e", "--allow-read", "secrets"]).contains("done"));
    let to = format!("to={}", place.path("elsewhere/w.safetensors"));
    assert!(run(&["--out", "f", "--allow-read", "secrets", &to]).contains("may not write"));
    fs::create_dir(place.path("elsewhere")).unwrap();
    assert!(
        run(&[
            "--out",
            "g",
            "--allow-read",
            "secrets",
            "--allow-write",
            "elsewhere",
            &to
        ])
        .contains("done")
    );
    assert!(Path::new(&place.path("elsewhere/w.safetensors")).exists());
}

#[test]
fn memory_and_time_end_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let run = |code: &str, args: &[&str]| {
        fs::write(folder.path().join("try.rhai"), code).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jemscript"));
        let output = command
            .arg("try.rhai")
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, error) = run(
        "let x = tensor::zeros([1_000, 1_000, 2_000]);\nprint(x.sum())",
        &["--max-memory", "3"],
    );
    assert!(
        code == Some(1) && error.contains("out of memory") && error.contains("try.rhai:1:17"),
        "{code:?} {error}"
    );
    let (code, error) = run("let n = 0;\nwhile true { n += 1; }", &["--max-time", "1s"]);
    assert!(
        code == Some(130) && error.contains("--max-time"),
        "{code:?} {error}"
    );
    let hog = "let all = [];\nwhile true { all.push(tensor::zeros([1_000, 1_000, 10])); }";
    let (code, error) = run(hog, &["--max-memory", "3"]);
    assert!(
        code == Some(1) && error.contains("out of memory"),
        "{code:?} {error}"
    );
}
