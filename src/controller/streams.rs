//! Three kinds, three streams of changes, three reconcilers: who is woken by what.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use slipway_crd::deployment_status::Glass;
use slipway_crd::operation::{Deploy, Operation};
use slipway_crd::{Deployment, Environment, Release};
use tokio::sync::mpsc;

use crate::cache::Cached;
use crate::context::Context;
use crate::key::Key;
use crate::publish::PublishError;
use crate::resources::{ResourceError, Resources};
use crate::{deployment, environment, release};

/// How many objects of one kind are reconciled at a time.
const CONCURRENCY: u16 = 16;

/// Reconciles every kind until it is dropped.
pub async fn reconcile_all<R: Resources>(
    cx: Arc<Context<R>>,
    [wakes, from_others]: [mpsc::UnboundedReceiver<Key>; 2],
    environment_wakes: mpsc::UnboundedReceiver<Key>,
    release_wakes: mpsc::UnboundedReceiver<Key>,
) {
    // Each kind is watched once; what other kinds wait for is told apart from the same streams.
    let shared = cx.clone();
    let environments = cx.environments.fill(cx.resources.watch(), move |environment| {
        release::wake_unused(&shared, environment);
        let key = Key::of(environment);
        // One that is gone is shown as it was last.
        let there = shared.environments.uid(&key).is_some();
        for neighbour in shared.neighbours.note(&key, environment, there) {
            let _ = shared.wake_environment.send(neighbour);
        }
        wake_waiting(&shared, &key);
    });
    let shared = cx.clone();
    let releases = cx.releases.fill(cx.resources.watch(), move |release| {
        let key = Key::of(release);
        for named in shared.deployments.group(&for_release(&key, &key.name)) {
            // Whether it can go concerns those behind it in the queue as well.
            if let Some(deployment) = shared.deployments.in_motion(&named) {
                wake_waiting(&shared, &named.sibling(&deployment.spec.environment_ref.name));
            }
        }
    });
    let shared = cx.clone();
    let deployments = cx.deployments.fill(cx.resources.watch(), move |deployment| {
        let key = Key::of(deployment);
        // One that is gone is shown as it was last.
        let there = shared.deployments.uid(&key).is_some();
        shared.metrics.unseen_glass(key, there && unseen(deployment));
        release::wake_named(&shared, deployment);
    });

    let environments = controller(environments, cx.environments.names())
        .reconcile_on(refs(environment_wakes))
        .run(
            |name, cx| environment::reconcile(Key::of(&*name), cx),
            |_, error, cx| retry("environment", error, &cx),
            cx.clone(),
        )
        .for_each(|outcome| unread("environments", outcome));
    let releases = controller(releases, cx.releases.names())
        .reconcile_on(refs(release_wakes))
        .run(
            |name, cx| release::reconcile(Key::of(&*name), cx),
            |_, error, cx| retry("release", error, &cx),
            cx.clone(),
        )
        .for_each(|outcome| unread("releases", outcome));
    let deployments = controller(deployments, cx.deployments.names())
        .reconcile_on(refs(wakes))
        .reconcile_on(refs(from_others))
        .run(
            |name, cx| deployment::reconcile(Key::of(&*name), cx),
            |_, error, cx| retry("deployment", error, &cx),
            cx.clone(),
        )
        .for_each(|outcome| unread("deployments", outcome));
    tokio::join!(environments, releases, deployments);
}

fn controller<K: Cached>(
    stream: impl Stream<Item = watcher::Result<PartialObjectMeta<K>>> + Send + 'static,
    names: Store<PartialObjectMeta<K>>,
) -> Controller<PartialObjectMeta<K>> {
    Controller::for_stream(stream, names)
        .with_config(kube::runtime::controller::Config::default().concurrency(CONCURRENCY))
}

/// It went ahead without review, and nobody has looked at it since.
fn unseen(deployment: &Deployment) -> bool {
    let glass = deployment.status.as_ref().and_then(|status| status.break_glass);
    glass == Some(Glass::Unreviewed)
}

/// Wakes the Deployments of a group to which a change around them can matter.
fn wake_waiting<R: Resources>(cx: &Context<R>, group: &Key) {
    for key in cx.deployments.group(group) {
        if cx.deployments.in_motion(&key).is_some() {
            let _ = cx.wake_deployment.send(key);
        }
    }
}

/// A watch that fails is tried again with growing pauses. Until then nothing of this kind is seen, which somebody has to
/// learn from somewhere; failed reconciliations have been told of by [`retry`].
fn unread<T, E: Error + 'static>(
    what: &'static str,
    outcome: Result<T, controller::Error<E, watcher::Error>>,
) -> std::future::Ready<()> {
    if let Err(controller::Error::QueueError(error)) = outcome {
        tracing::warn!(error = %crate::explain(&error), "the watch of {what} failed; it is tried again");
    }
    std::future::ready(())
}

impl Cached for Deployment {
    /// It has ended, and no rollback of it waits or runs.
    fn at_rest(&self) -> bool {
        let Some(status) = &self.status else { return false };
        let rollback = status.rollback.as_ref().is_some_and(|rollback| rollback.state.open());
        status.phase.ended() && !rollback && self.metadata.deletion_timestamp.is_none()
    }

    /// Its Environment, and the Release that it names.
    fn groups(&self) -> Vec<Key> {
        let key = Key::of(self);
        let environment = key.sibling(&self.spec.environment_ref.name);
        let release = named_release(self).map(|name| for_release(&key, name));
        [Some(environment), release].into_iter().flatten().collect()
    }
}

impl Cached for Environment {
    /// Nobody has it.
    fn at_rest(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.claim.is_none()) && self.metadata.deletion_timestamp.is_none()
    }
}

impl Cached for Release {
    /// It is known by its content, and stays.
    fn at_rest(&self) -> bool {
        self.status.is_some() && self.metadata.deletion_timestamp.is_none()
    }
}

/// The Release that a Deployment names.
pub fn named_release(deployment: &Deployment) -> Option<&str> {
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
pub fn for_release(key: &Key, release: &str) -> Key {
    key.sibling(format!("release/{release}"))
}

fn refs<K: Cached>(
    keys: mpsc::UnboundedReceiver<Key>,
) -> impl Stream<Item = ObjectRef<PartialObjectMeta<K>>> + Send + 'static {
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
