//! Out-of-distribution sets made from a part: noise, constants, a pixel shuffle, a rotation,
//! blends. Each depends on its seed alone.
//!
//! Noise, shuffles and rotations of digits are easy: two border columns of pixels tell them apart.
//! Blends are hard.

use crate::data::{Generator, Part};
use crate::error::{Error, Result};
use crate::options::{Options, Value};
use crate::tensor::{Stream, Tensor};

/// The sets that can be made from a part, by name.
pub const OOD_SETS: [&str; 6] = [
    "noise",
    "constant",
    "shuffle",
    "rotation",
    "interpolation",
    "blends",
];

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

/// The set of this name, made from a part.
pub fn ood_set(name: &str, part: &Part, options: &OodSetOptions) -> Result<Part> {
    options.check()?;
    let range = super::ball::pixel_range(part, options.range);
    match name {
        "noise" => uniform_noise(part, range, options.seed),
        "constant" => constants(part, range, options.seed),
        "shuffle" => pixel_shuffle(part, options.seed),
        "rotation" => rotation(part),
        "interpolation" => interpolation(part, options.seed),
        "blends" => class_blends(part, options.seed),
        other => Err(Error::unknown(
            &format!("evaluate::ood_set: no set `{other}`"),
            other,
            OOD_SETS,
        )),
    }
}

/// The sets that make sense for a part: points in a plane have no pixels to shuffle, oblong images
/// no rotation.
pub fn usual_sets(part: &Part) -> Vec<String> {
    let shape = part.shape();
    let fits = |name: &&str| match *name {
        "shuffle" | "constant" => shape.len() == 3,
        "rotation" => shape.len() == 3 && shape[1] == shape[2],
        _ => true,
    };
    OOD_SETS
        .into_iter()
        .filter(fits)
        .map(str::to_owned)
        .collect()
}

/// A set that the user gives, as a part or as a tensor of rows.
pub fn given_set(name: &str, value: &Value) -> Result<Part> {
    match (value.downcast::<Part>(), value.downcast::<Tensor>()) {
        (Some(part), _) => Ok(part.named(name)),
        (None, Some(x)) => Part::unlabelled(name, &x),
        _ => Err(Error::argument(format!(
            "set `{name}`: must be a tensor or a part, got {}",
            value.type_name()
        ))),
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
