//! The notebook as an output: lines become streams, values become displays, and what has a slot is
//! updated in place.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::json;

use super::message::{Outbox, Stream, data};
use super::progress::Live;
use crate::display::{Output, Rich};
use crate::train::Progress;

/// The output of a kernel's session.
pub struct Notebook {
    out: Outbox,
    /// The slots of the cell that runs, by name. A cell that runs again has its output cleared, so
    /// each run has its own.
    slots: RefCell<HashMap<String, Place>>,
    /// Where the curves of the cell's trainings stand: those of the latest one, so that a loop over
    /// trainings stays readable.
    curves: RefCell<Rc<RefCell<Place>>>,
}

impl Notebook {
    /// An output that sends all it gets.
    pub fn new(out: Outbox) -> Notebook {
        let curves = RefCell::new(Rc::new(RefCell::new(Place::new(&out))));
        Notebook {
            out,
            slots: RefCell::default(),
            curves,
        }
    }

    /// A cell begins.
    pub fn begin(&self) {
        self.slots.borrow_mut().clear();
        *self.curves.borrow_mut() = Rc::new(RefCell::new(Place::new(&self.out)));
    }
}

impl Output for Notebook {
    fn print(&self, text: &str) {
        self.out.text(Stream::Out, format!("{text}\n"));
    }

    fn display(&self, value: &Rich) {
        self.out.publish(
            "display_data",
            json!({ "data": data(value), "metadata": {}, "transient": {} }),
        );
    }

    fn update(&self, slot: &str, value: &Rich) {
        let mut slots = self.slots.borrow_mut();
        slots
            .entry(slot.to_owned())
            .or_insert_with(|| Place::new(&self.out))
            .show(value);
    }

    fn progress(&self) -> Rc<dyn Progress> {
        Rc::new(Live::new(&self.out, self.curves.borrow().clone()))
    }
}

/// A display that can be replaced.
pub struct Place {
    out: Outbox,
    id: String,
    shown: bool,
}

impl Place {
    /// A place that comes to be with the first value shown in it.
    pub fn new(out: &Outbox) -> Place {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        // Outputs of an earlier kernel may still stand in the notebook: the process tells them
        // apart.
        Place {
            out: out.clone(),
            id: format!("jemscript-{}-{n}", std::process::id()),
            shown: false,
        }
    }

    /// Shows a value here, in place of the one before.
    pub fn show(&mut self, value: &Rich) {
        let kind = if self.shown {
            "update_display_data"
        } else {
            "display_data"
        };
        self.shown = true;
        let content =
            json!({ "data": data(value), "metadata": {}, "transient": { "display_id": self.id } });
        self.out.publish(kind, content);
    }
}
