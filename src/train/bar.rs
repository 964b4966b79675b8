//! The terminal's progress bar.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::progress::{Progress, clock, summary};

/// A bar with loss, gap, rate and the time left, for a terminal.
#[derive(Default)]
pub struct Bar(RefCell<Option<(ProgressBar, Instant)>>);

/// How often the numbers change: faster than that nobody reads them.
const REFRESH: Duration = Duration::from_millis(100);

impl Bar {
    /// Does something while the bar is not on the screen: printing a line, say.
    pub fn hidden_while(&self, work: impl FnOnce()) {
        match self.0.borrow().as_ref() {
            Some((bar, _)) => bar.suspend(work),
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
        *self.0.borrow_mut() = Some((bar, Instant::now()));
    }

    fn update(&self, iteration: i64, values: &[(String, f64)]) {
        if let Some((bar, shown)) = self.0.borrow_mut().as_mut() {
            let total = bar.length().unwrap_or(0) as i64;
            if iteration != total && shown.elapsed() < REFRESH {
                return;
            }
            *shown = Instant::now();
            let left = bar.elapsed().as_secs_f64() / iteration.max(1) as f64 * (total - iteration).max(0) as f64;
            bar.set_message(format!("{}  {} left", summary(values), clock(left.round())));
            bar.set_position(iteration.max(0) as u64);
        }
    }

    fn message(&self, text: &str) {
        match self.0.borrow().as_ref() {
            Some((bar, _)) => bar.println(text),
            None => println!("{text}"),
        }
    }

    fn finish(&self) {
        if let Some((bar, _)) = self.0.borrow_mut().take() {
            bar.abandon();
        }
    }
}
