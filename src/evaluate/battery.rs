//! The attacks of a comparison on one model: PGD and APGD in both norms, the square attack, the JEM-k
//! defence, distal adversarials.

use super::compare::{entries, object, wrong};
use super::{
    ApgdOptions, AscentOptions, AttackOptions, CompareOptions, Distal, DistalOptions, JemK,
    JemKOptions, Norm, Robustness, SquareOptions, apgd, distal, jem_k, pgd, square,
};
use crate::data::{Dataset, Part};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::{Options, Value};
use crate::sampler::Sampler;

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

/// What was asked for of the defence by refinement.
pub(super) struct Defence {
    sampler: Sampler,
    limit: Option<i64>,
    options: JemKOptions,
}

/// The defence that was asked for, if any: in L∞ at the sizes of the plain attack, unless its own options say otherwise.
pub(super) fn defence(options: &CompareOptions) -> Result<Option<Defence>> {
    let mut given = entries("jem_k", &options.jem_k)?;
    if matches!(options.jem_k, Value::None) {
        return Ok(None);
    }
    let mut take = |name: &str| {
        given
            .iter()
            .position(|(n, _)| n == name)
            .map(|i| given.remove(i).1)
    };
    let (sampler, limit) = (take("sampler").unwrap_or(Value::None), take("limit"));
    let sampler =
        object::<Sampler>("sampler` in `jem_k", "a sampler", &sampler)?.ok_or_else(|| {
            Error::argument("evaluate::compare: `jem_k` needs a `sampler`").with_hint(
                "jem_k: #{ sampler: sampler::sgld(#{ steps: 10, differentiable: true }) }",
            )
        })?;
    let limit = match limit {
        None => None,
        Some(Value::Int(n)) if n > 0 => Some(n),
        Some(other) => return Err(wrong("jem_k", "limit", "a number of images", &other)),
    };
    let own = JemKOptions::from_map(given.iter().map(|(name, value)| (name.as_str(), value)))?;
    let has = |name: &str| given.iter().any(|(n, _)| n == name);
    let plain = !has("eps") && !has("norm") && !options.eps_linf.is_empty();
    let own = JemKOptions {
        eps: if plain {
            options.eps_linf.clone()
        } else {
            own.eps
        },
        seed: if has("seed") { own.seed } else { options.seed },
        ..own
    };
    own.check()?;
    Ok(Some(Defence {
        sampler,
        limit,
        options: own,
    }))
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
