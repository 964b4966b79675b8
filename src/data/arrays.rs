//! Arrays of one's own from a file: .npz or .npy of numpy, or .safetensors.

use std::path::Path;

use super::parts::{Found, PartsOptions};
use super::{Dataset, Part};
use crate::error::{Error, Result};
use crate::formats::{Arrays, read_npy, read_npz, read_safetensors};
use crate::options::Options;
use crate::tensor::{Kind, Tensor};

crate::options! {
    /// Options of [`arrays`].
    pub struct ArrayOptions for "data::arrays" {
        include parts: PartsOptions = PartsOptions::default(),
        /// name of the rows in the file; with NAME_train and NAME_test (or train_NAME and
        /// test_NAME) in it, those are the parts, and NAME_val, where it is there, is the
        /// validation part
        x: String = "x".to_owned(),
        /// name of the labels, whole numbers from 0 on; () for rows without labels, which are all -1
        y: Option<String> = Some("y".to_owned()),
        /// images are [N, H, W, C] in the file, not [N, C, H, W]; () where their sizes tell: bytes
        /// that end in 1 or 3
        channels_last: Option<bool> = None,
        /// the range of the values in the file, which becomes [-1, 1]; bytes (uint8) are always
        /// taken from [0, 255]
        rescale: Option<(f64, f64)> = None,
    }
    check |o| {
        match o.rescale {
            Some((low, high)) if !(low < high && low.is_finite() && high.is_finite()) => Err(Error::argument(format!(
                "data::arrays: rescale must be [low, high] with low < high, got [{low}, {high}]"
            ))),
            _ => Ok(()),
        }
    }
}

/// Reads rows and labels. Bytes are images from 0 to 255 and become [−1, 1]; images without
/// channels get one.
pub fn arrays(path: &Path, options: &ArrayOptions) -> Result<Dataset> {
    const FUNCTION: &str = "data::arrays";
    options.check()?;
    let o = options;
    let ending = path
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let found = match ending.as_str() {
        "npz" => read_npz(path)?,
        "npy" if o.y.is_none() => Arrays {
            tensors: [(o.x.clone(), read_npy(path)?)].into(),
            ..Arrays::default()
        },
        "npy" => {
            return Err(Error::argument(format!("{FUNCTION}: {} is one array, without labels", path.display()))
                .with_hint(
                    "without labels: #{ y: () }; with them in one file, in Python: numpy.savez(\"both.npz\", \
                 x=numpy.load(\"x.npy\"), y=numpy.load(\"y.npy\"))",
                ));
        }
        "safetensors" => Arrays {
            tensors: read_safetensors(path)?,
            ..Arrays::default()
        },
        _ => {
            return Err(Error::argument(format!(
                "{FUNCTION}: {} is neither .npz, .npy nor .safetensors",
                path.display()
            )));
        }
    };
    let name = path
        .file_stem()
        .map_or_else(|| "arrays".to_owned(), |n| n.to_string_lossy().into_owned());
    let o = &named_as_in(&found, o);
    let part = |end: &str| part_of(path, &found, o, end);
    let has = |end: &str| found.tensors.contains_key(&key(&found, &o.x, end));
    let apart = has("_train") && has("_test");
    let all = part(if apart { "_train" } else { "" })?;
    let test = if apart { Some(part("_test")?) } else { None };
    let own = apart && o.parts.validation.is_none() && has("_val");
    let validation = if own { Some(part("_val")?) } else { None };
    if let Some((which, _)) = [("test", &test), ("validation", &validation)]
        .into_iter()
        .find(|(_, p)| p.as_ref().is_some_and(|p| p.shape() != all.shape()))
    {
        return Err(Error::data(format!(
            "{FUNCTION}: training and {which} rows of {} differ in shape",
            path.display()
        )));
    }
    let x = key(&found, &o.x, if apart { "_train" } else { "" });
    let double = found
        .tensors
        .get(&x)
        .is_some_and(|t| t.kind() == Kind::Double);
    let note = format!("{name}: `{x}` is float64; its rows become float32, as networks have it");
    Found {
        function: FUNCTION,
        about: format!("Arrays of {}", path.display()),
        unit: o.rescale.is_some() || all.is_bytes(),
        notes: double.then_some(note).into_iter().collect(),
        name,
        all,
        validation,
        test,
    }
    .dataset(&o.parts)
}

/// The options, with the names of MedMNIST's files where the usual ones are not there.
fn named_as_in(found: &Arrays, o: &ArrayOptions) -> ArrayOptions {
    let usual = ArrayOptions::default();
    let there = |name: &str| {
        [name.to_owned(), format!("{name}_train")]
            .iter()
            .any(|n| found.tensors.contains_key(n))
    };
    if o.x == usual.x
        && (o.y == usual.y || o.y.is_none())
        && !there(&o.x)
        && found.tensors.contains_key("train_images")
    {
        return ArrayOptions {
            x: "images".to_owned(),
            y: o.y.as_ref().map(|_| "labels".to_owned()),
            ..o.clone()
        };
    }
    o.clone()
}

/// The name of a part's array in the file: `x_train`, or `train_x`.
fn key(found: &Arrays, name: &str, end: &str) -> String {
    let behind = format!("{name}{end}");
    let before = format!("{}_{name}", end.trim_start_matches('_'));
    if !end.is_empty()
        && !found.tensors.contains_key(&behind)
        && found.tensors.contains_key(&before)
    {
        return before;
    }
    behind
}

/// Rows with labels, by the names in the options with an ending.
fn part_of(path: &Path, found: &Arrays, o: &ArrayOptions, end: &str) -> Result<Part> {
    let named = |name: &str| {
        if let Some(why) = found.refused.get(name) {
            return Err(Error::data(format!(
                "data::arrays: {}: `{name}`: {why}",
                path.display()
            )));
        }
        found.tensors.get(name).ok_or_else(|| {
            let text = format!("data::arrays: {} has no array `{name}`", path.display());
            Error::unknown(&text, name, found.tensors.keys().map(String::as_str))
        })
    };
    let unlabelled = |e: Error| {
        let more = "#{ y: () } takes the rows without labels";
        let hint = e
            .hint()
            .map_or_else(|| more.to_owned(), |h| format!("{h}; {more}"));
        Error::new(e.kind(), e.message()).with_hint(hint)
    };
    let x = named(&key(found, &o.x, end))?;
    let y = match &o.y {
        Some(y) => named(&key(found, y, end)).map_err(unlabelled)?.clone(),
        None if x.ndim() == 0 => Tensor::zeros(&[0])?,
        None => Tensor::full(&[x.len()], -1.0)?,
    };
    let broken = |why: String| Error::data(format!("data::arrays: {}: {why}", path.display()));
    let n = y.numel() as i64;
    let y = y.to_device(x.device())?.reshape(&[n])?;
    if n == 0 || x.ndim() == 0 || x.len() != n {
        return Err(broken(format!(
            "rows {:?} and {n} labels do not belong together",
            x.shape()
        )));
    }
    let bytes = x.kind() == Kind::Uint8;
    let last = match (o.channels_last, x.shape()[..].as_ref()) {
        (Some(given), _) => given,
        (None, [_, first, _, last]) => bytes && matches!(last, 1 | 3) && !matches!(first, 1 | 3),
        (None, _) => false,
    };
    let mut x = match x.ndim() {
        1 => x.unsqueeze(1)?,
        3 if bytes => x.unsqueeze(if last { 3 } else { 1 })?,
        _ => x.clone(),
    };
    if last {
        if x.ndim() != 4 {
            return Err(broken(format!(
                "channels_last needs images [N, H, W, C], got {:?}",
                x.shape()
            )));
        }
        x = x.permute(&[0, 3, 1, 2])?.contiguous()?;
    }
    if bytes {
        return Part::of_bytes("arrays", &x, &y);
    }
    // float64 is what numpy writes unless told otherwise; networks have float32, as all other sets.
    let mut x = x.to_kind(Kind::Float)?;
    if !x.isfinite()?.all()? {
        return Err(broken("some values are not finite".to_owned()));
    }
    if let Some((low, high)) = o.rescale {
        x = x.sub(low)?.mul(2.0 / (high - low))?.sub(1.0)?;
    }
    Part::new("arrays", &x, &y)
}
