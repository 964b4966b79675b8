//! `jemscript lsp`: the language server.

use std::io::IsTerminal;

/// Serves an editor on the standard streams.
pub fn lsp() -> u8 {
    if std::io::stdin().is_terminal() {
        eprintln!(
            "jemscript lsp speaks to an editor, which starts it: docs/editors.md has the settings. Ctrl-C ends it."
        );
    }
    match crate::lsp::serve() {
        Ok(()) => 0,
        Err(error) => super::fail(&error),
    }
}
