//! Runs read back: what a folder says about itself, its metrics, and all runs below a folder.
//!
//! Folders come from anywhere: what is missing, cut or foreign is an error that names the file, and
//! nothing is changed.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::run::{Life, inside, json_file, life, open_plain, read_plain};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its process lives, here or on another machine.
    Running,
    /// It went to its end.
    Finished,
    /// Ctrl-C, SIGTERM or `--max-time` ended it in good order.
    Interrupted,
    /// Its process is gone without a word.
    Killed,
    /// A training diverged, and that ended it.
    Diverged,
    /// An error ended it.
    Failed,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Finished => "finished",
            State::Interrupted => "interrupted",
            State::Killed => "killed",
            State::Diverged => "diverged",
            State::Failed => "failed",
        }
    }
}

/// A parameter as a run had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Json,
    /// Where that came from: `default`, `command line`, `params file`, `sweep`.
    pub source: String,
}

/// A run that is read back.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its folder.
    pub folder: PathBuf,
    /// How it stands.
    pub state: State,
    /// Its parameters, in the script's order.
    pub params: Vec<Set>,
    /// `run.json` as it is.
    pub about: Map<String, Json>,
}

impl Past {
    /// Reads a run's folder.
    pub fn read(folder: &Path) -> Result<Past> {
        let path = folder.join("run.json");
        if !path.exists() {
            let what = if folder.is_dir() {
                "no run: it has no run.json"
            } else {
                "no such folder"
            };
            return Err(Error::argument(format!("{}: {what}", folder.display()))
                .with_hint("`jemscript runs DIR` lists the runs below a folder"));
        }
        let about = match json_file(&path)? {
            Json::Object(map) if map.contains_key("jemscript") && map.contains_key("state") => map,
            _ => {
                return Err(
                    Error::data(format!("{}: not written by jemscript", path.display()))
                        .with_hint("name a folder under `runs/`"),
                );
            }
        };
        let named = |key: &str| about.get(key).cloned().unwrap_or_default();
        let files = named("files").as_array().cloned().unwrap_or_default();
        let inside = |n: &Json| n.as_str().is_some_and(|n| !n.is_empty() && inside(n) == n);
        if let Some(name) = files.iter().chain([&named("script")]).find(|n| !inside(n)) {
            return Err(Error::data(format!(
                "{}: {name} is no file inside the folder",
                path.display()
            )));
        }
        let process = about.get("process").cloned().unwrap_or_default();
        let state = match about
            .get("state")
            .and_then(Json::as_str)
            .unwrap_or_default()
        {
            "finished" => State::Finished,
            "interrupted" => State::Interrupted,
            "diverged" => State::Diverged,
            "failed" => State::Failed,
            "running" if life(&process) == Life::Gone => State::Killed,
            "running" => State::Running,
            other => {
                let text = format!(
                    "{}: `state` is {other:?}, which this version does not know",
                    path.display()
                );
                return Err(Error::data(text).with_hint("read it with the version that wrote it"));
            }
        };
        Ok(Past {
            params: params(folder)?,
            folder: folder.to_owned(),
            state,
            about,
        })
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        let whole = || {
            self.folder
                .canonicalize()
                .ok()
                .and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
        };
        let name = self
            .folder
            .file_name()
            .map(|n| n.to_string_lossy().into_owned());
        name.or_else(whole)
            .unwrap_or_else(|| self.folder.display().to_string())
    }

    /// A text of `run.json`; empty where it is not there.
    pub fn text(&self, key: &str) -> &str {
        self.about
            .get(key)
            .and_then(Json::as_str)
            .unwrap_or_default()
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.about.get("seed").and_then(Json::as_u64).unwrap_or(0)
    }

    /// How long it took, where it has ended.
    pub fn seconds(&self) -> Option<f64> {
        self.about.get("seconds").and_then(Json::as_f64)
    }

    /// The parameters that differ from the script's defaults.
    pub fn changed(&self) -> impl Iterator<Item = &Set> {
        self.params.iter().filter(|p| p.source != "default")
    }

    /// The main script's copy in the folder, whatever way out of it a stranger's name may take.
    pub fn script(&self) -> std::path::PathBuf {
        self.folder.join(inside(self.text("script")))
    }

    /// The main script's text, as it ran.
    pub fn source(&self) -> Result<String> {
        let path = self.script();
        String::from_utf8(read_plain(&path).map_err(|e| Error::io(&path, &e))?)
            .map_err(|_| Error::data(format!("{}: not a text file (UTF-8)", path.display())))
    }

    /// The imported scripts' names.
    pub fn files(&self) -> Vec<String> {
        let list = self.about.get("files").and_then(Json::as_array);
        list.into_iter()
            .flatten()
            .filter_map(|n| n.as_str().map(inside))
            .collect()
    }

    /// All logged numbers, by training and name, in the order in which they first stand.
    pub fn metrics(&self) -> Result<Vec<Series>> {
        let mut found: Vec<Series> = Vec::new();
        let wrong = |at: usize| {
            Error::data(format!(
                "{}: line {at} is not a line of metrics",
                self.folder.join("metrics.jsonl").display()
            ))
            .with_hint("the file was changed by something else")
        };
        for (at, line) in self.lines("metrics.jsonl")? {
            let line = line.as_object().ok_or_else(|| wrong(at))?;
            let (train, iteration) = (
                line.get("train").and_then(Json::as_str),
                line.get("iteration"),
            );
            let (Some(train), Some(iteration)) = (train, iteration.and_then(Json::as_i64)) else {
                return Err(wrong(at));
            };
            for (name, value) in line
                .iter()
                .filter(|(k, _)| !["train", "iteration"].contains(&k.as_str()))
            {
                let value = number_of(value).ok_or_else(|| wrong(at))?;
                let known = found
                    .iter_mut()
                    .find(|s| s.name == *name && s.train == train);
                let series = match known {
                    Some(series) => series,
                    None => {
                        found.push(Series {
                            train: train.to_owned(),
                            name: name.clone(),
                            ..Series::default()
                        });
                        let last = found.len() - 1;
                        &mut found[last]
                    }
                };
                // A run that was resumed may have logged an iteration twice: the later one counts.
                let keep = series.iterations.partition_point(|i| *i < iteration);
                series.iterations.truncate(keep);
                series.values.truncate(keep);
                series.iterations.push(iteration);
                series.values.push(value);
            }
        }
        Ok(found)
    }

    /// The events, as they stand.
    pub fn events(&self) -> Result<Vec<Json>> {
        Ok(self
            .lines("events.jsonl")?
            .into_iter()
            .map(|(_, line)| line)
            .collect())
    }

    /// The trainings that counted as diverged, each with its iteration.
    pub fn diverged(&self) -> Result<Vec<(String, i64)>> {
        let events = self.events()?;
        let one = |e: &Json| Some((e["train"].as_str()?.to_owned(), e["iteration"].as_i64()?));
        Ok(events
            .iter()
            .filter(|e| e["event"] == "diverged" || e["event"] == "stopped")
            .filter_map(one)
            .collect())
    }

    /// Numbered lines of JSON. A last line without its end was being written when the process died:
    /// it does not count.
    fn lines(&self, name: &str) -> Result<Vec<(usize, Json)>> {
        let path = self.folder.join(name);
        let text = match read_plain(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io(&path, &e)),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let parse = |(i, line): (usize, &str)| {
            let found = serde_json::from_str(line).map_err(|e| {
                Error::data(format!(
                    "{}: line {} is not JSON ({e})",
                    path.display(),
                    i + 1
                ))
                .with_hint("remove that line; the others are whole")
            });
            found.map(|json| (i + 1, json))
        };
        whole
            .lines()
            .enumerate()
            .filter(|(_, l)| !l.trim().is_empty())
            .map(parse)
            .collect()
    }
}

/// One logged quantity of one training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The training.
    pub train: String,
    /// The quantity.
    pub name: String,
    /// Where it was logged, rising.
    pub iterations: Vec<i64>,
    /// What was logged.
    pub values: Vec<f64>,
}

impl Series {
    /// `train/quantity`, as users name it.
    pub fn path(&self) -> String {
        format!("{}/{}", self.train, self.name)
    }

    /// The last value.
    pub fn last(&self) -> Option<f64> {
        self.values.last().copied()
    }

    /// The best value and its iteration: the largest, or the least.
    pub fn best(&self, largest: bool) -> Option<(i64, f64)> {
        let finite = self
            .iterations
            .iter()
            .copied()
            .zip(self.values.iter().copied())
            .filter(|(_, v)| v.is_finite());
        finite.reduce(|a, b| {
            if (b.1 > a.1) == largest && a.1 != b.1 {
                b
            } else {
                a
            }
        })
    }
}

/// How far a training is.
#[derive(Clone, Debug, PartialEq)]
pub struct At {
    /// The training.
    pub train: String,
    /// Its last logged iteration.
    pub iteration: i64,
    /// How many it has in all.
    pub total: Option<i64>,
}

/// How far a run is, from the ends of its files alone: cheap, to be asked again and again.
pub fn progress(folder: &Path) -> Option<At> {
    let whole = |l: &str| serde_json::from_str::<Json>(l).ok();
    let metrics = tail(&folder.join("metrics.jsonl"), 1 << 14)?;
    let line = metrics[..metrics.rfind('\n')?]
        .lines()
        .next_back()
        .and_then(whole)?;
    let train = line["train"].as_str()?.to_owned();
    let events = tail(&folder.join("events.jsonl"), 1 << 18).unwrap_or_default();
    let begun = events
        .lines()
        .rev()
        .filter_map(whole)
        .find(|e| e["event"] == "train" && e["train"] == train.as_str());
    Some(At {
        train,
        iteration: line["iteration"].as_i64()?,
        total: begun.and_then(|e| e["iterations"].as_i64()),
    })
}

/// The last bytes of a file, as text.
fn tail(path: &Path, bytes: u64) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = open_plain(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))
        .ok()?;
    let mut found = Vec::new();
    file.take(bytes).read_to_end(&mut found).ok()?;
    Some(String::from_utf8_lossy(&found).into_owned())
}

/// All runs at or below a folder, by name; what could not be read stands beside them. Folders whose
/// names start with a dot are left out.
pub fn find(folder: &Path) -> Result<(Vec<Past>, Vec<Error>)> {
    if folder.join("run.json").exists() {
        return Ok((vec![Past::read(folder)?], Vec::new()));
    }
    let (mut runs, mut wrong) = (Vec::new(), Vec::new());
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((place, depth)) = open.pop() {
        let entries = match std::fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(e) if depth == 0 => return Err(Error::io(&place, &e)),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if hidden || !entry.file_type().is_ok_and(|t| t.is_dir()) {
                continue;
            }
            match entry.path().join("run.json").exists() {
                true => match Past::read(&entry.path()) {
                    Ok(run) => runs.push(run),
                    Err(e) => wrong.push(e),
                },
                false if depth < DEPTH => open.push((entry.path(), depth + 1)),
                false => {}
            }
        }
    }
    runs.sort_by(|a, b| (a.text("started"), &a.folder).cmp(&(b.text("started"), &b.folder)));
    Ok((runs, wrong))
}

/// How far below a folder runs are looked for: `runs/sweep/point/run` and one more.
const DEPTH: usize = 4;

fn params(folder: &Path) -> Result<Vec<Set>> {
    let path = folder.join("params.json");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let wrong = || Error::data(format!("{}: not the parameters of a run", path.display()));
    let one = |entry: &Json| {
        let text = |key: &str| entry[key].as_str().map(str::to_owned);
        Some(Set {
            name: text("name")?,
            value: entry.get("value")?.clone(),
            source: text("source")?,
        })
    };
    json_file(&path)?
        .as_array()
        .ok_or_else(wrong)?
        .iter()
        .map(|e| one(e).ok_or_else(wrong))
        .collect()
}

/// A number as metrics have it: JSON has no NaN and no infinity, which stand as texts.
fn number_of(value: &Json) -> Option<f64> {
    match value {
        Json::Number(n) => n.as_f64(),
        Json::String(s) if ["NaN", "inf", "-inf"].contains(&s.as_str()) => s.parse().ok(),
        _ => None,
    }
}
