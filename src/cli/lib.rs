//! The `slipway` command: arguments and wiring, nothing else. Its other half, for people, is [`plugin`].
//!
//! Exit codes: 0 done, 1 it was done and the answer is no (a history that does not verify, a lost lease), 2 it could not
//! be done as asked (a wrong flag, file or cluster).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its terminal")]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails is a test that fails")
)]

mod audit;
mod cluster;
mod connection;
mod controller;
mod generate;
mod kubeconfig;
pub mod plugin;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Governed deployments: preview, review, apply, health gate, rollback, and a history that can be verified.
#[derive(Debug, Parser)]
#[command(name = "slipway", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller.
    Controller(controller::Arguments),
    /// Verify, export and read the history, and settle what went apart.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print everything a cluster needs, for `kubectl apply --server-side -f -`.
    Manifests,
    /// Write a kubeconfig of the controller's own account.
    Kubeconfig(kubeconfig::Arguments),
    /// Write the files that come from code: CRDs, policies, contracts.
    #[command(hide = true)]
    Generate(generate::Arguments),
}

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Something in the arguments or their surroundings is wrong.
    #[error("{0}")]
    Usage(String),
    /// It was tried, and the answer is no.
    #[error("{0}")]
    No(String),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let outcome = match command {
        Command::Controller(arguments) => controller::run(arguments),
        Command::Audit(command) => audit::run(command),
        Command::Manifests => manifests(),
        Command::Kubeconfig(arguments) => kubeconfig::run(arguments),
        Command::Generate(arguments) => generate::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // One line: what a library draws below its first is no reason.
            eprintln!("slipway: {}", failure.to_string().lines().next().unwrap_or_default());
            match failure {
                Failure::Usage(_) => ExitCode::from(2),
                Failure::No(_) => ExitCode::from(1),
            }
        }
    }
}

fn manifests() -> Result<(), Failure> {
    let text = slipway_crd::install::everything().map_err(|error| Failure::Usage(error.to_string()))?;
    answer(&text)
}

/// Writes an answer to stdout. A reader that has had enough, as `head` has, is no failure.
fn answer(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Usage(format!("stdout cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
