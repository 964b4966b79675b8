//! How everything reaches the user: printed lines, values in their richest form, the progress of a
//! training.
//!
//! [`Output`] is the one way out. A terminal, a Jupyter kernel, a Rust notebook each implement it;
//! a script, and the code that runs it, never know which of them they talk to.

#[cfg(feature = "evcxr")]
pub mod evcxr;
mod html;
mod judged;
mod rich;

use std::rc::Rc;

#[cfg(feature = "script")]
pub(crate) use html::{escaped, pairs, rows};
pub use rich::Rich;
#[cfg(feature = "script")]
pub(crate) use rich::of_rich;

use crate::train::{Progress, Silent};

/// Where everything goes that a script shows.
pub trait Output {
    /// A printed line, or several.
    fn print(&self, text: &str);

    /// A value. A place that shows no pictures takes its text.
    fn display(&self, value: &Rich) {
        self.print(&value.text);
    }

    /// A value in a named slot: it takes the place of what was shown there before, where the output
    /// can do that.
    fn update(&self, _slot: &str, value: &Rich) {
        self.display(value);
    }

    /// Who is told of the progress of the next training. It may call for updates in place.
    fn progress(&self) -> Rc<dyn Progress> {
        Rc::new(Silent)
    }
}

/// Lines on the standard output, and no progress.
pub struct Plain;

impl Output for Plain {
    fn print(&self, text: &str) {
        println!("{text}");
    }
}

struct Lines<F>(F);

impl<F: Fn(&str)> Output for Lines<F> {
    fn print(&self, text: &str) {
        (self.0)(text);
    }
}

/// An output that hands each text to a function.
pub fn lines(to: impl Fn(&str) + 'static) -> Rc<dyn Output> {
    Rc::new(Lines(to))
}
