//! The chain loop is one: whatever walks chains (a sampler, the replay buffer, fresh chains of an
//! evaluation) walks them in the same mode, refuses what is not finite, keeps no history that
//! nobody asked for, and asks a readied energy.

use std::cell::Cell;
use std::rc::Rc;

use jemscript::energy::{Asked, Energy, EnergyFunction, Given, Preparation, Scorer};
use jemscript::error::ErrorKind;
use jemscript::evaluate::{FreshOptions, fresh_chains};
use jemscript::nn::{
    BatchNorm2d, BatchNorm2dOptions, Flatten, Linear, LinearOptions, Network, Sequential,
};
use jemscript::sampler::{NetworkMode, Replay, ReplayOptions, RunOptions, Sampler, SgldOptions};
use jemscript::tensor::{Stream, seed};
use jemscript::{Result, Tensor};

/// A way to walk six chains of two steps from uniform noise: where they end.
type Way = fn(&Sampler, &Energy, &[i64]) -> Result<Tensor>;

fn noise(shape: &[i64]) -> Result<Tensor> {
    Tensor::uniform(&[&[6], shape].concat(), -1.0, 1.0)
}

const WAYS: [(&str, Way); 4] = [
    ("sample", |sampler, energy, shape| {
        sampler.sample(energy, &noise(shape)?)
    }),
    ("run", |sampler, energy, shape| {
        Ok(sampler
            .run(energy, &noise(shape)?, &RunOptions::default())?
            .x)
    }),
    ("replay", |sampler, energy, shape| {
        let options = ReplayOptions {
            size: 6,
            restart: 1.0,
            ..Default::default()
        };
        Replay::new(shape, &options)?.sample(sampler, energy, 6, None)
    }),
    ("fresh_chains", |sampler, energy, shape| {
        let full = [&[6], shape].concat();
        Ok(
            fresh_chains(energy, sampler, &full, &[2], &FreshOptions::default())?
                .remove(0)
                .1,
        )
    }),
];

#[test]
fn networks_are_in_the_sampler_s_mode_wherever_chains_are_walked() -> Result<()> {
    for (way, walk) in WAYS {
        for (mode, wanted) in [("eval", false), ("train", true)] {
            seed(1, Stream::Train, 0);
            let norm = Network::of(BatchNorm2d::new(2, &BatchNorm2dOptions::default())?);
            let linear = Network::of(Linear::new(8, 3, &LinearOptions::default())?);
            let net = Network::of(Sequential::new(vec![norm, Network::of(Flatten), linear])?);
            let (inside, seen) = (net.clone(), Rc::new(Cell::new(0)));
            let count = seen.clone();
            let watched = Energy::from_fn(
                move |x| {
                    // Energies without a gradient are looks of the loop's owner, in whatever mode
                    // those have.
                    if x.requires_grad() {
                        count.set(count.get() + 1);
                        assert_eq!(inside.training(), wanted);
                    }
                    inside.forward(x)?.logsumexp(1)?.neg()
                },
                std::slice::from_ref(&net),
            );
            let options = SgldOptions {
                steps: 2,
                mode: NetworkMode::of(mode).unwrap(),
                ..Default::default()
            };
            walk(&Sampler::sgld(&options)?, &watched, &[2, 2, 2])?;
            assert_eq!(seen.get(), 2, "{way}, {mode}");
            assert!(net.training(), "{way}, {mode}: as it was");
        }
    }
    Ok(())
}

#[test]
fn what_is_not_finite_is_an_error_wherever_chains_are_walked() -> Result<()> {
    let sgld = Sampler::sgld(&SgldOptions {
        steps: 2,
        ..Default::default()
    })?;
    let exploding = Sampler::sgld(&SgldOptions {
        steps: 2,
        step_size: Some(1e30),
        ..Default::default()
    })?;
    let broken = Energy::from_fn(
        |x| x.sub(5.0)?.sqrt()?.flatten(1)?.sum_dims(&[1], false),
        &[],
    );
    let steep = Energy::from_fn(
        |x| {
            x.square()?
                .square()?
                .flatten(1)?
                .sum_dims(&[1], false)?
                .neg()
        },
        &[],
    );
    for (way, walk) in WAYS {
        for (sampler, energy) in [(&sgld, &broken), (&exploding, &steep)] {
            let error = walk(sampler, energy, &[3])
                .err()
                .unwrap_or_else(|| panic!("{way}: {sampler} says nothing"));
            assert_eq!(error.kind(), ErrorKind::NonFinite, "{way}: {error}");
            assert!(
                error.to_string().contains("in steps 1 to 2"),
                "{way}: {error}"
            );
        }
    }
    Ok(())
}

#[test]
fn evaluations_keep_no_history_of_a_differentiable_sampler() -> Result<()> {
    let options = SgldOptions {
        steps: 2,
        differentiable: true,
        ..Default::default()
    };
    let bowl = Energy::from_fn(
        |x| {
            // What a step starts from would carry a history here, if the loop kept one.
            let grown = x.requires_grad() && x.raw().f_is_leaf()?;
            assert!(
                grown || !x.requires_grad(),
                "a step starts from a tensor with a history"
            );
            x.square()?.sum_dims(&[1], false)
        },
        &[],
    );
    for (way, walk) in WAYS
        .iter()
        .filter(|(way, _)| matches!(*way, "run" | "fresh_chains"))
    {
        let x = walk(&Sampler::sgld(&options)?, &bowl, &[3])?;
        assert!(!x.requires_grad(), "{way}");
    }
    Ok(())
}

/// A conditional energy, `½ ‖x − y‖²`, that counts how often it is readied and asked without being
/// ready.
#[derive(Default)]
struct Counting {
    readied: Rc<Cell<i64>>,
    unready: Rc<Cell<i64>>,
}

/// Its score, for fixed centres.
struct Centred(Tensor);

impl Scorer for Centred {
    fn energy_and_score(&self, x: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        let away = x.sub(&self.0)?;
        let energy = away.square()?.sum_dims(&[1], false)?.mul(0.5)?;
        Ok(Some((energy, away.neg()?)))
    }
}

impl EnergyFunction for Counting {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.unready.set(self.unready.get() + 1);
        x.square()?.sum_dims(&[1], false)?.mul(0.5)
    }

    fn joint_energy(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        self.unready.set(self.unready.get() + 1);
        let centre = y.to_kind(x.kind())?.reshape(&[-1, 1])?;
        x.sub(centre)?.square()?.sum_dims(&[1], false)?.mul(0.5)
    }

    fn has_classes(&self) -> bool {
        true
    }

    fn prepare(&self, x: &Tensor, asked: &Asked) -> Result<Preparation> {
        self.readied.set(self.readied.get() + 1);
        let centre = match asked.given {
            None => Tensor::zeros(&[1, 1])?,
            Some(Given::Class(class)) => Tensor::full(&[1, 1], class as f64)?,
            Some(Given::Labels(y)) => y.to_kind(x.kind())?.reshape(&[-1, 1])?,
        };
        Ok(Preparation::Scorer(Box::new(Centred(centre))))
    }

    fn describe(&self) -> String {
        "counting".to_owned()
    }
}

#[test]
fn an_energy_is_readied_once_a_chain_through_every_composition() -> Result<()> {
    let counting = Counting::default();
    let (readied, unready) = (counting.readied.clone(), counting.unready.clone());
    let model = Energy::of(counting);
    let labels = Tensor::of_ints(&[0, 1, 2, 0, 1, 2])?;
    let bowl = Energy::gaussian(&Tensor::zeros(&[2])?, &Tensor::eye(2)?)?;
    let compositions = [
        ("itself", model.clone()),
        ("scaled", model.scaled(0.5)?),
        ("tempered", model.tempered(2.0)?),
        ("given a class", model.given(2)?),
        ("given labels", model.given_labels(&labels)?),
        ("a sum", model.plus(&bowl)?),
        ("a sum, given a class", model.plus(&bowl)?.given(1)?),
        (
            "a sum, given labels, tempered",
            bowl.plus(&model.scaled(3.0)?)?
                .given_labels(&labels)?
                .tempered(0.7)?,
        ),
        (
            "given, then scaled, in a sum",
            bowl.plus(&model.given(1)?.scaled(0.3)?)?,
        ),
    ];
    let still = SgldOptions {
        steps: 7,
        step_size: Some(0.1),
        noise: Some(0.0),
        ..Default::default()
    };
    let sgld = Sampler::sgld(&still)?;
    let unaware = Sampler::from_fn(7, |e, x| x.add(e.score(x)?.mul(0.1)?))?;
    for (name, energy) in compositions {
        let x0 = Tensor::randn(&[6, 2])?;
        readied.set(0);
        unready.set(0);
        let x = sgld.sample(&energy, &x0)?;
        assert_eq!((readied.get(), unready.get()), (1, 0), "{name}");
        // A sampler of one's own asks the energy itself; both are the same chain.
        let plain = unaware.sample(&energy, &x0)?;
        assert!(unready.get() > 0, "{name}");
        assert!(x.sub(&plain)?.abs()?.max()?.item()? < 1e-5, "{name}");
    }
    Ok(())
}
