//! Exchanges behind a guard: all ranks first compare a fingerprint of what they ask for.
//!
//! Each rank sends all others one row: the fingerprint, and room for a few numbers, which then need
//! no exchange of their own. Whatever is asked for, the row is as long. Where fingerprints differ,
//! the ranks tell one another what they asked for, and all of them fail with the same error. The
//! group stays usable.

use std::time::Instant;

use super::raw::Operation;
use super::{Group, fate};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{Device, Kind, Tensor, kind_name};

/// Bytes of a request in an error.
const LONGEST: usize = 240;

/// So many numbers travel with the fingerprint; `sum.cpp` knows it too.
pub(super) const ALONG: usize = 64;

/// Element types that Gloo carries.
const CARRIED: [Kind; 9] = [
    Kind::Float,
    Kind::Double,
    Kind::Half,
    Kind::BFloat16,
    Kind::Int8,
    Kind::Uint8,
    Kind::Int,
    Kind::Int64,
    Kind::Bool,
];

impl Group {
    /// An error for what cannot be sent.
    pub(super) fn sendable(&self, call: &str, x: &Tensor) -> Result<()> {
        if CARRIED.contains(&x.kind()) {
            return Ok(());
        }
        Err(Error::argument(format!(
            "{call}: {} cannot be sent between ranks",
            kind_name(x.kind())
        ))
        .with_hint("convert it first: `.to(\"float32\")`"))
    }

    /// Does the work of an exchange, if all ranks ask for the same one. `along` are at most
    /// [`ALONG`] numbers; the work is given those of all ranks, by rank, as many as there is room for.
    pub(super) fn guarded<T>(
        &self,
        asked: &str,
        bytes: usize,
        along: &[f64],
        work: impl FnOnce(Vec<Vec<f64>>) -> Result<T>,
    ) -> Result<T> {
        if let Some(error) = &*self.broken.borrow() {
            return Err(error.clone());
        }
        let started = Instant::now();
        let outcome = self
            .met(asked, along)
            .map_err(|e| self.failed(asked, e))
            .and_then(|rows| {
                if let Some(rows) = rows {
                    return work(rows).map_err(|e| self.failed(asked, e));
                }
                let all = self
                    .texts_unguarded(asked)
                    .map_err(|e| self.failed(asked, e))?;
                self.mismatched.set(true);
                Err(mismatch(&all))
            });
        let (sent, time) = self.spent.get();
        self.spent
            .set((sent + bytes as u64, time + started.elapsed()));
        outcome
    }

    /// The numbers of all ranks, if all ask for this.
    fn met(&self, asked: &str, along: &[f64]) -> Result<Option<Vec<Vec<f64>>>> {
        let mut row = vec![fingerprint(asked)];
        row.extend(along);
        row.resize(1 + ALONG, 0.0);
        let own = Tensor::from(tch::Tensor::f_from_slice(&row)?);
        let shape = [self.size as i64, row.len() as i64];
        let all = Tensor::from(tch::Tensor::f_empty(shape, (Kind::Double, Device::Cpu))?);
        self.raw.gather(own.raw(), all.raw())?;
        let all = all.to_vec()?;
        let rows: Vec<&[f64]> = all.chunks(row.len()).collect();
        let same = rows.iter().all(|theirs| theirs[0] == row[0]);
        Ok(same.then(|| rows.iter().map(|theirs| theirs[1..].to_vec()).collect()))
    }

    /// The texts of all ranks: first their lengths, then all padded to the longest.
    pub(super) fn texts_unguarded(&self, own: &str) -> Result<Vec<String>> {
        let bytes = |n: i64, ranks: i64| -> Result<Tensor> {
            Ok(Tensor::from(tch::Tensor::f_zeros(
                [ranks, n],
                (Kind::Uint8, Device::Cpu),
            )?))
        };
        let longest = Tensor::of_ints(&[own.len() as i64])?;
        self.raw.reduce(longest.raw(), Operation::Max)?;
        let n = longest.to_ints()?[0].max(1);
        let mut padded = own.as_bytes().to_vec();
        padded.resize(n as usize, 0);
        let mine = Tensor::from(tch::Tensor::f_from_slice(&padded)?);
        let all = bytes(n, self.size as i64)?;
        self.raw.gather(mine.raw(), all.raw())?;
        let all: Vec<u8> = all.to_ints()?.into_iter().map(|b| b as u8).collect();
        let text = |row: &[u8]| {
            let end = row.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
            String::from_utf8_lossy(&row[..end]).into_owned()
        };
        Ok(all.chunks(n as usize).map(text).collect())
    }

    /// What an error of c10d means: which rank is gone, as far as can be told. Nothing can be sent
    /// after it.
    pub(super) fn failed(&self, asked: &str, error: Error) -> Error {
        if let Some(known) = &*self.broken.borrow() {
            return known.clone();
        }
        let found = fate::told(self, error.message());
        let made = Error::new(
            ErrorKind::State,
            format!("{found}; rank {} was at {asked}", self.rank),
        )
        .with_hint("the last checkpoint is whole: start all ranks again to go on from it");
        self.raw.give_up();
        *self.broken.borrow_mut() = Some(made.clone());
        made
    }
}

/// FNV-1a, as many of its bits as a float64 holds.
fn fingerprint(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 12) as f64
}

/// The error on all ranks where they ask for different things.
fn mismatch(asked: &[String]) -> Error {
    let mut groups: Vec<(Vec<String>, &str)> = Vec::new();
    for (rank, text) in asked.iter().enumerate() {
        match groups.iter_mut().find(|(_, t)| t == text) {
            Some((ranks, _)) => ranks.push(rank.to_string()),
            None => groups.push((vec![rank.to_string()], text)),
        }
    }
    let one = |(ranks, text): &(Vec<String>, &str)| {
        let (who, verb) = match ranks.len() {
            1 => ("rank", "is"),
            _ => ("ranks", "are"),
        };
        let short: String = text.chars().take(LONGEST).collect();
        format!("{who} {} {verb} at {short}", ranks.join(", "))
    };
    let all: Vec<String> = groups.iter().map(one).collect();
    Error::state(format!(
        "the ranks do not ask for the same thing: {}",
        all.join("; ")
    ))
    .with_hint("every rank must train, measure and exchange the same things in the same order: not inside `if rank() == 0`")
}
