//! Writes checkpoints behind the training's back: a thread of its own serialises, flushes and
//! renames. An error shows at the next step.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::formats::{link_atomically, write_atomically, write_snapshot};
use crate::params::Snapshot;

/// One checkpoint to be written.
pub(super) struct Job {
    pub(super) path: PathBuf,
    pub(super) snapshot: Snapshot,
    /// A file that holds all of it already: another name for that is enough.
    pub(super) same: Option<PathBuf>,
    /// Text for people, beside it.
    pub(super) about: Option<String>,
    /// The log, which must be on disk before a checkpoint that counts on it.
    pub(super) log: Option<PathBuf>,
    /// Files that are needed no more once this one is safe, in the order in which they go.
    pub(super) remove: Vec<PathBuf>,
}

impl Job {
    pub(super) fn new(path: PathBuf, snapshot: Snapshot) -> Job {
        Job {
            path,
            snapshot,
            same: None,
            about: None,
            log: None,
            remove: Vec::new(),
        }
    }
}

/// The thread, and what is on its way.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    outcomes: Receiver<Result<()>>,
    thread: Option<JoinHandle<()>>,
    pending: usize,
}

impl Writer {
    pub(super) fn new() -> Writer {
        let (jobs, todo) = channel::<Job>();
        let (done, outcomes) = channel();
        let thread = std::thread::spawn(move || {
            // A checkpoint counts on what was sent before it (the best state, say): after an error
            // nothing more is written.
            let mut failed: Option<Error> = None;
            for job in todo {
                let outcome = failed.clone().map_or_else(|| write(&job), Err);
                failed = outcome.as_ref().err().cloned();
                if done.send(outcome).is_err() {
                    break;
                }
            }
        });
        Writer {
            jobs: Some(jobs),
            outcomes,
            thread: Some(thread),
            pending: 0,
        }
    }

    /// Hands a checkpoint over.
    pub(super) fn send(&mut self, job: Job) -> Result<()> {
        self.pending += 1;
        let sent = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok());
        if sent { Ok(()) } else { Err(gone()) }
    }

    /// Whether something is still on its way; an error of what was written since.
    pub(super) fn busy(&mut self) -> Result<bool> {
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.pending -= 1;
            outcome?;
        }
        Ok(self.pending > 0)
    }

    /// Waits until all is on disk.
    pub(super) fn wait(&mut self) -> Result<()> {
        while self.pending > 0 {
            let outcome = self.outcomes.recv().map_err(|_| gone())?;
            self.pending -= 1;
            outcome?;
        }
        Ok(())
    }
}

fn gone() -> Error {
    Error::state("train: the thread that writes checkpoints has ended")
}

fn write(job: &Job) -> Result<()> {
    if let Some(log) = &job.log {
        File::open(log)
            .and_then(|f| f.sync_data())
            .map_err(|e| Error::io(log, &e))?;
    }
    // Before the state: a state that is there is whole, and no later process writes this text again.
    if let Some(about) = &job.about {
        write_atomically(&job.path.with_extension("json"), about.as_bytes())?;
    }
    let linked = job
        .same
        .as_ref()
        .is_some_and(|same| link_atomically(same, &job.path).is_ok());
    if !linked {
        write_snapshot(&job.path, &job.snapshot)?;
    }
    for file in &job.remove {
        // Gone already is as good.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
