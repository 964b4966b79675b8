//! Batch normalisation: `y = (x − mean) / √(var + eps) · weight + bias`, channel by channel.
//!
//! In training mode mean and variance are the batch's, and the running ones follow: `running ← (1 −
//! momentum) · running + momentum · batch` (PyTorch's momentum; the variance that is kept has n −
//! 1, the one that is divided by has n). In evaluation mode the running ones are used.
//! With `synced`, several ranks take the whole batch's.

mod synced;

use std::cell::Cell;

use super::{Layer, at_least_one, outcome, wrong_channels, wrong_input};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::{Named, Param, frozen};
use crate::plan::{Place, Planned, Sketch, Unplanned};
use crate::tensor::Tensor;

options! {
    /// Options of [`BatchNorm2d`].
    pub struct BatchNorm2dOptions for "nn::batch_norm2d" {
        /// added to the variance
        eps: f64 = 1e-5,
        /// share of the newest batch in the running statistics (JEM++ and SADA-JEM: 0.9)
        momentum: f64 = 0.1,
        /// whether weight and bias are learned
        affine: bool = true,
        /// whether running statistics are kept; without them evaluation uses the batch's
        track_running_stats: bool = true,
        /// whether several ranks take mean and variance of the whole batch, and not each of its own
        /// rows; every pass in training mode then needs all ranks
        synced: bool = false,
    }
    check |o| {
        super::norm::check_eps("nn::batch_norm2d", o.eps)?;
        if !(0.0..=1.0).contains(&o.momentum) {
            return Err(Error::argument(format!("nn::batch_norm2d: `momentum` must be in [0, 1], got {}", o.momentum)));
        }
        Ok(())
    }
}

/// Batch normalisation of images `[B, C, H, W]`, or of features `[B, C]`.
pub struct BatchNorm2d {
    channels: i64,
    options: BatchNorm2dOptions,
    affine: Option<[Param; 2]>,
    running: Option<[Param; 2]>,
    training: Cell<bool>,
}

impl BatchNorm2d {
    /// A layer in training mode, on the default device.
    pub fn new(channels: i64, options: &BatchNorm2dOptions) -> Result<BatchNorm2d> {
        options.check()?;
        at_least_one("nn::batch_norm2d", &[("channels", channels)])?;
        let affine = super::norm::affine("nn::batch_norm2d", &[channels], options.affine)?;
        let running = if options.track_running_stats {
            Some([
                Param::buffer(&Tensor::zeros(&[channels])?)?,
                Param::buffer(&Tensor::ones(&[channels])?)?,
            ])
        } else {
            None
        };
        Ok(BatchNorm2d {
            channels,
            options: options.clone(),
            affine,
            running,
            training: Cell::new(true),
        })
    }

    /// Whether mean and variance are those of the batch.
    fn of_batch(&self) -> bool {
        self.training.get() || self.running.is_none()
    }
}

impl Layer for BatchNorm2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let shape = x.shape();
        self.output_shape(&shape)?;
        let of_batch = self.of_batch();
        if of_batch && x.numel() <= self.channels as usize {
            return Err(Error::shape(format!(
                "{}: needs more than one value per channel in training mode, got {shape:?}",
                self.describe()
            ))
            .with_hint("use a larger batch, or evaluation mode: `net.set_training(false)`"));
        }
        let affine = self.affine.as_ref().map(|a| a.each_ref().map(Param::get));
        // Without running statistics libtorch takes the batch's, as it does in training mode, and
        // keeps none.
        let keeps = !(of_batch && frozen());
        let running = self
            .running
            .as_ref()
            .filter(|_| keeps)
            .map(|r| r.each_ref().map(Param::get));
        if of_batch && self.options.synced && !synced::alone() {
            return self.of_all_ranks(x, affine, running);
        }
        let found = x.raw().f_batch_norm(
            affine.as_ref().map(|a| a[0].raw()),
            affine.as_ref().map(|a| a[1].raw()),
            running.as_ref().map(|r| r[0].raw()),
            running.as_ref().map(|r| r[1].raw()),
            of_batch,
            self.options.momentum,
            self.options.eps,
            true,
        );
        outcome(
            self,
            x,
            self.affine
                .as_ref()
                .map(|a| &a[0])
                .or(self.running.as_ref().map(|r| &r[0])),
            found,
        )
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let c = self.channels;
        if !matches!(input.len(), 2 | 4) {
            return Err(wrong_input(
                self,
                &format!("[B, {c}, H, W] or [B, {c}]"),
                input,
            ));
        }
        if input[1] != c {
            return Err(wrong_channels(self, c, input));
        }
        Ok(input.to_vec())
    }

    fn parameters(&self) -> Named {
        let name = |names: [&str; 2], params: &Option<[Param; 2]>| -> Named {
            params
                .iter()
                .flat_map(|p| names.map(str::to_owned).into_iter().zip(p.clone()))
                .collect()
        };
        let mut all = name(["weight", "bias"], &self.affine);
        all.extend(name(["running_mean", "running_var"], &self.running));
        all
    }

    fn set_training(&self, training: bool) {
        self.training.set(training);
    }

    fn training(&self) -> Option<bool> {
        Some(self.training.get())
    }

    fn rowwise(&self) -> bool {
        !self.of_batch()
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let Some(running) = self.running.as_ref().filter(|_| !self.of_batch()) else {
            return Err(Unplanned::because(
                "batch norm takes the statistics of the batch",
            ));
        };
        if sketch.channels(x) != self.channels {
            return Err(Unplanned::because(
                "batch norm gets other channels than it has",
            ));
        }
        let [mean, variance] = running.each_ref().map(|p| p.get().detach());
        let deviation = variance.add(self.options.eps)?.sqrt()?;
        let (weight, bias) = match &self.affine {
            Some(affine) => (affine[0].get().detach(), affine[1].get().detach()),
            None => (Tensor::ones(&[1])?, Tensor::zeros(&[1])?),
        };
        let scale = weight.to_kind(mean.kind())?.div(deviation)?;
        let shift = bias.to_kind(mean.kind())?.sub(mean.mul(&scale)?)?;
        sketch.affine(x, scale, shift)
    }

    fn describe(&self) -> String {
        self.options
            .show_call("batch_norm2d", &self.channels.to_string())
    }
}
