//! Checkpoints of several ranks: rank 0 keeps what all have in common, each rank what is its own.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::CHECKPOINTS;
use super::checkpoint::Checkpoints;
use super::writer::Job;
use crate::error::{Error, Result};
use crate::formats::read_snapshot;
use crate::params::Snapshot;

/// How many ranks wrote a state, where there were several.
const RANKS: &str = "loop.ranks";
/// In a state that other ranks than those of today wrote, how many they were.
pub(super) const DEALT: &str = "loop.dealt";

impl Checkpoints<'_> {
    /// Where this rank's files are, in the run folder.
    pub(super) fn folder(&self) -> String {
        match self.world.rank() {
            0 => CHECKPOINTS.to_owned(),
            rank => format!("{CHECKPOINTS}/rank-{rank}"),
        }
    }

    /// A state of this rank's: the file that is its own, over rank 0's of the same name. Where as
    /// many ranks wrote it as there are no more, replay buffers are to be dealt out anew: the other
    /// shares stand beside rank 0's.
    pub(super) fn read(&self, path: &Path) -> Result<Snapshot> {
        let above = match self.world.rank() {
            0 => path.parent(),
            _ => path.parent().and_then(Path::parent),
        };
        let (above, name) = above
            .zip(path.file_name())
            .ok_or_else(|| Error::state("train: a checkpoint without a folder"))?;
        let mut whole = read_snapshot(&above.join(name))?;
        let then = whole.values.get(RANKS).and_then(Json::as_u64).unwrap_or(1) as usize;
        if then == self.world.size() {
            return match self.world.rank() {
                0 => Ok(whole),
                _ => Ok(whole.with_share(read_snapshot(path)?)),
            };
        }
        for rank in 1..then {
            let share = read_snapshot(&above.join(format!("rank-{rank}")).join(name))?;
            for (key, tensor) in share.tensors {
                if key.ends_with(".entries") {
                    whole.tensors.insert(format!("{key}@{rank}"), tensor);
                }
            }
        }
        whole.values.insert(DEALT.to_owned(), json!(then));
        Ok(whole)
    }

    /// Whether a state is one of several ranks, whose shares may not all be there.
    pub(super) fn is_of_several(&self) -> bool {
        let other = self.context.run.place(&format!("{CHECKPOINTS}/rank-1"));
        matches!(other, Ok(Some(folder)) if folder.is_dir())
    }

    /// Leaves of a job what this rank writes.
    pub(super) fn share(&self, job: &mut Job) {
        let ranks = self.world.size();
        if ranks > 1 {
            job.snapshot.values.insert(RANKS.to_owned(), json!(ranks));
        }
        if !self.world.speaks() {
            job.snapshot = std::mem::take(&mut job.snapshot).own_share();
            job.about = None;
        }
    }
}
