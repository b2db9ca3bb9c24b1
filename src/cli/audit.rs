//! `slipway audit`: the history, verified, exported and read, and a person's word where object and archive went apart.
//!
//! Everything but `adopt` only reads, on a copy as well as beside a running controller.

mod adopt;
mod export;
mod head;
mod history;
mod live;
pub(crate) mod log;
mod verify;

use slipway_store::OpenError;

use crate::Failure;

/// What is done with the history.
#[derive(Debug, clap::Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in the life of a process")]
pub(crate) enum Command {
    /// Check that nothing in the history was changed, moved or taken out.
    ///
    /// Exit code 0: nothing was; 1: something was, and where is said; 2: it could not be checked.
    Verify(verify::Arguments),
    /// Write the history as JSON lines, which verify without the archive.
    Export(export::Arguments),
    /// Print where the history ends, as ROW:HASH: kept elsewhere, it proves that nothing up to it is cut off later.
    Head(head::Arguments),
    /// Show who did what and when, oldest first.
    Log(log::Arguments),
    // Its help is long, and stands there.
    Adopt(adopt::Arguments),
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Verify(arguments) => verify::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Head(arguments) => head::run(arguments),
        Command::Log(arguments) => log::run(arguments),
        Command::Adopt(arguments) => adopt::run(arguments),
    }
}

/// A file that is missing or not an archive is for the caller to mend; one that was is what an audit looks for.
fn unopened(error: &OpenError) -> Failure {
    let message = slipway_controller::explain(error);
    let was_one = matches!(error, OpenError::Damaged { .. } | OpenError::Altered { .. });
    if was_one { Failure::No(message) } else { Failure::Usage(message) }
}
