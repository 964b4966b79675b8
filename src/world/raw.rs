//! The C interface of `shim/world.h`. The one file of this room that is `unsafe`: what it promises
//! is said at each call.

#![allow(unsafe_code)] // a foreign interface

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::Place;
use crate::error::{Error, Result};

#[repr(C)]
struct Opaque {
    _opaque: [u8; 0],
}

type ErrorText = *mut c_char;

unsafe extern "C" {
    fn jem_group_join(
        host: *const c_char,
        port: i32,
        rank: i32,
        size: i32,
        timeout_ms: i64,
        prefix: *const c_char,
        listen: i32,
        address: *const c_char,
        is_interface: i32,
        error: *mut ErrorText,
    ) -> *mut Opaque;
    #[cfg(nccl)]
    fn jem_group_join_gpus(group: *mut Opaque, rank: i32, error: *mut ErrorText) -> i32;
    #[cfg(nccl)]
    fn jem_group_layout_gpus(options: i32) -> i64;
    fn jem_group_leave(group: *mut Opaque);
    fn jem_group_reduce(
        group: *mut Opaque,
        tensor: *mut c_void,
        operation: i32,
        error: *mut ErrorText,
    ) -> i32;
    fn jem_group_broadcast(
        group: *mut Opaque,
        tensor: *mut c_void,
        root: i32,
        error: *mut ErrorText,
    ) -> i32;
    fn jem_group_gather(
        group: *mut Opaque,
        tensor: *mut c_void,
        all: *mut c_void,
        error: *mut ErrorText,
    ) -> i32;
    fn jem_group_sum(group: *mut Opaque, tensor: *mut c_void, error: *mut ErrorText)
    -> *mut c_void;
    fn jem_group_note(
        group: *mut Opaque,
        key: *const c_char,
        text: *const c_char,
        error: *mut ErrorText,
    ) -> i32;
    fn jem_group_noted(group: *mut Opaque, key: *const c_char, timeout_ms: i64) -> *mut c_char;
    fn jem_group_layout() -> i64;
    fn jem_free_text(text: *mut c_char);
}

/// What becomes of the values; the numbers are those of the shim.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Sum = 0,
    Max = 1,
    Min = 2,
}

pub(super) fn backends() -> std::result::Result<&'static [&'static str], &'static str> {
    Ok(if cfg!(nccl) {
        &["gloo", "nccl"]
    } else {
        &["gloo"]
    })
}

/// The sizes of NCCL's group and of its options.
pub(super) fn layout_of_gpus() -> Option<[i64; 2]> {
    #[cfg(nccl)]
    // Safety: it takes a number.
    return Some(unsafe { [jem_group_layout_gpus(0), jem_group_layout_gpus(1)] });
    #[cfg(not(nccl))]
    None
}

pub(super) fn layout() -> i64 {
    // Safety: it takes nothing.
    unsafe { jem_group_layout() }
}

/// What a store may take to answer beyond the time that it was given.
const SLOW: Duration = Duration::from_millis(500);

/// A group of c10d; dropped, it is left without a word.
pub(super) struct Group {
    raw: *mut Opaque,
    /// Whether nothing may touch it any more: a call to its store has not come back, as where the
    /// network is gone. It then stays until the process ends.
    lost: Cell<bool>,
}

impl Group {
    pub(super) fn join(place: &Place, timeout: Duration) -> Result<Group> {
        let listener = place.listen()?;
        let port = listener
            .as_ref()
            .and_then(|l| l.local_addr().ok())
            .map_or(place.port, |a| a.port());
        let (address, is_interface) = match &place.interface {
            Some(name) => (name.clone(), true),
            None => (place.address()?, false),
        };
        let (host, prefix, address) = (
            c_text(&place.host)?,
            c_text(&place.attempt)?,
            c_text(&address)?,
        );
        let client = if place.kept { -2 } else { -1 };
        // c10d takes the socket over.
        let listen = listener.map_or(client, TcpListener::into_raw_fd);
        let mut error = std::ptr::null_mut();
        // Safety: the texts outlive the call.
        let made = unsafe {
            jem_group_join(
                host.as_ptr(),
                i32::from(port),
                place.rank as i32,
                place.size as i32,
                milliseconds(timeout),
                prefix.as_ptr(),
                listen,
                address.as_ptr(),
                i32::from(is_interface),
                &raw mut error,
            )
        };
        if made.is_null() {
            // Safety: a call that fails leaves its message.
            let text = unsafe { taken(error) };
            return Err(Error::state(format!(
                "rank {} of {} cannot join the others at {}:{}: {text}",
                place.rank, place.size, place.host, place.port
            ))
            .with_hint(
                "all ranks must start within the time of --dist-timeout, and reach MASTER_ADDR",
            ));
        }
        Ok(Group {
            raw: made,
            lost: Cell::new(false),
        })
    }

    /// Lets NCCL carry what lies on GPUs from here on.
    #[cfg(nccl)]
    pub(super) fn join_gpus(&self, rank: usize) -> Result<()> {
        // Safety: the group is alive.
        self.call(|error| unsafe { jem_group_join_gpus(self.raw, rank as i32, error) })
    }

    #[cfg(not(nccl))]
    pub(super) fn join_gpus(&self, _: usize) -> Result<()> {
        Err(Error::state("this build has no NCCL backend"))
    }

    pub(super) fn reduce(&self, tensor: &tch::Tensor, operation: Operation) -> Result<()> {
        // Safety: group and tensor are alive, and c10d is done with the tensor when it comes back.
        self.call(|error| unsafe {
            jem_group_reduce(self.raw, pointer(tensor), operation as i32, error)
        })
    }

    pub(super) fn broadcast(&self, tensor: &tch::Tensor, root: usize) -> Result<()> {
        // Safety: as in `reduce`.
        self.call(|error| unsafe {
            jem_group_broadcast(self.raw, pointer(tensor), root as i32, error)
        })
    }

    pub(super) fn gather(&self, tensor: &tch::Tensor, all: &tch::Tensor) -> Result<()> {
        // Safety: as in `reduce`.
        self.call(|error| unsafe {
            jem_group_gather(self.raw, pointer(tensor), pointer(all), error)
        })
    }

    /// The sum over ranks, with its gradient.
    pub(super) fn sum(&self, tensor: &tch::Tensor) -> Result<tch::Tensor> {
        let mut error = std::ptr::null_mut();
        // Safety: group and tensor are alive; the group lives as long as the process's world, and
        // with it longer than graphs. What comes back is a new tensor, which `tch` takes over.
        unsafe {
            let made = jem_group_sum(self.raw, pointer(tensor), &raw mut error);
            if made.is_null() {
                return Err(Error::state(taken(error)));
            }
            Ok(tch::Tensor::from_ptr(made.cast()))
        }
    }

    /// Leaves a note at the store; says whether it could.
    pub(super) fn note(&self, key: &str, text: &str) -> bool {
        let (Ok(key), Ok(text)) = (c_text(key), c_text(text)) else {
            return false;
        };
        let done = self.in_time(SLOW, move |group| {
            let mut error = std::ptr::null_mut();
            // Safety: the group outlives the call, as `in_time` says; the texts are the closure's.
            unsafe {
                let well = jem_group_note(group, key.as_ptr(), text.as_ptr(), &raw mut error);
                if well == 0 {
                    taken(error);
                }
                well != 0
            }
        });
        done == Some(true)
    }

    /// A note at the store, if it is there within the time.
    pub(super) fn noted(&self, key: &str, within: Duration) -> Option<String> {
        let key = c_text(key).ok()?;
        let found = self.in_time(within + SLOW, move |group| {
            // Safety: as in `note`; what comes back is ours to free.
            unsafe {
                let found = jem_group_noted(group, key.as_ptr(), milliseconds(within));
                (!found.is_null()).then(|| taken(found))
            }
        });
        found.flatten()
    }

    /// What a call to the store gives, on a thread of its own: a store that is cut off keeps it for
    /// ever, whatever time it was given. Then the group is lost: nobody touches or frees it, so that
    /// it outlives the call.
    fn in_time<T: Send + 'static>(
        &self,
        within: Duration,
        work: impl FnOnce(*mut Opaque) -> T + Send + 'static,
    ) -> Option<T> {
        if self.lost.get() {
            return None;
        }
        let address = self.raw as usize;
        let (done, outcome) = channel();
        std::thread::spawn(move || done.send(work(address as *mut Opaque)));
        let found = outcome.recv_timeout(within).ok();
        self.lost.set(found.is_none());
        found
    }

    /// Nothing will be sent any more, and taking it apart might wait for ranks that are gone.
    pub(super) fn give_up(&self) {
        self.lost.set(true);
    }

    fn call(&self, work: impl FnOnce(*mut ErrorText) -> i32) -> Result<()> {
        let mut error = std::ptr::null_mut();
        if work(&raw mut error) != 0 {
            return Ok(());
        }
        // Safety: a call that fails leaves its message.
        Err(Error::state(unsafe { taken(error) }))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.lost.get() {
            // Safety: it was made by the shim and is freed once.
            unsafe { jem_group_leave(self.raw) }
        }
    }
}

fn pointer(tensor: &tch::Tensor) -> *mut c_void {
    tensor.as_ptr().cast_mut().cast()
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::argument(format!("a zero byte in {text:?}")))
}

/// A text of the shim's, taken over and freed.
///
/// # Safety
/// It must be null, or a text that is ours to free.
unsafe fn taken(text: *mut c_char) -> String {
    if text.is_null() {
        return "c10d failed without a message".to_owned();
    }
    // Safety: as promised by the caller.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        jem_free_text(text);
        owned
    }
}
