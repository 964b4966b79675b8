//! In place of c10d where the libtorch that was built against has no headers of it: everything
//! works but joining others.

use std::time::Duration;

use super::Place;
use crate::error::{Error, Result};

const MISSING: &str = "this build has no c10d: libtorch's headers `torch/csrc/distributed/c10d` were not there when it was compiled";

#[derive(Clone, Copy)]
pub(super) enum Operation {
    Sum,
    Max,
    Min,
}

pub(super) fn backends() -> std::result::Result<&'static [&'static str], &'static str> {
    Err(MISSING)
}

pub(super) fn layout() -> i64 {
    0
}

pub(super) fn layout_of_gpus() -> Option<[i64; 2]> {
    None
}

/// None is ever made.
pub(super) struct Group;

fn missing() -> Error {
    Error::state(MISSING).with_hint(
        "set up the libtorch of the PyTorch wheel (`make setup`) and build again; one process runs as it is",
    )
}

impl Group {
    pub(super) fn join(_: &Place, _: Duration) -> Result<Group> {
        Err(missing())
    }

    pub(super) fn join_gpus(&self, _: usize) -> Result<()> {
        Err(missing())
    }

    pub(super) fn reduce(&self, _: &tch::Tensor, _: Operation) -> Result<()> {
        Err(missing())
    }

    pub(super) fn broadcast(&self, _: &tch::Tensor, _: usize) -> Result<()> {
        Err(missing())
    }

    pub(super) fn gather(&self, _: &tch::Tensor, _: &tch::Tensor) -> Result<()> {
        Err(missing())
    }

    pub(super) fn sum(&self, _: &tch::Tensor) -> Result<tch::Tensor> {
        Err(missing())
    }

    pub(super) fn note(&self, _: &str, _: &str) -> bool {
        false
    }

    pub(super) fn give_up(&self) {}

    pub(super) fn noted(&self, _: &str, _: Duration) -> Option<String> {
        None
    }
}
