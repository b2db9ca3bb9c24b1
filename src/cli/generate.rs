//! Writes what comes from code; a test fails when the files differ.

use std::path::PathBuf;

use crate::Failure;

/// Where the files go.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The project's folder.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

pub(crate) fn run(Arguments { root }: Arguments) -> Result<(), Failure> {
    let mut files = slipway_crd::install::files().map_err(|error| Failure::Usage(error.to_string()))?;
    files.push(("contracts/error-codes.json".to_owned(), slipway_domain::code::contract()));
    for (path, content) in files {
        let target = root.join(&path);
        std::fs::write(&target, content)
            .map_err(|error| Failure::Usage(format!("{} cannot be written: {error}", target.display())))?;
        println!("{path}");
    }
    Ok(())
}
