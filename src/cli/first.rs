//! `jemscript` alone: what to do next.

/// Written for whoever has just installed it.
const TEXT: &str = "\
jemscript: energy-based models from short scripts

  jemscript doctor             checks the installation: libtorch, GPU
  jemscript scripts/train      trains a first model on digits in some minutes, and judges it
  jemscript new mine           mine/mine.rhai: a copy of that recipe, to change
  jemscript repl               the language, line by line
  jemscript kernel install     the language in JupyterLab
  jemscript recipes            what else came with the program
  jemscript doc sgld           what a function does; --search WORDS finds one

jemscript --help lists all commands and options. The documentation is the folder docs/ of the project; start with docs/guide.md.";

/// Prints it; gives the exit code.
pub fn steps() -> u8 {
    println!("{TEXT}");
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The commands that it names are there.
    #[test]
    fn the_first_steps_are_commands() {
        let cli = super::super::Cli::command();
        let all: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
        let named = TEXT.lines().filter_map(|l| l.strip_prefix("  jemscript "));
        let words: Vec<&str> = named.filter_map(|l| l.split_whitespace().next()).collect();
        assert_eq!(words.len(), 7);
        for word in words {
            assert!(all.contains(&word) || word == "scripts/train", "{word}");
        }
    }
}
