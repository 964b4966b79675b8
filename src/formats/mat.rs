//! Numeric arrays from MATLAB's .mat files, version 5 (R2006a and later write it with
//! zlib-compressed elements).
//!
//! After 128 bytes of header come elements: a type, a size, and the data padded to 8 bytes. A
//! compressed element (15) holds another one; a matrix (14) holds flags, sizes, a name and the
//! values. Values may lie in a smaller type than the array's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::error::{Error, Result};

const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const HEADER: usize = 128;
/// The largest array that is read: extra_32x32.mat of SVHN has 1.6 GB.
const MOST_BYTES: u64 = 1 << 33;

/// An array as it lies in the file: the first index runs fastest.
pub(crate) struct Array {
    pub(crate) shape: Vec<i64>,
    kind: u32,
    data: Vec<u8>,
}

impl Array {
    /// The values, if they are bytes.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        (self.kind == 2).then_some(&self.data)
    }

    /// The values as numbers.
    pub(crate) fn values(&self) -> Vec<f64> {
        macro_rules! as_numbers {
            ($t:ty) => {
                self.data
                    .chunks_exact(size_of::<$t>())
                    .map(|b| <$t>::from_le_bytes(b.try_into().unwrap_or_default()) as f64)
                    .collect()
            };
        }
        match self.kind {
            1 => as_numbers!(i8),
            3 => as_numbers!(i16),
            4 => as_numbers!(u16),
            5 => as_numbers!(i32),
            6 => as_numbers!(u32),
            7 => as_numbers!(f32),
            9 => as_numbers!(f64),
            12 => as_numbers!(i64),
            13 => as_numbers!(u64),
            _ => as_numbers!(u8),
        }
    }
}

/// How many bytes a value of a type has; `None` for what is no number.
fn width(kind: u32) -> Option<usize> {
    match kind {
        1 | 2 => Some(1),
        3 | 4 => Some(2),
        5..=7 => Some(4),
        9 | 12 | 13 => Some(8),
        _ => None,
    }
}

/// Reads the arrays of these names; others are passed over.
pub(crate) fn read(path: &Path, names: &[&str]) -> Result<BTreeMap<String, Array>> {
    let broken = |why: String| {
        Error::data(format!(
            "{}: not a whole .mat file of version 5: {why}",
            path.display()
        ))
        .with_hint("it may be cut short: fetch it again")
    };
    let mut file = BufReader::new(File::open(path).map_err(|e| Error::io(path, &e))?);
    let mut header = [0u8; HEADER];
    file.read_exact(&mut header)
        .map_err(|_| broken("it is shorter than its header".to_owned()))?;
    if let Some(other) = foreign(&header) {
        return Err(Error::data(format!("{}: {other}", path.display())).with_hint(
            "in Python: scipy.io.savemat(\"new.mat\", scipy.io.loadmat(\"old.mat\")), or from version 7.3 by h5py; in \
             MATLAB: save with -v7",
        ));
    }
    if &header[124..] != b"\x00\x01IM" {
        return Err(broken(
            "its header names another version or byte order".to_owned(),
        ));
    }
    let mut found = BTreeMap::new();
    loop {
        let mut tag = [0u8; 8];
        match fill(&mut file, &mut tag).map_err(|e| Error::io(path, &e))? {
            0 => return Ok(found),
            8 => {}
            _ => return Err(broken("it ends inside an element".to_owned())),
        }
        let (kind, size) = tag_of(tag);
        let mut inside = file.by_ref().take(u64::from(size));
        let array = match kind {
            COMPRESSED => {
                let mut plain = flate2::read::ZlibDecoder::new(&mut inside);
                let mut tag = [0u8; 8];
                plain
                    .read_exact(&mut tag)
                    .map_err(|e| broken(format!("a compressed element is broken ({e})")))?;
                let (kind, size) = tag_of(tag);
                if kind == MATRIX {
                    matrix(&mut plain, size, names).map_err(broken)?
                } else {
                    None
                }
            }
            MATRIX => matrix(&mut inside, size, names).map_err(broken)?,
            _ => None,
        };
        if let Some((name, array)) = array {
            found.insert(name, array);
        }
        let left =
            std::io::copy(&mut inside, &mut std::io::sink()).map_err(|e| Error::io(path, &e))?;
        if inside.limit() > 0 {
            return Err(broken(format!(
                "it ends inside an element, {left} bytes after its values"
            )));
        }
        // Elements at the top are padded, compressed ones are not.
        if kind != COMPRESSED {
            let pad = u64::from(size.wrapping_neg() % 8);
            std::io::copy(&mut file.by_ref().take(pad), &mut std::io::sink())
                .map_err(|e| Error::io(path, &e))?;
        }
    }
}

/// What a file is that is not of version 5: the other versions of MATLAB's format.
fn foreign(header: &[u8; HEADER]) -> Option<&'static str> {
    if header.starts_with(b"MATLAB 7.3") || header.starts_with(b"\x89HDF") {
        return Some("a MATLAB file of version 7.3, which is an HDF5 file; version 5 to 7 is read");
    }
    // Version 4 has no header: type, rows, columns, whether complex, and the length of the name,
    // all small numbers.
    let words: Vec<u32> = header[..20]
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let old = words[0] < 5000 && words[3] <= 1 && (1..64).contains(&words[4]);
    old.then_some("a MATLAB file of version 4; version 5 to 7 is read")
}

fn tag_of(tag: [u8; 8]) -> (u32, u32) {
    let word = |at: usize| u32::from_le_bytes([tag[at], tag[at + 1], tag[at + 2], tag[at + 3]]);
    (word(0), word(4))
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read(&mut buffer[done..])? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}

/// So many bytes of what a matrix still has.
fn part(file: &mut impl Read, left: &mut u64, n: u64) -> std::result::Result<Vec<u8>, String> {
    if n > *left || n > MOST_BYTES {
        return Err("an element is larger than what holds it".to_owned());
    }
    *left -= n;
    let mut bytes = Vec::new();
    file.take(n)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("a compressed element is broken ({e})"))?;
    if bytes.len() as u64 == n {
        Ok(bytes)
    } else {
        Err("it ends inside an array".to_owned())
    }
}

/// One data element inside a matrix: its type and bytes. `left` is what the matrix still has.
fn element(file: &mut impl Read, left: &mut u64) -> std::result::Result<(u32, Vec<u8>), String> {
    let tag = part(file, left, 8)?;
    let first = u32::from_le_bytes([tag[0], tag[1], tag[2], tag[3]]);
    if first >> 16 != 0 {
        // A short element: its size in the upper half of the type, its data in the tag's second
        // half.
        let size = (first >> 16) as usize;
        if size > 4 {
            return Err("a short element is too long".to_owned());
        }
        return Ok((first & 0xffff, tag[4..4 + size].to_vec()));
    }
    let size = u32::from_le_bytes([tag[4], tag[5], tag[6], tag[7]]);
    let data = part(file, left, u64::from(size))?;
    // The padding of the last element may be missing.
    let pad = u64::from(size.wrapping_neg() % 8).min(*left);
    part(file, left, pad)?;
    Ok((first, data))
}

type Named = Option<(String, Array)>;

fn matrix(file: &mut impl Read, size: u32, names: &[&str]) -> std::result::Result<Named, String> {
    let mut left = u64::from(size);
    let (_, flags) = element(file, &mut left)?;
    let (_, sizes) = element(file, &mut left)?;
    let (_, name) = element(file, &mut left)?;
    let name = String::from_utf8_lossy(&name).into_owned();
    if !names.contains(&name.as_str()) {
        // The rest of an element that nobody asked for: read, so that a cut is noticed.
        let rest = std::io::copy(file, &mut std::io::sink()).map_err(|e| e.to_string())?;
        return if rest < left {
            Err("it ends inside an array".to_owned())
        } else {
            Ok(None)
        };
    }
    // Classes 6 to 15 are arrays of numbers; bit 11 of the flags marks complex ones.
    if flags.len() < 2 || !(6..=15).contains(&flags[0]) || flags[1] & 0x08 != 0 {
        return Err(format!("`{name}` is no array of real numbers"));
    }
    let shape: Vec<i64> = sizes
        .chunks_exact(4)
        .map(|b| i64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]])))
        .collect();
    let (kind, data) = element(file, &mut left)?;
    let count = shape
        .iter()
        .try_fold(1i64, |n, s| n.checked_mul(*s).filter(|_| *s >= 0));
    let held = width(kind).map(|w| (data.len() / w) as i64);
    if count.is_none() || count != held {
        return Err(format!(
            "`{name}` of {shape:?} has {} bytes of type {kind}",
            data.len()
        ));
    }
    Ok(Some((name, Array { shape, kind, data })))
}
