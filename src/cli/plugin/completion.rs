//! Completion of commands and flags, for the shell and for kubectl itself.
//!
//! kubectl completes a plugin by running `kubectl_complete-NAME` with the words so far, and reads one candidate a line.

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::Shell;

use crate::Failure;

/// For whom.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A shell, for the command `kubectl-slipway`; or `kubectl`, for the script that kubectl's own completion runs.
    #[arg(value_enum)]
    target: Target,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Target {
    Bash,
    Zsh,
    Fish,
    /// To be saved as `kubectl_complete-slipway`, executable, on the PATH.
    Kubectl,
}

/// The words so far.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

const SCRIPT: &str =
    "#!/bin/sh\n# kubectl runs this to complete `kubectl slipway`.\nexec kubectl-slipway __complete \"$@\"\n";
/// The end of an answer to kubectl: nothing else is to be completed, files neither.
const NO_FILES: &str = ":4\n";

pub(super) fn print(arguments: &Arguments) -> Result<(), Failure> {
    let shell = match arguments.target {
        Target::Bash => Shell::Bash,
        Target::Zsh => Shell::Zsh,
        Target::Fish => Shell::Fish,
        Target::Kubectl => return crate::answer(SCRIPT),
    };
    let mut command = super::Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "kubectl-slipway", &mut script);
    crate::answer(&String::from_utf8_lossy(&script))
}

pub(super) fn answer(words: &Words) -> Result<(), Failure> {
    let mut command = super::Arguments::command();
    command.build();
    let mut lines = candidates(&command, &words.words);
    lines.push(NO_FILES.to_owned());
    crate::answer(&lines.join("\n"))
}

/// What the last word may become, each with what it is for.
fn candidates(root: &Command, words: &[String]) -> Vec<String> {
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut command = root;
    for word in before {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let described =
        |word: &str, about: String| if about.is_empty() { word.to_owned() } else { format!("{word}\t{about}") };
    if let Some(flag) = before.last().and_then(|word| flag(command, word)) {
        let values = flag.get_possible_values();
        return values
            .iter()
            .map(clap::builder::PossibleValue::get_name)
            .filter(|word| word.starts_with(last))
            .map(str::to_owned)
            .collect();
    }
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set() && !last.starts_with('-'));
    let commands =
        commands.map(|command| (command.get_name().to_owned(), command.get_about().map(ToString::to_string)));
    let flags = command.get_arguments().filter(|_| last.starts_with('-'));
    let flags =
        flags.filter_map(|flag| Some((format!("--{}", flag.get_long()?), flag.get_help().map(ToString::to_string))));
    let all = commands.chain(flags).filter(|(word, _)| word.starts_with(last));
    all.map(|(word, about)| described(&word, about.unwrap_or_default())).collect()
}

/// The flag that a word is, if it wants a value after it.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let found = command.get_arguments().find(|flag| {
        let long = flag.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        long || flag.get_short().is_some_and(|short| word == format!("-{short}"))
    });
    found.filter(|flag| flag.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Vec<String> {
        let mut command = crate::plugin::Arguments::command();
        command.build();
        let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let all = candidates(&command, &line);
        all.iter().map(|word| word.split('\t').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn commands_flags_and_values_are_completed() {
        assert_eq!(words(&["app"]), ["approve"]);
        assert_eq!(words(&["approve", "web", "--re"]), ["--ref"]);
        assert!(words(&["approve", "--na"]).contains(&"--namespace".to_owned()));
        assert_eq!(words(&["inbox", "-o", ""]), ["json", "yaml", "name", "wide"]);
        assert!(words(&["approve", "web", "--note", ""]).is_empty());
        assert!(!words(&[""]).contains(&"__complete".to_owned()));
    }

    #[test]
    fn the_command_line_is_sound() {
        crate::plugin::Arguments::command().debug_assert();
    }
}
