//! What a training step wants logged, from wherever it is known.
//!
//! An optimiser knows the norm of the gradient, the replay buffer that of the sampler's: they note
//! it here, and the training loop takes what was noted. Without a loop nobody listens and noting
//! costs nothing. Values stay tensors on their device; the loop reads them all at once.

use std::cell::RefCell;

use crate::tensor::Tensor;

thread_local! {
    static NOTES: RefCell<Option<Vec<(String, Tensor)>>> = const { RefCell::new(None) };
    static CHAIN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes how scores of chains are computed, for the run's events.
pub fn note_chain(path: impl FnOnce() -> String) {
    if listening() {
        CHAIN.set(Some(path()));
    }
}

/// What was noted of chains since the last time.
pub fn take_chain() -> Option<String> {
    CHAIN.take()
}

/// Starts listening; what was noted before is forgotten.
pub fn listen() {
    NOTES.with_borrow_mut(|n| *n = Some(Vec::new()));
}

/// Whether someone listens: costly observations ask first.
pub fn listening() -> bool {
    NOTES.with_borrow(Option::is_some)
}

/// Notes a single number under a name. Noted twice, the last one counts.
pub fn note(name: &str, value: &Tensor) {
    NOTES.with_borrow_mut(|notes| {
        if let Some(list) = notes {
            let value = value.detach();
            match list.iter_mut().find(|(n, _)| n == name) {
                Some(entry) => entry.1 = value,
                None => list.push((name.to_owned(), value)),
            }
        }
    });
}

/// Stops listening and gives what was noted.
pub fn take() -> Vec<(String, Tensor)> {
    NOTES.with_borrow_mut(Option::take).unwrap_or_default()
}
