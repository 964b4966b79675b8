//! `--dry-run`: the whole script with tiny numbers, and what the real run would take.

use std::time::Instant;

use rhai::{AST, Scope};

use crate::display::lines;
use crate::dry_run::{self, Clock, Found, Span, Training};
use crate::error::{Error, ErrorKind};
use crate::run::{About, Run};
use crate::script::{Diagnostic, Program};
use crate::tensor::{Device, default_device, device_name};

/// Two runs of the same work on one machine differ by so much.
const NOISE: Span = Span {
    low: 0.8,
    high: 1.3,
};

/// Below this share of the time on a processor, others use it too.
const BUSY: f64 = 0.75;

/// So much more than is in use a long run may hold: the allocator keeps what is free between blocks of other sizes.
const FREE: f64 = 1.3;

const MIB: f64 = 1_048_576.0;

/// Runs dry a script and prints what it built and what the real run would take.
pub fn dry_run(program: &Program, name: &str, ast: &AST) -> std::result::Result<(), Diagnostic> {
    let folder =
        tempfile::tempdir().map_err(|e| Diagnostic::bare(&Error::io(&std::env::temp_dir(), &e)))?;
    let about = About {
        script: name.to_owned(),
        ..About::default()
    };
    program
        .session
        .set_run(Run::exactly(folder.path(), about).map_err(|e| Diagnostic::bare(&e))?);
    // Its numbers mean nothing: nobody should take them for results.
    program.session.set_output(lines(|text| {
        text.lines().for_each(|line| println!("  | {line}"))
    }));
    println!(
        "dry run of {name}: two iterations a loop, batches of 2, samplers of 2 steps; numbers it prints mean nothing"
    );
    dry_run::start((default_device() == Device::Cpu).then_some(processor_seconds));
    let (started, clock) = (Instant::now(), Clock::start());
    let outcome = program.run(name, ast, &mut Scope::new());
    let (seconds, had) = (started.elapsed().as_secs_f64(), clock.seconds());
    let found = dry_run::finish();
    let small = match outcome {
        Err(d) if d.error.kind() == ErrorKind::DryRun => Some(d),
        other => other.map(|_| None)?,
    };
    if let Some(d) = &small {
        println!(
            "{d}\n\nnot tried beyond this line: what a dry run makes small is too small for it. That is no failure."
        );
    }
    if let Some(found) = found {
        print!("{}", summary(&found, seconds, had));
    }
    Ok(())
}

fn summary(found: &Found, seconds: f64, had: f64) -> String {
    let mut text = format!("\nno error, in {}\n", duration(seconds));
    for alike in groups(&found.trainings) {
        text += &training(&alike);
    }
    let done = Span::exactly((had - found.probed).max(0.0));
    // Kinds of work err independently; all of them share the machine's noise.
    let work = found.missing.values().fold(done, |sum, s| sum.beside(*s));
    let noise = Span {
        low: work.middle() * NOISE.low,
        high: work.middle() * NOISE.high,
    };
    let all = work.beside(Span {
        low: noise.low - work.middle(),
        high: noise.high - work.middle(),
    });
    let (low, high) = (all.low.max(done.low * NOISE.low), all.high.max(all.low));
    let place = format!(
        "{}, {} threads",
        device_name(default_device()),
        tch::get_num_threads()
    );
    text += &format!(
        "the real run takes about {} on this machine ({place})\n",
        between(low, high)
    );
    if had < BUSY * seconds {
        text += &format!(
            "  if nothing else runs on it: now other programs do, and this one had the processor for {:.0} % of the time\n",
            100.0 * had / seconds
        );
    }
    text += &shares(found, work.middle());
    text += &memory(&found.trainings);
    text
}

/// The memory of the training that takes the most.
fn memory(trainings: &[Training]) -> String {
    let Some(now) = resident() else {
        return String::new();
    };
    let parts = |t: &Training| Some((t.memory?, t.copies));
    let (step, copies) = trainings
        .iter()
        .filter_map(parts)
        .max_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1)))
        .unwrap_or_default();
    let shares = [(step, "a training step"), (copies, "copies of its state")];
    let shares: Vec<String> = shares
        .iter()
        .filter(|(size, _)| *size > MIB)
        .map(|(size, what)| format!("{} for {what}", bytes(*size)))
        .collect();
    let which = match shares.is_empty() {
        true => String::new(),
        false => format!(", of which {}", shares.join(" and ")),
    };
    let all = now + step + copies;
    let range = match (bytes(all), bytes(FREE * all)) {
        (low, high) if low == high => low,
        (low, high) => format!("{low} to {high}"),
    };
    format!("and about {range} of memory{which}\n")
}

/// What the time goes to, most first, where there is more than one kind of work worth telling.
fn shares(found: &Found, all: f64) -> String {
    let mut kinds: Vec<_> = found
        .missing
        .iter()
        .filter(|(_, s)| s.middle() > 0.03 * all)
        .collect();
    kinds.sort_by(|a, b| b.1.middle().total_cmp(&a.1.middle()));
    if kinds.len() < 2 {
        return String::new();
    }
    let told = kinds
        .iter()
        .map(|(what, s)| format!("{what} {}", between(s.low, s.high)));
    format!("  {}\n", told.collect::<Vec<_>>().join(", "))
}

/// Trainings of the same things and about the same cost, in the order of their first.
fn groups(trainings: &[Training]) -> Vec<Vec<&Training>> {
    let mut groups: Vec<Vec<&Training>> = Vec::new();
    for t in trainings {
        let alike = |o: &Training| {
            let cost = o.step.high / t.step.high;
            (o.iterations, o.batch_size, &o.state) == (t.iterations, t.batch_size, &t.state)
                && (0.4..2.5).contains(&cost)
        };
        match groups.iter_mut().find(|g| alike(g[0])) {
            Some(group) => group.push(t),
            None => groups.push(vec![t]),
        }
    }
    groups
}

fn training(alike: &[&Training]) -> String {
    let n = |i: i64| crate::nn::thousands(i);
    let t = alike[0];
    let low = alike
        .iter()
        .map(|t| t.step.low)
        .fold(f64::INFINITY, f64::min);
    let high = alike.iter().map(|t| t.step.high).fold(0.0, f64::max);
    let step = between(low * NOISE.low, high * NOISE.high);
    let (first, last) = (&t.name, &alike[alike.len() - 1].name);
    let name = match alike.len() {
        1 => first.clone(),
        2 => format!("{first} and {last}"),
        count => format!("{first} to {last} ({count} trainings)"),
    };
    let mut text = format!(
        "  {name}: {} iterations, batches of {}, {step} each\n",
        n(t.iterations),
        n(t.batch_size)
    );
    for (name, about) in &t.state {
        text += &format!("    {name}: {about}\n");
    }
    text
}

fn between(low: f64, high: f64) -> String {
    let (a, b) = (duration(low), duration(high));
    if a == b { a } else { format!("{a} to {b}") }
}

/// Seconds in the unit that people would use.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 90.0 => format!("{s:.1} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86400.0),
    }
}

fn bytes(n: f64) -> String {
    if n < 1024.0 * MIB {
        format!("{:.0} MiB", n / MIB)
    } else {
        format!("{:.1} GiB", n / (1024.0 * MIB))
    }
}

/// Seconds of processor time that this process has had, of all its threads.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// Bytes of memory that this process has in use.
fn resident() -> Option<f64> {
    crate::heap::give_back();
    crate::proc::status_bytes("VmRSS").map(|bytes| bytes as f64)
}
