//! A release is healthy when the cluster says so of each of its objects, and its checks pass.
//!
//! What: the objects are watched, never polled: one watch a kind, restricted to the release's own labels. Only while
//! something is not ready are the namespace's pods and replica sets watched too, to fail early and in the pod's words.
//! Then the Environment's checks run.
//! Guarantees: ends within the timeout, but for the checks, which have their own. Writes nothing.
//! On a crash: nothing is lost; it can be asked again.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll};
use kube::Api;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use kube::runtime::{WatchStreamExt as _, watcher};
use slipway_domain::code::Code;
use slipway_domain::runtime::{Failure, HealthCheck};

use crate::client::Access;
use crate::failure::CallError;
use crate::kinds::Kind;
use crate::mirror::Mirror;
use crate::render::Rendered;
use crate::rollout::{Pending, Scene, Verdict, Wanted, makes_pods};
use crate::runtime::Runtime;
use crate::target::Target;
use crate::{kstatus, probe};

impl Runtime {
    /// Waits until everything in `rendered` is ready, at most `timeout`, and runs `checks`. `progress` is told what is
    /// waited for whenever that changes.
    ///
    /// # Errors
    /// `HealthCheckFailed` for a rollout that is stuck or a check that does not pass, `OperationTimeout` for objects that
    /// are not ready in time. `changed` is always true: the release has been applied by then.
    pub async fn health(
        &self,
        target: &Target,
        rendered: &Rendered,
        checks: &[HealthCheck],
        timeout: Duration,
        progress: impl Fn(String) + Send + Sync,
    ) -> Result<(), Failure> {
        let asked = async {
            let access = Access::new(&self.base, target)?;
            let kinds = self.kinds.of(&self.base, rendered, target).await?;
            rolled_out(&access, rendered, &kinds, timeout, &progress).await?;
            if !checks.is_empty() {
                progress(format!("running {} health checks", checks.len()));
            }
            probe::run(checks).await
        };
        asked.await.map_err(|failure| Failure { changed: true, ..failure })
    }
}

/// Which watch an event is from.
#[derive(Clone, Copy)]
enum Source {
    Kind(usize),
    ReplicaSets,
    Pods,
}

type Told = (Source, Result<watcher::Event<DynamicObject>, watcher::Error>);

async fn rolled_out(
    access: &Access<'_>,
    rendered: &Rendered,
    kinds: &[Kind],
    timeout: Duration,
    progress: &(impl Fn(String) + Sync),
) -> Result<(), Failure> {
    let (wanted, watched) = worth_waiting_for(rendered, kinds);
    let mut scene = Scene::default();
    let mut told: SelectAll<BoxStream<'static, Told>> = SelectAll::new();
    for (index, kind) in watched.iter().enumerate() {
        scene.kinds.push(Mirror::default());
        told.push(watch(access, kind, Some(&access.target.selector()), Source::Kind(index)));
    }
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    let mut pods_watched = false;
    let mut last = BTreeSet::new();
    loop {
        let waiting = match scene.verdict(&wanted, rendered) {
            Verdict::Healthy => return Ok(()),
            Verdict::Stuck(pending) => return Err(stuck(&pending)),
            Verdict::Waiting(waiting) => waiting,
        };
        if scene.listed() {
            report(&waiting, &mut last, progress);
            if !pods_watched && wanted.iter().any(|(one, _)| makes_pods(&one.reference)) {
                pods_watched = true;
                told.push(watch(access, &built_in("apps", "ReplicaSet", "replicasets"), None, Source::ReplicaSets));
                told.push(watch(access, &built_in("", "Pod", "pods"), None, Source::Pods));
            }
        }
        tokio::select! {
            Some((source, event)) = told.next() => match event {
                Ok(event) => scene.take(source, event),
                Err(error) => match source {
                    Source::Kind(index) => refused(&error, access, watched[index])?,
                    Source::ReplicaSets | Source::Pods => tracing::warn!(
                        %error, user = access.target.user, "pods cannot be watched: a stuck rollout is seen late"
                    ),
                },
            },
            () = &mut deadline => return Err(late(&waiting, timeout)),
        }
    }
}

impl Scene {
    fn take(&mut self, source: Source, event: watcher::Event<DynamicObject>) {
        match source {
            Source::Kind(index) => self.kinds[index].take(event),
            Source::ReplicaSets => self.replica_sets.take(event),
            Source::Pods => self.pods.take(event),
        }
    }
}

/// The objects whose state can be waited for, each with the place of its kind among the kinds to watch.
fn worth_waiting_for<'a>(rendered: &'a Rendered, kinds: &'a [Kind]) -> (Vec<Wanted<'a>>, Vec<&'a Kind>) {
    let mut wanted = Vec::new();
    let mut watched: Vec<&Kind> = Vec::new();
    for (one, kind) in rendered.objects.iter().zip(kinds) {
        if kstatus::instant(one.reference.group(), &one.reference.kind) {
            continue;
        }
        let index = watched.iter().position(|known| known.resource == kind.resource).unwrap_or_else(|| {
            watched.push(kind);
            watched.len() - 1
        });
        wanted.push((one, index));
    }
    (wanted, watched)
}

fn watch(access: &Access<'_>, kind: &Kind, selector: Option<&str>, source: Source) -> BoxStream<'static, Told> {
    let client = access.client.clone();
    let api: Api<DynamicObject> = if kind.namespaced {
        Api::namespaced_with(client, &access.target.namespace, &kind.resource)
    } else {
        Api::all_with(client, &kind.resource)
    };
    let config = watcher::Config { label_selector: selector.map(str::to_owned), ..watcher::Config::default() };
    // A watch is asked again after an error, with growing pauses: nothing here polls.
    let told = watcher(api, config).default_backoff();
    // The items of a list do not say what they are.
    let types = TypeMeta { api_version: kind.resource.api_version.clone(), kind: kind.resource.kind.clone() };
    told.map(move |event| (source, event.map(|event| event.modify(|object| object.types = Some(types.clone())))))
        .boxed()
}

fn built_in(group: &str, kind: &str, plural: &str) -> Kind {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
    Kind { resource, namespaced: true, declared: false }
}

/// A watch that the account may not have fails the release; any other error is passing.
fn refused(error: &watcher::Error, access: &Access<'_>, kind: &Kind) -> Result<(), Failure> {
    let (watcher::Error::InitialListFailed(cause)
    | watcher::Error::WatchStartFailed(cause)
    | watcher::Error::WatchFailed(cause)) = error
    else {
        return Ok(());
    };
    match cause {
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
            let subject = format!("{} in {}", kind.plural(), access.target.namespace);
            let error = CallError::Refused(status.clone());
            Err(access.failure(&error, kind, "get, list and watch", &subject))
        }
        _ => {
            tracing::info!(%error, resource = kind.plural(), "the watch is begun again");
            Ok(())
        }
    }
}

fn report(waiting: &[Pending], last: &mut BTreeSet<String>, progress: &impl Fn(String)) {
    let now: BTreeSet<String> = waiting.iter().map(line).collect();
    for new in now.difference(last) {
        progress(new.clone());
    }
    *last = now;
}

fn line(pending: &Pending) -> String {
    format!("{}: {}", pending.object, pending.message)
}

fn stuck(pending: &Pending) -> Failure {
    let why = pending.pods.first().unwrap_or(&pending.message);
    let detail = (!pending.pods.is_empty()).then(|| pending.pods.join("\n"));
    Failure {
        code: Code::HealthCheckFailed,
        message: format!("{} is stuck: {why}", pending.object),
        detail,
        retryable: false,
        changed: true,
    }
}

fn late(waiting: &[Pending], timeout: Duration) -> Failure {
    let lines: Vec<String> = waiting.iter().map(line).collect();
    let pods: Vec<&str> = waiting.iter().flat_map(|pending| &pending.pods).map(String::as_str).collect();
    Failure {
        code: Code::OperationTimeout,
        message: format!("not ready after {} seconds: {}", timeout.as_secs(), lines.join("; ")),
        detail: (!pods.is_empty()).then(|| pods.join("\n")),
        retryable: false,
        changed: true,
    }
}
