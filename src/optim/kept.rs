//! An optimiser's state, from the checkpoint of a past run.

use super::Optimizer;
use crate::error::{Error, Result};
use crate::params::{Snapshot, State};

impl Optimizer {
    /// Puts the optimiser, and the weights that it trains, where a checkpoint kept one; gives the name
    /// that the run's script had for it. Where there is one only, it needs no `name`.
    pub fn load_kept(&self, from: &Snapshot, name: &str) -> Result<String> {
        const MARK: &str = ".lr_scale";
        let kept: Vec<&str> = from
            .values
            .keys()
            .filter_map(|key| key.strip_suffix(MARK))
            .collect();
        let chosen = match (name, kept.as_slice()) {
            ("", [one]) => *one,
            ("", []) => return Err(Error::data("holds no optimiser")),
            ("", several) => {
                return Err(Error::argument(format!(
                    "holds {} optimisers: {}",
                    several.len(),
                    several.join(", ")
                ))
                .with_hint(format!("name one, as in opt.load(run, {:?})", several[0])));
            }
            (name, _) if kept.contains(&name) => name,
            (name, _) => {
                let text = format!("holds no optimiser `{name}`");
                return Err(Error::unknown(&text, name, kept.iter().copied()));
            }
        };
        let before = format!("{chosen}.");
        let weights = format!("{chosen}.weights.");
        let moments: Vec<&str> = from
            .tensors
            .keys()
            .filter(|key| !key.starts_with(&weights))
            .filter_map(|key| key.strip_prefix(&before))
            .collect();
        if let Some(foreign) = moments.iter().find(|name| !self.keeps(name)) {
            return Err(Error::data(format!(
                "`{chosen}` is another kind of optimiser: it keeps `{foreign}`, this {} does not",
                self.name()
            ))
            .with_hint("make the optimiser as the run did"));
        }
        self.load(chosen, from)?;
        Ok(chosen.to_owned())
    }

    /// Whether it may have a tensor of this name in a checkpoint: see its `State`.
    fn keeps(&self, name: &str) -> bool {
        // What is gathered for the next step, and weights that are held while they are perturbed,
        // any optimiser may have; the history of directions is that of L-BFGS.
        let any = ["gradient", "held"].contains(&name) || self.memory().contains(&name);
        let history = ["direction", "gradient_before"].contains(&name)
            || name.starts_with("y.")
            || name.starts_with("s.");
        any || (self.name() == "lbfgs" && history)
    }
}
