//! A dry run (`--dry-run`): a whole script with tiny numbers, to see its mistakes, and what the
//! real run would cost.
//!
//! Whoever owns a loop or a size asks [`cut`] how much of it to do, and says with [`scaled`],
//! [`turns`] or [`rows`] how much more the real run does. What a dry run leaves out adds up to an
//! estimate of the run's time: lowest and highest. The first call of anything warms up and is no
//! rate; wherever there is time, a second one is measured.

mod pace;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use pace::Pace;
pub use pace::{Rows, rows};

/// Seconds, or a factor: lowest and highest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Span {
    /// The least that is to be expected.
    pub low: f64,
    /// The most.
    pub high: f64,
}

impl Span {
    /// A number that is known.
    pub fn exactly(value: f64) -> Span {
        Span {
            low: value,
            high: value,
        }
    }

    /// The sum of what errs the same way.
    #[must_use]
    pub fn plus(self, other: Span) -> Span {
        Span {
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }

    /// The sum of what errs independently: the widths add up as standard deviations do.
    #[must_use]
    pub fn beside(self, other: Span) -> Span {
        let middle = self.middle() + other.middle();
        let half = (0.5 * (self.high - self.low)).hypot(0.5 * (other.high - other.low));
        Span {
            low: middle - half,
            high: middle + half,
        }
    }

    /// Lowest by lowest, highest by highest.
    #[must_use]
    pub fn times(self, other: Span) -> Span {
        Span {
            low: self.low * other.low,
            high: self.high * other.high,
        }
    }

    /// The same times a number.
    #[must_use]
    pub fn by(self, factor: f64) -> Span {
        self.times(Span::exactly(factor))
    }

    /// Half way.
    pub fn middle(self) -> f64 {
        0.5 * (self.low + self.high)
    }
}

/// A training that was run dry.
#[derive(Clone, Debug)]
pub struct Training {
    /// Its name.
    pub name: String,
    /// Iterations of the real run.
    pub iterations: i64,
    /// Rows in a batch of the real run.
    pub batch_size: i64,
    /// Seconds of one real iteration.
    pub step: Span,
    /// Memory that one real step needs beyond what is there before it, in bytes; `None` where the
    /// system does not tell.
    pub memory: Option<f64>,
    /// Bytes of state that the real run holds beside a step and beyond those of now: copies, and what
    /// a dry run made small.
    pub copies: f64,
    /// What the step changes: name and description.
    pub state: Vec<(String, String)>,
}

/// How much more a step costs with a whole batch than with two rows.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// So many times the seconds.
    pub time: Span,
    /// Bytes of memory that it needs.
    pub memory: Option<f64>,
}

/// Seconds left out, by the kind of work.
type Missing = BTreeMap<&'static str, Span>;

fn total(missing: &Missing) -> Span {
    missing
        .values()
        .fold(Span::default(), |sum, s| sum.plus(*s))
}

/// Seconds of this process: those on the clock, and those of the processor.
#[derive(Clone, Copy)]
pub struct Clock {
    wall: Instant,
    processor: Option<f64>,
}

impl Clock {
    /// Now.
    pub fn start() -> Clock {
        let processor = with(|s| s.processor.map(|now| now())).flatten();
        Clock {
            wall: Instant::now(),
            processor,
        }
    }

    /// Seconds since then, without those in which other programs had the processor.
    pub fn seconds(self) -> f64 {
        let now = Clock::start();
        let wall = (now.wall - self.wall).as_secs_f64();
        now.processor
            .zip(self.processor)
            .map_or(wall, |(now, then)| wall.min((now - then).max(0.0)))
    }
}

#[derive(Default)]
struct State {
    processor: Option<fn() -> f64>,
    missing: Missing,
    probed: f64,
    trainings: Vec<Training>,
    growths: BTreeMap<String, Growth>,
    paces: BTreeMap<String, Pace>,
    /// Lengths that are cut, and what they are in the real run.
    short: BTreeSet<(i64, i64)>,
    /// Whether work was left out.
    approximate: bool,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

fn with<T>(change: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.with_borrow_mut(|state| state.as_mut().map(change))
}

/// Starts a dry run on this thread. `processor` tells the seconds of processor time that this
/// process has had, where its work is the processor's: then a busy machine does not make the
/// estimate longer.
pub fn start(processor: Option<fn() -> f64>) {
    STATE.set(Some(State {
        processor,
        ..State::default()
    }));
}

/// Whether this thread runs dry.
pub fn on() -> bool {
    STATE.with_borrow(Option::is_some)
}

/// What a dry run found.
pub struct Found {
    /// Seconds of the real run beyond what the dry run took, by the kind of work.
    pub missing: BTreeMap<&'static str, Span>,
    /// Seconds that the dry run spent on measuring alone.
    pub probed: f64,
    /// The trainings, in order.
    pub trainings: Vec<Training>,
}

/// Ends the dry run and tells what it found.
pub fn finish() -> Option<Found> {
    STATE.take().map(|s| Found {
        missing: s.missing,
        probed: s.probed,
        trainings: s.trainings,
    })
}

/// How much to do of `n`: all, or at most `to` in a dry run.
pub fn cut(n: i64, to: i64) -> i64 {
    if !on() || n <= to {
        return n;
    }
    shortened(to, n);
    with(|s| s.approximate = true);
    to
}

/// Whether a dry run has left some work out, so that the numbers of a script mean nothing.
pub fn approximate() -> bool {
    with(|s| s.approximate).unwrap_or(false)
}

/// Notes that a dry run has `here` of something of which the real run has more.
pub fn shortened(here: i64, real: i64) {
    if here < real {
        with(|s| s.short.insert((here, real)));
    }
}

/// Whether a dry run has made something as short as this, in which the real run has the entry
/// `index`.
pub fn is_short(length: i64, index: i64) -> bool {
    let fits = |real: i64| index < real && index >= -real;
    with(|s| {
        s.short
            .iter()
            .any(|(here, real)| *here == length && fits(*real))
    })
    .unwrap_or(false)
}

/// The entry of a shortened axis that stands for one which is not there.
pub fn wrapped(length: i64, index: i64) -> Option<i64> {
    (length > 0 && is_short(length, index)).then(|| index.rem_euclid(length))
}

/// Does work of which the real run does `factor` times as much. What is left out inside is counted
/// as often.
pub fn scaled<T>(what: &'static str, factor: Span, work: impl FnOnce() -> T) -> T {
    if !on() || factor == Span::exactly(1.0) {
        return work();
    }
    let (value, wall, real) = timed(work);
    let all = real.times(factor);
    add(
        what,
        Span {
            low: all.low - wall,
            high: all.high - wall,
        },
    );
    value
}

/// The same for work that is done `of` times in place of `done` times.
pub fn repeated<T>(what: &'static str, done: i64, of: i64, work: impl FnOnce() -> T) -> T {
    scaled(what, Span::exactly(of as f64 / done.max(1) as f64), work)
}

/// A loop of `n` turns. A dry run does at most `most` of them, and counts the others at the pace of
/// the quickest: the first one warms up.
pub fn turns<E>(
    what: &'static str,
    n: i64,
    most: i64,
    mut turn: impl FnMut(i64) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let done = cut(n, most);
    if done == n {
        return (0..n).try_for_each(turn);
    }
    let (mut walls, mut quickest) = (0.0, Span::exactly(f64::INFINITY));
    for i in 0..done {
        let (outcome, wall, real) = timed(|| turn(i));
        outcome?;
        walls += wall;
        if real.high < quickest.high {
            quickest = real;
        }
    }
    if done > 0 {
        let all = quickest.by(n as f64);
        add(
            what,
            Span {
                low: all.low - walls,
                high: all.high - walls,
            },
        );
    }
    Ok(())
}

/// Does work; gives its seconds here, and the seconds of the real run: what is left out inside is
/// in these, and not counted elsewhere. Seconds spent on measuring are in neither.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, f64, Span) {
    let (before, probed) = with(|s| (std::mem::take(&mut s.missing), s.probed)).unwrap_or_default();
    let clock = Clock::start();
    let value = work();
    let wall = clock.seconds();
    let (inside, now) =
        with(|s| (std::mem::replace(&mut s.missing, before), s.probed)).unwrap_or_default();
    let wall = (wall - (now - probed)).max(0.0);
    (value, wall, Span::exactly(wall).plus(total(&inside)))
}

/// Adds seconds that the real run takes and the dry run does not.
pub fn add(what: &'static str, seconds: Span) {
    with(|s| {
        let sum = s.missing.entry(what).or_default();
        *sum = sum.plus(seconds);
    });
}

/// Notes seconds spent on measuring alone; gives all of them so far.
pub fn probed(seconds: f64) -> f64 {
    with(|s| {
        s.probed += seconds;
        s.probed
    })
    .unwrap_or(0.0)
}

/// What was found for a training of the same things: how much its step grows with the batch.
pub fn growth(of: &str) -> Option<Growth> {
    with(|s| s.growths.get(of).copied()).flatten()
}

/// Notes how much a training's step grows with the batch.
pub fn note_growth(of: &str, growth: Growth) {
    with(|s| s.growths.insert(of.to_owned(), growth));
}

/// Notes a training.
pub fn note_training(training: Training) {
    with(|s| s.trainings.push(training));
}
