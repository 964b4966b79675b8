//! Some of a model's parameters, chosen by name and kind: for groups of an optimiser, and to freeze
//! them.

use std::fmt;

use super::{Named, Param, deduplicated};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Trained parameters in the order of the layers, with their names.
#[derive(Clone)]
pub struct Parameters(Named);

/// Whether a pattern names a parameter: its whole name, the layer that it is in (`conv1` is the
/// layer of `conv1.weight`), or either with `*` for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let ends = name.match_indices('.').map(|(i, _)| i);
    ends.chain([name.len()])
        .any(|end| fits(pattern, &name[..end]))
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, rest)) => text.strip_prefix(before).is_some_and(|text| {
            let mut starts = text.char_indices().map(|(i, _)| i).chain([text.len()]);
            starts.any(|i| fits(rest, &text[i..]))
        }),
    }
}

impl Parameters {
    /// The trained ones among these, each once.
    pub fn of(named: Named) -> Parameters {
        let mut all = deduplicated(named);
        all.retain(|(_, p)| p.trainable());
        Parameters(all)
    }

    /// Those that a pattern names (see [`matches`]); none at all is an error.
    pub fn matching(&self, call: &str, pattern: &str) -> Result<Parameters> {
        let found = self.filter(|name, _| Ok(matches(pattern, name)))?;
        if !found.0.is_empty() {
            return Ok(found);
        }
        let mut known: Vec<&str> = Vec::new();
        for (name, _) in &self.0 {
            let ends = name.match_indices('.').map(|(i, _)| i);
            for place in ends.chain([name.len()]).map(|end| &name[..end]) {
                if !known.contains(&place) {
                    known.push(place);
                }
            }
        }
        Err(Error::unknown(
            &format!("{call}: no parameter or layer `{pattern}`"),
            pattern,
            known,
        ))
    }

    /// Those for which a test holds.
    pub fn filter(&self, test: impl Fn(&str, &Param) -> Result<bool>) -> Result<Parameters> {
        let mut kept = Named::new();
        for (name, p) in &self.0 {
            if test(name, p)? {
                kept.push((name.clone(), p.clone()));
            }
        }
        Ok(Parameters(kept))
    }

    /// The biases (`true`): what is called `bias`; or all others.
    pub fn biases(&self, biases: bool) -> Parameters {
        let is = |name: &str| name.rsplit('.').next() == Some("bias");
        let kept = self.0.iter().filter(|(name, _)| is(name) == biases);
        Parameters(kept.cloned().collect())
    }

    /// Lets all of them stand still, or be trained again.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        self.0.iter().try_for_each(|(_, p)| p.freeze(frozen))
    }

    /// The parameter at a place; negative ones count from the end.
    pub fn at(&self, index: i64) -> Result<&Param> {
        let n = self.0.len();
        let place = if index < 0 { index + n as i64 } else { index };
        let found = usize::try_from(place).ok().and_then(|i| self.0.get(i));
        found.map(|(_, p)| p).ok_or_else(|| {
            Error::shape(format!("index {index} is out of range for {n} parameters"))
        })
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Result<&Param> {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, p)| p).ok_or_else(|| {
            let known = self.0.iter().map(|(n, _)| n.as_str());
            Error::unknown(&format!("no parameter `{name}`"), name, known)
        })
    }

    /// All of them.
    pub fn named(&self) -> &Named {
        &self.0
    }
}

impl IntoIterator for Parameters {
    type Item = Tensor;
    type IntoIter = std::vec::IntoIter<Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        let all: Vec<Tensor> = self.0.iter().map(|(_, p)| p.get()).collect();
        all.into_iter()
    }
}

impl fmt::Display for Parameters {
    /// A line for each: name, shape, and whether it is frozen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(n, _)| n.chars().count()).max();
        for (i, (name, p)) in self.0.iter().enumerate() {
            let end = if i + 1 < self.0.len() { "\n" } else { "" };
            let frozen = if p.frozen() { "  frozen" } else { "" };
            let shape = format!("{:?}", p.shape());
            write!(f, "{name:0$}  {shape}{frozen}{end}", width.unwrap_or(0))?;
        }
        if self.0.is_empty() {
            f.write_str("no parameters")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_name_parameters_and_layers() {
        for (pattern, name, wanted) in [
            ("conv1", "conv1.weight", true),
            ("conv1", "conv10.weight", false),
            ("conv1.weight", "conv1.weight", true),
            ("*.bias", "net.0.bias", true),
            ("*.bias", "net.0.weight", false),
            ("block*", "block2.conv1.weight", true),
            ("*", "weight", true),
            ("weight", "0.weight", false),
            ("*weight", "0.weight", true),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} for {name}");
        }
    }
}
