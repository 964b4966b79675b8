//! Files that are often met in the place of others, named by how they begin.

use std::io::Read;
use std::path::Path;

use crate::error::Error;

/// The error for a file that is known to be something else, by its first 512 bytes.
pub(super) fn named(start: &[u8]) -> Option<Error> {
    let text = start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .trim_ascii_start();
    let begins = |with: &str| {
        text.get(..with.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(with.as_bytes()))
    };
    const AGAIN: &str =
        "download the file itself; a download of a large file may ask for a confirmation first";
    const TAR: &str = "unpack it and name the file inside; where PyTorch wrote it so, PyTorch reads it and saves it anew";
    const SAVE: &str =
        "in Python, `torch.save(model.state_dict(), file)` writes weights that are read here";
    let (what, hint) = if start.is_empty() {
        ("an empty file", "was its download cut off?")
    } else if ["<!doctype html", "<html", "<head", "<?xml", "<body"]
        .iter()
        .any(|tag| begins(tag))
    {
        ("a web page, not the file itself", AGAIN)
    } else if begins("version https://git-lfs") {
        (
            "a pointer of Git LFS, not the file that it stands for",
            "`git lfs pull` brings the file itself",
        )
    } else if start.get(257..262) == Some(b"ustar") || is_old_tar(start) {
        (
            "a tar archive: a packed folder, or how PyTorch saved before its version 0.1.11",
            TAR,
        )
    } else if start.starts_with(&[0x1f, 0x8b]) {
        ("a gzip archive", "unpack it first: gunzip, or tar -xzf")
    } else if start.starts_with(b"\x89HDF") {
        ("an HDF5 file, as Keras and MATLAB write", SAVE)
    } else if begins("{") || begins("[") {
        (
            "JSON, not weights",
            "is this the index or the configuration of a model? its weights lie beside it",
        )
    } else {
        return None;
    };
    Some(Error::data(what).with_hint(hint))
}

/// The same for files of data: the error for a page, a pointer, an empty file. Archives are theirs
/// to read.
pub fn foreign(path: &Path) -> Option<Error> {
    let mut start = [0u8; 512];
    let seen = std::fs::File::open(path)
        .and_then(|mut file| file.read(&mut start))
        .ok()?;
    let start = &start[..seen];
    let text = start.is_empty()
        || start
            .first()
            .is_some_and(|b| b.is_ascii_graphic() || b.is_ascii_whitespace() || *b == 0xef);
    let json = start
        .trim_ascii_start()
        .first()
        .is_some_and(|b| matches!(b, b'{' | b'['));
    let archive = start.get(257..262) == Some(b"ustar") || is_old_tar(start);
    if archive || json || !(text || start.starts_with(b"\x89HDF")) {
        return None;
    }
    named(start).map(|error| error.context(path.display()))
}

/// Python's oldest tar archives have no mark: they start with the name of PyTorch's first entry.
fn is_old_tar(start: &[u8]) -> bool {
    let name = start.split(|b| *b == 0).next().unwrap_or_default();
    start.len() == 512
        && ["sys_info", "pickle", "storages", "tensors"]
            .iter()
            .any(|n| name == n.as_bytes())
}
