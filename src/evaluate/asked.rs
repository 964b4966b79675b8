//! What is asked of a comparison, and what is wrong with it before anything is measured.

use super::{FeatureNet, GivenSet, JemKOptions, MadeSet};
use crate::error::{Error, Result};
use crate::options::{ByName, Options, Value, wrong_type};
use crate::sampler::Sampler;
use crate::tensor::Tensor;
use crate::train::Record;

const OWNER: &str = "evaluate::compare";

crate::choice! {
    /// The part of a data set that is measured.
    pub enum Measured {
        /// Touched once, at the end.
        Test = "test",
        /// For choices.
        Validation = "validation",
    }
}

crate::options! {
    /// Options of [`compare`](super::compare()).
    pub struct CompareOptions for "evaluate::compare" {
        /// which part is judged: "test" or "validation"
        part: Measured = Measured::Test,
        /// judge only the first rows of the part (a quick look, not a result)
        limit: Option<i64> = None,
        /// the model that the others are compared with; () for the one named JEM, or else the last
        subject: Option<String> = None,
        /// standard deviation of noise on the input for the accuracy (0.03 in JEM's own evaluation)
        noise: f64 = 0.0,
        /// bins of the calibration
        bins: i64 = 20,
        /// out-of-distribution sets made from the part: any of "noise", "constant", "shuffle",
        /// "rotation", "interpolation", "blends"; () for all that suit its shape
        sets: Option<Vec<MadeSet>> = None,
        /// further out-of-distribution sets, by name
        ood: ByName<GivenSet> = ByName::default(),
        /// resamples for the bootstrap intervals
        resamples: i64 = 1000,
        /// attack only the first rows of the part; () for all that are judged
        attacked: Option<i64> = None,
        /// sizes of the L∞ attack, in units of the [0, 1] range; [] for none
        eps_linf: Vec<f64> = vec![0.02, 0.05, 0.1, 0.15, 0.2, 0.3],
        /// sizes of the L2 attack, in units of the [0, 1] range; [] for none
        eps_l2: Vec<f64> = vec![0.25, 0.5, 1.0, 1.5],
        /// steps of each attack
        pgd_steps: i64 = 40,
        /// random starts of each attack
        pgd_starts: i64 = 5,
        /// steps of APGD (at the sizes of `eps_linf` and `eps_l2`; 100 are the authors'), 0 for none
        apgd_steps: i64 = 0,
        /// queries of the square attack (L∞, at the sizes of `eps_linf`), 0 for none; (): none in a
        /// comparison, 1,000 in a report
        square_queries: Option<i64> = None,
        /// the JEM-k defence of the subject: a map of its `sampler`, options of evaluate::jem_k,
        /// and `limit`, the number of images; () for none
        jem_k: Value = Value::None,
        /// distal adversarials of the subject, images for each class, 0 for none; (): none in a
        /// comparison, 4 in a report
        distal: Option<i64> = None,
        /// samples of the replay buffer, a tensor
        chains: Option<Tensor> = None,
        /// further samples to judge: a map of name to tensor
        samples: ByName<Tensor> = ByName::default(),
        /// sampler of fresh chains, which start from uniform noise, and of refinement
        sampler: Option<Sampler> = None,
        /// whether detection is measured again after refinement by the sampler; (): only in a
        /// report that has one
        refine: Option<bool> = None,
        /// lengths of the fresh chains, in steps
        fresh: Vec<i64> = Vec::new(),
        /// how many fresh chains; a Fréchet distance of fewer than 1,000 is larger by itself, see
        /// the column at equal n
        fresh_chains: i64 = 360,
        /// lengths of fresh chains of p(x|y), classes in turn, in steps
        conditional: Vec<i64> = Vec::new(),
        /// splits of the Inception Score
        splits: i64 = 1,
        /// what samples are compared in: evaluate::feature_net(data), or
        /// evaluate::features_of(network)
        features: Option<FeatureNet> = None,
        /// records of the trainings: a map of a model's name to what `train` gave
        records: ByName<Record> = ByName::default(),
        /// seed of everything random in the evaluation
        seed: i64 = 0,
        /// rows at a time; () for a number that fits the images
        batch_size: Option<i64> = None,
    }
    check |o, owner| {
        super::check_batch(owner, o.batch_size)?;
        defence(o)?;
        let bad = |what: &str| Err(Error::argument(format!("{owner}: {what}")));
        if o.attacked.is_some_and(|n| n < 1) {
            return bad("`attacked` must be at least 1").map_err(|e| e.with_hint("eps_linf: [], eps_l2: [] attacks none"));
        }
        if o.limit.is_some_and(|n| n < 2) || o.fresh_chains < 2 || o.fresh.iter().any(|n| *n < 1) {
            return bad("limit and fresh_chains must be at least 2, lengths in `fresh` at least 1");
        }
        let chains = !o.fresh.is_empty() || !o.conditional.is_empty() || o.refine == Some(true);
        if chains && o.sampler.is_none() {
            return bad("`fresh` chains need a `sampler`, and so do `conditional` ones and `refine`");
        }
        if o.conditional.iter().any(|n| *n < 1) || o.splits < 1 {
            return bad("lengths in `conditional` and `splits` must be at least 1");
        }
        if o.square_queries.is_some_and(|n| n < 0) || o.distal.is_some_and(|n| n < 0) || o.apgd_steps < 0 {
            return bad("`apgd_steps`, `square_queries` and `distal` must be at least 0");
        }
        Ok(())
    }
}

/// What was asked for of the defence by refinement.
pub(super) struct Defence {
    pub sampler: Sampler,
    pub limit: Option<i64>,
    pub options: JemKOptions,
}

/// The defence that was asked for, if any: in L∞ at the sizes of the plain attack, unless its own options say otherwise.
pub(super) fn defence(options: &CompareOptions) -> Result<Option<Defence>> {
    let mut given = match &options.jem_k {
        Value::None => return Ok(None),
        Value::Map(map) => map.clone(),
        other => return Err(wrong_type(OWNER, "jem_k", ("a map of names", &[]), other)),
    };
    let mut take = |name: &str| {
        let at = given.iter().position(|(n, _)| n == name)?;
        Some(given.remove(at).1)
    };
    let wrong = |name: &str, expected: &str, value: &Value| {
        Error::argument(format!(
            "{OWNER}: `{name}` in `jem_k` must be {expected}, got {}",
            value.type_name()
        ))
    };
    let (sampler, limit) = (take("sampler").unwrap_or(Value::None), take("limit"));
    if matches!(sampler, Value::None) {
        let text = format!("{OWNER}: `jem_k` needs a `sampler`");
        let hint = "jem_k: #{ sampler: sampler::sgld(#{ steps: 10, differentiable: true }) }";
        return Err(Error::argument(text).with_hint(hint));
    }
    let sampler = sampler
        .downcast::<Sampler>()
        .ok_or_else(|| wrong("sampler", "a sampler", &sampler))?;
    let limit = match limit {
        None => None,
        Some(Value::Int(n)) if n > 0 => Some(n),
        Some(other) => return Err(wrong("limit", "a number of images", &other)),
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
