//! The `jemscript` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    jemscript::cli::main()
}
