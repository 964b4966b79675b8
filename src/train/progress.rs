//! Who is told how far a training is: nobody, or lines of text. The terminal's bar is in `bar.rs`.

use std::cell::RefCell;
use std::io::Write;
use std::time::{Duration, Instant};

/// Told about a training's progress.
pub trait Progress {
    /// A training of so many iterations starts.
    fn start(&self, name: &str, total: i64);
    /// The count goes on from here: an earlier process did so many, or the training went back. Its
    /// pace is measured anew.
    fn skip(&self, done: i64);
    /// An iteration is done; these are its numbers.
    fn update(&self, iteration: i64, values: &[(String, f64)]);
    /// Something worth a line of its own: a validation, a divergence.
    fn message(&self, text: &str);
    /// The training is over, well or not.
    fn finish(&self);
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _name: &str, _total: i64) {}
    fn skip(&self, _done: i64) {}
    fn update(&self, _iteration: i64, _values: &[(String, f64)]) {}
    fn message(&self, _text: &str) {}
    fn finish(&self) {}
}

/// Plain lines, not more than one in a while: for logs, pipes and notebooks.
pub struct Lines(RefCell<State>);

struct State {
    out: Box<dyn Write>,
    /// The least time between two lines.
    pause: Duration,
    name: String,
    total: i64,
    pace: Pace,
    last: Instant,
}

impl Lines {
    /// Lines on the standard output, at most one in `pause`.
    pub fn new(pause: Duration) -> Lines {
        Lines::to(Box::new(std::io::stdout()), pause)
    }

    /// Lines to anywhere.
    pub fn to(out: Box<dyn Write>, pause: Duration) -> Lines {
        let now = Instant::now();
        Lines(RefCell::new(State {
            out,
            pause,
            name: String::new(),
            total: 0,
            pace: Pace::from(0),
            last: now,
        }))
    }
}

impl State {
    fn say(&mut self, text: &str) {
        // Nobody reads any more: that is no reason to end a training.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        self.last = Instant::now();
    }
}

impl Progress for Lines {
    fn start(&self, name: &str, total: i64) {
        let mut state = self.0.borrow_mut();
        (state.name, state.total, state.pace) = (name.to_owned(), total, Pace::from(0));
        state.say(&format!("{name}: {total} iterations"));
    }

    fn skip(&self, done: i64) {
        self.0.borrow_mut().pace = Pace::from(done);
    }

    fn update(&self, iteration: i64, values: &[(String, f64)]) {
        let mut state = self.0.borrow_mut();
        if iteration != state.total && state.last.elapsed() < state.pause {
            return;
        }
        let width = state.total.to_string().len();
        let line = format!(
            "{}: {iteration:>width$}/{}  {}  {} left",
            state.name,
            state.total,
            summary(values),
            state.pace.left(iteration, state.total)
        );
        state.say(&line);
    }

    fn message(&self, text: &str) {
        let mut state = self.0.borrow_mut();
        let line = format!("{}: {text}", state.name);
        state.say(&line);
    }

    fn finish(&self) {}
}

/// How fast iterations pass, since a training began, went on or went back.
pub(crate) struct Pace {
    started: Instant,
    from: i64,
}

impl Pace {
    /// Measured from now on, after so many iterations.
    pub(crate) fn from(done: i64) -> Pace {
        Pace {
            started: Instant::now(),
            from: done,
        }
    }

    /// The time that is left after an iteration: `1:05`.
    pub(crate) fn left(&self, iteration: i64, total: i64) -> String {
        let each = self.started.elapsed().as_secs_f64() / (iteration - self.from).max(1) as f64;
        clock((each * (total - iteration).max(0) as f64).round())
    }
}

/// The numbers that tell most, under the names by which people know them.
const SHOWN: [(&str, &str); 5] = [
    ("total", "loss"),
    ("loss", "loss"),
    ("gap", "gap"),
    ("accuracy", "accuracy"),
    ("lr", "lr"),
];

/// The most telling numbers of an iteration in a few words; the first three where none is known.
pub(crate) fn summary(values: &[(String, f64)]) -> String {
    let known = SHOWN.iter().filter_map(|(key, shown)| {
        let (_, value) = values.iter().find(|(n, _)| n == key)?;
        Some(format!("{shown} {}", short(*value)))
    });
    let known: Vec<String> = known.collect();
    if known.is_empty() {
        values
            .iter()
            .take(3)
            .map(|(n, v)| format!("{n} {}", short(*v)))
            .collect::<Vec<_>>()
            .join("  ")
    } else {
        known.join("  ")
    }
}

/// A number in four digits or so.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        a if !a.is_finite() => value.to_string(),
        a if !(1e-3..1e5).contains(&a) => format!("{value:.2e}"),
        a if a >= 100.0 => format!("{value:.1}"),
        a if a >= 1.0 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// Seconds as `1:02:03` or `2:03`.
pub(crate) fn clock(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        let shown: Vec<String> = [0.0, 1e-4, 0.98765, 2.5, 123.456, 1e6, f64::NAN]
            .map(short)
            .to_vec();
        assert_eq!(
            shown,
            ["0", "1.00e-4", "0.9877", "2.500", "123.5", "1.00e6", "NaN"]
        );
        assert_eq!(
            [0.0, 83.0, 3723.0].map(clock).to_vec(),
            ["0:00", "1:23", "1:02:03"]
        );
    }

    #[test]
    fn known_names_come_first() {
        let values = [("ce", 0.5), ("gap", -1.0), ("total", 2.0)].map(|(n, v)| (n.to_owned(), v));
        assert_eq!(summary(&values), "loss 2.000  gap -1.000");
        assert_eq!(summary(&values[..1]), "ce 0.5000");
    }
}
