//! Downloads from a server that this test starts: whole, cut, redirected, broken, and what the user
//! reads in each case.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use jemscript::fetch::{
    KNOWN, Known, KnownFile, Order, Standing, Watcher, fetch, known, md5_of, standing,
};
use jemscript::{Error, Result};

/// A request: its path and where its range begins.
struct Asked {
    path: String,
    from: Option<usize>,
}

/// A server on this machine; `answer` writes all of a response.
struct Server {
    url: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answer: impl Fn(&Asked, &mut TcpStream, usize) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let written = log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else {
                    continue;
                };
                let mut asked = Asked {
                    path: first.split(' ').nth(1).unwrap().to_owned(),
                    from: None,
                };
                for line in lines
                    .by_ref()
                    .map_while(std::result::Result::ok)
                    .take_while(|l| !l.is_empty())
                {
                    if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                        asked.from = range.trim_end_matches('-').parse().ok();
                    }
                }
                let n = {
                    let mut log = written.lock().unwrap();
                    log.push(format!(
                        "{}{}",
                        asked.path,
                        asked.from.map_or(String::new(), |f| format!("+{f}"))
                    ));
                    log.len()
                };
                answer(&asked, &mut stream, n);
            }
        });
        Server { url, log }
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn send(stream: &mut TcpStream, status: &str, headers: &str, length: usize, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    let _ = stream.flush();
}

/// A server with ranges.
fn send_range(stream: &mut TcpStream, asked: &Asked, body: &[u8], at_most: usize) {
    match asked.from {
        None => send(
            stream,
            "200 OK",
            "",
            body.len(),
            &body[..at_most.min(body.len())],
        ),
        Some(from) if from >= body.len() => send(stream, "416 Range Not Satisfiable", "", 0, b""),
        Some(from) => {
            let rest = &body[from..];
            let range = format!(
                "Content-Range: bytes {from}-{}/{}\r\n",
                body.len() - 1,
                body.len()
            );
            send(
                stream,
                "206 Partial Content",
                &range,
                rest.len(),
                &rest[..at_most.min(rest.len())],
            );
        }
    }
}

fn content() -> Vec<u8> {
    (0..300_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// A set with one file of this content.
fn set_of(bytes: &[u8]) -> &'static Known {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), bytes).unwrap();
    let md5: &'static str = Box::leak(md5_of(&folder.path().join("x")).unwrap().into_boxed_str());
    let files: &'static [KnownFile] = Box::leak(Box::new([KnownFile {
        name: "file.bin",
        md5,
        size: bytes.len() as u64,
        optional: false,
    }]));
    Box::leak(Box::new(Known {
        name: "tiny",
        title: "",
        licence: "",
        home: "http://127.0.0.1:9",
        files,
    }))
}

#[derive(Default)]
struct Heard(Vec<String>);

impl Watcher for Heard {
    fn start(&mut self, name: &str, have: u64, total: Option<u64>) {
        self.0.push(format!("start {name} {have} {total:?}"));
    }
    fn at(&mut self, _: u64) {}
    fn end(&mut self) {}
    fn say(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

/// Fetches into a folder; the file must be whole or absent.
fn get(to: &Path, from: &str) -> (Result<()>, Heard) {
    let mut heard = Heard::default();
    let order = Order {
        set: set_of(&content()),
        from: Some(from.to_owned()),
        to: Some(to.to_owned()),
        extra: false,
    };
    let outcome = fetch(&order, &mut heard).map(|_| ());
    let path = to.join("tiny/file.bin");
    match &outcome {
        Ok(()) => assert!(
            fs::read(&path).unwrap() == content() && !to.join("tiny/file.bin.part").exists()
        ),
        Err(_) => assert!(!path.exists()),
    }
    (outcome, heard)
}

fn error(outcome: (Result<()>, Heard)) -> Error {
    outcome.0.unwrap_err()
}

#[test]
fn a_file_comes_whole_and_only_once() {
    let to = tempfile::tempdir().unwrap();
    let server = Server::new(|asked, stream, _| send_range(stream, asked, &content(), usize::MAX));
    get(to.path(), &server.url).0.unwrap();
    let (again, heard) = get(to.path(), &format!("{}/", server.url));
    again.unwrap();
    assert!(
        heard.0[0].contains("is there, its checksum is right"),
        "{:?}",
        heard.0
    );
    assert_eq!(server.log(), ["/file.bin"]);
    // A broken file is named and fetched again.
    fs::write(to.path().join("tiny/file.bin"), &content()[..1000]).unwrap();
    let (again, heard) = get(to.path(), &server.url);
    again.unwrap();
    assert!(heard.0[0].contains("file.bin: is broken"), "{:?}", heard.0);
    assert_eq!(server.log().len(), 2);
}

#[test]
fn cut_connections_are_taken_up_where_they_broke() {
    let to = tempfile::tempdir().unwrap();
    let server = Server::new(|asked, stream, _| send_range(stream, asked, &content(), 70_000));
    let (outcome, heard) = get(to.path(), &server.url);
    outcome.unwrap();
    assert_eq!(
        server.log(),
        [
            "/file.bin",
            "/file.bin+70000",
            "/file.bin+140000",
            "/file.bin+210000",
            "/file.bin+280000"
        ]
    );
    assert!(
        heard
            .0
            .iter()
            .any(|t| t.contains("broke after 70000 of 300000 bytes")),
        "{:?}",
        heard.0
    );
    // A server that ends every connection at once is given up; what there is stays, and the next
    // command goes on.
    let to = tempfile::tempdir().unwrap();
    let stopped = Server::new(|asked, stream, n| {
        send_range(stream, asked, &content(), if n == 1 { 5000 } else { 0 })
    });
    let found = error(get(to.path(), &stopped.url));
    assert!(
        found.message().contains("broke after 5000")
            && found.message().contains("5000 bytes are kept"),
        "{found}"
    );
    let folder = to.path().join("tiny");
    assert_eq!(
        standing(&folder, &set_of(&content()).files[0], true).unwrap(),
        Standing::Partial(5000)
    );
    let whole = Server::new(|asked, stream, _| send_range(stream, asked, &content(), usize::MAX));
    let (outcome, heard) = get(to.path(), &whole.url);
    outcome.unwrap();
    assert_eq!(
        (whole.log(), heard.0[0].as_str()),
        (
            vec!["/file.bin+5000".to_owned()],
            "start file.bin 5000 Some(300000)"
        )
    );
}

#[test]
fn servers_without_ranges_begin_anew() {
    let to = tempfile::tempdir().unwrap();
    let server = Server::new(|_, stream, n| {
        let most = if n == 1 { 70_000 } else { 300_000 };
        send(stream, "200 OK", "", 300_000, &content()[..most]);
    });
    get(to.path(), &server.url).0.unwrap();
    assert_eq!(server.log(), ["/file.bin", "/file.bin+70000"]);
    // Other bytes than asked for are not taken.
    let to = tempfile::tempdir().unwrap();
    let server = Server::new(|asked, stream, n| match n {
        1 => send_range(stream, asked, &content(), 70_000),
        2 => send(
            stream,
            "206 Partial Content",
            "Content-Range: bytes 5-299999/300000\r\n",
            299_995,
            &content()[5..],
        ),
        _ => send_range(stream, asked, &content(), usize::MAX),
    });
    get(to.path(), &server.url).0.unwrap();
    assert_eq!(server.log(), ["/file.bin", "/file.bin+70000", "/file.bin"]);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let to = tempfile::tempdir().unwrap();
    let server = Server::new(|asked, stream, _| match asked.path.as_str() {
        "/a/file.bin" => send(stream, "302 Found", "Location: /b/file.bin\r\n", 0, b""),
        "/b/file.bin" => send(stream, "301 Moved Permanently", "Location: /c\r\n", 0, b""),
        _ => send_range(stream, asked, &content(), usize::MAX),
    });
    get(to.path(), &format!("{}/a", server.url)).0.unwrap();
    let to = tempfile::tempdir().unwrap();
    let round =
        Server::new(|_, stream, _| send(stream, "302 Found", "Location: /file.bin\r\n", 0, b""));
    let found = error(get(to.path(), &round.url));
    assert!(found.message().contains("redirects without end"), "{found}");
}

#[test]
fn wrong_bytes_are_never_kept() {
    let to = tempfile::tempdir().unwrap();
    let mut other = content();
    other[123_456] ^= 1;
    let wrong = other.clone();
    let server = Server::new(move |asked, stream, _| send_range(stream, asked, &wrong, usize::MAX));
    let found = error(get(to.path(), &server.url));
    assert!(
        found.message().contains("wrong checksum") && found.hint().is_some(),
        "{found}"
    );
    assert!(
        fs::read_dir(to.path().join("tiny"))
            .unwrap()
            .next()
            .is_none()
    );
    // A part of another file: noticed at the end, and fetched from the beginning.
    let server = Server::new(|asked, stream, _| send_range(stream, asked, &content(), usize::MAX));
    for part in [
        &other[..200_000],
        &other[..],
        &[&other[..], b"more"].concat(),
    ] {
        fs::write(to.path().join("tiny/file.bin.part"), part).unwrap();
        let (outcome, heard) = get(to.path(), &server.url);
        outcome.unwrap();
        assert!(
            heard
                .0
                .iter()
                .any(|t| t.contains("fetching it from its beginning")),
            "{:?}",
            heard.0
        );
        fs::remove_file(to.path().join("tiny/file.bin")).unwrap();
    }
    // A part that is whole needs nothing more.
    fs::write(to.path().join("tiny/file.bin.part"), content()).unwrap();
    get(to.path(), &server.url).0.unwrap();
}

#[test]
fn what_the_server_refuses_is_said() {
    let to = tempfile::tempdir().unwrap();
    for (status, words) in [
        ("404 Not Found", "no such file"),
        ("403 Forbidden", "refuses"),
        ("418 Teapot", "answers 418"),
    ] {
        let server = Server::new(move |_, stream, _| send(stream, status, "", 0, b""));
        let found = error(get(to.path(), &server.url));
        assert!(
            found.message().contains(words) && found.message().contains("/file.bin"),
            "{found}"
        );
        assert_eq!(server.log().len(), 1);
    }
    // A busy server is asked again.
    let busy = Server::new(|asked, stream, n| match n {
        1 | 2 => send(stream, "503 Service Unavailable", "", 0, b""),
        _ => send_range(stream, asked, &content(), usize::MAX),
    });
    get(to.path(), &busy.url).0.unwrap();
    // Nobody there.
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let to = tempfile::tempdir().unwrap();
    let found = error(get(to.path(), &format!("http://{gone}")));
    assert!(
        found.message().contains("no connection")
            && found.hint().unwrap().contains("is the net there"),
        "{found}"
    );
    for (from, words) in [
        ("ftp://x", "only http"),
        ("no/such/folder", "neither a URL nor a folder"),
    ] {
        assert!(error(get(to.path(), from)).message().contains(words));
    }
}

#[test]
fn folders_serve_as_mirrors() {
    let (to, mirror) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = mirror.path().display().to_string();
    let lacking = error(get(to.path(), &from));
    assert!(lacking.message().contains("file.bin"), "{lacking}");
    fs::write(mirror.path().join("file.bin"), content()).unwrap();
    get(to.path(), &from).0.unwrap();
}

fn program(args: &[&str], data: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jemscript"));
    let output = command
        .args(args)
        .env("JEMSCRIPT_DATA", data)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn the_program_lists_and_fetches() {
    let data = tempfile::tempdir().unwrap();
    let (code, text) = program(&["fetch", "--list"], data.path());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&data.path().display().to_string()));
    for set in KNOWN {
        assert!(
            text.contains(set.name)
                && text.contains(set.licence)
                && set.files.iter().all(|f| text.contains(f.name))
        );
    }
    fs::create_dir(data.path().join("mnist")).unwrap();
    fs::write(
        data.path().join("mnist/train-labels-idx1-ubyte.gz.part"),
        [0; 2000],
    )
    .unwrap();
    assert!(
        program(&["fetch", "--list"], data.path())
            .1
            .contains("2.0 kB of it there, fetch goes on")
    );
    let (code, text) = program(&["fetch", "minst"], data.path());
    assert!(
        code == Some(1) && text.contains("did you mean `mnist`"),
        "{text}"
    );
    let (code, text) = program(&["fetch"], data.path());
    assert!(code == Some(2), "{text}");
    // A server with other bytes: an error, nothing kept.
    let server = Server::new(|asked, stream, _| send_range(stream, asked, &content(), usize::MAX));
    let (code, text) = program(&["fetch", "cifar10", "--from", &server.url], data.path());
    assert!(
        code == Some(1) && text.contains("wrong checksum") && text.contains("A. Krizhevsky"),
        "{text}"
    );
    assert!(
        fs::read_dir(data.path().join("cifar10"))
            .unwrap()
            .next()
            .is_none()
    );
}

/// A full disk, played by a limit on the size of files.
#[test]
fn a_full_disk_is_said_and_what_is_there_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::new(|asked, stream, _| send_range(stream, asked, &content(), usize::MAX));
    // The signal of a file too large is ignored, as a full disk sends none. 128 blocks of 1 KiB.
    let shell = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
    let output = Command::new("bash")
        .args([
            "-c",
            shell,
            env!("CARGO_BIN_EXE_jemscript"),
            "fetch",
            "cifar10",
            "--from",
            &server.url,
        ])
        .env("JEMSCRIPT_DATA", data.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && text.contains("no room left to write it"),
        "{text}"
    );
    let part = fs::metadata(data.path().join("cifar10/cifar-10-binary.tar.gz.part"))
        .unwrap()
        .len();
    assert!(part > 100_000 && part <= 131_072, "{part}");
}

#[test]
fn the_table_is_sound() {
    for set in KNOWN {
        assert_eq!(known(set.name).unwrap().name, set.name);
        for file in set.files {
            assert!(
                file.md5.len() == 32
                    && file
                        .md5
                        .chars()
                        .all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
            );
            assert!(file.size > 1000);
        }
    }
    assert_eq!(known("fashion_mnist").unwrap().name, "fashion-mnist");
    assert_eq!(known("CIFAR-10").unwrap().name, "cifar10");
}
