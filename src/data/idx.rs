//! MNIST, Fashion-MNIST and whatever else comes as idx files: plain or gzipped, read from a folder,
//! values to [−1, 1].
//!
//! An idx file is two zero bytes, a type byte (8: unsigned bytes), the number of dimensions, the
//! sizes as big-endian 32-bit numbers, and the values.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Dataset;
use super::images::{ImageOptions, Images, Source};
use super::places::find_folder;
use crate::error::{Error, Result};
use crate::options::Options;

/// The type bytes with their widths: unsigned and signed bytes, 16- and 32-bit integers, floats,
/// doubles.
const TYPES: [(u8, usize); 6] = [
    (0x08, 1),
    (0x09, 1),
    (0x0b, 2),
    (0x0c, 4),
    (0x0d, 4),
    (0x0e, 8),
];
/// No file of the format's users is near this; a larger size is a broken header.
const MOST_BYTES: u64 = 1 << 33;

/// Handwritten digits, 28×28, 10 classes.
pub fn mnist(options: &ImageOptions) -> Result<Dataset> {
    folder_of_idx("mnist", "MNIST (Y. LeCun, C. Cortes, C. Burges)", options)
}

/// Pieces of clothing, 28×28, 10 classes.
pub fn fashion_mnist(options: &ImageOptions) -> Result<Dataset> {
    folder_of_idx(
        "fashion-mnist",
        "Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017; MIT licence)",
        options,
    )
}

fn folder_of_idx(name: &str, source: &str, options: &ImageOptions) -> Result<Dataset> {
    let function = format!("data::{}", name.replace('-', "_"));
    options.check_for(&function)?;
    let folder = find_folder(
        &function,
        name,
        options.folder.as_deref(),
        "the four idx files",
    )?;
    // As torchvision lays them out.
    let inside =
        ["", "raw", "MNIST/raw", "FashionMNIST/raw", "EMNIST/raw"].map(|place| folder.join(place));
    let has = |place: &&PathBuf| find_file(place, "train-images-idx3-ubyte").is_some();
    let folder = inside.iter().find(has).cloned().unwrap_or(folder);
    let path = |stem: &str| {
        find_file(&folder, stem).ok_or_else(|| {
            Error::data(format!("{function}: no file {stem} or {stem}.gz in {}", folder.display()))
                .with_hint(format!(
                    "a folder needs train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-… likewise; `jemscript fetch {name}` \
                     downloads them"
                ))
        })
    };
    let train = read_pair(
        &path("train-images-idx3-ubyte")?,
        &path("train-labels-idx1-ubyte")?,
    )?;
    let test = read_pair(
        &path("t10k-images-idx3-ubyte")?,
        &path("t10k-labels-idx1-ubyte")?,
    )?;
    if train.bytes.shape()[1..] != test.bytes.shape()[1..] {
        return Err(Error::data(format!(
            "{function}: training and test images differ in size"
        )));
    }
    let classes = train
        .labels
        .iter()
        .chain(&test.labels)
        .max()
        .map_or(0, |m| m + 1);
    let about = format!("{source}, from {}.", folder.display());
    Source {
        name,
        about,
        classes,
        train,
        test,
    }
    .dataset(options)
}

/// `train-images-idx3-ubyte`, also as `train-images.idx3-ubyte`, plain or gzipped.
fn find_file(folder: &Path, stem: &str) -> Option<PathBuf> {
    let usual = [stem.to_owned(), stem.replace("-idx", ".idx")]
        .iter()
        .flat_map(|s| [folder.join(s), folder.join(format!("{s}.gz"))])
        .find(|p| p.is_file());
    usual.or_else(|| {
        // EMNIST's: `emnist-letters-train-images-idx3-ubyte`, `emnist-letters-test-…`, of one of
        // its splits.
        let ending = format!("-{}", stem.replace("t10k", "test"));
        let entries = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path());
        let fits = |p: &PathBuf| {
            let name = p
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default();
            name.starts_with("emnist-")
                && name.trim_end_matches(".gz").ends_with(&ending)
                && p.is_file()
        };
        let mut found: Vec<PathBuf> = entries.filter(fits).collect();
        if found.len() == 1 { found.pop() } else { None }
    })
}

fn read_pair(images: &Path, labels: &Path) -> Result<Images> {
    let (image_dims, image_bytes) = read_idx(images)?;
    let (label_dims, label_bytes) = read_idx(labels)?;
    let [n, height, width] = image_dims[..] else {
        return Err(Error::data(format!(
            "{}: needs three dimensions, has {image_dims:?}",
            images.display()
        )));
    };
    if label_dims != [n] {
        return Err(Error::data(format!(
            "{}: needs one label for each of the {n} images of {}, has {label_dims:?}",
            labels.display(),
            images.display()
        )));
    }
    if n == 0 || height == 0 || width == 0 {
        return Err(Error::data(format!(
            "{}: is empty, {image_dims:?}",
            images.display()
        )));
    }
    let labels = label_bytes.into_iter().map(i64::from).collect();
    let found = Images::new(
        &images.display().to_string(),
        &image_bytes,
        [n, 1, height, width],
        labels,
        256,
    )?;
    // EMNIST's images lie on their side.
    let sideways = images
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("emnist-"));
    if sideways {
        found.transposed()
    } else {
        Ok(found)
    }
}

/// Reads one idx file, plain or gzipped: its sizes and values, which must be whole numbers from 0
/// to 255, whatever their type in the file. What is not exactly such a file is an error that names
/// it.
pub fn read_idx(path: &Path) -> Result<(Vec<i64>, Vec<u8>)> {
    if let Some(error) = crate::formats::foreign(path) {
        return Err(error);
    }
    let open = || File::open(path).map_err(|e| Error::io(path, &e));
    let mut magic = [0u8; 2];
    let gzipped = open()?.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    let mut file: Box<dyn Read> = if gzipped {
        Box::new(flate2::read::MultiGzDecoder::new(std::io::BufReader::new(
            open()?,
        )))
    } else {
        Box::new(std::io::BufReader::new(open()?))
    };
    let broken =
        |what: String| Error::data(format!("{}: not a whole idx file: {what}", path.display()));
    let mut read = |buffer: &mut Vec<u8>, count: u64, what: &str| -> Result<()> {
        file.by_ref()
            .take(count)
            .read_to_end(buffer)
            .map_err(|e| broken(format!("cannot read {what} ({e})")))?;
        match buffer.len() as u64 {
            got if got < count => Err(broken(format!(
                "it ends in {what}, after {got} of {count} bytes"
            ))
            .with_hint("it may be cut short: fetch it again")),
            _ => Ok(()),
        }
    };
    let mut head = Vec::new();
    read(&mut head, 4, "its first four bytes")?;
    let dims = head[3];
    let kind = TYPES.iter().find(|(kind, _)| *kind == head[2]);
    let (Some(&(kind, width)), [0, 0], 1..=4) = (kind, &head[..2], dims) else {
        return Err(broken(format!(
            "it begins with {head:?}, not with [0, 0, 8, number of dimensions]"
        )));
    };
    let mut sizes = Vec::new();
    read(&mut sizes, 4 * u64::from(dims), "its sizes")?;
    let sizes: Vec<u64> = sizes
        .chunks_exact(4)
        .map(|b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
        .collect();
    let count = sizes
        .iter()
        .try_fold(1u64, |n, s| n.checked_mul(*s))
        .filter(|n| *n <= MOST_BYTES);
    let count = count.ok_or_else(|| broken(format!("its sizes {sizes:?} are impossible")))?;
    let mut values = Vec::new();
    read(&mut values, count * width as u64, "its values")?;
    let mut rest = Vec::new();
    file.take(1)
        .read_to_end(&mut rest)
        .map_err(|e| broken(format!("cannot read its end ({e})")))?;
    if !rest.is_empty() {
        return Err(broken(format!(
            "more bytes follow than its sizes {sizes:?} say"
        )));
    }
    let values = if kind == 0x08 {
        values
    } else {
        bytes_of(&values, kind, width).map_err(broken)?
    };
    Ok((sizes.into_iter().map(|s| s as i64).collect(), values))
}

/// Numbers of another type as bytes, the highest byte first in the file; a part of a sentence where
/// one does not fit.
fn bytes_of(values: &[u8], kind: u8, width: usize) -> std::result::Result<Vec<u8>, String> {
    let number = |b: &[u8]| match kind {
        0x09 => f64::from(b[0] as i8),
        0x0b => f64::from(i16::from_be_bytes([b[0], b[1]])),
        0x0c => f64::from(i32::from_be_bytes([b[0], b[1], b[2], b[3]])),
        0x0d => f64::from(f32::from_be_bytes([b[0], b[1], b[2], b[3]])),
        _ => f64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
    };
    let byte = |b: &[u8]| {
        let x = number(b);
        let fits = x.fract() == 0.0 && (0.0..=255.0).contains(&x);
        if fits {
            Ok(x as u8)
        } else {
            Err(format!("the value {x} is no whole number from 0 to 255"))
        }
    };
    values.chunks_exact(width).map(byte).collect()
}
