//! A folder that came from a stranger: a cloned repository, a run that someone handed on. Whatever
//! it says, nothing is opened, written or run beyond its own place.

use crate::common::program;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use program::jemscript;
use serde_json::{Value as Json, json};

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn edit(path: &Path, change: impl Fn(&mut Json)) {
    let mut json: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

/// A run that was interrupted, in `folder/run`: made by this user, until something in it is
/// changed.
fn interrupted(folder: &Path, script: &str, args: &[&str]) {
    fs::write(folder.join("main.rhai"), script).unwrap();
    let all = [
        &[
            "main.rhai",
            "--out",
            "run",
            "--max-time",
            "1s",
            "--threads",
            "1",
        ],
        args,
    ]
    .concat();
    let output = jemscript(folder, &all);
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
}

const SLOW: &str = "save_text(\"note.txt\", \"x\"); for i in 0..100_000_000 { let a = i; }";

#[test]
fn what_a_folder_asks_for_is_given_only_where_this_user_made_it() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("home")).unwrap();
    fs::write(at("home/secret.txt"), "secret").unwrap();
    let outside = at("home").display().to_string();
    // One's own run goes on as it began, its permissions included.
    let write =
        "if \"home\" in run_folder() { } save_text(param(\"to\", \"\") + \"/mine.txt\", \"x\");"
            .to_owned()
            + SLOW;
    let write = write.replace("if \"home\" in run_folder() { } ", "");
    interrupted(
        place.path(),
        &write,
        &[&format!("to={outside}"), "--allow-write", &outside],
    );
    fs::remove_file(at("home/mine.txt")).unwrap();
    let output = jemscript(place.path(), &["resume", "run", "--max-time", "1s"]);
    assert!(at("home/mine.txt").exists(), "{}", said(&output));
    fs::remove_file(at("home/mine.txt")).unwrap();

    // The same folder, moved: a stranger could have made it. What it asked for is told, not given.
    fs::rename(at("run"), at("moved")).unwrap();
    let output = jemscript(place.path(), &["resume", "moved", "--max-time", "1s"]);
    assert!(!at("home/mine.txt").exists());
    let text = said(&output);
    assert!(
        text.contains("was not made here by you") && text.contains("--allow-write"),
        "{text}"
    );
    let given = [
        "resume",
        "moved",
        "--max-time",
        "1s",
        "--allow-write",
        &outside,
    ];
    jemscript(place.path(), &given);
    assert!(at("home/mine.txt").exists());
}

#[test]
fn a_folder_cannot_name_another_script_or_grant_itself_anything() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("home")).unwrap();
    fs::write(
        at("home/evil.rhai"),
        "save_text(\"evil.txt\", \"x\"); print(\"evil ran\");",
    )
    .unwrap();
    fs::write(at("home/secret.safetensors"), "secret").unwrap();
    let read = "let f = param(\"f\", \"\"); if f != \"\" { try { tensor::load(f); } catch (e) { print(`said: ${e.message}`); } }";
    interrupted(place.path(), &format!("{read} {SLOW}"), &[]);
    let grants = |home: &Path, script: &str| {
        let (home, script) = (home.display().to_string(), script.to_owned());
        move |json: &mut Json| {
            json["allow_read"] = json!([home]);
            json["allow_write"] = json!([home]);
            json["trust"] = json!(true);
            json["threads"] = json!(100_000);
            json["script"] = json!(script);
            json["parameters"] = json!([format!("f={home}/secret.safetensors")]);
        }
    };
    edit(
        &at("run/resume.json"),
        grants(&at("home"), &at("home/evil.rhai").display().to_string()),
    );
    let output = jemscript(place.path(), &["resume", "run", "--max-time", "2s"]);
    let text = said(&output);
    assert!(
        !text.contains("evil ran") && !at("run/evil.txt").exists(),
        "{text}"
    );
    assert!(
        text.contains("lies where this script may not read"),
        "{text}"
    );
    // A script's name in run.json that leads out of the folder.
    edit(&at("run/run.json"), |json| {
        json["script"] = json!("../home/evil.rhai")
    });
    for command in ["resume", "rerun"] {
        let output = jemscript(place.path(), &[command, "run", "--max-time", "2s"]);
        assert!(
            !said(&output).contains("evil ran"),
            "{command}: {}",
            said(&output)
        );
    }
}

#[test]
fn values_of_a_stranger_open_no_files_after_an_interruption_either() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("far")).unwrap();
    fs::write(at("far/x.safetensors"), "secret").unwrap();
    fs::create_dir(at("here")).unwrap();
    let script = format!(
        "let f = param(\"f\", \"\"); try {{ tensor::load(f); }} catch (e) {{ print(`said: ${{e.message}}`); }} {SLOW}"
    );
    let file = at("far/x.safetensors").display().to_string();
    fs::write(at("here/p.json"), json!({ "f": file }).to_string()).unwrap();
    interrupted(&at("here"), &script, &["--params", "p.json"]);
    let output = jemscript(&at("here"), &["resume", "run", "--max-time", "1s"]);
    assert!(
        said(&output).contains("lies where this script may not read"),
        "{}",
        said(&output)
    );
    // Typed on the command line, it is opened: then as ever, and again when the run goes on.
    fs::remove_dir_all(at("here/run")).unwrap();
    interrupted(&at("here"), &script, &[&format!("f={file}")]);
    let output = jemscript(&at("here"), &["resume", "run", "--max-time", "1s"]);
    assert!(!said(&output).contains("may not read"), "{}", said(&output));
}

#[test]
fn writes_of_the_program_follow_no_links() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("home")).unwrap();
    fs::write(at("home/profile"), "mine\n").unwrap();
    fs::write(
        at("s.rhai"),
        "print(param(\"a\", 1)); train(data::toy(\"moons\"), #{ iterations: 2 }, |b| 1.0);",
    )
    .unwrap();
    let untouched = || assert_eq!(fs::read_to_string(at("home/profile")).unwrap(), "mine\n");
    // A sweep in a repository that came with its runs: the output of a run is a link, or the folder
    // of the run itself.
    fs::create_dir_all(at("runs/s-sweep/a=1")).unwrap();
    symlink(at("home/profile"), at("runs/s-sweep/a=1/output.txt")).unwrap();
    let output = jemscript(place.path(), &["sweep", "s.rhai", "a=1"]);
    untouched();
    assert!(
        !output.status.success() || at("runs/s-sweep/.earlier").exists(),
        "{}",
        said(&output)
    );
    symlink(at("home"), at("runs/s-sweep/a=2")).unwrap();
    jemscript(place.path(), &["sweep", "s.rhai", "a=2"]);
    assert_eq!(
        fs::read_dir(at("home")).unwrap().count(),
        1,
        "nothing was written through the link"
    );
    // A folder that is given, with links in place of the files that a run writes.
    for name in [
        "metrics.jsonl",
        "events.jsonl",
        "run.json",
        "params.json",
        "report.html",
        "s.rhai",
    ] {
        let out = format!("out-{name}");
        fs::create_dir(at(&out)).unwrap();
        symlink(at("home/profile"), at(&out).join(name)).unwrap();
        jemscript(place.path(), &["s.rhai", "--out", &out]);
        untouched();
    }
}

#[test]
fn scripts_write_only_what_means_nothing_to_other_programs() {
    let place = tempfile::tempdir().unwrap();
    let attempt = |name: &str| {
        let code = format!("save_text({name:?}, \"x\");");
        said(&jemscript(place.path(), &["-e", &code, "--out", "out"]))
    };
    for name in [
        "report.html",
        "report.md",
        "events.jsonl",
        "metrics.jsonl",
        "output.txt",
        "run.json",
        "resume.json",
        "params.json",
        "checkpoints/00000001.json",
        "reports/1.md",
        "events.out.tfevents.1.txt",
        "a.rhai",
        "lib/a.rhai",
        "x.py",
        "x.sh",
        "x.so",
        "x.html",
        "x.svg",
        "Makefile",
        "conftest.py",
        ".git/config",
        "a/.git/config.txt",
        ".bashrc",
        ".x.txt",
        "Report.MD",
    ] {
        let text = attempt(name);
        assert!(
            text.contains("error: save_text"),
            "{name} was written: {text}"
        );
        let _ = fs::remove_dir_all(place.path().join("out"));
    }
    for name in [
        "notes.md",
        "tables/a.csv",
        "a/b/c.json",
        "x.tex",
        "v1.2.txt",
    ] {
        let text = attempt(name);
        assert!(
            place.path().join("out").join(name).exists(),
            "{name}: {text}"
        );
        fs::remove_dir_all(place.path().join("out")).unwrap();
    }
}

#[test]
fn what_was_judged_is_what_is_opened() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    // A folder of pictures that are links out of the script's folder, with decoys of the same name
    // where they are looked for first.
    for class in ["a", "b"] {
        fs::create_dir_all(at(&format!("outside/{class}"))).unwrap();
        fs::create_dir_all(at("box/pics")).unwrap();
        for i in 0..4 {
            image::RgbImage::new(4, 4)
                .save(at(&format!("outside/{class}/{i}.png")))
                .unwrap();
        }
        symlink(
            at(&format!("outside/{class}")),
            at(&format!("box/pics/{class}")),
        )
        .unwrap();
    }
    let decoys: String = ["a", "b"]
        .iter()
        .flat_map(|c| {
            (0..4).map(move |i| {
                format!(
                    "save_image(\"box/pics/{c}/{i}.png\", plot::grid(tensor::zeros([1, 1, 4, 4])));"
                )
            })
        })
        .collect();
    fs::write(
        at("box/t.rhai"),
        format!("{decoys} print(data::folder(\"pics\", #{{ size: 4, validation: 1, test: 1 }}).train.len());"),
    )
    .unwrap();
    let output = jemscript(place.path(), &["box/t.rhai"]);
    assert!(
        said(&output).contains("lies where this script may not read"),
        "{}",
        said(&output)
    );
    // Whether a file outside is there or not: one answer.
    symlink(at("outside/a/0.png"), at("box/there.npz")).unwrap();
    symlink(at("outside/none.png"), at("box/absent.npz")).unwrap();
    symlink(at("outside/a/0.png"), at("box/there.rhai")).unwrap();
    symlink(at("outside/none.png"), at("box/absent.rhai")).unwrap();
    let code = "for n in [\"there\", \"absent\"] { try { import n as x; } catch (e) { print(e.message); } \
                try { data::arrays(n + \".npz\"); } catch (e) { print(e.message); } }";
    fs::write(at("box/o.rhai"), code).unwrap();
    let text = said(&jemscript(&at("box"), &["o.rhai"]));
    let lines: Vec<String> = text
        .lines()
        .map(|l| l.replace("there", "N").replace("absent", "N"))
        .collect();
    assert!(
        lines.len() >= 4 && lines[0] == lines[2] && lines[1] == lines[3],
        "{text}"
    );
}

#[test]
fn folders_of_runs_with_pipes_and_devices_are_no_trap() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("runs/a");
    fs::create_dir_all(&run).unwrap();
    for name in ["metrics.jsonl", "params.json", "events.jsonl", "run.json"] {
        for kind in ["pipe", "zero"] {
            for other in ["run.json", "params.json", "metrics.jsonl", "events.jsonl"] {
                let _ = fs::remove_file(run.join(other));
            }
            fs::write(
                run.join("run.json"),
                json!({ "script": "s.rhai", "state": "finished", "seed": 1 }).to_string(),
            )
            .unwrap();
            let _ = fs::remove_file(run.join(name));
            match kind {
                "pipe" => assert!(
                    Command::new("mkfifo")
                        .arg(run.join(name))
                        .status()
                        .unwrap()
                        .success()
                ),
                _ => symlink("/dev/zero", run.join(name)).unwrap(),
            }
            for command in ["runs", "compare"] {
                let mut child = Command::new(env!("CARGO_BIN_EXE_jemscript"))
                    .args([command, "runs"])
                    .current_dir(place.path())
                    .stdout(std::process::Stdio::null())
                    .stderr(std::process::Stdio::null())
                    .spawn()
                    .unwrap();
                let started = Instant::now();
                while child.try_wait().unwrap().is_none() {
                    if started.elapsed() > Duration::from_secs(20) {
                        child.kill().unwrap();
                        panic!("{command} hangs on a {kind} in place of {name}");
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}

#[test]
fn limits_hold_for_the_language_itself() {
    let place = tempfile::tempdir().unwrap();
    // Arrays that pile up are a clear error, not the end of the machine or an abort.
    let started = Instant::now();
    let code = "fn f(n) { let a = []; a.pad(10_000_000, n); f(n + 1) } f(0);";
    let output = jemscript(place.path(), &["-e", code, "--max-memory", "3"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("the script's own values take more than"),
        "{}",
        said(&output)
    );
    let output = jemscript(place.path(), &["-e", "1", "--max-memory", "0.1"]);
    assert!(
        said(&output).contains("the program itself takes"),
        "{}",
        said(&output)
    );
    // Waiting ends when the time is over.
    let output = jemscript(place.path(), &["-e", "sleep(100000);", "--max-time", "1s"]);
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(started.elapsed() < Duration::from_secs(60));
    // A comparison that contradicts itself sorts somehow; it does not panic.
    let code = "let a = []; for i in 0..5000 { a.push(i); } let n = 0; \
                a.sort(|x, y| { n += 1; if (n * 7919) % 13 > 6 { 1 } else { -1 } }); print(a.len()); \
                let b = [3, 1, 2]; b.sort(|x, y| x - y); print(b);";
    let output = jemscript(place.path(), &["-e", code]);
    assert!(
        output.status.success() && said(&output) == "5000\n[1, 2, 3]\n",
        "{}",
        said(&output)
    );
    // Functions inside functions: many are let go in peace, in a variable and at the end; without
    // an end they are an error.
    let chain = |end: &str| {
        format!(
            "let f = || 1; let n = 0; while n < {end} {{ let g = f; f = || g.call(); n += 1; }} let kept = f; f = 1;"
        )
    };
    let output = jemscript(
        place.path(),
        &["-e", &format!("{} print(n);", chain("300_000"))],
    );
    assert!(
        output.status.success() && said(&output) == "300000\n",
        "{}",
        said(&output)
    );
    let output = jemscript(place.path(), &["-e", &chain("1e12")]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("functions inside each other: more than"),
        "{}",
        said(&output)
    );
    // Escapes of a script's text are shown, not done.
    let output = jemscript(place.path(), &["-e", "print(\"a\\x1b]0;title\\x07b\");"]);
    assert_eq!(said(&output), "a␛]0;title␇b\n");
}
