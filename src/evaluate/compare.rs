//! All five claims for several models on one part of a data set.

use super::paths::key;
use super::protocol::protocol;
use super::{
    AccuracyOptions, CalibrationOptions, CompareOptions, Distal, FreshOptions, GaussianReport,
    MadeSet, Measured, ModelReport, OodOptions, OodSetOptions, PixelGaussian, Report,
    SampleOptions, SampleReport, Training, accuracy, battery, calibration, detection, fresh_chains,
    ood, ood_set, refinement, sample_quality, usual_sets,
};
use crate::data::{Dataset, Part};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::{ByName, Options};
use crate::tensor::{Stream, Tensor, seed};
use crate::train::Record;

/// A model whose accuracy is so far under the best one's has diverged, whatever its training said.
const FALLEN: f64 = 0.1;
/// Draws of the pixel Gaussian: enough for a Fréchet distance.
const DRAWS: i64 = 1000;

/// Measures all five claims for models with the names that the user gave them; differences are
/// taken to the subject.
pub fn compare(
    models: &[(String, Energy)],
    data: &Dataset,
    options: &CompareOptions,
) -> Result<Report> {
    options.check()?;
    let models = ordered(models, options.subject.as_deref())?;
    let part = match options.part {
        Measured::Test => &data.test,
        Measured::Validation => &data.validation,
    };
    // A limit that takes nothing away is none.
    let options = &CompareOptions {
        limit: options.limit.filter(|n| *n < part.len()),
        ..options.clone()
    };
    let part = &options.limit.map_or(Ok(part.clone()), |n| part.head(n))?;
    if part.len() < 2 {
        return Err(Error::shape(format!(
            "evaluate::compare: needs two rows or more, {} has {}",
            part.name,
            part.len()
        )));
    }
    let fit =
        (options.part == Measured::Test && !data.validation.is_empty()).then_some(&data.validation);
    let made = options.sets.clone().unwrap_or_else(|| usual_sets(part));
    let sets = ood_sets(&made, part, data, options)?;
    let calibration_options = CalibrationOptions {
        bins: options.bins,
        seed: options.seed,
        batch_size: options.batch_size,
        ..CalibrationOptions::default()
    };
    let ood_options = OodOptions {
        resamples: options.resamples,
        seed: options.seed,
        batch_size: options.batch_size,
    };
    let accuracy_options = AccuracyOptions {
        noise: options.noise,
        seed: options.seed,
        batch_size: options.batch_size,
    };
    let sampler = &options.sampler;
    let mut measured = Vec::with_capacity(models.len());
    let mut distals = None;
    let attacked = &options
        .attacked
        .map_or(Ok(part.clone()), |n| part.head(n))?;
    for (name, energy) in &models {
        let of = |e: Error| e.context(name);
        let robustness = battery::curves(energy, attacked, data, options).map_err(of)?;
        let (mut jem_k, mut reached) = (None, None);
        if models.last().is_some_and(|(n, _)| n == name) {
            jem_k = battery::defended(energy, attacked, data, options).map_err(of)?;
            distals = battery::distals(energy, data, options).map_err(of)?;
            reached = distals.as_ref().map(Distal::reached);
        }
        let refinement = match (sampler, options.refine) {
            (Some(sampler), Some(true)) => {
                Some(refinement(energy, sampler, part, &sets, &ood_options).map_err(of)?)
            }
            _ => None,
        };
        measured.push(ModelReport {
            refinement,
            jem_k,
            distal: reached,
            name: name.clone(),
            training: None,
            accuracy: accuracy(energy, part, &accuracy_options).map_err(of)?,
            calibration: calibration(energy, part, fit, &calibration_options).map_err(of)?,
            ood: ood(energy, part, &sets, &ood_options).map_err(of)?,
            robustness,
        });
    }
    trainings(&mut measured, &options.records)?;
    let gaussian = PixelGaussian::fit(&data.train, false)?;
    let (mut pictures, samples) = samples(&models, data, part, &gaussian, options)?;
    let mut protocol = protocol(
        options,
        part,
        &made,
        &measured,
        &gaussian,
        fit,
        samples.as_ref(),
    );
    if let Some(found) = distals {
        protocol.claims[3].push(format!(
            "distal adversarials: {} of {} became sure of their class; {}",
            found.taken.iter().flatten().count(),
            found.taken.len(),
            found.protocol
        ));
        pictures.push(("distal adversarials".to_owned(), found.x));
    }
    let mut report = Report {
        part: part.name.clone(),
        rows: part.len() as usize,
        about: data.about.clone(),
        gaussian: gaussian_report(&gaussian, part, &sets, &ood_options)?,
        protocol,
        models: measured,
        samples,
        comparisons: Vec::new(),
        resamples: options.resamples as usize,
        seed: options.seed,
        pictures,
    };
    report.compare_all()?;
    Ok(report)
}

/// The whole table of one model: what [`compare`] measures, with the square attack, and refinement
/// where there is a sampler. The model has the name of `subject`, or else `model`.
pub fn report(energy: &Energy, data: &Dataset, options: &CompareOptions) -> Result<Report> {
    let options = CompareOptions {
        square_queries: options.square_queries.or(Some(1000)),
        distal: options
            .distal
            .or(Some(if data.shape().len() == 3 { 4 } else { 0 })),
        refine: options.refine.or(Some(options.sampler.is_some())),
        ..options.clone()
    };
    let name = options
        .subject
        .clone()
        .unwrap_or_else(|| "model".to_owned());
    compare(&[(name, energy.clone())], data, &options).map_err(|e| {
        let text = e
            .message()
            .replacen("evaluate::compare", "evaluate::report", 1);
        e.with_message(text)
    })
}

/// How each model was trained, where its record is given.
fn trainings(measured: &mut [ModelReport], records: &ByName<Record>) -> Result<()> {
    let best = measured
        .iter()
        .map(|m| m.accuracy.accuracy)
        .fold(0.0, f64::max);
    for (name, record) in &records.0 {
        let known: Vec<String> = measured.iter().map(|m| m.name.clone()).collect();
        let model = measured
            .iter_mut()
            .find(|m| m.name == *name)
            .ok_or_else(|| {
                let known = known.iter().map(String::as_str);
                Error::unknown(
                    &format!("evaluate::compare: `records` names no model `{name}`"),
                    name,
                    known,
                )
            })?;
        let diverged = record.diverged.is_some() || model.accuracy.accuracy < best - FALLEN;
        model.training = Some(Training {
            iterations: record.iterations,
            seconds: record.seconds,
            diverged,
        });
    }
    Ok(())
}

/// The models with the subject last.
fn ordered(models: &[(String, Energy)], subject: Option<&str>) -> Result<Vec<(String, Energy)>> {
    let names: Vec<&str> = models.iter().map(|(n, _)| n.as_str()).collect();
    let wanted = match subject {
        Some(name) if !names.contains(&name) => {
            return Err(Error::unknown(
                &format!("evaluate::compare: no model `{name}` to be the subject"),
                name,
                names,
            ));
        }
        Some(name) => name,
        None => names
            .iter()
            .copied()
            .find(|n| *n == "JEM")
            .or(names.last().copied())
            .ok_or_else(|| {
                Error::argument("evaluate::compare: needs at least one model")
                    .with_hint("#{ \"JEM\": model }")
            })?,
    };
    let wanted = wanted.to_owned();
    if (1..names.len()).any(|i| names[..i].contains(&names[i])) {
        return Err(Error::argument(
            "evaluate::compare: two models have the same name",
        ));
    }
    let (subject, baselines): (Vec<_>, Vec<_>) =
        models.iter().cloned().partition(|(n, _)| *n == wanted);
    Ok(baselines.into_iter().chain(subject).collect())
}

/// The sets made from the part, a class held out by the data set, and the user's own.
fn ood_sets(
    made: &[MadeSet],
    part: &Part,
    data: &Dataset,
    options: &CompareOptions,
) -> Result<Vec<Part>> {
    let set = OodSetOptions {
        range: Some(data.range),
        seed: options.seed,
    };
    let mut sets: Vec<Part> = made
        .iter()
        .map(|made| ood_set(*made, part, &set))
        .collect::<Result<_>>()?;
    if let Some(held) = &data.held_out {
        sets.push(held.named("held-out class"));
    }
    for (name, given) in &options.ood.0 {
        let set = given
            .named(name)
            .map_err(|e| e.context("evaluate::compare"))?;
        if let Some(other) = sets.iter().find(|s| key(&s.name) == key(&set.name)) {
            return Err(Error::argument(format!(
                "evaluate::compare: two sets are called `{}`",
                other.name
            )));
        }
        sets.push(set);
    }
    Ok(sets)
}

fn gaussian_report(
    gaussian: &PixelGaussian,
    part: &Part,
    sets: &[Part],
    options: &OodOptions,
) -> Result<GaussianReport> {
    let inside = gaussian.log_p(&part.x()?)?;
    let mut found = Vec::with_capacity(sets.len());
    for set in sets {
        let outside = gaussian.log_p(&set.x()?)?;
        let d = detection(&inside, &outside, options.resamples as usize, options.seed)?;
        found.push((set.name.clone(), outside, d));
    }
    Ok(GaussianReport {
        inside,
        sets: found,
    })
}

type Named = Vec<(String, Tensor)>;

/// All samples, and what they are worth where a feature network was given.
fn samples(
    models: &[(String, Energy)],
    data: &Dataset,
    part: &Part,
    gaussian: &PixelGaussian,
    options: &CompareOptions,
) -> Result<(Named, Option<SampleReport>)> {
    let mut made: Named = Vec::new();
    if let Some(chains) = &options.chains {
        made.push(("replay buffer".to_owned(), chains.clone()));
    }
    made.extend(options.samples.0.iter().cloned());
    let sampler = &options.sampler;
    if let (Some(sampler), Some((_, subject)), false) =
        (sampler, models.last(), options.fresh.is_empty())
    {
        let shape: Vec<i64> = std::iter::once(options.fresh_chains)
            .chain(data.shape())
            .collect();
        let how = FreshOptions {
            range: data.range,
            labels: None,
            seed: options.seed,
        };
        let found = fresh_chains(subject, sampler, &shape, &options.fresh, &how)?;
        made.extend(
            found
                .into_iter()
                .map(|(n, x)| (format!("fresh chains, {n} steps"), x)),
        );
    }
    if let (Some(sampler), Some((_, subject)), false) =
        (sampler, models.last(), options.conditional.is_empty())
    {
        let shape: Vec<i64> = std::iter::once(options.fresh_chains)
            .chain(data.shape())
            .collect();
        let classes: Vec<i64> = (0..options.fresh_chains)
            .map(|i| i % data.classes.max(1))
            .collect();
        let labels = Some(Tensor::of_ints(&classes)?);
        let how = FreshOptions {
            range: data.range,
            labels,
            seed: options.seed,
        };
        let found = fresh_chains(subject, sampler, &shape, &options.conditional, &how)?;
        made.extend(
            found
                .into_iter()
                .map(|(n, x)| (format!("class-conditional chains, {n} steps"), x)),
        );
    }
    let Some(net) = &options.features else {
        return Ok((made, None));
    };
    seed(options.seed as u64, Stream::Evaluate, 3);
    let draws = gaussian.sample(DRAWS, data.range)?;
    let mut sets: Named = vec![
        (format!("real held-out images ({})", part.name), part.x()?),
        ("one Gaussian per class, clamped".to_owned(), draws.x()?),
    ];
    sets.extend(made.iter().cloned());
    let judged = SampleOptions {
        seed: options.seed,
        splits: options.splits,
        ..SampleOptions::default()
    };
    let report = sample_quality(net, &data.train.x()?, &sets, &judged)?;
    Ok((made, Some(report)))
}
