//! Metrics as TensorBoard reads them: records (a length, bytes, a checksum of each) of `Event`
//! messages in protobuf.
//!
//! Source: `tensorboard/compat/proto/event.proto` and `summary.proto` for the fields, TFRecord for
//! the frame around them.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// A file of events; made at the first one.
#[derive(Default)]
pub(super) struct EventWriter {
    file: Option<File>,
}

impl EventWriter {
    /// Adds the numbers of one iteration as `training/quantity`, with one write.
    pub(super) fn write(
        &mut self,
        folder: &Path,
        train: &str,
        step: i64,
        values: &[(String, f64)],
    ) -> Result<()> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                // TensorBoard reads the files of a folder in the order of their names, so a resumed
                // run has a later one.
                let path = folder.join(format!("events.out.tfevents.{}.jemscript", now.as_secs()));
                let opened = super::append_to(&path).and_then(|mut f| {
                    f.write_all(&record(&version(now.as_secs_f64())))?;
                    Ok(f)
                });
                self.file.insert(opened.map_err(|e| Error::io(&path, &e))?)
            }
        };
        let bytes = record(&event(now.as_secs_f64(), train, step, values));
        file.write_all(&bytes)
            .map_err(|e| Error::io(&folder.join("events.out.tfevents"), &e))
    }
}

/// `Event { wall_time: 1, file_version: 3 }`, which must be the first.
fn version(time: f64) -> Vec<u8> {
    [double(1, time), bytes(3, b"brain.Event:2")].concat()
}

/// `Event { wall_time: 1, step: 2, summary: 5 }`, where `Summary { value: 1 }` repeats `Value {
/// tag: 1, simple_value: 2 }`.
fn event(time: f64, train: &str, step: i64, values: &[(String, f64)]) -> Vec<u8> {
    let value = |(name, v): &(String, f64)| {
        let tag = format!("{train}/{name}");
        bytes(1, &[bytes(1, tag.as_bytes()), float(2, *v as f32)].concat())
    };
    let summary: Vec<u8> = values.iter().flat_map(value).collect();
    [double(1, time), whole(2, step), bytes(5, &summary)].concat()
}

/// A TFRecord: the length, its checksum, the data, their checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// CRC-32C, rotated and shifted, so that checksums of data with checksums inside stay good ones.
fn checksum(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
        .to_le_bytes()
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut all = Vec::new();
    while n >= 0x80 {
        all.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    all.push(n as u8);
    all
}

fn key(field: u64, wire: u64) -> Vec<u8> {
    varint(field << 3 | wire)
}

fn whole(field: u64, value: i64) -> Vec<u8> {
    [key(field, 0), varint(value as u64)].concat()
}

fn double(field: u64, value: f64) -> Vec<u8> {
    [key(field, 1), value.to_le_bytes().to_vec()].concat()
}

fn float(field: u64, value: f32) -> Vec<u8> {
    [key(field, 5), value.to_le_bytes().to_vec()].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [key(field, 2), varint(value.len() as u64), value.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_bytes_of_the_format() {
        assert_eq!(varint(300), [0xac, 0x02]);
        assert_eq!(whole(2, 1), [0x10, 1]);
        assert_eq!(bytes(1, b"a"), [0x0a, 1, b'a']);
        // The check value of CRC-32C, masked.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let expected = 0xe306_9283u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(checksum(b"123456789"), expected.to_le_bytes());
        let one = record(b"abc");
        assert_eq!(
            (one.len(), &one[..8], &one[12..15]),
            (19, &3u64.to_le_bytes()[..], &b"abc"[..])
        );
    }
}
