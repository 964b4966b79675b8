//! The estimators of equations 2 and 10 against exact gradients: on a grid of one dimension Z is a
//! sum, so that `∂ log p/∂θ` follows by automatic differentiation.

use jemscript::energy::Energy;
use jemscript::loss::{ContrastiveOptions, JemOptions, contrastive, jem};
use jemscript::nn::{Mlp, MlpOptions, Network};
use jemscript::tensor::{Device, Kind, Stream, seed};
use jemscript::{Result, Tensor};

const CELLS: i64 = 4001;

fn grid() -> Result<Tensor> {
    Tensor::linspace(-3.0, 3.0, CELLS)?
        .to_kind(Kind::Double)?
        .reshape(&[CELLS, 1])
}

fn network(outputs: i64) -> Result<Network> {
    seed(5, Stream::Init, 0);
    let network = Network::of(Mlp::new(&[1, 16, outputs], &MlpOptions::default())?);
    network.convert(Device::Cpu, Kind::Double)?;
    // Larger weights than at the start of a training: the density must differ from a flat one.
    network
        .parameters()
        .iter()
        .try_for_each(|(_, p)| p.assign(&p.get().detach().mul(3.0)?))?;
    Ok(network)
}

/// Points of the grid at evenly spaced quantiles of log-probabilities `[CELLS]`: samples without
/// Monte Carlo noise.
fn samples(log_p: &Tensor, n: usize) -> Result<Tensor> {
    let p = log_p.detach().to_vec()?;
    let (mut chosen, mut sum, mut i) = (Vec::with_capacity(n), p[0].exp(), 0);
    for k in 0..n {
        while sum < (k as f64 + 0.5) / n as f64 && i + 1 < p.len() {
            i += 1;
            sum += p[i].exp();
        }
        chosen.push(i as i64);
    }
    grid()?.index_select(0, &Tensor::of_ints(&chosen)?)
}

fn gradient(of: &Tensor, network: &Network) -> Result<Tensor> {
    let leaves: Vec<Tensor> = network.parameters().iter().map(|(_, p)| p.get()).collect();
    let found = Tensor::gradients(of, &leaves.iter().collect::<Vec<_>>(), false)?;
    Tensor::cat(
        &found
            .iter()
            .map(|g| g.reshape(&[-1]))
            .collect::<Result<Vec<_>>>()?,
        0,
    )
}

fn close(name: &str, ours: &Tensor, exact: &Tensor) -> Result<()> {
    let apart = ours.sub(exact)?.norm()?.item()? / exact.norm()?.item()?;
    assert!(apart < 2e-3, "{name}: {apart:.1e} apart");
    Ok(())
}

#[test]
fn the_contrastive_loss_has_the_gradient_of_the_likelihood() -> Result<()> {
    let net = network(1)?;
    let energy = Energy::scalar(&net);
    let data = Tensor::from_f64(
        &[-1.7, -0.4, 0.3, 0.35, 2.2],
        &[5, 1],
        Kind::Double,
        Device::Cpu,
    )?;
    let spacing: f64 = 6.0 / (CELLS - 1) as f64;
    // log p(x) = −E(x) − log Σ_grid exp(−E) spacing.
    let log_z = energy
        .energy(&grid()?)?
        .neg()?
        .logsumexp(0)?
        .add(spacing.ln())?;
    let exact = gradient(&energy.energy(&data)?.mean()?.add(&log_z)?, &net)?;
    let fake = samples(&energy.energy(&grid()?)?.neg()?.log_softmax(0)?, 20_000)?;
    let loss = contrastive(&energy, &data, &fake, &ContrastiveOptions::default())?;
    close("contrastive", &gradient(&loss.total, &net)?, &exact)?;
    let gap = loss.term("gap").unwrap().item()?;
    let terms = loss.term("e_fake").unwrap().item()? - loss.term("e_data").unwrap().item()?;
    assert!((gap - terms).abs() < 1e-12 && (loss.total.item()? + gap).abs() < 1e-12);
    Ok(())
}

#[test]
fn the_terms_of_jem_have_the_gradients_of_their_likelihoods() -> Result<()> {
    let net = network(3)?;
    let model = Energy::joint(&net);
    let x = Tensor::from_f64(&[-1.7, -0.4, 0.3, 2.2], &[4, 1], Kind::Double, Device::Cpu)?;
    let y = Tensor::of_ints(&[2, 0, 1, 1])?;
    let on_grid = model.logits(&grid()?)?;
    // log p(x, y) = f(x)[y] − log Σ_{x', y'} exp f(x')[y'], up to the grid's spacing.
    let log_z = on_grid.reshape(&[-1])?.logsumexp(0)?;
    let exact = gradient(&model.joint_energy(&x, &y)?.mean()?.add(&log_z)?, &net)?;
    let fake = samples(&on_grid.logsumexp(1)?.sub(&log_z)?, 20_000)?;
    let options = JemOptions::default();
    let loss = jem(&model, &x, &y, Some(&fake), &options)?;
    close("log p(x, y)", &gradient(&loss.total, &net)?, &exact)?;

    // log p(x|y) = f(x)[y] − log Σ_{x'} exp f(x')[y], with many samples for each label.
    let n = 4_000;
    let on_grid = model.logits(&grid()?)?;
    let each = on_grid.logsumexp(0)?.index_select(0, &y)?;
    let exact = gradient(&model.joint_energy(&x, &y)?.add(&each)?.mean()?, &net)?;
    let log_p = on_grid.log_softmax(0)?;
    let per_class = (0..3)
        .map(|c| samples(&log_p.select(1, c)?, n))
        .collect::<Result<Vec<_>>>()?;
    let fakes: Result<Vec<Tensor>> = y
        .to_ints()?
        .iter()
        .map(|c| Ok(per_class[*c as usize].clone()))
        .collect();
    let options = JemOptions {
        p_y_given_x: 0.0,
        p_x: 0.0,
        p_xy: 1.0,
        fake_y: Some(Tensor::cat(&fakes?, 0)?),
        ..JemOptions::default()
    };
    let (x, y) = (
        x.repeat_interleave(n as i64, 0)?,
        y.repeat_interleave(n as i64, 0)?,
    );
    let loss = jem(&model, &x, &y, None, &options)?;
    close("log p(x|y)", &gradient(&loss.total, &net)?, &exact)
}
