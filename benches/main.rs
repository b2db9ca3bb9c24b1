//! Runs the benchmarks.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipway_benches::main()
}
