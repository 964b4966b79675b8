//! What a run may take at most: memory and time.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::interrupt;
use crate::tensor::default_device;

const GIB: f64 = (1u64 << 30) as f64;

/// Sets the limits of this process. Memory that is not there becomes a clear error of the tensor
/// that asked for it, in place of a process that the system kills.
pub fn apply(max_memory: Option<f64>, max_time: Option<Duration>) -> Result<()> {
    let bytes = match max_memory {
        Some(gib) if gib.is_finite() && gib > 0.0 => Some((gib * GIB) as u64),
        Some(gib) => {
            return Err(Error::argument(format!(
                "--max-memory must be a positive number of GiB, got {gib}"
            )));
        }
        // CUDA maps more address space than there is memory.
        None => machine_memory().filter(|_| default_device() == tch::Device::Cpu),
    };
    if let Some(bytes) = bytes
        && let Ok((soft, hard)) = rlimit::Resource::DATA.get()
    {
        let own = own_memory();
        if max_memory.is_some() && bytes < own + ROOM {
            return Err(Error::argument(format!(
                "--max-memory: the program itself takes {:.1} GiB; it needs {:.1} at least",
                own as f64 / GIB,
                (own + ROOM) as f64 / GIB
            )));
        }
        // What scripts keep themselves: half of what there is beside the program; tensors have the
        // rest.
        crate::heap::limit(bytes.min(soft).saturating_sub(own) / 2);
        // The least limit wins; where the system refuses, the run goes on without.
        let _ = rlimit::Resource::DATA.set(bytes.min(soft), hard);
    }
    if let Some(time) = max_time {
        std::thread::spawn(move || {
            std::thread::sleep(time);
            if super::ranks::is_first() {
                eprintln!("\n--max-time is over: stopping after this step");
            }
            if !interrupt::asked() {
                interrupt::request();
            }
        });
    }
    Ok(())
}

/// With less than this beside the program itself, its own small values have no room.
const ROOM: u64 = 1 << 28;

/// The memory that counts against the limit, as it is now: most of it is libtorch's.
fn own_memory() -> u64 {
    crate::proc::status_bytes("VmData").unwrap_or(0)
}

/// The memory that this process can have: the machine's, or its control group's.
fn machine_memory() -> Option<u64> {
    let total = crate::proc::memory().map(|m| m.1);
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|t| t.trim().parse::<u64>().ok());
    total.into_iter().chain(group).min()
}
