//! The text beside the numbers of a comparison: what was done, claim by claim.

use super::report::Protocol;
use super::{CompareOptions, MadeSet, ModelReport, PixelGaussian, SampleReport};
use crate::data::Part;

/// What was done, claim by claim.
pub(super) fn protocol(
    options: &CompareOptions,
    part: &Part,
    sets: &[MadeSet],
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
    for m in measured
        .iter()
        .filter(|m| m.calibration.temperature_undetermined)
    {
        claims[1].push(format!(
            "{}: the validation part does not determine a temperature",
            m.name
        ));
    }
    claims[2].push(format!(
        "in-distribution positive, ties ½, equal n; approximate mass is −‖∇ log p(x)‖₂; {}, fitted on the training part; \
         differences with 95 % bootstrap intervals ({} resamples)",
        gaussian.describe(),
        options.resamples
    ));
    if part.shape().len() == 3
        && sets
            .iter()
            .any(|s| !matches!(s, MadeSet::Interpolation | MadeSet::Blends))
    {
        claims[2].push(
            "noise, constants, shuffles and rotations are easy sets: in digits two border columns of pixels solve them"
                .to_owned(),
        );
    }
    claims[3].extend(
        measured
            .last()
            .into_iter()
            .flat_map(|m| m.robustness.iter().map(|r| r.protocol.clone())),
    );
    claims[3].extend(
        measured
            .iter()
            .filter_map(|m| m.jem_k.as_ref().map(|k| k.protocol.clone())),
    );
    match samples {
        Some(s) => {
            claims[4].push(s.protocol.clone());
            claims[4].extend(s.warnings.iter().map(|w| format!("note: {w}")));
        }
        None => claims[4]
            .push("not measured: no feature network was given (option `features`)".to_owned()),
    }
    let sampler = options
        .sampler
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    claims[2].extend(measured.iter().filter_map(|m| m.refinement.as_ref()).take(1).map(|_| {
        format!(
            "refined: each row is the start of {sampler}; scores are log p(x) at its end, minus what was gained, minus the \
             distance moved"
        )
    }));
    if !options.fresh.is_empty() {
        claims[4].push(format!(
            "fresh chains: {} from uniform noise, each walked on to {} steps by {sampler}",
            options.fresh_chains,
            options
                .fresh
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        ));
    }
    if !options.conditional.is_empty() {
        claims[4].push(format!(
            "class-conditional chains: {} from uniform noise under p(x|y), classes in turn, each walked on to {} steps by {sampler}",
            options.fresh_chains,
            options.conditional.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        ));
    }
    Protocol { claims }
}
