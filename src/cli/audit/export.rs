//! `slipway audit export`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use slipway_store::{ExportError, export};

use super::history;
use crate::{Failure, answer};

/// What is exported, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The archive, or a copy of it.
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// A new file for the lines; left out: stdout. A file that is there already is left alone.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(Arguments { database, output }: Arguments) -> Result<(), Failure> {
    let Some(output) = output else { return to_stdout(&database) };
    // Never over an existing file: it could be the archive.
    let file = File::create_new(&output).map_err(|error| unwritten(&output, &error))?;
    let written = to_file(&database, &output, file);
    if written.is_err() {
        // Half an export would verify as a shorter history.
        let _ = fs::remove_file(&output);
    }
    answer(&written?)
}

fn to_stdout(database: &Path) -> Result<(), Failure> {
    match export(database, BufWriter::new(io::stdout().lock())) {
        Ok(_) => Ok(()),
        // Whoever reads has had enough.
        Err(ExportError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(ExportError::Io(error)) => Err(unwritten(Path::new("stdout"), &error)),
        Err(error) => Err(history::unread(database, &error)),
    }
}

fn to_file(database: &Path, output: &Path, file: File) -> Result<String, Failure> {
    let mut lines = BufWriter::new(file);
    let head = export(database, &mut lines).map_err(|error| match error {
        ExportError::Io(error) => unwritten(output, &error),
        error => history::unread(database, &error),
    })?;
    let stored = lines.flush().and_then(|()| lines.get_ref().sync_all());
    stored.map_err(|error| unwritten(output, &error))?;
    Ok(match head {
        Some(head) => format!("{}: {} events, head {head}\n", output.display(), head.row),
        None => format!("{}: no events yet\n", output.display()),
    })
}

fn unwritten(output: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => "; name another file, or remove this one",
        _ => "",
    };
    Failure::Usage(format!("{} cannot be written: {error}{hint}", output.display()))
}
