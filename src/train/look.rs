//! What a training looks at now and then: its validation and its samples.

use super::{Best, During, Training, observe, progress};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::params::FROZEN;
use crate::plot::{self, GridOptions, Picture};
use crate::tensor::{self, Stream, Tensor};

impl Training<'_> {
    /// Validates, draws samples, keeps checkpoints; all under the evaluation stream of the seed.
    pub(super) fn look(&mut self, iteration: i64) -> Result<()> {
        let _frozen = During::set(&FROZEN, true);
        self.meet()?;
        tensor::seed(self.context.seed, Stream::Evaluate, iteration as u64);
        if let Some(validate) = &self.options.validate {
            let part = Value::object("part", self.data.validation.clone());
            let found = validate
                .call(&[part])
                .and_then(|value| observe::numbers(&value));
            let found = self.together("the end of a validation", found)?;
            self.record.add_validation(iteration, &found);
            self.log(iteration, &observe::prefixed("validation", &found))?;
            let (key, value) = observe::chosen(&found, self.options.best.as_deref())?;
            let better =
                self.checkpoints
                    .offer(iteration, self.record.rollbacks.len(), &key, value)?;
            if better {
                self.record.best = Some(Best {
                    name: key,
                    value,
                    iteration,
                });
            }
            let shown: Vec<String> = found
                .iter()
                .map(|(n, v)| format!("{n} {}", progress::short(*v)))
                .collect();
            let mark = if better { "  (best so far)" } else { "" };
            self.context.progress.message(&format!(
                "iteration {iteration}: {}{mark}",
                shown.join("  ")
            ));
            self.lose_patience(iteration)?;
        }
        if let Some(samples) = &self.options.samples {
            let drawn = samples.call(&[]).and_then(|value| self.picture(&value));
            // One that failed is an error of all ranks.
            let outcome = drawn.as_ref().map(|_| Vec::new()).map_err(Error::clone);
            self.together("the end of drawing samples", outcome)?;
            let drawn = drawn?;
            if self.context.run.writes() && !self.context.run.follows() {
                let name = format!("{}samples-{iteration:06}.png", self.prefix);
                self.context.run.write(&name, &drawn.png_bytes()?)?;
            }
        }
        Ok(())
    }

    /// Stops a training whose validations have not become better for long enough.
    fn lose_patience(&self, iteration: i64) -> Result<()> {
        let (Some(patience), Some(best)) = (self.options.patience, &self.record.best) else {
            return Ok(());
        };
        let waited = (iteration - best.iteration) / self.options.every;
        if waited < patience || iteration == self.total {
            return Ok(());
        }
        super::stop(&format!(
            "`{}` is no better than at iteration {}",
            best.name, best.iteration
        ))
    }

    /// What `samples` gave, as a picture.
    fn picture(&self, value: &Value) -> Result<Picture> {
        if let Some(picture) = value.downcast::<Picture>() {
            return Ok(picture);
        }
        let images = value.downcast::<Tensor>().ok_or_else(|| {
            Error::argument(format!(
                "train: `samples` must give images or a picture, got {}",
                value.type_name()
            ))
        })?;
        plot::grid(
            &images,
            &GridOptions {
                range: self.data.range,
                ..GridOptions::default()
            },
        )
    }
}
