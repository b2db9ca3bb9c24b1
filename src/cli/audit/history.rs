//! The events of an archive's file, read as an export writes them: at one commit, without touching the file.

use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;
use slipway_domain::event::Event;
use slipway_store::{ExportError, Head, export};

use super::unopened;
use crate::Failure;

/// Shows every event to `visit`, oldest first. Returns where they end.
pub(super) fn each(database: &Path, visit: impl FnMut(Event)) -> Result<Option<Head>, Failure> {
    export(database, Lines { visit, rest: Vec::new() }).map_err(|error| unread(database, &error))
}

/// What a failed export means.
pub(super) fn unread(database: &Path, error: &ExportError) -> Failure {
    match error {
        ExportError::Open(error) => unopened(error),
        ExportError::Sqlite(_) | ExportError::Io(_) => Failure::No(format!(
            "{}: {}; run `slipway audit verify` to see where",
            database.display(),
            slipway_controller::explain(error)
        )),
    }
}

#[derive(Deserialize)]
struct Line {
    event: Event,
}

/// Takes an export apart as it is written.
struct Lines<F> {
    visit: F,
    /// The line that is not complete yet.
    rest: Vec<u8>,
}

impl<F: FnMut(Event)> Write for Lines<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line: Line = serde_json::from_slice(&self.rest)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                (self.visit)(line.event);
                self.rest.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
