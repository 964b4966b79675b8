//! The flag that Ctrl-C sets and that every long loop polls.
//!
//! A training step must end whole, or its state could not be kept: while one runs, the first
//! request waits ([`defer`]), a second one breaks into it.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, ErrorKind, Result};

static REQUESTS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static DEFERRED: Cell<u32> = const { Cell::new(0) };
}

/// Asks every running loop to stop at its next step; asked twice, it also stops inside a training
/// step.
pub fn request() {
    REQUESTS.fetch_add(1, Ordering::SeqCst);
}

/// Forgets a request: called before a new script or cell starts.
pub fn clear() {
    REQUESTS.store(0, Ordering::SeqCst);
}

/// Whether a stop was asked for, deferred or not.
pub fn asked() -> bool {
    REQUESTS.load(Ordering::Relaxed) > 0
}

/// Whether to stop now.
pub fn requested() -> bool {
    match REQUESTS.load(Ordering::Relaxed) {
        0 => false,
        1 => DEFERRED.get() == 0,
        _ => true,
    }
}

/// An error if it is time to stop; loops call it once a step.
pub fn poll() -> Result<()> {
    if requested() {
        Err(Error::new(ErrorKind::Interrupted, "interrupted"))
    } else {
        Ok(())
    }
}

/// While this lives, a first request waits.
pub struct Deferred(());

/// Lets what follows on this thread end before a first request counts.
pub fn defer() -> Deferred {
    DEFERRED.set(DEFERRED.get() + 1);
    Deferred(())
}

impl Drop for Deferred {
    fn drop(&mut self) {
        DEFERRED.set(DEFERRED.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_request_waits_and_a_second_does_not() {
        clear();
        let deferred = defer();
        request();
        assert!(asked() && !requested() && poll().is_ok());
        request();
        assert!(requested() && poll().is_err());
        clear();
        request();
        drop(deferred);
        assert!(requested());
        clear();
        assert!(!asked());
    }
}
