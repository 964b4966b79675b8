//! Points in the plane whose density one can see: moons, rings, Gaussians, spirals, a checkerboard,
//! a pinwheel.
//!
//! All sets are centred on 0 and scaled so that the shape without noise lies in [−2, 2]²; noise is
//! added after scaling, and nothing lies outside [−4, 4]², which is the data set's range.

use std::f64::consts::{PI, TAU};

use super::{Dataset, Generator, Part};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Kind, Stream, Tensor, default_device};

/// Half the width of the shapes.
const EXTENT: f64 = 2.0;
/// Half the width of the range.
const RANGE: f64 = 4.0;

/// The shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toy {
    /// Two half circles that reach into each other.
    Moons,
    /// Circles round 0 with equally spaced radii.
    Rings,
    /// Gaussians with centres on a circle of radius 2.
    Gaussians,
    /// Arms that wind one and a half times round 0.
    Spirals,
    /// The dark squares of a 4×4 board.
    Checkerboard,
    /// Gaussian blades, bent.
    Pinwheel,
}

impl Toy {
    /// All shapes with their names.
    pub const ALL: [(&'static str, Toy); 6] = [
        ("moons", Toy::Moons),
        ("rings", Toy::Rings),
        ("gaussians", Toy::Gaussians),
        ("spirals", Toy::Spirals),
        ("checkerboard", Toy::Checkerboard),
        ("pinwheel", Toy::Pinwheel),
    ];

    /// A shape by its name.
    pub fn by_name(name: &str) -> Result<Toy> {
        Self::ALL
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, t)| *t)
            .ok_or_else(|| {
                Error::unknown(
                    &format!("data: no toy set `{name}`"),
                    name,
                    Self::ALL.iter().map(|(n, _)| *n),
                )
            })
    }

    /// The name in scripts.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, t)| *t == self)
            .map_or("toy", |(n, _)| n)
    }

    /// Standard deviation of the noise unless told otherwise.
    fn noise(self) -> f64 {
        match self {
            Toy::Moons => 0.1,
            Toy::Rings => 0.08,
            Toy::Gaussians => 0.2,
            Toy::Spirals => 0.05,
            Toy::Checkerboard => 0.0,
            Toy::Pinwheel => 0.1,
        }
    }

    /// How many classes unless told otherwise; `None` where the shape fixes it at two.
    fn classes(self) -> Option<i64> {
        match self {
            Toy::Moons | Toy::Checkerboard => None,
            Toy::Rings | Toy::Spirals => Some(2),
            Toy::Gaussians => Some(8),
            Toy::Pinwheel => Some(5),
        }
    }
}

crate::options! {
    /// Options of [`toy`].
    pub struct ToyOptions for "data::toy" {
        /// points in the training part
        n: i64 = 1000,
        /// points for validation, drawn independently
        validation: i64 = 200,
        /// points for the test, drawn independently
        test: i64 = 200,
        /// standard deviation of the noise, at most 0.5; () for the shape's own
        noise: Option<f64> = None,
        /// number of rings, Gaussians, arms or blades; () for the shape's own
        classes: Option<i64> = None,
        /// seed of the points
        seed: i64 = 0,
    }
    check |o| {
        if o.n < 1 || o.validation < 0 || o.test < 0 || o.n.max(o.validation).max(o.test) > 10_000_000 {
            return Err(Error::argument(format!(
                "data: a toy set needs 1 to 10,000,000 points in training, got n: {}, validation: {}, test: {}",
                o.n, o.validation, o.test
            )));
        }
        if o.noise.is_some_and(|s| !(0.0..=0.5).contains(&s)) {
            return Err(Error::argument(format!("data: noise must be from 0 to 0.5, got {}", o.noise.unwrap_or(f64::NAN))));
        }
        if o.classes.is_some_and(|k| !(1..=100).contains(&k)) {
            return Err(Error::argument(format!("data: classes must be from 1 to 100, got {}", o.classes.unwrap_or(0))));
        }
        Ok(())
    }
}

/// Draws a toy set, `[N, 2]`; labels say which moon, ring, Gaussian, arm or blade. Classes are
/// equally frequent.
pub fn toy(shape: Toy, options: &ToyOptions) -> Result<Dataset> {
    options.check()?;
    let name = shape.name();
    let classes = match (shape.classes(), options.classes) {
        (None, Some(k)) if k != 2 => {
            return Err(Error::argument(format!(
                "data::{name}: always has 2 classes, got {k}"
            )));
        }
        (own, given) => given.or(own).unwrap_or(2),
    };
    let noise = options.noise.unwrap_or(shape.noise());
    let part = |n: i64, part: &str| -> Result<Part> {
        let mut generator =
            Generator::new(options.seed, Stream::Data, &format!("{name}.{part}"), 0);
        let mut labels: Vec<i64> = (0..n).map(|i| i % classes).collect();
        generator.shuffle(&mut labels);
        let mut values = Vec::with_capacity(2 * n as usize);
        for label in &labels {
            let point = draw(shape, *label, classes, noise, &mut generator);
            values.extend(point.map(|v| v.clamp(-RANGE, RANGE)));
        }
        let x = Tensor::from_f64(&values, &[n, 2], Kind::Float, default_device())?;
        Part::new(format!("{name}.{part}"), &x, &Tensor::of_ints(&labels)?)
    };
    Ok(Dataset {
        name: name.to_owned(),
        train: part(options.n, "train")?,
        validation: part(options.validation, "validation")?,
        test: part(options.test, "test")?,
        held_out: None,
        notes: Vec::new(),
        unlabelled: None,
        classes,
        range: (-RANGE, RANGE),
        about: format!("points drawn from seed {}, noise {noise}", options.seed),
    }
    .ranged())
}

fn draw(shape: Toy, label: i64, classes: i64, noise: f64, g: &mut Generator) -> [f64; 2] {
    let k = label as f64;
    let count = classes as f64;
    let polar = |radius: f64, angle: f64| [radius * angle.cos(), radius * angle.sin()];
    let clean = match shape {
        Toy::Moons => {
            // A unit half circle and its mirror image, which begins at the other's centre; 1.5 is
            // half the pair's width.
            let t = PI * g.uniform();
            let side = if label == 0 { 1.0 } else { -1.0 };
            let scale = EXTENT / 1.5;
            [
                scale * side * (t.cos() - 0.5),
                scale * side * (t.sin() - 0.25),
            ]
        }
        Toy::Rings => polar(EXTENT * (k + 1.0) / count, TAU * g.uniform()),
        Toy::Gaussians => polar(EXTENT, TAU * k / count),
        Toy::Spirals => {
            // The root makes points equally dense along the radius' square, so that outer turns are
            // not thin.
            let t = g.uniform().sqrt();
            polar(EXTENT * t, 3.0 * PI * t + TAU * k / count)
        }
        Toy::Checkerboard => {
            // Squares are 1 wide. Dark: row and column both even (class 0) or both odd (class 1).
            let column = 2.0 * g.below(2) as f64 + k;
            let row = 2.0 * g.below(2) as f64 + k;
            [column + g.uniform() - EXTENT, row + g.uniform() - EXTENT]
        }
        Toy::Pinwheel => {
            // Along its blade a point lies about 1.2 from the centre (sd .36), across it has the
            // noise's sd; the blade bends as the exponential of the radius.
            let along = 1.0 + 0.3 * g.normal();
            let across = noise * g.normal();
            let bend = TAU * k / count + 0.25 * along.exp();
            let (sin, cos) = bend.sin_cos();
            return [
                1.2 * (along * cos - across * sin),
                1.2 * (along * sin + across * cos),
            ];
        }
    };
    [clean[0] + noise * g.normal(), clean[1] + noise * g.normal()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(shape: Toy, noise: f64) -> Result<Vec<(f64, f64, i64)>> {
        let d = toy(
            shape,
            &ToyOptions {
                n: 20_000,
                noise: Some(noise),
                seed: 5,
                ..ToyOptions::default()
            },
        )?;
        let x = d.train.x()?.to_vec()?;
        Ok(d.train
            .y
            .to_ints()?
            .into_iter()
            .enumerate()
            .map(|(i, y)| (x[2 * i], x[2 * i + 1], y))
            .collect())
    }

    fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
        values.clone().sum::<f64>() / values.count() as f64
    }

    #[test]
    fn shapes_without_noise_lie_in_their_square() -> Result<()> {
        for (name, shape) in Toy::ALL {
            if shape == Toy::Pinwheel {
                continue;
            }
            let p = points(shape, 0.0)?;
            let far = p
                .iter()
                .map(|p| p.0.abs().max(p.1.abs()))
                .fold(0.0, f64::max);
            assert!(far < 2.0 + 1e-6 && far > 1.9, "{name}: {far}");
            let centre = (mean(p.iter().map(|p| p.0)), mean(p.iter().map(|p| p.1)));
            assert!(
                centre.0.abs() < 0.05 && centre.1.abs() < 0.05,
                "{name}: {centre:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn moments_match_the_closed_forms() -> Result<()> {
        // Gaussians: E‖x‖² = 4 + 2σ².
        let p = points(Toy::Gaussians, 0.3)?;
        assert!((mean(p.iter().map(|p| p.0 * p.0 + p.1 * p.1)) - 4.18).abs() < 0.05);
        // Rings: radii 1 and 2.
        for (x, y, label) in points(Toy::Rings, 0.0)? {
            assert!((x.hypot(y) - (label + 1) as f64).abs() < 1e-5);
        }
        // Checkerboard: a uniform marginal on [−2, 2] has variance 4/3; the dark squares have even
        // i + j.
        let p = points(Toy::Checkerboard, 0.0)?;
        assert!((mean(p.iter().map(|p| p.0 * p.0)) - 4.0 / 3.0).abs() < 0.05);
        assert!(
            p.iter()
                .all(|p| ((p.0 + 2.0).floor() as i64 + (p.1 + 2.0).floor() as i64) % 2 == 0)
        );
        // Spirals: the squared radius is uniform on [0, 4].
        let p = points(Toy::Spirals, 0.0)?;
        assert!((mean(p.iter().map(|p| p.0 * p.0 + p.1 * p.1)) - 2.0).abs() < 0.05);
        // Moons: every point lies on its half circle of radius 4/3.
        for (x, y, label) in points(Toy::Moons, 0.0)? {
            let (s, r) = (if label == 0 { 1.0 } else { -1.0 }, 4.0 / 3.0);
            assert!(((x + s * r * 0.5).hypot(y + s * r * 0.25) - r).abs() < 1e-5);
        }
        // Pinwheel: E‖x‖² = 1.44 (1 + .09 + σ²).
        let p = points(Toy::Pinwheel, 0.1)?;
        assert!((mean(p.iter().map(|p| p.0 * p.0 + p.1 * p.1)) - 1.44 * 1.1).abs() < 0.05);
        Ok(())
    }

    #[test]
    fn classes_are_balanced_and_parts_differ() -> Result<()> {
        for (_, shape) in Toy::ALL {
            let d = toy(
                shape,
                &ToyOptions {
                    n: 400,
                    test: 400,
                    ..ToyOptions::default()
                },
            )?;
            let counts = d.train.counts()?;
            assert_eq!(counts, vec![400 / d.classes; d.classes as usize]);
            assert_ne!(d.train.x()?.to_vec()?, d.test.x()?.to_vec()?);
            assert_eq!(
                d.train.x()?.to_vec()?,
                toy(
                    shape,
                    &ToyOptions {
                        n: 400,
                        ..ToyOptions::default()
                    }
                )?
                .train
                .x()?
                .to_vec()?
            );
        }
        Ok(())
    }

    #[test]
    fn impossible_options_are_errors() {
        let error = |o: ToyOptions| toy(Toy::Moons, &o).unwrap_err().message().to_owned();
        assert!(
            error(ToyOptions {
                n: 0,
                ..ToyOptions::default()
            })
            .contains("points in training")
        );
        assert!(
            error(ToyOptions {
                noise: Some(f64::NAN),
                ..ToyOptions::default()
            })
            .contains("noise must be")
        );
        assert!(
            error(ToyOptions {
                classes: Some(3),
                ..ToyOptions::default()
            })
            .contains("always has 2 classes")
        );
        assert!(
            Toy::by_name("moon")
                .unwrap_err()
                .hint()
                .unwrap()
                .contains("moons")
        );
    }
}
