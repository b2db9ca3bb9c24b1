//! The ratios of docs/PERFORMANCE.md, each measured within one run against something that does only what must be done.
//!
//! Slipway runs as its release binary against a real API server; what it writes is counted in that server's audit log.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to its terminal")]

mod bed;
mod controller;
mod durable;
mod governance;
mod latency;
mod release;
mod replay;
mod report;
mod sample;
mod scale;
mod throughput;
mod traffic;
mod writes;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Report;

/// What a benchmark comes to, or why it could not be run.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The ratios of docs/PERFORMANCE.md. Without a name: all of them, with their defaults.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    figure: Option<Figure>,
    /// The `slipway` to measure; left out: the one of this workspace, built first.
    #[arg(long, global = true, value_name = "FILE")]
    slipway: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
enum Figure {
    /// Writes that a deployment costs.
    Writes,
    /// Writes and memory of settled deployments.
    Scale(scale::Arguments),
    /// Many deployments, against a client that replays the same writes.
    Throughput(throughput::Arguments),
    /// From the ready event to the terminal status and the committed event.
    Latency(latency::Arguments),
    /// What the policies cost where there are many Environments.
    Governance(governance::Arguments),
    /// Durable events a second, against a loop in C.
    Events(durable::Arguments),
}

impl Figure {
    /// Everything, as a person would run it who has half an hour.
    fn all() -> Vec<Self> {
        vec![
            Self::Events(durable::Arguments::default()),
            Self::Writes,
            Self::Latency(latency::Arguments::default()),
            Self::Governance(governance::Arguments::default()),
            Self::Throughput(throughput::Arguments::default()),
            Self::Scale(scale::Arguments::default()),
        ]
    }
}

/// Runs what the process was asked for.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(arguments)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { figure, slipway }: Arguments) -> Outcome<()> {
    let binary = match slipway {
        Some(path) => path,
        None => controller::build()?,
    };
    let mut report = Report::default();
    for figure in figure.map_or_else(Figure::all, |figure| vec![figure]) {
        match figure {
            Figure::Writes => writes::measure(&binary, &mut report).await?,
            Figure::Scale(arguments) => scale::measure(&binary, &arguments, &mut report).await?,
            Figure::Throughput(arguments) => throughput::measure(&binary, &arguments, &mut report).await?,
            Figure::Latency(arguments) => latency::measure(&binary, &arguments, &mut report).await?,
            Figure::Governance(arguments) => governance::measure(&binary, &arguments, &mut report).await?,
            Figure::Events(arguments) => durable::measure(&arguments, &mut report).await?,
        }
    }
    report.print();
    Ok(())
}
