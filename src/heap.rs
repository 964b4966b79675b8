//! Two things about memory. [`keep`]: what libtorch frees is kept for its next tensors. And how much
//! memory the program's own values take: those of scripts (arrays, maps, texts), not
//! tensors, which libtorch keeps and which fail one by one where there is no more. Rust ends a
//! program whose own memory runs out; so it is counted, and a script is stopped before.

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
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::sync::Once;

        unsafe extern "C" {
            fn mallopt(parameter: i32, value: i32) -> i32;
        }
        // From glibc's malloc.h; both are its public interface.
        const TRIM_THRESHOLD: i32 = -1;
        const MMAP_THRESHOLD: i32 = -3;
        static ONCE: Once = Once::new();
        // Safety: it changes numbers of the allocator, under the allocator's own lock.
        ONCE.call_once(|| unsafe {
            mallopt(MMAP_THRESHOLD, 32 << 20);
            mallopt(TRIM_THRESHOLD, 1 << 30);
        });
    }
}
