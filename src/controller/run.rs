//! A controller's life: open the archive, win the Lease, open a term, reconcile, and leave everything as it can be found.
//!
//! Losing the Lease ends the process. A signal stops claiming, finishes what is being mirrored, leaves attempts to be
//! taken up again, and releases the Lease.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt as _, watcher};
use slipway_crd::operation::{Deploy, Operation};
use slipway_crd::{Deployment, Environment, Lenient, Release};
use slipway_domain::event::Event;
use slipway_store::{Archive, HeadStatus, OpenError, Options, ReadError, RecordError};
use tokio::sync::mpsc;

use crate::cache::Cache;
use crate::context::{Context, Forecasts, Probes};
use crate::executor::Executor;
use crate::health::{self, Readiness};
use crate::key::Key;
use crate::kubernetes::Cluster;
use crate::leader::{Leader, LeaseConfig, LeaseError};
use crate::ledger::{Ledger, adopt_command};
use crate::metrics::Metrics;
use crate::notice::Notices;
use crate::publish::PublishError;
use crate::resources::{Custom, ResourceError, Resources};
use crate::runtime::Runtimes;
use crate::{deployment, environment, release};

/// How many objects of one kind are reconciled at a time.
const CONCURRENCY: u16 = 16;
/// How many attempts run at a time.
const PLACES: usize = 64;

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
        Self::Archive(error.to_string())
    }
}

impl From<RecordError> for RunError {
    fn from(error: RecordError) -> Self {
        Self::Archive(error.to_string())
    }
}

/// Runs a controller until `shutdown`, or until it loses the Lease.
///
/// `client` must not retry by itself: what is tried again, and when, is decided here.
pub async fn run(config: Config, client: Client, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    check_cluster(&client, &config).await?;
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
    let term = lead(&config, client, archive.clone(), leader, readiness, metrics, (executor.clone(), wakes));
    let outcome = tokio::select! {
        outcome = election.with_lease(term) => outcome.unwrap_or(Err(RunError::LeaseLost)),
        () = shutdown => {
            tracing::info!("asked to stop");
            Ok(())
        }
    };
    executor.shutdown().await;
    archive.close().await?;
    if outcome.is_ok() {
        election.release().await;
    }
    outcome
}

/// A cluster that cannot be reached, or that lacks the resources, is said at once and not retried for ever.
async fn check_cluster(client: &Client, config: &Config) -> Result<(), RunError> {
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
    for kind in ["Deployment", "Environment", "Release"] {
        if !resources.resources.iter().any(|resource| resource.kind == kind) {
            return Err(RunError::Cluster(missing_resources()));
        }
    }
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(client.clone());
    let lease = &config.lease.namespace;
    match namespaces.get_opt(lease).await {
        Ok(None) => Err(RunError::Cluster(format!(
            "namespace {lease}, which holds the lease, does not exist: run `slipway manifests | kubectl apply \
             --server-side -f -`"
        ))),
        // Whoever may not read namespaces may still use the Lease in this one.
        Ok(Some(_)) | Err(_) => Ok(()),
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
    leader: Leader,
    readiness: Readiness,
    metrics: Metrics,
    (executor, wakes): (Executor, mpsc::UnboundedReceiver<Key>),
) -> Result<(), RunError> {
    // Whoever pastes what a message says to run does so in another folder.
    let database = std::path::absolute(&config.database).unwrap_or_else(|_| config.database.clone());
    let (lease, accepted) = same_archive(&archive, &database, &leader, &readiness).await?;
    let cluster = Cluster::new(client.clone(), config.namespace.clone());
    let epoch = open_term(&archive, lease, &client, config).await?;
    metrics.leads(epoch);
    tracing::info!(epoch, "leading");

    let ledger = Ledger::new(archive.clone(), database, accepted);
    readiness.leads(ledger.clone(), executor.clone());
    let (wake_environment, environment_wakes) = mpsc::unbounded_channel();
    let (wake_release, release_wakes) = mpsc::unbounded_channel();
    let (wake_deployment, from_others) = mpsc::unbounded_channel();
    let cx = Arc::new(Context {
        resources: cluster,
        deployments: Cache::new(|deployment: &Deployment| {
            let key = Key::of(deployment);
            let environment = key.sibling(&deployment.spec.environment_ref.name);
            [Some(environment), named_release(deployment).map(|name| for_release(&key, name))]
                .into_iter()
                .flatten()
                .collect()
        }),
        environments: Cache::new(|_| Vec::new()),
        releases: Cache::new(|_| Vec::new()),
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
    let head = remember_heads(archive, leader);
    tokio::select! {
        () = reconcile_all(cx, [wakes, from_others], environment_wakes, release_wakes) => Ok(()),
        result = head => result,
    }
}

/// Waits until the archive is the one that the Lease remembers, or a person has accepted that it is not.
///
/// Returns the Lease, and that acceptance.
async fn same_archive(
    archive: &Archive,
    database: &Path,
    leader: &Leader,
    readiness: &Readiness,
) -> Result<(Option<Lease>, Option<Event>), RunError> {
    let mut said = String::new();
    loop {
        let lease = leader.read().await?;
        let Some(head) = lease.as_ref().and_then(Leader::remembered_head) else { return Ok((lease, None)) };
        let here = match archive.head_status(head.clone()).await? {
            HeadStatus::Contained => {
                readiness.clear();
                return Ok((lease, None));
            }
            HeadStatus::Adopted { row } => {
                readiness.clear();
                let accepted = archive.events_page(row.saturating_sub(1), 1).await?.pop();
                return Ok((lease, accepted.map(|line| line.event)));
            }
            HeadStatus::Lost { here } => here,
        };
        let here = here.map_or_else(|| "nothing".to_owned(), |here| here.to_string());
        let message = format!(
            "audit_diverged: the archive ends at {here}, but the cluster remembers {head}: this database is an older \
             copy or another one. Nothing is done until it is put back, or accepted with: {}",
            adopt_command(database, &format!("--lost-head {head}"))
        );
        if message != said {
            tracing::error!("{message}");
            readiness.trouble(message.clone());
            said = message;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// The number of this term: higher than any that the Lease, the archive or an object has seen.
async fn open_term(archive: &Archive, lease: Option<Lease>, client: &Client, config: &Config) -> Result<u64, RunError> {
    let seen = [
        lease.as_ref().map_or(0, Leader::transitions),
        archive.epoch().await?,
        highest_epoch::<Deployment>(client, config, |object| object.status.as_ref().map(|status| status.audit.epoch))
            .await?,
        highest_epoch::<Environment>(client, config, |object| object.status.as_ref().map(|status| status.audit.epoch))
            .await?,
    ];
    let epoch = seen.into_iter().max().unwrap_or(0) + 1;
    archive.set_epoch(epoch).await?;
    Ok(epoch)
}

async fn highest_epoch<K: Custom>(
    client: &Client,
    config: &Config,
    epoch: impl Fn(&K) -> Option<u64>,
) -> Result<u64, RunError> {
    // An object that a newer Slipway wrote must not keep this one from starting.
    let api: kube::Api<Lenient<K>> = match &config.namespace {
        Some(namespace) => kube::Api::namespaced(client.clone(), namespace),
        None => kube::Api::all(client.clone()),
    };
    let mut highest = 0;
    let mut page = kube::api::ListParams::default().limit(500);
    loop {
        let list = api.list(&page).await.map_err(|error| {
            RunError::Cluster(format!("the resources cannot be listed: {}", crate::explain(&error)))
        })?;
        highest = list.items.iter().filter_map(|object| epoch(object.get().ok()?)).max().unwrap_or(0).max(highest);
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page.continue_token = Some(token),
            Some(_) | None => return Ok(highest),
        }
    }
}

/// Writes the archive's head to the Lease whenever it has moved, about as often as the Lease is renewed.
async fn remember_heads(archive: Archive, leader: Leader) -> Result<(), RunError> {
    let mut remembered = None;
    // Between two renewals: one that has read the Lease and finds it changed is lost, and three in a row end the term.
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + leader.period() / 2, leader.period());
    loop {
        interval.tick().await;
        let head = archive.head().await?;
        if head == remembered {
            continue;
        }
        if let Some(head) = &head {
            match leader.remember_head(head).await {
                Ok(()) => remembered = Some(head.clone()),
                Err(error) => tracing::warn!(%error, "the archive's head could not be written to the lease"),
            }
        }
    }
}

async fn reconcile_all<R: Resources>(
    cx: Arc<Context<R>>,
    [wakes, from_others]: [mpsc::UnboundedReceiver<Key>; 2],
    environment_wakes: mpsc::UnboundedReceiver<Key>,
    release_wakes: mpsc::UnboundedReceiver<Key>,
) {
    // Each kind is watched once; what other kinds wait for is told apart from the same streams.
    let environments = cx.environments.fill(cx.resources.watch()).touched_objects();
    let releases = cx.releases.fill(cx.resources.watch()).touched_objects();
    let deployments = cx.deployments.fill(cx.resources.watch()).touched_objects();
    let environments = waking(environments, cx.clone(), |cx, environment: &Environment| {
        release::wake_unused(cx, environment);
        cx.deployments.group(&Key::of(environment))
    });
    let releases = waking(releases, cx.clone(), |cx, release: &Release| {
        let key = Key::of(release);
        cx.deployments.group(&for_release(&key, &key.name))
    });

    let environments = controller(environments, cx.environments.reader())
        .reconcile_on(refs(environment_wakes))
        .run(environment::reconcile, |_, error, cx| retry("environment", error, &cx), cx.clone())
        .for_each(|_| std::future::ready(()));
    let releases = controller(releases, cx.releases.reader())
        .reconcile_on(refs(release_wakes))
        .run(release::reconcile, |_, error, cx| retry("release", error, &cx), cx.clone())
        .for_each(|_| std::future::ready(()));
    let deployments = controller(deployments, cx.deployments.reader())
        .reconcile_on(refs(wakes))
        .reconcile_on(refs(from_others))
        .run(deployment::reconcile, |_, error, cx| retry("deployment", error, &cx), cx.clone())
        .for_each(|_| std::future::ready(()));
    tokio::join!(environments, releases, deployments);
}

fn controller<K: Custom>(
    stream: impl Stream<Item = watcher::Result<K>> + Send + 'static,
    reader: kube::runtime::reflector::Store<K>,
) -> Controller<K> {
    Controller::for_stream(stream, reader)
        .with_config(kube::runtime::controller::Config::default().concurrency(CONCURRENCY))
}

/// Passes a stream on, and wakes the Deployments that its objects matter to.
fn waking<K: Custom, R: Resources>(
    stream: impl Stream<Item = watcher::Result<K>> + Send + 'static,
    cx: Arc<Context<R>>,
    whom: impl Fn(&Context<R>, &K) -> Vec<Key> + Send + 'static,
) -> impl Stream<Item = watcher::Result<K>> + Send + 'static {
    stream.inspect(move |object| {
        if let Ok(object) = object {
            for key in whom(&cx, object) {
                let open = cx.deployments.get(&key).is_some_and(|deployment| matters(&deployment));
                if open {
                    let _ = cx.wake_deployment.send(key);
                }
            }
        }
    })
}

/// Whether a change around a Deployment can matter to it: it has not ended, or a rollback of it waits.
fn matters(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return true };
    let rollback = status.rollback.as_ref().is_some_and(|rollback| rollback.state.open());
    !status.phase.ended() || rollback || deployment.metadata.deletion_timestamp.is_some()
}

fn named_release(deployment: &Deployment) -> Option<&str> {
    match &deployment.spec.operation {
        Operation::Deploy(Deploy::ReleaseRef(reference)) => Some(&reference.name),
        Operation::Rollback(rollback) => Some(&rollback.to_release_ref.name),
        Operation::Deploy(Deploy::Version(_))
        | Operation::Update(_)
        | Operation::Promote(_)
        | Operation::Restore(_)
        | Operation::Bootstrap(_) => None,
    }
}

/// The group of the Deployments that name a Release. No Environment is called so: a name has no slash.
fn for_release(key: &Key, release: &str) -> Key {
    key.sibling(format!("release/{release}"))
}

fn refs<K: Custom>(keys: mpsc::UnboundedReceiver<Key>) -> impl Stream<Item = ObjectRef<K>> + Send + 'static {
    futures::stream::unfold(keys, |mut keys| async move {
        // A closed channel must not end the stream: the controller would end with it.
        match keys.recv().await {
            Some(key) => Some((key.to_ref(), keys)),
            None => std::future::pending().await,
        }
    })
}

/// A failed reconciliation is tried again soon: nothing is lost by it, and the reason is logged.
fn retry<R: Resources>(kind: &'static str, error: &PublishError, cx: &Context<R>) -> Action {
    cx.metrics.failed(kind);
    tracing::warn!(kind, %error, "will be tried again");
    match error {
        // The same again will be refused again, until something else has changed.
        PublishError::Resource(ResourceError::Refused { .. }) | PublishError::Deposed(_) => {
            Action::requeue(Duration::from_secs(30))
        }
        PublishError::Stale(_) | PublishError::Resource(_) | PublishError::Ledger(_) => {
            Action::requeue(Duration::from_secs(1))
        }
    }
}
