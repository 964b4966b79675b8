//! What has become of a rank that does not answer: its process is looked for, where it runs on this
//! machine; a rank elsewhere is asked for a sign through the store.

use std::fs::read_to_string;
use std::time::{Duration, Instant};

use super::Group;

/// A process that is killed closes its connections before it is gone: so long it may take.
const DYING: Duration = Duration::from_secs(2);
/// For so long ranks on other machines may look for what is wrong themselves before they answer.
const ANSWER: Duration = Duration::from_secs(4);
/// So long a rank that knows stays, so that the others can see who was the first to go.
const LINGER: Duration = Duration::from_millis(700);

/// Who a rank is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Member {
    host: String,
    /// What two processes have in common that can see each other: the machine since it was started,
    /// and the numbering of its processes.
    within: String,
    pid: u32,
    /// When it started, in the kernel's ticks: numbers of processes come again.
    born: String,
}

/// The state of a process in one letter, and when it started.
fn seen(pid: u32) -> Option<(char, String)> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let rest = stat.rsplit_once(')')?.1;
    let words: Vec<&str> = rest.split_whitespace().collect();
    Some((words.first()?.chars().next()?, (*words.get(19)?).to_owned()))
}

impl Member {
    pub(super) fn own() -> Member {
        let read = |path: &str| read_to_string(path).unwrap_or_default().trim().to_owned();
        let numbering = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let pid = std::process::id();
        Member {
            host: read("/proc/sys/kernel/hostname"),
            within: format!(
                "{} {}",
                read("/proc/sys/kernel/random/boot_id"),
                numbering.display()
            ),
            pid,
            born: seen(pid).map(|(_, born)| born).unwrap_or_default(),
        }
    }

    pub(super) fn written(&self) -> String {
        format!(
            "{}\n{}\n{}\n{}",
            self.host, self.within, self.pid, self.born
        )
    }

    pub(super) fn read(text: &str) -> Member {
        let lines: Vec<&str> = text.lines().collect();
        let line = |i: usize| lines.get(i).copied().unwrap_or_default().to_owned();
        Member {
            host: line(0),
            within: line(1),
            pid: line(2).parse().unwrap_or(0),
            born: line(3),
        }
    }

    /// What is wrong with it, if it is on this machine and something is.
    fn trouble(&self) -> Option<&'static str> {
        match seen(self.pid) {
            Some((state, born)) if born == self.born => match state {
                'Z' | 'X' | 'x' => Some("has ended"),
                'T' | 't' => Some("is stopped"),
                _ => None,
            },
            _ => Some("has ended"),
        }
    }
}

/// What an error of c10d means, in words that name the ranks which do not answer.
pub(super) fn told(group: &Group, message: &str) -> String {
    let late = message.contains("imed out");
    let own = group.members.get(group.rank).cloned().unwrap_or_default();
    let near = |m: &Member| m.within == own.within;
    let started = Instant::now();
    let mut found: Vec<String>;
    loop {
        found = (group.members.iter().enumerate())
            .filter(|(rank, m)| *rank != group.rank && near(m))
            .filter_map(|(rank, m)| {
                let trouble = m.trouble()?;
                Some(format!("rank {rank} (process {}) {trouble}", m.pid))
            })
            .collect();
        if !found.is_empty() || late || started.elapsed() > DYING {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let far = group.members.iter().any(|m| !near(m));
    if found.is_empty() && far {
        found = silent(group, &own);
    }
    if !found.is_empty() {
        std::thread::sleep(LINGER);
        return found.join(", ");
    }
    let short = message.split(". ").next().unwrap_or(message);
    let short = short.rsplit_once("] ").map_or(short, |(_, text)| text);
    match late {
        true => format!("no answer from another rank in time ({short})"),
        false => format!("the connection to another rank is gone ({short})"),
    }
}

/// Ranks on other machines that give no sign of life.
fn silent(group: &Group, own: &Member) -> Vec<String> {
    let sign = |rank: usize| format!("alive/{rank}");
    let name = |rank: usize, m: &Member| format!("rank {rank} (on {}) does not answer", m.host);
    if !group.raw.note(&sign(group.rank), "yes") {
        let first = group.members.first();
        return first.map_or_else(Vec::new, |m| vec![name(0, m)]);
    }
    let started = Instant::now();
    let others = group.members.iter().enumerate();
    others
        .filter(|(_, m)| m.within != own.within)
        .filter(|(rank, _)| {
            let left = ANSWER.saturating_sub(started.elapsed());
            let least = Duration::from_millis(50);
            group.raw.noted(&sign(*rank), left.max(least)).is_none()
        })
        .map(|(rank, m)| name(rank, m))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_start() {
        let own = Member::own();
        assert_eq!(Member::read(&own.written()), own);
        assert_eq!(own.trouble(), None);
        let other = Member {
            born: "1".to_owned(),
            ..own
        };
        assert_eq!(other.trouble(), Some("has ended"));
        assert_eq!(Member::default().trouble(), Some("has ended"));
    }
}
