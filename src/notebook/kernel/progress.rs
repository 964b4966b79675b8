//! A training as a notebook shows it: one line that changes in place, and below it its curves.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::message::{Outbox, Stream};
use super::output::Place;
use crate::display::Rich;
use crate::plot::{CurveOptions, Line, curve};
use crate::train::{Pace, Progress, clock, summary};

/// The least time between two updates of the line.
const LINE: Duration = Duration::from_millis(250);
/// The least time between two drawings of the curves, and before the first.
const CURVES: Duration = Duration::from_secs(4);
/// Points that a curve keeps: at twice as many every other one goes.
const POINTS: usize = 400;
/// Curves that are drawn.
const MOST: usize = 5;
/// What is not drawn: settings, and quantities of another scale, beside which the others would be
/// flat lines.
const APART: [&str; 5] = [
    "lr",
    "grad_norm",
    "sampler_grad_norm",
    "at_clamp",
    "e_noise",
];

/// The progress of one training.
pub struct Live {
    out: Outbox,
    curves: Rc<RefCell<Place>>,
    state: RefCell<Option<State>>,
}

struct State {
    line: Place,
    curves: Rc<RefCell<Place>>,
    name: String,
    total: i64,
    iteration: i64,
    values: Vec<(String, f64)>,
    started: Instant,
    pace: Pace,
    line_shown: Instant,
    curves_shown: Instant,
    series: Series,
}

impl Live {
    /// The progress of a training whose output goes there, with its curves in a place of their own.
    pub fn new(out: &Outbox, curves: Rc<RefCell<Place>>) -> Live {
        Live {
            out: out.clone(),
            curves,
            state: RefCell::default(),
        }
    }
}

impl Progress for Live {
    fn start(&self, name: &str, total: i64) {
        let now = Instant::now();
        let mut state = State {
            line: Place::new(&self.out),
            curves: self.curves.clone(),
            name: name.to_owned(),
            total,
            iteration: 0,
            values: Vec::new(),
            started: now,
            pace: Pace::from(0),
            line_shown: now,
            curves_shown: now,
            series: Series::default(),
        };
        state.show_line(false);
        *self.state.borrow_mut() = Some(state);
    }

    fn skip(&self, done: i64) {
        if let Some(state) = self.state.borrow_mut().as_mut() {
            state.pace = Pace::from(done);
        }
    }

    fn update(&self, iteration: i64, values: &[(String, f64)]) {
        if let Some(state) = self.state.borrow_mut().as_mut() {
            state.update(iteration, values);
        }
    }

    fn message(&self, text: &str) {
        self.out.text(Stream::Out, format!("{text}\n"));
    }

    fn finish(&self) {
        if let Some(mut state) = self.state.borrow_mut().take() {
            state.show_line(true);
            state.show_curves();
        }
    }
}

impl State {
    fn update(&mut self, iteration: i64, values: &[(String, f64)]) {
        self.iteration = iteration;
        self.series.add(iteration, values);
        if self.line_shown.elapsed() >= LINE {
            self.values = values.to_vec();
            self.show_line(false);
            if self.curves_shown.elapsed() >= CURVES {
                self.show_curves();
            }
        } else {
            // The last line shows the last numbers.
            self.values.clear();
            self.values.extend_from_slice(values);
        }
    }

    fn show_line(&mut self, over: bool) {
        self.line_shown = Instant::now();
        let (done, total) = (self.iteration, self.total);
        let spent = self.started.elapsed().as_secs_f64();
        let time = match (over, done) {
            (true, _) if done < total => format!("stopped after {}", clock(spent)),
            (true, _) => format!("done in {}", clock(spent)),
            (false, 0) => "starting".to_owned(),
            (false, _) => format!("{} left", self.pace.left(done, total)),
        };
        let text = format!(
            "{}: {done}/{total}  {}  {time}",
            self.name,
            summary(&self.values)
        );
        let html = format!(
            "<div style=\"font-family:monospace;white-space:pre\"><progress value=\"{done}\" max=\"{}\" \
             style=\"vertical-align:middle\"></progress> {}</div>",
            total.max(1),
            crate::display::escaped(&text)
        );
        self.line.show(&Rich {
            text,
            html: Some(html),
            ..Rich::default()
        });
    }

    fn show_curves(&mut self) {
        self.curves_shown = Instant::now();
        let lines = self.series.lines();
        let options = CurveOptions {
            title: self.name.clone(),
            x_label: "iteration".to_owned(),
            width: 640,
            height: 320,
            ..CurveOptions::default()
        };
        if let Some(picture) = Some(lines)
            .filter(|l| !l.is_empty())
            .and_then(|l| curve(&l, &options).ok())
        {
            self.curves.borrow_mut().show(&Rich::from(&picture));
        }
    }
}

/// The numbers of a training, thinned out as they become many.
#[derive(Default)]
struct Series {
    names: Vec<String>,
    rows: Vec<(i64, Vec<f64>)>,
    /// One in so many iterations is kept.
    every: usize,
    seen: usize,
}

impl Series {
    fn add(&mut self, iteration: i64, values: &[(String, f64)]) {
        if self.names.is_empty() {
            self.names = values.iter().map(|(n, _)| n.clone()).collect();
            self.every = 1;
        }
        self.seen += 1;
        if !(self.seen - 1).is_multiple_of(self.every.max(1)) {
            return;
        }
        let of = |name: &String| {
            values
                .iter()
                .find(|(n, _)| n == name)
                .map_or(f64::NAN, |(_, v)| *v)
        };
        self.rows
            .push((iteration, self.names.iter().map(of).collect()));
        if self.rows.len() >= 2 * POINTS {
            let mut keep = false;
            self.rows.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2;
        }
    }

    /// The curves that say something: those that change. None before there are two points.
    fn lines(&self) -> Vec<Line> {
        if self.rows.len() < 2 {
            return Vec::new();
        }
        let line = |(i, name): (usize, &String)| {
            let values: Vec<f64> = self.rows.iter().map(|r| r.1[i]).collect();
            let changes = values.iter().any(|v| v.is_finite() && *v != values[0]);
            changes.then(|| Line::new(name, self.rows.iter().map(|r| r.0 as f64).collect(), values))
        };
        self.names
            .iter()
            .enumerate()
            .filter(|(_, n)| !APART.contains(&n.as_str()))
            .filter_map(line)
            .take(MOST)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_thinned_and_keep_their_span() {
        let mut series = Series::default();
        for i in 1..=10_000 {
            series.add(
                i,
                &[
                    ("loss".to_owned(), i as f64),
                    ("lr".to_owned(), i as f64),
                    ("same".to_owned(), 1.0),
                ],
            );
        }
        let lines = series.lines();
        assert_eq!(
            lines.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(),
            ["loss"]
        );
        assert!(
            lines[0].x.len() < 2 * POINTS && lines[0].x.len() >= POINTS / 2,
            "{}",
            lines[0].x.len()
        );
        assert!(lines[0].x[0] == 1.0 && *lines[0].x.last().unwrap_or(&0.0) > 9_900.0);
        assert_eq!(lines[0].x, lines[0].y);
        assert!(Series::default().lines().is_empty());
    }
}
