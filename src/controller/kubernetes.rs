//! The custom resources in a Kubernetes API server.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use serde_json::json;
use slipway_crd::Lenient;

use crate::key::Key;
use crate::resources::{Custom, ResourceError, Resources};

/// How long one request may take. A watch is not a request in this sense.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many objects are listed at once. A page is held as text while it is parsed: a large one leaves a hole in memory
/// that is never given back.
pub const PAGE: u32 = 50;

/// The API server, in one namespace or in all.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: Option<String>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Cluster {
    /// The resources that `client` sees, in `namespace` or in all.
    pub fn new(client: Client, namespace: Option<String>) -> Self {
        Self { client, namespace }
    }

    fn api<K: Custom>(&self, key: &Key) -> Api<K> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }
}

impl Resources for Cluster {
    fn watch<K: Custom>(&self) -> BoxStream<'static, watcher::Result<watcher::Event<K>>> {
        let api: Api<Lenient<K>> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        watcher(api, watcher::Config::default().page_size(PAGE))
            .default_backoff()
            .filter_map(|event| std::future::ready(readable(event)))
            .boxed()
    }

    async fn get<K: Custom>(&self, key: &Key) -> Result<Option<K>, ResourceError> {
        let what = describe::<K>(key);
        match tokio::time::timeout(PATIENCE, self.api::<K>(key).get_opt(&key.name)).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(error)) => Err(ResourceError::Unavailable { what, message: error.to_string() }),
            Err(_) => Err(ResourceError::Unavailable { what, message: no_answer() }),
        }
    }

    async fn replace_status<K: Custom>(&self, object: &K) -> Result<K, ResourceError> {
        let key = Key::of(object);
        let api = self.api::<K>(&key);
        let params = PostParams::default();
        answered::<K>(&key, api.replace_status(&key.name, &params, object)).await
    }

    async fn replace_finalizers<K: Custom>(&self, object: &K, finalizers: &[String]) -> Result<(), ResourceError> {
        let key = Key::of(object);
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": object.resource_version(),
            "uid": object.uid(),
        }});
        let api = self.api::<K>(&key);
        let params = PatchParams::default();
        let patch = Patch::Merge(&patch);
        answered::<K>(&key, api.patch(&key.name, &params, &patch)).await.map(|_| ())
    }
}

/// Leaves out what this Slipway cannot make sense of, such as an object that a newer one wrote: it is left alone.
fn readable<K: Custom>(
    event: watcher::Result<watcher::Event<Lenient<K>>>,
) -> Option<watcher::Result<watcher::Event<K>>> {
    let read = |object: Lenient<K>| match object {
        Lenient::Read(mut object) => {
            forget_field_sets(&mut object);
            Some(object)
        }
        Lenient::Unreadable(unreadable) => {
            tracing::error!("{unreadable}");
            None
        }
    };
    Some(Ok(match event {
        Err(error) => return Some(Err(error)),
        Ok(watcher::Event::Init) => watcher::Event::Init,
        Ok(watcher::Event::InitDone) => watcher::Event::InitDone,
        Ok(watcher::Event::InitApply(object)) => watcher::Event::InitApply(read(object)?),
        Ok(watcher::Event::Apply(object)) => watcher::Event::Apply(read(object)?),
        Ok(watcher::Event::Delete(object)) => watcher::Event::Delete(read(object)?),
    }))
}

/// Which fields each manager owns fills most of an object and is nobody's business here; who the managers are stays.
fn forget_field_sets<K: Custom>(object: &mut K) {
    for entry in object.managed_fields_mut() {
        entry.fields_v1 = None;
    }
}

/// What came of a write of the object at `key`.
pub(crate) async fn answered<K: Custom>(
    key: &Key,
    write: impl Future<Output = Result<K, kube::Error>>,
) -> Result<K, ResourceError> {
    let what = describe::<K>(key);
    match tokio::time::timeout(PATIENCE, write).await {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            404 => ResourceError::Gone { what },
            409 => ResourceError::Conflict { what },
            // The server says that it did not take the request at all.
            429 => ResourceError::Unavailable { what, message: status.message.clone() },
            500.. => ResourceError::Ambiguous { what, message: status.message.clone() },
            _ => ResourceError::Refused { what, message: status.message.clone() },
        }),
        Ok(Err(error)) => Err(ResourceError::Ambiguous { what, message: error.to_string() }),
        Err(_) => Err(ResourceError::Ambiguous { what, message: no_answer() }),
    }
}

fn describe<K: Custom>(key: &Key) -> String {
    format!("{} {key}", K::kind(&()))
}

fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}
