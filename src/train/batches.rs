//! The order of the rows: batch `i` is a function of the seed and of `i`, so a training can start anywhere.

use crate::data::{Batch, Part};
use crate::error::{Error, Result};
use crate::tensor::{self, Stream, Tensor};

/// Batches of a part, epoch after epoch.
pub(super) struct Batches {
    part: Part,
    size: i64,
    shuffle: bool,
    per_epoch: i64,
    seed: u64,
    /// The epoch that `order` belongs to.
    epoch: i64,
    order: Option<Tensor>,
}

impl Batches {
    pub(super) fn new(part: &Part, size: i64, shuffle: bool, drop_last: bool, seed: u64) -> Result<Batches> {
        let n = part.len();
        let per_epoch = if drop_last { n / size } else { (n + size - 1) / size };
        if per_epoch == 0 {
            let made = Error::argument(format!("train: {} has {n} rows, too few for a batch of {size}", part.name));
            return Err(made.with_hint("a smaller `batch_size`, or `drop_last: false`"));
        }
        Ok(Batches { part: part.clone(), size, shuffle, per_epoch, seed, epoch: -1, order: None })
    }

    pub(super) fn per_epoch(&self) -> i64 {
        self.per_epoch
    }

    /// The batch of an iteration, counted from 0.
    pub(super) fn at(&mut self, iteration: i64) -> Result<Batch> {
        let (epoch, start) = (iteration / self.per_epoch, iteration % self.per_epoch * self.size);
        let length = self.size.min(self.part.len() - start);
        if !self.shuffle {
            let rows = |t: &Tensor| t.narrow(0, start, length);
            return Ok(Batch { x: rows(&self.part.x)?, y: rows(&self.part.y)? });
        }
        if self.epoch != epoch || self.order.is_none() {
            tensor::seed(self.seed, Stream::Data, epoch as u64);
            self.order = Some(Tensor::randperm(self.part.len())?.to_device(self.part.x.device())?);
            self.epoch = epoch;
        }
        let Some(order) = &self.order else { return Err(Error::state("train: no order of the rows")) };
        let rows = order.narrow(0, start, length)?;
        Ok(Batch { x: self.part.x.index_select(0, &rows)?, y: self.part.y.index_select(0, &rows)? })
    }
}
