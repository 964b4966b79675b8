//! The processes that train one model together: their number, and what they tell one another.
//!
//! A world of one is nothing at all: each of its operations gives back what it was given. A world
//! of several is a group of c10d, the part of libtorch that `torch.distributed` is, over Gloo, and
//! over NCCL for tensors of GPUs where the build has it and each rank a GPU of its own. All ranks run the same script and must ask for the same things in the same order; a guard compares
//! what they ask for before anything is sent, since Gloo itself ends the process, or waits for
//! ever, where shapes differ.

#[cfg(not(c10d))]
mod absent;
mod carrier;
mod fate;
mod guard;
pub(crate) mod outcome;
mod place;
#[cfg(c10d)]
mod raw;

#[cfg(not(c10d))]
use absent as raw;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor, kind_name};
pub use carrier::Backend;
use fate::Member;
pub use place::{Launcher, Place};
use raw::Operation;

/// Which backends this build has, and why not where it has none.
pub fn backends() -> std::result::Result<&'static [&'static str], &'static str> {
    raw::backends()
}

/// The size of c10d's group as our declarations of Gloo make it: a test compares it with
/// libtorch's.
#[doc(hidden)]
pub fn layout() -> i64 {
    raw::layout()
}

/// The sizes of NCCL's group and of its options, in builds that have it.
#[doc(hidden)]
pub fn layout_of_gpus() -> Option<[i64; 2]> {
    raw::layout_of_gpus()
}

/// The longest that a rank which ends in an error waits for the others' words.
const PAUSE: Duration = Duration::from_millis(1500);

thread_local! {
    static CURRENT: RefCell<World> = const { RefCell::new(World(None)) };
}

/// What becomes of the values of all ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// Their sum.
    Sum,
    /// Their mean: of floating-point numbers only.
    Mean,
    /// The largest, element by element.
    Max,
    /// The smallest, element by element.
    Min,
}

impl Reduce {
    /// By name, as scripts have it.
    pub fn of(name: &str) -> Option<Reduce> {
        Some(match name {
            "sum" => Reduce::Sum,
            "mean" => Reduce::Mean,
            "max" => Reduce::Max,
            "min" => Reduce::Min,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Reduce::Sum => "sum",
            Reduce::Mean => "mean",
            Reduce::Max => "max",
            Reduce::Min => "min",
        }
    }

    fn operation(self) -> Operation {
        match self {
            Reduce::Sum | Reduce::Mean => Operation::Sum,
            Reduce::Max => Operation::Max,
            Reduce::Min => Operation::Min,
        }
    }
}

/// A handle to the processes that run together; clones share it.
#[derive(Clone, Default)]
pub struct World(Option<Rc<Group>>);

struct Group {
    raw: raw::Group,
    /// Whether NCCL carries tensors of GPUs; else they go through the host's memory.
    carries_gpus: bool,
    rank: usize,
    size: usize,
    /// Who the ranks are, to tell of one that is gone.
    members: Vec<Member>,
    /// After an error nothing can be sent any more.
    broken: RefCell<Option<Error>>,
    /// Whether ranks were found to ask for different things.
    mismatched: Cell<bool>,
    /// Bytes that were sent, and the time it took.
    spent: Cell<(u64, Duration)>,
}

impl World {
    /// A world of one.
    pub fn one() -> World {
        World(None)
    }

    /// The world of this process: of one unless [`World::enter`] was called.
    pub fn current() -> World {
        CURRENT.with_borrow(World::clone)
    }

    /// Makes this the world of the process, until another one is.
    pub fn enter(&self) {
        CURRENT.set(self.clone());
    }

    /// Meets the other ranks. All of them must come within the time, which also bounds each later
    /// exchange.
    pub fn join(place: &Place, backend: Backend, timeout: Duration) -> Result<World> {
        if place.size == 1 {
            return Ok(World::one());
        }
        let raw = raw::Group::join(place, timeout)?;
        let mut group = Group {
            raw,
            carries_gpus: false,
            rank: place.rank,
            size: place.size,
            members: Vec::new(),
            broken: RefCell::new(None),
            mismatched: Cell::new(false),
            spent: Cell::default(),
        };
        let own = Member::own().written();
        let all = group.texts_unguarded(&own).map_err(|e| {
            Error::state(format!(
                "rank {}: cannot meet the other ranks: {e}",
                place.rank
            ))
        })?;
        group.members = all.iter().map(|text| Member::read(text)).collect();
        group.carries_gpus = group.join_gpus(place, backend)?;
        Ok(World(Some(Rc::new(group))))
    }

    /// Leaves in good order: waits until all ranks have come to their end. A rank that asks for
    /// something else instead is an error on all of them.
    pub fn end(&self) -> Result<()> {
        self.barrier("the end of the script")
    }

    /// Which of the processes this is, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |g| g.rank)
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |g| g.size)
    }

    /// Whether there is but this one.
    pub fn is_one(&self) -> bool {
        self.0.is_none()
    }

    /// Whether this process speaks for all: it writes the run folder and talks to the user.
    pub fn speaks(&self) -> bool {
        self.rank() == 0
    }

    /// Whether, since the last call, ranks were found to ask for different things: then an error is
    /// perhaps but the consequence of another rank's.
    pub(crate) fn take_mismatch(&self) -> bool {
        self.0.as_ref().is_some_and(|g| g.mismatched.take())
    }

    /// The bytes that exchanges have carried so far, and the seconds that they took.
    pub fn spent(&self) -> (u64, f64) {
        let (bytes, time) = self
            .0
            .as_ref()
            .map_or_else(Default::default, |g| g.spent.get());
        (bytes, time.as_secs_f64())
    }

    /// The values of all ranks as one. `what` says what is asked for, in errors.
    pub fn all_reduce(&self, what: &str, x: &Tensor, how: Reduce) -> Result<Tensor> {
        if how == Reduce::Mean && !x.is_float() {
            return Err(Error::argument(format!(
                "all_reduce: a mean needs floating-point numbers, got {}",
                x.brief()
            ))
            .with_hint("convert it first, or take the \"sum\""));
        }
        let Some(group) = &self.0 else {
            return Ok(x.clone());
        };
        group.sendable("all_reduce", x)?;
        let (name, shape) = (how.name(), x.shape());
        let asked = format!(
            "all_reduce \"{name}\" of {what}, {shape:?} {}",
            kind_name(x.kind())
        );
        let held = group.held(x)?;
        group.guarded(&asked, x.numel() * 4, &[], |_| {
            group.raw.reduce(held.raw(), how.operation())
        })?;
        let reduced = match how {
            Reduce::Mean => held.div(group.size as f64)?,
            _ => held,
        };
        reduced.to_device(x.device())
    }

    /// The mean over all ranks, in place, without a copy where there need be none.
    pub fn mean_in_place(&self, what: &str, x: &mut tch::Tensor) -> Result<()> {
        let Some(group) = &self.0 else {
            return Ok(());
        };
        let view = Tensor::from(x.shallow_clone());
        if group.takes(&view) && x.is_contiguous() {
            group.sendable("all_reduce", &view)?;
            let asked = format!(
                "the mean of {what}, {:?} {}",
                view.shape(),
                kind_name(view.kind())
            );
            group.guarded(&asked, view.numel() * 4, &[], |_| {
                group.raw.reduce(x, Operation::Sum)
            })?;
            let _ = x.f_div_scalar_(group.size as f64)?;
            return Ok(());
        }
        let mean = self.all_reduce(what, &view.detach(), Reduce::Mean)?;
        x.f_copy_(mean.raw()).map_err(Error::from)
    }

    /// The tensors of all ranks, by rank: `[ranks, …]`. They must have the same shape.
    pub fn all_gather(&self, what: &str, x: &Tensor) -> Result<Tensor> {
        let Some(group) = &self.0 else {
            return x.unsqueeze(0);
        };
        group.sendable("all_gather", x)?;
        let asked = format!(
            "all_gather of {what}, {:?} {}",
            x.shape(),
            kind_name(x.kind())
        );
        let held = group.held(x)?;
        let mut shape = vec![group.size as i64];
        shape.extend(x.shape());
        let all = Tensor::from(tch::Tensor::f_empty(&shape, (x.kind(), held.device()))?);
        group.guarded(&asked, all.numel() * 4, &[], |_| {
            group.raw.gather(held.raw(), all.raw())
        })?;
        all.to_device(x.device())
    }

    /// A rank's tensor on all ranks; the others give one of the same shape.
    pub fn broadcast(&self, what: &str, x: &Tensor, from: usize) -> Result<Tensor> {
        let Some(group) = &self.0 else {
            return Ok(x.clone());
        };
        group.sendable("broadcast", x)?;
        let asked = format!(
            "broadcast of {what} from rank {from}, {:?} {}",
            x.shape(),
            kind_name(x.kind())
        );
        let held = group.held(x)?;
        group.guarded(&asked, x.numel() * 4, &[], |_| {
            group.raw.broadcast(held.raw(), from)
        })?;
        held.to_device(x.device())
    }

    /// The sum over ranks with its gradient, to any order: where a rank's loss depends on other
    /// ranks' rows. All ranks must take the gradient too.
    pub fn sum_with_gradient(&self, x: &Tensor) -> Result<Tensor> {
        let Some(group) = &self.0 else {
            return Ok(x.clone());
        };
        if let Some(error) = &*group.broken.borrow() {
            return Err(error.clone());
        }
        let sum = group.raw.sum(x.raw()).map_err(|e| {
            // Its guard has told all ranks; the connections are as they were.
            match e.message().contains("do not ask for the same") {
                true => {
                    group.mismatched.set(true);
                    e
                }
                false => group.failed("a sum of statistics", e),
            }
        });
        Ok(Tensor::from(sum?))
    }

    /// Waits until all ranks are here.
    pub fn barrier(&self, what: &str) -> Result<()> {
        let Some(group) = &self.0 else {
            return Ok(());
        };
        group.guarded(what, 0, &[], |_| Ok(()))
    }

    /// A text of each rank, by rank.
    pub fn texts(&self, what: &str, own: &str) -> Result<Vec<String>> {
        let Some(group) = &self.0 else {
            return Ok(vec![own.to_owned()]);
        };
        group.guarded(what, 0, &[], |_| Ok(()))?;
        group.texts_unguarded(own)
    }

    /// Numbers of each rank, by rank: all give as many.
    pub fn numbers(&self, what: &str, own: &[f64]) -> Result<Vec<Vec<f64>>> {
        let Some(group) = &self.0 else {
            return Ok(vec![own.to_vec()]);
        };
        let (n, bytes) = (own.len() as i64, own.len() * group.size * 8);
        if own.len() <= guard::ALONG {
            // In words of its own: who asks for it has no second message to wait for.
            let asked = format!("{n} numbers of {what}");
            let mut all = group.guarded(&asked, bytes, own, Ok)?;
            all.iter_mut().for_each(|row| row.truncate(own.len()));
            return Ok(all);
        }
        let own = Tensor::from_f64(own, &[n], Kind::Double, Device::Cpu)?;
        let all = self.all_gather(what, &own)?.to_vec()?;
        Ok(all.chunks(n.max(1) as usize).map(<[f64]>::to_vec).collect())
    }

    /// What this rank's share of some work came to, if all ranks did theirs. Where one failed, all
    /// have its error, as one process would: none waits for rows that never come.
    pub fn agreed<T>(&self, what: &str, own: Result<T>) -> Result<T> {
        if self.is_one() {
            return own;
        }
        let went = self.numbers(what, &[outcome::number(&own)]);
        let went = match (went, &own) {
            (Ok(went), _) => went,
            // One's own error tells more than that nobody answers any more.
            (Err(_), Err(own)) => return Err(own.clone()),
            (Err(lost), Ok(_)) => return Err(lost),
        };
        let Some(first) = went.iter().position(|of| of[0] != outcome::WELL) else {
            return own;
        };
        let said = own.as_ref().err().map_or("", Error::message);
        let said = self.texts(what, said)?;
        let theirs = format!("rank {first}: {}", said[first]);
        own.and(Err(Error::new(outcome::kind(went[first][0]), theirs)))
    }

    /// Whether rank 0 ends with the same words, as ranks do that fail in the same way; then they
    /// are said once. Waits for a moment at most.
    pub fn said_by_first(&self, text: &str) -> bool {
        let Some(group) = &self.0 else {
            return false;
        };
        if group.broken.borrow().is_some() {
            // Each rank knows something else of the one that is gone.
            return false;
        }
        let (first, read) = ("ended/0", |rank: usize| format!("ended/{rank}"));
        if group.rank == 0 {
            if group.raw.note(first, text) {
                let until = Instant::now() + PAUSE;
                for rank in 1..group.size {
                    let left = until.saturating_duration_since(Instant::now());
                    let _ = group.raw.noted(&read(rank), left);
                }
            }
            return false;
        }
        let same = group.raw.noted(first, PAUSE).is_some_and(|t| t == text);
        let _ = group.raw.note(&read(group.rank), "");
        same
    }

    /// What a function makes with libtorch's generator, other numbers on each rank; behind it the
    /// generator is the same on all of them.
    pub fn with_own_noise<T>(&self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.is_one() {
            return make();
        }
        let drawn = tch::Tensor::f_randint(1 << 31, [1i64], (Kind::Int64, Device::Cpu))?;
        let drawn = Tensor::from(drawn).item()? as u64;
        let seeded = |of: u64| {
            let seed = crate::tensor::hashed_seed(drawn, crate::tensor::Stream::Init, of);
            tch::manual_seed(i64::from(seed));
        };
        seeded(1 + self.rank() as u64);
        let made = make();
        seeded(0);
        made
    }

    /// What must be mixed into a seed for numbers that differ by rank: nothing on rank 0.
    pub fn noise(&self) -> u64 {
        (self.rank() as u64).wrapping_mul(0xd1b5_4a32_d192_ed03)
    }

    /// A number of things shared out evenly: how many each rank has. An error names the nearest
    /// numbers that can be.
    pub fn share(&self, what: &str, whole: i64, unit: i64) -> Result<i64> {
        let n = self.size() as i64;
        if whole % (n * unit) == 0 {
            return Ok(whole / n);
        }
        let below = whole / (n * unit) * (n * unit);
        let near = match below {
            0 => format!("{}", n * unit),
            _ => format!("{below} and {}", below + n * unit),
        };
        let of = match unit {
            1 => String::new(),
            _ => format!(" × {unit} classes"),
        };
        Err(Error::argument(format!(
            "{what} is {whole}, which {n} ranks{of} cannot share evenly"
        ))
        .with_hint(format!(
            "it is that of all ranks together; the nearest that divide are {near}"
        )))
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.size())
    }
}

#[cfg(test)]
mod tests;
