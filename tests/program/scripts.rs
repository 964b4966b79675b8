//! The program as users run it: shipped scripts in a short form, run folders, seeds, the command
//! line.

use crate::common::program;

use jemscript::script::{Program, Settings};
use program::{jemscript, stdout};
use std::path::{Path, PathBuf};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name)
}

/// A step that trains a JEM for a few iterations.
const SMALL: &str = r#"
let iterations = param("iterations", 6, "how many");
let digits = data::digits();
let model  = energy::joint(nn::sequential([nn::flatten(), nn::mlp([64, 32, 10])]));
let chains = sampler::replay(digits.shape, #{ size: 100 });
let sgld   = sampler::sgld(#{ steps: 3, clamp: [-1, 1] });
let opt    = optim::adam(model);
train(digits, #{ iterations: iterations, every: 3, validate: |part| evaluate::accuracy(model, part), samples: || chains.images(16) }, |batch| {
    let x    = batch.x + 0.03 * batch.x.randn_like();
    let loss = loss::jem(model, x, batch.y, chains.sample(sgld, model, x.len()));
    opt.step(loss);
    loss
});
print(model.energy(digits.test.images(4)));
"#;

#[test]
fn the_main_script_trains_and_writes_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = script("train.rhai");
    let out = folder.path().join("run");
    let args = [
        path.to_str().unwrap(),
        "iterations=20",
        "attack=1",
        "--out",
        out.to_str().unwrap(),
    ];
    let text = stdout(&jemscript(folder.path(), &args));
    for claim in [
        "1. Accuracy",
        "2. Calibration",
        "3. Out-of-distribution",
        "4. Robustness",
        "5. Samples",
    ] {
        assert!(text.contains(claim), "no `{claim}` in\n{text}");
    }
    assert!(text.trim_end().ends_with(out.to_str().unwrap()), "{text}");
    for file in [
        "samples.png",
        "curves.png",
        "energies.png",
        "reliability.png",
        "robustness.png",
    ] {
        assert!(image::open(out.join(file)).unwrap().width() > 100, "{file}");
    }
    assert!(
        std::fs::read(out.join("from_noise.gif"))
            .unwrap()
            .starts_with(b"GIF8")
    );
    for file in [
        "train.rhai",
        "params.json",
        "run.json",
        "metrics.jsonl",
        "checkpoints/JEM-end.safetensors",
    ] {
        assert!(out.join(file).exists(), "{file}");
    }
    let params = std::fs::read_to_string(out.join("params.json")).unwrap();
    assert!(
        params.contains("command line") && params.contains("default"),
        "{params}"
    );
}

#[test]
fn the_results_script_judges_every_claim() {
    let folder = tempfile::tempdir().unwrap();
    let path = script("results.rhai");
    let args = [
        path.to_str().unwrap(),
        "seeds=[0]",
        "iterations=20",
        "attack=1",
        "--out",
        "run",
        "--quiet",
    ];
    let text = stdout(&jemscript(folder.path(), &args));
    assert!(
        text.contains("does not hold"),
        "twenty iterations cannot keep the promises:\n{text}"
    );
    let written = std::fs::read_to_string(folder.path().join("run/results.md")).unwrap();
    assert!(written.contains("## What holds") && written.contains("no claim"));
}

#[test]
fn the_toy_script_draws_energies_and_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = script("toy_2d.rhai");
    let args = [
        path.to_str().unwrap(),
        "steps=20",
        "iterations=5",
        "--out",
        "run",
        "--quiet",
    ];
    stdout(&jemscript(folder.path(), &args));
    assert!(folder.path().join("run/learned.png").exists());
}

#[test]
fn the_stability_script_counts_what_diverged() {
    let folder = tempfile::tempdir().unwrap();
    let path = script("stability.rhai");
    let args = [
        path.to_str().unwrap(),
        "seeds=[3]",
        "iterations=8",
        "--out",
        "run",
        "--quiet",
    ];
    let text = stdout(&jemscript(folder.path(), &args));
    // Eight iterations leave it ten points under a trained classifier: one of the definition's
    // three cases.
    assert!(text.contains("seed 3: diverged, largest |gap|"), "{text}");
    assert!(text.contains("1 of 1 seeds diverged: [3]"), "{text}");
}

#[test]
fn the_methods_stand_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = script("methods.rhai");
    let args = [
        path.to_str().unwrap(),
        "data=digits",
        "seeds=[0]",
        "iterations=6",
        "quick=true",
        "settings={\"size\": 200, \"steps\": 2, \"climb\": 2, \"attack_steps\": 1}",
        "--out",
        "run",
        "--quiet",
    ];
    let text = stdout(&jemscript(folder.path(), &args));
    let page = std::fs::read_to_string(folder.path().join("run/results.md")).unwrap();
    for way in ["SADA-JEM", "DAT", "adversarial training", "adversarial JEM"] {
        assert!(text.contains(way) && page.contains(way), "{way}: {text}");
    }
    for attack in ["L∞, APGD", "L2, APGD", "L∞, square attack"] {
        assert!(page.contains(attack), "{page}");
    }
    // What has been judged is not judged again, nor trained.
    let again = ["resume", "run", "--force", "--quiet"];
    stdout(&jemscript(folder.path(), &again));
    let later = std::fs::read_to_string(folder.path().join("run/results.md")).unwrap();
    assert!(later == page, "the page is another one");
    // The test part is for seeds that chose nothing.
    let wrong = [&args[..2], &["seeds=[100]", "--out", "other"]].concat();
    let output = jemscript(folder.path(), &wrong);
    assert!(
        program::text(&output.stderr).contains("seeds of 100 and above are for choices"),
        "{}",
        program::text(&output.stderr)
    );
}

#[test]
fn the_rollback_script_tells_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = script("rollback.rhai");
    let args = [
        path.to_str().unwrap(),
        "seeds=[3]",
        "iterations=8",
        "--out",
        "run",
        "--quiet",
    ];
    let text = stdout(&jemscript(folder.path(), &args));
    for way in ["unguarded", "bounds", "guarded"] {
        assert!(
            text.contains(&format!("{way}, seed 3: diverged (accuracy)")),
            "{text}"
        );
        assert!(
            text.contains(&format!("{way}: 0 of 1 finished, 0 roll-backs")),
            "{text}"
        );
    }
}

#[test]
fn the_baseline_script_names_the_best_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = script("baseline_rate.rhai");
    let args = [
        path.to_str().unwrap(),
        "rates=[1e-8, 3e-3]",
        "seeds=[100]",
        "iterations=30",
        "--out",
        "run",
        "--quiet",
    ];
    let text = stdout(&jemscript(folder.path(), &args));
    assert!(text.contains("best accuracy: rate 0.003"), "{text}");
}

#[test]
fn a_script_can_be_cited() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&jemscript(
        folder.path(),
        &["cite", script("toy_2d.rhai").to_str().unwrap()],
    ));
    assert!(
        text.starts_with("@inproceedings{welling2011sgld,") && text.contains("{roberts1996mala,"),
        "{text}"
    );
    assert!(
        !text.contains("grathwohl2020jem") && !text.contains("used by"),
        "the plane has no classifier:\n{text}"
    );
    let missing = jemscript(folder.path(), &["cite", "nothing.rhai"]);
    assert!(
        !missing.status.success()
            && String::from_utf8_lossy(&missing.stderr).contains("nothing.rhai")
    );
}

#[test]
fn one_seed_gives_one_outcome() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.rhai"), SMALL).unwrap();
    let run = |out: &str, seed: &str| {
        let text = stdout(&jemscript(
            folder.path(),
            &["small.rhai", "--out", out, "--seed", seed, "--threads", "1"],
        ));
        (
            text,
            std::fs::read(folder.path().join(out).join("metrics.jsonl")).unwrap(),
        )
    };
    let first = run("a", "3");
    assert_eq!(first.1, run("b", "3").1);
    assert_ne!(first.1, run("c", "4").1);
}

#[test]
fn a_run_logs_what_jem_needs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.rhai"), SMALL).unwrap();
    stdout(&jemscript(
        folder.path(),
        &["small.rhai", "iterations=2", "--out", "run"],
    ));
    let metrics = std::fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    for name in [
        "total",
        "ce",
        "gap",
        "e_data",
        "e_fake",
        "e_noise",
        "accuracy",
        "grad_norm",
        "sampler_grad_norm",
        "lr",
    ] {
        assert!(first[name].is_number(), "no `{name}` in {first}");
    }
}

#[test]
fn wrong_command_lines_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.rhai"), SMALL).unwrap();
    let refused = |args: &[&str], message: &str| {
        let output = jemscript(folder.path(), args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && error.contains(message),
            "{args:?}: {error}"
        );
    };
    refused(&["small.rhai", "iteration=3"], "did you mean `iterations`?");
    refused(&["small.rhai", "iterations=many"], "must be int");
    refused(&["small.rhai", "iterations"], "key=value");
    refused(&["nothing.rhai"], "nothing.rhai");
    refused(&["docs"], "did you mean `jemscript doc`?");
    refused(&["small.rhai", "--device", "gpu"], "unknown device `gpu`");
    refused(&["small.rhai", "--threads", "0"], "must be from 1 to 1024");
    refused(&["doc", "sgdl"], "did you mean `sgld`?");
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    if tch::Cuda::is_available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.rhai"), SMALL).unwrap();
    let output = jemscript(folder.path(), &["small.rhai", "--device", "cuda"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && error.contains("no usable CUDA device"),
        "{error}"
    );
}

/// Running means after a training are the same with and without looks at it, in whatever mode these
/// leave the network.
#[test]
fn a_look_at_a_training_changes_nothing() {
    let trained = |looks: &str| {
        let script = format!(
            "let digits = data::digits();
            let net = nn::sequential([nn::flatten(), nn::linear(64, 8), nn::batch_norm2d(8), nn::spectral_norm(nn::linear(8, 10))]);
            let opt = optim::sgd(net, #{{ lr: 0.1 }});
            train(digits, #{{ iterations: 6, every: 2, batch_size: 16, {looks} }}, |batch| {{
                let loss = loss::cross_entropy(net.forward(batch.x), batch.y);
                opt.step(loss);
                #{{ total: loss }}
            }});
            let state = net.state_dict();
            let kept = [];
            for name in state.keys() {{ kept.push(`${{name}} ${{state[name].to_array()}}`); }}
            kept"
        );
        let program = Program::new(Settings::default());
        program
            .run_text("s", &script)
            .map(|v| v.to_string())
            .map_err(|e| e.text)
            .unwrap()
    };
    let plain = trained("");
    assert!(
        plain.contains("running_mean") && plain.contains("weight_u"),
        "{plain}"
    );
    let validated = "validate: |part| net.forward(part.x).mean().item()";
    let sampled = "samples: || { net.forward(tensor::randn([16, 1, 8, 8]) * 100.0); tensor::zeros([4, 1, 8, 8]) }";
    for looks in [validated, sampled] {
        assert_eq!(trained(looks), plain, "{looks}");
    }
}

/// Whatever is thrown has a message and a hint.
#[test]
fn all_that_is_caught_has_a_message_and_a_hint() {
    let program = Program::new(Settings::default());
    for (raised, message) in [
        ("tensor::zeros([-1])", "sizes must not be negative"),
        ("let a = [1]; a[9]", "9"),
        ("1 / 0", "zero"),
        ("nosuch(1)", "nosuch"),
        ("#{}.key", "key"),
        ("let t = \"text\"; t - 1", "-"),
        ("throw \"mine\"", "mine"),
        ("throw 7", "7"),
        ("throw 1.5", "1.5"),
        ("throw [1, 2]", "[1, 2]"),
        ("throw true", "true"),
        ("throw #{ message: \"own\", code: 3 }", "own"),
        ("throw #{ code: 3 }", "3"),
        (
            "let held = #{ message: \"own\" }; let f = || held; throw held",
            "own",
        ),
        ("throw", "without a value"),
    ] {
        for script in [
            format!("try {{ {raised}; }} catch (e) {{ return `${{e.message}}|${{e.hint}}`; }}"),
            format!(
                "fn f() {{ {raised}; }} try {{ f(); }} catch (e) {{ return `${{e.message}}|${{e.hint}}`; }}"
            ),
        ] {
            let said = program
                .run_text("s", &script)
                .map(|v| v.to_string())
                .map_err(|e| e.text);
            assert!(
                said.as_ref()
                    .is_ok_and(|s| s.contains(message) && s.contains('|')),
                "{script}: {said:?}"
            );
        }
    }
    let again = "try { throw #{ message: \"own\", hint: \"mend it\" } } catch (e) { throw e; }";
    let text = program
        .run_text("s", again)
        .map(|v| v.to_string())
        .map_err(|e| e.text)
        .unwrap_err();
    assert!(
        text.contains("error: own") && text.contains("hint: mend it"),
        "{text}"
    );
    let kept =
        "let mine = #{ message: \"own\", code: 3 }; try { throw mine } catch (e) { e.seen = e.code; mine.code = 4; }
        return mine.keys().len() == 2 && mine.code == 4;";
    assert_eq!(
        program.run_text("s", kept).unwrap().as_bool(),
        Ok(true),
        "what is thrown stays the script's own"
    );
    let changed =
        "try { throw #{ message: \"own\" } } catch (e) { e.seen = 5; return [e.seen, e.hint]; }";
    assert_eq!(
        program.run_text("s", changed).unwrap().to_string(),
        "[5, \"\"]"
    );
    let other = "let options = #{ a: 1 }; options.hint";
    assert!(
        program.run_text("s", other).is_err(),
        "a map without a message is no error"
    );
}
