//! The language's own Jupyter kernel: cells in the language, without a compiler.
//!
//! One thread owns the session ([`worker`]), since a script's values stay on their thread; another
//! one the sockets ([`server`]), so that an interrupt is heard while a cell runs. What the session
//! shows goes through [`output`]. The protocol is that of
//! <https://jupyter-client.readthedocs.io/en/stable/messaging.html>, version 5.3.

mod archive;
mod capture;
mod history;
pub mod install;
mod message;
mod output;
mod progress;
mod server;
mod tools;
mod worker;

use std::path::Path;

use jupyter_protocol::ConnectionInfo;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::script::Program;

pub use worker::FILE;

/// Serves the client of a connection file until it shuts the kernel down. `start` makes the
/// session, on the thread that keeps it.
pub fn run(
    connection: &Path,
    start: impl FnOnce() -> Result<Program> + Send + 'static,
) -> Result<()> {
    let text = std::fs::read_to_string(connection).map_err(|e| Error::io(connection, &e))?;
    let info: ConnectionInfo = serde_json::from_str(&text).map_err(|e| {
        Error::data(format!("{}: not a Jupyter connection file: {e}", connection.display()))
            .with_hint("Jupyter writes this file and starts the kernel with it; see `jemscript kernel install`")
    })?;
    server::serve(&info, start)
}

/// What the kernel says about itself.
fn info() -> Value {
    json!({
        "status": "ok",
        "protocol_version": "5.3",
        "implementation": "jemscript",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": {
            "name": "jemscript",
            "version": env!("CARGO_PKG_VERSION"),
            // The nearest language that editors colour.
            "mimetype": "text/x-rustsrc",
            "file_extension": ".rhai",
            "codemirror_mode": "rust",
            "pygments_lexer": "rust",
        },
        "banner": format!("jemscript {}: energy-based models from short scripts", env!("CARGO_PKG_VERSION")),
        "help_links": [],
        "debugger": false,
    })
}
