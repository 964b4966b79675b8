//! What is drawn stands where it should, and nothing that is drawn from can make a panic.
//!
//! With `JEMSCRIPT_GALLERY=folder` the pictures are kept there, to be looked at.

mod charts;

use std::io::Cursor;

use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;

use super::style::{PALETTE, mapped, tint};
use super::*;
use crate::energy::{Energy, EnergyFunction};
use crate::error::{Error, Result};
use crate::tensor::{self, Stream, Tensor};

/// Checks that a picture is a PNG file of its size, and keeps it if asked to.
fn checked(name: &str, picture: &Picture) -> Result<()> {
    let bytes = picture.png_bytes()?;
    let read = image::load_from_memory(&bytes)
        .map_err(|e| Error::data(e.to_string()))?
        .to_rgb8();
    assert_eq!(
        (i64::from(read.width()), i64::from(read.height())),
        picture.size(),
        "{name}"
    );
    assert!(read.as_raw().as_slice() == picture.pixels(), "{name}");
    if let Some(folder) = std::env::var_os("JEMSCRIPT_GALLERY") {
        picture.save_png(&std::path::Path::new(&folder).join(format!("{name}.png")))?;
    }
    Ok(())
}

/// Where pixels of a colour are.
fn places(picture: &Picture, color: Rgb) -> Vec<(i64, i64)> {
    let (width, height) = picture.size();
    (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .filter(|(x, y)| picture.pixel(*x, *y) == color)
        .collect()
}

/// The mean height of pixels of a colour.
fn level(picture: &Picture, color: Rgb) -> f64 {
    let found = places(picture, color);
    found.iter().map(|(_, y)| *y as f64).sum::<f64>() / found.len() as f64
}

fn noise(n: i64) -> Result<Vec<f64>> {
    Tensor::randn(&[n])?.to_vec()
}

/// E(x) = ½ ‖x − 1‖² / s², the same in both directions.
struct Bowl(f64);

impl EnergyFunction for Bowl {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        x.sub(1.0)?
            .square()?
            .sum_dims(&[1], false)?
            .mul(0.5 / (self.0 * self.0))
    }
    fn describe(&self) -> String {
        "bowl".to_owned()
    }
}

#[test]
fn lines_stand_at_their_values() -> Result<()> {
    let flat = |name: &str, v: f64| Line::new(name, vec![0.0, 10.0], vec![v, v]);
    let lines = [
        flat("a", 1.0),
        flat("b", 0.75),
        flat("c", 0.5),
        flat("d", 0.1),
    ];
    let options = CurveOptions {
        y_range: Some((0.0, 1.0)),
        ..CurveOptions::default()
    };
    // Without a legend, whose samples would count as well.
    let unnamed: Vec<Line> = lines
        .iter()
        .map(|l| Line {
            name: String::new(),
            ..l.clone()
        })
        .collect();
    let picture = curve(&unnamed, &options)?;
    assert_eq!(picture.size(), (900, 520));
    let levels: Vec<f64> = (0..4).map(|i| level(&picture, PALETTE[i])).collect();
    let unit = (levels[2] - levels[0]) / 0.5;
    assert!(unit > 350.0, "{levels:?}");
    for (found, value) in levels.iter().zip([1.0, 0.75, 0.5, 0.1]) {
        assert!(
            (found - (levels[0] + (1.0 - value) * unit)).abs() < 1.0,
            "{levels:?}"
        );
    }
    checked("lines", &curve(&lines, &options)?)
}

#[test]
fn a_training_history_with_band_and_average() -> Result<()> {
    tensor::seed(0, Stream::Evaluate, 0);
    let n = 2500;
    let x: Vec<f64> = (1..=n).map(|i| i as f64).collect();
    let history = |from: f64, to: f64, spread: f64| -> Result<Vec<f64>> {
        let noise = noise(n)?;
        Ok(x.iter()
            .zip(noise)
            .map(|(i, e)| to + (from - to) * (-i / 400.0).exp() + spread * e)
            .collect())
    };
    let lines = [
        Line::new(
            "JEM: mean E(sample) − mean E(data)",
            x.clone(),
            history(6.0, 0.3, 0.5)?,
        ),
        Line::new("cross-entropy alone", x.clone(), history(2.3, -1.0, 0.2)?),
    ];
    let options = CurveOptions {
        title: "Energy gap during training".into(),
        x_label: "iteration".into(),
        y_label: "energy gap".into(),
        smooth: 50,
        ..CurveOptions::default()
    };
    let picture = curve(&lines, &options)?;
    assert!(
        places(&picture, PALETTE[0]).len() > 300
            && places(&picture, tint(PALETTE[0], 0.3)).len() > 300
    );
    checked("history", &picture)?;

    let mean: Vec<f64> = (0..30)
        .map(|i| 0.5 + 0.49 * (1.0 - (-f64::from(i) / 6.0).exp()))
        .collect();
    let banded = |name: &str, less: f64, sd: f64| Line {
        band: Some((
            mean.iter().map(|m| m - less - sd).collect(),
            mean.iter().map(|m| m - less + sd).collect(),
        )),
        ..Line::of(name, mean.iter().map(|m| m - less).collect())
    };
    let options = CurveOptions {
        x_label: "epoch".into(),
        y_label: "validation accuracy".into(),
        title: "Five seeds, mean ± sd".into(),
        ..CurveOptions::default()
    };
    checked(
        "bands",
        &curve(
            &[
                banded("JEM", 0.0, 0.01),
                banded("cross-entropy", 0.05, 0.02),
            ],
            &options,
        )?,
    )?;

    let decay = |rate: f64| {
        (0..200)
            .map(|i| (-f64::from(i) * rate).exp())
            .collect::<Vec<f64>>()
    };
    let many: Vec<Line> = (1..=9)
        .map(|k| Line::of(&format!("rate {k}e-2"), decay(f64::from(k) / 100.0)))
        .collect();
    let options = CurveOptions {
        log_y: true,
        x_label: "step".into(),
        y_label: "loss".into(),
        ..CurveOptions::default()
    };
    checked("log", &curve(&many, &options)?)
}

#[test]
fn gaps_points_and_constants_are_drawn() -> Result<()> {
    let drawn = |y: Vec<f64>, log_y: bool| {
        curve(
            &[Line::of("", y)],
            &CurveOptions {
                log_y,
                ..CurveOptions::default()
            },
        )
    };
    for (y, log) in [
        (vec![3.0], false),
        (vec![2.0; 50], false),
        (vec![0.0; 50], false),
        (vec![1.0, f64::NAN, 2.0, f64::INFINITY, 1.5, 1.0], false),
        (vec![1.0, 0.0, -1.0, 10.0, 100.0], true),
        (vec![-1e300, 1e300], false),
    ] {
        let picture = drawn(y.clone(), log)?;
        assert!(!places(&picture, PALETTE[0]).is_empty(), "{y:?}");
    }
    // What is not finite leaves a gap: no line joins its neighbours.
    let gap = drawn(vec![1.0, 1.0, f64::NAN, 1.0, 1.0], false)?;
    let columns: std::collections::BTreeSet<i64> = places(&gap, PALETTE[0])
        .into_iter()
        .map(|(x, _)| x)
        .collect();
    let widest = columns
        .iter()
        .zip(columns.iter().skip(1))
        .map(|(a, b)| b - a)
        .max();
    assert!(widest.is_some_and(|w| w > 300), "{widest:?}");
    for y in [vec![], vec![f64::NAN; 3]] {
        assert!(
            drawn(y, false).is_err_and(|e| e.message().starts_with("plot::curve: nothing to draw"))
        );
    }
    assert!(curve(&[], &CurveOptions::default()).is_err());
    let uneven = Line::new("a", vec![1.0], vec![1.0, 2.0]);
    assert!(
        curve(&[uneven], &CurveOptions::default())
            .is_err_and(|e| e.message().contains("1 places but 2 values"))
    );
    Ok(())
}

#[test]
fn a_moving_average_is_a_mean() {
    let found = curve::moving_average(&[1.0, 2.0, f64::NAN, 4.0, 9.0], 3);
    assert_eq!(found[0], 1.5);
    assert_eq!(found[1], 1.5);
    assert!(found[2].is_nan());
    assert_eq!(found[3], 6.5);
    assert_eq!(found[4], 6.5);
}

#[test]
fn histograms_overlap_visibly() -> Result<()> {
    tensor::seed(0, Stream::Evaluate, 1);
    let sample = |name: &str, mean: f64, sd: f64| -> Result<Sample> {
        Ok(Sample::new(
            name,
            noise(1000)?.into_iter().map(|e| mean + sd * e).collect(),
        ))
    };
    let samples = [
        sample("digits (in distribution)", 12.0, 1.5)?,
        sample("interpolations", 9.0, 2.0)?,
        sample("uniform noise", 2.0, 1.0)?,
    ];
    let options = HistogramOptions {
        title: "JEM: log p(x) up to a constant".into(),
        x_label: "−E(x)".into(),
        ..HistogramOptions::default()
    };
    let picture = histogram(&samples, &options)?;
    assert!((0..3).all(|i| places(&picture, PALETTE[i]).len() > 50));
    checked("histogram", &picture)?;
    let cut = HistogramOptions {
        range: Some((100.0, 101.0)),
        ..HistogramOptions::default()
    };
    assert!(histogram(&samples, &cut).is_err_and(|e| e.message().contains("no value lies in")));
    assert!(histogram(&[], &HistogramOptions::default()).is_err());
    checked(
        "histogram-constant",
        &histogram(
            &[Sample::new("", vec![4.0; 9])],
            &HistogramOptions::default(),
        )?,
    )
}

#[test]
fn reliability_shows_accuracy_and_gap() -> Result<()> {
    let bins = 20usize;
    let middle = |b: usize| (b as f64 + 0.5) / bins as f64;
    let model = |name: &str, bend: f64| Calibration {
        name: name.into(),
        confidence: (0..bins)
            .map(|b| if b < 3 { f64::NAN } else { middle(b) })
            .collect(),
        accuracy: (0..bins)
            .map(|b| {
                if b < 3 {
                    f64::NAN
                } else {
                    middle(b).powf(bend)
                }
            })
            .collect(),
        count: (0..bins)
            .map(|b| {
                if b < 3 {
                    0.0
                } else {
                    (b * b * b / 40) as f64 + 1.0
                }
            })
            .collect(),
    };
    let options = ReliabilityOptions {
        title: "Calibration on the test part".into(),
        ..ReliabilityOptions::default()
    };
    let picture = reliability(&[model("cross-entropy", 1.6), model("JEM", 0.8)], &options)?;
    assert_eq!(picture.size(), (840, 560));
    let near = |x: i64, y: i64| {
        picture
            .pixel(x, y)
            .iter()
            .zip(tint(PALETTE[0], 0.75))
            .all(|(a, b)| a.abs_diff(b) < 4)
    };
    let bars: Vec<(i64, i64)> = (60..560)
        .flat_map(|y| (0..840).map(move |x| (x, y)))
        .filter(|p| near(p.0, p.1))
        .collect();
    assert!(bars.iter().any(|(x, _)| *x < 420) && bars.iter().any(|(x, _)| *x > 420));
    checked("reliability", &picture)?;
    let refused = |change: &dyn Fn(&mut Calibration)| {
        let mut wrong = model("x", 1.0);
        change(&mut wrong);
        reliability(&[wrong], &options).is_err()
    };
    assert!(refused(&|m| m.count = vec![0.0; bins]));
    assert!(refused(&|m| m.count[5] = f64::NAN));
    assert!(refused(&|m| m.accuracy[5] = 40.0));
    assert!(refused(&|m| m.confidence.truncate(3)));
    assert!(reliability(&[], &options).is_err());
    Ok(())
}

#[test]
fn robustness_falls_from_left_to_right() -> Result<()> {
    let strengths: Vec<f64> = (0..9).map(|i| f64::from(i) * 0.025).collect();
    let model = |name: &str, half: f64| {
        let y = strengths
            .iter()
            .map(|e| 0.98 / (1.0 + (e / half).powi(3)))
            .collect();
        Line::new(name, strengths.clone(), y)
    };
    let models = [
        model("cross-entropy", 0.08),
        model("cross-entropy + noise", 0.13),
        model("JEM", 0.12),
    ];
    let options = RobustnessOptions {
        title: "PGD, L∞, 40 steps, 5 starts".into(),
        ..RobustnessOptions::default()
    };
    checked("robustness", &robustness(&models, &options)?)
}

#[test]
fn density_is_brightest_where_energy_is_lowest() -> Result<()> {
    tensor::seed(0, Stream::Evaluate, 2);
    let energy = Energy::of(Bowl(0.7));
    let options = DensityOptions {
        range: (-3.0, 3.0),
        resolution: 120,
        ..DensityOptions::default()
    };
    let picture = density(&energy, None, &options)?;
    // The map's brightest colour also ends the scale, to the right of the map.
    let bright: Vec<(i64, i64)> = places(&picture, mapped(1.0))
        .into_iter()
        .filter(|(x, _)| *x < 540)
        .collect();
    let dark = places(&picture, mapped(0.0));
    let center = |all: &[(i64, i64)], f: fn(&(i64, i64)) -> i64| {
        all.iter().map(f).sum::<i64>() as f64 / all.len() as f64
    };
    let (left, right) = (
        dark.iter().map(|p| p.0).min(),
        bright.iter().map(|p| p.0).max(),
    );
    let (Some(left), Some(_)) = (left, right) else {
        return Err(Error::data("no map"));
    };
    let (top, bottom) = (
        dark.iter().map(|p| p.1).min().unwrap_or(0),
        dark.iter().map(|p| p.1).max().unwrap_or(0),
    );
    let unit = (bottom - top) as f64 / 6.0;
    assert!((center(&bright, |p| p.1) - (top as f64 + 2.0 * unit)).abs() < 4.0);
    assert!((center(&bright, |p| p.0) - (left as f64 + 4.0 * unit)).abs() < 8.0);
    let samples = Tensor::randn(&[400, 2])?.mul(0.7)?.add(1.0)?;
    let options = DensityOptions {
        title: "Chains after 1000 steps".into(),
        ..options
    };
    checked("density", &density(&energy, Some(&samples), &options)?)?;
    checked(
        "log-density",
        &density(
            &energy,
            None,
            &DensityOptions {
                log: true,
                ..options.clone()
            },
        )?,
    )?;
    assert!(density(&energy, Some(&Tensor::zeros(&[4, 3])?), &options).is_err());
    assert!(
        density(&Energy::of(Bowl(0.0)), None, &options)
            .is_err_and(|e| e.message().contains("finite nowhere"))
    );
    Ok(())
}

#[test]
fn bars_grow_with_their_values() -> Result<()> {
    let cases = [
        "uniform noise",
        "pixel shuffle",
        "rotation by 90°",
        "interpolations",
        "Fashion-MNIST at 8×8",
    ];
    let cases: Vec<String> = cases.iter().map(|c| (*c).to_owned()).collect();
    let method = |name: &str, values: [f64; 5]| Bars {
        name: name.into(),
        values: values.into(),
        errors: vec![0.02; 5],
    };
    let methods = [
        method("log p(x)", [1.0, 0.99, 0.98, 0.86, 0.95]),
        method("max p(y|x)", [0.93, 0.9, 0.85, 0.89, 0.88]),
        method("approximate mass", [0.5, 0.4, f64::NAN, 0.2, 0.1]),
    ];
    let options = BarsOptions {
        title: "Telling digits from other images".into(),
        x_label: "AUROC".into(),
        range: Some((0.0, 1.0)),
        ..BarsOptions::default()
    };
    let picture = bars(&cases, &methods, &options)?;
    checked("bars", &picture)?;
    let lengths: Vec<i64> = places(&picture, PALETTE[2])
        .chunk_by(|a, b| a.1 == b.1)
        .map(|row| row[row.len() - 1].0 - row[0].0)
        .filter(|l| *l > 20)
        .collect();
    assert!(lengths.first() > lengths.last(), "{lengths:?}");
    let negative = [Bars {
        name: "gap".into(),
        values: vec![-1.0, 2.0, 0.0, -3.0, 1.0],
        errors: vec![],
    }];
    checked(
        "bars-negative",
        &bars(&cases, &negative, &BarsOptions::default())?,
    )?;
    assert!(bars(&cases[..2], &methods, &options).is_err());
    assert!(bars(&[], &[], &options).is_err());
    Ok(())
}

#[test]
fn captions_stand_beside_their_rows() -> Result<()> {
    tensor::seed(0, Stream::Evaluate, 3);
    let images = Tensor::uniform(&[30, 1, 8, 8], -1.0, 1.0)?;
    let plain = grid(
        &images,
        &GridOptions {
            columns: Some(10),
            ..GridOptions::default()
        },
    )?;
    let captions = ["buffer", "fresh, 20 steps", "held-out data"]
        .map(str::to_owned)
        .to_vec();
    let options = GridOptions {
        columns: Some(10),
        captions,
        ..GridOptions::default()
    };
    let picture = grid(&images, &options)?;
    let room = picture.size().0 - plain.size().0;
    assert!((60..200).contains(&room) && picture.size().1 == plain.size().1);
    assert!((0..plain.size().0).all(|x| picture.pixel(room + x, 100) == plain.pixel(x, 100)));
    checked("grid", &picture)?;
    let many = GridOptions {
        captions: vec![String::from("x"); 9],
        ..options
    };
    assert!(grid(&images, &many).is_err_and(|e| e.message().contains("9 captions for 3 rows")));
    Ok(())
}

#[test]
fn an_animation_keeps_its_frames() -> Result<()> {
    tensor::seed(0, Stream::Evaluate, 4);
    let noise = Tensor::randn(&[16, 1, 8, 8])?;
    let frames: Result<Vec<Tensor>> = (0..6)
        .map(|i| noise.mul(1.0 - 0.15 * f64::from(i)))
        .collect();
    let frames = frames?;
    let made = animation(&frames, &AnimationOptions::default())?;
    let bytes = made.gif_bytes()?;
    let broken = |e: image::ImageError| Error::data(e.to_string());
    let read = GifDecoder::new(Cursor::new(&bytes))
        .map_err(broken)?
        .into_frames()
        .collect_frames()
        .map_err(broken)?;
    assert_eq!(read.len(), 6);
    for (i, (frame, wanted)) in read.iter().zip(made.frames()).enumerate() {
        let time = std::time::Duration::from(frame.delay()).as_millis();
        assert_eq!(time, if i == 5 { 1500 } else { 80 });
        let rgb: Vec<u8> = frame
            .buffer()
            .pixels()
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect();
        // Grey images have at most 256 colours: nothing is lost.
        assert!(rgb.as_slice() == wanted.pixels(), "frame {i}");
    }
    assert!(animation(&[], &AnimationOptions::default()).is_err());
    assert!(
        animation(
            &[frames[0].clone(), Tensor::zeros(&[2, 1, 8, 8])?],
            &AnimationOptions::default()
        )
        .is_err()
    );
    Ok(())
}

/// Numbers that make trouble.
const NASTY: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e308,
    -1e308,
    5e-324,
    1e-12,
    0.5,
    1e15,
    1e15 + 1.0,
];

#[test]
fn no_input_makes_a_panic() {
    let mut state = 7u64;
    let mut draw = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let (mut drawn, mut refused) = (0, 0);
    for _ in 0..400 {
        let mut some = |most: usize| {
            (0..draw(most))
                .map(|_| NASTY[draw(NASTY.len())])
                .collect::<Vec<f64>>()
        };
        let (x, y, low, high) = (some(6), some(6), some(6), some(6));
        let n = x.len().min(y.len());
        let band =
            (low.len().min(high.len()) >= n).then(|| (low[..n].to_vec(), high[..n].to_vec()));
        let line = Line {
            name: "é\n\t≤".repeat(draw(30)),
            x: x[..n].to_vec(),
            y: y[..n].to_vec(),
            band,
        };
        let range = |a: usize, b: usize| Some((NASTY[a], NASTY[b]));
        let options = CurveOptions {
            log_x: draw(3) == 0,
            log_y: draw(3) == 0,
            x_range: if draw(3) == 0 {
                range(draw(14), draw(14))
            } else {
                None
            },
            y_range: if draw(3) == 0 {
                range(draw(14), draw(14))
            } else {
                None
            },
            smooth: 1 + draw(4) as i64,
            markers: draw(2) == 0,
            title: "title ".repeat(draw(40)),
            width: 150 + draw(200) as i64,
            height: 110 + draw(200) as i64,
            ..CurveOptions::default()
        };
        let histogram_options = HistogramOptions {
            bins: 1 + draw(9) as i64,
            range: options.y_range,
            width: options.width,
            height: options.height,
            ..HistogramOptions::default()
        };
        let sample = Sample::new("s", y.clone());
        let calibration = Calibration {
            name: "c".into(),
            confidence: x.clone(),
            accuracy: y.clone(),
            count: low.clone(),
        };
        let cases: Vec<String> = y.iter().map(|v| format!("{v:e}")).collect();
        let bar = Bars {
            name: "b".into(),
            values: y.clone(),
            errors: low.clone(),
        };
        let outcomes = [
            curve(&[line.clone(), line], &options),
            histogram(&[sample], &histogram_options),
            reliability(
                &[calibration],
                &ReliabilityOptions {
                    width: 250,
                    height: 300,
                    ..Default::default()
                },
            ),
            bars(
                &cases,
                &[bar],
                &BarsOptions {
                    range: options.y_range,
                    width: options.width,
                    ..Default::default()
                },
            ),
        ];
        for outcome in outcomes {
            if outcome.is_ok() {
                drawn += 1
            } else {
                refused += 1
            }
        }
    }
    assert!(
        drawn > 200 && refused > 200,
        "{drawn} drawn, {refused} refused"
    );
}

#[test]
fn impossible_sizes_are_errors() {
    let line = [Line::of("a", vec![1.0, 2.0])];
    for (width, height) in [
        (0, 0),
        (-5, 100),
        (100_000, 100_000),
        (i64::MAX, i64::MAX),
        (161, 121),
        (900, 10),
    ] {
        let options = CurveOptions {
            width,
            height,
            title: "t".into(),
            ..CurveOptions::default()
        };
        assert!(curve(&line, &options).is_err(), "{width} × {height}");
    }
}
