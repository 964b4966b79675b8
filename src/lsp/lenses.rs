//! "run" and "dry run" above a script, for editors that say that they know what to do then: the
//! commands are the editor's, since what a run prints belongs into its terminal.

use lsp_types::{CodeLens, CodeLensParams, Command, InitializeParams, Position, Range};
use serde_json::json;

use super::scripts::Scripts;

/// Whether the editor wants lenses.
pub fn wanted(params: &InitializeParams) -> bool {
    let options = params.initialization_options.as_ref();
    options.and_then(|o| o.get("lenses")?.as_bool()) == Some(true)
}

/// The answer to `textDocument/codeLens`: none for what only declares functions.
pub fn lenses(scripts: &Scripts, p: &CodeLensParams) -> Vec<CodeLens> {
    let uri = &p.text_document.uri;
    let runs = scripts
        .get(uri)
        .is_some_and(|d| d.path.is_some() && d.outline().runs);
    let lens = |title: &str, command: &str| CodeLens {
        range: Range::new(Position::new(0, 0), Position::new(0, 0)),
        command: Some(Command {
            title: title.to_owned(),
            command: command.to_owned(),
            arguments: Some(vec![json!(uri.as_str())]),
        }),
        data: None,
    };
    let all = [
        lens("$(play) run", "jemscript.run"),
        lens("dry run", "jemscript.dryRun"),
    ];
    all.into_iter().filter(|_| runs).collect()
}
