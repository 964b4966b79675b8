//! The C interface of `shim/shim.h`, and values across it. The one file of this room that is
//! `unsafe`: what it promises is said at each call.

#![allow(unsafe_code)] // a foreign interface

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

use super::Value;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// As `jem_value` lies in memory.
#[repr(C)]
struct Raw {
    tag: i32,
    whole: i64,
    number: f64,
    pointer: *const c_void,
}

const NONE: i32 = 0;
const BOOL: i32 = 1;
const INT: i32 = 2;
const FLOAT: i32 = 3;
const TEXT: i32 = 4;
const TENSOR: i32 = 5;
const LIST: i32 = 6;

/// What the shim keeps of an operator; it lives as long as the process.
#[repr(C)]
pub(super) struct Operator {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Results {
    _opaque: [u8; 0],
}

type ErrorText = *mut c_char;

unsafe extern "C" {
    fn jem_names() -> *const c_char;
    fn jem_find(name: *const c_char) -> *const Operator;
    fn jem_forms(operator: *const Operator) -> *mut c_char;
    fn jem_call(
        operator: *const Operator,
        arguments: *const Raw,
        count: usize,
        names: *const *const c_char,
        named: *const Raw,
        named_count: usize,
        device: *const c_char,
        results: *mut *mut Results,
        error: *mut ErrorText,
    ) -> i32;
    fn jem_results_count(results: *const Results) -> usize;
    fn jem_results_values(results: *const Results) -> *const Raw;
    fn jem_results_name(results: *const Results, index: usize) -> *const c_char;
    fn jem_results_free(results: *mut Results);
    fn jem_free_text(text: *mut c_char);
    fn jem_set_up();
    fn jem_share_version(tensor: *mut c_void, with: *mut c_void);

    fn jem_forward_enter(error: *mut ErrorText) -> i64;
    fn jem_forward_leave(level: i64);
    fn jem_forward_make(
        primal: *mut c_void,
        tangent: *mut c_void,
        level: i64,
        error: *mut ErrorText,
    ) -> *mut c_void;
    fn jem_forward_tangent(tensor: *mut c_void, level: i64, error: *mut ErrorText) -> *mut c_void;
    fn jem_forward_primal(tensor: *mut c_void, level: i64, error: *mut ErrorText) -> *mut c_void;

    fn jem_vmap_enter(size: i64, error: *mut ErrorText) -> i64;
    fn jem_vmap_leave();
    fn jem_vmap_wrap(
        tensor: *mut c_void,
        dimension: i64,
        level: i64,
        error: *mut ErrorText,
    ) -> *mut c_void;
    fn jem_vmap_unwrap(
        tensor: *mut c_void,
        level: i64,
        size: i64,
        error: *mut ErrorText,
    ) -> *mut c_void;

    fn jem_gradient_enter(error: *mut ErrorText) -> i64;
    fn jem_gradient_leave();
    fn jem_gradient_wrap(tensor: *mut c_void, level: i64, error: *mut ErrorText) -> *mut c_void;
    fn jem_gradient_unwrap(tensor: *mut c_void, level: i64, error: *mut ErrorText) -> *mut c_void;
}

/// Why a call failed.
pub(super) enum Refusal {
    /// No form of the operator takes these arguments; for each, the reason.
    NoForm(String),
    /// libtorch said no.
    Torch(String),
}

/// All names, one a line, each with the most arguments it takes.
pub(super) fn names() -> &'static str {
    // Safety: the text is made once and never freed; it is ASCII.
    unsafe { CStr::from_ptr(jem_names()) }
        .to_str()
        .unwrap_or_default()
}

pub(super) fn find(name: &str) -> Option<&'static Operator> {
    let name = CString::new(name).ok()?;
    // Safety: an operator lives as long as the process.
    unsafe { jem_find(name.as_ptr()).as_ref() }
}

pub(super) fn forms(operator: &Operator) -> String {
    // Safety: the text is ours to free, as `taken` does.
    unsafe { taken(jem_forms(operator)) }
}

pub(super) fn call(
    operator: &Operator,
    arguments: &[Value],
    named: &[(String, Value)],
    device: &str,
) -> std::result::Result<Vec<(String, Value)>, Refusal> {
    let mut lists = Vec::new();
    let raw: Vec<Raw> = arguments.iter().map(|v| lower(v, &mut lists)).collect();
    let raw_named: Vec<Raw> = named.iter().map(|(_, v)| lower(v, &mut lists)).collect();
    let no_zero = |text: &str| {
        CString::new(text).map_err(|_| Refusal::NoForm(format!("no argument is called {text:?}")))
    };
    let names: Vec<CString> = named
        .iter()
        .map(|(name, _)| no_zero(name))
        .collect::<std::result::Result<_, _>>()?;
    let name_pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let device = no_zero(device)?;
    let (mut results, mut error) = (ptr::null_mut(), ptr::null_mut());
    // Safety: all pointers outlive the call; lengths are those of the vectors.
    let outcome = unsafe {
        jem_call(
            operator,
            raw.as_ptr(),
            raw.len(),
            name_pointers.as_ptr(),
            raw_named.as_ptr(),
            raw_named.len(),
            device.as_ptr(),
            &mut results,
            &mut error,
        )
    };
    match outcome {
        0 => {}
        // Safety: the text is ours to free.
        1 => return Err(Refusal::NoForm(unsafe { taken(error) })),
        _ => return Err(Refusal::Torch(unsafe { taken(error) })),
    }
    // Safety: the results are ours until they are freed; their tensors stay ours after that.
    unsafe {
        let all = slice(jem_results_values(results), jem_results_count(results));
        let name = |k| CStr::from_ptr(jem_results_name(results, k)).to_string_lossy();
        let values = all
            .iter()
            .enumerate()
            .map(|(k, raw)| (name(k).into_owned(), lift(raw)))
            .collect();
        jem_results_free(results);
        Ok(values)
    }
}

/// Prepares this thread for calls of operators: see `shim/shim.h`.
pub(super) fn set_up() {
    // Safety: it sets flags of libtorch, and a handler that lives for ever.
    unsafe { jem_set_up() }
}

/// Makes a change of `with` in place count as one of `tensor`.
pub(crate) fn share_version(tensor: &Tensor, with: &Tensor) {
    // Safety: two tensors that live; the counter is counted by its holders.
    unsafe { jem_share_version(pointer(tensor), pointer(with)) }
}

/// A value as the shim takes it; lists are kept in `lists` while it is in use.
fn lower(value: &Value, lists: &mut Vec<Box<[Raw]>>) -> Raw {
    let mut raw = Raw {
        tag: NONE,
        whole: 0,
        number: 0.0,
        pointer: ptr::null(),
    };
    match value {
        Value::None => {}
        Value::Bool(b) => (raw.tag, raw.whole) = (BOOL, i64::from(*b)),
        Value::Int(i) => (raw.tag, raw.whole) = (INT, *i),
        Value::Float(f) => (raw.tag, raw.number) = (FLOAT, *f),
        Value::Text(text) => {
            (raw.tag, raw.whole) = (TEXT, text.len() as i64);
            raw.pointer = text.as_ptr().cast();
        }
        Value::Tensor(tensor) => {
            raw.tag = TENSOR;
            raw.pointer = tensor.raw().as_ptr().cast();
        }
        Value::List(list) => {
            let inside: Box<[Raw]> = list.iter().map(|v| lower(v, lists)).collect();
            (raw.tag, raw.whole) = (LIST, inside.len() as i64);
            raw.pointer = inside.as_ptr().cast();
            lists.push(inside);
        }
    }
    raw
}

/// A result as a value.
///
/// Safety: as the shim made it, and not taken before: its tensors pass to the value.
unsafe fn lift(raw: &Raw) -> Value {
    match raw.tag {
        BOOL => Value::Bool(raw.whole != 0),
        INT => Value::Int(raw.whole),
        FLOAT => Value::Float(raw.number),
        TEXT => {
            let bytes = unsafe { slice(raw.pointer.cast::<u8>(), raw.whole as usize) };
            Value::Text(String::from_utf8_lossy(bytes).into_owned())
        }
        TENSOR => Value::Tensor(unsafe { owned(raw.pointer.cast_mut()) }),
        LIST => {
            let inside = unsafe { slice(raw.pointer.cast::<Raw>(), raw.whole as usize) };
            Value::List(inside.iter().map(|raw| unsafe { lift(raw) }).collect())
        }
        _ => Value::None,
    }
}

/// Safety: `pointer` points to `length` entries, or `length` is 0.
unsafe fn slice<'a, T>(pointer: *const T, length: usize) -> &'a [T] {
    match length {
        0 => &[],
        _ => unsafe { std::slice::from_raw_parts(pointer, length) },
    }
}

/// Safety: a new `at::Tensor*` that nobody else frees.
unsafe fn owned(pointer: *mut c_void) -> Tensor {
    Tensor::from(unsafe { tch::Tensor::from_ptr(pointer.cast()) })
}

/// Safety: a text that the shim made for us.
unsafe fn taken(text: *mut c_char) -> String {
    if text.is_null() {
        return "libtorch failed without a message".to_owned();
    }
    let taken = unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned();
    unsafe { jem_free_text(text) };
    taken
}

/// What libtorch says, in the language's words.
pub(super) fn said(text: String) -> Error {
    Error::from(tch::TchError::Torch(text))
}

/// A level of forward differentiation or of vmap; leaving its scope leaves it.
pub(super) struct Level {
    number: i64,
    leave: fn(i64),
}

impl Drop for Level {
    fn drop(&mut self) {
        (self.leave)(self.number);
    }
}

impl Level {
    fn enter(enter: impl FnOnce(*mut ErrorText) -> i64, leave: fn(i64)) -> Result<Level> {
        let mut error = ptr::null_mut();
        match enter(&mut error) {
            // Safety: the text is ours to free.
            number if number < 0 => Err(said(unsafe { taken(error) })),
            number => Ok(Level { number, leave }),
        }
    }

    /// Forward differentiation.
    pub(super) fn forward() -> Result<Level> {
        // Safety: numbers in and out.
        Level::enter(
            |e| unsafe { jem_forward_enter(e) },
            |n| unsafe { jem_forward_leave(n) },
        )
    }

    /// vmap over a dimension of this size.
    pub(super) fn vmap(size: i64) -> Result<Level> {
        Level::enter(
            |e| unsafe { jem_vmap_enter(size, e) },
            |_| unsafe { jem_vmap_leave() },
        )
    }

    /// A gradient that can be taken inside vmap.
    pub(super) fn gradient() -> Result<Level> {
        Level::enter(
            |e| unsafe { jem_gradient_enter(e) },
            |_| unsafe { jem_gradient_leave() },
        )
    }

    /// A tensor that carries a tangent at this level.
    pub(super) fn dual(&self, primal: &Tensor, tangent: &Tensor) -> Result<Tensor> {
        let (primal, tangent) = (pointer(primal), pointer(tangent));
        self.made(|level, e| unsafe { jem_forward_make(primal, tangent, level, e) })
    }

    /// A tensor without its tangent.
    pub(super) fn primal(&self, tensor: &Tensor) -> Result<Tensor> {
        let tensor = pointer(tensor);
        self.made(|level, e| unsafe { jem_forward_primal(tensor, level, e) })
    }

    /// The tangent of a tensor, `None` where it does not depend on what carries one.
    pub(super) fn tangent(&self, tensor: &Tensor) -> Result<Option<Tensor>> {
        let mut error = ptr::null_mut();
        // Safety: a tensor that lives through the call; what comes back is ours.
        let found = unsafe { jem_forward_tangent(pointer(tensor), self.number, &mut error) };
        match (found.is_null(), error.is_null()) {
            (false, _) => Ok(Some(unsafe { owned(found) })),
            (true, true) => Ok(None),
            (true, false) => Err(said(unsafe { taken(error) })),
        }
    }

    /// A tensor whose first dimension is hidden at this level.
    pub(super) fn hide_first(&self, tensor: &Tensor) -> Result<Tensor> {
        let tensor = pointer(tensor);
        self.made(|level, e| unsafe { jem_vmap_wrap(tensor, 0, level, e) })
    }

    /// A tensor with the hidden dimension first again.
    pub(super) fn show_first(&self, tensor: &Tensor, size: i64) -> Result<Tensor> {
        let tensor = pointer(tensor);
        self.made(|level, e| unsafe { jem_vmap_unwrap(tensor, level, size, e) })
    }

    /// A tensor to differentiate by at this level.
    pub(super) fn record(&self, tensor: &Tensor) -> Result<Tensor> {
        let tensor = pointer(tensor);
        self.made(|level, e| unsafe { jem_gradient_wrap(tensor, level, e) })
    }

    /// A result of this level as the level outside sees it.
    pub(super) fn result(&self, tensor: &Tensor) -> Result<Tensor> {
        let tensor = pointer(tensor);
        self.made(|level, e| unsafe { jem_gradient_unwrap(tensor, level, e) })
    }

    fn made(&self, make: impl FnOnce(i64, *mut ErrorText) -> *mut c_void) -> Result<Tensor> {
        let mut error = ptr::null_mut();
        let made = make(self.number, &mut error);
        match made.is_null() {
            // Safety: the text is ours to free, and so is the tensor.
            true => Err(said(unsafe { taken(error) })),
            false => Ok(unsafe { owned(made) }),
        }
    }
}

fn pointer(tensor: &Tensor) -> *mut c_void {
    tensor.raw().as_ptr().cast_mut().cast()
}
