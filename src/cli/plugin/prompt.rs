//! A question that only a person at a terminal can answer.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::Failure;

/// Asks for a `y`. Where nobody could be asked, `--yes` has to have been given: `next` says how to repeat.
pub(super) fn confirm(question: &str, yes: bool, next: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !terminal() {
        return Err(Failure::Usage(format!(
            "nothing was done: this is no terminal, so nobody can be asked: {question}\nnext: {next}"
        )));
    }
    put(question)
}

/// The same where somebody sits at a terminal; where nobody does, what was asked for is meant.
pub(super) fn at_terminal(question: &str, yes: bool) -> Result<(), Failure> {
    if yes || !terminal() { Ok(()) } else { put(question) }
}

fn terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn put(question: &str) -> Result<(), Failure> {
    eprint!("{question} [y/N] ");
    let _ = io::stderr().flush();
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    match read {
        Ok(_) if matches!(line.trim().to_lowercase().as_str(), "y" | "yes") => Ok(()),
        Ok(_) => Err(Failure::No("nothing was done: the answer was not y".to_owned())),
        Err(error) => Err(Failure::No(format!("nothing was done: the answer cannot be read: {error}"))),
    }
}
