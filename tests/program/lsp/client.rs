//! An editor without a screen: it starts the program and speaks the protocol to it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Generous: no answer takes so long, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The editor.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    inbox: Receiver<Value>,
    next: i64,
    versions: BTreeMap<String, i64>,
    /// What was last published of each script: the version, and the diagnostics.
    pub published: BTreeMap<String, (Option<i64>, Vec<Value>)>,
    /// How long each answer took.
    pub times: Vec<(String, Duration)>,
}

impl Client {
    /// Starts the server for a folder.
    pub fn start(root: &Path) -> Client {
        Client::start_with(root, json!({}), json!({})).0
    }

    /// The same, with capabilities and options of the editor; gives the server's answer, too.
    pub fn start_with(root: &Path, capabilities: Value, options: Value) -> (Client, Value) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jemscript"))
            .arg("lsp")
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (outbox, inbox) = channel();
        std::thread::spawn(move || {
            let mut output = output;
            while let Some(message) = read(&mut output) {
                if outbox.send(message).is_err() {
                    break;
                }
            }
        });
        let mut client = Client {
            input: child.stdin.take(),
            child,
            inbox,
            next: 0,
            versions: BTreeMap::new(),
            published: BTreeMap::new(),
            times: Vec::new(),
        };
        let answer = client.ask(
            "initialize",
            json!({
                "processId": null,
                "rootUri": uri(root),
                "workspaceFolders": [{ "uri": uri(root), "name": "root" }],
                "capabilities": capabilities,
                "initializationOptions": options,
            }),
        );
        client.tell("initialized", json!({}));
        (client, answer)
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let input = self.input.as_mut().unwrap();
        write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        input.flush().unwrap();
    }

    /// Sends a notification.
    pub fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request; gives its result, or the whole answer where it is an error.
    pub fn try_ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next += 1;
        let id = self.next;
        let started = Instant::now();
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            if message["id"] == json!(id) {
                self.times.push((method.to_owned(), started.elapsed()));
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
        }
    }

    /// The result of a request, which must be none of an error.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let shown = params.to_string();
        self.try_ask(method, params)
            .unwrap_or_else(|e| panic!("{method} {shown}: {e}"))
    }

    /// The next message; what is published is noted.
    fn receive(&mut self) -> Value {
        let message = match self.inbox.recv_timeout(PATIENCE) {
            Ok(message) => message,
            Err(_) => panic!("no answer; the server: {:?}", self.child.try_wait()),
        };
        if message["method"] == "textDocument/publishDiagnostics" {
            let p = &message["params"];
            self.published.insert(
                p["uri"].as_str().unwrap().to_owned(),
                (
                    p["version"].as_i64(),
                    p["diagnostics"].as_array().unwrap().clone(),
                ),
            );
        }
        message
    }

    /// Opens a script, or a text in its place.
    pub fn open(&mut self, uri: &str, text: &str) {
        self.versions.insert(uri.to_owned(), 1);
        self.tell(
            "textDocument/didOpen",
            json!({ "textDocument":
                { "uri": uri, "languageId": "jemscript", "version": 1, "text": text } }),
        );
    }

    /// Puts a text in the place of all of a script.
    pub fn retype(&mut self, uri: &str, text: &str) {
        self.change(uri, json!([{ "text": text }]));
    }

    /// Sends changes.
    pub fn change(&mut self, uri: &str, changes: Value) {
        let version = self.versions.get_mut(uri).unwrap();
        *version += 1;
        let version = *version;
        self.tell(
            "textDocument/didChange",
            json!({ "textDocument": { "uri": uri, "version": version },
                "contentChanges": changes }),
        );
    }

    pub fn close(&mut self, uri: &str) {
        self.tell(
            "textDocument/didClose",
            json!({ "textDocument": { "uri": uri } }),
        );
    }

    /// What is wrong with a script as it stands now.
    pub fn diagnostics(&mut self, uri: &str) -> Vec<Value> {
        let version = self.versions[uri];
        loop {
            match self.published.get(uri) {
                Some((Some(v), found)) if *v == version => return found.clone(),
                _ => self.receive(),
            };
        }
    }

    /// Asks about a place.
    pub fn at(&mut self, method: &str, uri: &str, at: (usize, usize)) -> Value {
        self.ask(method, place(uri, at))
    }

    /// Ends the server as an editor does.
    pub fn stop(mut self) -> ExitStatus {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        self.child.wait().unwrap()
    }

    /// Ends the server by going away.
    pub fn vanish(mut self) -> ExitStatus {
        self.input = None;
        self.child.wait().unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some(n) = line.strip_prefix("Content-Length:") {
            length = n.trim().parse().unwrap();
        }
    }
    let mut bytes = vec![0; length];
    output.read_exact(&mut bytes).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// A place in a script.
pub fn place(uri: &str, (line, character): (usize, usize)) -> Value {
    json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } })
}

/// The address of a file.
pub fn uri(path: &Path) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let coded = path.to_str().unwrap().bytes().map(|b| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    });
    format!("file://{}", coded.collect::<String>())
}

/// The file of an address.
pub fn path(uri: &str) -> PathBuf {
    let rest = uri.strip_prefix("file://").unwrap();
    PathBuf::from(rest.replace("%20", " "))
}

/// The line and the UTF-16 unit of a byte.
pub fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte];
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    (line, before[start..].encode_utf16().count())
}

/// The byte of a place.
pub fn byte(text: &str, at: &Value) -> usize {
    let line = at["line"].as_u64().unwrap() as usize;
    let mut left = at["character"].as_u64().unwrap() as usize;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    for (i, c) in text[start..].char_indices() {
        if left == 0 {
            return start + i;
        }
        left -= c.len_utf16();
    }
    text.len()
}

/// A text after the edits of an answer.
pub fn edited(text: &str, edits: &[Value]) -> String {
    let mut all: Vec<(usize, usize, &str)> = edits
        .iter()
        .map(|e| {
            let range = &e["range"];
            (
                byte(text, &range["start"]),
                byte(text, &range["end"]),
                e["newText"].as_str().unwrap(),
            )
        })
        .collect();
    all.sort();
    let mut out = text.to_owned();
    for (from, to, new) in all.into_iter().rev() {
        out.replace_range(from..to, new);
    }
    out
}
