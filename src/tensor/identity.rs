//! Which tensor a handle holds.

#![allow(unsafe_code)] // one look at a foreign object

use super::Tensor;

impl Tensor {
    /// What all handles of one tensor share, as long as one of them lives: it stays what it is where
    /// the values, their place in memory or their type change.
    pub(crate) fn identity(&self) -> usize {
        // Safety: an `at::Tensor` is one pointer to what its copies share, and this one lives.
        unsafe { *self.0.as_ptr().cast::<usize>() }
    }
}
