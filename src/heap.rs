//! Two things about memory. [`keep`]: what libtorch frees is kept for its next tensors, and
//! [`keeping_nothing`] lets go of it where memory is measured. And how much memory the program's own
//! values take: those of scripts (arrays, maps, texts), not tensors, which libtorch keeps and which
//! fail one by one where there is no more. Rust ends a program whose own memory runs out; so it is
//! counted, and a script is stopped before.

#![allow(unsafe_code)] // An allocator is asked by raw pointers; all of them are handed on as they are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static BYTES: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator, counted. The program installs it; as a library, nothing is counted and
/// nothing is limited.
pub struct Counted;

// Safety: every call goes to the system's allocator with the arguments that came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.fetch_add(size, Ordering::Relaxed);
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The most bytes that scripts' values may take.
pub fn limit(bytes: u64) {
    MOST.store(
        usize::try_from(bytes).unwrap_or(usize::MAX),
        Ordering::Relaxed,
    );
}

/// The limit, where it is passed.
pub fn exceeded() -> Option<usize> {
    let most = MOST.load(Ordering::Relaxed);
    (BYTES.load(Ordering::Relaxed) > most).then_some(most)
}

/// Lets the C allocator, from which libtorch has its tensors, keep the memory that it has.
///
/// A training asks for the same sizes in every step. glibc gives large blocks back to the system
/// and asks for them again, and the system clears each page anew: up to a third of an iteration's
/// time. So blocks of up to 32 MB come from the heap, and the heap is trimmed only when a gigabyte
/// at its end is free.
pub fn keep() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(keep_freed);
}

fn keep_freed() {
    thresholds(32 << 20, 1 << 30);
}

/// Does something while the allocator keeps nothing: what it frees goes back to the system, and so what the
/// process has is what is in use, and its peak is what was needed.
pub(crate) fn keeping_nothing<T>(work: impl FnOnce() -> T) -> T {
    give_back();
    thresholds(64 << 10, 64 << 10);
    let done = work();
    keep_freed();
    done
}

/// From how many bytes a block is asked of the system by itself, and how many free ones at the heap's end stay.
fn thresholds(_own: i32, _kept: i32) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn mallopt(parameter: i32, value: i32) -> i32;
        }
        // From glibc's malloc.h; both are its public interface.
        const TRIM_THRESHOLD: i32 = -1;
        const MMAP_THRESHOLD: i32 = -3;
        // Safety: it changes numbers of the allocator, under the allocator's own lock.
        unsafe {
            mallopt(MMAP_THRESHOLD, _own);
            mallopt(TRIM_THRESHOLD, _kept);
        }
    }
}

/// Gives the free memory that the allocator keeps back to the system.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> i32;
        }
        // Safety: it only lets go of what is free, under the allocator's own lock.
        unsafe { malloc_trim(0) };
    }
}
