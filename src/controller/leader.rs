//! One controller at a time, and a term for each.
//!
//! What: a Lease by client-go's protocol says who leads; the epoch numbers the terms. Guarantees: an epoch is higher than
//! any that the Lease, the archive or an object has seen, so that a status written in an older term is refused by the
//! server. Assumptions: identities are fresh for every process. On a crash the Lease runs out and the next process takes
//! it. The Lease carries the archive's head, so that an older copy of the database is noticed at start.

use std::time::Duration;

use k8s_controller::LeaderElection;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use slipway_store::Head;

use crate::clock;

/// The annotation of the Lease that carries the archive's head, as `<row>:<hash>`.
pub const HEAD_ANNOTATION: &str = "slipway.dev/audit-head";

/// Which Lease, and how long it lasts.
#[derive(Debug, Clone)]
pub struct LeaseConfig {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How long after the last renewal another controller may take it. Whole seconds, at least 2.
    pub duration: Duration,
}

/// The Lease could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("lease {name}: {source}")]
pub struct LeaseError {
    name: String,
    source: Box<kube::Error>,
}

/// This process's stake in the Lease.
#[derive(Clone)]
pub struct Leader {
    api: Api<Lease>,
    client: Client,
    config: LeaseConfig,
    identity: String,
}

impl std::fmt::Debug for Leader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leader").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Leader {
    /// A candidate with an identity of its own.
    pub fn new(client: Client, config: LeaseConfig) -> Self {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "slipway".to_owned());
        let identity = format!("{host}_{}", uuid::Uuid::new_v4());
        Self { api: Api::namespaced(client.clone(), &config.namespace), client, config, identity }
    }

    /// The election that runs work while the Lease is held.
    ///
    /// It renews five times before another may take over, and gives up well before that.
    pub fn election(&self) -> LeaderElection {
        let duration = self.config.duration;
        LeaderElection::new(self.client.clone(), &self.config.namespace, &self.config.name, &self.identity)
            .with_lease_duration(duration)
            .with_renew_deadline(duration.mul_f64(0.66))
            .with_retry_period(duration.mul_f64(0.2))
    }

    /// How often the Lease is renewed.
    pub fn period(&self) -> Duration {
        self.config.duration.mul_f64(0.2)
    }

    /// The Lease as it is now, not as anyone remembers it.
    pub async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        self.api.get_opt(&self.config.name).await.map_err(|source| self.error(source))
    }

    /// Whether this process holds the Lease, by a direct read.
    pub async fn holds(&self) -> Result<bool, LeaseError> {
        Ok(self.read().await?.is_some_and(|lease| self.is_ours(&lease)))
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        holder == Some(self.identity.as_str())
    }

    /// The head of the archive that the Lease remembers.
    pub fn remembered_head(lease: &Lease) -> Option<Head> {
        lease.annotations().get(HEAD_ANNOTATION).and_then(|head| head.parse().ok())
    }

    /// Writes the archive's head to the Lease, so that an older copy of the archive would be noticed.
    ///
    /// Only over the Lease that this process was seen to hold: one that thaws after its term must not put the head of its
    /// own archive in the place of its successor's.
    pub async fn remember_head(&self, head: &Head) -> Result<(), LeaseError> {
        let Some(lease) = self.just_renewed().await? else { return Ok(()) };
        let patch = json!({"metadata": {
            "annotations": {HEAD_ANNOTATION: head.to_string()},
            "resourceVersion": lease.resource_version(),
        }});
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        self.api.patch(&self.config.name, &params, &patch).await.map(|_| ()).map_err(|source| self.error(source))
    }

    /// The Lease not long after a renewal, while it is ours. A renewal that finds the Lease changed since it was read is
    /// lost, and three in a row end the term: what else is written to it comes well before the next one.
    async fn just_renewed(&self) -> Result<Option<Lease>, LeaseError> {
        loop {
            let Some(lease) = self.read().await?.filter(|lease| self.is_ours(lease)) else { return Ok(None) };
            let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
            let age = renewed.and_then(|renewed| Duration::try_from(clock::now().duration_since(renewed)).ok());
            let age = age.unwrap_or_default();
            if age < self.period() / 2 {
                return Ok(Some(lease));
            }
            tokio::time::sleep(self.period().saturating_sub(age) + self.period() / 8).await;
        }
    }

    /// The term that the Lease itself has counted.
    pub fn transitions(lease: &Lease) -> u64 {
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
        u64::try_from(transitions).unwrap_or(0)
    }

    fn error(&self, source: kube::Error) -> LeaseError {
        LeaseError { name: format!("{}/{}", self.config.namespace, self.config.name), source: Box::new(source) }
    }
}
