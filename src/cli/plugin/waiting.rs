//! A bounded wait for an object to be as someone wants it, by watch.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::clock;
use super::refusal;
use crate::Failure;

/// How long to wait, if at all.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Patience {
    /// Wait until it has moved on.
    #[arg(short, long)]
    pub(super) wait: bool,
    /// How long to wait at most, as 30s, 5m or 1h.
    #[arg(long, value_name = "DURATION", default_value = "5m", requires = "wait", value_parser = clock::period)]
    pub(super) timeout: Duration,
}

/// Shows every state of one object to `look`, until that has an answer.
pub(super) async fn until<K, T>(
    api: Api<K>,
    name: &str,
    timeout: Option<Duration>,
    look: impl FnMut(&K) -> Option<T>,
) -> Result<T, Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let Some(timeout) = timeout else { return watched(api, name, look).await };
    let who = who(&api, name);
    within(api, name, timeout, look).await?.ok_or_else(|| {
        Failure::No(format!(
            "{name} has not moved on within {} s\nnext: `kubectl slipway status {who}` says what it waits for",
            timeout.as_secs()
        ))
    })
}

/// The same; None where there is no answer in time.
pub(super) async fn within<K, T>(
    api: Api<K>,
    name: &str,
    timeout: Duration,
    look: impl FnMut(&K) -> Option<T>,
) -> Result<Option<T>, Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    tokio::time::timeout(timeout, watched(api, name, look)).await.ok().transpose()
}

async fn watched<K, T>(api: Api<K>, name: &str, mut look: impl FnMut(&K) -> Option<T>) -> Result<T, Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let (doing, who) = (format!("watching {name}"), who(&api, name));
    let mut uid = None;
    let mut states = std::pin::pin!(watcher::watch_object(api, name).default_backoff());
    while let Some(state) = states.next().await {
        match state {
            Ok(Some(object)) => {
                if uid.get_or_insert_with(|| object.uid()) != &object.uid() {
                    return Err(gone(name, &who));
                }
                if let Some(answer) = look(&object) {
                    return Ok(answer);
                }
            }
            Ok(None) if uid.is_none() => {
                return Err(Failure::No(format!(
                    "{doing}: there is no {name}\nnext: look with `kubectl get slipd,slipe`, and mind the namespace (-n)"
                )));
            }
            Ok(None) => return Err(gone(name, &who)),
            Err(error) => passing(&doing, error)?,
        }
    }
    Err(Failure::No(format!("{doing}: the API server ended the watch\nnext: repeat the command")))
}

/// `-n shop web-v1`, as commands take it.
fn who<K: Resource>(api: &Api<K>, name: &str) -> String {
    let namespace = api.resource_url().split_once("/namespaces/").and_then(|(_, rest)| rest.split('/').next());
    namespace.map_or_else(|| name.to_owned(), |namespace| format!("-n {namespace} {name}"))
}

fn gone(name: &str, who: &str) -> Failure {
    Failure::No(format!(
        "{name} has been deleted meanwhile\nnext: `kubectl slipway history {who}` shows what is left of it"
    ))
}

/// What a watch gets over by itself is no failure; a refusal is.
fn passing(doing: &str, error: watcher::Error) -> Result<(), Failure> {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
            let refused = refusal::code(&error).is_some_and(|code| matches!(code, 401 | 403 | 404));
            if refused { Err(refusal::said(doing, &error)) } else { Ok(()) }
        }
        watcher::Error::WatchError(_) | watcher::Error::WatchFailed(_) | watcher::Error::NoResourceVersion => Ok(()),
    }
}
