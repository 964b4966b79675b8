//! The `jemscript` program.

fn main() {}
