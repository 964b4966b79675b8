//! The attacks of a comparison on one model: PGD and APGD in both norms, the square attack, the JEM-k
//! defence, distal adversarials.

use super::asked::defence;
use super::{
    ApgdOptions, AscentOptions, AttackOptions, CompareOptions, Distal, DistalOptions, JemK,
    JemKOptions, Norm, Robustness, SquareOptions, apgd, distal, jem_k, pgd, square,
};
use crate::data::{Dataset, Part};
use crate::energy::Energy;
use crate::error::Result;

/// One curve an attack.
pub(super) fn curves(
    energy: &Energy,
    part: &Part,
    data: &Dataset,
    options: &CompareOptions,
) -> Result<Vec<Robustness>> {
    let mut found = Vec::new();
    for (norm, eps) in [(Norm::Linf, &options.eps_linf), (Norm::L2, &options.eps_l2)] {
        if eps.is_empty() {
            continue;
        }
        let attack = AttackOptions {
            eps: eps.clone(),
            ascent: AscentOptions {
                norm,
                steps: options.pgd_steps,
                starts: options.pgd_starts,
                range: Some(data.range),
                seed: options.seed,
                batch_size: options.batch_size,
                ..AscentOptions::default()
            },
        };
        found.push(pgd(energy, part, &attack)?);
    }
    found.extend(auto_pgd(energy, part, data, options)?);
    let queries = options.square_queries.unwrap_or(0);
    if queries > 0 && !options.eps_linf.is_empty() && part.shape().len() == 3 {
        let attack = SquareOptions {
            eps: options.eps_linf.clone(),
            queries,
            range: Some(data.range),
            seed: options.seed,
            batch_size: options.batch_size,
            ..SquareOptions::default()
        };
        found.push(Robustness {
            norm: "square_linf".to_owned(),
            ..square(energy, part, &attack)?
        });
    }
    Ok(found)
}

/// APGD in both norms, where it was asked for; "apgd_linf" and "apgd_l2" in the report.
fn auto_pgd(
    energy: &Energy,
    part: &Part,
    data: &Dataset,
    options: &CompareOptions,
) -> Result<Vec<Robustness>> {
    let sizes = [(Norm::Linf, &options.eps_linf), (Norm::L2, &options.eps_l2)];
    let wanted = sizes
        .into_iter()
        .filter(|(_, eps)| options.apgd_steps > 0 && !eps.is_empty());
    wanted
        .map(|(norm, eps)| {
            let attack = ApgdOptions {
                norm,
                eps: eps.clone(),
                steps: options.apgd_steps,
                range: Some(data.range),
                seed: options.seed,
                batch_size: options.batch_size,
                ..ApgdOptions::default()
            };
            Ok(Robustness {
                norm: format!("apgd_{}", norm.word()),
                ..apgd(energy, part, &attack)?
            })
        })
        .collect()
}

/// The defence by refinement under attack, where it was asked for.
pub(super) fn defended(
    energy: &Energy,
    part: &Part,
    data: &Dataset,
    options: &CompareOptions,
) -> Result<Option<JemK>> {
    let Some(asked) = defence(options)? else {
        return Ok(None);
    };
    let few = asked.limit.map_or(Ok(part.clone()), |n| part.head(n))?;
    let own = JemKOptions {
        range: asked.options.range.or(Some(data.range)),
        ..asked.options
    };
    jem_k(energy, &few, &asked.sampler, &own).map(Some)
}

/// Distal adversarials of every class, where they were asked for.
pub(super) fn distals(
    energy: &Energy,
    data: &Dataset,
    options: &CompareOptions,
) -> Result<Option<Distal>> {
    let each = options.distal.unwrap_or(0);
    if each == 0 {
        return Ok(None);
    }
    let made = DistalOptions {
        shape: data.shape(),
        each,
        range: data.range,
        seed: options.seed,
        ..DistalOptions::default()
    };
    distal(energy, &made).map(Some)
}
