//! log Z by annealed importance sampling against closed forms, its standard error, and the
//! likelihood it gives.

use crate::common;

use std::f64::consts::{PI, TAU};

use jemscript::energy::{DoubleWellOptions, Energy, MixtureOptions};
use jemscript::evaluate::{Base, LogZ, LogZOptions, log_z};
use jemscript::nn::{Mlp, MlpOptions, Network};
use jemscript::options::{Options, Value};
use jemscript::tensor::{Device, Kind, Stream};
use jemscript::{Result, Tensor};

fn t(values: &[f64], shape: &[i64]) -> Tensor {
    Tensor::from_f64(values, shape, Kind::Double, Device::Cpu).unwrap()
}

fn plane(o: LogZOptions) -> LogZOptions {
    LogZOptions {
        shape: vec![2],
        ..o
    }
}

/// Within four standard errors, which are themselves small, with most chains of use.
fn near(found: &LogZ, expected: f64, error: f64) {
    let off = (found.value - expected).abs();
    assert!(
        off < 4.0 * found.standard_error + 1e-9,
        "{} ± {}, truth {expected}",
        found.value,
        found.standard_error
    );
    assert!(
        found.standard_error < error,
        "standard error {}",
        found.standard_error
    );
    assert!(
        found.acceptance > 0.5 && found.acceptance <= 1.0,
        "acceptance {}",
        found.acceptance
    );
}

#[test]
fn a_correlated_gaussian_away_from_the_base() -> Result<()> {
    let cov = [1.0, 0.8, 0.0, 0.8, 1.0, 0.3, 0.0, 0.3, 0.5];
    let bell = Energy::gaussian(&t(&[1.0, -1.0, 0.5], &[3]), &t(&cov, &[3, 3]))?;
    let found = log_z(
        &bell,
        &LogZOptions {
            shape: vec![3],
            ..LogZOptions::default()
        },
    )?;
    let det = t(&cov, &[3, 3]).det()?.item()?;
    near(&found, 1.5 * TAU.ln() + 0.5 * det.ln(), 0.05);
    assert!(found.ess > 300.0, "{}", found.ess);
    // Far out, with a base that is too narrow, few chains carry all of the weight; more steps help.
    let far = Energy::gaussian(&t(&[6.0, 6.0], &[2]), &t(&[1.0, 0.0, 0.0, 1.0], &[2, 2]))?;
    let ess = |steps| -> Result<f64> {
        Ok(log_z(
            &far,
            &plane(LogZOptions {
                steps,
                std: 1.0,
                ..LogZOptions::default()
            }),
        )?
        .ess)
    };
    assert!(ess(10)? < 0.5 * ess(400)?);
    Ok(())
}

#[test]
fn a_mixture_of_separate_modes() -> Result<()> {
    let options = MixtureOptions {
        weights: Some(vec![0.3, 0.7]),
        std: 0.5,
        ..MixtureOptions::default()
    };
    let two = Energy::mixture(&t(&[-2.0, 0.0, 2.0, 0.5], &[2, 2]), &options)?;
    // Weights sum to 1 and only ½ d log 2π is left out, so Z = 2π in the plane.
    let found = log_z(&two, &plane(LogZOptions::default()))?;
    near(&found, TAU.ln(), 0.08);
    // The chains' ends, weighted, are samples: 70 % of them on the right.
    let x = found.samples.select(1, 0)?.to_vec()?;
    let top = found.log_weights.iter().copied().fold(f64::MIN, f64::max);
    let w: Vec<f64> = found.log_weights.iter().map(|v| (v - top).exp()).collect();
    let right: f64 = x
        .iter()
        .zip(&w)
        .filter(|(x, _)| **x > 0.0)
        .map(|(_, w)| w)
        .sum();
    let share = right / w.iter().sum::<f64>();
    assert!((share - 0.7).abs() < 0.09, "{share}");
    // log p is normalised: it sums to 1 over a fine grid.
    let side: Vec<f64> = (0..120)
        .map(|i| -5.0 + 10.0 * (f64::from(i) + 0.5) / 120.0)
        .collect();
    let grid: Vec<f64> = side
        .iter()
        .flat_map(|a| side.iter().flat_map(|b| [*a, *b]))
        .collect();
    let p: f64 = found
        .log_p(&t(&grid, &[14_400, 2]))?
        .iter()
        .map(|l| l.exp())
        .sum();
    assert!(
        (p * (10.0f64 / 120.0).powi(2) - 1.0).abs() < 4.0 * found.standard_error,
        "{p}"
    );
    Ok(())
}

#[test]
fn a_box_for_energies_without_a_z_of_their_own() -> Result<()> {
    // E = −3 Σ x on [−1, 1]²: Z = (2 sinh(3) / 3)².
    let slope = Energy::from_fn(|x| x.sum_dims(&[1], false)?.mul(-3.0), &[]);
    let boxed = |range| {
        plane(LogZOptions {
            base: Base::Uniform,
            range,
            ..LogZOptions::default()
        })
    };
    let found = log_z(&slope, &boxed((-1.0, 1.0)))?;
    near(&found, 2.0 * (2.0 * 3f64.sinh() / 3.0).ln(), 0.05);
    let ends = found.samples.to_vec()?;
    assert!(ends.iter().all(|v| (-1.0..=1.0).contains(v)));
    // Inside the box a density, outside nothing.
    let at = found.log_p(&t(&[1.0, 1.0, 1.5, 0.0], &[2, 2]))?;
    assert!((at[0] - 6.0 + found.value).abs() < 1e-9 && at[1] == f64::NEG_INFINITY);
    // Two wells, cut off by a wall: scipy integrates the same box.
    let well = Energy::double_well(&DoubleWellOptions {
        barrier: 3.0,
        ..DoubleWellOptions::default()
    })?;
    let found = log_z(&well, &boxed((-1.1, 1.4)))?;
    let program = "import numpy as np, scipy.integrate as s\n\
                   print(2 * np.log(s.quad(lambda x: np.exp(-3 * (x * x - 1) ** 2), -1.1, 1.4)[0]))";
    near(
        &found,
        common::python(program)?.trim().parse().unwrap(),
        0.05,
    );
    Ok(())
}

#[test]
fn the_standard_error_is_the_spread_over_seeds() -> Result<()> {
    let bell = Energy::gaussian(&t(&[0.5, 0.0], &[2]), &t(&[0.5, 0.0, 0.0, 0.2], &[2, 2]))?;
    let truth = TAU.ln() + 0.5 * 0.1f64.ln();
    let at = |seed| {
        log_z(
            &bell,
            &plane(LogZOptions {
                seed,
                steps: 20,
                chains: 200,
                ..LogZOptions::default()
            }),
        )
    };
    let z: Vec<f64> = (0..40)
        .map(|s| at(s).map(|f| (f.value - truth) / f.standard_error))
        .collect::<Result<_>>()?;
    let mean = z.iter().sum::<f64>() / 40.0;
    let sd = (z.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 39.0).sqrt();
    assert!(
        mean.abs() < 0.8 && (0.6..1.5).contains(&sd),
        "mean {mean}, sd {sd}"
    );
    // A seed decides everything.
    assert_eq!(at(3)?.log_weights, at(3)?.log_weights);
    assert_ne!(at(3)?.value, at(4)?.value);
    Ok(())
}

#[test]
fn networks_and_images_have_a_z_too() -> Result<()> {
    jemscript::tensor::seed(1, Stream::Init, 0);
    let net = Network::of(Mlp::new(&[2, 16, 3], &MlpOptions::default())?);
    let model = Energy::joint(&net);
    let o = plane(LogZOptions {
        base: Base::Uniform,
        steps: 100,
        ..LogZOptions::default()
    });
    let found = log_z(&model, &o)?;
    // The sum over a fine grid.
    let side: Vec<f64> = (0..200)
        .map(|i| -1.0 + 2.0 * (f64::from(i) + 0.5) / 200.0)
        .collect();
    let grid: Vec<f64> = side
        .iter()
        .flat_map(|a| side.iter().flat_map(|b| [*a, *b]))
        .collect();
    let e = model
        .energy(&t(&grid, &[40_000, 2]).to_kind(Kind::Float)?)?
        .to_vec()?;
    let z: f64 = e.iter().map(|e| (-e).exp()).sum::<f64>() * (2.0f64 / 200.0).powi(2);
    near(&found, z.ln(), 0.02);
    // Rows of any shape: independent normal pixels of variance ¼.
    let pixels = Energy::from_fn(
        |x| x.flatten(1)?.square()?.sum_dims(&[1], false)?.mul(2.0),
        &[],
    );
    let found = log_z(
        &pixels,
        &LogZOptions {
            shape: vec![1, 3, 3],
            std: 1.0,
            ..LogZOptions::default()
        },
    )?;
    near(&found, 4.5 * (PI / 2.0).ln(), 0.1);
    assert_eq!(found.samples.shape(), [512, 1, 3, 3]);
    assert!(
        found.to_string().contains("log Z =") && found.to_string().contains("500 temperatures")
    );
    Ok(())
}

#[test]
fn impossible_settings_are_errors() {
    let bell = Energy::double_well(&DoubleWellOptions::default()).unwrap();
    let error = |o: LogZOptions| log_z(&bell, &o).unwrap_err().to_string();
    assert!(error(LogZOptions::default()).contains("`shape`"));
    let misspelt = LogZOptions::from_map([("base", &Value::Str("box".to_owned()))])
        .unwrap_err()
        .to_string();
    assert!(
        misspelt.contains("`base` must be \"gaussian\" or \"uniform\", got string \"box\""),
        "{misspelt}"
    );
    assert!(
        error(plane(LogZOptions {
            steps: 0,
            ..LogZOptions::default()
        }))
        .contains("1 or more `steps` (a million at most)")
    );
    assert!(
        LogZOptions {
            std: -1.0,
            ..plane(LogZOptions::default())
        }
        .check()
        .is_err()
    );
    let bottomless = Energy::from_fn(|x| x.sum_dims(&[1], false)?.exp()?.neg(), &[]);
    let found = log_z(
        &bottomless,
        &plane(LogZOptions {
            steps: 20,
            std: 1e4,
            ..LogZOptions::default()
        }),
    );
    assert!(found.unwrap_err().to_string().contains("not finite"));
}
