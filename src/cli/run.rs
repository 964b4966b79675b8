//! `jemscript SCRIPT key=value …`: runs a script.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::input::{self, Input};
use super::terminal::Terminal;
use super::{INTERRUPTED, RunArgs, dry_run, kept, limits, ranks, shell, threads};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::run::{About, Run};
use crate::script::{Diagnostic, Program, Settings, check};
use crate::summary;
use crate::tensor::{default_device, device_name, parse_device, set_default_device};
use crate::world::World;

/// Runs a script; gives the exit code.
pub fn run(args: &RunArgs) -> u8 {
    catch_signals();
    let joined = ranks::join(&args.ranks, args.dry_run).map_err(|e| Diagnostic::bare(&e));
    let outcome = joined
        .and_then(|()| with_earlier_attempt(args).map_err(|e| Diagnostic::bare(&e)))
        .and_then(|args| kept::checked(&args))
        .and_then(|args| try_run(&args))
        .and_then(|()| World::current().end().map_err(|e| Diagnostic::bare(&e)));
    match outcome {
        Ok(()) => 0,
        Err(diagnostic) => {
            let interrupted = diagnostic.error.kind() == ErrorKind::Interrupted;
            ranks::report(&diagnostic.to_string());
            if let Some(text) = ranks::told(&diagnostic.to_string(), interrupted) {
                eprintln!("{text}");
            }
            if interrupted { INTERRUPTED } else { 1 }
        }
    }
}

/// The command line, going on with what an attempt before this one left.
fn with_earlier_attempt(args: &RunArgs) -> Result<RunArgs> {
    let mut args = args.clone();
    if args.resume.is_none()
        && let Some(folder) = ranks::earlier_attempt(args.out.as_deref())?
    {
        args.resume = Some(folder);
        args.out = None;
    }
    Ok(args)
}

fn try_run(args: &RunArgs) -> std::result::Result<(), Diagnostic> {
    let input = Input::of(args).map_err(|e| Diagnostic::bare(&e))?;
    let name = input.name.clone();
    let program =
        Program::new(settings(args, &input.file, &input.folder).map_err(|e| Diagnostic::bare(&e))?);
    let ast = program.compile(&name, &input.text)?;
    let world = World::current();
    for finding in check::lost_changes(&program, &name, &ast) {
        if world.speaks() {
            eprintln!("{}", finding.render());
        }
    }
    let declared = program.declared_parameters(&ast);
    if !declared.open {
        program
            .session
            .check_overrides(&declared.names)
            .map_err(|e| Diagnostic::bare(&e))?;
    }
    if args.dry_run {
        return dry_run::dry_run(&program, &name, &ast);
    }
    let run = run_folder(args, &input).map_err(|e| Diagnostic::bare(&e))?;
    program.session.set_run(run.clone());
    if args.swept.is_some() {
        // A sweep reads from the folder how the run goes, whether or not the script writes
        // anything.
        run.open().map_err(|e| Diagnostic::bare(&e))?;
    }
    program
        .session
        .set_output(Rc::new(Terminal::new(args.quiet || !world.speaks())));
    let outcome = program.run(&name, &ast, &mut rhai::Scope::new());
    close(&program, &outcome).map_err(|e| Diagnostic::bare(&e))?;
    if let (Err(d), Some(folder)) = (&outcome, run.folder())
        && d.error.kind() == ErrorKind::Interrupted
        && world.speaks()
    {
        eprintln!(
            "go on with it: jemscript {}resume {}",
            ranks::launched(),
            shell::quoted(&folder.display().to_string())
        );
    }
    if let (Ok(_), Some(folder)) = (&outcome, run.folder())
        && world.speaks()
        && !args.quiet
        && std::io::stdout().is_terminal()
    {
        let page = folder.join("report.html");
        if page.is_file() {
            println!("the run's report: {}", page.display());
        }
    }
    let asked: Vec<String> = program
        .session
        .parameters()
        .into_iter()
        .map(|p| p.name)
        .collect();
    if let Some(rich) = program.rich(&outcome?) {
        program.session.output().display(&rich);
    }
    program
        .session
        .check_overrides(&[declared.names, asked].concat())
        .map_err(|e| Diagnostic::bare(&e))
}

/// The folder that the run writes to, made at its first write.
pub(super) fn run_folder(args: &RunArgs, input: &Input) -> Result<Run> {
    let about = About {
        script: input.file.clone(),
        source: input.text.clone(),
        seed: args.seed,
        device: device_name(default_device()),
        threads: i64::from(tch::get_num_threads()),
        resume: Some(kept::kept(args, input)?),
        command: std::env::args().collect(),
        folder: input.folder.clone(),
    };
    ranks::run_folder(about, args.resume.is_some(), |about| {
        match (&args.resume, &args.out) {
            (Some(folder), _) => Run::again(folder, about, args.force),
            (None, Some(folder)) => Run::exactly(folder, about),
            (None, None) => Ok(Run::under(Path::new("runs"), about)),
        }
    })
}

/// Keeps the imported scripts and how the run ended in its folder.
pub(super) fn close(
    program: &Program,
    outcome: &std::result::Result<rhai::Dynamic, Diagnostic>,
) -> Result<()> {
    let run = program.session.run();
    for (file, text) in program.session.imports() {
        run.add_file(&file, &text)?;
    }
    match outcome {
        Ok(_) => run.finish("finished", None),
        Err(d) if d.error.kind() == ErrorKind::Interrupted => {
            run.finish("interrupted", Some(d.error.message()))
        }
        Err(d) if diverged(&d.error) => run.finish("diverged", Some(&d.text)),
        Err(d) => run.finish("failed", Some(&d.text)),
    }?;
    if let Some(folder) = run.folder()
        && !run.follows()
        && let Err(error) = summary::report(&folder)
    {
        // The results are safe without it.
        eprintln!("the run's report was not written: {error}");
    }
    Ok(())
}

/// Whether a training that diverged is what ended a run.
fn diverged(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NonFinite | ErrorKind::Diverged)
}

/// The settings of a session from the command line; sets the process's device and threads.
pub(super) fn settings(args: &RunArgs, file: &str, folder: &Path) -> Result<Settings> {
    set_default_device(parse_device(&ranks::device(&args.device))?);
    limits::apply(args.max_memory, args.max_time)?;
    match args.threads {
        Some(n) if !(1..=1024).contains(&n) => {
            return Err(Error::argument(format!(
                "--threads must be from 1 to 1024, got {n}"
            )));
        }
        Some(n) => tch::set_num_threads(n as i32),
        None => threads::within_quota(),
    }
    if let Some(lib) = args.lib.iter().find(|l| !l.is_dir()) {
        return Err(Error::new(
            ErrorKind::Io,
            format!("--lib: {} is not a folder", lib.display()),
        ));
    }
    let overrides = input::overrides(args)?;
    // A file that the user names for a parameter is one that the script may read.
    let named = overrides
        .iter()
        .map(|(_, v)| PathBuf::from(v))
        .filter(|p| p.exists());
    Ok(Settings {
        seed: args.seed,
        allow_read: named.chain(args.allow_read.iter().cloned()).collect(),
        allow_write: args.allow_write.clone(),
        trust: args.trust,
        overrides,
        swept: args.swept.clone().unwrap_or_default(),
        presets: input::presets(args)?,
        name: Path::new(file)
            .file_stem()
            .map_or_else(|| "script".to_owned(), |s| s.to_string_lossy().into_owned()),
        folder: folder.to_path_buf(),
        lib: args.lib.clone(),
    })
}

/// Whether this process was started with a signal ignored.
pub(super) fn ignored(signal: i32) -> bool {
    let mask = crate::proc::status("SigIgn")
        .and_then(|mask| u64::from_str_radix(&mask, 16).ok())
        .unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// The first Ctrl-C (or SIGTERM, which batch systems send, SIGUSR1, which they send before it, or
/// SIGHUP of a closed terminal) asks the script to stop at its next step; the second ends the
/// process at once.
pub(super) fn catch_signals() {
    // Whoever started the program with `nohup` wants it to outlive its terminal.
    let wanted = [SIGINT, SIGTERM, SIGUSR1, SIGHUP]
        .into_iter()
        .filter(|signal| *signal != SIGHUP || !ignored(SIGHUP));
    let Ok(mut signals) = Signals::new(wanted) else {
        return;
    };
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if interrupt::asked() {
                std::process::exit(i32::from(INTERRUPTED));
            }
            interrupt::request();
            if !ranks::is_first() {
                // Of several ranks one says it.
                continue;
            }
            eprintln!(
                "\nstopping after this step; press Ctrl-C again to stop at once, without its work"
            );
        }
    });
}
