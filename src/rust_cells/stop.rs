//! The Stop button of a Rust notebook. The kernel's launcher ignores SIGINT for evcxr and lets it
//! through to its child, in which cells run.

use std::sync::Once;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

use crate::interrupt;

/// What the process returns when a second Stop ended it, as shells have it.
const INTERRUPTED: i32 = 130;
/// Stops that come so soon after the first are that one: a double click is no wish to lose all
/// variables.
const SAME: Duration = Duration::from_secs(1);

/// From now on the first Stop asks all loops of the cell that runs to end, and a later one ends the
/// process. The kernel calls this when it starts, and [`Session::new`](super::Session::new) where
/// that was not so.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Ok(mut signals) = Signals::new([SIGINT]) else { return };
        std::thread::spawn(move || {
            loop {
                if signals.wait().count() == 0 || between_cells() {
                    continue;
                }
                interrupt::request();
                let first = Instant::now();
                println!("stopping after this step; another Stop in a second or later ends the process, and with it all variables");
                // The request is for this cell: the next one must not find it.
                while !between_cells() {
                    if signals.pending().count() > 0 && first.elapsed() >= SAME {
                        println!("stopped for good: all variables are lost");
                        std::process::exit(INTERRUPTED);
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                interrupt::clear();
            }
        });
    });
}

/// Whether the main thread waits for the next cell: it reads (system call 0) from the standard
/// input (file 0).
fn between_cells() -> bool {
    std::fs::read_to_string("/proc/self/syscall").is_ok_and(|call| call.starts_with("0 0x0 "))
}
