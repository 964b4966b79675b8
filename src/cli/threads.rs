//! How libtorch's threads share the machine with other programs.
//!
//! Its threads (OpenMP's, of GNU's libgomp) wait for each other by spinning. Where other programs
//! want the cores, a thread that spins keeps the one that it waits for from running: measured, a
//! training beside two busy programs on two cores then takes six times as long as on one thread.
//! Waiting that sleeps costs next to nothing on an idle machine, and is never slower than one
//! thread by much. libgomp reads how to wait when it is loaded, before `main`: so the program
//! starts itself once more, told.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Either of these says that the user has chosen.
const CHOSEN: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];

/// Starts the program again with threads that sleep while they wait, where nobody has chosen and
/// there is more than one core. Comes back where that is not needed, or not possible.
pub(super) fn wait_by_sleeping() {
    if CHOSEN.iter().any(|name| std::env::var_os(name).is_some()) || cores() < 2 {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    // Only an error comes back from here: then the threads spin, as they would have.
    let _ = Command::new(program)
        .arg0(name)
        .args(arguments)
        .env(CHOSEN[0], "passive")
        .exec();
}

/// How many threads libtorch has unless told otherwise: its own choice, but no more than this
/// process may use. It does not know of a container's quota.
pub(super) fn within_quota() {
    let (chosen, most) = (tch::get_num_threads(), cores() as i32);
    if chosen > most && std::env::var_os("OMP_NUM_THREADS").is_none() {
        tch::set_num_threads(most);
    }
}

/// Cores that this process may use: affinity and control groups count.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
