//! Carries out the effects that decisions name. Straight lines: what to do has been decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt as _;
use slipway_crd::{Environment as WireEnvironment, Release};
use slipway_domain::attempt::Attempt;
use slipway_domain::code::Code;
use slipway_domain::decide::{Planned, Work};
use slipway_domain::deployment::Status;
use slipway_domain::environment::{Claim, Environment, EnvironmentStatus, Outcome};
use slipway_domain::name::ReleaseName;
use slipway_domain::preview::Plan;
use slipway_domain::runtime::{Failure, ObjectRef};
use tokio_util::sync::CancellationToken;

use crate::cache::{Cache, Cached};
use crate::context::Context;
use crate::key::Key;
use crate::observe::Scene;
use crate::order::Order;
use crate::publish::{self, PublishError};
use crate::resources::{ResourceError, Resources};
use crate::runtime::{Ready, release_gone};

/// Asks the runtime what the plan would change, and keeps the answer for the next decision.
pub async fn preview<R: Resources>(cx: &Context<R>, scene: &Scene, plan: &Plan) {
    let forecast = match (&scene.environment, &scene.wire_environment) {
        (Some(environment), Some(wire)) => match ready(cx, scene, wire, plan.release.as_ref().map(|(name, _)| name)) {
            Ok(ready) => cx.runtimes.preview(environment, &ready, &inventory(environment, scene)).await,
            Err(failure) => Err(failure),
        },
        _ => return,
    };
    cx.forecasts.put(scene.deployment.id.uid.clone(), plan.digest.clone(), forecast);
}

/// Takes the Environment by compare-and-swap. A loss shows in the next observation.
pub async fn claim<R: Resources>(
    cx: &Context<R>,
    scene: &Scene,
    planned: &Planned,
    attempt: String,
) -> Result<(), PublishError> {
    let (Some(environment), Some(wire)) = (&scene.environment, &scene.wire_environment) else { return Ok(()) };
    let objects = match planned {
        Planned::Ready(plan) => plan.content.inventory.clone(),
        Planned::Missing(_) | Planned::Refused(_) => Vec::new(),
    };
    let claim = Claim { deployment: scene.deployment.id.uid.clone(), attempt, epoch: cx.epoch };
    let status = environment.status.claimed(claim, &scene.deployment.request.service, &objects);
    publish::environment(cx, wire, &status).await.map(|_| ())
}

/// Gives the Environment back, with what became of it.
pub async fn settle<R: Resources>(cx: &Context<R>, scene: &Scene, outcome: Outcome) -> Result<(), PublishError> {
    let (Some(environment), Some(wire)) = (&scene.environment, &scene.wire_environment) else { return Ok(()) };
    let service = &scene.deployment.request.service;
    let inventory = match &outcome {
        Outcome::Succeeded(release) | Outcome::RolledBack { to: release } => {
            let object = cx.releases.get(&scene.key.sibling(release.name.as_str()));
            object.and_then(|object| cx.runtimes.ready(wire, service, &object, &release.variables).ok())
        }
        Outcome::Failed | Outcome::Untouched => None,
    };
    let inventory = inventory.map(|ready| ready.inventory().to_vec());
    let status = environment.status.settled(service, outcome, inventory);
    publish::environment(cx, wire, &status).await?;
    let _ = cx.wake_environment.send(Key::of(&**wire));
    // A Release that has just become unused may be waiting to go; the one that was applied may never have been used.
    let applied = scene.deployment.request.operation.release().map(slipway_domain::name::ReleaseName::as_str);
    for name in releases_of(&environment.status).difference(&releases_of(&status)).copied().chain(applied) {
        let _ = cx.wake_release.send(scene.key.sibling(name));
    }
    Ok(())
}

fn releases_of(status: &EnvironmentStatus) -> BTreeSet<&str> {
    let services = status.services.iter();
    services
        .flat_map(|service| [&service.current, &service.previous])
        .flatten()
        .map(|release| release.name.as_str())
        .collect()
}

/// Lets a Deployment go whose deletion is archived.
pub async fn remove_finalizer<R: Resources, K: Cached>(
    cx: &Context<R>,
    cache: &Cache<K>,
    object: &K,
    finalizer: &str,
) -> Result<(), PublishError> {
    let left: Vec<String> = object.finalizers().iter().filter(|name| *name != finalizer).cloned().collect();
    match cx.resources.replace_finalizers(object, &left).await {
        Ok(()) | Err(ResourceError::Gone { .. }) => {
            if left.is_empty() {
                cache.let_go(object);
            }
            Ok(())
        }
        Err(error @ (ResourceError::Conflict { .. } | ResourceError::Ambiguous { .. })) => {
            if publish::refresh(cx, cache, &Key::of(object)).await?.is_none() {
                cache.let_go(object);
            }
            Err(PublishError::Stale(error.to_string()))
        }
        Err(error) => Err(PublishError::Resource(error)),
    }
}

/// Starts an attempt in the executor, which wakes the Deployment when it is done.
///
/// `resumed` says that an earlier execution of the same attempt may have changed something already.
pub fn run<R: Resources>(
    cx: &Arc<Context<R>>,
    scene: &Scene,
    status: Status,
    attempt: &Attempt,
    work: &Work,
    resumed: bool,
) {
    let (Some(environment), Some(wire)) = (scene.environment.clone(), scene.wire_environment.clone()) else { return };
    let order = Order {
        cx: cx.clone(),
        key: scene.key.clone(),
        uid: scene.wire.uid().unwrap_or_default(),
        attempt: attempt.id.clone(),
        resumed,
        objects: inventory(&environment, scene),
        ready: match work {
            Work::Apply => ready(cx, scene, &wire, scene.deployment.request.operation.release()),
            Work::Rollback { to } => match release(cx, scene, &to.name) {
                Some(object) if slipway_crd::parse::release_digest(&object) == to.digest => {
                    cx.runtimes.ready(&wire, &scene.deployment.request.service, &object, &to.variables)
                }
                Some(_) | None => Err(release_gone(to)),
            },
        },
        release: match work {
            Work::Apply => scene.deployment.request.operation.release().and_then(|name| release(cx, scene, name)),
            Work::Rollback { .. } => None,
        }
        .map(|object| slipway_crd::parse::release_digest(&object)),
        status,
        request: scene.deployment.request.clone(),
        environment,
        guard: scene.guard.clone(),
        halt: CancellationToken::new(),
    };
    cx.executor.start(&attempt.id, scene.key.clone(), resumed, |stop, place| order.execute(stop, place));
}

fn release<R: Resources>(cx: &Context<R>, scene: &Scene, name: &ReleaseName) -> Option<Arc<Release>> {
    cx.releases.get(&scene.key.sibling(name.as_str()))
}

fn ready<R: Resources>(
    cx: &Context<R>,
    scene: &Scene,
    wire: &WireEnvironment,
    name: Option<&ReleaseName>,
) -> Result<Ready, Failure> {
    let missing = || Failure {
        code: Code::ArtifactMissing,
        message: format!("the release of deployment {} does not exist any more: create it again", scene.key),
        detail: None,
        retryable: false,
        changed: false,
    };
    let object = name.and_then(|name| release(cx, scene, name)).ok_or_else(missing)?;
    let request = &scene.deployment.request;
    cx.runtimes.ready(wire, &request.service, &object, &request.variables)
}

fn inventory(environment: &Environment, scene: &Scene) -> Vec<ObjectRef> {
    environment.service(&scene.deployment.request.service).map(|service| service.inventory.clone()).unwrap_or_default()
}
