//! Limits that no honest script meets, so that a wrong one gets an error and not a dead machine.

/// Calls inside each other.
pub const MAX_CALL_LEVELS: usize = 256;
/// Expressions inside each other.
pub const MAX_EXPRESSION_DEPTH: usize = 64;
/// Bytes of stack for scripts: calls, and values deep inside each other, take it. It costs nothing
/// until it is used.
pub const STACK: usize = 256 << 20;
/// Bytes of a text.
pub const MAX_STRING: usize = 64 << 20;
/// Entries of an array or a map.
pub const MAX_ENTRIES: usize = 10_000_000;

/// Runs something on a stack that is large enough for scripts, and for letting go of what they
/// made.
pub fn on_deep_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::grow(STACK, work)
}
