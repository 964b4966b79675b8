//! Out-of-distribution sets made from a part: noise, constants, a pixel shuffle, a rotation,
//! blends. Each depends on its seed alone.
//!
//! Noise, shuffles and rotations of digits are easy: two border columns of pixels tell them apart.
//! Blends are hard.

use crate::data::{Generator, Part};
use crate::error::{Error, Result};
use crate::options::{OptionValue, Options, Value};
use crate::tensor::{Stream, Tensor};

crate::choice! {
    /// The sets that can be made from a part.
    pub enum MadeSet {
        /// Uniform on the range.
        Noise = "noise",
        /// One colour an image.
        Constant = "constant",
        /// Every image with its pixels in one and the same random order.
        Shuffle = "shuffle",
        /// By 90° counter-clockwise.
        Rotation = "rotation",
        /// ½(x + x') of random pairs.
        Interpolation = "interpolation",
        /// The same within each class.
        Blends = "blends",
    }
}

impl MadeSet {
    /// The one that scripts write so.
    pub fn by_name(name: &str) -> Result<MadeSet> {
        MadeSet::of(name).ok_or_else(|| {
            let text = format!("evaluate::ood_set: no set `{name}`");
            Error::unknown(&text, name, MadeSet::WORDS.iter().copied())
        })
    }
}

/// A set of somebody's own: a part, or a tensor of rows.
#[derive(Clone)]
pub enum GivenSet {
    /// Rows with a name and labels of their own.
    Part(Part),
    /// Rows alone.
    Rows(Tensor),
}

impl OptionValue for GivenSet {
    const TYPE: &'static str = "tensor or part";
    const MANY: &'static str = "map of names to tensor or part";
    fn from_value(value: &Value) -> Option<GivenSet> {
        let part = value.downcast::<Part>().map(GivenSet::Part);
        part.or_else(|| value.downcast::<Tensor>().map(GivenSet::Rows))
    }
    fn show(&self) -> String {
        match self {
            GivenSet::Part(_) => "part".to_owned(),
            GivenSet::Rows(_) => "tensor".to_owned(),
        }
    }
}

crate::options! {
    /// Options of [`ood_set`].
    pub struct OodSetOptions for "evaluate::ood_set" {
        /// range of noise and constants; () for that of the part's data set, else [-1, 1]
        range: Option<(f64, f64)> = None,
        /// seed of noise, constants, shuffle and pairs
        seed: i64 = 0,
    }
    check |o| {
        super::ball::check_ball("evaluate::ood_set", &[], o.range)
    }
}

/// This set, made from a part.
pub fn ood_set(set: MadeSet, part: &Part, options: &OodSetOptions) -> Result<Part> {
    options.check()?;
    let range = super::ball::pixel_range(part, options.range);
    match set {
        MadeSet::Noise => uniform_noise(part, range, options.seed),
        MadeSet::Constant => constants(part, range, options.seed),
        MadeSet::Shuffle => pixel_shuffle(part, options.seed),
        MadeSet::Rotation => rotation(part),
        MadeSet::Interpolation => interpolation(part, options.seed),
        MadeSet::Blends => class_blends(part, options.seed),
    }
}

/// The sets that make sense for a part: points in a plane have no pixels to shuffle, oblong images
/// no rotation.
pub fn usual_sets(part: &Part) -> Vec<MadeSet> {
    let shape = part.shape();
    let fits = |set: &MadeSet| match set {
        MadeSet::Shuffle | MadeSet::Constant => shape.len() == 3,
        MadeSet::Rotation => shape.len() == 3 && shape[1] == shape[2],
        _ => true,
    };
    let all = MadeSet::WORDS.iter().filter_map(|word| MadeSet::of(word));
    all.filter(fits).collect()
}

impl GivenSet {
    /// As a part of this name.
    pub fn named(&self, name: &str) -> Result<Part> {
        match self {
            GivenSet::Part(part) => Ok(part.named(name)),
            GivenSet::Rows(x) => Part::unlabelled(name, x),
        }
    }

    /// The one that a script gives under a name.
    pub fn of(name: &str, value: &Value) -> Result<GivenSet> {
        GivenSet::from_value(value).ok_or_else(|| {
            Error::argument(format!(
                "set `{name}`: must be a tensor or a part, got {}",
                value.type_name()
            ))
        })
    }
}

/// Uniform noise on the range of the data, as many rows as the part has.
pub fn uniform_noise(part: &Part, range: (f64, f64), seed: i64) -> Result<Part> {
    let mut generator = Generator::new(seed, Stream::Evaluate, "uniform noise", 0);
    let like = part.x()?;
    let values: Vec<f64> = (0..like.numel())
        .map(|_| range.0 + (range.1 - range.0) * generator.uniform())
        .collect();
    let x = Tensor::from_f64(&values, &like.shape(), like.kind(), like.device())?;
    Part::unlabelled("uniform noise", &x)
}

/// Images of one colour each, drawn uniformly from the range, as many as the part has.
pub fn constants(part: &Part, range: (f64, f64), seed: i64) -> Result<Part> {
    let like = part.head(1)?.x()?;
    let shape = [&[part.len()], &part.shape()[..]].concat();
    if shape.len() != 4 {
        return Err(Error::shape(format!(
            "constant: needs images [N, C, H, W], got {shape:?}"
        )));
    }
    let mut generator = Generator::new(seed, Stream::Evaluate, "constants", 0);
    let colours: Vec<f64> = (0..shape[0] * shape[1])
        .map(|_| range.0 + (range.1 - range.0) * generator.uniform())
        .collect();
    let one = Tensor::from_f64(
        &colours,
        &[shape[0], shape[1], 1, 1],
        like.kind(),
        like.device(),
    )?;
    Part::unlabelled("constants", &one.expand(&shape)?.contiguous()?)
}

/// Every image with its pixels in one and the same random order.
pub fn pixel_shuffle(part: &Part, seed: i64) -> Result<Part> {
    // Channels stay together: [N, C, H, W] is seen as [N, C, H·W], points [N, d] as they are.
    let x = part.x()?;
    let shape = x.shape();
    let flat = if shape.len() > 3 { x.flatten(2)? } else { x };
    let pixels = flat.shape().last().copied().unwrap_or(0);
    let order = Generator::new(seed, Stream::Evaluate, "pixel shuffle", 0).permutation(pixels);
    let order = Tensor::of_ints(&order)?.to_device(part.device())?;
    let x = flat.index_select(-1, &order)?.reshape(&shape)?;
    Part::new("pixel shuffle", &x, &part.y)
}

/// Every image turned by 90° counter-clockwise.
pub fn rotation(part: &Part) -> Result<Part> {
    let x = part.x()?;
    let shape = x.shape();
    if shape.len() != 4 || shape[2] != shape[3] {
        return Err(Error::shape(format!(
            "rotation: needs square images [N, C, H, H], got {shape:?}"
        )));
    }
    Part::new("rotation", &x.rot90(1)?.contiguous()?, &part.y)
}

/// `½ (x_i + x_j)` of random pairs: each row is in two of them.
pub fn interpolation(part: &Part, seed: i64) -> Result<Part> {
    if part.len() < 2 {
        return Err(Error::shape(format!(
            "interpolation: needs two rows or more, {} has {}",
            part.name,
            part.len()
        )));
    }
    let order = Generator::new(seed, Stream::Evaluate, "interpolation", 0).permutation(part.len());
    let mut next = order.clone();
    next.rotate_left(1);
    let x = part
        .rows(&order)?
        .x()?
        .add(&part.rows(&next)?.x()?)?
        .mul(0.5)?;
    Part::unlabelled("interpolation", &x)
}

/// `½ (x_i + x_j)` of random pairs of one class; labels are kept. Classes of a single row are left
/// out.
pub fn class_blends(part: &Part, seed: i64) -> Result<Part> {
    let labels = part.y.to_ints()?;
    let classes: std::collections::BTreeSet<i64> = labels.iter().copied().collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for class in classes {
        let mut rows: Vec<i64> = (0..part.len())
            .filter(|i| labels[*i as usize] == class)
            .collect();
        if rows.len() < 2 {
            continue;
        }
        Generator::new(seed, Stream::Evaluate, "class blends", class as u64).shuffle(&mut rows);
        first.extend_from_slice(&rows);
        rows.rotate_left(1);
        second.extend_from_slice(&rows);
    }
    if first.is_empty() {
        return Err(Error::shape(format!(
            "class_blends: no class of {} has two rows",
            part.name
        )));
    }
    let a = part.rows(&first)?;
    let x = a.x()?.add(&part.rows(&second)?.x()?)?.mul(0.5)?;
    Part::new("within-class blends", &x, &a.y)
}
