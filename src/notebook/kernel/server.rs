//! The sockets: requests go to the worker, what it sends goes out; interrupts and the end are dealt
//! with here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jupyter_protocol::ConnectionInfo;
use jupyter_zmq_client as zmq;
use jupyter_zmq_client::{
    Connection, KernelIoPubConnection, RouterRecvConnection, RouterSendConnection,
};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use zeromq::{SocketRecv, SocketSend};

use super::capture::Capture;
use super::message::{Outbox, Request, Sent, broadcast, reply};
use super::worker::Worker;
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::script::Program;

/// Messages that may wait for the sockets; a cell that shows more waits itself.
const QUEUE: usize = 1024;
/// How long text waits for more text, to be sent as one message.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes of text in one message, about.
const MOST_TEXT: usize = 1 << 16;
/// How long the end of the kernel waits for the cell that runs.
const PATIENCE: Duration = Duration::from_secs(3);

/// Serves one client connection; returns when it asked for the end.
pub fn serve(
    info: &ConnectionInfo,
    start: impl FnOnce() -> Result<Program> + Send + 'static,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| Error::state(format!("kernel: no event loop: {e}")))?;
    runtime.block_on(listen(info, start))
}

fn socket_error(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("kernel: {error}"))
}

async fn listen(
    info: &ConnectionInfo,
    start: impl FnOnce() -> Result<Program> + Send + 'static,
) -> Result<()> {
    let session = format!("jemscript-{}", std::process::id());
    let mut heartbeat = zmq::create_kernel_heartbeat_connection(info)
        .await
        .map_err(socket_error)?;
    let shell = zmq::create_kernel_shell_connection(info, &session)
        .await
        .map_err(socket_error)?;
    let control = zmq::create_kernel_control_connection(info, &session)
        .await
        .map_err(socket_error)?;
    // Nobody asks the user for input, but clients connect to the socket.
    let _stdin = zmq::create_kernel_stdin_connection(info, &session)
        .await
        .map_err(socket_error)?;
    let iopub = zmq::create_kernel_iopub_connection(info, &session)
        .await
        .map_err(socket_error)?;
    let (shell_out, shell_in) = shell.split();
    let (control_out, control_in) = control.split();

    let (send, sent) = mpsc::channel(QUEUE);
    let (ask, asked) = channel();
    let ending = Arc::new(AtomicBool::new(false));
    let out = Outbox::new(send.clone());
    let flag = ending.clone();
    let worker = std::thread::Builder::new()
        .name("session".to_owned())
        .stack_size(crate::script::STACK)
        .spawn(move || {
            let capture = Capture::start(&out);
            match start() {
                Ok(program) => Worker::new(program, out, capture).serve(&asked, &flag),
                Err(error) => Worker::refuse(&error, &out, &asked),
            }
        });
    let worker =
        worker.map_err(|e| Error::state(format!("kernel: no thread for the session: {e}")))?;

    let (end, mut ended) = mpsc::channel::<()>(1);
    signals(end.clone());
    watch_parent(end.clone());
    tokio::spawn(async move {
        while let Ok(message) = heartbeat.socket.recv().await {
            if heartbeat.socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let _ = send
        .send(Sent::All(broadcast(
            "status",
            json!({ "execution_state": "starting" }),
            None,
        )))
        .await;
    let writer = tokio::spawn(write(sent, iopub, shell_out, control_out));
    tokio::spawn(read_shell(shell_in, ask));
    tokio::select! {
        () = read_control(control_in, &send) => {}
        _ = ended.recv() => {}
    }
    ending.store(true, Ordering::SeqCst);
    finish(worker).await;
    // What the worker sent last goes out; then the process ends, and with it all sockets.
    drop(send);
    let _ = timeout_at(Instant::now() + Duration::from_millis(100), writer).await;
    Ok(())
}

/// Stops the cell that runs, and waits for the worker to close its session.
async fn finish(worker: JoinHandle<()>) {
    let until = Instant::now() + PATIENCE;
    while !worker.is_finished() && Instant::now() < until {
        // A cell forgets requests that came before it.
        interrupt::request();
        sleep(Duration::from_millis(10)).await;
    }
}

async fn read_shell(mut socket: RouterRecvConnection, ask: Sender<Request>) {
    while let Some(request) = next(&mut socket).await {
        if ask.send(request).is_err() {
            break;
        }
    }
}

/// The next request that is one; what cannot be read, or is signed wrongly, is passed over.
async fn next<S: SocketRecv>(socket: &mut Connection<S>) -> Option<Request> {
    loop {
        match Request::next(socket).await {
            Ok(request) => return Some(request),
            Err(zmq::RuntimeError::ZmqError(_)) => sleep(Duration::from_millis(50)).await,
            Err(_) => {}
        }
    }
}

/// Answers the control socket until a client asks for the end.
async fn read_control(mut socket: RouterRecvConnection, send: &mpsc::Sender<Sent>) {
    while let Some(request) = next(&mut socket).await {
        let parent = &request.message;
        let status = |state: &str| {
            Sent::All(broadcast(
                "status",
                json!({ "execution_state": state }),
                Some(parent),
            ))
        };
        let _ = send.send(status("busy")).await;
        let content = match request.kind() {
            "interrupt_request" => {
                interrupt::request();
                Some(json!({ "status": "ok" }))
            }
            "shutdown_request" => {
                Some(json!({ "status": "ok", "restart": request.flag("restart", false) }))
            }
            "kernel_info_request" => Some(super::info()),
            _ => None,
        };
        if let Some(content) = content {
            let _ = send
                .send(Sent::Control(reply(parent, content.clone())))
                .await;
            if request.kind() == "shutdown_request" {
                let _ = send
                    .send(Sent::All(broadcast(
                        "shutdown_reply",
                        content,
                        Some(parent),
                    )))
                    .await;
                let _ = send.send(status("idle")).await;
                return;
            }
        }
        let _ = send.send(status("idle")).await;
    }
}

/// Sends all that comes, in order. Text is gathered for a moment: a script that prints a line at a
/// time would flood clients.
async fn write(
    mut sent: mpsc::Receiver<Sent>,
    mut iopub: KernelIoPubConnection,
    mut shell: RouterSendConnection,
    mut control: RouterSendConnection,
) {
    let mut next = None;
    loop {
        let Some(one) = (match next.take() {
            Some(one) => Some(one),
            None => sent.recv().await,
        }) else {
            return;
        };
        // A client that went away is no reason to stop.
        let _ = match one {
            Sent::Shell(message) => shell.send(message).await,
            Sent::Control(message) => control.send(message).await,
            Sent::All(message) => iopub.send(message).await,
            Sent::Text(stream, mut text, parent) => {
                let until = Instant::now() + GATHER;
                while text.len() < MOST_TEXT {
                    match timeout_at(until, sent.recv()).await {
                        Ok(Some(Sent::Text(same, more, of)))
                            if same == stream && belongs(&of) == belongs(&parent) =>
                        {
                            text += &more;
                        }
                        Ok(other) => {
                            next = other;
                            break;
                        }
                        Err(_) => break,
                    }
                }
                iopub
                    .send(Sent::text(stream, &text, parent.as_deref()))
                    .await
            }
        };
    }
}

fn belongs(parent: &Option<Box<jupyter_protocol::JupyterMessage>>) -> Option<&str> {
    parent.as_ref().map(|p| p.header.msg_id.as_str())
}

/// Ctrl-C stops the cell that runs, as often as it comes: it may be meant for Jupyter, whose
/// terminal the kernel shares. SIGTERM ends the kernel.
fn signals(end: mpsc::Sender<()>) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if signal == SIGTERM {
                let _ = end.blocking_send(());
            } else {
                interrupt::request();
            }
        }
    });
}

/// Where Jupyter names itself as the parent, the kernel ends when Jupyter has died.
fn watch_parent(end: mpsc::Sender<()>) {
    if std::env::var_os("JPY_PARENT_PID").is_none() {
        return;
    }
    let parent = std::os::unix::process::parent_id();
    tokio::spawn(async move {
        while std::os::unix::process::parent_id() == parent {
            sleep(Duration::from_secs(2)).await;
        }
        let _ = end.send(()).await;
    });
}
