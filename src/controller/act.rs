//! Carries out the effects that decisions name. Straight lines: what to do has been decided.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kube::ResourceExt as _;
use slipway_crd::{Environment as WireEnvironment, Release};
use slipway_domain::attempt::{Attempt, Progress};
use slipway_domain::code::Code;
use slipway_domain::decide::{Planned, Work};
use slipway_domain::deployment::{Request, Status};
use slipway_domain::digest::Digest;
use slipway_domain::environment::{Claim, Environment, EnvironmentStatus, Outcome};
use slipway_domain::name::ReleaseName;
use slipway_domain::phase::Phase;
use slipway_domain::preview::Plan;
use slipway_domain::runtime::{Failure, ObjectRef};
use slipway_k8s::fence::Fence;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::key::Key;
use crate::observe::Scene;
use crate::publish::{self, PublishError};
use crate::resources::{ResourceError, Resources};
use crate::runtime::{Ready, release_gone};

/// How long an attempt may take beyond its timeout before it is cut off without a diagnosis.
const GRACE: Duration = Duration::from_mins(1);

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
    // A Release that has just become unused may be waiting to go.
    for name in releases_of(&environment.status).difference(&releases_of(&status)) {
        let _ = cx.wake_release.send(scene.key.sibling(*name));
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
pub async fn remove_finalizer<R: Resources, K: crate::resources::Custom>(
    cx: &Context<R>,
    object: &K,
    finalizer: &str,
) -> Result<(), PublishError> {
    let left: Vec<String> = object.finalizers().iter().filter(|name| *name != finalizer).cloned().collect();
    match cx.resources.replace_finalizers(object, &left).await {
        Ok(()) | Err(ResourceError::Gone { .. }) => Ok(()),
        Err(error @ (ResourceError::Conflict { .. } | ResourceError::Ambiguous { .. })) => {
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
    };
    cx.executor.start(&attempt.id, scene.key.clone(), |stop| order.execute(stop));
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

/// One execution of one attempt, with everything it needs.
struct Order<R: Resources> {
    cx: Arc<Context<R>>,
    key: Key,
    uid: String,
    attempt: String,
    resumed: bool,
    objects: Vec<ObjectRef>,
    ready: Result<Ready, Failure>,
    release: Option<Digest>,
    status: Status,
    request: Request,
    environment: Environment,
}

impl<R: Resources> Order<R> {
    async fn execute(self, stop: CancellationToken) -> Progress {
        let changed = self.resumed;
        // Health is given the Environment's timeout and says what was not ready; this is for all else that may hang.
        let limit = self.environment.timeout + GRACE;
        tokio::select! {
            () = stop.cancelled() => Progress::Stopped { changed: true },
            done = tokio::time::timeout(limit, self.apply()) => match done {
                Ok(Ok(applied)) => Progress::Succeeded(applied),
                Ok(Err(failure)) => Progress::Failed(Failure { changed: failure.changed || changed, ..failure }),
                Err(_) => Progress::Failed(timed_out(&self.key, limit)),
            },
        }
    }

    async fn apply(&self) -> Result<slipway_domain::runtime::Applied, Failure> {
        let ready = self.ready.as_ref().map_err(Clone::clone)?;
        self.still_what_was_previewed(ready)?;
        tracing::info!(deployment = %self.key, attempt = %self.attempt, "applying");
        let applied = self
            .cx
            .runtimes
            .apply(&self.environment, ready, &self.objects, self, |line| {
                tracing::debug!(deployment = %self.key, attempt = %self.attempt, "{line}");
            })
            .await?;
        self.cx.metrics.applied(applied.written.len(), applied.pruned.len());
        Ok(applied)
    }

    /// What was confirmed and approved is what is applied, to the byte.
    ///
    /// An attempt that is taken up again is held to its release alone: a policy that changed since then voids what waits,
    /// never what is under way.
    fn still_what_was_previewed(&self, ready: &Ready) -> Result<(), Failure> {
        let Some(release) = &self.release else { return Ok(()) };
        let plan = Plan::new(&self.request, &self.environment, None, ready.content().clone());
        let previewed = self.status.preview.as_ref().map(|preview| &preview.reference.digest);
        let same_release = crate::row::recorded_release(&self.status).is_none_or(|recorded| recorded == *release);
        if same_release && (self.resumed || previewed == Some(&plan.digest)) {
            return Ok(());
        }
        Err(Failure {
            code: Code::PreviewMismatch,
            message: format!(
                "what would be applied for {} is not what was previewed: create a new Deployment",
                self.key
            ),
            detail: None,
            retryable: false,
            changed: false,
        })
    }
}

#[async_trait]
impl<R: Resources> Fence for Order<R> {
    /// Reads the Lease and the Deployment themselves: this process still leads, and this attempt is still the one wanted.
    async fn check(&self) -> Result<(), Failure> {
        let lost = |message: String, retryable| Failure {
            code: Code::Conflict,
            message,
            detail: None,
            retryable,
            changed: false,
        };
        match self.cx.leader.holds().await {
            Ok(true) => {}
            Ok(false) => return Err(lost("another controller has taken over".to_owned(), true)),
            Err(error) => return Err(lost(error.to_string(), true)),
        }
        let now = self.cx.resources.get::<slipway_crd::Deployment>(&self.key).await;
        let now = now.map_err(|error| lost(error.to_string(), true))?;
        let wanted = now.as_ref().is_some_and(|now| {
            let status = now.status.as_ref();
            now.uid().as_deref() == Some(&self.uid)
                && status.is_some_and(|status| {
                    matches!(status.phase, Phase::Applying | Phase::Failed | Phase::Succeeded)
                        && status.attempt.as_ref().is_some_and(|attempt| attempt.id == self.attempt)
                        && status.finished_at.is_none()
                        && status.audit.epoch <= self.cx.epoch
                })
        });
        if wanted {
            return Ok(());
        }
        Err(lost(format!("attempt {} of {} is not wanted any more", self.attempt, self.key), false))
    }

    /// The lease lasts for five of its periods and is given up after little more than three without a renewal.
    fn good_for(&self) -> Duration {
        self.cx.leader.period()
    }
}

fn timed_out(key: &Key, limit: std::time::Duration) -> Failure {
    Failure {
        code: Code::OperationTimeout,
        message: format!("{key} was not done within {} s, the timeout of its environment", limit.as_secs()),
        detail: None,
        // Another try may find everything in place by then; the environment says how many there are.
        retryable: false,
        changed: true,
    }
}
