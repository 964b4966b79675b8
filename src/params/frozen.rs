//! Statistics that layers gather as batches pass, frozen: a look at a training (its validation, its
//! samples) leaves the running means of batch norm and the vectors of spectral norm as they are,
//! whatever mode the network is in.

use std::cell::Cell;

thread_local! {
    /// Whether layers in training mode compute as they do, and keep nothing of it.
    pub(crate) static FROZEN: Cell<bool> = const { Cell::new(false) };
}

/// Whether layers gather nothing at present.
pub(crate) fn frozen() -> bool {
    FROZEN.get()
}

/// Freezes them until it is dropped: then all is as it was.
pub(crate) struct StatisticsFrozen(bool);

impl StatisticsFrozen {
    pub(crate) fn begin() -> StatisticsFrozen {
        StatisticsFrozen(FROZEN.replace(true))
    }
}

impl Drop for StatisticsFrozen {
    fn drop(&mut self) {
        FROZEN.set(self.0);
    }
}
