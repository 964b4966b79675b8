//! The inputs of all sessions in one file, a line of JSON each. Several kernels write to it at
//! once; each takes a lock, and opens the file anew each time, since another may have put a shorter
//! one into its place.
//!
//! Where the file cannot be read or written, the history lasts as long as the session: that is no
//! reason to fail a cell.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::notebook::user;

/// Bytes from which on the older half of the file is dropped.
const MOST: usize = 4 << 20;

/// An input of a session.
#[derive(Serialize, Deserialize)]
pub struct Past {
    /// The session: they are numbered as they first run a cell.
    pub session: i64,
    /// The number of the cell.
    pub line: i64,
    /// Its text.
    pub input: String,
}

/// The file, and the number of this session.
pub struct Archive {
    folder: Option<PathBuf>,
    session: Cell<Option<i64>>,
    most: usize,
}

impl Archive {
    /// The user's.
    pub fn new() -> Archive {
        Archive {
            folder: user::histories(),
            session: Cell::new(None),
            most: MOST,
        }
    }

    /// The number of this session; until it has run a cell, the one that it would get.
    pub fn session(&self) -> i64 {
        self.session.get().unwrap_or_else(|| next(&self.read()))
    }

    /// All inputs, the oldest first.
    pub fn read(&self) -> Vec<Past> {
        parse(&self.text())
    }

    /// Keeps an input.
    pub fn add(&self, line: i64, input: &str) {
        let session = match self.write(line, input) {
            Ok(session) => session,
            Err(_) => self.session(),
        };
        self.session.set(Some(session));
    }

    fn write(&self, line: i64, input: &str) -> std::io::Result<i64> {
        let Some(folder) = &self.folder else {
            return Ok(self.session());
        };
        let lock = private().open(folder.join(".kernel_history.lock"))?;
        lock.lock()?;
        let session = self.session();
        let entry = serde_json::to_string(&Past {
            session,
            line,
            input: input.to_owned(),
        })? + "\n";
        let mut file = private().open(folder.join(FILE))?;
        if file.metadata()?.len() as usize + entry.len() <= self.most {
            // A kernel that was killed may have left half a line.
            let mut end = [b'\n'];
            let torn = file
                .seek(SeekFrom::End(-1))
                .and_then(|_| file.read_exact(&mut end))
                .is_ok()
                && end != *b"\n";
            file.write_all(format!("{}{entry}", if torn { "\n" } else { "" }).as_bytes())?;
            return Ok(session);
        }
        let all = self.text();
        let from = all.len().saturating_sub(self.most / 2);
        let whole = all[from..]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(all.len(), |at| from + at + 1);
        let shorter = folder.join(format!(".{FILE}.partial"));
        let mut file = private()
            .append(false)
            .write(true)
            .truncate(true)
            .open(&shorter)?;
        file.write_all(&all[whole..])?;
        file.write_all(entry.as_bytes())?;
        std::fs::rename(shorter, folder.join(FILE))?;
        Ok(session)
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let file = self
            .folder
            .as_ref()
            .and_then(|f| File::open(f.join(FILE)).ok());
        // What was read before an error is worth having.
        let _ = file.map(|mut f| f.read_to_end(&mut text));
        text
    }
}

const FILE: &str = "kernel_history.jsonl";

/// Inputs are the user's own business.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options
}

/// The inputs of a file; what is no input is passed over.
fn parse(text: &[u8]) -> Vec<Past> {
    text.split(|b| *b == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

fn next(all: &[Past]) -> i64 {
    all.iter()
        .map(|p| p.session)
        .max()
        .unwrap_or(0)
        .saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: &std::path::Path) -> Archive {
        Archive {
            folder: Some(folder.to_path_buf()),
            session: Cell::new(None),
            most: 2_000,
        }
    }

    fn seen(archive: &Archive) -> Vec<(i64, i64, String)> {
        archive
            .read()
            .into_iter()
            .map(|p| (p.session, p.line, p.input))
            .collect()
    }

    #[test]
    fn sessions_side_by_side_and_one_after_the_other_are_told_apart() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let (one, two) = (at(folder.path()), at(folder.path()));
        assert_eq!((one.session(), two.session()), (1, 1));
        one.add(1, "let ü = 1;\nü");
        two.add(1, "let b = 2;");
        one.add(2, "a");
        assert_eq!(
            (one.session(), two.session(), at(folder.path()).session()),
            (1, 2, 3)
        );
        let text = |s: &str| s.to_owned();
        let all = [
            (1, 1, text("let ü = 1;\nü")),
            (2, 1, text("let b = 2;")),
            (1, 2, text("a")),
        ];
        assert_eq!(seen(&at(folder.path())), all);
        // Half a line, left by a kernel that was killed, spoils nothing.
        private()
            .open(folder.path().join(FILE))?
            .write_all(b"{\"session\": 7, \"li")?;
        two.add(2, "c");
        assert_eq!(seen(&two).len(), 4);
        Ok(())
    }

    #[test]
    fn the_file_keeps_what_is_new_and_stays_small() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let (one, two) = (at(folder.path()), at(folder.path()));
        for i in 0..100 {
            one.add(i, "let x = 1;");
            two.add(i, "let y = 2;");
            let size = std::fs::metadata(folder.path().join(FILE))?.len();
            assert!(size <= 2_000, "{size}");
        }
        let all = seen(&one);
        assert!(all.len() > 15, "{}", all.len());
        let expected: Vec<(i64, i64)> = (0..100).flat_map(|i| [(1, i), (2, i)]).collect();
        let found: Vec<(i64, i64)> = all.iter().map(|(s, l, _)| (*s, *l)).collect();
        assert_eq!(found, expected[expected.len() - found.len()..]);
        // One that alone is too long is kept until the next.
        one.add(100, &"x".repeat(3_000));
        one.add(101, "short");
        assert_eq!(seen(&one).last().map(|l| l.1), Some(101));
        assert!(seen(&one).len() < 3);
        Ok(())
    }

    #[test]
    fn threads_lose_nothing() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    let archive = Archive {
                        most: MOST,
                        ..at(path)
                    };
                    (1..=50).for_each(|i| archive.add(i, "x"));
                });
            }
        });
        let mut all: Vec<(i64, i64)> = seen(&at(path))
            .into_iter()
            .map(|(s, l, _)| (s, l))
            .collect();
        all.sort_unstable();
        let expected: Vec<(i64, i64)> = (1..=4)
            .flat_map(|s| (1..=50).map(move |l| (s, l)))
            .collect();
        assert_eq!(all, expected);
        Ok(())
    }

    #[test]
    fn without_a_folder_the_session_goes_on() {
        let archive = Archive {
            folder: None,
            session: Cell::new(None),
            most: MOST,
        };
        archive.add(1, "x");
        assert_eq!((archive.session(), archive.read().len()), (1, 0));
        let archive = Archive {
            folder: Some(PathBuf::from("/proc/nowhere")),
            session: Cell::new(None),
            most: MOST,
        };
        archive.add(1, "x");
        assert_eq!(archive.session(), 1);
    }
}
