//! When a training counts as diverged.
//!
//! JEM trainings rarely end in NaN at once: samples start to beat the data, or all energies drift off together, while
//! the loss stays finite. Both show for many iterations on end.

use serde_json::{Value as Json, json};

/// Beyond this the sampler has lost the model, or the model the sampler (mean E(sample) − mean E(data)).
const GAP: f64 = 50.0;
/// Beyond this the energies have drifted off.
const ENERGY: f64 = 1e4;
/// A short excursion may come back; so many iterations on end do not.
const PATIENCE: i64 = 100;

/// What is known to help.
pub(super) const REMEDIES: &str = "known to help: a lower rate, more sampler steps, clamping x and its gradient, \
     noise on the data, energy_l2 of .001 to .1, clipping the gradient's norm";

/// Counts how long each quantity has been out of bounds.
#[derive(Default)]
pub(super) struct Watch {
    gap: i64,
    energy: i64,
    fired: bool,
}

impl Watch {
    /// What it remembers.
    pub(super) fn save(&self) -> Json {
        json!([self.gap, self.energy, self.fired])
    }

    /// What [`Watch::save`] gave.
    pub(super) fn load(kept: &Json) -> Option<Watch> {
        Some(Watch { gap: kept[0].as_i64()?, energy: kept[1].as_i64()?, fired: kept[2].as_bool()? })
    }

    /// Looks at one iteration's numbers; gives the reason when the training starts to count as diverged, once.
    pub(super) fn look(&mut self, values: &[(String, f64)]) -> Option<String> {
        let beyond = |wanted: &dyn Fn(&str) -> bool, limit: f64| {
            values.iter().find(|(name, v)| wanted(name) && v.abs() > limit).map(|(name, _)| name.clone())
        };
        let gap = beyond(&|n| n == "gap", GAP);
        // Mean energies bear names like `e_data` and `e_fake`.
        let energy = beyond(&|n| n.starts_with("e_"), ENERGY);
        self.gap = if gap.is_some() { self.gap + 1 } else { 0 };
        self.energy = if energy.is_some() { self.energy + 1 } else { 0 };
        let found = gap.filter(|_| self.gap >= PATIENCE).map(|n| (n, GAP));
        let (name, limit) = found.or_else(|| energy.filter(|_| self.energy >= PATIENCE).map(|n| (n, ENERGY)))?;
        if std::mem::replace(&mut self.fired, true) {
            return None;
        }
        Some(format!("`{name}` was beyond ±{limit} for {PATIENCE} iterations on end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fires_at(name: &str, value: impl Fn(i64) -> f64) -> Option<i64> {
        let mut watch = Watch::default();
        (1..1000).find(|i| watch.look(&[(name.to_owned(), value(*i))]).is_some())
    }

    #[test]
    fn only_what_stays_out_of_bounds_counts() {
        assert_eq!(fires_at("gap", |_| -51.0), Some(100));
        assert_eq!(fires_at("gap", |i| if i == 60 { 0.0 } else { 51.0 }), Some(160));
        assert_eq!(fires_at("gap", |i| if i % 99 == 0 { 0.0 } else { 51.0 }), None);
        assert_eq!(fires_at("gap", |_| 49.0), None);
        assert_eq!(fires_at("e_data", |_| 9e3), None);
        assert_eq!(fires_at("e_fake", |_| -2e4), Some(100));
        assert_eq!(fires_at("total", |_| 1e9), None);
    }

    #[test]
    fn it_says_so_once() {
        let mut watch = Watch::default();
        let values = [("gap".to_owned(), 99.0)];
        assert_eq!((0..500).filter(|_| watch.look(&values).is_some()).count(), 1);
    }
}
