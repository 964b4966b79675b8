//! `jemscript SCRIPT key=value …`: runs a script.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{INTERRUPTED, RunArgs, dry_run, limits, near_command, params_file};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::run::{About, Past, Run, Set, Source};
use crate::script::{Diagnostic, Preset, Program, Settings, read_script};
use crate::summary;
use crate::tensor::{default_device, device_name, parse_device, set_default_device};
use crate::train::{Bar, Lines, Progress};

/// Runs a script; gives the exit code.
pub fn run(args: &RunArgs) -> u8 {
    catch_signals();
    match try_run(args) {
        Ok(()) => 0,
        Err(diagnostic) => {
            eprintln!("{diagnostic}");
            if diagnostic.error.kind() == ErrorKind::Interrupted { INTERRUPTED } else { 1 }
        }
    }
}

fn try_run(args: &RunArgs) -> std::result::Result<(), Diagnostic> {
    let name = args.script.clone().unwrap_or_default();
    let program = Program::new(settings(args, &name).map_err(|e| bare(&e))?);
    let path = Path::new(&name);
    let text = read_script(path).map_err(|e| {
        let near = near_command(&name).filter(|_| !path.exists());
        bare(&match near {
            Some(command) => {
                Error::new(e.kind(), e.message()).with_hint(format!("did you mean `jemscript {command}`?"))
            }
            None => e,
        })
    })?;
    let ast = program.compile(&name, &text)?;
    let declared = program.declared_parameters(&ast);
    if !declared.open {
        program.session.check_overrides(&declared.names).map_err(|e| bare(&e))?;
    }
    if args.dry_run {
        return dry_run::dry_run(&program, &name, &ast);
    }
    program.session.set_run(run_folder(args, path, &text).map_err(|e| bare(&e))?);
    if args.swept.is_some() {
        // A sweep reads from the folder how the run goes, whether or not the script writes anything.
        program.session.run().open().map_err(|e| bare(&e))?;
    }
    if !args.quiet {
        program.session.set_progress(Rc::new(progress));
    }
    let outcome = program.run(&name, &ast, &mut rhai::Scope::new());
    close(&program, &outcome).map_err(|e| bare(&e))?;
    let asked: Vec<String> = program.session.parameters().into_iter().map(|p| p.name).collect();
    if let Some(shown) = program.show(&outcome?) {
        println!("{shown}");
    }
    program.session.check_overrides(&[declared.names, asked].concat()).map_err(|e| bare(&e))
}

/// The folder that the run writes to, made at its first write.
fn run_folder(args: &RunArgs, script: &Path, text: &str) -> Result<Run> {
    let about = About {
        script: script.file_name().map_or_else(|| "script.rhai".to_owned(), |n| n.to_string_lossy().into_owned()),
        source: text.to_owned(),
        seed: args.seed,
        device: device_name(default_device()),
        threads: i64::from(tch::get_num_threads()),
        command: std::env::args().collect(),
        folder: script.parent().map(Path::to_owned).unwrap_or_default(),
    };
    match &args.out {
        Some(folder) => Run::exactly(folder, about),
        None => Ok(Run::under(Path::new("runs"), about)),
    }
}

/// A bar in a terminal, lines elsewhere.
fn progress() -> Rc<dyn Progress> {
    if std::io::stderr().is_terminal() { Rc::new(Bar::default()) } else { Rc::new(Lines::new(Duration::from_secs(10))) }
}

/// Keeps the imported scripts and how the run ended in its folder.
fn close(program: &Program, outcome: &std::result::Result<rhai::Dynamic, Diagnostic>) -> Result<()> {
    let run = program.session.run();
    for (file, text) in program.session.imports() {
        run.add_file(&file, &text)?;
    }
    match outcome {
        Ok(_) => run.finish("finished", None),
        Err(d) if d.error.kind() == ErrorKind::Interrupted => run.finish("interrupted", Some(d.error.message())),
        Err(d) if diverged(&d.error) => run.finish("diverged", Some(&d.text)),
        Err(d) => run.finish("failed", Some(&d.text)),
    }?;
    if let Some(folder) = run.folder()
        && let Err(error) = summary::report(&folder)
    {
        // The results are safe without it.
        eprintln!("the run's report was not written: {error}");
    }
    Ok(())
}

/// Whether a training that diverged is what ended a run.
fn diverged(error: &Error) -> bool {
    error.kind() == ErrorKind::NonFinite || error.message().contains("train: diverged at iteration")
}

/// The values of parameters that do not come as key=value.
fn presets(args: &RunArgs) -> Result<Vec<Preset>> {
    let mut found = Vec::new();
    if let Some(folder) = &args.rerun_of {
        let past = Past::read(folder)?;
        let preset =
            |p: &Set| Some(Preset { name: p.name.clone(), value: p.value.clone(), source: Source::of(&p.source)? });
        found.extend(past.changed().filter_map(preset));
    }
    if let Some(file) = &args.params {
        found.extend(params_file::read(file)?);
    }
    Ok(found)
}

/// The settings of a session from the command line; sets the process's device and threads.
fn settings(args: &RunArgs, script: &str) -> Result<Settings> {
    set_default_device(parse_device(&args.device)?);
    limits::apply(args.max_memory, args.max_time)?;
    match args.threads {
        Some(0) => return Err(Error::argument("--threads must be at least 1")),
        Some(n) => tch::set_num_threads(n as i32),
        None => {}
    }
    let path = Path::new(script);
    let overrides = args.overrides.iter().map(|text| {
        let pair = text.split_once('=').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
        pair.ok_or_else(|| Error::argument(format!("`{text}`: parameters are written key=value")))
    });
    let overrides: Vec<(String, String)> = overrides.collect::<Result<_>>()?;
    // A file that the user names for a parameter is one that the script may read.
    let named = overrides.iter().map(|(_, v)| PathBuf::from(v)).filter(|p| p.exists());
    Ok(Settings {
        seed: args.seed,
        allow_read: named.chain(args.allow_read.iter().cloned()).collect(),
        allow_write: args.allow_write.clone(),
        overrides,
        swept: args.swept.clone().unwrap_or_default(),
        presets: presets(args)?,
        name: path.file_stem().map_or_else(|| "script".to_owned(), |s| s.to_string_lossy().into_owned()),
        folder: path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf(),
    })
}

pub(super) fn bare(error: &Error) -> Diagnostic {
    Diagnostic { text: format!("error: {error}"), error: error.clone() }
}

/// The first Ctrl-C (or SIGTERM) asks the script to stop at its next step; the second ends the process at once.
fn catch_signals() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if interrupt::requested() {
                std::process::exit(i32::from(INTERRUPTED));
            }
            interrupt::request();
            eprintln!("\nstopping after this step; press Ctrl-C again to stop at once");
        }
    });
}
