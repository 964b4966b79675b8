//! Energies against what is known of them: scores against finite differences, closed forms against
//! their integrals, and one contract that all of them keep.

use std::rc::Rc;

use jemscript::energy::*;
use jemscript::nn::{Linear, LinearOptions, Mlp, MlpOptions, Network};
use jemscript::options::{Function, Value};
use jemscript::tensor::{Device, Kind, Stream, no_grad, seed};
use jemscript::{Result, Tensor};

fn double(values: &[f64], shape: &[i64]) -> Tensor {
    Tensor::from_f64(values, shape, Kind::Double, Device::Cpu).unwrap()
}

fn points(rows: i64, d: i64) -> Tensor {
    Tensor::randn(&[rows, d])
        .unwrap()
        .to_kind(Kind::Double)
        .unwrap()
}

fn mlp(sizes: &[i64]) -> Network {
    let network = Network::of(Mlp::new(sizes, &MlpOptions::default()).unwrap());
    network.convert(Device::Cpu, Kind::Double).unwrap();
    network
}

/// Every energy on points of three coordinates, with the number of its trained tensors.
fn all() -> Vec<(&'static str, Energy, usize)> {
    seed(1, Stream::Init, 0);
    let network = mlp(&[3, 8, 4]);
    let joint = Energy::joint(&network);
    let scalar = Energy::scalar(&mlp(&[3, 6, 1]));
    let covariance = double(&[2.0, 0.6, 0.1, 0.6, 1.0, -0.3, 0.1, -0.3, 0.5], &[3, 3]);
    let gaussian = Energy::gaussian(&double(&[0.5, -1.0, 0.2], &[3]), &covariance).unwrap();
    let means = double(&[-1.0, 0.0, 1.0, 1.0, 0.5, 0.0], &[2, 3]);
    let plain = MixtureOptions {
        weights: Some(vec![1.0, 3.0]),
        std: 0.7,
        covs: None,
    };
    let full = MixtureOptions {
        covs: Some(Tensor::stack(&[covariance.clone(), covariance], 0).unwrap()),
        ..plain.clone()
    };
    let used = mlp(&[3, 4]);
    let (inside, given) = (
        used.clone(),
        ClosureOptions {
            params: vec![Value::object("network", used.clone())],
            ..Default::default()
        },
    );
    let call = move |a: &[Value]| {
        let x = a[0].downcast::<Tensor>().unwrap();
        Ok(Value::object(
            "tensor",
            inside.forward(&x)?.square()?.sum_dims(&[1], false)?,
        ))
    };
    let closure = Energy::closure(&Function(Rc::new(call)), &given).unwrap();
    vec![
        ("joint", joint.clone(), 4),
        ("scalar", scalar.clone(), 4),
        ("closure", closure.clone(), 2),
        ("gaussian", gaussian.clone(), 0),
        ("mixture", Energy::mixture(&means, &plain).unwrap(), 0),
        (
            "mixture with covariances",
            Energy::mixture(&means, &full).unwrap(),
            0,
        ),
        (
            "double_well",
            Energy::double_well(&DoubleWellOptions {
                barrier: 1.5,
                width: 0.8,
            })
            .unwrap(),
            0,
        ),
        (
            "rosenbrock",
            Energy::rosenbrock(&RosenbrockOptions { a: 1.2, b: 5.0 }).unwrap(),
            0,
        ),
        (
            "funnel",
            Energy::funnel(&FunnelOptions { std: 2.0 }).unwrap(),
            0,
        ),
        (
            "sum",
            scalar.plus(&gaussian).unwrap().plus(&closure).unwrap(),
            6,
        ),
        ("sum with classes", joint.plus(&gaussian).unwrap(), 4),
        ("sum of one network twice", joint.plus(&joint).unwrap(), 4),
        (
            "scaled",
            gaussian.plus(&scalar).unwrap().scaled(-0.5).unwrap(),
            4,
        ),
        ("tempered", scalar.tempered(3.0).unwrap(), 4),
        ("given", joint.given(2).unwrap(), 4),
        (
            "given labels",
            joint
                .given_labels(&Tensor::of_ints(&[0, 3, 1, 1, 2]).unwrap())
                .unwrap(),
            4,
        ),
        (
            "given of a sum",
            joint
                .plus(&gaussian)
                .unwrap()
                .scaled(0.5)
                .unwrap()
                .given(1)
                .unwrap(),
            4,
        ),
    ]
}

#[test]
fn the_contract_of_all_energies() {
    for (name, energy, parameters) in all() {
        seed(2, Stream::Init, 0);
        let x = points(5, 3);
        let e = energy.energy(&x).unwrap();
        assert_eq!(e.shape(), [5], "{name}");
        assert_eq!(e.kind(), Kind::Double, "{name}");

        // The score is −∇E by automatic differentiation, whichever way it is computed; both come
        // detached.
        let leaf = x.leaf().unwrap();
        let sum = energy.energy(&leaf).unwrap().sum().unwrap();
        let gradient = Tensor::gradients(&sum, &[&leaf], false).unwrap().remove(0);
        let (again, score) = energy.energy_and_score(&x).unwrap();
        let apart = |a: &Tensor, b: &Tensor| {
            a.sub(b)
                .unwrap()
                .abs()
                .unwrap()
                .max()
                .unwrap()
                .item()
                .unwrap()
        };
        assert!(apart(&score, &gradient.neg().unwrap()) < 1e-12, "{name}");
        assert!(apart(&again, &e.detach()) < 1e-12, "{name}");
        assert!(!again.requires_grad() && !score.requires_grad(), "{name}");

        // A caller that records no gradients may ask for a score.
        let quiet = {
            let _guard = no_grad();
            energy.score(&x).unwrap()
        };
        assert!(apart(&quiet, &score) == 0.0, "{name}");
        // A differentiable score has the same values.
        let (_, live) = energy.differentiable_score(&x).unwrap();
        assert!(apart(&live.detach(), &score) < 1e-12, "{name}");

        assert_eq!(energy.parameters().len(), parameters, "{name}");
        let mut names: Vec<String> = energy.parameters().into_iter().map(|(n, _)| n).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), parameters, "{name}: names are unique");
        assert!(!energy.describe().is_empty());

        // Wrong shapes and types are errors in the user's words.
        for wrong in [
            points(5, 7),
            double(&[1.0], &[]),
            Tensor::of_ints(&[1, 2, 3]).unwrap(),
        ] {
            let single = wrong.shape().last() == Some(&7) && name == "double_well";
            let outcome = energy.energy(&wrong);
            assert!(
                outcome.is_err() || single || name == "funnel" || name == "rosenbrock",
                "{name}: {:?}",
                wrong.shape()
            );
            if let Err(error) = outcome {
                assert!(!error.to_string().contains("frame #"), "{name}: {error}");
            }
            let _ = energy.energy_and_score(&wrong);
        }
    }
}

#[test]
fn scores_match_finite_differences() {
    for (name, energy, _) in all() {
        seed(3, Stream::Init, 0);
        let x = points(5, 3);
        let score = energy.score(&x).unwrap();
        let h = 1e-5;
        for i in 0..3 {
            let mut step = [0.0; 3];
            step[i as usize] = h;
            let step = double(&step, &[3]);
            let up = energy.energy(&x.add(&step).unwrap()).unwrap().detach();
            let down = energy.energy(&x.sub(&step).unwrap()).unwrap().detach();
            let slope = up
                .sub(&down)
                .unwrap()
                .div(-2.0 * h)
                .unwrap()
                .to_vec()
                .unwrap();
            let ours = score.select(1, i).unwrap().to_vec().unwrap();
            for (a, b) in ours.iter().zip(&slope) {
                assert!(
                    (a - b).abs() <= 1e-7 * (1.0 + b.abs()),
                    "{name}, coordinate {i}: {a} and {b}"
                );
            }
        }
    }
}

/// Sum of exp(−E) over a fine grid on [−a, a]², times the cell.
fn integral(energy: &Energy, a: f64, n: i64) -> f64 {
    let line = Tensor::linspace(-a, a, n)
        .unwrap()
        .to_kind(Kind::Double)
        .unwrap();
    let first = line.repeat_interleave(n, 0).unwrap();
    let grid = Tensor::stack(&[first, line.repeat(&[n]).unwrap()], 1).unwrap();
    let cell = (2.0 * a / (n - 1) as f64).powi(2);
    energy
        .energy(&grid)
        .unwrap()
        .neg()
        .unwrap()
        .exp()
        .unwrap()
        .sum()
        .unwrap()
        .item()
        .unwrap()
        * cell
}

#[test]
fn closed_forms_leave_out_exactly_what_they_say() {
    let two_pi = std::f64::consts::TAU;
    let covariance = double(&[1.0, 0.8, 0.8, 1.0], &[2, 2]);
    let gaussian = Energy::gaussian(&double(&[0.3, -0.2], &[2]), &covariance).unwrap();
    let z = integral(&gaussian, 8.0, 801);
    assert!((z / (two_pi * 0.36f64.sqrt()) - 1.0).abs() < 1e-4, "{z}");

    let covs = Tensor::stack(&[covariance, double(&[0.5, 0.0, 0.0, 2.0], &[2, 2])], 0).unwrap();
    let options = MixtureOptions {
        weights: Some(vec![3.0, 1.0]),
        covs: Some(covs),
        ..Default::default()
    };
    let mixture = Energy::mixture(&double(&[-1.0, 0.0, 2.0, 0.5], &[2, 2]), &options).unwrap();
    let z = integral(&mixture, 10.0, 1001);
    assert!((z / two_pi - 1.0).abs() < 1e-4, "{z}");

    // The funnel's constant: √(2π) s √(2π).
    let funnel = Energy::funnel(&FunnelOptions { std: 0.5 }).unwrap();
    let z = integral(&funnel, 12.0, 2401);
    assert!((z / (two_pi * 0.5) - 1.0).abs() < 1e-3, "{z}");

    // Wells at ±a with energy 0, the barrier between them; the valley's minimum.
    let well = Energy::double_well(&DoubleWellOptions {
        barrier: 2.0,
        width: 1.5,
    })
    .unwrap();
    let at = well
        .energy(&double(&[1.5, -1.5, 0.0, 1.5], &[2, 2]))
        .unwrap()
        .to_vec()
        .unwrap();
    assert!(at[0].abs() < 1e-12 && (at[1] - 2.0).abs() < 1e-12, "{at:?}");
    let valley = Energy::rosenbrock(&RosenbrockOptions { a: 1.0, b: 100.0 }).unwrap();
    let at = valley
        .energy(&double(&[1.0, 1.0, 0.0, 0.0, -1.0, 1.0], &[3, 2]))
        .unwrap()
        .to_vec()
        .unwrap();
    assert_eq!(at, [0.0, 1.0, 4.0]);
}

#[test]
fn energies_with_classes_marginalise() {
    for (name, energy, _) in all()
        .into_iter()
        .filter(|(n, ..)| *n == "joint" || *n == "sum with classes")
    {
        seed(4, Stream::Init, 0);
        let x = points(6, 3);
        let each: Vec<Tensor> = (0..4)
            .map(|c| energy.class_energy(&x, c).unwrap().neg().unwrap())
            .collect();
        let logits = Tensor::stack(&each, 1).unwrap();
        // E(x) = −log Σ_y exp(−E(x, y)), the logits are −E(x, y), and labels choose among them.
        let marginal = logits
            .logsumexp(1)
            .unwrap()
            .neg()
            .unwrap()
            .sub(energy.energy(&x).unwrap())
            .unwrap();
        assert!(
            marginal.abs().unwrap().max().unwrap().item().unwrap() < 1e-12,
            "{name}"
        );
        let apart = logits.sub(energy.logits(&x).unwrap()).unwrap();
        assert!(
            apart.abs().unwrap().max().unwrap().item().unwrap() < 1e-12,
            "{name}"
        );
        let y = Tensor::of_ints(&[3, 0, 0, 2, 1, 1]).unwrap();
        let ours = energy.joint_energy(&x, &y).unwrap().to_vec().unwrap();
        let given = energy
            .given_labels(&y)
            .unwrap()
            .energy(&x)
            .unwrap()
            .to_vec()
            .unwrap();
        for (i, c) in [3, 0, 0, 2, 1, 1].into_iter().enumerate() {
            let wanted = -logits
                .get(i as i64)
                .unwrap()
                .get(c)
                .unwrap()
                .item()
                .unwrap();
            assert!(
                (ours[i] - wanted).abs() < 1e-12 && ours[i] == given[i],
                "{name}"
            );
        }
    }
}

#[test]
fn compositions_say_what_they_are() {
    let well = Energy::double_well(&DoubleWellOptions::default()).unwrap();
    let eye = Tensor::eye(2).unwrap();
    let ring = Energy::gaussian(&Tensor::zeros(&[2]).unwrap(), &eye).unwrap();
    let both = well.scaled(0.5).unwrap().plus(&ring).unwrap();
    let text = "0.5 * double_well(#{ barrier: 1, width: 1 }) + gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])";
    assert_eq!(both.to_string(), text);
    assert_eq!(
        both.scaled(2.0).unwrap().to_string(),
        format!("2 * ({text})")
    );
    assert_eq!(
        both.tempered(2.0).unwrap().to_string(),
        format!("({text}).tempered(2)")
    );
    assert_eq!(
        well.tempered(2.0).unwrap().to_string(),
        "double_well(#{ barrier: 1, width: 1 }).tempered(2)"
    );
    let net = Network::of(Linear::new(2, 3, &LinearOptions::default()).unwrap());
    assert_eq!(
        Energy::joint(&net).given(1).unwrap().describe(),
        "joint(network).given(1)"
    );
}

#[test]
fn wrong_uses_are_errors_with_hints() {
    let error = |outcome: Result<Energy>| outcome.err().unwrap().to_string();
    let matrix = |v: &[f64]| double(v, &[2, 2]);
    let origin = double(&[0.0, 0.0], &[2]);
    assert!(
        error(Energy::gaussian(&origin, &matrix(&[1.0, 2.0, 2.0, 1.0])))
            .contains("positive definite")
    );
    assert!(error(Energy::gaussian(&origin, &matrix(&[1.0, 0.5, 0.0, 1.0]))).contains("symmetric"));
    assert!(error(Energy::gaussian(&origin, &double(&[1.0], &[1, 1]))).contains("[2]"));
    let means = matrix(&[0.0, 0.0, 1.0, 1.0]);
    let weights = |w: Vec<f64>| MixtureOptions {
        weights: Some(w),
        ..Default::default()
    };
    assert!(error(Energy::mixture(&means, &weights(vec![1.0]))).contains("1 weights for 2 means"));
    assert!(error(Energy::mixture(&means, &weights(vec![1.0, -1.0]))).contains("above 0"));
    assert!(error(Energy::sum(&[])).contains("at least one"));

    let ring = Energy::gaussian(&origin, &matrix(&[1.0, 0.0, 0.0, 1.0])).unwrap();
    assert!(error(ring.scaled(f64::NAN)).contains("finite"));
    assert!(error(ring.tempered(0.0)).contains("above 0"));
    assert!(error(ring.given(1)).contains("no classes"));
    assert!(ring.logits(&means).is_err());

    let net = Network::of(Linear::new(2, 3, &LinearOptions::default()).unwrap());
    let joint = Energy::joint(&net);
    let x = Tensor::zeros(&[2, 2]).unwrap();
    assert!(
        joint
            .class_energy(&x, 3)
            .err()
            .unwrap()
            .to_string()
            .contains("3 classes")
    );
    let labels = Tensor::of_ints(&[0, 7]).unwrap();
    assert!(
        joint
            .joint_energy(&x, &labels)
            .err()
            .unwrap()
            .to_string()
            .contains("label 7 for 3 classes")
    );
    assert!(
        joint
            .joint_energy(&x, &x)
            .err()
            .unwrap()
            .to_string()
            .contains("one label per row")
    );
    assert!(
        joint
            .scaled(2.0)
            .unwrap()
            .logits(&x)
            .err()
            .unwrap()
            .to_string()
            .contains("no logits")
    );
    assert!(
        joint
            .plus(&joint)
            .unwrap()
            .joint_energy(&x, &labels)
            .err()
            .unwrap()
            .to_string()
            .contains("two parts")
    );
    assert!(
        Energy::scalar(&net)
            .energy(&x)
            .err()
            .unwrap()
            .to_string()
            .contains("one number per row")
    );
    let flat = Energy::from_fn(|x| x.sum(), &[]);
    assert!(
        flat.energy(&x)
            .err()
            .unwrap()
            .to_string()
            .contains("one number per row")
    );
    assert!(flat.energy_and_score(&x).is_err());
    let constant = Energy::from_fn(|x| x.detach().sum_dims(&[1], false), &[]);
    assert!(
        constant
            .score(&x)
            .err()
            .unwrap()
            .to_string()
            .contains("does not depend on x")
    );
    let text = Energy::closure(
        &Function(Rc::new(|_: &[Value]| Ok(Value::Int(3)))),
        &ClosureOptions::default(),
    )
    .unwrap();
    assert!(
        text.energy(&x)
            .err()
            .unwrap()
            .to_string()
            .contains("must return a tensor")
    );
    let odd = ClosureOptions {
        params: vec![Value::Int(3)],
        ..Default::default()
    };
    assert!(Energy::closure(&Function(Rc::new(|a: &[Value]| Ok(a[0].clone()))), &odd).is_err());
}
