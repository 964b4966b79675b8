//! The replay buffer: restarts, writing back, class sections, and the densities that chains may
//! start from.

use std::cell::RefCell;
use std::rc::Rc;

use jemscript::energy::Energy;
use jemscript::nn::{Linear, LinearOptions, Network};
use jemscript::options::{Options, Value};
use jemscript::params::{Snapshot, State};
use jemscript::sampler::{Init, Replay, ReplayOptions, Sampler, SgldOptions};
use jemscript::tensor::{Stream, seed};
use jemscript::{Result, Tensor, record};

fn item(t: Result<Tensor>) -> f64 {
    t.unwrap().item().unwrap()
}

fn flat() -> Energy {
    Energy::from_fn(|x| x.square()?.flatten(1)?.sum_dims(&[1], false), &[])
}

/// A sampler of one step that records its start and leads to what `f` says.
fn probe(f: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> (Sampler, Rc<RefCell<Vec<Tensor>>>) {
    let starts = Rc::new(RefCell::new(Vec::new()));
    let record = starts.clone();
    let step = move |_: &Energy, x: &Tensor| {
        record.borrow_mut().push(x.clone());
        f(x)
    };
    (Sampler::from_fn(1, step).unwrap(), starts)
}

/// A buffer whose entry i has the value i.
fn numbered(options: &ReplayOptions) -> Result<Replay> {
    let replay = Replay::new(&[2], options)?;
    let mut snapshot = Snapshot::default();
    let ids = Tensor::arange(0.0, options.size as f64, 1.0)?
        .reshape(&[-1, 1])?
        .expand(&[options.size, 2])?;
    snapshot.put("chains.entries", &ids)?;
    replay.load("chains", &snapshot)?;
    Ok(replay)
}

#[test]
fn chains_restart_with_the_stated_probability() -> Result<()> {
    seed(1, Stream::Train, 0);
    let replay = numbered(&ReplayOptions {
        size: 1_000,
        restart: 0.3,
        range: (-3.0, -1.0),
        ..Default::default()
    })?;
    let (stay, starts) = probe(|x| Ok(x.clone()));
    replay.sample(&stay, &flat(), 20_000, None)?;
    let start = starts.borrow()[0].clone();
    let anew = start.lt(0.0)?;
    let share = item(anew.to_kind(start.kind())?.mean());
    assert!((share - 0.3).abs() < 0.015, "{share}");
    // Whole entries restart, uniformly on the range.
    assert_eq!(
        start.select(1, 0)?.lt(0.0)?.to_vec()?,
        start.select(1, 1)?.lt(0.0)?.to_vec()?
    );
    let fresh: Vec<f64> = start.to_vec()?.into_iter().filter(|v| *v < 0.0).collect();
    let mean = fresh.iter().sum::<f64>() / fresh.len() as f64;
    assert!(
        (mean + 2.0).abs() < 0.03 && fresh.iter().all(|v| (-3.0..=-1.0).contains(v)),
        "{mean}"
    );

    for (restart, wanted) in [(0.0, 0.0), (1.0, 1.0)] {
        let replay = numbered(&ReplayOptions {
            size: 100,
            restart,
            range: (-3.0, -1.0),
            ..Default::default()
        })?;
        let (stay, starts) = probe(|x| Ok(x.clone()));
        replay.sample(&stay, &flat(), 200, None)?;
        let start = starts.borrow()[0].clone();
        assert_eq!(item(start.lt(0.0)?.to_kind(start.kind())?.mean()), wanted);
    }
    Ok(())
}

#[test]
fn ends_are_written_back_and_the_last_of_twice_drawn_entries_stays() -> Result<()> {
    seed(2, Stream::Train, 0);
    let n = 60;
    let replay = numbered(&ReplayOptions {
        size: 20,
        restart: 0.0,
        ..Default::default()
    })?;
    let before = replay.all()?;
    // Chain i ends at 100 + i.
    let (walk, starts) = probe(move |_| {
        Tensor::arange(100.0, 100.0 + n as f64, 1.0)?
            .reshape(&[n, 1])?
            .expand(&[n, 2])
    });
    let x = replay.sample(&walk, &flat(), n, None)?;
    assert_eq!(x.select(1, 0)?.to_vec()?[7], 107.0);
    let drawn = starts.borrow()[0].select(1, 0)?.to_ints()?;
    let after = replay.all()?.select(1, 1)?.to_vec()?;
    let mut wanted = before.select(1, 1)?.to_vec()?;
    for (chain, entry) in drawn.iter().enumerate() {
        wanted[*entry as usize] = 100.0 + chain as f64;
    }
    assert_eq!(after, wanted);
    assert!(
        drawn.iter().collect::<std::collections::HashSet<_>>().len() < 21,
        "drawn with replacement"
    );
    // What `all` and `sample` gave before does not change with the buffer.
    assert_eq!(before.select(1, 0)?.to_vec()?[3], 3.0);
    // Pictures are entries, each at most once.
    let mut seen = replay.images(20)?.select(1, 0)?.to_vec()?;
    seen.sort_by(f64::total_cmp);
    let mut all = after.clone();
    all.sort_by(f64::total_cmp);
    assert_eq!(seen, all);
    assert!(replay.images(21).is_err());
    Ok(())
}

#[test]
fn labels_draw_from_their_sections_and_condition_the_energy() -> Result<()> {
    seed(3, Stream::Train, 0);
    let options = ReplayOptions {
        size: 300,
        classes: 3,
        restart: 0.0,
        ..Default::default()
    };
    let replay = numbered(&options)?;
    let net = Network::of(Linear::new(2, 3, &LinearOptions::default())?);
    let model = Energy::joint(&net);
    let labels: Vec<i64> = (0..90).map(|i| (i * 7) % 3).collect();
    let y = Tensor::of_ints(&labels)?;
    let (stay, starts) = probe(|x| Ok(x.clone()));
    replay.sample(&stay, &model, 90, Some(&y))?;
    let sections: Vec<i64> = starts.borrow()[0]
        .select(1, 0)?
        .to_ints()?
        .iter()
        .map(|id| id / 100)
        .collect();
    assert_eq!(sections, labels);
    // The chains follow E(x, y): one step of size 1 without noise adds row y of the linear layer's
    // weight.
    let one = Sampler::sgld(&SgldOptions {
        steps: 1,
        noise: Some(0.0),
        ..Default::default()
    })?;
    let replay = Replay::new(
        &[2],
        &ReplayOptions {
            size: 3,
            classes: 3,
            restart: 0.0,
            ..Default::default()
        },
    )?;
    let before = replay.all()?;
    let x = replay.sample(&one, &model, 3, Some(&Tensor::of_ints(&[2, 0, 1])?))?;
    let weight = net
        .parameters()
        .into_iter()
        .find(|(n, _)| n == "weight")
        .unwrap()
        .1
        .get()
        .detach();
    let order = Tensor::of_ints(&[2, 0, 1])?;
    let wanted = before
        .index_select(0, &order)?
        .add(weight.index_select(0, &order)?)?;
    assert!(item(x.sub(wanted)?.abs()?.max()) < 1e-6);

    let hint = |outcome: Result<Tensor>| outcome.err().unwrap().to_string();
    let plain = Replay::new(
        &[2],
        &ReplayOptions {
            size: 9,
            ..Default::default()
        },
    )?;
    assert!(hint(plain.sample(&one, &model, 3, Some(&order))).contains("classes: 10"));
    assert!(
        hint(replay.sample(&one, &model, 3, Some(&Tensor::of_ints(&[0, 1, 3])?)))
            .contains("0 to 2")
    );
    assert!(hint(replay.sample(&one, &model, 4, Some(&order))).contains("one label per row"));
    assert!(hint(replay.sample(&one, &model, 0, None)).contains("at least one"));
    Ok(())
}

#[test]
fn class_gaussians_have_their_classes_moments() -> Result<()> {
    seed(4, Stream::Init, 0);
    let n = 300;
    // Two classes of 2 × 2 images with full covariances.
    let mix = Tensor::of_slice(
        &[
            0.3, 0.1, 0.0, 0.0, 0.0, 0.2, 0.1, 0.0, 0.0, 0.0, 0.2, -0.1, 0.1, 0.0, 0.0, 0.2,
        ],
        &[4, 4],
    )?;
    let rows = Tensor::randn(&[n, 4])?.matmul(&mix)?;
    let labels: Vec<i64> = (0..n).map(|i| i % 2).collect();
    let y = Tensor::of_ints(&labels)?;
    let x = rows
        .add(y.to_kind(rows.kind())?.mul(0.5)?.unsqueeze(1)?)?
        .reshape(&[n, 1, 2, 2])?;
    let wide = ReplayOptions {
        size: 40_000,
        classes: 2,
        range: (-50.0, 50.0),
        ..Default::default()
    };
    let replay = Replay::new(&[1, 2, 2], &wide)?;
    replay.init_class_gaussians(&x, &y)?;
    let moments = |t: &Tensor, ridge: f64| -> Result<(Tensor, Tensor)> {
        let flat = t.reshape(&[-1, 4])?;
        let mean = flat.mean_dims(&[0], false)?;
        let centred = flat.sub(&mean)?;
        let covariance = centred.t()?.matmul(&centred)?.div(flat.len() as f64)?;
        Ok((mean, covariance.add(Tensor::eye(4)?.mul(ridge)?)?))
    };
    let entries = replay.all()?;
    for class in 0..2 {
        let (mean, covariance) = moments(&x.index_select(0, &y.eq(class)?)?, 1e-4)?;
        let (m, c) = moments(&entries.narrow(0, class * 20_000, 20_000)?, 0.0)?;
        assert!(item(m.sub(mean)?.abs()?.max()) < 0.01, "class {class}");
        assert!(
            item(c.sub(covariance)?.abs()?.max()) < 0.004,
            "class {class}"
        );
    }
    // A pixel that never changes keeps a spread of √1e-4; the range cuts.
    let still = Tensor::zeros(&[10, 1, 2, 2])?;
    let zeros = Tensor::of_ints(&[0; 10])?;
    let narrow = ReplayOptions {
        size: 5_000,
        init: Init::ClassGaussian,
        range: (-0.015, 0.5),
        ..Default::default()
    };
    let replay = Replay::new(&[1, 2, 2], &narrow)?;
    let error = replay.all().err().unwrap().to_string();
    assert!(error.contains("init_class_gaussians"), "{error}");
    replay.init_class_gaussians(&still, &zeros)?;
    let entries = replay.all()?;
    assert!(item(entries.min()) >= -0.0150001 && (item(entries.std()) - 0.01).abs() < 0.001);
    // Restarts come from the densities.
    let (stay, starts) = probe(|x| Ok(x.clone()));
    let always = Replay::new(
        &[1, 2, 2],
        &ReplayOptions {
            restart: 1.0,
            ..narrow
        },
    )?;
    always.init_class_gaussians(&still.add(0.3)?, &zeros)?;
    always.sample(&stay, &flat(), 50, None)?;
    assert!((item(starts.borrow()[0].mean()) - 0.3).abs() < 0.01);
    assert!(
        replay
            .init_class_gaussians(&still, &Tensor::of_ints(&[0; 3])?)
            .is_err()
    );
    assert!(
        replay
            .init_class_gaussians(&Tensor::zeros(&[10, 4])?, &zeros)
            .is_err()
    );
    Ok(())
}

#[test]
fn state_goes_to_a_checkpoint_and_back() -> Result<()> {
    seed(5, Stream::Init, 0);
    let options = ReplayOptions {
        size: 50,
        ..Default::default()
    };
    let (a, b) = (Replay::new(&[3], &options)?, Replay::new(&[3], &options)?);
    assert!(a.all()?.to_vec()? != b.all()?.to_vec()?);
    let mut snapshot = Snapshot::default();
    a.save("chains", &mut snapshot)?;
    b.load("chains", &snapshot)?;
    assert_eq!(a.all()?.to_vec()?, b.all()?.to_vec()?);
    // The copy is apart.
    let (up, _) = probe(|x| x.add(1.0));
    b.sample(&up, &flat(), 10, None)?;
    assert!(a.all()?.to_vec()? != b.all()?.to_vec()?);
    let other = Replay::new(
        &[3],
        &ReplayOptions {
            size: 49,
            ..Default::default()
        },
    )?;
    assert!(other.load("chains", &snapshot).is_err());
    assert!(other.load("elsewhere", &snapshot).is_err());
    Ok(())
}

#[test]
fn a_listening_loop_gets_the_samplers_gradient_norm() -> Result<()> {
    seed(6, Stream::Train, 0);
    let replay = Replay::new(
        &[4],
        &ReplayOptions {
            size: 1,
            restart: 0.0,
            ..Default::default()
        },
    )?;
    let x0 = replay.all()?;
    let one = Sampler::sgld(&SgldOptions {
        steps: 1,
        noise: Some(0.0),
        clamp_grad: Some(1e-3),
        ..Default::default()
    })?;
    record::listen();
    replay.sample(&one, &flat(), 5, None)?;
    let noted = record::take();
    // ∇ Σ x² = 2x, before the clamp.
    let norm = noted
        .iter()
        .find(|(name, _)| name == "sampler_grad_norm")
        .unwrap()
        .1
        .item()?;
    assert!((norm - 2.0 * item(x0.norm())).abs() < 1e-5, "{norm}");
    replay.sample(&one, &flat(), 5, None)?;
    assert!(record::take().is_empty());
    Ok(())
}

/// By steps of autograd and by those that are written out: the share that is counted by hand.
#[test]
fn a_listening_loop_gets_the_share_at_the_clamp() -> Result<()> {
    seed(6, Stream::Init, 0);
    let written = Energy::joint(&Network::of(Linear::new(4, 3, &LinearOptions::default())?));
    for energy in [written, flat()] {
        let replay = Replay::new(
            &[4],
            &ReplayOptions {
                size: 100,
                ..Default::default()
            },
        )?;
        let walk = |clamp| {
            let options = SgldOptions {
                steps: 3,
                noise: Some(0.5),
                clamp,
                ..Default::default()
            };
            record::listen();
            let x = replay.sample(&Sampler::sgld(&options).unwrap(), &energy, 50, None);
            let noted = record::take();
            let share = noted.into_iter().find(|(name, _)| name == "at_clamp");
            (x.unwrap().to_vec().unwrap(), share)
        };
        let (x, share) = walk(Some((-0.5, 0.75)));
        let ends = x.iter().filter(|v| **v == -0.5 || **v == 0.75).count() as f64;
        assert!(ends > 0.0 && ends < 200.0, "{ends}");
        let share = share.unwrap().1.item()?;
        assert!((share - ends / 200.0).abs() < 1e-6, "{share} {ends}");
        assert!(walk(None).1.is_none());
    }
    Ok(())
}

#[test]
fn classes_of_a_buffer_are_counted_and_wrong_options_refused() -> Result<()> {
    seed(7, Stream::Init, 0);
    let net = Network::of(Linear::new(3, 4, &LinearOptions::default())?);
    let replay = Replay::new(
        &[3],
        &ReplayOptions {
            size: 1_200,
            ..Default::default()
        },
    )?;
    let counts = replay.class_counts(&Energy::joint(&net))?.to_ints()?;
    assert_eq!((counts.len(), counts.iter().sum::<i64>()), (4, 1_200));
    let text = replay.to_string();
    assert!(
        text.contains("size: 1200") && text.contains("restart: 0.05"),
        "{text}"
    );

    let error = |o: ReplayOptions| Replay::new(&[3], &o).err().unwrap().to_string();
    let d = ReplayOptions::default;
    assert!(error(ReplayOptions { size: 0, ..d() }).contains("size"));
    assert!(
        error(ReplayOptions {
            restart: 1.5,
            ..d()
        })
        .contains("probability")
    );
    let misspelt = ReplayOptions::from_map([("init", &Value::Str("unifrm".to_owned()))])
        .unwrap_err()
        .to_string();
    assert!(misspelt.contains("did you mean \"uniform\"?"), "{misspelt}");
    assert!(
        error(ReplayOptions {
            size: 100,
            classes: 7,
            ..d()
        })
        .contains("multiple")
    );
    assert!(
        error(ReplayOptions {
            range: (1.0, 1.0),
            ..d()
        })
        .contains("low < high")
    );
    assert!(Replay::new(&[3, 0], &d()).is_err());
    assert!(Replay::new(&[1 << 40], &d()).is_err());
    Ok(())
}

/// `e_noise` is the mean energy of fresh starts: not of the entries, nor of where the chains end.
#[test]
fn the_energy_of_noise_is_that_of_fresh_starts() -> Result<()> {
    seed(8, Stream::Train, 0);
    // Entries are 0 to 49, chains end at 100, fresh starts lie between −3 and −1; an energy is the
    // mean of its row.
    let replay = numbered(&ReplayOptions {
        size: 50,
        restart: 0.5,
        range: (-3.0, -1.0),
        ..Default::default()
    })?;
    let energy = Energy::from_fn(|x| x.flatten(1)?.mean_dims(&[1], false), &[]);
    let (walk, _) = probe(|x| x.mul(0.0)?.add(100.0));
    record::listen();
    replay.sample(&walk, &energy, 16, None)?;
    let noted = record::take();
    let (_, noise) = noted
        .iter()
        .find(|(name, _)| name == "e_noise")
        .ok_or_else(|| jemscript::Error::state("not noted"))?;
    let noise = noise.item()?;
    assert!((noise + 2.0).abs() < 0.6, "{noise}");
    Ok(())
}
