//! Wires the `slipway` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipway_cli::main()
}
