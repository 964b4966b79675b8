//! A rehearsal (`--dry-run`): a whole script with tiny numbers, to see its mistakes, and what the real run would cost.
//!
//! Whoever owns a loop or a size asks [`cut`] how much of it to do, and says with [`scaled`] how much more the real run does.
//! The seconds that a rehearsal leaves out add up to an estimate of the run's time: lowest and highest.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

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
        Span { low: value, high: value }
    }

    fn plus(self, other: Span) -> Span {
        Span { low: self.low + other.low, high: self.high + other.high }
    }

    /// Lowest by lowest, highest by highest.
    #[must_use]
    pub fn times(self, other: Span) -> Span {
        Span { low: self.low * other.low, high: self.high * other.high }
    }
}

/// A training that was rehearsed.
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
    /// Memory that one real step needs beyond what is there before it, in bytes; `None` where the system does not tell.
    pub memory: Option<f64>,
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

#[derive(Default)]
struct State {
    missing: Span,
    probed: f64,
    parts: BTreeMap<String, f64>,
    trainings: Vec<Training>,
    growths: BTreeMap<String, Growth>,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

fn with<T>(change: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.with_borrow_mut(|state| state.as_mut().map(change))
}

/// Starts a rehearsal on this thread.
pub fn start() {
    STATE.set(Some(State::default()));
}

/// Whether this thread rehearses.
pub fn on() -> bool {
    STATE.with_borrow(Option::is_some)
}

/// What a rehearsal found.
pub struct Found {
    /// Seconds of the real run beyond what the rehearsal took.
    pub missing: Span,
    /// Seconds that the rehearsal spent on measuring alone.
    pub probed: f64,
    /// The trainings, in order.
    pub trainings: Vec<Training>,
}

/// Ends the rehearsal and tells what it found.
pub fn finish() -> Option<Found> {
    STATE.take().map(|s| Found { missing: s.missing, probed: s.probed, trainings: s.trainings })
}

/// How much to do of `n`: all, or at most `to` in a rehearsal.
pub fn cut(n: i64, to: i64) -> i64 {
    if on() { n.min(to) } else { n }
}

/// Does work of which the real run does `factor` times as much. What is left out inside is counted as often.
pub fn scaled<T>(factor: Span, work: impl FnOnce() -> T) -> T {
    if !on() || factor == Span::exactly(1.0) {
        return work();
    }
    let (value, wall, real) = timed(work);
    let all = real.times(factor);
    add(Span { low: all.low - wall, high: all.high - wall });
    value
}

/// The same for work that is done `of` times in place of `done` times.
pub fn repeated<T>(done: i64, of: i64, work: impl FnOnce() -> T) -> T {
    scaled(Span::exactly(of as f64 / done.max(1) as f64), work)
}

/// Does work; gives its seconds here, and the seconds of the real run: what is left out inside is in these, and not counted
/// elsewhere.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, f64, Span) {
    let before = with(|s| std::mem::take(&mut s.missing)).unwrap_or_default();
    let started = Instant::now();
    let value = work();
    let wall = started.elapsed().as_secs_f64();
    let inside = with(|s| std::mem::replace(&mut s.missing, before)).unwrap_or_default();
    (value, wall, Span::exactly(wall).plus(inside))
}

/// Adds seconds that the real run takes and the rehearsal does not.
pub fn add(seconds: Span) {
    with(|s| s.missing = s.missing.plus(seconds));
}

/// Notes seconds spent on measuring alone; gives all of them so far.
pub fn probed(seconds: f64) -> f64 {
    with(|s| {
        s.probed += seconds;
        s.probed
    })
    .unwrap_or(0.0)
}

/// Notes that a part of a data set was cut to one row of so many.
pub fn note_part(name: &str, factor: f64) {
    with(|s| s.parts.insert(name.to_owned(), factor));
}

/// How many rows of the real run stand behind each row of a part. Rows cost the less the more there are at a time.
pub fn rows(name: &str) -> Span {
    let factor = with(|s| s.parts.get(name).copied()).flatten().unwrap_or(1.0);
    Span { low: 1.0 + (factor - 1.0) * 0.3, high: factor }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_adds_up() {
        start();
        // 10 × (rest + 5 × inner): the inner work is done 50 times in all.
        let nap = |ms| std::thread::sleep(std::time::Duration::from_millis(ms));
        let (_, wall, real) = timed(|| {
            repeated(1, 10, || {
                nap(10);
                repeated(1, 5, || nap(10));
            });
        });
        assert!(wall >= 0.02);
        let expected = 10.0 * (0.01 + 5.0 * 0.01);
        assert!(real.low >= expected, "{real:?}");
        assert_eq!(finish().unwrap().missing, Span::default(), "timed work is counted by its caller");
        assert_eq!(cut(100, 2), 100);
    }
}
