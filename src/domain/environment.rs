//! An Environment is changed by one Deployment at a time: whoever holds the claim, and nobody else.
//!
//! Current and previous release and the inventory are kept for each service, so that pruning and rolling back one service
//! never touches another's objects.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::{Audit, Subject};
use crate::digest::Digest;
use crate::event::{ResourceType, UnknownWord, words};
use crate::name::{Actor, Note, ReleaseName, ResourceId, ServiceName, Uid};
use crate::policy::{Policy, Retry, Tier};
use crate::runtime::{HealthCheck, ObjectRef};
use crate::safeguard::Reach;

#[cfg(test)]
mod tests;

/// What carries out a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuntimeKind {
    /// A Kubernetes namespace.
    Kubernetes,
    /// Hosts, over SSH.
    Ssh,
    /// People; Slipway only keeps the record.
    Manual,
}

words! {
    /// Where an Environment is in its life.
    EnvironmentPhase {
        /// Just accepted.
        Pending = "Pending",
        /// Being installed.
        Bootstrapping = "Bootstrapping",
        /// Free.
        Active = "Active",
        /// Being copied from another.
        Cloning = "Cloning",
        /// A Deployment holds the claim.
        Deploying = "Deploying",
        /// A backup is being brought back.
        Restoring = "Restoring",
        /// An operation failed; a rollback or a reset frees it.
        Failed = "Failed",
    }
}

words! {
    /// Whether an Environment could take a Deployment at all.
    Readiness {
        /// Not looked at yet.
        Unknown = "unknown",
        /// Waits to be installed.
        BootstrapPending = "bootstrap_pending",
        /// It could.
        Ready = "ready",
        /// It could not; the conditions say why.
        NotReady = "not_ready",
    }
}

words! {
    /// What is known of the health of a release in an Environment.
    Health {
        /// Not judged.
        Unknown = "unknown",
        /// It passed the gate.
        Healthy = "healthy",
        /// It did not.
        Unhealthy = "unhealthy",
    }
}

/// Who may change the Environment now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The Deployment that holds it.
    pub deployment: Uid,
    /// The attempt it was taken for.
    pub attempt: String,
    /// The term of the controller that took it.
    pub epoch: u64,
}

/// A release that runs, or ran, in an Environment, with all that is needed to bring it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningRelease {
    /// The Release.
    pub name: ReleaseName,
    /// What its content was.
    pub digest: Digest,
    /// The Deployment that brought it.
    pub deployment: Uid,
    /// Its health when it was last judged.
    pub health: Health,
    /// Since when.
    pub since: Timestamp,
    /// The variables it was brought with.
    pub variables: BTreeMap<String, String>,
}

/// One service in an Environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// What runs.
    pub current: Option<RunningRelease>,
    /// What ran before.
    pub previous: Option<RunningRelease>,
    /// Every object that may exist because of it. While a claim is held: the old ones and the planned ones.
    pub inventory: Vec<ObjectRef>,
}

/// What the controller has written about an Environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentStatus {
    /// Where it is in its life.
    pub phase: EnvironmentPhase,
    /// Whether it could take a Deployment.
    pub readiness: Readiness,
    /// Why it could not, for people.
    pub readiness_message: String,
    /// The older Environment, as `namespace/name`, that it would be a way around: nothing is previewed here meanwhile.
    pub yields_to: Option<String>,
    /// Who may change it now.
    pub claim: Option<Claim>,
    /// How many claims were taken and given back so far. Grows with each; an older copy shows by it.
    pub operations: u64,
    /// Its services.
    pub services: Vec<Service>,
    /// The Deployment whose operation left it Failed: the first, where there are several. Only a reset that names it and
    /// its own rollback clear it.
    pub failed: Option<Uid>,
    /// The digest of the policy that was last recorded in the history.
    pub policy_digest: Option<Digest>,
    /// The digest of the reset that counted last: it does not count again.
    pub reset_handled: Option<Digest>,
    /// The guard under which its reset was said, if it has not been answered.
    pub guard: Option<Digest>,
    /// Its history.
    pub audit: Audit,
}

impl Default for EnvironmentStatus {
    fn default() -> Self {
        Self {
            phase: EnvironmentPhase::Pending,
            readiness: Readiness::Unknown,
            readiness_message: String::new(),
            yields_to: None,
            claim: None,
            operations: 0,
            services: Vec::new(),
            failed: None,
            policy_digest: None,
            reset_handled: None,
            guard: None,
            audit: Audit::default(),
        }
    }
}

/// Someone frees an Environment after a failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The failed operation it is about.
    pub of: Uid,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub note: Note,
}

impl Reset {
    /// Covers all that was said.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&serde_json::json!({
            "of": self.of.as_str(),
            "actor": self.actor.as_str(),
            "note": self.note.to_string(),
        }))
    }
}

/// An Environment as it was read, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Which one.
    pub id: ResourceId,
    /// When the server accepted it.
    pub created_at: Timestamp,
    /// The project it belongs to.
    pub project: String,
    /// The team it belongs to.
    pub team: String,
    /// How much harm a mistake could do.
    pub tier: Tier,
    /// What carries out its Deployments.
    pub runtime: RuntimeKind,
    /// Where they go, as whom, and what they may bring.
    pub reach: Reach,
    /// What it asks of them.
    pub policy: Policy,
    /// Covers tier, policy, runtime, checks, retry and timeout as they are in force.
    pub digest: Digest,
    /// What must pass before a release counts as healthy.
    pub health_checks: Vec<HealthCheck>,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How often an attempt is repeated.
    pub retry: Retry,
    /// Who changed the spec last.
    pub changed_by: Option<Actor>,
    /// The reset that stands in the spec.
    pub reset: Option<Reset>,
    /// It is being deleted.
    pub deleting: bool,
    /// What the controller has written.
    pub status: EnvironmentStatus,
}

/// How an operation ended, for the Environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This release runs now.
    Succeeded(RunningRelease),
    /// The release before it runs again.
    RolledBack {
        /// What runs again.
        to: RunningRelease,
    },
    /// It failed, and something may have been changed.
    Failed,
    /// It ended, and nothing was changed.
    Untouched,
}

impl Environment {
    /// What its events have in common.
    pub fn subject(&self) -> Subject {
        Subject {
            resource_type: ResourceType::Environment,
            id: self.id.clone(),
            project: self.project.clone(),
            team: self.team.clone(),
            environment: self.id.name.clone(),
        }
    }

    /// What is known of a service.
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.status.services.iter().find(|service| service.name == *name)
    }

    /// Whether this Deployment holds the claim.
    pub fn held_by(&self, deployment: &Uid) -> bool {
        self.status.claim.as_ref().is_some_and(|claim| claim.deployment == *deployment)
    }

    /// The release that a rollback of `deployment` would bring back.
    ///
    /// That is the previous release when this Deployment made the current one, and the current one when this Deployment
    /// is the operation under way or the one that failed. Everything else is out of reach of a rollback.
    pub fn rollback_target(&self, deployment: &Uid, service: &ServiceName) -> Option<&RunningRelease> {
        let service = self.service(service)?;
        let current = service.current.as_ref()?;
        if current.deployment == *deployment {
            return service.previous.as_ref();
        }
        let under_way = self.held_by(deployment) || self.status.failed.as_ref() == Some(deployment);
        under_way.then_some(current)
    }
}

impl EnvironmentStatus {
    /// The status once `claim` is taken: the inventory of the service then names the old objects and the planned ones.
    #[must_use]
    pub fn claimed(&self, claim: Claim, service: &ServiceName, planned: &[ObjectRef]) -> Self {
        let mut next = self.clone();
        next.phase = EnvironmentPhase::Deploying;
        next.claim = Some(claim);
        next.operations += 1;
        next.service_mut(service).join_inventory(planned);
        next
    }

    /// The status once the holder of the claim has ended and `inventory` is what exists because of the service.
    ///
    /// `inventory` is None when nobody can tell any more; then everything that may exist stays listed.
    #[must_use]
    pub fn settled(&self, service: &ServiceName, outcome: Outcome, inventory: Option<Vec<ObjectRef>>) -> Self {
        let mut next = self.clone();
        let holder = next.claim.take().map(|claim| claim.deployment);
        // What another operation left failed stays so, whatever this one did: to mend one service mends no other.
        let other = self.failed.clone().filter(|failed| holder.as_ref() != Some(failed));
        next.operations += 1;
        match outcome {
            Outcome::Succeeded(release) => {
                next.service_mut(service).succeed(release, inventory);
                next.end(other);
            }
            Outcome::RolledBack { to } => {
                next.service_mut(service).roll_back(to, inventory);
                next.end(other);
            }
            Outcome::Failed => {
                next.end(other.or(holder));
                next.phase = EnvironmentPhase::Failed;
            }
            // An operation that touched nothing has mended nothing, not even its own failure.
            Outcome::Untouched => next.end(self.failed.clone()),
        }
        next.services.retain(|service| service.current.is_some() || !service.inventory.is_empty());
        next
    }

    /// Nothing is under way any more, and this is what has failed.
    fn end(&mut self, failed: Option<Uid>) {
        self.phase = if failed.is_some() { EnvironmentPhase::Failed } else { EnvironmentPhase::Active };
        self.failed = failed;
    }

    fn service_mut(&mut self, name: &ServiceName) -> &mut Service {
        let index = self.services.iter().position(|service| service.name == *name).unwrap_or_else(|| {
            self.services.push(Service { name: name.clone(), current: None, previous: None, inventory: Vec::new() });
            self.services.len() - 1
        });
        &mut self.services[index]
    }
}

impl Service {
    fn join_inventory(&mut self, planned: &[ObjectRef]) {
        for object in planned {
            if !self.inventory.iter().any(|known| known.identity() == object.identity()) {
                self.inventory.push(object.clone());
            }
        }
    }

    fn succeed(&mut self, release: RunningRelease, inventory: Option<Vec<ObjectRef>>) {
        // Repeating the write of one outcome must not push the release before it out of reach.
        let repeated = self.current.as_ref().is_some_and(|current| current.deployment == release.deployment);
        if !repeated {
            self.previous = self.current.take();
        }
        self.current = Some(release);
        if let Some(inventory) = inventory {
            self.inventory = inventory;
        }
    }

    fn roll_back(&mut self, to: RunningRelease, inventory: Option<Vec<ObjectRef>>) {
        let was_previous = self.previous.as_ref().is_some_and(|previous| previous.deployment == to.deployment);
        if was_previous {
            self.previous = None;
        }
        self.current = Some(to);
        if let Some(inventory) = inventory {
            self.inventory = inventory;
        }
    }
}
