//! The language server: `jemscript lsp`, which editors start and talk to in JSON over the standard
//! streams. One capability a file; what is known of the language comes from `script`.

mod actions;
mod completion;
mod definition;
mod diagnostics;
mod document;
mod formatting;
mod hover;
mod lenses;
mod rename;
mod scripts;
mod signature;
mod symbols;
mod uri;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidChangeWatchedFiles, DidChangeWorkspaceFolders, DidCloseTextDocument,
    DidOpenTextDocument, DidSaveTextDocument, Notification as _,
};
use lsp_types::request as r;
use lsp_types::request::Request as _;
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeLensOptions, CompletionOptions, InitializeParams, OneOf,
    PositionEncodingKind, RenameOptions, SaveOptions, ServerCapabilities, SignatureHelpOptions,
    TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions,
    TextDocumentSyncSaveOptions, WorkspaceFoldersServerCapabilities, WorkspaceServerCapabilities,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::document::Units;
use self::scripts::Scripts;
use crate::error::{Error, Result};

/// What a request comes to; the text of an error is shown to the user.
type Answer<T> = std::result::Result<T, String>;

/// Serves an editor on the standard streams until it says that it is done.
pub fn serve() -> Result<()> {
    let (connection, threads) = Connection::stdio();
    let ended = talk(&connection);
    // Its threads end with the channels.
    drop(connection);
    threads
        .join()
        .map_err(|e| Error::state(format!("the editor: {e}")))?;
    ended
}

fn broken(e: lsp_server::ProtocolError) -> Error {
    Error::state(format!("the editor: {e}"))
}

fn talk(connection: &Connection) -> Result<()> {
    let (id, params) = connection.initialize_start().map_err(broken)?;
    let params: InitializeParams = serde_json::from_value(params)
        .map_err(|e| Error::data(format!("the editor's `initialize`: {e}")))?;
    let units = units(&params);
    let told = json!({
        "capabilities": capabilities(units, lenses::wanted(&params)),
        "serverInfo": { "name": "jemscript", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, told).map_err(broken)?;
    // The thread that checks has a sender as long as the editor listens: a long check must not keep
    // the server from its end.
    let sender = Arc::new(Mutex::new(Some(connection.sender.clone())));
    let checkers = sender.clone();
    let scripts = Scripts::new(&params, units, move |message| {
        if let Some(sender) = &*checkers.lock().unwrap_or_else(PoisonError::into_inner) {
            // An editor that has gone away wants nothing more.
            let _ = sender.send(message);
        }
    });
    // The reference is made when it is first needed; better now than at the first key.
    std::thread::spawn(|| crate::script::reference::all().len());
    let ended = listen(connection, &mut Server { scripts });
    drop(sender.lock().unwrap_or_else(PoisonError::into_inner).take());
    ended
}

/// Answers until the editor says that it is done, or goes away.
fn listen(connection: &Connection, server: &mut Server) -> Result<()> {
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request).map_err(broken)? {
                    break;
                }
                let answer = server.answer(request);
                if connection.sender.send(answer.into()).is_err() {
                    break;
                }
            }
            Message::Notification(note) if note.method == "exit" => break,
            Message::Notification(note) => server.note(note),
            Message::Response(_) => {}
        }
    }
    Ok(())
}

/// Bytes, if the editor knows them: they are ours, too.
fn units(params: &InitializeParams) -> Units {
    let general = params.capabilities.general.as_ref();
    let known = general.and_then(|g| g.position_encodings.as_ref());
    match known.is_some_and(|k| k.contains(&PositionEncodingKind::UTF8)) {
        true => Units::Utf8,
        false => Units::Utf16,
    }
}

fn capabilities(units: Units, lenses: bool) -> ServerCapabilities {
    let characters = |all: &str| Some(all.chars().map(|c| c.to_string()).collect());
    ServerCapabilities {
        position_encoding: Some(match units {
            Units::Utf8 => PositionEncodingKind::UTF8,
            Units::Utf16 => PositionEncodingKind::UTF16,
        }),
        text_document_sync: Some(TextDocumentSyncCapability::Options(
            TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(TextDocumentSyncKind::INCREMENTAL),
                save: Some(TextDocumentSyncSaveOptions::SaveOptions(
                    SaveOptions::default(),
                )),
                ..TextDocumentSyncOptions::default()
            },
        )),
        hover_provider: Some(true.into()),
        completion_provider: Some(CompletionOptions {
            trigger_characters: characters(".:{\""),
            ..CompletionOptions::default()
        }),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: characters("(,"),
            ..SignatureHelpOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: Default::default(),
        })),
        code_action_provider: Some(
            CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
                ..CodeActionOptions::default()
            }
            .into(),
        ),
        document_formatting_provider: Some(OneOf::Left(true)),
        code_lens_provider: lenses.then_some(CodeLensOptions {
            resolve_provider: Some(false),
        }),
        workspace: Some(WorkspaceServerCapabilities {
            workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                supported: Some(true),
                change_notifications: Some(OneOf::Left(true)),
            }),
            file_operations: None,
        }),
        ..ServerCapabilities::default()
    }
}

struct Server {
    scripts: Scripts,
}

impl Server {
    /// The answer to a request. Whatever happens in it, the server goes on.
    fn answer(&mut self, request: Request) -> Response {
        let id = request.id.clone();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.dispatch(request)));
        match outcome {
            Ok(Some(Ok(value))) => Response::new_ok(id, value),
            Ok(Some(Err(text))) => Response::new_err(id, ErrorCode::RequestFailed as i32, text),
            Ok(None) => Response::new_err(
                id,
                ErrorCode::MethodNotFound as i32,
                "jemscript's server does not know this request".to_owned(),
            ),
            Err(_) => Response::new_err(
                id,
                ErrorCode::InternalError as i32,
                "an error inside jemscript; its server goes on".to_owned(),
            ),
        }
    }

    /// `None` for a request that is not known.
    fn dispatch(&self, request: Request) -> Option<Answer<Value>> {
        let s = &self.scripts;
        let p = request.params;
        Some(match request.method.as_str() {
            r::HoverRequest::METHOD => run(p, |p| Ok(hover::hover(s, &p))),
            r::Completion::METHOD => run(p, |p| Ok(completion::complete(s, &p))),
            r::SignatureHelpRequest::METHOD => run(p, |p| Ok(signature::help(s, &p))),
            r::GotoDefinition::METHOD => run(p, |p| Ok(definition::definition(s, &p))),
            r::References::METHOD => run(p, |p| Ok(definition::references(s, &p))),
            r::DocumentHighlightRequest::METHOD => run(p, |p| Ok(definition::highlights(s, &p))),
            r::DocumentSymbolRequest::METHOD => run(p, |p| Ok(symbols::symbols(s, &p))),
            r::PrepareRenameRequest::METHOD => run(p, |p| rename::prepare(s, &p)),
            r::Rename::METHOD => run(p, |p| rename::rename(s, &p)),
            r::CodeActionRequest::METHOD => run(p, |p| Ok(actions::actions(s, &p))),
            r::CodeLensRequest::METHOD => run(p, |p| Ok(lenses::lenses(s, &p))),
            r::Formatting::METHOD => run(p, |p| formatting::format(s, &p)),
            _ => return None,
        })
    }

    /// Takes in what the editor tells.
    fn note(&mut self, note: Notification) {
        let s = &mut self.scripts;
        let p = note.params;
        // What cannot be read is left out: nobody waits for an answer.
        let _ = catch_unwind(AssertUnwindSafe(|| match note.method.as_str() {
            DidOpenTextDocument::METHOD => with(p, |p| s.opened(p)),
            DidChangeTextDocument::METHOD => with(p, |p| s.changed(p)),
            DidCloseTextDocument::METHOD => with(p, |p| s.closed(&p)),
            DidSaveTextDocument::METHOD | DidChangeWatchedFiles::METHOD => s.check_all(),
            DidChangeWorkspaceFolders::METHOD => with(p, |p| s.folders_changed(p)),
            _ => {}
        }));
    }
}

fn run<P: DeserializeOwned, A: Serialize>(
    params: Value,
    work: impl FnOnce(P) -> Answer<A>,
) -> Answer<Value> {
    let params = serde_json::from_value(params).map_err(|e| e.to_string())?;
    serde_json::to_value(work(params)?).map_err(|e| e.to_string())
}

fn with<P: DeserializeOwned>(params: Value, work: impl FnOnce(P)) {
    if let Ok(params) = serde_json::from_value(params) {
        work(params);
    }
}
