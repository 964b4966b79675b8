//! Arrays of numpy: .npy, and .npz, which is a zip archive of them.
//!
//! An .npy file is `\x93NUMPY`, a version, the length of a header, and the header: a Python
//! dictionary with `descr` (type and byte order), `fortran_order` and `shape`. Then come the
//! values.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

/// The largest array that is read.
const MOST_BYTES: u64 = 1 << 34;

/// The arrays of a file.
#[derive(Default)]
pub struct Arrays {
    /// Those that are numbers, by name, on the CPU.
    pub tensors: BTreeMap<String, Tensor>,
    /// Why the others (text, tables of fields, Python's objects) are not here: an error for who
    /// wants one of them.
    pub refused: BTreeMap<String, String>,
}

/// Reads the arrays of an .npz file.
pub fn read_npz(path: &Path) -> Result<Arrays> {
    let broken = |e: &dyn std::fmt::Display| {
        Error::data(format!("{}: not a whole .npz file ({e})", path.display()))
            .with_hint("numpy.savez and numpy.savez_compressed write such files")
    };
    if let Some(error) = super::foreign(path) {
        return Err(error);
    }
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, &e))?;
    let mut archive =
        zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(|e| broken(&e))?;
    let mut found = Arrays::default();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| broken(&e))?;
        let name = entry.name().to_owned();
        let Some(name) = name.strip_suffix(".npy") else {
            continue;
        };
        match read_array(&mut entry) {
            Ok(array) => drop(found.tensors.insert(name.to_owned(), array)),
            Err(Unread::Foreign(why)) => drop(found.refused.insert(name.to_owned(), why)),
            Err(Unread::Broken(why)) => return Err(broken(&format!("`{name}`: {why}"))),
        }
    }
    Ok(found)
}

/// Reads the one array of an .npy file.
pub fn read_npy(path: &Path) -> Result<Tensor> {
    if let Some(error) = super::foreign(path) {
        return Err(error);
    }
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, &e))?;
    read_array(&mut std::io::BufReader::new(file)).map_err(|unread| {
        match unread {
            Unread::Foreign(why) => {
                Error::data(format!("{}: no array of numbers: {why}", path.display()))
            }
            Unread::Broken(why) => {
                Error::data(format!("{}: not a whole .npy file ({why})", path.display()))
            }
        }
        .with_hint("numpy.save of an array of numbers writes such files")
    })
}

/// Whether a file that starts with these bytes is one array of numpy.
pub(super) fn is_array(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// Whether a file that starts with these bytes is an archive whose first entry is an array: .npz.
pub(super) fn is_archive(start: &[u8]) -> bool {
    // The entry's header: its signature, 22 bytes, the lengths of the name and of what follows it,
    // the name.
    let name = start.get(26..28).and_then(|length| {
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        start.get(30..30 + length)
    });
    start.starts_with(b"PK\x03\x04") && name.is_some_and(|name| name.ends_with(b".npy"))
}

/// How an .npy file begins.
const MAGIC: &[u8] = b"\x93NUMPY";

/// Why an array was not read; a part of a sentence.
enum Unread {
    /// It is whole, and no array of numbers.
    Foreign(String),
    /// The file is damaged.
    Broken(String),
}

impl From<String> for Unread {
    fn from(why: String) -> Unread {
        Unread::Broken(why)
    }
}

/// Reads one array.
fn read_array(file: &mut impl Read) -> std::result::Result<Tensor, Unread> {
    let mut read = |n: u64, what: &str| -> std::result::Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        file.take(n)
            .read_to_end(&mut bytes)
            .map_err(|e| format!("{what} cannot be read: {e}"))?;
        if bytes.len() as u64 == n {
            Ok(bytes)
        } else {
            Err(format!("{what} is cut short"))
        }
    };
    let magic = read(8, "the beginning")?;
    if !is_array(&magic) {
        // Beside arrays, archives hold what other programs put there: `__MACOSX/._x.npy`.
        return Err(Unread::Foreign("not a numpy array".to_owned()));
    }
    let sizes = read(if magic[6] == 1 { 2 } else { 4 }, "the header")?;
    let length = sizes.iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
    if length > 1 << 20 {
        return Err(Unread::Broken("an impossible header".to_owned()));
    }
    let header = String::from_utf8_lossy(&read(length, "the header")?).into_owned();
    let header = Header::parse(&header).ok_or_else(|| {
        Unread::Foreign(format!(
            "the header {:?} is not that of an array of numbers",
            header.trim()
        ))
    })?;
    let (kind, width) = kind_of(&header.descr).ok_or_else(|| {
        Unread::Foreign(format!(
            "elements of type {:?} are not read; convert them to float32 or int64",
            header.descr
        ))
    })?;
    let count = header.shape.iter().try_fold(1i64, |n, s| n.checked_mul(*s));
    let size = count
        .and_then(|n| n.checked_mul(width as i64))
        .filter(|n| (0..=MOST_BYTES as i64).contains(n));
    let size = size.ok_or_else(|| format!("the shape {:?} is impossible", header.shape))?;
    let mut bytes = read(size as u64, "the data")?;
    if header.descr.starts_with('>') {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    // Unsigned types that libtorch lacks are widened.
    if letters(&header.descr) == "u8" && bytes.chunks_exact(8).any(|b| b[7] & 0x80 != 0) {
        return Err(Unread::Foreign(
            "some whole numbers are above 2^63 − 1".to_owned(),
        ));
    }
    let bytes = match letters(&header.descr) {
        "u2" => bytes
            .chunks_exact(2)
            .flat_map(|b| i64::from(u16::from_le_bytes([b[0], b[1]])).to_le_bytes())
            .collect(),
        "u4" => bytes
            .chunks_exact(4)
            .flat_map(|b| i64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])).to_le_bytes())
            .collect(),
        _ => bytes,
    };
    let mut shape = header.shape;
    if header.fortran {
        shape.reverse();
    }
    let made = || -> Result<Tensor> {
        let raw = Tensor::from(tch::Tensor::f_from_data_size(&bytes, &shape, kind)?);
        if !header.fortran {
            return Ok(raw);
        }
        let dims: Vec<i64> = (0..shape.len() as i64).rev().collect();
        raw.permute(&dims)?.contiguous()
    };
    Ok(made().map_err(|e| e.message().to_owned())?)
}

/// A type of numpy without its byte order, which some writers leave out.
fn letters(descr: &str) -> &str {
    descr.strip_prefix(['<', '>', '|', '=']).unwrap_or(descr)
}

/// libtorch's type for a type of numpy, and its width in the file.
fn kind_of(descr: &str) -> Option<(Kind, usize)> {
    Some(match letters(descr) {
        "f2" => (Kind::Half, 2),
        "f4" => (Kind::Float, 4),
        "f8" => (Kind::Double, 8),
        "i1" => (Kind::Int8, 1),
        "i2" => (Kind::Int16, 2),
        "i4" => (Kind::Int, 4),
        "i8" | "u8" => (Kind::Int64, 8),
        "u1" => (Kind::Uint8, 1),
        "u2" => (Kind::Int64, 2),
        "u4" => (Kind::Int64, 4),
        "b1" | "?" => (Kind::Bool, 1),
        _ => return None,
    })
}

struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<i64>,
}

impl Header {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`
    fn parse(text: &str) -> Option<Header> {
        // Python's own writer quotes with ', others with ".
        let text = text.replace('"', "'");
        let after = |key: &str| {
            Some(
                text.split_once(key)?
                    .1
                    .trim_start()
                    .strip_prefix(':')?
                    .trim_start(),
            )
        };
        let quoted = after("'descr'")?.strip_prefix('\'')?;
        let numbers = after("'shape'")?.strip_prefix('(')?.split_once(')')?.0;
        let shape = numbers.split(',').map(str::trim).filter(|n| !n.is_empty());
        Some(Header {
            descr: quoted.split_once('\'')?.0.to_owned(),
            fortran: match after("'fortran_order'")? {
                t if t.starts_with("True") => true,
                t if t.starts_with("False") => false,
                _ => return None,
            },
            shape: shape
                .map(|n| n.parse().ok().filter(|n: &i64| *n >= 0))
                .collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let h = Header::parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n")
            .unwrap();
        assert_eq!(
            (h.descr.as_str(), h.fortran, h.shape),
            ("<f4", false, vec![3, 4])
        );
        assert_eq!(
            Header::parse("{'shape': (), 'fortran_order': True, 'descr': '|u1'}")
                .unwrap()
                .shape,
            [0i64; 0]
        );
        assert_eq!(
            Header::parse("{'descr': '|u1', 'fortran_order': True, 'shape': (7,), }")
                .unwrap()
                .shape,
            [7]
        );
        for bad in [
            "",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, -1), }",
        ] {
            assert!(Header::parse(bad).is_none(), "{bad}");
        }
        // A list of fields is a table, not an array.
        assert!(
            Header::parse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }")
                .is_none()
        );
        assert!(kind_of("|O").is_none() && kind_of("<U3").is_none() && kind_of("").is_none());
        let other =
            Header::parse("{\"descr\": \"=f4\", \"fortran_order\": False, \"shape\": (2,)}")
                .unwrap();
        assert_eq!(kind_of(&other.descr), Some((Kind::Float, 4)));
    }
}
