//! The net under every call from a script: a panic becomes an error.
//!
//! One kind of panic is known: where libtorch refuses an operation that takes a number (out of
//! memory, say), `tch` drops the number before it reads the error, and that drop panics with the
//! error. It is taken up here as the error that it is.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::error::{Error, ErrorKind};

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

struct Inside;

impl Inside {
    fn enter() -> Inside {
        DEPTH.set(DEPTH.get() + 1);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Makes panics that the net catches print nothing: the error says it all. Others print as before.
pub fn spread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if DEPTH.get() == 0 {
                usual(info);
            }
        }));
    });
}

/// Runs a binding; a panic in it is an error of the function `label`.
pub fn catch<T>(label: &str, run: impl FnOnce() -> T) -> Result<T, Error> {
    let _inside = Inside::enter();
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| of_panic(label, panic.as_ref()))
}

fn of_panic(label: &str, panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let said = said.unwrap_or("unknown");
    if let Some((_, torch)) = said.split_once("`Err` value: Torch(\"") {
        let first = torch
            .split("\\n")
            .next()
            .unwrap_or(torch)
            .trim_end_matches("\")");
        return Error::from(tch::TchError::Torch(first.to_owned())).context(label);
    }
    Error::new(ErrorKind::Torch, format!("{label}: internal error: {said}"))
        .with_hint("this is a defect of jemscript; please report it with the script")
}
