//! When a training counts as diverged.
//!
//! JEM trainings rarely end in NaN at once: samples start to beat the data, or all energies drift
//! off together, while the loss stays finite. Both show for many iterations on end.

use serde_json::{Value as Json, json};

/// What is known to help.
pub(super) const REMEDIES: &str = "known to help: a lower rate, more sampler steps, clamping x and its gradient, \
     noise on the data, energy_l2 of .001 to .1, clipping the gradient's norm";

/// What counts as out of bounds, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limits {
    /// Beyond this the sampler has lost the model, or the model the sampler (mean E(sample) − mean
    /// E(data)).
    pub(super) gap: f64,
    /// Beyond this the mean energies have drifted off.
    pub(super) energy: f64,
    /// Beyond this the whole loss is lost at once, as in JEM's code.
    pub(super) loss: f64,
    /// A short excursion may come back; so many iterations on end do not.
    pub(super) patience: i64,
    /// Limits of other quantities by name.
    pub(super) others: Vec<(String, f64)>,
}

impl Default for Limits {
    /// The definition by which trainings are counted as diverged.
    fn default() -> Limits {
        Limits {
            gap: 50.0,
            energy: 1e4,
            loss: f64::INFINITY,
            patience: 100,
            others: Vec::new(),
        }
    }
}

impl Limits {
    /// Which names each limit is for. Mean energies bear names like `e_data` and `e_fake`.
    fn rules(&self) -> Vec<(&str, f64)> {
        let others = self
            .others
            .iter()
            .map(|(name, limit)| (name.as_str(), *limit));
        [("gap", self.gap), ("e_", self.energy)]
            .into_iter()
            .chain(others)
            .collect()
    }
}

fn covers(rule: &str, name: &str) -> bool {
    if rule == "e_" {
        name.starts_with(rule)
    } else {
        name == rule
    }
}

/// Counts how long each quantity has been out of bounds.
#[derive(Default)]
pub(super) struct Watch {
    limits: Limits,
    counts: Vec<i64>,
    fired: bool,
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Watch {
        Watch {
            limits,
            ..Watch::default()
        }
    }

    /// What it remembers.
    pub(super) fn save(&self) -> Json {
        json!([self.counts, self.fired])
    }

    /// Takes up what [`Watch::save`] gave.
    pub(super) fn load(&mut self, kept: &Json) -> Option<()> {
        self.counts = kept[0]
            .as_array()?
            .iter()
            .map(Json::as_i64)
            .collect::<Option<_>>()?;
        self.fired = kept[1].as_bool()?;
        Some(())
    }

    /// Forgets what it saw.
    pub(super) fn reset(&mut self) {
        (self.counts, self.fired) = (Vec::new(), false);
    }

    /// Whether nothing is out of bounds now.
    pub(super) fn calm(&self) -> bool {
        self.counts.iter().all(|n| *n == 0)
    }

    /// Looks at one iteration's numbers; gives the reason when the training starts to count as
    /// diverged, once.
    pub(super) fn look(&mut self, values: &[(String, f64)]) -> Option<String> {
        let Limits { loss, patience, .. } = self.limits;
        let lost = values
            .iter()
            .find(|(name, v)| name == "total" && v.abs() > loss);
        let mut reason = lost.map(|(name, _)| format!("`{name}` was beyond ±{loss:e}"));
        let rules = self.limits.rules();
        self.counts.resize(rules.len(), 0);
        for ((rule, limit), count) in rules.into_iter().zip(&mut self.counts) {
            let beyond = values
                .iter()
                .find(|(name, v)| covers(rule, name) && v.abs() > limit);
            *count = beyond.map_or(0, |_| *count + 1);
            if let Some((name, _)) = beyond.filter(|_| *count >= patience && reason.is_none()) {
                reason = Some(format!(
                    "`{name}` was beyond ±{limit} for {patience} iterations on end"
                ));
            }
        }
        reason.filter(|_| !std::mem::replace(&mut self.fired, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fires_at(limits: Limits, name: &str, value: impl Fn(i64) -> f64) -> Option<i64> {
        let mut watch = Watch::new(limits);
        (1..1000).find(|i| watch.look(&[(name.to_owned(), value(*i))]).is_some())
    }

    #[test]
    fn only_what_stays_out_of_bounds_counts() {
        let fires_at = |name: &str, value: fn(i64) -> f64| fires_at(Limits::default(), name, value);
        assert_eq!(fires_at("gap", |_| -51.0), Some(100));
        assert_eq!(
            fires_at("gap", |i| if i == 60 { 0.0 } else { 51.0 }),
            Some(160)
        );
        assert_eq!(
            fires_at("gap", |i| if i % 99 == 0 { 0.0 } else { 51.0 }),
            None
        );
        assert_eq!(fires_at("gap", |_| 49.0), None);
        assert_eq!(fires_at("e_data", |_| 9e3), None);
        assert_eq!(fires_at("e_fake", |_| -2e4), Some(100));
        assert_eq!(fires_at("total", |_| 1e9), None);
    }

    #[test]
    fn other_limits_and_the_whole_loss() {
        let limits = Limits {
            loss: 1e8,
            patience: 7,
            others: vec![("grad_norm".to_owned(), 3.0)],
            ..Limits::default()
        };
        assert_eq!(
            fires_at(limits.clone(), "total", |i| if i == 5 { -2e8 } else { 9e7 }),
            Some(5)
        );
        assert_eq!(fires_at(limits.clone(), "grad_norm", |_| 4.0), Some(7));
        assert_eq!(fires_at(limits.clone(), "grad_norm", |_| 2.0), None);
        assert_eq!(fires_at(limits, "loss", |_| 1e12), None);
    }

    #[test]
    fn it_says_so_once() {
        let mut watch = Watch::default();
        let values = [("gap".to_owned(), 99.0)];
        assert_eq!(
            (0..500).filter(|_| watch.look(&values).is_some()).count(),
            1
        );
        assert!(!watch.calm());
        watch.reset();
        assert!(watch.calm());
        assert_eq!(
            (0..500).filter(|_| watch.look(&values).is_some()).count(),
            1
        );
    }
}
