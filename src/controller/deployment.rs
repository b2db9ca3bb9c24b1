//! The reconciler of Deployments: observe, decide, act, publish, until there is something to wait for.
//!
//! Nothing here branches on why it was woken.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use slipway_crd::{AUDIT_FINALIZER, Deployment as WireDeployment, parse, render};
use slipway_domain::decide::{Decision, Effect, Planned, decide};
use slipway_domain::deployment::Deployment;
use slipway_domain::event::{self, Event};
use slipway_domain::name::Actor;
use slipway_domain::phase::Phase;
use slipway_domain::wait::Wait;

use crate::act;
use crate::adopt;
use crate::clock;
use crate::context::Context;
use crate::key::Key;
use crate::ledger::Sight;
use crate::notice;
use crate::observe::Scene;
use crate::publish::{self, PublishError};
use crate::resources::Resources;

/// How many steps one reconciliation takes before it lets others in.
const ROUNDS: usize = 24;
/// How soon to look again at something that nothing will wake us for.
const SOON: Duration = Duration::from_secs(5);
/// How soon to ask again for what the target refused.
const REFUSED: Duration = Duration::from_secs(20);
/// How soon to look again at what another reconciler is about to look at.
const SHORTLY: Duration = Duration::from_millis(100);
/// The longest wait without looking; clocks are not to be trusted for longer.
const LONGEST: Duration = Duration::from_hours(1);

/// What is to happen after one step.
enum Step {
    /// Something was done: look again.
    Again,
    /// Nothing can be done now.
    Rest(Action),
}

/// Brings one Deployment as far as it can go now.
pub async fn reconcile<R: Resources>(key: Key, cx: Arc<Context<R>>) -> Result<Action, PublishError> {
    cx.in_view().await;
    let _timer = cx.metrics.reconcile("deployment");
    for _ in 0..ROUNDS {
        let Some(wire) = cx.deployments.get(&key) else { return Ok(Action::await_change()) };
        match step(&cx, wire).await {
            Ok(Step::Again) => {}
            Ok(Step::Rest(action)) => return Ok(action),
            // Somebody else wrote in between; the cache has been refreshed.
            Err(PublishError::Stale(why)) => tracing::debug!(deployment = %key, "{why}"),
            Err(error) => return Err(error),
        }
    }
    Ok(Action::requeue(SOON))
}

async fn step<R: Resources>(cx: &Arc<Context<R>>, wire: Arc<WireDeployment>) -> Result<Step, PublishError> {
    let deployment = match parse::deployment(&wire) {
        Ok(deployment) => deployment,
        Err(_) if unheard(&wire) => return let_go(cx, &wire).await,
        Err(errors) => match parse::last_words(&wire) {
            Some(deployment) => deployment,
            None => return refuse(cx, &wire, &errors).await,
        },
    };
    let what = format!("deployment {}", Key::of(&*wire));
    let archived = match cx.ledger.sight(&deployment.id.uid, &what, &deployment.status.audit, None).await? {
        Sight::Archived(seq) => seq,
        Sight::Adopted(event) => return adopt_event(cx, &wire, &deployment, &event).await,
        Sight::Diverged(_) => return Ok(Step::Rest(Action::requeue(SOON))),
    };
    if archived < deployment.status.audit.seq {
        publish::mirror_deployment(cx, &wire, &deployment, &deployment.status).await?;
    }
    let archived_seq = deployment.status.audit.seq;
    let scene = Scene::new(cx, wire, deployment, archived_seq);
    if let Some(wait) = stalled(cx, &scene) {
        return Ok(Step::Rest(Action::requeue(wait)));
    }
    let observed = scene.observe(cx).await?;
    let planned = observed.planned.clone();
    let decision = decide(&observed, clock::now());
    act(cx, &scene, &planned, decision).await
}

async fn act<R: Resources>(
    cx: &Arc<Context<R>>,
    scene: &Scene,
    planned: &Planned,
    decision: Decision,
) -> Result<Step, PublishError> {
    let Decision { status, events, effect, wait } = decision;
    match (&effect, planned) {
        (Some(Effect::Preview), Planned::Ready(plan)) => {
            act::preview(cx, scene, plan).await;
            return Ok(Step::Again);
        }
        (Some(Effect::Claim { attempt }), _) => {
            act::claim(cx, scene, planned, attempt.clone()).await?;
            return Ok(Step::Again);
        }
        _ => {}
    }
    if let Some(wait @ Wait::PreviewFailed(_)) = &wait {
        tracing::warn!(deployment = %scene.key, "{}", wait.message());
    }
    if matches!(wait, Some(Wait::PreviewFailed(_) | Wait::Unpreviewable(_))) {
        cx.forecasts.forget(&scene.deployment.id.uid);
    }
    // An attempt that starts and one that runs read the same: each start would be written twice otherwise.
    let wait = match &effect {
        Some(Effect::Run { attempt, .. }) => Some(Wait::Attempt { id: attempt.id.clone() }),
        _ => wait,
    };
    if events.iter().any(on_a_word) && !publish::confirmed(cx, &scene.key.to_string(), &scene.guard).await {
        return Ok(Step::Rest(Action::requeue(SOON)));
    }
    let resumed = events.is_empty();
    let written = publish::deployment(cx, &scene.wire, &scene.deployment, &status, wait.as_ref()).await?;
    after_publish(cx, scene, &events, &status);
    match effect {
        None if events.is_empty() => Ok(Step::Rest(rest(cx, wait.as_ref()))),
        // The same decision with what is now archived says what comes next; the other two were carried out above.
        None | Some(Effect::Preview | Effect::Claim { .. }) => Ok(Step::Again),
        Some(Effect::Run { attempt, work }) => {
            act::run(cx, scene, status, &attempt, &work, resumed);
            Ok(Step::Rest(Action::await_change()))
        }
        Some(Effect::Stop) => {
            if let Some(attempt) = &status.attempt {
                cx.executor.stop(&attempt.id);
            }
            Ok(Step::Rest(Action::await_change()))
        }
        Some(Effect::Settle(outcome)) => {
            act::settle(cx, scene, outcome).await?;
            Ok(Step::Again)
        }
        Some(Effect::RemoveFinalizer) => {
            act::remove_finalizer(cx, &cx.deployments, &*written, AUDIT_FINALIZER).await?;
            cx.ledger.forget(&scene.deployment.id.uid);
            let _ = cx.wake_environment.send(scene.key.sibling(scene.deployment.request.environment.as_str()));
            Ok(Step::Rest(Action::await_change()))
        }
    }
}

/// Whether it was decided on a person's word that lets something happen. A request and an abort are no such word.
fn on_a_word(event: &Event) -> bool {
    let lets = !matches!(event.action, event::Action::ReleaseCreated | event::Action::ReleaseAborted);
    lets && event.actor_id != Actor::controller()
}

/// What is written down needs not be remembered.
fn after_publish<R: Resources>(
    cx: &Context<R>,
    scene: &Scene,
    events: &[Event],
    status: &slipway_domain::deployment::Status,
) {
    for event in events {
        let (seq, actor) = (event.seq, &event.actor_id);
        if notice::loud(event.action) {
            let note = event.detail.get("note").map_or("", String::as_str);
            tracing::warn!(deployment = %scene.key, seq, %actor, note, "{}", event.action);
        } else {
            tracing::info!(deployment = %scene.key, seq, %actor, "{}", event.action);
        }
        cx.metrics.event(event.action);
    }
    if !events.is_empty() {
        cx.forecasts.forget(&scene.deployment.id.uid);
    }
    // For a later preview the same glass is not broken again.
    if scene.deployment.status.break_glass.is_none() && status.break_glass.is_some() {
        cx.metrics.broke_glass();
    }
    left(cx, scene, status);
    let current = status.attempt.as_ref().map(|attempt| &attempt.id);
    let before = scene.deployment.status.attempt.as_ref().map(|attempt| &attempt.id);
    if let Some(before) = before
        && (current != Some(before) || status.finished_at.is_some())
    {
        cx.executor.forget(before);
    }
}

/// Whoever waits for this Deployment to leave the queue, or to end, is told: the Environment does not change by that.
fn left<R: Resources>(cx: &Context<R>, scene: &Scene, status: &slipway_domain::deployment::Status) {
    let (before, now) = (scene.deployment.status.phase, status.phase);
    let environment = scene.key.sibling(scene.deployment.request.environment.as_str());
    if before == Phase::Approved && !matches!(now, Phase::Approved | Phase::Applying) {
        for waiting in cx.deployments.group(&environment).into_iter().filter(|key| *key != scene.key) {
            let _ = cx.wake_deployment.send(waiting);
        }
    }
    if !before.ended() && now.ended() && scene.environment.as_ref().is_some_and(|environment| environment.deleting) {
        let _ = cx.wake_environment.send(environment);
    }
}

/// When to look again, if nothing changes.
fn rest<R: Resources>(cx: &Context<R>, wait: Option<&Wait>) -> Action {
    let _ = cx;
    match wait {
        Some(wait) => match wait.until() {
            Some(until) => {
                let left = until.duration_since(clock::now());
                let left = Duration::try_from(left).unwrap_or_default() + Duration::from_millis(50);
                Action::requeue(left.min(LONGEST))
            }
            None if matches!(wait, Wait::PreviewFailed(_)) => Action::requeue(SOON),
            // What the target refused may be granted there, and nothing here is told.
            None if matches!(wait, Wait::Unpreviewable(_)) => Action::requeue(REFUSED),
            None => Action::await_change(),
        },
        None => Action::await_change(),
    }
}

/// How soon to look again at a Deployment that must not be decided now: its Environment has not been compared with the
/// archive in this term yet, or something in it went apart from the archive and a person has to settle that.
fn stalled<R: Resources>(cx: &Context<R>, scene: &Scene) -> Option<Duration> {
    let environment = scene.environment.as_ref()?;
    if !cx.ledger.is_trusted(&environment.id.uid) {
        let diverged = cx.ledger.is_diverged(&environment.id.uid);
        return Some(if diverged { SOON } else { SHORTLY });
    }
    let apart = |key: &Key| {
        let uid = cx.deployments.uid(key).and_then(|uid| uid.parse().ok());
        uid.is_some_and(|uid| cx.ledger.is_diverged(&uid))
    };
    let siblings = || cx.deployments.group(&scene.key.sibling(environment.id.name.as_str()));
    let stalled =
        cx.ledger.any_diverged() && (cx.ledger.is_diverged(&environment.id.uid) || siblings().iter().any(apart));
    stalled.then_some(SOON)
}

/// A Deployment that the server took but that is not right: says so on the object, and nothing else happens to it.
async fn refuse<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<WireDeployment>,
    errors: &[parse::FieldError],
) -> Result<Step, PublishError> {
    let status = render::refused(wire, errors, clock::now());
    publish::refused(cx, wire, status).await?;
    Ok(Step::Rest(Action::await_change()))
}

/// Whether it is being deleted and nothing has ever happened to it.
fn unheard(wire: &WireDeployment) -> bool {
    let seq = wire.status.as_ref().map_or(0, |status| status.audit.seq);
    wire.metadata.deletion_timestamp.is_some() && seq == 0
}

/// One that was never right leaves without a history: there is nothing to tell.
async fn let_go<R: Resources>(cx: &Context<R>, wire: &Arc<WireDeployment>) -> Result<Step, PublishError> {
    act::remove_finalizer(cx, &cx.deployments, &**wire, AUDIT_FINALIZER).await?;
    let _ = cx.wake_environment.send(Key::of(&**wire).sibling(&wire.spec.environment_ref.name));
    Ok(Step::Rest(Action::await_change()))
}

async fn adopt_event<R: Resources>(
    cx: &Context<R>,
    wire: &Arc<WireDeployment>,
    deployment: &Deployment,
    event: &Event,
) -> Result<Step, PublishError> {
    adopt::deployment(cx, wire, deployment, event).await?;
    Ok(Step::Again)
}
