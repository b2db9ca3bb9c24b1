//! The reconciler of Releases: what one is called by its content, and that none goes while a rollback may need it.

use std::sync::Arc;

use kube::runtime::controller::Action;
use slipway_crd::{DeploymentStatus, IN_USE_FINALIZER, parse, render};
use slipway_domain::phase::Phase;

use crate::act;
use crate::clock;
use crate::context::Context;
use crate::key::Key;
use crate::publish::{self, PublishError};
use crate::resources::Resources;
use crate::streams;

/// Says what a Release is, and lets it go when nothing needs it.
pub async fn reconcile<R: Resources>(key: Key, cx: Arc<Context<R>>) -> Result<Action, PublishError> {
    cx.in_view().await;
    let _timer = cx.metrics.reconcile("release");
    let Some(release) = cx.releases.get(&key) else { return Ok(Action::await_change()) };
    let mut held = None;
    if release.metadata.deletion_timestamp.is_some() {
        held = used_by(&cx, &key);
        if held.is_none() {
            act::remove_finalizer(&cx, &cx.releases, &*release, IN_USE_FINALIZER).await?;
            return Ok(Action::await_change());
        }
    }
    let status = render::release(&parse::release_digest(&release), &release, held.as_deref(), clock::now());
    publish::release(&cx, &release, status).await?;
    Ok(Action::await_change())
}

/// Looks again at the Releases of an Environment that wait to go: it may have let them go, or be gone itself.
pub fn wake_unused<R: Resources>(cx: &Context<R>, environment: &slipway_crd::Environment) {
    let services = environment.status.iter().flat_map(|status| &status.services);
    for release in services.flat_map(|service| [&service.current_release, &service.previous_release]).flatten() {
        let key = Key::of(environment).sibling(&release.name);
        if cx.releases.in_motion(&key).is_some_and(|release| release.metadata.deletion_timestamp.is_some()) {
            let _ = cx.wake_release.send(key);
        }
    }
}

/// Looks again at the Release that a Deployment names, if it waits to go: what held it may have ended.
pub fn wake_named<R: Resources>(cx: &Context<R>, deployment: &slipway_crd::Deployment) {
    let Some(key) = streams::named_release(deployment).map(|name| Key::of(deployment).sibling(name)) else { return };
    if cx.releases.in_motion(&key).is_some_and(|release| release.metadata.deletion_timestamp.is_some()) {
        let _ = cx.wake_release.send(key);
    }
}

/// Who needs it, for people: a Deployment that names it and has not ended, or the Environment that has it as current or
/// previous release.
fn used_by<R: Resources>(cx: &Context<R>, key: &Key) -> Option<String> {
    let naming = cx.deployments.group(&streams::for_release(key, &key.name));
    let open = |deployment: &&Key| {
        let deployment = cx.deployments.in_motion(deployment);
        let phase = |status: &DeploymentStatus| status.phase;
        deployment.is_some_and(|deployment| !deployment.status.as_ref().map_or(Phase::Pending, phase).ended())
    };
    if let Some(deployment) = naming.iter().find(open) {
        return Some(format!("deployment {}", deployment.name));
    }
    let uses = |environment: &slipway_crd::Environment| {
        environment.status.as_ref().is_some_and(|status| {
            // Between the end of a Deployment and what its Environment makes of it, only the claim tells.
            let holder = status.claim.as_ref().map(|claim| claim.deployment_uid.as_str());
            let held = || naming.iter().any(|deployment| cx.deployments.uid(deployment).as_deref() == holder);
            let runs = status.services.iter().any(|service| {
                let named = |release: &slipway_crd::running::RunningRelease| release.name == key.name;
                service.current_release.as_ref().is_some_and(named)
                    || service.previous_release.as_ref().is_some_and(named)
            });
            runs || (holder.is_some() && held())
        })
    };
    let mut here = cx.environments.within(&key.namespace).into_iter();
    let found = here.find(|environment| cx.environments.get(environment).is_some_and(|environment| uses(&environment)));
    found.map(|environment| format!("environment {}", environment.name))
}
