//! Out-of-distribution detection after refinement: each row is the start of a short chain, and what
//! the chain does to it is a score.
//!
//! Rows that the model finds unlikely gain more log p(x) and move further than those it was trained
//! on. Scores, high for rows that look familiar: log p(x') at the chain's end, `−(log p(x') − log
//! p(x))`, and `−‖x' − x‖₂`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::OodOptions;
use super::logits::{batch_rows, over_rows, prepare};
use super::ood::{DETECTION_HEAD, detection_cells};
use super::paths::{key, number_at};
use super::ranking::{Detection, detection};
use super::table::{Table, WIDTH, wrapped};
use crate::data::Part;
use crate::energy::Energy;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::sampler::Sampler;
use crate::tensor::{Kind, Stream, Tensor, no_grad, seed};

const OWNER: &str = "evaluate::refinement";
/// The scores' keys and names.
const SCORES: [(&str, &str); 3] = [
    ("log_p_x", "log p(x) after"),
    ("gain", "−gain"),
    ("moved", "−moved"),
];

/// What a short chain did to rows, in float64.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refined {
    /// log p(x) up to a constant, at the chain's end.
    pub log_p_x: Vec<f64>,
    /// What the chain gained of it.
    pub gain: Vec<f64>,
    /// Euclidean distance from start to end.
    pub moved: Vec<f64>,
}

impl Refined {
    /// High for rows that look familiar, in the order of the scores.
    fn scores(&self) -> [Vec<f64>; 3] {
        let negated = |v: &[f64]| v.iter().map(|s| -s).collect::<Vec<f64>>();
        [
            self.log_p_x.clone(),
            negated(&self.gain),
            negated(&self.moved),
        ]
    }
}

/// Detection of sets by what a short chain does to their rows.
#[derive(Clone, Serialize, Deserialize)]
pub struct Refinement {
    /// The in-distribution part.
    pub inside_name: String,
    /// What became of its rows.
    pub inside: Refined,
    /// The other sets: name, what became of their rows, and a detection for each score.
    pub sets: Vec<(String, Refined, Vec<Detection>)>,
    /// What was done.
    pub protocol: String,
}

impl Refinement {
    /// One number by set, score and path: `rotation.gain` is an AUROC, `rotation.gain.fpr95`
    /// another number of it.
    pub fn value(&self, path: &str) -> Result<f64> {
        number_at("refinement", &self.values(), path)
    }

    /// All numbers with their paths.
    pub fn values(&self) -> Vec<(String, f64)> {
        let one = |(name, _, found): &(String, Refined, Vec<Detection>)| {
            let all = SCORES
                .iter()
                .zip(found)
                .flat_map(|((score, _), d)| d.values(&format!("{}.{score}", key(name))));
            all.collect::<Vec<_>>()
        };
        self.sets.iter().flat_map(one).collect()
    }
}

/// What a sampler's chains do to rows that they start from.
pub fn refined(
    energy: &Energy,
    sampler: &Sampler,
    x: &Tensor,
    seed_of: i64,
    step: u64,
) -> Result<Refined> {
    let (x, _mode) = prepare(OWNER, energy, x)?;
    seed(seed_of as u64, Stream::Evaluate, 50 + step);
    let mut found = Refined {
        log_p_x: Vec::new(),
        gain: Vec::new(),
        moved: Vec::new(),
    };
    for batch in x.split(batch_rows(&x, None), 0)? {
        crate::interrupt::poll()?;
        let end = sampler.sample_detached(energy, &batch)?;
        let _guard = no_grad();
        let log_p = |x: &Tensor| energy.log_p_x(x)?.to_kind(Kind::Double)?.to_vec();
        let (before, after) = (log_p(&batch)?, log_p(&end)?);
        found
            .gain
            .extend(after.iter().zip(&before).map(|(a, b)| a - b));
        found.log_p_x.extend(after);
        let apart = end
            .to_kind(Kind::Double)?
            .sub(&batch.to_kind(Kind::Double)?)?;
        found
            .moved
            .extend(apart.flatten(1)?.norm_dims(&[1], false)?.to_vec()?);
    }
    if found
        .gain
        .iter()
        .chain(&found.moved)
        .any(|v| !v.is_finite())
    {
        return Err(Error::new(
            ErrorKind::NonFinite,
            format!("{OWNER}: some energies are not finite"),
        )
        .with_hint("smaller steps, `clamp` or `clamp_grad` keep chains finite"));
    }
    Ok(found)
}

/// Measures detection of each set against the rows of a part, all of them refined by a sampler.
pub fn refinement(
    energy: &Energy,
    sampler: &Sampler,
    inside: &Part,
    sets: &[Part],
    options: &OodOptions,
) -> Result<Refinement> {
    options.check()?;
    let resamples = options.resamples as usize;
    let kind = format!("refinement of {} sets, {sampler}, {options:?}", sets.len());
    over_rows(
        "evaluation",
        &kind,
        energy,
        inside,
        options.batch_size,
        |inside| {
            let few = |set: &Part| {
                if crate::dry_run::on() {
                    set.of_length(inside.len())
                } else {
                    Ok(set.clone())
                }
            };
            let sets = sets.iter().map(few).collect::<Result<Vec<_>>>()?;
            let inner = refined(energy, sampler, &inside.x()?, options.seed, 0)
                .map_err(|e| e.context(&inside.name))?;
            let ranked = inner.scores();
            let mut found = Vec::with_capacity(sets.len());
            for (i, set) in sets.iter().enumerate() {
                let outer = refined(energy, sampler, &set.x()?, options.seed, 1 + i as u64)
                    .map_err(|e| e.context(&set.name))?;
                let one = |(a, b): (&Vec<f64>, Vec<f64>)| detection(a, &b, resamples, options.seed);
                let all = ranked
                    .iter()
                    .zip(outer.scores())
                    .map(one)
                    .collect::<Result<_>>()?;
                found.push((set.name.clone(), outer, all));
            }
            let protocol = format!(
                "each row is the start of {sampler}; scores: log p(x) at its end, minus what was gained, minus the distance moved; \
             against {}; in-distribution rows are positive, ties count ½, equal n; in brackets \
             95 % bootstrap intervals ({} resamples)",
                inside.name, options.resamples
            );
            Ok(Refinement {
                inside_name: inside.name.clone(),
                inside: inner,
                sets: found,
                protocol,
            })
        },
    )
}

impl fmt::Display for Refinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(DETECTION_HEAD);
        for (name, _, found) in &self.sets {
            for ((_, score), d) in SCORES.iter().zip(found) {
                table.row(detection_cells(name, score, d));
            }
        }
        write!(
            f,
            "{}\n{}",
            table.shown(f),
            wrapped(&self.protocol, WIDTH, "")
        )
    }
}

impl fmt::Debug for Refinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
