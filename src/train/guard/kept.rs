//! The states to which a training may go back, thinned with age: about 1, 2, 4, 8, … looks old.
//!
//! What creeps was sick for long before it shows; a way back from before it began must still be
//! there, and memory for only a few states is.

use serde_json::{Value as Json, json};

use super::super::checkpoint::Healthy;

pub(super) struct Kept {
    /// Iterations between two states.
    every: i64,
    /// How many are kept, the newest, which is not proved yet, not counted.
    most: usize,
    /// Oldest first.
    all: Vec<Healthy>,
}

impl Kept {
    pub(super) fn new(every: i64, most: usize) -> Kept {
        Kept {
            every,
            most,
            all: Vec::new(),
        }
    }

    pub(super) fn keep(&mut self, healthy: Healthy) {
        // After going back the same iteration comes again.
        self.all.retain(|k| k.iteration < healthy.iteration);
        self.all.push(healthy);
        self.thin();
    }

    /// One of a checkpoint, which are handed over oldest first.
    pub(super) fn take_up(&mut self, healthy: Healthy) {
        self.all.push(healthy);
    }

    /// Of ages 1, of 2 and 3, of 4 to 7, … looks one each, the oldest: it is the next to grow into
    /// the following ages.
    fn thin(&mut self) {
        let newest = self.all.last().map_or(0, |k| k.iteration);
        let mut last = None;
        let every = self.every;
        self.all.retain(|k| {
            let looks = (newest - k.iteration) / every;
            let ages = looks.checked_ilog2();
            // The newest one has no age yet.
            let first = looks == 0 || last != Some(ages);
            last = Some(ages);
            first
        });
        let old = self.all.len().saturating_sub(self.most + 1);
        self.all.drain(..old);
    }

    /// States that were not calm for long enough afterwards are not healthy. One always stays.
    pub(super) fn suspect(&mut self, iteration: i64) {
        self.drop_after(iteration - self.every);
    }

    /// States of later iterations than this go, but for the last one that there is.
    pub(super) fn drop_after(&mut self, iteration: i64) {
        while self.all.len() > 1 && self.all.last().is_some_and(|k| k.iteration > iteration) {
            self.all.pop();
        }
    }

    pub(super) fn last(&self) -> Option<&Healthy> {
        self.all.last()
    }

    pub(super) fn all(&mut self) -> &mut [Healthy] {
        &mut self.all
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    /// Which they are: iteration and attempt.
    pub(super) fn save(&self) -> Json {
        let one = |k: &Healthy| json!([k.iteration, k.attempt]);
        self.all.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Snapshot;

    #[test]
    fn ages_double() {
        let mut kept = Kept::new(50, 4);
        for look in 0..200 {
            kept.keep(Healthy::new(50 * look, 0, Snapshot::default()));
            let ages: Vec<i64> = kept.all.iter().map(|k| look - k.iteration / 50).collect();
            assert_eq!(ages.last(), Some(&0));
            assert!(ages.len() <= 5, "{ages:?}");
            if look >= 16 {
                // A way back of 1, of 2 or 3, of 4 to 7 looks, and one further.
                for (least, most) in [(1, 1), (2, 3), (4, 7)] {
                    assert!(ages.iter().any(|a| (least..=most).contains(a)), "{ages:?}");
                }
            }
        }
        kept.suspect(9_930);
        assert_eq!(kept.last().unwrap().iteration, 9_800);
        kept.drop_after(-1);
        assert_eq!(kept.all.len(), 1);
    }
}
