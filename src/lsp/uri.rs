//! Addresses of files, `file:///a%20b.rhai`, and their paths.

use std::path::{Path, PathBuf};

use lsp_types::Uri;

/// The path of a file's address; `None` for what is no file: a text that was never saved.
pub fn to_path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let path = &rest[rest.find('/')?..];
    let mut bytes = Vec::with_capacity(path.len());
    let mut left = path.as_bytes();
    while let [first, rest @ ..] = left {
        let code = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                left = &rest[2..];
            }
            _ => {
                bytes.push(*first);
                left = rest;
            }
        }
    }
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// The address of a file.
pub fn of_path(path: &Path) -> Option<Uri> {
    let whole = std::path::absolute(path).ok()?;
    let mut text = String::from("file://");
    for byte in whole.to_str()?.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for path in ["/a/b.rhai", "/a b/ü/c%20d.rhai", "/x#1?.rhai"] {
            let uri = of_path(Path::new(path)).unwrap();
            assert_eq!(to_path(&uri).unwrap(), Path::new(path), "{}", uri.as_str());
        }
        let uri: Uri = "untitled:Untitled-1".parse().unwrap();
        assert_eq!(to_path(&uri), None);
        let uri: Uri = "file://localhost/a%C3%BC.rhai".parse().unwrap();
        assert_eq!(to_path(&uri).unwrap(), Path::new("/aü.rhai"));
    }
}
