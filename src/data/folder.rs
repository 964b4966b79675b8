//! Images of one's own: a folder with a sub-folder of PNG or JPEG files for each class.
//!
//! With sub-folders `train` and `test` each of them has the class folders; else the test part is
//! split off. Images that lie in the folder itself, without sub-folders, have no classes.

use std::path::{Path, PathBuf};

use super::images::{ImageOptions, Images, Source};
use super::{Dataset, stratified};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::options::Options;
use crate::tensor::{Kind, Tensor};

crate::options! {
    /// Options of [`folder`].
    pub struct FolderOptions for "data::folder" {
        /// images become size × size pixels, resized by area
        size: i64 = 32,
        /// cut the largest square out of the middle first; else images are squeezed
        crop: bool = true,
        /// 3 for colour, 1 for grey
        channels: i64 = 3,
        /// at most this many rows in each part: random ones for training and validation
        limit: Option<i64> = None,
        /// rows for validation; () for a tenth
        validation: Option<i64> = None,
        /// rows for the test, where there is no folder `test`; () for a fifth
        test: Option<i64> = None,
        /// seed of the split, and of which rows keep their labels
        seed: i64 = 0,
        /// a class to keep out of all parts, as out-of-distribution data; the labels of the others
        /// stay
        hold_out: Option<i64> = None,
        /// so many training rows of each class keep their label and are `train`; the others are
        /// `unlabelled`
        labels_per_class: Option<i64> = None,
    }
    check |o| {
        if !(1..=1024).contains(&o.size) {
            return Err(Error::argument(format!("data::folder: size must be from 1 to 1024, got {}", o.size)));
        }
        if o.channels != 1 && o.channels != 3 {
            return Err(Error::argument(format!("data::folder: channels must be 1 or 3, got {}", o.channels)));
        }
        Ok(())
    }
}

const HINT: &str = "the folder needs a sub-folder of .png or .jpg files for each class, or `train` and `test` with those inside";

/// Reads a folder. Classes are numbered in the order of their names.
pub fn folder(path: &Path, options: &FolderOptions) -> Result<Dataset> {
    const FUNCTION: &str = "data::folder";
    options.check()?;
    if !path.is_dir() {
        return Err(
            Error::data(format!("{FUNCTION}: no folder {}", path.display())).with_hint(HINT),
        );
    }
    let o = options.clone();
    let (train_folder, test_folder) = (path.join("train"), path.join("test"));
    let apart = train_folder.is_dir() && test_folder.is_dir();
    let classes = sub_folders(if apart { &train_folder } else { path })?;
    let flat = classes.is_empty();
    let inside = if apart { &train_folder } else { path };
    if flat && !listed(inside)?.iter().any(|p| is_image(p)) {
        return Err(Error::data(format!(
            "{FUNCTION}: {} has no sub-folders and no images",
            inside.display()
        ))
        .with_hint(HINT));
    }
    if flat && (o.hold_out.is_some() || o.labels_per_class.is_some()) {
        return Err(Error::argument(format!(
            "{FUNCTION}: {} has no classes to hold out or to give labels",
            inside.display()
        ))
        .with_hint("classes are sub-folders"));
    }
    if apart
        && let Some(odd) = sub_folders(&test_folder)?
            .iter()
            .find(|c| !classes.contains(c))
    {
        return Err(Error::data(format!(
            "{FUNCTION}: {} has the class {odd:?}, train has not",
            test_folder.display()
        )));
    }
    let (train, test) = if apart {
        (
            read(&train_folder, &classes, &o)?,
            read(&test_folder, &classes, &o)?,
        )
    } else {
        let all = read(path, &classes, &o)?;
        let test = o.test.unwrap_or(all.labels.len() as i64 / 5);
        let split = stratified(&all.labels, 0, test, o.seed)
            .map_err(|e| Error::argument(e.message().replacen("split", FUNCTION, 1)))?;
        (all.chosen(&split.train)?, all.chosen(&split.test)?)
    };
    let common = ImageOptions {
        folder: None,
        size: None,
        limit: o.limit,
        validation: o.validation.unwrap_or(train.labels.len() as i64 / 10),
        seed: o.seed,
        hold_out: o.hold_out,
        labels_per_class: o.labels_per_class,
    };
    let name = path
        .file_name()
        .map_or_else(|| "folder".to_owned(), |n| n.to_string_lossy().into_owned());
    let numbered: Vec<String> = classes
        .iter()
        .enumerate()
        .map(|(i, c)| format!("{i} {c}"))
        .collect();
    let which = if flat {
        "without classes".to_owned()
    } else {
        format!("classes {}", numbered.join(", "))
    };
    let note =
        format!("{name}: its images lie in no sub-folders, so they have no labels: all are -1");
    let made = Source {
        name: &name,
        about: format!("Images of {}, {which}.", path.display()),
        classes: classes.len() as i64,
        train,
        test,
    }
    .dataset(&common)?;
    Ok(Dataset {
        notes: flat.then_some(note).into_iter().collect(),
        ..made
    })
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| ["png", "jpg", "jpeg"].contains(&e.as_str())) && !path.is_dir()
}

/// The names of the folders in a folder, in order; hidden ones are passed over.
fn sub_folders(path: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = listed(path)?
        .into_iter()
        .filter(|p| p.is_dir())
        .filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn listed(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).map_err(|e| Error::io(path, &e))?;
    let all = entries
        .map(|e| Ok(e.map_err(|e| Error::io(path, &e))?.path()))
        .collect::<Result<Vec<_>>>()?;
    // Hidden ones, and what macOS puts into archives beside them.
    let hidden = |name: &str| name.starts_with('.') || name == "__MACOSX";
    let visible = |p: &PathBuf| !p.file_name().is_some_and(|n| hidden(&n.to_string_lossy()));
    let mut all: Vec<PathBuf> = all.into_iter().filter(visible).collect();
    all.sort();
    Ok(all)
}

fn read(path: &Path, classes: &[String], o: &FolderOptions) -> Result<Images> {
    let side = o.size;
    let (mut bytes, mut labels) = (Vec::new(), Vec::new());
    let mut empty = Vec::new();
    let classed = classes.iter().enumerate();
    let mut places: Vec<(i64, &str, PathBuf)> = classed
        .map(|(label, class)| (label as i64, class.as_str(), path.join(class)))
        .collect();
    if places.is_empty() {
        places.push((-1, "", path.to_owned()));
    }
    for (label, class, place) in places {
        if !place.is_dir() {
            continue;
        }
        let (images, others): (Vec<PathBuf>, Vec<PathBuf>) =
            listed(&place)?.into_iter().partition(|p| is_image(p));
        if images.is_empty() {
            empty.push(format!("{class}{}", endings(&others)));
        }
        for file in &images {
            if interrupt::requested() {
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    "data::folder: interrupted",
                ));
            }
            bytes.extend(one(file, o)?);
            labels.push(label);
        }
    }
    if labels.is_empty() || !empty.is_empty() {
        let which = if labels.is_empty() {
            String::new()
        } else {
            format!(" of the classes {}", empty.join(", "))
        };
        return Err(Error::data(format!(
            "data::folder: {} has no images{which}",
            path.display()
        ))
        .with_hint(HINT));
    }
    Images::new(
        &path.display().to_string(),
        &bytes,
        [labels.len() as i64, o.channels, side, side],
        labels,
        classes.len() as i64,
    )
}

/// The endings of files that were passed over: ` (3 files: .bmp, .txt)`.
fn endings(files: &[PathBuf]) -> String {
    let ending = |p: &PathBuf| {
        p.extension().map_or_else(
            || "none".to_owned(),
            |e| format!(".{}", e.to_string_lossy()),
        )
    };
    let all: std::collections::BTreeSet<String> = files.iter().map(ending).collect();
    let list: Vec<String> = all.into_iter().take(5).collect();
    if files.is_empty() {
        String::new()
    } else {
        format!(" ({} other files, ending {})", files.len(), list.join(", "))
    }
}

/// Whether a JPEG file has its end: the decoder fills what is missing with grey. The mark is looked
/// for behind the headers, since a thumbnail in them has an end of its own; pixels cannot hold it.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    // Headers: FF, a kind, a length that counts itself.
    while at + 4 <= bytes.len() && bytes[at] == 0xff && bytes[at + 1] != 0xda {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    }
    bytes
        .get(at..)
        .is_some_and(|rest| rest.windows(2).any(|w| w == [0xff, 0xd9]))
}

/// The bytes of one image, `[C, size, size]`.
fn one(path: &Path, o: &FolderOptions) -> Result<Vec<u8>> {
    let broken = |e: &dyn std::fmt::Display| {
        Error::data(format!("{}: not a whole image ({e})", path.display()))
    };
    let file = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    let reader = image::ImageReader::new(std::io::Cursor::new(&file));
    let reader = reader
        .with_guessed_format()
        .map_err(|e| Error::io(path, &e))?;
    if reader.format() == Some(image::ImageFormat::Jpeg) && !jpeg_is_whole(&file) {
        return Err(broken(&"it is cut short"));
    }
    let mut picture = reader.decode().map_err(|e| broken(&e))?;
    if o.crop {
        let (w, h) = (picture.width(), picture.height());
        let side = w.min(h);
        picture = picture.crop_imm((w - side) / 2, (h - side) / 2, side, side);
    }
    let (w, h) = (i64::from(picture.width()), i64::from(picture.height()));
    let raw = if o.channels == 1 {
        picture.into_luma8().into_raw()
    } else {
        picture.into_rgb8().into_raw()
    };
    // Pixels come with their colours side by side; ours are planes.
    let pixels = Tensor::from(tch::Tensor::f_from_data_size(
        &raw,
        &[1, h, w, o.channels],
        Kind::Uint8,
    )?);
    let planes = pixels
        .permute(&[0, 3, 1, 2])?
        .to_kind(Kind::Float)?
        .resize_area(o.size, o.size)?;
    let bytes = planes.round()?.to_kind(Kind::Uint8)?.contiguous()?;
    let mut found = crate::error::defaults(bytes.numel())?;
    bytes.raw().f_copy_data_u8(&mut found, bytes.numel())?;
    Ok(found)
}
