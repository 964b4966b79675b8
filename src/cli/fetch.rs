//! `jemscript fetch NAME`: downloads a data set; `jemscript fetch --list` shows what is there.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::INTERRUPTED;
use super::run::catch_signals;
use crate::data;
use crate::error::{ErrorKind, Result};
use crate::fetch::{KNOWN, Order, Standing, Watcher, fetch, known, standing};

/// What to download.
#[derive(Args)]
pub struct FetchArgs {
    /// The data set: cifar10, cifar100, svhn, mnist, fashion-mnist
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// Show the known data sets and what is there
    #[arg(long)]
    list: bool,
    /// A mirror: a URL or a folder that holds the files
    #[arg(long, value_name = "URL|DIR")]
    from: Option<String>,
    /// The data folder (default: $JEMSCRIPT_DATA, else ~/.local/share/jemscript/data)
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// The optional files too: extra_32x32.mat of SVHN
    #[arg(long)]
    extra: bool,
}

/// Runs the subcommand; gives the exit code.
pub fn run(args: &FetchArgs) -> u8 {
    catch_signals();
    match try_run(args) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            if error.kind() == ErrorKind::Interrupted {
                INTERRUPTED
            } else {
                1
            }
        }
    }
}

fn try_run(args: &FetchArgs) -> Result<()> {
    let Some(name) = args.name.as_deref().filter(|_| !args.list) else {
        return list(args);
    };
    let order = Order {
        set: known(name)?,
        from: args.from.clone(),
        to: args.to.clone(),
        extra: args.extra,
    };
    println!("{}\n  {}", order.set.title, order.set.licence);
    let folder = fetch(&order, &mut Shown::default())?;
    println!("{} is in {}", order.set.name, folder.display());
    if let Some(other) = args
        .to
        .as_ref()
        .filter(|to| data::home().as_ref() != Some(to))
    {
        let place = other.join(order.set.name);
        println!(
            "scripts find it there with #{{ folder: {:?} }} and --allow-read, or with JEMSCRIPT_DATA={}",
            place,
            other.display()
        );
    }
    Ok(())
}

/// All known sets, with what is there of each.
fn list(args: &FetchArgs) -> Result<()> {
    match args.to.clone().or_else(data::home) {
        Some(folder) => println!("data folder: {}", folder.display()),
        None => println!(
            "data folder: none (neither HOME nor JEMSCRIPT_DATA is set); name one with --to DIR"
        ),
    }
    for set in KNOWN {
        println!("\n{:14} {}", set.name, set.title);
        println!("{:14} {}", "", set.licence);
        println!("{:14} from {}", "", set.home);
        let order = Order {
            set,
            from: None,
            to: args.to.clone(),
            extra: true,
        };
        for file in set.files {
            let state = match order
                .folder()
                .and_then(|folder| standing(&folder, file, false))
            {
                Ok(Standing::Whole) => "there".to_owned(),
                Ok(Standing::Partial(bytes)) => {
                    format!("{} of it there, fetch goes on", size(bytes))
                }
                Ok(_) if file.optional => "not there (--extra)".to_owned(),
                _ => "not there".to_owned(),
            };
            println!(
                "{:14}   {:28} {:>9}  {state}",
                "",
                file.name,
                size(file.size)
            );
        }
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// A bar in a terminal, a line for each file elsewhere.
#[derive(Default)]
struct Shown {
    bar: Option<ProgressBar>,
    name: String,
    total: Option<u64>,
    bytes: u64,
}

impl Watcher for Shown {
    fn start(&mut self, name: &str, have: u64, total: Option<u64>) {
        (self.name, self.total, self.bytes) = (name.to_owned(), total, have);
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let form =
            "{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(name.to_owned());
        bar.reset_eta();
        bar.set_position(have);
        bar.enable_steady_tick(Duration::from_millis(250));
        self.bar = Some(bar);
    }

    fn at(&mut self, bytes: u64) {
        self.bytes = bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if !self.name.is_empty() {
            let of = self
                .total
                .filter(|t| *t != self.bytes)
                .map_or(String::new(), |t| format!(" of {}", size(t)));
            self.say(&format!("{}: {}{of}", self.name, size(self.bytes)));
            self.name.clear();
        }
    }

    fn say(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }
}
