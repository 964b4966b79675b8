//! What Linux says of this process and this machine, in `/proc`; nothing where there is none.

use std::fs::read_to_string;

/// What `/proc/self/status` has under a name: `VmHWM`, `SigIgn`.
pub(crate) fn status(name: &str) -> Option<String> {
    field(&read_to_string("/proc/self/status").ok()?, name)
}

/// The same for an amount of memory, in bytes.
pub(crate) fn status_bytes(name: &str) -> Option<u64> {
    bytes(&status(name)?)
}

/// Free and total memory of the machine in bytes.
#[cfg_attr(not(feature = "cli"), allow(dead_code))]
pub(crate) fn memory() -> Option<(u64, u64)> {
    memory_of(&read_to_string("/proc/meminfo").ok()?)
}

fn memory_of(text: &str) -> Option<(u64, u64)> {
    Some((
        bytes(&field(text, "MemAvailable")?)?,
        bytes(&field(text, "MemTotal")?)?,
    ))
}

/// What stands behind a name and a colon.
fn field(text: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        Some(
            line.strip_prefix(name)?
                .strip_prefix(':')?
                .trim()
                .to_owned(),
        )
    };
    text.lines().find_map(value)
}

/// Bytes of an amount in kB, as the kernel writes it.
fn bytes(value: &str) -> Option<u64> {
    value
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_their_whole_names() {
        let text = "VmHWM:\t  12 kB\nVmHWMore:  7 kB\nSigIgn:\t00ff\n";
        assert_eq!(field(text, "VmHWM").and_then(|v| bytes(&v)), Some(12 << 10));
        assert_eq!(field(text, "SigIgn").as_deref(), Some("00ff"));
        assert_eq!(field(text, "Vm"), None);
        assert_eq!(bytes("12 MB"), None);
        let meminfo = "MemTotal:       2048 kB\nMemFree:         12 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(memory_of(meminfo), Some((1024 * 1024, 2048 * 1024)));
        assert_eq!(memory_of("MemTotal: 2048 kB\n"), None);
        let (now, most) = (
            status_bytes("VmRSS").unwrap_or(1),
            status_bytes("VmHWM").unwrap_or(1),
        );
        assert!(0 < now && now <= most);
    }
}
