//! The terminal's progress bar.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::progress::{Pace, Progress, summary};

/// A bar with loss, gap, rate and the time left, for a terminal.
#[derive(Default)]
pub struct Bar(RefCell<Option<Shown>>);

struct Shown {
    bar: ProgressBar,
    changed: Instant,
    pace: Pace,
}

/// How often the numbers change: faster than that nobody reads them.
const REFRESH: Duration = Duration::from_millis(100);

impl Bar {
    /// Does something while the bar is not on the screen: printing a line, say.
    pub fn hidden_while(&self, work: impl FnOnce()) {
        match self.0.borrow().as_ref() {
            Some(shown) => shown.bar.suspend(work),
            None => work(),
        }
    }
}

impl Progress for Bar {
    fn start(&self, name: &str, total: i64) {
        let bar = ProgressBar::new(total.max(0) as u64);
        let template = "{prefix} {bar:24.cyan/dim} {pos}/{len}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(name.to_owned());
        bar.tick();
        *self.0.borrow_mut() = Some(Shown {
            bar,
            changed: Instant::now(),
            pace: Pace::from(0),
        });
    }

    fn skip(&self, done: i64) {
        if let Some(shown) = self.0.borrow_mut().as_mut() {
            shown.pace = Pace::from(done);
        }
    }

    fn update(&self, iteration: i64, values: &[(String, f64)]) {
        if let Some(Shown { bar, changed, pace }) = self.0.borrow_mut().as_mut() {
            let total = bar.length().unwrap_or(0) as i64;
            if iteration != total && changed.elapsed() < REFRESH {
                return;
            }
            *changed = Instant::now();
            bar.set_message(format!(
                "{}  {} left",
                summary(values),
                pace.left(iteration, total)
            ));
            bar.set_position(iteration.max(0) as u64);
        }
    }

    fn message(&self, text: &str) {
        match self.0.borrow().as_ref() {
            Some(shown) => shown.bar.println(text),
            None => println!("{text}"),
        }
    }

    fn finish(&self) {
        if let Some(shown) = self.0.borrow_mut().take() {
            shown.bar.abandon();
        }
    }
}
