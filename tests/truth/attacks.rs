//! The square attack, attacks through a defence, distal adversarials, transfer and refinement,
//! against closed forms.

use jemscript::data::{Generator, Part};
use jemscript::energy::{Energy, EnergyFunction};
use jemscript::evaluate::{
    AccuracyOptions, AdversarialOptions, ApgdOptions, AscentOptions, AttackOptions, DistalOptions,
    JemKOptions, OodOptions, SquareOptions, accuracy, adversarial, apgd, auroc, distal, fgsm,
    jem_k, pgd, refinement, square, transfer,
};
use jemscript::evaluate::{ApgdObjective, Norm};
use jemscript::options::{Options, Value};
use jemscript::sampler::{Sampler, SgldOptions};
use jemscript::tensor::{Device, Kind, Stream};
use jemscript::{Result, Tensor};

const D: usize = 16;

/// Two classes with logits ±w·x on images `[N, 1, 4, 4]`; `steps` rounds the logits, so that no
/// gradient comes through.
struct Linear {
    w: Vec<f64>,
    steps: Option<f64>,
}

impl EnergyFunction for Linear {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.logits(x)?.logsumexp(1)?.neg()
    }
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let w = Tensor::from_f64(&self.w, &[self.w.len() as i64], x.kind(), Device::Cpu)?;
        let mut f = x.flatten(1)?.matmul(&w)?;
        if let Some(n) = self.steps {
            f = f.mul(n)?.round()?.div(n)?;
        }
        Tensor::stack(&[f.neg()?, f], 1)
    }
    fn has_classes(&self) -> bool {
        true
    }
    fn describe(&self) -> String {
        "linear".to_owned()
    }
}

fn weights(purpose: &str) -> Vec<f64> {
    let mut g = Generator::new(1, Stream::Evaluate, purpose, 0);
    (0..D).map(|_| g.normal()).collect()
}

fn linear(steps: Option<f64>) -> Energy {
    Energy::of(Linear {
        w: weights("w"),
        steps,
    })
}

/// Images well inside [−1, 1], all of them rightly labelled, and their margins |w·x|.
fn images(n: usize) -> (Part, Vec<f64>) {
    let w = weights("w");
    let mut g = Generator::new(2, Stream::Evaluate, "images", 0);
    let (mut values, mut labels, mut margins) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let x: Vec<f64> = (0..D).map(|_| 0.6 * (g.uniform() - 0.5)).collect();
        let f: f64 = x.iter().zip(&w).map(|(x, w)| x * w).sum();
        margins.push(f.abs());
        labels.push(i64::from(f > 0.0));
        values.extend(x);
    }
    let x = Tensor::from_f64(&values, &[n as i64, 1, 4, 4], Kind::Float, Device::Cpu).unwrap();
    (
        Part::new("images", &x, &Tensor::of_ints(&labels).unwrap()).unwrap(),
        margins,
    )
}

fn dual(norm: &str) -> f64 {
    let w = weights("w");
    if norm == "linf" {
        w.iter().map(|w| w.abs()).sum()
    } else {
        w.iter().map(|w| w * w).sum::<f64>().sqrt()
    }
}

#[test]
fn apgd_finds_the_worst_point_of_the_ball() -> Result<()> {
    let (part, margins) = images(150);
    for (norm, eps) in [
        ("linf", vec![0.01, 0.02, 0.05]),
        ("l2", vec![0.05, 0.1, 0.2]),
    ] {
        let o = ApgdOptions {
            norm: Norm::of(norm).unwrap(),
            eps,
            steps: 40,
            objectives: vec![ApgdObjective::CrossEntropy],
            ..ApgdOptions::default()
        };
        let found = apgd(&linear(None), &part, &o)?;
        for eps in &found.eps {
            let reach = 2.0 * eps * dual(norm);
            for (margin, robust) in margins.iter().zip(found.robust(*eps)) {
                // But for what rounding decides.
                if (margin / reach - 1.0).abs() > 1e-3 {
                    assert_eq!(robust, *margin > reach, "{norm} {eps}: {margin} of {reach}");
                }
            }
        }
        let again = ApgdOptions {
            batch_size: Some(17),
            ..o.clone()
        };
        let again = apgd(&linear(None), &part, &again)?;
        assert_eq!(found.broken_at, again.broken_at);
        // The worst of two attacks breaks what either breaks.
        let weak = SquareOptions {
            norm: o.norm,
            eps: o.eps,
            queries: 2,
            ..SquareOptions::default()
        };
        let weak = square(&linear(None), &part, &weak)?;
        let worst = weak.worst_of(&found)?;
        assert_eq!(worst.accuracy, found.accuracy);
        assert!(worst.accuracy[0] < weak.accuracy[0]);
    }
    // Ratios of logits need three and four classes.
    let o = ApgdOptions {
        objectives: vec![ApgdObjective::Dlr],
        ..ApgdOptions::default()
    };
    let error = apgd(&linear(None), &part, &o).err().unwrap();
    assert!(
        error.message().contains("needs 3 classes, there are 2"),
        "{error}"
    );
    Ok(())
}

#[test]
fn the_square_attack_stays_in_the_ball_and_finds_most_of_what_there_is() -> Result<()> {
    let (part, margins) = images(150);
    for (norm, eps, within, least) in [
        ("linf", vec![0.01, 0.02, 0.05], 0.98, 1.0),
        ("l2", vec![0.05, 0.1, 0.2], 0.75, 0.85),
    ] {
        let o = SquareOptions {
            norm: Norm::of(norm).unwrap(),
            eps,
            queries: 600,
            ..SquareOptions::default()
        };
        let found = square(&linear(None), &part, &o)?;
        assert_eq!(found.clean, 1.0);
        for eps in &found.eps {
            let reach = 2.0 * eps * dual(norm);
            let robust = found.robust(*eps);
            let broken = |within: f64| {
                margins
                    .iter()
                    .zip(&robust)
                    .filter(|(m, r)| **m < within && !**r)
                    .count()
            };
            let all = |within: f64| margins.iter().filter(|m| **m < within).count();
            // Nothing beyond the ball's reach breaks.
            assert_eq!(
                broken(f64::INFINITY),
                broken(reach * 1.0001),
                "{norm} {eps}"
            );
            // Random search comes near the worst point of the ball: in L∞ it finds it, in L2 its
            // patterns do not fit these weights, which have no two neighbours alike.
            let (broken, all) = (broken(reach * within), all(reach * within));
            assert!(
                broken as f64 >= least * all as f64,
                "{norm} {eps}: {broken} of {all}"
            );
        }
        assert!(
            found.accuracy.windows(2).all(|w| w[0] >= w[1]) && found.accuracy[2] < 0.7,
            "{:?}",
            found.accuracy
        );
        assert!(found.protocol.contains("600 queries"));
        // Neither the batch size nor the other rows matter to a row.
        let again = square(
            &linear(None),
            &part,
            &SquareOptions {
                batch_size: Some(17),
                ..o.clone()
            },
        )?;
        assert_eq!(found.broken_at, again.broken_at);
    }
    let few = SquareOptions {
        queries: 3,
        eps: vec![0.02],
        ..SquareOptions::default()
    };
    let many = SquareOptions {
        queries: 300,
        ..few.clone()
    };
    assert!(
        square(&linear(None), &part, &few)?.accuracy[0]
            > square(&linear(None), &part, &many)?.accuracy[0]
    );
    let flat = Part::new("flat", &part.x()?.flatten(1)?, &part.y)?;
    assert!(
        square(&linear(None), &flat, &few)
            .unwrap_err()
            .message()
            .contains("[N, C, H, W]")
    );
    Ok(())
}

#[test]
fn the_square_attack_sees_through_masked_gradients() -> Result<()> {
    let (part, _) = images(100);
    let masked = linear(Some(20.0));
    let o = AttackOptions {
        eps: vec![0.05],
        ..AttackOptions::default()
    };
    let by_gradient = pgd(&masked, &part, &o)?.accuracy[0];
    let by_search = square(
        &masked,
        &part,
        &SquareOptions {
            eps: vec![0.05],
            ..SquareOptions::default()
        },
    )?
    .accuracy[0];
    assert!(
        by_gradient > 0.6 && by_search < 0.2,
        "PGD {by_gradient}, square attack {by_search}"
    );
    Ok(())
}

#[test]
fn images_of_several_channels_can_be_attacked() -> Result<()> {
    let mut g = Generator::new(8, Stream::Evaluate, "colour", 0);
    let w: Vec<f64> = (0..3 * 8 * 8).map(|_| g.normal()).collect();
    let x = Tensor::from_f64(
        &w.iter().map(|v| 0.01 * v).collect::<Vec<_>>(),
        &[1, 3, 8, 8],
        Kind::Float,
        Device::Cpu,
    )?;
    let part = Part::new(
        "colour",
        &x.repeat(&[6, 1, 1, 1])?,
        &Tensor::of_ints(&[1; 6])?,
    )?;
    let model = Energy::of(Linear { w, steps: None });
    for norm in ["linf", "l2"] {
        let eps = vec![if norm == "linf" { 0.02 } else { 0.3 }];
        let o = SquareOptions {
            norm: Norm::of(norm).unwrap(),
            eps,
            queries: 400,
            ..SquareOptions::default()
        };
        assert_eq!(square(&model, &part, &o)?.accuracy, [0.0], "{norm}");
    }
    Ok(())
}

#[test]
fn without_noise_and_steps_the_defence_is_the_model() -> Result<()> {
    let (part, margins) = images(60);
    let idle = Sampler::sgld(&SgldOptions {
        steps: 0,
        differentiable: true,
        ..SgldOptions::default()
    })?;
    let o = JemKOptions {
        eps: vec![0.02, 0.01],
        noise: 0.0,
        chains: 2,
        draws: 1,
        verify: 2,
        steps: 10,
        ..JemKOptions::default()
    };
    let found = jem_k(&linear(None), &part, &idle, &o)?;
    assert_eq!((found.clean, found.undefended), (1.0, 1.0));
    for (i, eps) in found.eps.iter().enumerate() {
        let expected = margins
            .iter()
            .filter(|m| **m > 2.0 * eps * dual("linf"))
            .count() as f64
            / 60.0;
        for way in ["identity", "unrolled"] {
            assert!(
                (found.way(way)?[i] - expected).abs() < 1e-9,
                "{way} {eps}: {} {expected}",
                found.way(way)?[i]
            );
        }
        assert!((found.at(*eps)? - expected).abs() < 1e-9);
    }
    assert!(found.way("both").is_err() && found.at(0.3).is_err());
    assert!(found.to_string().contains("BPDA") && found.to_string().contains("fresh draws"));
    Ok(())
}

#[test]
fn a_defence_of_noise_alone_is_as_good_as_its_closed_form() -> Result<()> {
    // Noise σ on x moves w·x by N(0, σ²‖w‖² / chains): right with probability Φ((|w·x| − reach) ·
    // √chains / (σ ‖w‖)).
    let (part, margins) = images(60);
    let idle = Sampler::sgld(&SgldOptions {
        steps: 0,
        differentiable: true,
        ..SgldOptions::default()
    })?;
    let o = JemKOptions {
        eps: vec![0.01],
        noise: 0.2,
        chains: 4,
        draws: 4,
        verify: 200,
        steps: 12,
        batch_size: Some(25),
        ..JemKOptions::default()
    };
    let found = jem_k(&linear(None), &part, &idle, &o)?;
    let phi = |z: f64| {
        // Φ by the trapezoid rule: the standard library has no error function.
        let n = 4000;
        let f = |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
        let h = z / f64::from(n);
        0.5 + h * ((1..n).map(|i| f(f64::from(i) * h)).sum::<f64>() + 0.5 * (f(0.0) + f(z)))
    };
    let spread = 0.2 * dual("l2") / 2.0;
    let expected = |reach: f64| {
        margins
            .iter()
            .map(|m| phi((m - reach) / spread))
            .sum::<f64>()
            / 60.0
    };
    assert!(
        (found.clean - expected(0.0)).abs() < 0.015,
        "{} {}",
        found.clean,
        expected(0.0)
    );
    let attacked = expected(2.0 * 0.01 * dual("linf"));
    assert!(
        (found.at(0.01)? - attacked).abs() < 0.02,
        "{} {attacked}",
        found.at(0.01)?
    );
    assert!(attacked < expected(0.0) - 0.05);
    Ok(())
}

#[test]
fn the_unrolled_way_needs_a_sampler_that_keeps_its_history() -> Result<()> {
    let (part, _) = images(4);
    let plain = Sampler::sgld(&SgldOptions {
        steps: 2,
        ..SgldOptions::default()
    })?;
    let error = jem_k(&linear(None), &part, &plain, &JemKOptions::default()).unwrap_err();
    assert!(
        error.hint().unwrap().contains("differentiable: true"),
        "{error}"
    );
    let ways = Value::List(vec![
        Value::Str("identity".into()),
        Value::Str("unroled".into()),
    ]);
    let error = JemKOptions::from_map([("backward", &ways)]).err().unwrap();
    assert!(
        error.message().contains("got string \"unroled\""),
        "{error}"
    );
    assert_eq!(error.hint(), Some("did you mean \"unrolled\"?"));
    Ok(())
}

#[test]
fn attacked_images_are_the_worst_of_the_ball_and_transfer() -> Result<()> {
    let (part, margins) = images(80);
    let eps = 0.02;
    for norm in ["linf", "l2"] {
        let ascent = AscentOptions {
            norm: Norm::of(norm).unwrap(),
            steps: 30,
            starts: 1,
            ..AscentOptions::default()
        };
        let o = AdversarialOptions { ascent };
        let bad = adversarial(&linear(None), &part, eps, &o)?;
        let moved = bad.x()?.sub(&part.x()?)?.flatten(1)?;
        let size = if norm == "linf" {
            moved.abs()?.max()?.item()?
        } else {
            moved.norm_dims(&[1], false)?.max()?.item()?
        };
        assert!(
            size <= 2.0 * eps * 1.0001 && size > 2.0 * eps * 0.99,
            "{norm} {size}"
        );
        let found = accuracy(&linear(None), &bad, &AccuracyOptions::default())?.accuracy;
        let expected = margins
            .iter()
            .filter(|m| **m > 2.0 * eps * dual(norm))
            .count() as f64
            / 80.0;
        assert!(
            (found - expected).abs() < 0.02,
            "{norm}: {found} {expected}"
        );
        assert!(bad.name.contains("attacked") && bad.y.to_ints()? == part.y.to_ints()?);
    }
    // The same model behind a mask: safe from its own attacks, not from those made for the open
    // one.
    let models = [
        ("open".to_owned(), linear(None)),
        ("masked".to_owned(), linear(Some(20.0))),
    ];
    let found = transfer(&models, &part, 0.05, &AdversarialOptions::default())?;
    assert!(
        found.at("masked", "masked")? > 0.7 && found.at("open", "masked")? < 0.2,
        "{found}"
    );
    assert_eq!(found.clean[0], 1.0);
    assert!(found.at("open", "shut").is_err() && found.to_string().contains("no one (clean)"));
    Ok(())
}

#[test]
fn distal_adversarials_climb_their_class() -> Result<()> {
    let model = linear(None);
    let o = DistalOptions {
        shape: vec![1, 4, 4],
        each: 3,
        confidence: 0.95,
        ..DistalOptions::default()
    };
    let found = distal(&model, &o)?;
    assert_eq!(found.y.to_ints()?, [0, 0, 0, 1, 1, 1]);
    assert!(
        found.confidence.iter().all(|c| *c >= 0.95)
            && found.taken.iter().all(|t| t.is_some_and(|t| t <= 200))
    );
    assert!(found.x.abs()?.max()?.item()? <= 1.0);
    // The confidence is the model's at x, and where each stopped it was first reached.
    let p = model.logits(&found.x)?.softmax(1)?;
    for (i, c) in found.confidence.iter().enumerate() {
        let class = i / 3;
        assert!((p.get(i as i64)?.get(class as i64)?.item()? - c).abs() < 1e-6);
        assert!(*c < 0.999, "{c}: it went on");
    }
    // Along a linear logit each step of length s·√d adds s·√d·‖w‖ to it: half the log odds.
    let one = distal(
        &model,
        &DistalOptions {
            classes: Some(vec![1]),
            steps: 1,
            step: 0.01,
            confidence: 1.0,
            ..o.clone()
        },
    )?;
    let zero = distal(
        &model,
        &DistalOptions {
            classes: Some(vec![1]),
            steps: 1,
            step: 1e-9,
            confidence: 1.0,
            ..o.clone()
        },
    )?;
    let odds = |p: f64| (p / (1.0 - p)).ln();
    for (a, b) in one.confidence.iter().zip(&zero.confidence) {
        let gained = odds(*a) - odds(*b);
        let most = 2.0 * 0.01 * 4.0 * dual("l2");
        assert!(
            gained > 0.8 * most && gained < 1.01 * most,
            "{gained} {most}"
        );
    }
    assert!(
        distal(
            &model,
            &DistalOptions {
                classes: Some(vec![2]),
                ..o
            }
        )
        .unwrap_err()
        .message()
        .contains("2 classes")
    );
    assert!(
        distal(&model, &DistalOptions::default())
            .unwrap_err()
            .message()
            .contains("`shape`")
    );
    Ok(())
}

#[test]
fn refinement_measures_what_a_chain_does() -> Result<()> {
    // On E = ½‖x‖² a step of .1 gives .9 x: it moves .1 ‖x‖ and gains ½ (1 − .81) ‖x‖².
    let bowl = Energy::from_fn(|x| x.square()?.sum_dims(&[1], false)?.mul(0.5), &[]);
    let step = Sampler::sgld(&SgldOptions {
        steps: 1,
        step_size: Some(0.1),
        noise: Some(0.0),
        ..SgldOptions::default()
    })?;
    let mut g = Generator::new(4, Stream::Evaluate, "refinement", 0);
    let mut draw = |n: usize, scale: f64| {
        let values: Vec<f64> = (0..2 * n).map(|_| scale * g.normal()).collect();
        Tensor::from_f64(&values, &[n as i64, 2], Kind::Double, Device::Cpu).unwrap()
    };
    let (inside, outside) = (draw(200, 1.0), draw(200, 1.5));
    let sets = [Part::unlabelled("wide", &outside)?];
    let part = Part::unlabelled("narrow", &inside)?;
    let found = refinement(
        &bowl,
        &step,
        &part,
        &sets,
        &OodOptions {
            resamples: 100,
            ..OodOptions::default()
        },
    )?;
    let lengths = |x: &Tensor| x.norm_dims(&[1], false)?.to_vec();
    for (i, length) in lengths(&inside)?.iter().enumerate() {
        assert!((found.inside.moved[i] - 0.1 * length).abs() < 1e-9);
        assert!((found.inside.gain[i] - 0.5 * 0.19 * length * length).abs() < 1e-9);
        assert!((found.inside.log_p_x[i] + 0.5 * 0.81 * length * length).abs() < 1e-9);
    }
    let negated =
        |x: &Tensor| -> Result<Vec<f64>> { Ok(lengths(x)?.into_iter().map(|v| -v).collect()) };
    let expected = auroc(&negated(&inside)?, &negated(&outside)?)?;
    for score in ["log_p_x", "gain", "moved"] {
        assert!(
            (found.value(&format!("wide.{score}"))? - expected).abs() < 1e-9,
            "{score}"
        );
    }
    assert!(found.value("wide.gain.fpr95.low")? <= found.value("wide.gain.fpr95")?);
    assert!(
        found
            .value("wide.gian")
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("wide.gain")
    );
    assert!(found.to_string().contains("scores: log p(x)"));
    Ok(())
}

/// The same decisions, with all logits multiplied by a number.
struct Louder {
    inner: Energy,
    factor: f64,
}

impl EnergyFunction for Louder {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.logits(x)?.logsumexp(1)?.neg()
    }
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.logits(x)?.mul(self.factor)
    }
    fn has_classes(&self) -> bool {
        true
    }
    fn describe(&self) -> String {
        "louder".to_owned()
    }
}

/// Four classes that bend: the nearest of four points, by a soft distance.
struct Points(Tensor);

impl EnergyFunction for Points {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.logits(x)?.logsumexp(1)?.neg()
    }
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let away = x.flatten(1)?.unsqueeze(1)?.sub(self.0.unsqueeze(0)?)?;
        away.square()?.sum_dims(&[2], false)?.neg()
    }
    fn has_classes(&self) -> bool {
        true
    }
    fn describe(&self) -> String {
        "points".to_owned()
    }
}

#[test]
fn louder_logits_do_not_withstand_more() -> Result<()> {
    let mut g = Generator::new(5, Stream::Evaluate, "points", 0);
    let of = |g: &mut Generator, n: usize| -> Result<Tensor> {
        let values: Vec<f64> = (0..n * D).map(|_| 0.5 * g.normal()).collect();
        Tensor::from_f64(&values, &[n as i64, D as i64], Kind::Float, Device::Cpu)
    };
    let points = Energy::of(Points(of(&mut g, 4)?));
    let x = of(&mut g, 120)?.clamp(Some(-1.0), Some(1.0))?;
    let y = points.logits(&x)?.argmax(1)?;
    let part = Part::new("images", &x.reshape(&[-1, 1, 4, 4])?, &y)?;
    let still = Sampler::sgld(&SgldOptions {
        steps: 0,
        differentiable: true,
        ..Default::default()
    })?;
    let louder = |factor: f64| {
        Energy::of(Louder {
            inner: points.clone(),
            factor,
        })
    };
    let (eps, ascent) = (
        vec![0.03, 0.08],
        AscentOptions {
            starts: 2,
            steps: 10,
            ..Default::default()
        },
    );
    type Attack<'a> = Box<dyn Fn(&Energy) -> Result<Vec<f64>> + 'a>;
    let attack = |norm: &str| AttackOptions {
        eps: eps.clone(),
        ascent: AscentOptions {
            norm: Norm::of(norm).unwrap(),
            ..ascent.clone()
        },
    };
    let (linf, l2) = (attack("linf"), attack("l2"));
    let refine = JemKOptions {
        eps: eps.clone(),
        noise: 0.0,
        chains: 1,
        draws: 1,
        verify: 1,
        steps: 10,
        ..Default::default()
    };
    let windows = SquareOptions {
        eps: eps.clone(),
        queries: 60,
        ..Default::default()
    };
    let moved = AdversarialOptions {
        ascent: AscentOptions {
            starts: 1,
            ..ascent.clone()
        },
    };
    let attacks: Vec<(&str, Attack)> = vec![
        ("pgd linf", Box::new(|e| Ok(pgd(e, &part, &linf)?.accuracy))),
        ("pgd l2", Box::new(|e| Ok(pgd(e, &part, &l2)?.accuracy))),
        ("fgsm", Box::new(|e| Ok(vec![fgsm(e, &part, 0.08, None)?]))),
        (
            "square",
            Box::new(|e| Ok(square(e, &part, &windows)?.accuracy)),
        ),
        (
            "jem_k",
            Box::new(|e| Ok(jem_k(e, &part, &still, &refine)?.worst)),
        ),
        (
            "adversarial",
            Box::new(|e| {
                Ok(vec![
                    accuracy(
                        e,
                        &adversarial(e, &part, 0.08, &moved)?,
                        &AccuracyOptions::default(),
                    )?
                    .accuracy,
                ])
            }),
        ),
    ];
    for (name, run) in attacks {
        let plain = run(&points)?;
        assert!(
            plain.last().unwrap() < &0.7,
            "{name}: this attack finds too little to compare, {plain:?}"
        );
        for factor in [100.0, 1e12] {
            let found = run(&louder(factor))?;
            // The best other class leads alone where the logits are loud: a row or two may break
            // along another path.
            let apart = plain
                .iter()
                .zip(&found)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            assert!(
                apart <= 0.026,
                "{name} × {factor}: {found:?}, not {plain:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn no_row_moves_further_than_the_ball_wherever_it_lies() -> Result<()> {
    let (part, _) = images(40);
    // Rows far outside of [−1, 1], with the same decisions: a constant direction that the classes
    // do not see is not needed, labels are taken from the model.
    for offset in [5.0, -3.0, 0.95] {
        let energy = linear(None);
        let x = part.x()?.add(offset)?;
        let y = energy.logits(&x)?.argmax(1)?;
        let far = Part::new("far", &x, &y)?;
        for norm in ["linf", "l2"] {
            let options = AdversarialOptions {
                ascent: AscentOptions {
                    norm: Norm::of(norm).unwrap(),
                    steps: 5,
                    starts: 1,
                    ..Default::default()
                },
            };
            let moved = adversarial(&energy, &far, 0.01, &options)?
                .x()?
                .sub(&x)?
                .flatten(1)?;
            let most = match norm {
                "linf" => moved.abs()?.max()?.item()?,
                _ => moved.norm_dims(&[1], false)?.max()?.item()?,
            };
            assert!(most <= 0.02 * 1.0001, "{norm} at {offset}: moved by {most}");
            assert!(most > 0.0, "{norm} at {offset}: nothing moved");
        }
        // Margins are far larger than this ball: nothing can break.
        let wide = energy.logits(&x)?;
        let least = wide
            .select(1, 0)?
            .sub(wide.select(1, 1)?)?
            .abs()?
            .min()?
            .item()?;
        if least > 2.0 * 1e-4 * dual("linf") {
            let options = AttackOptions {
                eps: vec![1e-4 / 2.0],
                ..Default::default()
            };
            assert_eq!(pgd(&energy, &far, &options)?.accuracy, [1.0], "{offset}");
            assert_eq!(fgsm(&energy, &far, 1e-4 / 2.0, None)?, 1.0, "{offset}");
            let options = SquareOptions {
                eps: vec![1e-4 / 2.0],
                queries: 20,
                ..Default::default()
            };
            assert_eq!(square(&energy, &far, &options)?.accuracy, [1.0], "{offset}");
        }
    }
    Ok(())
}

#[test]
fn the_range_is_that_of_the_part_s_data_set() -> Result<()> {
    use jemscript::data::{Toy, ToyOptions, toy};
    // The points lie in [−4, 4]²: a ball of .01 is .08 wide there.
    let data = toy(Toy::by_name("moons")?, &ToyOptions::default())?;
    assert_eq!(data.test.range(), Some(data.range));
    assert_eq!(data.test.head(3)?.shuffle(1)?.range(), Some(data.range));
    let energy = Energy::of(Points(Tensor::of_slice(&[-1.0, 0.0, 1.0, 0.3], &[2, 2])?));
    let options = AdversarialOptions {
        ascent: AscentOptions {
            steps: 5,
            starts: 1,
            ..Default::default()
        },
    };
    let moved = adversarial(&energy, &data.test, 0.01, &options)?
        .x()?
        .sub(data.test.x()?)?
        .abs()?
        .max()?
        .item()?;
    assert!((moved - 0.08).abs() < 1e-5, "{moved}");
    let same =
        |range: Option<(f64, f64)>| -> Result<f64> { fgsm(&energy, &data.test, 0.05, range) };
    assert_eq!(same(None)?, same(Some(data.range))?);
    Ok(())
}

#[test]
fn what_has_no_gradient_is_an_error_and_not_the_end_of_the_process() -> Result<()> {
    use jemscript::nn::{Lambda, Network};
    let constant = |x: &Tensor| Tensor::zeros(&[x.len(), 2]);
    let detached = |x: &Tensor| {
        let f = x.detach().flatten(1)?.sum_dims(&[1], false)?;
        Tensor::stack(&[f.neg()?, f], 1)
    };
    let (part, _) = images(6);
    let keeps = Sampler::sgld(&SgldOptions {
        steps: 1,
        differentiable: true,
        ..Default::default()
    })?;
    for (name, network) in [
        ("constant", Network::of(Lambda::from_fn(constant))),
        ("detached", Network::of(Lambda::from_fn(detached))),
    ] {
        let energy = Energy::joint(&network);
        // Half of the rows at least are right, so that there is something to attack.
        let y = energy.logits(&part.x()?)?.argmax(1)?;
        let part = Part::new("rows", &part.x()?, &y)?;
        let errors = [
            ("fgsm", fgsm(&energy, &part, 0.1, None).err()),
            ("pgd", pgd(&energy, &part, &AttackOptions::default()).err()),
            (
                "adversarial",
                adversarial(&energy, &part, 0.1, &AdversarialOptions::default()).err(),
            ),
            (
                "jem_k",
                jem_k(
                    &energy,
                    &part,
                    &keeps,
                    &JemKOptions {
                        draws: 1,
                        ..Default::default()
                    },
                )
                .err(),
            ),
            (
                "distal",
                distal(
                    &energy,
                    &DistalOptions {
                        shape: vec![1, 4, 4],
                        each: 1,
                        ..Default::default()
                    },
                )
                .err(),
            ),
            ("score", energy.score(&part.x()?).err()),
            ("sample", keeps.sample(&energy, &part.x()?).err()),
        ];
        for (what, error) in errors {
            let error = error
                .unwrap_or_else(|| panic!("{name}, {what}: no error"))
                .to_string();
            assert!(error.contains("depend on x"), "{name}, {what}: {error}");
        }
    }
    Ok(())
}
