//! The reconciler of Environments: their history, their readiness, and the repair of a claim whose holder is gone.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use slipway_crd::environment_index::Terms;
use slipway_crd::{AUDIT_FINALIZER, Deployment as WireDeployment, Environment as WireEnvironment, parse, render};
use slipway_domain::environment::{Environment, Readiness};
use slipway_domain::event;
use slipway_domain::phase::Phase;
use slipway_domain::upkeep::{Decision, Effect, Holder, Observed, decide};

use crate::clock;
use crate::context::Context;
use crate::key::Key;
use crate::ledger::Sight;
use crate::publish::{self, PublishError};
use crate::resources::Resources;
use crate::{act, adopt};

/// How often an Environment that is not ready is looked at again.
const SOON: Duration = Duration::from_secs(5);
/// How often a ready one is.
const LATER: Duration = Duration::from_mins(5);

/// Keeps one Environment as it should be.
pub async fn reconcile<R: Resources>(key: Key, cx: Arc<Context<R>>) -> Result<Action, PublishError> {
    cx.in_view().await;
    let _timer = cx.metrics.reconcile("environment");
    match attempt(&key, &cx).await {
        // Somebody else wrote in between; the cache has been refreshed.
        Err(PublishError::Stale(why)) => {
            tracing::debug!(environment = %key, "{why}");
            Ok(Action::requeue(Duration::ZERO))
        }
        other => other,
    }
}

async fn attempt<R: Resources>(key: &Key, cx: &Arc<Context<R>>) -> Result<Action, PublishError> {
    let Some(wire) = cx.environments.get(key) else {
        index(cx, key, None).await?;
        return Ok(Action::await_change());
    };
    let environment = match parse::environment(&wire).or_else(|errors| last_words(&wire).ok_or(errors)) {
        Ok(environment) => environment,
        Err(errors) => {
            index(cx, key, None).await?;
            let status = render::refused_environment(&wire, &errors, clock::now());
            publish::refused_environment(cx, &wire, status).await?;
            return Ok(Action::await_change());
        }
    };
    let what = format!("environment {key}");
    let (known, operations) = (known_operations(cx, &environment).await?, environment.status.operations);
    if known > operations {
        // Its last write may just have been archived: only what the server itself says counts as an older copy.
        let now = publish::refresh(cx, &cx.environments, key).await?;
        let moved = now.is_some_and(|now| now.metadata.resource_version != wire.metadata.resource_version);
        if moved {
            return Ok(Action::requeue(Duration::ZERO));
        }
    }
    let older = (known > operations).then(|| {
        format!("the archive knows {known} claims and releases of it and the object {operations}: the object is an older copy")
    });
    match cx.ledger.sight(&environment.id.uid, &what, &environment.status.audit, older.as_deref()).await? {
        Sight::Archived(seq) if seq < environment.status.audit.seq => {
            publish::mirror_environment(cx, &wire, &environment.status).await?;
        }
        Sight::Archived(_) => {}
        Sight::Adopted(event) => {
            adopt::environment(cx, &wire, &environment, &event).await?;
            return Ok(Action::requeue(Duration::ZERO));
        }
        Sight::Diverged(_) => return Ok(Action::requeue(SOON)),
    }
    if known < operations {
        publish::mirror_environment(cx, &wire, &environment.status).await?;
    }
    cx.ledger.trust(&environment.id.uid);
    upkeep(cx, key, &wire, &environment).await
}

/// An Environment that is being deleted, without what is wrong with it: that must not keep it.
fn last_words(wire: &WireEnvironment) -> Option<Environment> {
    wire.metadata.deletion_timestamp.as_ref()?;
    let mut bare = wire.clone();
    (bare.spec.policy, bare.spec.retry, bare.spec.timeout, bare.spec.reset) = (None, None, None, None);
    bare.spec.health_checks = Vec::new();
    let mut environment = parse::environment(&bare).ok()?;
    // What was left out is not a change of its policy.
    if let Some(recorded) = &environment.status.policy_digest {
        environment.digest = recorded.clone();
    }
    Some(environment)
}

async fn upkeep<R: Resources>(
    cx: &Arc<Context<R>>,
    key: &Key,
    wire: &Arc<WireEnvironment>,
    environment: &Environment,
) -> Result<Action, PublishError> {
    // Whoever sees that it is ready can rely on what is asked there.
    if !environment.deleting {
        index(cx, key, Some(&Terms::of(environment))).await?;
    }
    let (uid, generation) = (&environment.id.uid, wire.metadata.generation);
    let known = environment.status.readiness == Readiness::Ready && cx.probes.is_fresh(uid, generation, LATER);
    let readiness = if environment.deleting || known {
        None
    } else {
        let readiness = cx.runtimes.readiness(environment, wire).await;
        cx.probes.note(uid, generation, readiness.is_ok());
        Some(readiness)
    };
    let guard = cx.policies.now();
    let observed = Observed {
        environment,
        guard: guard.clone(),
        readiness,
        holder: holder(cx, key, environment).await?,
        neighbours: cx.neighbours.of(key, environment),
        unfinished: unfinished(cx, key),
        archived_seq: environment.status.audit.seq,
        epoch: cx.epoch,
    };
    let Decision { status, events, effect } = decide(&observed, clock::now());
    let on_a_word = |one: &event::Event| {
        matches!(one.action, event::Action::EnvironmentReset | event::Action::EnvironmentResetVoid)
    };
    if events.iter().any(on_a_word) && !publish::confirmed(cx, &key.to_string(), &guard).await {
        return Ok(Action::requeue(SOON));
    }
    let written = publish::environment(cx, wire, &status).await?;
    for event in &events {
        tracing::info!(environment = %key, seq = event.seq, actor = %event.actor_id, "{}", event.action);
        cx.metrics.event(event.action);
    }
    match effect {
        Some(Effect::RemoveFinalizer) => {
            act::remove_finalizer(cx, &cx.environments, &*written, AUDIT_FINALIZER).await?;
            cx.ledger.forget(&environment.id.uid);
            index(cx, key, None).await?;
            // Releases that were kept for it may be waiting to go.
            let services = environment.status.services.iter();
            for release in services.flat_map(|service| [&service.current, &service.previous]).flatten() {
                let _ = cx.wake_release.send(key.sibling(release.name.as_str()));
            }
            Ok(Action::await_change())
        }
        Some(Effect::StopOrphan { deployment }) => {
            tracing::warn!(environment = %key, %deployment, "its deployment is gone: what still runs of it is stopped");
            cx.executor.stop_all_of(deployment.as_str()).await;
            Ok(Action::requeue(Duration::ZERO))
        }
        None if !events.is_empty() => Ok(Action::requeue(Duration::ZERO)),
        None if status.readiness == Readiness::Ready => Ok(Action::requeue(LATER)),
        None => Ok(Action::requeue(SOON)),
    }
}

async fn index<R: Resources>(cx: &Context<R>, key: &Key, terms: Option<&Terms>) -> Result<(), PublishError> {
    cx.index.put(key, terms).await.map_err(PublishError::Resource)
}

/// How many claims and releases of an Environment the archive knows. A lower count on the object is an older copy.
async fn known_operations<R: Resources>(cx: &Context<R>, environment: &Environment) -> Result<u64, PublishError> {
    let row = cx.ledger.archive().environment(&environment.id.uid).await.map_err(crate::ledger::LedgerError::from)?;
    Ok(row.map_or(0, |row| row.operations))
}

/// Whether whoever holds the claim still exists, by a direct read before anything follows from its absence.
async fn holder<R: Resources>(cx: &Context<R>, key: &Key, environment: &Environment) -> Result<Holder, PublishError> {
    let Some(claim) = &environment.status.claim else { return Ok(Holder::None) };
    for member in cx.deployments.group(key) {
        if cx.deployments.uid(&member).as_deref() == Some(claim.deployment.as_str()) {
            return Ok(Holder::Present);
        }
    }
    let gone = if cx.executor.runs_any_of(claim.deployment.as_str()) { Holder::Running } else { Holder::Gone };
    let row = cx.ledger.archive().deployment(&claim.deployment).await.map_err(crate::ledger::LedgerError::from)?;
    let Some(row) = row else { return Ok(gone) };
    let now = cx.resources.get::<WireDeployment>(&key.sibling(row.name)).await.map_err(PublishError::Resource)?;
    let same = now.and_then(|now| now.uid()).as_deref() == Some(claim.deployment.as_str());
    Ok(if same { Holder::Present } else { gone })
}

fn unfinished<R: Resources>(cx: &Context<R>, key: &Key) -> usize {
    let open = |member: &Key| {
        let object = cx.deployments.in_motion(member);
        object.is_some_and(|object| !object.status.as_ref().map_or(Phase::Pending, |status| status.phase).ended())
    };
    cx.deployments.group(key).iter().filter(|member| open(member)).count()
}
