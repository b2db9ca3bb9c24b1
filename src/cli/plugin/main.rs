//! Wires the `kubectl slipway` plugin.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipway_cli::plugin::main()
}
