//! Charts of one's own numbers: points, maps of a table, panels, and what is said of what is not
//! seen.

use super::*;

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|t| (*t).to_owned()).collect()
}

#[test]
fn points_stand_at_their_values() -> Result<()> {
    let cloud = |x: f64, y: f64| Cloud {
        name: String::new(),
        x: vec![x],
        y: vec![y],
    };
    let options = ScatterOptions {
        x_range: Some((0.0, 4.0)),
        y_range: Some((0.0, 4.0)),
        alpha: 1.0,
        ..ScatterOptions::default()
    };
    let points = [(0.0, 0.0), (4.0, 4.0), (1.0, 2.0), (3.0, 1.0)];
    let clouds: Vec<Cloud> = points.iter().map(|(x, y)| cloud(*x, *y)).collect();
    let picture = scatter(&clouds, &options)?;
    let middle: Vec<(f64, f64)> = (0..4)
        .map(|i| {
            let all = places(&picture, PALETTE[i]);
            let mean = |f: fn(&(i64, i64)) -> i64| {
                all.iter().map(f).sum::<i64>() as f64 / all.len() as f64
            };
            (mean(|p| p.0), mean(|p| p.1))
        })
        .collect();
    let place = |(x, y): (f64, f64)| {
        (
            middle[0].0 + (middle[1].0 - middle[0].0) * x / 4.0,
            middle[0].1 + (middle[1].1 - middle[0].1) * y / 4.0,
        )
    };
    for (point, found) in points.iter().zip(&middle) {
        let wanted = place(*point);
        let off = (found.0 - wanted.0).hypot(found.1 - wanted.1);
        assert!(off < 1.0, "{point:?}: {found:?}, not {wanted:?}");
    }
    Ok(())
}

#[test]
fn points_that_are_not_seen_are_said() -> Result<()> {
    let with = |x: Vec<f64>, options: &ScatterOptions| {
        let cloud = Cloud {
            name: String::new(),
            y: x.clone(),
            x,
        };
        scatter(&[cloud], options)
    };
    // The note is the only thing below the axis labels: it makes the frame end higher.
    let bottom = |picture: &Picture| {
        places(picture, super::super::style::SOFT)
            .into_iter()
            .filter(|(x, _)| *x > 100)
            .map(|(_, y)| y)
            .max()
    };
    let usual = ScatterOptions::default();
    let plain = with(vec![1.0, 2.0, 3.0], &usual)?;
    for odd in [f64::NAN, f64::INFINITY] {
        let noted = with(vec![1.0, 2.0, 3.0, odd], &usual)?;
        assert_ne!(noted, plain, "{odd}");
        assert!(bottom(&noted) != bottom(&plain), "{odd}");
    }
    let log = ScatterOptions {
        log_x: true,
        ..ScatterOptions::default()
    };
    checked(
        "scatter-log",
        &with(vec![1.0, 10.0, 1000.0, -1.0, 0.0], &log)?,
    )?;
    assert!(with(vec![f64::NAN], &usual).is_err_and(|e| e.message().contains("nothing to draw")));
    let uneven = Cloud {
        name: "a".into(),
        x: vec![1.0],
        y: vec![],
    };
    assert!(
        scatter(&[uneven], &usual).is_err_and(|e| e.message().contains("x has 1 numbers, y has 0"))
    );
    tensor::seed(0, Stream::Evaluate, 5);
    let cloud = |name: &str, at: f64| -> Result<Cloud> {
        Ok(Cloud {
            name: name.into(),
            x: noise(3000)?.into_iter().map(|v| v + at).collect(),
            y: noise(3000)?,
        })
    };
    let clouds = [cloud("data", -1.0)?, cloud("samples", 1.0)?];
    let few = ScatterOptions {
        title: "Two clouds".into(),
        x_label: "x₁".into(),
        y_label: "x₂".into(),
        points: 600,
        x_range: Some((-3.0, 3.0)),
        ..ScatterOptions::default()
    };
    checked("scatter", &scatter(&clouds, &few)?)
}

#[test]
fn samples_outside_a_density_are_said() -> Result<()> {
    let energy = Energy::of(Bowl(0.7));
    let options = DensityOptions {
        range: (-3.0, 3.0),
        resolution: 20,
        samples: 100,
        ..DensityOptions::default()
    };
    let drawn = |values: &[f64]| {
        let samples = Tensor::of_slice(values, &[values.len() as i64 / 2, 2])?;
        density(&energy, Some(&samples), &options)
    };
    // A note has a row of its own, under a map of the same size.
    let inside = drawn(&[0.0, 0.0, 1.0, 1.0])?;
    for odd in [[9.0, 0.0], [0.0, -3.1], [f64::NAN, 0.0]] {
        let noted = drawn(&[&[0.0, 0.0, 1.0, 1.0][..], &odd].concat())?;
        assert_eq!(noted.size().1, inside.size().1 + 20, "{odd:?}");
    }
    let thinned = drawn(&[0.5; 300])?;
    assert_eq!(thinned.size().1, inside.size().1 + 20);
    checked("density-outside", &drawn(&[0.0, 0.0, 9.0, 1.0])?)
}

#[test]
fn a_table_has_a_colour_for_each_number() -> Result<()> {
    let (x, y) = (texts(&["1e-4", "1e-3", "1e-2"]), texts(&["10", "20"]));
    let values = [0.0, 0.25, 0.5, 0.75, 1.0, f64::NAN];
    let options = HeatmapOptions {
        title: "Accuracy over rate and steps".into(),
        x_label: "learning rate".into(),
        y_label: "steps".into(),
        label: "accuracy".into(),
        ..HeatmapOptions::default()
    };
    let picture = heatmap(&x, &y, &values, &options)?;
    checked("heatmap", &picture)?;
    // The cells of a row stand from left to right, the first row above the second.
    let center = |color: Rgb| {
        let all = places(&picture, color);
        let left: Vec<&(i64, i64)> = all.iter().filter(|p| p.0 < 560).collect();
        let sum = left.iter().fold((0, 0), |s, p| (s.0 + p.0, s.1 + p.1));
        (sum.0 / left.len() as i64, sum.1 / left.len() as i64)
    };
    let centers: Vec<(i64, i64)> = values[..5].iter().map(|v| center(mapped(*v))).collect();
    assert!(centers[0].0 + 100 < centers[1].0 && centers[1].0 + 100 < centers[2].0);
    assert!((centers[0].0 - centers[3].0).abs() < 4 && (centers[1].0 - centers[4].0).abs() < 4);
    assert!(centers[0].1 + 100 < centers[3].1, "{centers:?}");
    assert!(!places(&picture, [200, 200, 200]).is_empty());

    let many: Vec<f64> = (0..40 * 30)
        .map(|i| 10f64.powf(f64::from(i % 40) / 10.0))
        .collect();
    let names = |n: usize| (0..n).map(|i| format!("{}", i * 10)).collect::<Vec<_>>();
    let log = HeatmapOptions {
        log: true,
        label: "loss".into(),
        ..HeatmapOptions::default()
    };
    checked(
        "heatmap-log",
        &heatmap(&names(40), &names(30), &many, &log)?,
    )?;
    assert!(heatmap(&x, &y, &values[..5], &options).is_err());
    assert!(heatmap(&x, &y, &[f64::NAN; 6], &options).is_err());
    // A table of one number has a colour, too.
    heatmap(&x, &y, &[2.0; 6], &options).map(|_| ())
}

#[test]
fn panels_hold_their_pictures_unchanged() -> Result<()> {
    let one = |width, height, color| Picture::filled(width, height, color);
    let pictures = [
        one(40, 30, [255, 0, 0])?,
        one(60, 20, [0, 255, 0])?,
        one(20, 20, [0, 0, 255])?,
    ];
    let bare = panels(&pictures, &PanelsOptions::default())?;
    assert_eq!(bare.size(), (40 + 10 + 60 + 10 + 20, 30));
    for (color, n) in [([255, 0, 0], 1200), ([0, 255, 0], 1200), ([0, 0, 255], 400)] {
        assert_eq!(places(&bare, color).len(), n);
    }
    let captioned = PanelsOptions {
        title: "Three pictures".into(),
        captions: texts(&["a", "b"]),
        columns: Some(2),
        padding: 0,
    };
    let picture = panels(&pictures, &captioned)?;
    assert_eq!(picture.size(), (100, 38 + (28 + 30) + (28 + 20)));
    assert_eq!(places(&picture, [0, 0, 255]).len(), 400);
    assert!(panels(&[], &PanelsOptions::default()).is_err());
    assert!(panels(&pictures[..1], &captioned).is_err());

    let line = Line::of("", vec![1.0, 0.4, 0.3, 0.25]);
    let options = CurveOptions {
        width: 420,
        height: 320,
        ..CurveOptions::default()
    };
    let charts = [
        curve(std::slice::from_ref(&line), &options)?,
        curve(&[line], &options)?,
    ];
    let options = PanelsOptions {
        title: "Two trainings".into(),
        captions: texts(&["JEM", "cross-entropy"]),
        ..PanelsOptions::default()
    };
    checked("panels", &panels(&charts, &options)?)
}

#[test]
fn bars_without_a_number_say_so() -> Result<()> {
    let cases = texts(&["clean", "attacked", "tiny", "none"]);
    let method = |values: [f64; 4], errors: Vec<f64>| Bars {
        name: "JEM".into(),
        values: values.into(),
        errors,
    };
    let good = method([0.9, 0.5, 1e-5, 0.1], vec![0.1; 4]);
    let odd = method(
        [0.9, f64::NAN, f64::INFINITY, 0.1],
        vec![0.1, 0.1, 0.1, f64::NAN],
    );
    let options = BarsOptions::default();
    let picture = bars(&cases, &[good.clone(), odd], &options)?;
    checked("bars-odd", &picture)?;
    let negative = method([0.9, 0.5, 0.2, 0.1], vec![0.1, -0.1, 0.0, 0.0]);
    assert!(
        bars(&cases, &[negative], &options).is_err_and(|e| e.message().contains("not negative"))
    );
    Ok(())
}

#[test]
fn no_table_or_cloud_makes_a_panic() {
    let mut state = 11u64;
    let mut draw = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let (mut drawn, mut refused) = (0, 0);
    for _ in 0..200 {
        let mut some = |n: usize| (0..n).map(|_| NASTY[draw(14)]).collect::<Vec<f64>>();
        let (x, y) = (some(6), some(6));
        let range = (draw(3) == 0).then(|| (NASTY[draw(14)], NASTY[draw(14)]));
        let (width, height) = (150 + draw(300) as i64, 110 + draw(300) as i64);
        let name = "é\n\t≤".repeat(draw(30));
        let clouds = [Cloud {
            name: name.clone(),
            x: x.clone(),
            y,
        }];
        let points = ScatterOptions {
            log_x: draw(2) == 0,
            log_y: draw(2) == 0,
            x_range: range,
            width,
            height,
            title: name.clone(),
            ..ScatterOptions::default()
        };
        let table = HeatmapOptions {
            range,
            log: draw(2) == 0,
            numbers: [None, Some(true), Some(false)][draw(3)],
            label: name.clone(),
            x_label: name.clone(),
            width,
            height,
            ..HeatmapOptions::default()
        };
        let outcomes = [
            scatter(&clouds, &points),
            heatmap(
                &[name.clone(), name.clone()],
                &texts(&["a", "b", "c"]),
                &x,
                &table,
            ),
        ];
        for outcome in outcomes {
            match outcome {
                Ok(_) => drawn += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        drawn > 60 && refused > 60,
        "{drawn} drawn, {refused} refused"
    );
}
