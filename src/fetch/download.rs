//! One file from a server or a folder into a growing file, which is continued where it stopped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{KnownFile, Watcher};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;

/// How often a cut connection is taken up again without a byte of progress.
const ATTEMPTS: u32 = 3;
/// No file of the table is near this size: a server that sends more is wrong.
const MOST_BYTES: u64 = 1 << 34;

/// Where files come from.
pub enum Source {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A folder on the net.
    Url {
        /// Its address, without a slash at the end.
        base: String,
        /// The connection.
        agent: ureq::Agent,
    },
}

/// Why a download stopped.
enum Stop {
    /// The connection broke: another attempt may go on.
    Cut(String),
    /// No attempt will help.
    Final(Error),
}

impl Source {
    /// A URL, or a folder.
    pub fn new(from: &str) -> Result<Source> {
        if from.starts_with("http://") || from.starts_with("https://") {
            let config = ureq::Agent::config_builder()
                .timeout_connect(Some(Duration::from_secs(30)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
                .http_status_as_error(false)
                .max_redirects(5)
                .user_agent(concat!("jemscript/", env!("CARGO_PKG_VERSION")))
                .build();
            return Ok(Source::Url {
                base: from.trim_end_matches('/').to_owned(),
                agent: config.into(),
            });
        }
        if from.contains("://") {
            return Err(Error::argument(format!(
                "fetch: {from}: only http and https are known"
            )));
        }
        let folder = PathBuf::from(from);
        if folder.is_dir() {
            return Ok(Source::Folder(folder));
        }
        Err(
            Error::argument(format!("fetch: --from {from}: neither a URL nor a folder"))
                .with_hint("a URL begins with http:// or https://"),
        )
    }

    /// Where a file of this name is, for messages.
    pub fn place(&self, name: &str) -> String {
        match self {
            Source::Folder(folder) => folder.join(name).display().to_string(),
            Source::Url { base, .. } => format!("{base}/{name}"),
        }
    }

    /// Makes `part` a whole copy of the file, going on where it stopped.
    pub(super) fn get(
        &self,
        file: &KnownFile,
        part: &Path,
        watcher: &mut dyn Watcher,
    ) -> Result<()> {
        match self {
            Source::Folder(folder) => copy(&folder.join(file.name), part, file, watcher),
            Source::Url { agent, .. } => {
                download(agent, &self.place(file.name), part, file, watcher)
            }
        }
    }
}

fn copy(from: &Path, part: &Path, file: &KnownFile, watcher: &mut dyn Watcher) -> Result<()> {
    let mut source = File::open(from).map_err(|e| Error::io(from, &e))?;
    let total = source.metadata().map_err(|e| Error::io(from, &e))?.len();
    let mut target = File::create(part).map_err(|e| Error::io(part, &e))?;
    watcher.start(file.name, 0, Some(total));
    match pour(&mut source, &mut target, part, 0, Some(total), watcher) {
        Ok(_) => Ok(()),
        Err(Stop::Cut(why)) => Err(Error::new(
            ErrorKind::Io,
            format!("fetch: {}: {why}", from.display()),
        )),
        Err(Stop::Final(error)) => Err(error),
    }
}

fn download(
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    file: &KnownFile,
    watcher: &mut dyn Watcher,
) -> Result<()> {
    let mut failed = 0;
    loop {
        let before = size(part);
        let why = match attempt(agent, url, part, file, watcher) {
            Ok(()) => return Ok(()),
            Err(Stop::Final(error)) => return Err(error),
            Err(Stop::Cut(why)) => why,
        };
        failed = if size(part) > before { 1 } else { failed + 1 };
        if failed >= ATTEMPTS {
            let kept = size(part);
            let kept = if kept > 0 {
                format!(" ({kept} bytes are kept)")
            } else {
                String::new()
            };
            return Err(Error::new(ErrorKind::Io, format!("fetch: {url}: {why}{kept}")).with_hint(
                "is the net there? The same command goes on where this one stopped; --from names a mirror or a folder",
            ));
        }
        watcher.say(&format!("{}: {why}; trying again", file.name));
        std::thread::sleep(Duration::from_millis(300 * u64::from(failed)));
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// One connection: asks for what is missing, and takes what comes.
fn attempt(
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    file: &KnownFile,
    watcher: &mut dyn Watcher,
) -> std::result::Result<(), Stop> {
    let have = size(part);
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|e| refused(url, &e))?;
    let status = response.status().as_u16();
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let length = header("content-length").and_then(|v| v.parse::<u64>().ok());
    let fail = |text: String, hint: &str| {
        Err(Stop::Final(
            Error::new(ErrorKind::Io, format!("fetch: {url}: {text}")).with_hint(hint),
        ))
    };
    let start = match status {
        200 => 0, // a server without ranges sends the whole file again
        206 => {
            // "bytes 100-199/200"
            let range = header("content-range").unwrap_or_default();
            let from = range
                .strip_prefix("bytes ")
                .and_then(|r| r.split('-').next()?.parse::<u64>().ok());
            if from != Some(have) {
                // Not the bytes that were asked for: begin anew.
                let _ = std::fs::remove_file(part);
                return Err(Stop::Cut(format!(
                    "the server sent other bytes than asked for ({range:?})"
                )));
            }
            have
        }
        // The whole file is there already, or the part is longer than the file: the checksum tells.
        416 if have > 0 => return Ok(()),
        404 | 410 => {
            return fail(
                "there is no such file (404)".to_owned(),
                "--from names a mirror or a folder",
            );
        }
        401 | 403 => {
            return fail(
                format!("the server refuses ({status})"),
                "--from names a mirror or a folder",
            );
        }
        408 | 429 | 500..=599 => return Err(Stop::Cut(format!("the server answers {status}"))),
        _ => {
            return fail(
                format!("the server answers {status}"),
                "--from names a mirror or a folder",
            );
        }
    };
    let total = length.map(|n| n + start);
    let open = if start > 0 {
        OpenOptions::new().append(true).open(part)
    } else {
        File::create(part)
    };
    let mut target = open.map_err(|e| Stop::Final(Error::io(part, &e)))?;
    watcher.start(file.name, start, total);
    let mut body = response
        .into_body()
        .into_with_config()
        .limit(MOST_BYTES)
        .reader();
    let got = pour(&mut body, &mut target, part, start, total, watcher)?;
    match total {
        Some(total) if got < total => Err(Stop::Cut(format!(
            "the connection broke after {got} of {total} bytes"
        ))),
        _ => Ok(()),
    }
}

/// What the failure of a request means.
fn refused(url: &str, error: &ureq::Error) -> Stop {
    let fail =
        |text: String| Stop::Final(Error::new(ErrorKind::Io, format!("fetch: {url}: {text}")));
    match error {
        ureq::Error::TooManyRedirects => fail("it redirects without end".to_owned()),
        ureq::Error::BadUri(why) => fail(format!("not an address ({why})")),
        ureq::Error::HostNotFound => Stop::Cut("the server's name is not known here".to_owned()),
        ureq::Error::Timeout(_) => Stop::Cut("the server does not answer".to_owned()),
        ureq::Error::ConnectionFailed => Stop::Cut("no connection".to_owned()),
        ureq::Error::Io(e) => Stop::Cut(format!("no connection ({e})")),
        other => Stop::Cut(other.to_string()),
    }
}

/// Copies all bytes; gives how many the file has then.
fn pour(
    from: &mut dyn Read,
    to: &mut File,
    path: &Path,
    start: u64,
    total: Option<u64>,
    watcher: &mut dyn Watcher,
) -> std::result::Result<u64, Stop> {
    let mut buffer = vec![0u8; 1 << 16];
    let mut at = start;
    loop {
        if interrupt::requested() {
            let _ = to.sync_all();
            let text = format!(
                "fetch: interrupted; {at} bytes are kept, the same command goes on from there"
            );
            return Err(Stop::Final(Error::new(ErrorKind::Interrupted, text)));
        }
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => {
                let of = total.map_or(String::new(), |t| format!(" of {t}"));
                return Err(Stop::Cut(format!(
                    "the connection broke after {at}{of} bytes ({e})"
                )));
            }
        };
        to.write_all(&buffer[..n])
            .map_err(|e| Stop::Final(full(path, &e)))?;
        at += n as u64;
        watcher.at(at);
    }
    to.sync_all().map_err(|e| Stop::Final(full(path, &e)))?;
    Ok(at)
}

/// A write that failed, most often for want of space.
fn full(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull
        | std::io::ErrorKind::QuotaExceeded
        | std::io::ErrorKind::FileTooLarge => Error::new(
            ErrorKind::Io,
            format!(
                "fetch: {}: no room left to write it ({error})",
                path.display()
            ),
        )
        .with_hint("free some space, or fetch to another disk: --to DIR; what is there is kept"),
        _ => Error::io(path, error),
    }
}
