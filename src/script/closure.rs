//! Functions written in scripts, as the library calls them.
//!
//! A closure is kept with the context of its creation, so that helpers of an imported module and constants are found when
//! the library calls it much later. Its errors cannot travel through the core (`EvalAltResult` is not `Send`): they are parked
//! here, and taken up again where the library's call returns to the script.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rhai::{Dynamic, FnPtr, NativeCallContext};

use super::diagnostic::Failure;
use super::host::Host;
use super::value::{from_dynamic, to_dynamic};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Function, Value};

thread_local! {
    static PARKED: RefCell<Option<Failure>> = const { RefCell::new(None) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// How deep functions may call the library and the library functions: each level takes real stack.
const MAX_DEPTH: usize = 24;

/// Keeps a failure until the library's call returns to the script.
fn park(failure: Failure) -> Error {
    PARKED.set(Some(failure));
    Error::new(ErrorKind::Callback, "a function given by the script failed")
}

/// The failure that was kept, if there is one.
pub fn unpark() -> Option<Failure> {
    PARKED.take()
}

struct Depth;

impl Depth {
    fn enter() -> Result<Depth> {
        let depth = DEPTH.get();
        if depth >= MAX_DEPTH {
            return Err(Error::state("functions call each other through the library too deep")
                .with_hint("does an energy, layer or sampler call itself?"));
        }
        DEPTH.set(depth + 1);
        Ok(Depth)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// A script's function as the core takes it.
#[allow(deprecated)] // rhai marks the stored context as volatile; the version is pinned.
pub fn function(context: &NativeCallContext, pointer: FnPtr) -> Function {
    let store = context.store_data();
    let session = Host::of(context);
    Function(Rc::new(move |arguments: &[Value]| {
        let _depth = Depth::enter()?;
        let engine = session.engine()?;
        let context = store.create_context(&engine);
        let arguments: Vec<Dynamic> = arguments.iter().map(to_dynamic).collect();
        match pointer.call_raw(&context, None, arguments) {
            Ok(value) => from_dynamic(&context, &value),
            Err(error) => Err(park(Failure::of(&error, context.call_source()))),
        }
    }))
}
