//! The one place that writes the status of a Deployment or an Environment, and then archives what it says.
//!
//! What: one PUT over the version that was decided from, then one transaction in the archive. Guarantees: a write that
//! would change nothing is not made; an answer that got lost is resolved by a read; no effect follows before the archive
//! has the events. On a crash between the two, the next process finds the events in the journal and archives them first.

use std::sync::Arc;

use kube::ResourceExt as _;
use slipway_crd::{Deployment as WireDeployment, Environment as WireEnvironment, Release, parse, render};
use slipway_domain::attempt::AttemptType;
use slipway_domain::audit::Audit;
use slipway_domain::deployment::{Deployment, Status};
use slipway_domain::digest::Digest;
use slipway_domain::environment::EnvironmentStatus;
use slipway_domain::event::Event;
use slipway_domain::guard::Guard;
use slipway_domain::wait::Wait;
use slipway_store::{AttemptRow, Record};

use crate::cache::{Cache, Cached};
use crate::clock;
use crate::context::Context;
use crate::key::Key;
use crate::ledger::LedgerError;
use crate::resources::{ResourceError, Resources};
use crate::row;

/// Why something could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The object has moved on: decide again from what it is now.
    #[error("{0}; deciding again")]
    Stale(String),
    /// The object could not be written.
    #[error(transparent)]
    Resource(ResourceError),
    /// The archive could not be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A controller of a later term has written the object: this one's is over.
    #[error("{0} was written by a controller that leads since: nothing more is written here")]
    Deposed(String),
}

/// Something whose status has an audit block.
pub trait Audited: Cached {
    /// The audit block, once there is a status.
    fn audit(&self) -> Option<&slipway_crd::Audit>;

    /// Marks the status as written in the term `epoch`. Not every write adds an event, and each has to keep out whoever
    /// led before: an older term's write, made over this one, is refused by the schema.
    fn written_in(&mut self, epoch: u64);

    /// Whether both say the same. Not every write adds an event: a claim and its end do not.
    fn same_status(&self, other: &Self) -> bool;
}

impl Audited for WireDeployment {
    fn audit(&self) -> Option<&slipway_crd::Audit> {
        self.status.as_ref().map(|status| &status.audit)
    }

    fn written_in(&mut self, epoch: u64) {
        if let Some(status) = &mut self.status {
            status.audit.epoch = status.audit.epoch.max(epoch);
        }
    }

    fn same_status(&self, other: &Self) -> bool {
        self.status == other.status
    }
}

impl Audited for WireEnvironment {
    fn audit(&self) -> Option<&slipway_crd::Audit> {
        self.status.as_ref().map(|status| &status.audit)
    }

    fn written_in(&mut self, epoch: u64) {
        if let Some(status) = &mut self.status {
            status.audit.epoch = status.audit.epoch.max(epoch);
        }
    }

    fn same_status(&self, other: &Self) -> bool {
        self.status == other.status
    }
}

impl Audited for Release {
    fn audit(&self) -> Option<&slipway_crd::Audit> {
        None
    }

    fn written_in(&mut self, _: u64) {}

    fn same_status(&self, other: &Self) -> bool {
        self.status == other.status
    }
}

/// Whether the server itself says that `guard` is in force, before what a person said is written down as theirs.
///
/// If it does not, or nobody can tell, the watch will say so in a moment, and it is decided anew.
pub async fn confirmed<R: Resources>(cx: &Context<R>, what: &str, guard: &Guard) -> bool {
    match cx.policies.confirms(guard).await {
        Ok(confirmed) => confirmed,
        Err(error) => {
            tracing::warn!(what, error, "whether the policies are in force cannot be read; it is tried again");
            false
        }
    }
}

/// Says on a Deployment that it cannot be read; nothing is archived for it.
pub async fn refused<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<WireDeployment>,
    status: slipway_crd::DeploymentStatus,
) -> Result<(), PublishError> {
    let same = wire.status.as_ref() == Some(&status);
    write(cx, &cx.deployments, wire, same, |wire| wire.status = Some(status)).await.map(|_| ())
}

/// Says on an Environment that it cannot be read; nothing is archived for it.
pub async fn refused_environment<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<WireEnvironment>,
    status: slipway_crd::EnvironmentStatus,
) -> Result<(), PublishError> {
    let same = wire.status.as_ref() == Some(&status);
    write(cx, &cx.environments, wire, same, |wire| wire.status = Some(status)).await.map(|_| ())
}

/// Says on a Release what it is. What says so is in the archive.
pub async fn release<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<Release>,
    status: slipway_crd::ReleaseStatus,
) -> Result<(), PublishError> {
    archive_release(cx, wire).await?;
    let same = wire.status.as_ref() == Some(&status);
    write(cx, &cx.releases, wire, same, |wire| wire.status = Some(status)).await.map(|_| ())
}

/// Archives what a Release consists of, once: it never changes.
async fn archive_release<R: Resources>(cx: &Context<R>, wire: &Release) -> Result<(), LedgerError> {
    let archive = cx.ledger.archive();
    let Some(row) = row::release(wire, parse::release_digest(wire), &archive.secret_key()) else { return Ok(()) };
    if archive.release(&row.uid).await?.is_some() {
        return Ok(());
    }
    let record = Record { row: Some(slipway_store::Row::Release(row)), ..Record::default() };
    archive.record(record).await.map_err(LedgerError::Record)
}

/// Writes the status of a Deployment, and archives its new events with its row.
pub async fn deployment<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<WireDeployment>,
    deployment: &Deployment,
    status: &Status,
    wait: Option<&Wait>,
) -> Result<Arc<WireDeployment>, PublishError> {
    let before = wire.status.as_ref();
    let rendered = render::deployment(status, wait, wire.metadata.generation, before, clock::now());
    let wire = write(cx, &cx.deployments, wire, before == Some(&rendered), |wire| wire.status = Some(rendered)).await?;
    mirror_deployment(cx, &wire, deployment, status).await?;
    let id = |status: &Status| status.attempt.as_ref().map(|attempt| attempt.id.clone());
    // An attempt that follows one that failed for a passing reason has no event; it is on record before it begins.
    if id(status).is_some() && id(&deployment.status) != id(status) && deployment.status.audit.seq == status.audit.seq {
        let what = format!("deployment {}", Key::of(&*wire));
        let record = Record { attempts: attempts(cx, deployment, status).await?, ..Record::default() };
        cx.ledger.record(&deployment.id.uid, &what, status.audit.seq, record).await?;
    }
    Ok(wire)
}

/// The attempt that the status names, and those before it that the archive still has as running: one at a time.
async fn attempts<R: Resources>(
    cx: &Context<R>,
    deployment: &Deployment,
    status: &Status,
) -> Result<Vec<AttemptRow>, LedgerError> {
    let Some(attempt) = &status.attempt else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    if attempt.number > 1 || attempt.kind == AttemptType::ReleaseRollback {
        let known = cx.ledger.archive().attempts(&deployment.id.uid).await?;
        rows.extend(known.into_iter().filter_map(|before| row::superseded(before, attempt, status)));
    }
    rows.push(row::attempt(deployment, status, attempt));
    Ok(rows)
}

/// Archives whatever the journal of a Deployment has that the archive lacks.
pub async fn mirror_deployment<R: Resources>(
    cx: &Context<R>,
    wire: &WireDeployment,
    deployment: &Deployment,
    status: &Status,
) -> Result<(), LedgerError> {
    let what = format!("deployment {}", Key::of(wire));
    let fresh = unarchived(cx, wire, &what, &status.audit).await?;
    if fresh.is_empty() {
        return Ok(());
    }
    let release = release_digest(cx, deployment, status).await?;
    let record = Record {
        row: Some(slipway_store::Row::Deployment(row::deployment(wire, deployment, status, release))),
        preview: row::preview(deployment, status, &fresh),
        attempts: attempts(cx, deployment, status).await?,
        events: fresh.clone(),
    };
    cx.ledger.record(&deployment.id.uid, &what, status.audit.seq, record).await?;
    cx.metrics.archived(fresh.len());
    cx.notices.announce(wire, &fresh, status.diagnostics.as_ref().map(|diagnostics| diagnostics.message.as_str()));
    Ok(())
}

/// Archives what a Deployment is now, without an event: a person has settled what it is.
pub async fn row_of_deployment<R: Resources>(
    cx: &Context<R>,
    wire: &WireDeployment,
    deployment: &Deployment,
    status: &Status,
) -> Result<(), LedgerError> {
    let what = format!("deployment {}", Key::of(wire));
    let release = release_digest(cx, deployment, status).await?;
    let row = slipway_store::Row::Deployment(row::deployment(wire, deployment, status, release));
    let record = Record { row: Some(row), ..Record::default() };
    cx.ledger.record(&deployment.id.uid, &what, status.audit.seq, record).await
}

/// The digest of the Release, as it was previewed; what was settled by a person may lack a preview, and has a row.
async fn release_digest<R: Resources>(
    cx: &Context<R>,
    deployment: &Deployment,
    status: &Status,
) -> Result<Digest, LedgerError> {
    if let Some(digest) = status.preview.as_ref().and_then(|preview| preview.release.clone()) {
        return Ok(digest);
    }
    let row = cx.ledger.archive().deployment(&deployment.id.uid).await?;
    Ok(row.map_or_else(row::no_release, |row| row.release_digest))
}

/// Writes the status of an Environment, and archives its new events with its row.
pub async fn environment<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<WireEnvironment>,
    status: &EnvironmentStatus,
) -> Result<Arc<WireEnvironment>, PublishError> {
    let before = wire.status.as_ref();
    let reset = wire.spec.reset.as_ref();
    let rendered =
        render::environment(status, reset, &cx.policies.now(), wire.metadata.generation, before, clock::now());
    if before == Some(&rendered) {
        return Ok(wire.clone());
    }
    let wire = write(cx, &cx.environments, wire, false, |wire| wire.status = Some(rendered)).await?;
    mirror_environment(cx, &wire, status).await?;
    Ok(wire)
}

/// Archives whatever the journal of an Environment has that the archive lacks.
pub async fn mirror_environment<R: Resources>(
    cx: &Context<R>,
    wire: &WireEnvironment,
    status: &EnvironmentStatus,
) -> Result<(), LedgerError> {
    let what = format!("environment {}", Key::of(wire));
    let fresh = unarchived(cx, wire, &what, &status.audit).await?;
    let Some(uid) = wire.uid().and_then(|uid| uid.parse().ok()) else { return Ok(()) };
    // A claim that ended is archived without an event: an older copy of the Environment shows by its row. One that is
    // held is not: its Deployment tells of it.
    if fresh.is_empty() && (status.claim.is_some() || status.audit.seq == 0) {
        return Ok(());
    }
    let record = Record {
        row: Some(slipway_store::Row::Environment(row::environment(wire, status, &uid))),
        events: fresh.clone(),
        ..Record::default()
    };
    cx.ledger.record(&uid, &what, status.audit.seq, record).await?;
    cx.metrics.archived(fresh.len());
    cx.notices.announce(wire, &fresh, None);
    Ok(())
}

async fn unarchived<R: Resources, K: Audited>(
    cx: &Context<R>,
    wire: &K,
    what: &str,
    audit: &Audit,
) -> Result<Vec<Event>, LedgerError> {
    let Some(uid) = wire.uid().and_then(|uid| uid.parse().ok()) else { return Ok(Vec::new()) };
    match cx.ledger.sight(&uid, what, audit, None).await? {
        crate::ledger::Sight::Archived(seq) => {
            Ok(audit.journal.iter().filter(|event| event.seq > seq).cloned().collect())
        }
        crate::ledger::Sight::Adopted(_) => Ok(Vec::new()),
        crate::ledger::Sight::Diverged(divergence) => Err(LedgerError::Diverged(divergence.message())),
    }
}

/// One PUT over the version that was decided from, unless it would change nothing.
async fn write<R: Resources, K: Audited>(
    cx: &Context<R>,
    cache: &Cache<K>,
    wire: &Arc<K>,
    unchanged: bool,
    change: impl FnOnce(&mut K),
) -> Result<Arc<K>, PublishError> {
    if unchanged {
        return Ok(wire.clone());
    }
    // One that thaws after its term may read what its successor wrote, and must not follow it.
    if wire.audit().is_some_and(|audit| audit.epoch > cx.epoch) {
        return Err(PublishError::Deposed(Key::of(&**wire).to_string()));
    }
    let mut next = (**wire).clone();
    change(&mut next);
    next.written_in(cx.epoch);
    match cx.resources.replace_status(&next).await {
        Ok(written) => Ok(cache.remember(written)),
        Err(error @ ResourceError::Ambiguous { .. }) => resolve(cx, cache, wire, &next, error).await,
        Err(error @ (ResourceError::Conflict { .. } | ResourceError::Gone { .. })) => {
            refresh(cx, cache, &Key::of(&**wire)).await?;
            Err(PublishError::Stale(error.to_string()))
        }
        Err(error) => Err(PublishError::Resource(error)),
    }
}

/// Reads what became of a write that nobody answered.
async fn resolve<R: Resources, K: Audited>(
    cx: &Context<R>,
    cache: &Cache<K>,
    before: &K,
    meant: &K,
    error: ResourceError,
) -> Result<Arc<K>, PublishError> {
    let Some(now) = refresh(cx, cache, &Key::of(before)).await? else {
        return Err(PublishError::Stale(error.to_string()));
    };
    // Anybody may have given it another version in the meantime: only what it says tells whether it was this write.
    if now.uid() == before.uid() && now.same_status(meant) && now.resource_version() != before.resource_version() {
        return Ok(now);
    }
    Err(PublishError::Stale(error.to_string()))
}

/// Reads an object as it is now into its cache.
pub async fn refresh<R: Resources, K: Cached>(
    cx: &Context<R>,
    cache: &Cache<K>,
    key: &Key,
) -> Result<Option<Arc<K>>, PublishError> {
    let object = cx.resources.get::<K>(key).await.map_err(PublishError::Resource)?;
    Ok(object.map(|object| cache.remember(object)))
}
