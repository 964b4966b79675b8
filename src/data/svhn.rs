//! SVHN (Netzer et al., 2011): house numbers of 32×32 pixels, from the .mat files of the cropped
//! digits.
//!
//! `X` is 32×32×3×N bytes with the row of the image running fastest; `y` is N labels, in which 10
//! stands for the digit 0.

use std::path::Path;

use super::Dataset;
use super::images::{ImageOptions, Images, Source};
use super::places::find_folder;
use crate::error::{Error, Result};
use crate::formats::mat;
use crate::options::Options;
use crate::tensor::{Kind, Tensor};

crate::options! {
    /// Options of [`svhn`].
    pub struct SvhnOptions for "data::svhn" {
        include images: ImageOptions = ImageOptions::default(),
        /// take the 531,131 easier images of extra_32x32.mat for training too
        extra: bool = false,
    }
}

/// House numbers: 73,257 training and 26,032 test images (and 531,131 extra ones) in 10 classes,
/// class k being the digit k.
pub fn svhn(options: &SvhnOptions) -> Result<Dataset> {
    const FUNCTION: &str = "data::svhn";
    options.check()?;
    let folder = find_folder(
        FUNCTION,
        "svhn",
        options.images.folder.as_deref(),
        "train_32x32.mat and test_32x32.mat",
    )?;
    let images = |stem: &str| {
        let path = folder.join(format!("{stem}_32x32.mat"));
        if !path.is_file() {
            return Err(Error::data(format!(
                "{FUNCTION}: no file {stem}_32x32.mat in {}",
                folder.display()
            ))
            .with_hint("`jemscript fetch svhn` downloads it"));
        }
        read_images(&path)
    };
    let mut train = vec![images("train")?];
    if options.extra {
        train.push(images("extra")?);
    }
    let also = if options.extra { " and extra" } else { "" };
    Source {
        name: "svhn",
        about: format!(
            "SVHN cropped digits, train{also} (Y. Netzer et al., 2011; for non-commercial use), from {}.",
            folder.display()
        ),
        classes: 10,
        train: Images::concat(FUNCTION, train)?,
        test: images("test")?,
    }
    .dataset(&options.images)
}

fn read_images(path: &Path) -> Result<Images> {
    let what = path.display().to_string();
    let mut arrays = mat::read(path, &["X", "y"])?;
    let mut named = |name: &str| {
        let array = arrays.remove(name);
        array.ok_or_else(|| Error::data(format!("{what}: holds no array `{name}`")))
    };
    let (x, y) = (named("X")?, named("y")?);
    let [height, width, 3, n] = x.shape[..] else {
        return Err(Error::data(format!(
            "{what}: X must be [height, width, 3, N], is {:?}",
            x.shape
        )));
    };
    let bytes = x
        .as_bytes()
        .ok_or_else(|| Error::data(format!("{what}: X must hold bytes")))?;
    // In the file's order the image's column counts slower than its row.
    let held = Tensor::from(tch::Tensor::f_from_data_size(
        bytes,
        &[n, 3, width, height],
        Kind::Uint8,
    )?);
    drop(x);
    let labels = y
        .values()
        .into_iter()
        .map(|v| if v == 10.0 { 0 } else { v as i64 })
        .collect::<Vec<_>>();
    if labels.len() as i64 != n {
        return Err(Error::data(format!(
            "{what}: {n} images, but {} labels",
            labels.len()
        )));
    }
    Images::of_tensor(&what, held.transpose(2, 3)?.contiguous()?, labels, 10)
}
