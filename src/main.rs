//! The `jemscript` program.

use std::process::ExitCode;

#[global_allocator]
static MEMORY: jemscript::heap::Counted = jemscript::heap::Counted;

fn main() -> ExitCode {
    jemscript::cli::main()
}
