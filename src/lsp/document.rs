//! A script in an editor: its text, and its places as the protocol counts them: lines from 0, and
//! in a line UTF-16 units, or bytes where the editor knows them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lsp_types::{Position, TextDocumentContentChangeEvent, Uri};

use super::uri;
use crate::script::outline::Outline;

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// How an editor counts within a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Units {
    /// Units of UTF-16, as it was from the beginning.
    #[default]
    Utf16,
    /// Bytes.
    Utf8,
}

/// A script's text, with its lines.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its address.
    pub uri: Uri,
    /// Its file, if it is one.
    pub path: Option<PathBuf>,
    /// The editor's number of this text, which begins anew where a script is opened again.
    pub version: i32,
    /// Our own number of this text.
    pub serial: u64,
    /// The text. A first line `#!…` is a comment in it.
    pub text: String,
    units: Units,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    outline: OnceCell<Outline>,
}

impl Document {
    /// A text that an editor sent.
    pub fn new(uri: Uri, version: i32, text: String, units: Units) -> Document {
        let path = uri::to_path(&uri).map(real);
        let text = commented(text);
        Document {
            uri,
            path,
            version,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            lines: lines(&text),
            text,
            units,
            outline: OnceCell::new(),
        }
    }

    /// A script on disk.
    pub fn read(path: &Path, units: Units) -> Option<Document> {
        let text = std::fs::read_to_string(path).ok()?;
        Some(Document::new(uri::of_path(path)?, 0, text, units))
    }

    /// What it is called in messages.
    pub fn name(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => self.uri.as_str().to_owned(),
        }
    }

    /// Whether it is one cell of a notebook, which other cells stand around that it does not show.
    pub fn is_cell(&self) -> bool {
        self.uri.as_str().starts_with("vscode-notebook-cell:")
    }

    /// The text as a whole script. JupyterLab puts the cells of a notebook behind each other, with
    /// two empty lines between them; the last line of a cell needs no semicolon, that of a script
    /// does. No other line changes.
    pub fn script(&self) -> Cow<'_, str> {
        let notebook = self.path.as_ref().and_then(|p| p.extension());
        match notebook.is_some_and(|e| e == "ipynb") {
            true => Cow::Owned(self.text.replace("\n\n\n", "\n;\n\n")),
            false => Cow::Borrowed(&self.text),
        }
    }

    /// The names in it.
    pub fn outline(&self) -> &Outline {
        self.outline.get_or_init(|| Outline::of(&self.text))
    }

    /// The text after some changes.
    pub fn changed(&self, version: i32, changes: Vec<TextDocumentContentChangeEvent>) -> Document {
        let mut now = self.clone();
        for change in changes {
            let text = match change.range {
                Some(range) => {
                    let (from, to) = (now.byte(range.start), now.byte(range.end));
                    let mut text = now.text;
                    text.replace_range(from..to.max(from), &change.text);
                    text
                }
                None => change.text,
            };
            now = Document::new(now.uri, version, text, now.units);
        }
        now.version = version;
        now
    }

    /// A line without its end.
    fn line(&self, line: usize) -> &str {
        let from = self.lines.get(line).copied().unwrap_or(self.text.len());
        let to = self.lines.get(line + 1).map_or(self.text.len(), |n| n - 1);
        let text = self.text.get(from..to.max(from)).unwrap_or_default();
        text.strip_suffix('\r').unwrap_or(text)
    }

    /// The byte at a place; a place that is not there is the nearest one before it.
    pub fn byte(&self, at: Position) -> usize {
        let line = at.line as usize;
        let Some(from) = self.lines.get(line) else {
            return self.text.len();
        };
        let mut left = at.character as usize;
        for (i, c) in self.line(line).char_indices() {
            let width = self.width(c);
            if left < width {
                return from + i;
            }
            left -= width;
        }
        from + self.line(line).len()
    }

    fn width(&self, c: char) -> usize {
        match self.units {
            Units::Utf16 => c.len_utf16(),
            Units::Utf8 => c.len_utf8(),
        }
    }

    /// The place of a byte.
    pub fn position(&self, byte: usize) -> Position {
        let line = self.lines.partition_point(|l| *l <= byte).max(1) - 1;
        let inside = byte.saturating_sub(self.lines[line]);
        let before = self.line(line).char_indices().take_while(|c| c.0 < inside);
        let units: usize = before.map(|(_, c)| self.width(c)).sum();
        Position::new(line as u32, units as u32)
    }

    /// The places of some bytes.
    pub fn range(&self, bytes: Range<usize>) -> lsp_types::Range {
        lsp_types::Range::new(self.position(bytes.start), self.position(bytes.end))
    }

    /// The byte of a line and a column from 1, counted in characters; the start of the line where
    /// there is no column.
    pub fn byte_of(&self, line: usize, column: usize) -> usize {
        let line = line.saturating_sub(1);
        let text = self.line(line);
        let inside = text.char_indices().nth(column.saturating_sub(1));
        let from = self.lines.get(line).copied().unwrap_or(self.text.len());
        from + inside.map_or(text.len(), |(i, _)| i)
    }

    /// The bytes of the line that a byte is in, without its end.
    pub fn line_around(&self, byte: usize) -> Range<usize> {
        let line = self.lines.partition_point(|l| *l <= byte).max(1) - 1;
        self.lines[line]..self.lines[line] + self.line(line).len()
    }
}

/// Where the notebook is whose cells JupyterLab shows us in a folder of its own.
fn real(path: PathBuf) -> PathBuf {
    path.components()
        .filter(|c| c.as_os_str() != ".virtual_documents")
        .collect()
}

/// A first line that is for the system is a comment to us; no place moves.
fn commented(text: String) -> String {
    match text.strip_prefix("#!") {
        Some(rest) => format!("//{rest}"),
        None => text,
    }
}

fn lines(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(text.match_indices('\n').map(|(i, _)| i + 1))
        .collect()
}

/// A path without links, if it is there.
pub fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        let uri = "file:///a.rhai".parse().unwrap();
        Document::new(uri, 1, text.to_owned(), Units::Utf16)
    }

    #[test]
    fn places_are_bytes_and_back() {
        let text = "let é = \"𝛼\";\r\nx\n\n// ü";
        let d = document(text);
        for (byte, _) in text.char_indices().filter(|(_, c)| *c != '\n') {
            assert_eq!(d.byte(d.position(byte)), byte, "{byte}");
        }
        let behind = text.find('𝛼').unwrap() + '𝛼'.len_utf8();
        assert_eq!(d.position(behind), Position::new(0, 11));
        // Beyond a line and beyond the text is their end.
        assert_eq!(d.byte(Position::new(0, 99)), text.find('\r').unwrap());
        assert_eq!(d.byte(Position::new(99, 0)), text.len());
        assert_eq!(d.byte_of(1, 5), text.find('é').unwrap());
    }

    #[test]
    fn changes_are_taken_in() {
        let d = document("let a = 1;\nlet b = 2;");
        let change = |range, text: &str| TextDocumentContentChangeEvent {
            range,
            range_length: None,
            text: text.to_owned(),
        };
        let range = |a, b, c, e| {
            let (from, to) = (Position::new(a, b), Position::new(c, e));
            Some(lsp_types::Range::new(from, to))
        };
        let d = d.changed(
            2,
            vec![
                change(range(0, 4, 0, 5), "äa"),
                change(range(0, 11, 1, 0), ""),
            ],
        );
        assert_eq!((d.text.as_str(), d.version), ("let äa = 1;let b = 2;", 2));
        assert_eq!(d.changed(3, vec![change(None, "x")]).text, "x");
        assert_eq!(document("#!/bin/x\n1").text, "///bin/x\n1");
    }
}
