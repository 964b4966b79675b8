//! The terminal as an output: lines, and a bar below them while something trains.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::display::Output;
use crate::train::{Bar, Lines, Progress, Silent};

/// A terminal, or what stands in its place: a pipe, a log.
pub struct Terminal {
    quiet: bool,
    /// The bar of the training that runs.
    bar: RefCell<Weak<Bar>>,
}

impl Terminal {
    /// A terminal; a quiet one shows no progress.
    pub fn new(quiet: bool) -> Terminal {
        Terminal { quiet, bar: RefCell::default() }
    }
}

impl Output for Terminal {
    fn print(&self, text: &str) {
        match self.bar.borrow().upgrade() {
            // Else the line would be written into the bar.
            Some(bar) => bar.hidden_while(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    /// A bar in a terminal, lines elsewhere.
    fn progress(&self) -> Rc<dyn Progress> {
        if self.quiet {
            return Rc::new(Silent);
        }
        if !std::io::stderr().is_terminal() {
            return Rc::new(Lines::new(Duration::from_secs(10)));
        }
        let bar = Rc::new(Bar::default());
        *self.bar.borrow_mut() = Rc::downgrade(&bar);
        bar
    }
}
