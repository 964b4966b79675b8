//! Tensors on disk: safetensors files, written to a temporary name, flushed and renamed, so that a
//! file is whole or absent.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Crc;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{Device, Kind, Tensor};

const DTYPES: [(Kind, Dtype); 9] = [
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Int64, Dtype::I64),
    (Kind::Int, Dtype::I32),
    (Kind::Uint8, Dtype::U8),
    (Kind::Int8, Dtype::I8),
    (Kind::Bool, Dtype::BOOL),
];

/// The key under which text of ours stands in a file's header.
const HEADER: &str = "jemscript";

/// How the names of half-written files begin. No script's file has such a name: a free one is
/// looked for each time.
pub(crate) const PARTIAL: &str = ".partial-";

/// Writes a file whole or not at all: to a temporary name, flushed, renamed, the folder flushed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let (mut file, partial) = temporary(path).map_err(|e| Error::io(path, &e))?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| take_place(&partial, path));
    written.map_err(|e| {
        let _ = std::fs::remove_file(&partial);
        Error::io(path, &e)
    })
}

/// Gives a file a second name, in place of what has that name: whole or not at all, and without a
/// byte more on disk. Not every file system can.
pub fn link_atomically(file: &Path, name: &Path) -> Result<()> {
    let (_, partial) = temporary(name).map_err(|e| Error::io(name, &e))?;
    // A link takes no name that is taken; nobody else has this one.
    let linked = std::fs::remove_file(&partial).and_then(|()| std::fs::hard_link(file, &partial));
    let linked = linked.and_then(|()| take_place(&partial, name));
    // Where the name was one of this very file, renaming did nothing.
    let _ = std::fs::remove_file(&partial);
    linked.map_err(|e| Error::io(name, &e))
}

fn take_place(partial: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::rename(partial, path)?;
    // The name is safe once its folder is. Some file systems cannot flush folders, and need not.
    if let Some(folder) = path.parent().and_then(|f| File::open(f).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// A new file beside `path`, under a name that nobody has.
fn temporary(path: &Path) -> std::io::Result<(File, PathBuf)> {
    let mut count = 0;
    loop {
        let partial = path.with_file_name(format!("{PARTIAL}{}-{count}", std::process::id()));
        match File::create_new(&partial) {
            Ok(file) => return Ok((file, partial)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => count += 1,
            Err(e) => return Err(e),
        }
    }
}

/// Writes tensors by name.
pub fn write_safetensors(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    write_with_header(path, tensors, |_| None)
}

/// Writes tensors by name, with a text in the file's header that may depend on the checksum of all
/// tensors.
pub(super) fn write_with_header(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    header: impl Fn(u32) -> Option<String>,
) -> Result<()> {
    let mut held: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let kind = tensor.kind();
        let dtype = DTYPES.iter().find(|(k, _)| *k == kind).map(|(_, d)| *d);
        let dtype = dtype.ok_or_else(|| {
            Error::data(format!(
                "safetensors: `{name}` has a type that the format lacks"
            ))
        })?;
        let plain = tensor.detach().to_device(Device::Cpu)?.contiguous()?;
        let mut bytes = crate::error::defaults(plain.numel() * kind.elt_size_in_bytes())?;
        if !bytes.is_empty() {
            plain.raw().f_copy_data_u8(&mut bytes, plain.numel())?;
        }
        held.push((
            name.clone(),
            dtype,
            plain.shape().iter().map(|n| *n as usize).collect(),
            bytes,
        ));
    }
    let mut views = Vec::with_capacity(held.len());
    for (name, dtype, shape, bytes) in &held {
        let view = TensorView::new(*dtype, shape.clone(), bytes)
            .map_err(|e| Error::data(format!("safetensors: {e}")))?;
        views.push((name.as_str(), view));
    }
    let mut sum = Crc::new();
    held.iter().for_each(|(.., bytes)| sum.update(bytes));
    let header = header(sum.sum()).map(|text| HashMap::from([(HEADER.to_owned(), text)]));
    let bytes = safetensors::serialize(views, header)
        .map_err(|e| Error::data(format!("safetensors: {e}")))?;
    write_atomically(path, &bytes)
}

/// Reads tensors by name, on the CPU.
pub fn read_safetensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let Contents {
        tensors, unread, ..
    } = read_with_header(path)?;
    match unread.first() {
        None => Ok(tensors),
        Some((name, kind)) => Err(Error::data(format!(
            "{}: `{name}` has numbers of type {kind}, which is not read",
            path.display()
        ))
        .with_hint("other types of floating point and of whole numbers are read")),
    }
}

/// What a file holds: tensors by name, on the CPU; the text of ours in the header; the checksum of
/// all tensors.
pub(super) struct Contents {
    pub(super) tensors: BTreeMap<String, Tensor>,
    /// The names of tensors that are not read, and their types.
    pub(super) unread: Vec<(String, String)>,
    pub(super) header: Option<String>,
    pub(super) sum: u32,
}

/// Reads all that a file holds.
pub(super) fn read_with_header(path: &Path) -> Result<Contents> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    let broken = |e: &dyn std::fmt::Display| {
        Error::new(
            ErrorKind::Damaged,
            format!("{}: not a whole safetensors file ({e})", path.display()),
        )
        .with_hint("it may be cut short or of another format")
    };
    let file = SafeTensors::deserialize(&bytes).map_err(|e| broken(&e))?;
    let (mut found, mut unread) = (BTreeMap::new(), Vec::new());
    let mut views = file.tensors();
    // In the order of names, as they were when the file was written.
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let mut sum = Crc::new();
    for (name, view) in views {
        sum.update(view.data());
        let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
        match tensor(&view, &shape)? {
            Some(tensor) => drop(found.insert(name, tensor)),
            None => unread.push((name, format!("{:?}", view.dtype()))),
        }
    }
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(&e))?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(HEADER))
        .cloned();
    Ok(Contents {
        tensors: found,
        unread,
        header,
        sum: sum.sum(),
    })
}

/// Whether a file is of safetensors and has a text of ours in its header.
pub(super) fn has_header(path: &Path) -> bool {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length).min(1 << 28))
            .read_to_end(&mut header)?;
        Ok(header)
    };
    let header = read().ok();
    let header = header.and_then(|h| serde_json::from_slice::<serde_json::Value>(&h).ok());
    header.is_some_and(|h| h["__metadata__"].get(HEADER).is_some())
}

/// The tensor of a view: of the type next to its own that holds all its numbers; `None` where there
/// is none.
fn tensor(view: &TensorView<'_>, shape: &[i64]) -> Result<Option<Tensor>> {
    let same = |kind| -> Result<tch::Tensor> {
        Ok(tch::Tensor::f_from_data_size(view.data(), shape, kind)?)
    };
    let unsigned = |kind, largest: i64| -> Result<tch::Tensor> {
        Ok(same(kind)?.f_to_kind(Kind::Int64)?.f_bitwise_and(largest)?)
    };
    let found = match view.dtype() {
        Dtype::I16 => same(Kind::Int16)?.f_to_kind(Kind::Int)?,
        Dtype::U16 => unsigned(Kind::Int16, 0xffff)?.f_to_kind(Kind::Int)?,
        Dtype::U32 => unsigned(Kind::Int, 0xffff_ffff)?,
        // No type of ours holds those above 2^63.
        Dtype::U64 => match same(Kind::Int64)? {
            found if shape.contains(&0) || found.f_min()?.f_int64_value(&[])? >= 0 => found,
            _ => return Ok(None),
        },
        Dtype::F8_E4M3 => same(Kind::Float8e4m3fn)?.f_to_kind(Kind::Float)?,
        Dtype::F8_E5M2 => same(Kind::Float8e5m2)?.f_to_kind(Kind::Float)?,
        other => match DTYPES.iter().find(|(_, d)| *d == other) {
            Some((kind, _)) => same(*kind)?,
            None => return Ok(None),
        },
    };
    Ok(Some(found.into()))
}
