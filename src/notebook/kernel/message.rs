//! Messages: what a client asks for, and the one way back to it.

use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::BASE64;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent, UnknownMessage};
use jupyter_zmq_client::{Connection, RawMessage, RuntimeError};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use zeromq::SocketRecv;

use crate::display::{Rich, of_rich};

/// A request: the message, whose content is kept as it came. Clients leave out fields that the
/// protocol wants, so each is read with a default.
pub struct Request {
    /// What a reply answers to.
    pub message: JupyterMessage,
    content: Value,
}

impl Request {
    /// The next request of a socket. Its signature is checked.
    pub async fn next<S: SocketRecv>(from: &mut Connection<S>) -> Result<Request, RuntimeError> {
        let raw = RawMessage::from_multipart(from.socket.recv().await?, &from.mac)?;
        let content = serde_json::from_slice(&raw.jparts[3])?;
        let mut message = JupyterMessage::new(unknown("", Value::Null), None);
        message.header = serde_json::from_slice(&raw.jparts[0])?;
        message.zmq_identities = raw.zmq_identities;
        Ok(Request { message, content })
    }

    /// What is asked for: `execute_request`.
    pub fn kind(&self) -> &str {
        &self.message.header.msg_type
    }

    /// A text; empty where there is none.
    pub fn text(&self, key: &str) -> &str {
        self.content[key].as_str().unwrap_or_default()
    }

    /// Yes or no.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.content[key].as_bool().unwrap_or(default)
    }

    /// A number, where there is one.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.content[key].as_i64()
    }

    /// Texts by name.
    pub fn texts(&self, key: &str) -> Vec<(String, String)> {
        let map = self.content[key].as_object();
        map.into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect()
    }
}

fn unknown(kind: &str, content: Value) -> JupyterMessageContent {
    JupyterMessageContent::UnknownMessage(UnknownMessage {
        msg_type: kind.to_owned(),
        content,
    })
}

/// A stream that text goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    Out,
    /// The standard error.
    Err,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        }
    }
}

/// What goes to the sockets.
pub enum Sent {
    /// A reply on the shell socket.
    Shell(JupyterMessage),
    /// A reply on the control socket.
    Control(JupyterMessage),
    /// A message to all clients.
    All(JupyterMessage),
    /// Text for all clients; neighbours are sent as one.
    Text(Stream, String, Option<Box<JupyterMessage>>),
}

impl Sent {
    /// Text as the message that it becomes.
    pub fn text(stream: Stream, text: &str, parent: Option<&JupyterMessage>) -> JupyterMessage {
        broadcast(
            "stream",
            json!({ "name": stream.name(), "text": text }),
            parent,
        )
    }
}

/// The request that output belongs to at the moment.
type Parent = Arc<Mutex<Option<JupyterMessage>>>;

/// The way to the sockets, and to which request what is sent belongs.
#[derive(Clone)]
pub struct Outbox {
    to: mpsc::Sender<Sent>,
    parent: Parent,
}

impl Outbox {
    /// An outbox that belongs to no request yet.
    pub fn new(to: mpsc::Sender<Sent>) -> Outbox {
        Outbox {
            to,
            parent: Arc::default(),
        }
    }

    /// The request that follows; what is sent from now on belongs to it.
    pub fn belongs_to(&self, request: &JupyterMessage) {
        *self.parent.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.clone());
    }

    fn parent(&self) -> Option<JupyterMessage> {
        self.parent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether there was a request yet.
    pub fn has_parent(&self) -> bool {
        self.parent().is_some()
    }

    /// Tells all clients.
    pub fn publish(&self, kind: &str, content: Value) {
        self.send(Sent::All(broadcast(kind, content, self.parent().as_ref())));
    }

    /// Text to all clients.
    pub fn text(&self, stream: Stream, text: impl Into<String>) {
        self.send(Sent::Text(stream, text.into(), self.parent().map(Box::new)));
    }

    /// Answers a request of the shell socket.
    pub fn reply(&self, request: &JupyterMessage, content: Value) {
        self.send(Sent::Shell(reply(request, content)));
    }

    fn send(&self, what: Sent) {
        // An error means that the kernel ends.
        let _ = self.to.blocking_send(what);
    }
}

/// An answer: `x_reply` to `x_request`.
pub fn reply(request: &JupyterMessage, content: Value) -> JupyterMessage {
    let kind = request.header.msg_type.replace("_request", "_reply");
    JupyterMessage::new(unknown(&kind, content), Some(request))
}

/// A message to all clients.
pub fn broadcast(kind: &str, content: Value, parent: Option<&JupyterMessage>) -> JupyterMessage {
    JupyterMessage::new(unknown(kind, content), parent).with_zmq_identities(Vec::new())
}

/// A value in all its forms, by their media types.
pub fn data(value: &Rich) -> Value {
    let mut data = Map::new();
    let mut put =
        |kind: &str, what: Option<String>| what.map(|w| data.insert(kind.to_owned(), json!(w)));
    put("text/plain", Some(value.text.clone()));
    put("image/png", value.png.as_ref().map(|b| BASE64.encode(b)));
    put("image/gif", value.gif.as_ref().map(|b| BASE64.encode(b)));
    // A chart is a page as well, which follows the theme; clients that show no pages take the PNG.
    let page = value.chart.then(|| of_rich(value));
    put("text/html", value.html.clone().or(page));
    Value::Object(data)
}

/// The byte of a text at which its character number `position` begins: Jupyter counts characters.
pub fn byte_of(text: &str, position: usize) -> usize {
    text.char_indices()
        .nth(position)
        .map_or(text.len(), |(at, _)| at)
}

/// The number of characters before a byte of a text.
pub fn position_of(text: &str, byte: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < byte).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        let text = "let ü = 𝑥.su";
        for position in 0..=text.chars().count() {
            assert_eq!(position_of(text, byte_of(text, position)), position);
        }
        assert_eq!((byte_of(text, 5), byte_of(text, 99)), (6, text.len()));
    }

    #[test]
    fn values_keep_all_their_forms() {
        let rich = Rich {
            text: "t".to_owned(),
            png: Some(vec![0, 1, 2]),
            ..Rich::default()
        };
        assert_eq!(
            data(&rich),
            json!({ "text/plain": "t", "image/png": "AAEC" })
        );
    }
}
