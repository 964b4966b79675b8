//! Threads that share the calls of one block, where there are more threads than blocks: sixteen images, or a wide
//! network on a machine of many cores.

#![allow(unsafe_code)] // Parts of a call share pointers.

use super::kernel::LANES;

/// Multiply-adds below which a part is done before another thread has taken it over.
const LEAST: usize = 4_000_000;

/// How many threads there are for the calls of a block.
#[derive(Clone, Copy)]
pub(super) struct Team(usize);

impl Team {
    /// A thread by itself.
    pub(super) const ONE: Team = Team(1);

    /// The team of each of some blocks. Where blocks share the threads out evenly, or are many, each has but one.
    pub(super) fn of(threads: usize, blocks: usize) -> Team {
        let even = blocks.is_multiple_of(threads) || blocks >= 4 * threads;
        Team(if even { 1 } else { threads })
    }

    /// Into how many parts a call of so many multiply-adds an image is worth dividing.
    pub(super) fn parts(self, work: usize) -> usize {
        (work * LANES / LEAST).clamp(1, self.0)
    }
}

/// Does all parts of something, on threads of the pool that this one belongs to.
pub(super) fn each_part(parts: usize, work: impl Fn(usize) + Sync) {
    if parts < 2 {
        return work(0);
    }
    rayon::scope(|scope| {
        let work = &work;
        (1..parts).for_each(|part| scope.spawn(move |_| work(part)));
        work(0);
    });
}

/// Where part `part` of `parts` begins in `n` things: as `begin` in `kernels/linear.h`.
pub(super) fn begin(part: usize, parts: usize, n: usize) -> usize {
    part * n / parts
}

/// What the parts of a call share.
pub(super) struct Shared<P>(P);

// Safety: what a part writes no other part reads or writes; the kernels see to that.
unsafe impl<P> Sync for Shared<P> {}

impl<P: Copy> Shared<P> {
    pub(super) fn of(pointers: P) -> Shared<P> {
        Shared(pointers)
    }

    pub(super) fn get(&self) -> P {
        self.0
    }
}
