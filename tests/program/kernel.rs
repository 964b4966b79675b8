//! The Jupyter kernel as clients meet it: its protocol, the committed notebooks, and JupyterLab in
//! a browser. The clients are Jupyter's own, in Python; `make test` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_jemscript");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program; gives what it printed.
fn jemscript(args: &[&str]) -> String {
    let run = Command::new(PROGRAM).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        run.status.success(),
        "jemscript {args:?}\n{text}{}",
        String::from_utf8_lossy(&run.stderr)
    );
    text
}

/// A Python script with the kernel installed in a folder of its own; gives what it printed. It sees
/// none of the user's own Jupyter settings.
fn python(script: &str, args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    jemscript(&[
        "kernel",
        "install",
        "--prefix",
        folder.path().to_str().unwrap(),
    ]);
    let packages = root().join(".python-notebooks");
    assert!(
        packages.exists(),
        "the tests of notebooks need Jupyter: run make test, or scripts/setup.sh --tests"
    );
    let at = |name: &str| folder.path().join(name);
    let paths =
        std::env::join_paths([at("share/jupyter"), packages.join("share/jupyter")]).unwrap();
    let run = Command::new("python3")
        .arg(root().join(script))
        .args(args)
        .env("PYTHONPATH", &packages)
        .env("JUPYTER_PATH", paths)
        .env("JUPYTER_CONFIG_PATH", packages.join("etc/jupyter"))
        .env("JUPYTER_PREFER_ENV_PATH", "0")
        .env("JUPYTERLAB_DIR", packages.join("share/jupyter/lab"))
        .env("OMP_NUM_THREADS", "1")
        .envs(
            [
                "HOME",
                "XDG_DATA_HOME",
                "JUPYTER_DATA_DIR",
                "JUPYTER_CONFIG_DIR",
                "JUPYTER_RUNTIME_DIR",
                "IPYTHONDIR",
            ]
            .map(|n| (n, at(n))),
        )
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&run.stdout).into_owned() + &*String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{script} failed:\n{text}");
    println!("{text}");
    text
}

#[test]
fn the_kernel_speaks_the_protocol() {
    let said = python("tests/notebooks/protocol.py", &[]);
    assert!(said.contains("\nOK"), "{said}");
}

#[test]
fn the_kernel_comes_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().to_str().unwrap();
    let spec: PathBuf = folder
        .path()
        .join("share/jupyter/kernels/jemscript/kernel.json");
    jemscript(&[
        "kernel",
        "install",
        "--prefix",
        prefix,
        "--seed",
        "3",
        "--lib",
        "scripts/lib",
        "--trust",
    ]);
    let text = std::fs::read_to_string(&spec).unwrap();
    let spec_json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let argv: Vec<&str> = spec_json["argv"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a.as_str().unwrap())
        .collect();
    assert_eq!(
        Path::new(argv[0]).canonicalize().unwrap(),
        Path::new(PROGRAM).canonicalize().unwrap()
    );
    let lib = std::path::absolute("scripts/lib").unwrap();
    let rest = [
        "kernel",
        "run",
        "--seed",
        "3",
        "--lib",
        lib.to_str().unwrap(),
        "--trust",
        "{connection_file}",
    ];
    assert_eq!(argv[1..], rest);
    assert_eq!(spec_json["display_name"], "jemscript");
    assert!(spec.with_file_name("logo-64x64.png").exists());
    assert!(jemscript(&["kernel", "uninstall", "--prefix", prefix]).starts_with("removed"));
    assert!(!spec.exists());
    assert!(jemscript(&["kernel", "uninstall", "--prefix", prefix]).contains("no kernel"));
    // What is no connection file says so.
    let run = Command::new(PROGRAM)
        .args(["kernel", "run", "Cargo.toml"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("not a Jupyter connection file"));
}

#[test]
fn both_kernels_have_one_grammar() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // A home of its own, in which something was built.
    let run = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("kernel").args(args).env("HOME", folder.path());
        for name in ["XDG_CACHE_HOME", "XDG_DATA_HOME", "JUPYTER_DATA_DIR"] {
            command.env_remove(name);
        }
        let done = command.output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned()
            + &*String::from_utf8_lossy(&done.stderr);
        (done.status.success(), text)
    };
    let spec = at(".local/share/jupyter/kernels/jemscript-rust/kernel.json");
    let built = at(".cache/jemscript/evcxr/warm/ctx");
    let write = |argv: &str| {
        std::fs::create_dir_all(spec.parent().unwrap()).unwrap();
        std::fs::write(&spec, format!("{{\"argv\": {argv}}}")).unwrap();
        std::fs::create_dir_all(&built).unwrap();
    };
    let ours = r#"["jemscript", "kernel", "run", "--rust", "{connection_file}"]"#;

    write(ours);
    let (well, said) = run(&["uninstall", "--rust"]);
    assert!(
        well && said.contains("removed") && said.contains("stays") && said.contains("--built"),
        "{said}"
    );
    assert!(!spec.parent().unwrap().exists() && built.exists());
    assert!(
        run(&["uninstall", "--rust"])
            .1
            .contains("there is no kernel to remove")
    );

    // Folders of kernels that run stay, and are named.
    write(ours);
    let (running, dead) = (
        at(&format!(
            ".cache/jemscript/evcxr/run-{}",
            std::process::id()
        )),
        at(".cache/jemscript/evcxr/run-0"),
    );
    for folder in [&running, &dead] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let (well, said) = run(&["uninstall", "--rust", "--built"]);
    assert!(
        well && said.contains(&format!("process {}", std::process::id())),
        "{said}"
    );
    assert!(!spec.exists() && !built.exists() && !dead.exists() && running.exists());
    std::fs::remove_dir(&running).unwrap();
    assert!(run(&["uninstall", "--rust", "--built"]).0 && !at(".cache/jemscript/evcxr").exists());

    // What is not ours stays.
    write(r#"["evcxr_jupyter", "--control_file", "{connection_file}"]"#);
    let (well, said) = run(&["uninstall", "--rust"]);
    assert!(
        !well && said.contains("was not written by jemscript") && spec.exists(),
        "{said}"
    );
    // The language's options have no meaning for Rust cells.
    let (well, said) = run(&["install", "--rust", "--seed", "3"]);
    assert!(
        !well && said.contains("'--rust' cannot be used with"),
        "{said}"
    );
}

#[test]
fn the_notebooks_run() {
    let said = python("notebooks/run.py", &["--quick"]);
    assert!(said.contains("all well"), "{said}");
}

#[test]
fn a_browser_runs_a_notebook() {
    let said = python("tests/notebooks/browser.py", &[]);
    assert!(
        said.contains("all well") || said.contains("skipped"),
        "{said}"
    );
}
