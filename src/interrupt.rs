//! The flag that Ctrl-C sets and that every long loop polls.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Asks every running loop to stop at its next step.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Forgets a request: called before a new script or cell starts.
pub fn clear() {
    REQUESTED.store(false, Ordering::SeqCst);
}

/// Whether a stop was asked for.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// An error if a stop was asked for; loops call it once a step.
pub fn poll() -> Result<()> {
    if requested() { Err(Error::new(ErrorKind::Interrupted, "interrupted")) } else { Ok(()) }
}
