//! `jemscript runs [DIR]`: the runs below a folder.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use serde_json::{Value as Json, json};

use super::dry_run::duration;
use super::fail;
use crate::error::Result;
use crate::evaluate::{Table, WIDTH, digits};
use crate::history::{Past, Series, find, main_metric};
use crate::run::seconds_of;

/// Which runs, and in what form.
#[derive(Args)]
pub struct RunsArgs {
    /// The folder
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists runs; gives the exit code.
pub fn runs(args: &RunsArgs) -> u8 {
    match list(args) {
        Ok(text) => {
            print!("{text}");
            0
        }
        Err(error) => fail(&error),
    }
}

fn list(args: &RunsArgs) -> Result<String> {
    let (runs, mut wrong) = find(&args.folder)?;
    let mut rows = Vec::new();
    for run in &runs {
        // A run whose metrics are broken is listed all the same.
        match metric(run) {
            Ok(found) => rows.push((run, found)),
            Err(error) => {
                wrong.push(error);
                rows.push((run, None));
            }
        }
    }
    let mut text = if args.json {
        format!("{:#}\n", Json::Array(rows.iter().map(as_json).collect()))
    } else {
        table(&rows)
    };
    if args.json {
        wrong.iter().for_each(|e| eprintln!("left out: {e}"));
    } else {
        wrong
            .iter()
            .for_each(|e| text += &format!("\nnot readable: {e}\n"));
    }
    Ok(text)
}

type Row<'a> = (&'a Past, Option<Series>);

/// The series that stands for a run: the main metric of its last training.
fn metric(run: &Past) -> Result<Option<Series>> {
    let all = run.metrics()?;
    let Some(train) = all.last().map(|s| s.train.clone()) else {
        return Ok(None);
    };
    let path = main_metric(all.iter().filter(|s| s.train == train));
    Ok(all.into_iter().find(|s| Some(s.path()) == path))
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no runs here\n".to_owned();
    }
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let mut table = Table::of_texts([
        "run",
        "state",
        "script",
        "seed",
        "started",
        "took",
        "last value",
        "parameters",
    ]);
    for (run, metric) in rows {
        let age = seconds_of(run.text("started"))
            .map(|s| format!("{} ago", duration(now.saturating_sub(s) as f64)));
        let value = metric
            .as_ref()
            .and_then(|s| Some(format!("{} {}", s.path(), digits(s.last()?))));
        let changed: Vec<String> = run
            .changed()
            .map(|p| format!("{}={}", p.name, plain(&p.value)))
            .collect();
        table.row([
            run.name(),
            run.state.name().to_owned(),
            run.text("script").to_owned(),
            run.seed().to_string(),
            age.unwrap_or_default(),
            run.seconds().map(duration).unwrap_or_default(),
            value.unwrap_or_default(),
            changed.join(" "),
        ]);
    }
    table.terminal(WIDTH) + "\n"
}

fn plain(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn as_json((run, metric): &Row) -> Json {
    let changed = run
        .changed()
        .map(|p| (p.name.clone(), p.value.clone()))
        .collect::<serde_json::Map<_, _>>();
    let value = metric
        .as_ref()
        .and_then(Series::last)
        .filter(|v| v.is_finite());
    json!({
        "folder": run.folder.display().to_string(),
        "state": run.state.name(),
        "script": run.text("script"),
        "seed": run.seed(),
        "started": run.text("started"),
        "seconds": run.seconds(),
        "error": run.about.get("error"),
        "parameters": changed,
        "metric": metric.as_ref().map(Series::path),
        "value": value,
    })
}
