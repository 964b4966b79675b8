//! Attacks against closed forms, and the whole comparison on the digits.

use jemscript::data::{Dataset, DigitsOptions, Generator, Part, digits};
use jemscript::energy::{Energy, EnergyFunction, Ready};
use jemscript::evaluate::{
    AccuracyOptions, AscentOptions, AttackOptions, CompareOptions, FeatureNetOptions, FreshOptions,
    GivenSet, Norm, OodOptions, Report, Score, accuracy, compare, feature_net, fgsm, fresh_chains,
    ood, pgd, pool, report, scores,
};
use jemscript::options::{ByName, Options, Value};
use jemscript::sampler::{Info, Kernel, Sampler};
use jemscript::tensor::{Device, Kind, Stream};
use jemscript::{Error, Result, Tensor};

/// Two classes with logits ±(w·x + b): under attack its accuracy is known exactly.
struct Linear {
    w: Vec<f64>,
    b: f64,
}

impl EnergyFunction for Linear {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.logits(x)?.logsumexp(1)?.neg()
    }
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let w = Tensor::from_f64(&self.w, &[self.w.len() as i64], x.kind(), Device::Cpu)?;
        let f = x.flatten(1)?.matmul(&w)?.add(self.b)?;
        Tensor::stack(&[f.neg()?, f], 1)
    }
    fn has_classes(&self) -> bool {
        true
    }
    fn describe(&self) -> String {
        "linear".to_owned()
    }
}

const W: [f64; 6] = [0.5, -1.0, 0.25, 2.0, 0.1, -0.4];

/// Rows well inside [−1, 1], with labels that are right but for a few; and each row's signed
/// distance `y (w·x + b)`.
fn rows() -> (Part, Vec<f64>) {
    let mut g = Generator::new(3, Stream::Evaluate, "rows", 0);
    let (mut values, mut labels, mut margins) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..200 {
        let x: Vec<f64> = (0..6).map(|_| 0.5 * (g.uniform() - 0.5)).collect();
        let f: f64 = x.iter().zip(W).map(|(x, w)| x * w).sum::<f64>() + 0.05;
        let right = i % 20 != 0;
        let label = (f > 0.0) == right;
        margins.push(if right { f.abs() } else { -f.abs() });
        labels.push(i64::from(label));
        values.extend(x);
    }
    let x = Tensor::from_f64(&values, &[200, 6], Kind::Float, Device::Cpu).unwrap();
    (
        Part::new("rows", &x, &Tensor::of_ints(&labels).unwrap()).unwrap(),
        margins,
    )
}

fn linear() -> Energy {
    Energy::of(Linear {
        w: W.to_vec(),
        b: 0.05,
    })
}

#[test]
fn pgd_on_a_linear_model_is_exact() -> Result<()> {
    let (part, margins) = rows();
    let dual = |norm: &str| match norm {
        "linf" => W.iter().map(|w| w.abs()).sum::<f64>(),
        _ => W.iter().map(|w| w * w).sum::<f64>().sqrt(),
    };
    for norm in ["linf", "l2"] {
        let options = AttackOptions {
            eps: vec![0.06, 0.01, 0.03],
            ascent: AscentOptions {
                norm: Norm::of(norm).unwrap(),
                starts: 2,
                ..AscentOptions::default()
            },
        };
        let found = pgd(&linear(), &part, &options)?;
        assert_eq!(found.eps, [0.01, 0.03, 0.06]);
        assert_eq!(found.clean, 0.95);
        for eps in &found.eps {
            // ε counts in units of [0, 1]; the rows lie in [−1, 1], a range of 2.
            let reach = 2.0 * eps * dual(norm);
            for (margin, robust) in margins.iter().zip(found.robust(*eps)) {
                if *margin > reach * 1.001 {
                    assert!(
                        robust,
                        "{norm} {eps}: margin {margin} beyond {reach} was broken"
                    );
                }
                // In L2 the last per cent of the ball is reached only in the limit.
                if *margin < reach * 0.99 {
                    assert!(
                        !robust,
                        "{norm} {eps}: margin {margin} within {reach} was not broken"
                    );
                }
            }
        }
        assert!(found.accuracy.windows(2).all(|w| w[0] >= w[1]) && found.accuracy[2] < 0.9);
        assert!(found.protocol.contains("2 random starts") && found.to_string().contains("ε"));
    }
    // One sign step finds the same corner of the L∞ ball.
    let expected = margins
        .iter()
        .filter(|m| **m > 2.0 * 0.03 * dual("linf"))
        .count() as f64
        / 200.0;
    assert!((fgsm(&linear(), &part, 0.03, Some((-1.0, 1.0)))? - expected).abs() < 0.006);
    Ok(())
}

#[test]
fn attacks_stay_in_range_and_do_not_depend_on_the_batch_size() -> Result<()> {
    let (part, _) = rows();
    // In a range that ends where the data does, no attack has room: [0, 0] round a row of zeros.
    let zeros = Part::new(
        "zeros",
        &Tensor::zeros(&[4, 6])?,
        &Tensor::of_ints(&[1, 1, 1, 0])?,
    )?;
    let tight = AttackOptions {
        eps: vec![5.0],
        ascent: AscentOptions {
            range: Some((0.0, 1e-9)),
            steps: 5,
            ..AscentOptions::default()
        },
    };
    assert_eq!(pgd(&linear(), &zeros, &tight)?.accuracy, [0.75]);
    let at = |batch_size| {
        let options = AttackOptions {
            eps: vec![0.02, 0.05],
            ascent: AscentOptions {
                steps: 12,
                batch_size,
                ..AscentOptions::default()
            },
        };
        pgd(&linear(), &part, &options).map(|r| r.broken_at)
    };
    assert_eq!(at(None)?, at(Some(7))?);
    let x = &part.x()?;
    let (all, few) = (scores(&linear(), x, None)?, scores(&linear(), x, Some(7))?);
    // A matrix product of other sizes may differ in its last bits.
    for score in Score::ALL {
        let gaps = all
            .ranked_by(score)
            .iter()
            .zip(few.ranked_by(score))
            .map(|(a, b)| (a - b).abs());
        let largest = gaps.fold(0.0, f64::max);
        assert!(largest < 1e-5, "{score}: {largest}");
    }
    let noisy = |batch_size| {
        let options = AccuracyOptions {
            noise: 0.2,
            batch_size,
            ..AccuracyOptions::default()
        };
        accuracy(&linear(), &part, &options).map(|a| a.correct)
    };
    assert_eq!(noisy(None)?, noisy(Some(3))?);
    Ok(())
}

#[test]
fn impossible_attacks_are_errors() {
    let (part, _) = rows();
    let error = |o: AttackOptions| pgd(&linear(), &part, &o).unwrap_err().to_string();
    let misspelt = AttackOptions::from_map([("norm", &Value::Str("l1".to_owned()))])
        .unwrap_err()
        .to_string();
    assert!(
        misspelt.contains("`norm` must be \"linf\" or \"l2\""),
        "{misspelt}"
    );
    assert!(
        error(AttackOptions {
            eps: vec![-0.1],
            ..AttackOptions::default()
        })
        .contains("eps must be 0 or more")
    );
    assert!(
        error(AttackOptions {
            ascent: AscentOptions {
                steps: 0,
                ..AscentOptions::default()
            },
            ..AttackOptions::default()
        })
        .contains("at least one step")
    );
    let misspelt = Value::List(vec![Value::Str("margins".into())]);
    let found = AttackOptions::from_map([("objectives", &misspelt)]).err();
    assert_eq!(found.unwrap().hint(), Some("did you mean \"margin\"?"));
    assert!(
        error(AttackOptions {
            ascent: AscentOptions {
                batch_size: Some(0),
                ..AscentOptions::default()
            },
            ..AttackOptions::default()
        })
        .contains("batch_size")
    );
}

#[test]
fn scores_are_the_energy_the_confidence_and_the_gradient() -> Result<()> {
    let (part, _) = rows();
    let found = scores(&linear(), &part.x()?, None)?;
    for (i, row) in part.x()?.to_vec()?.chunks(6).enumerate() {
        let f: f64 = row.iter().zip(W).map(|(x, w)| x * w).sum::<f64>() + 0.05;
        // log p(x) = log(e^f + e^−f), its gradient is tanh(f) w, and the odds of the larger class
        // are e^(2|f|).
        assert!((found.log_p_x[i] - (f.exp() + (-f).exp()).ln()).abs() < 1e-5);
        assert!((found.log_odds[i] - 2.0 * f.abs()).abs() < 1e-5);
        assert!((found.max_p_y[i] - 1.0 / (1.0 + (-2.0 * f.abs()).exp())).abs() < 1e-5);
        let norm = W.iter().map(|w| w * w).sum::<f64>().sqrt() * f.tanh().abs();
        assert!((found.mass[i] + norm).abs() < 1e-4);
    }
    // Confidences that all round to 1 in float64 are still told apart.
    let sure = Energy::of(Linear {
        w: W.iter().map(|w| 1000.0 * w).collect(),
        b: 0.0,
    });
    let found = scores(&sure, &part.x()?, None)?;
    assert!(found.max_p_y.iter().filter(|p| **p == 1.0).count() > 50);
    let mut odds = found.log_odds.clone();
    odds.sort_by(f64::total_cmp);
    odds.dedup();
    assert!(odds.len() > 190);
    // An energy without classes has the other two scores.
    let plain = scores(
        &Energy::from_fn(|x| x.square()?.flatten(1)?.sum_dims(&[1], false), &[]),
        &part.x()?,
        None,
    )?;
    assert!(plain.max_p_y.is_empty() && plain.mass.len() == 200);
    let other = Part::unlabelled("other", &Tensor::zeros(&[4, 7])?)?;
    let error = ood(&linear(), &part, &[other], &OodOptions::default()).unwrap_err();
    assert!(error.message().contains("rows of other are [7]"), "{error}");
    Ok(())
}

/// Logits `−s ‖x − μ_k‖²` of the class means: right on most digits, with the energy of a mixture of
/// Gaussians.
struct Means {
    means: Tensor,
    scale: f64,
}

impl EnergyFunction for Means {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.logits(x)?.logsumexp(1)?.neg()
    }
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let gaps = x
            .flatten(1)?
            .unsqueeze(1)?
            .sub(&self.means.like(x)?.unsqueeze(0)?)?;
        gaps.square()?.sum_dims(&[2], false)?.mul(-self.scale)
    }
    fn joint_energy(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        self.logits(x)?
            .gather(1, &y.unsqueeze(1)?)?
            .squeeze(1)?
            .neg()
    }
    fn has_classes(&self) -> bool {
        true
    }
    fn describe(&self) -> String {
        format!("means({})", self.scale)
    }
}

fn means(data: &Dataset, scale: f64) -> Result<Energy> {
    let rows: Vec<Tensor> = (0..10)
        .map(|k| data.train.class(k)?.x()?.flatten(1)?.mean_dims(&[0], false))
        .collect::<Result<_>>()?;
    Ok(Energy::of(Means {
        means: Tensor::stack(&rows, 0)?,
        scale,
    }))
}

/// Half a step down the energy: chains that end at the means.
struct Descent;

impl Kernel for Descent {
    type State = Tensor;

    fn init(&self, _: &Ready, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
    fn step(&self, energy: &Ready, x: &mut Tensor, _: usize) -> Result<Info> {
        *x = x.add(energy.energy_and_score(x)?.1.mul(0.25)?)?;
        Ok(Info::default())
    }
    fn steps(&self) -> usize {
        1
    }
    fn name(&self) -> String {
        "descent".to_owned()
    }
    fn describe(&self) -> String {
        self.name()
    }
}

fn small_comparison(seed: i64, options: CompareOptions) -> Result<Report> {
    let data = digits(&DigitsOptions {
        seed,
        ..DigitsOptions::default()
    })?;
    // The baseline is the same classifier with a blurred score: far too sure of itself.
    let models = [
        ("JEM".to_owned(), means(&data, 0.2)?),
        ("plain".to_owned(), means(&data, 2.0)?),
    ];
    compare(&models, &data, &CompareOptions { seed, ..options })
}

/// Attacks may take fewer rows than the rest; what they were is said, and differences are of the
/// attacked rows alone.
#[test]
fn fewer_rows_are_attacked_than_judged() -> Result<()> {
    let report = small_comparison(
        0,
        CompareOptions {
            attacked: Some(40),
            eps_linf: vec![0.1, 8.0 / 255.0],
            ..quick()
        },
    )?;
    let few = report.model("JEM")?;
    assert_eq!(
        (
            few.robustness[0].broken_at.len(),
            few.accuracy.correct.len()
        ),
        (40, 120)
    );
    let clean = few.accuracy.correct[..40].iter().filter(|c| **c).count() as f64 / 40.0;
    assert_eq!(report.value("JEM", "robust.linf.0")?, clean);
    assert_eq!(report.difference("plain", "robust.linf.0")?.value, 0.0);
    let text = report.text(&[1, 4]);
    assert!(
        text.contains("first 120 rows")
            && text.contains("40 images of")
            && text.contains("ε = 8/255"),
        "{text}"
    );
    let refused = small_comparison(
        0,
        CompareOptions {
            attacked: Some(0),
            ..quick()
        },
    )
    .unwrap_err();
    assert!(
        refused.message().contains("`attacked` must be at least 1"),
        "{refused}"
    );
    // A terminal gets the numbers, Markdown their intervals too.
    let auroc = report.value("JEM", "ood.rotation.log_p_x")?;
    let ends = |end: &str| report.value("JEM", &format!("ood.rotation.log_p_x.fpr95.{end}"));
    let (fpr, low, high) = (
        report.value("JEM", "ood.rotation.log_p_x.fpr95")?,
        ends("low")?,
        ends("high")?,
    );
    let markdown = report.to_markdown(&[3]);
    assert!(
        markdown.contains(&format!("{fpr:.3} [{low:.3}, {high:.3}]")),
        "{markdown}"
    );
    assert!(
        report.text(&[3]).contains(&format!("{auroc:.3} ")) && !report.text(&[3]).contains("FPR95")
    );
    Ok(())
}

fn quick() -> CompareOptions {
    CompareOptions {
        limit: Some(120),
        resamples: 100,
        eps_linf: vec![0.1, 0.2],
        eps_l2: vec![1.0],
        pgd_steps: 5,
        pgd_starts: 1,
        ..CompareOptions::default()
    }
}

#[test]
fn a_comparison_holds_prints_and_finds_every_number() -> Result<()> {
    let data = digits(&DigitsOptions::default())?;
    let net = feature_net(
        &data,
        &FeatureNetOptions {
            iterations: 60,
            ..FeatureNetOptions::default()
        },
    )?;
    let options = CompareOptions {
        ood: ByName(vec![(
            "zeros".into(),
            GivenSet::Rows(Tensor::zeros(&[50, 1, 8, 8])?),
        )]),
        chains: Some(data.train.images(300)?),
        sampler: Some(Sampler::of(Descent)),
        fresh: vec![5, 1],
        fresh_chains: 50,
        features: Some(net),
        ..quick()
    };
    let report = small_comparison(0, options)?;
    // The subject stands last, whatever the order given.
    assert_eq!(
        report
            .models
            .iter()
            .map(|m| m.name.as_str())
            .collect::<Vec<_>>(),
        ["plain", "JEM"]
    );
    let value = |model: &str, path: &str| report.value(model, path);
    assert!(value("JEM", "accuracy")? > 0.8);
    // Both classify alike; the blown-up logits are over-confident.
    assert_eq!(value("plain", "accuracy")?, value("JEM", "accuracy")?);
    assert_eq!(value("plain", "accuracy.difference")?, 0.0);
    assert!(
        value("plain", "calibration.gap")? > 0.0 && value("plain", "tempered.temperature")? > 2.0
    );
    assert!(value("plain", "tempered.nll")? < value("plain", "calibration.nll")?);
    // A mixture of Gaussians round the means tells noise from digits, and so does the pixel
    // Gaussian.
    assert!(value("JEM", "ood.uniform_noise.log_p_x")? > 0.99);
    assert!(value("pixel Gaussian", "ood.uniform_noise.log_p_x")? > 0.99);
    assert!(value("JEM", "ood.zeros.log_p_x.fpr95")? <= 1.0);
    assert!(value("JEM", "robust.linf.0.1")? >= value("JEM", "robust.linf.0.2")?);
    assert_eq!(value("JEM", "robust.l2.0")?, value("JEM", "accuracy")?);
    // Training images as "samples" are nearest; five steps of descent come closer than one.
    let at = |row: &str| value("JEM", &format!("samples.{row}"));
    assert!(
        at("replay_buffer")? < at("fresh_chains__5_steps")?
            && at("fresh_chains__5_steps")? < at("fresh_chains__1_steps")?
    );
    assert_eq!(report.samples.as_ref().map(|s| s.n_equal), Some(50));
    assert_eq!(
        report
            .pictures
            .iter()
            .map(|p| p.0.as_str())
            .collect::<Vec<_>>(),
        [
            "replay buffer",
            "fresh chains, 1 steps",
            "fresh chains, 5 steps"
        ]
    );
    // Misspelt names get the nearest one.
    assert!(
        value("JEM", "acuracy")
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("accuracy")
    );
    assert!(
        value("JEMM", "accuracy")
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("JEM")
    );
    // Text: every claim with its protocol; Markdown has the details too; JSON comes back the same.
    let text = report.to_string();
    for part in [
        "1. Accuracy",
        "2. Calibration",
        "3. Out-of-distribution",
        "4. Robustness",
        "5. Samples",
        "(lo, hi]",
        "PGD L∞",
        "ties ½",
        "first 120 rows",
        "two border columns",
        "seed 1000",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let markdown = report.to_markdown(&[]);
    assert!(markdown.contains("| FPR95 |") && markdown.contains("max p(y\\|x)"));
    let back = Report::from_json(&report.to_json()?)?;
    assert_eq!(back.to_string(), text);
    assert_eq!(back.values(), report.values());
    assert!(Report::from_json("{}").is_err());
    let jem = report.model("JEM")?;
    assert_eq!(jem.ood.inside.log_p_x.len(), 120);
    assert_eq!(
        jem.calibration
            .raw
            .bins
            .iter()
            .map(|b| b.count)
            .sum::<usize>(),
        120
    );
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_report_and_batches_do_not_matter() -> Result<()> {
    let first = small_comparison(1, quick())?;
    assert_eq!(first.to_json()?, small_comparison(1, quick())?.to_json()?);
    let batched = small_comparison(
        1,
        CompareOptions {
            batch_size: Some(17),
            ..quick()
        },
    )?;
    for ((m, p, a), (_, _, b)) in first.values().into_iter().zip(batched.values()) {
        assert!((a - b).abs() < 1e-4, "{m} {p}: {a} {b}");
    }
    Ok(())
}

#[test]
fn reports_of_several_seeds_are_pooled() -> Result<()> {
    let reports: Vec<Report> = (1..4)
        .map(|s| small_comparison(s, quick()))
        .collect::<Result<_>>()?;
    let all = pool(&reports)?;
    let values: Vec<f64> = reports
        .iter()
        .map(|r| r.value("JEM", "calibration.ece"))
        .collect::<Result<_>>()?;
    let mean = values.iter().sum::<f64>() / 3.0;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    let (found, spread) = all.value("JEM", "calibration.ece")?;
    assert!((found - mean).abs() < 1e-12 && (spread.unwrap() - sd).abs() < 1e-12);
    let difference = all.difference("pixel Gaussian", "ood.interpolation")?;
    let expected: f64 = reports
        .iter()
        .map(|r| r.value("pixel Gaussian", "ood.interpolation.difference"))
        .sum::<Result<f64>>()?
        / 3.0;
    assert!(
        (difference.value - expected).abs() < 1e-12
            && difference.low < expected
            && expected < difference.high
    );
    // Averaged over three seeds, the interval is narrower than that of one.
    let of_one = reports[0].value("pixel Gaussian", "ood.interpolation.difference.high")?
        - reports[0].value("pixel Gaussian", "ood.interpolation.difference.low")?;
    assert!(difference.high - difference.low < of_one);
    assert!(all.to_string().contains("3 seeds, no claim"));
    assert!(pool(&[]).is_err());
    Ok(())
}

#[test]
fn a_report_has_the_whole_table_of_one_model() -> Result<()> {
    let data = digits(&DigitsOptions::default())?;
    let model = means(&data, 0.2)?;
    let net = feature_net(
        &data,
        &FeatureNetOptions {
            iterations: 30,
            ..FeatureNetOptions::default()
        },
    )?;
    let options = CompareOptions {
        square_queries: Some(30),
        eps_linf: vec![0.1],
        sampler: Some(Sampler::of(Descent)),
        fresh: vec![5],
        conditional: vec![5],
        jem_k: Value::Map(vec![
            (
                "sampler".into(),
                Value::object("sampler", Sampler::of(Descent)),
            ),
            ("limit".into(), Value::Int(20)),
            ("steps".into(), Value::Int(2)),
            ("draws".into(), Value::Int(2)),
            ("verify".into(), Value::Int(2)),
            (
                "backward".into(),
                Value::List(vec![Value::Str("identity".into())]),
            ),
        ]),
        fresh_chains: 40,
        features: Some(net),
        ..quick()
    };
    let found = report(&model, &data, &options)?;
    let value = |path: &str| found.value("model", path);
    // The square attack breaks nothing that is wrong already, and both attacks start from the same
    // accuracy.
    assert_eq!(value("robust.square_linf.0")?, value("robust.linf.0")?);
    assert!(value("robust.square_linf.0.1")? <= value("accuracy")?);
    // Descent on the mixture of digits moves noise further than digits.
    assert!(
        value("refined.uniform_noise.moved")? > 0.9 && value("refined.uniform_noise.gain")? > 0.9
    );
    // Chains of p(x|y) are told apart from those of p(x); both are judged.
    assert!(value("samples.class_conditional_chains__5_steps")?.is_finite());
    assert!((0.0..=1.0).contains(&value("samples.fresh_chains__5_steps.precision")?));
    let names: Vec<&str> = found.pictures.iter().map(|p| p.0.as_str()).collect();
    assert_eq!(
        names,
        [
            "fresh chains, 5 steps",
            "class-conditional chains, 5 steps",
            "distal adversarials"
        ]
    );
    assert!(value("jem_k.worst.0.1")? <= value("jem_k.clean")? && value("distal")? <= 1.0);
    let text = found.to_string();
    for part in [
        "square attack",
        "JEM-k",
        "distal adversarials:",
        "20 images of",
        "AUROC, refined",
        "precision",
        "under p(x|y)",
        "constants",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert_eq!(
        Report::from_json(&found.to_json()?)?.values(),
        found.values()
    );
    let named = CompareOptions {
        subject: Some("mine".into()),
        eps_linf: vec![],
        ..quick()
    };
    assert!(report(&model, &data, &named)?.value("mine", "accuracy")? > 0.8);
    Ok(())
}

#[test]
fn impossible_comparisons_are_errors() -> Result<()> {
    let error = |o: CompareOptions| small_comparison(0, o).unwrap_err().to_string();
    let misspelt = CompareOptions::from_map([("part", &Value::Str("train".to_owned()))])
        .unwrap_err()
        .to_string();
    assert!(
        misspelt.contains("`part` must be \"test\" or \"validation\""),
        "{misspelt}"
    );
    assert!(
        error(CompareOptions {
            subject: Some("GEM".into()),
            ..quick()
        })
        .contains("no model `GEM`")
    );
    let misspelt = Value::List(vec![Value::Str("noises".to_owned())]);
    let found = CompareOptions::from_map([("sets", &misspelt)]).err();
    assert_eq!(found.unwrap().hint(), Some("did you mean \"noise\"?"));
    assert!(
        error(CompareOptions {
            fresh: vec![10],
            ..quick()
        })
        .contains("need a `sampler`")
    );
    let idle = Value::Map(vec![("steps".into(), Value::Int(2))]);
    assert!(
        error(CompareOptions {
            jem_k: idle,
            ..quick()
        })
        .contains("`jem_k` needs a `sampler`")
    );
    let none = CompareOptions::from_map([("ood", &Value::Int(3))]).err();
    let wanted = "`ood` must be map of names to tensor or part";
    assert!(none.unwrap().message().contains(wanted));
    let text = CompareOptions::from_map([("chains", &Value::Str("x".into()))]).unwrap_err();
    assert!(text.message().contains("`chains` must be tensor"), "{text}");
    let unknown = CompareOptions::from_map([("epsilon", &Value::Int(1))]).unwrap_err();
    assert!(
        unknown
            .message()
            .contains("evaluate::compare has no option `epsilon`")
    );
    let data = digits(&DigitsOptions::default())?;
    assert!(compare(&[], &data, &quick()).is_err());
    let broken = Energy::from_fn(|x| x.flatten(1)?.sum_dims(&[1], false)?.div(0.0), &[]);
    let failed: Error = compare(&[("JEM".into(), broken)], &data, &quick()).unwrap_err();
    assert!(failed.message().contains("JEM"), "{failed}");
    Ok(())
}

#[test]
fn fresh_chains_pass_their_lengths_in_one_walk() -> Result<()> {
    let data = digits(&DigitsOptions::default())?;
    let model = means(&data, 0.2)?;
    let options = FreshOptions {
        range: data.range,
        seed: 4,
        ..Default::default()
    };
    let at = |lengths: &[i64]| {
        fresh_chains(
            &model,
            &Sampler::of(Descent),
            &[8, 1, 8, 8],
            lengths,
            &options,
        )
    };
    let both = at(&[6, 2])?;
    assert_eq!(both.iter().map(|c| c.0).collect::<Vec<_>>(), [2, 6]);
    assert_eq!(both[1].1.to_vec()?, at(&[6])?[0].1.to_vec()?);
    assert_ne!(both[0].1.to_vec()?, both[1].1.to_vec()?);
    assert!(at(&[0]).is_err());
    // A held-out class is compared too.
    let held = digits(&DigitsOptions {
        hold_out: Some(4),
        ..DigitsOptions::default()
    })?;
    let report = compare(
        &[("JEM".into(), means_without(&held, 4)?)],
        &held,
        &CompareOptions {
            sets: Some(vec![]),
            ..quick()
        },
    )?;
    let found = report.model("JEM")?.ood.sets[0]
        .detection(Score::LogPx)
        .map(|d| (d.n, d.auroc.value));
    assert!(
        found.is_some_and(|(n, auroc)| n == 120 && auroc > 0.5),
        "{found:?}"
    );
    Ok(())
}

fn means_without(data: &Dataset, class: i64) -> Result<Energy> {
    let rows: Vec<Tensor> = (0..10)
        .map(|k| {
            if k == class {
                Tensor::full(&[64], 5.0)
            } else {
                data.train.class(k)?.x()?.flatten(1)?.mean_dims(&[0], false)
            }
        })
        .collect::<Result<_>>()?;
    Ok(Energy::of(Means {
        means: Tensor::stack(&rows, 0)?,
        scale: 0.2,
    }))
}
