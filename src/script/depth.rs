//! Functions that hold functions that hold functions … : a chain of them is let go one inside the
//! other, which takes stack. rhai limits the depth of expressions and of calls, not that of values;
//! so chains are measured now and then, and a script that builds one without an end gets an error
//! while there is still stack to let go of it.

use std::cell::Cell;

use rhai::{Dynamic, EvalAltResult, FnPtr};

use super::failure::Failure;
use crate::error::Error;

/// Functions inside each other; the stack of scripts holds about twice as many.
pub const MAX_DEPTH: usize = 500_000;

/// Reads of variables between two measurements: to add a function to a chain, the chain must be
/// read.
const EVERY: u32 = 1 << 14;

thread_local! {
    static READS: Cell<u32> = const { Cell::new(0) };
}

/// Looks at a variable that is read; every so often it measures.
pub fn watch(value: &Dynamic) -> Result<(), Box<EvalAltResult>> {
    let reads = READS.get().wrapping_add(1);
    READS.set(reads);
    // A few reads in a row, since a loop that wraps a function reads other variables between.
    if reads % EVERY >= 4 || depth(value) <= MAX_DEPTH {
        return Ok(());
    }
    let error = Error::argument(format!(
        "functions inside each other: more than {MAX_DEPTH}"
    ));
    Err(Failure::new(
        error.with_hint("each keeps the one before it; keep a list of them, or the last one alone"),
    )
    .into())
}

/// How many functions are inside each other along what a function holds first.
fn depth(value: &Dynamic) -> usize {
    let mut depth = 0;
    let mut next = function(value);
    while let Some(held) = next {
        depth += 1;
        if depth > MAX_DEPTH {
            break;
        }
        next = held.curry().iter().find_map(function);
    }
    depth
}

fn function(value: &Dynamic) -> Option<FnPtr> {
    value.read_lock::<FnPtr>().map(|function| function.clone())
}
