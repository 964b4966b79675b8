//! The rows of a part as they lie in memory: floats, or the bytes of images, which become floats
//! when they are looked at.
//!
//! 50,000 images of CIFAR-10 are 154 MB as bytes and 614 MB as float32. Bytes are converted a batch
//! at a time, on the device where they lie.

use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor};

/// `[N, …]`.
#[derive(Clone)]
pub(super) struct Rows {
    held: Tensor,
    /// Whether 0 … 255 stand for −1 … 1.
    bytes: bool,
}

impl Rows {
    /// Values as they are.
    pub(super) fn floats(x: &Tensor) -> Rows {
        Rows {
            held: x.detach(),
            bytes: false,
        }
    }

    /// Bytes (uint8) of images.
    pub(super) fn bytes(x: &Tensor) -> Rows {
        Rows {
            held: x.detach(),
            bytes: x.kind() == Kind::Uint8,
        }
    }

    /// All rows in the data set's range.
    pub(super) fn all(&self) -> Result<Tensor> {
        self.seen(&self.held)
    }

    fn seen(&self, held: &Tensor) -> Result<Tensor> {
        if self.bytes {
            unit(held)
        } else {
            Ok(held.clone())
        }
    }

    /// The rows at these indices, int64 on the rows' device.
    pub(super) fn take(&self, index: &Tensor) -> Result<Tensor> {
        self.seen(&self.held.index_select(0, index)?)
    }

    /// Some neighbouring rows.
    pub(super) fn slice(&self, start: i64, length: i64) -> Result<Tensor> {
        self.seen(&self.held.narrow(0, start, length)?)
    }

    /// The same kind of rows, chosen by index.
    pub(super) fn choose(&self, index: &Tensor) -> Result<Rows> {
        Ok(Rows {
            held: self.held.index_select(0, index)?,
            bytes: self.bytes,
        })
    }

    /// The first rows.
    pub(super) fn head(&self, n: i64) -> Result<Rows> {
        Ok(Rows {
            held: self.held.slice(0, n)?,
            bytes: self.bytes,
        })
    }

    /// These rows, then those of another part.
    pub(super) fn concat(&self, other: &Rows) -> Result<Rows> {
        let device = self.held.device();
        if self.bytes && other.bytes {
            return Ok(Rows {
                held: Tensor::cat(&[self.held.clone(), other.held.to_device(device)?], 0)?,
                bytes: true,
            });
        }
        let mine = self.all()?;
        Ok(Rows::floats(&Tensor::cat(
            &[mine.clone(), other.all()?.like(&mine)?],
            0,
        )?))
    }

    /// The same rows on a device.
    pub(super) fn to_device(&self, device: Device) -> Result<Rows> {
        Ok(Rows {
            held: self.held.to_device(device)?,
            bytes: self.bytes,
        })
    }

    pub(super) fn address(&self) -> u64 {
        self.held.address()
    }

    pub(super) fn checksum(&self, before: u32) -> Result<u32> {
        self.held.checksum(before)
    }

    pub(super) fn shape(&self) -> Vec<i64> {
        self.held.shape()
    }

    pub(super) fn device(&self) -> Device {
        self.held.device()
    }

    pub(super) fn is_bytes(&self) -> bool {
        self.bytes
    }

    /// The least and the greatest value; there must be one.
    pub(super) fn extremes(&self) -> Result<(f64, f64)> {
        let ends = Tensor::stack(&[self.held.min()?, self.held.max()?], 0)?;
        let ends = self.seen(&ends)?.to_vec()?;
        Ok((ends[0], ends[1]))
    }
}

/// Bytes 0 … 255 as float32 −1 … 1.
pub(super) fn unit(bytes: &Tensor) -> Result<Tensor> {
    bytes.to_kind(Kind::Float)?.div(127.5)?.sub(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_floats_only_when_looked_at() -> Result<()> {
        let bytes = Tensor::arange(0.0, 256.0, 1.0)?
            .reshape(&[64, 4])?
            .to_kind(Kind::Uint8)?;
        let rows = Rows::bytes(&bytes);
        let expected: Vec<f64> = (0..256)
            .map(|i| f64::from(i as f32 / 127.5 - 1.0))
            .collect();
        assert_eq!(rows.all()?.to_vec()?, expected);
        assert_eq!(rows.slice(3, 2)?.to_vec()?, expected[12..20]);
        let index = Tensor::of_ints(&[63, 0])?;
        assert_eq!(
            rows.take(&index)?.to_vec()?,
            [&expected[252..], &expected[..4]].concat()
        );
        assert_eq!(rows.choose(&index)?.held.kind(), Kind::Uint8);
        assert_eq!(rows.concat(&rows)?.held.kind(), Kind::Uint8);
        assert_eq!(
            rows.concat(&Rows::floats(&Tensor::zeros(&[1, 4])?))?
                .shape(),
            [65, 4]
        );
        assert_eq!(rows.extremes()?, (-1.0, 1.0));
        // Bytes that are not marked as an image's stay what they are.
        assert_eq!(Rows::floats(&bytes).all()?.to_vec()?[255], 255.0);
        Ok(())
    }
}
