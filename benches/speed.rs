//! What a chain, a training iteration and an attack cost: one measurement, for `benches/speed.py`,
//! which takes turns with PyTorch and prints the table.
//!
//! ```sh
//! cargo bench --bench speed -- chain digits 1 20     task, network, threads, how many times
//! ```
//!
//! Prints seconds on the clock and of the processor for one of them, and the most memory in MB.

use std::time::{Duration, Instant};

use jemscript::energy::Energy;
use jemscript::evaluate::{AscentOptions, AttackOptions, Objective, pgd};
use jemscript::nn::{
    Activation, Conv2d, Conv2dOptions, Flatten, Linear, LinearOptions, Network, Sequential,
    WideResNet, WideResNetOptions,
};
use jemscript::sampler::{Sampler, SgldOptions};
use jemscript::script::{Program, Settings};
use jemscript::tensor::{Kind, Tensor};
use jemscript::{Result, data::Part};

/// Rows of a batch of chains, unless the network is so large that fewer tell as much.
const ROWS: i64 = 64;

fn conv(from: i64, to: i64, stride: i64) -> Result<[Network; 2]> {
    let options = Conv2dOptions {
        padding: 1,
        stride,
        ..Default::default()
    };
    Ok([
        Conv2d::new(from, to, 3, &options)?.into(),
        Activation::Silu.into(),
    ])
}

fn linear(from: i64, to: i64) -> Result<Network> {
    Ok(Linear::new(from, to, &LinearOptions::default())?.into())
}

fn wide(depth: i64, width: i64, channels: i64) -> Result<Network> {
    let options = WideResNetOptions {
        channels,
        ..Default::default()
    };
    Ok(WideResNet::new(depth, width, &options)?.into())
}

/// A network by its name in the table, and the shape of its images.
fn network(name: &str) -> Result<(Network, [i64; 3])> {
    let silu = || Network::of(Activation::Silu);
    let row = |parts: Vec<[Network; 2]>| parts.into_iter().flatten().collect::<Vec<_>>();
    Ok(match name {
        "mlp" => {
            let layers = vec![
                Flatten.into(),
                linear(64, 128)?,
                silu(),
                linear(128, 128)?,
                silu(),
                linear(128, 10)?,
            ];
            (Sequential::new(layers)?.into(), [1, 8, 8])
        }
        "digits" => {
            let mut layers = row(vec![conv(1, 16, 1)?, conv(16, 32, 2)?, conv(32, 128, 2)?]);
            layers.extend([Flatten.into(), linear(512, 10)?]);
            (Sequential::new(layers)?.into(), [1, 8, 8])
        }
        "garments" => {
            let mut layers = row(vec![
                conv(1, 32, 1)?,
                conv(32, 64, 2)?,
                conv(64, 128, 2)?,
                conv(128, 128, 2)?,
            ]);
            layers.extend([Flatten.into(), linear(2048, 10)?]);
            (Sequential::new(layers)?.into(), [1, 28, 28])
        }
        "wrn10" => (wide(10, 1, 1)?, [1, 28, 28]),
        "wrn16" => (wide(16, 2, 3)?, [3, 32, 32]),
        _ => (wide(28, 10, 3)?, [3, 32, 32]),
    })
}

/// Twenty steps for a batch; of the largest network one step for sixteen.
fn chain(name: &str) -> Result<impl Fn() -> Result<()>> {
    let (net, shape) = network(name)?;
    let (rows, steps) = if name == "wrn28" { (16, 1) } else { (ROWS, 20) };
    net.set_training(false);
    let energy = Energy::joint(&net);
    let sampler = Sampler::sgld(&SgldOptions {
        steps,
        step_size: Some(1.0),
        noise: Some(0.01),
        clamp: Some((-1.0, 1.0)),
        ..Default::default()
    })?;
    let x = Tensor::uniform(&[rows, shape[0], shape[1], shape[2]], -1.0, 1.0)?;
    Ok(move || sampler.sample(&energy, &x).map(drop))
}

/// PGD of forty steps on images of which all stay right, so that none is spared.
fn attack(name: &str) -> Result<impl Fn() -> Result<()>> {
    let (net, shape) = network(name)?;
    net.set_training(false);
    let rows = if name == "wrn28" { 16 } else { 256 };
    let x = Tensor::uniform(&[rows, shape[0], shape[1], shape[2]], -1.0, 1.0)?;
    let y = net.forward(&x)?.argmax(1)?.to_kind(Kind::Int64)?;
    let part = Part::new("speed", &x, &y)?;
    let energy = Energy::joint(&net);
    let options = AttackOptions {
        eps: vec![1e-6],
        ascent: AscentOptions {
            steps: 40,
            starts: 1,
            objectives: vec![Objective::CrossEntropy],
            batch_size: Some(rows),
            ..Default::default()
        },
    };
    Ok(move || pgd(&energy, &part, &options).map(drop))
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let all: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [task, name, threads, count] = &all[..] else {
        println!("speed: run `make bench-pytorch`, or name task, network, threads and count");
        return Ok(());
    };
    tch::set_num_threads(threads.parse()?);
    let count: u32 = count.parse()?;
    let timed = |work: &dyn Fn() -> Result<()>| -> Result<(Duration, Duration)> {
        work()?;
        let (wall, processor) = (Instant::now(), worked());
        for _ in 0..count {
            work()?;
        }
        Ok((wall.elapsed() / count, (worked() - processor) / count))
    };
    let (wall, processor) = match task.as_str() {
        "chain" => timed(&chain(name)?)?,
        "attack" => timed(&attack(name)?)?,
        // A whole iteration is measured as people run it: in a script.
        _ => {
            let run = |iterations: u32| -> std::result::Result<_, Box<dyn std::error::Error>> {
                let program = Program::new(Settings::default());
                let script = include_str!("iteration.rhai")
                    .replace("\"digits\", \"", &format!("{name:?}, \""))
                    .replace("100, \"iter", &format!("{iterations}, \"iter"));
                let (wall, processor) = (Instant::now(), worked());
                let _ = program.run_text("iteration", &script).map_err(|d| d.text)?;
                Ok((wall.elapsed(), worked() - processor))
            };
            // What start and end take is in both.
            let (short, long) = (run(2)?, run(2 + count)?);
            ((long.0 - short.0) / count, (long.1 - short.1) / count)
        }
    };
    println!(
        "{} {} {}",
        wall.as_secs_f64(),
        processor.as_secs_f64(),
        memory()
    );
    Ok(())
}

/// Time of the processor, of all threads.
fn worked() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The most memory that this process has had, in MB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
