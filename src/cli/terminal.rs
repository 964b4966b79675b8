//! The terminal as an output: lines, and a bar below them while something trains.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::blocks::blocks;
use crate::display::{Output, Rich};
use crate::train::{Bar, Lines, Progress, Silent};

/// Below a picture, a text of more lines than these is cut to its first.
const BESIDE: usize = 12;

/// A terminal, or what stands in its place: a pipe, a log.
pub struct Terminal {
    quiet: bool,
    pictures: bool,
    /// The bar of the training that runs.
    bar: RefCell<Weak<Bar>>,
}

impl Terminal {
    /// A terminal; a quiet one shows no progress.
    pub fn new(quiet: bool) -> Terminal {
        let colours = std::env::var("COLORTERM").is_ok_and(|c| c == "truecolor" || c == "24bit");
        let pictures =
            colours && std::env::var_os("NO_COLOR").is_none() && std::io::stdout().is_terminal();
        Terminal {
            quiet,
            pictures,
            bar: RefCell::default(),
        }
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

    /// With its picture, where the terminal says that it shows all colours.
    fn display(&self, value: &Rich) {
        let picture = value
            .png
            .as_ref()
            .filter(|_| self.pictures)
            .and_then(|png| blocks(png));
        let Some(picture) = picture else {
            return self.print(&value.text);
        };
        self.print(&picture);
        // The numbers of a large tensor would push its picture off the screen.
        let few = value.text.lines().count() <= BESIDE;
        self.print(if few {
            &value.text
        } else {
            value.text.lines().next().unwrap_or_default()
        });
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
