//! How a training ends before its time: an interrupt, an error, a value that is not finite.

use serde_json::json;

use super::guard::{Alarm, Cause};
use super::{Training, watch};
use crate::error::{Error, ErrorKind, Result};

impl Training<'_> {
    /// Goes back after an error of a value that is not finite; any other error ends the training.
    pub(super) fn recover(&mut self, iteration: i64, error: Error) -> Result<()> {
        if error.kind() == ErrorKind::NonFinite
            && self.roll_back(iteration, &Alarm::now(error.message(), Cause::NotFinite))?
        {
            return Ok(());
        }
        Err(self.failed(error)?)
    }

    /// Keeps the state and tells how far it came.
    pub(super) fn interrupted(&mut self) -> Result<Error> {
        let done = self.record.iterations;
        self.checkpoints.flush_best()?;
        if self.checkpoints.writes() && !self.checkpoints.has(done) && done > 0 {
            self.keep(done)?;
        }
        self.checkpoints.wait()?;
        self.event(
            "interrupted",
            &[("iteration", json!(done)), ("whole", json!(true))],
        )?;
        let place = self
            .context
            .run
            .folder()
            .map(|f| format!("; what there is lies in {}", f.display()));
        let text = format!(
            "train: interrupted after {done} of {} iterations{}",
            self.total,
            place.unwrap_or_default()
        );
        Ok(Error::new(ErrorKind::Interrupted, text))
    }

    /// An error from the step, the validation or the samples; a second Ctrl-C may come as one. The
    /// state is not whole then: the last checkpoint stays the last.
    fn failed(&mut self, error: Error) -> Result<Error> {
        let done = self.record.iterations;
        self.checkpoints.flush_best()?;
        self.checkpoints.wait()?;
        if error.kind() == ErrorKind::Interrupted || crate::interrupt::requested() {
            self.event(
                "interrupted",
                &[("iteration", json!(done)), ("whole", json!(false))],
            )?;
            let text = format!(
                "train: interrupted inside a step, after {done} of {} iterations",
                self.total
            );
            let kept = self
                .checkpoints
                .last()
                .map(|p| format!("; the last checkpoint is {}", p.display()));
            return Ok(Error::new(
                ErrorKind::Interrupted,
                format!("{text}{}", kept.unwrap_or_default()),
            ));
        }
        self.event(
            "failed",
            &[
                ("iteration", json!(done)),
                ("error", json!(error.message())),
            ],
        )?;
        Ok(error)
    }

    /// A value that is not finite: the state is kept apart for study, the last good checkpoint
    /// stays.
    pub(super) fn not_finite(&mut self, iteration: i64, name: &str, value: &str) -> Result<Error> {
        let last = self.checkpoints.stopped(iteration)?;
        self.event(
            "stopped",
            &[
                ("iteration", json!(iteration)),
                ("quantity", json!(name)),
                ("value", json!(value)),
            ],
        )?;
        let mut hint = format!("{}{}", watch::REMEDIES, self.tried());
        if let Some(last) = last {
            hint += &format!("; the last checkpoint is {}", last.display());
        }
        let text = format!("train: stopped at iteration {iteration}: `{name}` is {value}");
        Ok(Error::new(ErrorKind::NonFinite, text).with_hint(hint))
    }
}
