//! Samplers against what they must converge to: SGLD's own stationary law, MALA's exact one; and
//! one contract for all.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use jemscript::energy::{DoubleWellOptions, Energy, MixtureOptions};
use jemscript::error::ErrorKind;
use jemscript::nn::{
    BatchNorm2d, BatchNorm2dOptions, Dropout, Flatten, Linear, LinearOptions, Network, Sequential,
};
use jemscript::options::{Options, Value};
use jemscript::sampler::*;
use jemscript::tensor::{Device, Kind, Stream, seed};
use jemscript::{Result, Tensor, interrupt};

fn normal(d: i64, sd: f64) -> Result<Energy> {
    Energy::gaussian(&Tensor::zeros(&[d])?, &Tensor::eye(d)?.mul(sd * sd)?)
}

fn item(t: Result<Tensor>) -> f64 {
    t.unwrap().item().unwrap()
}

#[test]
fn sgld_has_its_own_stationary_variance() -> Result<()> {
    seed(1, Stream::Train, 0);
    // x' = (1 − h/s²) x + σ ε has variance σ² / (1 − (1 − h/s²)²), which is s² / (1 − α/(4s²)) for
    // h = α/2, σ² = α.
    let s = 1.5;
    let energy = normal(1, s)?;
    let x0 = Tensor::randn(&[20_000, 1])?.mul(s)?;
    let options = RunOptions {
        burn_in: 60,
        thin: 10,
        ..RunOptions::default()
    };
    for (alpha, h, sd) in [
        (Some(2.0), None, None),
        (Some(0.5), None, None),
        (None, Some(0.5), Some(0.8)),
    ] {
        let sgld = Sampler::sgld(&SgldOptions {
            steps: 200,
            alpha,
            step_size: h,
            noise: sd,
            ..Default::default()
        })?;
        let run = sgld.run(&energy, &x0, &options)?;
        let found = item(run.trace.unwrap().square()?.mean());
        let wanted = match alpha {
            Some(a) => s * s / (1.0 - a / (4.0 * s * s)),
            None => 0.64 / (1.0 - (1.0f64 - 0.5 / (s * s)).powi(2)),
        };
        assert!(
            (found / wanted - 1.0).abs() < 0.012,
            "{sgld}: {found} for {wanted}"
        );
    }
    Ok(())
}

/// Mean, variance and quantiles of a density exp(−E) on a grid of one dimension.
fn moments(energy: &Energy, low: f64, high: f64, levels: &[f64]) -> Result<(f64, f64, Vec<f64>)> {
    let n = 20_001;
    let grid = Tensor::linspace(low, high, n)?.to_kind(Kind::Double)?;
    let p = energy.energy(&grid.reshape(&[n, 1])?)?.neg()?.softmax(0)?;
    let mean = item(p.mul(&grid)?.sum());
    let variance = item(p.mul(grid.sub(mean)?.square()?)?.sum());
    let (grid, cdf) = (grid.to_vec()?, p.cumsum(0)?.to_vec()?);
    let quantiles = levels
        .iter()
        .map(|q| grid[cdf.iter().position(|c| c >= q).unwrap()])
        .collect();
    Ok((mean, variance, quantiles))
}

/// A density of one dimension that samplers must reproduce, and the range that its mass lies in.
fn gaussian_and_mixture() -> Result<(Energy, Energy)> {
    let of = |v: &[f64], shape: &[i64]| Tensor::from_f64(v, shape, Kind::Double, Device::Cpu);
    let options = MixtureOptions {
        weights: Some(vec![0.7, 0.3]),
        std: 0.6,
        covs: None,
    };
    let gaussian = Energy::gaussian(&of(&[0.7], &[1])?, &of(&[2.0], &[1, 1])?)?;
    Ok((
        gaussian,
        Energy::mixture(&of(&[-1.0, 1.2], &[2, 1])?, &options)?,
    ))
}

/// Runs 2,000 chains, and compares their means, variances and quantiles with those of the density
/// on a grid.
fn reproduces(name: &str, sampler: &Sampler, energy: &Energy, range: (f64, f64)) -> Result<()> {
    let levels = [0.05, 0.25, 0.5, 0.75, 0.95];
    let x0 = Tensor::uniform(&[2_000, 1], -1.4, 0.7)?.to_kind(Kind::Double)?;
    let run = sampler.run(
        energy,
        &x0,
        &RunOptions {
            burn_in: 200,
            thin: 4,
            ..Default::default()
        },
    )?;
    let acceptance = run.acceptance.unwrap();
    assert!(
        (0.2..=0.95).contains(&acceptance),
        "{name}: acceptance {acceptance}"
    );
    let trace = run.trace.clone().unwrap().reshape(&[-1])?;
    let (mean, variance, quantiles) = moments(energy, range.0, range.1, &levels)?;
    let sd = variance.sqrt();
    let found = item(trace.mean());
    assert!(
        (found - mean).abs() < 0.02 * sd,
        "{name}: mean {found} for {mean}"
    );
    let found = item(trace.var());
    assert!(
        (found / variance - 1.0).abs() < 0.025,
        "{name}: variance {found} for {variance}"
    );
    let sorted = trace.sort(0, false)?.to_vec()?;
    for (q, wanted) in levels.iter().zip(quantiles) {
        let found = sorted[(q * sorted.len() as f64) as usize];
        assert!(
            (found - wanted).abs() < 0.04 * sd,
            "{name}: quantile {q} at {found}, not {wanted}"
        );
    }
    // What the chain keeps is what the energy says.
    let apart = run.energy.sub(energy.energy(&run.x)?)?.abs()?;
    assert!(item(apart.max()) < 1e-12, "{name}");
    // Few chains of the mixture cross often, and R-hat sees that.
    let r_hat = item(run.r_hat()?.max());
    assert!((0.999..1.1).contains(&r_hat), "{name}: {r_hat}");
    Ok(())
}

#[test]
fn mala_reproduces_means_variances_and_quantiles() -> Result<()> {
    let (gaussian, mixture) = gaussian_and_mixture()?;
    let base = MalaOptions {
        steps: 400,
        ..MalaOptions::default()
    };
    let with = |alpha: f64| MalaOptions {
        alpha: Some(alpha),
        ..base.clone()
    };
    let cases = [
        ("normal, small steps", &gaussian, with(2.5), (-10.0, 10.0)),
        ("normal, large steps", &gaussian, with(6.5), (-10.0, 10.0)),
        ("mixture", &mixture, with(0.6), (-6.0, 6.0)),
        (
            "mixture, large steps",
            &mixture,
            MalaOptions {
                step_size: Some(0.9),
                ..base.clone()
            },
            (-6.0, 6.0),
        ),
        (
            "clamped gradient",
            &mixture,
            MalaOptions {
                clamp_grad: Some(0.4),
                ..with(0.8)
            },
            (-6.0, 6.0),
        ),
        (
            "bounds",
            &mixture,
            MalaOptions {
                bounds: Some((-1.5, 0.8)),
                ..with(0.4)
            },
            (-1.5, 0.8),
        ),
    ];
    for (i, (name, energy, options, range)) in cases.into_iter().enumerate() {
        seed(2, Stream::Train, i as u64);
        reproduces(name, &Sampler::mala(&options)?, energy, range)?;
    }
    Ok(())
}

#[test]
fn hmc_reproduces_means_variances_and_quantiles() -> Result<()> {
    let (gaussian, mixture) = gaussian_and_mixture()?;
    let base = HmcOptions {
        steps: 400,
        leapfrog: 3,
        ..HmcOptions::default()
    };
    let fixed = |step_size: f64| HmcOptions {
        step_size,
        adapt: false,
        ..base.clone()
    };
    let cases = [
        ("normal, adapted", &gaussian, base.clone(), (-10.0, 10.0)),
        (
            "normal, long steps",
            &gaussian,
            HmcOptions {
                leapfrog: 1,
                ..fixed(2.0)
            },
            (-10.0, 10.0),
        ),
        ("mixture", &mixture, fixed(0.7), (-6.0, 6.0)),
        (
            "a momentum that stays",
            &mixture,
            HmcOptions {
                momentum: 0.7,
                leapfrog: 1,
                ..fixed(0.8)
            },
            (-6.0, 6.0),
        ),
        (
            "walls",
            &mixture,
            HmcOptions {
                bounds: Some((-1.5, 0.8)),
                ..fixed(0.6)
            },
            (-1.5, 0.8),
        ),
    ];
    for (i, (name, energy, options, range)) in cases.into_iter().enumerate() {
        seed(21, Stream::Train, i as u64);
        reproduces(name, &Sampler::hmc(&options)?, energy, range)?;
    }
    Ok(())
}

#[test]
fn hmc_finds_its_step_and_goes_on_from_what_a_checkpoint_kept() -> Result<()> {
    use jemscript::params::{Cautious, Factors, Snapshot, State};
    seed(22, Stream::Train, 0);
    let of = |v: &[f64], shape: &[i64]| Tensor::from_f64(v, shape, Kind::Double, Device::Cpu);
    let energy = Energy::gaussian(
        &of(&[0.0, 0.0], &[2])?,
        &of(&[1.0, 0.95, 0.95, 1.0], &[2, 2])?,
    )?;
    let x0 = Tensor::randn(&[200, 2])?.to_kind(Kind::Double)?;
    for first in [1e-3, 0.1, 5.0] {
        let hmc = Sampler::hmc(&HmcOptions {
            step_size: first,
            steps: 100,
            ..HmcOptions::default()
        })?;
        let run = hmc.run(
            &energy,
            &x0,
            &RunOptions {
                burn_in: 150,
                ..Default::default()
            },
        )?;
        let acceptance = run.acceptance.unwrap();
        // Steps of this density are stable up to .45, where acceptance falls from .95 to .7 within
        // a tenth of that.
        assert!(
            (0.6..0.996).contains(&acceptance),
            "from {first}: {hmc}, acceptance {acceptance}"
        );
        assert!(hmc.to_string().contains("(adapted)"), "{hmc}");

        let mut kept = Snapshot::default();
        hmc.save("hmc", &mut kept)?;
        let again = Sampler::hmc(&HmcOptions {
            step_size: first,
            steps: 100,
            ..HmcOptions::default()
        })?;
        again.load("hmc", &kept)?;
        let end = |sampler: &Sampler| -> Result<Vec<f64>> {
            seed(23, Stream::Train, 0);
            sampler.sample(&energy, &x0)?.to_vec()
        };
        assert_eq!(end(&again)?, end(&hmc)?, "from {first}");
        // Smaller steps after a divergence are smaller than what was found.
        again.ease(&Factors {
            lr: 1.0,
            steps: 1.0,
            step_size: 0.5,
            restart: 1.0,
        })?;
        assert!(end(&again)? != end(&hmc)?);
    }
    Ok(())
}

#[test]
fn mala_keeps_detailed_balance() -> Result<()> {
    // From exact draws, moves from cell i to cell j are as frequent as those from j to i.
    seed(3, Stream::Train, 0);
    let means = Tensor::of_slice(&[-1.0, 1.5], &[2, 1])?;
    let options = MixtureOptions {
        weights: Some(vec![0.75, 0.25]),
        std: 0.7,
        covs: None,
    };
    let energy = Energy::mixture(&means, &options)?;
    let n = 400_000;
    let second = Tensor::uniform(&[n, 1], 0.0, 1.0)?
        .lt(0.25)?
        .to_kind(Kind::Float)?;
    let x0 = Tensor::randn(&[n, 1])?
        .mul(0.7)?
        .add(second.mul(2.5)?.sub(1.0)?)?;
    for options in [
        MalaOptions {
            steps: 1,
            alpha: Some(1.5),
            ..MalaOptions::default()
        },
        MalaOptions {
            steps: 1,
            alpha: Some(1.5),
            clamp_grad: Some(0.5),
            ..MalaOptions::default()
        },
    ] {
        let x1 = Sampler::mala(&options)?.sample(&energy, &x0)?;
        let cell = |x: &Tensor| {
            x.add(2.5)?
                .mul(1.2)?
                .floor()?
                .clamp(Some(0.0), Some(5.0))?
                .reshape(&[-1])
        };
        let flux = cell(&x0)?
            .mul(6.0)?
            .add(cell(&x1)?)?
            .to_kind(Kind::Int64)?
            .bincount(36)?
            .to_vec()?;
        let mut moved = 0.0;
        for i in 0..6 {
            for j in 0..i {
                let (there, back) = (flux[i * 6 + j], flux[j * 6 + i]);
                moved += there + back;
                let z = (there - back) / (there + back).max(1.0).sqrt();
                assert!(
                    z.abs() < 4.5,
                    "cells {i} and {j}: {there} there, {back} back"
                );
            }
        }
        assert!(moved > 0.2 * n as f64, "the chains hardly moved: {moved}");
    }
    Ok(())
}

#[test]
fn sgld_does_what_its_options_say() -> Result<()> {
    seed(4, Stream::Train, 0);
    let energy = normal(3, 1.0)?;
    let x0 = Tensor::randn(&[50, 3])?.mul(2.0)?;
    let sgld = |o: SgldOptions| Sampler::sgld(&o);
    let base = SgldOptions {
        steps: 1,
        step_size: Some(1.0),
        noise: Some(0.5),
        ..Default::default()
    };
    // On N(0, I) a step of 1 leads to 0: with the noise first nothing else is left, with the noise
    // last the noise is.
    let x = sgld(SgldOptions {
        noise_first: true,
        ..base.clone()
    })?
    .sample(&energy, &x0)?;
    assert!(item(x.abs()?.max()) < 1e-6);
    let x = sgld(base.clone())?.sample(&energy, &x0)?;
    assert!((item(x.std()) - 0.5).abs() < 0.1);
    // A great noise first, then half a step to 0. With the clamp before the gradient, too, it
    // starts at a border and ends in the middle; without, it starts far away and ends at the
    // border.
    let great = SgldOptions {
        noise: Some(1e4),
        step_size: Some(0.5),
        clamp: Some((-1.0, 1.0)),
        noise_first: true,
        ..base
    };
    let base = SgldOptions {
        steps: 1,
        step_size: Some(1.0),
        noise: Some(0.5),
        ..Default::default()
    };
    for (clamp_noise, border) in [(true, 0.5), (false, 1.0)] {
        let x = sgld(SgldOptions {
            clamp_noise,
            ..great.clone()
        })?
        .sample(&energy, &x0)?;
        assert!(
            item(x.abs()?.sub(border)?.abs()?.max()) < 1e-6,
            "clamp_noise {clamp_noise}"
        );
    }
    // Deterministic: x (1 − h)ⁿ.
    let x = sgld(SgldOptions {
        steps: 10,
        step_size: Some(0.1),
        noise: Some(0.0),
        ..base.clone()
    })?
    .sample(&energy, &x0)?;
    assert!(item(x.sub(x0.mul(0.9f64.powi(10))?)?.abs()?.max()) < 1e-5);
    // The gradient's clamp bounds the move, the sample's clamp the sample.
    let still = SgldOptions {
        noise: Some(0.0),
        ..base.clone()
    };
    let x = sgld(SgldOptions {
        clamp_grad: Some(0.3),
        ..still.clone()
    })?
    .sample(&energy, &x0)?;
    let wanted = x0.sub(x0.clamp(Some(-0.3), Some(0.3))?)?;
    assert!(item(x.sub(wanted)?.abs()?.max()) < 1e-6);
    let x = sgld(SgldOptions {
        clamp: Some((-0.2, 0.1)),
        noise: Some(3.0),
        ..base.clone()
    })?
    .sample(&energy, &x0)?;
    assert!((item(x.max()) - 0.1).abs() < 1e-6 && (item(x.min()) + 0.2).abs() < 1e-6);
    // Schedules: first and last value, and the way between them.
    let geometric = SgldOptions {
        steps: 3,
        step_size: Some(4.0),
        step_size_end: Some(1.0),
        ..Default::default()
    };
    let at = |o: &SgldOptions| (0..5).map(|t| o.scales(t).0).collect::<Vec<_>>();
    assert_eq!(at(&geometric), [4.0, 2.0, 1.0, 1.0, 1.0]);
    assert_eq!(
        at(&SgldOptions {
            schedule: Annealing::Linear,
            ..geometric.clone()
        }),
        [4.0, 2.5, 1.0, 1.0, 1.0]
    );
    let cosine = SgldOptions {
        steps: 5,
        schedule: Annealing::Cosine,
        noise_end: Some(0.0),
        ..geometric.clone()
    };
    assert!(
        (cosine.scales(1).0 - (1.0 + 1.5 * (1.0 + 0.5f64.sqrt()))).abs() < 1e-12
            && cosine.scales(4).1 == 0.0
    );
    let tied = SgldOptions {
        steps: 2,
        alpha: Some(0.08),
        alpha_end: Some(0.02),
        ..Default::default()
    };
    assert_eq!(tied.scales(1), (0.01, 0.02f64.sqrt()));
    // A run with a schedule is the same chain, step by step.
    let two = SgldOptions {
        steps: 2,
        step_size: Some(0.5),
        step_size_end: Some(0.25),
        noise: Some(0.0),
        ..Default::default()
    };
    let x = sgld(SgldOptions {
        noise_end: Some(0.0),
        ..two
    })?
    .sample(&energy, &x0)?;
    assert!(item(x.sub(x0.mul(0.5 * 0.75)?)?.abs()?.max()) < 1e-6);
    Ok(())
}

#[test]
fn wrong_options_are_errors() {
    let says = |o: SgldOptions, text: &str| {
        let error = Sampler::sgld(&o).err().unwrap().to_string();
        assert!(
            error.starts_with("sampler::sgld:") && error.contains(text),
            "{error}"
        );
    };
    let d = SgldOptions::default;
    says(
        SgldOptions {
            alpha: Some(0.1),
            noise: Some(0.1),
            ..d()
        },
        "alpha",
    );
    says(
        SgldOptions {
            alpha: Some(-0.1),
            ..d()
        },
        "above 0",
    );
    says(SgldOptions { steps: -1, ..d() }, "steps");
    says(
        SgldOptions {
            noise: Some(f64::NAN),
            ..d()
        },
        "noise",
    );
    says(
        SgldOptions {
            step_size: Some(f64::INFINITY),
            ..d()
        },
        "step_size",
    );
    says(
        SgldOptions {
            clamp: Some((1.0, -1.0)),
            ..d()
        },
        "low < high",
    );
    let misspelt = SgldOptions::from_map([("schedule", &Value::Str("geometrik".to_owned()))])
        .unwrap_err()
        .to_string();
    assert!(
        misspelt.starts_with("sampler::sgld:") && misspelt.contains("did you mean \"geometric\"?"),
        "{misspelt}"
    );
    let old = SgldOptions::from_map([("step_end", &Value::Float(0.1))])
        .unwrap_err()
        .to_string();
    assert_eq!(
        old,
        "sampler::sgld has no option `step_end`\n  = hint: it is called `step_size_end`"
    );
    let misspelt = SgldOptions::from_map([("mode", &Value::Str("training".to_owned()))])
        .unwrap_err()
        .to_string();
    assert!(
        misspelt.contains("`mode` must be \"eval\" or \"train\""),
        "{misspelt}"
    );
    says(
        SgldOptions {
            noise_end: Some(0.0),
            ..d()
        },
        "geometric",
    );
    says(
        SgldOptions {
            alpha_end: Some(0.1),
            ..d()
        },
        "needs `alpha`",
    );
    let says = |o: MalaOptions, text: &str| {
        let error = Sampler::mala(&o).err().unwrap().to_string();
        assert!(
            error.starts_with("sampler::mala:") && error.contains(text),
            "{error}"
        );
    };
    let d = MalaOptions::default;
    says(
        MalaOptions {
            clamp: Some((-1.0, 1.0)),
            ..d()
        },
        "bounds",
    );
    says(
        MalaOptions {
            noise: Some(0.01),
            ..d()
        },
        "tied",
    );
    says(
        MalaOptions {
            alpha: Some(0.1),
            step_size: Some(0.1),
            ..d()
        },
        "alpha/2",
    );
    assert!(
        Sampler::mala(&MalaOptions {
            alpha: Some(0.04),
            noise: Some(0.2),
            ..d()
        })
        .is_ok()
    );
    let outside = Sampler::mala(&MalaOptions {
        bounds: Some((0.0, 1.0)),
        ..d()
    })
    .unwrap();
    let error = outside
        .sample(
            &normal(1, 1.0).unwrap(),
            &Tensor::full(&[2, 1], 3.0).unwrap(),
        )
        .err()
        .unwrap();
    assert!(error.to_string().contains("start outside"), "{error}");
}

fn all() -> Vec<(&'static str, Sampler)> {
    let sgld = SgldOptions {
        steps: 12,
        alpha: Some(0.1),
        ..Default::default()
    };
    let clamped = SgldOptions {
        steps: 12,
        clamp: Some((-9.0, 9.0)),
        noise_first: true,
        clamp_grad: Some(5.0),
        ..Default::default()
    };
    let annealed = SgldOptions {
        steps: 12,
        step_size: Some(0.1),
        step_size_end: Some(0.02),
        noise_end: Some(0.001),
        ..Default::default()
    };
    let mala = MalaOptions {
        steps: 12,
        alpha: Some(0.2),
        ..Default::default()
    };
    let bounded = MalaOptions {
        bounds: Some((-9.0, 9.0)),
        clamp_grad: Some(5.0),
        ..mala.clone()
    };
    let hmc = HmcOptions {
        steps: 12,
        leapfrog: 3,
        adapt: false,
        ..Default::default()
    };
    let walled = HmcOptions {
        bounds: Some((-9.0, 9.0)),
        momentum: 0.5,
        ..hmc.clone()
    };
    let custom =
        |e: &Energy, x: &Tensor| x.add(e.score(x)?.mul(0.1)?)?.add(x.randn_like()?.mul(0.3)?);
    vec![
        ("sgld", Sampler::sgld(&sgld).unwrap()),
        ("sgld with clamps", Sampler::sgld(&clamped).unwrap()),
        ("sgld with schedules", Sampler::sgld(&annealed).unwrap()),
        (
            "sgld, differentiable",
            Sampler::sgld(&SgldOptions {
                differentiable: true,
                ..sgld
            })
            .unwrap(),
        ),
        ("mala", Sampler::mala(&mala).unwrap()),
        ("mala with bounds", Sampler::mala(&bounded).unwrap()),
        ("hmc", Sampler::hmc(&hmc).unwrap()),
        (
            "hmc with walls and a momentum",
            Sampler::hmc(&walled).unwrap(),
        ),
        ("custom", Sampler::from_fn(12, custom).unwrap()),
    ]
}

#[test]
fn the_contract_of_all_samplers() -> Result<()> {
    for (name, sampler) in all() {
        let well = Energy::double_well(&DoubleWellOptions::default())?;
        seed(5, Stream::Train, 0);
        for (shape, kind) in [(vec![6, 2], Kind::Double), (vec![4, 3, 2, 2], Kind::Float)] {
            let x0 = Tensor::randn(&shape)?.mul(0.5)?.to_kind(kind)?;
            let before = x0.to_vec()?;
            seed(6, Stream::Train, 0);
            let x = sampler.sample(&well, &x0)?;
            assert_eq!((x.shape(), x.kind()), (shape.clone(), kind), "{name}");
            assert_eq!(x0.to_vec()?, before, "{name}: the start is left as it was");
            assert!(x.to_vec()? != before, "{name}: the chains moved");
            seed(6, Stream::Train, 0);
            assert_eq!(
                sampler.sample(&well, &x0)?.to_vec()?,
                x.to_vec()?,
                "{name}: same seed, same chain"
            );

            // Traces: thinned, after the burn-in, and the last one is where the chains end.
            seed(6, Stream::Train, 0);
            let options = RunOptions {
                steps: Some(9),
                burn_in: 3,
                thin: 3,
                trace: true,
            };
            let run = sampler.run(&well, &x0, &options)?;
            let trace = run.trace.clone().unwrap();
            assert_eq!(trace.shape(), [&[3][..], &shape].concat(), "{name}");
            let energies = run.energies.clone().unwrap();
            assert_eq!(energies.shape(), [3, shape[0]], "{name}");
            assert_eq!(
                run.x.to_vec()?,
                x.to_vec()?,
                "{name}: 3 + 9 steps are 12 steps"
            );
            assert_eq!(trace.get(2)?.to_vec()?, x.to_vec()?, "{name}");
            assert!(
                trace.get(0)?.to_vec()? != trace.get(1)?.to_vec()?,
                "{name}: kept samples are copies"
            );
            for t in 0..3 {
                let apart = energies.get(t)?.sub(well.energy(&trace.get(t)?)?)?.abs()?;
                assert!(
                    item(apart.max()) < 1e-5,
                    "{name}: energies belong to their samples"
                );
            }
            assert!(
                run.acceptance.is_none_or(|a| (0.0..=1.0).contains(&a)),
                "{name}"
            );
            assert!(run.to_string().contains("chains"), "{name}: {run}");
            let bare = sampler.run(
                &well,
                &x0,
                &RunOptions {
                    trace: false,
                    ..options
                },
            )?;
            assert!(
                bare.trace.is_none() && bare.energies.is_none() && bare.ess().is_err(),
                "{name}"
            );
        }

        // A stop is seen at the next step.
        let seen = Rc::new(Cell::new(0));
        let counter = seen.clone();
        let stopping = Energy::from_fn(
            move |x| {
                counter.set(counter.get() + 1);
                if counter.get() == 4 {
                    interrupt::request();
                }
                x.square()?.sum_dims(&[1], false)
            },
            &[],
        );
        let outcome = sampler.sample(&stopping, &Tensor::zeros(&[2, 2])?);
        interrupt::clear();
        assert_eq!(
            outcome.err().unwrap().kind(),
            ErrorKind::Interrupted,
            "{name}"
        );
        assert_eq!(seen.get(), 4, "{name}");

        // A value that is not finite is an error that names the sampler and the steps.
        let broken = Energy::from_fn(
            |x| x.sub(5.0)?.sqrt()?.flatten(1)?.sum_dims(&[1], false),
            &[],
        );
        let error = sampler
            .sample(&broken, &Tensor::zeros(&[2, 2])?)
            .err()
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::NonFinite, "{name}: {error}");
        assert!(
            error
                .to_string()
                .contains("in steps 1 to 12, in 2 of 2 chains"),
            "{name}: {error}"
        );
        assert!(
            sampler
                .run(&broken, &Tensor::zeros(&[2, 2])?, &RunOptions::default())
                .is_err(),
            "{name}"
        );

        for wrong in [
            Tensor::scalar(1.0)?,
            Tensor::zeros(&[0, 2])?,
            Tensor::of_ints(&[1, 2])?,
        ] {
            assert!(sampler.sample(&well, &wrong).is_err(), "{name}");
        }
        let thin = RunOptions {
            thin: 100,
            ..RunOptions::default()
        };
        assert!(
            sampler.run(&well, &Tensor::zeros(&[2, 2])?, &thin).is_err(),
            "{name}"
        );
        assert!(sampler.to_string().contains("12"), "{sampler}");
    }
    Ok(())
}

#[test]
fn printed_samplers_show_settings_and_temperature() -> Result<()> {
    let text = Sampler::sgld(&SgldOptions {
        clamp: Some((-1.0, 1.0)),
        ..Default::default()
    })?
    .to_string();
    let wanted = "sgld(#{ steps: 20, step_size: 1, noise: 0.01, clamp: [-1, 1], clamp_grad: (), noise_first: false, \
                  mode: \"eval\", differentiable: false }), T = 5e-5";
    assert_eq!(text, wanted);
    let text = Sampler::sgld(&SgldOptions {
        alpha: Some(0.5),
        ..Default::default()
    })?
    .to_string();
    assert!(
        text.contains("alpha: 0.5, step_size: 0.25") && text.ends_with("T = 1"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_custom_step_must_keep_shape_and_type() {
    let well = Energy::double_well(&DoubleWellOptions::default()).unwrap();
    let x0 = Tensor::zeros(&[4, 2]).unwrap();
    let sum = Sampler::from_fn(2, |_, x| x.sum()).unwrap();
    assert!(
        sum.sample(&well, &x0)
            .err()
            .unwrap()
            .to_string()
            .contains("keep the shape")
    );
    let wide = Sampler::from_fn(2, |_, x| x.to_kind(Kind::Double)).unwrap();
    assert!(
        wide.sample(&well, &x0)
            .err()
            .unwrap()
            .to_string()
            .contains("float64")
    );
    assert!(Sampler::from_fn(-2, |_, x| Ok(x.clone())).is_err());
}

#[test]
fn differentiable_chains_carry_gradients_to_their_start() -> Result<()> {
    // dx_n/dx_0 = (1 − h)ⁿ on N(0, 1), whatever the noise; also through a network's energy, where
    // it is compared with finite differences of the deterministic chain.
    seed(7, Stream::Train, 0);
    let options = SgldOptions {
        steps: 4,
        step_size: Some(0.3),
        noise: Some(0.1),
        differentiable: true,
        ..Default::default()
    };
    let x0 = Tensor::randn(&[5, 2])?.leaf()?;
    let x = Sampler::sgld(&options)?.sample(&normal(2, 1.0)?, &x0)?;
    let gradient = Tensor::gradients(&x.sum()?, &[&x0], false)?.remove(0);
    assert!(item(gradient.sub(0.7f64.powi(4))?.abs()?.max()) < 1e-6);

    let net = Network::of(jemscript::nn::Mlp::new(&[2, 8, 3], &Default::default())?);
    net.convert(Device::Cpu, Kind::Double)?;
    let model = Energy::joint(&net);
    let still = Sampler::sgld(&SgldOptions {
        noise: Some(0.0),
        clamp_grad: Some(10.0),
        ..options
    })?;
    let x0 = Tensor::randn(&[1, 2])?.to_kind(Kind::Double)?;
    let leaf = x0.leaf()?;
    let gradient = Tensor::gradients(&still.sample(&model, &leaf)?.sum()?, &[&leaf], false)?
        .remove(0)
        .to_vec()?;
    for (i, ours) in gradient.into_iter().enumerate() {
        let mut step = [0.0, 0.0];
        step[i] = 1e-5;
        let step = Tensor::from_f64(&step, &[1, 2], Kind::Double, Device::Cpu)?;
        let (up, down) = (
            still.sample(&model, &x0.add(&step)?)?,
            still.sample(&model, &x0.sub(&step)?)?,
        );
        let slope = (item(up.sum()) - item(down.sum())) / 2e-5;
        assert!((ours - slope).abs() < 1e-8, "{ours} and {slope}");
    }
    Ok(())
}

#[test]
fn the_network_is_in_the_named_mode_while_sampling_and_as_before_after() -> Result<()> {
    seed(8, Stream::Train, 0);
    let dropout = Network::of(Dropout::new(0.5)?);
    let norm = Network::of(BatchNorm2d::new(2, &BatchNorm2dOptions::default())?);
    let layers = vec![
        norm.clone(),
        Network::of(Flatten),
        dropout.clone(),
        Network::of(Linear::new(8, 3, &LinearOptions::default())?),
    ];
    let net = Network::of(Sequential::new(layers)?);
    let modes = |net: &Network| net.modes().iter().map(|(_, m)| *m).collect::<Vec<_>>();
    // One layer frozen by hand: it must stay so.
    norm.set_training(false);
    assert_eq!(modes(&net), [false, true]);
    let x0 = Tensor::randn(&[4, 2, 2, 2])?;
    let seen = Rc::new(RefCell::new(Vec::new()));
    for (mode, wanted) in [("eval", false), ("train", true)] {
        let (inside, record) = (net.clone(), seen.clone());
        let watched = Energy::from_fn(
            move |x| {
                record
                    .borrow_mut()
                    .extend(inside.modes().iter().map(|(_, m)| *m));
                inside.forward(x)?.logsumexp(1)?.neg()
            },
            std::slice::from_ref(&net),
        );
        let o = SgldOptions {
            steps: 2,
            mode: NetworkMode::of(mode).unwrap(),
            ..Default::default()
        };
        Sampler::sgld(&o)?.sample(&watched, &x0)?;
        assert_eq!(*seen.borrow(), [wanted; 4], "{mode}");
        assert_eq!(modes(&net), [false, true], "{mode}: restored");
        seen.borrow_mut().clear();
        // Restored after an error, too.
        assert!(
            Sampler::sgld(&o)?
                .sample(&watched, &Tensor::zeros(&[4, 5])?)
                .is_err()
        );
        assert_eq!(
            modes(&net),
            [false, true],
            "{mode}: restored after an error"
        );
        seen.borrow_mut().clear();
    }
    Ok(())
}
