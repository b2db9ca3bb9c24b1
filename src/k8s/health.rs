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
    let mut view = View::new(access, watched);
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    let mut last = BTreeSet::new();
    loop {
        let waiting = match view.scene.verdict(&wanted, rendered) {
            Verdict::Healthy => return Ok(()),
            Verdict::Stuck(pending) => return Err(stuck(&pending)),
            Verdict::Waiting(waiting) => waiting,
        };
        if view.scene.listed() {
            report(&waiting, &mut last, progress);
            if wanted.iter().any(|(one, _)| makes_pods(&one.reference)) {
                view.watch_pods();
            }
        }
        tokio::select! {
            changed = view.change(progress) => changed?,
            () = &mut deadline => return Err(late(&waiting, timeout)),
        }
    }
}

/// The watches, and what they have told so far.
struct View<'a> {
    access: &'a Access<'a>,
    watched: Vec<&'a Kind>,
    told: SelectAll<BoxStream<'static, Told>>,
    scene: Scene,
    pods_watched: bool,
    blind: bool,
}

impl<'a> View<'a> {
    fn new(access: &'a Access<'a>, watched: Vec<&'a Kind>) -> Self {
        let mut told = SelectAll::new();
        for (index, kind) in watched.iter().enumerate() {
            told.push(watch(access, kind, Some(&access.target.selector()), Source::Kind(index)));
        }
        let kinds = watched.iter().map(|_| Mirror::default()).collect();
        let scene = Scene { kinds, ..Scene::default() };
        Self { access, watched, told, scene, pods_watched: false, blind: false }
    }

    fn watch_pods(&mut self) {
        if !self.pods_watched {
            self.pods_watched = true;
            let sets = built_in("apps", "ReplicaSet", "replicasets");
            self.told.push(watch(self.access, &sets, None, Source::ReplicaSets));
            self.told.push(watch(self.access, &built_in("", "Pod", "pods"), None, Source::Pods));
        }
    }

    /// Waits until what is seen has changed. May be dropped at any time.
    async fn change(&mut self, progress: &(impl Fn(String) + Sync)) -> Result<(), Failure> {
        while let Some((source, event)) = self.told.next().await {
            let changed = match (event, source) {
                (Ok(event), Source::Kind(index)) => self.scene.kinds[index].take(event),
                (Ok(event), Source::ReplicaSets) => self.scene.replica_sets.take(without_spec(event)),
                (Ok(event), Source::Pods) => self.scene.pods.take(without_spec(event)),
                (Err(error), Source::Kind(index)) => {
                    refused(&error, self.access, self.watched[index])?;
                    false
                }
                (Err(error), Source::ReplicaSets | Source::Pods) => {
                    self.blind(&error, progress);
                    false
                }
            };
            if changed {
                return Ok(());
            }
        }
        std::future::pending().await
    }

    /// Without the pods a rollout can still be judged, only later.
    fn blind(&mut self, error: &watcher::Error, progress: &impl Fn(String)) {
        tracing::debug!(%error, "pods or replica sets cannot be watched");
        if cause(error).is_some_and(|cause| matches!(cause, kube::Error::Api(status) if status.code == 403))
            && !self.blind
        {
            self.blind = true;
            let Target { user, namespace, .. } = self.access.target;
            progress(format!(
                "{user} may not list and watch pods and replicasets.apps in namespace {namespace}: a rollout that is \
                 stuck is only seen when its time is over"
            ));
        }
    }
}

/// Pods are many and their specs are long.
fn without_spec(event: watcher::Event<DynamicObject>) -> watcher::Event<DynamicObject> {
    event.modify(|object| {
        if let Some(fields) = object.data.as_object_mut() {
            fields.remove("spec");
        }
    })
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
    match cause(error) {
        Some(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
            let subject = format!("{} in {}", kind.plural(), access.target.namespace);
            let error = CallError::Refused(status.clone());
            Err(access.failure(&error, kind, "list and watch", &subject))
        }
        _ => {
            tracing::info!(%error, resource = kind.plural(), "the watch is begun again");
            Ok(())
        }
    }
}

fn cause(error: &watcher::Error) -> Option<&kube::Error> {
    match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => Some(cause),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => None,
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
