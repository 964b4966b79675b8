//! Files since PyTorch 1.6: a zip archive of uncompressed entries.

use std::fs::File;
use std::io::{BufReader, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::names::Machine;
use super::resolve::{Resolver, numbers};
use super::{MAX_PROGRAM, broken, refused};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::pickle::Code;

pub(super) fn read(file: File, length: u64) -> Result<Value> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let is_program = |name: &&str| {
        name.strip_suffix("data.pkl")
            .is_some_and(|p| p.matches('/').count() == 1)
    };
    let program = archive.file_names().find(is_program).map(str::to_owned);
    let Some(program) = program else {
        return Err(
            Error::data("a zip archive, but not one of torch.save: no data.pkl in it")
                .with_hint("an archive of arrays (.npz) or of another program is not read here"),
        );
    };
    let folder = program.trim_end_matches("data.pkl").to_owned();
    if archive
        .file_names()
        .any(|name| name.starts_with(&format!("{folder}code/")))
    {
        return Err(Error::data("a TorchScript module, which is a program")
            .with_hint("`nn::torchscript(file)` runs one that you trust; `torch.save(model.state_dict(), file)` writes weights alone"));
    }
    match entry(&mut archive, &format!("{folder}byteorder"), 16) {
        Ok(order) if order != b"little" => {
            return Err(refused("numbers with their highest byte first"));
        }
        _ => {}
    }
    let code = entry(&mut archive, &program, MAX_PROGRAM)?;
    let mut machine = Machine::default();
    let root = machine.run(&mut Code::new(&code))?;
    let mut fetch = |storage: &super::Storage| {
        let bytes = storage
            .numel
            .checked_mul(storage.kind.elt_size_in_bytes() as u64);
        let bytes = bytes
            .filter(|n| *n <= length)
            .ok_or_else(|| broken("a storage larger than the file"))?;
        let found = entry(
            &mut archive,
            &format!("{folder}data/{}", storage.key),
            bytes,
        )?;
        if (found.len() as u64) < bytes {
            return Err(broken(format!(
                "storage {} has {} bytes of {bytes}",
                storage.key,
                found.len()
            )));
        }
        numbers(&found, storage.kind)
    };
    Resolver::new(&machine, length, &mut fetch).value(root)
}

/// The bytes of an entry, at most so many.
fn entry(archive: &mut ZipArchive<BufReader<File>>, name: &str, limit: u64) -> Result<Vec<u8>> {
    let entry = archive.by_name(name).map_err(|e| match e {
        ZipError::UnsupportedArchive(_) => refused("compressed or encrypted entries"),
        other => broken(format!("entry {name:?}: {other}")),
    })?;
    if entry.size() > limit {
        return Err(broken(format!(
            "entry {name:?} has {} bytes, more than {limit}",
            entry.size()
        )));
    }
    let mut bytes = Vec::new();
    entry
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| broken(format!("entry {name:?}: {e}")))?;
    Ok(bytes)
}
