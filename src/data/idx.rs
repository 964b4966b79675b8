//! MNIST, Fashion-MNIST and whatever else comes as idx files: plain or gzipped, read from a folder, values to [−1, 1].
//!
//! An idx file is two zero bytes, a type byte (8: unsigned bytes), the number of dimensions, the sizes as big-endian 32-bit
//! numbers, and the values.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Dataset, Part, stratified};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Kind, Tensor, default_device};

/// The only type byte of the image sets.
const UNSIGNED_BYTE: u8 = 8;
/// No file of the format's users is near this; a larger size is a broken header.
const MOST_BYTES: u64 = 1 << 33;
/// Images are converted and resized this many at a time, so that memory holds no second copy of all.
const CHUNK: i64 = 4096;

crate::options! {
    /// Options of [`mnist`] and [`fashion_mnist`].
    pub struct IdxOptions for "data::mnist" {
        /// folder with the four files, plain or .gz; () for the usual places
        folder: Option<String> = None,
        /// resize to size × size pixels, by area
        size: Option<i64> = None,
        /// at most this many rows in each part: random ones for training and validation, the first ones of the test
        limit: Option<i64> = None,
        /// rows of the training files for validation
        validation: i64 = 5000,
        /// seed of the split
        seed: i64 = 0,
    }
    check |o| {
        if o.size.is_some_and(|s| !(1..=256).contains(&s)) {
            return Err(Error::argument(format!("data: size must be from 1 to 256, got {}", o.size.unwrap_or(0))));
        }
        if o.limit.is_some_and(|n| n < 1) {
            return Err(Error::argument(format!("data: limit must be at least 1, got {}", o.limit.unwrap_or(0))));
        }
        Ok(())
    }
}

/// Handwritten digits, 28×28, 10 classes.
pub fn mnist(options: &IdxOptions) -> Result<Dataset> {
    folder_of_idx("mnist", "MNIST (Y. LeCun, C. Cortes, C. Burges)", options)
}

/// Pieces of clothing, 28×28, 10 classes.
pub fn fashion_mnist(options: &IdxOptions) -> Result<Dataset> {
    folder_of_idx("fashion-mnist", "Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017; MIT licence)", options)
}

fn folder_of_idx(name: &str, source: &str, options: &IdxOptions) -> Result<Dataset> {
    options.check()?;
    let function = format!("data::{}", name.replace('-', "_"));
    let folder = find_folder(&function, name, options.folder.as_deref())?;
    let path = |stem: &str| {
        find_file(&folder, stem).ok_or_else(|| {
            Error::data(format!("{function}: no file {stem} or {stem}.gz in {}", folder.display()))
                .with_hint("a folder needs train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-… likewise")
        })
    };
    let (images, labels) = read_pair(&path("train-images-idx3-ubyte")?, &path("train-labels-idx1-ubyte")?)?;
    let split = stratified(&labels, options.validation, 0, options.seed)
        .map_err(|e| Error::argument(e.message().replacen("split", &function, 1)))?;
    let limited = |rows: &[i64]| {
        let limit = options.limit.unwrap_or(i64::MAX).min(rows.len() as i64);
        rows[..limit as usize].to_vec()
    };
    let part = |images: &Images, labels: &[i64], rows: &[i64], which: &str| -> Result<Part> {
        let chosen: Vec<i64> = rows.iter().map(|i| labels[*i as usize]).collect();
        let x = images.floats(rows, options.size)?;
        Part::new(format!("{name}.{which}"), &x, &Tensor::of_ints(&chosen)?)
    };
    let (test_images, test_labels) = read_pair(&path("t10k-images-idx3-ubyte")?, &path("t10k-labels-idx1-ubyte")?)?;
    let test_rows: Vec<i64> = (0..test_labels.len() as i64).collect();
    let resized = options.size.map_or(String::new(), |s| format!(", resized to {s}×{s} by area"));
    Ok(Dataset {
        name: name.to_owned(),
        train: part(&images, &labels, &limited(&split.train), "train")?,
        validation: part(&images, &labels, &limited(&split.validation), "validation")?,
        test: part(&test_images, &test_labels, &limited(&test_rows), "test")?,
        held_out: None,
        classes: labels.iter().chain(&test_labels).max().map_or(0, |m| m + 1),
        range: (-1.0, 1.0),
        about: format!(
            "{source}, from {}{resized}. Validation is a stratified part of the training files, from seed {}.",
            folder.display(),
            options.seed
        ),
    })
}

/// The data folders: the user's own, and the one where Debian puts data sets.
pub fn folders() -> Vec<PathBuf> {
    let home = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    home.into_iter().map(|d| d.join("jemscript")).chain([PathBuf::from("/usr/share/datasets")]).collect()
}

/// The folder that the user named, or the first usual place that exists.
fn find_folder(function: &str, name: &str, given: Option<&str>) -> Result<PathBuf> {
    if let Some(folder) = given {
        let folder = PathBuf::from(folder);
        return if folder.is_dir() {
            Ok(folder)
        } else {
            Err(Error::data(format!("{function}: no folder {}", folder.display()))
                .with_hint("`folder` must be the one that holds the four idx files"))
        };
    }
    let places: Vec<PathBuf> = folders().into_iter().map(|d| d.join(name)).collect();
    if let Some(found) = places.iter().find(|p| p.is_dir()) {
        return Ok(found.clone());
    }
    let shown: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
    Err(Error::data(format!("{function}: the data is not on this machine (looked in {})", shown.join(" and ")))
        .with_hint("put the four idx files into one of these folders, or name theirs: #{ folder: \"…\" }"))
}

/// `train-images-idx3-ubyte`, also as `train-images.idx3-ubyte`, plain or gzipped.
fn find_file(folder: &Path, stem: &str) -> Option<PathBuf> {
    [stem.to_owned(), stem.replace("-idx", ".idx")]
        .iter()
        .flat_map(|s| [folder.join(s), folder.join(format!("{s}.gz"))])
        .find(|p| p.is_file())
}

/// Grey images as bytes.
struct Images {
    bytes: Vec<u8>,
    height: i64,
    width: i64,
}

impl Images {
    /// Rows as floats in [−1, 1], `[n, 1, H, W]`, resized if asked.
    fn floats(&self, rows: &[i64], size: Option<i64>) -> Result<Tensor> {
        let pixels = (self.height * self.width) as usize;
        let mut pieces = Vec::new();
        for chunk in rows.chunks(CHUNK as usize) {
            let mut bytes = Vec::with_capacity(chunk.len() * pixels);
            for row in chunk {
                let start = *row as usize * pixels;
                bytes.extend_from_slice(&self.bytes[start..start + pixels]);
            }
            let shape = [chunk.len() as i64, 1, self.height, self.width];
            let raw = Tensor::from(tch::Tensor::f_from_data_size(&bytes, &shape, Kind::Uint8)?);
            let unit = raw.to_kind(Kind::Float)?.div(127.5)?.sub(1.0)?;
            pieces.push(match size {
                Some(s) => unit.resize_area(s, s)?,
                None => unit,
            });
        }
        if pieces.is_empty() {
            let (h, w) = size.map_or((self.height, self.width), |s| (s, s));
            return Tensor::zeros(&[0, 1, h, w]);
        }
        Tensor::cat(&pieces, 0)?.to_device(default_device())
    }
}

fn read_pair(images: &Path, labels: &Path) -> Result<(Images, Vec<i64>)> {
    let (image_dims, image_bytes) = read_idx(images)?;
    let (label_dims, label_bytes) = read_idx(labels)?;
    let [n, height, width] = image_dims[..] else {
        return Err(Error::data(format!("{}: needs three dimensions, has {image_dims:?}", images.display())));
    };
    if label_dims != [n] {
        return Err(Error::data(format!(
            "{}: needs one label for each of the {n} images of {}, has {label_dims:?}",
            labels.display(),
            images.display()
        )));
    }
    if n == 0 || height == 0 || width == 0 {
        return Err(Error::data(format!("{}: is empty, {image_dims:?}", images.display())));
    }
    Ok((Images { bytes: image_bytes, height, width }, label_bytes.into_iter().map(i64::from).collect()))
}

/// Reads one idx file of unsigned bytes, plain or gzipped: its sizes and values. What is not exactly such a file is an error
/// that names it.
pub fn read_idx(path: &Path) -> Result<(Vec<i64>, Vec<u8>)> {
    let open = || File::open(path).map_err(|e| Error::io(path, &e));
    let mut magic = [0u8; 2];
    let gzipped = open()?.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    let mut file: Box<dyn Read> = if gzipped {
        Box::new(flate2::read::MultiGzDecoder::new(std::io::BufReader::new(open()?)))
    } else {
        Box::new(std::io::BufReader::new(open()?))
    };
    let broken = |what: String| Error::data(format!("{}: not a whole idx file: {what}", path.display()));
    let mut read = |buffer: &mut Vec<u8>, count: u64, what: &str| -> Result<()> {
        file.by_ref().take(count).read_to_end(buffer).map_err(|e| broken(format!("cannot read {what} ({e})")))?;
        match buffer.len() as u64 {
            got if got < count => Err(broken(format!("it ends in {what}, after {got} of {count} bytes"))
                .with_hint("it may be cut short: fetch it again")),
            _ => Ok(()),
        }
    };
    let mut head = Vec::new();
    read(&mut head, 4, "its first four bytes")?;
    let dims = head[3];
    if head[0] != 0 || head[1] != 0 || head[2] != UNSIGNED_BYTE || !(1..=4).contains(&dims) {
        return Err(broken(format!("it begins with {head:?}, not with [0, 0, 8, number of dimensions]")));
    }
    let mut sizes = Vec::new();
    read(&mut sizes, 4 * u64::from(dims), "its sizes")?;
    let sizes: Vec<u64> =
        sizes.chunks_exact(4).map(|b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]]))).collect();
    let count = sizes.iter().try_fold(1u64, |n, s| n.checked_mul(*s)).filter(|n| *n <= MOST_BYTES);
    let count = count.ok_or_else(|| broken(format!("its sizes {sizes:?} are impossible")))?;
    let mut values = Vec::new();
    read(&mut values, count, "its values")?;
    let mut rest = Vec::new();
    file.take(1).read_to_end(&mut rest).map_err(|e| broken(format!("cannot read its end ({e})")))?;
    if !rest.is_empty() {
        return Err(broken(format!("more bytes follow than its sizes {sizes:?} say")));
    }
    Ok((sizes.into_iter().map(|s| s as i64).collect(), values))
}
