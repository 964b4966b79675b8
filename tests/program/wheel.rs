//! The wheel: packed from the program that was built, installed by pip without the net, and used as
//! somebody without Rust would.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::common::program::{command, jemscript, stdout, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_jemscript");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of Python packages with the torch in use.
fn packages() -> PathBuf {
    let torch = Path::new(env!("JEMSCRIPT_LIBTORCH_LIB")).parent().unwrap();
    torch.parent().unwrap().to_path_buf()
}

fn run(command: &mut Command) -> Output {
    let done = command.output().unwrap();
    assert!(
        done.status.success(),
        "{command:?} failed\n{}{}",
        text(&done.stdout),
        text(&done.stderr)
    );
    done
}

/// A virtual environment with the wheel installed in it, made once for all tests.
fn environment() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wheel");
        let _ = fs::remove_dir_all(&folder);
        let (dist, env) = (folder.join("dist"), folder.join("env"));
        // Fast rather than small.
        run(Command::new("python3")
            .arg(root().join("scripts/wheel.py"))
            .args(["--program", PROGRAM, "--level", "1", "--out"])
            .arg(&dist));
        let wheels: Vec<_> = fs::read_dir(&dist).unwrap().collect();
        assert_eq!(wheels.len(), 1);
        let wheel = wheels[0].as_ref().unwrap().path();
        run(Command::new("python3").args(["-m", "venv"]).arg(&env));
        run(Command::new(env.join("bin/python"))
            .args(["-m", "pip", "install", "--no-deps", "--no-index"])
            .arg(wheel));
        env
    })
}

/// Where the environment's own packages are.
fn site() -> PathBuf {
    let lib = fs::read_dir(environment().join("lib")).unwrap().next();
    lib.unwrap().unwrap().path().join("site-packages")
}

/// The installed program; its torch is in a folder that a `.pth` file names, or none.
fn installed(torch: Option<&Path>, folder: &Path, args: &[&str]) -> Command {
    let named = site().join("elsewhere.pth");
    match torch {
        Some(torch) => fs::write(named, format!("{}\n", torch.display())).unwrap(),
        None => drop(fs::remove_file(named)),
    }
    let mut command = Command::new(environment().join("bin/jemscript"));
    // What cargo tells tests of libtorch is not there on a user's machine.
    command
        .args(args)
        .current_dir(folder)
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("PYTHONPATH")
        .env_remove("OMP_WAIT_POLICY");
    command
}

#[test]
fn a_wheel_is_all_that_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let torch = packages();
    let ask = |args: &[&str]| stdout(&run(&mut installed(Some(&torch), folder.path(), args)));
    assert_eq!(ask(&["-e", "1 + 1"]).trim(), "2");
    let told = ask(&["doctor"]);
    assert!(
        told.contains("All is well.") && told.contains(torch.to_str().unwrap()),
        "{told}"
    );
    let told = ask(&["scripts/train", "--dry-run"]);
    assert!(told.contains("JEM"), "{told}");
    assert!(!folder.path().join("runs").exists());
    let told = ask(&["recipes"]);
    let own = site().join("jemscript/scripts");
    assert!(told.contains(own.to_str().unwrap()), "{told}");

    // What others start finds libtorch as the user's own command does.
    let prefix = folder.path().to_str().unwrap();
    ask(&["kernel", "install", "--prefix", prefix]);
    let entry = fs::read_to_string(
        folder
            .path()
            .join("share/jupyter/kernels/jemscript/kernel.json"),
    );
    let command = environment().join("bin/jemscript");
    assert!(entry.unwrap().contains(command.to_str().unwrap()));

    // The run path was that of the machine that built it.
    let program = fs::read(site().join("jemscript/jemscript")).unwrap();
    let holds = |what: &str| program.windows(what.len()).any(|w| w == what.as_bytes());
    assert!(holds("$ORIGIN/../torch/lib:$ORIGIN/cpu\0"));
}

/// Jupyter's own library finds the kernel, starts it, and gets an answer.
/// The environment's Python as Jupyter is started with it: nothing of the user's own is found, and no
/// PATH leads to the environment.
fn jupyter_python(folder: &Path) -> Command {
    let jupyter = root().join(".python-notebooks");
    assert!(
        jupyter.exists(),
        "the tests of notebooks need Jupyter: run make test, or scripts/setup.sh --tests"
    );
    let like = installed(Some(&packages()), folder, &[]);
    let mut python = Command::new(environment().join("bin/python"));
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    python
        .current_dir(folder)
        .env("PYTHONPATH", &jupyter)
        .env("HOME", folder)
        .env("OMP_NUM_THREADS", "1");
    for name in ["XDG_DATA_HOME", "JUPYTER_DATA_DIR", "JUPYTER_PATH"] {
        python.env_remove(name);
    }
    python
}

#[test]
fn jupyter_offers_the_kernel_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import json
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import start_new_kernel
spec = KernelSpecManager().get_kernel_spec("jemscript")
print(spec.display_name, spec.resource_dir)
manager, client = start_new_kernel(kernel_name="jemscript", startup_timeout=60)
seen = []
client.execute_interactive("6 * 7", timeout=60, output_hook=lambda m: seen.append(json.dumps(m["content"])))
print("42" in "".join(seen))
client.stop_channels()
manager.shutdown_kernel(now=True)
"#;
    let told = stdout(&run(jupyter_python(folder.path()).args(["-c", script])));
    let place = environment().join("share/jupyter/kernels/jemscript");
    assert_eq!(
        told.trim(),
        format!("jemscript {}\nTrue", place.display()),
        "{told}"
    );
    assert!(place.join("logo-64x64.png").exists());
}

#[test]
fn papermill_and_nbconvert_know_the_language() {
    let folder = tempfile::tempdir().unwrap();
    // The templates of pages are where the packages for tests are.
    let jupyter = root().join(".python-notebooks/share/jupyter");
    let told = stdout(&run(jupyter_python(folder.path())
        .arg(root().join("tests/notebooks/export.py"))
        .arg(folder.path())
        .env("JUPYTER_PATH", jupyter)));
    assert!(told.contains("OK"), "{told}");
    let said = stdout(&jemscript(folder.path(), &["done.rhai"]));
    assert!(said.contains("twice is 42"), "{said}");
}

#[test]
fn another_torch_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let torch = folder.path().join("torch");
    let told = |mut command: Command| {
        let done = command.output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        let told = text(&done.stderr);
        assert_eq!(told.lines().count(), 1, "{told}");
        let mends = "bin/python -m pip install torch==2.13.0\n";
        assert!(
            told.ends_with(mends) || told.contains("--force-reinstall"),
            "{told}"
        );
        told
    };
    let none = told(installed(None, folder.path(), &["-e", "1"]));
    assert!(none.contains("has none"), "{none}");
    // A folder of that name is no torch.
    fs::create_dir_all(torch.join("lib")).unwrap();
    let none = told(installed(Some(folder.path()), folder.path(), &["-e", "1"]));
    assert!(none.contains("has none"), "{none}");
    let version = |v: &str| {
        fs::write(torch.join("__init__.py"), "raise SystemExit('imported')").unwrap();
        let text = format!("debug = False\n__version__ = '{v}'\n");
        fs::write(torch.join("version.py"), text).unwrap();
    };
    version("2.7.0+cu126");
    let wrong = told(installed(Some(folder.path()), folder.path(), &["-e", "1"]));
    assert!(wrong.contains("torch is 2.7.0+cu126; run:"), "{wrong}");
    version("2.13.0");
    let broken = told(installed(Some(folder.path()), folder.path(), &["-e", "1"]));
    assert!(broken.contains("not complete"), "{broken}");
}

/// PyTorch's build for the CPU has no `libtorch_cuda.so`; the program starts without it.
#[test]
fn a_torch_for_the_cpu_alone_will_do() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(packages()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "torch" {
            symlink(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    let (from, torch) = (packages().join("torch"), folder.path().join("torch"));
    fs::create_dir_all(torch.join("lib")).unwrap();
    fs::copy(from.join("version.py"), torch.join("version.py")).unwrap();
    for entry in fs::read_dir(from.join("lib")).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().contains("cuda") {
            symlink(entry.path(), torch.join("lib").join(entry.file_name())).unwrap();
        }
    }
    let args = ["-e", "(tensor::ones([2, 2]) + 1).sum()"];
    let told = stdout(&run(&mut installed(
        Some(folder.path()),
        folder.path(),
        &args,
    )));
    assert!(told.contains('8'), "{told}");
    // Beside the package, the program finds it by itself: no launcher, no variable.
    let beside = tempfile::tempdir().unwrap();
    symlink(&torch, beside.path().join("torch")).unwrap();
    let package = beside.path().join("jemscript");
    fs::create_dir_all(package.join("cpu")).unwrap();
    for file in ["jemscript", "cpu/libtorch_cuda.so"] {
        fs::copy(site().join("jemscript").join(file), package.join(file)).unwrap();
    }
    let alone = Command::new(package.join("jemscript"))
        .args(["-e", "1 + 1"])
        .env_remove("LD_LIBRARY_PATH")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(stdout(&alone).trim(), "2");
}

/// The wheel that the environment was made from.
fn wheel() -> PathBuf {
    let dist = environment().parent().unwrap().join("dist");
    let file = fs::read_dir(dist).unwrap().next();
    file.unwrap().unwrap().path()
}

/// Answers of the program that some Python installed, with the torch in use named in its packages.
fn answers(python: &Path, pip: &[&str], user: Option<&Path>) -> String {
    let asked = |args: &[&str]| {
        let mut command = Command::new(python);
        command
            .args(args)
            .env_remove("PYTHONPATH")
            .env_remove("LD_LIBRARY_PATH");
        user.map(|folder| command.env("PYTHONUSERBASE", folder));
        command
    };
    let base = ["-m", "pip", "install", "--no-deps", "--no-index", "--quiet"];
    run(asked(&base).args(pip).arg(wheel()));
    let place = match user {
        Some(_) => "import site; print(site.getusersitepackages())",
        None => "import site; print(site.getsitepackages()[0])",
    };
    let site = stdout(&run(&mut asked(&["-c", place])));
    let named = Path::new(site.trim()).join("elsewhere.pth");
    fs::write(named, format!("{}\n", packages().display())).unwrap();
    stdout(&run(&mut asked(&["-m", "jemscript", "-e", "6 * 7"])))
}

/// The wheel is of no Python's version: it is installed by each that this machine has.
#[test]
fn any_python_from_3_10_on_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for version in ["3", "3.10", "3.11", "3.12", "3.13", "3.14"] {
        let env = folder.path().join(version);
        let made = Command::new(format!("python{version}"))
            .args(["-m", "venv"])
            .arg(&env)
            .output();
        if made.is_ok_and(|done| done.status.success()) {
            assert_eq!(
                answers(&env.join("bin/python"), &[], None).trim(),
                "42",
                "{version}"
            );
            tried += 1;
        }
    }
    eprintln!("{tried} versions of Python were tried");
    assert!(tried > 0);
}

/// Without an environment: among the user's own packages.
#[test]
fn the_users_own_packages_will_do() {
    let folder = tempfile::tempdir().unwrap();
    // A distribution's Python wants to be told that this is meant; pip 22 and before do not know the word.
    let knows = run(Command::new("python3").args(["-m", "pip", "install", "--help"]));
    let meant = "--break-system-packages";
    let words = match stdout(&knows).contains(meant) {
        true => vec!["--user", meant],
        false => vec!["--user"],
    };
    assert_eq!(
        answers(Path::new("python3"), &words, Some(folder.path())).trim(),
        "42"
    );
    assert!(
        folder
            .path()
            .join("share/jupyter/kernels/jemscript/kernel.json")
            .exists()
    );
    assert!(folder.path().join("bin/jemscript").exists());
}

/// Each recipe that is copied is whole: the checker, which follows imports, finds nothing.
#[test]
fn a_recipe_is_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let told = stdout(&jemscript(folder.path(), &["new", "mine"]));
    assert!(told.contains("mine/mine.rhai"), "{told}");
    let copy = fs::read_to_string(at("mine/mine.rhai")).unwrap();
    assert!(copy.contains("//   jemscript mine/mine.rhai"), "{copy}");
    stdout(&jemscript(folder.path(), &["mine/mine.rhai", "--dry-run"]));

    // What is there stays.
    fs::write(at("mine/mine.rhai"), "mine").unwrap();
    let again = jemscript(folder.path(), &["new", "mine"]);
    assert!(text(&again.stderr).contains("mine exists already"));
    assert_eq!(fs::read_to_string(at("mine/mine.rhai")).unwrap(), "mine");
    let unknown = jemscript(folder.path(), &["new", "other", "--from", "igbm"]);
    let told = text(&unknown.stderr);
    assert!(told.contains("there is no recipe igbm"), "{told}");
    assert!(!at("other").exists());

    let listed = stdout(&jemscript(folder.path(), &["recipes"]));
    let names = listed
        .lines()
        .filter_map(|l| l.strip_prefix("  ")?.split(' ').next());
    let names: Vec<_> = names.filter(|n| !["", "jemscript"].contains(n)).collect();
    assert!(names.contains(&"toy_2d") && names.contains(&"papers/igebm"));
    let mut scripts = vec!["check".to_owned()];
    for name in names {
        let new = name.replace('/', "_");
        stdout(&jemscript(folder.path(), &["new", &new, "--from", name]));
        scripts.push(format!("{new}/{new}.rhai"));
        scripts.push(format!("scripts/{name}"));
    }
    let words: Vec<_> = scripts.iter().map(String::as_str).collect();
    stdout(&command(folder.path(), &words).output().unwrap());
    assert!(at("results/lib/digits.rhai").exists() && at("results/lib/stable.rhai").exists());
    assert!(!at("train/lib").exists());
}
