//! A controller's life: open the archive, win the Lease, open a term, reconcile, and leave everything as it can be found.
//!
//! Losing the Lease ends the process. A signal stops claiming, finishes what is being mirrored, leaves attempts to be
//! taken up again, and releases the Lease.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use slipway_store::{Archive, OpenError, Options, ReadError, RecordError};
use tokio::sync::mpsc;

use crate::cache::Cache;
use crate::context::{Context, Forecasts, Probes};
use crate::executor::Executor;
use crate::guard::Policies;
use crate::health::{self, Readiness};
use crate::index::Index;
use crate::key::Key;
use crate::kubernetes::Cluster;
use crate::leader::{Leader, LeaseConfig, LeaseError};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::neighbours::Neighbours;
use crate::notice::Notices;
use crate::runtime::Runtimes;
use crate::{account, streams, term};

/// How many attempts write at a time.
const PLACES: usize = 64;
/// How long the answers to what attempts have sent are awaited at the end: as long as the server may take for one.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// Everything a controller needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The archive's file.
    pub database: PathBuf,
    /// Where `/healthz`, `/readyz` and `/metrics` answer.
    pub listen: SocketAddr,
    /// The only namespace to look at; None for all.
    pub namespace: Option<String>,
    /// The Lease that says who leads.
    pub lease: LeaseConfig,
    /// How the archive is opened.
    pub archive: Options,
}

/// Why a controller ended, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The archive cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The cluster cannot be worked with.
    #[error("{0}")]
    Cluster(String),
    /// The Lease could not be read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Another controller leads now.
    #[error("the lease was lost: another controller has taken over, or the API server could not be reached in time")]
    LeaseLost,
    /// The archive failed.
    #[error("the archive failed: {0}")]
    Archive(String),
}

impl RunError {
    /// Whether it is something in the arguments or their surroundings that has to be mended before another start.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Open(_) | Self::Listen { .. } | Self::Cluster(_) => true,
            Self::Lease(_) | Self::LeaseLost | Self::Archive(_) => false,
        }
    }
}

impl From<ReadError> for RunError {
    fn from(error: ReadError) -> Self {
        Self::Archive(crate::explain(&error))
    }
}

impl From<RecordError> for RunError {
    fn from(error: RecordError) -> Self {
        Self::Archive(crate::explain(&error))
    }
}

/// Runs a controller until `shutdown`, or until it loses the Lease.
///
/// `client` must not retry by itself: what is tried again, and when, is decided here.
pub async fn run(config: Config, client: Client, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let home = check_cluster(&client, &config).await?;
    let archive = Archive::open(&config.database, config.archive.clone())?;
    let listener =
        health::bind(config.listen).await.map_err(|source| RunError::Listen { address: config.listen, source })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "answering /healthz, /readyz and /metrics");
    }
    let readiness = Readiness::default();
    let metrics = Metrics::default();
    tokio::spawn(health::serve(listener, readiness.clone(), metrics.clone()));

    let leader = Leader::new(client.clone(), config.lease.clone());
    let election = leader.election();
    let (executor, wakes) = Executor::new(PLACES);
    // Attempts are tasks of their own: a term that is lost or ended must not leave them at work.
    let _term = executor.for_a_term();
    let policies = Policies::new(client.clone(), &home);
    let term =
        lead(&config, client, archive.clone(), policies, leader, (readiness, metrics), (executor.clone(), wakes));
    let outcome = tokio::select! {
        outcome = election.with_lease(term) => outcome.unwrap_or(Err(RunError::LeaseLost)),
        () = shutdown => {
            tracing::info!("asked to stop");
            Ok(())
        }
    };
    let quiet = executor.shutdown(LAST_ANSWERS).await;
    archive.close().await?;
    if !quiet {
        tracing::warn!("a write has had no answer yet: the lease is not released, and runs out");
    }
    if outcome.is_ok() && quiet {
        election.release().await;
    }
    outcome
}

/// A cluster that cannot be reached, or that lacks the resources, is said at once and not retried for ever.
/// Returns the namespace that Slipway is installed in.
async fn check_cluster(client: &Client, config: &Config) -> Result<String, RunError> {
    let patience = Duration::from_secs(15);
    let version = tokio::time::timeout(patience, client.apiserver_version()).await;
    let version = version
        .map_err(|_| RunError::Cluster(format!("the API server gave no answer within {} s", patience.as_secs())))?
        .map_err(|error| RunError::Cluster(format!("the API server cannot be used: {}", crate::explain(&error))))?;
    tracing::info!(version = %version.git_version, "connected to the API server");
    let resources = client
        .list_api_group_resources("slipway.dev/v1alpha1")
        .await
        .map_err(|_| RunError::Cluster(missing_resources()))?;
    for kind in ["Deployment", "Environment", "EnvironmentIndex", "Release"] {
        if !resources.resources.iter().any(|resource| resource.kind == kind) {
            return Err(RunError::Cluster(missing_resources()));
        }
    }
    let home = account::check(client).await?;
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(client.clone());
    let lease = &config.lease.namespace;
    match namespaces.get_opt(lease).await {
        Ok(None) => Err(RunError::Cluster(format!(
            "namespace {lease}, which holds the lease, does not exist: run `slipway manifests | kubectl apply \
             --server-side -f -`"
        ))),
        // Whoever may not read namespaces may still use the Lease in this one.
        Ok(Some(_)) | Err(_) => Ok(home),
    }
}

fn missing_resources() -> String {
    "the cluster does not know Slipway's resources: run `slipway manifests | kubectl apply --server-side -f -`"
        .to_owned()
}

/// One term: everything that happens while the Lease is held.
async fn lead(
    config: &Config,
    client: Client,
    archive: Archive,
    policies: Policies,
    leader: Leader,
    (readiness, metrics): (Readiness, Metrics),
    (executor, wakes): (Executor, mpsc::UnboundedReceiver<Key>),
) -> Result<(), RunError> {
    // Whoever pastes what a message says to run does so in another folder.
    let database = std::path::absolute(&config.database).unwrap_or_else(|_| config.database.clone());
    let (lease, accepted) = term::same_archive(&archive, &database, &leader, &readiness).await?;
    let cluster = Cluster::new(client.clone(), config.namespace.clone());
    let index = Index::new(client.clone(), config.namespace.clone());
    let epoch = term::open(&archive, lease, &client, config.namespace.as_deref()).await?;
    metrics.leads(epoch);
    tracing::info!(epoch, "leading");

    let ledger = Ledger::new(archive.clone(), database, accepted);
    readiness.leads(ledger.clone(), executor.clone(), policies.clone());
    let (wake_environment, environment_wakes) = mpsc::unbounded_channel();
    let (wake_release, release_wakes) = mpsc::unbounded_channel();
    let (wake_deployment, from_others) = mpsc::unbounded_channel();
    let cx = Arc::new(Context {
        resources: cluster,
        deployments: Cache::default(),
        environments: Cache::default(),
        neighbours: Neighbours::default(),
        releases: Cache::default(),
        index: index.clone(),
        policies: policies.clone(),
        ledger,
        runtimes: Runtimes::new(client.clone(), archive.secret_key()),
        executor,
        leader: leader.clone(),
        epoch,
        forecasts: Forecasts::default(),
        probes: Probes::default(),
        notices: Notices::start(client),
        metrics,
        wake_environment,
        wake_release,
        wake_deployment,
    });
    let head = term::remember_heads(archive, leader);
    let viewed = cx.clone();
    let view = async {
        viewed.in_view().await;
        readiness.in_view();
        std::future::pending::<()>().await;
    };
    let (woken, wake) = (cx.clone(), cx.wake_environment.clone());
    tokio::select! {
        () = policies.keep(|| woken.wake_all()) => Ok(()),
        () = index.keep(|key| {
            let _ = wake.send(key);
        }) => Ok(()),
        () = view => Ok(()),
        () = streams::reconcile_all(cx, [wakes, from_others], environment_wakes, release_wakes) => Ok(()),
        result = head => result,
    }
}
