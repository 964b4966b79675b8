//! The Stop button of a Rust notebook. The kernel's launcher ignores SIGINT for evcxr and lets it through to its child, in
//! which cells run.

use std::sync::Once;
use std::time::Duration;

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

use crate::interrupt;

/// What the process returns when a second Stop ended it, as shells have it.
const INTERRUPTED: i32 = 130;

/// From now on the first Stop asks all loops of the cell that runs to end, and the second one ends the process.
pub(super) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Ok(mut signals) = Signals::new([SIGINT]) else { return };
        std::thread::spawn(move || {
            loop {
                if signals.wait().count() == 0 || between_cells() {
                    continue;
                }
                interrupt::request();
                println!("stopping after this step; a second Stop ends the process, and with it all variables");
                // The request is for this cell: the next one must not find it.
                while !between_cells() {
                    if signals.pending().count() > 0 {
                        std::process::exit(INTERRUPTED);
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                interrupt::clear();
            }
        });
    });
}

/// Whether the main thread waits for the next cell: it reads (system call 0) from the standard input (file 0).
fn between_cells() -> bool {
    std::fs::read_to_string("/proc/self/syscall").is_ok_and(|call| call.starts_with("0 0x0 "))
}
