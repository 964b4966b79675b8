//! What the log of every iteration and a checkpoint every 100 iterations cost: the main recipe on
//! digits, with and without, by turns in one process. Prints the ratio of the times.
//!
//! ```sh
//! make bench
//! ```

use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use jemscript::run::{About, Run};
use jemscript::script::{Program, Settings};

/// The network, the buffer and the sampler of `scripts/train.rhai`.
const SCRIPT: &str = r#"
let digits = data::digits();
let net = nn::sequential([
    nn::conv2d(1, 16, 3, #{ padding: 1 }), nn::silu(), nn::conv2d(16, 32, 3, #{ padding: 1, stride: 2 }), nn::silu(),
    nn::conv2d(32, 128, 3, #{ padding: 1, stride: 2 }), nn::silu(), nn::flatten(), nn::linear(512, 10),
]);
let model  = energy::joint(net);
let chains = sampler::replay(digits.shape, #{ size: 1_000, restart: 0.02 });
let sgld   = sampler::sgld(#{ steps: 20, step_size: 0.1, noise: 0.1, clamp: [-1, 1] });
let opt    = optim::adam(model, #{ lr: 3e-3 });
train(digits, #{ iterations: ITERATIONS, every: 100, checkpoint: KEPT, log_every: EVERY }, |batch| {
    let x = (batch.x + 0.1 * batch.x.randn_like()).clamp(-1, 1);
    let loss = loss::jem(model, x, batch.y, chains.sample(sgld, model, x.len()));
    opt.step(loss);
    loss
});
"#;

const ITERATIONS: i64 = 200;

/// Seconds of a training.
fn time(folder: &Path, kept: bool) -> Result<f64, Box<dyn std::error::Error>> {
    let program = Program::new(Settings::default());
    if kept {
        program
            .session
            .set_run(Run::exactly(folder, About::default())?);
    }
    let every = if kept { 1 } else { ITERATIONS };
    let script = SCRIPT.replace("ITERATIONS", &ITERATIONS.to_string());
    let script = script
        .replace("KEPT", &kept.to_string())
        .replace("EVERY", &every.to_string());
    let started = worked();
    let _ = program.run_text("bench", &script).map_err(|d| d.text)?;
    Ok(worked() - started)
}

/// Seconds of processor time of all threads, that which writes included: what else the machine does
/// counts less there than on the wall's clock. That clock where the system does not tell.
fn worked() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text
        .rsplit(')')
        .next()
        .map(|rest| rest.split_whitespace().collect::<Vec<_>>())
        .unwrap_or_default();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => (user + system) / 100.0,
        _ => START.elapsed().as_secs_f64(),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(15);
    let place = tempfile::tempdir()?;
    let mut ratios = Vec::new();
    time(&place.path().join("warm"), true)?;
    for round in 0..rounds {
        let folder = place.path().join(round.to_string());
        // Each order as often as the other: what warms up or slows down over time counts for both.
        let (with, without) = if round % 2 == 0 {
            let with = time(&folder, true)?;
            (with, time(&folder, false)?)
        } else {
            let without = time(&folder, false)?;
            (time(&folder, true)?, without)
        };
        println!(
            "with {with:.3} s, without {without:.3} s: {:+.2} %",
            100.0 * (with / without - 1.0)
        );
        ratios.push(with / without);
    }
    ratios.sort_by(f64::total_cmp);
    let percent = |share: f64| 100.0 * (ratios[((ratios.len() - 1) as f64 * share) as usize] - 1.0);
    println!(
        "log and checkpoints cost {:+.2} % (median; quartiles {:+.2} % and {:+.2} %)",
        percent(0.5),
        percent(0.25),
        percent(0.75)
    );
    Ok(())
}
