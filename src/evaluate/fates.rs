//! What became of each row under an attack. Of several ranks that have the same rows each attacks
//! its share of them, and all learn the fate of all.

use super::shared::Share;
use crate::dry_run::{self, Span};
use crate::error::Result;
use crate::tensor::Tensor;

pub(super) struct Fates {
    share: Share,
    /// For each row the smallest size that broke it.
    broken_at: Vec<Option<f64>>,
    /// Rows of this rank that still stand.
    alive: Vec<i64>,
}

impl Fates {
    /// What an attack leaves of rows that all stand before it.
    pub(super) fn after(
        what: &'static str,
        x: &Tensor,
        attack: impl FnOnce(&mut Fates) -> Result<()>,
    ) -> Result<Fates> {
        let share = Share::of(what, x)?;
        let mut fates = Fates {
            broken_at: vec![None; x.len() as usize],
            alive: share.rows().collect(),
            share,
        };
        let outcome = attack(&mut fates);
        fates.share.agreed(outcome)?;
        Ok(fates)
    }

    /// How much of an attack's work is done: rows that are broken drop out, so seldom all of it.
    pub(super) fn seldom_all(work: f64) -> Span {
        Span {
            low: (0.2 * work).max(1.0),
            high: (0.8 * work).max(1.0),
        }
    }

    pub(super) fn alive(&self) -> &[i64] {
        &self.alive
    }

    /// Of those that stood only these, in their order, stand a ball of this size.
    pub(super) fn keep(&mut self, safe: Vec<i64>, eps: f64) {
        let mut left = safe.iter().peekable();
        for row in &self.alive {
            match left.peek() == Some(&row) {
                true => drop(left.next()),
                false => self.broken_at[*row as usize] = Some(eps),
            }
        }
        // In a dry run the model knows nothing yet: all rows are attacked, as most are later.
        if !dry_run::on() {
            self.alive = safe;
        }
    }

    /// For each row the smallest size that broke it; one that is broken at 0 was wrong without an attack.
    pub(super) fn all(mut self) -> Result<Vec<Option<f64>>> {
        self.share.join(&mut self.broken_at)?;
        Ok(self.broken_at)
    }
}
