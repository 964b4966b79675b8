//! Runs side by side: grouped by their parameters, with mean and standard deviation over the seeds
//! of each group.
//!
//! Only runs that went to their end count; the others are named beside their group, so that a mean
//! over survivors can be seen for what it is. The standard deviation is that of a sample (n − 1).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Past, Series, State};
use crate::error::{Error, Result};
use crate::run::hash;

/// Fewer seeds than this make no claim.
pub const CLAIM: usize = 5;
/// So many metrics are shown where none is named.
const SHOWN: usize = 4;

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Metrics, as `training/quantity` or `quantity`; the main one of each training where none is
    /// named.
    pub metrics: Vec<String>,
    /// Whether the groups are sorted by the best value of the first metric, not by the final one.
    pub by_best: bool,
    /// Whether larger is better; told by the metric's name where not given.
    pub larger: Option<bool>,
}

/// Groups of runs.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Parameters that all runs share.
    pub common: Vec<(String, Json)>,
    /// Names of what differs between groups.
    pub differing: Vec<String>,
    /// The metrics, as `training/quantity`, each with whether larger is better.
    pub metrics: Vec<(String, bool)>,
    /// The groups, best first.
    pub groups: Vec<Group>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Runs that differ by their seed alone.
#[derive(Clone, Debug)]
pub struct Group {
    /// The values of what differs; `None` where a script has no such parameter.
    pub values: Vec<Option<Json>>,
    /// The runs that count, by seed.
    pub runs: Vec<Past>,
    /// How many others there are, by state.
    pub others: BTreeMap<State, usize>,
    /// For each metric what was measured.
    pub measured: Vec<Measured>,
}

/// One metric over the runs of a group.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The last value of each run.
    pub last: Spread,
    /// The best value of each run.
    pub best: Spread,
    /// Mean and standard deviation over the runs, at the iterations that all of them logged.
    pub curve: Vec<(i64, f64, f64)>,
}

/// Numbers, one a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread(pub Vec<f64>);

impl Spread {
    /// Their mean.
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.iter().sum::<f64>() / self.0.len() as f64)
    }

    /// Their standard deviation (n − 1), of two or more.
    pub fn sd(&self) -> Option<f64> {
        let mean = self.mean().filter(|_| self.0.len() > 1)?;
        Some(
            (self.0.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (self.0.len() - 1) as f64)
                .sqrt(),
        )
    }
}

/// Compares runs.
pub fn compare(runs: Vec<Past>, wanted: &Wanted) -> Result<Comparison> {
    if runs.is_empty() {
        return Err(Error::argument("compare: no runs")
            .with_hint("name run folders, or a folder with runs inside"));
    }
    let mut notes = Vec::new();
    let described = runs.iter().map(description).collect::<Result<Vec<_>>>()?;
    let (common, differing) = split(&described);
    for (what, key) in [
        ("devices", "device"),
        ("versions", "jemscript"),
        ("libtorch versions", "libtorch"),
    ] {
        let mut found: Vec<&str> = runs.iter().map(|r| r.text(key)).collect();
        found.sort_unstable();
        found.dedup();
        if found.len() > 1 {
            notes.push(format!(
                "the runs have different {what}: {}",
                found.join(", ")
            ));
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for (run, about) in runs.into_iter().zip(described) {
        let values: Vec<Option<Json>> = differing
            .iter()
            .map(|name| value_of(&about, name))
            .collect();
        let place = groups
            .iter()
            .position(|g| g.values == values)
            .unwrap_or_else(|| {
                groups.push(Group {
                    values,
                    runs: Vec::new(),
                    others: BTreeMap::new(),
                    measured: Vec::new(),
                });
                groups.len() - 1
            });
        let group = &mut groups[place];
        if run.state != State::Finished {
            *group.others.entry(run.state).or_default() += 1;
        } else if let Some(same) = group.runs.iter_mut().find(|r| r.seed() == run.seed()) {
            let (kept, left) = if same.text("started") > run.text("started") {
                (None, run)
            } else {
                (Some(run), same.clone())
            };
            notes.push(format!(
                "{} has the seed {} of another run of its group: the later one counts",
                left.name(),
                left.seed()
            ));
            if let Some(kept) = kept {
                *same = kept;
            }
        } else {
            group.runs.push(run);
        }
    }
    if groups.iter().all(|g| g.runs.is_empty()) {
        return Err(Error::state("compare: none of these runs went to its end")
            .with_hint("`jemscript runs` shows how they stand"));
    }
    let mut logged: BTreeMap<(usize, usize), Vec<Series>> = BTreeMap::new();
    for (g, group) in groups.iter_mut().enumerate() {
        group.runs.sort_by_key(Past::seed);
        for (r, run) in group.runs.iter().enumerate() {
            logged.insert((g, r), run.metrics()?);
        }
    }
    let all: Vec<&Series> = logged.values().flatten().collect();
    let metrics: Vec<(String, bool)> = choose(&all, &wanted.metrics)?
        .into_iter()
        .map(|m| (m.clone(), wanted.larger.unwrap_or_else(|| larger(&m))))
        .collect();
    for (g, group) in groups.iter_mut().enumerate() {
        for (metric, large) in &metrics {
            let series = (0..group.runs.len())
                .filter_map(|r| logged[&(g, r)].iter().find(|s| s.path() == *metric));
            group
                .measured
                .push(measure(&series.collect::<Vec<_>>(), *large));
        }
    }
    sort(&mut groups, &metrics, wanted.by_best);
    if groups.iter().any(|g| (1..CLAIM).contains(&g.runs.len())) {
        notes.push(format!("* fewer than {CLAIM} seeds: no claim"));
    }
    if groups.iter().any(|g| !g.others.is_empty()) {
        notes.push("means are over the runs that went to their end".to_owned());
    }
    Ok(Comparison {
        common,
        differing,
        metrics,
        groups,
        notes,
    })
}

/// What may differ between runs: the script with its imports, then the parameters.
fn description(run: &Past) -> Result<Vec<(String, Json)>> {
    let mut text = run.source()?;
    for file in run.files() {
        text += &String::from_utf8_lossy(
            &crate::run::read_plain(&run.folder.join(file)).unwrap_or_default(),
        );
    }
    let script = format!("{}@{:04x}", run.text("script"), hash(&text) as u16);
    let params = run.params.iter().map(|p| (p.name.clone(), p.value.clone()));
    Ok(std::iter::once(("script".to_owned(), Json::from(script)))
        .chain(params)
        .collect())
}

fn value_of(about: &[(String, Json)], name: &str) -> Option<Json> {
    about
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, v)| v.clone())
}

/// What all runs share, and the names of what differs.
fn split(described: &[Vec<(String, Json)>]) -> (Vec<(String, Json)>, Vec<String>) {
    let mut names: Vec<&String> = Vec::new();
    described.iter().flatten().for_each(|(n, _)| {
        if !names.contains(&n) {
            names.push(n);
        }
    });
    let (mut common, mut differing) = (Vec::new(), Vec::new());
    for name in names {
        let first = value_of(&described[0], name);
        match first.filter(|v| {
            described
                .iter()
                .all(|d| value_of(d, name).as_ref() == Some(v))
        }) {
            Some(value) => common.push((name.clone(), value)),
            None => differing.push(name.clone()),
        }
    }
    (common, differing)
}

/// The metrics meant, as `training/quantity`.
fn choose(all: &[&Series], wanted: &[String]) -> Result<Vec<String>> {
    let mut paths: Vec<String> = Vec::new();
    all.iter().for_each(|s| {
        if !paths.contains(&s.path()) {
            paths.push(s.path());
        }
    });
    if wanted.is_empty() {
        let mut trainings: Vec<&str> = Vec::new();
        all.iter().for_each(|s| {
            if !trainings.contains(&s.train.as_str()) {
                trainings.push(&s.train);
            }
        });
        return Ok(trainings
            .iter()
            .take(SHOWN)
            .filter_map(|t| main_metric(all.iter().copied().filter(|s| s.train == *t)))
            .collect());
    }
    let mut found: Vec<String> = Vec::new();
    for name in wanted {
        let fits = |p: &&String| {
            *p == name
                || p.split_once('/')
                    .is_some_and(|(_, quantity)| quantity == name)
        };
        let fitting: Vec<&String> = paths.iter().filter(fits).collect();
        if fitting.is_empty() {
            let quantities = paths
                .iter()
                .filter_map(|p| p.split_once('/'))
                .map(|(_, q)| q);
            let known: Vec<&str> = paths.iter().map(String::as_str).chain(quantities).collect();
            let mut error = Error::unknown(
                &format!("no run that went to its end logged `{name}`"),
                name,
                known,
            );
            if paths.is_empty() {
                error = error.with_hint("these runs logged no metrics at all");
            }
            return Err(error);
        }
        found.extend(fitting.into_iter().cloned());
    }
    Ok(found)
}

/// The metric that stands for a training: its first validation, else accuracy, the total loss, or
/// what there is.
pub fn main_metric<'a>(all: impl Iterator<Item = &'a Series>) -> Option<String> {
    let rank = |s: &Series| match s.name.as_str() {
        n if n.starts_with("validation") => 0,
        "accuracy" => 1,
        "total" => 2,
        "lr" | "grad_norm" => 4,
        _ => 3,
    };
    all.min_by_key(|s| rank(s)).map(Series::path)
}

/// Whether a larger value is better, by the words in a metric's name.
pub fn larger(metric: &str) -> bool {
    const LESS: [&str; 16] = [
        "loss", "total", "error", "ece", "nll", "brier", "fpr", "fpr95", "gap", "ce", "mse",
        "distance", "fid", "kid", "norm", "seconds",
    ];
    !metric
        .split(['/', '.', '_', '-'])
        .any(|word| LESS.contains(&word))
}

fn measure(series: &[&Series], large: bool) -> Measured {
    let last = series.iter().filter_map(|s| s.last()).collect();
    let best = series
        .iter()
        .filter_map(|s| s.best(large))
        .map(|(_, v)| v)
        .collect();
    let at = |s: &Series, i: i64| s.iterations.binary_search(&i).ok().map(|k| s.values[k]);
    let iterations = series
        .first()
        .map(|s| s.iterations.clone())
        .unwrap_or_default();
    let point = |i: i64| {
        let values = series
            .iter()
            .map(|s| at(s, i))
            .collect::<Option<Vec<f64>>>()?;
        let spread = Spread(values);
        Some((i, spread.mean()?, spread.sd().unwrap_or(0.0)))
    };
    Measured {
        last: Spread(last),
        best: Spread(best),
        curve: iterations.into_iter().filter_map(point).collect(),
    }
}

/// Best first; groups without the metric last.
fn sort(groups: &mut [Group], metrics: &[(String, bool)], by_best: bool) {
    let Some((_, large)) = metrics.first() else {
        return;
    };
    let key = |g: &Group| {
        let m = &g.measured[0];
        if by_best {
            m.best.mean()
        } else {
            m.last.mean()
        }
        .filter(|v| !v.is_nan())
    };
    groups.sort_by(|a, b| match (key(a), key(b)) {
        (Some(a), Some(b)) if *large => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        let spread = Spread(vec![2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(spread.mean(), Some(5.0));
        assert!(
            spread
                .sd()
                .is_some_and(|sd| (sd - (32.0f64 / 7.0).sqrt()).abs() < 1e-12)
        );
        assert_eq!(
            (Spread(vec![1.0]).sd(), Spread(vec![]).mean()),
            (None, None)
        );
    }

    #[test]
    fn names_say_which_way_is_better() {
        assert!(
            [
                "train/accuracy",
                "JEM/validation.accuracy",
                "a/auroc",
                "a/validation"
            ]
            .iter()
            .all(|m| larger(m))
        );
        assert!(
            [
                "train/total",
                "JEM/validation.ece",
                "a/grad_norm",
                "x/my_loss"
            ]
            .iter()
            .all(|m| !larger(m))
        );
    }

    #[test]
    fn curves_stand_where_all_runs_logged() {
        let series = |iterations: &[i64], values: &[f64]| Series {
            train: "t".into(),
            name: "a".into(),
            iterations: iterations.to_vec(),
            values: values.to_vec(),
        };
        let (a, b) = (
            series(&[1, 2, 3], &[1.0, 2.0, 9.0]),
            series(&[1, 3, 4], &[3.0, 5.0, 0.0]),
        );
        let found = measure(&[&a, &b], true);
        assert_eq!(
            found.curve,
            [(1, 2.0, 2.0f64.sqrt()), (3, 7.0, 8.0f64.sqrt())]
        );
        assert_eq!(
            (found.last.0, found.best.0),
            (vec![9.0, 0.0], vec![9.0, 5.0])
        );
        assert_eq!(measure(&[&a, &b], false).best.0, [1.0, 0.0]);
    }
}
