//! The thread that owns the session: it answers the requests of the shell socket one after the
//! other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::archive::Archive;
use super::capture::Capture;
use super::history::History;
use super::message::{Outbox, Request, Stream, data};
use super::output::Notebook;
use super::{info, tools};
use crate::display::Rich;
use crate::error::{Error, ErrorKind};
use crate::script::{Cells, Diagnostic, Program};

/// How long a failed cell waits for those that its client sends behind it: they are not to run.
const BEHIND: Duration = Duration::from_millis(20);

/// The file of a session's script in its run folder.
pub const FILE: &str = "notebook.rhai";

/// A session with its ways in and out.
pub struct Worker {
    cells: Cells,
    notebook: Rc<Notebook>,
    out: Outbox,
    capture: Capture,
    history: History,
    count: i64,
    waiting: VecDeque<Request>,
}

impl Worker {
    /// A worker for a program.
    pub fn new(program: Program, out: Outbox, capture: Capture) -> Worker {
        let notebook = Rc::new(Notebook::new(out.clone()));
        program.session.set_output(notebook.clone());
        let cells = Cells::new(program, "cell");
        Worker {
            cells,
            notebook,
            out,
            capture,
            history: History::new(Archive::new()),
            count: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Answers requests until there are no more, or the kernel ends.
    pub fn serve(mut self, requests: &Receiver<Request>, ending: &AtomicBool) {
        while let Some(request) = self.waiting.pop_front().or_else(|| requests.recv().ok()) {
            if ending.load(Ordering::SeqCst) {
                break;
            }
            self.out.belongs_to(&request.message);
            self.out
                .publish("status", json!({ "execution_state": "busy" }));
            // The session has its own net; this one is for what lies around it.
            if catch_unwind(AssertUnwindSafe(|| self.answer(&request, requests))).is_err() {
                let error = failure(ErrorKind::Torch, "internal error of the kernel", Vec::new());
                self.out
                    .reply(&request.message, with(error, json!({ "status": "error" })));
            }
            self.out
                .publish("status", json!({ "execution_state": "idle" }));
        }
        if let Err(error) = self.cells.close(FILE) {
            eprintln!("{error}");
        }
    }

    fn answer(&mut self, request: &Request, requests: &Receiver<Request>) {
        let content = match request.kind() {
            "execute_request" => return self.execute(request, requests),
            "kernel_info_request" => info(),
            "complete_request" => tools::complete(&self.cells, request),
            "inspect_request" => tools::inspect(&self.cells, request),
            "is_complete_request" => tools::is_complete(&self.cells, request.text("code")),
            "history_request" => self.history.answer(request),
            "comm_info_request" => json!({ "status": "ok", "comms": {} }),
            "comm_open" => {
                // There is nobody to talk to.
                return self.out.publish(
                    "comm_close",
                    json!({ "comm_id": request.text("comm_id"), "data": {} }),
                );
            }
            _ => return,
        };
        self.out.reply(&request.message, content);
    }

    fn execute(&mut self, request: &Request, requests: &Receiver<Request>) {
        let code = request.text("code");
        let silent = request.flag("silent", false);
        let stored = !silent && request.flag("store_history", true);
        self.count += i64::from(stored);
        let count = self.count;
        if !silent {
            self.out.publish(
                "execute_input",
                json!({ "code": code, "execution_count": count }),
            );
        }
        self.notebook.begin();
        let label = if stored {
            format!("cell #{count}")
        } else {
            "cell".to_owned()
        };
        let outcome = self
            .cells
            .run_as(&label, code)
            .map(|o| self.cells.program.rich(&o.value));
        self.capture.flush();
        let shown = outcome.as_ref().ok().and_then(|rich| rich.as_ref());
        if stored {
            self.history
                .add(count, code, shown.map_or("", |rich| rich.text.as_str()));
        }
        match &outcome {
            Ok(_) => {
                if let Some(rich) = shown.filter(|_| !silent) {
                    let content =
                        json!({ "execution_count": count, "data": data(rich), "metadata": {} });
                    self.out.publish("execute_result", content);
                }
                let expressions = self.expressions(request);
                let content = json!({ "status": "ok", "execution_count": count, "payload": [], "user_expressions": expressions });
                self.out.reply(&request.message, content);
            }
            Err(diagnostic) => {
                let error = of(diagnostic);
                if !silent {
                    self.out.publish("error", Value::Object(error.clone()));
                }
                let behind = if request.flag("stop_on_error", true) {
                    self.behind(requests)
                } else {
                    Vec::new()
                };
                let content = json!({ "status": "error", "execution_count": count, "payload": [] });
                self.out.reply(&request.message, with(error, content));
                self.abort(&behind);
            }
        }
    }

    /// What was sent behind a cell that failed: its cells are taken out, the rest waits.
    fn behind(&mut self, requests: &Receiver<Request>) -> Vec<Request> {
        std::thread::sleep(BEHIND);
        self.waiting.extend(requests.try_iter());
        let (cells, rest): (Vec<_>, Vec<_>) = self
            .waiting
            .drain(..)
            .partition(|r| r.kind() == "execute_request");
        self.waiting = rest.into();
        cells
    }

    /// Tells the client that these cells are not run.
    fn abort(&self, cells: &[Request]) {
        for (i, request) in cells.iter().enumerate() {
            if i == 0 {
                self.out
                    .publish("status", json!({ "execution_state": "idle" }));
            }
            self.out.belongs_to(&request.message);
            self.out
                .publish("status", json!({ "execution_state": "busy" }));
            let content =
                json!({ "status": "aborted", "execution_count": self.count, "payload": [] });
            self.out.reply(&request.message, content);
            if i + 1 < cells.len() {
                self.out
                    .publish("status", json!({ "execution_state": "idle" }));
            }
        }
    }

    /// The values of expressions that the client asks for beside the cell.
    fn expressions(&mut self, request: &Request) -> Value {
        let mut values = Map::new();
        for (name, code) in request.texts("user_expressions") {
            let value = match self.cells.peek(&code) {
                Ok(value) => {
                    let rich = self
                        .cells
                        .program
                        .rich(&value)
                        .unwrap_or_else(|| Rich::text("()"));
                    json!({ "status": "ok", "data": data(&rich), "metadata": {} })
                }
                Err(diagnostic) => with(of(&diagnostic), json!({ "status": "error" })),
            };
            values.insert(name, value);
        }
        Value::Object(values)
    }

    /// A session that could not begin: each cell says why.
    pub fn refuse(error: &Error, out: &Outbox, requests: &Receiver<Request>) {
        while let Ok(request) = requests.recv() {
            out.belongs_to(&request.message);
            out.publish("status", json!({ "execution_state": "busy" }));
            match request.kind() {
                "kernel_info_request" => out.reply(&request.message, info()),
                "execute_request" => {
                    out.text(Stream::Err, format!("{error}\n"));
                    let failed = failure(
                        error.kind(),
                        error.message(),
                        vec![format!("error: {error}")],
                    );
                    out.reply(
                        &request.message,
                        with(failed, json!({ "status": "error", "execution_count": 0 })),
                    );
                }
                _ => {}
            }
            out.publish("status", json!({ "execution_state": "idle" }));
        }
    }
}

/// A diagnostic as Jupyter has errors: a name, a message, and the lines to show.
fn of(diagnostic: &Diagnostic) -> Map<String, Value> {
    let lines = diagnostic
        .text
        .lines()
        .enumerate()
        .map(|(i, line)| match i {
            0 => line.replacen("error:", "\u{1b}[1;31merror:\u{1b}[0m", 1),
            _ => line.to_owned(),
        });
    failure(
        diagnostic.error.kind(),
        diagnostic.error.message(),
        lines.collect(),
    )
}

fn failure(kind: ErrorKind, message: &str, traceback: Vec<String>) -> Map<String, Value> {
    let mut error = Map::new();
    error.insert("ename".to_owned(), json!(format!("{kind:?}")));
    error.insert("evalue".to_owned(), json!(message));
    error.insert("traceback".to_owned(), json!(traceback));
    error
}

/// Fields added to others.
fn with(error: Map<String, Value>, content: Value) -> Value {
    let mut all = match content {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    all.extend(error);
    Value::Object(all)
}
