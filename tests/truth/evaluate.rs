//! Every number of the evaluation against scikit-learn, scipy and numpy on the same inputs, in one
//! run of Python.

use crate::common;

use std::sync::OnceLock;

use jemscript::data::{Generator, Part};
use jemscript::evaluate::{
    Accuracy, CalibrationOptions, FeatureNet, FeaturesOptions, Logits, PixelGaussian,
    SampleOptions, auroc, auroc_difference, average_precision, calibration_of, class_blends,
    constants, detection, fit_temperature, fpr95, frechet, inception_score, interpolation,
    kernel_distance, paired_difference, pixel_shuffle, precision_recall, rotation, sample_quality,
    uniform_noise,
};
use jemscript::nn::{Flatten, Network};
use jemscript::tensor::{Device, Kind, Stream};
use jemscript::{Result, Tensor};

fn normals(n: usize, purpose: &str) -> Vec<f64> {
    let mut g = Generator::new(17, Stream::Evaluate, purpose, 0);
    (0..n).map(|_| g.normal()).collect()
}

fn matrix(rows: i64, columns: i64, purpose: &str) -> Tensor {
    let values = normals((rows * columns) as usize, purpose);
    Tensor::from_f64(&values, &[rows, columns], Kind::Double, Device::Cpu).unwrap()
}

/// Scores with many ties: the in-distribution ones are higher by 0.8.
fn tied_scores() -> (Vec<f64>, Vec<f64>) {
    let rounded = |v: Vec<f64>, shift: f64| {
        v.into_iter()
            .map(|x| ((x + shift) * 4.0).round() / 4.0)
            .collect()
    };
    (
        rounded(normals(301, "inside"), 0.8),
        rounded(normals(301, "outside"), 0.0),
    )
}

/// Logits of 10 classes that are over-confident by a factor of 2.5; labels are drawn from the
/// calibrated ones.
fn logits(n: i64, purpose: &str) -> (Tensor, Tensor) {
    let calm = matrix(n, 10, purpose).mul(1.5).unwrap();
    let p = calm.softmax(1).unwrap().to_vec().unwrap();
    let mut g = Generator::new(5, Stream::Evaluate, purpose, 1);
    let mut labels = Vec::new();
    for row in p.chunks(10) {
        let mut u = g.uniform();
        labels.push(
            row.iter()
                .position(|p| {
                    u -= p;
                    u < 0.0
                })
                .unwrap_or(9) as f64,
        );
    }
    let y = Tensor::from_f64(&labels, &[n], Kind::Int64, Device::Cpu).unwrap();
    (calm.mul(2.5).unwrap(), y)
}

/// Images `[120, 1, 4, 4]` of three classes.
fn images() -> Part {
    let x = matrix(120, 16, "images").mul(0.3).unwrap();
    let labels: Vec<f64> = (0..120).map(|i| f64::from(i % 3)).collect();
    let y = Tensor::from_f64(&labels, &[120], Kind::Int64, Device::Cpu).unwrap();
    let shift = y
        .to_kind(Kind::Double)
        .unwrap()
        .unsqueeze(1)
        .unwrap()
        .mul(0.2)
        .unwrap();
    let x = x.add(&shift).unwrap().reshape(&[120, 1, 4, 4]).unwrap();
    Part::new("images", &x, &y).unwrap()
}

const PROGRAM: &str = r#"
import numpy as np, scipy.optimize, scipy.special, scipy.stats, scipy.linalg
from sklearn.metrics import roc_auc_score, average_precision_score, roc_curve, log_loss, accuracy_score
def put(name, value):
    made[name] = torch.as_tensor(np.asarray(value, dtype=np.float64))
g = {k: v.numpy() for k, v in given.items()}
inside, outside = g["inside"], g["outside"]
y = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
s = np.r_[inside, outside]
put("auroc", roc_auc_score(y, s))
put("ap_in", average_precision_score(y, s))
put("ap_out", average_precision_score(1 - y, -s))
fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
put("fpr95", fpr[np.argmax(tpr >= 0.95)])
rng, draws = np.random.default_rng(0), []
for _ in range(150):
    s2 = np.r_[rng.choice(inside, len(inside)), rng.choice(outside, len(outside))]
    f2, t2, _ = roc_curve(y, s2, drop_intermediate=False)
    draws.append([average_precision_score(y, s2), average_precision_score(1 - y, -s2), f2[np.argmax(t2 >= 0.95)]])
put("resampled_widths", np.quantile(draws, 0.975, axis=0) - np.quantile(draws, 0.025, axis=0))

f, t = g["logits"], g["labels"]
p = scipy.special.softmax(f, axis=1)
conf, right = p.max(1), p.argmax(1) == t
put("accuracy", accuracy_score(t, p.argmax(1)))
put("nll", log_loss(t, p, labels=list(range(10))))
put("brier", ((p - np.eye(10)[t]) ** 2).sum(1).mean())
edges = np.linspace(0, 1, 21)
put("ece", sum(abs(right[m].mean() - conf[m].mean()) * m.mean() for lo, hi in zip(edges, edges[1:])
    if (m := (conf > lo) & (conf <= hi)).any()))
put("counts", [((conf > lo) & (conf <= hi)).sum() for lo, hi in zip(edges, edges[1:])])
order = np.argsort(conf, kind="stable")
put("adaptive", sum(abs((right[i].astype(float) - conf[i]).sum()) for i in np.array_split(order, 20)) / len(t))
put("gap", conf.mean() - right.mean())
ff, tt = g["fit_logits"], g["fit_labels"]
nll = lambda u: -scipy.special.log_softmax(ff / np.exp(u), axis=1)[np.arange(len(tt)), tt].mean()
put("temperature", np.exp(scipy.optimize.minimize_scalar(nll, bracket=(0, 1), tol=1e-12).x))

def frechet(a, b):
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real)
put("frechet", frechet(g["a"], g["b"]))
put("frechet_thin", frechet(g["a"][:9], g["b"]))
k = lambda u, v: (u @ v.T / u.shape[1] + 1) ** 3
def mmd(a, b):
    n, m = len(a), len(b)
    kaa, kbb = k(a, a), k(b, b)
    return (kaa.sum() - np.trace(kaa)) / (n * (n - 1)) + (kbb.sum() - np.trace(kbb)) / (m * (m - 1)) - 2 * k(a, b).mean()
put("kernel", mmd(g["a"], g["b"]))
from sklearn.neighbors import NearestNeighbors
def share(of, within, k=3):
    reach = NearestNeighbors(n_neighbors=k + 1).fit(within).kneighbors(within)[0][:, k]
    return np.mean([(np.linalg.norm(within - row, axis=1) <= reach).any() for row in of])
put("precision", share(g["a"], g["b"]))
put("recall", share(g["b"], g["a"]))
unit = lambda u: (u - g["b"].mean(0)) / g["b"].std(0, ddof=1)
put("kernel_unit", mmd(unit(g["a"]), unit(g["b"])))
put("inception", np.mean([np.exp(np.mean([scipy.stats.entropy(r, q.mean(0)) for r in q])) for q in np.array_split(p, 5)]))

x, c = g["images"].reshape(120, 16), g["classes"]
def density(shared):
    means = [x[c == j].mean(0) for j in range(3)]
    pooled = sum((x[c == j] - means[j]).T @ (x[c == j] - means[j]) for j in range(3)) / (len(x) - 3)
    parts = [np.log((c == j).mean()) + scipy.stats.multivariate_normal(means[j],
        (pooled if shared else np.cov(x[c == j], rowvar=False)) + 1e-4 * np.eye(16)).logpdf(x) for j in range(3)]
    return scipy.special.logsumexp(parts, axis=0)
put("density", density(False))
put("density_shared", density(True))
put("rotated", np.rot90(g["images"], 1, axes=(2, 3)).copy())
"#;

fn given() -> common::Tensors {
    let vector =
        |v: &[f64]| Tensor::from_f64(v, &[v.len() as i64], Kind::Double, Device::Cpu).unwrap();
    let (inside, outside) = tied_scores();
    let (f, t) = logits(400, "judged");
    let (ff, tt) = logits(900, "fit");
    let part = images();
    [
        ("inside", vector(&inside)),
        ("outside", vector(&outside)),
        ("logits", f),
        ("labels", t),
        ("fit_logits", ff),
        ("fit_labels", tt),
        ("a", matrix(300, 12, "a")),
        ("b", features_b()),
        ("images", part.x().unwrap()),
        ("classes", part.y),
    ]
    .map(|(name, t)| (name.to_owned(), t))
    .into()
}

fn features_b() -> Tensor {
    // Correlated and shifted, so that means and covariances both count.
    matrix(250, 12, "b")
        .matmul(&matrix(12, 12, "mix"))
        .unwrap()
        .mul(0.4)
        .unwrap()
        .add(0.3)
        .unwrap()
}

/// What Python found, by name.
fn reference(name: &str) -> Vec<f64> {
    static FOUND: OnceLock<std::collections::BTreeMap<String, Vec<f64>>> = OnceLock::new();
    let all = FOUND.get_or_init(|| {
        let made = common::python_tensors(PROGRAM, &given()).unwrap();
        made.into_iter()
            .map(|(name, t)| (name, t.to_vec().unwrap()))
            .collect()
    });
    all[name].clone()
}

fn near(found: f64, name: &str, tolerance: f64) {
    let expected = reference(name)[0];
    assert!(
        (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{name}: {found}, Python has {expected}"
    );
}

#[test]
fn detection_matches_scikit_learn() -> Result<()> {
    let (inside, outside) = tied_scores();
    near(auroc(&inside, &outside)?, "auroc", 1e-12);
    near(average_precision(&inside, &outside)?, "ap_in", 1e-12);
    near(fpr95(&inside, &outside)?, "fpr95", 1e-12);
    let d = detection(&inside, &outside, 200, 0)?;
    near(d.auroc.value, "auroc", 1e-12);
    near(d.ap_in, "ap_in", 1e-12);
    near(d.ap_out, "ap_out", 1e-12);
    near(d.fpr95, "fpr95", 1e-12);
    assert!(d.auroc.low < d.auroc.value && d.auroc.value < d.auroc.high);
    // numpy and scikit-learn resample the same scores: their intervals are as wide, up to the noise
    // of some 200 draws.
    let intervals = d.intervals.unwrap();
    for (i, (name, value)) in [("ap_in", d.ap_in), ("ap_out", d.ap_out), ("fpr95", d.fpr95)]
        .into_iter()
        .enumerate()
    {
        let (low, high) = intervals[i];
        let expected = reference("resampled_widths")[i];
        assert!(
            low <= value && value <= high,
            "{name}: {low} {value} {high}"
        );
        assert!(
            ((high - low) / expected - 1.0).abs() < 0.3,
            "{name}: {} {expected}",
            high - low
        );
    }
    Ok(())
}

#[test]
fn bootstrap_intervals_have_the_right_width() -> Result<()> {
    // Hanley and McNeil's standard error of the AUROC, for continuous scores.
    let inside: Vec<f64> = normals(400, "x").iter().map(|v| v + 1.0).collect();
    let outside = normals(400, "y");
    let d = detection(&inside, &outside, 2000, 3)?;
    let a = d.auroc.value;
    let (q1, q2) = (a / (2.0 - a), 2.0 * a * a / (1.0 + a));
    let se =
        ((a * (1.0 - a) + 399.0 * (q1 - a * a) + 399.0 * (q2 - a * a)) / (400.0 * 400.0)).sqrt();
    let width = (d.auroc.high - d.auroc.low) / (2.0 * 1.96);
    assert!(
        (width / se - 1.0).abs() < 0.25,
        "bootstrap {width}, closed form {se}"
    );
    // A score against itself never differs, and against noise always.
    let same = auroc_difference((&inside, &outside), (&inside, &outside), 200, 0)?;
    assert_eq!((same.value, same.low, same.high), (0.0, 0.0, 0.0));
    let (n1, n2) = (normals(400, "n1"), normals(400, "n2"));
    assert!(auroc_difference((&inside, &outside), (&n1, &n2), 500, 0)?.low > 0.1);
    // Unequal sides are thinned to equal ones.
    assert_eq!(detection(&inside[..50], &outside, 10, 0)?.n, 50);
    assert!(auroc(&[], &outside).is_err() && auroc(&[f64::NAN], &outside).is_err());
    Ok(())
}

#[test]
fn paired_differences_match_the_closed_form() -> Result<()> {
    let a: Vec<bool> = (0..400).map(|i| i % 10 != 0).collect();
    let b: Vec<bool> = (0..400).map(|i| i % 5 != 0).collect();
    // 40 rows differ, all in favour of a: mean 0.1, standard error sqrt(.1 · .9 / 400).
    let d = paired_difference(&a, &b, 4000, 0)?;
    assert!((d.value - 0.1).abs() < 1e-12);
    let se = (0.1f64 * 0.9 / 400.0).sqrt();
    assert!(((d.high - d.low) / (2.0 * 1.96) / se - 1.0).abs() < 0.1 && d.is_clear());
    assert!(paired_difference(&a, &b[1..], 10, 0).is_err());
    Ok(())
}

#[test]
fn calibration_matches_scikit_learn_and_numpy() -> Result<()> {
    let (f, t) = logits(400, "judged");
    let judged = Logits::from_tensors("test", &f, &t)?;
    near(Accuracy::of(&judged)?.accuracy, "accuracy", 1e-12);
    let (ff, tt) = logits(900, "fit");
    let fit = Logits::from_tensors("test", &ff, &tt)?;
    let report = calibration_of(&judged, Some(&fit), &CalibrationOptions::default())?;
    near(report.raw.nll, "nll", 1e-10);
    near(report.raw.brier, "brier", 1e-10);
    near(report.raw.ece, "ece", 1e-10);
    near(report.raw.adaptive_ece, "adaptive", 1e-10);
    near(report.raw.gap, "gap", 1e-10);
    let counts: Vec<f64> = report.raw.bins.iter().map(|b| b.count as f64).collect();
    assert_eq!(counts, reference("counts"));
    assert_eq!(report.raw.sign(), "over-confident");
    // The fit agrees with scipy's, and finds the factor that the logits were blown up by.
    let tempered = report.tempered.clone().unwrap();
    near(tempered.temperature, "temperature", 1e-5);
    assert!(
        (tempered.temperature - 2.5).abs() < 0.25,
        "{}",
        tempered.temperature
    );
    assert!(tempered.nll < report.raw.nll && tempered.ece < report.raw.ece);
    // Calibrated by construction: what is left is what chance gives; the raw model is far above it.
    assert!(
        tempered.ece < 1.5 * tempered.chance_95,
        "{} {}",
        tempered.ece,
        tempered.chance_95
    );
    assert!(report.raw.ece > 3.0 * report.raw.chance_95);
    assert!(!report.temperature_undetermined && report.to_string().contains("tempered"));
    Ok(())
}

#[test]
fn the_chance_floor_falls_with_the_root_of_the_rows() -> Result<()> {
    let at = |n: i64| -> Result<f64> {
        let (f, t) = logits(n, "floor");
        let report = calibration_of(
            &Logits::from_tensors("test", &f, &t)?,
            None,
            &CalibrationOptions::default(),
        )?;
        Ok(report.raw.chance)
    };
    let ratio = at(400)? / at(6400)?;
    assert!((ratio / 4.0 - 1.0).abs() < 0.25, "{ratio}");
    Ok(())
}

#[test]
fn rows_that_are_all_right_determine_no_temperature() -> Result<()> {
    let f = Tensor::from_f64(&[2.0, 0.0, 0.0, 3.0], &[2, 2], Kind::Double, Device::Cpu)?;
    let fit = Logits::from_tensors("test", &f, &Tensor::of_ints(&[0, 1])?)?;
    let found = fit_temperature(&fit);
    assert!(found.undetermined && found.temperature == 1.0);
    assert!(
        Logits::from_tensors("test", &f, &Tensor::of_ints(&[0, 2])?)
            .unwrap_err()
            .message()
            .contains("label 2")
    );
    let bad = f.div(0.0)?;
    assert!(
        Logits::from_tensors("test", &bad, &Tensor::of_ints(&[0, 1])?)
            .unwrap_err()
            .message()
            .contains("not finite")
    );
    Ok(())
}

#[test]
fn sample_distances_match_scipy() -> Result<()> {
    let (a, b) = (matrix(300, 12, "a"), features_b());
    let found = frechet(&a, &b)?;
    near(found.distance, "frechet", 1e-9);
    assert!((found.means + found.covariances - found.distance).abs() < 1e-12);
    // Fewer rows than features: the covariance is singular, the distance stands.
    near(
        frechet(&a.narrow(0, 0, 9)?, &b)?.distance,
        "frechet_thin",
        1e-5,
    );
    near(kernel_distance(&a, &b)?, "kernel", 1e-10);
    let covered = precision_recall(&a, &b, 3)?;
    near(covered.precision, "precision", 1e-12);
    near(covered.recall, "recall", 1e-12);
    let same = precision_recall(&a, &a, 1)?;
    assert_eq!((same.precision, same.recall), (1.0, 1.0));
    assert!(precision_recall(&a, &b.narrow(0, 0, 3)?, 3).is_err());
    // In a report, features have the reference's mean 0 and variance 1 for the kernel: units do not
    // matter.
    let identity = FeatureNet::of(&Network::of(Flatten), &FeaturesOptions::default())?;
    for factor in [1.0, 1e3] {
        let (a, b) = (a.mul(factor)?, b.mul(factor)?);
        let report = sample_quality(
            &identity,
            &b,
            &[("a".to_owned(), a)],
            &SampleOptions::default(),
        )?;
        near(report.value("a.kernel")?, "kernel_unit", 1e-9);
        near(report.value("a.precision")?, "precision", 1e-12);
    }
    assert!(frechet(&a, &a)?.distance.abs() < 1e-9);
    // Two Gaussians in one dimension: (μ₁ − μ₂)² + (σ₁ − σ₂)².
    let line = Tensor::from_f64(&[-1.0, 0.0, 1.0], &[3, 1], Kind::Double, Device::Cpu)?;
    let wide = line.mul(3.0)?.add(2.0)?;
    assert!((frechet(&line, &wide)?.distance - (4.0 + 4.0)).abs() < 1e-9);
    let (f, _) = logits(400, "judged");
    near(inception_score(&f.softmax(1)?, 5)?, "inception", 1e-10);
    assert!(frechet(&a, &matrix(5, 3, "c")).is_err() && inception_score(&f, 0).is_err());
    Ok(())
}

#[test]
fn the_pixel_gaussian_matches_scipy() -> Result<()> {
    let part = images();
    for (shared, name) in [(false, "density"), (true, "density_shared")] {
        let found = PixelGaussian::fit(&part, shared)?.log_p(&part.x()?)?;
        for (a, b) in found.iter().zip(reference(name)) {
            assert!((a - b).abs() < 1e-7 * (1.0 + b.abs()), "{name}: {a} {b}");
        }
    }
    // Draws have the classes' means and stay in range.
    let gaussian = PixelGaussian::fit(&part, false)?;
    jemscript::tensor::seed(0, Stream::Evaluate, 0);
    let draws = gaussian.sample(3000, (-10.0, 10.0))?;
    for class in 0..3 {
        let gap =
            draws.class(class)?.x()?.mean()?.item()? - part.class(class)?.x()?.mean()?.item()?;
        assert!(gap.abs() < 0.03, "class {class}: {gap}");
    }
    assert!(
        gaussian
            .sample(50, (-0.1, 0.1))?
            .x()?
            .abs()?
            .max()?
            .item()?
            <= 0.1 + 1e-6
    );
    assert!(gaussian.log_p(&Tensor::zeros(&[2, 3])?).is_err());
    Ok(())
}

#[test]
fn sets_made_from_a_part_are_what_they_say() -> Result<()> {
    let part = images();
    assert_eq!(rotation(&part)?.x()?.to_vec()?, reference("rotated"));
    let shuffled = pixel_shuffle(&part, 1)?;
    let (a, b) = (part.x()?.to_vec()?, shuffled.x()?.to_vec()?);
    // One and the same order for all images: find it in the first, apply it to the others.
    let order: Vec<usize> = (0..16)
        .map(|i| a[..16].iter().position(|v| *v == b[i]).unwrap())
        .collect();
    assert!((0..120).all(|n| (0..16).all(|i| b[16 * n + i] == a[16 * n + order[i]])));
    assert_ne!(order, (0..16).collect::<Vec<_>>());
    assert_eq!(
        shuffled.x()?.to_vec()?,
        pixel_shuffle(&part, 1)?.x()?.to_vec()?
    );
    // Blends have half the variance, and the same mean; those within a class keep its mean.
    let mixed = interpolation(&part, 1)?;
    assert_eq!(mixed.len(), 120);
    assert!((mixed.x()?.mean()?.item()? - part.x()?.mean()?.item()?).abs() < 1e-9);
    let blends = class_blends(&part, 1)?;
    for class in 0..3 {
        let (of, from) = (blends.class(class)?, part.class(class)?);
        assert_eq!(of.len(), from.len());
        let gap = of
            .x()?
            .mean_dims(&[0], false)?
            .sub(&from.x()?.mean_dims(&[0], false)?)?
            .abs()?
            .max()?
            .item()?;
        assert!(gap < 1e-9, "{gap}");
        let ratio = of.x()?.var()?.item()? / from.x()?.var()?.item()?;
        assert!((ratio - 0.5).abs() < 0.1, "{ratio}");
    }
    let noise = uniform_noise(&part, (-1.0, 1.0), 1)?;
    assert!(
        (noise.x()?.var()?.item()? - 1.0 / 3.0).abs() < 0.03
            && noise.y.to_ints()?.iter().all(|y| *y == -1)
    );
    // Constants: one value an image, uniform on the range.
    let flat = constants(&part, (-1.0, 1.0), 1)?;
    let rows = flat.x()?.flatten(1)?;
    assert_eq!(
        rows.max_dim(1, false)?.to_vec()?,
        rows.min_dim(1, false)?.to_vec()?
    );
    let colours = rows.select(1, 0)?;
    assert!(
        (colours.var()?.item()? - 1.0 / 3.0).abs() < 0.08 && colours.abs()?.max()?.item()? <= 1.0
    );
    assert!(
        rotation(&Part::new(
            "line",
            &Tensor::zeros(&[2, 3])?,
            &Tensor::of_ints(&[0, 1])?
        )?)
        .is_err()
    );
    assert!(interpolation(&part.head(1)?, 0).is_err());
    Ok(())
}
