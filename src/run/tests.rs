//! The folder.

use super::*;

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

fn about() -> About {
    About {
        script: "scripts/train.rhai".to_owned(),
        source: "let a = 1;".to_owned(),
        seed: 3,
        ..About::default()
    }
}

fn json_at(path: &Path) -> std::result::Result<Json, Box<dyn std::error::Error>> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

#[test]
fn the_folder_comes_with_the_first_write_and_is_complete() -> Outcome {
    let place = tempfile::tempdir()?;
    let parent = place.path().join("runs");
    let run = Run::under(&parent, about());
    run.param("lr", &Value::Float(1e-3), Source::Default)?;
    run.param("lr", &Value::Float(3e-4), Source::CommandLine)?;
    run.add_file("../lib/stable.rhai", "fn a() {}")?;
    assert!(!parent.exists() && run.folder().is_none());
    run.log("train", 1, &[("total".to_owned(), f64::NAN)])?;
    let folder = run.folder().ok_or("no folder")?;
    let name = folder
        .file_name()
        .ok_or("no name")?
        .to_string_lossy()
        .into_owned();
    assert!(
        name.starts_with("train-2") && name.len() == "train-20260131-174205".len(),
        "{name}"
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("train.rhai"))?,
        "let a = 1;"
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("lib/stable.rhai"))?,
        "fn a() {}"
    );
    let params = json_at(&folder.join("params.json"))?;
    assert_eq!(
        params,
        json!([{ "name": "lr", "value": 3e-4, "source": "command line" }])
    );
    run.param("steps", &Value::Int(20), Source::Default)?;
    assert_eq!(json_at(&folder.join("params.json"))?[1]["value"], 20);
    let begun = json_at(&folder.join("run.json"))?;
    assert_eq!(
        (&begun["state"], &begun["seed"], &begun["ended"]),
        (&json!("running"), &json!(3), &Json::Null)
    );
    run.event("diverged", &[("iteration", json!(7))])?;
    let event: Json =
        serde_json::from_str(std::fs::read_to_string(folder.join("events.jsonl"))?.trim())?;
    assert_eq!(
        (&event["event"], &event["iteration"]),
        (&json!("diverged"), &json!(7))
    );
    run.finish("failed", Some("no"))?;
    let ended = json_at(&folder.join("run.json"))?;
    assert_eq!(
        (&ended["state"], &ended["error"]),
        (&json!("failed"), &json!("no"))
    );
    assert!(ended["seconds"].as_f64().is_some() && ended["ended"].as_str().is_some());
    Ok(())
}

#[test]
fn runs_of_one_second_do_not_share_a_folder() -> Outcome {
    let place = tempfile::tempdir()?;
    let folders: Vec<_> = (0..5)
        .map(|_| {
            let run = Run::under(place.path(), about());
            run.event("x", &[])?;
            run.folder().ok_or_else(|| Error::state("no folder"))
        })
        .collect::<Result<_>>()?;
    let mut different = folders.clone();
    different.dedup();
    assert_eq!(different.len(), 5, "{folders:?}");
    Ok(())
}

#[test]
fn an_exact_folder_is_not_overwritten() -> Outcome {
    let place = tempfile::tempdir()?;
    let folder = place.path().join("mine");
    let run = Run::exactly(&folder, about())?;
    run.write("a/b.txt", b"x")?;
    assert_eq!(run.folder().as_deref(), Some(folder.as_path()));
    let error = Run::exactly(&folder, about())
        .err()
        .ok_or("must be refused")?;
    assert!(error.message().contains("holds a run already"), "{error}");
    std::fs::write(place.path().join("file"), "")?;
    assert!(Run::exactly(&place.path().join("file"), about()).is_err());
    Ok(())
}

#[test]
fn names_stay_inside_the_folder() -> Outcome {
    let place = tempfile::tempdir()?;
    let run = Run::exactly(&place.path().join("mine"), about())?;
    for name in ["", "../a.png", "/a.png", "a/../../b", "./a"] {
        assert!(run.path(name).is_err(), "{name:?}");
    }
    assert!(run.folder().is_none(), "a refused name makes no folder");
    assert!(
        run.path("a/b.png")?
            .is_some_and(|p| p.ends_with("mine/a/b.png"))
    );
    assert_eq!(Run::none().write("a.png", b"x")?, None);
    Ok(())
}

#[test]
fn a_log_goes_on_from_where_it_counts() -> Outcome {
    let place = tempfile::tempdir()?;
    let about = || About {
        resume: Some(json!({})),
        ..about()
    };
    let value = |v: f64| [("v".to_owned(), v)];
    let run = Run::exactly(&place.path().join("run"), about())?;
    run.log("t", 1, &value(1.0))?;
    let kept = run.logged();
    run.log("t", 2, &value(2.0))?;
    let folder = run.folder().ok_or("no folder")?;
    assert!(
        Run::again(&folder, about(), false).is_err_and(|e| e.message().contains("another process"))
    );
    drop(run);
    let again = Run::again(&folder, about(), false)?;
    assert!(!again.cut_log(10_000) && again.cut_log(kept));
    again.log("t", 2, &value(3.0))?;
    let text = std::fs::read_to_string(folder.join("metrics.jsonl"))?;
    assert_eq!(
        text,
        "{\"train\":\"t\",\"iteration\":1,\"v\":1.0}\n{\"train\":\"t\",\"iteration\":2,\"v\":3.0}\n"
    );
    drop(again);
    let changed = About {
        source: "let a = 2;".to_owned(),
        ..about()
    };
    let error = Run::again(&folder, changed.clone(), false)
        .err()
        .ok_or("must be refused")?;
    assert!(
        error
            .message()
            .ends_with("\n     1 - let a = 1;\n     1 + let a = 2;"),
        "{error}"
    );
    Run::again(&folder, changed, true)?;
    Ok(())
}
