//! `jemscript lsp`: the language server.

/// Serves an editor on the standard streams.
pub fn lsp() -> u8 {
    match crate::lsp::serve() {
        Ok(()) => 0,
        Err(error) => super::fail(&error),
    }
}
