//! Arrays of numpy: .npy, and .npz, which is a zip archive of them.
//!
//! An .npy file is `\x93NUMPY`, a version, the length of a header, and the header: a Python dictionary with `descr` (type and
//! byte order), `fortran_order` and `shape`. Then come the values.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

/// The largest array that is read.
const MOST_BYTES: u64 = 1 << 34;

/// Reads the arrays of an .npz file by name, on the CPU.
pub fn read_npz(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let broken = |e: &dyn std::fmt::Display| {
        Error::data(format!("{}: not a whole .npz file ({e})", path.display()))
            .with_hint("numpy.savez and numpy.savez_compressed write such files")
    };
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, &e))?;
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(|e| broken(&e))?;
    let mut found = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| broken(&e))?;
        let name = entry.name().to_owned();
        let Some(name) = name.strip_suffix(".npy") else { continue };
        let array = read_npy(&mut entry).map_err(|why| broken(&format!("`{name}`: {why}")))?;
        found.insert(name.to_owned(), array);
    }
    Ok(found)
}

/// Reads one array; the error is a part of a sentence.
fn read_npy(file: &mut impl Read) -> std::result::Result<Tensor, String> {
    let mut read = |n: u64, what: &str| -> std::result::Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        file.take(n).read_to_end(&mut bytes).map_err(|e| format!("{what} cannot be read: {e}"))?;
        if bytes.len() as u64 == n { Ok(bytes) } else { Err(format!("{what} is cut short")) }
    };
    let magic = read(8, "the beginning")?;
    if &magic[..6] != b"\x93NUMPY" {
        return Err("not a numpy array".to_owned());
    }
    let sizes = read(if magic[6] == 1 { 2 } else { 4 }, "the header")?;
    let length = sizes.iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
    if length > 1 << 20 {
        return Err("an impossible header".to_owned());
    }
    let header = String::from_utf8_lossy(&read(length, "the header")?).into_owned();
    let header = Header::parse(&header).ok_or_else(|| format!("the header {:?} is not understood", header.trim()))?;
    let (kind, width) = kind_of(&header.descr)
        .ok_or_else(|| format!("elements of type {:?} are not read; convert them to float32 or int64", header.descr))?;
    let count = header.shape.iter().try_fold(1i64, |n, s| n.checked_mul(*s));
    let size = count.and_then(|n| n.checked_mul(width as i64)).filter(|n| (0..=MOST_BYTES as i64).contains(n));
    let size = size.ok_or_else(|| format!("the shape {:?} is impossible", header.shape))?;
    let mut bytes = read(size as u64, "the data")?;
    if header.descr.starts_with('>') {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    // Unsigned types that libtorch lacks are widened.
    let bytes = match &header.descr[1..] {
        "u2" => bytes.chunks_exact(2).flat_map(|b| i64::from(u16::from_le_bytes([b[0], b[1]])).to_le_bytes()).collect(),
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
    made().map_err(|e| e.message().to_owned())
}

/// libtorch's type for a type of numpy, and its width in the file.
fn kind_of(descr: &str) -> Option<(Kind, usize)> {
    let mut letters = descr.chars();
    if !matches!(letters.next(), Some('<' | '>' | '|')) {
        return None;
    }
    Some(match letters.as_str() {
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
        "b1" => (Kind::Bool, 1),
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
        let after = |key: &str| Some(text.split_once(key)?.1.trim_start().strip_prefix(':')?.trim_start());
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
            shape: shape.map(|n| n.parse().ok().filter(|n: &i64| *n >= 0)).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let h = Header::parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n").unwrap();
        assert_eq!((h.descr.as_str(), h.fortran, h.shape), ("<f4", false, vec![3, 4]));
        assert_eq!(Header::parse("{'shape': (), 'fortran_order': True, 'descr': '|u1'}").unwrap().shape, [0i64; 0]);
        assert_eq!(Header::parse("{'descr': '|u1', 'fortran_order': True, 'shape': (7,), }").unwrap().shape, [7]);
        for bad in ["", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, -1), }"] {
            assert!(Header::parse(bad).is_none(), "{bad}");
        }
        // A list of fields is a table, not an array.
        assert!(Header::parse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }").is_none());
        assert!(kind_of("=f4").is_none() && kind_of("|O").is_none() && kind_of("").is_none());
    }
}
