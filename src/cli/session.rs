//! What the sessions of `repl` and `kernel` have in common on the command line.

use std::path::PathBuf;

use clap::Args;

use super::RunArgs;

/// How a session is run.
#[derive(Args, Clone)]
pub struct SessionArgs {
    /// The seed that decides everything
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda, cuda:1, …
    #[arg(long, default_value = "auto")]
    device: String,
    /// CPU threads of libtorch (default: all cores)
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// A folder that `import` looks in after the session's own; may be given several times
    #[arg(long, value_name = "DIR")]
    lib: Vec<PathBuf>,
    /// A file or folder that may be read besides the session's own folder
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,
    /// A folder that may be written to besides the run folder
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<PathBuf>,
    /// Run TorchScript modules, which are programs, from files that may be read
    #[arg(long)]
    trust: bool,
    /// The most memory for tensors on the CPU, in GiB (default: what the machine has)
    #[arg(long, value_name = "GIB")]
    max_memory: Option<f64>,
}

impl SessionArgs {
    /// As words of a command line; folders by their full names, since each notebook has a folder of
    /// its own.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if self.seed != 0 {
            add("--seed", self.seed.to_string());
        }
        if self.device != "auto" {
            add("--device", self.device.clone());
        }
        if let Some(n) = self.threads {
            add("--threads", n.to_string());
        }
        if let Some(gib) = self.max_memory {
            add("--max-memory", gib.to_string());
        }
        let full = |p: &PathBuf| {
            std::path::absolute(p)
                .unwrap_or_else(|_| p.clone())
                .display()
                .to_string()
        };
        let folders = [
            ("--lib", &self.lib),
            ("--allow-read", &self.allow_read),
            ("--allow-write", &self.allow_write),
        ];
        for (name, paths) in folders {
            paths.iter().for_each(|p| add(name, full(p)));
        }
        words.extend(self.trust.then(|| "--trust".to_owned()));
        words
    }

    /// As the options of a run.
    pub fn as_run(&self, overrides: Vec<String>) -> RunArgs {
        RunArgs {
            overrides,
            seed: self.seed,
            device: self.device.clone(),
            threads: self.threads,
            lib: self.lib.clone(),
            allow_read: self.allow_read.clone(),
            allow_write: self.allow_write.clone(),
            trust: self.trust,
            max_memory: self.max_memory,
            ..RunArgs::default()
        }
    }
}
