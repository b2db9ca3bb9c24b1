//! Writes what comes from code; a test fails when the files differ.

mod values;

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
    let values = root.join("charts/slipway/values.yaml");
    let wrong = |error: String| Failure::Usage(format!("{}: {error}", values.display()));
    let text = std::fs::read_to_string(&values).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    files.push(("charts/slipway/README.md".to_owned(), values::page(&text).map_err(wrong)?));
    for (path, content) in files {
        let target = root.join(&path);
        std::fs::write(&target, content)
            .map_err(|error| Failure::Usage(format!("{} cannot be written: {error}", target.display())))?;
        println!("{path}");
    }
    Ok(())
}
