//! All five claims for several models on one part of a data set.

use super::report::{Protocol, key};
use super::{
    AccuracyOptions, AttackOptions, CalibrationOptions, FeatureNet, GaussianReport, ModelReport, OodOptions,
    PixelGaussian, Report, SampleOptions, SampleReport, accuracy, calibration, detection, fresh_chains, ood, pgd,
    sample_quality,
};
use super::{class_blends, interpolation, pixel_shuffle, rotation, uniform_noise};
use crate::data::{Dataset, Part};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::options::{Options, Value};
use crate::sampler::Sampler;
use crate::tensor::{Stream, Tensor, seed};

/// The sets that are made from the part itself.
const SETS: [&str; 5] = ["noise", "shuffle", "rotation", "interpolation", "blends"];

crate::options! {
    /// Options of [`compare`].
    pub struct CompareOptions for "evaluate::compare" {
        /// which part is judged: "test" or "validation"
        part: String = "test".to_owned(),
        /// judge only the first rows of the part (a quick look, not a result)
        limit: Option<i64> = None,
        /// the model that the others are compared with; () for the one named JEM, or else the last
        subject: Option<String> = None,
        /// standard deviation of noise on the input for the accuracy (0.03 in JEM's own evaluation)
        noise: f64 = 0.0,
        /// bins of the calibration
        bins: i64 = 20,
        /// out-of-distribution sets made from the part: any of "noise", "shuffle", "rotation", "interpolation", "blends"
        sets: Vec<String> = SETS.map(str::to_owned).to_vec(),
        /// further out-of-distribution sets: a map of name to tensor or part
        ood: Value = Value::None,
        /// resamples for the bootstrap intervals
        resamples: i64 = 1000,
        /// sizes of the L∞ attack, in units of the [0, 1] range; [] for none
        eps_linf: Vec<f64> = vec![0.02, 0.05, 0.1, 0.15, 0.2, 0.3],
        /// sizes of the L2 attack, in units of the [0, 1] range; [] for none
        eps_l2: Vec<f64> = vec![0.25, 0.5, 1.0, 1.5],
        /// steps of each attack
        pgd_steps: i64 = 40,
        /// random starts of each attack
        pgd_starts: i64 = 5,
        /// samples of the replay buffer, a tensor
        chains: Value = Value::None,
        /// further samples to judge: a map of name to tensor
        samples: Value = Value::None,
        /// sampler of fresh chains, which start from uniform noise
        sampler: Value = Value::None,
        /// lengths of the fresh chains, in steps
        fresh: Vec<i64> = Vec::new(),
        /// how many fresh chains
        fresh_chains: i64 = 1000,
        /// what samples are compared in: evaluate::feature_net(data), or a network from images to features
        features: Value = Value::None,
        /// where `features` is a bare network: one from features to logits, for the Inception Score
        feature_head: Value = Value::None,
        /// where `features` is a bare network: what it is (architecture, seed, accuracy)
        feature_note: String = "an unnamed network".to_owned(),
        /// seed of everything random in the evaluation
        seed: i64 = 0,
        /// rows at a time; () for a number that fits the images
        batch_size: Option<i64> = None,
    }
    check |o| {
        super::check_batch("evaluate::compare", o.batch_size)?;
        if let Some(bad) = o.sets.iter().find(|s| !SETS.contains(&s.as_str())) {
            return Err(Error::unknown(&format!("evaluate::compare: no set `{bad}`"), bad, SETS));
        }
        if o.limit.is_some_and(|n| n < 2) || o.fresh_chains < 2 || o.fresh.iter().any(|n| *n < 1) {
            return Err(Error::argument("evaluate::compare: limit and fresh_chains must be at least 2, lengths in `fresh` at least 1"));
        }
        if !o.fresh.is_empty() && matches!(o.sampler, Value::None) {
            return Err(Error::argument("evaluate::compare: `fresh` chains need a `sampler`"));
        }
        Ok(())
    }
}

/// Measures all five claims for models with the names that the user gave them; differences are taken to the subject.
pub fn compare(models: &[(String, Energy)], data: &Dataset, options: &CompareOptions) -> Result<Report> {
    options.check()?;
    let models = ordered(models, options.subject.as_deref())?;
    let part = match options.part.as_str() {
        "test" => &data.test,
        "validation" => &data.validation,
        other => {
            let message = format!("evaluate::compare: no part `{other}`");
            return Err(Error::unknown(&message, other, ["test", "validation"]));
        }
    };
    let part = &options.limit.map_or(Ok(part.clone()), |n| part.head(n))?;
    if part.len() < 2 {
        return Err(Error::shape(format!(
            "evaluate::compare: needs two rows or more, {} has {}",
            part.name,
            part.len()
        )));
    }
    let fit = (options.part == "test" && !data.validation.is_empty()).then_some(&data.validation);
    let sets = ood_sets(part, data, options)?;
    let attacks = [("linf", &options.eps_linf), ("l2", &options.eps_l2)];
    let calibration_options = CalibrationOptions {
        bins: options.bins,
        seed: options.seed,
        batch_size: options.batch_size,
        ..CalibrationOptions::default()
    };
    let ood_options = OodOptions { resamples: options.resamples, seed: options.seed, batch_size: options.batch_size };
    let accuracy_options = AccuracyOptions { noise: options.noise, seed: options.seed, batch_size: options.batch_size };
    let mut measured = Vec::with_capacity(models.len());
    for (name, energy) in &models {
        let of = |e: Error| e.context(name);
        let mut robustness = Vec::new();
        for (norm, eps) in attacks.iter().filter(|(_, eps)| !eps.is_empty()) {
            let attack = AttackOptions {
                norm: (*norm).to_owned(),
                eps: (*eps).clone(),
                steps: options.pgd_steps,
                starts: options.pgd_starts,
                range: data.range,
                seed: options.seed,
                batch_size: options.batch_size,
                ..AttackOptions::default()
            };
            robustness.push(pgd(energy, part, &attack).map_err(of)?);
        }
        measured.push(ModelReport {
            name: name.clone(),
            accuracy: accuracy(energy, part, &accuracy_options).map_err(of)?,
            calibration: calibration(energy, part, fit, &calibration_options).map_err(of)?,
            ood: ood(energy, part, &sets, &ood_options).map_err(of)?,
            robustness,
        });
    }
    let gaussian = PixelGaussian::fit(&data.train, false)?;
    let (pictures, samples) = samples(&models, data, part, &gaussian, options)?;
    let mut report = Report {
        part: part.name.clone(),
        rows: part.len() as usize,
        about: data.about.clone(),
        gaussian: gaussian_report(&gaussian, part, &sets, &ood_options)?,
        protocol: protocol(options, &measured, &gaussian, fit, samples.as_ref()),
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
        None => names.iter().copied().find(|n| *n == "JEM").or(names.last().copied()).ok_or_else(|| {
            Error::argument("evaluate::compare: needs at least one model").with_hint("#{ \"JEM\": model }")
        })?,
    };
    let wanted = wanted.to_owned();
    if (1..names.len()).any(|i| names[..i].contains(&names[i])) {
        return Err(Error::argument("evaluate::compare: two models have the same name"));
    }
    let (subject, baselines): (Vec<_>, Vec<_>) = models.iter().cloned().partition(|(n, _)| *n == wanted);
    Ok(baselines.into_iter().chain(subject).collect())
}

/// The sets made from the part, a class held out by the data set, and the user's own.
fn ood_sets(part: &Part, data: &Dataset, options: &CompareOptions) -> Result<Vec<Part>> {
    let mut sets = Vec::new();
    for name in &options.sets {
        sets.push(match name.as_str() {
            "noise" => uniform_noise(part, data.range, options.seed)?,
            "shuffle" => pixel_shuffle(part, options.seed)?,
            "rotation" => rotation(part)?,
            "interpolation" => interpolation(part, options.seed)?,
            _ => class_blends(part, options.seed)?,
        });
    }
    if let Some(held) = &data.held_out {
        sets.push(held.named("held-out class"));
    }
    for (name, value) in entries("ood", &options.ood)? {
        let set = match (value.downcast::<Part>(), value.downcast::<Tensor>()) {
            (Some(part), _) => part.named(name),
            (None, Some(x)) => Part::unlabelled(name, &x)?,
            _ => return Err(wrong("ood", &name, "a tensor or a part", &value)),
        };
        if let Some(other) = sets.iter().find(|s| key(&s.name) == key(&set.name)) {
            return Err(Error::argument(format!("evaluate::compare: two sets are called `{}`", other.name)));
        }
        sets.push(set);
    }
    Ok(sets)
}

/// The entries of an option that is a map.
fn entries(option: &str, value: &Value) -> Result<Vec<(String, Value)>> {
    match value {
        Value::None => Ok(Vec::new()),
        Value::Map(map) => Ok(map.clone()),
        other => Err(crate::options::wrong_type("evaluate::compare", option, "a map of names", other)),
    }
}

fn wrong(option: &str, name: &str, expected: &str, value: &Value) -> Error {
    let what = if name.is_empty() { format!("`{option}`") } else { format!("`{name}` in `{option}`") };
    Error::argument(format!("evaluate::compare: {what} must be {expected}, got {}", value.type_name()))
}

/// An option that is one of the library's objects.
fn object<T: std::any::Any + Clone>(option: &str, expected: &str, value: &Value) -> Result<Option<T>> {
    match value {
        Value::None => Ok(None),
        other => other.downcast::<T>().map(Some).ok_or_else(|| wrong(option, "", expected, other)),
    }
}

fn gaussian_report(
    gaussian: &PixelGaussian,
    part: &Part,
    sets: &[Part],
    options: &OodOptions,
) -> Result<GaussianReport> {
    let inside = gaussian.log_p(&part.x)?;
    let mut found = Vec::with_capacity(sets.len());
    for set in sets {
        let outside = gaussian.log_p(&set.x)?;
        let d = detection(&inside, &outside, options.resamples as usize, options.seed)?;
        found.push((set.name.clone(), outside, d));
    }
    Ok(GaussianReport { inside, sets: found })
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
    if let Some(chains) = object::<Tensor>("chains", "a tensor of samples", &options.chains)? {
        made.push(("replay buffer".to_owned(), chains));
    }
    for (name, value) in entries("samples", &options.samples)? {
        let x = value.downcast::<Tensor>().ok_or_else(|| wrong("samples", &name, "a tensor", &value))?;
        made.push((name, x));
    }
    let sampler = object::<Sampler>("sampler", "a sampler", &options.sampler)?;
    if let (Some(sampler), Some((_, subject)), false) = (sampler, models.last(), options.fresh.is_empty()) {
        let shape: Vec<i64> = std::iter::once(options.fresh_chains).chain(data.shape()).collect();
        let found = fresh_chains(subject, &sampler, &shape, data.range, &options.fresh, options.seed)?;
        made.extend(found.into_iter().map(|(n, x)| (format!("fresh chains, {n} steps"), x)));
    }
    let Some(net) = feature_net(options)? else { return Ok((made, None)) };
    seed(options.seed as u64, Stream::Evaluate, 3);
    let draws = gaussian.sample(options.fresh_chains, data.range)?;
    let mut sets: Named = vec![
        (format!("real held-out images ({})", part.name), part.x.clone()),
        ("one Gaussian per class, clamped".to_owned(), draws.x),
    ];
    sets.extend(made.iter().cloned());
    let judged = SampleOptions { seed: options.seed, ..SampleOptions::default() };
    let report = sample_quality(&net, &data.train.x, &sets, &judged)?;
    Ok((made, Some(report)))
}

/// The network that samples are judged in: a feature network with its note, or a bare one with the note of the options.
fn feature_net(options: &CompareOptions) -> Result<Option<FeatureNet>> {
    if let Some(net) = options.features.downcast::<FeatureNet>() {
        return Ok(Some(net));
    }
    let Some(network) = object::<Network>("features", "a feature network or a network", &options.features)? else {
        return Ok(None);
    };
    let head = object::<Network>("feature_head", "a network", &options.feature_head)?;
    Ok(Some(FeatureNet { network, head, note: options.feature_note.clone() }))
}

/// What was done, claim by claim.
fn protocol(
    options: &CompareOptions,
    measured: &[ModelReport],
    gaussian: &PixelGaussian,
    fit: Option<&Part>,
    samples: Option<&SampleReport>,
) -> Protocol {
    let mut claims: [Vec<String>; 5] = Default::default();
    let rows = match options.limit {
        Some(n) => format!("the first {n} rows of the part only"),
        None => "the whole part".to_owned(),
    };
    let noise = match options.noise {
        0.0 => "no noise on the input".to_owned(),
        sd => format!("Gaussian noise of sd {sd} on the input"),
    };
    claims[0].push(format!(
        "{rows}; {noise}; in brackets 95 % intervals (Wilson; differences: bootstrap of the same images)"
    ));
    let tempered = match fit {
        Some(v) => format!("temperature fitted on {} ({} rows) by NLL", v.name, v.len()),
        None => "no temperature: the validation part itself is judged".to_owned(),
    };
    claims[1].push(format!(
        "{} equal bins (lo, hi]; by chance: ECE if the confidences were exactly right, 1,000 simulations; {tempered}",
        options.bins
    ));
    for m in measured.iter().filter(|m| m.calibration.temperature_undetermined) {
        claims[1].push(format!("{}: the validation part does not determine a temperature", m.name));
    }
    claims[2].push(format!(
        "in-distribution positive, ties ½, equal n; approximate mass is −‖∇ log p(x)‖₂; {}, fitted on the training part; \
         differences with 95 % bootstrap intervals ({} resamples)",
        gaussian.describe(),
        options.resamples
    ));
    if options.sets.iter().any(|s| ["noise", "shuffle", "rotation"].contains(&s.as_str())) {
        claims[2].push(
            "noise, shuffles and rotations are easy sets: in digits two border columns of pixels solve them".to_owned(),
        );
    }
    claims[3].extend(measured.last().into_iter().flat_map(|m| m.robustness.iter().map(|r| r.protocol.clone())));
    match samples {
        Some(s) => {
            claims[4].push(s.protocol.clone());
            claims[4].extend(s.warnings.iter().map(|w| format!("note: {w}")));
        }
        None => claims[4].push("not measured: no feature network was given (option `features`)".to_owned()),
    }
    if !options.fresh.is_empty() {
        claims[4].push(format!(
            "fresh chains: {} of them from uniform noise, {}",
            options.fresh_chains,
            options.sampler_text()
        ));
    }
    Protocol { claims }
}

impl CompareOptions {
    fn sampler_text(&self) -> String {
        self.sampler.downcast::<Sampler>().map_or_else(String::new, |s| s.to_string())
    }
}
