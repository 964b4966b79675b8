//! The C interface of `shim/world.h`. The one file of this room that is `unsafe`: what it promises
//! is said at each call.

#![allow(unsafe_code)] // a foreign interface

use std::ffi::{CStr, CString, c_char, c_void};
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
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
    Ok(&["gloo"])
}

pub(super) fn layout() -> i64 {
    // Safety: it takes nothing.
    unsafe { jem_group_layout() }
}

/// A group of c10d; dropped, it is left without a word.
pub(super) struct Group(*mut Opaque);

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
        Ok(Group(made))
    }

    pub(super) fn reduce(&self, tensor: &tch::Tensor, operation: Operation) -> Result<()> {
        // Safety: group and tensor are alive, and c10d is done with the tensor when it comes back.
        self.call(|error| unsafe {
            jem_group_reduce(self.0, pointer(tensor), operation as i32, error)
        })
    }

    pub(super) fn broadcast(&self, tensor: &tch::Tensor, root: usize) -> Result<()> {
        // Safety: as in `reduce`.
        self.call(|error| unsafe {
            jem_group_broadcast(self.0, pointer(tensor), root as i32, error)
        })
    }

    pub(super) fn gather(&self, tensor: &tch::Tensor, all: &tch::Tensor) -> Result<()> {
        // Safety: as in `reduce`.
        self.call(|error| unsafe { jem_group_gather(self.0, pointer(tensor), pointer(all), error) })
    }

    /// The sum over ranks, with its gradient.
    pub(super) fn sum(&self, tensor: &tch::Tensor) -> Result<tch::Tensor> {
        let mut error = std::ptr::null_mut();
        // Safety: group and tensor are alive; the group lives as long as the process's world, and
        // with it longer than graphs. What comes back is a new tensor, which `tch` takes over.
        unsafe {
            let made = jem_group_sum(self.0, pointer(tensor), &raw mut error);
            if made.is_null() {
                return Err(Error::state(taken(error)));
            }
            Ok(tch::Tensor::from_ptr(made.cast()))
        }
    }

    /// Leaves a note at the store.
    pub(super) fn note(&self, key: &str, text: &str) -> Result<()> {
        let (key, text) = (c_text(key)?, c_text(text)?);
        // Safety: group and texts are alive.
        self.call(|error| unsafe { jem_group_note(self.0, key.as_ptr(), text.as_ptr(), error) })
    }

    /// A note at the store, if it is there within the time.
    pub(super) fn noted(&self, key: &str, within: Duration) -> Option<String> {
        let key = c_text(key).ok()?;
        // Safety: group and text are alive; what comes back is ours to free.
        unsafe {
            let found = jem_group_noted(self.0, key.as_ptr(), milliseconds(within));
            (!found.is_null()).then(|| taken(found))
        }
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
        // Safety: it was made by the shim and is freed once.
        unsafe { jem_group_leave(self.0) }
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
