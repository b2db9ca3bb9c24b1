//! `slipway audit head`.

use std::io;
use std::path::PathBuf;

use slipway_store::export;

use super::history;
use crate::{Failure, answer};

/// Whose head is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The archive, or a copy of it.
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
}

pub(super) fn run(Arguments { database }: Arguments) -> Result<(), Failure> {
    let head = export(&database, io::sink()).map_err(|error| history::unread(&database, &error))?;
    match head {
        Some(head) => answer(&format!("{head}\n")),
        None => Err(Failure::No(format!("{} holds no events yet", database.display()))),
    }
}
