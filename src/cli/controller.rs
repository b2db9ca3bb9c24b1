//! `slipway controller`.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use slipway_controller::{Config, LeaseConfig};
use slipway_store::{CheckpointKey, Options};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{Failure, cluster};

/// How the controller runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The kubeconfig of the cluster; left out: the pod's own account, or KUBECONFIG.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; left out: its current one.
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// The archive, an SQLite file. It is created if it is not there; its folder must be.
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// Where /healthz, /readyz and /metrics answer.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Look at this namespace only; left out: at all of them.
    #[arg(long)]
    namespace: Option<String>,
    /// The namespace of the lease that says which controller leads.
    #[arg(long, default_value = "slipway-system")]
    lease_namespace: String,
    /// The name of that lease.
    #[arg(long, default_value = "slipway")]
    lease_name: String,
    /// How long after its last renewal another controller may take the lease, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(2..=300))]
    lease_seconds: u64,
    /// A file with 32 bytes, in hex or raw, that signs the archive's checkpoints.
    #[arg(long, value_name = "FILE")]
    checkpoint_key: Option<PathBuf>,
    /// Log as JSON lines.
    #[arg(long)]
    log_json: bool,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Usage(format!("the runtime cannot be started: {error}")))?;
    runtime.block_on(start(arguments))
}

async fn start(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        kubeconfig,
        context,
        database,
        listen,
        namespace,
        lease_namespace,
        lease_name,
        lease_seconds,
        checkpoint_key,
        log_json,
    } = arguments;
    log(log_json)?;
    let client = cluster::client(kubeconfig.as_deref(), context).await?;
    let checkpoint_key = checkpoint_key
        .map(|path| CheckpointKey::from_file(&path))
        .transpose()
        .map_err(|error| Failure::Usage(slipway_controller::explain(&error)))?;
    let config = Config {
        database,
        listen,
        namespace,
        lease: LeaseConfig {
            namespace: lease_namespace,
            name: lease_name,
            duration: Duration::from_secs(lease_seconds),
        },
        archive: Options { exclusive: true, checkpoint_key, ..Options::default() },
    };
    Box::pin(slipway_controller::run(config, client, stopped())).await.map_err(|error| {
        let why = slipway_controller::explain(&error);
        if error.is_usage() { Failure::Usage(why) } else { Failure::No(why) }
    })
}

/// The variable that says what is logged.
const FILTER: &str = "SLIPWAY_LOG";

fn log(json: bool) -> Result<(), Failure> {
    // kube's client logs each failed request before it returns it: here an error is said once, where it is known for what.
    let usual = "info,kube=warn,kube_client::client::builder=off,k8s_controller=error";
    let filter = match std::env::var_os(FILTER).filter(|text| !text.is_empty()) {
        None => EnvFilter::new(usual),
        Some(text) => {
            let text = text.to_string_lossy();
            EnvFilter::try_new(&text).map_err(|error| {
                let why = slipway_controller::explain(&error);
                Failure::Usage(format!("{FILTER} is {text:?}, which is no filter: {why}; for instance {usual}"))
            })?
        }
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    if json {
        subscriber.json().init();
    } else {
        subscriber.with_target(false).init();
    }
    Ok(())
}

/// Resolves when the process is asked to end.
async fn stopped() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
