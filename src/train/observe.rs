//! From what a step says to plain numbers, with one transfer from the device for all of them.

use super::Step;
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::options::Value;
use crate::tensor::{Kind, Tensor};

/// What the log itself says in each of its lines: a number under one of these names would make it
/// unreadable.
const RESERVED: [&str; 3] = ["train", "iteration", "attempt"];

fn reserved(who: &str, name: &str) -> Error {
    Error::argument(format!(
        "train: {who} gives a number named `{name}`, a name that the log needs for itself"
    ))
    .with_hint(format!(
        "call it something else; the log's own names are {}",
        RESERVED.join(", ")
    ))
}

/// Takes one step; gives the numbers it returned and those noted on the way.
pub(super) fn step(step: &mut Step, batch: &Batch) -> Result<Vec<(String, f64)>> {
    crate::record::listen();
    let outcome = step(batch);
    // Taken before `?`: after an error nobody must go on listening.
    let noted = crate::record::take();
    let mut all = outcome?;
    if let Some((name, _)) = all
        .iter()
        .find(|(name, _)| RESERVED.contains(&name.as_str()))
    {
        return Err(reserved("the step", name));
    }
    for (name, value) in noted {
        if all.iter().all(|(n, _)| *n != name) {
            all.push((name, value));
        }
    }
    read(all)
}

/// All numbers at once: packed into one tensor on their device, then read.
fn read(named: Vec<(String, Tensor)>) -> Result<Vec<(String, f64)>> {
    let Some((_, first)) = named.first() else {
        return Ok(Vec::new());
    };
    let device = first.device();
    let same = named.iter().all(|(_, t)| t.kind() == first.kind());
    let mut pieces = Vec::with_capacity(named.len());
    for (name, value) in &named {
        if value.numel() != 1 {
            return Err(Error::shape(format!(
                "train: the step returned `{name}` of shape {:?}",
                value.shape()
            ))
            .with_hint("what a step returns is logged: single numbers, as `.mean()` gives"));
        }
        let value = value.detach().reshape(&[1])?.to_device(device)?;
        pieces.push(if same {
            value
        } else {
            value.to_kind(Kind::Double)?
        });
    }
    let values = Tensor::cat(&pieces, 0)?.to_vec()?;
    Ok(named
        .into_iter()
        .map(|(name, _)| name)
        .zip(values)
        .collect())
}

/// What `validate` gave, as named numbers: a single one is called `validation`.
pub(super) fn numbers(value: &Value) -> Result<Vec<(String, f64)>> {
    let number = |v: &Value| match v.downcast::<Tensor>() {
        Some(tensor) if tensor.numel() == 1 => tensor.item().ok(),
        _ => v.as_f64(),
    };
    let wrong = |what: &str, v: &Value| {
        Error::argument(format!(
            "train: `validate` must give a number or a map of numbers, {what} {}",
            v.type_name()
        ))
        .with_hint("as in validate: |part| evaluate::accuracy(model, part)")
    };
    if let Value::Map(map) = value
        && let Some((name, _)) = map
            .iter()
            .find(|(name, _)| RESERVED.contains(&name.as_str()))
    {
        return Err(reserved("`validate`", name));
    }
    match value {
        Value::Map(map) if map.is_empty() => Err(wrong("got an empty", value)),
        Value::Map(map) => {
            let one = |(k, v): &(String, Value)| {
                number(v)
                    .map(|n| (k.clone(), n))
                    .ok_or_else(|| wrong(&format!("`{k}` is"), v))
            };
            map.iter().map(one).collect()
        }
        other => Ok(vec![(
            "validation".to_owned(),
            number(other).ok_or_else(|| wrong("got", other))?,
        )]),
    }
}

/// The number by which the best state is chosen.
pub(super) fn chosen(found: &[(String, f64)], wanted: Option<&str>) -> Result<(String, f64)> {
    match (wanted, found) {
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            let names: Vec<&str> = found.iter().map(|(n, _)| n.as_str()).collect();
            Err(Error::argument(format!(
                "train: `validate` gives {} numbers; which one is best?",
                found.len()
            ))
            .with_hint(format!(
                "name it: `best: \"{}\"`; there are: {}",
                names[0],
                names.join(", ")
            )))
        }
        (Some(key), _) => found
            .iter()
            .find(|(n, _)| n == key)
            .cloned()
            .ok_or_else(|| {
                let text = format!("train: `best` is {key:?}, which `validate` does not give");
                Error::unknown(&text, key, found.iter().map(|(n, _)| n.as_str()))
            }),
    }
}

/// Names with `prefix.` before them, where they are not the prefix itself.
pub(super) fn prefixed(prefix: &str, found: &[(String, f64)]) -> Vec<(String, f64)> {
    let name = |n: &str| {
        if n == prefix {
            n.to_owned()
        } else {
            format!("{prefix}.{n}")
        }
    };
    found.iter().map(|(n, v)| (name(n), *v)).collect()
}
