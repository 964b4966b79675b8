//! The bytes of a pickle, read in order.

use super::broken;
use crate::error::Result;

/// The program and how far it was read.
pub(crate) struct Code<'a> {
    bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Code<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Code<'a> {
        Code { bytes, at: 0 }
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let found = self
            .at
            .checked_add(n)
            .and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or_else(|| broken("it ends too early"))?;
        self.at += n;
        Ok(found)
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number of `n` bytes, lowest first.
    pub(crate) fn number(&mut self, n: usize) -> Result<u64> {
        Ok(self
            .take(n)?
            .iter()
            .rev()
            .fold(0, |sum, b| sum << 8 | u64::from(*b)))
    }

    pub(super) fn sized(&mut self, n: usize) -> Result<&'a [u8]> {
        let length =
            usize::try_from(self.number(n)?).map_err(|_| broken("a size beyond all memory"))?;
        self.take(length)
    }

    /// A text up to the end of the line.
    pub(super) fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest
            .iter()
            .position(|b| *b == b'\n')
            .ok_or_else(|| broken("it ends too early"))?;
        self.at += end + 1;
        utf8(&rest[..end])
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| broken("a text that is not UTF-8"))
}
