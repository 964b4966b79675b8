//! `jemscript reproduce cifar10`: what the papers' tables need, ready to press the button: data,
//! training, evaluation, and a page beside the published numbers.
//!
//! Each step is a command of this program, shown before it runs, with a run folder of its own. The
//! same command goes on where the last one stopped: how far it came stands in those folders.

mod cost;
mod page;
mod recipe;
mod step;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};

use super::{INTERRUPTED, fail, recipes};
use crate::data;
use crate::error::{Error, ErrorKind, Result};
use crate::fetch::{Known, known};
use crate::formats::write_atomically;
use crate::run::json_file;
use crate::script::parameters::of_file;
use crate::tensor::{Device, parse_device};
use crate::world;
use cost::{Cost, OF_A_GPU};
use recipe::{Recipe, Set};
use step::{Standing, Steps, standing};

/// Values of `--small`: the whole chain within minutes on a processor. They show that it runs, and
/// nothing about the paper.
const SMALL: &[&str] = &[
    "depth=10",
    "width=1",
    "epochs=1",
    "batch_size=16",
    "sgld_steps=5",
    "warmup=10",
    "size=500",
    "validation=500",
    "limit=512",
    "judged=200",
    "attacked=50",
    "pgd_steps=5",
    "queries=50",
    "steps=[20]",
    "classwise=[20]",
    "fresh=100",
];

/// Parameters of the scripts that this command sets itself.
const OURS: &[&str] = &[
    "data",
    "recipe",
    "checkpoint",
    "buffer",
    "norm",
    "inception",
    "baseline",
];

/// What is reproduced, and how.
#[derive(Args)]
pub struct ReproduceArgs {
    /// The data set
    #[arg(value_enum, value_name = "SET")]
    set: Set,
    /// Parameters of training and evaluation: depth=10 attacked=0
    #[arg(value_name = "key=value")]
    values: Vec<String>,
    /// The method
    #[arg(long, value_enum, default_value = "jem")]
    recipe: Recipe,
    /// A tiny network and few images, to see the whole chain run on a processor
    #[arg(long)]
    small: bool,
    /// The folder of all of it (default: runs/reproduce-<recipe>-<set>)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The seed of training and evaluation
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda, cuda:1, …
    #[arg(long, default_value = "auto")]
    device: String,
    /// CPU threads of libtorch (default: all cores)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Train on so many processes of this machine, one for each GPU
    #[arg(long, value_name = "N", default_value_t = 1)]
    nproc: u32,
    /// A mirror of the data: a URL or a folder that holds the files
    #[arg(long, value_name = "URL|DIR")]
    from: Option<String>,
    /// The Inception network as a TorchScript file, for Inception Score and FID; it is a program,
    /// and is run
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,
    /// Run nothing real: what it would cost, and the training run dry
    #[arg(long)]
    dry_run: bool,
    /// No progress, only what the scripts print
    #[arg(long, short)]
    quiet: bool,
}

/// What is asked for, with all that decides the results.
struct Asked {
    set: Set,
    recipe: Recipe,
    seed: u64,
    /// Values of parameters that are not the paper's.
    values: Vec<String>,
    inception: bool,
    /// The folder, absolute.
    out: PathBuf,
}

impl Asked {
    fn train(&self) -> PathBuf {
        self.out.join("train")
    }

    fn evaluate(&self) -> PathBuf {
        self.out.join("evaluate")
    }

    fn json(&self) -> Json {
        json!({
            "data": self.set.name(), "recipe": self.recipe.name(), "seed": self.seed,
            "values": self.values, "inception": self.inception,
        })
    }

    /// A whole number among the values.
    fn number(&self, name: &str, default: u64) -> u64 {
        let of = |v: &String| {
            v.strip_prefix(name)?
                .strip_prefix('=')?
                .replace('_', "")
                .parse()
                .ok()
        };
        self.values.iter().rev().find_map(of).unwrap_or(default)
    }

    fn cost(&self) -> Cost {
        let mut size = self.recipe.size();
        let or = |given: u64, paper: u64| if given > 0 { given } else { paper };
        let batch = self.number("batch_size", 0);
        size.epochs = or(self.number("epochs", 0), size.epochs);
        size.steps = if size.steps > 0 {
            or(self.number("sgld_steps", 0), size.steps)
        } else {
            0
        };
        size.p_x_batch = match (self.recipe, batch) {
            (_, 0) => size.p_x_batch,
            (Recipe::Jem, batch) => batch,
            (_, batch) => batch.min(size.p_x_batch),
        };
        size.batch = or(batch, size.batch);
        let images = self
            .set
            .images()
            .saturating_sub(self.number("validation", 5_000));
        Cost {
            recipe: self.recipe,
            set: self.set,
            depth: self.number("depth", 28),
            width: self.number("width", 10),
            size,
            images: images.min(or(self.number("limit", 0), images)),
        }
    }
}

/// Runs the subcommand; gives the exit code.
pub fn reproduce(args: &ReproduceArgs) -> u8 {
    match try_reproduce(args) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn try_reproduce(args: &ReproduceArgs) -> Result<u8> {
    let asked = asked(args)?;
    let scripts = Scripts::of(&asked)?;
    let mut steps = Steps::new()?;
    if args.dry_run {
        return dry_run(args, &asked, &scripts, &mut steps);
    }
    check_machine(args, &asked)?;
    begin(&asked)?;
    println!(
        "{} on {}, in {}",
        asked.recipe.title(),
        asked.set.title(),
        asked.out.display()
    );
    let code = (|| {
        println!("\n1 of 4: data");
        let code = fetch_all(args, &asked, &mut steps)?;
        if code != 0 {
            return Ok(code);
        }
        println!("\n2 of 4: training");
        let train = scripts.train(args, &asked);
        let code = run_once(args, &mut steps, &asked.train(), train, args.nproc)?;
        if code != 0 {
            return Ok(code);
        }
        println!("\n3 of 4: evaluation");
        let judge = scripts.evaluate(args, &asked);
        run_once(args, &mut steps, &asked.evaluate(), judge, 1)
    })()?;
    match code {
        0 => {}
        INTERRUPTED => {
            eprintln!("\nreproduce: interrupted; the same command goes on from here");
            return Ok(INTERRUPTED);
        }
        code => {
            eprintln!(
                "\nreproduce: this step failed; its error stands above. The same command tries it again"
            );
            return Ok(code);
        }
    }
    println!("\n4 of 4: the page");
    let (table, path) = page::write(&asked)?;
    println!("\n{table}\n\nthe page is {}", path.display());
    Ok(0)
}

fn asked(args: &ReproduceArgs) -> Result<Asked> {
    let small = if args.small { SMALL } else { &[] };
    let mut values: Vec<String> = small.iter().map(|v| (*v).to_owned()).collect();
    for value in &args.values {
        let name = name_of(value)?;
        values.retain(|v| name_of(v).ok() != Some(name));
        values.push(value.clone());
    }
    let out = args.out.clone().unwrap_or_else(|| {
        let small = if args.small { "-small" } else { "" };
        PathBuf::from(format!(
            "runs/reproduce-{}-{}{small}",
            args.recipe.name(),
            args.set.name()
        ))
    });
    if let Some(file) = args.inception.as_ref().filter(|f| !f.is_file()) {
        return Err(Error::new(
            ErrorKind::Io,
            format!(
                "reproduce: --inception: there is no file {}",
                file.display()
            ),
        ));
    }
    Ok(Asked {
        set: args.set,
        recipe: args.recipe,
        seed: args.seed,
        values,
        inception: args.inception.is_some(),
        out: std::path::absolute(&out).map_err(|e| Error::io(&out, &e))?,
    })
}

fn name_of(value: &str) -> Result<&str> {
    value.split_once('=').map(|(name, _)| name).ok_or_else(|| {
        Error::argument(format!("reproduce: {value:?} is no parameter"))
            .with_hint("parameters are key=value: depth=10")
    })
}

/// What would fail later is said before anything long starts.
fn check_machine(args: &ReproduceArgs, asked: &Asked) -> Result<()> {
    let device = parse_device(&args.device)?;
    if args.nproc > 1
        && let Err(missing) = world::backends()
    {
        return Err(
            Error::state(format!("reproduce: --nproc {}: {missing}", args.nproc)).with_hint(
                "leave it out, or set up the libtorch of the PyTorch wheel (`make setup`)",
            ),
        );
    }
    let gpus = tch::Cuda::device_count().max(0) as u32;
    if matches!(device, Device::Cuda(_)) && args.nproc > gpus {
        return Err(Error::argument(format!(
            "reproduce: --nproc {}, but this machine has {gpus} usable GPUs",
            args.nproc
        ))
        .with_hint("one process for each GPU at most"));
    }
    let operations = asked.cost().operations();
    if device == Device::Cpu && args.device == "auto" && operations > OF_A_GPU {
        return Err(Error::new(
            ErrorKind::Device,
            format!(
                "reproduce: no usable GPU on this machine, and this training has {operations:.0e} floating-point operations, \
                 weeks or months on a processor"
            ),
        )
        .with_hint(
            "run it on a machine with an NVIDIA GPU (`jemscript doctor` says what is missing); --small shows the whole chain \
             here; --dry-run says what it costs; --device cpu runs it all the same",
        ));
    }
    Ok(())
}

/// Notes what the folder is for; another reproduction in it is an error.
fn begin(asked: &Asked) -> Result<()> {
    let path = asked.out.join("reproduce.json");
    if path.exists() {
        let before = json_file(&path)?;
        if before != asked.json() {
            return Err(Error::argument(format!(
                "reproduce: {} was begun with {before}, not with {}",
                asked.out.display(),
                asked.json()
            ))
            .with_hint(
                "give the same values to go on with it, or name another folder: --out DIR",
            ));
        }
        return Ok(());
    }
    std::fs::create_dir_all(&asked.out).map_err(|e| Error::io(&asked.out, &e))?;
    write_atomically(&path, asked.json().to_string().as_bytes())
}

/// The set itself must come. Without one of the others a table has a row less; a small run takes
/// those that are there.
fn fetch_all(args: &ReproduceArgs, asked: &Asked, steps: &mut Steps) -> Result<u8> {
    let others = Set::ALL.into_iter().filter(|s| *s != asked.set);
    for set in std::iter::once(asked.set).chain(others) {
        let needed = set == asked.set;
        if there(known(set.name())?) {
            println!("  {} is there", set.title());
            continue;
        }
        if !needed && args.small {
            println!(
                "  {} is not there: a small run does without it",
                set.title()
            );
            continue;
        }
        let mut words = vec!["fetch".to_owned(), set.name().to_owned()];
        if let Some(from) = &args.from {
            words.extend(["--from".to_owned(), from.clone()]);
        }
        match steps.run(&words)? {
            0 => {}
            code if needed || code == INTERRUPTED => return Ok(code),
            _ => eprintln!(
                "  {} did not come: the table of detection has a set less. `jemscript fetch {}` before the evaluation mends it",
                set.title(),
                set.name()
            ),
        }
    }
    Ok(0)
}

/// Whether a set lies in one of the data folders: as fetched, or unpacked under other names. A part
/// of a download is not enough.
fn there(set: &Known) -> bool {
    data::folders()
        .iter()
        .map(|f| f.join(set.name))
        .any(|folder| {
            let names: Vec<_> = std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.file_name().to_string_lossy().into_owned())
                .collect();
            let mut files = set
                .files
                .iter()
                .filter(|f| !f.optional)
                .map(|f| f.name.to_owned());
            let fetched = files.clone().all(|f| names.contains(&f));
            let partly = files.any(|f| names.contains(&f) || names.contains(&format!("{f}.part")));
            !names.is_empty() && (fetched || !partly)
        })
}

/// Runs a script in its folder unless it is done, from where it stopped if it was begun.
fn run_once(
    args: &ReproduceArgs,
    steps: &mut Steps,
    folder: &Path,
    words: Vec<String>,
    nproc: u32,
) -> Result<u8> {
    let mut words = match standing(folder)? {
        Standing::Done => {
            println!("  is done: {}", folder.display());
            return Ok(0);
        }
        Standing::Begin => words,
        Standing::GoOn => {
            let mut words = vec!["resume".to_owned(), folder.display().to_string()];
            if args.device != "auto" {
                words.extend(["--device".to_owned(), args.device.clone()]);
            }
            words
        }
    };
    if args.quiet {
        words.push("--quiet".to_owned());
    }
    if nproc > 1 {
        let launch = ["launch", "--nproc", &nproc.to_string()].map(str::to_owned);
        words.splice(0..0, launch);
    }
    steps.run(&words)
}

/// The estimate, and the training run dry where its data are.
fn dry_run(
    args: &ReproduceArgs,
    asked: &Asked,
    scripts: &Scripts,
    steps: &mut Steps,
) -> Result<u8> {
    print!("{}", asked.cost().text());
    if !there(known(asked.set.name())?) {
        println!(
            "\nthe training itself is run dry, for its shapes and its memory, once the data are there: jemscript fetch {}",
            asked.set.name()
        );
        return Ok(0);
    }
    println!("\nthe training, run dry on this machine:");
    let mut words = scripts.train(args, asked);
    if let Some(at) = words.iter().position(|w| w == "--out") {
        words.drain(at..at + 2);
    }
    words.push("--dry-run".to_owned());
    steps.run(&words)
}

/// The two scripts, and which of the values is for which.
struct Scripts {
    train: (PathBuf, Vec<String>),
    evaluate: (PathBuf, Vec<String>),
}

impl Scripts {
    fn of(asked: &Asked) -> Result<Scripts> {
        let parameters = |recipe: &str| -> Result<(PathBuf, Vec<String>)> {
            let file = recipes::named(recipe)?.file;
            let rows = of_file(&file).map_err(|d| d.error)?;
            Ok((file, rows.into_iter().map(|r| r.name).collect()))
        };
        let (train, evaluate) = (parameters("reproduce")?, parameters("evaluate")?);
        for value in &asked.values {
            let name = name_of(value)?;
            if OURS.contains(&name) {
                return Err(Error::argument(format!(
                    "reproduce: `{name}` is set by the command itself"
                ))
                .with_hint("its arguments: the data set, --recipe NAME, --inception FILE"));
            }
            let names = || train.1.iter().chain(&evaluate.1).map(String::as_str);
            if !names().any(|n| n == name) {
                let known = names().filter(|n| !OURS.contains(n));
                return Err(Error::unknown(
                    &format!("reproduce: neither training nor evaluation has a parameter `{name}`"),
                    name,
                    known,
                ));
            }
        }
        Ok(Scripts { train, evaluate })
    }

    fn train(&self, args: &ReproduceArgs, asked: &Asked) -> Vec<String> {
        let own = vec![
            format!("data={}", asked.set.name()),
            format!("recipe={}", asked.recipe.name()),
        ];
        words(args, asked, &self.train, own, &asked.train())
    }

    fn evaluate(&self, args: &ReproduceArgs, asked: &Asked) -> Vec<String> {
        let file = |name: &str| asked.train().join(name).display().to_string();
        let given = |name: &str| asked.values.iter().any(|v| name_of(v).ok() == Some(name));
        let mut own = vec![
            format!("data={}", asked.set.name()),
            format!("norm={}", asked.recipe.norm()),
            format!("checkpoint={}", file("weights.safetensors")),
        ];
        if asked.recipe.samples() {
            own.push(format!("buffer={}", file("buffer.safetensors")));
        } else if !given("fresh") {
            own.push("fresh=0".to_owned());
        }
        if !given("noise") {
            own.push(format!("noise={}", asked.recipe.noise()));
        }
        let inception = args.inception.as_ref();
        own.extend(inception.map(|f| format!("inception={}", f.display())));
        let mut words = words(args, asked, &self.evaluate, own, &asked.evaluate());
        if inception.is_some() {
            words.push("--trust".to_owned());
        }
        words
    }
}

/// The command line of a script.
fn words(
    args: &ReproduceArgs,
    asked: &Asked,
    (file, parameters): &(PathBuf, Vec<String>),
    own: Vec<String>,
    out: &Path,
) -> Vec<String> {
    let mut words = vec![file.display().to_string()];
    words.extend(own);
    let mine = |v: &&String| name_of(v).is_ok_and(|n| parameters.iter().any(|p| p == n));
    words.extend(asked.values.iter().filter(mine).cloned());
    let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    option("out", out.display().to_string());
    option("seed", asked.seed.to_string());
    option("device", args.device.clone());
    if let Some(threads) = args.threads {
        option("threads", threads.to_string());
    }
    words
}
