//! Checksums of files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use md5::{Digest, Md5};

use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;

/// The MD5 sum of a file in hexadecimal digits. It tells broken files from whole ones, not forged
/// ones from true ones.
pub fn md5_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io(path, &e))?;
    let mut sum = Md5::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        if interrupt::requested() {
            return Err(Error::new(ErrorKind::Interrupted, "fetch: interrupted"));
        }
        match file.read(&mut buffer).map_err(|e| Error::io(path, &e))? {
            0 => break,
            n => sum.update(&buffer[..n]),
        }
    }
    Ok(sum.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 1321.
    #[test]
    fn known_sums() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        for (text, sum) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            (
                "abcdefghijklmnopqrstuvwxyz",
                "c3fcd3d76192e4007dfb496cca67e13b",
            ),
        ] {
            let path = folder.path().join("file");
            std::fs::write(&path, text).unwrap();
            assert_eq!(md5_of(&path)?, sum);
        }
        Ok(())
    }
}
