//! The process that runs hostile scripts, and what counts as a bad end.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jemscript::interrupt;
use jemscript::run::{About, Run};
use jemscript::script::{Program, Settings};
use rhai::{Dynamic, Scope};

use super::{compose, mutate};

/// Scripts that take longer are asked to stop, as Ctrl-C does.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// Address space for data: what asks for more gets an error.
const MEMORY: u64 = 3 << 30;
/// As a program has it.
const STACK: usize = 256 << 20;
/// Scripts that share one program.
const SHARED: u64 = 100;

/// Runs the scripts of the seeds `from..to`; writes where it is, and what it finds.
pub fn run(folder: &Path, from: u64, to: u64) {
    let (_, hard) = rlimit::Resource::DATA.get().unwrap();
    rlimit::Resource::DATA.set(MEMORY, hard).unwrap();
    tch::set_num_threads(1);
    let started = Arc::new(AtomicU64::new(0));
    let epoch = Instant::now();
    let seen = started.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let since = epoch.elapsed().as_millis() as u64 - seen.load(Ordering::Relaxed);
            if since > PATIENCE.as_millis() as u64 {
                interrupt::request();
            }
        }
    });
    let mut worker = Worker::new(folder);
    let mut found = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("findings"))
        .unwrap();
    let mut counts = (0u64, 0u64);
    for seed in from..to {
        if (seed - from).is_multiple_of(SHARED) {
            worker = Worker::new(folder);
        }
        fs::write(folder.join("at"), seed.to_string()).unwrap();
        started.store(epoch.elapsed().as_millis() as u64, Ordering::Relaxed);
        interrupt::clear();
        let text = worker.script(seed);
        started.store(epoch.elapsed().as_millis() as u64, Ordering::Relaxed);
        interrupt::clear();
        if let Some(bad) = worker.whole(&text) {
            writeln!(found, "script {seed}: {}", bad.replace('\n', " | ")).unwrap();
        }
        counts.0 += u64::from(worker.ended_well);
        counts.1 += u64::from(worker.interrupted);
    }
    let text = format!(
        "{} ran to their end, {} were asked to stop",
        counts.0, counts.1
    );
    fs::write(folder.join("summary"), text).unwrap();
}

/// A program to run scripts in.
pub struct Worker {
    program: Program,
    /// Whether the last script had no error.
    pub ended_well: bool,
    /// Whether it was asked to stop.
    pub interrupted: bool,
}

impl Worker {
    /// A new program with a run folder.
    pub fn new(folder: &Path) -> Worker {
        let _ = fs::remove_dir_all(folder.join("run"));
        let settings = Settings {
            folder: folder.to_path_buf(),
            ..Settings::default()
        };
        let program = Program::new(settings);
        program
            .session
            .set_run(Run::exactly(&folder.join("run"), About::default()).unwrap());
        program
            .session
            .set_output(jemscript::display::lines(|_| {}));
        Worker {
            program,
            ended_well: false,
            interrupted: false,
        }
    }

    /// The script of a seed. A composed one is tried as it grows, to know the types of its values.
    pub fn script(&mut self, seed: u64) -> String {
        let mut rng = Rng::with_seed(seed);
        if rng.u8(..2) == 0 {
            return mutate::script(&mut rng);
        }
        let mut scope = Scope::new();
        let (mut text, mut types) = (String::new(), Vec::new());
        for _ in 0..rng.usize(1..12) {
            let line = compose::statement(&mut rng, &types);
            if std::env::var_os("FUZZ_SHOW").is_some() {
                println!("{line}");
            }
            let engine = self.program.engine();
            let outcome = stacker::grow(STACK, || {
                engine.eval_with_scope::<Dynamic>(&mut scope, &line)
            });
            let value = scope.get_value::<Dynamic>(&format!("v{}", types.len()));
            let (Ok(_), Some(value)) = (outcome, value) else {
                // Most scripts go on without what failed; some end with it.
                if rng.u8(..4) == 0 {
                    text += &format!("{line}\n");
                    break;
                }
                continue;
            };
            text += &format!("{line}\n");
            types.push(
                self.program
                    .engine()
                    .map_type_name(value.type_name())
                    .to_owned(),
            );
        }
        text
    }

    /// Runs a whole script; says what is bad about how it ends.
    pub fn whole(&mut self, text: &str) -> Option<String> {
        let outcome = self.program.run_text("script", text);
        self.interrupted = interrupt::requested();
        self.ended_well = outcome.is_ok();
        match outcome {
            Ok(value) => {
                // Every value prints.
                let _ = self.program.show(&value);
                None
            }
            Err(diagnostic) => {
                let text = &diagnostic.text;
                let bad = [
                    "internal error",
                    "Exception raised from",
                    "frame #",
                    "panicked",
                    "Torch(",
                ];
                let said = bad
                    .iter()
                    .find(|b| text.contains(**b))
                    .map(|b| format!("says `{b}`: {text}"));
                let placeless = !text.contains("--> script:") && !self.interrupted;
                said.or_else(|| placeless.then(|| format!("has no place: {text}")))
            }
        }
    }
}
