//! How often each object of a release was really changed: every version that the API server stored is seen, and counts
//! if something in it is other than in the one before that nobody but Slipway decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::objects;

/// The objects of releases, as the API server stored them over time.
#[derive(Debug)]
pub struct Writes {
    seen: Arc<Mutex<BTreeMap<Key, Changes>>>,
    relisted: Arc<Mutex<Vec<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

/// Namespace, and kind and name.
type Key = (String, String);

/// What happened to one object.
#[derive(Debug, Clone, Default)]
struct Changes {
    version: String,
    last: Option<Value>,
    count: usize,
    by: Vec<String>,
}

impl Writes {
    /// Watches the kinds of the scenarios' releases everywhere.
    pub fn watch(client: &Client) -> Self {
        let seen = Arc::new(Mutex::new(BTreeMap::new()));
        let relisted = Arc::new(Mutex::new(Vec::new()));
        let task =
            |resource: ApiResource| tokio::spawn(follow(client.clone(), resource, seen.clone(), relisted.clone()));
        let tasks = objects::RELEASED.iter().map(|kind| task(objects::resource(kind))).collect();
        Self { seen, relisted, tasks }
    }

    /// The kinds whose watch had to begin anew with a list, once for each time. A list has the newest versions only: one
    /// that was replaced meanwhile has not been seen, and the counts of that time prove nothing.
    pub fn relisted(&self) -> Vec<String> {
        self.relisted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often each object of a namespace was changed, by kind and name.
    pub fn counts(&self, namespace: &str) -> BTreeMap<String, usize> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let here = seen.iter().filter(|((place, _), _)| place == namespace);
        here.map(|((_, name), changes)| (name.clone(), changes.count)).collect()
    }

    /// The newest version of an object that was seen.
    pub fn version(&self, namespace: &str, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(namespace.to_owned(), name.to_owned())).map(|changes| changes.version.clone())
    }

    /// What an object was, each time it was changed.
    pub fn history(&self, namespace: &str, name: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(namespace.to_owned(), name.to_owned())).map(|changes| changes.by.clone()).unwrap_or_default()
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn follow(
    client: Client,
    resource: ApiResource,
    seen: Arc<Mutex<BTreeMap<Key, Changes>>>,
    relisted: Arc<Mutex<Vec<String>>>,
) {
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let config = watcher::Config::default().labels("slipway.dev/service");
    let mut events = watcher(api, config).boxed();
    let mut listed = false;
    while let Some(event) = events.next().await {
        let (object, gone) = match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => (object, false),
            Ok(watcher::Event::Delete(object)) => (object, true),
            Ok(watcher::Event::Init) => {
                if listed {
                    relisted.lock().unwrap_or_else(PoisonError::into_inner).push(resource.kind.clone());
                }
                continue;
            }
            Ok(watcher::Event::InitDone) => {
                listed = true;
                continue;
            }
            Err(_) => continue,
        };
        let key = (object.namespace().unwrap_or_default(), format!("{}/{}", resource.kind, object.name_any()));
        let version = object.resource_version().unwrap_or_default();
        let now = (!gone).then(|| decided(&object));
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let changes: &mut Changes = seen.entry(key).or_default();
        if changes.last != now {
            changes.count += 1;
            changes.by.push(format!("{version}: {}", now.as_ref().map_or("gone".to_owned(), ToString::to_string)));
            changes.last = now;
        }
        changes.version = version;
    }
}

/// What Slipway decides about an object, and when it last said so.
fn decided(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(all) = value.as_object_mut() {
        all.remove("status");
    }
    let managed = value.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let ours: Vec<Value> = managed.into_iter().filter(|entry| entry["manager"] == "slipway").collect();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.insert("managedFields".to_owned(), ours.into());
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("deployment.kubernetes.io/revision");
        }
    }
    value
}
