//! A training on several ranks: what they tell one another, so that all do the same at the same
//! iteration.
//!
//! Each rank takes its rows of the batch, walks chains of its own, and averages the gradient with
//! the others inside the optimiser. Here they agree on the rest: after each step (and each look)
//! all ranks exchange one small packet, and every decision comes from what is in it.

use super::{STOP, Training};
use crate::error::{Error, ErrorKind, Result};
use crate::params::{Named, deduplicated};
use crate::tensor::Tensor;
use crate::world::World;
use crate::world::outcome::{INTERRUPTED, NOT_FINITE, WELL, number};

/// Numbers in the packet; more than that go in a second one.
const ROOM: usize = 64;
/// Those before the values: how it went, interrupt, stop, time for a checkpoint, a checkpoint under
/// way, the names' hash, the number of values.
const HEAD: usize = 7;

/// How a rank's step went, beside what every outcome is: it was drawn in, since another rank came to
/// this end while it still asked for something.
const DRAWN_IN: f64 = 4.0;
/// So often a rank asks again, for others that are drawn in.
const TRIES: usize = 3;

/// What the ranks have agreed on.
#[derive(Default)]
pub(super) struct Agreed {
    pub(super) world: World,
    /// Seconds that exchanges had taken when the training began.
    pub(super) spent: f64,
    /// Whether this one was asked to stop when the iteration began.
    pub(super) asked: bool,
    /// Whether one of them was asked to stop.
    pub(super) halt: bool,
    /// Whether a checkpoint is due for the time that has passed.
    pub(super) late: bool,
    /// Whether one of them is still writing the checkpoint before.
    pub(super) busy: bool,
}

type Numbers = Vec<(String, f64)>;

impl Training<'_> {
    /// The packet of one iteration: gives the means over ranks, or on all ranks an error where one
    /// of them failed. A world of one gives back what it was given.
    pub(super) fn together(&mut self, what: &str, outcome: Result<Numbers>) -> Result<Numbers> {
        let world = self.agreed.world.clone();
        if world.is_one() {
            return outcome;
        }
        let (late, busy) = self.checkpoints.pressed()?;
        let flag = |on: bool| f64::from(u8::from(on));
        let drawn_in = world.take_mismatch();
        let went = match outcome {
            Err(_) if drawn_in => DRAWN_IN,
            _ => number(&outcome),
        };
        let none = Vec::new();
        let values = outcome.as_ref().unwrap_or(&none);
        let stops = STOP.with_borrow(Option::is_some);
        let names: String = values.iter().map(|(n, _)| format!("{n}\n")).collect();
        let mut packet = vec![
            went,
            flag(self.agreed.asked),
            flag(stops),
            flag(late),
            flag(busy),
            hashed(&names),
            values.len() as f64,
        ];
        packet.extend(values.iter().map(|(_, v)| *v).take(ROOM - HEAD));
        packet.resize(ROOM, 0.0);
        let all = match self.exchanged(what, &packet) {
            Ok(all) => all,
            // What this rank knows of itself says more than that others ask for something else.
            Err(error) => return Err(outcome.err().unwrap_or(error)),
        };
        self.agreed.halt |= all.iter().any(|p| p[1] > 0.0);
        self.agreed.late = all[0][3] > 0.0;
        self.agreed.busy = all.iter().any(|p| p[4] > 0.0);
        let cause = |p: &Vec<f64>| p[0] > WELL && p[0] < DRAWN_IN;
        let failed = all.iter().position(cause);
        if let Some(first) = failed.or(all.iter().position(|p| p[0] > WELL)) {
            return Err(self.shared_error(first, all[first][0], outcome.err(), drawn_in)?);
        }
        let values = outcome?;
        let differs = all.iter().any(|p| p[5..HEAD] != all[0][5..HEAD]);
        if all.iter().any(|p| p[2] > 0.0) {
            let own = STOP.take().unwrap_or_default();
            let reasons = world.texts("why the training stops", &own)?;
            let reason = reasons.into_iter().find(|r| !r.is_empty());
            STOP.set(Some(reason.unwrap_or_default()));
            if differs {
                // `return stop(…)` logs nothing: then nobody does, in this last iteration.
                return Ok(Vec::new());
            }
        }
        if differs {
            let list: Vec<&str> = values.iter().map(|(n, _)| n.as_str()).collect();
            let lists = world.texts("the names of what is logged", &list.join(", "))?;
            let each = lists
                .iter()
                .enumerate()
                .map(|(r, l)| format!("rank {r}: {l}"));
            return Err(Error::state(format!(
                "train: the ranks log different things: {}",
                each.collect::<Vec<_>>().join("; ")
            ))
            .with_hint("a step returns the same names on all ranks, whatever its rows are"));
        }
        let mut columns: Vec<Vec<f64>> = all.iter().map(|p| p[HEAD..].to_vec()).collect();
        if values.len() > ROOM - HEAD {
            let rest: Vec<f64> = values[ROOM - HEAD..].iter().map(|(_, v)| *v).collect();
            for (column, more) in columns.iter_mut().zip(world.numbers(what, &rest)?) {
                column.extend(more);
            }
        }
        let mean =
            |(i, (name, _)): (usize, (String, f64))| (name, mean(columns.iter().map(|c| c[i])));
        Ok(values.into_iter().enumerate().map(mean).collect())
    }

    /// The packets of all ranks. One that came here early finds others in the midst of their step:
    /// that ends their step with an error, and they come here too.
    fn exchanged(&self, what: &str, packet: &[f64]) -> Result<Vec<Vec<f64>>> {
        let world = &self.agreed.world;
        let mut first = None;
        for _ in 0..TRIES {
            match world.numbers(what, packet) {
                Ok(all) => return Ok(all),
                Err(error) => {
                    let again = world.take_mismatch();
                    let told = first.get_or_insert(error);
                    if !again {
                        return Err(told.clone());
                    }
                }
            }
        }
        Err(first.unwrap_or_else(|| Error::state("train: the ranks do not come together")))
    }

    /// The error of all ranks where one has failed: its own on that rank, its words on the others.
    fn shared_error(
        &self,
        first: usize,
        went: f64,
        own: Option<Error>,
        drawn_in: bool,
    ) -> Result<Error> {
        let world = &self.agreed.world;
        let text = own.as_ref().map_or("", Error::message);
        let text = world
            .texts("an error in a training step", text)?
            .swap_remove(first);
        Ok(match own {
            Some(own) if first == world.rank() => own,
            _ if went == NOT_FINITE => Error::new(ErrorKind::NonFinite, text),
            _ if went == INTERRUPTED => Error::new(ErrorKind::Interrupted, "interrupted"),
            Some(own) if !drawn_in || went == DRAWN_IN => own,
            _ => Error::state(format!("rank {first} failed: {text}")),
        })
    }

    /// Before the first step: rank 0's weights on all ranks.
    pub(super) fn begin_together(&mut self) -> Result<()> {
        if self.agreed.world.is_one() {
            return Ok(());
        }
        let world = &self.agreed.world;
        let (weights, buffers) = self.held();
        let mut names = String::new();
        for (name, p) in weights.iter().chain(&buffers) {
            names += &format!("{name} {}\n", p.get().brief());
        }
        let what = format!("the first weights ({:016x})", hashed(&names).to_bits());
        for (_, p) in weights.iter().chain(&buffers) {
            let first = world.broadcast(&what, &p.get(), 0)?;
            p.assign(&first)?;
        }
        Ok(())
    }

    /// At a look: running statistics become the mean over ranks, and weights must be the same.
    pub(super) fn meet(&self) -> Result<()> {
        let world = &self.agreed.world;
        if world.is_one() {
            return Ok(());
        }
        let (weights, buffers) = self.held();
        for (_, p) in buffers.iter().filter(|(_, p)| p.get().is_float()) {
            let mut mean = p.get().detach().copy()?.raw().shallow_clone();
            world.mean_in_place("running statistics", &mut mean)?;
            p.assign(&Tensor::from(mean))?;
        }
        for (_, state) in &self.context.state {
            state.meet(world)?;
        }
        let mut sum = 0;
        for (_, p) in &weights {
            sum = p.get().checksum(sum)?;
        }
        let sums = world.numbers("the checksum of the weights", &[f64::from(sum)])?;
        match sums.iter().position(|s| s != &sums[0]) {
            None => Ok(()),
            Some(other) => Err(Error::state(format!(
                "train: the weights of rank 0 and rank {other} differ"
            ))
            .with_hint(
                "something changed them on one rank alone: a step under `if rank() == …`, or weights set from a rank's own rows",
            )),
        }
    }

    /// All weights and all buffers that the training knows, each once, in the same order on all
    /// ranks.
    fn held(&self) -> (Named, Named) {
        let all = self.context.state.iter().flat_map(|(name, state)| {
            let named = state.named().into_iter();
            named.map(move |(inner, p)| (format!("{name}.{inner}"), p))
        });
        deduplicated(all.collect())
            .into_iter()
            .partition(|(_, p)| p.trainable())
    }
}

/// The mean, or the value itself where all have it: means of equal numbers are not always equal to
/// them.
fn mean(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let first = values.clone().next().unwrap_or(f64::NAN);
    if values.clone().all(|v| v.to_bits() == first.to_bits()) {
        return first;
    }
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// A hash that a float holds exactly.
fn hashed(text: &str) -> f64 {
    let parts: Vec<u64> = text.bytes().map(u64::from).collect();
    (crate::tensor::hashed(&parts) >> 12) as f64
}
