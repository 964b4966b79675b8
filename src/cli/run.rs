//! `jemscript SCRIPT key=value …`: runs a script.

use std::path::Path;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{INTERRUPTED, RunArgs, near_command};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::script::{Diagnostic, Program, Settings, read_script};
use crate::tensor::{parse_device, set_default_device};

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
    let value = program.run(&name, &ast, &mut rhai::Scope::new())?;
    let asked: Vec<String> = program.session.parameters().into_iter().map(|p| p.name).collect();
    program.session.check_overrides(&[declared.names, asked].concat()).map_err(|e| bare(&e))?;
    if let Some(shown) = program.show(&value) {
        println!("{shown}");
    }
    Ok(())
}

/// The settings of a session from the command line; sets the process's device and threads.
fn settings(args: &RunArgs, script: &str) -> Result<Settings> {
    set_default_device(parse_device(&args.device)?);
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
    Ok(Settings {
        seed: args.seed,
        overrides: overrides.collect::<Result<_>>()?,
        out: args.out.clone(),
        quiet: args.quiet,
        name: path.file_stem().map_or_else(|| "script".to_owned(), |s| s.to_string_lossy().into_owned()),
        folder: path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf(),
    })
}

fn bare(error: &Error) -> Diagnostic {
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
