//! Writes the generated files of `crds/`, as `make generate` does.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, content) in slipway_crd::install::files()? {
        std::fs::write(root.join(path), content)?;
    }
    Ok(())
}
