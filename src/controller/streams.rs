//! Three kinds, three streams of changes, three reconcilers: who is woken by what.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt as _, watcher};
use slipway_crd::operation::{Deploy, Operation};
use slipway_crd::{Deployment, Environment, Release};
use tokio::sync::mpsc;

use crate::context::Context;
use crate::key::Key;
use crate::publish::PublishError;
use crate::resources::{Custom, ResourceError, Resources};
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
