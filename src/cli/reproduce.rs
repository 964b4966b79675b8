//! `jemscript reproduce cifar10`: what the papers' tables need, ready to press the button: data,
//! training, evaluation, and a page beside the published numbers.
//!
//! Each step is a command of this program, shown before it runs, with a run folder of its own. The
//! same command goes on where the last one stopped: how far it came stands in those folders.

mod asked;
mod cost;
mod page;
mod recipe;
mod scripts;
mod sets;
mod step;

use std::path::{Path, PathBuf};

use clap::Args;

use super::{INTERRUPTED, fail};
use crate::error::{Error, ErrorKind, Result};
use crate::formats::write_atomically;
use crate::run::json_file;
use crate::tensor::{Device, parse_device};
use crate::world;
use asked::Asked;
use cost::OF_A_GPU;
use recipe::{Recipe, Set};
use scripts::Scripts;
use sets::{fetch_all, there};
use step::{Standing, Steps, standing};

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

/// Runs the subcommand; gives the exit code.
pub fn reproduce(args: &ReproduceArgs) -> u8 {
    match try_reproduce(args) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn try_reproduce(args: &ReproduceArgs) -> Result<u8> {
    let asked = asked::asked(args)?;
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
    if !there(asked.set) {
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
