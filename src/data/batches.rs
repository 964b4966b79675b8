//! Batches: which rows a training step sees, as a pure function of seed, epoch and place.
//!
//! Batch `i` of epoch `e` can be recomputed at any time, so that a resumed run needs no saved
//! order.

use std::cell::RefCell;
use std::fmt;

use super::{Batch, Generator, Part};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Stream, Tensor};
use crate::world::World;

crate::options! {
    /// Options of [`Batches`].
    pub struct BatchOptions for "data::batches" {
        /// rows in a batch
        batch_size: i64 = 64,
        /// a new random order in every epoch
        shuffle: bool = true,
        /// leave out the last rows of an epoch where they do not fill a batch
        drop_last: bool = true,
        /// seed of the order
        seed: i64 = 0,
    }
    check |o| {
        if o.batch_size < 1 {
            return Err(Error::argument(format!("batches: batch_size must be at least 1, got {}", o.batch_size)));
        }
        Ok(())
    }
}

/// The batches of a part.
pub struct Batches {
    part: Part,
    options: BatchOptions,
    /// Which rank takes its rows of each batch, and how many ranks share one.
    share: (i64, i64),
    /// The last epoch that was asked for, with its order on the data's device.
    order: RefCell<Option<(i64, Tensor)>>,
}

impl Batches {
    /// Batches of a part. A batch larger than the part is an error where `drop_last` would leave
    /// none.
    pub fn new(part: &Part, options: &BatchOptions) -> Result<Batches> {
        options.check()?;
        if part.is_empty() {
            return Err(Error::argument(format!(
                "batches: {} has no rows",
                part.name
            )));
        }
        if options.drop_last && options.batch_size > part.len() {
            return Err(Error::argument(format!(
                "batches: a batch of {} rows is larger than {}, which has {}",
                options.batch_size,
                part.name,
                part.len()
            ))
            .with_hint("choose a smaller `batch_size`, or `drop_last: false`"));
        }
        Ok(Batches {
            part: part.clone(),
            options: options.clone(),
            share: (0, 1),
            order: RefCell::new(None),
        })
    }

    /// From here on each batch is this rank's rows of it: the batches of all ranks together are
    /// those of one process. A size that does not divide is an error.
    pub fn share_out(&mut self, world: &World) -> Result<()> {
        world.share("`batch_size`", self.options.batch_size, 1)?;
        let (n, size) = (self.part.len(), self.options.batch_size);
        if !self.options.drop_last && n % size != 0 {
            world
                .share("the last batch of an epoch", n % size, 1)
                .map_err(|e| {
                    let text = e.message().to_owned();
                    Error::argument(text).with_hint(
                        "leave it out with `drop_last: true`, or choose a `batch_size` that fits",
                    )
                })?;
        }
        self.share = (world.rank() as i64, world.size() as i64);
        Ok(())
    }

    /// How many batches an epoch has.
    pub fn per_epoch(&self) -> i64 {
        let (n, size) = (self.part.len(), self.options.batch_size);
        if self.options.drop_last {
            n / size
        } else {
            (n + size - 1) / size
        }
    }

    /// Batch `index` of an epoch; both count from 0.
    pub fn batch(&self, epoch: i64, index: i64) -> Result<Batch> {
        if epoch < 0 || index < 0 || index >= self.per_epoch() {
            return Err(Error::argument(format!(
                "batches: no batch {index} in epoch {epoch}, an epoch has {}",
                self.per_epoch()
            )));
        }
        let size = self.options.batch_size;
        let (start, length) = (index * size, size.min(self.part.len() - index * size));
        let (rank, ranks) = self.share;
        let length = length / ranks;
        let start = start + rank * length;
        if !self.options.shuffle {
            return self.part.slice(start, length);
        }
        let rows = self.order(epoch)?.narrow(0, start, length)?;
        self.part.take(&rows)
    }

    /// The batch of a training step; steps count from 0 through all epochs.
    pub fn at(&self, step: i64) -> Result<Batch> {
        self.batch(
            step.div_euclid(self.per_epoch()),
            step.rem_euclid(self.per_epoch()),
        )
    }

    /// All batches of an epoch, in order.
    pub fn epoch(&self, epoch: i64) -> impl Iterator<Item = Result<Batch>> + '_ {
        (0..self.per_epoch()).map(move |i| self.batch(epoch, i))
    }

    /// The part that batches are taken from.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The options.
    pub fn options(&self) -> &BatchOptions {
        &self.options
    }

    fn order(&self, epoch: i64) -> Result<Tensor> {
        if let Some((e, order)) = &*self.order.borrow()
            && *e == epoch
        {
            return Ok(order.clone());
        }
        let mut generator =
            Generator::new(self.options.seed, Stream::Data, "batches", epoch as u64);
        let rows = generator.permutation(self.part.len());
        let order =
            Tensor::from(tch::Tensor::f_from_slice(&rows)?).to_device(self.part.device())?;
        *self.order.borrow_mut() = Some((epoch, order.clone()));
        Ok(order)
    }
}

/// x with Gaussian noise of a standard deviation, from libtorch's generator as it stands.
pub fn add_noise(x: &Tensor, sd: f64) -> Result<Tensor> {
    if !(sd >= 0.0 && sd.is_finite()) {
        return Err(Error::argument(format!(
            "noise: the standard deviation must be 0 or more, got {sd}"
        )));
    }
    if sd == 0.0 {
        Ok(x.clone())
    } else {
        x.add(x.randn_like()?.mul(sd)?)
    }
}

impl fmt::Display for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} batches an epoch of {} {}",
            self.per_epoch(),
            self.part.name,
            self.options.show()
        )
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(n: i64) -> Result<Part> {
        let x = Tensor::arange(0.0, n as f64, 1.0)?.reshape(&[n, 1])?;
        Part::new("numbers", &x, &Tensor::arange(0.0, n as f64, 1.0)?)
    }

    fn rows(b: &Batches, epoch: i64) -> Result<Vec<f64>> {
        let mut all = Vec::new();
        for batch in b.epoch(epoch) {
            let batch = batch?;
            assert_eq!(batch.x.reshape(&[-1])?.to_vec()?, batch.y.to_vec()?);
            all.extend(batch.x.to_vec()?);
        }
        Ok(all)
    }

    #[test]
    fn an_epoch_covers_each_row_once_in_its_own_order() -> Result<()> {
        let b = Batches::new(
            &part(50)?,
            &BatchOptions {
                batch_size: 8,
                drop_last: false,
                ..BatchOptions::default()
            },
        )?;
        assert_eq!(b.per_epoch(), 7);
        let (first, second) = (rows(&b, 0)?, rows(&b, 1)?);
        assert_ne!(first, second);
        for mut all in [first, second] {
            all.sort_by(f64::total_cmp);
            assert_eq!(all, (0..50).map(f64::from).collect::<Vec<_>>());
        }
        Ok(())
    }

    #[test]
    fn any_batch_can_be_recomputed() -> Result<()> {
        let options = BatchOptions {
            batch_size: 8,
            seed: 3,
            ..BatchOptions::default()
        };
        let (a, b) = (
            Batches::new(&part(50)?, &options)?,
            Batches::new(&part(50)?, &options)?,
        );
        assert_eq!(a.per_epoch(), 6);
        let walked: Vec<Vec<f64>> = (0..20)
            .map(|s| a.at(s)?.x.to_vec())
            .collect::<Result<_>>()?;
        for step in [19, 0, 7, 13] {
            assert_eq!(b.at(step)?.x.to_vec()?, walked[step as usize]);
        }
        let other = Batches::new(&part(50)?, &BatchOptions { seed: 4, ..options })?;
        assert_ne!(other.at(0)?.x.to_vec()?, walked[0]);
        Ok(())
    }

    #[test]
    fn without_shuffling_rows_come_in_order() -> Result<()> {
        let options = BatchOptions {
            batch_size: 4,
            shuffle: false,
            drop_last: false,
            ..BatchOptions::default()
        };
        let b = Batches::new(&part(10)?, &options)?;
        assert_eq!(rows(&b, 2)?, (0..10).map(f64::from).collect::<Vec<_>>());
        Ok(())
    }

    #[test]
    fn impossible_batches_are_errors() -> Result<()> {
        let error = |o: BatchOptions| Batches::new(&part(10)?, &o).map(|_| ());
        assert!(
            error(BatchOptions {
                batch_size: 0,
                ..BatchOptions::default()
            })
            .is_err()
        );
        let large = error(BatchOptions::default()).unwrap_err();
        assert!(large.message().contains("larger than numbers") && large.hint().is_some());
        let b = Batches::new(
            &part(10)?,
            &BatchOptions {
                batch_size: 5,
                ..BatchOptions::default()
            },
        )?;
        assert!(b.batch(0, 2).is_err() && b.batch(-1, 0).is_err());
        assert!(add_noise(&Tensor::zeros(&[2])?, -1.0).is_err());
        Ok(())
    }
}
