//! A buffer of several ranks: each has an equal share of the entries, and of each class's section.

use super::Inner;
use crate::error::Result;
use crate::params::Snapshot;
use crate::tensor::{Device, Kind, Tensor};
use crate::world::Reduce;

impl Inner {
    /// How many entries all ranks have together.
    pub(super) fn whole(&self) -> i64 {
        self.asked * self.world.size() as i64
    }

    /// Sections of classes, or one.
    pub(super) fn sections(&self) -> i64 {
        self.options.classes.max(1)
    }

    /// What a checkpoint has for this rank: its own entries, or its part of what other ranks had
    /// than those of today, whose shares stand beside each other.
    pub(super) fn dealt(&self, path: &str, from: &Snapshot) -> Result<Option<Tensor>> {
        let Some(first) = from.tensors.get(&format!("{path}.entries")) else {
            return Ok(None);
        };
        let mut shares = vec![first];
        while let Some(more) = from
            .tensors
            .get(&format!("{path}.entries@{}", shares.len()))
        {
            shares.push(more);
        }
        let whole: i64 = shares.iter().map(|s| s.len()).sum();
        if whole != self.whole() || shares.len() == self.world.size() {
            return Ok(Some(first.clone()));
        }
        let mut split = vec![self.sections(), -1];
        split.extend(&self.shape);
        let parts: Result<Vec<Tensor>> = shares.iter().map(|s| s.reshape(&split)).collect();
        let mut full = vec![whole];
        full.extend(&self.shape);
        let joined = Tensor::cat(&parts?, 1)?.reshape(&full)?;
        self.own_share(&joined).map(Some)
    }

    /// Of the entries of all ranks those of this one: its part of each section.
    pub(super) fn own_share(&self, whole: &Tensor) -> Result<Tensor> {
        let mut split = vec![self.sections(), self.world.size() as i64, self.section()];
        split.extend(&self.shape);
        let mut own = vec![self.options.size];
        own.extend(&self.shape);
        whole
            .reshape(&split)?
            .narrow(1, self.world.rank() as i64, 1)?
            .reshape(&own)
    }

    /// The entries of all ranks, section by section.
    pub(super) fn all_of_them(&self) -> Result<Tensor> {
        let mut split = vec![self.world.size() as i64, self.sections(), self.section()];
        split.extend(&self.shape);
        let mut whole = vec![self.whole()];
        whole.extend(&self.shape);
        self.world
            .all_gather("the replay buffer", self.filled()?)?
            .reshape(&split)?
            .transpose(0, 1)?
            .reshape(&whole)
    }

    /// `n` of the entries of all ranks, the same on each.
    pub(super) fn gathered_rows(&self, entries: &Tensor, n: i64) -> Result<Tensor> {
        let order = Tensor::from(tch::Tensor::f_randperm(
            self.whole(),
            (Kind::Int64, Device::Cpu),
        )?);
        let order = order.narrow(0, 0, n)?;
        let chosen = self
            .world
            .broadcast("rows of the replay buffer", &order, 0)?;
        let mut shape = vec![n];
        shape.extend(&self.shape);
        let mut rows = Tensor::zeros(&shape)?.like(entries)?;
        let first = self.asked * self.world.rank() as i64;
        let mine: (Vec<i64>, Vec<i64>) = (0..n)
            .zip(chosen.to_ints()?)
            .filter_map(|(place, row)| {
                let own = row - first;
                (0..self.asked).contains(&own).then_some((place, own))
            })
            .unzip();
        if !mine.0.is_empty() {
            let on = entries.device();
            let places = Tensor::of_ints(&mine.0)?.to_device(on)?;
            let own = Tensor::of_ints(&mine.1)?.to_device(on)?;
            rows = rows.with_rows(&places, &entries.index_select(0, &own)?)?;
        }
        self.world
            .all_reduce("rows of the replay buffer", &rows, Reduce::Sum)
    }
}
