//! The learning rate over the steps, as a factor of the rate that the options name:
//!
//! `warm-up(t) · gamma^(milestones passed) · cosine(t)`, with `t` counting steps from 0.

use crate::error::{Error, Result};

/// How the rate changes. With nothing set it is constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Steps over which the rate rises linearly from 0: the factor is `t / warmup` until it is 1.
    pub warmup: i64,
    /// Steps from which on the rate is multiplied by `gamma`, each.
    pub milestones: Vec<i64>,
    /// The factor of each milestone.
    pub gamma: f64,
    /// The step at which half a cosine, begun after the warm-up, has reached 0; 0 is off.
    pub cosine: i64,
}

impl Schedule {
    /// The rate's factor at step `t` (the first is 0).
    pub fn factor(&self, t: i64) -> f64 {
        let passed = self.milestones.iter().filter(|m| **m <= t).count();
        let steps = self.gamma.powf(passed as f64);
        if t < self.warmup {
            return steps * t as f64 / self.warmup as f64;
        }
        if self.cosine == 0 {
            return steps;
        }
        let done = (t - self.warmup) as f64 / (self.cosine - self.warmup) as f64;
        steps * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
    }

    /// No negative steps, and time for the cosine after the warm-up.
    pub(super) fn check(&self, owner: &str) -> Result<()> {
        let mut steps = self
            .milestones
            .iter()
            .map(|m| ("milestones", *m))
            .chain([("warmup", self.warmup), ("cosine", self.cosine)]);
        if let Some((name, n)) = steps.find(|(_, n)| *n < 0) {
            return Err(Error::argument(format!(
                "{owner}: `{name}` must not be negative, got {n}"
            )));
        }
        if self.cosine > 0 && self.cosine <= self.warmup {
            let message = format!(
                "{owner}: `cosine` ({}) must be greater than `warmup` ({})",
                self.cosine, self.warmup
            );
            return Err(
                Error::argument(message).with_hint("both count steps from the first one on")
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_milestones_and_cosine_meet() {
        let s = Schedule {
            warmup: 4,
            milestones: vec![6, 8],
            gamma: 0.5,
            cosine: 0,
        };
        let found: Vec<f64> = (0..10).map(|t| s.factor(t)).collect();
        assert_eq!(
            found,
            [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
        );
        let s = Schedule {
            warmup: 2,
            milestones: Vec::new(),
            gamma: 0.1,
            cosine: 6,
        };
        assert_eq!([0, 1, 2].map(|t| s.factor(t)), [0.0, 0.5, 1.0]);
        assert!(
            (s.factor(4) - 0.5).abs() < 1e-15
                && s.factor(6).abs() < 1e-15
                && s.factor(99).abs() < 1e-15
        );
        assert_eq!(
            Schedule {
                gamma: 1.0,
                ..Default::default()
            }
            .factor(1000),
            1.0
        );
        assert_eq!(Schedule::default().factor(1000), 1.0);
    }
}
