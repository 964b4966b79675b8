//! Job files: the runs of a sweep as the tasks of an array job, for Slurm, HyperQueue, GNU parallel
//! or any shell.

use std::path::Path;

use super::{Emit, SweepArgs, shared};
use crate::cli::program;
use crate::cli::shell::quoted;
use crate::error::{Error, Result};
use crate::formats::write_atomically;

/// Writes the job file into the sweep's folder and says how it is used.
pub(super) fn write(args: &SweepArgs, form: Emit, out: &Path, count: usize) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, &e))?;
    let here = std::env::current_dir().map_err(|e| Error::io(Path::new("."), &e))?;
    let program = program::path("sweep")?;
    let command = command(args, out);
    let last = count.saturating_sub(1);
    let head =
        format!("# The runs of one sweep, {count} of them. Made by jemscript sweep --emit.\n");
    let set = format!(
        "cd {}\njemscript=${{JEMSCRIPT:-{}}}\n",
        quoted(&here.display().to_string()),
        quoted(&program.display().to_string())
    );
    let use_it;
    let (name, text, use_it) = match form {
        Emit::Slurm => {
            let gpu = if args.device.starts_with("cuda") {
                format!("#SBATCH --gpus={}\n", args.nproc)
            } else {
                String::new()
            };
            let cores = "${SLURM_CPUS_PER_TASK:-1}";
            let threads = match args.nproc {
                1 => cores.to_owned(),
                n => format!("$(( {cores} / {n} ))"),
            };
            let text = format!(
                "#!/bin/bash\n{head}#SBATCH --job-name={}\n#SBATCH --array=0-{last}{}\n#SBATCH --cpus-per-task={}\n\
                 {gpu}#SBATCH --output={}/slurm-%A_%a.txt\n{}{set}\
                 exec \"$jemscript\" {command} --threads \"{threads}\" --task \"$SLURM_ARRAY_TASK_ID\"\n",
                job_name(&args.script),
                args.jobs.map_or_else(String::new, |n| format!("%{n}")),
                args.threads.unwrap_or(1) * args.nproc,
                // Slurm reads this line itself: no quotes, and blanks would end it.
                out.display().to_string().replace(' ', "?"),
                // What a run needs to end in good order before its time is over.
                "#SBATCH --signal=B:TERM@120\n",
            );
            ("sweep.sbatch", text, "sbatch")
        }
        Emit::Shell => {
            let threads = threads(args);
            let text = format!(
                "#!/bin/sh\n{head}# With a number from 0 to {last}: that run alone. Without: all of them, one after another.\n{set}\
                 if [ $# -gt 0 ]; then tasks=$1; else tasks=$(seq 0 {last}); fi\nfailed=0\n\
                 for task in $tasks; do\n  \"$jemscript\" {command}{threads} --task \"$task\" || failed=1\ndone\nexit $failed\n"
            );
            ("sweep.sh", text, "sh")
        }
        Emit::Parallel => {
            let threads = threads(args);
            let line = |task: usize| {
                format!(
                    "cd {} && {} {command}{threads} --task {task}\n",
                    quoted(&here.display().to_string()),
                    quoted(&program.display().to_string())
                )
            };
            let text = (0..count).map(line).collect::<String>();
            let jobs = args.jobs.unwrap_or(1);
            let log = quoted(&out.join("parallel.log").display().to_string());
            use_it = format!("parallel -j {jobs} --joblog {log} --resume-failed <");
            ("tasks.txt", text, use_it.as_str())
        }
        Emit::Hq => {
            let threads = threads(args);
            let cpus = args.threads.unwrap_or(1) * args.nproc;
            let text = format!(
                "#!/bin/bash\n{head}#HQ --array 0-{last}\n#HQ --cpus {cpus}\n{set}\
                 exec \"$jemscript\" {command}{threads} --task \"$HQ_TASK_ID\"\n"
            );
            ("sweep.hq.sh", text, "hq submit")
        }
    };
    let path = out.join(name);
    write_atomically(&path, text.as_bytes())?;
    println!(
        "wrote {} ({count} runs)\nstart them with: {use_it} {}",
        path.display(),
        quoted(&path.display().to_string())
    );
    Ok(())
}

fn threads(args: &SweepArgs) -> String {
    let option = |n| format!(" --threads {n}");
    args.threads.map_or_else(String::new, option)
}

/// The sweep itself, without what differs between the tasks.
fn command(args: &SweepArgs, out: &Path) -> String {
    let mut words = vec!["sweep".to_owned(), args.script.clone()];
    words.extend(args.axes.iter().cloned());
    let mut option = |name: &str, value: String| words.push(format!("--{name}={value}"));
    option("out", out.display().to_string());
    if let Some(n) = args.random {
        option("random", n.to_string());
        option("draw-seed", args.draw_seed.to_string());
    }
    if args.nproc > 1 {
        option("nproc", args.nproc.to_string());
    }
    shared(args)
        .into_iter()
        .for_each(|(name, value)| option(name, value));
    words
        .iter()
        .map(|w| quoted(w))
        .collect::<Vec<_>>()
        .join(" ")
}

fn job_name(script: &str) -> String {
    let stem = Path::new(script)
        .file_stem()
        .map_or_else(|| "jemscript".into(), |s| s.to_string_lossy());
    stem.chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}
