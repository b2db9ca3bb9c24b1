//! An export is the history as JSON lines, each with its place in the chain, so that it verifies without the archive.

use std::io::{self, BufRead, Write};
use std::path::Path;

use serde::Deserialize;
use slipway_domain::digest::Digest;
use slipway_domain::event::Event;

use crate::connect::{self, OpenError};
use crate::hash::{self, Hash};
use crate::head::Head;
use crate::walk::{Found, Tampered, Verified, VerifyError, Walk};

/// Why an export was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The archive could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite failed.
    #[error("the archive could not be read")]
    Sqlite(#[from] rusqlite::Error),
    /// The output failed.
    #[error("the export could not be written")]
    Io(#[from] io::Error),
}

/// A line as it is read back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    row: i64,
    hash: Digest,
    prev_hash: Digest,
    state_digest: Digest,
    event: Event,
}

/// Writes all events of the archive at `path`, oldest first, as they stood at one commit. Returns where they end.
///
/// Nothing is verified here: what was tampered with is exported as it is, and [`verify_export`] finds it.
pub fn export(path: &Path, mut output: impl Write) -> Result<Option<Head>, ExportError> {
    let connection = connect::auditor(path)?;
    let mut statement =
        connection.prepare("SELECT row, hash, prev_hash, state_digest, body FROM deployment_events ORDER BY row")?;
    let mut rows = statement.query([])?;
    let mut head = None;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let [hash, previous, state] =
            [row.get::<_, Hash>(1)?, row.get(2)?, row.get(3)?].map(|hash| hash::digest(&hash));
        let body: String = row.get(4)?;
        writeln!(output, "{}", line(number, &hash, &previous, &state, &body))?;
        head = Some(Head { row: number.cast_unsigned(), hash });
    }
    output.flush()?;
    Ok(head)
}

/// Verifies an export. It holds the events only, not the current rows.
pub fn verify_export(input: impl BufRead, head: Option<&Head>) -> Result<Verified, VerifyError> {
    let mut walk = Walk::new(head);
    for (at, text) in input.lines().enumerate() {
        let text = text?;
        let tampered = |what: String| Tampered::row("export", &format!("line {}", at + 1), what);
        let Line { row, hash, prev_hash, state_digest, event } =
            serde_json::from_str(&text).map_err(|error| tampered(format!("is not a line of an export: {error}")))?;
        let body = event.canonical();
        if text != line(row, &hash, &prev_hash, &state_digest, &body) {
            return Err(tampered("is not written as an export writes it".to_owned()).into());
        }
        walk.step(&Found {
            row,
            event_id: Some(event.event_id),
            body: &body,
            state: hash::raw(&state_digest),
            previous: hash::raw(&prev_hash),
            hash: hash::raw(&hash),
        })?;
    }
    Ok(walk.finish()?)
}

fn line(row: i64, hash: &Digest, previous: &Digest, state: &Digest, body: &str) -> String {
    format!(r#"{{"row":{row},"hash":"{hash}","prevHash":"{previous}","stateDigest":"{state}","event":{body}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Place};

    async fn exported() -> (Head, Vec<String>) {
        let place = Place::new();
        let archive = place.open();
        fixture::history(&archive).await;
        // While the controller has it open.
        let mut output = Vec::new();
        let head = export(&place.path, &mut output).unwrap();
        assert_eq!(head, archive.head().await.unwrap());
        (head.unwrap(), String::from_utf8(output).unwrap().lines().map(str::to_owned).collect())
    }

    fn check(lines: &[String], head: Option<&Head>) -> Result<Verified, VerifyError> {
        verify_export(lines.join("\n").as_bytes(), head)
    }

    #[tokio::test]
    async fn an_export_verifies_without_the_archive() {
        let (head, lines) = exported().await;
        assert_eq!(lines.len(), 13);
        let verified = check(&lines, Some(&head)).unwrap();
        assert_eq!((verified.rows, verified.proven_row), (13, Some(13)));
        let unproven = check(&lines, None).unwrap();
        assert_eq!((unproven.head, unproven.proven_row), (Some(head), None));
        assert_eq!(verify_export(&b""[..], None).unwrap().rows, 0);
    }

    #[tokio::test]
    async fn an_export_that_was_edited_anywhere_is_found_there() {
        let (_, lines) = exported().await;
        let text = &lines[4];
        for at in 0..text.len() {
            let mut edited = lines.clone();
            let byte = if text.as_bytes()[at] == b'1' { "2" } else { "1" };
            if !text.is_char_boundary(at) || !text.is_char_boundary(at + 1) {
                continue;
            }
            edited[4].replace_range(at..=at, byte);
            let Err(VerifyError::Tampered(found)) = check(&edited, None) else { panic!("byte {at} of {text}") };
            assert!(found.row == Some(5) || found.key == "line 5", "byte {at}: {found}");
        }
    }

    #[tokio::test]
    async fn lines_that_were_cut_moved_or_taken_out_are_found() {
        let (head, lines) = exported().await;
        let Err(VerifyError::Tampered(cut)) = check(&lines[..12], Some(&head)) else { panic!("cut") };
        assert_eq!(cut.row, Some(13));
        assert_eq!(check(&lines[..12], None).unwrap().proven_row, None);
        let mut moved = lines.clone();
        moved.swap(3, 4);
        let Err(VerifyError::Tampered(moved)) = check(&moved, None) else { panic!("moved") };
        assert_eq!(moved.row, Some(4));
        let mut taken = lines.clone();
        taken.remove(6);
        let Err(VerifyError::Tampered(taken)) = check(&taken, None) else { panic!("taken") };
        assert_eq!(taken.row, Some(7));
    }
}
