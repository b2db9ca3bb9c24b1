//! `slipway audit verify`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::ArgGroup;
use slipway_controller::HEAD_ANNOTATION;
use slipway_store::{CheckpointKey, Head, Proof, Verified, VerifyError, verify, verify_export};

use super::unopened;
use crate::{Failure, answer};

/// What is verified, and against what.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group(ArgGroup::new("history").required(true).args(["database", "export"])))]
pub(crate) struct Arguments {
    /// The archive, or a copy of it. A controller may be running on it.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Instead of an archive: what `slipway audit export` wrote; `-` for stdin.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// The head that was remembered outside the file: an annotation of the Lease, a ticket, a notebook. It proves that
    /// nothing up to it was cut off or rewritten as a whole.
    #[arg(long, value_name = "ROW:HASH")]
    head: Option<Head>,
    /// The key that signs checkpoints. It proves that whoever rewrote the file did not have it.
    #[arg(long, value_name = "FILE", conflicts_with = "export")]
    checkpoint_key: Option<PathBuf>,
}

pub(super) fn run(Arguments { database, export, head, checkpoint_key }: Arguments) -> Result<(), Failure> {
    let key = checkpoint_key.map(|path| CheckpointKey::from_file(&path)).transpose();
    let key = key.map_err(|error| Failure::Usage(slipway_controller::explain(&error)))?;
    let signed = key.is_some();
    let (path, flag, outcome) = match (database, export) {
        (Some(path), _) => {
            let outcome = verify(&path, &Proof { head, checkpoint_key: key });
            (path, "database", outcome)
        }
        (None, Some(path)) => {
            let outcome = verify_export(open(&path)?, head.as_ref());
            (path, "export", outcome)
        }
        (None, None) => return Err(Failure::Usage("name a history with --database or --export".to_owned())),
    };
    let verified = outcome.map_err(|error| refusal(&path, &error))?;
    if signed && verified.signed_row.is_none() {
        return Err(Failure::No(format!(
            "{}: no checkpoint in it is signed with this key: it is not the key this archive is signed with, or the \
             signatures were taken out",
            path.display()
        )));
    }
    answer(&summary(&path, flag, &verified))
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let unreadable = |error: io::Error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(Failure::Usage(format!("{} is a folder; name the file that was exported", path.display())));
    }
    Ok(Box::new(BufReader::new(file)))
}

fn refusal(path: &Path, error: &VerifyError) -> Failure {
    let place = path.display();
    match error {
        VerifyError::Tampered(tampered) => Failure::No(format!("{place} does not verify: {tampered}")),
        VerifyError::Open(error) => unopened(error),
        VerifyError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            Failure::No(format!("{place} does not verify: it is not text: {error}"))
        }
        VerifyError::Sqlite(_) | VerifyError::Io(_) => {
            Failure::Usage(format!("{place}: {}", slipway_controller::explain(error)))
        }
    }
}

fn summary(path: &Path, flag: &str, verified: &Verified) -> String {
    let Verified { rows, head, proven_row, signed_row, changes_after_head } = verified;
    let place = path.display();
    let name = if path == Path::new("-") { "stdin".to_owned() } else { place.to_string() };
    let found = match rows {
        0 => "it holds no events yet".to_owned(),
        1 => "its one event is as it was written".to_owned(),
        rows => format!("its {rows} events are as they were written, none changed, moved or taken out"),
    };
    let checked = match flag {
        "export" => "each event against its hash, which covers the one before it",
        _ => {
            "each event against its hash, which covers the one before it; current rows, checkpoints and schema against that"
        }
    };
    let end = head.as_ref().map_or_else(|| "none yet".to_owned(), ToString::to_string);
    let mut lines = vec![
        format!("{name} verifies: {found}"),
        format!("checked {checked}"),
        format!("events  {rows}"),
        format!("head    {end}"),
    ];
    if let Some(signed) = signed_row {
        lines.push(format!("signed  up to row {signed}, with this key"));
    }
    if *changes_after_head > 0 {
        let writes = counted(*changes_after_head, "write");
        lines.push(format!("since   {writes} of current rows, which no event covers yet"));
    }
    if let Some(proven) = proven_row {
        lines.push(format!("tail proven up to row {proven}: the head that was given is part of this history"));
        match rows.saturating_sub(*proven) {
            0 => {}
            1 => lines.push("1 newer event is not proven: it could have been rewritten, or more cut off".to_owned()),
            newer => lines
                .push(format!("{newer} newer events are not proven: they could have been rewritten, or more cut off")),
        }
    } else {
        let annotation = HEAD_ANNOTATION.replace('.', "\\.");
        lines.push(
            "tail not proven: the file alone cannot show whether newer events were cut off, or all of it written anew. A \
             head that was kept elsewhere can; the controller keeps one in its Lease:"
                .to_owned(),
        );
        lines.push(format!(
            "  slipway audit verify --{flag} {place} --head \"$(kubectl get lease -n slipway-system slipway \
             -o jsonpath='{{.metadata.annotations.{annotation}}}')\""
        ));
    }
    if head.is_some() {
        lines.push(
            "keep the head above elsewhere: with --head it proves this history, up to here, from now on".to_owned(),
        );
    }
    lines.join("\n") + "\n"
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
