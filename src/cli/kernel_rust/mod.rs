//! `jemscript kernel-rust`: the Jupyter kernel for Rust cells. It is evcxr's, started so that it finds libtorch and this
//! library by itself.

mod install;
mod places;
mod run;
mod warm;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::run::bare;

/// The name by which Jupyter knows the kernel.
pub(super) const NAME: &str = "jemscript-rust";

/// What to do with the kernel.
#[derive(Subcommand)]
pub enum RustKernel {
    /// Build what is missing, and tell Jupyter about the kernel
    Install(Where),
    /// Take the kernel out of Jupyter, and remove what it has built
    Uninstall(Where),
    /// Start the kernel: Jupyter calls this
    #[command(hide = true)]
    Run {
        /// The file in which Jupyter says where it listens
        connection: PathBuf,
    },
}

/// Where Jupyter looks for kernels.
#[derive(Args, Default)]
pub struct Where {
    /// Put the kernel under DIR/share/jupyter (default: the user's own folder)
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

/// Does it; gives the exit code.
pub fn kernel_rust(command: &RustKernel) -> u8 {
    let done = match command {
        RustKernel::Install(place) => install::install(place).map(|()| 0),
        RustKernel::Uninstall(place) => install::uninstall(place).map(|()| 0),
        RustKernel::Run { connection } => run::run(connection),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{}", bare(&error));
        1
    })
}
