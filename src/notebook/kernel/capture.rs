//! What is written to the process's own standard output and error: libtorch's warnings, say. It
//! reaches the notebook.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::message::{Outbox, Stream};

/// A byte that no text holds: when it comes out of the pipe, all before it was read.
const MARK: u8 = 0;

/// The pipes in place of the two file descriptors.
pub struct Capture(Vec<Pipe>);

struct Pipe {
    mark: PipeWriter,
    passed: Receiver<()>,
}

impl Capture {
    /// Takes over both streams. Nothing is captured where the system refuses.
    pub fn start(out: &Outbox) -> Capture {
        Capture(
            [Stream::Out, Stream::Err]
                .into_iter()
                .filter_map(|stream| pipe(stream, out).ok())
                .collect(),
        )
    }

    /// Waits until all that was written is on its way.
    pub fn flush(&mut self) {
        let _ = std::io::stdout().flush();
        for pipe in &mut self.0 {
            while pipe.passed.try_recv().is_ok() {}
            if pipe.mark.write_all(&[MARK]).is_ok() {
                let _ = pipe.passed.recv_timeout(Duration::from_millis(200));
            }
        }
    }
}

fn pipe(stream: Stream, out: &Outbox) -> std::io::Result<Pipe> {
    let (reader, mark) = std::io::pipe()?;
    let before = match stream {
        Stream::Out => rustix::io::dup(std::io::stdout())?,
        Stream::Err => rustix::io::dup(std::io::stderr())?,
    };
    match stream {
        Stream::Out => rustix::stdio::dup2_stdout(&mark)?,
        Stream::Err => rustix::stdio::dup2_stderr(&mark)?,
    }
    let (tell, passed) = channel();
    let out = out.clone();
    std::thread::spawn(move || forward(stream, reader, before, &out, &tell));
    Ok(Pipe { mark, passed })
}

fn forward(stream: Stream, mut from: PipeReader, before: OwnedFd, out: &Outbox, tell: &Sender<()>) {
    let mut buffer = [0; 8192];
    // A character may be cut in two by the buffer's end.
    let mut rest: Vec<u8> = Vec::new();
    let mut before = std::fs::File::from(before);
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        for (i, piece) in buffer[..n].split(|b| *b == MARK).enumerate() {
            if i > 0 {
                let _ = tell.send(());
            }
            rest.extend_from_slice(piece);
            let whole = match std::str::from_utf8(&rest) {
                Err(e) if e.error_len().is_none() => e.valid_up_to(),
                _ => rest.len(),
            };
            let bytes: Vec<u8> = rest.drain(..whole).collect();
            if bytes.is_empty() {
                continue;
            }
            // Before the first request there is no notebook to show it.
            if out.has_parent() {
                out.text(stream, String::from_utf8_lossy(&bytes));
            } else {
                let _ = before.write_all(&bytes);
            }
        }
    }
}
