//! `faulty`: the controller, wired as `slipway controller` wires it, with a fault in it and nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use slipway_controller::{Config, LeaseConfig};
use slipway_store::Options;
use slipway_tests::sweep::{Fault, Injector, Mode, Point};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::fmt::format::FmtSpan;

/// A controller that breaks where it is told to.
#[derive(Debug, Parser)]
#[command(name = "faulty")]
struct Arguments {
    /// The kubeconfig of the cluster
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The archive
    #[arg(long)]
    database: PathBuf,
    /// Where /readyz answers
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The only namespace to look at, and that of the lease
    #[arg(long)]
    namespace: String,
    /// How long the lease lasts, in seconds
    #[arg(long, default_value_t = 3)]
    lease_seconds: u64,
    /// What it calls itself to the API server
    #[arg(long, default_value = "faulty")]
    agent: String,
    /// Where every point that is reached is written to
    #[arg(long)]
    journal: Option<PathBuf>,
    /// Where to break, as the journal names it
    #[arg(long, requires = "mode")]
    fault: Option<Point>,
    /// How to break
    #[arg(long, requires = "fault")]
    mode: Option<Mode>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SLIPWAY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,slipway_controller=debug"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        // Each look at an object ends with a line that names it.
        .with_span_events(FmtSpan::CLOSE)
        .init();
    match Box::pin(run(Arguments::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { kubeconfig, database, listen, namespace, lease_seconds, agent, journal, fault, mode } = arguments;
    let fault = fault.zip(mode).map(|(point, mode)| Fault { point, mode });
    let injector = Injector::new(&namespace, fault, journal.as_deref())?;

    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_str(&agent)?));
    let client = ClientBuilder::try_from(config)?.with_layer(&injector).build();

    let config = Config {
        database,
        listen,
        namespace: Some(namespace.clone()),
        lease: LeaseConfig { namespace, name: "slipway".to_owned(), duration: Duration::from_secs(lease_seconds) },
        archive: Options { exclusive: true, hook: Some(injector.hook()), ..Options::default() },
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let stopped = async move {
        terminate.recv().await;
    };
    Ok(Box::pin(slipway_controller::run(config, client, stopped)).await?)
}
